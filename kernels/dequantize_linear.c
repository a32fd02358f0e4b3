/* SPDX-License-Identifier: Apache-2.0 */
/* dequantize_linear.c - DequantizeLinear: (x - zero point) scale. */
#include "kernels/quant_rows.h"

static const struct ms_attr_spec attrs[] = {
    MS_QUANT_ATTRS,
    {.name = "output_dtype",
     .type = MS_ATTR_INT,
     .min = 0,
     .max = 64,
     .doc = "ONNX number of the result's dtype; must be the scale's or 0"},
    {0},
};

static ms_code infer(struct ms_infer *c)
{
    static const enum ms_dtype of_onnx[] = {
        [1] = MS_F32, [10] = MS_F16, [11] = MS_F64, [16] = MS_BF16};
    int64_t onnx = ms_attr_int(c->node, "output_dtype");

    if (onnx && (onnx > 16 || of_onnx[onnx] != c->in[1].dtype))
        return ms_fail(c->err, MS_UNIMPLEMENTED, "attribute output_dtype: %lld is not the scale's",
                       (long long)onnx);
    if (ms_infer_has(c, 2) && c->in[2].dtype != c->in[0].dtype)
        return ms_fail(c->err, MS_INVALID_ARGUMENT, "the zero point is %s, the input %s",
                       ms_dtype_name(c->in[2].dtype), ms_dtype_name(c->in[0].dtype));
    c->out[0].dtype = c->in[1].dtype;
    c->out[0].shape = c->in[0].shape;
    return ms_quant_check_scale(c);
}

static void put(struct ms_tensor *y, size_t i, double v)
{
    switch (y->dtype) {
    case MS_F32:
        ((float *)y->data)[i] = (float)v;
        break;
    case MS_F64:
        ((double *)y->data)[i] = v;
        break;
    case MS_F16:
        ((uint16_t *)y->data)[i] = ms_f32_to_f16((float)v);
        break;
    default:
        ((uint16_t *)y->data)[i] = ms_f32_to_bf16((float)v);
    }
}

static void run(const struct ms_task *t)
{
    const struct ms_tensor *x = t->in[0], *scale = t->in[1], *zp = t->n_in > 2 ? t->in[2] : NULL;
    struct ms_quant_map m;

    ms_quant_map_of(&m, t->node, &x->shape, &scale->shape);
    for (size_t i = t->first; i < t->last; i++) {
        size_t k = ms_quant_index(&m, i);
        double d = (double)ms_quant_at(x, i) - (double)ms_quant_at(zp, k);
        put(t->out[0], i, d * ms_tensor_f64(scale, k));
    }
}

static size_t units(const struct ms_task *t)
{
    return ms_tensor_count(t->in[0]);
}

static void row(const struct ms_task *t, enum ms_isa isa, const struct ms_quant_row *q, size_t at,
                size_t n)
{
    const struct ms_tensor *x = t->in[0];

    ms_dequantize_row(isa, x->dtype, q, (const uint8_t *)x->data + at * ms_dtype_size(x->dtype),
                      (float *)t->out[0]->data + at, n);
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
        .name = "dequantize_linear_" #s_, .dtypes = MS_QUANT_TYPES, .isa = isa_,                   \
        .applicable = ms_quant_rows_applicable, .units = units, .run = run_##s_                    \
    }

MS_OP(dequantize_linear) = {
    .name = "DequantizeLinear",
    .doc = "(x - zero point) scale",
    .min_in = 2,
    .max_in = 3,
    .min_out = 1,
    .max_out = 1,
    .in = {MS_QUANT_TYPES | MS_BIT(I32), MS_FLOATS, MS_QUANT_TYPES | MS_BIT(I32)},
    .attrs = attrs,
    .infer = infer,
    .kernels =
        (const struct ms_kernel[]){
            ROWS(MS_ISA_AVX512, avx512),
            ROWS(MS_ISA_AVX2, avx2),
            ROWS(MS_ISA_ANY, plain),
            {.name = "dequantize_linear",
             .dtypes = MS_QUANT_TYPES | MS_BIT(I32),
             .units = units,
             .run = run},
            {0},
        },
};
