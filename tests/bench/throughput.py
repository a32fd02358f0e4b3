#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What many clients get out of the daemon, against what its kernels alone could do on the same cores.

    throughput.py BUILD OUT.json DIR [NAME...] [--workers 2] [--clients 4] [--seconds 4] [--rounds 5]

Rounds of three, in changing order:
  kernels   a thread for each worker, each with an engine of its own, all at once: runs over the time spent inside steps
  rest      mindserved with so many workers, clients that ask again when answered (mindserve-load, REST with binary tensors)
  grpc      the same over gRPC
A model whose batch is fixed at 1 is never joined: each worker has a batch of its own, so the first is what the others can
reach at most. Daemon and clients share the cores with the workers. Reported: medians, and the median of the rounds' ratios.
"""
import argparse
import ctypes
import json
import os
import statistics
import subprocess
import tempfile
import threading
import time

import numpy as np

import peers
from models import cpu_name, inputs_of_file


class Step(ctypes.Structure):
    _fields_ = [("op", ctypes.c_char_p), ("node", ctypes.c_char_p), ("kernel", ctypes.c_char_p), ("ns", ctypes.c_uint64),
                ("runs", ctypes.c_uint64), ("flops", ctypes.c_double), ("bytes", ctypes.c_uint64)]


class Profile(ctypes.Structure):
    _fields_ = [("step", ctypes.POINTER(Step)), ("n", ctypes.c_int), ("total_ns", ctypes.c_uint64), ("runs", ctypes.c_int),
                ("owner", ctypes.c_void_p)]


class Kernels:
    """An engine of one worker; rate() is that of its kernels."""

    def __init__(self, library, path, arrays):
        self.engine = peers.Mindserve(library, 1)
        self.lib = self.engine.lib
        p = ctypes.c_void_p
        self.lib.mindserve_profile.argtypes = [p, ctypes.c_char_p, ctypes.c_uint64, p, ctypes.c_int, ctypes.c_int, p, p]
        self.lib.mindserve_profile_free.argtypes = [p]
        self.engine.load(path)
        self.engine.bind(arrays)
        self.engine.once()

    def rate(self, seconds):
        runs, ns, end = 0, 0, time.perf_counter() + seconds
        while time.perf_counter() < end:
            p = ctypes.POINTER(Profile)()
            e = self.engine
            e.check(self.lib.mindserve_profile(e.ms, e.name, 0, e.inputs, len(e.inputs), 1, ctypes.byref(p), ctypes.byref(e.err)))
            runs += 1
            ns += sum(p.contents.step[i].ns for i in range(p.contents.n))
            self.lib.mindserve_profile_free(p)
        return runs / ns * 1e9


def kernels(engines, seconds):
    rates = [0.0] * len(engines)

    def one(k):
        rates[k] = engines[k].rate(seconds)

    threads = [threading.Thread(target=one, args=(k,)) for k in range(len(engines))]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    return sum(rates)


class Daemon:
    def __init__(self, a, folder, path):
        ends = os.path.join(folder, "ends")
        self.build = a.build
        self.proc = subprocess.Popen([os.path.join(a.build, "mindserved"), "--state", os.path.join(folder, "state"), "--http", "127.0.0.1:0",
                                      "--grpc", "127.0.0.1:0", "--metrics", "off", "--threads", str(a.workers), "--endpoints-file", ends],
                                     stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        while not os.path.exists(ends):
            if self.proc.poll() is not None:
                raise RuntimeError("mindserved does not start")
            time.sleep(0.02)
        with open(ends) as f:
            self.at = json.load(f)
        subprocess.run([os.path.join(a.build, "msctl"), "--server", self.at["grpc"], "-q", "deploy", path, "--name", "m"],
                       check=True, stdout=subprocess.DEVNULL)

    def rate(self, how, inputs, a):
        out = subprocess.run([os.path.join(self.build, "mindserve-load"), "--" + how, self.at[how], "--model", "m", *inputs,
                              "-c", str(a.clients), "--seconds", str(a.seconds)], check=True, stdout=subprocess.PIPE, text=True).stdout
        got = json.loads(out)
        if got["errors"]:
            raise RuntimeError(f"{got['errors']} requests failed")
        return got["requests"] / got["seconds"]

    def close(self):
        self.proc.terminate()
        self.proc.wait()


def input_names(path):
    import onnx

    graph = onnx.load(path, load_external_data=False).graph
    known = {i.name for i in graph.initializer}
    return [i.name for i in graph.input if i.name not in known]


def compare(a, name):
    path = os.path.join(a.dir, name + ".onnx")
    arrays = inputs_of_file(path, 1, 128)
    with tempfile.TemporaryDirectory() as folder:
        inputs = []
        for k, (n, x) in enumerate(zip(input_names(path), arrays)):
            np.save(os.path.join(folder, f"{k}.npy"), x)
            inputs += ["--input", f"{n}={folder}/{k}.npy"]
        engines = [Kernels(os.path.join(a.build, "libmindserve.so"), path, arrays) for _ in range(a.workers)]
        d = Daemon(a, folder, path)
        try:
            ways = {"kernels": lambda: kernels(engines, a.seconds), "http": lambda: d.rate("http", inputs, a),
                    "grpc": lambda: d.rate("grpc", inputs, a)}
            rates = {w: [] for w in ways}
            for k in range(a.rounds):
                for i in range(len(ways)):
                    w = list(ways)[(i + k) % len(ways)]
                    rates[w].append(ways[w]())
        finally:
            d.close()
            for e in engines:
                e.engine.close()
    row = {"model": name, "workers": a.workers, "clients": a.clients, "kernels": statistics.median(rates["kernels"]), "rates": rates}
    for w in ("http", "grpc"):
        ratios = sorted(x / y for x, y in zip(rates[w], rates["kernels"]))
        q = statistics.quantiles(ratios, n=4) if len(ratios) > 1 else ratios * 3
        row[w] = {"rate": statistics.median(rates[w]), "ratio": statistics.median(ratios), "q1": q[0], "q3": q[2],
                  "fastest": max(rates[w]) / max(rates["kernels"])}
    return row


def main():
    a = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    a.add_argument("build")
    a.add_argument("out")
    a.add_argument("dir")
    a.add_argument("names", nargs="*", default=["resnet50"])
    a.add_argument("--workers", type=int, default=2)
    a.add_argument("--clients", type=int, default=4)
    a.add_argument("--seconds", type=float, default=4)
    a.add_argument("--rounds", type=int, default=5)
    a = a.parse_args()
    print(f"{cpu_name()}, load {os.getloadavg()[0]:.1f}, {a.workers} workers, {a.clients} clients, {a.rounds} rounds of {a.seconds} s")
    print(f"{'model':14} {'kernels/s':>9} | {'rest/s':>9} ratio   quartiles  fastest | {'grpc/s':>9} ratio   quartiles  fastest")
    rows = []
    for name in a.names:
        r = compare(a, name)
        rows.append(r)
        print(f"{name:14} {r['kernels']:9.2f}" + "".join(
            f" | {r[w]['rate']:9.2f} {r[w]['ratio']:5.3f} {r[w]['q1']:5.3f}-{r[w]['q3']:5.3f} {r[w]['fastest']:6.3f}" for w in ("http", "grpc")), flush=True)
    with open(a.out, "w") as f:
        json.dump({"cpu": cpu_name(), "rows": rows}, f, indent=1)


if __name__ == "__main__":
    main()
