#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Load time and memory of whole models against onnxruntime and openvino, a process for each load, in turns.

    load.py LIBRARY OUT.json DIR [NAME...] [--threads N] [--peers onnxruntime,openvino] [--rounds N]

The file is read once before, so that it lies in the page cache for all. Reported: the fastest load of the rounds; the peak
of resident memory during load and first run, less what the process had before it (mapped pages of the model's file
included); and the ratio of each to the peer's. Ratio < 1: mindserve needs less.
"""
import argparse
import json
import os
import subprocess
import sys

import numpy as np

import models
import peers


def status(key):
    with open("/proc/self/status") as f:
        return next(int(row.split()[1]) for row in f if row.startswith(key + ":")) / 1024


def one(engine, library, path, threads, inputs):
    """Runs in a process of its own: prints milliseconds and MiB."""
    e = peers.Mindserve(library, threads) if engine == "mindserve" else peers.peers(engine)[0](threads)
    arrays = [np.zeros(shape, kind) for shape, kind in json.loads(inputs)]
    before = status("VmRSS")
    ms = e.load(path)
    e.bind(arrays)
    e.once()
    print(json.dumps({"ms": ms, "mib": status("VmHWM") - before}))


def measure(engine, a, path, inputs):
    out = subprocess.run([sys.executable, __file__, a.library, engine, path, "--one", inputs, "--threads", str(a.threads)], capture_output=True, text=True,
                         check=False, cwd=os.path.dirname(os.path.abspath(__file__)))
    if out.returncode:
        raise RuntimeError(out.stderr.strip().splitlines()[-1])
    return json.loads(out.stdout.splitlines()[-1])


def row(name, a, engines):
    path = os.path.join(a.dir, name + ".onnx")
    with open(path, "rb") as f:
        while f.read(1 << 24):
            pass
    inputs = json.dumps([(x.shape, str(x.dtype)) for x in models.inputs_of_file(path, 1, 128)])
    got = {e: [] for e in engines}
    for k in range(a.rounds):
        for i in range(len(engines)):  # who comes first pays for pages that the machine has not had for a while
            e = engines[(i + k) % len(engines)]
            got[e].append(measure(e, a, path, inputs))
    return {"model": name, "bytes": os.path.getsize(path), **{e: {"ms": min(x["ms"] for x in got[e]), "mib": min(x["mib"] for x in got[e])} for e in engines}}


def main():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("library")
    p.add_argument("out")
    p.add_argument("dir")
    p.add_argument("names", nargs="*")
    p.add_argument("--threads", type=int, default=1)
    p.add_argument("--peers", default="onnxruntime,openvino")
    p.add_argument("--rounds", type=int, default=3)
    p.add_argument("--one", help=argparse.SUPPRESS)
    a = p.parse_args()
    if a.one:
        return one(a.out, a.library, a.dir, a.threads, a.one)
    a.library = os.path.abspath(a.library)
    engines = ["mindserve"] + [c.label for c in peers.peers(a.peers)]
    names, rows = a.names or sorted(f[:-5] for f in os.listdir(a.dir) if f.endswith(".onnx")), []
    print(f"{models.cpu_name()}, load {os.getloadavg()[0]:.1f}, {a.threads} thread(s), fastest of {a.rounds}")
    print(f"{'model':14} {'file MiB':>8} {'ms':>8} {'MiB':>7}" + "".join(f" | {e[:11]:>11} ms ratio     MiB ratio" for e in engines[1:]))
    for name in names:
        r = row(name, a, engines)
        rows.append(r)
        text = f"{name:14} {r['bytes'] / 2**20:8.1f} {r['mindserve']['ms']:8.1f} {r['mindserve']['mib']:7.0f}"
        for e in engines[1:]:
            text += f" | {r[e]['ms']:14.1f} {r['mindserve']['ms'] / r[e]['ms']:5.2f} {r[e]['mib']:7.0f} {r['mindserve']['mib'] / r[e]['mib']:5.2f}"
        print(text, flush=True)
    with open(a.out, "w") as f:
        json.dump({"cpu": models.cpu_name(), "threads": a.threads, "rows": rows}, f, indent=1)
    return None


if __name__ == "__main__":
    main()
