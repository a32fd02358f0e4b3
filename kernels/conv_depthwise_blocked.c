/* SPDX-License-Identifier: Apache-2.0 */
/* conv_depthwise_blocked.c - one input channel for each output channel, on channel-blocked tensors.
 *
 * A block of channels is a vector, so nothing is shared between lanes and any window is a sum of
 * vectors. Rows above and below the input are read from a row of zeros in scratch; columns beside
 * it are left out. Units are output rows of a block. */
#include <string.h>

#include "base/mem.h"
#include "kernels/conv.h"

/* One output row of a block. */
struct dw_row {
    const float *const *x; /* kh input rows */
    const float *w, *bias, *res;
    float *y;
    size_t n, width;  /* outputs, inputs of a row */
    size_t from, end; /* outputs whose window lies inside */
    size_t kh, kw, s, d, pad;
    float lo, hi;
};

#include "kernels/vec_avx2.h"
#include "kernels/conv_depthwise_blocked.inc"
#include "kernels/vec_avx512.h"
#include "kernels/conv_depthwise_blocked.inc"

enum { MAX_ROWS = 64 }; /* of a window */

struct state {
    const float *w, *bias; /* [block][tap][lane], [block][lane] */
};

static size_t width_of(enum ms_isa isa)
{
    return isa == MS_ISA_AVX512 ? 16 : 8;
}

bool ms_conv_dw_blocked_applicable(const struct ms_prep *p)
{
    const struct ms_shape *w = &p->in[1].shape;
    int64_t groups = ms_attr_int(p->node, "group");

    return groups > 1 && w->dim[1] == 1 && w->dim[0] == groups &&
           (w->rank == 3 || w->dim[2] <= MAX_ROWS);
}

static ms_code prepare(const struct ms_prep *p, enum ms_isa isa, const void **state,
                       struct ms_err *err)
{
    const struct ms_tensor *wt = p->in[1].value;
    const struct ms_tensor *bias = p->node->n_in > 2 ? p->in[2].value : NULL;
    size_t vl = width_of(isa), oc = (size_t)wt->shape.dim[0], blocks = (oc + vl - 1) / vl;
    size_t taps = ms_shape_span(&wt->shape, 2, wt->shape.rank), bytes;
    bool ok = ms_mul(blocks * vl, (taps + 1) * sizeof(float), &bytes);
    struct state *s = ok ? p->alloc(p, bytes + 64) : NULL;

    if (!s)
        return ms_fail_oom(err, "packed weights", bytes);
    float *w = (float *)((uint8_t *)s + 64), *b = w + blocks * taps * vl;
    memset(w, 0, bytes);
    for (size_t o = 0; o < oc; o++)
        for (size_t t = 0; t < taps; t++)
            w[(o / vl * taps + t) * vl + o % vl] = ((const float *)wt->data)[o * taps + t];
    if (bias)
        memcpy(b, bias->data, oc * sizeof *b);
    *s = (struct state){.w = w, .bias = b};
    *state = s;
    return MS_OK;
}

ms_code ms_conv_dw_blocked_prepare_avx512(const struct ms_prep *p, const void **state,
                                          struct ms_err *err)
{
    return prepare(p, MS_ISA_AVX512, state, err);
}

ms_code ms_conv_dw_blocked_prepare_avx2(const struct ms_prep *p, const void **state,
                                        struct ms_err *err)
{
    return prepare(p, MS_ISA_AVX2, state, err);
}

size_t ms_conv_dw_blocked_units(const struct ms_task *t)
{
    const struct ms_tensor *y = t->out[0];
    size_t blocks = ms_layout_channels(y->layout, y->shape.dim[1]) / y->layout;

    if (ms_tensor_count(y) == 0)
        return 0;
    return (size_t)y->shape.dim[0] * blocks * (y->shape.rank == 4 ? (size_t)y->shape.dim[2] : 1);
}

/* A row of zeros. */
size_t ms_conv_dw_blocked_scratch(const struct ms_task *t)
{
    const struct ms_tensor *x = t->in[0];
    size_t bytes;

    return ms_mul((size_t)x->shape.dim[x->shape.rank - 1], x->layout * sizeof(float), &bytes)
               ? bytes
               : SIZE_MAX;
}

/* Outputs [from, end) have the whole window inside [0, in). */
static void interior(const struct ms_window *w, size_t *from, size_t *end)
{
    int64_t reach = (w->k[2] - 1) * w->d[2], last = w->in[2] - 1 - reach + w->pb[2];
    int64_t f = (w->pb[2] + w->s[2] - 1) / w->s[2], e = last < 0 ? 0 : last / w->s[2] + 1;

    e = e > w->out[2] ? w->out[2] : e;
    f = f > w->out[2] ? w->out[2] : f;
    *from = (size_t)f;
    *end = (size_t)(e < f ? f : e);
}

/* Channels beyond the last, when the activation does not leave them zero. */
static void clean(float *y, size_t n, size_t vl, size_t have)
{
    for (size_t i = 0; i < n; i++)
        memset(y + i * vl + have, 0, (vl - have) * sizeof *y);
}

static void run(const struct ms_task *t, enum ms_isa isa)
{
    const struct state *s = t->state;
    const struct ms_act act = ms_act_of_node(t->node, isa);
    const bool dirty = ms_act_ref(&act, 0) != 0;
    const float *rows[MAX_ROWS], *zeros = t->scratch;
    size_t vl = width_of(isa);
    struct ms_conv c;

    if (ms_tensor_count(t->out[0]) == 0)
        return;
    ms_conv_of(&c, t);
    const struct ms_window *w = &c.w;
    size_t blocks = ((size_t)c.oc + vl - 1) / vl, oh = (size_t)w->out[1];
    struct dw_row r = {.x = rows,
                       .n = (size_t)w->out[2],
                       .width = (size_t)w->in[2],
                       .kh = (size_t)w->k[1],
                       .kw = (size_t)w->k[2],
                       .s = (size_t)w->s[2],
                       .d = (size_t)w->d[2],
                       .pad = (size_t)w->pb[2],
                       .lo = act.lo,
                       .hi = act.hi};
    interior(w, &r.from, &r.end);
    memset(t->scratch, 0, r.width * vl * sizeof(float));
    for (size_t u = t->first; u < t->last && !ms_task_stopped(t); u++) {
        size_t nb = u / oh, b = nb % blocks, at = u * r.n * vl;
        const float *x = (const float *)c.x + nb * (size_t)c.in_px * vl;
        int64_t top = (int64_t)(u % oh) * w->s[1] - w->pb[1];
        for (int64_t h = 0; h < w->k[1]; h++) {
            int64_t from = top + h * w->d[1];
            rows[h] = from < 0 || from >= w->in[1] ? zeros : x + (size_t)from * r.width * vl;
        }
        r.w = s->w + b * (size_t)c.taps * vl;
        r.bias = s->bias + b * vl;
        r.res = c.res ? (const float *)c.res + at : NULL;
        r.y = (float *)c.y + at;
        (isa == MS_ISA_AVX512 ? v16_dw_row : v8_dw_row)(&r);
        if (act.more)
            act.row(r.y, r.y, r.n * vl, act.a, act.b);
        if (dirty && (size_t)c.oc < (b + 1) * vl)
            clean(r.y, r.n, vl, (size_t)c.oc - b * vl);
    }
}

void ms_conv_dw_blocked_avx512(const struct ms_task *t)
{
    run(t, MS_ISA_AVX512);
}

void ms_conv_dw_blocked_avx2(const struct ms_task *t)
{
    run(t, MS_ISA_AVX2);
}
