/* SPDX-License-Identifier: Apache-2.0 */
/* onnx_tensor.h - TensorProto, in all its ways of storing numbers, as ms_tensor. */
#ifndef MS_PROTO_ONNX_TENSOR_H
#define MS_PROTO_ONNX_TENSOR_H

#include "base/map.h"
#include "ir/format.h"
#include "ir/tensor.h"
#include "proto/onnx_pb.h"

/* Files beside the model, each opened once. */
struct onnx_files {
    const struct ms_source *src; /* NULL: none are available */
    struct ms_map opened;        /* location -> struct ms_bytes in the arena */
};
void onnx_files_done(struct onnx_files *f);

/* The element type of a TensorProto.DataType; NONE for those that we have not. */
enum ms_dtype onnx_dtype(int64_t data_type);
int64_t onnx_dtype_code(enum ms_dtype t); /* the reverse; 0 for NONE */
/* "float8e4m3fn"; "type 99" has no name and gives "unknown". */
const char *onnx_dtype_name(int64_t data_type);

/* A tensor in arena a. Its data points into the model file (raw_data, packed float_data, external
 * data) wherever the bytes can be used as they lie; what has to be converted, and tensors of at
 * most ONNX_COPY_BYTES that are not aligned for their elements, are copied into the arena. Larger
 * ones stay references and may be unaligned. Errors name the tensor: the number of elements and the
 * bytes given must agree, nothing is allocated from the shape alone. */
enum { ONNX_COPY_BYTES = 64 << 10 };
ms_code onnx_tensor_make(const struct onnx_tensor *t, struct onnx_files *files, struct ms_arena *a,
                         const struct ms_tensor **out, struct ms_err *err) MS_WARN_UNUSED;

#endif
