/* SPDX-License-Identifier: Apache-2.0 */
/* conv_direct.c - convolution on channel-blocked tensors: sums stay in registers over all input
 * channels and taps (conv_tile.h), nothing is gathered into a matrix.
 *
 * Work is cut into (item, band of output rows, group of some output blocks). A band's input
 * is copied to scratch with a border of zeros, columns split by stride phase, so that the pixels of
 * a tile are neighbours whatever stride and padding; without padding and stride it is read where it
 * lies. A band is sized so that it stays in L2 while all groups of output channels meet it.
 *
 * Windows of one element see the band as one long row. Grouped convolutions sum over the input
 * channels that their output blocks need; where a block straddles two groups, weights are zero for
 * what is not its own. Their windows of one element, and those that read shuffled channels, have a
 * list of these channels instead of blocks. Few input channels in plain layout (the first layer of
 * a network) are read as they are: then channels are taps too. */
#include <string.h>

#include "base/mem.h"
#include "kernels/blocked.h"
#include "kernels/conv_direct.h"

/* Floats of weights that all tiles of a band read before the next ones; pixels that a thread should
 * have to share by rows. */
enum { PANEL = 32 << 10, ROW_PIXELS = 64 };

/* ---- the cut of a call ---- */

struct plan {
    struct ms_conv c;
    const struct ms_direct_state *s;
    const struct ms_blocked_fns *rows_fns;
    size_t vl;      /* floats of a pixel of a block */
    bool plain;     /* x is plain */
    bool copies;    /* bands go to scratch */
    size_t planes;  /* of x: blocks, or channels when plain */
    size_t px;      /* floats of a pixel of x */
    size_t phases;  /* of columns, in scratch */
    size_t pitch;   /* pixels of a row of one phase; of x itself without copies */
    size_t step;    /* rows of the band (or of x) from one output row to the next */
    size_t band;    /* output rows done at once, at most */
    size_t bands;   /* of an item */
    size_t rows;    /* input rows of a band in scratch, at most */
    size_t plane;   /* floats of a plane of the band */
    size_t n_taps;  /* entries of the table, at most */
    bool by_groups; /* of output channels, before bands */
    enum ms_conv_form form;
};

/* A plan and what goes with it: at the beginning of scratch, so that a worker's later calls of the
 * same step find it there. */
struct call {
    struct plan p;
    struct ms_conv_tiling m;
    struct ms_act act;
    struct ms_conv_panel panel;
    enum ms_isa isa;
    size_t *tap; /* the table */
    size_t list; /* listed: the list in it, SIZE_MAX if there is none yet */
    bool clean;  /* padding lanes have to be zeroed after the activation */
};

static size_t l2_bytes(void)
{
    size_t l2 = ms_cpu()->l2;

    return l2 < (256u << 10) ? 512u << 10 : l2;
}

/* Rows of scratch (or of x) that `band` output rows read. */
static size_t rows_of(const struct plan *p, size_t band)
{
    const struct ms_window *w = &p->c.w;

    if (p->copies && w->k[1] == 1)
        return band;
    return (band - 1) * (size_t)w->s[1] + (size_t)((w->k[1] - 1) * w->d[1]) + 1;
}

/* Threads that share an item by rows meet input that they wrote themselves, in their own caches,
 * and all read all weights, which come while they compute if each weight meets enough pixels.
 * Sharing by output channels each reads all of the input and only its own weights. */
static bool by_rows(const struct plan *p)
{
    const size_t threads = p->s->threads, enough = ROW_PIXELS * threads;

    return (size_t)p->c.n < threads && (size_t)p->c.w.out[1] >= threads &&
           (size_t)p->c.out_px >= enough;
}

/* Bytes that a band in scratch may take, beside the table of taps. */
static size_t room_of(const struct plan *p)
{
    size_t room = l2_bytes() / 2, most = p->s->workspace,
           taps = ms_align64(sizeof(struct call)) + ms_align64(p->n_taps * sizeof(size_t));

    if (!most || !p->copies)
        return room;
    most = most > taps ? most - taps : 0;
    return most < room ? most : room;
}

/* Is that number of units enough? Bands of threads that share by groups read the same weights. */
static bool shares_evenly(const struct plan *p, size_t units)
{
    return units >= p->s->pieces || (p->by_groups && units % p->s->threads == 0);
}

/* So many rows that the band takes half of L2, fewer if that is more than scratch may have, or
 * leaves too little to share out. */
static void cut_bands(struct plan *p)
{
    const struct ms_window *w = &p->c.w;
    size_t oh = (size_t)w->out[1], row = p->planes * p->phases * p->pitch * p->px * sizeof(float);
    size_t most = row ? room_of(p) / row : 1, halo = rows_of(p, 1) - 1;

    most = most > halo ? (most - halo) / p->step : 1;
    most = most < 1 ? 1 : most > oh ? oh : most;
    p->bands = (oh + most - 1) / most;
    if (by_rows(p))
        p->bands = (p->bands + p->s->threads - 1) / p->s->threads * p->s->threads;
    while (p->bands < oh && !shares_evenly(p, p->bands * p->s->groups * (size_t)p->c.n))
        p->bands *= 2;
    p->bands = p->bands < oh ? p->bands : oh;
    p->band = (oh + p->bands - 1) / p->bands;
}

/* The first output row of band b: all have the same number, or one less. */
static size_t row_of(const struct plan *p, size_t b)
{
    return b * (size_t)p->c.w.out[1] / p->bands;
}

static void set_band(struct plan *p, size_t band)
{
    p->band = band;
    p->rows = rows_of(p, band);
    p->plane = p->copies ? p->rows * p->phases * p->pitch * p->px : (size_t)p->c.in_px * p->px;
}

static bool plan_of(struct plan *p, const struct ms_task *t, enum ms_isa isa)
{
    const struct ms_window *w = &p->c.w;

    ms_conv_of(&p->c, t);
    p->s = t->state;
    p->rows_fns = ms_blocked_fns(isa);
    p->vl = ms_direct_width(isa);
    p->plain = t->in[0]->layout == MS_PLAIN;
    p->planes = p->plain ? (size_t)p->c.ic : ((size_t)p->c.ic + p->vl - 1) / p->vl;
    p->px = p->plain ? 1 : p->vl;
    p->copies = p->plain || w->s[2] != 1 || w->pb[1] || w->pb[2] || w->pe[1] || w->pe[2];
    p->phases = p->copies && w->k[2] > 1 ? (size_t)w->s[2] : 1;
    p->pitch = p->copies ? (size_t)w->out[2] + (size_t)((w->k[2] - 1) * w->d[2] / w->s[2])
                         : (size_t)w->in[2];
    p->step = p->copies && w->k[1] == 1 ? 1 : (size_t)w->s[1];
    p->form = p->plain ? MS_CONV_PLAIN : p->s->list ? MS_CONV_LISTED : MS_CONV_BLOCKS;
    p->n_taps = p->s->list ? p->s->longest : (size_t)p->c.taps * (p->plain ? p->planes : 1);
    p->by_groups = !p->copies && (size_t)p->c.n < p->s->threads && !by_rows(p);
    cut_bands(p);
    set_band(p, p->band);
    return true;
}

/* Where the band begins in scratch, and all bytes: call, table of taps, band. */
static bool scratch_of(const struct plan *p, size_t *at, size_t *bytes)
{
    size_t band = 0;

    if (!ms_mul(p->n_taps, sizeof(size_t), at) || *at > SIZE_MAX / 2 ||
        (p->copies && !ms_mul(p->plane, p->planes * sizeof(float), &band)))
        return false;
    *at = ms_align64(sizeof(struct call)) + ms_align64(*at);
    return ms_add(*at, band, bytes);
}

static size_t units(const struct ms_task *t, enum ms_isa isa)
{
    struct plan p;

    if (ms_tensor_count(t->out[0]) == 0)
        return 0;
    plan_of(&p, t, isa);
    return (size_t)p.c.n * p.bands * p.s->groups;
}

static size_t scratch(const struct ms_task *t, enum ms_isa isa)
{
    struct plan p;
    size_t at, bytes;

    if (ms_tensor_count(t->out[0]) == 0)
        return 0;
    plan_of(&p, t, isa);
    return scratch_of(&p, &at, &bytes) ? bytes : SIZE_MAX;
}

/* ---- the band ---- */

/* Mostly one pixel at the edge. */
static void clear(float *to, size_t n)
{
    if (n == 1)
        *to = 0;
    else if (n == 8)
        memset(to, 0, 8 * sizeof *to);
    else if (n == 16)
        memset(to, 0, 16 * sizeof *to);
    else if (n)
        memset(to, 0, n * sizeof *to);
}

/* n pixels of px floats, 8 or 16, that lie `apart` floats from each other: a call for each would
 * take longer than its copy. */
static void copy_pixels(float *to, const float *from, size_t n, size_t px, size_t apart)
{
    if (px == 16)
        for (size_t i = 0; i < n; i++)
            memcpy(to + 16 * i, from + apart * i, 16 * sizeof *to);
    else
        for (size_t i = 0; i < n; i++)
            memcpy(to + 8 * i, from + apart * i, 8 * sizeof *to);
}

/* One row of a plane: column j of phase f is input column j s + f - pb. */
static void copy_row(const struct plan *p, const float *x, float *to)
{
    const struct ms_window *w = &p->c.w;
    int64_t in = w->in[2], s = w->s[2], pitch = (int64_t)p->pitch;
    size_t px = p->px;

    for (int64_t f = 0; f < (int64_t)p->phases; f++, to += p->pitch * px) {
        int64_t at = f - w->pb[2]; /* of column 0 */
        int64_t from = at >= 0 ? 0 : (-at + s - 1) / s,
                end = in - at <= 0 ? 0 : (in - at - 1) / s + 1;
        end = end > pitch ? pitch : end;
        from = from > end ? end : from;
        clear(to, (size_t)from * px);
        const float *src = x + (from * s + at) * (int64_t)px;
        if (s == 1)
            memcpy(to + (size_t)from * px, src, (size_t)(end - from) * px * sizeof *to);
        else if (px == 1 && s == 2)
            p->rows_fns->halve(src, to + from, (size_t)(end - from));
        else if (px == 1)
            for (int64_t j = from; j < end; j++, src += s)
                to[j] = *src;
        else
            copy_pixels(to + (size_t)from * px, src, (size_t)(end - from), px, (size_t)s * px);
        clear(to + (size_t)end * px, (size_t)(pitch - end) * px);
    }
}

/* The input rows of `band` output rows from `oh` on. */
static void copy_band(const struct plan *p, const float *x, size_t oh, size_t band, float *to)
{
    const struct ms_window *w = &p->c.w;
    int64_t every = w->k[1] == 1 ? w->s[1] : 1, first = (int64_t)oh * w->s[1] - w->pb[1];
    size_t row = p->phases * p->pitch * p->px, in_row = (size_t)w->in[2] * p->px;
    size_t rows = rows_of(p, band);

    for (size_t b = 0; b < p->planes; b++, x += (size_t)p->c.in_px * p->px, to += p->plane)
        for (size_t r = 0; r < rows; r++) {
            int64_t from = first + (int64_t)r * every;
            if (from < 0 || from >= w->in[1])
                memset(to + r * row, 0, row * sizeof *to);
            else
                copy_row(p, x + (size_t)from * in_row, to + r * row);
        }
}

/* Channels of a list instead: there is one tap then. */
static void fill_list(const struct plan *p, const uint32_t *list, size_t n, size_t *tap)
{
    const int shift = p->vl == 16 ? 4 : 3; /* a division would take longer than the products */

    for (size_t i = 0; i < n; i++)
        tap[i] = (list[i] >> shift) * p->plane + (list[i] & (p->vl - 1));
}

static void fill_taps(const struct plan *p, size_t *tap)
{
    const struct ms_window *w = &p->c.w;

    for (int64_t h = 0; h < w->k[1]; h++)
        for (int64_t v = 0; v < w->k[2]; v++) {
            size_t right = (size_t)(v * w->d[2]), s = p->copies ? (size_t)w->s[2] : 1;
            size_t row = (size_t)(h * w->d[1]) * p->phases + (p->phases > 1 ? right % s : 0);
            for (size_t c = 0; c < (p->plain ? p->planes : 1); c++)
                *tap++ = c * p->plane + (row * p->pitch + right / s) * p->px;
        }
}

/* ---- running ---- */

/* What a clamp in the tile cannot do; groups are whole blocks then. */
static void finish(const struct call *c, const struct ms_direct_group *g, float *y, size_t n)
{
    size_t vl = c->p.vl, oc = (size_t)c->p.c.oc;

    for (size_t o = g->channel; o < g->channel + g->lanes; o += vl, y += c->m.y_block) {
        if (c->act.more)
            c->act.row(y, y, n * vl, c->act.a, c->act.b);
        if (c->clean && oc - o < vl)
            ms_block_clean(y, n, vl, oc - o);
    }
}

/* Some input blocks of a group, and their weights: tiles add them to what those before gave. */
struct slice {
    struct ms_conv_reach reach;
    size_t block; /* the first, of the group's */
    const float *w;
    size_t steps; /* of lanes floats */
    bool last;
};

/* The tiles of a band's rows: `at` counts them. */
struct rows {
    struct ms_conv_cut cut;
    ms_conv_tile_fn pair; /* for two rows at once; NULL: one by one */
    size_t at, all;
};

static struct rows rows_of_tiles(const struct call *c, size_t lanes, size_t rows, size_t ow)
{
    struct rows t = {.cut = ms_conv_cut_of(ow, ms_conv_tile_max(c->isa, lanes))};

    if (c->p.form == MS_CONV_BLOCKS && rows > 1)
        t.pair = ms_conv_tile_pair(c->isa, lanes, ow);
    t.all = t.pair ? (rows + 1) / 2 : rows * t.cut.tiles;
    return t;
}

/* `n` output pixels: a row, or two if t has a tile for a pair. */
static void run_row(struct call *c, const struct ms_direct_group *g, const struct slice *s,
                    struct rows *t, bool two, const float *x, size_t n, const float *res, float *y)
{
    const struct plan *p = &c->p;
    const struct ms_conv_cut pair = {1, n, 0}, *cut = two ? &pair : &t->cut;
    const size_t each = cut->each, more = cut->more;
    size_t done = 0;
    const float *bias = p->s->bias + g->channel;
    ms_conv_tile_fn fn =
        two ? t->pair : ms_conv_tile(c->isa, g->lanes, more ? each + 1 : each, p->form);

    for (size_t i = 0; i < cut->tiles; i++) {
        if (i && i == more)
            fn = ms_conv_tile(c->isa, g->lanes, each, p->form);
        ms_conv_look_ahead(&c->m, &c->panel, t->at++);
        fn(&c->m, &s->reach, x + done * p->px, s->w, bias, res ? res + done * p->vl : NULL,
           y + done * p->vl);
        done += each + (i < more);
    }
    if (!s->last)
        return;
    if (c->act.more || c->clean)
        finish(c, g, y, n);
    size_t end = g->channel + g->lanes; /* a half block whose other half is padding */
    for (size_t i = 0; end >= (size_t)p->c.oc && end % p->vl && i < n; i++)
        memset(y + i * p->vl + g->lanes, 0, (p->vl - end % p->vl) * sizeof *y);
}

/* The part of a group that begins at a block: its weights are a panel that all tiles of the band
 * read from L2, while those of the next part come. So the panel is small if the sums between parts
 * have room beside it. */
static struct slice slice_at(const struct call *c, const struct ms_direct_group *g, size_t block,
                             size_t pixels)
{
    const struct plan *p = &c->p;
    const size_t vl = p->vl, blocks = g->reach.blocks;
    const size_t each = vl * (size_t)p->c.taps * g->lanes; /* floats of a block */
    size_t most = blocks, parts;

    if (!p->plain && pixels * g->lanes * sizeof(float) <= l2_bytes() / 8)
        most = each < PANEL ? PANEL / each : 1;
    parts = (blocks + most - 1) / most;
    most = (blocks + parts - 1) / parts;
    struct slice s = {.block = block, .last = block + most >= blocks};
    s.reach.blocks = s.last ? blocks - block : most;
    s.reach.first = block ? 0 : g->reach.first;
    s.reach.last = s.last ? g->reach.last : vl;
    s.w = p->s->w + g->weight + (block ? block * each - g->reach.first * each / vl : 0);
    s.steps = ((s.reach.blocks - 1) * vl + s.reach.last - s.reach.first) * (size_t)p->c.taps;
    s.steps = p->plain ? p->n_taps : s.steps;
    return s;
}

/* next: the weights after these, NULL if unknown. Both and the band should have room in L2. */
static void open_panel(struct call *c, const struct slice *s, const float *next, size_t lanes,
                       size_t tiles)
{
    const size_t band = c->p.copies ? c->p.plane * c->p.planes : 0;
    const bool room = (2 * s->steps * lanes + band) * sizeof(float) <= l2_bytes();

    c->panel = (struct ms_conv_panel){.w = s->w,
                                      .next = room ? next : NULL,
                                      .steps = s->steps,
                                      .lanes = lanes,
                                      .block = c->p.form == MS_CONV_BLOCKS ? c->p.vl : 0,
                                      .fetched = c->panel.next == s->w};
    ms_conv_panel_share(&c->panel, tiles);
    c->m.resume = s->block > 0;
    if (c->p.form == MS_CONV_LISTED) {
        c->m.tap = c->tap + s->block * c->p.vl;
        c->m.taps = s->steps;
    }
    c->m.lo = s->last ? c->act.lo : -__builtin_inff();
    c->m.hi = s->last ? c->act.hi : __builtin_inff();
}

/* The table for a group's list; neighbours often have the same. */
static void open_list(struct call *c, const struct ms_direct_group *g)
{
    const struct plan *p = &c->p;

    if (p->form != MS_CONV_LISTED || c->list == g->list)
        return;
    fill_list(p, p->s->list + g->list, (g->reach.blocks - 1) * p->vl + g->reach.last, c->tap);
    c->list = g->list;
}

/* `rows` rows of a group from band, where its first one lies, to y. next: the weights of the group
 * that follows, NULL if it is not known. */
static void run_group(struct call *c, const struct ms_direct_group *g, size_t rows,
                      const float *band, const float *res, float *y, const float *next)
{
    const struct plan *p = &c->p;
    size_t ow = (size_t)p->c.w.out[2], block = p->form == MS_CONV_BLOCKS ? p->plane : 0;

    band += g->from * block;
    open_list(c, g);
    if (p->pitch == ow && p->step == 1 && p->c.taps == 1) { /* one long row */
        ow *= rows;
        rows = 1;
    }
    struct rows t = rows_of_tiles(c, g->lanes, rows, ow);
    c->m.row = p->step * p->phases * p->pitch * p->px;
    for (size_t b = 0; b < g->reach.blocks;) {
        const struct slice s = slice_at(c, g, b, rows * ow);
        open_panel(c, &s, s.last ? next : s.w + s.steps * g->lanes, g->lanes, t.all);
        t.at = 0;
        for (size_t r = 0, n; r < rows; r += n) {
            n = t.pair && r + 1 < rows ? 2 : 1;
            run_row(c, g, &s, &t, n == 2, band + b * block + r * c->m.row, n * ow,
                    s.last && res ? res + r * ow * p->vl : NULL, y + r * ow * p->vl);
        }
        b += s.reach.blocks;
    }
}

/* A unit of work, and where its weights are. */
struct unit {
    size_t item, band, row, rows;
    const struct ms_direct_group *group;
};

/* Units follow each other by bands, all groups of a band after each other; or by groups, where
 * threads share those and bands need not be copied: then each reads only its own weights. */
static struct unit unit_of(const struct plan *p, size_t u)
{
    const size_t groups = p->s->groups, each = p->bands * groups, of = u % each;
    struct unit v = {.item = u / each};

    v.band = p->by_groups ? of % p->bands : of / groups;
    v.group = &p->s->group[p->by_groups ? of / p->bands : of % groups];
    v.row = row_of(p, v.band);
    v.rows = row_of(p, v.band + 1) - v.row;
    return v;
}

static void run_unit(struct call *c, const struct unit *v, const float *band, const float *next)
{
    const struct plan *p = &c->p;
    const struct ms_direct_group *g = v->group;
    size_t blocks = ((size_t)p->c.oc + p->vl - 1) / p->vl, block = g->channel / p->vl;
    size_t at = (v->item * blocks + block) * (size_t)p->c.out_px + v->row * (size_t)p->c.w.out[2];

    at = at * p->vl + g->channel % p->vl;
    run_group(c, g, v->rows, band, p->c.res ? (const float *)p->c.res + at : NULL,
              (float *)p->c.y + at, next);
}

/* After the plan is made; c lies in scratch. y_block: floats from an output block to the next. */
static void open_call(struct call *c, const struct ms_node *n, size_t y_block)
{
    const struct plan *p = &c->p;

    c->act = ms_act_of_node(n, c->isa);
    c->tap = (size_t *)(void *)((uint8_t *)c + ms_align64(sizeof *c));
    c->list = SIZE_MAX;
    if (p->form != MS_CONV_LISTED)
        fill_taps(p, c->tap);
    c->panel = (struct ms_conv_panel){0};
    c->m = (struct ms_conv_tiling){.tap = c->tap,
                                   .taps = p->n_taps,
                                   .x_block = p->plane,
                                   .y_block = y_block,
                                   .lo = c->act.lo,
                                   .hi = c->act.hi};
    c->clean = (size_t)p->c.oc % p->vl != 0 && ms_act_ref(&c->act, 0) != 0;
}

/* The call in scratch, and the band behind it; NULL when there is nothing to do. have: the band
 * that is in scratch, SIZE_MAX before a worker's first call of a step. */
static struct call *call_of(const struct ms_task *t, enum ms_isa isa, size_t have, float **band)
{
    struct call *c = t->scratch;
    size_t at, bytes;

    if (ms_tensor_count(t->out[0]) == 0)
        return NULL;
    if (have == SIZE_MAX) {
        c->isa = isa;
        plan_of(&c->p, t, isa);
        open_call(c, t->node, (size_t)c->p.c.out_px * c->p.vl);
    }
    if (!scratch_of(&c->p, &at, &bytes))
        return NULL;
    *band = (float *)(void *)((uint8_t *)t->scratch + at);
    return c;
}

static void run(const struct ms_task *t, enum ms_isa isa)
{
    size_t have = t->memo ? *t->memo : SIZE_MAX;
    float *band;
    struct call *c = call_of(t, isa, have, &band);

    if (!c)
        return;
    const struct plan *p = &c->p;
    const size_t all = (size_t)p->c.n * p->bands * p->s->groups;
    for (size_t u = t->first; u < t->last && !ms_task_stopped(t); u++) {
        const struct unit v = unit_of(p, u);
        const size_t nb = v.item * p->bands + v.band;
        const float *x = (const float *)p->c.x + v.item * p->planes * (size_t)p->c.in_px * p->px;
        if (p->copies && nb != have)
            copy_band(p, x, v.row, v.rows, band);
        have = nb; /* band in scratch */
        if (!p->copies)
            x += v.row * p->step * (size_t)p->c.w.in[2] * p->px;
        /* beyond t->last too: whoever has these units likely goes on with those behind them */
        const float *next = u + 1 < all ? p->s->w + unit_of(p, u + 1).group->weight : NULL;
        run_unit(c, &v, p->copies ? band : x, next);
    }
    if (t->memo)
        *t->memo = have;
}

/* ---- rows for a step that follows at once ---- */

bool ms_conv_direct_by_rows(const struct ms_task *t)
{
    return t->in[0]->shape.rank == 4 && !(t->n_in > 3 && t->in[3]);
}

size_t ms_conv_direct_pieces(const struct ms_task *t)
{
    return ((const struct ms_direct_state *)t->state)->pieces;
}

/* The plan of a call with bands of so many rows. */
static void plan_rows(struct plan *p, const struct ms_task *t, size_t rows)
{
    plan_of(p, t, t->out[0]->layout == 16 ? MS_ISA_AVX512 : MS_ISA_AVX2);
    set_band(p, rows);
}

bool ms_conv_direct_rows_scratch(const struct ms_task *t, size_t rows, size_t *bytes)
{
    struct plan p;
    size_t at;

    plan_rows(&p, t, rows);
    if (!scratch_of(&p, &at, bytes) || *bytes > SIZE_MAX - 64)
        return false;
    *bytes = ms_align64(*bytes);
    return true;
}

void ms_conv_direct_rows(const struct ms_task *t, size_t item, size_t from, size_t to,
                         void *scratch, float *y, size_t y_block)
{
    struct call *c = scratch;
    const struct plan *p = &c->p;
    size_t at, bytes;

    c->isa = t->out[0]->layout == 16 ? MS_ISA_AVX512 : MS_ISA_AVX2;
    plan_rows(&c->p, t, to - from);
    if (!scratch_of(p, &at, &bytes))
        return;
    open_call(c, t->node, y_block);
    const float *x = (const float *)p->c.x + item * p->planes * (size_t)p->c.in_px * p->px;
    float *band = (float *)(void *)((uint8_t *)scratch + at);
    if (p->copies)
        copy_band(p, x, from, to - from, band);
    else
        x += from * p->step * (size_t)p->c.w.in[2] * p->px;
    for (size_t k = 0; k < p->s->groups; k++) {
        const struct ms_direct_group *g = &p->s->group[k];
        const struct ms_direct_group *next = k + 1 < p->s->groups ? g + 1 : NULL;
        run_group(c, g, to - from, p->copies ? band : x, NULL,
                  y + g->channel / p->vl * y_block + g->channel % p->vl,
                  next ? p->s->w + next->weight : NULL);
    }
}

size_t ms_conv_direct_units_avx512(const struct ms_task *t)
{
    return units(t, MS_ISA_AVX512);
}

size_t ms_conv_direct_units_avx2(const struct ms_task *t)
{
    return units(t, MS_ISA_AVX2);
}

size_t ms_conv_direct_scratch_avx512(const struct ms_task *t)
{
    return scratch(t, MS_ISA_AVX512);
}

size_t ms_conv_direct_scratch_avx2(const struct ms_task *t)
{
    return scratch(t, MS_ISA_AVX2);
}

void ms_conv_direct_avx512(const struct ms_task *t)
{
    run(t, MS_ISA_AVX512);
}

void ms_conv_direct_avx2(const struct ms_task *t)
{
    run(t, MS_ISA_AVX2);
}
