/* SPDX-License-Identifier: Apache-2.0 */
/* fold.c - evaluate nodes whose inputs are all constants.
 *
 * Budgeted, since a tiny file could fold to gigabytes (ConstantOfShape, Tile, Expand): a result
 * beyond fold_node_bytes, or beyond what is left of fold_total_bytes, leaves the node as it is. The
 * budget counts what folding adds, not what it lets go. */
#include "base/mem.h"
#include "passes/rewrite.h"

enum { MAX_IN = 64, MAX_OUT = 16 };

static bool foldable(const struct ms_node *n)
{
    if (n->op->traits & (MS_NO_FOLD | MS_IMPURE | MS_SUBGRAPHS))
        return false;
    if (n->n_in > MAX_IN || n->n_out > MAX_OUT)
        return false;
    for (int i = 0; i < n->n_in; i++)
        if (n->in[i].value && !n->in[i].value->constant)
            return false;
    return true;
}

/* Sizes known before anything is computed; data-dependent ones are bounded by the evaluator. */
static bool affordable(const struct ms_node *n, const struct ms_pass_ctx *c)
{
    size_t total = 0, bytes;

    for (int i = 0; i < n->n_out; i++) {
        const struct ms_value *v = n->out[i];
        if (!ms_shape_static(&v->shape))
            continue;
        if (!ms_shape_bytes(&v->shape, v->dtype, &bytes) || !ms_add(total, bytes, &total))
            return false;
    }
    return total <= c->fold_node_bytes && total <= c->fold_total_bytes;
}

/* With its inputs known by now, a node's sizes may be too. */
static ms_code settle_shapes(struct ms_node *n, struct ms_err *err)
{
    struct ms_fact in[MAX_IN], out[MAX_OUT];
    bool known = true;

    for (int i = 0; i < n->n_out; i++)
        known &= ms_shape_static(&n->out[i]->shape);
    if (known)
        return MS_OK;
    for (int i = 0; i < n->n_in; i++)
        in[i] = ms_value_fact(n->in[i].value);
    MS_TRY(ms_node_infer(n, in, out, n->graph->syms, n->graph->arena, err));
    for (int i = 0; i < n->n_out; i++) {
        n->out[i]->dtype = out[i].dtype;
        n->out[i]->shape = out[i].shape;
    }
    return MS_OK;
}

static bool place(struct ms_node *n, struct ms_pass_ctx *c, struct ms_tensor **out)
{
    for (int i = 0; i < n->n_out; i++) {
        if (!out[i])
            continue;
        struct ms_value *old = n->out[i];
        if (!old->n_uses) {
            ms_tensor_unref(out[i]);
            continue;
        }
        struct ms_value *v = ms_graph_constant(n->graph, NULL, out[i]);
        if (!v || !c->keep(c->keep_arg, out[i])) {
            for (; i < n->n_out; i++)
                ms_tensor_unref(out[i]);
            return false;
        }
        size_t bytes = out[i]->bytes;
        c->fold_total_bytes -= bytes < c->fold_total_bytes ? bytes : c->fold_total_bytes;
        const char *name = old->name; /* the constant carries the name of what it replaces */
        ms_value_rename(old, v->name);
        ms_value_rename(v, name);
        ms_value_replace(old, v);
    }
    return true;
}

static ms_code fold(struct ms_node *n, struct ms_pass_ctx *c, int *changed, struct ms_err *err)
{
    const struct ms_tensor *in[MAX_IN];
    struct ms_tensor *out[MAX_OUT] = {0};
    size_t room =
        c->fold_node_bytes < c->fold_total_bytes ? c->fold_node_bytes : c->fold_total_bytes;

    for (int i = 0; i < n->n_in; i++) {
        in[i] = ms_in_const(n, i);
        if (in[i] && in[i]->recipe)
            return MS_OK; /* its contents are made later */
    }
    ms_code code = c->eval(c->eval_arg, n, in, out, room, err);
    if (code == MS_UNIMPLEMENTED || code == MS_RESOURCE_EXHAUSTED)
        return MS_OK; /* left as it is */
    if (code != MS_OK)
        return code;
    if (!place(n, c, out))
        return ms_fail_oom(err, "folded constant", room);
    bool read = false;
    for (int i = 0; i < n->n_out; i++)
        read |= n->out[i]->n_uses != 0;
    if (!read)
        ms_node_remove(n);
    ++*changed;
    return MS_OK;
}

static ms_code run(struct ms_graph *g, struct ms_pass_ctx *c, int *changed, struct ms_err *err)
{
    if (!c->eval || !c->keep)
        return MS_OK;
    ms_graph_each (g, n) {
        if (!foldable(n))
            continue;
        MS_TRY(settle_shapes(n, err));
        if (!affordable(n, c))
            continue;
        if (!ms_pass_spend(c))
            break;
        MS_TRY(fold(n, c, changed, err));
    }
    return MS_OK;
}

const struct ms_pass ms_pass_fold = {
    .name = "fold",
    .help = "evaluate nodes whose inputs are all constants, within a budget",
    .run = run,
};
