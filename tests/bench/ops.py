#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Operators one by one against onnxruntime and openvino, in one process, interleaved; outputs are compared before speed.

    ops.py LIBRARY OUT.json [NAME...] [--threads 1] [--peers onnxruntime,openvino] [--seconds S] [--blocks N]

Each case is a model of one operator on tensors large enough that the call itself does not count. A row tells milliseconds,
the ratio over each peer (over 1: mindserve is faster), and the bytes a second that the operands and results make. NAME picks
the cases whose name begins so.
"""
import argparse
import json
import os
import tempfile

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

import models
import peers

RNG = np.random.default_rng(3)
KINDS = {np.dtype(np.float32): TensorProto.FLOAT, np.dtype(np.int64): TensorProto.INT64, np.dtype(np.int32): TensorProto.INT32,
         np.dtype(np.uint8): TensorProto.UINT8, np.dtype(np.int8): TensorProto.INT8, np.dtype(bool): TensorProto.BOOL}


def f32(*shape):
    return RNG.normal(size=shape).astype(np.float32)


def ints(high, *shape, dtype=np.int64):
    return RNG.integers(0, high, shape).astype(dtype)


def i64(*values):
    return np.array(values, np.int64)


class Case:
    """feeds: the model's inputs, in order; consts: the operands behind them; None leaves one out."""

    def __init__(self, name, op, feeds, consts=(), outputs=1, opset=17, **attrs):
        self.name, self.op, self.feeds, self.consts, self.outputs, self.opset, self.attrs = name, op, feeds, consts, outputs, opset, attrs

    def save(self, folder):
        names, inits = [f"x{i}" for i in range(len(self.feeds))], []
        infos = [helper.make_tensor_value_info(n, KINDS[a.dtype], a.shape) for n, a in zip(names, self.feeds)]
        for i, c in enumerate(self.consts):
            names.append("" if c is None else f"c{i}")
            if c is not None:
                inits.append(numpy_helper.from_array(c, f"c{i}"))
        outs = [f"y{i}" for i in range(self.outputs)]
        node = helper.make_node(self.op, names, outs, **self.attrs)
        graph = helper.make_graph([node], "one", infos, [helper.make_empty_tensor_value_info(o) for o in outs], inits)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", self.opset)], ir_version=9)
        inferred = onnx.shape_inference.infer_shapes(model, data_prop=True)
        path = os.path.join(folder, "one.onnx")
        onnx.save(inferred, path)
        return path


IMAGE = (1, 64, 112, 112)


def cases():
    image, tokens = f32(*IMAGE), f32(128, 3072)
    for op in ("Relu", "Sigmoid", "Tanh", "Exp", "Erf", "Sqrt", "Abs", "Neg", "Floor", "Softplus", "HardSwish", "HardSigmoid", "Elu", "LeakyRelu"):
        yield Case(op.lower(), op, [np.abs(image) if op == "Sqrt" else image])
    yield Case("log", "Log", [np.abs(image) + 0.1])
    yield Case("gelu", "Gelu", [tokens], opset=20)
    yield Case("clip", "Clip", [image], [np.float32(-1), np.float32(1)])
    yield Case("prelu", "PRelu", [image], [f32(64, 1, 1)])
    for op in ("Add", "Mul", "Sub", "Div", "Max", "Pow"):
        b = np.abs(f32(*IMAGE)) + 0.5
        yield Case(op.lower(), op, [np.abs(image) if op == "Pow" else image, b])
    yield Case("add_channel", "Add", [image], [f32(64, 1, 1)])
    yield Case("mul_row", "Mul", [tokens], [f32(3072)])
    yield Case("mul_column", "Mul", [tokens, f32(128, 1)])
    yield Case("equal_i64", "Equal", [ints(4, 128, 3072), ints(4, 128, 3072)])
    yield Case("less", "Less", [tokens, f32(128, 3072)])
    yield Case("where", "Where", [tokens > 0, tokens, f32(128, 3072)])
    yield Case("cast_i64", "Cast", [tokens], to=TensorProto.INT64)
    yield Case("cast_f16", "Cast", [tokens], to=TensorProto.FLOAT16)
    yield Case("cast_u8_f32", "Cast", [ints(255, 3, 640, 640, dtype=np.uint8)], to=TensorProto.FLOAT)
    for op in ("ReduceMean", "ReduceMax"):
        yield Case(op.lower() + "_last", op, [tokens], axes=[1])
        yield Case(op.lower() + "_space", op, [image], axes=[2, 3])
    yield Case("reducesum_first", "ReduceSum", [tokens], [i64(0)])
    yield Case("argmax", "ArgMax", [tokens], axis=1)
    yield Case("softmax", "Softmax", [f32(12 * 128, 128)], axis=-1)
    yield Case("softmax_channel", "Softmax", [f32(1, 21, 256, 256)], axis=1)
    yield Case("logsoftmax", "LogSoftmax", [f32(128, 3072)], axis=-1)
    yield Case("layernorm", "LayerNormalization", [f32(128, 768)], [f32(768), f32(768)])
    yield Case("instancenorm", "InstanceNormalization", [image], [f32(64), f32(64)])
    yield Case("batchnorm", "BatchNormalization", [image], [f32(64), f32(64), f32(64), np.abs(f32(64)) + 0.5])
    yield Case("lrn", "LRN", [image], size=5)
    yield Case("maxpool3s2", "MaxPool", [image], kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1])
    yield Case("avgpool3s1", "AveragePool", [image], kernel_shape=[3, 3], strides=[1, 1], pads=[1, 1, 1, 1])
    yield Case("globalavg", "GlobalAveragePool", [image])
    yield Case("transpose_2d", "Transpose", [f32(1024, 1024)], perm=[1, 0])
    yield Case("transpose_heads", "Transpose", [f32(1, 128, 12, 64)], perm=[0, 2, 1, 3])
    yield Case("transpose_nhwc", "Transpose", [image], perm=[0, 2, 3, 1])
    yield Case("transpose_nchw", "Transpose", [f32(1, 112, 112, 64)], perm=[0, 3, 1, 2])
    yield Case("concat_channel", "Concat", [image, f32(*IMAGE)], axis=1)
    yield Case("concat_last", "Concat", [f32(512, 256), f32(512, 256)], axis=1)
    yield Case("split_channel", "Split", [image], [i64(32, 32)], outputs=2, axis=1)
    yield Case("split_last", "Split", [f32(512, 768)], [i64(256, 256, 256)], outputs=3, axis=1)
    yield Case("slice_space", "Slice", [image], [i64(0, 0), i64(112, 112), i64(2, 3), i64(2, 2)])
    yield Case("slice_channel", "Slice", [image], [i64(16), i64(48), i64(1)])
    yield Case("pad_edge", "Pad", [image], [i64(0, 0, 1, 1, 0, 0, 1, 1)])
    yield Case("pad_reflect", "Pad", [image], [i64(0, 0, 3, 3, 0, 0, 3, 3)], mode="reflect")
    yield Case("expand", "Expand", [f32(1, 64, 1, 1)], [i64(1, 64, 112, 112)])
    yield Case("tile", "Tile", [f32(64, 128)], [i64(8, 8)])
    yield Case("gather_rows", "Gather", [f32(30000, 384), ints(30000, 1, 512)], axis=0)
    yield Case("gather_columns", "Gather", [f32(512, 1024), ints(1024, 512)], axis=1)
    yield Case("gather_elements", "GatherElements", [f32(512, 1024), ints(512, 512, 1024)], axis=0)
    yield Case("scatter_nd", "ScatterND", [f32(4096, 256), ints(4096, 512, 1), f32(512, 256)])
    yield Case("onehot", "OneHot", [ints(1000, 512)], [np.int64(1000), np.array([0, 1], np.float32)])
    yield Case("topk_last", "TopK", [f32(64, 8400)], [i64(100)], outputs=2, axis=1)
    yield Case("cumsum", "CumSum", [f32(512, 1024)], [np.int64(1)])
    yield Case("nonzero", "NonZero", [(f32(512, 512) > 0.5).astype(np.float32)])
    up = [None, np.array([1, 1, 2, 2], np.float32)]
    yield Case("resize_nearest", "Resize", [f32(1, 64, 56, 56)], up, mode="nearest", coordinate_transformation_mode="asymmetric", nearest_mode="floor")
    yield Case("resize_linear", "Resize", [f32(1, 64, 56, 56)], up, mode="linear")
    yield Case("resize_cubic", "Resize", [f32(1, 16, 56, 56)], up, mode="cubic")
    yield Case("depth_to_space", "DepthToSpace", [f32(1, 64, 112, 112)], blocksize=2)
    yield Case("space_to_depth", "SpaceToDepth", [f32(1, 16, 224, 224)], blocksize=2)
    yield Case("grid_sample", "GridSample", [f32(1, 16, 112, 112), np.clip(f32(1, 112, 112, 2), -1, 1)], mode="bilinear")
    yield Case("conv3", "Conv", [f32(1, 64, 56, 56)], [f32(64, 64, 3, 3) / 24, f32(64)], pads=[1, 1, 1, 1])
    yield Case("conv_depthwise", "Conv", [f32(1, 144, 56, 56)], [f32(144, 1, 3, 3) / 3, f32(144)], pads=[1, 1, 1, 1], group=144)
    yield Case("conv_dilated", "Conv", [f32(1, 64, 56, 56)], [f32(64, 64, 3, 3) / 24, f32(64)], pads=[2, 2, 2, 2], dilations=[2, 2])
    yield Case("conv_1d", "Conv", [f32(1, 256, 1000)], [f32(256, 256, 3) / 28, f32(256)], pads=[1, 1])
    yield Case("conv_3d", "Conv", [f32(1, 16, 16, 56, 56)], [f32(16, 16, 3, 3, 3) / 20, f32(16)], pads=[1] * 6)
    yield Case("conv_transpose", "ConvTranspose", [f32(1, 64, 56, 56)], [f32(64, 32, 2, 2) / 8, f32(32)], strides=[2, 2])
    yield Case("conv_transpose4", "ConvTranspose", [f32(1, 64, 28, 28)], [f32(64, 64, 4, 4) / 16, f32(64)], strides=[2, 2], pads=[1, 1, 1, 1])
    yield Case("gemm_128", "Gemm", [f32(128, 768)], [f32(3072, 768) / 28, f32(3072)], transB=1)
    yield Case("gemv", "Gemm", [f32(1, 2048)], [f32(1000, 2048) / 45, f32(1000)], transB=1)
    yield Case("matmul_heads", "MatMul", [f32(12, 128, 64), f32(12, 64, 128)])
    yield Case("matmul_square", "MatMul", [f32(512, 512), f32(512, 512)])
    yield Case("einsum_bhqd", "Einsum", [f32(1, 12, 128, 64), f32(1, 12, 128, 64)], equation="bhqd,bhkd->bhqk")
    hidden, size, steps = 128, 128, 64
    for op, gates in (("LSTM", 4), ("GRU", 3)):
        w, r, b = f32(1, gates * hidden, size) / 11, f32(1, gates * hidden, hidden) / 11, f32(1, 2 * gates * hidden) / 11
        yield Case(op.lower(), op, [f32(steps, 1, size)], [w, r, b], outputs=2, hidden_size=hidden)
    yield Case("quantize", "QuantizeLinear", [image], [np.float32(0.02), np.uint8(128)])
    yield Case("dequantize", "DequantizeLinear", [ints(255, *IMAGE, dtype=np.uint8)], [np.float32(0.02), np.uint8(128)])
    yield Case("conv_integer", "ConvInteger", [ints(255, 1, 64, 56, 56, dtype=np.uint8)], [ints(100, 64, 64, 3, 3, dtype=np.int8), np.uint8(7)], pads=[1, 1, 1, 1])
    yield Case("qlinear_conv", "QLinearConv", [ints(255, 1, 64, 56, 56, dtype=np.uint8)],
               [np.float32(0.02), np.uint8(128), ints(100, 64, 64, 3, 3, dtype=np.int8), np.float32(0.01), np.int8(0), np.float32(9), np.uint8(128), ints(900, 64, dtype=np.int32)], pads=[1, 1, 1, 1])
    for name, c, size, oc, k, attrs in (
            ("1x1", 64, 56, 256, 1, {}), ("1x1_deep", 2048, 7, 512, 1, {}), ("1x1s2", 256, 56, 512, 1, {"strides": [2, 2]}),
            ("3x3_14", 256, 14, 256, 3, {"pads": [1] * 4}), ("3x3_7", 512, 7, 512, 3, {"pads": [1] * 4}),
            ("3x3s2", 128, 56, 128, 3, {"pads": [1] * 4, "strides": [2, 2]}), ("stem", 3, 224, 64, 7, {"pads": [3] * 4, "strides": [2, 2]}),
            ("depthwise", 144, 56, 144, 3, {"pads": [1] * 4, "group": 144}),
            ("depthwise_s2", 144, 56, 144, 3, {"pads": [1] * 4, "strides": [2, 2], "group": 144})):
        w = RNG.integers(-100, 101, (oc, c // attrs.get("group", 1), k, k)).astype(np.int8)
        scale = np.float32(0.5 * np.sqrt(w[0].size))
        yield Case("qlinear_conv_" + name, "QLinearConv", [ints(255, 1, c, size, size, dtype=np.uint8)],
                   [np.float32(0.02), np.uint8(128), w, np.full(oc, 0.01, np.float32), np.zeros(oc, np.int8), scale, np.uint8(128), ints(900, oc, dtype=np.int32)], **attrs)
    yield Case("qlinear_matmul", "QLinearMatMul", [ints(255, 128, 768, dtype=np.uint8)],
               [np.float32(0.02), np.uint8(128), ints(100, 768, 768, dtype=np.int8), np.float32(0.01), np.int8(0), np.float32(9), np.uint8(128)])
    yield Case("dynamic_quantize", "DynamicQuantizeLinear", [image], outputs=3)
    yield Case("matmul_integer", "MatMulInteger", [ints(255, 128, 768, dtype=np.uint8)], [ints(100, 768, 768, dtype=np.int8)])


def compare(case, path, library, threads, a):
    engines = [peers.Mindserve(library, threads)]
    rest = {}
    for p in peers.peers(a.peers):
        e = p(threads)
        try:
            e.load(path)
        except Exception as err:  # whatever the peer throws at an operator it lacks
            rest[e.label] = str(err).splitlines()[0][:60]
            continue
        engines.append(e)
    engines[0].load(path)
    for e in engines:
        e.bind(case.feeds)
    worst = models.difference(engines[1].results(), engines[0].results()) if len(engines) > 1 else float("nan")
    for e in engines * 2:
        e.once()
    times = {e.label: [] for e in engines}
    for k in range(a.blocks):
        for i in range(len(engines)):
            e = engines[(i + k) % len(engines)]
            times[e.label].append(models.block(e.once, a.seconds))
    size = sum(x.nbytes for x in case.feeds) + sum(r.nbytes for r in engines[0].results())
    for e in engines:
        e.close()
    mine = times["mindserve"]
    best = min(x[0] for x in mine)
    return {"name": case.name, "op": case.op, "threads": threads, "difference": worst, "ms": best, "gbs": size / best / 1e6, "lacks": rest,
            "peers": {e.label: models.against(mine, times[e.label]) for e in engines[1:]}}


def line(r, chosen, tolerance):
    text = f"{r['name']:18} {r['threads']:3} {r['ms']:8.3f} {r['gbs']:7.1f}"
    for c in chosen:
        p = r["peers"].get(c.label)
        text += f" | {p['ms']:8.3f} {p['ratio']:6.2f} {p['min_time']:6.2f}" if p else f" | {'-':>8} {'':6} {'':6}"
    text += f" | {r['difference']:8.1e}"
    slow = [c.label for c in chosen if c.label in r["peers"] and r["peers"][c.label]["min_time"] < 0.9]
    return text + ("  DIFFERS" if r["difference"] > tolerance else "") + ("  slower than " + ", ".join(slow) if slow else "")


def main():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("library")
    p.add_argument("out")
    p.add_argument("names", nargs="*")
    p.add_argument("--threads", default="1")
    p.add_argument("--peers", default="onnxruntime,openvino")
    p.add_argument("--seconds", type=float, default=0.03, help="length of a block")
    p.add_argument("--blocks", type=int, default=5)
    p.add_argument("--tolerance", type=float, default=1e-4)
    a = p.parse_args()
    chosen, rows, bad = peers.peers(a.peers), [], 0
    print(f"{models.cpu_name()}, load {os.getloadavg()[0]:.1f}, " + ", ".join(f"{c.label} {c.version}" for c in chosen))
    print(f"{'case':18} {'thr':>3} {'ms':>8} {'GB/s':>7}" + "".join(f" | {c.label[:8]:>8} {'ratio':>6} {'min':>6}" for c in chosen) + " | difference")
    with tempfile.TemporaryDirectory() as folder:
        for case in cases():
            if a.names and not any(case.name.startswith(n) for n in a.names):
                continue
            for t in a.threads.split(","):
                try:
                    r = compare(case, case.save(folder), a.library, int(t), a)
                except RuntimeError as e:
                    print(f"{case.name:18} {t:>3} FAILED: {e}", flush=True)
                    bad += 1
                    continue
                bad += r["difference"] > a.tolerance
                rows.append(r)
                print(line(r, chosen, a.tolerance), flush=True)
    for c in chosen:
        logs = [np.log(r["peers"][c.label]["min_time"]) for r in rows if c.label in r["peers"]]
        if logs:
            print(f"geometric mean over {c.label}, fastest runs: {np.exp(np.mean(logs)):.2f} in {len(logs)} cases, slower in {sum(x < 0 for x in logs)}")
    with open(a.out, "w") as f:
        json.dump({"cpu": models.cpu_name(), "load": os.getloadavg()[0], "versions": {c.label: c.version for c in chosen}, "rows": rows}, f, indent=1)
    raise SystemExit(1 if bad else 0)


if __name__ == "__main__":
    main()
