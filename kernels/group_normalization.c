/* SPDX-License-Identifier: Apache-2.0 */
/* group_normalization.c - GroupNormalization: mean 0 and variance 1 over groups of channels of each
 * item, then scale and bias by channel (or by group, as opset 18 had it). */
#include <math.h>

#include "kernels/norm.h"
#include "kernels/norm_rows.h"
#include "kernels/wide.h"

static const struct ms_attr_spec attrs[] = {
    MS_NORM_EPSILON,
    MS_NORM_STASH,
    {.name = "num_groups",
     .type = MS_ATTR_INT,
     .required = true,
     .min = 1,
     .max = 1 << 24,
     .doc = "channels are split into so many groups"},
    {0},
};

static ms_code check_factor(struct ms_infer *c, int i, int64_t channels, int64_t groups)
{
    const struct ms_shape *s = &c->in[i].shape;

    if (s->rank < 0)
        return MS_OK;
    if (s->rank != 1 ||
        (s->dim[0] >= 0 && channels >= 0 && s->dim[0] != channels && s->dim[0] != groups))
        return ms_fail(c->err, MS_INVALID_ARGUMENT,
                       "input %d must have one element a channel or group", i);
    return MS_OK;
}

static ms_code infer(struct ms_infer *c)
{
    const struct ms_shape *x = &c->in[0].shape;
    int64_t groups = ms_attr_int(c->node, "num_groups");

    MS_TRY(ms_infer_one_dtype(c, 3));
    c->out[0].dtype = c->in[0].dtype;
    c->out[0].shape = *x;
    if (x->rank < 0)
        return MS_OK;
    if (x->rank < 2 || (x->dim[1] >= 0 && x->dim[1] % groups != 0))
        return ms_fail(c->err, MS_INVALID_ARGUMENT, "the channels do not fill %lld groups",
                       (long long)groups);
    MS_TRY(check_factor(c, 1, x->dim[1], groups));
    return check_factor(c, 2, x->dim[1], groups);
}

/* Factor of channel c: by channel or by group. */
static double factor(const struct ms_tensor *f, size_t c, size_t channels, size_t per_group)
{
    const double *v = f->data;

    return v[(size_t)f->shape.dim[0] == channels ? c : c / per_group];
}

static void normalise(const struct ms_task *t)
{
    const double *x = t->in[0]->data;
    double *y = t->out[0]->data, eps = ms_attr_float(t->node, "epsilon");
    const struct ms_shape *s = &t->in[0]->shape;
    size_t groups = (size_t)ms_attr_int(t->node, "num_groups"), channels = (size_t)s->dim[1];
    size_t px = ms_shape_span(s, 2, s->rank), per = channels / groups, n = per * px;

    for (size_t u = 0; u < (size_t)s->dim[0] * groups; u++, x += n, y += n) {
        double mean = 0, var = 0;
        for (size_t i = 0; i < n; i++)
            mean += x[i] / (double)n;
        for (size_t i = 0; i < n; i++)
            var += (x[i] - mean) * (x[i] - mean) / (double)n;
        for (size_t i = 0; i < n; i++) {
            size_t c = u % groups * per + i / px;
            y[i] = (x[i] - mean) / sqrt(var + eps) * factor(t->in[1], c, channels, per) +
                   factor(t->in[2], c, channels, per);
        }
    }
}

static void run(const struct ms_task *t)
{
    ms_wide_run(t, normalise);
}

static size_t units(const struct ms_task *t)
{
    return (size_t)t->in[0]->shape.dim[0] * (size_t)ms_attr_int(t->node, "num_groups");
}

static void rows(const struct ms_task *t, const struct ms_row_fns *f)
{
    const struct ms_shape *s = &t->in[0]->shape;
    size_t groups = (size_t)ms_attr_int(t->node, "num_groups"), channels = (size_t)s->dim[1];
    size_t px = ms_shape_span(s, 2, s->rank), per = channels / groups, n = per * px;
    const float *scale = t->in[1]->data, *bias = t->in[2]->data;
    bool s_all = (size_t)t->in[1]->shape.dim[0] == channels;
    bool b_all = (size_t)t->in[2]->shape.dim[0] == channels;
    double eps = ms_attr_float(t->node, "epsilon");

    for (size_t u = t->first; u < t->last && n; u++) {
        const float *x = (const float *)t->in[0]->data + u * n;
        float *y = (float *)t->out[0]->data + u * n;
        double mean = f->mean(x, n);
        double inv = 1 / sqrt(f->squares(x, n, (float)mean) / (double)n + eps);
        for (size_t i = 0; i < per; i++, x += px, y += px) {
            size_t g = u % groups, c = g * per + i;
            double k = inv * (double)scale[s_all ? c : g], b = (double)bias[b_all ? c : g];
            float m = (float)mean;
            f->affine(x, y, px, m, (float)k, (float)(b + ((double)m - mean) * k), NULL, NULL);
        }
    }
}

MS_NORM_RUNS(rows)

MS_OP(group_normalization) = {
    .name = "GroupNormalization",
    .doc = "mean 0 and variance 1 in each group of channels",
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
            MS_NORM_FAST("group_normalization", units, rows),
            {.name = "group_normalization",
             .dtypes = MS_FLOATS,
             .scratch = ms_wide_scratch,
             .run = run},
            {0},
        },
};
