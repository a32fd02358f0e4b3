/* SPDX-License-Identifier: Apache-2.0 */
/* wide.c - see wide.h. */
#include "kernels/wide.h"

#include "base/mem.h"

static bool is_narrow(const struct ms_tensor *t)
{
    return t && ms_dtype_kind(t->dtype) == MS_KIND_FLOAT && t->dtype != MS_F64;
}

/* Bytes of the f64 copy; a tensor that exists has at most PTRDIFF_MAX bytes, its copy may not. */
static size_t wide_bytes(const struct ms_tensor *t)
{
    size_t bytes;

    if (!ms_mul(ms_tensor_count(t), sizeof(double), &bytes) || bytes > SIZE_MAX / 4)
        return SIZE_MAX / 4;
    return ms_align64(bytes);
}

size_t ms_wide_scratch(const struct ms_task *t)
{
    size_t sum = 0;

    for (int i = 0; i < t->n_in; i++)
        if (is_narrow(t->in[i]) && !ms_add(sum, wide_bytes(t->in[i]), &sum))
            return SIZE_MAX;
    for (int i = 0; i < t->n_out; i++)
        if (is_narrow(t->out[i]) && !ms_add(sum, wide_bytes(t->out[i]), &sum))
            return SIZE_MAX;
    return sum;
}

static void widen(struct ms_tensor *w, const struct ms_tensor *t)
{
    double *y = w->data;
    size_t n = ms_tensor_count(t);
    const uint16_t *h = t->data;

    if (t->dtype == MS_F32)
        for (size_t i = 0; i < n; i++)
            y[i] = (double)((const float *)t->data)[i];
    else if (t->dtype == MS_F16)
        for (size_t i = 0; i < n; i++)
            y[i] = (double)ms_f16_to_f32(h[i]);
    else
        for (size_t i = 0; i < n; i++)
            y[i] = (double)ms_bf16_to_f32(h[i]);
}

static void narrow(struct ms_tensor *t, const struct ms_tensor *w)
{
    const double *x = w->data;
    size_t n = ms_tensor_count(t);
    uint16_t *h = t->data;

    if (t->dtype == MS_F32)
        for (size_t i = 0; i < n; i++)
            ((float *)t->data)[i] = (float)x[i];
    else if (t->dtype == MS_F16)
        for (size_t i = 0; i < n; i++)
            h[i] = ms_f32_to_f16((float)x[i]);
    else
        for (size_t i = 0; i < n; i++)
            h[i] = ms_f32_to_bf16((float)x[i]);
}

static void make_wide(struct ms_tensor *w, const struct ms_tensor *t, uint8_t **at)
{
    *w = (struct ms_tensor){.dtype = MS_F64, .shape = t->shape, .data = *at};
    w->bytes = ms_tensor_count(t) * sizeof(double);
    *at += ms_align64(w->bytes);
}

void ms_wide_run(const struct ms_task *t, void (*fn)(const struct ms_task *))
{
    struct ms_tensor win[MS_WIDE_MAX], wout[MS_WIDE_MAX];
    struct ms_tensor *in[MS_WIDE_MAX], *out[MS_WIDE_MAX];
    struct ms_task w = *t;
    uint8_t *at = t->scratch;

    if (t->n_in > MS_WIDE_MAX || t->n_out > MS_WIDE_MAX) {
        ms_task_fail(t, MS_INTERNAL, "too many operands");
        return;
    }
    for (int i = 0; i < t->n_in; i++) {
        in[i] = t->in[i];
        if (is_narrow(t->in[i])) {
            make_wide(&win[i], t->in[i], &at);
            widen(&win[i], t->in[i]);
            in[i] = &win[i];
        }
    }
    for (int i = 0; i < t->n_out; i++) {
        out[i] = t->out[i];
        if (is_narrow(t->out[i])) {
            make_wide(&wout[i], t->out[i], &at);
            out[i] = &wout[i];
        }
    }
    w.in = in;
    w.out = out;
    w.scratch = at;
    fn(&w);
    for (int i = 0; i < t->n_out; i++)
        if (is_narrow(t->out[i]))
            narrow(t->out[i], out[i]);
}

ms_code ms_infer_one_dtype(const struct ms_infer *c, int n)
{
    enum ms_dtype first = MS_DTYPE_NONE;

    for (int i = 0; i < n && i < c->node->n_in; i++) {
        enum ms_dtype t = c->in[i].dtype;
        if (t == MS_DTYPE_NONE)
            continue;
        if (first == MS_DTYPE_NONE)
            first = t;
        if (t != first)
            return ms_fail(c->err, MS_INVALID_ARGUMENT, "input %d is %s, input 0 is %s", i,
                           ms_dtype_name(t), ms_dtype_name(first));
    }
    return MS_OK;
}
