#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Whole models against onnxruntime, in one process, interleaved; outputs are compared before speed.

    models.py LIBRARY OUT.json DIR [NAME...] [--threads 1,2] [--seconds S] [--blocks N]

Every model is loaded into both engines, run once on the same random input and compared (largest
difference relative to the largest value). Then blocks of runs alternate, A B A B; a pair of blocks gives
a ratio. Reported: median milliseconds of each, median of the pairs' ratios with its quartiles, and the
ratio of the fastest runs. Ratio > 1: mindserve is faster.
"""
import argparse
import ctypes
import json
import os
import platform
import statistics
import time

import numpy as np
import onnxruntime as ort

CODES = {"float32": 1, "float64": 2, "float16": 3, "int8": 5, "int16": 6, "int32": 7, "int64": 8, "uint8": 9, "bool": 13}
NAMES = {v: k for k, v in CODES.items()}


class Error(ctypes.Structure):
    _fields_ = [("code", ctypes.c_int), ("unreachable", ctypes.c_bool), ("text", ctypes.c_char * 512)]


class Options(ctypes.Structure):
    _fields_ = [("size", ctypes.c_size_t), ("server", ctypes.c_char_p), ("threads", ctypes.c_int), ("connect_ms", ctypes.c_int64),
                ("token_file", ctypes.c_char_p), ("ca_file", ctypes.c_char_p), ("cert_file", ctypes.c_char_p), ("key_file", ctypes.c_char_p),
                ("max_message", ctypes.c_size_t)]


class Named(ctypes.Structure):
    _fields_ = [("name", ctypes.c_char_p), ("tensor", ctypes.c_void_p)]


class Outputs(ctypes.Structure):
    _fields_ = [("output", ctypes.POINTER(Named)), ("n", ctypes.c_int), ("version", ctypes.c_char_p), ("owner", ctypes.c_void_p)]


class Engine:
    """mindserve in this process."""

    def __init__(self, library, threads):
        lib = self.lib = ctypes.CDLL(library)
        p = ctypes.c_void_p
        lib.mindserve_tensor_new.restype = p
        lib.mindserve_tensor_data.restype = p
        lib.mindserve_tensor_data.argtypes = [p]
        lib.mindserve_tensor_free.argtypes = [p]
        lib.mindserve_tensor_dims.restype = ctypes.POINTER(ctypes.c_int64)
        for f in ("rank", "dims", "bytes", "dtype"):
            getattr(lib, "mindserve_tensor_" + f).argtypes = [p]
        lib.mindserve_tensor_bytes.restype = ctypes.c_size_t
        lib.mindserve_infer.argtypes = [p, ctypes.c_char_p, ctypes.c_uint64, p, ctypes.c_int, p, p, p]
        lib.mindserve_deploy.argtypes = [p, ctypes.c_char_p, p, p, p]
        lib.mindserve_undeploy.argtypes = [p, ctypes.c_char_p, ctypes.c_uint64, p, p]
        lib.mindserve_close.argtypes = [p]
        self.err, self.ms = Error(), p()
        opts = Options(size=ctypes.sizeof(Options), threads=threads)
        self.check(lib.mindserve_open(ctypes.byref(opts), ctypes.byref(self.ms), ctypes.byref(self.err)))

    def check(self, code):
        if code:
            raise RuntimeError(self.err.text.decode())

    def load(self, path):
        start = time.perf_counter()
        self.check(self.lib.mindserve_deploy(self.ms, path.encode(), None, None, ctypes.byref(self.err)))
        self.name = os.path.basename(path).rsplit(".", 1)[0].encode()
        return (time.perf_counter() - start) * 1e3

    def bind(self, arrays):
        self.inputs = (Named * len(arrays))()
        for slot, a in zip(self.inputs, arrays):
            a = np.ascontiguousarray(a)
            t = self.lib.mindserve_tensor_new(CODES[str(a.dtype)], a.ndim, (ctypes.c_int64 * max(a.ndim, 1))(*a.shape))
            ctypes.memmove(self.lib.mindserve_tensor_data(t), a.ctypes.data, a.nbytes)
            slot.tensor = t

    def run(self):
        out = ctypes.POINTER(Outputs)()
        self.check(self.lib.mindserve_infer(self.ms, self.name, 0, self.inputs, len(self.inputs), None, ctypes.byref(out), ctypes.byref(self.err)))
        return out

    def once(self):
        self.lib.mindserve_outputs_free(self.run())

    def results(self):
        out, arrays = self.run(), []
        for i in range(out.contents.n):
            t = out.contents.output[i].tensor
            rank, dims = self.lib.mindserve_tensor_rank(t), self.lib.mindserve_tensor_dims(t)
            shape = [dims[k] for k in range(rank)]
            a = np.empty(shape, NAMES[self.lib.mindserve_tensor_dtype(t)])
            ctypes.memmove(a.ctypes.data, self.lib.mindserve_tensor_data(t), self.lib.mindserve_tensor_bytes(t))
            arrays.append(a)
        self.lib.mindserve_outputs_free(out)
        return arrays

    def close(self):
        for slot in self.inputs:
            self.lib.mindserve_tensor_free(slot.tensor)
        self.lib.mindserve_close(self.ms)


def inputs_of(session, batch, length):
    rng = np.random.default_rng(1)
    arrays = []
    for i in session.get_inputs():
        shape = [d if isinstance(d, int) else (batch if k == 0 else length) for k, d in enumerate(i.shape)]
        kind = {"tensor(float)": np.float32, "tensor(int64)": np.int64, "tensor(int32)": np.int32}[i.type]
        a = rng.normal(size=shape).astype(kind) if kind == np.float32 else rng.integers(0, 100, shape).astype(kind)
        arrays.append(np.zeros(shape, kind) if "mask" in i.name else a)
    return arrays


def block(run, seconds):
    """Runs for at least that long: fastest and mean milliseconds."""
    times, start = [], time.perf_counter()
    while True:
        t = time.perf_counter()
        run()
        end = time.perf_counter()
        times.append(end - t)
        if end - start >= seconds:
            return min(times) * 1e3, statistics.median(times) * 1e3


def compare(path, library, threads, a):
    so = ort.SessionOptions()
    so.intra_op_num_threads = threads
    so.inter_op_num_threads = 1
    start = time.perf_counter()
    peer = ort.InferenceSession(path, so, providers=["CPUExecutionProvider"])
    peer_load = (time.perf_counter() - start) * 1e3
    arrays = inputs_of(peer, a.batch, a.length)
    feed = {i.name: x for i, x in zip(peer.get_inputs(), arrays)}
    ours = Engine(library, threads)
    load = ours.load(path)
    ours.bind(arrays)
    worst = 0.0
    for want, got in zip(peer.run(None, feed), ours.results()):
        if want.shape != got.shape:
            raise RuntimeError(f"shape {got.shape} instead of {want.shape}")
        worst = max(worst, float(np.max(np.abs(want.astype(np.float64) - got)) / max(np.max(np.abs(want)), 1e-30)))
    for _ in range(2):
        ours.once()
        peer.run(None, feed)
    pairs = []
    for k in range(a.blocks):
        mine, theirs = (lambda: block(ours.once, a.seconds)), (lambda: block(lambda: peer.run(None, feed), a.seconds))
        if k % 2:
            y, x = theirs(), mine()
        else:
            x, y = mine(), theirs()
        pairs.append((x, y))
    ours.close()
    ratios = sorted(y[1] / x[1] for x, y in pairs)
    q = statistics.quantiles(ratios, n=4) if len(ratios) > 1 else [ratios[0]] * 3
    return {"threads": threads, "difference": worst, "ms": statistics.median(x[1] for x, _ in pairs), "peer_ms": statistics.median(y[1] for _, y in pairs),
            "ratio": statistics.median(ratios), "ratio_q1": q[0], "ratio_q3": q[2], "ratio_min_time": min(y[0] for _, y in pairs) / min(x[0] for x, _ in pairs),
            "load_ms": load, "peer_load_ms": peer_load}


def cpu_name():
    try:
        with open("/proc/cpuinfo") as f:
            return next(row.split(":")[1].strip() for row in f if row.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor()


def main():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("library")
    p.add_argument("out")
    p.add_argument("dir")
    p.add_argument("names", nargs="*")
    p.add_argument("--threads", default="1,2")
    p.add_argument("--seconds", type=float, default=0.3, help="length of a block")
    p.add_argument("--blocks", type=int, default=10)
    p.add_argument("--batch", type=int, default=1)
    p.add_argument("--length", type=int, default=128, help="size of the other variable dims")
    p.add_argument("--tolerance", type=float, default=1e-4)
    a = p.parse_args()
    names = a.names or sorted(f[:-5] for f in os.listdir(a.dir) if f.endswith(".onnx"))
    rows, bad = [], 0
    print(f"{cpu_name()}, load {os.getloadavg()[0]:.1f}, onnxruntime {ort.__version__}, {a.blocks} pairs of blocks of {a.seconds} s")
    print(f"{'model':14} {'thr':>3} {'ms':>9} {'ort ms':>9} {'ratio':>6} {'quartiles':>13} {'min':>6} {'difference':>10} {'load ms':>8} {'ort':>7}")
    for name in names:
        for threads in map(int, a.threads.split(",")):
            try:
                r = compare(os.path.join(a.dir, name + ".onnx"), a.library, threads, a)
            except RuntimeError as e:
                print(f"{name:14} {threads:3} FAILED: {e}")
                bad += 1
                continue
            bad += r["difference"] > a.tolerance
            rows.append({"model": name, **r})
            print(f"{name:14} {threads:3} {r['ms']:9.3f} {r['peer_ms']:9.3f} {r['ratio']:6.2f} {r['ratio_q1']:6.2f}-{r['ratio_q3']:<6.2f} {r['ratio_min_time']:6.2f} "
                  f"{r['difference']:10.1e} {r['load_ms']:8.0f} {r['peer_load_ms']:7.0f}{'  DIFFERS' if r['difference'] > a.tolerance else ''}", flush=True)
    for threads in map(int, a.threads.split(",")):
        logs = [np.log(r["ratio"]) for r in rows if r["threads"] == threads]
        if logs:
            print(f"geometric mean, {threads} thread{'s' if threads > 1 else ''}: {np.exp(np.mean(logs)):.2f}")
    with open(a.out, "w") as f:
        json.dump({"cpu": cpu_name(), "onnxruntime": ort.__version__, "rows": rows}, f, indent=1)
    raise SystemExit(1 if bad else 0)


if __name__ == "__main__":
    main()
