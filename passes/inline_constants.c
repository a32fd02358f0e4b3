/* SPDX-License-Identifier: Apache-2.0 */
/* inline_constants.c - what a branch or loop body captures and is a constant outside becomes a
 * constant inside.
 *
 *     Loop(M, cond, v, %w)  body(i, cond, v, w)      ->   Loop(M, cond, v)   body(i, cond, v), %w
 * inside
 *
 * Kernels pack constant weights once; a captured tensor they would have to take as it comes. */
#include <string.h>

#include "passes/rewrite.h"

/* Gives sub-graph g its own constant in place of input k, and closes the gap. */
static bool bind(struct ms_graph *g, int k, const struct ms_tensor *t)
{
    struct ms_value *old = g->in[k];
    struct ms_value *v = ms_graph_constant(g, NULL, t);

    if (!v)
        return false;
    ms_value_replace(old, v);
    memmove(&g->in[k], &g->in[k + 1], (size_t)(g->n_in - k - 1) * sizeof(struct ms_value *));
    g->n_in--;
    return true;
}

static bool bind_all(struct ms_node *n, int from_end, const struct ms_tensor *t)
{
    for (int i = 0; i < n->n_attrs; i++)
        if (n->attrs[i].type == MS_ATTR_GRAPH) {
            struct ms_graph *g = n->attrs[i].graph;
            if (!bind(g, g->n_in - from_end, t))
                return false;
        }
    return true;
}

static bool drop_in(struct ms_node *n, int k)
{
    for (int i = k; i + 1 < n->n_in; i++)
        ms_node_set_in(n, i, n->in[i + 1].value);
    ms_node_drop_in(n, n->n_in - 1);
    return true;
}

static ms_code run(struct ms_graph *g, struct ms_pass_ctx *c, int *changed, struct ms_err *err)
{
    ms_graph_each (g, n) {
        if (!(n->op->traits & MS_SUBGRAPHS))
            continue;
        int64_t captures = ms_attr_int(n, "captures");
        for (int64_t left = captures; left > 0; left--) {
            int k = n->n_in - (int)left;
            const struct ms_tensor *t = ms_in_const(n, k);
            if (!t)
                continue;
            if (!ms_pass_spend(c))
                return MS_OK;
            if (!bind_all(n, (int)left, t) || !drop_in(n, k) ||
                !ms_attr_set_int(n, "captures", ms_attr_int(n, "captures") - 1))
                return ms_fail_oom(err, "captured constant", 0);
            ++*changed;
        }
    }
    return MS_OK;
}

const struct ms_pass ms_pass_inline_constants = {
    .name = "inline-constants",
    .help = "constants captured by If and Loop become constants inside",
    .run = run,
};
