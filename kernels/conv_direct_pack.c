/* SPDX-License-Identifier: Apache-2.0 */
/* conv_direct_pack.c - which convolutions go the direct way, and their weights in the order in
 * which conv_direct.c reads them.
 *
 *     [group of output channels][block of input channels][tap][channel][lane]
 *
 * or, where the group has a list of channels, [group][channel of the list][lane]. Lanes are output
 * channels that tiles compute together; where a group of them straddles two groups of the operator,
 * weights are zero for what is not a lane's own. */
#include <string.h>

#include "base/mem.h"
#include "kernels/blocked.h"
#include "kernels/conv_direct.h"

/* ---- which nodes ---- */

enum { PLAIN_CHANNELS = 4 }; /* up to so many input channels are read as plain planes */

static bool constant_or_absent(const struct ms_node *n, int i)
{
    return !ms_in(n, i) || ms_in_const(n, i);
}

static bool is_depthwise(const struct ms_shape *w, int64_t groups)
{
    return groups > 1 && w->dim[1] == 1 && w->dim[0] == groups;
}

static bool plain_input(const struct ms_shape *w, int64_t groups)
{
    return groups == 1 && w->dim[1] <= PLAIN_CHANNELS;
}

/* Input blocks that one group of output channels [o, end) sums over, in channels. */
static void reach_of(int64_t o, int64_t end, int64_t icg, int64_t ocg, size_t *lo, size_t *hi)
{
    *lo = (size_t)(o / ocg * icg);
    *hi = (size_t)(((end - 1) / ocg + 1) * icg);
}

/* Products done for one that counts, when outputs are taken 16 at a time. */
static double waste(const struct ms_shape *w, int64_t groups)
{
    int64_t oc = w->dim[0], icg = w->dim[1], ocg = oc / groups;
    double done = 0;

    for (int64_t o = 0; o < oc; o += 16) {
        size_t lo, hi;
        reach_of(o, o + 16 < oc ? o + 16 : oc, icg, ocg, &lo, &hi);
        done += 16.0 * (double)(hi - lo);
    }
    return done / ((double)oc * (double)icg);
}

unsigned ms_conv_blocked(const struct ms_node *n)
{
    const struct ms_value *x = ms_in(n, 0), *r = ms_in(n, 3);
    const struct ms_tensor *w = ms_in_const(n, 1);
    int64_t groups = ms_attr_int(n, "group");
    unsigned form = MS_BLOCKED_OUT | MS_BLOCKED_IN(0);

    if (!ms_blockable(x) || !w || w->dtype != MS_F32 || w->shape.rank != x->shape.rank ||
        w->shape.rank > 4 || !constant_or_absent(n, 2) || (r && !ms_blockable(r)))
        return 0;
    if (ms_tensor_count(w) == 0 || groups < 1 || w->shape.dim[0] % groups != 0 ||
        x->shape.dim[1] != w->shape.dim[1] * groups)
        return 0;
    if (r)
        form |= MS_BLOCKED_IN(3);
    if (ms_conv_shuffle(n) > 1 &&
        (ms_shape_span(&w->shape, 2, w->shape.rank) > 1 || is_depthwise(&w->shape, groups) ||
         plain_input(&w->shape, groups)))
        return 0;
    if (is_depthwise(&w->shape, groups))
        return w->shape.rank == 3 || w->shape.dim[2] <= 64 ? form : 0; /* depthwise */
    if (plain_input(&w->shape, groups))
        return form & ~MS_BLOCKED_IN(0);
    return groups == 1 || waste(&w->shape, groups) <= 3 ? form : 0;
}

bool ms_conv_direct_applicable(const struct ms_prep *p)
{
    const struct ms_shape *w = &p->in[1].shape;

    return !is_depthwise(w, ms_attr_int(p->node, "group"));
}

/* ---- packing ---- */

struct packer {
    const float *w; /* as the model has them: [oc][icg][tap] */
    int64_t oc, icg, ocg;
    int64_t ic, shuffle;
    bool listed;
    size_t taps, vl;
    size_t most;         /* blocks of output channels taken together */
    size_t unit, padded; /* lanes that groups are multiples of; all lanes */
};

static size_t clamp(int64_t v, size_t lo, size_t hi)
{
    return v < (int64_t)lo ? lo : v > (int64_t)hi ? hi : (size_t)v;
}

/* One lane of [tap][channel][lane]: the weights of output channel o for input channels [lo, hi),
 * zero where those are not of its group. They are read in the order they lie; the part of the
 * panel that a block of channels fills stays in L1 for all lanes. */
static void pack_lane(const struct packer *p, size_t o, size_t lo, size_t hi, size_t lanes,
                      float *to)
{
    const bool real = (int64_t)o < p->oc;
    const int64_t first = (int64_t)o / p->ocg * p->icg;
    const size_t from = real ? clamp(first, lo, hi) : hi;
    const size_t end = real ? clamp(first + p->icg, lo, hi) : hi;
    const size_t n = hi - lo;

    for (size_t i = lo; i < hi; i++, to += lanes) {
        const bool own = i >= from && i < end;
        const float *w =
            own ? p->w + (o * (size_t)p->icg + (size_t)((int64_t)i - first)) * p->taps : NULL;
        for (size_t t = 0; t < p->taps; t++)
            to[t * n * lanes] = own ? w[t] : 0.0f;
    }
}

/* The channels of x that the weights of input channels [lo, hi) are for, in the order in which they
 * lie: hi - lo of them. */
static void list_channels(const struct packer *p, size_t lo, size_t hi, uint32_t *list)
{
    for (int64_t s = 0; s < p->ic; s++) {
        const size_t c = (size_t)ms_conv_dealt(s, p->ic, p->shuffle);
        if (c >= lo && c < hi)
            *list++ = (uint32_t)s;
    }
}

/* [channel of the list][lane], zero where the channel is not of the lane's group. Divisions are
 * made for a channel and for a lane, not for a weight: they take longer than all the rest. */
static void pack_listed(const struct packer *p, const struct ms_direct_group *g,
                        const uint32_t *list, size_t n, float *to)
{
    int64_t group[MS_CONV_NV * 16]; /* of a lane; -1: none */

    for (size_t l = 0; l < g->lanes; l++) {
        const int64_t o = (int64_t)(g->channel + l);
        group[l] = o < p->oc ? o / p->ocg : -1;
    }
    for (size_t i = 0; i < n; i++, to += g->lanes) {
        const int64_t c = ms_conv_dealt(list[i], p->ic, p->shuffle), of = c / p->icg;
        const float *w = p->w + (int64_t)g->channel * p->icg + (c - of * p->icg);
        for (size_t l = 0; l < g->lanes; l++)
            to[l] = group[l] == of ? w[(int64_t)l * p->icg] : 0.0f;
    }
}

static void pack_group(const struct packer *p, const struct ms_direct_group *g, float *to)
{
    for (size_t b = 0; b < g->reach.blocks; b++) {
        const size_t at = (g->from + b) * p->vl, lo = at + (b ? 0 : g->reach.first);
        const size_t hi = at + (b + 1 < g->reach.blocks ? p->vl : g->reach.last);
        for (size_t l = 0; l < g->lanes; l++)
            pack_lane(p, g->channel + l, lo, hi, g->lanes, to + l);
        to += (hi - lo) * p->taps * g->lanes;
    }
}

/* Input channels that `lanes` output channels from o on sum over. */
static size_t span_of(const struct packer *p, size_t o, size_t lanes, size_t *lo, size_t *hi)
{
    size_t end = o + lanes < (size_t)p->oc ? o + lanes : (size_t)p->oc;

    reach_of((int64_t)o, (int64_t)end, p->icg, p->ocg, lo, hi);
    return *hi - *lo;
}

/* Do so many lanes from channel o on cost no more products than their units by themselves? */
static bool together(const struct packer *p, size_t o, size_t lanes)
{
    size_t single = 0, lo, hi;

    for (size_t u = o; u < o + lanes && u < (size_t)p->oc; u += p->unit)
        single += p->unit * span_of(p, u, p->unit, &lo, &hi);
    return o + lanes <= p->padded && lanes * span_of(p, o, lanes, &lo, &hi) <= single;
}

/* How many lanes to take together from channel o on: some blocks, one, or a unit. */
static size_t lanes_at(const struct packer *p, size_t o)
{
    if (o % p->vl)
        return p->unit;
    const struct ms_conv_groups left = ms_conv_groups_of((p->padded - o) / p->vl, p->most);
    for (size_t n = ms_conv_group_at(&left, 1); n > 0; n--)
        if (n * p->vl <= p->unit || together(p, o, n * p->vl))
            return n * p->vl;
    return p->unit;
}

/* What the groups need together. */
struct sizes {
    size_t groups, floats, listed, longest;
};

/* Cuts the output channels into groups; false on overflow. */
static bool lay_out(const struct packer *p, struct ms_direct_group *group, struct sizes *z)
{
    size_t each, lo, hi, before = SIZE_MAX, end = 0;

    *z = (struct sizes){0};
    for (size_t o = 0; o < (size_t)p->oc;) {
        struct ms_direct_group *s = &group[z->groups++];
        *s = (struct ms_direct_group){.channel = o, .lanes = lanes_at(p, o), .weight = z->floats};
        span_of(p, o, s->lanes, &lo, &hi);
        if (p->listed) {
            const size_t n = hi - lo;
            const bool same = lo == before && hi == end; /* as the group before */
            s->list = same ? s[-1].list : z->listed;
            z->listed += same ? 0 : n;
            z->longest = n > z->longest ? n : z->longest;
            before = lo;
            end = hi;
            lo = 0;
            hi = n;
        }
        s->from = lo / p->vl;
        s->reach.blocks = (hi + p->vl - 1) / p->vl - s->from;
        s->reach.first = lo % p->vl;
        s->reach.last = hi - (s->from + s->reach.blocks - 1) * p->vl;
        if (!ms_mul((hi - lo) * p->taps, s->lanes, &each) || !ms_add(z->floats, each, &z->floats))
            return false;
        o += s->lanes;
    }
    return true;
}

static void pack(const struct packer *p, const struct ms_direct_group *group, size_t groups,
                 float *w, uint32_t *list)
{
    for (const struct ms_direct_group *g = group; g < group + groups; g++) {
        size_t lo, hi;
        if (!p->listed) {
            pack_group(p, g, w + g->weight);
            continue;
        }
        span_of(p, g->channel, g->lanes, &lo, &hi);
        list_channels(p, lo, hi, list + g->list);
        pack_listed(p, g, list + g->list, hi - lo, w + g->weight);
    }
}

/* Activations that do more than clamp work on whole blocks: no halves then. */
static size_t unit_of(const struct ms_node *n, enum ms_isa isa)
{
    struct ms_act act = ms_act_of_node(n, isa);

    return act.more || ms_act_ref(&act, 0) != 0 ? ms_direct_width(isa) : ms_conv_tile_unit(isa);
}

/* Pixels of a row that is cut into tiles: windows of one element see all rows as one. */
static size_t row_of(const struct ms_prep *p)
{
    const struct ms_shape *y = &p->out[0].shape, *w = &p->in[1].shape;
    const bool one = ms_shape_span(w, 2, w->rank) == 1;
    size_t row = 1;

    for (int i = one ? 2 : y->rank - 1; i < y->rank; i++)
        if (y->dim[i] <= 0 || !ms_mul(row, (size_t)y->dim[i], &row))
            return 0;
    return row;
}

static struct packer packer_of(const struct ms_prep *p, enum ms_isa isa)
{
    const struct ms_tensor *w = p->in[1].value;
    const int64_t oc = w->shape.dim[0], groups = ms_attr_int(p->node, "group");
    struct packer pk = {.w = w->data,
                        .oc = oc,
                        .icg = w->shape.dim[1],
                        .ocg = oc / groups,
                        .ic = w->shape.dim[1] * groups,
                        .shuffle = ms_conv_shuffle(p->node),
                        .taps = ms_shape_span(&w->shape, 2, w->shape.rank),
                        .vl = ms_direct_width(isa),
                        .most = ms_conv_tile_blocks(isa, row_of(p))};

    pk.listed = pk.taps == 1 && (groups > 1 || pk.shuffle > 1);
    pk.unit = unit_of(p->node, isa);
    pk.padded = ((size_t)oc + pk.vl - 1) / pk.vl * pk.vl;
    return pk;
}

static ms_code prepare(const struct ms_prep *p, enum ms_isa isa, const void **state,
                       struct ms_err *err)
{
    const struct ms_tensor *bias = p->node->n_in > 2 ? p->in[2].value : NULL;
    const struct packer pk = packer_of(p, isa);
    size_t room = ms_align64(sizeof(struct ms_direct_state)) +
                  ms_align64(pk.padded / pk.unit * sizeof(struct ms_direct_group));
    struct ms_direct_state *s = p->alloc(p, room);
    struct sizes z;
    size_t bytes;

    if (!s)
        return ms_fail_oom(err, "packed weights", room);
    struct ms_direct_group *group =
        (struct ms_direct_group *)((uint8_t *)s + ms_align64(sizeof *s));
    float *w = NULL;
    if (lay_out(&pk, group, &z) && ms_add(z.floats, pk.padded + z.listed, &bytes) &&
        ms_mul(bytes, sizeof(float), &bytes))
        w = p->alloc(p, bytes);
    if (!w)
        return ms_fail_oom(err, "packed weights", z.floats * sizeof(float));
    float *b = w + z.floats;
    uint32_t *list = (uint32_t *)(void *)(b + pk.padded);
    pack(&pk, group, z.groups, w, list);
    memset(b, 0, pk.padded * sizeof *b);
    if (bias)
        memcpy(b, bias->data, (size_t)pk.oc * sizeof *b);
    *s = (struct ms_direct_state){.groups = z.groups,
                                  .group = group,
                                  .list = pk.listed ? list : NULL,
                                  .longest = z.longest,
                                  .bias = b,
                                  .w = w,
                                  .bytes = z.floats * sizeof(float),
                                  .pieces = ms_conv_pieces(p->threads),
                                  .threads = p->threads > 1 ? (size_t)p->threads : 1,
                                  .workspace = p->workspace};
    *state = s;
    return MS_OK;
}

ms_code ms_conv_direct_prepare_avx512(const struct ms_prep *p, const void **state,
                                      struct ms_err *err)
{
    return prepare(p, MS_ISA_AVX512, state, err);
}

ms_code ms_conv_direct_prepare_avx2(const struct ms_prep *p, const void **state, struct ms_err *err)
{
    return prepare(p, MS_ISA_AVX2, state, err);
}
