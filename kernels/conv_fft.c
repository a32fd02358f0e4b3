/* SPDX-License-Identifier: Apache-2.0 */
/* conv_fft.c - convolution with large windows (7x7 to 11x11, stride 1) as products of frequencies.
 *
 *     Y = F^-1( F(X) . conj F(W) )        on tiles of 16 x 16 inputs: 17 - k outputs a side
 *
 * A tile of one channel is 16 x 9 complex numbers (real input: the others follow from them), and a
 * complex product is four real ones: 576 products where a 7x7 window has 4900. Filters take 2304
 * bytes instead of 196, so few channels or many pixels are needed for it to pay.
 *
 * For each frequency, real and imaginary parts are channels of their own, so that one real product
 * on the tiles of conv_tile.h does it all:
 *
 *     [Yr Yi] = [Xr Xi] [  Wr  Wi ]        W: the conjugate, scaled by 1 / 256
 *                       [ -Wi  Wr ]
 *
 * Filters are transformed in double when the model is loaded. A unit is (item, block of tiles,
 * block of output channels); inputs of a block of tiles are transformed once for all that a call
 * does. */
#include <string.h>

#include "base/mem.h"
#include "kernels/conv.h"
#include "kernels/conv_tile.h"

enum { SIDE = 16, FREQS = 16 * 9, BLOCK = 14, MIN_K = 7, MAX_K = 11 };
#define FFT_AT(k_) ((k_) % 4 * 4 + (k_) / 4)

#define C1 0.92387953251128675613
#define C2 0.70710678118654752440
#define C3 0.38268343236508977173
/* 2 pi k / 16 */
static const double fft_cos[SIDE] = {1,  C1,  C2,  C3,  0, -C3, -C2, -C1,
                                     -1, -C1, -C2, -C3, 0, C3,  C2,  C1};
static const double fft_sin[SIDE] = {0, C3,  C2,  C1,  1,  C1,  C2,  C3,
                                     0, -C3, -C2, -C1, -1, -C1, -C2, -C3};

#include "kernels/vec_avx2.h"
#include "kernels/conv_fft.inc"
#include "kernels/vec_avx512.h"
#include "kernels/conv_fft.inc"

/* One instruction set. */
struct form {
    enum ms_isa isa;
    size_t vl;
    void (*in)(const float *x, size_t row, float *v, size_t apart, size_t im, float *half);
    void (*out)(const float *m, size_t apart, size_t im, float *half, const float *bias,
                const float *res, float *y, size_t row, size_t h, size_t w, float lo, float hi);
};
static const struct form form_avx512 = {MS_ISA_AVX512, 16, v16_fft_in, v16_fft_out};
static const struct form form_avx2 = {MS_ISA_AVX2, 8, v8_fft_in, v8_fft_out};

struct state {
    const float *u;    /* [block of oc][frequency][2 ic, padded][2 lanes] */
    const float *bias; /* padded */
};

bool ms_conv_fft_applicable(const struct ms_prep *p)
{
    const struct ms_shape *w = &p->in[1].shape;
    /* the most that scratch() of any form can ask for */
    const double scratch = ((double)(w->dim[1] + 32) * 2 * BLOCK * FREQS + 64 * SIDE * SIDE) * 4;

    if (w->rank != 4 || w->dim[1] < 5 || ms_attr_int(p->node, "group") != 1 ||
        (p->workspace && scratch > (double)p->workspace))
        return false;
    for (int i = 0; i < 2; i++)
        if (w->dim[2 + i] < MIN_K || w->dim[2 + i] > MAX_K ||
            ms_attr_ints_at(p->node, "strides", i, 1) != 1 ||
            ms_attr_ints_at(p->node, "dilations", i, 1) != 1)
            return false;
    return true;
}

/* ---- filters ---- */

/* One filter of kh x kw taps: f[j][k] is frequency (j, k), conjugate and scaled. */
static void transform_filter(const float *w, size_t kh, size_t kw, double f[SIDE][9][2])
{
    double row[MAX_K][9][2];

    for (size_t h = 0; h < kh; h++)
        for (size_t k = 0; k < 9; k++) {
            double r = 0, i = 0;
            for (size_t v = 0; v < kw; v++) {
                r += (double)w[h * kw + v] * fft_cos[v * k % SIDE];
                i += (double)w[h * kw + v] * fft_sin[v * k % SIDE];
            }
            row[h][k][0] = r, row[h][k][1] = i;
        }
    for (size_t j = 0; j < SIDE; j++)
        for (size_t k = 0; k < 9; k++) {
            double r = 0, i = 0;
            for (size_t h = 0; h < kh; h++) {
                const double c = fft_cos[h * j % SIDE], s = fft_sin[h * j % SIDE];
                r += row[h][k][0] * c - row[h][k][1] * s;
                i += row[h][k][0] * s + row[h][k][1] * c;
            }
            f[j][k][0] = r / (2 * SIDE * SIDE), f[j][k][1] = i / (2 * SIDE * SIDE);
        }
}

/* Filters of output channels [o, o + vl) to [frequency][2 icp][2 vl], zeroed before. */
static void pack_filters(const struct ms_tensor *wt, size_t o, size_t vl, size_t icp, float *to)
{
    const size_t oc = (size_t)wt->shape.dim[0], ic = (size_t)wt->shape.dim[1];
    const size_t kh = (size_t)wt->shape.dim[2], kw = (size_t)wt->shape.dim[3];
    double f[SIDE][9][2];

    for (size_t l = 0; l < vl && o + l < oc; l++)
        for (size_t c = 0; c < ic; c++) {
            transform_filter((const float *)wt->data + ((o + l) * ic + c) * kh * kw, kh, kw, f);
            for (size_t q = 0; q < FREQS; q++) {
                float *re = to + (q * 2 * icp + c) * 2 * vl + l, *im = re + icp * 2 * vl;
                re[0] = im[vl] = (float)f[q / 9][q % 9][0];
                re[vl] = (float)f[q / 9][q % 9][1];
                im[0] = -re[vl];
            }
        }
}

static ms_code prepare(const struct ms_prep *p, const struct form *f, const void **state,
                       struct ms_err *err)
{
    const struct ms_tensor *wt = p->in[1].value;
    const struct ms_tensor *bias = p->node->n_in > 2 ? p->in[2].value : NULL;
    const size_t oc = (size_t)wt->shape.dim[0], ic = (size_t)wt->shape.dim[1], vl = f->vl;
    const size_t icp = (ic + vl - 1) / vl * vl, ocp = (oc + vl - 1) / vl * vl;
    size_t each = 0, bytes = 0;
    bool ok = ms_mul(icp * 4 * FREQS, ocp, &each) && ms_add(each, ocp, &bytes) &&
              ms_mul(bytes, sizeof(float), &bytes);

    /* a generous share of the budget: other layers need their weights too */
    if (!ok || (p->room && bytes > p->room(p) / 8))
        return ms_fail(err, MS_RESOURCE_EXHAUSTED, "no room for transformed filters");
    struct state *s = p->alloc(p, sizeof *s);
    float *u = s ? p->alloc(p, bytes) : NULL;
    if (!u)
        return ms_fail_oom(err, "transformed filters", bytes);
    memset(u, 0, bytes);
    for (size_t o = 0; o < ocp; o += vl)
        pack_filters(wt, o, vl, icp, u + o * icp * 4 * FREQS);
    if (bias)
        memcpy(u + each, bias->data, oc * sizeof *u);
    *s = (struct state){.u = u, .bias = u + each};
    *state = s;
    return MS_OK;
}

/* ---- the cut of a call ---- */

struct plan {
    const struct form *f;
    const struct state *s;
    struct ms_conv c;
    size_t icb, ocb;
    size_t mh, mw, across, tiles; /* outputs of a tile; tiles of a row and of an item */
    size_t block, blocks;         /* tiles of a block; blocks of an item */
    size_t v_apart, m_apart;      /* floats from one frequency to the next */
};

static void plan_of(struct plan *p, const struct ms_task *t, const struct form *f)
{
    ms_conv_of(&p->c, t);
    p->f = f;
    p->s = t->state;
    p->icb = ((size_t)p->c.ic + f->vl - 1) / f->vl;
    p->ocb = ((size_t)p->c.oc + f->vl - 1) / f->vl;
    p->mh = (size_t)(SIDE + 1 - p->c.w.k[1]);
    p->mw = (size_t)(SIDE + 1 - p->c.w.k[2]);
    p->across = ((size_t)p->c.w.out[2] + p->mw - 1) / p->mw;
    p->tiles = p->across * (((size_t)p->c.w.out[1] + p->mh - 1) / p->mh);
    p->blocks = (p->tiles + BLOCK - 1) / BLOCK;
    p->block = (p->tiles + p->blocks - 1) / p->blocks;
    /* an odd number of lines between frequencies spreads them over the sets of a cache */
    p->v_apart = (2 * p->icb * p->block | 1) * f->vl;
    p->m_apart = (2 * p->block | 1) * f->vl;
}

static size_t units(const struct ms_task *t, const struct form *f)
{
    struct plan p;

    if (ms_tensor_count(t->out[0]) == 0)
        return 0;
    plan_of(&p, t, f);
    return (size_t)p.c.n * p.blocks * p.ocb;
}

/* Frequencies of inputs, of sums, half a transform, and a tile at the border. */
static size_t scratch(const struct ms_task *t, const struct form *f)
{
    struct plan p;
    size_t floats;

    if (ms_tensor_count(t->out[0]) == 0)
        return 0;
    plan_of(&p, t, f);
    if (!ms_add(p.v_apart, p.m_apart + 4 * f->vl, &floats) ||
        !ms_mul(floats, FREQS * sizeof(float), &floats))
        return SIZE_MAX;
    return floats;
}

/* ---- running ---- */

/* The 16 x 16 inputs at (top, left) of a plane, zeros outside. */
static void edge_tile(const struct plan *p, const float *x, int64_t top, int64_t left, float *tile)
{
    const struct ms_window *w = &p->c.w;
    const size_t vl = p->f->vl;

    for (int64_t h = top; h < top + SIDE; h++)
        for (int64_t v = left; v < left + SIDE; v++, tile += vl)
            if (h < 0 || h >= w->in[1] || v < 0 || v >= w->in[2])
                memset(tile, 0, vl * sizeof *tile);
            else
                memcpy(tile, x + (h * w->in[2] + v) * (int64_t)vl, vl * sizeof *tile);
}

/* All channels of tiles [first, first + n) of an item. work: see scratch. */
static void transform_inputs(const struct plan *p, const float *x, size_t first, size_t n, float *v,
                             float *work)
{
    const struct ms_window *w = &p->c.w;
    const size_t vl = p->f->vl;
    float *edge = work + (size_t)2 * FREQS * vl;

    for (size_t t = 0; t < n; t++) {
        int64_t top = (int64_t)((first + t) / p->across * p->mh) - w->pb[1];
        int64_t left = (int64_t)((first + t) % p->across * p->mw) - w->pb[2];
        bool inside = top >= 0 && left >= 0 && top + SIDE <= w->in[1] && left + SIDE <= w->in[2];
        for (size_t b = 0; b < p->icb; b++) {
            const float *plane = x + b * (size_t)p->c.in_px * vl;
            if (!inside)
                edge_tile(p, plane, top, left, edge);
            p->f->in(inside ? plane + (top * w->in[2] + left) * (int64_t)vl : edge,
                     (inside ? (size_t)w->in[2] : SIDE) * vl, v + (b * p->block + t) * vl,
                     p->v_apart, p->icb * p->block * vl, work);
        }
    }
}

/* Each frequency: n pixels of 2 ic channels with the filters of an output block. */
static void multiply(const struct plan *p, size_t g, size_t n, const float *v, float *m)
{
    static const float zeros[2 * 16];
    static const size_t tap[1];
    const size_t vl = p->f->vl, floats = 2 * p->icb * vl * 2 * vl;
    const struct ms_conv_cut cut = ms_conv_cut_of(n, ms_conv_tile_max(p->f->isa, 2 * vl));
    const struct ms_conv_reach reach = {2 * p->icb, 0, vl};
    struct ms_conv_tiling tiling = {.tap = tap,
                                    .taps = 1,
                                    .x_block = p->block * vl,
                                    .y_block = p->block * vl,
                                    .lo = -__builtin_inff(),
                                    .hi = __builtin_inff()};
    const float *u = p->s->u + g * FREQS * floats;

    for (size_t k = 0; k < FREQS; k++, u += floats) {
        struct ms_conv_panel panel = {.w = u,
                                      .next = u + floats,
                                      .steps = 2 * p->icb * vl,
                                      .block = vl,
                                      .lanes = 2 * vl,
                                      .fetched = k > 0};
        ms_conv_panel_share(&panel, cut.tiles);
        for (size_t i = 0, at = 0; i < cut.tiles; i++) {
            const size_t mr = cut.each + (i < cut.more);
            ms_conv_look_ahead(&tiling, &panel, i);
            ms_conv_tile(p->f->isa, 2 * vl, mr, false)(&tiling, &reach,
                                                       v + k * p->v_apart + at * vl, u, zeros, NULL,
                                                       m + k * p->m_apart + at * vl);
            at += mr;
        }
    }
}

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* Outputs of one block of channels for tiles [first, first + n). */
static void transform_outputs(const struct plan *p, const struct ms_act *act, const float *m,
                              size_t item, size_t block, size_t first, size_t n, float *work)
{
    const struct ms_window *w = &p->c.w;
    const size_t vl = p->f->vl, row = (size_t)w->out[2] * vl;
    const size_t plane = (item * p->ocb + block) * (size_t)p->c.out_px * vl;
    const size_t have = least((size_t)p->c.oc - block * vl, vl);
    const bool clean = have < vl && ms_act_ref(act, 0) != 0;

    for (size_t t = 0; t < n; t++) {
        size_t top = (first + t) / p->across * p->mh, left = (first + t) % p->across * p->mw;
        size_t h = least((size_t)w->out[1] - top, p->mh),
               v = least((size_t)w->out[2] - left, p->mw);
        size_t at = plane + top * row + left * vl;
        float *y = (float *)p->c.y + at;
        p->f->out(m + t * vl, p->m_apart, p->block * vl, work, p->s->bias + block * vl,
                  p->c.res ? (const float *)p->c.res + at : NULL, y, row, h, v, act->lo, act->hi);
        for (size_t i = 0; act->more && i < h; i++)
            act->row(y + i * row, y + i * row, v * vl, act->a, act->b);
        for (size_t i = 0; clean && i < h * v; i++)
            memset(y + i / v * row + i % v * vl + have, 0, (vl - have) * sizeof *y);
    }
}

static void run(const struct ms_task *t, const struct form *f)
{
    const struct ms_act act = ms_act_of_node(t->node, f->isa);
    size_t have = t->memo ? *t->memo : SIZE_MAX; /* block of tiles that is transformed */
    struct plan p;

    if (ms_tensor_count(t->out[0]) == 0)
        return;
    plan_of(&p, t, f);
    float *v = t->scratch, *m = v + FREQS * p.v_apart, *work = m + FREQS * p.m_apart;
    for (size_t u = t->first; u < t->last && !ms_task_stopped(t); u++) {
        size_t nb = u / p.ocb, g = u % p.ocb, item = nb / p.blocks;
        size_t first = nb % p.blocks * p.block, n = least(p.tiles - first, p.block);
        if (nb != have)
            transform_inputs(&p, (const float *)p.c.x + item * p.icb * (size_t)p.c.in_px * f->vl,
                             first, n, v, work);
        have = nb;
        multiply(&p, g, n, v, m);
        transform_outputs(&p, &act, m, item, g, first, n, work);
    }
    if (t->memo)
        *t->memo = have;
}

/* ---- what a record needs, by form ---- */

#define FFT(isa_)                                                                                  \
    ms_code ms_conv_fft_prepare_##isa_(const struct ms_prep *p, const void **state,                \
                                       struct ms_err *err)                                         \
    {                                                                                              \
        return prepare(p, &form_##isa_, state, err);                                               \
    }                                                                                              \
    size_t ms_conv_fft_units_##isa_(const struct ms_task *t)                                       \
    {                                                                                              \
        return units(t, &form_##isa_);                                                             \
    }                                                                                              \
    size_t ms_conv_fft_scratch_##isa_(const struct ms_task *t)                                     \
    {                                                                                              \
        return scratch(t, &form_##isa_);                                                           \
    }                                                                                              \
    void ms_conv_fft_##isa_(const struct ms_task *t)                                               \
    {                                                                                              \
        run(t, &form_##isa_);                                                                      \
    }
FFT(avx512)
FFT(avx2)
