/* SPDX-License-Identifier: Apache-2.0 */
/* gemm.c - Gemm: act(alpha A' B' + beta C), A and B transposed where asked, C broadcast.
 *
 * The record, its rules and the reference. */
#include "kernels/act.h"
#include "kernels/gemm_packed.h"
#include "kernels/wide.h"

static const struct ms_attr_spec attrs[] = {
    {.name = "alpha", .type = MS_ATTR_FLOAT, .f = 1.0, .doc = "factor of A B"},
    {.name = "beta", .type = MS_ATTR_FLOAT, .f = 1.0, .doc = "factor of C"},
    {.name = "transA", .type = MS_ATTR_INT, .min = 0, .max = 1, .doc = "A is [K,M]"},
    {.name = "transB", .type = MS_ATTR_INT, .min = 0, .max = 1, .doc = "B is [N,K]"},
    MS_ACT_ATTRS,
    {0},
};

static ms_code infer(struct ms_infer *c)
{
    const struct ms_shape *a = &c->in[0].shape, *b = &c->in[1].shape;
    int ta = ms_attr_int(c->node, "transA") != 0, tb = ms_attr_int(c->node, "transB") != 0;

    MS_TRY(ms_infer_one_dtype(c, 3));
    c->out[0].dtype = c->in[0].dtype;
    if ((a->rank >= 0 && a->rank != 2) || (b->rank >= 0 && b->rank != 2))
        return ms_fail(c->err, MS_INVALID_ARGUMENT, "A and B must be matrices");
    c->out[0].shape = ms_shape_make(a->rank < 0 ? ms_syms_fresh(c->syms) : a->dim[ta],
                                    b->rank < 0 ? ms_syms_fresh(c->syms) : b->dim[!tb]);
    if (a->rank < 0 || b->rank < 0)
        return MS_OK;
    if (a->dim[!ta] >= 0 && b->dim[tb] >= 0 && a->dim[!ta] != b->dim[tb])
        return ms_fail(c->err, MS_INVALID_ARGUMENT, "A has %lld columns, B %lld rows",
                       (long long)a->dim[!ta], (long long)b->dim[tb]);
    if (!ms_infer_has(c, 2) || c->in[2].shape.rank < 0)
        return MS_OK;
    const struct ms_shape *s = &c->in[2].shape;
    bool fits = s->rank <= 2;
    for (int i = 0; fits && i < s->rank; i++) {
        int64_t y = c->out[0].shape.dim[i + 2 - s->rank];
        fits = s->dim[i] < 0 || y < 0 || s->dim[i] == 1 || s->dim[i] == y;
    }
    return fits ? MS_OK
                : ms_fail(c->err, MS_INVALID_ARGUMENT, "C does not broadcast to the product");
}

static double cost(const struct ms_node *n, const struct ms_fact *in, const struct ms_fact *out)
{
    int ta = ms_attr_int(n, "transA") != 0;

    return 2.0 * (double)in[0].shape.dim[!ta] * (double)ms_shape_span(&out[0].shape, 0, 2);
}

static void gemm(const struct ms_task *t)
{
    const struct ms_node *node = t->node;
    bool ta = ms_attr_int(node, "transA") != 0, tb = ms_attr_int(node, "transB") != 0;
    const struct ms_tensor *ct = t->n_in > 2 ? t->in[2] : NULL;
    const double *a = t->in[0]->data, *b = t->in[1]->data, *cp = ct ? ct->data : NULL;
    double *y = t->out[0]->data;
    double alpha = ms_attr_float(node, "alpha"), beta = ms_attr_float(node, "beta");
    size_t m = (size_t)t->out[0]->shape.dim[0], n = (size_t)t->out[0]->shape.dim[1];
    size_t k = (size_t)t->in[0]->shape.dim[!ta];
    struct ms_act act = ms_act_of_node(node, MS_ISA_ANY);
    size_t cm = 0, cn = 0; /* strides of C */

    if (ct && ct->shape.rank >= 1)
        cn = ct->shape.dim[ct->shape.rank - 1] == 1 ? 0 : 1;
    if (ct && ct->shape.rank == 2)
        cm = ct->shape.dim[0] == 1 ? 0 : (size_t)ct->shape.dim[1];
    for (size_t i = 0; i < m && !ms_task_stopped(t); i++)
        for (size_t j = 0; j < n; j++) {
            double sum = 0;
            for (size_t p = 0; p < k; p++)
                sum += a[ta ? p * m + i : i * k + p] * b[tb ? j * k + p : p * n + j];
            sum = alpha * sum + (cp ? beta * cp[i * cm + j * cn] : 0);
            *y++ = ms_act_ref(&act, sum);
        }
}

static void run(const struct ms_task *t)
{
    ms_wide_run(t, gemm);
}

MS_OP(gemm) = {
    .name = "Gemm",
    .doc = "alpha A B + beta C, then an activation",
    .min_in = 2,
    .max_in = 3,
    .min_out = 1,
    .max_out = 1,
    .in = {MS_FLOATS},
    .attrs = attrs,
    .infer = infer,
    .cost = cost,
    .kernels =
        (const struct ms_kernel[]){
            {.name = "gemm_const_avx512",
             .dtypes = MS_BIT(F32),
             .isa = MS_ISA_AVX512,
             .applicable = ms_gemm_const_applicable,
             .prepare = ms_gemm_const_prepare,
             .units = ms_gemm_const_units,
             .run = ms_gemm_const_avx512},
            {.name = "gemm_any_avx512",
             .dtypes = MS_BIT(F32),
             .isa = MS_ISA_AVX512,
             .units = ms_gemm_any_units,
             .scratch = ms_gemm_any_scratch,
             .run = ms_gemm_any_avx512},
            {.name = "gemm_const_avx2",
             .dtypes = MS_BIT(F32),
             .isa = MS_ISA_AVX2,
             .applicable = ms_gemm_const_applicable,
             .prepare = ms_gemm_const_prepare,
             .units = ms_gemm_const_units,
             .run = ms_gemm_const_avx2},
            {.name = "gemm_any_avx2",
             .dtypes = MS_BIT(F32),
             .isa = MS_ISA_AVX2,
             .units = ms_gemm_any_units,
             .scratch = ms_gemm_any_scratch,
             .run = ms_gemm_any_avx2},
            {.name = "gemm_const_plain",
             .dtypes = MS_BIT(F32),
             .applicable = ms_gemm_const_applicable,
             .prepare = ms_gemm_const_prepare,
             .units = ms_gemm_const_units,
             .run = ms_gemm_const_plain},
            {.name = "gemm_any_plain",
             .dtypes = MS_BIT(F32),
             .units = ms_gemm_any_units,
             .scratch = ms_gemm_any_scratch,
             .run = ms_gemm_any_plain},
            {.name = "gemm", .dtypes = MS_FLOATS, .scratch = ms_wide_scratch, .run = run},
            {0},
        },
};
