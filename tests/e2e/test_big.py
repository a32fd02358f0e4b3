# SPDX-License-Identifier: Apache-2.0
"""A push of half a gigabyte: the weights are never held twice, and who is being served hardly feels it."""
import os
import subprocess
import tempfile
import threading
import time
import unittest

import numpy as np
import tritonclient.grpc as grpc
from onnx import TensorProto, helper

from harness import MSCTL, ROOT, Daemon

SMALL = os.path.join(ROOT, "examples/fashion_cnn/fashion_cnn.mindir")


def big_model(path):
    """The dense layers of VGG-19 and a few more: 574 MB of weights, streamed to the file. Returns their bytes."""
    shapes = [(25088, 4096), (4096, 4096), (4096, 4096), (4096, 1000)]
    rng = np.random.default_rng(0)
    nodes, inits, x, total = [], [], "x", 0
    for k, (rows, cols) in enumerate(shapes):
        base = rng.normal(0, 1 / np.sqrt(rows), 1 << 20).astype(np.float32)
        w = np.resize(base, rows * cols)
        total += w.nbytes
        inits.append(helper.make_tensor(f"w{k}", TensorProto.FLOAT, (rows, cols), w.tobytes(), raw=True))
        nodes.append(helper.make_node("MatMul", [x, f"w{k}"], [f"m{k}"]))
        nodes.append(helper.make_node("Relu", [f"m{k}"], [f"y{k}"]))
        x = f"y{k}"
    graph = helper.make_graph(nodes, "big", [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 25088])],
                              [helper.make_tensor_value_info(x, TensorProto.FLOAT, ["N", 1000])], inits)
    with open(path, "wb") as f:
        f.write(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8).SerializeToString())
    return total


def peak_rss(pid):
    with open(f"/proc/{pid}/status") as f:
        return next(int(row.split()[1]) * 1024 for row in f if row.startswith("VmHWM:"))


def cpu_seconds(pid):
    with open(f"/proc/{pid}/stat") as f:
        user, system = f.read().rsplit(")", 1)[1].split()[11:13]
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


class Latency:
    """One client asking all the time; milliseconds of each request."""

    def __init__(self, address, rows=1, pause=0.002):
        self.times, self.errors, self.stopping, self.pause = [], [], False, pause
        self.client = grpc.InferenceServerClient(address)
        self.input = grpc.InferInput("x", [rows, 1, 28, 28], "FP32")
        self.input.set_data_from_numpy(np.zeros((rows, 1, 28, 28), np.float32))
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def run(self):
        while not self.stopping:
            start = time.perf_counter()
            try:
                self.client.infer("small", [self.input])
            except Exception as e:
                self.errors.append(str(e))
            self.times.append((time.perf_counter() - start) * 1e3)
            time.sleep(self.pause)

    def stop(self):
        self.stopping = True
        self.thread.join()
        return float(np.percentile(self.times, 99))


class Big(unittest.TestCase):
    slow = True

    def by_rest(self, d, path):
        """Streamed in one PUT from the file."""
        with open(path, "rb") as f:
            status, _, body = d.request("PUT", "/v2/repository/models/big/versions/1", f, {"Content-Length": str(os.path.getsize(path))}, timeout=300)
        self.assertIn(status, (200, 201), body[:500])

    def by_msctl(self, d, path):
        r = subprocess.run([MSCTL, "--server", d.grpc, "deploy", path, "--name", "big"], capture_output=True, text=True, timeout=300)
        self.assertEqual(r.returncode, 0, r.stderr)

    def check(self, way, push, path, weights):
        with Daemon() as d:
            with open(SMALL, "rb") as f:
                d.deploy("small", f.read())
            before = Latency(d.grpc)
            time.sleep(3)
            calm = before.stop()
            during = Latency(d.grpc)
            start = time.monotonic()
            try:
                push(d, path)
                seconds = time.monotonic() - start
            finally:
                busy = during.stop()
            peak = peak_rss(d.pid)
            print(f"    {weights / 1e6:.0f} MB of weights pushed by {way} and live in {seconds:.1f} s; peak RSS {peak / 1e6:.0f} MB = {peak / weights:.2f} x; "
                  f"p99 of the other model {calm:.2f} ms before, {busy:.2f} ms during ({busy / calm:.2f} x)", flush=True)
            self.assertEqual(before.errors + during.errors, [])
            self.assertLessEqual(peak, 1.5 * weights)
            self.assertLess(busy, 2 * calm + 10, "the other model's p99; the figure above is the measurement, this is for stalls")
            d.json("DELETE", "/v2/repository/models/big")
            for _ in range(100):
                if d.rss() < 0.3 * weights:
                    break
                time.sleep(0.1)
            self.assertLess(d.rss(), 0.3 * weights, "an undeployed model gives its memory back")

    def test_push(self):
        with tempfile.TemporaryDirectory(dir=os.environ.get("TMPDIR", "/var/tmp")) as folder:
            path = os.environ.get("BIG_MODEL")  # another file to push, whose weights are nearly all of it
            weights = os.path.getsize(path) if path else big_model(os.path.join(folder, "big.onnx"))
            path = path or os.path.join(folder, "big.onnx")
            for way, push in ("REST", self.by_rest), ("msctl", self.by_msctl):
                with self.subTest(way):
                    self.check(way, push, path, weights)

    def test_push_to_a_busy_server(self):
        """Background work gives way, but it gets its share where nobody else ever rests."""
        with tempfile.TemporaryDirectory(dir=os.environ.get("TMPDIR", "/var/tmp")) as folder, Daemon() as d:
            path = os.path.join(folder, "big.onnx")
            big_model(path)
            with open(SMALL, "rb") as f:
                d.deploy("small", f.read())
            clients = [Latency(d.grpc, rows=512, pause=0) for _ in range(4 * os.cpu_count())]
            try:
                start, used = time.monotonic(), cpu_seconds(d.pid)
                self.by_rest(d, path)
                seconds = time.monotonic() - start
                busy = (cpu_seconds(d.pid) - used) / seconds
            finally:
                for c in clients:
                    c.stop()
            print(f"    pushed and live in {seconds:.1f} s on a server that keeps {busy:.1f} of {os.cpu_count()} processors busy, "
                  f"{sum(len(c.times) for c in clients) / seconds:.0f} batches a second beside it", flush=True)
            self.assertEqual([e for c in clients for e in c.errors], [])


if __name__ == "__main__":
    unittest.main()
