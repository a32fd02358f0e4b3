/* SPDX-License-Identifier: Apache-2.0 */
/* fuse_residual.c - add another tensor in the store of a convolution or product.
 *
 *     Add(Conv(x, w, b), r)   ->  Conv(x, w, b, r)
 *     Add(MatMul(x, w), r)    ->  MatMul(x, w, _, r)
 *
 * r must have the output's very shape, and the producer no other reader and no activation yet (the
 * residual goes in before it). The producer moves to where the Add stood, behind whatever makes r.
 */
#include "passes/rewrite.h"

enum { RESIDUAL = 3 }; /* its input slot */

static bool takes_residual(const struct ms_node *p)
{
    return p && p->out[0]->dtype == MS_F32 && !ms_in(p, RESIDUAL) && !*ms_attr_str(p, "activation");
}

/* Which operand of the sum can take the other: the later one, whose result is fresher in the cache.
 */
static struct ms_node *taker(const struct ms_node *add, struct ms_value **residual)
{
    struct ms_node *best = NULL;

    for (int i = 0; i < 2; i++) {
        struct ms_value *v = ms_in(add, i), *r = ms_in(add, 1 - i);
        struct ms_node *p = ms_made_by(v, "Conv");
        if (!p)
            p = ms_made_by(v, "MatMul");
        if (!takes_residual(p) || v == r || !ms_same_shape(v, r) || r->dtype != v->dtype ||
            r->constant || (best && p->id < best->id))
            continue;
        best = p;
        *residual = r;
    }
    return best;
}

static ms_code attach(struct ms_node *p, struct ms_value *r, struct ms_err *err)
{
    while (p->n_in < RESIDUAL)
        MS_TRY(ms_node_add_in(p, NULL, err));
    if (p->n_in > RESIDUAL)
        ms_node_set_in(p, RESIDUAL, r);
    else
        MS_TRY(ms_node_add_in(p, r, err));
    return MS_OK;
}

static ms_code run(struct ms_graph *g, struct ms_pass_ctx *c, int *changed, struct ms_err *err)
{
    ms_graph_number(g); /* ids give the order */
    ms_graph_each (g, n) {
        struct ms_value *r = NULL;
        if ((!ms_node_is(n, "Add") && !ms_node_is(n, "Sum")) || n->n_in != 2)
            continue;
        struct ms_node *p = taker(n, &r);
        if (!p)
            continue;
        if (!ms_pass_spend(c))
            break;
        ms_node_move(p, n);
        MS_TRY(attach(p, r, err));
        ms_take_over(n, p->out[0]);
        ++*changed;
    }
    return MS_OK;
}

const struct ms_pass ms_pass_fuse_residual = {
    .name = "fuse-residual",
    .help = "a tensor added to a convolution or product goes into its store",
    .run = run,
};
