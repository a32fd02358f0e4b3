# SPDX-License-Identifier: Apache-2.0
"""The engines of the speed comparison, all in one process: mindserve by its library, onnxruntime, openvino.

Each has load(path) -> ms, bind(arrays), once(), results() and close(). Threads are the same for all; the peers compute in
f32 (openvino would take bf16 by itself on CPUs that have it).
"""
import ctypes
import os
import time

import numpy as np
import onnxruntime as ort

try:
    import openvino
except ImportError:
    openvino = None

CODES = {"float32": 1, "float64": 2, "float16": 3, "int8": 5, "int16": 6, "int32": 7, "int64": 8, "uint8": 9, "bool": 13}
NAMES = {v: k for k, v in CODES.items()}


class Error(ctypes.Structure):
    _fields_ = [("code", ctypes.c_int), ("unreachable", ctypes.c_bool), ("text", ctypes.c_char * 512)]


class Options(ctypes.Structure):
    _fields_ = [("size", ctypes.c_size_t), ("server", ctypes.c_char_p), ("threads", ctypes.c_int), ("connect_ms", ctypes.c_int64),
                ("token_file", ctypes.c_char_p), ("ca_file", ctypes.c_char_p), ("cert_file", ctypes.c_char_p), ("key_file", ctypes.c_char_p),
                ("max_message", ctypes.c_size_t), ("tuning", ctypes.c_int), ("exact", ctypes.c_bool)]


class Named(ctypes.Structure):
    _fields_ = [("name", ctypes.c_char_p), ("tensor", ctypes.c_void_p)]


class Outputs(ctypes.Structure):
    _fields_ = [("output", ctypes.POINTER(Named)), ("n", ctypes.c_int), ("version", ctypes.c_char_p), ("owner", ctypes.c_void_p)]


class Mindserve:
    """mindserve in this process."""
    label = "mindserve"

    def __init__(self, library, threads, exact=False):
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
        opts = Options(size=ctypes.sizeof(Options), threads=threads, exact=exact)
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


class Onnxruntime:
    label = "onnxruntime"
    version = ort.__version__

    def __init__(self, threads):
        self.options = ort.SessionOptions()
        self.options.intra_op_num_threads = threads
        self.options.inter_op_num_threads = 1

    def load(self, path):
        start = time.perf_counter()
        self.session = ort.InferenceSession(path, self.options, providers=["CPUExecutionProvider"])
        return (time.perf_counter() - start) * 1e3

    def bind(self, arrays):
        self.feed = {i.name: x for i, x in zip(self.session.get_inputs(), arrays)}

    def once(self):
        return self.session.run(None, self.feed)

    results = once

    def close(self):
        del self.session


class Openvino:
    label = "openvino"
    version = openvino.__version__ if openvino else None

    def __init__(self, threads):
        self.config = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": threads, "NUM_STREAMS": 1, "PERFORMANCE_HINT": "LATENCY"}

    def load(self, path):
        start = time.perf_counter()
        self.model = openvino.Core().compile_model(path, "CPU", self.config)
        self.request = self.model.create_infer_request()
        return (time.perf_counter() - start) * 1e3

    def bind(self, arrays):
        for k, x in enumerate(arrays):
            self.request.set_input_tensor(k, openvino.Tensor(np.ascontiguousarray(x)))

    def once(self):
        self.request.infer()

    def results(self):
        self.once()
        return [self.request.get_output_tensor(k).data.copy() for k in range(len(self.model.outputs))]

    def close(self):
        del self.request, self.model


def peers(names):
    """The peers of that comma list that are installed."""
    every = {p.label: p for p in (Onnxruntime, Openvino) if p.version}
    return [every[n] for n in names.split(",") if n in every]
