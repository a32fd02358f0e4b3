/* SPDX-License-Identifier: Apache-2.0 */
/* predict_encode.c - ModelInferResponse as pieces: head and tags in the arena, tensors where they
 * are.
 *
 *     head: model_name 1, model_version 2, id 3, outputs 5 ...  | 0x32 len | tensor | 0x32 len |
 * ... */
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "proto/predict.h"

enum { OUT_RAW_TAG = 6 << 3 | 2, MAX_REPLY = INT32_MAX };

static void put_varint(struct ms_buf *b, uint64_t v)
{
    while (v >= 0x80) {
        ms_buf_putc(b, (char)(v | 0x80));
        v >>= 7;
    }
    ms_buf_putc(b, (char)v);
}

static size_t varint_size(uint64_t v)
{
    size_t n = 1;

    for (; v >= 0x80; v >>= 7)
        n++;
    return n;
}

static void put_bytes(struct ms_buf *b, unsigned field, const void *s, size_t len)
{
    put_varint(b, field << 3 | 2);
    put_varint(b, len);
    ms_buf_add(b, s, len);
}

static void put_text(struct ms_buf *b, unsigned field, const char *s)
{
    if (*s)
        put_bytes(b, field, s, strlen(s));
}

/* InferOutputTensor: name 1, datatype 2, shape 3 (packed). */
static void put_output(struct ms_buf *b, const char *name, const struct ms_tensor *t)
{
    const char *dtype = ms_dtype_oip(t->dtype);
    size_t name_len = strlen(name), dtype_len = strlen(dtype), dims = 0;

    for (int i = 0; i < t->shape.rank; i++)
        dims += varint_size((uint64_t)t->shape.dim[i]);
    size_t size = 1 + varint_size(name_len) + name_len + 2 + dtype_len;
    if (dims)
        size += 1 + varint_size(dims) + dims;
    put_varint(b, 5 << 3 | 2);
    put_varint(b, size);
    put_bytes(b, 1, name, name_len);
    put_bytes(b, 2, dtype, dtype_len);
    if (dims) {
        put_varint(b, 3 << 3 | 2);
        put_varint(b, dims);
        for (int i = 0; i < t->shape.rank; i++)
            put_varint(b, (uint64_t)t->shape.dim[i]);
    }
}

/* The tensors as they go out: results, or their classification. */
static ms_code outputs(struct ms_predict *p, const struct ms_request *r, struct ms_tensor **t,
                       struct ms_bytes *raw, struct ms_err *err)
{
    for (int i = 0; i < r->n_out; i++) {
        const struct ms_req_output *wish = ms_predict_wish(r, r->out[i].name);

        t[i] = r->out[i].tensor;
        if (wish && wish->classes > 0 &&
            ms_predict_classify(p, &r->out[i], wish->classes, &t[i], err) != MS_OK)
            return ms_err_prefix(err, "output '%.100s'", r->out[i].name);
        MS_TRY(ms_predict_raw_result(p, t[i], &raw[i], err));
    }
    return MS_OK;
}

/* The head, and behind it the tags of the raw contents; cut[i] is where the tag of output i ends.
 */
static void head(struct ms_buf *b, const struct ms_request *r, struct ms_tensor *const *t,
                 const struct ms_bytes *raw, size_t *cut)
{
    put_text(b, 1, r->model);
    put_text(b, 2, r->out_version);
    put_text(b, 3, r->id);
    for (int i = 0; i < r->n_out; i++)
        put_output(b, r->out[i].name, t[i]);
    for (int i = 0; i < r->n_out; i++) {
        put_varint(b, OUT_RAW_TAG);
        put_varint(b, raw[i].len);
        cut[i] = b->len;
    }
}

static ms_code assemble(struct ms_predict *p, const struct ms_request *r, bool wrapped,
                        const struct ms_buf *b, const struct ms_bytes *raw, const size_t *cut,
                        struct ms_bytes **part, int *n, struct ms_err *err)
{
    struct ms_bytes *out = ms_arena_array(p->arena, (size_t)r->n_out * 2 + 2, sizeof *out);
    uint8_t *text = ms_arena_alloc(p->arena, b->len + 16);
    size_t total = b->len, at = 0;
    int k = 0;

    if (!out || !text)
        return ms_fail_oom(err, "reply", b->len);
    if (b->len)
        memcpy(text, b->data, b->len);
    for (int i = 0; i < r->n_out; i++)
        total += raw[i].len;
    if (total > MAX_REPLY)
        return ms_fail(err, MS_RESOURCE_EXHAUSTED, "the reply would take %zu bytes", total);
    if (wrapped) { /* field 2 of the outer message */
        uint8_t *front = text + b->len;
        size_t len = 0;
        front[len++] = 2 << 3 | 2;
        for (uint64_t v = total;; v >>= 7) {
            front[len++] = (uint8_t)(v < 0x80 ? v : v | 0x80);
            if (v < 0x80)
                break;
        }
        out[k++] = ms_bytes(front, len);
    }
    for (int i = 0; i < r->n_out; i++) {
        out[k++] = ms_bytes(text + at, cut[i] - at);
        at = cut[i];
        if (raw[i].len)
            out[k++] = raw[i];
    }
    if (r->n_out == 0 && b->len)
        out[k++] = ms_bytes(text, b->len);
    *part = out;
    *n = k;
    return MS_OK;
}

ms_code ms_predict_encode(struct ms_predict *p, const struct ms_request *r, bool wrapped,
                          struct ms_bytes **part, int *n, struct ms_err *err)
{
    size_t count = (size_t)r->n_out + 1;
    struct ms_tensor **t = ms_arena_array(p->arena, count, sizeof *t);
    struct ms_bytes *raw = ms_arena_array(p->arena, count, sizeof *raw);
    size_t *cut = ms_arena_array(p->arena, count, sizeof *cut);
    struct ms_buf b;

    if (!t || !raw || !cut)
        return ms_fail_oom(err, "reply", count * sizeof *raw);
    MS_TRY(outputs(p, r, t, raw, err));
    ms_buf_init(&b, MAX_REPLY);
    head(&b, r, t, raw, cut);
    ms_code code = ms_buf_ok(&b) ? assemble(p, r, wrapped, &b, raw, cut, part, n, err)
                                 : ms_fail_oom(err, "reply", b.len);
    ms_buf_done(&b);
    return code;
}
