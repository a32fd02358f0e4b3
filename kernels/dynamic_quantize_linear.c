/* SPDX-License-Identifier: Apache-2.0 */
/* dynamic_quantize_linear.c - DynamicQuantizeLinear: u8 with scale and zero point from the data's
 * own range, 0 included:
 *
 *     scale = (max - min) / 255, zero point = saturate(round(-min / scale)) */
#include <math.h>
#include <string.h>

#include "ir/op.h"

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

static void run(const struct ms_task *t)
{
    const float *x = t->in[0]->data;
    size_t n = ms_tensor_count(t->in[0]);
    float lo = 0, hi = 0;

    for (size_t i = 0; i < n; i++) {
        lo = x[i] < lo ? x[i] : lo;
        hi = x[i] > hi ? x[i] : hi;
    }
    float scale = (hi - lo) / 255.0f;
    float zero = scale > 0 ? clamp255(nearbyintf(-lo / scale)) : 0;
    uint8_t *y = t->out[0] ? t->out[0]->data : NULL;
    for (size_t i = 0; y && i < n; i++)
        y[i] = (uint8_t)clamp255(scale > 0 ? nearbyintf(x[i] / scale) + zero : zero);
    if (t->n_out > 1 && t->out[1])
        *(float *)t->out[1]->data = scale;
    if (t->n_out > 2 && t->out[2])
        *(uint8_t *)t->out[2]->data = (uint8_t)zero;
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
            {.name = "dynamic_quantize_linear", .dtypes = MS_BIT(F32), .run = run},
            {0},
        },
};
