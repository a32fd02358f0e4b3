/* SPDX-License-Identifier: Apache-2.0 */
/* global_max_pool.c - GlobalMaxPool: the largest element of each channel. NaN is skipped, as
 * MaxPool does. */
#include <math.h>

#include "kernels/pool.h"
#include "kernels/norm_rows.h"
#include "kernels/wide.h"

static void pool(const struct ms_task *t)
{
    const double *x = t->in[0]->data;
    double *y = t->out[0]->data;
    size_t channels = ms_pool_units(t),
           px = ms_shape_span(&t->in[0]->shape, 2, t->in[0]->shape.rank);

    for (size_t u = 0; u < channels && !ms_task_stopped(t); u++, x += px) {
        double v = -HUGE_VAL;
        for (size_t i = 0; i < px; i++)
            v = x[i] > v ? x[i] : v;
        y[u] = v;
    }
}

static void run(const struct ms_task *t)
{
    ms_wide_run(t, pool);
}

static void rows(const struct ms_task *t, const struct ms_row_fns *f)
{
    size_t px = ms_shape_span(&t->in[0]->shape, 2, t->in[0]->shape.rank);

    for (size_t u = t->first; u < t->last; u++)
        ((float *)t->out[0]->data)[u] = f->max((const float *)t->in[0]->data + u * px, px);
}

MS_NORM_RUNS(rows)

MS_OP(global_max_pool) = {
    .name = "GlobalMaxPool",
    .doc = "the largest element of each channel",
    .min_in = 1,
    .max_in = 1,
    .min_out = 1,
    .max_out = 1,
    .in = {MS_FLOATS},

    .infer = ms_pool_infer_global,
    .cost = ms_pool_cost_global,
    .kernels =
        (const struct ms_kernel[]){
            MS_NORM_FAST("global_max_pool", ms_pool_units, rows),
            {.name = "global_max_pool",
             .dtypes = MS_FLOATS,
             .scratch = ms_wide_scratch,
             .run = run},
            {0},
        },
};
