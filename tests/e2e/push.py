# SPDX-License-Identifier: Apache-2.0
"""mindserve.v1.Models/Deploy by hand: the wire is written and read here, so that tests can also send
what no client would."""
import hashlib
import queue

import grpc


def varint(v):
    out = bytearray()
    while v > 127:
        out.append(v & 127 | 128)
        v >>= 7
    out.append(v)
    return bytes(out)


def number(field, v):
    return varint(field << 3) + varint(v) if v else b""


def blob(field, v):
    v = v.encode() if isinstance(v, str) else v
    return varint(field << 3 | 2) + varint(len(v)) + v


def parse(data):
    """{field: [values]} of one message."""
    out, at = {}, 0

    def read():
        nonlocal at
        v = shift = 0
        while True:
            b = data[at]
            at += 1
            v |= (b & 127) << shift
            shift += 7
            if b < 128:
                return v

    while at < len(data):
        key = read()
        if key & 7 == 0:
            v = read()
        elif key & 7 == 2:
            n = read()
            v, at = data[at:at + n], at + n
        elif key & 7 == 5:
            v, at = data[at:at + 4], at + 4
        else:
            v, at = data[at:at + 8], at + 8
        out.setdefault(key >> 3, []).append(v)
    return out


def sha(data):
    return hashlib.sha256(data).hexdigest()


def manifest(name, files, version=0, config=b"", dry_run=False, no_wait=False):
    """files: [(path, bytes)] or [(path, size, sha256)]"""
    m = blob(1, name) + number(2, version)
    for f in files:
        path, size, digest = f if len(f) == 3 else (f[0], len(f[1]), sha(f[1]))
        m += blob(3, blob(1, path) + number(2, size) + blob(3, digest))
    if config:
        m += blob(4, config)
    return m + number(5, int(dry_run)) + number(6, int(no_wait))


class Push:
    """One Deploy stream. send*() and next(); next() gives ("need", file, offset), ("progress", step),
    ("done", {...}), or raises grpc.RpcError."""

    def __init__(self, target):
        self.channel = grpc.insecure_channel(target)
        self.out = queue.Queue()
        call = self.channel.stream_stream("/mindserve.v1.Models/Deploy")
        self.replies = call(iter(self.out.get, None), timeout=60)

    def send(self, data):
        self.out.put(data)

    def send_manifest(self, *args, **kw):
        self.send(blob(1, manifest(*args, **kw)))

    def send_chunk(self, file, offset, data):
        self.send(blob(2, number(1, file) + number(2, offset) + blob(3, data)))

    def next(self):
        m = parse(next(self.replies))
        if 1 in m:
            n = parse(m[1][0])
            return "need", n.get(1, [0])[0], n.get(2, [0])[0]
        if 2 in m:
            return "progress", parse(m[2][0]).get(1, [b""])[0].decode()
        d = parse(m[3][0])
        one = lambda k: d.get(k, [0])[0]
        return "done", {"name": d[1][0].decode(), "version": one(2), "unchanged": bool(one(3)),
                        "digest": d[4][0].decode(), "memory": one(6),
                        "operators": [parse(o)[1][0].decode() for o in d.get(7, [])],
                        "missing": d.get(8, [b""])[0].decode()}

    def close(self):
        self.out.put(None)
        self.replies.cancel()
        self.channel.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def deploy(target, name, files, chunk=1 << 20, **kw):
    """The whole way: {"version": ..., ...}; steps of progress in "steps"."""
    steps = []
    with Push(target) as p:
        p.send_manifest(name, files, **kw)
        while True:
            kind, *rest = p.next()
            if kind == "need":
                file, offset = rest
                data = files[file][1]
                while offset < len(data):
                    p.send_chunk(file, offset, data[offset:offset + chunk])
                    offset += chunk
            elif kind == "progress":
                steps += [rest[0]] if rest[0] not in steps else []
            else:
                return {**rest[0], "steps": steps}


def unary(target, method, request=b""):
    with grpc.insecure_channel(target) as c:
        return parse(c.unary_unary("/mindserve.v1." + method)(request, timeout=30))
