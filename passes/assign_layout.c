/* SPDX-License-Identifier: Apache-2.0 */
/* assign_layout.c - blocked layouts where operators ask for them, conversions only at the borders.
 *
 *     x (plain) -> Conv -> Relu -> Conv -> y (plain)
 *               ^ Reorder                ^ Reorder
 *
 * An operator whose record carries MS_BLOCKED (Conv) starts a region: it computes on
 * channel-blocked tensors. Others that have a blocked form follow where at least half of their
 * activations are blocked already. "Blocked" is one layout here, whatever the width of the host's
 * vectors: the graph must be the same on every host, and the runtime picks the block. */
#include "passes/rewrite.h"

/* The blocked form that n is to take, 0 for the plain one. */
static unsigned wanted(const struct ms_node *n)
{
    unsigned form = ms_node_blocked(n);
    int can = 0, are = 0;

    if (n->op->traits & MS_BLOCKED)
        return form;
    for (int i = 0; i < n->n_in && i < MS_BLOCKED_IN_MAX; i++) {
        can += (form & MS_BLOCKED_IN(i)) != 0;
        are += (form & MS_BLOCKED_IN(i)) && ms_in(n, i)->layout != MS_PLAIN;
    }
    return are && 2 * are >= can ? form : 0;
}

/* v in another layout, before node n; one conversion serves all readers. */
static struct ms_value *reorder(struct ms_graph *g, struct ms_node *n, struct ms_value *v,
                                enum ms_layout layout)
{
    for (struct ms_use *u = v->uses; u; u = u->next)
        if (ms_node_is(u->node, "Reorder") && u->node->out[0]->layout == layout)
            return u->node->out[0];
    if (v->producer && ms_node_is(v->producer, "Reorder") &&
        ms_in(v->producer, 0)->layout == layout)
        return ms_in(v->producer, 0);
    struct ms_value *y = ms_graph_op(g, n, "Reorder", &v, 1);
    if (!y || !ms_attr_set_int(y->producer, "layout", layout))
        return NULL;
    y->dtype = v->dtype;
    y->shape = v->shape;
    y->layout = layout;
    return y;
}

/* Every operand of n in the layout of that form. */
static bool convert_inputs(struct ms_graph *g, struct ms_node *n, unsigned form, int *changed)
{
    for (int i = 0; i < n->n_in; i++) {
        struct ms_value *v = ms_in(n, i);
        bool blocked = i < MS_BLOCKED_IN_MAX && (form & MS_BLOCKED_IN(i));
        enum ms_layout layout = blocked ? MS_BLOCKED_LAYOUT : MS_PLAIN;
        if (!v || v->layout == layout)
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
        if (ms_node_is(n, "Reorder"))
            continue;
        unsigned form = wanted(n);
        if (!convert_inputs(g, n, form, changed))
            return ms_fail_oom(err, "Reorder", 0);
        for (int i = 0; (form & MS_BLOCKED_OUT) && i < n->n_out; i++)
            n->out[i]->layout = MS_BLOCKED_LAYOUT;
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
