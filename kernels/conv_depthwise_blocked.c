/* SPDX-License-Identifier: Apache-2.0 */
/* conv_depthwise_blocked.c - one input channel for each output channel, on channel-blocked tensors.
 *
 * A block of channels is a vector, so nothing is shared between lanes and any window is a sum of
 * vectors. Rows above and below the input are read from a row of zeros in scratch; columns beside
 * it are left out. Units are output rows of a block, in the order of blocked.h.
 *
 * Where the input comes from a convolution that widens it (MobileNet), the two run as a pair
 * (conv_band.h). */
#include <string.h>

#include "base/mem.h"
#include "kernels/blocked.h"
#include "kernels/conv.h"
#include "kernels/conv_band.h"

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
    return ms_tensor_count(t->out[0]) == 0 ? 0 : ms_blocked_row_units(t);
}

/* A call, digested; at the beginning of scratch, so that a worker finds it there the next time. */
struct dw {
    struct ms_conv c;
    struct ms_act act;
    const struct state *s;
    enum ms_isa isa;
    size_t vl, blocks;
    bool dirty; /* padding lanes have to be zeroed after the activation */
    const float *rows[MAX_ROWS];
    struct dw_row r;
};

/* The call and a row of zeros. */
size_t ms_conv_dw_blocked_scratch(const struct ms_task *t)
{
    const struct ms_tensor *x = t->in[0];
    size_t bytes;

    return ms_mul((size_t)x->shape.dim[x->shape.rank - 1], x->layout * sizeof(float), &bytes) &&
                   ms_add(bytes, ms_align64(sizeof(struct dw)), &bytes)
               ? bytes
               : SIZE_MAX;
}

/* Channels beyond the last, when the activation does not leave them zero. */
static void clean(float *y, size_t n, size_t vl, size_t have)
{
    for (size_t i = 0; i < n; i++)
        memset(y + i * vl + have, 0, (vl - have) * sizeof *y);
}

static void open_call(struct dw *d, const struct ms_task *t, enum ms_isa isa)
{
    const struct ms_window *w = &d->c.w;
    int64_t from, end;

    ms_conv_of(&d->c, t);
    ms_window_inside(w, 2, &from, &end);
    d->act = ms_act_of_node(t->node, isa);
    d->s = t->state;
    d->isa = isa;
    d->vl = width_of(isa);
    d->blocks = ((size_t)d->c.oc + d->vl - 1) / d->vl;
    d->dirty = ms_act_ref(&d->act, 0) != 0;
    d->r = (struct dw_row){.x = d->rows,
                           .n = (size_t)w->out[2],
                           .width = (size_t)w->in[2],
                           .from = (size_t)from,
                           .end = (size_t)end,
                           .kh = (size_t)w->k[1],
                           .kw = (size_t)w->k[2],
                           .s = (size_t)w->s[2],
                           .d = (size_t)w->d[2],
                           .pad = (size_t)w->pb[2],
                           .lo = d->act.lo,
                           .hi = d->act.hi};
}

/* Output row i of a block. x: where row 0 of the block would be. */
static void run_row(struct dw *d, size_t item, size_t b, size_t i, const float *x,
                    const float *zeros)
{
    const struct ms_window *w = &d->c.w;
    const size_t oh = (size_t)w->out[1], vl = d->vl;
    const size_t at = ((item * d->blocks + b) * oh + i) * d->r.n * vl;
    const int64_t top = (int64_t)i * w->s[1] - w->pb[1];
    struct dw_row *r = &d->r;

    for (int64_t h = 0; h < w->k[1]; h++) {
        int64_t from = top + h * w->d[1];
        d->rows[h] = from < 0 || from >= w->in[1] ? zeros : x + from * (int64_t)(r->width * vl);
    }
    r->w = d->s->w + b * (size_t)d->c.taps * vl;
    r->bias = d->s->bias + b * vl;
    r->res = d->c.res ? (const float *)d->c.res + at : NULL;
    r->y = (float *)d->c.y + at;
    (d->isa == MS_ISA_AVX512 ? v16_dw_row : v8_dw_row)(r);
    if (d->act.more)
        d->act.row(r->y, r->y, r->n * vl, d->act.a, d->act.b);
    if (d->dirty && (size_t)d->c.oc < (b + 1) * vl)
        clean(r->y, r->n, vl, (size_t)d->c.oc - b * vl);
}

/* Rows [row, row + rows) of some blocks. */
static void run_part(struct dw *d, const struct ms_task *t, const struct ms_block_part *p,
                     const float *zeros)
{
    for (size_t b = p->block; b < p->block + p->blocks && !ms_task_stopped(t); b++) {
        const float *x = (const float *)d->c.x + ms_block_row(t->in[0], p->item, b, 0);
        for (size_t i = p->row; i < p->row + p->rows; i++)
            run_row(d, p->item, b, i, x, zeros);
    }
}

static void run(const struct ms_task *t, enum ms_isa isa)
{
    struct dw *d = t->scratch;
    float *zeros = (float *)(void *)((uint8_t *)t->scratch + ms_align64(sizeof *d));
    struct ms_block_part p;

    if (ms_tensor_count(t->out[0]) == 0)
        return;
    if (!t->memo || *t->memo == SIZE_MAX) {
        open_call(d, t, isa);
        memset(zeros, 0, d->r.width * d->vl * sizeof *zeros);
    }
    if (t->memo)
        *t->memo = 0; /* the call is in scratch */
    for (size_t u = t->first; ms_block_part(t->out[0], &u, t->last, &p);)
        run_part(d, t, &p, zeros);
}

void ms_conv_dw_blocked_avx512(const struct ms_task *t)
{
    run(t, MS_ISA_AVX512);
}

void ms_conv_dw_blocked_avx2(const struct ms_task *t)
{
    run(t, MS_ISA_AVX2);
}

/* ---- as a pair with the convolution that makes the input ---- */

static bool band_of(struct ms_conv_band *b, const struct ms_task *first, const struct ms_task *t)
{
    struct ms_conv c;

    ms_conv_of(&c, t);
    return ms_conv_band_init(b, first, t, &c.w);
}

static size_t pair_units(const struct ms_task *first, const struct ms_task *t)
{
    struct ms_conv_band b;

    return band_of(&b, first, t) ? ms_conv_band_units(&b, t) : 0;
}

/* A row of zeros and the band. */
static size_t pair_scratch(const struct ms_task *first, const struct ms_task *t)
{
    struct ms_conv_band b;
    size_t bytes;

    return band_of(&b, first, t) && ms_conv_band_scratch(&b, &bytes) &&
                   ms_add(bytes, ms_align64(b.row * sizeof(float)), &bytes)
               ? bytes
               : SIZE_MAX;
}

static void pair_run(const struct ms_task *first, const struct ms_task *t, enum ms_isa isa)
{
    const size_t before = t->memo ? *t->memo : SIZE_MAX; /* the unit whose rows are in scratch */
    struct ms_conv_rows have = {0}, need;
    struct ms_conv_band p;
    struct dw d;

    if (!band_of(&p, first, t))
        return;
    open_call(&d, t, isa);
    float *zeros = t->scratch;
    void *rest = (uint8_t *)t->scratch + ms_align64(p.row * sizeof *zeros);
    memset(zeros, 0, p.row * sizeof *zeros);
    if (before != SIZE_MAX)
        have = ms_conv_band_rows(&p, before);
    for (size_t u = t->first; u < t->last && !ms_task_stopped(t); u++, have = need) {
        const size_t r = ms_conv_band_row(&p, u % p.bands);
        const size_t end = ms_conv_band_row(&p, u % p.bands + 1);
        need = ms_conv_band_rows(&p, u);
        const float *band = ms_conv_band_fill(&p, first, &have, &need, rest);
        for (size_t b = 0; b < d.blocks; b++)
            for (size_t i = r; i < end; i++)
                run_row(&d, need.item, b, i, band + b * p.plane - need.from * p.row, zeros);
        if (t->memo)
            *t->memo = u;
    }
}

static void pair_avx512(const struct ms_task *first, const struct ms_task *t)
{
    pair_run(first, t, MS_ISA_AVX512);
}

static void pair_avx2(const struct ms_task *first, const struct ms_task *t)
{
    pair_run(first, t, MS_ISA_AVX2);
}

const struct ms_pairing ms_conv_dw_pairing_avx512 = {.after = ms_conv_direct_avx512,
                                                     .units = pair_units,
                                                     .scratch = pair_scratch,
                                                     .run = pair_avx512};
const struct ms_pairing ms_conv_dw_pairing_avx2 = {
    .after = ms_conv_direct_avx2, .units = pair_units, .scratch = pair_scratch, .run = pair_avx2};
