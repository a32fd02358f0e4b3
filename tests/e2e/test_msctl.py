# SPDX-License-Identifier: Apache-2.0
"""msctl as scripts see it: exit codes, what is on stdout and on stderr, forms of files and results."""
import glob
import io
import json
import os
import shutil
import subprocess
import tempfile
import unittest

import numpy as np

from harness import BUILD, MSCTL, ROOT, Daemon, onnx_model

MINDIR = os.path.join(ROOT, "examples/fashion_cnn/fashion_cnn.mindir")
ONNX = os.path.join(ROOT, "examples/fashion_cnn/fashion_cnn.onnx")
CONFIG = os.path.join(ROOT, "examples/fashion_cnn/fashion_cnn.yaml")
PICTURES = sorted(glob.glob(os.path.join(ROOT, "examples/fashion_cnn/pictures/*.png")))


def run(*args, env=None, cwd=None):
    clean = {k: v for k, v in os.environ.items() if k != "MINDSERVE_SERVER"}
    p = subprocess.run([MSCTL, *args], capture_output=True, env={**clean, **(env or {})}, cwd=cwd, timeout=300)
    return p.returncode, p.stdout.decode(), p.stderr.decode()


class Folder(unittest.TestCase):
    def setUp(self):
        self.dir = tempfile.mkdtemp(prefix="mindserve-msctl-")
        self.addCleanup(shutil.rmtree, self.dir)

    def path(self, name):
        return os.path.join(self.dir, name)

    def save(self, name, array, **how):
        np.save(self.path(name), array, **how)
        return self.path(name)

    def good(self, *args, **kw):
        code, out, err = run(*args, **kw)
        self.assertEqual(code, 0, err)
        return out

    def refused(self, code, *args, **kw):
        """The command fails with that exit code, says one line, and prints nothing."""
        got, out, err = run(*args, **kw)
        self.assertEqual((got, out), (code, ""), err)
        self.assertEqual(err.count("\n"), 1, err)
        self.assertTrue(err.startswith("msctl: "), err)
        return err

    def model(self, name, *args, **kw):
        with open(self.path(name), "wb") as f:
            f.write(onnx_model(*args, **kw))
        return self.path(name)

    def odd_model(self):
        """Two operators that nobody has."""
        data = onnx_model([("Relu", ["a"], ["b"], {}), ("Tanh", ["b"], ["y"], {})], [("a", "FP32", [1])], [("y", "FP32", [1])])
        with open(self.path("odd.onnx"), "wb") as f:
            f.write(data.replace(b"Relu", b"Nope").replace(b"Tanh", b"Nada"))
        return self.path("odd.onnx")


class Usage(Folder):
    def test_help(self):
        listed = self.good("--help")
        for c in "deploy models show undeploy rollback infer status store check dump run profile test".split():
            self.assertIn(f"\n  {c} ", listed)
            text = self.good(c, "--help")
            self.assertIn(f"usage: msctl {c}", text)
            self.assertIn("examples:", text)
        self.assertRegex(self.good("--version"), r"^msctl \d+\.\d+\.\d+\n$")

    def test_bad(self):
        for args in (["nonsense"], [], ["run"], ["run", "--nonsense", "f"], ["run", "f", "g"], ["run", "f", "--repeat", "0"],
                     ["run", "f", "--repeat", "x"], ["-o", "xml", "models"], ["show", "a/b"], ["show", "a:0"], ["show", "a:b"],
                     ["store", "burn"], ["dump", "f", "--format", "gif"], ["models", "extra"]):
            with self.subTest(args=args):
                self.refused(2, *args)

    def test_unreachable(self):
        for args in (["models"], ["status"], ["deploy", MINDIR, "-q"], ["undeploy", "m"], ["infer", "m"]):
            with self.subTest(args=args):
                self.assertIn("cannot be reached", self.refused(3, "--server", "127.0.0.1:1", *args))
        self.refused(3, "models", "--server", "unix:" + self.path("none"))
        self.refused(1, "models", "--server", "nonsense")
        self.refused(3, "models", env={"MINDSERVE_SERVER": "127.0.0.1:1"})


class Offline(Folder):
    def test_run_json(self):
        x = self.save("x.npy", np.zeros((3, 1, 28, 28), np.float32))
        out = json.loads(self.good("run", ONNX, "--input", "image=" + x, "--output-dir", self.path("out"), "--repeat", "5", "--threads", "1", "-o", "json"))
        self.assertEqual(sorted(out), ["isa", "load_ms", "median_ms", "min_ms", "outputs", "p90_ms", "peak_rss_mb", "runs", "threads"])
        self.assertEqual((out["runs"], out["threads"]), (5, 1))
        self.assertLessEqual(out["min_ms"], out["median_ms"])
        self.assertLessEqual(out["median_ms"], out["p90_ms"])
        y = np.load(os.path.join(self.path("out"), out["outputs"][0]))
        self.assertEqual((y.shape, y.dtype), ((3, 10), np.float32))
        np.testing.assert_allclose(y.sum(1), 1, rtol=1e-5)
        np.testing.assert_array_equal(y[0], y[2])
        once = json.loads(self.good("run", ONNX, "--input", x, "--seconds", "0", "-o", "json"))
        self.assertEqual((once["runs"], once["outputs"]), (1, []))

    def test_picture(self):
        labels = os.path.join(ROOT, "examples/fashion_cnn/labels.txt")
        for p in PICTURES:
            best = self.good("run", MINDIR, "--input", p, "--labels", labels).splitlines()[1].split(None, 1)[1]
            self.assertEqual(best.lower().replace("/", "-").replace(" ", "-"), os.path.basename(p)[2:-4].lower())

    def test_inputs_refused(self):
        x = self.save("wrong.npy", np.zeros((1, 28, 28), np.float64))
        err = self.refused(1, "run", ONNX, "--input", x)
        self.assertIn("wrong.npy is f64[1,28,28], input '", err)
        self.assertIn("f32[", err)
        self.refused(2, "run", ONNX)
        self.refused(2, "run", ONNX, "--input", "nosuch=" + x)
        self.refused(1, "run", ONNX, "--input", self.path("absent.npy"))
        self.refused(1, "run", self.path("absent.onnx"), "--input", x)
        self.refused(1, "run", x, "--input", x)

    def test_forms(self):
        """The same values as .npy in either order and byte order, .json, .pb; every dtype there and back."""
        from onnx import numpy_helper

        m = self.model("add.onnx", [("Add", ["a", "b"], ["y"], {})], [("a", "FP32", [2, 3]), ("b", "FP32", [2, 3])], [("y", "FP32", [2, 3])])
        a = np.array([[1, 2, 3], [4, 5, np.inf]], np.float32)
        b = self.save("b.npy", np.ones((2, 3), np.float32))
        forms = [self.save("c.npy", a), self.save("f.npy", np.asfortranarray(a)), self.save("big.npy", a.astype(">f4"))]
        for name, text in (("l.json", "[[1,2,3],[4,5,\"Infinity\"]]"), ("o.json", '{"shape":[2,3],"datatype":"FP32","data":[1,2,3,4,5,"Infinity"]}')):
            with open(self.path(name), "w") as f:
                f.write(text)
            forms.append(self.path(name))
        with open(self.path("p.pb"), "wb") as f:
            f.write(numpy_helper.from_array(a, "a").SerializeToString())
        forms.append(self.path("p.pb"))
        for f in forms:
            with self.subTest(form=f):
                self.good("run", m, "--input", "a=" + f, "--input", "b=" + b, "--output-dir", self.path("out"))
                np.testing.assert_array_equal(np.load(self.path("out/0_y.npy")), a + 1)

    def test_dtypes(self):
        types = {"FP32": "f4", "FP64": "f8", "FP16": "f2", "INT8": "i1", "INT32": "i4", "INT64": "i8", "UINT8": "u1", "BOOL": "?"}
        for oip, code in types.items():
            with self.subTest(dtype=oip):
                m = self.model("t.onnx", [("Transpose", ["a"], ["y"], {})], [("a", oip, [2, 3])], [("y", oip, [3, 2])])
                x = np.array([[0, 1, 2], [100, 127, 1]]).astype(code)
                self.good("run", m, "--input", self.save("x.npy", x), "--output-dir", self.path("out"))
                y = np.load(self.path("out/0_y.npy"))
                self.assertEqual(y.dtype, x.dtype)
                np.testing.assert_array_equal(y, x.T)

    def test_hostile_npy(self):
        good = io.BytesIO()
        np.save(good, np.zeros((1, 1, 28, 28), np.float32))
        good = good.getvalue()
        head = lambda text: b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text
        for name, data in {
            "empty": b"", "magic": b"NUMPY" + good, "version": good[:6] + b"\x09" + good[7:], "cut": good[:-1], "long": good + b"\0",
            "half": good[:40], "object": head(b"{'descr': '|O', 'fortran_order': False, 'shape': (1,), }\n") + b"cos\nsystem\n",
            "negative": head(b"{'descr': '<f4', 'fortran_order': False, 'shape': (-1,), }\n"),
            "huge": head(b"{'descr': '<f4', 'fortran_order': False, 'shape': (9223372036854775807, 9223372036854775807), }\n"),
            "deep": head(b"{'descr': '<f4', 'fortran_order': False, 'shape': (" + b"1," * 9 + b"), }\n") + b"\0" * 4,
            "twice": head(b"{'descr': '<f4', 'descr': '<f4', 'fortran_order': False, 'shape': (), }\n") + b"\0" * 4,
            "struct": head(b"{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (), }\n") + b"\0" * 4,
        }.items():
            with self.subTest(case=name):
                with open(self.path("bad.npy"), "wb") as f:
                    f.write(data)
                self.assertIn("bad.npy", self.refused(1, "run", ONNX, "--input", self.path("bad.npy")))

    def test_check(self):
        out = json.loads(self.good("check", MINDIR, "-o", "json"))
        self.assertTrue(out["ok"])
        self.assertEqual(out["format"], "mindir")
        self.assertEqual(out["inputs"], [{"name": "x", "datatype": "FP32", "shape": [-1, 1, 28, 28]}])
        self.assertIn("operators", self.good("check", MINDIR))
        code, out, err = run("check", self.odd_model())
        self.assertEqual((code, out), (1, ""))
        self.assertIn("Nope", err)
        self.assertIn("Nada", err)

    def test_dump(self):
        text = self.good("dump", MINDIR)
        self.assertIn("Conv(", text)
        self.assertIn("sha256:", text)
        self.assertEqual(text, self.good("dump", MINDIR))
        self.assertNotEqual(text, self.good("dump", MINDIR, "--passes", "none"))
        self.assertIn("digraph", self.good("dump", MINDIR, "--format", "dot"))
        json.loads(self.good("dump", MINDIR, "--format", "json"))
        self.assertIn("fold", self.good("dump", MINDIR, "--report"))
        self.assertIsInstance(json.loads(self.good("dump", MINDIR, "--report", "-o", "json")), list)
        self.refused(1, "dump", MINDIR, "--passes", "no-such-pass")

    def test_profile(self):
        x = self.save("x.npy", np.zeros((1, 1, 28, 28), np.float32))
        out = json.loads(self.good("profile", MINDIR, "--input", x, "--repeat", "3", "-o", "json"))
        times = [s["us"] for s in out["steps"]]
        self.assertEqual((out["runs"], times), (3, sorted(times, reverse=True)))
        self.assertTrue(all(s["kernel"] for s in out["steps"] if s["op"] == "Conv"))
        self.assertGreater(out["peak_gflops"], 0.5)
        self.assertGreater(out["memory_gbs"], 0.1)
        for s in out["steps"]:
            self.assertAlmostEqual(s["of_peak"], s["gflops"] / out["peak_gflops"], delta=1e-4 + 1e-3 * s["of_peak"])
            self.assertIn(s["algorithm"], s["kernel"])
        text = self.good("profile", MINDIR, "--input", x, "--threads", "1")
        self.assertRegex(text, r"us/run +share +GF/s +peak +bytes +operator +kernel +algorithm +node")
        self.assertRegex(text, r"peak of 1 thread: [0-9.]+ GF/s of multiply-adds, [0-9.]+ GB/s from memory")

    def test_exact_has_no_tiles(self):
        """The 3x3 layer is one that Winograd's tiles win by far, so fast takes them; exact never does."""
        from onnx import numpy_helper
        w = numpy_helper.from_array(np.random.default_rng(1).normal(size=(64, 64, 3, 3)).astype(np.float32))
        model = onnx_model([("Constant", [], ["w"], {"value": w}), ("Conv", ["x", "w"], ["y"], {"pads": [1, 1, 1, 1]})],
                           [("x", "FP32", [1, 64, 56, 56])], [("y", "FP32", [1, 64, 56, 56])])
        with open(self.path("wide.onnx"), "wb") as f:
            f.write(model)
        x = self.save("x.npy", np.random.default_rng(2).normal(size=(1, 64, 56, 56)).astype(np.float32))
        chosen = {}
        for numerics in ("fast", "exact"):
            for tuning in ("model", "off", "measure"):
                out = json.loads(self.good("profile", self.path("wide.onnx"), "--input", x, "--repeat", "1", "--tuning", tuning,
                                           "--numerics", numerics, "-o", "json"))
                chosen[numerics, tuning] = next(s["algorithm"] for s in out["steps"] if s["op"] == "Conv")
        if os.environ.get("MINDSERVE_ISA") != "generic":
            self.assertIn("winograd", chosen["fast", "model"])
        for tuning in ("model", "off", "measure"):
            self.assertNotRegex(chosen["exact", tuning], "winograd|fft")
        self.refused(2, "profile", self.path("wide.onnx"), "--input", x, "--numerics", "slow")

    def case(self, name, y):
        folder = os.path.join(self.dir, "cases", name)
        os.makedirs(os.path.join(folder, "test_data_set_0"))
        with open(os.path.join(folder, "model.onnx"), "wb") as f:
            f.write(onnx_model([("Relu", ["a"], ["y"], {})], [("a", "FP32", [3])], [("y", "FP32", [3])]))
        np.save(os.path.join(folder, "test_data_set_0", "input_0.npy"), np.array([-1, 0, 2], np.float32))
        np.save(os.path.join(folder, "test_data_set_0", "output_0.npy"), y)

    def test_test(self):
        self.case("right", np.array([0, 0, 2], np.float32))
        self.case("wrong", np.array([0, 0, 2.1], np.float32))
        self.case("dtype", np.array([0, 0, 2], np.float64))
        cases = self.path("cases")
        code, out, _ = run("test", cases)
        lines = out.splitlines()
        self.assertEqual((code, lines[-1]), (1, "1 passed, 2 failed, 0 skipped"))
        self.assertEqual(lines[1], f"PASS {cases}/right")
        self.assertTrue(lines[2].startswith(f"FAIL {cases}/wrong: "), lines[2])
        self.assertIn("element [2] is 2, expected 2.0999", lines[2])
        with open(self.path("skip"), "w") as f:
            f.write("# known\nwrong the reference is off\ndtype\n")
        code, out, _ = run("test", cases, "--skip-list", self.path("skip"))
        self.assertEqual((code, out.splitlines()[-1]), (0, "1 passed, 0 failed, 2 skipped"))
        self.assertIn(f"SKIP {cases}/wrong: the reference is off", out)
        with open(self.path("skip"), "a") as f:
            f.write("right\n")
        code, out, _ = run("test", cases, "--skip-list", self.path("skip"))
        self.assertEqual(code, 1)
        self.assertIn("is on the skip list, but passes", out)
        self.assertEqual(run("test", cases + "/wrong", "--rtol", "0.1")[0], 0)
        for bad in ("right\n", "right all\n", "right 1e-4\nwrong 2\n"):
            with open(self.path("bounds"), "w") as f:
                f.write(bad)
            code, _, err = run("test", cases, "--bound-list", self.path("bounds"))
            self.assertEqual((code, "wants a number between 0 and 1" in err), (2, True), err)
        self.assertEqual(json.loads(run("test", cases, "-o", "json")[1])["failed"], 2)

    def test_names_are_escaped(self):
        m = self.model("esc.onnx", [("Relu", ["a"], ["\x1b[31my\n"], {})], [("a", "FP32", [1])], [("\x1b[31my\n", "FP32", [1])])
        for args in (["check", m], ["run", m, "--input", self.save("x.npy", np.ones(1, np.float32)), "--output-dir", self.path("out")]):
            code, out, err = run(*args)
            self.assertNotIn("\x1b", out + err)
        for f in os.listdir(self.path("out")) if os.path.isdir(self.path("out")) else []:
            self.assertRegex(f, r"^[A-Za-z0-9._-]+$")


class Remote(Folder):
    def test_life(self):
        with Daemon() as d:
            at = ["--server", d.grpc]
            admin = ["--server", "unix:" + d.admin]
            self.assertEqual(json.loads(self.good(*at, "models", "-o", "json")), [])
            first = json.loads(self.good(*at, "-q", "deploy", MINDIR, "--name", "f", "-o", "json"))
            self.assertEqual((first["version"], first["unchanged"], first["sent"]), (1, False, os.path.getsize(MINDIR)))
            again = json.loads(self.good(*admin, "-q", "deploy", MINDIR, "--name", "f", "-o", "json"))
            self.assertEqual((again["version"], again["unchanged"], again["sent"]), (1, True, 0))
            self.assertEqual(self.good(*at, "show", "f", "--graph"), self.good("dump", MINDIR))
            second = json.loads(self.good(*at, "-q", "deploy", ONNX, "--name", "f", "--config", CONFIG, "-o", "json"))
            self.assertEqual(second["version"], 2)
            x = self.save("x.npy", np.random.default_rng(1).random((4, 1, 28, 28), np.float32))
            self.good(*at, "infer", "f", "--input", x, "--output-dir", self.path("remote"))
            self.good("run", ONNX, "--input", x, "--output-dir", self.path("local"))
            for name in os.listdir(self.path("local")):
                np.testing.assert_array_equal(np.load(self.path("local/" + name)), np.load(self.path("remote/" + os.listdir(self.path("remote"))[0])))
            answer = json.loads(self.good(*at, "infer", "f:2", "--input", x, "--repeat", "3", "-o", "json"))
            self.assertEqual((answer["version"], answer["runs"]), ("2", 3))
            self.assertIn("0.9", self.good(*at, "infer", "f", "--input", PICTURES[0]))
            shown = json.loads(self.good(*at, "show", "f", "-o", "json"))
            self.assertEqual((shown["model"]["version"], len(shown["versions"])), (2, 2))
            self.assertEqual(json.loads(self.good(*at, "rollback", "f", "-o", "json")), {"name": "f", "version": 1, "from": 2})
            self.assertIn("* f", self.good(*at, "models"))
            status = json.loads(self.good(*at, "status", "-o", "json"))
            self.assertEqual((status["models_ready"], status["grpc"], status["state"]), (1, d.grpc, "ready"))
            self.assertEqual(json.loads(self.good(*at, "store", "check", "-o", "json"))["problems"], [])
            self.good(*at, "store", "gc")
            self.assertEqual(sorted(json.loads(self.good(*at, "undeploy", "f", "-o", "json"))["versions"]), [1, 2])
            self.assertIn("not", self.refused(1, *at, "undeploy", "f"))
            self.refused(1, *at, "show", "f")

    def test_refused(self):
        odd = self.odd_model()
        with open(self.path("bad.yaml"), "w") as f:
            f.write("batching: {max_sise: 4}\n")
        with Daemon() as d:
            at = ["--server", d.grpc, "-q"]
            self.assertIn("Nope", self.refused(1, *at, "deploy", odd))
            code, out, _ = run(*at, "deploy", odd, "--dry-run")
            self.assertEqual(code, 1)
            self.assertIn("Nada", out)
            self.assertIn("bad.yaml:1:12", self.refused(2, *at, "deploy", MINDIR, "--config", self.path("bad.yaml")))
            dry = json.loads(self.good(*at, "deploy", MINDIR, "--dry-run", "-o", "json"))
            self.assertGreater(len(dry["operators"]), 3)
            self.assertEqual(json.loads(self.good(*at, "models", "-o", "json")), [])

    def test_plain_lines(self):
        with Daemon() as d:
            code, out, err = run("--server", d.grpc, "deploy", MINDIR)
            self.assertEqual(code, 0)
            self.assertNotIn("\r", err)
            self.assertIn("send ", err)
            self.assertRegex(out, r"^fashion_cnn:1 is live, .* sent, loaded in \d+ ms, .* of memory\n$")


class Library(Folder):
    """A program of somebody else: the header, and either library."""

    SOURCE = r"""
#include <mindserve/mindserve.h>
#include <stdio.h>
int main(int argc, char **argv)
{
    struct mindserve_options where = MINDSERVE_OPTIONS_INIT;
    struct mindserve_error err;
    struct mindserve *ms;
    const int64_t shape[] = {1, 1, 28, 28};
    struct mindserve_named in = {NULL, mindserve_tensor_new(MINDSERVE_F32, 4, shape)};
    struct mindserve_outputs *out;
    where.server = argc > 2 ? argv[2] : NULL;
    if (mindserve_open(&where, &ms, &err) || mindserve_deploy(ms, argv[1], NULL, NULL, &err) ||
        mindserve_infer(ms, "fashion_cnn", 0, &in, 1, NULL, &out, &err)) {
        fprintf(stderr, "%s\n", err.text);
        return 1;
    }
    printf("%.9g\n", mindserve_tensor_number(out->output[0].tensor, 0));
    mindserve_outputs_free(out);
    mindserve_tensor_free(in.tensor);
    mindserve_close(ms);
    return 0;
}
"""

    def build(self, name, *libs):
        with open(self.path("app.c"), "w") as f:
            f.write(self.SOURCE)
        p = subprocess.run(["gcc", "-std=c11", "-Wall", "-Wextra", "-Werror", "-o", self.path(name), self.path("app.c"),
                            "-I", os.path.join(ROOT, "include"), *libs, "-pthread"], capture_output=True)
        self.assertEqual(p.returncode, 0, p.stderr.decode())
        return self.path(name)

    def test_same_calls_here_and_there(self):
        if "san" in BUILD:
            self.skipTest("a sanitizer's library needs a sanitizer's program")
        shared = self.build("shared", os.path.join(BUILD, "libmindserve.so"))
        static = self.build("static", os.path.join(BUILD, "libmindserve.a"), "-lgrpc", "-lgpr", "-lprotobuf-c", "-ljansson", "-lyaml", "-lcrypto", "-ldl", "-lm")
        env = {**os.environ, "LD_LIBRARY_PATH": BUILD}
        with Daemon() as d:
            said = {subprocess.run([p, MINDIR, *where], capture_output=True, env=env, timeout=60).stdout for p in (shared, static) for where in ([], [d.grpc])}
        self.assertEqual(len(said), 1, said)
        self.assertNotEqual(said, {b""})
        names = subprocess.run(["nm", "-D", "--defined-only", os.path.join(BUILD, "libmindserve.so")], capture_output=True).stdout.decode()
        self.assertEqual([n for n in (line.split()[-1] for line in names.splitlines()) if not n.lower().startswith("mindserve_")], [])


if __name__ == "__main__":
    unittest.main()
