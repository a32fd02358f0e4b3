# SPDX-License-Identifier: Apache-2.0
"""Hostile HTTP/2 and HTTP/1 by hand at a real daemon: the guard before the protocol libraries closes, others are served."""
import json
import os
import pathlib
import queue
import re
import select
import socket
import struct
import subprocess
import threading
import time
import unittest

import grpc
from tritonclient.grpc import service_pb2 as pb

import harness
from test_http_framing import BODY, POST
from test_limits import settings

SERVICE = "/inference.GRPCInferenceService/"
DATA, HEADERS, PRIORITY, RST, SETTINGS, PROMISE, PING, GOAWAY, UPDATE, CONTINUATION = range(10)
END_STREAM, ACK, END_HEADERS = 1, 1, 4
CALM, PROTOCOL, TIMEOUT = 11, 1, 4
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"


def frame(kind, flags, stream, data=b""):
    return struct.pack(">I", len(data))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + data


def text(s):
    return bytes([len(s)]) + s.encode()


def block(method="ServerLive", service=SERVICE):
    """A gRPC request's header block, nothing of it indexed."""
    return (b"\x83\x86\x04" + text(service + method) + b"\x01" + text("x") + b"\x0f\x10" + text("application/grpc") +
            b"\x00" + text("te") + text("trailers"))


HELLO = PREFACE + frame(SETTINGS, 0, 0)
EMPTY = b"\0\0\0\0\0"  # an empty gRPC message


class Peer:
    """A raw HTTP/2 client. Reads on the way, so that it sees a GOAWAY before the reset that may follow."""

    def __init__(self, address, hello=HELLO, source=""):
        host, port = address.rsplit(":", 1)
        self.s = socket.create_connection((host, int(port)), timeout=10, source_address=(source, 0))
        self.got, self.closed = b"", False
        self.send(hello)

    def send(self, data, piece=65536):
        for i in range(0, len(data), piece):
            if self.closed:
                return False
            try:
                self.s.sendall(data[i:i + piece])
            except OSError:
                self.read(0)
                self.closed = True
                return False
            self.read(0)
        return not self.closed

    def read(self, wait):
        """What comes within `wait` seconds; returns whether the server has closed."""
        end = time.monotonic() + wait
        while not self.closed and select.select([self.s], [], [], max(0, end - time.monotonic()))[0]:
            try:
                more = self.s.recv(1 << 20)
            except OSError:
                more = b""
            self.got += more
            self.closed = not more
        return self.closed

    def frames(self):
        """(kind, flags, stream, payload) of what came."""
        at, found = 0, []
        while len(self.got) - at >= 9:
            n = int.from_bytes(self.got[at:at + 3], "big")
            found.append((self.got[at + 3], self.got[at + 4], int.from_bytes(self.got[at + 5:at + 9], "big"), self.got[at + 9:at + 9 + n]))
            at += 9 + n
        return found

    def goaway(self):
        codes = [int.from_bytes(p[4:8], "big") for kind, _, _, p in self.frames() if kind == GOAWAY]
        return codes[-1] if codes else None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.s.close()


class Case(unittest.TestCase):
    options = ()

    @classmethod
    def setUpClass(cls):
        cls.d = harness.Daemon(*cls.options).__enter__()
        cls.d.deploy("m", harness.identity())

    @classmethod
    def tearDownClass(cls):
        cls.d.__exit__(None, None, None)

    def count(self, protocol, reason=""):
        """How many connections were closed for the reason, or for any."""
        rows = [line.rsplit(" ", 1) for line in self.d.page().splitlines() if line.startswith("mindserve_guard_closed_total{")]
        found = [float(v) for k, v in rows if f'protocol="{protocol}"' in k and f'reason="{reason}' in k]
        self.assertTrue(found, (protocol, reason))
        return sum(found)

    def alive(self):
        with grpc.insecure_channel(self.d.grpc) as c:
            c.unary_unary(SERVICE + "ServerLive")(b"", timeout=10)
        self.assertEqual(self.d.request("GET", "/v2/health/live")[0], 200)

    def closed(self, data, reason, code, hello=HELLO, wait=5):
        """The guard closes for this reason, with this GOAWAY; code None: without one."""
        before = self.count("grpc", reason + '"')
        with Peer(self.d.grpc, hello) as p:
            p.send(data)
            self.assertTrue(p.read(wait), f"{reason}: not closed")
            self.assertEqual(p.goaway(), code, reason)
        self.assertEqual(self.count("grpc", reason + '"'), before + 1)


class Legitimate:
    """A client of the inference call in a thread of its own: every call must succeed."""

    def __init__(self, d):
        self.d, self.times, self.errors, self.done = d, [], [], threading.Event()
        self.thread = threading.Thread(target=self.run)

    def run(self):
        r = pb.ModelInferRequest(model_name="m")
        r.inputs.add(name="IN", datatype="FP32", shape=[1, 2])
        r.raw_input_contents.append(b"\0" * 8)
        with grpc.insecure_channel(self.d.grpc) as c:
            call = c.unary_unary(SERVICE + "ModelInfer")
            while not self.done.is_set():
                t = time.monotonic()
                try:
                    call(r.SerializeToString(), timeout=10)
                except grpc.RpcError as e:
                    self.errors.append(e.code())
                self.times.append(time.monotonic() - t)
                time.sleep(0.002)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.done.set()
        self.thread.join()

    def p99(self):
        return sorted(self.times)[len(self.times) * 99 // 100]


class Http2(Case):
    def under(self, attack, growth=64 << 20):
        """Runs the attack beside a legitimate client; all its calls succeed, and memory stays."""
        with Legitimate(self.d) as client:
            time.sleep(0.3)
            before = self.d.rss()
            attack()
            after = self.d.rss()
            time.sleep(0.1)
        self.assertEqual(client.errors, [])
        self.assertLess(client.p99(), 1.0)
        if "asan" not in harness.BUILD:
            self.assertLess(after - before, growth)
        self.alive()

    def test_rapid_reset(self):
        """200 000 streams opened and reset, on as many connections as that takes."""
        burst = [b"".join(frame(HEADERS, END_HEADERS | END_STREAM, i, block()) + frame(RST, 0, i, struct.pack(">I", 8))
                          for i in range(1 + 2 * k, 1 + 2 * k + 200, 2)) for k in range(0, 1000, 100)]
        before = self.count("grpc", 'resets"')
        sent = 0

        def attack():
            nonlocal sent
            while sent < 200000:
                with Peer(self.d.grpc) as p:
                    for part in burst:
                        if not p.send(part):
                            break
                        sent += 100
        self.under(attack)
        self.assertGreater(self.count("grpc", 'resets"') - before, 100)

    def test_resets_made_by_the_server(self):
        """Streams that the server must reset: what the peer sends on them is wrong."""
        big = struct.pack(">I", 0x7fffffff)
        tricks = {"bad message": lambda i: frame(DATA, 0, i, b"\xff" * 40),
                  "message too long": lambda i: frame(DATA, 0, i, b"\0\x7f\xff\xff\xff" + b"x" * 40),
                  "window overflow": lambda i: frame(UPDATE, 0, i, big) * 2,
                  "no window": lambda i: frame(UPDATE, 0, i, b"\0\0\0\0"),
                  "after the end": lambda i: frame(DATA, END_STREAM, i, EMPTY) + frame(DATA, 0, i, b"x" * 40),
                  "headers again": lambda i: frame(DATA, END_STREAM, i, EMPTY) + frame(HEADERS, END_HEADERS | END_STREAM, i, block()),
                  "depends on itself": lambda i: frame(PRIORITY, 0, i, struct.pack(">IB", i, 1)),
                  "bad size": lambda i: frame(RST, 0, i, b"\0\0\0")}
        streams = 3000

        def attack():
            for name, trick in tricks.items():
                with self.subTest(name):
                    with Peer(self.d.grpc) as p:
                        for i in range(1, 2 * streams, 2):
                            if not p.send(frame(HEADERS, END_HEADERS, i, block("ModelInfer")) + trick(i)):
                                break
                        self.assertTrue(p.read(5), "not closed")
                        resets = sum(kind == RST for kind, _, _, _ in p.frames())
                        self.assertLess(resets, 700)
        self.under(attack)

    def test_continuation_flood(self):
        start = frame(HEADERS, 0, 1, block())
        self.under(lambda: self.closed(start + frame(CONTINUATION, 0, 1, b"\0" * 16384) * 300, "header_block", CALM))
        self.closed(start + frame(CONTINUATION, 0, 1) * 20000, "header_block", CALM)
        self.closed(frame(HEADERS, 0, 1, b"\0" * 16384) + frame(CONTINUATION, 0, 1, b"\0"), "header_block", CALM)

    def test_endless_header_string(self):
        """A string that says it has a gibibyte, in as many CONTINUATION frames as are taken."""
        def attack():
            length = b"\x7f" + b"\x81\xff\xff\xff\x03"
            self.closed(frame(HEADERS, 0, 1, block() + b"\x00" + length + b"a" * 1000) + frame(CONTINUATION, 0, 1, b"a" * 16000) * 1500,
                        "header_block", CALM)
        self.under(attack)

    def test_floods(self):
        one = frame(HEADERS, END_HEADERS, 1, block("ModelStreamInfer"))
        for data, reason in ((frame(PING, 0, 0, b"12345678") * 20000, "pings"),
                             (frame(PING, ACK, 0, b"12345678") * 20000, "pings"),
                             (frame(SETTINGS, 0, 0) * 20000, "settings"),
                             (frame(SETTINGS, 0, 0, b"\0\4\0\0\xff\xff") * 20000, "settings"),
                             (frame(SETTINGS, ACK, 0) * 20000, "settings"),
                             (one + frame(DATA, 0, 1) * 20000, "small_data"),
                             (one + frame(DATA, 8, 1, b"\x10" + b"\0" * 16) * 20000, "small_data"),
                             (frame(UPDATE, 0, 0, b"\0\0\0\1") * 20000, "window_updates"),
                             (frame(PRIORITY, 0, 3, b"\0\0\0\0\1") * 20000, "other_frames"),
                             (frame(0xee, 0, 0, b"x" * 10) * 20000, "other_frames")):
            with self.subTest(reason):
                self.under(lambda d=data, r=reason: self.closed(d, r, CALM))

    def test_many_streams(self):
        self.closed(b"".join(frame(HEADERS, END_HEADERS, i, block("ModelInfer")) for i in range(1, 601, 2)), "streams", CALM)

    def test_not_http2(self):
        self.closed(b"", "preface", None, hello=b"GET /v2 HTTP/1.1\r\nHost: x\r\n\r\n")
        self.closed(b"", "preface", None, hello=b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03")
        self.closed(frame(HEADERS, END_HEADERS, 1, block()), "preface", PROTOCOL, hello=PREFACE)
        self.closed(frame(PROMISE, END_HEADERS, 1, block()), "protocol", PROTOCOL)
        self.closed(frame(DATA, 0, 1, EMPTY), "protocol", PROTOCOL)

    def test_cut_anywhere(self):
        """An ordinary call byte by byte."""
        with Peer(self.d.grpc, b"") as p:
            p.s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            p.send(HELLO + frame(HEADERS, END_HEADERS, 1, block()) + frame(DATA, END_STREAM, 1, EMPTY), piece=1)
            end = time.monotonic() + 5
            while time.monotonic() < end and not any(k == HEADERS and f & END_STREAM for k, f, _, _ in p.frames()):
                p.read(0.1)
            self.assertIn((DATA, 1), [(k, s) for k, _, s, _ in p.frames()])
            self.assertIsNone(p.goaway())

    def test_zero_window(self):
        """A peer that gives no window does not get its reply, and does not keep the call."""
        with harness.Daemon(*settings(listen__stall_timeout="300ms", listen__min_rate="1GiB")) as d:
            with Peer(d.grpc, PREFACE + frame(SETTINGS, 0, 0, b"\0\4\0\0\0\0")) as p:
                p.send(frame(HEADERS, END_HEADERS, 1, block()) + frame(DATA, END_STREAM, 1, EMPTY))
                end = time.monotonic() + 6
                while time.monotonic() < end and not any(k in (RST, HEADERS) and s == 1 and (k == RST or f & END_STREAM) for k, f, s, _ in p.frames()):
                    p.read(0.1)
                self.assertIn(1, [s for k, f, s, _ in p.frames() if k == RST or (k == HEADERS and f & END_STREAM)])


class Ordinary(Case):
    """What real clients do never meets the guard."""

    def test_clients(self):
        d = self.d
        d.deploy("bytes", harness.identity("UINT8"))
        infer, n = SERVICE + "ModelInfer", 8 << 20
        big = pb.ModelInferRequest(model_name="bytes")
        big.inputs.add(name="IN", datatype="UINT8", shape=[1, n])
        big.raw_input_contents.append(b"\7" * n)
        small = pb.ModelInferRequest(model_name="m")
        small.inputs.add(name="IN", datatype="FP32", shape=[1, 2])
        small.raw_input_contents.append(b"\0" * 8)
        with grpc.insecure_channel(d.grpc, options=[("grpc.max_receive_message_length", -1)]) as c:
            call = c.unary_unary(infer)
            for _ in range(5):
                r = pb.ModelInferResponse.FromString(call(big.SerializeToString(), timeout=30))
                self.assertEqual(r.raw_output_contents[0], b"\7" * n)
            for _ in range(20):
                for f in [call.future(small.SerializeToString(), timeout=30) for _ in range(100)]:
                    f.result()
            streams = [queue.Queue() for _ in range(20)]
            calls = [c.stream_stream(SERVICE + "ModelStreamInfer")(iter(q.get, None)) for q in streams]
            for q, s in zip(streams, calls):
                for _ in range(50):
                    q.put(small.SerializeToString())
                    next(s)
            for s in calls:  # given up
                s.cancel()
            for q in streams:
                q.put(None)
            for f in [call.future(small.SerializeToString(), timeout=30) for _ in range(150)]:
                f.cancel()
            for _ in range(200):  # refused before the body is read, and unknown calls
                with self.assertRaises(grpc.RpcError):
                    c.unary_unary(SERVICE + "Nothing")(b"x" * 1000, timeout=10)
            call(small.SerializeToString(), timeout=30)
        for _ in range(50):
            with grpc.insecure_channel(d.grpc) as c:
                c.unary_unary(SERVICE + "ServerLive")(b"", timeout=10)
        self.assertEqual(self.count("grpc"), 0)

    def test_peer_is_known(self):
        """The address behind the front is the peer's, for both protocols: it is in the log, and has loopback's roles."""
        d = harness.Daemon().__enter__()  # of its own: its log drops no line
        self.addCleanup(d.__exit__, None, None, None)
        with Peer(d.grpc, source="127.0.0.2") as p, Peer(d.grpc, source="127.0.0.3") as q:
            for peer, stream in ((p, 1), (q, 1), (p, 3)):
                peer.send(frame(HEADERS, END_HEADERS, stream, block("Show", "/mindserve.v1.Models/")) + frame(DATA, END_STREAM, stream, EMPTY))
                peer.read(0.3)
        with socket.create_connection(tuple(d.http.rsplit(":", 1)), source_address=("127.0.0.4", 0)) as s:
            s.sendall(b"GET /v2/models/absent HTTP/1.1\r\nHost: x\r\n\r\n")
            self.assertIn(b" 404 ", s.recv(4096))
        log = d.stderr(20000)
        peers = [line.split("peer=")[1].split()[0] for line in log.splitlines() if "peer=" in line and ("Show" in line or "absent" in line)]
        self.assertEqual([x for x in peers if x.startswith("127.0.0.") and x != "127.0.0.1"], ["127.0.0.2", "127.0.0.3", "127.0.0.2", "127.0.0.4"], log[-2000:])
        self.assertNotIn("PERMISSION_DENIED", log)


class Slow(Case):
    options = settings(listen__header_timeout="400ms", listen__stall_timeout="500ms")

    def test_handshake(self):
        for hello in (b"", PREFACE[:10], PREFACE, PREFACE + b"\0\0"):
            before = self.count("grpc", 'handshake"')
            with Peer(self.d.grpc, hello) as p:
                began = time.monotonic()
                self.assertTrue(p.read(5), hello)
                self.assertGreater(time.monotonic() - began, 0.2)
            self.assertEqual(self.count("grpc", 'handshake"'), before + 1)

    def test_header_block(self):
        self.closed(frame(HEADERS, 0, 1, block()), "headers_late", TIMEOUT)
        with Peer(self.d.grpc) as p:  # without one, a connection may be idle
            self.assertFalse(p.read(1.5))

    def test_reply_that_is_not_read(self):
        self.d.deploy("bytes", harness.identity("UINT8"))
        n = 32 << 20
        r = pb.ModelInferRequest(model_name="bytes")
        r.inputs.add(name="IN", datatype="UINT8", shape=[1, n])
        r.raw_input_contents.append(b"\0" * n)
        message = r.SerializeToString()
        message = b"\0" + struct.pack(">I", len(message)) + message
        before = self.count("grpc", 'stall"')
        host, port = self.d.grpc.rsplit(":", 1)
        with socket.socket() as s:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
            s.settimeout(20)
            s.connect((host, int(port)))
            s.sendall(PREFACE + frame(SETTINGS, 0, 0, b"\0\4\x7f\xff\xff\xff") + frame(UPDATE, 0, 0, b"\x70\0\0\0") +
                      frame(HEADERS, END_HEADERS, 1, block("ModelInfer")))
            # the server's windows grow as the message comes: wait for them, and read nothing else
            sent, window, stream_window, got = 0, 65535, 65535, b""
            while sent < len(message):
                take = min(16384, len(message) - sent, window, stream_window)
                if take > 0:
                    s.sendall(frame(DATA, END_STREAM if sent + take == len(message) else 0, 1, message[sent:sent + take]))
                    sent, window, stream_window = sent + take, window - take, stream_window - take
                while take <= 0 or select.select([s], [], [], 0)[0]:
                    got += s.recv(4096)
                    while len(got) >= 9 and len(got) >= 9 + int.from_bytes(got[:3], "big"):
                        size = int.from_bytes(got[:3], "big")
                        kind, stream, data = got[3], int.from_bytes(got[5:9], "big"), got[9:9 + size]
                        flags, got = got[4], got[9 + size:]
                        if kind == UPDATE and stream == 0:
                            window += int.from_bytes(data, "big")
                        elif kind == UPDATE:
                            stream_window += int.from_bytes(data, "big")
                        elif kind == SETTINGS and not flags & ACK:
                            for k in range(0, size, 6):
                                if data[k + 1] == 4:
                                    stream_window += int.from_bytes(data[k + 2:k + 6], "big") - 65535
                            s.sendall(frame(SETTINGS, ACK, 0))
                        elif kind == PING and not flags & ACK:
                            s.sendall(frame(PING, ACK, 0, data))
                        take = 1
            end = time.monotonic() + 10
            while self.count("grpc", 'stall"') == before and time.monotonic() < end:
                time.sleep(0.1)
        self.assertEqual(self.count("grpc", 'stall"'), before + 1)
        self.alive()


class Connections(Case):
    options = settings(listen__max_connections_per_address=20, listen__max_connections=30)

    def crowd(self, address, n, host=None):
        to, port = address.rsplit(":", 1)
        crowd = [socket.create_connection((to, int(port)), timeout=5, source_address=(host, 0) if host else None) for _ in range(n)]
        time.sleep(0.5)
        return crowd

    def gone(self, crowd):
        """Those that the server has closed."""
        n = 0
        for s in select.select(crowd, [], [], 0)[0]:
            s.setblocking(False)
            try:
                while data := s.recv(4096):
                    if data[3:4] != bytes([SETTINGS]):  # the server's own greeting
                        break
                n += data == b""
            except BlockingIOError:
                pass
            except ConnectionError:
                n += 1
        return n

    def test_the_admin_socket_stays_open(self):
        """When no TCP connection is taken any more; and what it says is guarded as well."""
        self.d.no_connections()
        crowd = self.crowd(self.d.grpc, 15) + self.crowd(self.d.grpc, 15, "127.0.0.2")
        try:
            with grpc.insecure_channel(self.d.grpc) as c:
                with self.assertRaises(grpc.RpcError):
                    c.unary_unary(SERVICE + "ServerLive")(b"", timeout=2)
            with grpc.insecure_channel("unix:" + self.d.admin) as c:
                c.unary_unary(SERVICE + "ServerLive")(b"", timeout=10)
        finally:
            for s in crowd:
                s.close()
        before = self.count("grpc", 'preface"')
        with socket.socket(socket.AF_UNIX) as s:
            s.settimeout(10)
            s.connect(self.d.admin)
            s.sendall(b"GET / HTTP/1.1\r\n\r\n")
            while s.recv(4096):
                pass
        self.assertEqual(self.count("grpc", 'preface"'), before + 1)

    def test_of_an_address(self):
        for protocol, address in (("grpc", self.d.grpc), ("http", self.d.http)):
            self.d.no_connections()
            before = self.count(protocol, 'address"')
            crowd = self.crowd(address, 30)
            try:
                self.assertEqual(self.gone(crowd), 10)
                self.assertEqual(self.count(protocol, 'address"'), before + 10)
                self.assertIn(f'mindserve_connections{{protocol="{protocol}"}} 20', self.d.page())
                more = self.crowd(address, 12, "127.0.0.2")  # another address: 10 until the total
                try:
                    self.assertEqual(self.gone(more), 2)
                finally:
                    for s in more:
                        s.close()
            finally:
                for s in crowd:
                    s.close()
            self.d.no_connections()
        self.alive()


class Http1(Case):
    CHUNKED = POST + b"Transfer-Encoding: chunked\r\n\r\n"

    def talk(self, data):
        """(statuses, closed by the server)."""
        with self.d.connect() as s:
            got = b""
            try:
                s.sendall(data)
            except ConnectionError:
                pass
            try:
                while True:
                    s.settimeout(0.5 if got else 5)
                    more = s.recv(65536)
                    if not more:
                        break
                    got += more
            except socket.timeout:
                return self.statuses(got), False
            except ConnectionError:
                pass
            return self.statuses(got), True

    def statuses(self, data):
        return [int(part.split(b" ", 1)[0]) for part in data.split(b"HTTP/1.1 ")[1:]]

    def refused(self, data, reason, statuses=(400,)):
        before = self.count("http", reason + '"')
        self.assertEqual(self.talk(data), (list(statuses), True), (reason, data[:80]))
        self.assertEqual(self.count("http", reason + '"'), before + 1)

    def test_bytes(self):
        get = b"GET /v2 HTTP/1.1\r\nHost: x\r\n"
        for data in (b"GET /v2 HTTP/1.1\nHost: x\n\n", get + b"\n", get + b"A: b\rc\r\n\r\n", get + b"A: b\0c\r\n\r\n",
                     b"GET /v2\0/models HTTP/1.1\r\nHost: x\r\n\r\n"):
            self.refused(data, "bytes")

    def test_heads(self):
        get = b"GET /v2 HTTP/1.1\r\nHost: x\r\n"
        self.refused(get + b"A: b\r\n" * 100 + b"\r\n", "head_size", [431])
        self.refused(get + b"A: " + b"b" * 17000 + b"\r\n\r\n", "head_size", [431])
        self.refused(get + (b"A: " + b"b" * 15000 + b"\r\n") * 5 + b"\r\n", "head_size", [431])
        self.refused(get + b"A : b\r\n\r\n", "head")
        self.refused(POST + b"Content-Length: 1\r\nContent-Length: 1\r\n\r\na", "framing")

    def test_chunk_rate(self):
        message = BODY + b" " * 20000
        self.refused(self.CHUNKED + b"".join(b"1\r\n%c\r\n" % c for c in message) + b"0\r\n\r\n", "chunk_rate")
        few = BODY + b" " * 3000
        self.assertEqual(self.talk(self.CHUNKED + b"".join(b"1\r\n%c\r\n" % c for c in few) + b"0\r\n\r\n")[0], [200])
        large = self.CHUNKED + b"%x\r\n" % len(BODY) + BODY + b"\r\n" + (b"400\r\n" + b" " * 1024 + b"\r\n") * 8000 + b"0\r\n\r\n"
        self.assertEqual(self.talk(large)[0], [200])

    def test_chunk_extensions(self):
        one = lambda n: self.CHUNKED + b"%x;" % len(BODY) + b"e" * n + b"\r\n" + BODY + b"\r\n0\r\n\r\n"
        self.assertEqual(self.talk(one(256))[0], [200])
        self.refused(one(257), "chunk_extension")
        self.refused(self.CHUNKED + b"1;" + b"e" * 200000 + b"\r\n{\r\n0\r\n\r\n", "chunk_extension")

    def test_trailers(self):
        body = b"%x\r\n" % len(BODY) + BODY + b"\r\n0\r\n"
        self.assertEqual(self.talk(self.CHUNKED + body + b"\r\n")[0], [200])
        self.refused(self.CHUNKED + body + b"Inference-Header-Content-Length: 3\r\n\r\n", "trailers")

    def test_answers_before_the_refusal(self):
        live = b"GET /v2/health/live HTTP/1.1\r\nHost: x\r\n\r\n"
        infer = POST + b"Content-Length: %d\r\n\r\n" % len(BODY) + BODY
        before = self.count("http", 'head"')
        statuses, closed = self.talk(live + infer + b"GET /v2 HTTP/1.1\r\nHost: x\r\nA b: c\r\n\r\n" + live)
        self.assertEqual((statuses[:2], closed), ([200, 200], True))
        self.assertIn(statuses[2:], ([], [400]))
        self.assertEqual(self.count("http", 'head"'), before + 1)

    def test_refusal_in_a_body(self):
        """The head was passed on before the body turned out bad: one refusal, and nothing is run."""
        with self.d.connect() as s:
            s.sendall(self.CHUNKED)
            time.sleep(0.2)
            s.sendall(b"5\r\nabcde\r\n")
            time.sleep(0.2)
            s.sendall(b"zz\r\n")
            got = b""
            try:
                while more := s.recv(65536):
                    got += more
            except ConnectionError:
                pass
        self.assertEqual(self.statuses(got), [400])
        self.assertIn("malformed chunk", json.loads(got.split(b"\r\n\r\n", 1)[1])["error"])

    def test_upgrade_is_not_taken(self):
        got, _ = self.talk(b"GET /v2/health/live HTTP/1.1\r\nHost: x\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n\r\n")
        self.assertEqual(got, [200])


class Threads(Ordinary):
    """With threads of the libraries' own behind the fronts, as on larger machines."""
    options = settings(listen__grpc_threads=2, listen__http_threads=2)


class Alone(unittest.TestCase):
    options = settings(listen__grpc_threads=1, listen__http_threads=1)

    def switches(self, d):
        """How often the daemon's workers were woken."""
        n = 0
        for task in pathlib.Path(f"/proc/{d.pid}/task").iterdir():
            if (task / "comm").read_text().startswith("ms-worker"):
                n += int(re.search(r"^voluntary_ctxt_switches:\s+(\d+)", (task / "status").read_text(), re.M)[1])
        return n

    def test_wakes_nobody(self):
        """A peer that asks again as soon as it is answered finds the front still busy with its last call, and yet
        is alone: its short runs are not handed to workers."""
        with harness.Daemon(*self.options) as d:
            d.deploy("m", harness.identity())
            for way in ("grpc", "grpc_library", "http"):
                before = self.switches(d)
                subprocess.run([os.path.join(harness.BUILD, "roundtrip"), d.http, d.grpc, "m", "IN", "FP32", "1,2", "8",
                                "2000", way], check=True, stdout=subprocess.DEVNULL, timeout=120)
                self.assertLess(self.switches(d) - before, 200, way)


class Drain(unittest.TestCase):
    def test_grpc_load_over_drain(self):
        self.over_drain()

    def test_with_threads(self):
        self.over_drain(*Threads.options)

    def over_drain(self, *options):
        """No call that was begun is lost when the daemon is told to stop; later ones are told that it is not there."""
        d = harness.Daemon("--set", "listen.drain_delay=300ms", *options).start()
        d.deploy("m", harness.identity())
        r = pb.ModelInferRequest(model_name="m")
        r.inputs.add(name="IN", datatype="FP32", shape=[1, 2])
        r.raw_input_contents.append(b"\0" * 8)
        message, codes, stop = r.SerializeToString(), [], threading.Event()

        def client():
            with grpc.insecure_channel(d.grpc, options=[("grpc.enable_retries", 0)]) as c:
                call = c.unary_unary(SERVICE + "ModelInfer")
                while not stop.is_set():
                    try:
                        call(message, timeout=10)
                        codes.append("OK")
                    except grpc.RpcError as e:
                        codes.append(e.code().name)
                        return
        threads = [threading.Thread(target=client) for _ in range(6)]
        for t in threads:
            t.start()
        time.sleep(0.5)
        code = d.stop()
        stop.set()
        for t in threads:
            t.join()
        self.assertEqual(code, 0, d.stderr())
        self.assertGreater(codes.count("OK"), 50)
        self.assertLessEqual(set(codes), {"OK", "UNAVAILABLE", "CANCELLED"})  # the library's word for calls that came too late

    def test_open_stream_is_answered(self):
        """A stream in the middle of its life goes on during the drain, and ends well."""
        d = harness.Daemon("--set", "listen.drain_timeout=10s").start()
        d.deploy("m", harness.identity())
        r = pb.ModelInferRequest(model_name="m")
        r.inputs.add(name="IN", datatype="FP32", shape=[1, 2])
        r.raw_input_contents.append(b"\0" * 8)
        q = queue.Queue()
        with grpc.insecure_channel(d.grpc) as c:
            stream = c.stream_stream(SERVICE + "ModelStreamInfer")(iter(q.get, None))
            q.put(r.SerializeToString())
            next(stream)
            stopper = threading.Thread(target=d.stop)
            stopper.start()
            time.sleep(0.5)
            self.assertTrue(d.alive())
            q.put(None)
            self.assertEqual(list(stream), [])
            stopper.join(10)
        self.assertEqual(d.process.returncode, 0, d.stderr())

    def test_idle_peers_do_not_hold_it(self):
        d = harness.Daemon(*settings(listen__header_timeout="2s")).start()
        idle = [Peer(d.grpc), Peer(d.grpc, b""), Peer(d.grpc, PREFACE[:5]), d.connect(), d.connect()]
        idle[-1].sendall(b"GET /v2 HTTP/1.1\r\nHost:")
        time.sleep(0.5)
        began = time.monotonic()
        self.assertEqual(d.stop(), 0, d.stderr())
        self.assertLess(time.monotonic() - began, 8)


if __name__ == "__main__":
    unittest.main()
