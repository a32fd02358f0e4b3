/* SPDX-License-Identifier: Apache-2.0 */
/* conv_indirect.c - convolution through a table of pointers (Dukhan, 2019).
 *
 * For a tile of output pixels the table says where each tap finds each pixel's input, or that it is
 * outside, where it points to zeros. The micro-kernel knows nothing of windows, strides or borders:
 * no input is copied, and there are no special cases.
 *
 *     table[tile][tap][pixel] -> channels of one input pixel
 *
 * A unit is (item, chunk of tiles, two blocks of output channels); a chunk's table is made once for
 * all that a call does. */
#include <string.h>

#include "base/mem.h"
#include "kernels/conv.h"

enum { CHUNK = 8 }; /* tiles */

#include "kernels/vec_avx2.h"
#define INDIRECT_MR 6
#include "kernels/conv_indirect.inc"
#undef INDIRECT_MR
#include "kernels/vec_avx512.h"
#define INDIRECT_MR 12
#include "kernels/conv_indirect.inc"

/* One instruction set. */
struct form {
    enum ms_isa isa;
    size_t vl, mr;
    void (*tile)(const float *const *at, const float *zero, size_t taps, size_t blocks,
                 size_t x_block, const float *w, float *y);
};
static const struct form form_avx512 = {MS_ISA_AVX512, 16, 12, v16_indirect};
static const struct form form_avx2 = {MS_ISA_AVX2, 8, 6, v8_indirect};

struct state {
    const float *w;    /* [two blocks of oc][block of ic][tap][channel][lanes of both] */
    const float *bias; /* padded to two blocks */
};

bool ms_conv_indirect_applicable(const struct ms_prep *p)
{
    const struct ms_shape *w = &p->in[1].shape;
    /* the most that scratch() of any form can ask for */
    const double scratch = (double)ms_shape_span(w, 2, w->rank) * CHUNK * 12 * 8 + 64 * 1024;

    return w->dim[1] >= 5 && ms_attr_int(p->node, "group") == 1 && ms_conv_shuffle(p->node) == 1 &&
           (!p->workspace || scratch <= (double)p->workspace);
}

static ms_code prepare(const struct ms_prep *p, const struct form *f, const void **state,
                       struct ms_err *err)
{
    const struct ms_tensor *wt = p->in[1].value;
    const struct ms_tensor *bias = p->node->n_in > 2 ? p->in[2].value : NULL;
    const size_t oc = (size_t)wt->shape.dim[0], ic = (size_t)wt->shape.dim[1], vl = f->vl;
    const size_t taps = ms_shape_span(&wt->shape, 2, wt->shape.rank);
    const size_t icp = (ic + vl - 1) / vl * vl, ocp = (oc + 2 * vl - 1) / (2 * vl) * 2 * vl;
    size_t each = 0, bytes = 0;

    if (!ms_mul(icp * taps, ocp, &each) || !ms_add(each, ocp, &bytes) ||
        !ms_mul(bytes, sizeof(float), &bytes))
        return ms_fail(err, MS_RESOURCE_EXHAUSTED, "the packed weights are too large");
    struct state *s = p->alloc(p, sizeof *s);
    float *w = s ? p->alloc(p, bytes) : NULL;
    if (!w)
        return ms_fail_oom(err, "packed weights", bytes);
    memset(w, 0, bytes);
    for (size_t o = 0; o < oc; o++)
        for (size_t c = 0; c < ic; c++)
            for (size_t t = 0; t < taps; t++)
                w[(((o / (2 * vl) * (icp / vl) + c / vl) * taps + t) * vl + c % vl) * 2 * vl +
                  o % (2 * vl)] = ((const float *)wt->data)[(o * ic + c) * taps + t];
    if (bias)
        memcpy(w + each, bias->data, oc * sizeof *w);
    *s = (struct state){.w = w, .bias = w + each};
    *state = s;
    return MS_OK;
}

/* ---- the cut of a call ---- */

struct plan {
    const struct form *f;
    const struct state *s;
    struct ms_conv c;
    size_t icb, ocb, groups, tiles, chunks;
    const float **table; /* of a chunk */
    float *zero, *sums;  /* a vector of zeros; a tile's */
};

static void plan_of(struct plan *p, const struct ms_task *t, const struct form *f)
{
    ms_conv_of(&p->c, t);
    p->f = f;
    p->s = t->state;
    p->icb = ((size_t)p->c.ic + f->vl - 1) / f->vl;
    p->ocb = ((size_t)p->c.oc + f->vl - 1) / f->vl;
    p->groups = (p->ocb + 1) / 2;
    p->tiles = ((size_t)p->c.out_px + f->mr - 1) / f->mr;
    p->chunks = (p->tiles + CHUNK - 1) / CHUNK;
}

static size_t units(const struct ms_task *t, const struct form *f)
{
    struct plan p;

    if (ms_tensor_count(t->out[0]) == 0)
        return 0;
    plan_of(&p, t, f);
    return (size_t)p.c.n * p.chunks * p.groups;
}

static size_t scratch(const struct ms_task *t, const struct form *f)
{
    const size_t vectors = (2 * f->mr + 1) * f->vl * sizeof(float);
    struct plan p;
    size_t bytes;

    plan_of(&p, t, f);
    return ms_mul((size_t)p.c.taps, CHUNK * f->mr * sizeof(float *), &bytes) &&
                   ms_add(bytes, vectors, &bytes)
               ? bytes
               : SIZE_MAX;
}

/* ---- running ---- */

/* Where taps of output pixel px find their inputs; beyond the last pixel: zeros. */
static void fill_pixel(const struct plan *p, const float *x, size_t px, const float **at)
{
    const struct ms_window *w = &p->c.w;
    int64_t o[3] = {0}, left = (int64_t)px, tap[3];
    const bool real = px < (size_t)p->c.out_px;

    for (int a = 2; a >= 0; left /= w->out[a], a--)
        o[a] = left % w->out[a] * w->s[a] - w->pb[a];
    for (tap[0] = 0; tap[0] < w->k[0]; tap[0]++)
        for (tap[1] = 0; tap[1] < w->k[1]; tap[1]++)
            for (tap[2] = 0; tap[2] < w->k[2]; tap[2]++, at += p->f->mr) {
                int64_t pixel = 0;
                bool inside = real;
                for (int a = 0; a < 3; a++) {
                    const int64_t i = o[a] + tap[a] * w->d[a];
                    inside = inside && i >= 0 && i < w->in[a];
                    pixel = pixel * w->in[a] + i;
                }
                *at = inside ? x + pixel * (int64_t)p->f->vl : p->zero;
            }
}

static void fill_chunk(const struct plan *p, const float *x, size_t first, size_t n)
{
    const size_t taps = (size_t)p->c.taps, mr = p->f->mr;

    for (size_t i = 0; i < n * mr; i++)
        fill_pixel(p, x, first * mr + i, p->table + i / mr * taps * mr + i % mr);
}

/* Sums of one block of channels, n pixels from px on, become outputs. */
static void finish(const struct plan *p, const struct ms_act *act, const float *sums, size_t item,
                   size_t block, size_t px, size_t n)
{
    const size_t vl = p->f->vl, at = ((item * p->ocb + block) * (size_t)p->c.out_px + px) * vl;
    const float *bias = p->s->bias + block * vl, *res = p->c.res;
    const size_t left = (size_t)p->c.oc - block * vl, have = left < vl ? left : vl;
    float *y = (float *)p->c.y + at;

    for (size_t i = 0; i < n * vl; i++) {
        float v = sums[i] + bias[i % vl] + (res ? res[at + i] : 0);
        v = v < act->lo ? act->lo : v;
        y[i] = v > act->hi ? act->hi : v;
    }
    if (act->more)
        act->row(y, y, n * vl, act->a, act->b);
    for (size_t i = 0; have < vl && i < n; i++)
        memset(y + i * vl + have, 0, (vl - have) * sizeof *y);
}

static void run(const struct ms_task *t, const struct form *f)
{
    const struct ms_act act = ms_act_of_node(t->node, f->isa);
    size_t have = SIZE_MAX; /* chunk whose table is made */
    struct plan p;

    if (ms_tensor_count(t->out[0]) == 0)
        return;
    plan_of(&p, t, f);
    const size_t taps = (size_t)p.c.taps, vl = f->vl, in_px = (size_t)p.c.in_px;
    p.sums = t->scratch;
    p.zero = p.sums + 2 * f->mr * vl;
    p.table = (const float **)(void *)(p.zero + vl);
    memset(p.zero, 0, vl * sizeof *p.zero);
    for (size_t u = t->first; u < t->last && !ms_task_stopped(t); u++) {
        const size_t nc = u / p.groups, g = u % p.groups, item = nc / p.chunks;
        const size_t first = nc % p.chunks * CHUNK;
        const size_t n = p.tiles - first < CHUNK ? p.tiles - first : CHUNK;
        if (nc != have)
            fill_chunk(&p, (const float *)p.c.x + item * p.icb * in_px * vl, first, n);
        have = nc;
        for (size_t i = 0; i < n; i++) {
            const size_t px = (first + i) * f->mr, left = (size_t)p.c.out_px - px;
            f->tile(p.table + i * taps * f->mr, p.zero, taps, p.icb, in_px * vl,
                    p.s->w + g * p.icb * taps * vl * 2 * vl, p.sums);
            for (size_t j = 0; j < 2 && g * 2 + j < p.ocb; j++)
                finish(&p, &act, p.sums + j * f->mr * vl, item, g * 2 + j, px,
                       left < f->mr ? left : f->mr);
        }
    }
}

/* ---- what a record needs, by form ---- */

#define INDIRECT(isa_)                                                                             \
    ms_code ms_conv_indirect_prepare_##isa_(const struct ms_prep *p, const void **state,           \
                                            struct ms_err *err)                                    \
    {                                                                                              \
        return prepare(p, &form_##isa_, state, err);                                               \
    }                                                                                              \
    size_t ms_conv_indirect_units_##isa_(const struct ms_task *t)                                  \
    {                                                                                              \
        return units(t, &form_##isa_);                                                             \
    }                                                                                              \
    size_t ms_conv_indirect_scratch_##isa_(const struct ms_task *t)                                \
    {                                                                                              \
        return scratch(t, &form_##isa_);                                                           \
    }                                                                                              \
    void ms_conv_indirect_##isa_(const struct ms_task *t)                                          \
    {                                                                                              \
        run(t, &form_##isa_);                                                                      \
    }
INDIRECT(avx512)
INDIRECT(avx2)
