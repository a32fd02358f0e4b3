/* SPDX-License-Identifier: Apache-2.0 */
/* conv_winograd.c - 3x3 convolution at stride 1 with fewer products (Winograd's minimal filtering).
 *
 *     Y = A' [ (G g G') . (B' d B) ] A        for tiles of m x m outputs, n = m + 2
 *
 * A tile of n x n inputs d and a filter g become n^2 numbers each; those of all channels are
 * multiplied as n^2 independent matrix products, and the inverse transform gives m x m outputs:
 * 36 products instead of 144 for m = 4, 16 instead of 36 for m = 2. Matrices follow from n - 1
 * finite points and infinity (Cook and Toom): 0, 1, -1, 1/2, -2 for m = 4, which lose about 1.6
 * times less precision than 0, +-1, +-2; 0, 1, -1 for m = 2.
 *
 *     B' = [ 1 -3/2  -2  3/2 1 0 ;   G = [   1      0      0   ;   A' = [ 1 1  1   1   1 0 ;
 *            0  -1  1/2  5/2 1 0 ;          1/3    1/3    1/3  ;          0 1 -1  1/2 -2 0 ;
 *            0   1 -5/2  1/2 1 0 ;         -1/3    1/3   -1/3  ;          0 1  1  1/4  4 0 ;
 *            0  -2   -1   2  1 0 ;        -16/15  -8/15  -4/15 ;          0 1 -1  1/8 -8 1 ]
 *            0  1/2  -1 -1/2 1 0 ;         1/15   -2/15   4/15 ;
 *            0   1 -3/2  -2 3/2 1 ]          0      0      1   ]
 *
 * G g G' is computed in double when the model is loaded. A unit is (block of tiles of all items,
 * group of some output blocks); the inputs of a block of tiles are transformed once for all groups
 * that the same call does. Products run on the tiles of conv_tile.h: a transformed pixel is a
 * pixel, a frequency an image of its own. */
#include <string.h>

#include "base/mem.h"
#include "kernels/conv.h"
#include "kernels/conv_tile.h"

#include "kernels/vec_avx2.h"
#include "kernels/conv_winograd.inc"
#include "kernels/vec_avx512.h"
#include "kernels/conv_winograd.inc"

/* Tiles of a block: at least, at most with filters in L2 or little scratch, at most; at least where
 * threads have blocks of their own, or where there are too few units. */
enum { MAX_N = 6, MIN_BLOCK = 28, FEW = 64, MAX_BLOCK = 128, OWN = 20, SPLIT = 14 };

typedef void (*in_fn)(const float *x, size_t row, float *v, size_t apart);
typedef void (*out_fn)(const float *m, size_t apart, const float *bias, const float *res, float *y,
                       size_t row, size_t h, size_t w, float lo, float hi);

/* One size of tile on one instruction set. */
struct form {
    enum ms_isa isa;
    size_t vl, m;
    in_fn in;
    out_fn out;
};

static const struct form f4_avx512 = {MS_ISA_AVX512, 16, 4, v16_wino_in4, v16_wino_out4};
static const struct form f4_avx2 = {MS_ISA_AVX2, 8, 4, v8_wino_in4, v8_wino_out4};
static const struct form f2_avx512 = {MS_ISA_AVX512, 16, 2, v16_wino_in2, v16_wino_out2};
static const struct form f2_avx2 = {MS_ISA_AVX2, 8, 2, v8_wino_in2, v8_wino_out2};

struct state {
    const float *u;    /* [group][frequency][ic][lanes of the group] */
    const float *bias; /* padded to whole groups */
    size_t pieces;     /* units that a call should have at least, to be shared out evenly */
    size_t threads;    /* that share them */
    size_t workspace;  /* most bytes of scratch; 0: no bound */
};

bool ms_conv_winograd_applicable(const struct ms_prep *p)
{
    const struct ms_shape *w = &p->in[1].shape;
    const struct ms_node *n = p->node;
    /* the most that any form can need */
    const double scratch = (double)(w->dim[1] + 64) * MAX_N * MAX_N * (FEW + 1) * 4;

    if (w->rank != 4 || w->dim[2] != 3 || w->dim[3] != 3 || w->dim[1] < 5 ||
        ms_attr_int(n, "group") != 1 || (p->workspace && scratch > (double)p->workspace))
        return false;
    for (int i = 0; i < 2; i++)
        if (ms_attr_ints_at(n, "strides", i, 1) != 1 || ms_attr_ints_at(n, "dilations", i, 1) != 1)
            return false;
    return true;
}

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

static size_t most(size_t a, size_t b)
{
    return a > b ? a : b;
}

/* Blocks of transformed tiles are long rows. */
static struct ms_conv_groups groups_of(enum ms_isa isa, size_t blocks)
{
    return ms_conv_groups_of(blocks, ms_conv_tile_blocks(isa, 0));
}

/* ---- filters ---- */

static const double g4[6][3] = {{1, 0, 0},
                                {1.0 / 3, 1.0 / 3, 1.0 / 3},
                                {-1.0 / 3, 1.0 / 3, -1.0 / 3},
                                {-16.0 / 15, -8.0 / 15, -4.0 / 15},
                                {1.0 / 15, -2.0 / 15, 4.0 / 15},
                                {0, 0, 1}};
static const double g2[4][3] = {{-1, 0, 0}, {0.5, 0.5, 0.5}, {0.5, -0.5, 0.5}, {0, 0, 1}};

enum { LANES = MS_CONV_NV * 16 }; /* most filters transformed side by side */

/* u[(i n + j) lanes + l] = (G g G')[i][j] of filter l, whose taps are g[k][l]. The lanes make the
 * loops vectors. */
static void transform_filters(size_t m, const double g[9][LANES], double u[MAX_N * MAX_N][LANES])
{
    const double(*t)[3] = m == 4 ? g4 : g2;
    double h[3][LANES];

    for (size_t i = 0; i < m + 2; i++) {
        for (size_t j = 0; j < 3; j++)
            for (size_t l = 0; l < LANES; l++)
                h[j][l] = t[i][0] * g[j][l] + t[i][1] * g[3 + j][l] + t[i][2] * g[6 + j][l];
        for (size_t j = 0; j < m + 2; j++)
            for (size_t l = 0; l < LANES; l++)
                u[i * (m + 2) + j][l] = h[0][l] * t[j][0] + h[1][l] * t[j][1] + h[2][l] * t[j][2];
    }
}

/* Filters of output channels [o, o + lanes), those beyond oc zero, to [frequency][ic][lane]. */
static void pack_filters(size_t m, const struct ms_tensor *wt, size_t o, size_t lanes, float *to)
{
    const size_t oc = (size_t)wt->shape.dim[0], ic = (size_t)wt->shape.dim[1];
    const size_t real = oc - o < lanes ? oc - o : lanes, nn = (m + 2) * (m + 2);
    const float *w = (const float *)wt->data + o * ic * 9;
    double g[9][LANES] = {{0}}, u[MAX_N * MAX_N][LANES];

    for (size_t c = 0; c < ic; c++, w += 9, to += lanes) {
        for (size_t l = 0; l < real; l++)
            for (size_t k = 0; k < 9; k++)
                g[k][l] = (double)w[l * ic * 9 + k];
        transform_filters(m, g, u);
        for (size_t k = 0; k < nn; k++)
            for (size_t l = 0; l < lanes; l++)
                to[k * ic * lanes + l] = (float)u[k][l];
    }
}

static ms_code prepare(const struct ms_prep *p, const struct form *f, const void **state,
                       struct ms_err *err)
{
    const struct ms_tensor *wt = p->in[1].value;
    const struct ms_tensor *bias = p->node->n_in > 2 ? p->in[2].value : NULL;
    size_t oc = (size_t)wt->shape.dim[0], ic = (size_t)wt->shape.dim[1];
    size_t blocks = (oc + f->vl - 1) / f->vl, lanes = blocks * f->vl;
    size_t nn = (f->m + 2) * (f->m + 2), each = 0, bytes = 0;
    const struct ms_conv_groups cut = groups_of(f->isa, blocks);
    bool ok = ms_mul(ic * nn, lanes, &each) && ms_add(each, lanes, &bytes) &&
              ms_mul(bytes, sizeof(float), &bytes);
    /* a generous share of the budget: other layers need their weights too */
    if (!ok || (p->room && bytes > p->room(p) / 8))
        return ms_fail(err, MS_RESOURCE_EXHAUSTED, "no room for transformed filters");
    struct state *s = p->alloc(p, sizeof *s);
    float *u = s ? p->alloc(p, bytes) : NULL;
    if (!u)
        return ms_fail_oom(err, "transformed filters", bytes);
    float *b = u + each;
    memset(b, 0, lanes * sizeof *b);
    for (size_t g = 0; g < cut.groups; g++) {
        const size_t o = ms_conv_group_at(&cut, g) * f->vl;
        pack_filters(f->m, wt, o, ms_conv_group_at(&cut, g + 1) * f->vl - o, u + o * ic * nn);
    }
    if (bias)
        memcpy(b, bias->data, oc * sizeof *b);
    /* half as many as is usual: every block of tiles reads all filters again */
    *s = (struct state){.u = u,
                        .bias = b,
                        .pieces = (ms_conv_pieces(p->threads) + 1) / 2,
                        .threads = p->threads > 1 ? (size_t)p->threads : 1,
                        .workspace = p->workspace};
    *state = s;
    return MS_OK;
}

/* ---- the cut of a call ---- */

struct plan {
    const struct form *f;
    const struct state *s;
    struct ms_conv c;
    size_t icb, ocb;          /* blocks of channels */
    struct ms_conv_groups oc; /* of output blocks */
    size_t nn;                /* frequencies */
    size_t across, tiles;     /* of a row, of an item */
    size_t all;               /* tiles of the call */
    size_t block, blocks;     /* tiles done at once; so many of the call */
    size_t v_apart;           /* floats between frequencies of the transformed input */
    size_t m_apart;           /* and of the products */
};

static size_t blocks_of(const struct plan *p, size_t tiles)
{
    return (p->all + tiles - 1) / tiles;
}

static size_t l2_bytes(void)
{
    size_t l2 = ms_cpu()->l2;

    return l2 < (256u << 10) ? 512u << 10 : l2;
}

static size_t filter_bytes(const struct plan *p)
{
    return p->nn * p->icb * p->ocb * p->f->vl * p->f->vl * sizeof(float);
}

/* The most tiles of a block.
 *
 * Near: transformed inputs and a group's products stay in L2, in little of it if all filters do as
 * well. Far: inputs come from L3 for each group, one frequency at a time, so that blocks are large,
 * and filters, from L3 or memory for each block, are read less often. (Several groups at once save
 * reading inputs; but then their products come from L3, written and read again: up to a fifth
 * slower.) Far blocks are taken where that saves twice the floats of filters that inputs have: a
 * filter is as many as a tile of all inputs, so blocks are compared with tiles. The fewest tiles
 * keep a panel of filters busy. */
static size_t most_at_once(const struct plan *p)
{
    const size_t pixel = p->icb * p->f->vl * sizeof(float), oc = p->ocb * p->f->vl;
    const size_t l2 = l2_bytes(), filters = filter_bytes(p);
    const size_t fit = l2 / (filters <= l2 / 2 ? 8 : 2) / (p->nn * pixel);
    const size_t near = most(MIN_BLOCK, least(fit, FEW));
    const size_t far = most(MIN_BLOCK, least(l2 / 4 / pixel, MAX_BLOCK));
    const size_t saved = blocks_of(p, near) - least(blocks_of(p, far), blocks_of(p, near));

    return filters > l2 / 2 && saved * oc > 2 * p->all ? far : near;
}

/* Even blocks of at most so many tiles; smaller ones where that leaves too little to share out.
 * Threads have as many blocks each, if those are not too small: then each transforms its own
 * inputs, which it wrote itself the step before, and no others. But all read all filters: many that
 * would be read once are shared out instead. */
static void cut(struct plan *p, size_t tiles)
{
    const size_t pieces = p->s->pieces, blocks = blocks_of(p, tiles);
    const size_t even = (blocks + p->s->threads - 1) / p->s->threads * p->s->threads;
    const bool few = filter_bytes(p) / 3 <= l2_bytes() / 2;
    const bool own = p->all >= even * OWN && (blocks >= p->s->threads || few);

    p->blocks = own ? even : blocks;
    while (!own && p->blocks * p->oc.groups < pieces && p->all / p->blocks >= SPLIT)
        p->blocks *= 2;
    p->block = (p->all + p->blocks - 1) / p->blocks;
    p->blocks = (p->all + p->block - 1) / p->block;
    /* an odd number of lines between frequencies spreads them over the sets of a cache */
    p->v_apart = (p->icb * p->block | 1) * p->f->vl;
    p->m_apart = (p->oc.most * p->block | 1) * p->f->vl;
}

static size_t scratch_bytes(const struct plan *p)
{
    size_t bytes;

    return ms_mul(p->v_apart + p->m_apart, p->nn * sizeof(float), &bytes) ? bytes : SIZE_MAX;
}

static void plan_of(struct plan *p, const struct ms_task *t, const struct form *f)
{
    size_t m = f->m, vl = f->vl;

    ms_conv_of(&p->c, t);
    p->f = f;
    p->s = t->state;
    p->icb = ((size_t)p->c.ic + vl - 1) / vl;
    p->ocb = ((size_t)p->c.oc + vl - 1) / vl;
    p->oc = groups_of(f->isa, p->ocb);
    p->nn = (m + 2) * (m + 2);
    p->across = ((size_t)p->c.w.out[2] + m - 1) / m;
    p->tiles = p->across * (((size_t)p->c.w.out[1] + m - 1) / m);
    p->all = p->tiles * (size_t)p->c.n;
    cut(p, most_at_once(p));
    if (p->s->workspace && scratch_bytes(p) > p->s->workspace)
        cut(p, FEW);
}

static size_t units(const struct ms_task *t, const struct form *f)
{
    struct plan p;

    if (ms_tensor_count(t->out[0]) == 0)
        return 0;
    plan_of(&p, t, f);
    return p.blocks * p.oc.groups;
}

static size_t scratch(const struct ms_task *t, const struct form *f)
{
    struct plan p;

    if (ms_tensor_count(t->out[0]) == 0)
        return 0;
    plan_of(&p, t, f);
    return scratch_bytes(&p);
}

/* ---- transforms ---- */

/* A tile of the call. */
struct place {
    size_t item, row, column; /* of outputs */
};

static struct place place_of(const struct plan *p, size_t tile)
{
    const size_t in = tile % p->tiles, m = p->f->m;

    return (struct place){tile / p->tiles, in / p->across * m, in % p->across * m};
}

static void step(const struct plan *p, struct place *at)
{
    at->column += p->f->m;
    if (at->column < (size_t)p->c.w.out[2])
        return;
    at->column = 0;
    at->row += p->f->m;
    if (at->row < (size_t)p->c.w.out[1])
        return;
    at->row = 0;
    at->item++;
}

/* How many of the n columns from `left` on come before column `to`. */
static size_t columns_before(int64_t to, int64_t left, size_t n)
{
    return to <= left ? 0 : to - left < (int64_t)n ? (size_t)(to - left) : n;
}

/* The n x n inputs at (top, left) of a plane, zeros outside. */
static const float *edge_tile(const struct plan *p, const float *x, int64_t top, int64_t left,
                              float *tile)
{
    const struct ms_window *w = &p->c.w;
    size_t n = p->f->m + 2, vl = p->f->vl;
    size_t from = columns_before(0, left, n), end = columns_before(w->in[2], left, n);
    float *to = tile;

    memset(tile, 0, n * n * vl * sizeof *tile);
    for (size_t i = 0; i < n; i++, to += n * vl) {
        int64_t h = top + (int64_t)i;
        if (h >= 0 && h < w->in[1] && from < end)
            memcpy(to + from * vl, x + (h * w->in[2] + left + (int64_t)from) * (int64_t)vl,
                   (end - from) * vl * sizeof *to);
    }
    return tile;
}

/* One block of channels of tiles [first, first + n): frequency k of tile i at v + k v_apart + i vl.
 */
static void transform_plane(const struct plan *p, size_t b, size_t first, size_t n, float *v)
{
    const struct ms_window *w = &p->c.w;
    const size_t vl = p->f->vl, side = p->f->m + 2, row = (size_t)w->in[2] * vl;
    const size_t plane = (size_t)p->c.in_px * vl;
    struct place at = place_of(p, first);
    float edge[MAX_N * MAX_N * 16] __attribute__((aligned(64)));

    for (size_t t = 0; t < n; t++, v += vl, step(p, &at)) {
        const float *x = (const float *)p->c.x + (at.item * p->icb + b) * plane;
        int64_t top = (int64_t)at.row - w->pb[1], left = (int64_t)at.column - w->pb[2];
        bool inside = top >= 0 && left >= 0 && top + (int64_t)side <= w->in[1] &&
                      left + (int64_t)side <= w->in[2];
        if (inside)
            p->f->in(x + top * (int64_t)row + left * (int64_t)vl, row, v, p->v_apart);
        else
            p->f->in(edge_tile(p, x, top, left, edge), side * vl, v, p->v_apart);
    }
}

/* All channels of tiles [first, first + n), tile after tile within a block of channels: each
 * frequency is written from one line to the next, a stream that the hardware follows. */
static void transform_inputs(const struct plan *p, size_t first, size_t n, float *v)
{
    for (size_t b = 0; b < p->icb; b++)
        transform_plane(p, b, first, n, v + b * p->block * p->f->vl);
}

/* Outputs of one block of channels for tiles [first, first + n). */
static void transform_outputs(const struct plan *p, const struct ms_act *act, const float *m,
                              size_t block, size_t first, size_t n)
{
    const struct ms_window *w = &p->c.w;
    const size_t vl = p->f->vl, side = p->f->m, row = (size_t)w->out[2] * vl;
    const size_t have = least((size_t)p->c.oc - block * vl, vl);
    const bool clean = have < vl && ms_act_ref(act, 0) != 0;
    struct place to = place_of(p, first);

    for (size_t t = 0; t < n; t++, step(p, &to)) {
        size_t h = least((size_t)w->out[1] - to.row, side);
        size_t v = least((size_t)w->out[2] - to.column, side);
        size_t at =
            (to.item * p->ocb + block) * (size_t)p->c.out_px * vl + to.row * row + to.column * vl;
        float *y = (float *)p->c.y + at;
        p->f->out(m + t * vl, p->m_apart, p->s->bias + block * vl,
                  p->c.res ? (const float *)p->c.res + at : NULL, y, row, h, v, act->lo, act->hi);
        for (size_t i = 0; act->more && i < h; i++)
            act->row(y + i * row, y + i * row, v * vl, act->a, act->b);
        for (size_t i = 0; clean && i < h * v; i++)
            memset(y + i / v * row + i % v * vl + have, 0, (vl - have) * sizeof *y);
    }
}

/* ---- products ---- */

static size_t lanes_of(const struct plan *p, size_t g)
{
    return (ms_conv_group_at(&p->oc, g + 1) - ms_conv_group_at(&p->oc, g)) * p->f->vl;
}

/* The filters of a group at a frequency. */
static const float *panel_of(const struct plan *p, size_t g, size_t k)
{
    const size_t ic = (size_t)p->c.ic;

    return p->s->u + ms_conv_group_at(&p->oc, g) * p->f->vl * ic * p->nn + k * ic * lanes_of(p, g);
}

/* The panel that is read after that. */
static const float *next_panel(const struct plan *p, size_t g, size_t k)
{
    if (k + 1 < p->nn)
        return panel_of(p, g, k + 1);
    return panel_of(p, g + 1 < p->oc.groups ? g + 1 : 0, 0);
}

/* The pixels of a frequency with a panel. */
static void multiply_panel(const struct plan *p, struct ms_conv_tiling *tiling,
                           const struct ms_conv_panel *panel, const struct ms_conv_cut *cut,
                           const float *v, float *m)
{
    static const float zeros[MS_CONV_NV * 16];
    const size_t vl = p->f->vl;
    const struct ms_conv_reach reach = {p->icb, 0, (size_t)p->c.ic - (p->icb - 1) * vl};

    for (size_t i = 0; i < cut->tiles; i++) {
        size_t mr = cut->each + (i < cut->more);
        ms_conv_look_ahead(tiling, panel, i);
        ms_conv_tile(p->f->isa, panel->lanes, mr, MS_CONV_BLOCKS)(tiling, &reach, v, panel->w,
                                                                  zeros, NULL, m);
        v += mr * vl;
        m += mr * vl;
    }
}

/* All frequencies of a group for n tiles. first: of a worker's units, so nobody asked for its
 * filters. */
static void multiply(const struct plan *p, size_t g, size_t n, bool first, const float *v, float *m)
{
    static const size_t tap[1];
    const size_t vl = p->f->vl;
    struct ms_conv_tiling tiling = {.tap = tap,
                                    .taps = 1,
                                    .x_block = p->block * vl,
                                    .y_block = p->block * vl,
                                    .lo = -__builtin_inff(),
                                    .hi = __builtin_inff()};
    struct ms_conv_panel panel = {.steps = (size_t)p->c.ic, .lanes = lanes_of(p, g), .block = vl};
    const struct ms_conv_cut cut = ms_conv_cut_of(n, ms_conv_tile_max(p->f->isa, panel.lanes));

    for (size_t k = 0; k < p->nn; k++) {
        panel.w = panel_of(p, g, k);
        panel.next = next_panel(p, g, k);
        panel.fetched = k > 0 || !first;
        if (k <= 1) /* the same for all others */
            ms_conv_panel_share(&panel, cut.tiles);
        multiply_panel(p, &tiling, &panel, &cut, v + k * p->v_apart, m + k * p->m_apart);
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
    float *v = t->scratch, *m = v + p.nn * p.v_apart;
    for (size_t u = t->first; u < t->last && !ms_task_stopped(t); u++) {
        const size_t nb = u / p.oc.groups, first = nb * p.block, g = u % p.oc.groups;
        const size_t n = least(p.all - first, p.block), b0 = ms_conv_group_at(&p.oc, g);
        if (nb != have)
            transform_inputs(&p, first, n, v);
        multiply(&p, g, n, u == t->first && have == SIZE_MAX, v, m);
        for (size_t b = b0; b < ms_conv_group_at(&p.oc, g + 1); b++)
            transform_outputs(&p, &act, m + (b - b0) * p.block * f->vl, b, first, n);
        have = nb;
    }
    if (t->memo)
        *t->memo = have;
}

/* ---- what a record needs, by form ---- */

#define WINOGRAD(m_, isa_)                                                                         \
    ms_code ms_conv_winograd##m_##_prepare_##isa_(const struct ms_prep *p, const void **state,     \
                                                  struct ms_err *err)                              \
    {                                                                                              \
        return prepare(p, &f##m_##_##isa_, state, err);                                            \
    }                                                                                              \
    size_t ms_conv_winograd##m_##_units_##isa_(const struct ms_task *t)                            \
    {                                                                                              \
        return units(t, &f##m_##_##isa_);                                                          \
    }                                                                                              \
    size_t ms_conv_winograd##m_##_scratch_##isa_(const struct ms_task *t)                          \
    {                                                                                              \
        return scratch(t, &f##m_##_##isa_);                                                        \
    }                                                                                              \
    void ms_conv_winograd##m_##_##isa_(const struct ms_task *t)                                    \
    {                                                                                              \
        run(t, &f##m_##_##isa_);                                                                   \
    }
WINOGRAD(4, avx512)
WINOGRAD(4, avx2)
WINOGRAD(2, avx512)
WINOGRAD(2, avx2)
