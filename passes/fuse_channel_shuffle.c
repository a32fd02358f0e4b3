/* SPDX-License-Identifier: Apache-2.0 */
/* fuse_channel_shuffle.c - three steps that deal channels out become one.
 *
 *     Reshape [N, g, C/g, H, W] -> Transpose [0, 2, 1, 3, 4] -> Reshape [N, C, H, W]
 *
 * As one operator it has a blocked form, so that a network of grouped convolutions stays blocked.
 */
#include "passes/rewrite.h"

static bool swaps_groups(const struct ms_node *turn)
{
    for (int i = 0; i < 5; i++)
        if (ms_attr_ints_at(turn, "perm", i, -1) != (i == 1 ? 2 : i == 2 ? 1 : i))
            return false;
    return true;
}

/* What n, the last of the three, shuffles, and in how many groups; NULL if it is something else. */
static struct ms_value *match(const struct ms_node *n, int64_t *groups)
{
    struct ms_node *turn = ms_made_by(ms_in(n, 0), "Transpose");
    struct ms_node *split = turn ? ms_made_by(ms_in(turn, 0), "Reshape") : NULL;
    struct ms_value *x = split ? ms_in(split, 0) : NULL;

    if (!x || x->shape.rank != 4 || split->out[0]->shape.rank != 5 || !swaps_groups(turn) ||
        !ms_same_shape(x, n->out[0]))
        return NULL;
    const int64_t *a = x->shape.dim, *b = split->out[0]->shape.dim;
    *groups = b[1];
    return a[0] == b[0] && a[2] == b[3] && a[3] == b[4] && b[1] > 0 && b[2] > 0 &&
                   a[1] / b[1] == b[2] && a[1] % b[1] == 0
               ? x
               : NULL;
}

static ms_code run(struct ms_graph *g, struct ms_pass_ctx *c, int *changed, struct ms_err *err)
{
    ms_graph_each (g, n) {
        int64_t groups;
        struct ms_value *x = ms_node_is(n, "Reshape") ? match(n, &groups) : NULL;
        if (!x)
            continue;
        if (!ms_pass_spend(c))
            break;
        struct ms_value *y = ms_graph_op(g, n, "ChannelShuffle", &x, 1);
        if (!y || !ms_attr_set_int(y->producer, "group", groups))
            return ms_fail_oom(err, "ChannelShuffle", 0);
        ms_take_over(n, y);
        ++*changed;
    }
    return MS_OK;
}

const struct ms_pass ms_pass_fuse_channel_shuffle = {
    .name = "fuse-channel-shuffle",
    .help = "Reshape, Transpose, Reshape that deal out channels become ChannelShuffle",
    .run = run,
};
