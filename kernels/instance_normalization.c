/* SPDX-License-Identifier: Apache-2.0 */
/* instance_normalization.c - InstanceNormalization: each channel of each item gets mean 0 and
 * variance 1, then scale and bias by channel. */
#include <math.h>

#include "kernels/norm.h"
#include "kernels/norm_rows.h"
#include "kernels/wide.h"

static const struct ms_attr_spec attrs[] = {
    MS_NORM_EPSILON,
    {0},
};

static ms_code infer(struct ms_infer *c)
{
    return ms_norm_infer_channels(c, 3);
}

static void normalise(const struct ms_task *t)
{
    const double *x = t->in[0]->data, *scale = t->in[1]->data, *bias = t->in[2]->data;
    double *y = t->out[0]->data, eps = ms_attr_float(t->node, "epsilon");
    const struct ms_shape *s = &t->in[0]->shape;
    size_t px = ms_shape_span(s, 2, s->rank), n = ms_shape_span(s, 0, 2);

    for (size_t u = 0; u < n; u++, x += px, y += px) {
        size_t c = u % (size_t)s->dim[1];
        double mean = 0, var = 0;
        for (size_t i = 0; i < px; i++)
            mean += x[i] / (double)px;
        for (size_t i = 0; i < px; i++)
            var += (x[i] - mean) * (x[i] - mean) / (double)px;
        for (size_t i = 0; i < px; i++)
            y[i] = (x[i] - mean) / sqrt(var + eps) * scale[c] + bias[c];
    }
}

static void run(const struct ms_task *t)
{
    ms_wide_run(t, normalise);
}

static size_t units(const struct ms_task *t)
{
    return ms_shape_span(&t->in[0]->shape, 0, 2);
}

static void rows(const struct ms_task *t, const struct ms_row_fns *f)
{
    const struct ms_shape *s = &t->in[0]->shape;
    const float *scale = t->in[1]->data, *bias = t->in[2]->data;
    size_t n = ms_shape_span(s, 2, s->rank);
    double eps = ms_attr_float(t->node, "epsilon");

    for (size_t u = t->first; u < t->last && n; u++) {
        const float *x = (const float *)t->in[0]->data + u * n;
        size_t c = u % (size_t)s->dim[1];
        double mean = f->mean(x, n);
        double k = (double)scale[c] / sqrt(f->squares(x, n, (float)mean) / (double)n + eps);
        float m = (float)mean, shift = (float)((double)bias[c] + ((double)m - mean) * k);
        f->affine(x, (float *)t->out[0]->data + u * n, n, m, (float)k, shift, NULL, NULL);
    }
}

MS_NORM_RUNS(rows)

MS_OP(instance_normalization) = {
    .name = "InstanceNormalization",
    .doc = "mean 0 and variance 1 in each channel of each item",
    .min_in = 3,
    .max_in = 3,
    .min_out = 1,
    .max_out = 1,
    .in = {MS_FLOATS},
    .traits = MS_INPLACE,
    .attrs = attrs,
    .infer = infer,
    .cost = ms_norm_cost,
    .kernels =
        (const struct ms_kernel[]){
            MS_NORM_FAST("instance_normalization", units, rows),
            {.name = "instance_normalization",
             .dtypes = MS_FLOATS,
             .scratch = ms_wide_scratch,
             .run = run},
            {0},
        },
};
