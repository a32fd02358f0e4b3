/* SPDX-License-Identifier: Apache-2.0 */
/* assign_layout.c - blocked layouts where operators ask for them, conversions only at the borders.
 *
 *     x (plain) -> Conv -> Relu -> Conv -> y (plain)
 *               ^ Reorder                ^ Reorder
 *
 * An operator whose record carries MS_BLOCKED computes on channel-blocked tensors; one that carries
 * MS_ANY_LAYOUT takes whatever it is given. "Blocked" is one layout here, whatever the width of the
 * host's vectors: the graph must be the same on every host, and the runtime picks the block. */
#include "passes/rewrite.h"

static bool blockable(const struct ms_value *v)
{
    return v && !v->constant && v->dtype == MS_F32 && v->shape.rank >= 3 && v->shape.dim[1] > 0;
}

static bool wants_blocked(const struct ms_node *n)
{
    if (!blockable(ms_in(n, 0)) || !blockable(n->out[0]))
        return false;
    return (n->op->traits & MS_BLOCKED) ||
           ((n->op->traits & MS_ANY_LAYOUT) && ms_in(n, 0)->layout == MS_NCHW16C);
}

/* v in another layout, before node n. */
static struct ms_value *reorder(struct ms_graph *g, struct ms_node *n, struct ms_value *v,
                                enum ms_layout layout)
{
    struct ms_value *y = ms_graph_op(g, n, "Reorder", &v, 1);

    if (!y || !ms_attr_set_int(y->producer, "layout", layout))
        return NULL;
    y->dtype = v->dtype;
    y->shape = v->shape;
    y->layout = layout;
    return y;
}

/* Every activation operand of n in that layout. */
static bool convert_inputs(struct ms_graph *g, struct ms_node *n, enum ms_layout layout,
                           int *changed)
{
    for (int i = 0; i < n->n_in; i++) {
        struct ms_value *v = ms_in(n, i);
        if (!v || v->layout == layout || (layout != MS_PLAIN && !blockable(v)))
            continue;
        struct ms_value *y = reorder(g, n, v, layout);
        if (!y)
            return false;
        ms_node_set_in(n, i, y);
        ++*changed;
    }
    return true;
}

static ms_code run(struct ms_graph *g, struct ms_pass_ctx *c, int *changed, struct ms_err *err)
{
    (void)c;
    ms_graph_each (g, n) {
        bool blocked = n->n_in && n->n_out && wants_blocked(n);
        if (ms_node_is(n, "Reorder"))
            continue;
        if (!convert_inputs(g, n, blocked ? MS_NCHW16C : MS_PLAIN, changed))
            return ms_fail_oom(err, "Reorder", 0);
        if (blocked)
            n->out[0]->layout = MS_NCHW16C;
    }
    for (int i = 0; i < g->n_out; i++) {
        struct ms_value *v = g->out[i];
        if (v->layout == MS_PLAIN)
            continue;
        struct ms_value *y = reorder(g, NULL, v, MS_PLAIN);
        if (!y)
            return ms_fail_oom(err, "Reorder", 0);
        const char *name = v->name; /* the interface keeps its name */
        ms_value_rename(v, y->name);
        ms_value_rename(y, name);
        ms_graph_set_output(g, i, y);
        ++*changed;
    }
    return MS_OK;
}

const struct ms_pass ms_pass_assign_layout = {
    .name = "assign-layout",
    .help = "blocked layouts where operators have kernels for them, Reorder at the borders",
    .run = run,
};
