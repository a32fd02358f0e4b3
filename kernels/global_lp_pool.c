/* SPDX-License-Identifier: Apache-2.0 */
/* global_lp_pool.c - GlobalLpPool: the p-norm of each channel. */
#include <math.h>

#include "kernels/pool.h"
#include "kernels/wide.h"

static const struct ms_attr_spec attrs[] = {
    {.name = "p", .type = MS_ATTR_INT, .i = 2, .min = 1, .max = 1 << 20, .doc = "the norm"},
    {0},
};

static void pool(const struct ms_task *t)
{
    const double *x = t->in[0]->data;
    double *y = t->out[0]->data;
    size_t channels = ms_pool_units(t),
           px = ms_shape_span(&t->in[0]->shape, 2, t->in[0]->shape.rank);
    double p = (double)ms_attr_int(t->node, "p");

    for (size_t u = 0; u < channels && !ms_task_stopped(t); u++, x += px) {
        double v = 0;
        for (size_t i = 0; i < px; i++)
            v += pow(fabs(x[i]), p);
        y[u] = pow(v, 1 / p);
    }
}

static void run(const struct ms_task *t)
{
    ms_wide_run(t, pool);
}

MS_OP(global_lp_pool) = {
    .name = "GlobalLpPool",
    .doc = "the p-norm of each channel",
    .min_in = 1,
    .max_in = 1,
    .min_out = 1,
    .max_out = 1,
    .in = {MS_FLOATS},
    .attrs = attrs,
    .infer = ms_pool_infer_global,
    .cost = ms_pool_cost_global,
    .kernels =
        (const struct ms_kernel[]){
            {.name = "global_lp_pool", .dtypes = MS_FLOATS, .scratch = ms_wide_scratch, .run = run},
            {0},
        },
};
