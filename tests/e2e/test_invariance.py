# SPDX-License-Identifier: Apache-2.0
"""The same input gives the same bits: REST JSON, REST binary, gRPC raw, gRPC typed, alone or among 31
others, on 1 and 2 threads, in the daemon and offline."""
import os
import subprocess
import tempfile
import threading
import unittest

import numpy as np
import tritonclient.grpc as grpc
import tritonclient.http as http
from tritonclient.grpc import service_pb2, service_pb2_grpc
import grpc as grpcio

from harness import MSCTL, ROOT, SHARED, Daemon

MODELS = {
    "fashion_onnx": (os.path.join(ROOT, "examples/fashion_cnn/fashion_cnn.onnx"), (1, 28, 28)),
    "fashion_mindir": (os.path.join(ROOT, "examples/fashion_cnn/fashion_cnn.mindir"), (1, 28, 28)),
    "mobilenet_mini": (os.path.join(SHARED, "models/mindspore/mobilenet_mini/mobilenet_mini.mindir"), None),
    "ocr_rec": (os.path.join(SHARED, "models/onnx/ch_PP-OCRv4_rec_infer/ch_PP-OCRv4_rec_infer.onnx"), (3, 48, 160)),
}


def rest(d, name, port, x, binary):
    c = http.InferenceServerClient(d.http)
    i = http.InferInput(port["name"], list(x.shape), "FP32")
    i.set_data_from_numpy(x, binary_data=binary)
    out = [http.InferRequestedOutput(o["name"], binary_data=binary) for o in c.get_model_metadata(name)["outputs"]]
    r = c.infer(name, [i], outputs=out)
    return [r.as_numpy(o.name()) for o in out]


def raw(d, name, port, x):
    c = grpc.InferenceServerClient(d.grpc)
    i = grpc.InferInput(port["name"], list(x.shape), "FP32")
    i.set_data_from_numpy(x)
    r = c.infer(name, [i])
    return [r.as_numpy(o.name) for o in r.get_response().outputs]


def typed(d, name, port, x):
    with grpcio.insecure_channel(d.grpc) as channel:
        q = service_pb2.ModelInferRequest(model_name=name)
        t = q.inputs.add(name=port["name"], datatype="FP32", shape=list(x.shape))
        t.contents.fp32_contents.extend(x.ravel().tolist())
        r = service_pb2_grpc.GRPCInferenceServiceStub(channel).ModelInfer(q)
        return [np.frombuffer(b, np.float32).reshape(list(o.shape)) for o, b in zip(r.outputs, r.raw_output_contents)]


def offline(path, x, threads):
    with tempfile.TemporaryDirectory() as folder:
        np.save(os.path.join(folder, "x.npy"), x)
        subprocess.run([MSCTL, "run", path, "--input", os.path.join(folder, "x.npy"), "--output-dir", folder, "--threads", str(threads),
                        "--seconds", "0"], check=True, capture_output=True)
        names = sorted((f for f in os.listdir(folder) if f != "x.npy"), key=lambda f: int(f.split("_")[0]))
        return [np.load(os.path.join(folder, f)) for f in names]


class Invariance(unittest.TestCase):
    def assert_bits(self, want, got, how):
        self.assertEqual(len(want), len(got), how)
        for a, b in zip(want, got):
            self.assertEqual(a.shape, b.shape, how)
            self.assertEqual(np.ascontiguousarray(a).tobytes(), np.ascontiguousarray(b).tobytes(),
                             f"{how}: largest difference {np.max(np.abs(a - b))}")

    def one_of_many(self, d, name, port, x, others):
        """x among 31 other requests at once; batches form as they may."""
        c = grpc.InferenceServerClient(d.grpc)
        results, errors, barrier = [None] * 32, [], threading.Barrier(32)

        def ask(k):
            i = grpc.InferInput(port["name"], list(x.shape), "FP32")
            i.set_data_from_numpy(x if k == 7 else others[k])
            try:
                barrier.wait()
                r = c.infer(name, [i])
                results[k] = [r.as_numpy(o.name) for o in r.get_response().outputs]
            except Exception as e:  # shown below
                errors.append(str(e))

        threads = [threading.Thread(target=ask, args=(k,)) for k in range(32)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        self.assertEqual(errors, [])
        return results[7]

    def check_model(self, name):
        path, shape = MODELS[name]
        if not os.path.exists(path):
            self.skipTest(f"{path} is not here")
        rng = np.random.default_rng(3)
        quick = os.environ.get("QUICK") == "1"
        for threads in ("2",) if quick else ("1", "2"):
            with Daemon("--threads", threads) as d:
                with open(path, "rb") as f:
                    d.deploy(name, f.read())
                port = d.json("GET", f"/v2/models/{name}")["inputs"][0]
                dims = shape or [k if k > 0 else 8 for k in port["shape"][1:]]
                x = rng.random((1, *dims), np.float32)
                others = rng.random((32, 1, *dims), np.float32)
                want = offline(path, x, 1)
                self.assert_bits(want, offline(path, x, 2), "msctl run, 2 threads")
                self.assert_bits(want, rest(d, name, port, x, False), f"REST JSON, {threads} threads")
                self.assert_bits(want, rest(d, name, port, x, True), f"REST binary, {threads} threads")
                self.assert_bits(want, raw(d, name, port, x), f"gRPC raw, {threads} threads")
                self.assert_bits(want, typed(d, name, port, x), f"gRPC typed, {threads} threads")
                for _ in range(1 if quick else 3):
                    self.assert_bits(want, self.one_of_many(d, name, port, x, others), f"among 31 others, {threads} threads")

    def test_fashion_onnx(self):
        self.check_model("fashion_onnx")

    def test_fashion_mindir(self):
        self.check_model("fashion_mindir")

    def test_mobilenet_mini(self):
        self.check_model("mobilenet_mini")

    def test_ocr_rec(self):
        self.check_model("ocr_rec")

    def test_batches_really_form(self):
        """The comparison above says nothing if every request ran alone."""
        path, shape = MODELS["fashion_onnx"]
        with Daemon("--threads", "1") as d:
            with open(path, "rb") as f:
                d.deploy("m", f.read())
            port = d.json("GET", "/v2/models/m")["inputs"][0]
            x = np.zeros((1, *shape), np.float32)
            for _ in range(10):
                self.one_of_many(d, "m", port, x, np.zeros((32, 1, *shape), np.float32))
            s = d.json("GET", "/v2/models/m/stats")["model_stats"][0]
            self.assertEqual(s["inference_count"], 320)
            self.assertLess(s["execution_count"], 320)


if __name__ == "__main__":
    unittest.main()
