/* SPDX-License-Identifier: Apache-2.0 */
/* quantize_linear.c - QuantizeLinear: saturate(round(x / scale) + zero point), halves to even. */
#include "kernels/quant_rows.h"

static const struct ms_attr_spec attrs[] = {
    MS_QUANT_ATTRS,
    {.name = "saturate",
     .type = MS_ATTR_INT,
     .i = 1,
     .min = 0,
     .max = 1,
     .doc = "of 8-bit floats; integers always saturate"},
    {.name = "output_dtype",
     .type = MS_ATTR_INT,
     .min = 0,
     .max = 64,
     .doc = "ONNX number of the dtype when there is no zero point"},
    {.name = "precision",
     .type = MS_ATTR_INT,
     .min = 0,
     .max = 64,
     .doc = "ONNX number of the division's dtype; f32 or better is always used"},
    {0},
};

static ms_code infer(struct ms_infer *c)
{
    int64_t onnx = ms_attr_int(c->node, "output_dtype");

    c->out[0].dtype = ms_infer_has(c, 2) ? c->in[2].dtype
                      : onnx == 3        ? MS_I8
                      : onnx == 4        ? MS_U16
                      : onnx == 5        ? MS_I16
                                         : MS_U8;
    if (!ms_infer_has(c, 2) && onnx != 0 && (onnx < 2 || onnx > 5))
        return ms_fail(c->err, MS_UNIMPLEMENTED, "attribute output_dtype: %lld is not supported",
                       (long long)onnx);
    c->out[0].shape = c->in[0].shape;
    return ms_quant_check_scale(c);
}

static void run(const struct ms_task *t)
{
    const struct ms_tensor *x = t->in[0], *scale = t->in[1], *zp = t->n_in > 2 ? t->in[2] : NULL;
    struct ms_quant_map m;
    double lo, hi;

    ms_quant_map_of(&m, t->node, &x->shape, &scale->shape);
    ms_quant_range(t->out[0]->dtype, &lo, &hi);
    for (size_t i = t->first; i < t->last; i++) {
        size_t k = ms_quant_index(&m, i);
        /* the quotient is rounded to f32 first, as the standard's division is done in f32 */
        float q = (float)ms_tensor_f64(x, i) / (float)ms_tensor_f64(scale, k);
        double v = nearbyint((double)q) + (double)ms_quant_at(zp, k);
        ms_quant_put(t->out[0], i, v >= hi ? hi : v > lo ? v : lo); /* NaN becomes lo */
    }
}

static size_t units(const struct ms_task *t)
{
    return ms_tensor_count(t->in[0]);
}

static void row(const struct ms_task *t, enum ms_isa isa, const struct ms_quant_row *q, size_t at,
                size_t n)
{
    struct ms_tensor *y = t->out[0];

    ms_quantize_row(isa, y->dtype, q, (const float *)t->in[0]->data + at,
                    (uint8_t *)y->data + at * ms_dtype_size(y->dtype), n);
}

static void run_avx512(const struct ms_task *t)
{
    ms_quant_rows(t, MS_ISA_AVX512, row);
}

static void run_avx2(const struct ms_task *t)
{
    ms_quant_rows(t, MS_ISA_AVX2, row);
}

static void run_plain(const struct ms_task *t)
{
    ms_quant_rows(t, MS_ISA_ANY, row);
}

#define ROWS(isa_, s_)                                                                             \
    {                                                                                              \
        .name = "quantize_linear_" #s_, .dtypes = MS_BIT(F32), .isa = isa_,                        \
        .applicable = ms_quant_rows_applicable, .units = units, .run = run_##s_                    \
    }

MS_OP(quantize_linear) = {
    .name = "QuantizeLinear",
    .doc = "saturate(round(x / scale) + zero point)",
    .min_in = 2,
    .max_in = 3,
    .min_out = 1,
    .max_out = 1,
    .in = {MS_FLOATS | MS_BIT(I32), MS_FLOATS, MS_QUANT_TYPES},
    .attrs = attrs,
    .infer = infer,
    .kernels =
        (const struct ms_kernel[]){
            ROWS(MS_ISA_AVX512, avx512),
            ROWS(MS_ISA_AVX2, avx2),
            ROWS(MS_ISA_ANY, plain),
            {.name = "quantize_linear",
             .dtypes = MS_FLOATS | MS_BIT(I32),
             .units = units,
             .run = run},
            {0},
        },
};
