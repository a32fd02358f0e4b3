/* SPDX-License-Identifier: Apache-2.0 */
/* mean_variance_normalization.c - MeanVarianceNormalization: (x - mean) / (sqrt(variance) + 1e-9)
 * over some axes; the constant is that of the standard's function body. */
#include <math.h>

#include "kernels/norm.h"
#include "kernels/wide.h"

static const struct ms_attr_spec attrs[] = {
    {.name = "axes",
     .type = MS_ATTR_INTS,
     .min = -MS_MAX_RANK,
     .max = MS_MAX_RANK - 1,
     .max_len = MS_MAX_RANK,
     .doc = "averaged over, default 0, 2, 3"},
    {0},
};

/* Bit i: dim i is averaged over. False if an axis is outside. */
static bool axes_of(const struct ms_node *n, int rank, unsigned *mask)
{
    static const int64_t usual[] = {0, 2, 3};
    const struct ms_attr *a = ms_attr_get(n, "axes");
    int count = a ? a->n : 3, axis;

    *mask = 0;
    for (int i = 0; i < count; i++) {
        if (!ms_axis(a ? a->ints[i] : usual[i], rank, &axis))
            return false;
        *mask |= 1u << axis;
    }
    return true;
}

static ms_code infer(struct ms_infer *c)
{
    unsigned mask;

    c->out[0].dtype = c->in[0].dtype;
    c->out[0].shape = c->in[0].shape;
    if (c->in[0].shape.rank >= 0 && !axes_of(c->node, c->in[0].shape.rank, &mask))
        return ms_fail(c->err, MS_INVALID_ARGUMENT, "attribute axes: outside of rank %d",
                       c->in[0].shape.rank);
    return MS_OK;
}

/* Walks the dims in mask from offset base: adds, or with y writes the normalised values. */
static void walk(const struct ms_shape *s, unsigned mask, int dim, size_t base, const double *x,
                 double *y, double mean, double inv, double *sum)
{
    if (dim == s->rank) {
        if (y)
            y[base] = (x[base] - mean) * inv;
        else
            *sum += inv != 0 ? (x[base] - mean) * (x[base] - mean) : x[base];
        return;
    }
    size_t step = ms_shape_span(s, dim + 1, s->rank);
    int64_t n = mask >> dim & 1 ? s->dim[dim] : 1;
    for (int64_t i = 0; i < n; i++)
        walk(s, mask, dim + 1, base + (size_t)i * step, x, y, mean, inv, sum);
}

static void normalise(const struct ms_task *t)
{
    const struct ms_shape *s = &t->in[0]->shape;
    const double *x = t->in[0]->data;
    unsigned mask = 0;
    double n = 1;

    if (!axes_of(t->node, s->rank, &mask))
        return;
    for (int d = 0; d < s->rank; d++)
        n *= mask >> d & 1 ? (double)s->dim[d] : 1;
    for (size_t base = 0; base < ms_tensor_count(t->in[0]); base++) {
        bool start = true; /* first element of its set? */
        for (int d = 0; d < s->rank && start; d++)
            start = !(mask >> d & 1) ||
                    base / ms_shape_span(s, d + 1, s->rank) % (size_t)s->dim[d] == 0;
        if (!start)
            continue;
        double sum = 0, var = 0;
        walk(s, mask, 0, base, x, NULL, 0, 0, &sum);
        walk(s, mask, 0, base, x, NULL, sum / n, 1, &var);
        walk(s, mask, 0, base, x, t->out[0]->data, sum / n, 1 / (sqrt(var / n) + 1e-9), NULL);
    }
}

static void run(const struct ms_task *t)
{
    ms_wide_run(t, normalise);
}

MS_OP(mean_variance_normalization) = {
    .name = "MeanVarianceNormalization",
    .doc = "(x - mean) / deviation over some axes",
    .min_in = 1,
    .max_in = 1,
    .min_out = 1,
    .max_out = 1,
    .in = {MS_FLOATS},
    .traits = 0,
    .attrs = attrs,
    .infer = infer,
    .cost = ms_norm_cost,
    .kernels =
        (const struct ms_kernel[]){
            {.name = "mean_variance_normalization",
             .dtypes = MS_FLOATS,
             .scratch = ms_wide_scratch,
             .run = run},
            {0},
        },
};
