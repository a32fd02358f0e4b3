/* SPDX-License-Identifier: Apache-2.0 */
/* qlinear_conv.c - QLinearConv: convolution of bytes with a scale and a zero point each,
 * result likewise. */
#include "kernels/conv_integer.h"

#include "kernels/conv.h"
#include "kernels/matmul_integer.h"
#include "kernels/qlinear.h"
#include "kernels/quant.h"

static const struct ms_attr_spec attrs[] = {
    MS_WINDOW_ATTRS,
    {.name = "group",
     .type = MS_ATTR_INT,
     .i = 1,
     .min = 1,
     .max = 1 << 24,
     .doc = "channels are split into so many independent groups"},
    {0},
};

static ms_code infer(struct ms_infer *c)
{
    /* the shape rule of the integer operator looks at its inputs 0 and 1 */
    struct ms_fact in[] = {c->in[MS_QL_X], c->in[MS_QL_W]};
    struct ms_infer d = *c;

    d.in = in;
    MS_TRY(ms_conv_infer_shape(&d, &c->out[0].shape));
    const int64_t oc = in[1].shape.rank < 1 ? -1 : in[1].shape.dim[0];
    const struct ms_shape *b = &c->in[MS_QL_B].shape;
    if (ms_infer_has(c, MS_QL_B) &&
        (c->in[MS_QL_B].dtype != MS_I32 ||
         (b->rank >= 0 && (b->rank != 1 || (oc >= 0 && b->dim[0] >= 0 && b->dim[0] != oc)))))
        return ms_fail(c->err, MS_INVALID_ARGUMENT, "the bias must be one int32 for each channel");
    return ms_qlinear_check(c, 1, oc);
}

static void run(const struct ms_task *t)
{
    struct ms_qlinear q;
    struct ms_conv c;
    int64_t p[3];

    ms_qlinear_of(&q, t, true, MS_ISA_ANY);
    ms_conv_of(&c, &q.t);
    const struct ms_tensor *zw = q.in[3];
    const int32_t zx = ms_quant_at(q.in[2], 0);
    uint8_t *y = t->out[0]->data;
    for (int64_t u = 0; u < c.n * c.oc && !ms_task_stopped(t); u++) {
        const int64_t n = u / c.oc, o = u % c.oc;
        const size_t x = (size_t)((n * c.ic + o / c.ocg * c.icg) * c.in_px);
        const int32_t z = ms_quant_at(zw, ms_tensor_count(zw) > 1 ? (size_t)o : 0);
        for (p[0] = 0; p[0] < c.w.out[0]; p[0]++)
            for (p[1] = 0; p[1] < c.w.out[1]; p[1]++)
                for (p[2] = 0; p[2] < c.w.out[2]; p[2]++) {
                    const uint32_t sum =
                        ms_conv_integer_dot(&c, &q.t, x, (size_t)(o * c.icg * c.taps), zx, z, p);
                    ms_qlinear_put(&q, &(int32_t){(int32_t)sum}, 1, 1, 1, (size_t)o, 0, y++, 1);
                }
    }
}

static double cost(const struct ms_node *n, const struct ms_fact *in, const struct ms_fact *out)
{
    const struct ms_shape *w = &in[MS_QL_W].shape, *y = &out[0].shape;

    (void)n;
    return 2.0 * (double)ms_shape_span(w, 1, w->rank) * (double)ms_shape_span(y, 0, y->rank);
}

#define BYTES (MS_BIT(I8) | MS_BIT(U8))
#define SCALE MS_BIT(F32)

#define PACKED(isa_, s_, ...)                                                                      \
    {                                                                                              \
        .name = "qlinear_conv_" #s_, .dtypes = BYTES, .isa = isa_,                                 \
        .prepare = ms_qlinear_conv_prepare_##s_, .units = ms_qlinear_conv_units,                   \
        .scratch = ms_qlinear_conv_scratch_##s_, .run = ms_qlinear_conv_##s_, __VA_ARGS__          \
    }

MS_OP(qlinear_conv) = {
    .name = "QLinearConv",
    .doc = "convolution of quantised tensors",
    .min_in = 8,
    .max_in = 9,
    .min_out = 1,
    .max_out = 1,
    .in = {BYTES, SCALE, BYTES, BYTES, SCALE, BYTES, SCALE, BYTES, MS_BIT(I32)},
    .scalars = 1 << MS_QL_XS | 1 << MS_QL_XZ | 1 << MS_QL_YS | 1 << MS_QL_YZ,
    .attrs = attrs,
    .infer = infer,
    .cost = cost,
    .kernels =
        (const struct ms_kernel[]){
            MS_CONV_INTEGER_DIRECT_VNNI(qlinear_conv),
            PACKED(MS_ISA_AVX512, vnni, .applicable = ms_matmul_integer_vnni_applicable),
            MS_CONV_INTEGER_DIRECT_AVX2(qlinear_conv),
            PACKED(MS_ISA_AVX2, avxvnni, .applicable = ms_matmul_integer_avxvnni_applicable,
                   .rate = 120),
            PACKED(MS_ISA_AVX2, avx2, .rate = 60),
            PACKED(MS_ISA_ANY, plain, .rate = 4),
            {.name = "qlinear_conv", .dtypes = BYTES, .run = run},
            {0},
        },
};
