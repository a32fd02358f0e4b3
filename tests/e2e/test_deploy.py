# SPDX-License-Identifier: Apache-2.0
"""Pushing, swapping and keeping models: a real daemon, its store, kill -9, full disks and damage."""
import json
import os
import random
import shutil
import signal
import socket
import sqlite3
import subprocess
import tempfile
import threading
import time
import unittest

import grpc
import numpy as np

import harness
import push


def adder(k, pad=0):
    """y = x + k: which version answered shows in the value. pad makes the file that much larger."""
    import onnx
    from onnx import helper, numpy_helper

    init = [numpy_helper.from_array(np.array([k], np.float32), "k")]
    if pad:
        rng = np.random.default_rng(k)
        init.append(numpy_helper.from_array(rng.standard_normal(pad // 4).astype(np.float32), "unused"))
    port = lambda n: helper.make_tensor_value_info(n, 1, ["N", 4])
    g = helper.make_graph([helper.make_node("Add", ["x", "k"], ["y"])], "g", [port("x")], [port("y")], init)
    return helper.make_model(g, opset_imports=[helper.make_opsetid("", 17)], ir_version=8).SerializeToString()


def ask(d, name="m", version=None):
    """The k of the version that answers."""
    path = f"/v2/models/{name}" + (f"/versions/{version}" if version else "") + "/infer"
    body = {"inputs": [{"name": "x", "shape": [1, 4], "datatype": "FP32", "data": [0, 0, 0, 0]}]}
    return int(d.json("POST", path, body)["outputs"][0]["data"][0])


def models(d):
    return {(m["name"], m["version"]): m for m in d.json("GET", "/v2/repository/models")["models"]}


class Stream(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.d = harness.Daemon("--set", "store.push_idle=1s").__enter__()

    @classmethod
    def tearDownClass(cls):
        cls.d.__exit__(None, None, None)

    def refused(self, code, text, *files, then=None, name="r", **kw):
        with push.Push(self.d.grpc) as p:
            with self.assertRaises(grpc.RpcError) as e:
                p.send_manifest(name, files, **kw)
                while True:
                    kind, *_ = p.next()
                    if kind == "need" and then:
                        then(p)
            self.assertEqual(e.exception.code(), code, e.exception.details())
            self.assertIn(text, e.exception.details())

    def test_push_then_unchanged_then_next(self):
        r = push.deploy(self.d.grpc, "a", [("m.onnx", adder(101))])
        self.assertEqual((r["version"], r["unchanged"]), (1, False))
        self.assertEqual(r["steps"][:2], ["received", "verify"])
        self.assertIn("commit", r["steps"])
        again = push.deploy(self.d.grpc, "a", [("m.onnx", adder(101))])
        self.assertEqual((again["version"], again["unchanged"], again["digest"]), (1, True, r["digest"]))
        self.assertEqual(push.deploy(self.d.grpc, "a", [("m.onnx", adder(2))])["version"], 2)
        self.assertEqual(ask(self.d, "a"), 2)
        # the same bytes with another configuration are another version
        config = push.blob(1, push.number(2, 5))
        self.assertEqual(push.deploy(self.d.grpc, "a", [("m.onnx", adder(2))], config=config)["version"], 3)
        self.assertEqual(self.d.json("GET", "/v2/repository/models/a")["max_batch"], 5)

    def test_over_the_admin_socket(self):
        r = push.deploy("unix:" + self.d.admin, "adm", [("m.onnx", adder(3))])
        self.assertEqual(r["version"], 1)

    def test_explicit_version(self):
        self.assertEqual(push.deploy(self.d.grpc, "v", [("m.onnx", adder(1))], version=7)["version"], 7)
        self.refused(grpc.StatusCode.ALREADY_EXISTS, "exists with other bytes", ("m.onnx", adder(2)), name="v",
                     version=7)
        self.assertEqual(push.deploy(self.d.grpc, "v", [("m.onnx", adder(2))])["version"], 8)
        self.assertEqual(push.deploy(self.d.grpc, "v", [("m.onnx", adder(1))], version=7)["version"], 7)
        self.assertEqual(ask(self.d, "v"), 1)

    def test_resume(self):
        data = adder(5, pad=3 << 20)
        for cut in (1 << 20, 2 << 20):
            with push.Push(self.d.grpc) as p:
                p.send_manifest("resume", [("m.onnx", data)])
                kind, file, offset = p.next()
                self.assertEqual((kind, file, offset), ("need", 0, cut - (1 << 20)))
                p.send_chunk(0, offset, data[offset:cut])
                time.sleep(0.3)  # the chunk is written before the stream is cut
            time.sleep(0.3)
        status, headers, _ = self.d.request("HEAD", "/v2/repository/blobs/sha256/" + push.sha(data))
        self.assertEqual((status, headers["upload-offset"]), (204, str(2 << 20)))
        self.assertEqual(push.deploy(self.d.grpc, "resume", [("m.onnx", data)])["version"], 1)
        self.assertEqual(ask(self.d, "resume"), 5)

    def test_silent_stream_ends(self):
        data = adder(6, pad=1 << 20)
        began = time.monotonic()
        self.refused(grpc.StatusCode.DEADLINE_EXCEEDED, "can be resumed", ("m.onnx", data))
        self.assertLess(time.monotonic() - began, 10)

    def test_refusals(self):
        data = adder(9, pad=3 << 20)
        good = ("m.onnx", data)
        bad_argument = grpc.StatusCode.INVALID_ARGUMENT
        half = lambda p: p.send_chunk(0, 0, data[:1 << 20])
        for then, text in (
                (lambda p: p.send_chunk(0, 5, b"x"), "expected 0"),
                (lambda p: p.send_chunk(3, 0, b"x"), "the manifest has 1"),
                (lambda p: p.send_chunk(0, 0, b""), "1 byte to 1 MiB"),
                (lambda p: p.send_chunk(0, 0, b"x" * (1 << 20) + b"x"), "1 byte to 1 MiB"),
                (lambda p: p.send(b"\x12\x03\x1a\x7fx"), "malformed"),
                (lambda p: (half(p), half(p)), "expected 1048576"),
                (lambda p: p.out.put(None), "the stream ended")):
            self.refused(bad_argument, text, good, then=then)
        wrong = ("m.onnx", 4, push.sha(b"abcd"))
        self.refused(bad_argument, "announced was", wrong, then=lambda p: p.send_chunk(0, 0, b"abce"))
        self.refused(bad_argument, "more bytes than the announced", wrong,
                     then=lambda p: p.send_chunk(0, 0, b"abcde"))
        for f, text in (((".", data), "is not allowed"), (("../x", data), "is not allowed"),
                        (("m", 4, "ABCD"), "64 lower-case"), (("m", 2**63, "0" * 64), "2^63"),
                        (("m", 0, push.sha(b"")), "is empty")):
            self.refused(bad_argument, text, f)
        self.refused(bad_argument, "stands twice", good, good)
        self.refused(bad_argument, "2^63", ("a", 2**62, "0" * 64), ("b", 2**62, "1" * 64))
        for name in ("", "a/b", "..", "a..b", "x" * 129, "-a", "a\nb"):
            self.refused(bad_argument, "", good, name=name)
        self.refused(bad_argument, "wants 1 to")
        self.refused(grpc.StatusCode.RESOURCE_EXHAUSTED, "do not fit", ("m", 2**62, "0" * 64))
        with push.Push(self.d.grpc) as p:  # a chunk before the manifest
            p.send_chunk(0, 0, b"x")
            with self.assertRaises(grpc.RpcError) as e:
                p.next()
            self.assertEqual(e.exception.code(), bad_argument)
        self.assertNotIn(("r", 1), models(self.d))

    def test_bad_model_leaves_the_old_one(self):
        push.deploy(self.d.grpc, "keep", [("m.onnx", adder(1))])
        for data in (b"not a model at all", adder(2)[:-30]):
            self.refused(grpc.StatusCode.INVALID_ARGUMENT, "", ("m.onnx", data), name="keep",
                         then=lambda p: p.send_chunk(0, 0, data))
        self.assertEqual(ask(self.d, "keep"), 1)
        self.assertEqual([v for n, v in models(self.d) if n == "keep"], [1])

    def test_dry_run_stores_nothing(self):
        before = self.d.json("GET", "/v2/repository/status")["store_bytes"]
        r = push.deploy(self.d.grpc, "dry", [("m.onnx", adder(77))], dry_run=True)
        self.assertEqual(r["operators"], ["Add"])
        self.assertGreater(r["memory"], 0)
        self.assertEqual(self.d.json("GET", "/v2/repository/status")["store_bytes"], before)
        self.assertNotIn("dry", [n for n, _ in models(self.d)])
        self.assertEqual(os.listdir(os.path.join(self.d.state, "tmp")), [])
        other = harness.onnx_model([("Det", ["x"], ["y"], {})], [("x", "FP32", [2, 2])], [("y", "FP32", [])])
        try:
            r = push.deploy(self.d.grpc, "dry", [("m.onnx", other)], dry_run=True)
            self.assertTrue(r["missing"] or r["operators"] == ["Det"])
        except grpc.RpcError as e:
            self.fail(e.details())

    def test_no_wait(self):
        r = push.deploy(self.d.grpc, "later", [("m.onnx", adder(4))], no_wait=True)
        self.assertEqual(r["version"], 1)
        end = time.monotonic() + 10
        while self.d.request("GET", "/v2/models/later/ready")[0] != 200 and time.monotonic() < end:
            time.sleep(0.02)
        self.assertEqual(ask(self.d, "later"), 4)

    def test_external_data(self):
        import onnx
        from onnx.external_data_helper import convert_model_to_external_data
        with tempfile.TemporaryDirectory() as f:
            m = onnx.load_model_from_string(adder(8, pad=4096))
            convert_model_to_external_data(m, all_tensors_to_one_file=True, location="w.bin", size_threshold=100)
            onnx.save_model(m, os.path.join(f, "m.onnx"))
            files = [(n, open(os.path.join(f, n), "rb").read()) for n in ("m.onnx", "w.bin")]
        self.assertEqual(push.deploy(self.d.grpc, "split", files, chunk=1000)["version"], 1)
        self.assertEqual(ask(self.d, "split"), 8)
        self.refused(grpc.StatusCode.INVALID_ARGUMENT, "w.bin", ("m.onnx", files[0][1]), name="split2",
                     then=lambda p: p.send_chunk(0, 0, files[0][1]))

    def test_list_show_status_over_grpc(self):
        push.deploy(self.d.grpc, "shown", [("m.onnx", adder(1))])
        names = [push.parse(m)[1][0] for m in push.unary(self.d.grpc, "Models/List")[1]]
        self.assertIn(b"shown", names)
        show = push.unary(self.d.grpc, "Models/Show", push.blob(1, "shown") + push.number(3, 1))
        self.assertIn(b"Add", show[9][0])
        self.assertEqual(push.unary(self.d.grpc, "Admin/Status")[13], [b"ready"])
        for method in ("Models/Show", "Models/Undeploy", "Models/Rollback"):
            with self.assertRaises(grpc.RpcError) as e:
                push.unary(self.d.grpc, method, push.blob(1, "absent"))
            self.assertEqual(e.exception.code(), grpc.StatusCode.NOT_FOUND, method)
        with self.assertRaises(grpc.RpcError) as e:
            push.unary(self.d.grpc, "Models/Rollback", push.blob(1, "shown"))
        self.assertEqual(e.exception.code(), grpc.StatusCode.FAILED_PRECONDITION)


class Rest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.d = harness.Daemon().__enter__()

    @classmethod
    def tearDownClass(cls):
        cls.d.__exit__(None, None, None)

    def test_blobs_in_pieces_then_manifest(self):
        data = adder(11, pad=300000)
        path = "/v2/repository/blobs/sha256/" + push.sha(data)
        self.assertEqual(self.d.request("HEAD", path)[0], 404)
        n, at = len(data), 0
        for end in (100000, 250000, n):
            status, headers, body = self.d.request(
                "PUT", path, data[at:end], {"Content-Range": f"bytes {at}-{end - 1}/{n}"})
            self.assertEqual(status, 201 if end == n else 202, body)
            if end < n:
                self.assertEqual(headers["upload-offset"], str(end))
                status, _, body = self.d.request("PUT", path, b"x", {"Content-Range": f"bytes 0-0/{n}"})
                self.assertEqual(status, 400, body)
            at = end
        status, headers, _ = self.d.request("HEAD", path)
        self.assertEqual((status, headers["upload-offset"]), (200, str(n)))
        self.assertEqual(self.d.request("PUT", path, data)[0], 201)  # again: already there
        m = {"files": [{"path": "m.onnx", "size": n, "sha256": push.sha(data)}]}
        r = self.d.json("POST", "/v2/repository/models/pieces/versions/next", m, 201)
        self.assertEqual(r["version"], 1)
        r = self.d.json("POST", "/v2/repository/models/pieces/versions/1", m, 200)
        self.assertTrue(r["unchanged"])
        self.assertEqual(ask(self.d, "pieces"), 11)

    def test_refusals(self):
        data = adder(12)
        digest = push.sha(data)
        m = {"files": [{"path": "m.onnx", "size": len(data), "sha256": digest}]}
        status, _, body = self.d.request("POST", "/v2/repository/models/x/versions/next", json.dumps(m))
        self.assertEqual(status, 400)
        self.assertIn(digest, body.decode())
        other = "/v2/repository/blobs/sha256/" + "0" * 64
        self.assertEqual(self.d.request("PUT", other, data)[0], 400)  # another digest
        for headers in ({"Content-Range": "bytes 5-1/9"}, {"Content-Range": "bytes 0-9/5"},
                        {"Content-Range": "0-1/2"}, {"Content-Range": "bytes 0-1/3"}):
            self.assertEqual(self.d.request("PUT", other, b"xyz", headers)[0], 400, headers)
        self.assertEqual(self.d.request("HEAD", "/v2/repository/blobs/sha256/xyz")[0], 400)
        for path in ("/v2/repository/models/a..b/versions/1", "/v2/repository/models/x/versions/0",
                     "/v2/repository/models/x/versions/99999999999999999999"):
            self.assertEqual(self.d.request("PUT", path, data)[0], 400, path)
        self.assertEqual(self.d.request("PUT", "/v2/repository/models/x/versions/1", b"")[0], 400)
        self.d.deploy("conflict", adder(1))
        self.assertEqual(self.d.request("PUT", "/v2/repository/models/conflict/versions/1", adder(2))[0], 409)
        self.assertEqual(ask(self.d, "conflict"), 1)

    def test_rollback_and_undeploy(self):
        for k in (1, 2):
            self.d.deploy("rb", adder(k), "next")
        self.assertEqual(self.d.json("POST", "/v2/repository/models/rb/rollback"), {"version": 1, "from": 2})
        self.assertEqual(ask(self.d, "rb"), 1)
        self.assertEqual(self.d.json("POST", "/v2/repository/models/rb/rollback"), {"version": 2, "from": 1})
        self.assertEqual(ask(self.d, "rb"), 2)
        self.assertEqual(self.d.json("DELETE", "/v2/repository/models/rb/versions/1"), {"versions": [1]})
        self.assertEqual(self.d.request("POST", "/v2/repository/models/rb/rollback")[0], 400)
        self.assertEqual(self.d.json("DELETE", "/v2/repository/models/rb"), {"versions": [2]})
        self.assertEqual(self.d.request("DELETE", "/v2/repository/models/rb")[0], 404)
        self.assertEqual(self.d.request("GET", "/v2/models/rb")[0], 404)

    def test_triton_load_and_unload(self):
        import tritonclient.http as thttp
        from tritonclient.utils import InferenceServerException
        c = thttp.InferenceServerClient(self.d.http)
        c.load_model("over", config='{"max_batch_size": "4"}', files={"file:3/model.onnx": adder(21)})
        self.assertEqual(ask(self.d, "over", 3), 21)
        self.assertEqual(self.d.json("GET", "/v2/repository/models/over")["max_batch"], 4)
        c.load_model("over", config='{"max_batch_size": 8}')
        self.assertEqual(self.d.json("GET", "/v2/models/over/config")["max_batch_size"], 8)
        c.load_model("over")  # drops it again
        self.assertEqual(self.d.json("GET", "/v2/models/over/config")["max_batch_size"], 4)
        c.unload_model("over")
        self.assertFalse(c.is_model_ready("over"))
        c.load_model("over")
        self.assertEqual(ask(self.d, "over"), 21)
        with self.assertRaises(InferenceServerException) as e:
            c.load_model("absent")
        self.assertIn("failed to load", str(e.exception))
        with self.assertRaises(InferenceServerException) as e:
            c.load_model("over", config='{"max_batch_size": "x"}')
        self.assertIn("failed to load", str(e.exception))
        self.assertEqual(ask(self.d, "over"), 21)
        c.close()


class Swapping(unittest.TestCase):
    def test_redeploy_and_rollback_under_clients(self):
        rounds = 12 if os.environ.get("QUICK") == "1" else 50
        with harness.Daemon() as d:
            d.deploy("m", adder(1000), "next")
            stop, failures, seen, count = threading.Event(), [], set(), [0]

            def client():
                import tritonclient.http as thttp
                c = thttp.InferenceServerClient(d.http)
                x = thttp.InferInput("x", [1, 4], "FP32")
                x.set_data_from_numpy(np.zeros((1, 4), np.float32))
                while not stop.is_set():
                    try:
                        r = c.infer("m", [x])
                        seen.add((r.get_response()["model_version"], int(r.as_numpy("y")[0, 0])))
                        count[0] += 1
                    except Exception as e:
                        failures.append(str(e))
                c.close()

            clients = [threading.Thread(target=client) for _ in range(32)]
            for c in clients:
                c.start()
            version_k, made = {"1": 1000}, 1
            for i in range(rounds):
                if i % 5 == 4:
                    d.json("POST", "/v2/repository/models/m/rollback")
                else:
                    r = d.deploy("m", adder(1001 + i), "next")
                    version_k[str(r["version"])] = 1001 + i
                    made += 1
            stop.set()
            for c in clients:
                c.join()
            self.assertEqual(failures[:3], [])
            self.assertGreater(count[0], 100)
            for version, k in seen:  # no answer ever came from another version than it says
                self.assertEqual(version_k[version], k)


class Crashing(unittest.TestCase):
    def test_kill_9_loses_nothing(self):
        deploys = 50 if os.environ.get("QUICK") == "1" else 200
        rng = random.Random(7)
        d = harness.Daemon()
        try:
            acked, live, k, rounds = 0, 0, 0, 0
            while k < deploys:
                rounds += 1
                d.start()
                if acked:
                    now = ask(d)
                    self.assertIn(now, (live, k), "an acknowledged deploy is lost, or half a one shows")
                    live = now
                    self.assertEqual([m["reason"] for m in models(d).values() if m["live"]], [""])
                timer = threading.Timer(rng.uniform(0.0, 0.5), lambda: os.kill(d.pid, signal.SIGKILL))
                timer.start()
                try:
                    while True:
                        k += 1
                        d.deploy("m", adder(k), "next")
                        live, acked = k, acked + 1
                except (OSError, AssertionError, ConnectionError, Exception) as e:
                    if isinstance(e, AssertionError) and "503" not in str(e):
                        raise
                timer.join()
                d.kill()
            self.assertGreater(acked, rounds // 4)
            d.start()
            self.assertEqual(d.json("POST", "/v2/repository/check", {})["problems"], [])
        finally:
            d.kill()
            shutil.rmtree(d.folder, ignore_errors=True)

    def test_everything_is_there_after_a_restart(self):
        d = harness.Daemon()
        try:
            d.start()
            for k in (1, 2, 3):
                d.deploy("m", adder(k), "next")
            d.json("POST", "/v2/repository/models/m/rollback")
            d.deploy("gone", adder(4))
            d.json("DELETE", "/v2/repository/models/gone")
            before = models(d)
            self.assertEqual(d.stop(), 0)
            d.start()
            after = models(d)
            for m in list(before.values()) + list(after.values()):
                m.pop("memory"), m.pop("requests")
            self.assertEqual(before, after)
            self.assertEqual(ask(d), 2)
            self.assertEqual(d.json("POST", "/v2/repository/models/m/rollback"), {"version": 3, "from": 2})
        finally:
            d.kill()
            shutil.rmtree(d.folder, ignore_errors=True)

    def test_a_hundred_models_start_at_once(self):
        d = harness.Daemon()
        try:
            d.start()
            for k in range(100):
                d.deploy(f"m{k}", adder(k))
            self.assertEqual(d.stop(), 0)
            d.start()
            line = d.process.stdout.readline().decode()
            self.assertIn("100 models", line)
            print("   ", line.strip())
            self.assertEqual(ask(d, "m63"), 63)
        finally:
            d.kill()
            shutil.rmtree(d.folder, ignore_errors=True)


class Damage(unittest.TestCase):
    def setUp(self):
        self.d = harness.Daemon()
        self.d.start()
        for k in (1, 2):
            self.d.deploy("a", adder(k), "next")
        self.d.deploy("b", adder(3))
        self.d.deploy("c", adder(4))
        self.files = {m["name"]: m for m in models(self.d).values() if m["live"]}
        self.d.stop()

    def tearDown(self):
        self.d.kill()
        shutil.rmtree(self.d.folder, ignore_errors=True)

    def blob(self, data):
        h = push.sha(data)
        return os.path.join(self.d.state, "blobs", "sha256", h[:2], h)

    def rot(self, data):
        path = self.blob(data)
        os.chmod(path, 0o600)
        with open(path, "r+b") as f:
            f.seek(len(data) // 2)
            f.write(b"\xff\xfe")

    def sql(self, text):
        with sqlite3.connect(os.path.join(self.d.state, "mindserve.db")) as c:
            c.execute(text)
        c.close()

    def test_rotten_blob(self):
        self.rot(adder(3))
        self.d.start()
        m = models(self.d)[("b", 1)]
        self.assertEqual(m["state"], "UNAVAILABLE")
        self.assertIn("damaged", m["reason"])
        self.assertEqual((ask(self.d, "a"), ask(self.d, "c")), (2, 4))
        status, _, body = self.d.request("GET", "/v2/models/b")
        self.assertIn(status, (404, 503), body)
        self.assertTrue(self.d.json("POST", "/v2/repository/check", {})["problems"])
        self.d.deploy("b", adder(3), 1)  # the same bytes again heal it
        self.assertEqual(ask(self.d, "b"), 3)
        self.assertEqual(self.d.json("POST", "/v2/repository/check", {})["problems"], [])

    def test_last_good_stands_in(self):
        self.rot(adder(2))
        self.d.start()
        self.assertEqual(ask(self.d, "a"), 1)
        self.assertEqual(models(self.d)[("a", 2)]["state"], "UNAVAILABLE")
        self.assertEqual((ask(self.d, "b"), ask(self.d, "c")), (3, 4))

    def test_missing_blob(self):
        os.unlink(self.blob(adder(3)))
        self.d.start()
        self.assertEqual(models(self.d)[("b", 1)]["state"], "UNAVAILABLE")
        self.assertEqual(ask(self.d, "c"), 4)

    def test_bad_row(self):
        self.sql("UPDATE versions SET digest = 'x' WHERE name = 'b'")
        self.d.start()
        m = models(self.d)[("b", 1)]
        self.assertEqual(m["state"], "UNAVAILABLE")
        self.assertIn("digest", m["reason"])
        self.assertEqual((ask(self.d, "a"), ask(self.d, "c")), (2, 4))
        self.assertEqual(self.d.json("DELETE", "/v2/repository/models/b"), {"versions": [1]})

    def test_lost_row(self):
        self.sql("DELETE FROM versions WHERE name = 'a' AND version = 2")
        self.d.start()
        self.assertEqual((ask(self.d, "a"), ask(self.d, "c")), (1, 4))  # the previous one stands in

    def test_unreadable_database(self):
        path = os.path.join(self.d.state, "mindserve.db")
        with open(path, "r+b") as f:
            f.write(b"x" * 4096)
        with self.assertRaises(RuntimeError) as e:
            self.d.start()
        self.assertIn("ended with 3", str(e.exception))
        self.assertIn("database", str(e.exception))


class Exits(unittest.TestCase):
    def run_it(self, *args):
        with tempfile.TemporaryDirectory() as folder:
            r = subprocess.run([harness.MINDSERVED, "--state", os.path.join(folder, "s"), "--http", "127.0.0.1:0",
                                "--grpc", "off", "--metrics", "off", *args], capture_output=True, text=True,
                               timeout=60)
        self.assertEqual(r.stdout, "")
        self.assertEqual(len(r.stderr.strip().splitlines()), 1, r.stderr)
        return r.returncode, r.stderr

    def test_configuration(self):
        with tempfile.NamedTemporaryFile("w", suffix=".yaml") as f:
            f.write("limits:\n  requests: 5\n  receive_bugdet: 1MiB\n")
            f.flush()
            code, text = self.run_it("--config", f.name)
            self.assertEqual(code, 2)
            self.assertEqual(text, f"mindserved: {f.name}:3:3: unknown key 'limits.receive_bugdet'; did you mean "
                                   "'limits.receive_budget'?\n")
            self.assertEqual(self.run_it("--check-config", "--config", f.name)[0], 2)
        self.assertEqual(self.run_it("--set", "log.level=loud")[0], 2)
        self.assertEqual(self.run_it("--config", "/nonexistent")[0], 2)
        code, text = self.run_it("--http", "0.0.0.0:0")
        self.assertEqual(code, 2)
        self.assertIn("loopback", text)

    def test_port_taken(self):
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            s.listen()
            taken = "127.0.0.1:%d" % s.getsockname()[1]
            for flag in ("--http", "--grpc", "--metrics"):
                code, text = self.run_it(flag, taken)
                self.assertEqual(code, 3, text)
                self.assertIn(taken, text)

    def test_state_that_cannot_be_opened(self):
        with tempfile.NamedTemporaryFile() as f:
            code, text = self.run_it("--state", f.name)
            self.assertEqual(code, 3)
            self.assertIn("Not a directory", text)
        code, text = self.run_it("--state", "/proc/nothing")
        self.assertEqual(code, 3)

    def test_state_in_use(self):
        with harness.Daemon() as d:
            code, text = self.run_it("--state", d.state)
            self.assertEqual(code, 3)
            self.assertIn("another mindserved", text)

    def test_read_only_state(self):
        if os.geteuid() == 0:
            folder = tempfile.mkdtemp()
            if subprocess.run(["mount", "-t", "tmpfs", "-o", "ro,size=1m", "tmpfs", folder],
                              capture_output=True).returncode:
                os.rmdir(folder)
                self.skipTest("mounting is not allowed here")
            try:
                code, text = self.run_it("--state", folder)
            finally:
                subprocess.run(["umount", folder])
                os.rmdir(folder)
        else:
            with tempfile.TemporaryDirectory() as folder:
                os.chmod(folder, 0o500)
                code, text = self.run_it("--state", folder)
        self.assertEqual(code, 3, text)

    def test_version_and_help(self):
        r = subprocess.run([harness.MINDSERVED, "--version"], capture_output=True, text=True)
        self.assertEqual((r.returncode, r.stdout), (0, "mindserved 0.1.0\n"))
        r = subprocess.run([harness.MINDSERVED, "--help"], capture_output=True, text=True)
        self.assertEqual(r.returncode, 0)
        self.assertIn("limits.receive_budget = 512MiB", r.stdout)
        self.assertEqual(subprocess.run([harness.MINDSERVED, "--bogus"], capture_output=True).returncode, 2)
        r = subprocess.run([harness.MINDSERVED, "--check-config"], capture_output=True, text=True)
        self.assertEqual(r.returncode, 0)

    def test_second_sigterm(self):
        with tempfile.TemporaryDirectory() as folder:
            p = subprocess.Popen([harness.MINDSERVED, "--state", os.path.join(folder, "s"), "--http", "127.0.0.1:0",
                                  "--grpc", "off", "--metrics", "off", "--set", "listen.drain_delay=60s"],
                                 stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
            p.stdout.readline()
            p.send_signal(signal.SIGTERM)
            time.sleep(0.5)
            self.assertIsNone(p.poll())
            p.send_signal(signal.SIGTERM)
            self.assertEqual(p.wait(10), 0)
            p.stdout.close()


class FullDisk(unittest.TestCase):
    def test_full_disk(self):
        folder = tempfile.mkdtemp()
        if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", folder], capture_output=True).returncode:
            os.rmdir(folder)
            self.skipTest("mounting is not allowed here")
        try:
            with harness.Daemon("--set", "store.reserve=0", state=os.path.join(folder, "s")) as d:
                d.deploy("m", adder(1))
                try:
                    status, _, body = d.request("PUT", "/v2/repository/models/m/versions/next",
                                                adder(2, pad=8 << 20))
                    self.assertEqual(status, 429, body)
                    self.assertIn("do not fit on the disk", body.decode())
                except (BrokenPipeError, ConnectionResetError):
                    pass  # refused while this client was still sending; gRPC below sees the reason
                with self.assertRaises(grpc.RpcError) as e:
                    push.deploy(d.grpc, "m", [("m.onnx", adder(2, pad=8 << 20))])
                self.assertEqual(e.exception.code(), grpc.StatusCode.RESOURCE_EXHAUSTED)
                self.assertIn("do not fit on the disk", e.exception.details())
                free = os.statvfs(folder).f_bavail * os.statvfs(folder).f_frsize
                with open(os.path.join(folder, "filler"), "wb") as f:
                    f.write(b"x" * (free - 8192))
                for k in range(3, 8):  # now the database cannot grow either
                    status, _, body = d.request("PUT", "/v2/repository/models/m/versions/next", adder(k, pad=4096))
                    self.assertIn(status, (429, 503), body)
                self.assertEqual(ask(d), 1)
                os.unlink(os.path.join(folder, "filler"))
                self.assertEqual(os.listdir(os.path.join(folder, "s", "tmp")), [])
            with harness.Daemon("--set", "store.reserve=0", state=os.path.join(folder, "s")) as d:
                self.assertEqual(ask(d), 1)
                d.deploy("m", adder(9), "next")
                self.assertEqual(ask(d), 9)
        finally:
            subprocess.run(["umount", folder])
            os.rmdir(folder)


class Reload(unittest.TestCase):
    def test_sighup(self):
        with tempfile.NamedTemporaryFile("w", suffix=".yaml") as f:
            f.write("models:\n  m:\n    batching: {max_size: 3}\n    labels: [zero, one]\n")
            f.flush()
            with harness.Daemon("--config", f.name) as d:
                d.deploy("m", adder(1), "next")
                show = d.json("GET", "/v2/repository/models/m")
                self.assertEqual((show["max_batch"], show["config"]["labels"]), (3, ["zero", "one"]))

                def reload(text):
                    f.seek(0)
                    f.truncate()
                    f.write(text)
                    f.flush()
                    os.kill(d.pid, signal.SIGHUP)
                    time.sleep(0.3)

                reload("models:\n  m:\n    batchin: {}\n")
                self.assertIn("kept the old configuration", d.stderr())
                reload("models:\n  m:\n    batching: {max_size: 6}\n")
                d.deploy("m", adder(2), "next")
                show = d.json("GET", "/v2/repository/models/m")
                self.assertEqual((show["max_batch"], show["config"]["labels"]), (6, []))


if __name__ == "__main__":
    unittest.main()
