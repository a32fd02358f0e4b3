# SPDX-License-Identifier: Apache-2.0
"""The Open Inference Protocol with the unmodified tritonclient, over HTTP and gRPC."""
import json
import struct
import threading
import time
import unittest

import grpc
import numpy as np
import tritonclient.grpc as tgrpc
import tritonclient.http as thttp
from tritonclient.utils import InferenceServerException

import harness


class Case(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.d = harness.Daemon()
        cls.d.__enter__()
        cls.d.deploy("simple", harness.add_sub())
        cls.d.deploy("fp32", harness.identity("FP32"))
        cls.d.deploy("text", harness.identity("BYTES"))
        cls.d.deploy("fixed", harness.identity("FP32", (1, 4)))
        for t in ("FP64", "FP16", "INT8", "INT16", "INT32", "INT64", "UINT8", "UINT16", "UINT32", "UINT64", "BOOL"):
            cls.d.deploy("id_" + t, harness.identity(t))
        cls.h = thttp.InferenceServerClient(cls.d.http)
        cls.g = tgrpc.InferenceServerClient(cls.d.grpc)

    @classmethod
    def tearDownClass(cls):
        cls.h.close()
        cls.g.close()
        cls.d.__exit__(None, None, None)

    def clients(self):
        return ((self.h, thttp), (self.g, tgrpc))


class Health(Case):
    def test_live_ready(self):
        for c, _ in self.clients():
            self.assertTrue(c.is_server_live())
            self.assertTrue(c.is_server_ready())
            self.assertTrue(c.is_model_ready("simple"))
            self.assertTrue(c.is_model_ready("simple", "1"))
            self.assertFalse(c.is_model_ready("absent"))
            self.assertFalse(c.is_model_ready("simple", "7"))
        self.assertEqual(self.d.request("GET", "/v2/models/absent/ready")[0], 404)

    def test_server_metadata(self):
        m = self.h.get_server_metadata()
        self.assertEqual(m["name"], "mindserve")
        self.assertIn("statistics", m["extensions"])
        self.assertIn("binary_tensor_data", self.g.get_server_metadata().extensions)

    def test_model_metadata(self):
        want = [{"name": "INPUT0", "datatype": "INT32", "shape": [-1, 16]},
                {"name": "INPUT1", "datatype": "INT32", "shape": [-1, 16]}]
        m = self.h.get_model_metadata("simple")
        self.assertEqual(m["inputs"], want)
        self.assertEqual(m["versions"], ["1"])
        g = self.g.get_model_metadata("simple", as_json=True)
        self.assertEqual([i["shape"] for i in g["inputs"]], [["-1", "16"]] * 2)
        self.assertEqual(g["name"], "simple")

    def test_unknown_model_text(self):
        for c, _ in self.clients():
            with self.assertRaises(InferenceServerException) as e:
                c.get_model_metadata("wrong_model_name")
            self.assertIn("Request for unknown model: 'wrong_model_name' is not found", str(e.exception))

    def test_config(self):
        m = self.h.get_model_config("simple")
        self.assertGreater(m["max_batch_size"], 0)
        self.assertEqual(m["input"][0]["dims"], [16])
        self.assertEqual(m["input"][0]["data_type"], "TYPE_INT32")
        self.assertIn("dynamic_batching", m)
        g = self.g.get_model_config("simple").config
        self.assertEqual(list(g.input[0].dims), [16])
        f = self.h.get_model_config("fixed")
        self.assertEqual((f["max_batch_size"], f["input"][0]["dims"]), (0, [1, 4]))

    def test_index(self):
        names = {m["name"]: m for m in self.h.get_model_repository_index()}
        self.assertEqual((names["simple"]["state"], names["simple"]["version"]), ("READY", "1"))
        self.assertIn("reason", names["simple"])
        self.assertIn("simple", [m.name for m in self.g.get_model_repository_index().models])

    def test_request_id(self):
        _, h, _ = self.d.request("GET", "/v2", headers={"X-Request-Id": "abc.1"})
        self.assertEqual(h["x-request-id"], "abc.1")
        _, h, _ = self.d.request("GET", "/v2", headers={"X-Request-Id": "bad id"})
        self.assertRegex(h["x-request-id"], "^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$")


class Infer(Case):
    def run_simple(self, c, mod, binary=True, **args):
        a = np.arange(16, dtype=np.int32).reshape(1, 16)
        b = np.full((1, 16), 7, dtype=np.int32)
        ins = [mod.InferInput("INPUT0", [1, 16], "INT32"), mod.InferInput("INPUT1", [1, 16], "INT32")]
        outs = [mod.InferRequestedOutput("OUTPUT0"), mod.InferRequestedOutput("OUTPUT1")]
        if mod is thttp:
            ins[0].set_data_from_numpy(a, binary_data=binary)
            ins[1].set_data_from_numpy(b, binary_data=not binary)
            outs[1] = mod.InferRequestedOutput("OUTPUT1", binary_data=binary)
        else:
            ins[0].set_data_from_numpy(a)
            ins[1].set_data_from_numpy(b)
        r = c.infer("simple", ins, outputs=outs, **args)
        np.testing.assert_array_equal(r.as_numpy("OUTPUT0"), a + b)
        np.testing.assert_array_equal(r.as_numpy("OUTPUT1"), a - b)
        return r

    def test_simple(self):
        for c, mod in self.clients():
            for binary in (True, False):
                self.run_simple(c, mod, binary)
            r = self.run_simple(c, mod, request_id="my-id", model_version="1")
            got = r.get_response()
            self.assertEqual(got["id"] if isinstance(got, dict) else got.id, "my-id")
            self.assertEqual(got["model_version"] if isinstance(got, dict) else got.model_version, "1")

    def test_compression(self):
        for coding in ("gzip", "deflate"):
            self.run_simple(self.h, thttp, request_compression_algorithm=coding)
            self.run_simple(self.h, thttp, request_compression_algorithm=coding, response_compression_algorithm=coding)
            self.run_simple(self.g, tgrpc, compression_algorithm=coding)

    def test_async(self):
        a = self.np_inputs(thttp)
        pending = [self.h.async_infer("simple", a) for _ in range(8)]
        for p in pending:
            self.assertEqual(p.get_result().as_numpy("OUTPUT0").shape, (1, 16))
        done = threading.Semaphore(0)
        errors = []
        for _ in range(8):
            self.g.async_infer("simple", self.np_inputs(tgrpc), callback=lambda result, error: (errors.append(error), done.release()))
        for _ in range(8):
            self.assertTrue(done.acquire(timeout=20))
        self.assertEqual([e for e in errors if e], [])

    def np_inputs(self, mod, n=1):
        out = []
        for name in ("INPUT0", "INPUT1"):
            i = mod.InferInput(name, [n, 16], "INT32")
            i.set_data_from_numpy(np.ones((n, 16), np.int32))
            out.append(i)
        return out

    def test_stream(self):
        got, done = [], threading.Semaphore(0)
        with tgrpc.InferenceServerClient(self.d.grpc) as c:
            c.start_stream(callback=lambda result, error: (got.append((result, error)), done.release()))
            for i in range(20):
                c.async_stream_infer("simple" if i != 5 else "absent", self.np_inputs(tgrpc), request_id=str(i))
            for _ in range(20):
                self.assertTrue(done.acquire(timeout=20))
            c.stop_stream()
        self.assertEqual([i for i, (r, e) in enumerate(got) if e], [5])
        self.assertEqual([r.get_response().id for r, e in got if r], [str(i) for i in range(20) if i != 5])

    def test_all_dtypes(self):
        rng = np.random.default_rng(1)
        for t, np_t in (("FP32", np.float32), ("FP64", np.float64), ("FP16", np.float16), ("INT8", np.int8), ("INT16", np.int16),
                        ("INT32", np.int32), ("INT64", np.int64), ("UINT8", np.uint8), ("UINT16", np.uint16),
                        ("UINT32", np.uint32), ("UINT64", np.uint64), ("BOOL", np.bool_)):
            x = rng.integers(0, 2, (3, 5)).astype(np_t) if t == "BOOL" else (rng.random((3, 5)) * 100).astype(np_t)
            if t in ("INT64", "UINT64"):
                x[0, 0] = np.iinfo(np_t).max
                x[0, 1] = np.iinfo(np_t).min
            if t in ("FP32", "FP64"):
                x[0, :3] = np.nan, np.inf, -np.inf
                x[1, 0] = np.nextafter(np_t(0.1), np_t(1))
            model = "fp32" if t == "FP32" else "id_" + t
            for c, mod in self.clients():
                for binary in (True, False):
                    if not binary and (mod is tgrpc or t == "FP16"):
                        continue
                    i = mod.InferInput("IN", [3, 5], t)
                    if mod is thttp:
                        i.set_data_from_numpy(x, binary_data=binary) if binary or t not in ("FP32", "FP64") else None
                        if not binary and t in ("FP32", "FP64"):
                            continue  # json.dumps writes NaN bare; test_json_specials sends it
                        o = [mod.InferRequestedOutput("OUT", binary_data=binary)]
                    else:
                        i.set_data_from_numpy(x)
                        o = None
                    with self.subTest(dtype=t, client=mod.__name__, binary=binary):
                        y = c.infer(model, [i], outputs=o).as_numpy("OUT")
                        self.assertEqual(y.dtype, x.dtype)
                        self.assertEqual(y.tobytes(), x.tobytes())

    def test_text(self):
        x = np.array([["", "a"], ["\u00e4\u20ac", "x" * 5000]], dtype=object)
        for c, mod in self.clients():
            for binary in (True, False):
                i = mod.InferInput("IN", [2, 2], "BYTES")
                if mod is thttp:
                    i.set_data_from_numpy(x, binary_data=binary)
                    o = [mod.InferRequestedOutput("OUT", binary_data=binary)]
                else:
                    i.set_data_from_numpy(x)
                    o = None
                y = c.infer("text", [i], outputs=o).as_numpy("OUT")
                self.assertEqual([v if isinstance(v, str) else v.decode() for v in y.reshape(-1)], list(x.reshape(-1)))

    def test_empty(self):
        x = np.zeros((0, 4), np.float32)
        for c, mod in self.clients():
            i = mod.InferInput("IN", [0, 4], "FP32")
            i.set_data_from_numpy(x)
            y = c.infer("fp32", [i]).as_numpy("OUT")
            self.assertEqual(0 if y is None else y.size, 0)

    def test_large(self):
        x = np.random.default_rng(2).random((300, 1000)).astype(np.float32)
        for c, mod in self.clients():
            i = mod.InferInput("IN", list(x.shape), "FP32")
            i.set_data_from_numpy(x)
            np.testing.assert_array_equal(c.infer("fp32", [i]).as_numpy("OUT"), x)

    def test_classification(self):
        x = np.array([[0.1, 0.9, 0.5], [3, 2, 1]], np.float32)
        for c, mod in self.clients():
            i = mod.InferInput("IN", [2, 3], "FP32")
            i.set_data_from_numpy(x)
            y = c.infer("fp32", [i], outputs=[mod.InferRequestedOutput("OUT", class_count=2)]).as_numpy("OUT")
            self.assertEqual([[v.decode() for v in row] for row in y], [["0.900000:1", "0.500000:2"], ["3.000000:0", "2.000000:1"]])

    def test_classification_with_labels(self):
        with harness.Daemon("--set", "models.fp32.labels=zero,one") as d:
            d.deploy("fp32", harness.identity("FP32"))
            h, g = thttp.InferenceServerClient(d.http), tgrpc.InferenceServerClient(d.grpc)
            for c, mod in ((h, thttp), (g, tgrpc)):
                i = mod.InferInput("IN", [1, 3], "FP32")
                i.set_data_from_numpy(np.array([[0.1, 0.9, 0.5]], np.float32))
                y = c.infer("fp32", [i], outputs=[mod.InferRequestedOutput("OUT", class_count=3)]).as_numpy("OUT")
                # the third class has no label
                self.assertEqual([v.decode() for v in y[0]], ["0.900000:1:one", "0.500000:2", "0.100000:0:zero"])
            h.close()
            g.close()

    def test_digest_of_the_model(self):
        """Every answer says which bytes made it, as the deploy did."""
        from tritonclient.grpc import service_pb2, service_pb2_grpc
        first = self.d.deploy("digest", harness.identity("FP32"))["digest"]
        body = json.dumps({"inputs": [{"name": "IN", "shape": [1, 1], "datatype": "FP32", "data": [1]}]})
        status, headers, _ = self.d.request("POST", "/v2/models/digest/infer", body)
        self.assertEqual((status, headers["x-mindserve-model-digest"]), (200, first))
        with grpc.insecure_channel(self.d.grpc) as ch:
            q = service_pb2.ModelInferRequest(model_name="digest")
            q.inputs.add(name="IN", datatype="FP32", shape=[1, 1]).contents.fp32_contents.append(1)
            _, call = service_pb2_grpc.GRPCInferenceServiceStub(ch).ModelInfer.with_call(q)
            self.assertEqual(dict([*call.initial_metadata(), *call.trailing_metadata()])["x-mindserve-model-digest"], first)
        second = self.d.deploy("digest", harness.identity("FP64"), 2)["digest"]
        self.assertNotEqual(first, second)
        body = body.replace("FP32", "FP64")
        self.assertEqual(self.d.request("POST", "/v2/models/digest/infer", body)[1]["x-mindserve-model-digest"], second)

    def test_classification_refused(self):
        i = thttp.InferInput("IN", [1, 1], "BYTES")
        i.set_data_from_numpy(np.array([["x"]], dtype=object))
        with self.assertRaises(InferenceServerException):
            self.h.infer("text", [i], outputs=[thttp.InferRequestedOutput("OUT", class_count=1)])

    def test_statistics(self):
        before = self.h.get_inference_statistics("simple")["model_stats"][0]
        self.run_simple(self.h, thttp)
        after = self.h.get_inference_statistics("simple")["model_stats"][0]
        self.assertEqual(after["inference_count"], before["inference_count"] + 1)
        for key in ("success", "fail", "queue", "compute_input", "compute_infer", "compute_output", "cache_hit", "cache_miss"):
            self.assertIsInstance(after["inference_stats"][key]["ns"], int)
        self.assertEqual(after["inference_stats"]["queue"]["count"], before["inference_stats"]["queue"]["count"] + 1)
        i = thttp.InferInput("IN", [3, 2], "FP32")
        i.set_data_from_numpy(np.zeros((3, 2), np.float32))
        for _ in range(2):
            self.h.infer("fp32", [i])
        sized = {b["batch_size"]: b for b in self.h.get_inference_statistics("fp32")["model_stats"][0]["batch_stats"]}
        self.assertGreaterEqual(sized[3]["compute_infer"]["count"], 2)
        self.assertGreater(sized[3]["compute_infer"]["ns"], 0)
        g = self.g.get_inference_statistics().model_stats
        self.assertEqual({b.batch_size for m in g if m.name == "fp32" for b in m.batch_stats}, set(sized))
        self.assertIn("simple", [m.name for m in g])
        self.assertEqual(self.d.request("GET", "/v2/models/absent/stats")[0], 404)

    def test_typed_contents(self):
        from tritonclient.grpc import service_pb2, service_pb2_grpc
        with grpc.insecure_channel(self.d.grpc) as ch:
            stub = service_pb2_grpc.GRPCInferenceServiceStub(ch)
            for t, field, values in (("FP32", "fp32_contents", [0.5, -1.5]), ("FP64", "fp64_contents", [0.1, 2.5]), ("INT8", "int_contents", [-128, 127]),
                                     ("INT16", "int_contents", [-5, 7]), ("INT32", "int_contents", [-2**31, 2**31 - 1]), ("INT64", "int64_contents", [-2**63, 2**63 - 1]),
                                     ("UINT8", "uint_contents", [0, 255]), ("UINT16", "uint_contents", [1, 65535]), ("UINT32", "uint_contents", [0, 2**32 - 1]),
                                     ("UINT64", "uint64_contents", [0, 2**64 - 1]), ("BOOL", "bool_contents", [True, False]), ("BYTES", "bytes_contents", [b"", b"ab\x00c"])):
                model = {"FP32": "fp32", "BYTES": "text"}.get(t, "id_" + t)
                q = service_pb2.ModelInferRequest(model_name=model)
                i = q.inputs.add(name="IN", datatype=t, shape=[1, 2])
                getattr(i.contents, field).extend(values)
                r = stub.ModelInfer(q)
                self.assertEqual(len(r.raw_output_contents), 1)
                raw = r.raw_output_contents[0]
                if t == "BYTES":
                    want = b"".join(struct.pack("<I", len(v)) + v for v in values)
                else:
                    want = np.array([values], {"FP32": np.float32, "FP64": np.float64, "BOOL": np.bool_}.get(t, getattr(np, t.lower(), None))).tobytes()
                self.assertEqual(raw, want, t)

    def refused(self, q, code, text):
        from tritonclient.grpc import service_pb2_grpc
        with grpc.insecure_channel(self.d.grpc) as ch:
            with self.assertRaises(grpc.RpcError) as e:
                service_pb2_grpc.GRPCInferenceServiceStub(ch).ModelInfer(q)
            self.assertEqual(e.exception.code(), code, e.exception.details())
            self.assertIn(text, e.exception.details())
            self.assertLessEqual(len(e.exception.details()), 512)

    def test_grpc_refusals(self):
        from tritonclient.grpc import service_pb2, service_pb2_grpc
        bad = grpc.StatusCode.INVALID_ARGUMENT

        def ask(model="fp32", name="IN", datatype="FP32", shape=(1, 2), raw=(b"\0" * 8,), **more):
            q = service_pb2.ModelInferRequest(model_name=model, **more)
            q.inputs.add(name=name, datatype=datatype, shape=shape)
            q.raw_input_contents.extend(raw)
            return q
        self.refused(ask(model=""), bad, "no model")
        self.refused(ask(model="absent"), grpc.StatusCode.NOT_FOUND, "Request for unknown model: 'absent' is not found")
        self.refused(ask(model_version="9"), grpc.StatusCode.NOT_FOUND, "")
        self.refused(ask(raw=(b"\0" * 7,)), bad, "7 bytes")
        self.refused(ask(raw=(b"\0" * 8, b"")), bad, "2 raw_input_contents")
        self.refused(ask(raw=()), bad, "")
        self.refused(ask(datatype="FP99"), bad, "FP99")
        self.refused(ask(shape=(-1, 2)), bad, "negative")
        self.refused(ask(shape=(2**62, 2**62)), bad, "overflow")
        self.refused(ask(shape=(1,) * 100000), bad, "dimensions")
        self.refused(ask(name="WRONG"), bad, "WRONG")
        self.refused(ask(datatype="INT32"), bad, "")
        both = ask()
        both.inputs[0].contents.fp32_contents.extend([1, 2])
        self.refused(both, bad, "both")
        twice = ask()
        twice.inputs.add(name="IN", datatype="FP32", shape=[1, 2])
        twice.raw_input_contents.append(b"\0" * 8)
        self.refused(twice, bad, "twice")
        many = ask()
        for _ in range(1100):
            many.inputs.add(name="x")
        self.refused(many, grpc.StatusCode.RESOURCE_EXHAUSTED, "more than 1024 inputs or outputs")
        ranged = ask(model="id_INT8", datatype="INT8", raw=())
        ranged.inputs[0].contents.int_contents.extend([1, 128])
        self.refused(ranged, bad, "INT8")
        triton = ask()
        triton.parameters["triton_x"].bool_param = True
        self.refused(triton, bad, "reserved")
        analyzer = ask()  # what perf_analyzer sends with every request
        analyzer.parameters["triton_enable_empty_final_response"].bool_param = True
        with grpc.insecure_channel(self.d.grpc) as ch:
            answer = service_pb2_grpc.GRPCInferenceServiceStub(ch).ModelInfer(analyzer)
        self.assertEqual(list(answer.outputs[0].shape), [1, 2])
        wanted = ask()
        wanted.outputs.add(name="NOPE")
        self.refused(wanted, bad, "NOPE")

    def test_timeout_parameter(self):
        i = thttp.InferInput("IN", [1, 2], "FP32")
        i.set_data_from_numpy(np.zeros((1, 2), np.float32))
        self.assertEqual(self.h.infer("fp32", [i], timeout=10_000_000).as_numpy("OUT").shape, (1, 2))

    def test_raw_body(self):
        x = np.arange(4, dtype=np.float32)
        status, h, body = self.d.request("POST", "/v2/models/fixed/infer", x.tobytes(), {"Inference-Header-Content-Length": "0"})
        self.assertEqual(status, 200, body)
        n = int(h["inference-header-content-length"])
        self.assertEqual(body[n:], x.tobytes())
        self.assertEqual(self.d.request("POST", "/v2/models/fixed/infer", x.tobytes()[:-1], {"Inference-Header-Content-Length": "0"})[0], 400)

    def test_unload_and_load(self):
        self.d.deploy("coming", harness.identity())
        for c, mod in self.clients():
            c.unload_model("coming")
            self.assertFalse(c.is_model_ready("coming"))
            with self.assertRaises(InferenceServerException):
                i = mod.InferInput("IN", [1, 1], "FP32")
                i.set_data_from_numpy(np.zeros((1, 1), np.float32))
                c.infer("coming", [i])
            c.load_model("coming")
            self.assertTrue(c.is_model_ready("coming"))


class Cancel(Case):
    def test_deadline(self):
        from tritonclient.grpc import service_pb2, service_pb2_grpc
        with grpc.insecure_channel(self.d.grpc) as ch:
            q = service_pb2.ModelInferRequest(model_name="fp32")
            q.inputs.add(name="IN", datatype="FP32", shape=[1, 1])
            q.raw_input_contents.append(b"\0" * 4)
            with self.assertRaises(grpc.RpcError) as e:
                service_pb2_grpc.GRPCInferenceServiceStub(ch).ModelInfer(q, timeout=1e-9)
            self.assertEqual(e.exception.code(), grpc.StatusCode.DEADLINE_EXCEEDED)
        self.assertTrue(self.g.is_server_live())


class Standard(Case):
    """grpc.health.v1 and reflection, without generated stubs: the messages are a field or two."""

    def call(self, ch, method, data, **args):
        return ch.unary_unary(method, request_serializer=lambda b: b, response_deserializer=lambda b: b)(data, **args)

    def test_check(self):
        with grpc.insecure_channel(self.d.grpc) as ch:
            for service in (b"", b"\x0a\x1e" + b"inference.GRPCInferenceService"):
                self.assertEqual(self.call(ch, "/grpc.health.v1.Health/Check", service), b"\x08\x01")
            with self.assertRaises(grpc.RpcError) as e:
                self.call(ch, "/grpc.health.v1.Health/Check", b"\x0a\x04nope")
            self.assertEqual(e.exception.code(), grpc.StatusCode.NOT_FOUND)
            with self.assertRaises(grpc.RpcError) as e:
                self.call(ch, "/no.such/Method", b"")
            self.assertEqual(e.exception.code(), grpc.StatusCode.UNIMPLEMENTED)

    def test_watch_sees_drain(self):
        with harness.Daemon() as d, grpc.insecure_channel(d.grpc) as ch:
            watch = ch.unary_stream("/grpc.health.v1.Health/Watch", request_serializer=lambda b: b, response_deserializer=lambda b: b)(b"", timeout=20)
            self.assertEqual(next(watch), b"\x08\x01")
            stopper = threading.Thread(target=d.stop)
            stopper.start()
            self.assertEqual(next(watch), b"\x08\x02")
            with self.assertRaises(grpc.RpcError) as e:
                next(watch)
            self.assertEqual(e.exception.code(), grpc.StatusCode.UNAVAILABLE)
            stopper.join()
            d.start()

    def test_watch_unknown_then_deployed(self):
        with grpc.insecure_channel(self.d.grpc) as ch:
            watch = ch.unary_stream("/grpc.health.v1.Health/Watch", request_serializer=lambda b: b, response_deserializer=lambda b: b)(b"\x0a\x05later", timeout=20)
            self.assertEqual(next(watch), b"\x08\x03")
            watch.cancel()

    def test_reflection(self):
        from google.protobuf import descriptor_pb2

        def varint_field(data, field):
            return data.split(field, 1)[1]
        with grpc.insecure_channel(self.d.grpc) as ch:
            for package in ("grpc.reflection.v1", "grpc.reflection.v1alpha"):
                ask = ch.stream_stream(f"/{package}.ServerReflection/ServerReflectionInfo", request_serializer=lambda b: b, response_deserializer=lambda b: b)
                symbol = b"inference.GRPCInferenceService"
                answers = list(ask(iter([b"\x3a\x01*", b"\x22" + bytes([len(symbol)]) + symbol, b"\x22\x04nope", b"\x1a\x09oip.proto"]), timeout=20))
                self.assertEqual(len(answers), 4)
                for name in (b"inference.GRPCInferenceService", b"mindserve.v1.Models", b"grpc.health.v1.Health", b"grpc.reflection.v1alpha.ServerReflection"):
                    self.assertIn(name, answers[0])
                self.assertIn(b"no such symbol", answers[2])
                at = answers[1].index(b"\x0a\x09oip.proto")
                f = descriptor_pb2.FileDescriptorProto.FromString(answers[1][at:])
                self.assertEqual(f.package, "inference")
                methods = [m.name for m in f.service[0].method]
                self.assertIn("ModelInfer", methods)
                self.assertIn(b"oip.proto", answers[3])


class Metrics(Case):
    def test_page(self):
        i = thttp.InferInput("IN", [1, 2], "FP32")
        i.set_data_from_numpy(np.zeros((1, 2), np.float32))
        self.h.infer("fp32", [i])
        self.d.request("POST", "/v2/models/not-deployed/infer", b"{}")
        page = self.d.page()
        rows = {}
        seen_type = set()
        for line in page.splitlines():
            if line.startswith("# TYPE"):
                name = line.split()[2]
                self.assertNotIn(name, seen_type, "declared twice")
                seen_type.add(name)
            elif not line.startswith("#"):
                key, value = line.rsplit(" ", 1)
                self.assertNotIn(key, rows)
                rows[key] = float(value)
                base = key.split("{")[0]
                self.assertTrue(base in seen_type or base.rsplit("_", 1)[0] in seen_type, key)
        label = '{model="fp32",version="1"}'
        self.assertGreaterEqual(rows["nv_inference_request_success" + label], 1)
        self.assertGreaterEqual(rows["mindserve_model_queue_seconds_count" + label], 1)
        self.assertIn('mindserve_calls_total{call="ModelInfer",protocol="http",code="OK"}', rows)
        self.assertNotIn("not-deployed", page)
        host, port = self.d.metrics.rsplit(":", 1)
        import http.client
        c = http.client.HTTPConnection(host, int(port))
        c.request("GET", "/v2/health/live")
        self.assertEqual(c.getresponse().status, 404)
        c.close()


if __name__ == "__main__":
    unittest.main()
