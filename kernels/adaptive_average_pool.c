/* SPDX-License-Identifier: Apache-2.0 */
/* adaptive_average_pool.c - AdaptiveAveragePool (own operator): means over windows that divide each
 * axis into a given number of parts.
 *
 * Part o of n covers elements floor(o in / n) to ceil((o + 1) in / n), as PyTorch and MindSpore
 * have it; parts may overlap. */
#include "kernels/pool.h"
#include "kernels/wide.h"

static const struct ms_attr_spec attrs[] = {
    {.name = "output_size",
     .type = MS_ATTR_INTS,
     .required = true,
     .min = -1,
     .max = MS_WINDOW_MAX,
     .max_len = 3,
     .doc = "parts of each spatial axis; -1 keeps the axis"},
    {0},
};

static ms_code check(const struct ms_node *n, struct ms_err *err)
{
    const struct ms_attr *a = ms_attr_get(n, "output_size");

    for (int i = 0; i < a->n; i++)
        if (a->ints[i] == 0)
            return ms_fail(err, MS_INVALID_ARGUMENT, "attribute output_size: 0 is not allowed");
    return MS_OK;
}

/* output_size speaks of the last axes; one number serves all of them. */
static int64_t size_of(const struct ms_node *n, int rank, int axis, int64_t in)
{
    const struct ms_attr *a = ms_attr_get(n, "output_size");
    int64_t v = a->n == 1 ? a->ints[0] : a->ints[axis - (rank - a->n)];

    return v < 0 ? in : v;
}

static ms_code infer(struct ms_infer *c)
{
    const struct ms_shape *x = &c->in[0].shape;
    int n = ms_attr_get(c->node, "output_size")->n;

    c->out[0].dtype = c->in[0].dtype;
    if (x->rank < 0)
        return MS_OK;
    if (x->rank < 3 || x->rank > 5 || (n != 1 && n != x->rank - 2))
        return ms_fail(c->err, MS_INVALID_ARGUMENT, "output_size of %d numbers, input of rank %d",
                       n, x->rank);
    c->out[0].shape = *x;
    for (int i = 2; i < x->rank; i++) {
        if (x->dim[i] == 0)
            return ms_fail(c->err, MS_INVALID_ARGUMENT, "axis %d is empty", i);
        c->out[0].shape.dim[i] = size_of(c->node, x->rank, i, x->dim[i]);
    }
    return MS_OK;
}

static void part(int64_t o, int64_t n, int64_t in, int64_t *from, int64_t *to)
{
    *from = (int64_t)((__int128)o * in / n);
    *to = (int64_t)(((__int128)(o + 1) * in + n - 1) / n);
}

static double mean_of(const double *x, const int64_t in[3], const int64_t n[3], const int64_t o[3])
{
    int64_t from[3], to[3];
    double sum = 0;

    for (int a = 0; a < 3; a++)
        part(o[a], n[a], in[a], &from[a], &to[a]);
    for (int64_t d = from[0]; d < to[0]; d++)
        for (int64_t h = from[1]; h < to[1]; h++)
            for (int64_t w = from[2]; w < to[2]; w++)
                sum += x[(d * in[1] + h) * in[2] + w];
    return sum / (double)((to[0] - from[0]) * (to[1] - from[1]) * (to[2] - from[2]));
}

static void pool(const struct ms_task *t)
{
    const struct ms_shape *xs = &t->in[0]->shape, *ys = &t->out[0]->shape;
    const double *x = t->in[0]->data;
    double *y = t->out[0]->data;
    int64_t in[3] = {1, 1, 1}, n[3] = {1, 1, 1}, o[3];
    size_t channels = ms_pool_units(t);

    for (int i = 2; i < xs->rank; i++) {
        in[3 - xs->rank + i] = xs->dim[i];
        n[3 - xs->rank + i] = ys->dim[i];
    }
    for (size_t u = 0; u < channels && !ms_task_stopped(t); u++, x += ms_window_volume(in))
        for (o[0] = 0; o[0] < n[0]; o[0]++)
            for (o[1] = 0; o[1] < n[1]; o[1]++)
                for (o[2] = 0; o[2] < n[2]; o[2]++)
                    *y++ = mean_of(x, in, n, o);
}

static void run(const struct ms_task *t)
{
    ms_wide_run(t, pool);
}

MS_OP(adaptive_average_pool) = {
    .name = "AdaptiveAveragePool",
    .doc = "means over a given number of parts of each axis",
    .min_in = 1,
    .max_in = 1,
    .min_out = 1,
    .max_out = 1,
    .in = {MS_FLOATS},
    .attrs = attrs,
    .check = check,
    .infer = infer,
    .cost = ms_pool_cost_global,
    .kernels =
        (const struct ms_kernel[]){
            {.name = "adaptive_average_pool",
             .dtypes = MS_FLOATS,
             .scratch = ms_wide_scratch,
             .run = run},
            {0},
        },
};
