/* SPDX-License-Identifier: Apache-2.0 */
/* remote_infer.c - one request by the Open Inference Protocol: ModelInfer with raw tensors.
 *
 * The message is written by hand: a short head, then each tensor's bytes where they lie, so that
 * large inputs are not copied. Field numbers: proto/oip.proto.
 * Elements of BYTES are a 4-byte little endian length and the bytes. */
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "client/remote.h"
#include "proto/wirescan.h"

static const char method[] = "/inference.GRPCInferenceService/ModelInfer";

/* ---- writing protobuf ---- */

static void put_varint(struct ms_buf *b, uint64_t v)
{
    while (v >= 0x80) {
        ms_buf_putc(b, (char)(v | 0x80));
        v >>= 7;
    }
    ms_buf_putc(b, (char)v);
}

static void put_head(struct ms_buf *b, uint32_t field, size_t len)
{
    put_varint(b, field << 3 | MS_WIRE_LENGTH);
    put_varint(b, len);
}

static void put_bytes(struct ms_buf *b, uint32_t field, const void *data, size_t len)
{
    if (len == 0)
        return;
    put_head(b, field, len);
    ms_buf_add(b, data, len);
}

static void put_text(struct ms_buf *b, uint32_t field, const char *s)
{
    put_bytes(b, field, s, strlen(s));
}

/* InferInputTensor: name 1, datatype 2, shape 3 */
static void put_input(struct ms_buf *b, const char *name, const struct ms_tensor *t)
{
    struct ms_buf one, shape;

    ms_buf_init(&one, 8192);
    ms_buf_init(&shape, 256);
    put_text(&one, 1, name);
    put_text(&one, 2, ms_dtype_oip(t->dtype));
    for (int i = 0; i < t->shape.rank; i++)
        put_varint(&shape, (uint64_t)t->shape.dim[i]);
    put_bytes(&one, 3, ms_buf_str(&shape), shape.len);
    put_head(b, 5, one.len);
    ms_buf_add(b, ms_buf_str(&one), one.len);
    b->failed = b->failed || !ms_buf_ok(&one);
    ms_buf_done(&one);
    ms_buf_done(&shape);
}

/* InferRequestedOutputTensor: name 1 */
static void put_wish(struct ms_buf *b, const char *name)
{
    struct ms_buf one;

    ms_buf_init(&one, 8192);
    put_text(&one, 1, name);
    put_head(b, 6, one.len);
    ms_buf_add(b, ms_buf_str(&one), one.len);
    ms_buf_done(&one);
}

/* The bytes of a tensor on the wire: its own, or for text a copy in the arena. */
static ms_code raw_of(const struct ms_tensor *t, struct ms_arena *a, struct ms_piece *p,
                      struct ms_err *err)
{
    const struct ms_bytes *s = t->data;
    size_t n = ms_tensor_count(t), len = 0, at = 0;
    char *copy;

    *p = (struct ms_piece){t->data, t->bytes};
    if (t->dtype != MS_STRING)
        return MS_OK;
    for (size_t i = 0; i < n; i++)
        if (s[i].len > UINT32_MAX || !ms_add(len, s[i].len + 4, &len))
            return ms_fail(err, MS_INVALID_ARGUMENT, "element %zu is too long", i);
    copy = ms_arena_alloc(a, len + 1);
    if (!copy)
        return ms_fail_oom(err, "text", len);
    for (size_t i = 0; i < n; i++) {
        uint32_t size = (uint32_t)s[i].len;
        memcpy(copy + at, &size, 4);
        if (size)
            memcpy(copy + at + 4, s[i].data, size);
        at += 4 + (size_t)size;
    }
    *p = (struct ms_piece){copy, len};
    return MS_OK;
}

/* A request as it goes out: head, then for each input the field's tag and length, and its bytes. */
struct request {
    struct ms_buf head, tags;
    struct ms_piece *piece;
    size_t n;
};

static ms_code add_raw(struct request *q, const struct mindserve_named *in, int n_in,
                       struct ms_arena *a, struct ms_err *err)
{
    size_t *end = ms_arena_array(a, (size_t)n_in + 1, sizeof *end);

    q->piece = ms_arena_array(a, 2 * (size_t)n_in + 1, sizeof *q->piece);
    if (!end || !q->piece)
        return ms_fail_oom(err, "request", 0);
    for (int i = 0; i < n_in; i++) {
        MS_TRY(raw_of(ms_tensor_of(in[i].tensor), a, &q->piece[2 * i + 2], err));
        put_head(&q->tags, 7, q->piece[2 * i + 2].len);
        end[i] = q->tags.len;
    }
    q->piece[0] = (struct ms_piece){ms_buf_str(&q->head), q->head.len};
    for (int i = 0; i < n_in; i++) {
        size_t from = i ? end[i - 1] : 0;
        q->piece[2 * i + 1] = (struct ms_piece){ms_buf_str(&q->tags) + from, end[i] - from};
    }
    q->n = 2 * (size_t)n_in + 1;
    return ms_buf_ok(&q->head) && ms_buf_ok(&q->tags) ? MS_OK : ms_fail_oom(err, "request", 0);
}

static ms_code encode(struct request *q, const char *name, uint64_t version,
                      const struct mindserve_named *in, const char *const *names, int n_in,
                      const struct mindserve_infer_options *o, struct ms_arena *a,
                      struct ms_err *err)
{
    char number[24] = "";

    if (version)
        (void)snprintf(number, sizeof number, "%llu", (unsigned long long)version);
    put_text(&q->head, 1, name);
    put_text(&q->head, 2, number);
    put_text(&q->head, 3, o->id ? o->id : "");
    for (int i = 0; i < n_in; i++)
        put_input(&q->head, names[i], ms_tensor_of(in[i].tensor));
    for (int i = 0; o->outputs && i < o->n_outputs; i++)
        put_wish(&q->head, o->outputs[i]);
    return add_raw(q, in, n_in, a, err);
}

/* ---- reading the reply ---- */

struct answer {
    struct mindserve_named *out; /* tensors without contents yet */
    enum ms_dtype *dtype;
    struct ms_shape *shape;
    size_t n, n_raw, cap;
};

static bool read_shape(struct ms_bytes in, struct ms_shape *s)
{
    uint64_t d;

    while (in.len > 0) {
        if (s->rank == MS_MAX_RANK || !ms_wire_varint(&in, &d) || d > INT64_MAX)
            return false;
        s->dim[s->rank++] = (int64_t)d;
    }
    return true;
}

/* InferOutputTensor: name 1, datatype 2, shape 3 */
static bool read_output(struct ms_bytes in, struct answer *w, struct ms_arena *a)
{
    struct ms_wire_item it;
    size_t k = w->n;

    w->out[k] = (struct mindserve_named){"", NULL};
    w->shape[k] = ms_shape_scalar();
    w->dtype[k] = MS_DTYPE_NONE;
    while (ms_wire_next(&in, &it)) {
        if (it.number == 1 && it.type == MS_WIRE_LENGTH)
            w->out[k].name = ms_arena_strndup(a, it.bytes.data, it.bytes.len);
        else if (it.number == 2 && it.type == MS_WIRE_LENGTH)
            w->dtype[k] = ms_dtype_from_oip((const char *)it.bytes.data, it.bytes.len);
        else if (it.number == 3 && it.type == MS_WIRE_LENGTH && !read_shape(it.bytes, &w->shape[k]))
            return false;
        else if (it.number == 3 && it.type == MS_WIRE_VARINT &&
                 (w->shape[k].rank == MS_MAX_RANK || it.value > INT64_MAX))
            return false;
        else if (it.number == 3 && it.type == MS_WIRE_VARINT)
            w->shape[k].dim[w->shape[k].rank++] = (int64_t)it.value;
    }
    w->n++;
    return in.len == 0 && w->out[k].name && w->dtype[k] != MS_DTYPE_NONE;
}

static bool fill_text(struct ms_tensor *t, struct ms_bytes raw)
{
    uint32_t len;

    for (size_t i = 0; i < ms_tensor_count(t); i++) {
        if (raw.len < 4)
            return false;
        memcpy(&len, raw.data, 4);
        if (len > raw.len - 4 ||
            !mindserve_tensor_set_string(ms_handle_of(t), i, raw.data + 4, len))
            return false;
        raw = ms_bytes(raw.data + 4 + len, raw.len - 4 - len);
    }
    return raw.len == 0;
}

/* raw_output_contents k. A shape is believed only as far as its bytes came along. */
static bool read_raw(struct ms_bytes raw, struct answer *w, size_t k)
{
    size_t bytes, count;
    struct ms_tensor *t;

    if (!ms_shape_count(&w->shape[k], &count))
        return false;
    if (w->dtype[k] == MS_STRING
            ? count > raw.len / 4
            : !ms_shape_bytes(&w->shape[k], w->dtype[k], &bytes) || bytes != raw.len)
        return false;
    w->out[k].tensor =
        mindserve_tensor_new((enum mindserve_dtype)w->dtype[k], w->shape[k].rank, w->shape[k].dim);
    t = ms_tensor_of(w->out[k].tensor);
    if (!t)
        return false;
    if (w->dtype[k] == MS_STRING)
        return fill_text(t, raw);
    if (raw.len)
        memcpy(t->data, raw.data, raw.len);
    return true;
}

static ms_code make_room(struct ms_bytes in, struct answer *w, struct ms_arena *a,
                         struct ms_err *err)
{
    struct ms_wire_item it;

    while (ms_wire_next(&in, &it))
        w->cap += it.number == 5;
    w->out = ms_arena_array(a, w->cap + 1, sizeof *w->out);
    w->dtype = ms_arena_array(a, w->cap + 1, sizeof *w->dtype);
    w->shape = ms_arena_array(a, w->cap + 1, sizeof *w->shape);
    return w->out && w->dtype && w->shape ? MS_OK : ms_fail_oom(err, "outputs", w->cap);
}

/* ModelInferResponse: model_version 2, outputs 5, raw_output_contents 6. Outputs come before their
 * contents, as every encoder writes them. */
static ms_code decode(struct ms_bytes in, struct ms_arena *a, struct mindserve_outputs *r,
                      struct ms_err *err)
{
    struct answer w = {0};
    struct ms_wire_item it;
    bool ok = true;

    MS_TRY(make_room(in, &w, a, err));
    r->output = w.out;
    r->version = "";
    while (ok && ms_wire_next(&in, &it)) {
        if (it.type != MS_WIRE_LENGTH)
            continue;
        if (it.number == 2)
            r->version = ms_arena_strndup(a, it.bytes.data, it.bytes.len);
        else if (it.number == 5)
            ok = read_output(it.bytes, &w, a);
        else if (it.number == 6)
            ok = w.n_raw < w.n && read_raw(it.bytes, &w, w.n_raw++);
        r->n = (int)w.n;
    }
    if (!ok || in.len || w.n_raw != w.n || !r->version)
        return ms_fail(err, MS_DATA_LOSS, "the server's answer is malformed at output %zu",
                       w.n_raw ? w.n_raw - 1 : 0);
    return MS_OK;
}

/* ---- the call ---- */

/* Names of the inputs: the caller's, or the model's in order, which costs a question. */
static ms_code input_names(struct mindserve *ms, const char *name, uint64_t version,
                           const struct mindserve_named *in, int n, struct ms_arena *a,
                           const char **names, struct ms_err *err)
{
    struct mindserve_info *info;
    ms_code code = MS_OK;

    for (int i = 0; i < n; i++)
        names[i] = in[i].name;
    if (n == 0 || in[0].name)
        return MS_OK;
    MS_TRY(ms_remote_show(ms, name, version, false, &info, err));
    if (n > info->n_inputs)
        code = ms_fail(err, MS_INVALID_ARGUMENT, "expected %d inputs, got %d", info->n_inputs, n);
    for (int i = 0; i < n && code == MS_OK; i++)
        if (!(names[i] = ms_arena_strdup(a, info->inputs[i].name)))
            code = ms_fail_oom(err, "names", 0);
    mindserve_info_free(info);
    return code;
}

static ms_code infer(struct mindserve *ms, const char *name, uint64_t version,
                     const struct mindserve_named *in, int n_in,
                     const struct mindserve_infer_options *o, struct ms_arena *a,
                     struct mindserve_outputs *r, struct ms_err *err)
{
    const char **names = ms_arena_array(a, (size_t)n_in + 1, sizeof *names);
    struct request q = {0};
    grpc_byte_buffer *reply;
    struct ms_bytes bytes;
    ms_code code;

    if (!names)
        return ms_fail_oom(err, "request", 0);
    MS_TRY(input_names(ms, name, version, in, n_in, a, names, err));
    ms_buf_init(&q.head, 64 << 20);
    ms_buf_init(&q.tags, 1 << 20);
    code = encode(&q, name, version, in, names, n_in, o, a, err);
    if (code == MS_OK)
        code = ms_remote_unary(ms_remote(ms), method, q.piece, q.n, o->timeout_ms, &reply, err);
    ms_buf_done(&q.head);
    ms_buf_done(&q.tags);
    if (code != MS_OK)
        return code;
    code = ms_remote_bytes(reply, a, &bytes, err);
    grpc_byte_buffer_destroy(reply);
    return code == MS_OK ? decode(bytes, a, r, err) : code;
}

ms_code ms_remote_infer(struct mindserve *ms, const char *name, uint64_t version,
                        const struct mindserve_named *in, int n_in,
                        const struct mindserve_infer_options *o, struct mindserve_outputs **out,
                        struct ms_err *err)
{
    struct ms_arena *a = NULL;
    struct mindserve_outputs *r = ms_result_new(sizeof *r, &a);
    ms_code code;

    if (!r)
        return ms_fail_oom(err, "result", sizeof *r);
    r->owner = a;
    code = infer(ms, name, version, in, n_in, o, a, r, err);
    if (code != MS_OK) {
        mindserve_outputs_free(r);
        return code;
    }
    *out = r;
    return MS_OK;
}
