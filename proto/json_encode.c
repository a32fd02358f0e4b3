/* SPDX-License-Identifier: Apache-2.0 */
/* json_encode.c - an infer reply as JSON, binary outputs behind it.
 *
 * Floats are written with the fewest digits (6 to 9) that read back to the same bits; doubles with
 * 15 or 17. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "proto/json.h"

enum { MAX_REPLY = INT32_MAX };

static bool put_special(struct ms_buf *b, double v)
{
    if (isnan(v))
        ms_buf_puts(b, "\"NaN\"");
    else if (isinf(v))
        ms_buf_puts(b, v < 0 ? "\"-Infinity\"" : "\"Infinity\"");
    else
        return false;
    return true;
}

static const double ten[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
                             1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};

/* Does m / 10^k (or m * 10^-k) read back as f? Exact operands, one rounding to double; the rounding
 * to float that follows is right unless the double lies half way between two floats. */
static bool reads_back(uint64_t m, int k, float f)
{
    union {
        double d;
        uint64_t u;
    } v = {k >= 0 ? (double)m / ten[k] : (double)m * ten[-k]};

    return (float)v.d == f && (v.u & 0x1fffffff) != 0x10000000;
}

/* digits of m with the decimal point so that the value is m / 10^k; -6 < exponent < 16 here. */
static void put_decimal(struct ms_buf *b, uint64_t m, int k)
{
    char text[48];
    int n = 0, at = 0;
    char digits[24];

    while (k > 0 && m % 10 == 0) {
        m /= 10;
        k--;
    }
    for (; k < 0; k++)
        m *= 10;
    do
        digits[n++] = (char)('0' + m % 10);
    while ((m /= 10) != 0);
    while (n <= k)
        digits[n++] = '0';
    while (n > 0) {
        text[at++] = digits[--n];
        if (n == k && n > 0)
            text[at++] = '.';
    }
    if (k == 0) {
        text[at++] = '.';
        text[at++] = '0';
    }
    ms_buf_add(b, text, (size_t)at);
}

static void put_f32(struct ms_buf *b, float f)
{
    double v = fabs((double)f);

    if (put_special(b, (double)f))
        return;
    if (signbit(f))
        ms_buf_putc(b, '-');
    if (v == 0) {
        ms_buf_puts(b, "0.0");
        return;
    }
    if (v < 1e-5 || v >= 1e15) {
        ms_buf_printf(b, "%.9g", v);
        return;
    }
    int e = 0; /* v in [10^e, 10^(e+1)) */
    while (e < 15 && v >= ten[e + 1])
        e++;
    while (e <= 0 && v * ten[-e] < 1)
        e--;
    for (int n = 6; n <= 9; n++) {
        int k = n - 1 - e;
        uint64_t m = (uint64_t)(k >= 0 ? v * ten[k] + 0.5 : v / ten[-k] + 0.5);
        if (reads_back(m, k, (float)v)) {
            put_decimal(b, m, k);
            return;
        }
    }
    ms_buf_printf(b, "%.9g", v);
}

static void put_f64(struct ms_buf *b, double v)
{
    char text[40];

    if (put_special(b, v))
        return;
    if (v == trunc(v) && fabs(v) < 1e15) {
        ms_buf_printf(b, "%.1f", v);
        return;
    }
    snprintf(text, sizeof text, "%.15g", v);
    if (strtod(text, NULL) != v)
        snprintf(text, sizeof text, "%.17g", v);
    ms_buf_puts(b, text);
}

static void put_int(struct ms_buf *b, const struct ms_tensor *t, size_t i)
{
    char text[24];
    int at = sizeof text;
    int64_t s = ms_tensor_i64(t, i);
    bool negative = ms_dtype_kind(t->dtype) == MS_KIND_INT && s < 0;
    uint64_t u = negative ? 0 - (uint64_t)s : (uint64_t)s;

    do
        text[--at] = (char)('0' + u % 10);
    while ((u /= 10) != 0);
    if (negative)
        text[--at] = '-';
    ms_buf_add(b, text + at, sizeof text - (size_t)at);
}

static void put_data(struct ms_buf *b, const struct ms_tensor *t)
{
    size_t n = ms_tensor_count(t);

    ms_buf_puts(b, "\"data\":[");
    for (size_t i = 0; i < n; i++) {
        if (i)
            ms_buf_putc(b, ',');
        switch (ms_dtype_kind(t->dtype)) {
        case MS_KIND_FLOAT:
            if (t->dtype == MS_F32)
                put_f32(b, ((const float *)t->data)[i]);
            else
                put_f64(b, ((const double *)t->data)[i]);
            break;
        case MS_KIND_BOOL:
            ms_buf_puts(b, ((const uint8_t *)t->data)[i] ? "true" : "false");
            break;
        case MS_KIND_TEXT: {
            const struct ms_bytes *s = (const struct ms_bytes *)t->data + i;
            ms_buf_json(b, (const char *)s->data, s->len);
            break;
        }
        default:
            put_int(b, t, i);
            break;
        }
    }
    ms_buf_putc(b, ']');
}

static ms_code put_output(struct ms_predict *p, const struct ms_request *r, int i, struct ms_buf *b,
                          struct ms_bytes *raw, struct ms_err *err)
{
    const char *name = r->out[i].name;
    const struct ms_req_output *wish = ms_predict_wish(r, name);
    struct ms_tensor *t = r->out[i].tensor;
    bool binary = wish ? wish->binary : r->binary_default;

    if (wish && wish->classes > 0 &&
        ms_predict_classify(p, &r->out[i], wish->classes, &t, err) != MS_OK)
        return ms_err_prefix(err, "output '%.100s'", name);
    if (!binary && (t->dtype == MS_F16 || t->dtype == MS_BF16))
        return ms_fail(err, MS_INVALID_ARGUMENT,
                       "output '%.100s': %s travels as binary data, not as JSON", name,
                       ms_dtype_oip(t->dtype));
    ms_buf_puts(b, i ? ",{\"name\":" : "{\"name\":");
    ms_buf_json(b, name, strlen(name));
    ms_buf_printf(b, ",\"datatype\":\"%s\",\"shape\":[", ms_dtype_oip(t->dtype));
    for (int k = 0; k < t->shape.rank; k++)
        ms_buf_printf(b, "%s%" PRId64, k ? "," : "", t->shape.dim[k]);
    ms_buf_puts(b, "],");
    if (binary) {
        MS_TRY(ms_predict_raw_result(p, t, raw, err));
        ms_buf_printf(b, "\"parameters\":{\"binary_data_size\":%zu}", raw->len);
    } else {
        put_data(b, t);
    }
    ms_buf_putc(b, '}');
    return MS_OK;
}

static ms_code put_reply(struct ms_predict *p, const struct ms_request *r, struct ms_buf *b,
                         struct ms_bytes *raw, struct ms_err *err)
{
    ms_buf_putc(b, '{');
    if (*r->id) {
        ms_buf_puts(b, "\"id\":");
        ms_buf_json(b, r->id, strlen(r->id));
        ms_buf_putc(b, ',');
    }
    ms_buf_puts(b, "\"model_name\":");
    ms_buf_json(b, r->model, strlen(r->model));
    ms_buf_printf(b, ",\"model_version\":\"%s\",\"outputs\":[", r->out_version);
    for (int i = 0; i < r->n_out; i++)
        MS_TRY(put_output(p, r, i, b, &raw[i], err));
    ms_buf_puts(b, "]}");
    return ms_buf_ok(b) ? MS_OK : ms_fail_oom(err, "reply", b->len);
}

ms_code ms_json_encode(struct ms_predict *p, const struct ms_request *r, struct ms_bytes **part,
                       int *n, size_t *header_len, struct ms_err *err)
{
    struct ms_bytes *out = ms_arena_array(p->arena, (size_t)r->n_out + 1, sizeof *out);
    struct ms_buf b;
    uint8_t *text = NULL;

    if (!out)
        return ms_fail_oom(err, "reply", sizeof *out);
    ms_buf_init(&b, MAX_REPLY);
    ms_code code = put_reply(p, r, &b, out + 1, err);
    if (code == MS_OK && !(text = ms_predict_alloc(p, b.len, err)))
        code = err->code;
    if (code != MS_OK) {
        ms_buf_done(&b);
        return code;
    }
    memcpy(text, b.data, b.len);
    out[0] = ms_bytes(text, b.len);
    ms_buf_done(&b);
    *header_len = 0;
    int k = 1;
    for (int i = 1; i <= r->n_out; i++) {
        const struct ms_req_output *wish = ms_predict_wish(r, r->out[i - 1].name);
        if (wish ? wish->binary : r->binary_default)
            *header_len = out[0].len;
        if (out[i].len)
            out[k++] = out[i];
    }
    *part = out;
    *n = k;
    return MS_OK;
}
