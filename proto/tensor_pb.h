/* SPDX-License-Identifier: Apache-2.0 */
/* tensor_pb.h - one tensor as a file: a serialized ONNX TensorProto, as test data comes
 * (input_0.pb).
 *
 * A file does not say what message it is, and a SequenceProto often parses as a TensorProto: the
 * caller goes by the type that the model declares. Sequences and optionals are not supported. */
#ifndef MS_PROTO_TENSOR_PB_H
#define MS_PROTO_TENSOR_PB_H

#include "base/arena.h"
#include "base/buf.h"
#include "ir/tensor.h"

/* Reads a tensor into a new owner (one reference; aligned, nothing points into the bytes but the
 * elements of an MS_STRING tensor, which do). want: the dtype it should have, NONE for any; bf16
 * and f16 stored as uint16, as ONNX's own test data has them, are taken for what is wanted. *name
 * (may be NULL) is in the arena, "" without one. External data is refused: there is no file beside
 * it. */
ms_code ms_tensor_pb_read(struct ms_bytes in, enum ms_dtype want, struct ms_arena *a,
                          struct ms_tensor **out, const char **name,
                          struct ms_err *err) MS_WARN_UNUSED;

/* Appends a serialized TensorProto; numbers as raw_data. False if the buffer is full, or for a
 * tensor in a blocked layout. name may be NULL. */
bool ms_tensor_pb_write(const struct ms_tensor *t, const char *name,
                        struct ms_buf *out) MS_WARN_UNUSED;

#endif
