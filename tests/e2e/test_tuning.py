# SPDX-License-Identifier: Apache-2.0
"""runtime.tuning=measure: algorithms are tried at load, and what was found survives a restart."""
import os
import shutil
import tempfile
import unittest

import harness

MODEL = os.path.join(harness.ROOT, "examples", "fashion_cnn", "fashion_cnn.onnx")


class Tuning(unittest.TestCase):
    def setUp(self):
        self.state = tempfile.mkdtemp(prefix="mindserve-test-")
        self.addCleanup(shutil.rmtree, self.state, ignore_errors=True)

    def daemon(self):
        return harness.Daemon("--set", "runtime.tuning=measure", state=self.state)

    def lines(self):
        with open(os.path.join(self.state, "tuning"), encoding="utf-8") as f:
            return f.read().splitlines()

    def ask(self, d):
        shape = d.json("GET", "/v2/models/m")["inputs"][0]["shape"]
        body = {"inputs": [{"name": d.json("GET", "/v2/models/m")["inputs"][0]["name"], "datatype": "FP32",
                            "shape": [1] + shape[1:], "data": [0.25] * (28 * 28)}]}
        return d.json("POST", "/v2/models/m/infer", body)["outputs"][0]["data"]

    @unittest.skipIf(os.environ.get("MINDSERVE_ISA") == "generic", "without vectors a layer has one algorithm")
    def test_kept_in_the_state_folder(self):
        with open(MODEL, "rb") as f:
            data = f.read()
        with self.daemon() as d:
            d.deploy("m", data)
            first = self.ask(d)
        lines = self.lines()
        self.assertTrue(lines[0].startswith("mindserve-tuning 1 "), lines[0])
        layers = [line.split("\t") for line in lines[1:]]
        for layer in layers:
            self.assertRegex(layer[0], r"^conv_\w+$")
            self.assertGreater(int(layer[1]), 0)
            self.assertRegex(layer[2], r"^Conv f32:1x")
        self.assertGreater(len(layers), 0)
        was = os.stat(os.path.join(self.state, "tuning")).st_mtime_ns
        with self.daemon() as d:  # the same choice, without trying, gives the same bits
            self.assertEqual(self.ask(d), first)
        self.assertEqual(self.lines(), lines)
        self.assertEqual(os.stat(os.path.join(self.state, "tuning")).st_mtime_ns, was)


if __name__ == "__main__":
    unittest.main()
