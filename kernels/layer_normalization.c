/* SPDX-License-Identifier: Apache-2.0 */
/* layer_normalization.c - LayerNormalization: mean 0 and variance 1 over the dims from axis on,
 * then scale and bias by element. Outputs 1 and 2 are the rows' means and 1 / sqrt(variance +
 * epsilon). */
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
    const struct ms_shape *x = &c->in[0].shape;
    int axis;

    MS_TRY(ms_infer_one_dtype(c, 3));
    c->out[0].dtype = c->in[0].dtype;
    c->out[0].shape = *x;
    for (int i = 1; i < c->node->n_out; i++)
        c->out[i].dtype = c->in[0].dtype == MS_F64 ? MS_F64 : MS_F32;
    if (x->rank < 0)
        return MS_OK;
    if (!ms_axis(ms_attr_int(c->node, "axis"), x->rank, &axis))
        return ms_fail(c->err, MS_INVALID_ARGUMENT, "attribute axis: %lld of an input of rank %d",
                       (long long)ms_attr_int(c->node, "axis"), x->rank);
    for (int i = 1; i < c->node->n_out; i++) {
        c->out[i].shape = *x;
        for (int d = axis; d < x->rank; d++)
            c->out[i].shape.dim[d] = 1;
    }
    MS_TRY(ms_norm_check_row(c, 1, axis));
    return ms_norm_check_row(c, 2, axis);
}

static void normalise(const struct ms_task *t)
{
    const struct ms_shape *s = &t->in[0]->shape;
    const struct ms_tensor *b = t->n_in > 2 ? t->in[2] : NULL;
    const double *x = t->in[0]->data, *scale = t->in[1]->data, *bias = b ? b->data : NULL;
    double *y = t->out[0] ? t->out[0]->data : NULL, eps = ms_attr_float(t->node, "epsilon");
    double *means = t->n_out > 1 && t->out[1] ? t->out[1]->data : NULL;
    double *invs = t->n_out > 2 && t->out[2] ? t->out[2]->data : NULL;
    int axis = 0;

    if (!ms_axis(ms_attr_int(t->node, "axis"), s->rank, &axis))
        return;
    size_t rows = ms_shape_span(s, 0, axis), n = ms_shape_span(s, axis, s->rank);
    size_t ds = ms_tensor_count(t->in[1]) == 1 ? 0 : 1;
    size_t db = b && ms_tensor_count(b) == 1 ? 0 : 1;
    for (size_t r = 0; r < rows; r++, x += n) {
        double mean = 0, var = 0;
        for (size_t i = 0; i < n; i++)
            mean += x[i] / (double)n;
        for (size_t i = 0; i < n; i++)
            var += (x[i] - mean) * (x[i] - mean) / (double)n;
        double inv = 1 / sqrt(var + eps);
        for (size_t i = 0; y && i < n; i++)
            *y++ = (x[i] - mean) * inv * scale[i * ds] + (bias ? bias[i * db] : 0);
        if (means)
            means[r] = mean;
        if (invs)
            invs[r] = inv;
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
    const struct ms_tensor *bt = t->n_in > 2 ? t->in[2] : NULL;
    size_t all = units(t), n = all ? ms_tensor_count(t->in[0]) / all : 0;
    const float *scale = t->in[1]->data, *bias = bt ? bt->data : NULL;
    bool s1 = ms_tensor_count(t->in[1]) == 1, b1 = bt && ms_tensor_count(bt) == 1;
    double eps = ms_attr_float(t->node, "epsilon");
    float *means = t->n_out > 1 && t->out[1] ? t->out[1]->data : NULL;
    float *invs = t->n_out > 2 && t->out[2] ? t->out[2]->data : NULL;

    for (size_t u = t->first; u < t->last; u++) {
        const float *x = (const float *)t->in[0]->data + u * n;
        float *y = t->out[0] ? (float *)t->out[0]->data + u * n : NULL;
        double mean = f->mean(x, n);
        double inv = 1 / sqrt(f->squares(x, n, (float)mean) / (double)n + eps);
        if (means)
            means[u] = (float)mean;
        if (invs)
            invs[u] = (float)inv;
        if (!y)
            continue;
        /* what the mean lost in f32 comes back as a shift */
        float m = (float)mean, shift = (float)(((double)m - mean) * inv);
        f->affine(x, y, n, m, (float)inv, shift, s1 ? NULL : scale, s1 || b1 ? NULL : bias);
        if (s1) /* one number for all: as factor of a second pass */
            f->affine(y, y, n, 0, scale[0], 0, NULL, b1 ? NULL : bias);
        if (b1)
            f->affine(y, y, n, 0, 1, bias[0], NULL, NULL);
    }
}

MS_NORM_RUNS(rows)

MS_OP(layer_normalization) = {
    .name = "LayerNormalization",
    .doc = "mean 0 and variance 1 over the last dims",
    .min_in = 2,
    .max_in = 3,
    .min_out = 1,
    .max_out = 3,
    .in = {MS_FLOATS},
    .traits = MS_INPLACE,
    .attrs = attrs,
    .infer = infer,
    .cost = ms_norm_cost,
    .kernels =
        (const struct ms_kernel[]){
            MS_NORM_FAST("layer_normalization", units, rows),
            {.name = "layer_normalization",
             .dtypes = MS_FLOATS,
             .scratch = ms_wide_scratch,
             .run = run},
            {0},
        },
};
