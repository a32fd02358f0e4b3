/* SPDX-License-Identifier: Apache-2.0 */
/* tensor_pb.c - a serialised TensorProto (ONNX's test data) as a tensor of its own. */
#include <string.h>

#include "client/client.h"
#include "proto/onnx_pb.h"
#include "proto/onnx_tensor.h"

/* A copy that owns its memory: what the reader gives points into the caller's bytes. */
static struct ms_tensor *own_copy(const struct ms_tensor *t)
{
    struct ms_tensor *copy;

    if (t->dtype == MS_STRING)
        return ms_strings_copy(t);
    copy = ms_tensor_new(t->dtype, &t->shape);
    if (copy && copy->bytes)
        memcpy(copy->data, t->data, copy->bytes);
    return copy;
}

static ms_code read_tensor(struct ms_bytes in, struct ms_arena *a, struct mindserve_tensor **out,
                           struct ms_err *err)
{
    struct ms_wire_limits lim = {
        .max_depth = 8, .max_name = 1024, .max_heap = in.len * 4 + (1 << 20), .unknown_price = 0};
    struct onnx_files none = {0};
    const struct ms_tensor *t;
    struct onnx_tensor pb;
    ms_code code;

    MS_TRY(ms_wire_scan(in, &onnx_tensor_msg, &lim, NULL, err));
    MS_TRY(ms_wire_decode(in, &onnx_tensor_msg, a, &pb, err));
    code = onnx_tensor_make(&pb, &none, a, &t, err);
    onnx_files_done(&none);
    MS_TRY(code);
    *out = ms_handle_of(own_copy(t));
    return *out ? MS_OK : ms_fail_oom(err, "tensor", t->bytes);
}

ms_code ms_tensor_read_pb(const void *bytes, size_t len, struct mindserve_tensor **out,
                          struct ms_err *err)
{
    struct ms_arena a;
    ms_code code;

    if (len > SIZE_MAX / 32)
        return ms_fail(err, MS_RESOURCE_EXHAUSTED, "TensorProto of %zu bytes", len);
    ms_arena_init(&a, len * 16 + (1 << 20));
    code = read_tensor(ms_bytes(bytes, len), &a, out, err);
    ms_arena_done(&a);
    return code;
}
