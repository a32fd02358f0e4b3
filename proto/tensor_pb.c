/* SPDX-License-Identifier: Apache-2.0 */
/* tensor_pb.c - TensorProto files, by the same tables and the same conversion as a model's weights.
 */
#include "proto/tensor_pb.h"

#include <string.h>

#include "proto/onnx_tensor.h"

static ms_code check_dtype(const struct ms_tensor *t, enum ms_dtype want, enum ms_dtype *dtype,
                           struct ms_err *err)
{
    *dtype = want == MS_DTYPE_NONE ? t->dtype : want;
    if (*dtype == t->dtype || (t->dtype == MS_U16 && (want == MS_BF16 || want == MS_F16)))
        return MS_OK;
    return ms_fail(err, MS_INVALID_ARGUMENT, "the tensor is %s, but %s is wanted",
                   ms_dtype_name(t->dtype), ms_dtype_name(want));
}

static ms_code decode(struct ms_bytes in, struct ms_arena *a, struct onnx_tensor *t,
                      struct ms_err *err)
{
    const struct ms_wire_limits lim = {.max_depth = 4, .max_name = 1024, .max_heap = a->max};

    MS_TRY(ms_wire_scan(in, &onnx_tensor_msg, &lim, NULL, err));
    MS_TRY(ms_wire_decode(in, &onnx_tensor_msg, a, t, err));
    if (ms_wire_has(&t->head, ONNX_TENSOR_SEGMENT))
        return ms_fail(err, MS_UNIMPLEMENTED,
                       "a sequence, or a tensor in segments, is not supported");
    return MS_OK;
}

ms_code ms_tensor_pb_read(struct ms_bytes in, enum ms_dtype want, struct ms_arena *a,
                          struct ms_tensor **out, const char **name, struct ms_err *err)
{
    struct onnx_files files = {.src = NULL};
    const struct ms_tensor *view;
    enum ms_dtype dtype;
    struct onnx_tensor t;
    char *text;

    MS_TRY(decode(in, a, &t, err));
    MS_TRY(onnx_tensor_make(&t, &files, a, &view, err));
    MS_TRY(check_dtype(view, want, &dtype, err));
    text = ms_arena_strndup(a, t.name.data, t.name.len);
    *out = text ? ms_tensor_new(dtype, &view->shape) : NULL;
    if (!*out)
        return ms_fail_oom(err, "tensor", view->bytes);
    if (view->bytes > 0)
        memcpy((*out)->data, view->data, view->bytes);
    if (name)
        *name = text;
    return MS_OK;
}

/* ---- writing ---- */

static void put_varint(struct ms_buf *b, uint64_t v)
{
    for (; v >= 0x80; v >>= 7)
        ms_buf_putc(b, (char)(v | 0x80));
    ms_buf_putc(b, (char)v);
}

static void put_int(struct ms_buf *b, unsigned number, int64_t v)
{
    put_varint(b, number << 3 | MS_WIRE_VARINT);
    put_varint(b, (uint64_t)v);
}

static void put_bytes(struct ms_buf *b, unsigned number, const void *data, size_t len)
{
    put_varint(b, number << 3 | MS_WIRE_LENGTH);
    put_varint(b, len);
    ms_buf_add(b, data, len);
}

bool ms_tensor_pb_write(const struct ms_tensor *t, const char *name, struct ms_buf *out)
{
    const struct ms_bytes *text = t->data;

    if (t->layout != MS_PLAIN)
        return false;
    for (int i = 0; i < t->shape.rank; i++)
        put_int(out, 1, t->shape.dim[i]);
    put_int(out, 2, onnx_dtype_code(t->dtype));
    for (size_t i = 0; t->dtype == MS_STRING && i < ms_tensor_count(t); i++)
        put_bytes(out, ONNX_TENSOR_STRINGS, text[i].data, text[i].len);
    if (name && *name)
        put_bytes(out, 8, name, strlen(name));
    if (t->dtype != MS_STRING)
        put_bytes(out, ONNX_TENSOR_RAW, t->data, t->bytes);
    return ms_buf_ok(out);
}
