/* SPDX-License-Identifier: Apache-2.0 */
/* average_pool.c - AveragePool: the mean of each window, with or without the padding counted. */
#include "kernels/blocked.h"
#include "kernels/pool_fast.h"
#include "kernels/wide.h"

static const struct ms_attr_spec attrs[] = {
    MS_POOL_ATTRS,
    {.name = "count_include_pad",
     .type = MS_ATTR_INT,
     .min = 0,
     .max = 1,
     .doc = "padding counts as zeros"},
    {0},
};

static double sum_of(const double *x, const struct ms_window *w, const int64_t o[3])
{
    int64_t from[3], to[3], start[3];
    double sum = 0;

    for (int a = 0; a < 3; a++) {
        ms_window_taps(w, a, o[a], &from[a], &to[a]);
        start[a] = o[a] * w->s[a] - w->pb[a];
    }
    for (int64_t d = from[0]; d < to[0]; d++)
        for (int64_t h = from[1]; h < to[1]; h++)
            for (int64_t v = from[2]; v < to[2]; v++)
                sum += x[((start[0] + d * w->d[0]) * w->in[1] + start[1] + h * w->d[1]) * w->in[2] +
                         start[2] + v * w->d[2]];
    return sum;
}

static void pool(const struct ms_task *t)
{
    const double *x = t->in[0]->data;
    double *y = t->out[0]->data;
    bool pads = ms_attr_int(t->node, "count_include_pad") != 0;
    size_t channels = ms_pool_units(t);
    struct ms_window w;
    int64_t o[3];

    ms_pool_window(&w, t);
    for (size_t u = 0; u < channels && !ms_task_stopped(t); u++, x += ms_window_volume(w.in))
        for (o[0] = 0; o[0] < w.out[0]; o[0]++)
            for (o[1] = 0; o[1] < w.out[1]; o[1]++)
                for (o[2] = 0; o[2] < w.out[2]; o[2]++) {
                    double n = ms_pool_count(&w, o, pads);
                    *y++ = n > 0 ? sum_of(x, &w, o) / n : 0;
                }
}

static void run(const struct ms_task *t)
{
    ms_wide_run(t, pool);
}

MS_OP(average_pool) = {
    .name = "AveragePool",
    .doc = "the mean of each window",
    .min_in = 1,
    .max_in = 1,
    .min_out = 1,
    .max_out = 1,
    .in = {MS_FLOATS},
    .attrs = attrs,
    .check = ms_pool_check,
    .infer = ms_pool_infer,
    .blocked = ms_pool_blocked,
    .cost = ms_pool_cost,
    .kernels =
        (const struct ms_kernel[]){
            MS_BLOCKED_KERNELS("average_pool", ms_blocked_row_units, ms_average_pool_blocked, ),
            {.name = "average_pool_avx512",
             .dtypes = MS_BIT(F32),
             .isa = MS_ISA_AVX512,
             .applicable = ms_pool_fast_applicable,
             .units = ms_pool_units,
             .scratch = ms_pool_fast_scratch,
             .run = ms_average_pool_avx512},
            {.name = "average_pool_avx2",
             .dtypes = MS_BIT(F32),
             .isa = MS_ISA_AVX2,
             .applicable = ms_pool_fast_applicable,
             .units = ms_pool_units,
             .scratch = ms_pool_fast_scratch,
             .run = ms_average_pool_avx2},
            {.name = "average_pool", .dtypes = MS_FLOATS, .scratch = ms_wide_scratch, .run = run},
            {0},
        },
};
