#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""How much do recorded outputs move when the engine that recorded them computes them in another way?

    oracle_spread.py DIR...      folders with *.onnx and test_data_set_N; wants numpy and onnxruntime

For each data set: the largest difference from the recorded outputs, relative to their largest value, of the
same engine with and without its optimisations, with one thread and two, and with the rows of the inputs one
at a time (where all inputs and outputs have the same number of rows). No bound on another engine should be
tighter than the largest of these; tests/model-bounds.txt has the networks for which that matters.
"""
import glob
import os
import sys

import numpy as np
import onnxruntime as ort


def load(folder, word):
    return [np.load(f) for f in sorted(glob.glob(os.path.join(folder, f"{word}_*.npy")))]


def sessions(path):
    for level in (ort.GraphOptimizationLevel.ORT_ENABLE_ALL, ort.GraphOptimizationLevel.ORT_DISABLE_ALL):
        for threads in (1, 2):
            o = ort.SessionOptions()
            o.graph_optimization_level, o.intra_op_num_threads = level, threads
            yield ort.InferenceSession(path, o, providers=["CPUExecutionProvider"])


def run(session, x):
    return session.run(None, {i.name: a for i, a in zip(session.get_inputs(), x)})


def by_rows(session, x, y):
    rows = {a.shape[0] if a.ndim else 0 for a in x + y}
    if len(rows) != 1 or rows <= {0, 1}:
        return None
    parts = [run(session, [a[i:i + 1] for a in x]) for i in range(rows.pop())]
    return [np.concatenate(p) for p in zip(*parts)]


def moved(got, want):
    return max(float(np.abs(a.astype(float) - b).max() / max(np.abs(b).max(), 1e-30)) for a, b in zip(got, want))


for case in sys.argv[1:]:
    for data in sorted(glob.glob(os.path.join(case, "test_data_set_*"))):
        x, y = load(data, "input"), load(data, "output")
        whole, rows = [], []
        for s in sessions(glob.glob(os.path.join(case, "*.onnx"))[0]):
            whole.append(moved(run(s, x), y))
            try:
                alone = by_rows(s, x, y)
            except Exception:  # the model has a fixed number of rows
                alone = None
            if alone:
                rows.append(moved(alone, y))
        print(f"{data}: as recorded {max(whole):.1e}, one row at a time {f'{max(rows):.1e}' if rows else '-'}")
