#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""How much do recorded outputs move when the engine that recorded them computes them in another way?

    oracle_spread.py DIR...      folders with *.onnx and test_data_set_N; wants numpy, onnx and onnxruntime

For each data set: the largest difference from the recorded outputs, relative to their largest value, of the
same engine with and without its optimisations, with one thread and two, and with the rows of the inputs one
at a time (where all inputs and outputs have the same number of rows). Beside it: how far the recorded outputs
are from what the network gives in double precision, by the operators' definitions. No bound on another engine should be
tighter than the largest of these; tests/model-bounds.txt has the networks for which that matters.
"""
import glob
import os
import sys

import numpy as np
import onnx
import onnxruntime as ort
from onnx import AttributeProto, TensorProto, numpy_helper
from onnx.reference import ReferenceEvaluator
from onnx.reference.op_run import OpRun


def load(folder, word):
    return [np.load(f) for f in sorted(glob.glob(os.path.join(folder, f"{word}_*.npy")))]


def sessions(path):
    for level in (ort.GraphOptimizationLevel.ORT_ENABLE_ALL, ort.GraphOptimizationLevel.ORT_DISABLE_ALL):
        for threads in (1, 2):
            o = ort.SessionOptions()
            o.graph_optimization_level, o.intra_op_num_threads = level, threads
            yield ort.InferenceSession(path, o, providers=["CPUExecutionProvider"])


class GlobalMaxPool(OpRun):
    """onnx's own drops the dims that it should keep."""

    def _run(self, x):
        return (x.max(axis=tuple(range(2, x.ndim)), keepdims=True),)


def by_definition(model):
    names = [i.name for i in model.graph.input if i.name not in {t.name for t in model.graph.initializer}]
    kinds = {i.name: i.type.tensor_type.elem_type for i in model.graph.input}
    evaluator = ReferenceEvaluator(model, new_ops=[GlobalMaxPool])
    return lambda x: evaluator.run(None, {n: a.astype(np.float64) if kinds[n] == TensorProto.DOUBLE else a for n, a in zip(names, x)})


def in_double(path):
    """The network with every f32 made f64 (None if it has sub-graphs)."""
    model = onnx.load(path)
    graph = model.graph
    tensors = list(graph.initializer)
    for node in graph.node:
        for a in node.attribute:
            if a.type == AttributeProto.GRAPH:
                return None
            if a.type == AttributeProto.TENSOR:
                tensors.append(a.t)
            if node.op_type == "Cast" and a.name == "to" and a.i == TensorProto.FLOAT:
                a.i = TensorProto.DOUBLE
    for t in tensors:
        if t.data_type == TensorProto.FLOAT:
            t.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(t).astype(np.float64), t.name))
    for v in [*graph.input, *graph.output, *graph.value_info]:
        if v.type.tensor_type.elem_type == TensorProto.FLOAT:
            v.type.tensor_type.elem_type = TensorProto.DOUBLE
    return model


def from_double(path, x, y):
    """How far y is from the network in double precision, as text. '-' where the definitions in f32 are no nearer to y than
    in f64: then it is not precision that the two disagree about, but what an operator means."""
    double = in_double(path)
    if double is None:
        return "-"
    exact, single = by_definition(double)(x), by_definition(onnx.load(path))(x)
    far = moved(exact, y)
    return f"{far:.1e}" if far <= 10 * moved(single, exact) + 1e-6 else "-"


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
    path = glob.glob(os.path.join(case, "*.onnx"))[0]
    for data in sorted(glob.glob(os.path.join(case, "test_data_set_*"))):
        x, y = load(data, "input"), load(data, "output")
        whole, rows = [], []
        for s in sessions(path):
            whole.append(moved(run(s, x), y))
            try:
                alone = by_rows(s, x, y)
            except Exception:  # the model has a fixed number of rows
                alone = None
            if alone:
                rows.append(moved(alone, y))
        print(f"{data}: as recorded {max(whole):.1e}, one row at a time {f'{max(rows):.1e}' if rows else '-'}, "
              f"from double precision {from_double(path, x, y)}", flush=True)
