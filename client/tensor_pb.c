/* SPDX-License-Identifier: Apache-2.0 */
/* tensor_pb.c - a serialised TensorProto (ONNX's test data) as a tensor of its own. */
#include "proto/tensor_pb.h"
#include "client/client.h"

ms_code ms_tensor_read_pb(const void *bytes, size_t len, struct mindserve_tensor **out,
                          struct ms_err *err)
{
    struct ms_tensor *t = NULL;
    struct ms_arena a;
    ms_code code;

    if (len > SIZE_MAX / 32)
        return ms_fail(err, MS_RESOURCE_EXHAUSTED, "TensorProto of %zu bytes", len);
    ms_arena_init(&a, len * 16 + (1 << 20));
    code = ms_tensor_pb_read(ms_bytes(bytes, len), MS_DTYPE_NONE, &a, &t, NULL, err);
    if (code == MS_OK && t->dtype == MS_STRING) { /* its elements point into the caller's bytes */
        struct ms_tensor *own = ms_strings_copy(t);
        ms_tensor_unref(t);
        t = own;
        if (!t)
            code = ms_fail_oom(err, "tensor", len);
    }
    ms_arena_done(&a);
    if (code == MS_OK)
        *out = ms_handle_of(t);
    return code;
}
