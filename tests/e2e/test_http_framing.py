# SPDX-License-Identifier: Apache-2.0
"""Raw bytes at the HTTP listener: what must be refused, what must be understood, and when."""
import gzip
import json
import socket
import threading
import time
import unittest
import zlib

import harness

BODY = b'{"inputs":[{"name":"IN","shape":[1,2],"datatype":"FP32","data":[1,2]}]}'
POST = b"POST /v2/models/m/infer HTTP/1.1\r\nHost: x\r\n"


def head(data):
    return data.split(b"\r\n\r\n", 1)[0]


class Case(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.d = harness.Daemon()
        cls.d.__enter__()
        cls.d.deploy("m", harness.identity())

    @classmethod
    def tearDownClass(cls):
        cls.d.__exit__(None, None, None)

    def talk(self, data, wait=5.0, pieces=None):
        """Everything the server sends back until it closes or is silent for 0.3 s after an answer."""
        with self.d.connect(wait) as s:
            s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            try:
                for p in pieces or [data]:
                    s.sendall(p)
                    if pieces:
                        time.sleep(0.02)
            except OSError:
                pass
            got = b""
            try:
                while True:
                    s.settimeout(0.3 if got else wait)
                    more = s.recv(65536)
                    if not more:
                        return got, True
                    got += more
            except socket.timeout:
                return got, False
            except ConnectionError:
                return got, True

    def statuses(self, data):
        return [int(part.split(b" ", 1)[0]) for part in data.split(b"HTTP/1.1 ")[1:]]

    def refused(self, data, codes=(400,)):
        got, closed = self.talk(data)
        seen = self.statuses(got)
        if not seen:
            self.assertTrue(closed, f"neither answered nor closed: {data[:80]!r}")
            return
        # libmicrohttpd sends the head of its own refusals twice; then it closes
        self.assertEqual(len(set(seen)), 1, (data[:80], got))
        self.assertIn(seen[0], codes, (data[:80], got))
        self.assertTrue(closed, f"connection kept after {got!r}")


class Refused(Case):
    def each(self, cases, **args):
        for name, data in cases.items():
            with self.subTest(name):
                self.refused(data, **args)
        self.assertEqual(self.d.request("GET", "/v2/health/live")[0], 200)

    def test_length_and_encoding(self):
        n = b"%d" % len(BODY)
        chunked = b"%x\r\n" % len(BODY) + BODY + b"\r\n0\r\n\r\n"
        self.each({
            "length and chunked": POST + b"Content-Length: " + n + b"\r\nTransfer-Encoding: chunked\r\n\r\n" + chunked,
            "chunked and length": POST + b"Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n" + chunked,
            "two lengths": POST + b"Content-Length: 5\r\nContent-Length: " + n + b"\r\n\r\n" + BODY,
            "two equal lengths": POST + b"Content-Length: " + n + b"\r\nContent-Length: " + n + b"\r\n\r\n" + BODY,
            "blank before colon": POST + b"Content-Length : " + n + b"\r\n\r\n" + BODY,
            "tab before colon": POST + b"Content-Length\t: " + n + b"\r\n\r\n" + BODY,
            "plus": POST + b"Content-Length: +5\r\n\r\nabcde",
            "hex": POST + b"Content-Length: 0x5\r\n\r\nabcde",
            "minus": POST + b"Content-Length: -1\r\n\r\nabcde",
            "list": POST + b"Content-Length: 5, 5\r\n\r\nabcde",
            "overflow": POST + b"Content-Length: 18446744073709551621\r\n\r\nabcde",
            "blank inside": POST + b"Content-Length: 1 2\r\n\r\nabcde",
            "empty length": POST + b"Content-Length:\r\n\r\nabcde",
            "unknown encoding": POST + b"Transfer-Encoding: gzip\r\n\r\n" + chunked,
            "two encodings": POST + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n" + chunked,
            "encoding list": POST + b"Transfer-Encoding: gzip, chunked\r\n\r\n" + chunked,
            "encoding with vertical tab": POST + b"Transfer-Encoding: \x0bchunked\r\n\r\n" + chunked,
            "chunked in 1.0": POST.replace(b"1.1", b"1.0") + b"Transfer-Encoding: chunked\r\n\r\n" + chunked,
        }, codes=(400, 413, 501))

    def test_chunks(self):
        t = POST + b"Transfer-Encoding: chunked\r\n\r\n"
        self.each({
            "0x1": t + b"0x1\r\na\r\n0\r\n\r\n",
            "overflow": t + b"ffffffffffffffffff\r\na\r\n0\r\n\r\n",
            "minus": t + b"-1\r\na\r\n0\r\n\r\n",
            "empty": t + b"\r\na\r\n0\r\n\r\n",
            "no line end": t + b"1\r\nab\r\n0\r\n\r\n",
        }, codes=(400, 413))

    def test_lines(self):
        self.each({
            "folded": b"GET /v2 HTTP/1.1\r\nHost: x\r\nA: b\r\n c\r\n\r\n",
            "bare LF everywhere": b"GET /v2 HTTP/1.1\nHost: x\n\n",
            "bare LF at the end": b"GET /v2 HTTP/1.1\r\nHost: x\n\n",
            "bare CR in a value": b"GET /v2 HTTP/1.1\r\nHost: x\r\nA: b\rc\r\n\r\n",
            "NUL in a value": b"GET /v2 HTTP/1.1\r\nHost: x\r\nA: b\x00c\r\n\r\n",
            "NUL in the URI": b"GET /v2\x00/models HTTP/1.1\r\nHost: x\r\n\r\n",
            "control in a value": b"GET /v2 HTTP/1.1\r\nHost: x\r\nA: b\x01c\r\n\r\n",
            "no colon": b"GET /v2 HTTP/1.1\r\nHost: x\r\nabc\r\n\r\n",
            "empty name": b"GET /v2 HTTP/1.1\r\nHost: x\r\n: b\r\n\r\n",
            "name with a blank": b"GET /v2 HTTP/1.1\r\nHost: x\r\nA b: c\r\n\r\n",
            "name with brackets": b"GET /v2 HTTP/1.1\r\nHost: x\r\n(A): c\r\n\r\n",
            "name not ASCII": b"GET /v2 HTTP/1.1\r\nHost: x\r\n\xc3\xa4: c\r\n\r\n",
        })

    def test_who_and_what(self):
        self.each({
            "no Host": b"GET /v2 HTTP/1.1\r\n\r\n",
            "two Hosts": b"GET /v2 HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n",
            "two Authorizations": b"GET /v2 HTTP/1.1\r\nHost: x\r\nAuthorization: a\r\nAuthorization: b\r\n\r\n",
            "method": b"G@T /v2 HTTP/1.1\r\nHost: x\r\n\r\n",
            "HTTP/9.9": b"GET /v2 HTTP/9.9\r\nHost: x\r\n\r\n",
            "HTTP/0.9": b"GET /v2\r\n\r\n",
            "HTTP/1.2": b"GET /v2 HTTP/1.2\r\nHost: x\r\n\r\n",
            "unknown Expect": POST + b"Expect: miracle\r\nContent-Length: 1\r\n\r\na",
            "200 headers": b"GET /v2 HTTP/1.1\r\nHost: x\r\n" + b"".join(b"A%d: b\r\n" % i for i in range(200)) + b"\r\n",
            "5000 headers": b"GET /v2 HTTP/1.1\r\nHost: x\r\n" + b"".join(b"A%d: b\r\n" % i for i in range(5000)) + b"\r\n",
            "20 KiB header": b"GET /v2 HTTP/1.1\r\nHost: x\r\nA: " + b"b" * 20000 + b"\r\n\r\n",
            "200 KiB header": b"GET /v2 HTTP/1.1\r\nHost: x\r\nA: " + b"b" * 200000 + b"\r\n\r\n",
            "9 KiB URI": b"GET /v2?" + b"a" * 9000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
            "HTTP/2 preface": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
            "TLS hello": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 100 + b"\r\n\r\n",
        }, codes=(400, 404, 413, 414, 417, 431, 501, 505))

    def test_paths(self):
        for path, codes in {"/v2/models/%00": (400,), "/v2/models/a%2fb": (400,), "/v2/models/%0d%0aX": (400,), "/v2/models/%zz": (400,),
                            "/v2/models/%4": (400,), "/v2/models/%ff": (400,), "/v2/models/a\\b": (400,), "/v2/models/<x>": (400,), "/v2/models/..": (404,),
                            "/v2/models/%2e%2e": (404,), "/v2/models//ready": (404,), "/v2/": (404,), "//v2": (404,), "/": (404,), "/etc/passwd": (404,),
                            "/v2/models/" + "a" * 300: (404,)}.items():
            with self.subTest(path):
                got, _ = self.talk(b"GET " + path.encode("latin1") + b" HTTP/1.1\r\nHost: x\r\n\r\n")
                self.assertEqual(len(self.statuses(got)), 1, got)
                self.assertIn(self.statuses(got)[0], codes, got)
                for leak in (b"/etc", b"/usr", b"/home", b"/proc", b"/tmp"):
                    self.assertNotIn(leak, got)

    def test_smuggled_request_is_not_run(self):
        inner = b"GET /v2/health/live HTTP/1.1\r\nHost: x\r\n\r\n"
        got, closed = self.talk(POST + b"Content-Length: 0\r\nContent-Length: %d\r\n\r\n" % len(inner) + inner)
        self.assertEqual(self.statuses(got), [400])
        self.assertTrue(closed)


class Understood(Case):
    def test_segments(self):
        data = POST + b"Content-Length: %d\r\n\r\n" % len(BODY) + BODY
        for step in (1, 7, 50):
            got, _ = self.talk(b"", pieces=[data[i:i + step] for i in range(0, len(data), step)])
            self.assertEqual(self.statuses(got), [200], got)

    def test_pipelined(self):
        one = b"GET /v2/health/live HTTP/1.1\r\nHost: x\r\n\r\n"
        infer = POST + b"Content-Length: %d\r\n\r\n" % len(BODY) + BODY
        got, _ = self.talk(one + infer + one + b"GET /nowhere HTTP/1.1\r\nHost: x\r\n\r\n" + infer)
        self.assertEqual(self.statuses(got), [200, 200, 200, 404, 200], got)

    def test_chunked(self):
        for n in (1, 10, 1000):
            body = b"".join(b"%x;ext=1\r\n" % len(BODY[i:i + n]) + BODY[i:i + n] + b"\r\n" for i in range(0, len(BODY), n)) + b"0\r\n\r\n"
            got, _ = self.talk(POST + b"Transfer-Encoding: chunked\r\n\r\n" + body)
            self.assertEqual(self.statuses(got), [200], got)

    def test_http10_closes(self):
        got, closed = self.talk(b"GET /v2/health/live HTTP/1.0\r\n\r\n")
        self.assertIn(b" 200 ", head(got))
        self.assertTrue(closed)

    def test_continue(self):
        with self.d.connect() as s:
            s.sendall(POST + b"Expect: 100-continue\r\nContent-Length: %d\r\n\r\n" % len(BODY))
            self.assertIn(b"100", s.recv(1000))
            s.sendall(BODY)
            self.assertIn(b" 200 ", s.recv(10000))

    def test_no_continue_for_too_large(self):
        with self.d.connect() as s:
            s.sendall(POST + b"Expect: 100-continue\r\nContent-Length: 99999999999\r\n\r\n")
            self.assertIn(b" 413 ", s.recv(1000))

    def test_escaped_name(self):
        status, _, _ = self.d.request("GET", "/v2/models/%6d")
        self.assertEqual(status, 200)

    def test_query_is_ignored(self):
        self.assertEqual(self.d.request("GET", "/v2/health/live?x=%00&y=/../")[0], 200)

    def test_wrong_verb(self):
        status, h, _ = self.d.request("DELETE", "/v2/health/live")
        self.assertEqual((status, h["allow"]), (405, "GET"))
        self.assertEqual(self.d.request("GET", "/v2/models/m/infer")[0], 405)

    def test_one_segment_a_reply(self):
        """Head and body in one write: no 40 ms of Nagle and delayed acknowledgement."""
        with self.d.connect() as s:
            s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            times = []
            for _ in range(20):
                t = time.monotonic()
                s.sendall(POST + b"Content-Length: %d\r\n\r\n" % len(BODY) + BODY)
                got = s.recv(65536)
                self.assertIn(b'"data":[', got)
                times.append(time.monotonic() - t)
        self.assertLess(sorted(times)[10], 0.03)


class Bodies(Case):
    def ask(self, body, headers=None, path="/v2/models/m/infer"):
        status, h, data = self.d.request("POST", path, body, headers)
        return status, json.loads(data) if data and h.get("content-type") == "application/json" else data

    def test_json_refusals(self):
        n = 0
        for body in (b"", b"{", b"[]", b"1", b"null", b'{"inputs":{}}', b'{"inputs":[]', b'{"inputs":[{}]}', b'{"inputs":[{"name":"IN"}]}', BODY[:-1], BODY + b"x", b"\xff" + BODY,
                     BODY.replace(b"[1,2]}", b"[1,2,3]}"), BODY.replace(b"[1,2]}", b"[1]}"), BODY.replace(b"[1,2]}", b'["a",2]}'), BODY.replace(b"[1,2]}", b"[1e999,2]}"),
                     BODY.replace(b"[1,2]}", b"[01,2]}"), BODY.replace(b"[1,2]}", b"[1.,2]}"), BODY.replace(b"[1,2]}", b"[+1,2]}"), BODY.replace(b"[1,2]}", b"[1,2,]}"),
                     BODY.replace(b"[1,2]}", b"[null,2]}"), BODY.replace(b'"shape":[1,2]', b'"shape":[1,-2]'), BODY.replace(b'"shape":[1,2]', b'"shape":[1.5,2]'),
                     BODY.replace(b'"shape":[1,2]', b'"shape":[4611686018427387904,4611686018427387904]'), BODY.replace(b'"shape":[1,2]', b'"shape":[1,1,1,1,1,1,1,1,2]'),
                     BODY.replace(b'"shape":[1,2]', b'"shape":[1000000,1000000]'), BODY.replace(b"FP32", b"FP16"), BODY.replace(b"FP32", b"INT32"), BODY.replace(b"FP32", b"fp32"),
                     BODY.replace(b'"IN"', b'"\\u0000"'), BODY.replace(b'"IN"', b'"\\ud800"'), BODY.replace(b'"IN"', b'"\xc3"'), BODY.replace(b'"IN"', b'"a\nb"'), BODY.replace(b'"IN"', b'"WRONG"'),
                     b'{"inputs":[],' + BODY[1:], BODY[:-1] + b',"x":{"a":1,"a":2}}', b'{"inputs":' + b"[" * 100 + b"]" * 100 + b"}", b"[" * 100000,
                     BODY[:-1] + b',"outputs":[{"name":"NOPE"}]}', BODY[:-1] + b',"parameters":{"triton_x":1}}', BODY[:-1] + b',"parameters":{"timeout":-1}}',
                     BODY.replace(b'"data"', b'"parameters":{"binary_data_size":8},"data"'), BODY.replace(b'"data":[1,2]', b'"parameters":{"binary_data_size":8}'),
                     BODY.replace(b'"data":[1,2]', b'"parameters":{"shared_memory_region":"x"}')):
            with self.subTest(body[:120]):
                status, reply = self.ask(body)
                self.assertEqual(status, 400, reply)
                self.assertLessEqual(len(reply["error"]), 512)
            n += 1
        self.assertGreater(n, 40)
        self.assertEqual(self.ask(BODY)[0], 200)

    def test_json_values(self):
        def outputs(data, shape=(1, 2), **more):
            q = {"inputs": [{"data": "@", "name": "IN", "datatype": "FP32", "shape": list(shape)}], **more}
            status, reply = self.ask(json.dumps(q).replace('"@"', data).encode())
            self.assertEqual(status, 200, reply)
            return reply["outputs"][0]["data"]
        self.assertEqual(outputs("[[1,2]]"), [1, 2])
        self.assertEqual(outputs('["NaN",-Infinity]'), ["NaN", "-Infinity"])
        self.assertEqual(outputs('[NaN,"Infinity"]'), ["NaN", "Infinity"])
        self.assertEqual(outputs("[0.1,1e-45]"), [0.1, 1.40129846e-45])
        self.assertEqual(outputs("[3.4028235e38,-0.0]"), [3.40282347e38, -0.0])
        self.assertEqual(outputs("[16777217,0.30000001192092896]"), [16777216.0, 0.3])
        self.assertEqual(self.ask(BODY[:-1] + b',"id":"\\u00e4\\ud83d\\ude00"}')[1]["id"], "\u00e4\U0001f600")

    def test_binary_lengths(self):
        h = b'{"inputs":[{"name":"IN","shape":[1,2],"datatype":"FP32","parameters":{"binary_data_size":8}}]}'
        ask = lambda extra, length=None: self.ask(h + extra, {"Inference-Header-Content-Length": str(length if length is not None else len(h))})[0]
        self.assertEqual(ask(b"\0" * 8), 200)
        for extra, length in ((b"\0" * 7, None), (b"\0" * 9, None), (b"", None), (b"\0" * 8, len(h) + 100), (b"\0" * 8, len(h) - 1), (b"\0" * 8, "x"), (b"\0" * 8, "-1")):
            self.assertEqual(ask(extra, length), 400)

    def test_encodings(self):
        self.assertEqual(self.ask(gzip.compress(BODY), {"Content-Encoding": "gzip"})[0], 200)
        self.assertEqual(self.ask(zlib.compress(BODY), {"Content-Encoding": "deflate"})[0], 200)
        self.assertEqual(self.ask(gzip.compress(BODY)[:-6], {"Content-Encoding": "gzip"})[0], 400)
        self.assertEqual(self.ask(gzip.compress(BODY) + b"x", {"Content-Encoding": "gzip"})[0], 400)
        self.assertEqual(self.ask(BODY, {"Content-Encoding": "gzip"})[0], 400)
        self.assertEqual(self.ask(BODY, {"Content-Encoding": "br"})[0], 415)

    def test_bomb(self):
        before = self.d.rss()
        bomb = zlib.compress(b" " * (300 << 20), 9)
        self.assertEqual(self.ask(bomb, {"Content-Encoding": "deflate"})[0], 413)
        self.assertLess(self.d.rss(), before + (100 << 20))

    def test_too_large(self):
        got, closed = self.talk(POST + b"Content-Length: 70000000\r\n\r\n" + b"x" * 1000)
        self.assertEqual(self.statuses(got), [413])
        self.assertTrue(closed)
        got, _ = self.talk(b"POST /v2/repository/index HTTP/1.1\r\nHost: x\r\nContent-Length: 2000000\r\n\r\n" + b"x" * 1000)
        self.assertEqual(self.statuses(got), [413])


class Slow(Case):
    def test_trickled_head_is_cut(self):
        s = self.d.connect()
        began = time.monotonic()
        try:
            for c in b"GET /v2 HTTP/1.1\r\nHost: " + b"x" * 100:
                s.sendall(bytes([c]))
                time.sleep(0.25)
                if time.monotonic() - began > 20:
                    self.fail("a head of 20 s was waited for")
                s.settimeout(0.001)
                try:
                    if s.recv(1) == b"":
                        break
                except socket.timeout:
                    pass
        except OSError:
            pass
        finally:
            s.close()
        self.assertGreater(time.monotonic() - began, 5)
    test_trickled_head_is_cut.slow = True

    def test_trickled_body_is_cut(self):
        s = self.d.connect()
        s.sendall(POST + b"Content-Length: 10000\r\n\r\n")
        began = time.monotonic()
        try:
            while time.monotonic() - began < 20:
                s.sendall(b" ")
                time.sleep(0.2)
                s.settimeout(0.001)
                try:
                    if s.recv(1000) == b"":
                        break
                except socket.timeout:
                    pass
        except OSError:
            pass
        finally:
            s.close()
        self.assertLess(time.monotonic() - began, 12)
    test_trickled_body_is_cut.slow = True

    def test_many_idle_connections_do_not_stop_others(self):
        crowd = [self.d.connect() for _ in range(150)]
        try:
            for s in crowd:
                s.sendall(b"POST /v2/models/m/infer HTTP/1.1\r\nHost: x\r\nContent-Le")
            for _ in range(20):
                self.assertEqual(self.d.request("POST", "/v2/models/m/infer", BODY)[0], 200)
        finally:
            for s in crowd:
                s.close()

    def test_gone_callers(self):
        for _ in range(50):
            s = self.d.connect()
            s.sendall(POST + b"Content-Length: %d\r\n\r\n" % len(BODY) + BODY)
            s.close()
        for _ in range(20):
            s = self.d.connect()
            s.sendall(POST + b"Content-Length: %d\r\n\r\n" % len(BODY) + BODY[:10])
            s.close()
        self.assertEqual(self.d.request("POST", "/v2/models/m/infer", BODY)[0], 200)
        deadline = time.monotonic() + 10
        while True:
            rows = dict(line.rsplit(" ", 1) for line in self.d.page().splitlines() if not line.startswith("#"))
            if float(rows["mindserve_calls_in_flight"]) == 0 or time.monotonic() > deadline:
                break
            time.sleep(0.1)
        self.assertEqual(float(rows["mindserve_calls_in_flight"]), 0)
        self.assertEqual(float(rows["mindserve_receive_bytes"]), 0)


class Drain(unittest.TestCase):
    def test_load_over_drain(self):
        """No request that the server accepted is lost when it is told to stop."""
        d = harness.Daemon("--set", "listen.drain_delay=300ms").start()
        d.deploy("m", harness.identity())
        results, stop = [], threading.Event()

        def client():
            while not stop.is_set():
                try:
                    results.append(d.request("POST", "/v2/models/m/infer", BODY)[0])
                except ConnectionRefusedError:
                    return
                except OSError as e:
                    results.append(repr(e))
        threads = [threading.Thread(target=client) for _ in range(8)]
        for t in threads:
            t.start()
        time.sleep(0.5)
        code = d.stop()
        stop.set()
        for t in threads:
            t.join()
        self.assertEqual(code, 0, d.stderr())
        self.assertGreater(results.count(200), 50)
        self.assertEqual(set(results) - {200, 503}, set())


if __name__ == "__main__":
    unittest.main()
