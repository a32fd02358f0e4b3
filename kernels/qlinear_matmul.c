/* SPDX-License-Identifier: Apache-2.0 */
/* qlinear_matmul.c - QLinearMatMul: products of matrices of bytes with a scale and a zero point
 * each, result likewise. */
#include "kernels/matmul_integer.h"

#include "kernels/matmul.h"
#include "kernels/qlinear.h"
#include "kernels/quant.h"

static ms_code infer(struct ms_infer *c)
{
    /* the shape rule of the integer operator looks at its inputs 0 and 1 */
    struct ms_fact in[] = {c->in[MS_QL_X], c->in[MS_QL_W]};
    struct ms_infer d = *c;

    d.in = in;
    MS_TRY(ms_matmul_infer_shape(&d, &c->out[0].shape));
    const struct ms_shape *a = &in[0].shape, *b = &in[1].shape;
    return ms_qlinear_check(c,
                            a->rank < 0   ? -1
                            : a->rank < 2 ? 1
                                          : a->dim[a->rank - 2],
                            b->rank < 0   ? -1
                            : b->rank < 2 ? 1
                                          : b->dim[b->rank - 1]);
}

static void run(const struct ms_task *t)
{
    struct ms_qlinear q;
    struct ms_matmul mm;
    size_t ia, ib;

    ms_qlinear_of(&q, t, false, MS_ISA_ANY);
    const struct ms_tensor *a = q.in[0], *b = q.in[1], *za = q.in[2], *zb = q.in[3];
    const size_t da = ms_tensor_count(za) > 1, db = ms_tensor_count(zb) > 1;
    uint8_t *y = t->out[0]->data;
    ms_matmul_of(&mm, t->node, &a->shape, &b->shape);
    for (size_t p = 0; p < mm.count; p++) {
        ms_matmul_pair(&mm, p, &ia, &ib);
        for (size_t i = 0; i < mm.m && !ms_task_stopped(t); i++)
            for (size_t j = 0; j < mm.n; j++) {
                const int32_t z0 = ms_quant_at(za, i * da), z1 = ms_quant_at(zb, j * db);
                uint32_t sum = 0;
                for (size_t k = 0; k < mm.k; k++)
                    sum += (uint32_t)((ms_quant_at(a, ia * mm.a_size + i * mm.k + k) - z0) *
                                      (ms_quant_at(b, ib * mm.b_size + k * mm.n + j) - z1));
                ms_qlinear_put(&q, &(int32_t){(int32_t)sum}, 1, 1, 1, i, j, y++, 1);
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
#define SCALE (MS_BIT(F32) | MS_BIT(F16) | MS_BIT(BF16))

#define PACKED(isa_, s_, ...)                                                                      \
    {                                                                                              \
        .name = "qlinear_matmul_" #s_, .dtypes = BYTES, .isa = isa_,                               \
        .prepare = ms_qlinear_matmul_prepare_##s_, .units = ms_qlinear_matmul_units,               \
        .scratch = ms_qlinear_matmul_scratch_##s_, .run = ms_qlinear_matmul_##s_, __VA_ARGS__      \
    }

MS_OP(qlinear_matmul) = {
    .name = "QLinearMatMul",
    .doc = "products of quantised matrices",
    .min_in = 8,
    .max_in = 8,
    .min_out = 1,
    .max_out = 1,
    .in = {BYTES, SCALE, BYTES, BYTES, SCALE, BYTES, SCALE, BYTES},
    .scalars = 1 << MS_QL_YS | 1 << MS_QL_YZ,
    .infer = infer,
    .cost = cost,
    .kernels =
        (const struct ms_kernel[]){
            PACKED(MS_ISA_AVX512, vnni, .applicable = ms_matmul_integer_vnni_applicable),
            PACKED(MS_ISA_AVX2, avxvnni, .applicable = ms_matmul_integer_avxvnni_applicable,
                   .rate = 120),
            PACKED(MS_ISA_AVX2, avx2, .rate = 60),
            PACKED(MS_ISA_ANY, plain, .rate = 4),
            {.name = "qlinear_matmul", .dtypes = BYTES, .run = run},
            {0},
        },
};
