/* SPDX-License-Identifier: Apache-2.0 */
/* matmul_integer.c - MatMulInteger: products of 8-bit matrices less their zero points, in i32 that
 * wraps around. Zero points: one, or one for each row of A and column of B. */
#include "kernels/matmul_integer.h"

#include "kernels/matmul.h"
#include "kernels/quant.h"

/* One, or as many as matrix rows (columns); batched zero points are not supported. */
static ms_code check_zero(struct ms_infer *c, int i, int64_t want)
{
    const struct ms_shape *s = &c->in[i].shape;
    size_t n;

    if (!ms_infer_has(c, i))
        return MS_OK;
    if (c->in[i].dtype != c->in[i - 2].dtype)
        return ms_fail(c->err, MS_INVALID_ARGUMENT, "input %d is %s, input %d %s", i,
                       ms_dtype_name(c->in[i].dtype), i - 2, ms_dtype_name(c->in[i - 2].dtype));
    if (!ms_shape_count(s, &n) || n == 1 || want < 0 || n == (size_t)want)
        return MS_OK;
    return ms_fail(c->err, MS_UNIMPLEMENTED,
                   "input %d has %zu zero points, 1 or %lld are supported", i, n, (long long)want);
}

static ms_code infer(struct ms_infer *c)
{
    const struct ms_shape *a = &c->in[0].shape, *b = &c->in[1].shape;

    c->out[0].dtype = MS_I32;
    MS_TRY(ms_matmul_infer_shape(c, &c->out[0].shape));
    if (a->rank < 0 || b->rank < 0)
        return MS_OK;
    MS_TRY(check_zero(c, 2, a->rank < 2 ? 1 : a->dim[a->rank - 2]));
    return check_zero(c, 3, b->rank < 2 ? 1 : b->dim[b->rank - 1]);
}

static void run(const struct ms_task *t)
{
    const struct ms_tensor *za = t->n_in > 2 ? t->in[2] : NULL, *zb = t->n_in > 3 ? t->in[3] : NULL;
    size_t da = za && ms_tensor_count(za) > 1, db = zb && ms_tensor_count(zb) > 1;
    uint32_t *y = t->out[0]->data;
    struct ms_matmul mm;
    size_t ia, ib;

    ms_matmul_of(&mm, t->node, &t->in[0]->shape, &t->in[1]->shape);
    for (size_t p = 0; p < mm.count; p++) {
        ms_matmul_pair(&mm, p, &ia, &ib);
        for (size_t i = 0; i < mm.m && !ms_task_stopped(t); i++)
            for (size_t j = 0; j < mm.n; j++) {
                int32_t z0 = ms_quant_at(za, i * da), z1 = ms_quant_at(zb, j * db);
                uint32_t sum = 0;
                for (size_t k = 0; k < mm.k; k++)
                    sum += (uint32_t)((ms_quant_at(t->in[0], ia * mm.a_size + i * mm.k + k) - z0) *
                                      (ms_quant_at(t->in[1], ib * mm.b_size + k * mm.n + j) - z1));
                *y++ = sum;
            }
    }
}

static double cost(const struct ms_node *n, const struct ms_fact *in, const struct ms_fact *out)
{
    const struct ms_shape *a = &in[0].shape;

    (void)n;
    return 2.0 * (double)ms_shape_span(&out->shape, 0, out->shape.rank) *
           (a->rank > 0 ? (double)a->dim[a->rank - 1] : 1.0);
}

#define BYTES (MS_BIT(I8) | MS_BIT(U8))

#define PACKED(isa_, s_, ...)                                                                      \
    {                                                                                              \
        .name = "matmul_integer_" #s_, .dtypes = BYTES, .isa = isa_,                               \
        .prepare = ms_matmul_integer_prepare_##s_, .units = ms_matmul_integer_units,               \
        .scratch = ms_matmul_integer_scratch_##s_, .run = ms_matmul_integer_##s_, __VA_ARGS__      \
    }

MS_OP(matmul_integer) = {
    .name = "MatMulInteger",
    .doc = "products of 8-bit matrices less their zero points",
    .min_in = 2,
    .max_in = 4,
    .min_out = 1,
    .max_out = 1,
    .in = {BYTES},
    .infer = infer,
    .cost = cost,
    .kernels =
        (const struct ms_kernel[]){
            PACKED(MS_ISA_AVX512, vnni, .applicable = ms_matmul_integer_vnni_applicable),
            PACKED(MS_ISA_AVX2, avxvnni, .applicable = ms_matmul_integer_avxvnni_applicable,
                   .rate = 120),
            PACKED(MS_ISA_AVX2, avx2, .rate = 60),
            PACKED(MS_ISA_ANY, plain, .rate = 4),
            {.name = "matmul_integer", .dtypes = BYTES, .run = run},
            {0},
        },
};
