/* SPDX-License-Identifier: Apache-2.0 */
/* conv_integer_direct.c - ConvInteger and QLinearConv with weights that are constants: no patches.
 *
 * A band of the input is made into quads once (conv_quads.h), where a step of a sum lies at one
 * distance from all outputs, and tiles of output channels and pixels read it there (gemm/quad.h).
 * Zero points are corrected in what the sums begin with:
 *
 *     sum (x - zx)(w - zw) = sum x w - zx (sum w - K zw) - zw sum x
 *
 * where the last term, of each pixel, is worked out only for weights that have a zero point, as one
 * more channel of ones. A unit is (item and group, band of output rows, part of the channels). */
#include "kernels/conv_integer.h"

#include <string.h>

#include "base/mem.h"
#include "kernels/conv.h"
#include "kernels/conv_quad_strip.h"
#include "kernels/conv_quads.h"
#include "kernels/gemm/quad.h"
#include "kernels/qlinear.h"
#include "kernels/quant.h"

enum { MR = MS_QUAD_ROWS, WIDTH = MS_QUAD_WIDTH, PART = 24 /* fewest channels of a part */ };

/* What prepare makes; behind it the sums of weights, then quads: of ones, and of the channels, a
 * block of a group together. */
struct packed {
    struct ms_quads_order order;
    bool lanes;        /* channels are lanes: blocks of WIDTH, else of MR */
    size_t ones, rows; /* bytes from here */
    size_t pieces;     /* units that a call should have */
};

/* A channel of a unit: what its sums begin with, its weights' zero point as they are packed, and
 * what the sums are multiplied with. */
struct channel {
    int32_t first, zero;
    float factor;
};

/* Bytes of quads that so many neighbouring pixels read. */
static double quad_bytes(const struct ms_prep *p, const struct ms_quads_order *o, size_t pitch,
                         int last, size_t width)
{
    const int64_t down = last > 0 ? ms_attr_ints_at(p->node, "strides", 0, 1) : 1;
    const int64_t across = ms_attr_ints_at(p->node, "strides", last, 1);
    const int64_t apart = last > 0 ? ms_attr_ints_at(p->node, "dilations", 0, 1) : 1;
    const double rows = (double)o->kh < (double)down ? (double)o->kh : (double)down;
    const double cols = o->columns                       ? 1
                        : (double)o->kw < (double)across ? (double)o->kw
                                                         : (double)across;
    const double more = (double)(o->kh - 1) * (double)apart / (double)down;

    return (double)o->planes * rows * cols * ((double)width + more * (double)pitch) * 4;
}

/* w: which input the weights are. */
static bool applicable(const struct ms_prep *p, const struct ms_quad_form *f, int w)
{
    const bool can = f == &ms_quad_vnni      ? ms_cpu()->vnni
                     : f == &ms_quad_avxvnni ? ms_cpu()->avxvnni
                                             : true;
    const struct ms_shape *s = &p->in[w].shape, *y = &p->out[0].shape;
    struct ms_quads_order o;

    if (!can || !p->in[w].value || p->in[w].value->bytes == 0 ||
        !ms_quads_order_of(&o, p->node, s, f->group))
        return false;
    const int last = s->rank - 3;
    const int64_t out = y->rank == s->rank ? y->dim[last + 2] : -1;
    if (!p->workspace || out < 1)
        return true;
    const size_t pitch = ms_quads_pitch(&o, out, ms_attr_ints_at(p->node, "dilations", last, 1),
                                        ms_attr_ints_at(p->node, "strides", last, 1));
    return quad_bytes(p, &o, pitch, last, pitch) < 0.5 * (double)p->workspace; /* one row */
}

/* ---- weights ---- */

/* Bytes of four are signed weights and unsigned inputs; what is of the other kind is moved. */
static uint8_t flip_of(const struct ms_quad_form *f, enum ms_dtype t, enum ms_dtype wanted)
{
    return f->group == 4 && t != wanted ? 0x80 : 0;
}

static int32_t moved_zero(const struct ms_quad_form *f, const struct ms_tensor *z, size_t i,
                          enum ms_dtype t, enum ms_dtype wanted)
{
    const int32_t v = ms_quant_at(z, z && ms_tensor_count(z) > 1 ? i : 0);

    return flip_of(f, t, wanted) ? v + (wanted == MS_U8 ? 128 : -128) : v;
}

static size_t divided(size_t a, size_t b)
{
    return (a + b - 1) / b;
}

/* Whether channels shall be lanes: vectors of pixels would be less full than those of channels, or
 * their tiles leave the first cache, by more than it costs to turn the results. Only weights
 * without zero points. */
static bool by_lanes(const struct ms_prep *p, const struct ms_quad_form *f,
                     const struct ms_quads_order *o, int wi, int zi)
{
    const struct ms_shape *y = &p->out[0].shape, *w = &p->in[wi].shape;
    const struct ms_tensor *zw = p->node->n_in > zi ? p->in[zi].value : NULL;
    const size_t ocg = (size_t)w->dim[0] / (size_t)ms_attr_int(p->node, "group"), turn = 24;
    const int last = w->rank - 3;

    if (!f->channels || y->rank != w->rank || (ms_in(p->node, zi) && !zw))
        return false;
    for (size_t i = 0; i < (zw ? ms_tensor_count(zw) : 1); i++)
        if (moved_zero(f, zw, i, p->in[wi].dtype, MS_I8) != 0)
            return false;
    const int64_t out = y->dim[last + 2], rows = last > 0 ? y->dim[2] : 1;
    if (out < 1 || rows < 1 || out > 1024 || rows > 1024) /* unknown, or long enough */
        return false;
    const size_t pitch = ms_quads_pitch(o, out, ms_attr_ints_at(p->node, "dilations", last, 1),
                                        ms_attr_ints_at(p->node, "strides", last, 1));
    const size_t l1 = ms_cpu()->l1d ? ms_cpu()->l1d : (size_t)32 << 10;
    const double slow = quad_bytes(p, o, pitch, last, f->width) > 0.75 * (double)l1 ? 1.2 : 1;
    const double pixels = (double)divided((size_t)(rows - 1) * pitch + (size_t)out, f->lanes) *
                          (double)ocg * (double)o->steps * slow;
    return (double)divided(ocg, f->lanes) * (double)(out * rows) * (double)(o->steps + turn) <
           pixels;
}

/* Channels of a group with those that fill its last vector. */
static size_t padded(const struct packed *h, const struct ms_quad_form *f, size_t ocg)
{
    return h->lanes ? divided(ocg, f->lanes) * f->lanes : ocg;
}

/* All channels of w into blocks at `to`, and their sums. */
static void pack(const struct packed *h, const struct ms_quad_form *f, const struct ms_tensor *w,
                 size_t oc, size_t ocg, uint8_t *to, int32_t *sum)
{
    const size_t high = h->lanes ? WIDTH : MR, all = padded(h, f, ocg), k = w->bytes / oc;
    const uint8_t flip = flip_of(f, w->dtype, MS_I8);

    for (size_t o = 0; o < oc; o++) {
        const size_t group = o / ocg, i = o % ocg % high, block = o % ocg - i;
        const size_t rows = all - block < high ? all - block : high;
        sum[o] =
            ms_quads_weights(&h->order, (const uint8_t *)w->data + o * k, w->dtype, flip,
                             to + (group * all + block) * 4 * h->order.steps + 4 * i, 4 * rows);
    }
}

static ms_code prepare(const struct ms_prep *p, const struct ms_quad_form *f, int wi, int zi,
                       const void **state, struct ms_err *err)
{
    const struct ms_tensor *w = p->in[wi].value;
    const size_t oc = (size_t)p->in[wi].shape.dim[0];
    const size_t groups = (size_t)ms_attr_int(p->node, "group"), ocg = oc / groups;
    struct packed head = {.pieces = ms_conv_pieces(p->threads)};
    size_t row, bytes;

    (void)ms_quads_order_of(&head.order, p->node, &p->in[wi].shape, f->group);
    head.lanes = by_lanes(p, f, &head.order, wi, zi);
    head.ones = ms_align64(sizeof head) + ms_align64(oc * sizeof(int32_t));
    if (!ms_mul(head.order.steps, 4, &row) || row > SIZE_MAX / 4 ||
        !ms_add(head.ones, ms_align64(row), &head.rows) ||
        !ms_mul(row, groups * padded(&head, f, ocg), &bytes) || !ms_add(bytes, head.rows, &bytes))
        return ms_fail(err, MS_RESOURCE_EXHAUSTED, "the packed weights are too large");
    uint8_t *to = p->alloc(p, bytes);
    if (!to)
        return ms_fail_oom(err, "packed weights", bytes);
    *state = to;
    memcpy(to, &head, sizeof head);
    ms_quads_weights(&head.order, NULL, w->dtype, 0, to + head.ones, 4);
    if (head.lanes)
        memset(to + head.rows, 0, bytes - head.rows);
    pack(&head, f, w, oc, ocg, to + head.rows, (int32_t *)(void *)(to + ms_align64(sizeof head)));
    return MS_OK;
}

/* ---- plan ---- */

struct plan {
    const struct packed *head;
    const struct ms_quad_form *f;
    struct ms_conv c;
    struct ms_quads q;
    size_t rows, bands;        /* output rows of a band */
    size_t parts, part;        /* of a group's channels; channels of a part */
    size_t plane, image, line; /* bytes */
    size_t at_bytes, channel_bytes;
};

/* Even bands whose quads fill no more than half of the second cache, and as many units as are
 * wanted as long as a band has two tiles of pixels and a part some blocks. */
static bool cut(struct plan *p)
{
    const size_t l2 = ms_cpu()->l2 ? ms_cpu()->l2 : (size_t)1 << 20;
    const size_t out = (size_t)p->c.w.out[1], items = (size_t)(p->c.n * p->c.groups);
    const size_t want = divided(p->head->pieces, items ? items : 1);
    const size_t high = p->head->lanes ? WIDTH : MR, ocg = (size_t)p->c.ocg;
    size_t all;

    if (!ms_quads_bytes(&p->q, 1, &p->plane, &p->image, &p->line) ||
        !ms_quads_bytes(&p->q, out, &p->plane, &all, &p->line))
        return false;
    const size_t fit = l2 / 2 / (p->image / (1 + p->q.more) + 1);
    const size_t least = divided(2 * p->f->width, p->q.pitch);
    p->rows = fit > p->q.more + 1 ? fit - p->q.more : 1;
    if (p->rows > divided(out, want))
        p->rows = divided(out, want) > least ? divided(out, want) : least;
    p->rows = p->rows < out ? p->rows : out;
    p->bands = divided(out, p->rows);
    p->rows = divided(out, p->bands);
    p->bands = divided(out, p->rows);
    const size_t parts = p->bands < want ? divided(want, p->bands) : 1;
    p->part = divided(ocg, parts) > PART ? divided(ocg, parts) : PART;
    p->part = divided(p->part, high) * high;
    p->parts = divided(ocg, p->part);
    return ms_quads_bytes(&p->q, p->rows, &p->plane, &p->image, &p->line);
}

static bool plan_of(struct plan *p, const struct ms_quad_form *f, const struct ms_task *t)
{
    *p = (struct plan){.f = f, .head = t->state};
    ms_conv_of(&p->c, t);
    ms_quads_of(&p->q, &p->head->order, &p->c.w);
    p->at_bytes = ms_align64(p->head->order.steps * sizeof(size_t));
    if (!cut(p))
        return false;
    p->channel_bytes = ms_align64(p->part * sizeof(struct channel));
    return true;
}

static size_t units_of(const struct ms_task *t, const struct ms_quad_form *f)
{
    struct plan p;
    size_t units;

    if (!plan_of(&p, f, t))
        return 1;
    return ms_mul((size_t)(p.c.n * p.c.groups), p.bands * p.parts, &units) ? units : SIZE_MAX;
}

static size_t scratch(const struct ms_task *t, const struct ms_quad_form *f)
{
    struct plan p;

    return plan_of(&p, f, t)
               ? ms_align64(p.image) + ms_align64(p.line) + p.at_bytes + p.channel_bytes
               : SIZE_MAX;
}

/* ---- a unit ---- */

/* What a call works in. */
struct room {
    uint8_t *image, *line;
    size_t *at;
    struct channel *channel;
};

static struct room room_of(const struct plan *p, void *scratch)
{
    struct room r = {.image = scratch};

    r.line = r.image + ms_align64(p->image);
    r.at = (size_t *)(void *)(r.line + ms_align64(p->line));
    r.channel = (struct channel *)(void *)((uint8_t *)r.at + p->at_bytes);
    return r;
}

/* Neighbouring lanes of a tile that are outputs, and where they go. */
struct piece {
    size_t lane, n, to;
};

/* The outputs among n pixels from pixel px of a band on. */
static size_t pieces_of(struct piece *list, size_t px, size_t n, size_t pitch, size_t out)
{
    size_t count = 0;

    if (pitch == out) {
        *list = (struct piece){0, n, px};
        return 1;
    }
    for (size_t lane = 0; lane < n;) {
        const size_t row = (px + lane) / pitch, col = (px + lane) % pitch;
        size_t run = pitch - col < n - lane ? pitch - col : n - lane;
        if (col < out)
            list[count++] =
                (struct piece){lane, run < out - col ? run : out - col, row * out + col};
        lane += run;
    }
    return count;
}

/* Whether a channel of those has a zero point. */
static bool channels(const struct plan *p, const struct ms_task *t, const struct ms_qlinear *q,
                     size_t o, size_t n, int32_t zx, struct channel *to)
{
    const struct ms_tensor *w = t->in[1], *zw = t->n_in > 3 ? t->in[3] : NULL;
    const int32_t *sum =
        (const int32_t *)(const void *)((const uint8_t *)p->head + ms_align64(sizeof *p->head));
    const int32_t *bias = q && q->bias ? q->bias->data : NULL;
    const uint32_t k = (uint32_t)(p->c.icg * p->c.taps);
    const bool each = zw && ms_tensor_count(zw) > 1;
    int32_t z = moved_zero(p->f, zw, 0, w->dtype, MS_I8), any = 0;

    for (size_t i = 0; i < n; i++, o++) {
        if (each)
            z = moved_zero(p->f, zw, o, w->dtype, MS_I8);
        const uint32_t less = (uint32_t)zx * ((uint32_t)sum[o] - k * (uint32_t)z);
        to[i] = (struct channel){.first = (int32_t)((bias ? (uint32_t)bias[o] : 0) - less),
                                 .zero = z,
                                 .factor = q ? ms_qlinear_factor(q, o) : 0};
        any |= z;
    }
    return any != 0;
}

/* The tile's sums of inputs times the zero points of weights. */
static void correct(size_t m, size_t width, const struct channel *c, const int32_t *inputs,
                    int32_t *sums)
{
    for (size_t i = 0; i < m; i++)
        for (size_t j = 0; j < width; j++)
            sums[i * width + j] = (int32_t)((uint32_t)sums[i * width + j] -
                                            (uint32_t)c[i].zero * (uint32_t)inputs[j]);
}

static void store(const struct piece *list, size_t pieces, const int32_t *sums, size_t n,
                  const struct channel *c, const struct ms_qlinear *q, void *y)
{
    uint8_t bytes[WIDTH];

    if (!q) {
        for (size_t i = 0; i < pieces; i++)
            memcpy((int32_t *)y + list[i].to, sums + list[i].lane, list[i].n * sizeof *sums);
    } else if (pieces == 1 && list->lane == 0) {
        ms_qlinear_line(q, sums, &c->factor, 0, list->n, (uint8_t *)y + list->to);
    } else {
        ms_qlinear_line(q, sums, &c->factor, 0, n, bytes);
        for (size_t i = 0; i < pieces; i++)
            memcpy((uint8_t *)y + list[i].to, bytes + list[i].lane, list[i].n);
    }
}

/* All blocks of channels of a tile of n pixels from px of the band on; y: the first one's output
 * at the band's first pixel. */
static void tile(const struct plan *p, const struct room *r, const struct ms_qlinear *q, size_t px,
                 size_t n, const uint8_t *w, size_t channels, bool zeros, uint8_t *y)
{
    const size_t vecs = divided(n, p->f->lanes), steps = p->head->order.steps;
    const size_t width = p->f->width, size = q ? 1 : sizeof(int32_t);
    const size_t out = (size_t)p->c.out_px * size;
    const uint8_t *x = r->image + 4 * px;
    int32_t sums[MR * WIDTH], inputs[WIDTH], first[MR] = {0};
    struct piece list[WIDTH];

    const size_t pieces = pieces_of(list, px, n, p->q.pitch, (size_t)p->c.w.out[2]);
    if (zeros)
        p->f->sums(1, vecs, steps, r->at, x, (const uint8_t *)p->head + p->head->ones, first,
                   inputs);
    for (size_t o = 0; o < channels; o += MR, w += MR * 4 * steps) {
        const size_t m = channels - o < MR ? channels - o : MR;
        for (size_t i = 0; i < m; i++)
            first[i] = r->channel[o + i].first;
        p->f->sums(m, vecs, steps, r->at, x, w, first, sums);
        if (zeros)
            correct(m, width, r->channel + o, inputs, sums);
        for (size_t i = 0; i < m; i++)
            store(list, pieces, sums + i * width, n, r->channel + o + i, q, y + (o + i) * out);
    }
}

/* All outputs of a band's rows, where channels are lanes. */
static void strips(const struct plan *p, const struct room *r, const struct ms_task *t,
                   const struct ms_qlinear *q, size_t rows, const uint8_t *w, size_t channels,
                   uint8_t *y)
{
    const size_t out = (size_t)p->c.w.out[2], pixels = rows * out;
    const size_t strip = divided(pixels, divided(pixels, MS_QUAD_STRIP));
    const size_t size = q ? 1 : sizeof(int32_t), apart = (size_t)p->c.out_px;
    struct ms_quad_block b = {
        .f = p->f, .steps = p->head->order.steps, .at = r->at, .x = r->image, .q = q};
    size_t px[MS_QUAD_STRIP];

    for (size_t o = 0; o < channels && !ms_task_stopped(t); o += WIDTH) {
        b.w = w + o * 4 * b.steps;
        b.channels = channels - o < WIDTH ? channels - o : WIDTH;
        for (size_t i = 0; i < b.channels; i++) {
            b.first[i] = r->channel[o + i].first;
            b.factor[i] = r->channel[o + i].factor;
        }
        for (size_t at = 0; at < pixels; at += strip) {
            const size_t n = pixels - at < strip ? pixels - at : strip;
            for (size_t i = 0; i < n; i++)
                px[i] = 4 * ((at + i) / out * p->q.pitch + (at + i) % out);
            ms_quad_strip(&b, px, n, y + (o * apart + at) * size, apart);
        }
    }
}

/* Where a unit lies. */
struct place {
    size_t image, part; /* (item, group, band), part of its channels */
    size_t item, group, band;
};

static struct place place_of(const struct plan *p, size_t u)
{
    struct place at = {.image = u / p->parts, .part = u % p->parts};

    at.band = at.image % p->bands;
    at.group = at.image / p->bands % (size_t)p->c.groups;
    at.item = at.image / p->bands / (size_t)p->c.groups;
    return at;
}

static void fill(const struct plan *p, const struct room *r, const struct ms_task *t,
                 const struct place *at, size_t rows, int32_t zx)
{
    const struct ms_tensor *x = t->in[0];
    const size_t first = at->item * (size_t)p->c.ic + at->group * (size_t)p->c.icg;
    const struct ms_quads_from from = {.x = (const uint8_t *)x->data + first * (size_t)p->c.in_px,
                                       .end = (const uint8_t *)x->data +
                                              (size_t)(p->c.n * p->c.ic * p->c.in_px),
                                       .in_px = (size_t)p->c.in_px,
                                       .type = x->dtype,
                                       .zero = zx,
                                       .flip = flip_of(p->f, x->dtype, MS_U8),
                                       .line = r->line};

    ms_quads_fill(&p->q, &from, r->image, p->plane, at->band * p->rows, rows);
}

/* have: the image that is in scratch. */
static void unit(const struct plan *p, const struct room *r, const struct ms_task *t,
                 const struct ms_qlinear *q, size_t u, size_t *have)
{
    const struct place at = place_of(p, u);
    const struct ms_conv *c = &p->c;
    const size_t out_rows = (size_t)c->w.out[1], out = (size_t)c->w.out[2], ocg = (size_t)c->ocg;
    const size_t left = out_rows - at.band * p->rows, rows = left < p->rows ? left : p->rows;
    const int32_t zx = moved_zero(p->f, t->n_in > 2 ? t->in[2] : NULL, 0, t->in[0]->dtype, MS_U8);
    const size_t o = at.part * p->part, n = ocg - o < p->part ? ocg - o : p->part;
    const size_t pixels = (rows - 1) * p->q.pitch + out, width = p->f->width;
    const size_t first = at.group * ocg + o;

    if (at.image != *have)
        fill(p, r, t, &at, rows, zx);
    *have = at.image;
    const bool zeros = channels(p, t, q, first, n, zx, r->channel);
    const uint8_t *w = (const uint8_t *)p->head + p->head->rows +
                       (at.group * padded(p->head, p->f, ocg) + o) * 4 * p->head->order.steps;
    const size_t to =
        (at.item * (size_t)c->oc + first) * (size_t)c->out_px + at.band * p->rows * out;
    uint8_t *y = (uint8_t *)c->y + to * (q ? 1 : sizeof(int32_t));
    if (p->head->lanes)
        strips(p, r, t, q, rows, w, n, y);
    else
        for (size_t px = 0; px < pixels && !ms_task_stopped(t); px += width)
            tile(p, r, q, px, pixels - px < width ? pixels - px : width, w, n, zeros, y);
}

static void run(const struct ms_task *t, const struct ms_quad_form *f, const struct ms_qlinear *q)
{
    size_t have = t->memo ? *t->memo : SIZE_MAX;
    struct plan p;

    if (!plan_of(&p, f, t))
        return;
    const struct room r = room_of(&p, t->scratch);
    ms_quads_steps(&p.q, p.plane, r.at);
    for (size_t u = t->first; u < t->last && !ms_task_stopped(t); u++)
        unit(&p, &r, t, q, u, &have);
    if (t->memo)
        *t->memo = have;
}

#define FORM(s_, isa_)                                                                             \
    bool ms_conv_integer_direct_applicable_##s_(const struct ms_prep *p)                           \
    {                                                                                              \
        return applicable(p, &ms_quad_##s_, 1);                                                    \
    }                                                                                              \
    ms_code ms_conv_integer_direct_prepare_##s_(const struct ms_prep *p, const void **state,       \
                                                struct ms_err *err)                                \
    {                                                                                              \
        return prepare(p, &ms_quad_##s_, 1, 3, state, err);                                        \
    }                                                                                              \
    size_t ms_conv_integer_direct_units_##s_(const struct ms_task *t)                              \
    {                                                                                              \
        return units_of(t, &ms_quad_##s_);                                                         \
    }                                                                                              \
    size_t ms_conv_integer_direct_scratch_##s_(const struct ms_task *t)                            \
    {                                                                                              \
        return scratch(t, &ms_quad_##s_);                                                          \
    }                                                                                              \
    void ms_conv_integer_direct_##s_(const struct ms_task *t)                                      \
    {                                                                                              \
        run(t, &ms_quad_##s_, NULL);                                                               \
    }                                                                                              \
    bool ms_qlinear_conv_direct_applicable_##s_(const struct ms_prep *p)                           \
    {                                                                                              \
        return applicable(p, &ms_quad_##s_, MS_QL_W);                                              \
    }                                                                                              \
    ms_code ms_qlinear_conv_direct_prepare_##s_(const struct ms_prep *p, const void **state,       \
                                                struct ms_err *err)                                \
    {                                                                                              \
        return prepare(p, &ms_quad_##s_, MS_QL_W, MS_QL_WZ, state, err);                           \
    }                                                                                              \
    size_t ms_qlinear_conv_direct_units_##s_(const struct ms_task *t)                              \
    {                                                                                              \
        struct ms_qlinear q;                                                                       \
        ms_qlinear_of(&q, t, true, isa_);                                                          \
        return units_of(&q.t, &ms_quad_##s_);                                                      \
    }                                                                                              \
    size_t ms_qlinear_conv_direct_scratch_##s_(const struct ms_task *t)                            \
    {                                                                                              \
        struct ms_qlinear q;                                                                       \
        ms_qlinear_of(&q, t, true, isa_);                                                          \
        return scratch(&q.t, &ms_quad_##s_);                                                       \
    }                                                                                              \
    void ms_qlinear_conv_direct_##s_(const struct ms_task *t)                                      \
    {                                                                                              \
        struct ms_qlinear q;                                                                       \
        ms_qlinear_of(&q, t, true, isa_);                                                          \
        run(&q.t, &ms_quad_##s_, &q);                                                              \
    }
FORM(vnni, MS_ISA_AVX512)
FORM(avxvnni, MS_ISA_AVX2)
FORM(avx2, MS_ISA_AVX2)
