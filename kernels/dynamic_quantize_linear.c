/* SPDX-License-Identifier: Apache-2.0 */
/* dynamic_quantize_linear.c - DynamicQuantizeLinear: u8 with scale and zero point from the data's
 * own range, 0 included:
 *
 *     scale = (max - min) / 255, zero point = saturate(round(-min / scale)) */
#include <math.h>
#include <string.h>

#include "kernels/quant_rows.h"

enum { PIECE = 1 << 18 }; /* elements between two looks at a stop */

static ms_code infer(struct ms_infer *c)
{
    static const enum ms_dtype t[] = {MS_U8, MS_F32, MS_U8};

    for (int i = 0; i < c->node->n_out; i++) {
        c->out[i].dtype = t[i];
        c->out[i].shape = i == 0 ? c->in[0].shape : ms_shape_scalar();
    }
    return MS_OK;
}

static float clamp255(float v)
{
    return v >= 255.0f ? 255.0f : v > 0.0f ? v : 0.0f;
}

static void run(const struct ms_task *t, enum ms_isa isa)
{
    const float *x = t->in[0]->data;
    size_t n = ms_tensor_count(t->in[0]);
    float lo = 0, hi = 0;

    for (size_t i = 0; i < n && !ms_task_stopped(t); i += PIECE)
        ms_range_row(isa, x + i, n - i < PIECE ? n - i : PIECE, &lo, &hi);
    float scale = (hi - lo) / 255.0f;
    float zero = scale > 0 ? clamp255(nearbyintf(-lo / scale)) : 0;
    uint8_t *y = t->out[0] ? t->out[0]->data : NULL;
    const struct ms_quant_row q = {.scale = &scale, .zero = &zero};
    for (size_t i = 0; y && scale > 0 && i < n && !ms_task_stopped(t); i += PIECE)
        ms_quantize_row(isa, MS_U8, &q, x + i, y + i, n - i < PIECE ? n - i : PIECE);
    if (y && n && !(scale > 0))
        memset(y, (int)zero, n);
    if (t->n_out > 1 && t->out[1])
        *(float *)t->out[1]->data = scale;
    if (t->n_out > 2 && t->out[2])
        *(uint8_t *)t->out[2]->data = (uint8_t)zero;
}

static void run_avx512(const struct ms_task *t)
{
    run(t, MS_ISA_AVX512);
}

static void run_avx2(const struct ms_task *t)
{
    run(t, MS_ISA_AVX2);
}

static void run_plain(const struct ms_task *t)
{
    run(t, MS_ISA_ANY);
}

#define RUN(name_, isa_, run_)                                                                     \
    {                                                                                              \
        .name = name_, .dtypes = MS_BIT(F32), .isa = isa_, .run = run_                             \
    }

MS_OP(dynamic_quantize_linear) = {
    .name = "DynamicQuantizeLinear",
    .doc = "u8 with scale and zero point from the data's range",
    .min_in = 1,
    .max_in = 1,
    .min_out = 1,
    .max_out = 3,
    .in = {MS_BIT(F32)},
    .infer = infer,
    .kernels =
        (const struct ms_kernel[]){
            RUN("dynamic_quantize_linear_avx512", MS_ISA_AVX512, run_avx512),
            RUN("dynamic_quantize_linear_avx2", MS_ISA_AVX2, run_avx2),
            RUN("dynamic_quantize_linear", MS_ISA_ANY, run_plain),
            {0},
        },
};
