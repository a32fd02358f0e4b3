/* SPDX-License-Identifier: Apache-2.0 */
/* shuffle_conv.c - a ChannelShuffle before a 1x1 convolution becomes how that one reads its input.
 *
 *     ChannelShuffle {group=g} -> depthwise Conv -> 1x1 Conv
 *                              -> depthwise Conv -> 1x1 Conv {shuffle=g}
 *
 * A depthwise convolution does the same to every channel with filters of its own, so the shuffle
 * may as well come behind it when filters and bias are put in the order of its input. That order is
 * seen by nobody else: each step is the only reader of the one before. */
#include "passes/rewrite.h"

enum { MOST = 8 }; /* depthwise convolutions in a row */

/* What one shuffle moves over. */
struct chain {
    struct ms_node *depthwise[MOST];
    int n;
    struct ms_node *last;
};

static bool is_depthwise(const struct ms_node *n)
{
    const struct ms_tensor *w = ms_in_const(n, 1), *b = ms_in_const(n, 2);
    const int64_t group = ms_attr_int(n, "group");

    return w && w->dtype == MS_F32 && group > 1 && w->shape.dim[0] == group &&
           w->shape.dim[1] == 1 && ms_attr_int(n, "shuffle") == 1 && !ms_in(n, 3) &&
           (!ms_in(n, 2) || (b && b->dtype == MS_F32));
}

static bool takes_shuffle(const struct ms_node *n)
{
    const struct ms_tensor *w = ms_in_const(n, 1);

    return w && w->dtype == MS_F32 && ms_shape_span(&w->shape, 2, w->shape.rank) == 1 &&
           ms_attr_int(n, "shuffle") == 1;
}

/* The Conv that alone reads v, as its input 0. */
static struct ms_node *reader_of(const struct ms_value *v)
{
    struct ms_node *n = v->n_uses == 1 && v->n_outputs == 0 ? v->uses->node : NULL;

    return n && ms_node_is(n, "Conv") && ms_in(n, 0) == v ? n : NULL;
}

static bool match(const struct ms_node *shuffle, struct chain *c)
{
    c->n = 0;
    c->last = reader_of(shuffle->out[0]);
    while (c->last && is_depthwise(c->last) && c->n < MOST) {
        c->depthwise[c->n++] = c->last;
        c->last = reader_of(c->last->out[0]);
    }
    return c->last && takes_shuffle(c->last);
}

/* Input i of n, a constant with a row for each channel, in the order from before the shuffle. */
static bool unshuffle(struct ms_node *n, int i, int64_t group, struct ms_pass_ctx *c)
{
    const struct ms_value *v = ms_in(n, i);
    const size_t channels = (size_t)v->shape.dim[0], each = channels / (size_t)group;
    const size_t row = ms_shape_span(&v->shape, 1, v->shape.rank);
    struct ms_tensor *t;
    struct ms_value *y =
        ms_pass_constant(n->graph, c, i == 1 ? "weight" : "bias", MS_F32, &v->shape, &t);

    for (size_t k = 0; y && k < channels; k++) {
        const size_t to = k % (size_t)group * each + k / (size_t)group;
        for (size_t j = 0; j < row; j++)
            ((float *)t->data)[to * row + j] = (float)ms_const_at(v->constant, k * row + j);
    }
    if (y)
        ms_node_set_in(n, i, y);
    return y != NULL;
}

static ms_code run(struct ms_graph *g, struct ms_pass_ctx *c, int *changed, struct ms_err *err)
{
    ms_graph_each (g, n) {
        struct chain chain;
        if (!ms_node_is(n, "ChannelShuffle") || !match(n, &chain))
            continue;
        if (!ms_pass_spend(c))
            break;
        const int64_t group = ms_attr_int(n, "group");
        bool ok = ms_attr_set_int(chain.last, "shuffle", group);
        for (int i = 0; ok && i < chain.n; i++)
            ok = unshuffle(chain.depthwise[i], 1, group, c) &&
                 (!ms_in(chain.depthwise[i], 2) || unshuffle(chain.depthwise[i], 2, group, c));
        if (!ok)
            return ms_fail_oom(err, "shuffled weights", 0);
        ms_replace_node(n, ms_in(n, 0));
        ++*changed;
    }
    return MS_OK;
}

const struct ms_pass ms_pass_shuffle_conv = {
    .name = "shuffle-conv",
    .help = "a 1x1 convolution reads shuffled channels itself, also through depthwise ones",
    .run = run,
};
