/* SPDX-License-Identifier: Apache-2.0 */
/* global_average_pool.c - GlobalAveragePool: the mean of each channel; 0 for channels without
 * elements. */
#include "kernels/blocked.h"
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
        double v = 0;
        for (size_t i = 0; i < px; i++)
            v += x[i];
        y[u] = px ? v / (double)px : 0;
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
        ((float *)t->out[0]->data)[u] =
            px ? (float)(f->sum((const float *)t->in[0]->data + u * px, px) / (double)px) : 0;
}

MS_NORM_RUNS(rows)

static void blocks(const struct ms_task *t, const struct ms_blocked_fns *f)
{
    size_t px = ms_pixels(t->in[0]);

    for (size_t u = t->first; u < t->last; u++)
        f->mean((const float *)t->in[0]->data + u * px * f->lanes, px,
                (float *)t->out[0]->data + u * f->lanes);
}

MS_BLOCKED_RUNS(blocks)

MS_OP(global_average_pool) = {
    .name = "GlobalAveragePool",
    .doc = "the mean of each channel",
    .min_in = 1,
    .max_in = 1,
    .min_out = 1,
    .max_out = 1,
    .in = {MS_FLOATS},
    .blocked = ms_blocked_same,
    .infer = ms_pool_infer_global,
    .cost = ms_pool_cost_global,
    .kernels =
        (const struct ms_kernel[]){
            MS_BLOCKED_KERNELS("global_average_pool", ms_blocked_units, blocks, ),
            MS_NORM_FAST("global_average_pool", ms_pool_units, rows),
            {.name = "global_average_pool",
             .dtypes = MS_FLOATS,
             .scratch = ms_wide_scratch,
             .run = run},
            {0},
        },
};
