/* SPDX-License-Identifier: Apache-2.0 */
/* batch_normalization.c - BatchNormalization with given statistics (inference):
 *
 *     y = scale (x - mean) / sqrt(var + epsilon) + bias, each by channel */
#include <math.h>

#include "kernels/act.h"
#include "kernels/norm.h"
#include "kernels/wide.h"

static const struct ms_attr_spec attrs[] = {
    MS_NORM_EPSILON,
    {.name = "momentum", .type = MS_ATTR_FLOAT, .f = 0.9, .doc = "of training; not used"},
    {.name = "training_mode", .type = MS_ATTR_INT, .min = 0, .max = 1, .doc = "must be 0"},
    {0},
};

static ms_code check(const struct ms_node *n, struct ms_err *err)
{
    if (ms_attr_int(n, "training_mode") != 0)
        return ms_fail(err, MS_UNIMPLEMENTED, "attribute training_mode: only 0 is supported");
    return MS_OK;
}

static ms_code infer(struct ms_infer *c)
{
    return ms_norm_infer_channels(c, 5);
}

static size_t units(const struct ms_task *t)
{
    return ms_shape_span(&t->in[0]->shape, 0, 2);
}

static void normalise(const struct ms_task *t)
{
    const double *x = t->in[0]->data, *scale = t->in[1]->data, *bias = t->in[2]->data;
    const double *mean = t->in[3]->data, *var = t->in[4]->data;
    double *y = t->out[0]->data, eps = ms_attr_float(t->node, "epsilon");
    const struct ms_shape *s = &t->in[0]->shape;
    size_t px = ms_shape_span(s, 2, s->rank), n = ms_shape_span(s, 0, 2);

    for (size_t u = 0; u < n; u++, x += px, y += px) {
        size_t c = u % (size_t)s->dim[1];
        double a = scale[c] / sqrt(var[c] + eps);
        for (size_t i = 0; i < px; i++)
            y[i] = (x[i] - mean[c]) * a + bias[c];
    }
}

static void run(const struct ms_task *t)
{
    ms_wide_run(t, normalise);
}

/* One multiply-add an element; factors in double, as folding into a convolution computes them. */
static void run_isa(const struct ms_task *t, enum ms_isa isa)
{
    const float *scale = t->in[1]->data, *bias = t->in[2]->data;
    const float *mean = t->in[3]->data, *var = t->in[4]->data;
    const struct ms_shape *s = &t->in[0]->shape;
    size_t px = ms_shape_span(s, 2, s->rank);
    double eps = ms_attr_float(t->node, "epsilon");
    ms_act_row_fn affine = ms_act_find("Affine")->row[isa];

    for (size_t u = t->first; u < t->last; u++) {
        size_t c = u % (size_t)s->dim[1];
        double k = (double)scale[c] / sqrt((double)var[c] + eps);
        affine((const float *)t->in[0]->data + u * px, (float *)t->out[0]->data + u * px, px,
               (float)k, (float)((double)bias[c] - (double)mean[c] * k));
    }
}

static void run_avx512(const struct ms_task *t)
{
    run_isa(t, MS_ISA_AVX512);
}

static void run_avx2(const struct ms_task *t)
{
    run_isa(t, MS_ISA_AVX2);
}

MS_OP(batch_normalization) = {
    .name = "BatchNormalization",
    .doc = "scale (x - mean) / sqrt(var + epsilon) + bias, by channel",
    .min_in = 5,
    .max_in = 5,
    .min_out = 1,
    .max_out = 1,
    .in = {MS_FLOATS},
    .traits = MS_INPLACE,
    .attrs = attrs,
    .check = check,
    .infer = infer,
    .cost = ms_norm_cost,
    .kernels =
        (const struct ms_kernel[]){
            {.name = "batch_normalization_avx512",
             .dtypes = MS_BIT(F32),
             .isa = MS_ISA_AVX512,
             .units = units,
             .run = run_avx512},
            {.name = "batch_normalization_avx2",
             .dtypes = MS_BIT(F32),
             .isa = MS_ISA_AVX2,
             .units = units,
             .run = run_avx2},
            {.name = "batch_normalization",
             .dtypes = MS_FLOATS,
             .scratch = ms_wide_scratch,
             .run = run},
            {0},
        },
};
