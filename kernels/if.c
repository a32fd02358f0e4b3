/* SPDX-License-Identifier: Apache-2.0 */
/* if.c - one of two sub-graphs, chosen by a bool.
 *
 *     If(cond, c...)    then and else graphs take (c...), and give as many outputs as the node has
 *
 * Only the chosen one runs. Which shapes come out is known only then. */
#include "kernels/subgraph.h"

static size_t scratch(const struct ms_task *t)
{
    return (size_t)t->n_out * sizeof(struct ms_tensor *);
}

static void run(const struct ms_task *t)
{
    struct ms_tensor **out = t->scratch;
    const bool cond = *(const uint8_t *)t->in[0]->data;
    const struct ms_graph *g = ms_attr_graph(t->node, cond ? "then_branch" : "else_branch");

    if (!t->ctl->call(t, g, t->in + 1, out))
        return;
    for (int i = 0; i < t->n_out; i++) {
        t->ctl->give(t, i, out[i]);
        ms_tensor_unref(out[i]);
    }
}

static ms_code bind(const struct ms_infer *c, struct ms_graph *g)
{
    if (g->n_in != c->node->n_in - 1 || g->n_out != c->node->n_out)
        return ms_fail(c->err, MS_INVALID_ARGUMENT,
                       "graph '%s' has %d inputs and %d outputs, not %d and %d", g->name, g->n_in,
                       g->n_out, c->node->n_in - 1, c->node->n_out);
    for (int i = 0; i < g->n_in; i++)
        MS_TRY(ms_sub_bind(c, g, i, &c->in[i + 1], true));
    return ms_graph_infer(g, c->err);
}

static ms_code infer(struct ms_infer *c)
{
    struct ms_graph *yes = ms_attr_graph(c->node, "then_branch");
    struct ms_graph *no = ms_attr_graph(c->node, "else_branch");

    if (ms_sub_loading(c)) {
        MS_TRY(bind(c, yes));
        MS_TRY(bind(c, no));
    }
    for (int i = 0; i < c->node->n_out; i++) {
        const struct ms_value *a = yes->out[i], *b = no->out[i];
        const struct ms_shape shape = ms_sub_common(c, &a->shape, &b->shape);

        if (a->dtype != b->dtype)
            return ms_fail(c->err, MS_INVALID_ARGUMENT,
                           "output %d is %s in one branch, %s in the other", i,
                           ms_dtype_name(a->dtype), ms_dtype_name(b->dtype));
        c->out[i].dtype = a->dtype;
        c->out[i].shape = shape;
        for (int d = 0; d < shape.rank; d++) /* symbols of the load mean nothing later */
            if (ms_is_sym(shape.dim[d]) && !ms_sub_loading(c))
                c->out[i].shape.dim[d] = ms_syms_fresh(c->syms);
    }
    return MS_OK;
}

static const struct ms_attr_spec attrs[] = {
    {.name = "then_branch", .type = MS_ATTR_GRAPH, .required = true, .doc = "run if true"},
    {.name = "else_branch", .type = MS_ATTR_GRAPH, .required = true, .doc = "run if false"},
    {.name = "captures",
     .type = MS_ATTR_INT,
     .min = 0,
     .max = INT32_MAX,
     .doc = "inputs behind the condition: what the branches read from outside"},
    {0},
};

MS_OP(if) = {
    .name = "If",
    .doc = "one of two sub-graphs",
    .min_in = 1,
    .max_in = -1,
    .min_out = 1,
    .max_out = -1,
    .in = {MS_BIT(BOOL), MS_FIXED | MS_BIT(STRING)},
    .scalars = 1 << 0,
    .traits = MS_OUT_BY_KERNEL | MS_SUBGRAPHS | MS_NO_FOLD,
    .attrs = attrs,
    .infer = infer,
    .kernels =
        (const struct ms_kernel[]){
            {"if", MS_BIT(BOOL), MS_ISA_ANY, .scratch = scratch, .run = run},
            {0},
        },
};
