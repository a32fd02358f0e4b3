#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Layers of whole models under the roofs of this host: `msctl profile` of each model, drawn.

    roofline.py MSCTL OUT.json DIR [NAME...] [--threads 1] [--repeat 10]

A layer is a step whose time is products (Conv, Gemm, MatMul). Beside OUT.json the chart OUT.svg is drawn; the table says
how much of the time in layers is spent at which part of its roof: the lower of the peak and bandwidth times intensity.
"""
import argparse
import json
import os
import subprocess
import tempfile

import numpy as np

import chart
from models import cpu_name, inputs_of_file

LAYERS = ("Conv", "Gemm", "MatMul")


def profile(msctl, path, threads, repeat):
    with tempfile.TemporaryDirectory() as folder:
        args = []
        for k, a in enumerate(inputs_of_file(path, 1, 128)):
            np.save(os.path.join(folder, f"{k}.npy"), a)
            args += ["--input", os.path.join(folder, f"{k}.npy")]
        out = subprocess.run([msctl, "profile", path, *args, "--threads", str(threads), "--repeat", str(repeat), "-o", "json"],
                             check=True, stdout=subprocess.PIPE, text=True).stdout
    return json.loads(out)


def layers(p):
    """(operations, bytes, GF/s, whether the algorithm has fewer products) of each layer."""
    return [(s["gflops"] * s["us"] * 1e3, s["bytes"], s["gflops"], "winograd" in s["algorithm"] or "fft" in s["algorithm"])
            for s in p["steps"] if s["op"] in LAYERS and s["gflops"] > 0]


def main():
    a = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    a.add_argument("msctl")
    a.add_argument("out")
    a.add_argument("dir")
    a.add_argument("names", nargs="*", default=["resnet50", "vgg19", "mobilenetv2"])
    a.add_argument("--threads", type=int, default=1)
    a.add_argument("--repeat", type=int, default=10)
    a = a.parse_args()
    names = [n for n in a.names if os.path.exists(os.path.join(a.dir, n + ".onnx"))]
    names = names or sorted(f[:-5] for f in os.listdir(a.dir) if f.endswith(".onnx"))
    runs = {n: profile(a.msctl, os.path.join(a.dir, n + ".onnx"), a.threads, a.repeat) for n in names}
    peak = max(p["peak_gflops"] for p in runs.values())
    memory = max(p["memory_gbs"] for p in runs.values())
    print(f"{cpu_name()}, {a.threads} thread{'s' if a.threads > 1 else ''}: {peak:.1f} GF/s of multiply-adds, {memory:.1f} GB/s from memory")
    for n, p in runs.items():
        dots = layers(p)
        time = sum(ops / rate for ops, _, rate, _ in dots)
        ideal = sum(ops / min(peak, memory * ops / size) for ops, size, _, _ in dots)
        print(f"{n:14} {p['ms']:8.2f} ms, {len(dots):3} layers with {100 * time / 1e6 / p['ms']:.0f} % of it at "
              f"{sum(d[0] for d in dots) / time:.1f} GF/s; under these roofs they take at least {ideal / 1e6:.2f} ms "
              f"by direct sums ({100 * ideal / time:.0f} %)")
    with open(a.out, "w") as f:
        json.dump({"cpu": cpu_name(), "threads": a.threads, "peak_gflops": peak, "memory_gbs": memory, "models": runs}, f, indent=1)
    with open(os.path.splitext(a.out)[0] + ".svg", "w") as f:
        f.write(chart.roofline({n: layers(p) for n, p in runs.items()}, peak, memory,
                               f"layers under the roofs, f32, batch 1, {a.threads} thread{'s' if a.threads > 1 else ''} ({cpu_name()})"))


if __name__ == "__main__":
    main()
