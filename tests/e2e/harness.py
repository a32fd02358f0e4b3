# SPDX-License-Identifier: Apache-2.0
"""A real daemon for end-to-end tests.

    with Daemon() as d:                    # free ports, a state folder of its own
        d.deploy("m", model_bytes)         # REST: PUT /v2/repository/models/m/versions/1
        status, headers, body = d.request("GET", "/v2/models/m")

Daemon(*args, env={}, state=DIR, wrap=[...]) passes further arguments to mindserved. d.http, d.grpc,
d.metrics are "HOST:PORT", d.admin a socket's path, d.pid the process. The daemon's stderr is in d.log
and shown when a test leaves it dead. stop() drains and returns the exit code; kill() is kill -9.
BUILD names the folder with the binaries (default: build/ of the repository).
"""
import http.client
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.environ.get("BUILD", os.path.join(ROOT, "build"))
SHARED = os.path.join(os.path.dirname(ROOT), "shared")
MINDSERVED = os.path.join(BUILD, "mindserved")
MSCTL = os.path.join(BUILD, "msctl")


def sanitizer_report(text):
    """What a sanitizer wrote into a log, from its first line on; empty when it wrote nothing."""
    at = re.search(r"^.*(ERROR: (Address|Leak)Sanitizer|WARNING: ThreadSanitizer|runtime error:)", text, re.MULTILINE)
    return text[at.start():at.start() + 8000] if at else ""


class Daemon:
    def __init__(self, *args, env=None, state=None, wrap=(), wait=60.0):
        self.args, self.env, self.wrap, self.wait = list(args), dict(env or {}), list(wrap), wait
        self.folder = tempfile.mkdtemp(prefix="mindserve-test-")
        self.state = state or os.path.join(self.folder, "state")
        self.log = os.path.join(self.folder, "log")
        self.process = None

    # ---- life ----

    def start(self):
        endpoints = os.path.join(self.folder, "endpoints.json")
        if os.path.exists(endpoints):
            os.unlink(endpoints)
        command = self.wrap + [MINDSERVED, "--state", self.state, "--http", "127.0.0.1:0",
                               "--grpc", "127.0.0.1:0", "--metrics", "127.0.0.1:0",
                               "--admin", os.path.join(self.folder, "admin.sock"),
                               "--endpoints-file", endpoints] + self.args
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log,
                                            env={**os.environ, **self.env})
        deadline = time.monotonic() + self.wait
        while not os.path.exists(endpoints):
            if self.process.poll() is not None:
                raise RuntimeError(f"mindserved ended with {self.process.returncode}: {self.stderr()}")
            if time.monotonic() > deadline:
                self.kill()
                raise RuntimeError(f"mindserved is not ready after {self.wait} s: {self.stderr()}")
            time.sleep(0.005)
        with open(endpoints) as f:
            at = json.load(f)
        self.http, self.grpc, self.metrics = at.get("http"), at.get("grpc"), at.get("metrics")
        self.admin, self.pid = at.get("admin"), at.get("pid")
        return self

    def stop(self, timeout=60.0):
        """SIGTERM, wait; the exit code."""
        if self.process.poll() is None:
            os.kill(self.pid, signal.SIGTERM)
        try:
            return self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            self.kill()
            raise RuntimeError(f"mindserved does not stop: {self.stderr()}")
        finally:
            self.process.stdout.close()

    def kill(self):
        if self.process.poll() is None:
            try:
                os.kill(self.pid, signal.SIGKILL)
            except (AttributeError, ProcessLookupError):
                self.process.kill()
        self.process.wait()
        self.process.stdout.close()

    def alive(self):
        return self.process.poll() is None

    def stderr(self, last=4000):
        with open(self.log, "rb") as f:
            return f.read()[-last:].decode("utf-8", "replace")

    def __enter__(self):
        try:
            return self.start()
        except BaseException:
            shutil.rmtree(self.folder, ignore_errors=True)
            raise

    def __exit__(self, kind, value, trace):
        died = self.process.poll()
        try:
            code = self.stop() if died is None else died
        finally:
            text = self.stderr(1 << 20)
            shutil.rmtree(self.folder, ignore_errors=True)
        report = sanitizer_report(text)
        if died is not None and kind is None:
            raise RuntimeError(f"mindserved died with {died}: {report or text[-4000:]}")
        if code not in (0, -signal.SIGKILL) and kind is None:
            raise RuntimeError(f"mindserved ended with {code}: {report or text[-4000:]}")
        if report:
            raise RuntimeError(f"a sanitizer reports: {report}")

    # ---- talking ----

    def request(self, method, path, body=None, headers=None, timeout=30.0):
        """One request on a connection of its own: (status, headers in lower case, body)."""
        host, port = self.http.rsplit(":", 1)
        c = http.client.HTTPConnection(host, int(port), timeout=timeout)
        try:
            c.request(method, path, body=body, headers=headers or {})
            r = c.getresponse()
            return r.status, {k.lower(): v for k, v in r.getheaders()}, r.read()
        finally:
            c.close()

    def json(self, method, path, body=None, expect=200):
        status, _, data = self.request(method, path, None if body is None else json.dumps(body))
        if status != expect:
            raise AssertionError(f"{method} {path}: {status}, not {expect}: {data[:500]!r}")
        return json.loads(data) if data else None

    def connect(self, timeout=10.0):
        """A raw TCP connection to the HTTP listener."""
        host, port = self.http.rsplit(":", 1)
        return socket.create_connection((host, int(port)), timeout=timeout)

    def page(self):
        """The metrics page as text."""
        host, port = self.metrics.rsplit(":", 1)
        c = http.client.HTTPConnection(host, int(port), timeout=30)
        try:
            c.request("GET", "/metrics")
            r = c.getresponse()
            assert r.status == 200, r.status
            return r.read().decode()
        finally:
            c.close()

    def no_connections(self, timeout=10.0):
        """Waits until the daemon has noticed that all connections of earlier requests are closed."""
        deadline = time.monotonic() + timeout
        while any(f'mindserve_connections{{protocol="{p}"}} 0' not in self.page() for p in ("grpc", "http")):
            if time.monotonic() > deadline:
                raise AssertionError(f"connections stay open: {self.page()[:2000]}")
            time.sleep(0.02)

    def deploy(self, name, data, version=1):
        status, _, body = self.request("PUT", f"/v2/repository/models/{name}/versions/{version}", data)
        if status not in (200, 201):
            raise AssertionError(f"deploy of {name}: {status} {body[:500]!r}")
        return json.loads(body)

    def rss(self):
        with open(f"/proc/{self.pid}/status") as f:
            for line in f:
                if line.startswith("VmRSS:"):
                    return int(line.split()[1]) * 1024


# ---- models made on the spot ---------------------------------------------------------------------

def onnx_model(nodes, inputs, outputs, opset=17, ir=8):
    """Bytes of a model: nodes as (op, [inputs], [outputs], {attributes}), ports as (name, type, shape)."""
    import onnx
    from onnx import helper

    types = {"FP32": 1, "UINT8": 2, "INT8": 3, "INT32": 6, "INT64": 7, "BYTES": 8, "BOOL": 9, "FP16": 10,
             "FP64": 11, "UINT32": 12, "UINT64": 13, "INT16": 5, "UINT16": 4}
    port = lambda p: helper.make_tensor_value_info(p[0], types[p[1]], p[2])
    graph = helper.make_graph([helper.make_node(op, i, o, **a) for op, i, o, a in nodes], "g",
                              [port(p) for p in inputs], [port(p) for p in outputs])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=ir)
    onnx.checker.check_model(model)
    return model.SerializeToString()


def identity(datatype="FP32", shape=("N", "M")):
    return onnx_model([("Identity", ["IN"], ["OUT"], {})], [("IN", datatype, list(shape))],
                      [("OUT", datatype, list(shape))])


def add_sub(datatype="INT32", shape=("N", 16)):
    """The model that clients' examples call "simple"."""
    return onnx_model([("Add", ["INPUT0", "INPUT1"], ["OUTPUT0"], {}),
                       ("Sub", ["INPUT0", "INPUT1"], ["OUTPUT1"], {})],
                      [("INPUT0", datatype, list(shape)), ("INPUT1", datatype, list(shape))],
                      [("OUTPUT0", datatype, list(shape)), ("OUTPUT1", datatype, list(shape))])
