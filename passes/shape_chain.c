/* SPDX-License-Identifier: Apache-2.0 */
/* shape_chain.c - replace shape arithmetic by what it is known to give.
 *
 *     Reshape(x, Concat(Gather(Shape(x), 0), 64, -1))   ->   Reshape(x, [0, 64, -1])
 *     Cast(Gather(Shape(x), 1)) with a fixed dim 1      ->   a constant
 *
 * Inference follows the contents of small integer tensors with symbols. All numbers: a constant. In
 * a Reshape a symbol that is the input's dim at the same place is 0 ("as it was"), and one more
 * unknown may be -1. */
#include "passes/rewrite.h"

static struct ms_value *as_constant(struct ms_graph *g, const struct ms_value *v)
{
    int64_t wide[MS_MAX_SYM_CONTENT];
    int32_t narrow[MS_MAX_SYM_CONTENT];
    size_t n;

    if (v->constant || !v->sym || !ms_shape_count(&v->shape, &n) || n != (size_t)v->n_sym ||
        (v->dtype != MS_I64 && v->dtype != MS_I32))
        return NULL;
    for (int i = 0; i < v->n_sym; i++) {
        if (v->sym[i] <= MS_INT_FLOOR)
            return NULL;
        wide[i] = v->sym[i];
        narrow[i] = (int32_t)v->sym[i];
        if (v->dtype == MS_I32 && narrow[i] != wide[i])
            return NULL;
    }
    return ms_graph_const_copy(g, "shape", v->dtype, &v->shape,
                               v->dtype == MS_I64 ? (const void *)wide : narrow);
}

/* The target of a Reshape in numbers; false if two or more places stay unknown. */
static bool reshape_target(const struct ms_value *x, const struct ms_value *shape, int64_t *out)
{
    int unknown = 0;

    for (int i = 0; i < shape->n_sym; i++) {
        out[i] = shape->sym[i];
        if (out[i] == -1) {
            unknown++;
        } else if (ms_is_sym(out[i])) {
            bool same = i < x->shape.rank && x->shape.dim[i] == out[i];
            out[i] = same ? 0 : -1;
            unknown += !same;
        }
    }
    return unknown <= 1;
}

static bool has_zero(const struct ms_value *shape)
{
    for (int i = 0; i < shape->n_sym; i++)
        if (shape->sym[i] == 0)
            return true;
    return false;
}

static bool simplify_reshape(struct ms_node *n)
{
    struct ms_value *x = ms_in(n, 0), *shape = ms_in(n, 1);
    int64_t target[MS_MAX_SYM_CONTENT];

    if (!shape || shape->constant || !shape->sym || shape->n_sym > MS_MAX_RANK ||
        (ms_attr_int(n, "allowzero") && has_zero(shape)) || !reshape_target(x, shape, target))
        return false;
    struct ms_value *v = ms_graph_const_ints(n->graph, "shape", target, shape->n_sym);
    if (!v)
        return false;
    ms_node_set_in(n, 1, v);
    ms_attr_del(n, "allowzero");
    return true;
}

static ms_code run(struct ms_graph *g, struct ms_pass_ctx *c, int *changed, struct ms_err *err)
{
    (void)err;
    ms_graph_each (g, n) {
        if (c->fuel <= 0)
            break;
        if (ms_node_is(n, "Reshape") && simplify_reshape(n) && ms_pass_spend(c))
            ++*changed;
        for (int i = 0; i < n->n_out; i++) {
            struct ms_value *v =
                n->out[i]->n_uses && !n->out[i]->n_outputs ? as_constant(g, n->out[i]) : NULL;
            if (!v || !ms_pass_spend(c))
                continue;
            ms_value_replace(n->out[i], v);
            ++*changed;
        }
    }
    return MS_OK;
}

const struct ms_pass ms_pass_shape_chain = {
    .name = "shape-chain",
    .help = "replace shape arithmetic by what it is known to give",
    .run = run,
};
