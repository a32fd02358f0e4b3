/* SPDX-License-Identifier: Apache-2.0 */
/* merge_reshape.c - a chain of Reshape, Flatten, Squeeze and Unsqueeze becomes one Reshape.
 *
 *     Unsqueeze(Reshape(x, ...))  ->  Reshape(x, [...])
 *
 * Only where the last shape can be written down: at most one dim that is neither a number nor x's
 * own dim at the same place. */
#include "passes/rewrite.h"

static bool is_view(const struct ms_node *n)
{
    return n && (n->op->traits & MS_VIEW) && n->n_out == 1;
}

static bool writable(const struct ms_value *x, const struct ms_value *y, int64_t *target)
{
    int unknown = 0;

    if (y->shape.rank < 0 || x->shape.rank < 0)
        return false;
    for (int i = 0; i < y->shape.rank; i++) {
        target[i] = y->shape.dim[i];
        if (target[i] == 0)
            return false; /* an empty tensor: 0 would mean "as it was" */
        if (!ms_is_sym(target[i]))
            continue;
        bool same = i < x->shape.rank && x->shape.dim[i] == target[i];
        target[i] = same ? 0 : -1;
        unknown += !same;
    }
    return unknown <= 1;
}

static bool merge(struct ms_node *n)
{
    struct ms_node *inner = ms_in(n, 0) ? ms_in(n, 0)->producer : NULL;
    int64_t target[MS_MAX_RANK];

    if (!is_view(n) || !is_view(inner) || !writable(ms_in(inner, 0), n->out[0], target))
        return false;
    struct ms_value *in[2] = {
        ms_in(inner, 0), ms_graph_const_ints(n->graph, "shape", target, n->out[0]->shape.rank)};
    struct ms_value *y = in[1] ? ms_graph_op(n->graph, n, "Reshape", in, 2) : NULL;
    if (!y)
        return false;
    y->dtype = n->out[0]->dtype;
    y->shape = n->out[0]->shape;
    ms_take_over(n, y);
    return true;
}

static ms_code run(struct ms_graph *g, struct ms_pass_ctx *c, int *changed, struct ms_err *err)
{
    (void)err;
    ms_graph_each (g, n) {
        if (c->fuel <= 0)
            break;
        if (merge(n)) {
            (void)ms_pass_spend(c);
            ++*changed;
        }
    }
    return MS_OK;
}

const struct ms_pass ms_pass_merge_reshape = {
    .name = "merge-reshape",
    .help = "chains of Reshape, Flatten, Squeeze and Unsqueeze become one Reshape",
    .run = run,
};
