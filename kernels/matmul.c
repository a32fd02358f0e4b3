/* SPDX-License-Identifier: Apache-2.0 */
/* matmul.c - MatMul: products of matrices, batched and broadcast as numpy does, plus bias by column
 * and residual, then an activation; own attributes transA and transB swap the last two axes.
 *
 * The record, its rules and the reference. */
#include "kernels/matmul.h"

#include "kernels/act.h"
#include "kernels/wide.h"

#define INT_TYPES (MS_BIT(I32) | MS_BIT(I64) | MS_BIT(U32) | MS_BIT(U64))

static const struct ms_attr_spec attrs[] = {
    {.name = "transA", .type = MS_ATTR_INT, .min = 0, .max = 1, .doc = "A's matrices are [K,M]"},
    {.name = "transB", .type = MS_ATTR_INT, .min = 0, .max = 1, .doc = "B's matrices are [N,K]"},
    MS_ACT_ATTRS,
    {0},
};

static bool flag(const struct ms_node *n, const char *name)
{
    return ms_op_attr(n->op, name) && ms_attr_int(n, name) != 0;
}

/* A vector is a row on the left and a column on the right; transposing it changes nothing. */
static void as_matrix(const struct ms_shape *s, bool left, bool trans, int64_t *rows, int64_t *cols)
{
    if (s->rank == 1) {
        *rows = left ? 1 : s->dim[0];
        *cols = left ? s->dim[0] : 1;
        return;
    }
    *rows = s->dim[s->rank - 2 + (trans ? 1 : 0)];
    *cols = s->dim[s->rank - 1 - (trans ? 1 : 0)];
}

ms_code ms_matmul_infer_shape(struct ms_infer *c, struct ms_shape *y)
{
    const struct ms_shape *a = &c->in[0].shape, *b = &c->in[1].shape;
    struct ms_shape ab = *a, bb = *b;
    int64_t m, n, ka, kb;

    *y = ms_shape_unknown();
    if (a->rank == 0 || b->rank == 0)
        return ms_fail(c->err, MS_INVALID_ARGUMENT, "scalars cannot be multiplied as matrices");
    if (a->rank < 0 || b->rank < 0)
        return MS_OK;
    as_matrix(a, true, flag(c->node, "transA"), &m, &ka);
    as_matrix(b, false, flag(c->node, "transB"), &kb, &n);
    if (ka >= 0 && kb >= 0 && ka != kb)
        return ms_fail(c->err, MS_INVALID_ARGUMENT, "A has %lld columns, B %lld rows",
                       (long long)ka, (long long)kb);
    ab.rank = a->rank > 2 ? a->rank - 2 : 0;
    bb.rank = b->rank > 2 ? b->rank - 2 : 0;
    if (!ms_shape_broadcast(&ab, &bb, c->syms, y))
        return ms_fail(c->err, MS_INVALID_ARGUMENT, "the batch dims do not broadcast");
    if (a->rank > 1)
        y->dim[y->rank++] = m;
    if (b->rank > 1)
        y->dim[y->rank++] = n;
    return MS_OK;
}

static ms_code check_extras(struct ms_infer *c, const struct ms_shape *y)
{
    if (ms_infer_has(c, 2) && c->in[2].shape.rank >= 0 && y->rank >= 0) {
        const struct ms_shape *s = &c->in[2].shape;
        if (s->rank != 1 || y->rank < 1 || c->in[1].shape.rank < 2 ||
            (s->dim[0] >= 0 && y->dim[y->rank - 1] >= 0 && s->dim[0] != y->dim[y->rank - 1]))
            return ms_fail(c->err, MS_INVALID_ARGUMENT, "the bias must have one element a column");
    }
    if (ms_infer_has(c, 3) && c->in[3].shape.rank >= 0 && y->rank >= 0) {
        const struct ms_shape *r = &c->in[3].shape;
        bool same = r->rank == y->rank;
        for (int i = 0; same && i < y->rank; i++)
            same = r->dim[i] < 0 || y->dim[i] < 0 || r->dim[i] == y->dim[i];
        if (!same)
            return ms_fail(c->err, MS_INVALID_ARGUMENT, "the residual has not the output's shape");
    }
    return MS_OK;
}

static ms_code infer(struct ms_infer *c)
{
    MS_TRY(ms_infer_one_dtype(c, 4));
    if (c->in[1].dtype != c->in[0].dtype)
        return ms_fail(c->err, MS_INVALID_ARGUMENT, "A is %s, B is %s",
                       ms_dtype_name(c->in[0].dtype), ms_dtype_name(c->in[1].dtype));
    c->out[0].dtype = c->in[0].dtype;
    if ((INT_TYPES >> c->in[0].dtype & 1) &&
        (ms_infer_has(c, 2) || ms_infer_has(c, 3) || ms_attr_str(c->node, "activation")[0]))
        return ms_fail(c->err, MS_INVALID_ARGUMENT, "bias, residual and activation need floats");
    MS_TRY(ms_matmul_infer_shape(c, &c->out[0].shape));
    return check_extras(c, &c->out[0].shape);
}

void ms_matmul_of(struct ms_matmul *mm, const struct ms_node *node, const struct ms_shape *a,
                  const struct ms_shape *b)
{
    bool ta = a->rank > 1 && flag(node, "transA"), tb = b->rank > 1 && flag(node, "transB");
    int64_t m, n, k, kb;
    int ra = a->rank > 2 ? a->rank - 2 : 0, rb = b->rank > 2 ? b->rank - 2 : 0;
    size_t sa = 1, sb = 1;

    as_matrix(a, true, ta, &m, &k);
    as_matrix(b, false, tb, &kb, &n);
    *mm = (struct ms_matmul){.m = (size_t)m, .n = (size_t)n, .k = (size_t)k, .count = 1};
    mm->a_rs = ta ? 1 : mm->k;
    mm->a_ks = ta ? mm->m : 1;
    mm->b_ks = tb ? 1 : mm->n;
    mm->b_ns = tb ? mm->k : 1;
    mm->a_size = mm->m * mm->k;
    mm->b_size = mm->k * mm->n;
    mm->rank = ra > rb ? ra : rb;
    for (int d = mm->rank - 1; d >= 0; d--) {
        int ia = d - (mm->rank - ra), ib = d - (mm->rank - rb);
        int64_t da = ia < 0 ? 1 : a->dim[ia], db = ib < 0 ? 1 : b->dim[ib];
        mm->batch[d] = da == 1 ? db : da;
        mm->a_step[d] = da == 1 ? 0 : sa;
        mm->b_step[d] = db == 1 ? 0 : sb;
        sa *= (size_t)da;
        sb *= (size_t)db;
        mm->count *= (size_t)mm->batch[d];
    }
}

void ms_matmul_pair(const struct ms_matmul *mm, size_t i, size_t *a, size_t *b)
{
    *a = *b = 0;
    for (int d = mm->rank - 1; d >= 0; d--) {
        size_t at = i % (size_t)mm->batch[d];
        *a += at * mm->a_step[d];
        *b += at * mm->b_step[d];
        i /= (size_t)mm->batch[d];
    }
}

static double cost(const struct ms_node *n, const struct ms_fact *in, const struct ms_fact *out)
{
    const struct ms_shape *a = &in[0].shape;
    int64_t k = a->dim[a->rank - 1 - (a->rank > 1 && flag(n, "transA"))];

    return 2.0 * (double)k * (double)ms_shape_span(&out[0].shape, 0, out[0].shape.rank);
}

static void matmul(const struct ms_task *t)
{
    struct ms_act act = ms_act_of_node(t->node, MS_ISA_ANY);
    const double *bias = t->n_in > 2 && t->in[2] ? t->in[2]->data : NULL;
    const double *res = t->n_in > 3 && t->in[3] ? t->in[3]->data : NULL;
    double *y = t->out[0]->data;
    struct ms_matmul mm;
    size_t at = 0, ia, ib;

    ms_matmul_of(&mm, t->node, &t->in[0]->shape, &t->in[1]->shape);
    for (size_t p = 0; p < mm.count; p++) {
        ms_matmul_pair(&mm, p, &ia, &ib);
        const double *a = (const double *)t->in[0]->data + ia * mm.a_size;
        const double *b = (const double *)t->in[1]->data + ib * mm.b_size;
        for (size_t i = 0; i < mm.m && !ms_task_stopped(t); i++)
            for (size_t j = 0; j < mm.n; j++, at++) {
                double sum = 0;
                for (size_t k = 0; k < mm.k; k++)
                    sum += a[i * mm.a_rs + k * mm.a_ks] * b[k * mm.b_ks + j * mm.b_ns];
                sum += bias ? bias[j] : 0;
                sum += res ? res[at] : 0;
                y[at] = ms_act_ref(&act, sum);
            }
    }
}

static void run(const struct ms_task *t)
{
    ms_wide_run(t, matmul);
}

/* Integers wrap around, as the standard's other tools do. */
#define INT_MATMUL(T_, U_)                                                                         \
    do {                                                                                           \
        const T_ *a = (const T_ *)t->in[0]->data + ia * mm.a_size;                                 \
        const T_ *b = (const T_ *)t->in[1]->data + ib * mm.b_size;                                 \
        T_ *y = (T_ *)t->out[0]->data + p * mm.m * mm.n;                                           \
        for (size_t i = 0; i < mm.m; i++)                                                          \
            for (size_t j = 0; j < mm.n; j++) {                                                    \
                U_ sum = 0;                                                                        \
                for (size_t k = 0; k < mm.k; k++)                                                  \
                    sum += (U_)a[i * mm.a_rs + k * mm.a_ks] * (U_)b[k * mm.b_ks + j * mm.b_ns];    \
                y[i * mm.n + j] = (T_)sum;                                                         \
            }                                                                                      \
    } while (0)

static void run_int(const struct ms_task *t)
{
    struct ms_matmul mm;
    size_t ia, ib;

    ms_matmul_of(&mm, t->node, &t->in[0]->shape, &t->in[1]->shape);
    for (size_t p = 0; p < mm.count; p++) {
        ms_matmul_pair(&mm, p, &ia, &ib);
        if (ms_dtype_size(t->in[0]->dtype) == 8)
            INT_MATMUL(int64_t, uint64_t);
        else
            INT_MATMUL(int32_t, uint32_t);
    }
}

MS_OP(matmul) = {
    .name = "MatMul",
    .doc = "products of matrices, plus bias and residual, then an activation",
    .min_in = 2,
    .max_in = 4,
    .min_out = 1,
    .max_out = 1,
    .in = {MS_FLOATS | INT_TYPES},
    .attrs = attrs,
    .infer = infer,
    .cost = cost,
    .kernels =
        (const struct ms_kernel[]){
            {.name = "matmul_const_avx512",
             .dtypes = MS_BIT(F32),
             .isa = MS_ISA_AVX512,
             .applicable = ms_matmul_const_applicable,
             .prepare = ms_matmul_const_prepare,
             .units = ms_matmul_const_units,
             .run = ms_matmul_const_avx512},
            {.name = "matmul_any_avx512",
             .dtypes = MS_BIT(F32),
             .isa = MS_ISA_AVX512,
             .units = ms_matmul_any_units,
             .scratch = ms_matmul_any_scratch,
             .run = ms_matmul_any_avx512},
            {.name = "matmul_const_avx2",
             .dtypes = MS_BIT(F32),
             .isa = MS_ISA_AVX2,
             .applicable = ms_matmul_const_applicable,
             .prepare = ms_matmul_const_prepare,
             .units = ms_matmul_const_units,
             .run = ms_matmul_const_avx2},
            {.name = "matmul_any_avx2",
             .dtypes = MS_BIT(F32),
             .isa = MS_ISA_AVX2,
             .units = ms_matmul_any_units,
             .scratch = ms_matmul_any_scratch,
             .run = ms_matmul_any_avx2},
            {.name = "matmul_int", .dtypes = INT_TYPES, .run = run_int},
            {.name = "matmul_const_plain",
             .dtypes = MS_BIT(F32),
             .applicable = ms_matmul_const_applicable,
             .prepare = ms_matmul_const_prepare,
             .units = ms_matmul_const_units,
             .run = ms_matmul_const_plain},
            {.name = "matmul_any_plain",
             .dtypes = MS_BIT(F32),
             .units = ms_matmul_any_units,
             .scratch = ms_matmul_any_scratch,
             .run = ms_matmul_any_plain},
            {.name = "matmul", .dtypes = MS_FLOATS, .scratch = ms_wide_scratch, .run = run},
            {0},
        },
};
