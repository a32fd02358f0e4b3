/* SPDX-License-Identifier: Apache-2.0 */
/* channel_shuffle.c - ChannelShuffle (own operator): the channels of g groups are dealt out in
 * turn.
 *
 *     y[n, j g + i] = x[n, i (C / g) + j]
 *
 * What Reshape, Transpose and Reshape say in three steps (Zhang et al., arXiv 1707.01083). */
#include "kernels/blocked.h"
#include "kernels/copy.h"
#include "kernels/facts.h"

static const struct ms_attr_spec attrs[] = {
    {.name = "group",
     .type = MS_ATTR_INT,
     .required = true,
     .min = 1,
     .max = 1 << 24,
     .doc = "groups that the channels are in"},
    {0},
};

static ms_code infer(struct ms_infer *c)
{
    const struct ms_shape *x = &c->in[0].shape;
    int64_t g = ms_attr_int(c->node, "group");

    MS_TRY(ms_infer_same(c));
    if (x->rank >= 0 && x->rank < 2)
        return ms_fail(c->err, MS_INVALID_ARGUMENT, "input of rank %d has no channels", x->rank);
    if (x->rank >= 2 && !ms_is_sym(x->dim[1]) && x->dim[1] % g != 0)
        return ms_fail(c->err, MS_INVALID_ARGUMENT, "%lld channels in %lld groups",
                       (long long)x->dim[1], (long long)g);
    return MS_OK;
}

static void run(const struct ms_task *t)
{
    const struct ms_shape *x = &t->in[0]->shape;
    const ptrdiff_t g = (ptrdiff_t)ms_attr_int(t->node, "group"), each = x->dim[1] / g;
    const ptrdiff_t px = (ptrdiff_t)ms_shape_span(x, 2, x->rank);
    struct ms_strided s = {
        .size = ms_dtype_size(t->in[0]->dtype),
        .rank = 4,
        .dim = {(size_t)x->dim[0], (size_t)each, (size_t)g, (size_t)px},
        .stride = {x->dim[1] * px, px, each * px, 1},
        .src = t->in[0]->data,
    };

    ms_strided_run(t, &s);
}

static void blocks(const struct ms_task *t, const struct ms_blocked_fns *f)
{
    const struct ms_tensor *x = t->in[0];
    size_t px = ms_pixels(x), n = ms_blocks(x), lanes = f->lanes, at[16];
    size_t g = (size_t)ms_attr_int(t->node, "group"), each = (size_t)x->shape.dim[1] / g;

    for (size_t u = t->first; u < t->last && !ms_task_stopped(t); u++) {
        size_t have = ms_block_lanes(x, u % n);
        struct ms_lanes m = {0};
        for (size_t l = 0; l < have; l++) {
            size_t c = u % n * lanes + l;
            at[l] = c % g * each + c / g;
            ms_lanes_add(&m, ms_channel_block(x, u / n, at[l]), at[l] % lanes, l);
        }
        f->mix(&m, (float *)t->out[0]->data + u * px * lanes, px);
    }
}

MS_BLOCKED_RUNS(blocks)

MS_OP(channel_shuffle) = {
    .name = "ChannelShuffle",
    .doc = "the channels of g groups dealt out in turn",
    .min_in = 1,
    .max_in = 1,
    .min_out = 1,
    .max_out = 1,
    .in = {MS_FIXED},
    .attrs = attrs,
    .infer = infer,
    .blocked = ms_blocked_same,
    .kernels =
        (const struct ms_kernel[]){
            MS_BLOCKED_KERNELS("channel_shuffle", ms_blocked_units, blocks, ),
            {"channel_shuffle", MS_FIXED, MS_ISA_ANY, .units = ms_units_elements, .run = run},
            {0},
        },
};
