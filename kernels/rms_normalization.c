/* SPDX-License-Identifier: Apache-2.0 */
/* rms_normalization.c - RMSNormalization: x / sqrt(mean(x^2) + epsilon) over the dims from axis on,
 * times scale. */
#include <math.h>

#include "kernels/norm.h"
#include "kernels/norm_rows.h"
#include "kernels/wide.h"

static const struct ms_attr_spec attrs[] = {
    MS_NORM_EPSILON,
    MS_NORM_STASH,
    {.name = "axis",
     .type = MS_ATTR_INT,
     .i = -1,
     .min = -MS_MAX_RANK,
     .max = MS_MAX_RANK - 1,
     .doc = "first dim of a row"},
    {0},
};

static ms_code infer(struct ms_infer *c)
{
    int axis;

    MS_TRY(ms_infer_one_dtype(c, 2));
    MS_TRY(ms_norm_infer_axis(c));
    if (c->in[0].shape.rank < 0 ||
        !ms_axis(ms_attr_int(c->node, "axis"), c->in[0].shape.rank, &axis))
        return MS_OK;
    return ms_norm_check_row(c, 1, axis);
}

static void normalise(const struct ms_task *t)
{
    const struct ms_shape *s = &t->in[0]->shape;
    const double *x = t->in[0]->data, *scale = t->in[1]->data;
    double *y = t->out[0]->data, eps = ms_attr_float(t->node, "epsilon");
    size_t ds = ms_tensor_count(t->in[1]) == 1 ? 0 : 1;
    int axis = 0;

    if (!ms_axis(ms_attr_int(t->node, "axis"), s->rank, &axis))
        return;
    size_t rows = ms_shape_span(s, 0, axis), n = ms_shape_span(s, axis, s->rank);
    for (size_t r = 0; r < rows; r++, x += n) {
        double sum = 0;
        for (size_t i = 0; i < n; i++)
            sum += x[i] * x[i] / (double)n;
        for (size_t i = 0; i < n; i++)
            *y++ = x[i] / sqrt(sum + eps) * scale[i * ds];
    }
}

static void run(const struct ms_task *t)
{
    ms_wide_run(t, normalise);
}

static size_t units(const struct ms_task *t)
{
    int axis = 0;

    if (!ms_axis(ms_attr_int(t->node, "axis"), t->in[0]->shape.rank, &axis))
        return 0;
    return ms_shape_span(&t->in[0]->shape, 0, axis);
}

static void rows(const struct ms_task *t, const struct ms_row_fns *f)
{
    size_t all = units(t), n = all ? ms_tensor_count(t->in[0]) / all : 0;
    const float *scale = t->in[1]->data;
    bool one = ms_tensor_count(t->in[1]) == 1;
    double eps = ms_attr_float(t->node, "epsilon");

    for (size_t u = t->first; u < t->last; u++) {
        const float *x = (const float *)t->in[0]->data + u * n;
        double inv = 1 / sqrt(f->squares(x, n, 0) / (double)n + eps);
        f->affine(x, (float *)t->out[0]->data + u * n, n, 0,
                  (float)(one ? inv * (double)scale[0] : inv), 0, one ? NULL : scale, NULL);
    }
}

MS_NORM_RUNS(rows)

MS_OP(rms_normalization) = {
    .name = "RMSNormalization",
    .doc = "x / sqrt(mean(x^2) + epsilon) over the last dims, scaled",
    .min_in = 2,
    .max_in = 2,
    .min_out = 1,
    .max_out = 1,
    .in = {MS_FLOATS},
    .traits = MS_INPLACE,
    .attrs = attrs,
    .infer = infer,
    .cost = ms_norm_cost,
    .kernels =
        (const struct ms_kernel[]){
            MS_NORM_FAST("rms_normalization", units, rows),
            {.name = "rms_normalization",
             .dtypes = MS_FLOATS,
             .scratch = ms_wide_scratch,
             .run = run},
            {0},
        },
};
