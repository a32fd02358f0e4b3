/* SPDX-License-Identifier: Apache-2.0 */
/* matmul_add.c - MatMul -> Add of a constant along the last axis.
 *
 *     two matrices:   Add(MatMul(a, b), bias)  ->  Gemm(a, b, bias)
 *     more dims:      Add(MatMul(a, b), bias)  ->  MatMul(a, b, bias)
 *
 * The bias is then the start value of the sums instead of another trip through memory. */
#include "base/mem.h"
#include "passes/rewrite.h"

/* The bias as a 1-d constant of the last axis; NULL if v is not one. */
static struct ms_value *bias_of(struct ms_graph *g, struct ms_pass_ctx *c, const struct ms_value *v,
                                int64_t n, bool *oom)
{
    struct ms_shape s = ms_shape_make(n);
    struct ms_tensor *t;

    if (!v || !v->constant || v->dtype != MS_F32 || n <= 0)
        return NULL;
    float *values = ms_reallocarray(NULL, (size_t)n, sizeof *values);
    struct ms_value *bias = NULL;
    *oom = !values;
    if (values && ms_const_last_axis(v, n, values)) {
        bias = ms_pass_constant(g, c, "bias", MS_F32, &s, &t);
        *oom = !bias;
        for (int64_t i = 0; bias && i < n; i++)
            ((float *)t->data)[i] = values[i];
    }
    ms_free(values);
    return bias;
}

static struct ms_value *to_gemm(struct ms_node *mm, struct ms_node *add, struct ms_value *bias)
{
    struct ms_value *in[3] = {ms_in(mm, 0), ms_in(mm, 1), bias};
    struct ms_value *y = ms_graph_op(mm->graph, add, "Gemm", in, 3);

    if (!y || !ms_attr_set_int(y->producer, "transA", ms_attr_int(mm, "transA")) ||
        !ms_attr_set_int(y->producer, "transB", ms_attr_int(mm, "transB")))
        return NULL;
    return y;
}

static bool plain(const struct ms_node *mm)
{
    return mm && mm->n_in == 2 && mm->out[0]->dtype == MS_F32 && !*ms_attr_str(mm, "activation");
}

static bool is_matrix(const struct ms_value *v)
{
    return v->shape.rank == 2;
}

static ms_code run(struct ms_graph *g, struct ms_pass_ctx *c, int *changed, struct ms_err *err)
{
    ms_graph_each (g, n) {
        struct ms_node *mm = NULL;
        bool oom = false;
        for (int i = 0; ms_node_is(n, "Add") && i < 2 && !mm; i++)
            mm = ms_made_by(ms_in(n, i), "MatMul");
        if (!plain(mm) || !ms_same_shape(n->out[0], mm->out[0]) || mm->out[0]->shape.rank < 1 ||
            !ms_pass_spend(c))
            continue;
        const struct ms_shape *s = &mm->out[0]->shape;
        struct ms_value *bias = bias_of(g, c, ms_other(n, mm->out[0]), s->dim[s->rank - 1], &oom);
        if (oom)
            return ms_fail_oom(err, "bias", 0);
        if (!bias)
            continue;
        if (is_matrix(ms_in(mm, 0)) && is_matrix(ms_in(mm, 1))) {
            struct ms_value *y = to_gemm(mm, n, bias);
            if (!y)
                return ms_fail_oom(err, "Gemm", 0);
            ms_take_over(n, y);
        } else {
            MS_TRY(ms_node_add_in(mm, bias, err));
            ms_take_over(n, mm->out[0]);
        }
        ++*changed;
    }
    return MS_OK;
}

const struct ms_pass ms_pass_matmul_add = {
    .name = "matmul-add",
    .help = "MatMul and a constant bias become Gemm, or MatMul with a bias",
    .run = run,
};
