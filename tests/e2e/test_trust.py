# SPDX-License-Identifier: Apache-2.0
"""Hostile models, requests and peers against a real daemon. tests/TRUST.md says which threat each test stands for."""
import json
import os
import select
import shutil
import socket
import struct
import subprocess
import time
import unittest

import grpc
import numpy as np
from onnx import TensorProto, helper
from tritonclient.grpc import service_pb2 as pb

import harness
import push

INFER = "/inference.GRPCInferenceService/ModelInfer"
MIN, FAR = -2**31, 2**62


def model(nodes, inputs, outputs, weights=(), functions=(), domains=()):
    graph = helper.make_graph(nodes, "g", inputs, outputs, weights)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)] + list(domains), ir_version=8,
                             functions=functions).SerializeToString()


def value(name, kind, shape):
    return helper.make_tensor_value_info(name, kind, shape)


def endless():
    """Adds x to itself 2^62 times."""
    body = helper.make_graph([helper.make_node("Identity", ["go"], ["more"]), helper.make_node("Add", ["v", "v"], ["w"])], "b",
                             [value("i", TensorProto.INT64, []), value("go", TensorProto.BOOL, []), value("v", TensorProto.FLOAT, [1])],
                             [value("more", TensorProto.BOOL, []), value("w", TensorProto.FLOAT, [1])])
    return model([helper.make_node("Loop", ["n", "", "x"], ["y"], body=body)], [value("x", TensorProto.FLOAT, [1])],
                 [value("y", TensorProto.FLOAT, [1])], [helper.make_tensor("n", TensorProto.INT64, [], [FAR])])


def external(location, n=4, **more):
    w = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[n], data_location=TensorProto.EXTERNAL)
    for k, v in {"location": location, **more}.items():
        w.external_data.add(key=k, value=v)
    return model([helper.make_node("Add", ["x", "w"], ["y"])], [value("x", TensorProto.FLOAT, [n])],
                 [value("y", TensorProto.FLOAT, [n])], [w])


class Case(unittest.TestCase):
    options = ()

    @classmethod
    def setUpClass(cls):
        cls.d = harness.Daemon(*cls.options).__enter__()

    @classmethod
    def tearDownClass(cls):
        cls.d.__exit__(None, None, None)

    def put(self, data, name="bad", expect=(400,)):
        status, _, body = self.d.request("PUT", f"/v2/repository/models/{name}/versions/next", data, timeout=60)
        self.assertIn(status, expect, body[:300])
        return body.decode()

    def ask(self, name, inputs, expect=200, **more):
        body = {"inputs": [{"name": n, "datatype": t, "shape": s, "data": v} for n, t, s, v in inputs], **more}
        status, _, reply = self.d.request("POST", f"/v2/models/{name}/infer", json.dumps(body))
        self.assertIn(status, expect if isinstance(expect, tuple) else (expect,), reply[:300])
        return json.loads(reply)

    def rpc(self, request, target=None):
        with grpc.insecure_channel(target or self.d.grpc) as c:
            return pb.ModelInferResponse.FromString(c.unary_unary(INFER)(request.SerializeToString(), timeout=30))

    def refused_rpc(self, request):
        with self.assertRaises(grpc.RpcError) as e:
            self.rpc(request)
        return e.exception

    def alive(self):
        self.assertEqual(self.d.request("GET", "/v2/health/live")[0], 200)


class Running(Case):
    options = ("--set", "limits.self_test_time=300ms", "--set", "runtime.run_memory=1MiB")

    def test_endless_loop_in_a_deploy(self):
        began = time.monotonic()
        self.put(endless(), expect=(504,))
        self.assertLess(time.monotonic() - began, 10)
        self.assertEqual(self.d.request("GET", "/v2/models/bad")[0], 404)
        self.alive()

    def test_endless_loop_in_a_run(self):
        with harness.Daemon("--set", "limits.self_test_time=0") as d:
            d.deploy("endless", endless())
            began = time.monotonic()
            body = {"inputs": [{"name": "x", "datatype": "FP32", "shape": [1], "data": [1]}], "parameters": {"timeout": 200000}}
            self.assertEqual(d.request("POST", "/v2/models/endless/infer", json.dumps(body))[0], 504)
            del body["parameters"]
            self.assertEqual(d.request("POST", "/v2/models/endless/infer", json.dumps(body), {"X-Request-Timeout-Ms": "200"})[0], 504)
            r = pb.ModelInferRequest(model_name="endless")
            r.inputs.add(name="x", datatype="FP32", shape=[1])
            r.raw_input_contents.append(b"\0" * 4)
            with grpc.insecure_channel(d.grpc) as c:
                with self.assertRaises(grpc.RpcError) as e:
                    c.unary_unary(INFER)(r.SerializeToString(), timeout=0.3)
                self.assertEqual(e.exception.code(), grpc.StatusCode.DEADLINE_EXCEEDED)
            self.assertLess(time.monotonic() - began, 10)
            d.deploy("m", harness.identity())  # and the workers are free again
            body = {"inputs": [{"name": "IN", "datatype": "FP32", "shape": [1, 1], "data": [1]}]}
            self.assertEqual(d.request("POST", "/v2/models/m/infer", json.dumps(body))[0], 200)

    def integers(self, op, folded, **attributes):
        a, b = value("a", TensorProto.INT32, [2]), value("b", TensorProto.INT32, [2])
        y = value("y", TensorProto.INT32, [2])
        node = helper.make_node(op, ["a", "b"], ["y" if not folded else "k"], **attributes)
        if not folded:
            return model([node], [a, b], [y])
        weights = [helper.make_tensor(n, TensorProto.INT32, [2], v) for n, v in zip("ab", folded)]
        return model([node, helper.make_node("Add", ["k", "x"], ["y"])], [value("x", TensorProto.INT32, [2])], [y], weights)

    def test_integers_that_trap(self):
        zero = [("x", "INT32", [2], [0, 0])]
        for op, attributes, want in (("Div", {}, [MIN, -4]), ("Mod", {}, [0, 0])):
            with self.subTest(op):
                self.put(self.integers(op, None, **attributes), op, (201,))
                pair = lambda a, b: [("a", "INT32", [2], a), ("b", "INT32", [2], b)]
                self.assertEqual(self.ask(op, pair([MIN, 8], [-1, -2]))["outputs"][0]["data"], want)
                self.assertIn("division by zero", self.ask(op, pair([1, 1], [1, 0]), 400)["error"])
                # the same numbers as constants, which are folded while the model is read
                self.put(self.integers(op, ([MIN, 8], [-1, -2])), op + "f", (201,))
                self.assertEqual(self.ask(op + "f", zero)["outputs"][0]["data"], want)
                self.assertIn("division by zero", self.put(self.integers(op, ([1, 1], [1, 0]))))
        u = lambda n: value(n, TensorProto.UINT8, [2])
        self.put(model([helper.make_node("BitShift", ["a", "b"], ["y"], direction="LEFT")], [u("a"), u("b")], [u("y")]), "shift", (201,))
        got = self.ask("shift", [("a", "UINT8", [2], [255, 1]), ("b", "UINT8", [2], [8, 200])])
        self.assertEqual(got["outputs"][0]["data"], [0, 0])
        self.alive()

    def test_bytes_of_a_run(self):
        n = value("n", TensorProto.INT64, [1])
        self.put(model([helper.make_node("ConstantOfShape", ["n"], ["y"])], [n], [value("y", TensorProto.FLOAT, ["k"])]), "big", (201,))
        before = self.d.rss()
        for k in (1 << 20, 1 << 40, 2**61, 2**62, 2**63 - 1):
            self.ask("big", [("n", "INT64", [1], [k])], 413 if k < 2**61 else (400, 413))
        self.assertEqual(len(self.ask("big", [("n", "INT64", [1], [5])])["outputs"][0]["data"]), 5)
        self.assertLess(self.d.rss() - before, 32 << 20)

    def test_doubling_functions(self):
        fs = []
        for i in range(28):
            inner = ("local", f"F{i - 1}") if i else ("", "Relu")
            nodes = [helper.make_node(inner[1], [a], [b], domain=inner[0]) for a, b in (("a", "h"), ("h", "b"))]
            fs.append(helper.make_function("local", f"F{i}", ["a"], ["b"], nodes, [helper.make_opsetid("", 17), helper.make_opsetid("local", 1)]))
        x, y = value("x", TensorProto.FLOAT, [1]), value("y", TensorProto.FLOAT, [1])
        data = model([helper.make_node("F27", ["x"], ["y"], domain="local")], [x], [y], functions=fs, domains=[helper.make_opsetid("local", 1)])
        before, began = self.d.rss(), time.monotonic()
        self.assertIn("grows beyond the nodes allowed", self.put(data, expect=(413, 429)))
        self.assertLess(time.monotonic() - began, 10)
        self.assertLess(self.d.rss() - before, 64 << 20)


class Pushing(Case):
    options = ("--set", "store.max_pushes=8")

    def test_a_ninth_push(self):
        data = [bytes([i]) * 4096 for i in range(9)]
        open_ones = [push.Push(self.d.grpc) for _ in data]
        try:
            for p, d in zip(open_ones[:8], data):
                p.send_manifest("n", [("m.onnx", d)])
                self.assertEqual(p.next()[0], "need")
                p.send_chunk(0, 0, d[:1])
            time.sleep(0.3)
            open_ones[8].send_manifest("n", [("m.onnx", data[8])])
            with self.assertRaises(grpc.RpcError) as e:
                open_ones[8].next()
            self.assertEqual(e.exception.code(), grpc.StatusCode.RESOURCE_EXHAUSTED, e.exception.details())
            self.assertEqual(self.d.request("PUT", "/v2/repository/models/other/versions/1", harness.identity())[0], 429)
        finally:
            for p in open_ones:
                p.close()
        end = time.monotonic() + 10
        while self.d.request("PUT", "/v2/repository/models/n/versions/1", harness.identity())[0] not in (200, 201):
            self.assertLess(time.monotonic(), end)
            time.sleep(0.1)

    def test_external_data_stays_in_the_bundle(self):
        secret = os.path.join(self.d.folder, "secret")
        with open(secret, "wb") as f:
            f.write(b"\0" * 64)
        up = "../" * 12
        for location in (secret, "/etc/passwd", up + "etc/passwd", "sub/../../secret", "..", ".", "", "/", "a/./b", "sub//x",
                         "file:///etc/passwd", "/proc/self/environ", "x\0y", "blobs", "mindserve.db"):
            with self.subTest(location):
                body = self.put(external(location))
                self.assertNotIn(self.d.state, body)
        self.put(external("w", length=str(2**63), offset="0"))
        self.put(external("w", length="16", offset=str(2**64 - 8)))
        self.put(external("w", n=FAR // 4))

    def test_nothing_is_fetched(self):
        with socket.create_server(("127.0.0.1", 0)) as s:
            url = f"http://127.0.0.1:{s.getsockname()[1]}/w.bin"
            self.put(external(url))
            m = {"files": [{"path": url, "size": 16, "sha256": "0" * 64}]}
            self.assertEqual(self.d.request("POST", "/v2/repository/models/x/versions/next", json.dumps(m))[0], 400)
            self.d.request("POST", "/v2/repository/models/x/load", json.dumps({"parameters": {"url": url, "config": "{}"}}))
            s.settimeout(0.5)
            with self.assertRaises(TimeoutError):
                s.accept()

    def test_declared_sizes_are_not_believed(self):
        for dims, raw in (([1 << 60], 16), ([FAR, 4], 16), ([1 << 32, 1 << 32], 4), ([-1], 4), ([-(2**63)], 8), ([5], 16), ([3], 16), ([0], 4),
                          ([1 << 20, 1 << 20, 1 << 20, 1 << 4], 0)):
            with self.subTest(dims):
                w = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=dims, raw_data=b"\0" * raw)
                before = self.d.rss()
                self.put(model([helper.make_node("Add", ["x", "w"], ["y"])], [value("x", TensorProto.FLOAT, [4])],
                               [value("y", TensorProto.FLOAT, [4])], [w]))
                self.assertLess(self.d.rss() - before, 32 << 20)

    def test_zero_where_a_kernel_divides(self):
        x, y = value("x", TensorProto.FLOAT, [1, 4, 8, 8]), value("y", TensorProto.FLOAT, None)
        w = helper.make_tensor("w", TensorProto.FLOAT, [4, 1, 3, 3], [0] * 36)
        f = value("y", TensorProto.FLOAT, [])
        for op, ins, attributes in (("Conv", ["x", "w"], {"group": 0}), ("Conv", ["x", "w"], {"group": -1}),
                                    ("Conv", ["x", "w"], {"group": 4, "strides": [0, 0]}),
                                    ("Conv", ["x", "w"], {"group": 4, "dilations": [0, MIN]}),
                                    ("ConvTranspose", ["x", "w"], {"group": 0}),
                                    ("MaxPool", ["x"], {"kernel_shape": [2, 2], "strides": [0, 1]}),
                                    ("AveragePool", ["x"], {"kernel_shape": [0, 0]}),
                                    ("DepthToSpace", ["x"], {"blocksize": 0}), ("SpaceToDepth", ["x"], {"blocksize": 0})):
            with self.subTest(op=op, **attributes):
                self.put(model([helper.make_node(op, ins, ["y"], **attributes)], [x], [f], [w] if "w" in ins else []))
        self.alive()


class Names(Case):
    TERMINAL = "\x1b[31m\u202e\u2066x\x07\r\n"

    def test_in_the_log(self):
        for name in (self.TERMINAL, "a" * 2000, "a\u0000b"):
            r = pb.ModelInferRequest(model_name=name)
            self.assertIn(self.refused_rpc(r).code(), (grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.NOT_FOUND))
        for path in ("/v2/models/%1b%5b31m/infer", "/v2/models/%e2%80%ae/infer", "/v2/models/a%0d%0ab/infer"):
            self.assertIn(self.d.request("POST", path, b"{}")[0], (400, 404))
        r = pb.ModelInferRequest(model_name="absent")
        r.inputs.add(name=self.TERMINAL, datatype=self.TERMINAL, shape=[1])
        details = self.refused_rpc(r).details()
        for bad in ("\x1b", "\u202e", "\u2066", "\x07", "\n"):
            self.assertNotIn(bad, details)
            self.assertNotIn(bad, self.d.stderr(1 << 20).replace("\n", " "))
        self.assertLess(max(map(len, self.d.stderr(1 << 20).split("\n"))), 2000)

    def test_in_msctl(self):
        t = self.TERMINAL
        data = model([helper.make_node("Relu", ["x" + t], ["y" + t], name="n" + t)],
                     [value("x" + t, TensorProto.FLOAT, [1])], [value("y" + t, TensorProto.FLOAT, [1])])
        self.put(data, "odd", (201,))
        path = os.path.join(self.d.folder, "odd.onnx")
        with open(path, "wb") as f:
            f.write(data)
        for args in (["show", "odd"], ["list"], ["status"], ["deploy", path, "--name", "odd"], ["check", path], ["dump", path]):
            p = subprocess.run([harness.MSCTL, *args], capture_output=True, timeout=60, env={**os.environ, "MINDSERVE_SERVER": self.d.grpc})
            text = (p.stdout + p.stderr).decode()
            self.assertTrue(text, args)
            for bad in ("\x1b", "\u202e", "\u2066", "\x07", "\r"):
                self.assertNotIn(bad, text, (args, text))

    def test_too_long(self):
        n = "n" * 1025
        self.put(model([helper.make_node("Relu", ["x"], [n])], [value("x", TensorProto.FLOAT, [1])], [value(n, TensorProto.FLOAT, [1])]))
        self.put(harness.identity(), "id", (201,))
        body = {"name": n, "datatype": "FP32", "shape": [1, 1], "data": [1]}
        self.assertEqual(self.d.request("POST", "/v2/models/id/infer", json.dumps({"inputs": [body]}))[0], 400)
        r = pb.ModelInferRequest(model_name="id")
        r.inputs.add(name=n, datatype="FP32", shape=[1, 1])
        self.assertEqual(self.refused_rpc(r).code(), grpc.StatusCode.INVALID_ARGUMENT)
        for bad in ("a/b", "a..b", "..", "-a", "a" * 129, "ä", "a b"):
            with self.assertRaises(grpc.RpcError):
                push.deploy(self.d.grpc, bad, [("m.onnx", harness.identity())])


class Requests(Case):
    options = ("--set", "limits.message=1MiB", "--set", "limits.receive_budget=1MiB",
               "--set", "listen.max_connections_per_address=20")

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.d.deploy("bools", harness.identity("BOOL"))
        cls.d.deploy("m", harness.identity())

    def test_bools_are_normal(self):
        raw, want = b"\x00\x01\x02\xff", b"\x00\x01\x01\x01"
        head = json.dumps({"inputs": [{"name": "IN", "datatype": "BOOL", "shape": [1, 4], "parameters": {"binary_data_size": 4}}],
                           "parameters": {"binary_data_output": True}}).encode()
        status, headers, body = self.d.request("POST", "/v2/models/bools/infer", head + raw, {"Inference-Header-Content-Length": str(len(head))})
        self.assertEqual((status, body[-4:]), (200, want))
        r = pb.ModelInferRequest(model_name="bools")
        r.inputs.add(name="IN", datatype="BOOL", shape=[1, 4])
        r.raw_input_contents.append(raw)
        self.assertEqual(self.rpc(r).raw_output_contents[0], want)

    def test_shapes_that_wrap(self):
        for shape in ([2**32, 2**32], [2**62, 4], [2**63 - 1, 2], [-1, 1], [2**31, 2**31], [2**63 - 1, 0, 2**63 - 1]):
            self.ask("m", [("IN", "FP32", shape, [1, 1])], 400)
            r = pb.ModelInferRequest(model_name="m")
            r.inputs.add(name="IN", datatype="FP32", shape=shape)
            r.raw_input_contents.append(b"\0" * 8)
            self.assertEqual(self.refused_rpc(r).code(), grpc.StatusCode.INVALID_ARGUMENT, shape)

    def head(self, lines):
        with self.d.connect() as s:
            s.sendall(b"GET /v2 HTTP/1.1\r\nHost: x\r\n" + lines + b"\r\n")
            try:
                return int(s.recv(4096).split(b" ")[1])
            except (IndexError, ConnectionError):
                return 0  # closed without a word

    def test_header_limits(self):
        lines = lambda n: b"".join(b"A%d: b\r\n" % i for i in range(n))
        self.assertEqual(self.head(lines(99)), 200)  # and Host: 100
        self.assertEqual(self.head(lines(100)), 431)
        self.assertEqual(self.head(b"A: " + b"b" * 15000 + b"\r\n"), 200)
        self.assertEqual(self.head(b"A: " + b"b" * 17000 + b"\r\n"), 431)
        big = b"".join(b"A%d: " % i + b"b" * 15000 + b"\r\n" for i in range(8))
        self.assertIn(self.head(big), (0, 431))
        self.alive()

    def test_chunks(self):
        text = json.dumps({"inputs": [{"name": "IN", "datatype": "FP32", "shape": [1, 1], "data": [1]}], "x": "y" * 100000}).encode()
        head = b"POST /v2/models/m/infer HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
        before = self.d.rss()
        for body, want in ((b"".join(b"1\r\n%c\r\n" % c for c in text) + b"0\r\n\r\n", 400),  # 100 000 chunks
                           (b"".join(b"400\r\n%s\r\n" % text[i:i + 1024] for i in range(0, len(text) // 1024 * 1024, 1024)) +
                            b"%x\r\n%s\r\n0\r\n\r\n" % (len(text) % 1024, text[len(text) // 1024 * 1024:]), 200),
                           (b"1;" + b"e" * 200000 + b"\r\n{\r\n0\r\n\r\n", 400)):
            with self.d.connect(30) as s:
                try:
                    s.sendall(head + body)
                    status = int(s.recv(4096).split(b" ")[1])
                except (ConnectionError, IndexError):
                    status = 400  # closed
                self.assertEqual(status, want)
        self.assertLess(self.d.rss() - before, 32 << 20)
        # what follows the body is no header: it cannot say how the body was to be read
        body = b"%x\r\n" % len(text) + text + b"\r\n0\r\nInference-Header-Content-Length: 3\r\n\r\n"
        with self.d.connect() as s:
            s.sendall(head + body)
            self.assertIn(int(s.recv(4096).split(b" ")[1]), (200, 400))
        self.alive()

    def test_receive_budget(self):
        held = [self.d.connect() for _ in range(2)]
        try:
            for s in held:
                s.sendall(b"POST /v2/models/m/infer HTTP/1.1\r\nHost: x\r\nContent-Length: 500000\r\n\r\n{")
            time.sleep(0.3)
            status, headers, body = self.d.request("POST", "/v2/models/m/infer", b" " * 900000)
            self.assertEqual(status, 503, body)
            self.assertIn("retry-after", headers)
            self.alive()
        finally:
            for s in held:
                s.close()

    def test_connections_of_an_address(self):
        self.d.no_connections()
        crowd = []
        try:
            for _ in range(30):
                crowd.append(self.d.connect())
            time.sleep(0.5)
            self.assertEqual(len(select.select(crowd, [], [], 0)[0]), 10)  # readable: closed
            with grpc.insecure_channel(self.d.grpc) as c:  # gRPC has its own
                c.unary_unary("/inference.GRPCInferenceService/ServerLive")(b"", timeout=10)
        finally:
            for s in crowd:
                s.close()
            time.sleep(0.5)  # for the next test, which comes from here too


class Http2(Case):
    def test_metadata(self):
        with grpc.insecure_channel(self.d.grpc) as c:
            with self.assertRaises(grpc.RpcError) as e:
                c.unary_unary("/inference.GRPCInferenceService/ServerLive")(b"", metadata=[("a", "b" * 70000)], timeout=10)
            self.assertIn(e.exception.code(), (grpc.StatusCode.RESOURCE_EXHAUSTED, grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.INTERNAL))
        self.alive()

    def test_small_block_that_decodes_large(self):
        """One header of 4 000 bytes in the table, then 15 000 references to it: 60 MB a block."""
        frame = lambda kind, flags, stream, data: struct.pack(">I", len(data))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + data
        value = b"v" * 3900
        first = b"\x40\x01a" + b"\x7f" + bytes([(3900 - 127) & 127 | 128, (3900 - 127) >> 7]) + value
        before = self.d.rss()
        host, port = self.d.grpc.rsplit(":", 1)
        with socket.create_connection((host, int(port)), timeout=5) as s:
            try:
                s.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(4, 0, 0, b""))
                for i in range(20):
                    block = first + b"\xbe" * 12000
                    s.sendall(frame(1, 5, 2 * i + 1, b"\x83\x86\x44\x02/x" + block))
                s.settimeout(2)
                while s.recv(65536):
                    pass
            except OSError:
                pass
        self.assertLess(self.d.rss() - before, 64 << 20)
        with grpc.insecure_channel(self.d.grpc) as c:
            c.unary_unary("/inference.GRPCInferenceService/ServerLive")(b"", timeout=10)


class Leaks(Case):
    """Error texts name what the caller sent, never where the daemon lives."""

    def test_error_texts(self):
        d = self.d
        d.deploy("m", harness.identity())
        relu = lambda n: model([helper.make_node(n, ["x"], ["y"])], [value("x", TensorProto.FLOAT, [1])], [value("y", TensorProto.FLOAT, [1])])
        sha = "/v2/repository/blobs/sha256/"
        calls = [("GET", "/nothing", None), ("PUT", "/v2", b""), ("GET", "/v2/models/absent", None), ("GET", "/v2/models/m/versions/9", None),
                 ("POST", "/v2/models/m/infer", b"{"), ("POST", "/v2/models/m/infer", b'{"inputs":[{"name":"IN"}]}'),
                 ("POST", "/v2/models/absent/infer", b"{}"), ("PUT", "/v2/repository/models/a..b/versions/1", b"x"),
                 ("PUT", "/v2/repository/models/x/versions/1", b"x" * 100), ("PUT", "/v2/repository/models/x/versions/1", b""),
                 ("PUT", "/v2/repository/models/x/versions/1", relu("Nope")), ("PUT", "/v2/repository/models/x/versions/1", external("w.bin")),
                 ("PUT", "/v2/repository/models/x/versions/1", external("../w.bin")), ("PUT", "/v2/repository/models/m/versions/1", relu("Relu")),
                 ("PUT", sha + "0" * 64, b"abc"), ("GET", sha + "0" * 64, None), ("HEAD", sha + "zz", None),
                 ("POST", "/v2/repository/models/absent/rollback", None), ("DELETE", "/v2/repository/models/absent", None),
                 ("POST", "/v2/repository/models/absent/load", None), ("POST", "/v2/repository/models/m/load", b'{"parameters":{"config":"{"}}')]
        texts = []
        for method, path, body in calls:
            status, headers, reply = d.request(method, path, body)
            self.assertGreaterEqual(status, 400, (method, path))
            texts.append(str(headers) + reply.decode("utf-8", "replace"))
        blobs = os.path.join(d.state, "blobs")
        hidden = blobs + ".away"
        os.rename(blobs, hidden)  # and when the disk plays tricks
        try:
            for method, path, body in calls[10:14] + [("PUT", "/v2/repository/models/y/versions/1", relu("Abs"))]:
                texts.append(d.request(method, path, body)[2].decode("utf-8", "replace"))
        finally:
            if os.path.isdir(blobs):
                shutil.rmtree(blobs)
            os.rename(hidden, blobs)
        for method in ("/mindserve.v1.Models/Show", "/inference.GRPCInferenceService/ModelInfer", "/no.Such/Thing"):
            with grpc.insecure_channel(d.grpc) as c:
                with self.assertRaises(grpc.RpcError) as e:
                    c.unary_unary(method)(b"\x0a\x03abc", timeout=10)
                texts.append(e.exception.details())
        for text in texts:
            for leak in (d.state, d.folder, "/etc", "/usr", "/home", "/proc", "/tmp", "/var", "/root", "0x"):
                self.assertNotIn(leak, text)


if __name__ == "__main__":
    unittest.main()
