# SPDX-License-Identifier: Apache-2.0
"""Every bound of the options table that a request, a reply or a model can meet: it bites, with the right code."""
import http.client
import json
import os
import queue
import socket
import time
import unittest

import grpc
from tritonclient.grpc import service_pb2 as pb

import harness

INFER = "/inference.GRPCInferenceService/ModelInfer"
STREAM = "/inference.GRPCInferenceService/ModelStreamInfer"


def settings(**values):
    return [a for k, v in values.items() for a in ("--set", f"{k.replace('__', '.')}={v}")]


def tensor(name="IN", shape=(1, 2), values=(1, 2)):
    return {"name": name, "shape": list(shape), "datatype": "FP32", "data": list(values)}


def message(n=1, shape=(1, 2), outputs=(), model="m"):
    r = pb.ModelInferRequest(model_name=model)
    for i in range(n):
        r.inputs.add(name="IN" if i == 0 else f"IN{i}", datatype="FP32", shape=shape)
        r.raw_input_contents.append(b"\0" * 4 * (shape[0] * shape[-1]))
    for name in outputs:
        r.outputs.add(name=name)
    return r


class Case(unittest.TestCase):
    def rest(self, d, body, status, text, path="/v2/models/m/infer"):
        got, headers, reply = d.request("POST", path, json.dumps(body))
        self.assertEqual(got, status, reply[:300])
        self.assertIn(text, json.loads(reply)["error"])
        return headers

    def rpc(self, d, request, code, text):
        with grpc.insecure_channel(d.grpc) as c:
            with self.assertRaises(grpc.RpcError) as e:
                c.unary_unary(INFER)(request.SerializeToString(), timeout=30)
        self.assertEqual(e.exception.code(), code, e.exception.details())
        self.assertIn(text, e.exception.details())


class Requests(Case):
    @classmethod
    def setUpClass(cls):
        cls.d = harness.Daemon(*settings(limits__tensors=2, limits__rank=2, limits__json_depth=6)).__enter__()
        cls.d.deploy("m", harness.identity())

    @classmethod
    def tearDownClass(cls):
        cls.d.__exit__(None, None, None)

    def test_tensors(self):
        text = "more than 2 inputs or outputs"
        self.rest(self.d, {"inputs": [tensor(f"IN{i}") for i in range(3)]}, 413, text)
        self.rest(self.d, {"inputs": [tensor()], "outputs": [{"name": str(i)} for i in range(3)]}, 413, text)
        self.rest(self.d, {"inputs": [tensor(f"IN{i}") for i in range(2)]}, 400, "expected 1 inputs")
        self.rpc(self.d, message(3), grpc.StatusCode.RESOURCE_EXHAUSTED, text)
        self.rpc(self.d, message(1, outputs="abc"), grpc.StatusCode.RESOURCE_EXHAUSTED, text)
        self.rpc(self.d, message(2), grpc.StatusCode.INVALID_ARGUMENT, "expected 1 inputs")

    def test_rank(self):
        text = "more than 2 dimensions"
        self.rest(self.d, {"inputs": [tensor(shape=(1, 1, 2))]}, 400, text)
        self.rpc(self.d, message(shape=(1, 1, 2)), grpc.StatusCode.INVALID_ARGUMENT, text)
        self.d.json("POST", "/v2/models/m/infer", {"inputs": [tensor()]})

    def test_json_depth(self):
        nested = lambda n: json.loads("[" * n + "]" * n)
        body = lambda n: {"inputs": [tensor()], "parameters": {"x": nested(n)}}
        self.d.json("POST", "/v2/models/m/infer", body(4))
        self.rest(self.d, body(5), 400, "nested deeper than 6 levels")
        # data that comes before its shape is read by a second scanner
        late = {"inputs": [{"name": "IN", "data": nested(5), "shape": [1, 2], "datatype": "FP32"}]}
        self.rest(self.d, late, 400, "nested deeper than 6 levels")
        self.rest(self.d, {"ready": nested(6)}, 400, "", "/v2/repository/index")


class InFlight(Case):
    def test_requests(self):
        with harness.Daemon(*settings(limits__requests=1)) as d:
            d.deploy("m", harness.identity())
            q = queue.Queue()
            with grpc.insecure_channel(d.grpc) as c:
                stream = c.stream_stream(STREAM)(iter(q.get, None))
                q.put(message().SerializeToString())
                next(stream)  # the stream is there, and stays
                headers = self.rest(d, {"inputs": [tensor()]}, 503, "more than 1 requests are in flight")
                self.assertIn("retry-after", headers)
                self.rpc(d, message(), grpc.StatusCode.UNAVAILABLE, "more than 1 requests are in flight")
                self.assertEqual(d.request("GET", "/v2/health/ready")[0], 200)
                self.assertEqual(d.request("GET", "/v2/models/m")[0], 200)
                q.put(None)
                self.assertEqual(list(stream), [])
                d.json("POST", "/v2/models/m/infer", {"inputs": [tensor()]})


    def test_one_after_the_other(self):
        """A request that was answered is in flight no more, however soon the next one comes."""
        with harness.Daemon(*settings(limits__requests=1)) as d:
            d.deploy("m", harness.identity())
            body, rest = json.dumps({"inputs": [tensor()]}), http.client.HTTPConnection(d.http)
            with grpc.insecure_channel(d.grpc) as c:
                call, data = c.unary_unary(INFER), message().SerializeToString()
                for _ in range(1500):
                    rest.request("POST", "/v2/models/m/infer", body)
                    answer = rest.getresponse()
                    text = answer.read()
                    self.assertEqual(answer.status, 200, text)
                    call(data)
            rest.close()


class Models(Case):
    def branch(self, depth):
        """If inside If."""
        from onnx import TensorProto, helper
        value = lambda n: helper.make_tensor_value_info(n, TensorProto.FLOAT, [1])
        node = helper.make_node("Neg", ["x"], [f"o{depth}"])
        for i in range(depth, 0, -1):
            then = helper.make_graph([node], f"then{i}", [], [value(f"o{i}")])
            other = helper.make_graph([helper.make_node("Abs", ["x"], [f"e{i}"])], f"else{i}", [], [value(f"e{i}")])
            node = helper.make_node("If", ["c"], [f"o{i - 1}"], then_branch=then, else_branch=other)
        graph = helper.make_graph([node], "g", [value("x"), helper.make_tensor_value_info("c", TensorProto.BOOL, [])],
                                  [value("o0")])
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)],
                                 ir_version=8).SerializeToString()

    def refused(self, d, data, text):
        status, _, body = d.request("PUT", "/v2/repository/models/deep/versions/1", data)
        self.assertEqual(status, 400, body)
        self.assertIn(text, body.decode())

    def test_proto_depth(self):
        for sandbox in ("true", "false"):
            with harness.Daemon(*settings(limits__proto_depth=5, limits__sandbox=sandbox)) as d:
                self.refused(d, harness.identity(), "more than 5 messages inside each other")
            with harness.Daemon(*settings(limits__proto_depth=8, limits__sandbox=sandbox)) as d:
                d.deploy("m", harness.identity())

    def test_graph_depth(self):
        for sandbox in ("true", "false"):
            with harness.Daemon(*settings(limits__graph_depth=2, limits__sandbox=sandbox)) as d:
                d.deploy("m", self.branch(2))
                self.refused(d, self.branch(3), "more than 2 graphs inside each other")

    def test_queue_bytes_of_one_model(self):
        d = harness.Daemon()
        config = os.path.join(d.folder, "c.yaml")
        with open(config, "w") as f:
            f.write("models:\n  m:\n    batching:\n      max_queue_bytes: 4KiB\n")
        d.args = ["--config", config]
        with d:
            d.deploy("m", harness.identity())
            d.deploy("other", harness.identity())
            big = {"inputs": [tensor(shape=(1, 1025), values=[0] * 1025)]}
            d.json("POST", "/v2/models/m/infer", {"inputs": [tensor(shape=(1, 1024), values=[0] * 1024)]})
            self.rest(d, big, 503, "exceeds maximum queue bytes")
            d.json("POST", "/v2/models/other/infer", big)


class Stalled(Case):
    """A peer that does not take its reply loses its connection, or call."""
    slow = True
    SIZE = 16 << 20

    @classmethod
    def setUpClass(cls):
        cls.d = harness.Daemon(*settings(listen__stall_timeout="500ms", listen__min_rate="1GiB")).__enter__()
        cls.d.deploy("m", harness.identity("UINT8"))

    @classmethod
    def tearDownClass(cls):
        cls.d.__exit__(None, None, None)

    def send(self):
        s = socket.socket()
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        host, port = self.d.http.rsplit(":", 1)
        s.connect((host, int(port)))
        head = json.dumps({"inputs": [{"name": "IN", "shape": [1, self.SIZE], "datatype": "UINT8",
                                       "parameters": {"binary_data_size": self.SIZE}}],
                           "parameters": {"binary_data_output": True}}).encode()
        s.sendall(b"POST /v2/models/m/infer HTTP/1.1\r\nHost: x\r\nInference-Header-Content-Length: %d\r\n"
                  b"Content-Length: %d\r\n\r\n" % (len(head), len(head) + self.SIZE) + head + b"\0" * self.SIZE)
        return s

    def read(self, s):
        s.settimeout(20)
        n = 0
        try:
            while n < self.SIZE and (more := s.recv(1 << 20)):
                n += len(more)
        except ConnectionError:
            pass
        return n

    def test_http(self):
        with self.send() as s:
            self.assertGreaterEqual(self.read(s), self.SIZE)  # one that reads gets it all
        with self.send() as s:
            time.sleep(4)
            self.assertLess(self.read(s), self.SIZE)

    def test_grpc(self):
        r = pb.ModelInferRequest(model_name="m")
        r.inputs.add(name="IN", datatype="UINT8", shape=[1, self.SIZE])
        r.raw_input_contents.append(b"\0" * self.SIZE)
        any_size = [("grpc.max_receive_message_length", -1)]
        with grpc.insecure_channel(self.d.grpc, options=any_size) as c:
            q = queue.Queue()
            q.put(r.SerializeToString())
            call = c.stream_stream(STREAM)(iter(q.get, None))
            time.sleep(4)  # and does not read
            with self.assertRaises(grpc.RpcError) as e:
                next(call)
            q.put(None)
            self.assertEqual(e.exception.code(), grpc.StatusCode.DEADLINE_EXCEEDED, e.exception.details())
            self.assertIn("not taken in time", e.exception.details())
        self.assertEqual(self.d.request("GET", "/v2/health/live")[0], 200)


if __name__ == "__main__":
    unittest.main()
