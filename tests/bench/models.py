#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Whole models against onnxruntime and openvino, in one process, interleaved; outputs are compared before speed.

    models.py LIBRARY OUT.json DIR [NAME...] [--threads 1,2] [--peers onnxruntime,openvino] [--seconds S] [--blocks N]
              [--numerics fast|exact]

Every model is loaded into all engines, run on the same random input and compared with onnxruntime (largest difference
relative to the largest value). Then blocks of runs take turns, in changing order; a round of blocks gives a ratio for each
peer. Reported: median milliseconds, median of the rounds' ratios with its quartiles, and the ratio of the fastest runs.
Ratio > 1: mindserve is faster. Differences over the bound (--tolerance) end in status 1. Beside OUT.json a bar chart OUT.svg is drawn.
"""
import argparse
import json
import os
import platform
import statistics
import time

import numpy as np

import chart
import peers


def inputs_of(session, batch, length):
    rng = np.random.default_rng(1)
    arrays = []
    for i in session.get_inputs():
        shape = [d if isinstance(d, int) else (batch if k == 0 else length) for k, d in enumerate(i.shape)]
        kind = {"tensor(float)": np.float32, "tensor(int64)": np.int64, "tensor(int32)": np.int32}[i.type]
        a = rng.normal(size=shape).astype(kind) if kind == np.float32 else rng.integers(0, 100, shape).astype(kind)
        arrays.append(np.zeros(shape, kind) if "mask" in i.name else a)
    return arrays


def inputs_of_file(path, batch, length):
    """The same from the file alone: an engine that is measured should not have been loaded before."""
    import onnx

    rng = np.random.default_rng(1)
    graph, arrays = onnx.load(path, load_external_data=False).graph, []
    known = {i.name for i in graph.initializer}
    for i in (i for i in graph.input if i.name not in known):
        t = i.type.tensor_type
        shape = [d.dim_value or (batch if k == 0 else length) for k, d in enumerate(t.shape.dim)]
        a = rng.normal(size=shape).astype(np.float32) if t.elem_type == 1 else rng.integers(0, 100, shape)
        arrays.append(np.zeros(shape, a.dtype) if "mask" in i.name else a)
    return arrays


def block(run, seconds):
    """Runs for at least that long: fastest and median milliseconds."""
    times, start = [], time.perf_counter()
    while True:
        t = time.perf_counter()
        run()
        end = time.perf_counter()
        times.append(end - t)
        if end - start >= seconds:
            return min(times) * 1e3, statistics.median(times) * 1e3


def difference(want, got):
    """The largest difference of any output, relative to that output's largest value."""
    worst = 0.0
    for w, g in zip(want, got):
        if w.shape != g.shape:
            raise RuntimeError(f"shape {g.shape} instead of {w.shape}")
        worst = max(worst, float(np.max(np.abs(w.astype(np.float64) - g)) / max(np.max(np.abs(w)), 1e-30)))
    return worst


def against(ours, theirs):
    """Ratios of one peer from the rounds' (fastest, median) pairs."""
    ratios = sorted(y[1] / x[1] for x, y in zip(ours, theirs))
    q = statistics.quantiles(ratios, n=4) if len(ratios) > 1 else [ratios[0]] * 3
    return {"ms": statistics.median(y[1] for y in theirs), "ratio": statistics.median(ratios), "q1": q[0], "q3": q[2],
            "min_time": min(y[0] for y in theirs) / min(x[0] for x in ours)}


def compare(path, library, threads, a):
    oracle = peers.Onnxruntime(threads)
    engines = [peers.Mindserve(library, threads, a.numerics == "exact")] + [oracle if p is peers.Onnxruntime else p(threads) for p in peers.peers(a.peers)]
    load = {e.label: e.load(path) for e in engines}
    if oracle not in engines:
        oracle.load(path)
    arrays = inputs_of(oracle.session, a.batch, a.length)
    for e in {oracle, *engines}:
        e.bind(arrays)
    worst = difference(oracle.results(), engines[0].results())
    for e in engines * 2:
        e.once()
    times = {e.label: [] for e in engines}
    for k in range(a.blocks):
        for i in range(len(engines)):
            e = engines[(i + k) % len(engines)]
            times[e.label].append(block(e.once, a.seconds))
    for e in engines:
        e.close()
    mine = times["mindserve"]
    return {"threads": threads, "batch": a.batch, "difference": worst, "ms": statistics.median(x[1] for x in mine), "load_ms": load["mindserve"],
            "peers": {e.label: {**against(mine, times[e.label]), "load_ms": load[e.label]} for e in engines[1:]}}


def cpu_name():
    try:
        with open("/proc/cpuinfo") as f:
            return next(row.split(":")[1].strip() for row in f if row.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor()


def line(name, r, tolerance):
    text = f"{name:14} {r['threads']:3} {r['ms']:9.3f}"
    for p in r["peers"].values():
        text += f" | {p['ms']:9.3f} {p['ratio']:5.2f} {p['q1']:5.2f}-{p['q3']:<5.2f} {p['min_time']:5.2f}"
    text += f" | {r['difference']:8.1e} | load {r['load_ms']:5.0f}" + "".join(f" {p['load_ms']:5.0f}" for p in r["peers"].values())
    return text + ("  DIFFERS" if r["difference"] > tolerance else "")


def means(rows, threads):
    for t in threads:
        for label in sorted({p for r in rows for p in r["peers"]}):
            logs = [np.log(r["peers"][label]["ratio"]) for r in rows if r["threads"] == t]
            if logs:
                print(f"geometric mean over {label}, {t} thread{'s' if t > 1 else ''}: {np.exp(np.mean(logs)):.2f}, worst {np.exp(min(logs)):.2f}")


def main():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("library")
    p.add_argument("out")
    p.add_argument("dir")
    p.add_argument("names", nargs="*")
    p.add_argument("--threads", default="1,2")
    p.add_argument("--peers", default="onnxruntime,openvino")
    p.add_argument("--seconds", type=float, default=0.3, help="length of a block")
    p.add_argument("--blocks", type=int, default=10)
    p.add_argument("--batch", type=int, default=1)
    p.add_argument("--length", type=int, default=128, help="size of the other variable dims")
    p.add_argument("--numerics", choices=("fast", "exact"), default="fast")
    p.add_argument("--tolerance", type=float, help="bound on the difference; default 1e-4, with --numerics exact 2e-5")
    a = p.parse_args()
    a.tolerance = a.tolerance or (2e-5 if a.numerics == "exact" else 1e-4)
    names = a.names or sorted(f[:-5] for f in os.listdir(a.dir) if f.endswith(".onnx"))
    threads, rows, bad = [int(t) for t in a.threads.split(",")], [], 0
    chosen = peers.peers(a.peers)
    print(f"{cpu_name()}, load {os.getloadavg()[0]:.1f}, batch {a.batch}, numerics {a.numerics}, bound {a.tolerance:g}, " + ", ".join(f"{c.label} {c.version}" for c in chosen)
          + f", {a.blocks} rounds of blocks of {a.seconds} s")
    print(f"{'model':14} {'thr':>3} {'ms':>9}" + "".join(f" | {c.label[:9]:>9} ratio   quartiles   min" for c in chosen) + " | difference")
    for name in names:
        for t in threads:
            try:
                r = compare(os.path.join(a.dir, name + ".onnx"), a.library, t, a)
            except RuntimeError as e:
                print(f"{name:14} {t:3} FAILED: {e}")
                bad += 1
                continue
            bad += r["difference"] > a.tolerance
            rows.append({"model": name, **r})
            print(line(name, r, a.tolerance), flush=True)
    means(rows, threads)
    with open(a.out, "w") as f:
        json.dump({"cpu": cpu_name(), "load": os.getloadavg()[0], "versions": {c.label: c.version for c in chosen}, "rows": rows}, f, indent=1)
    with open(os.path.splitext(a.out)[0] + ".svg", "w") as f:
        f.write(chart.ratios(rows, cpu_name()))
    raise SystemExit(1 if bad else 0)


if __name__ == "__main__":
    main()
