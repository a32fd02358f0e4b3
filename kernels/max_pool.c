/* SPDX-License-Identifier: Apache-2.0 */
/* max_pool.c - MaxPool: the largest element of each window, and where it was.
 *
 * NaN loses every comparison, so it is skipped; a window that lies in the padding alone gives the
 * dtype's lowest value and the index -1. The reference copies elements, so it serves every dtype.
 */
#include "kernels/blocked.h"
#include "kernels/pool_fast.h"

#include <math.h>
#include <string.h>

static const struct ms_attr_spec attrs[] = {
    MS_POOL_ATTRS,
    {.name = "storage_order",
     .type = MS_ATTR_INT,
     .min = 0,
     .max = 1,
     .doc = "how indices count: 0 rows, 1 columns first"},
    {0},
};

static ms_code infer(struct ms_infer *c)
{
    MS_TRY(ms_pool_infer(c));
    if (c->node->n_out > 1)
        c->out[1].dtype = MS_I64;
    return MS_OK;
}

/* Index within the channel of the largest element, -1 if the window is empty. */
static int64_t best_of(const struct ms_tensor *x, size_t base, const struct ms_window *w,
                       const int64_t o[3])
{
    int64_t from[3], to[3], start[3], best = -1;
    double top = 0;

    for (int a = 0; a < 3; a++) {
        ms_window_taps(w, a, o[a], &from[a], &to[a]);
        start[a] = o[a] * w->s[a] - w->pb[a];
    }
    for (int64_t d = from[0]; d < to[0]; d++)
        for (int64_t h = from[1]; h < to[1]; h++)
            for (int64_t v = from[2]; v < to[2]; v++) {
                int64_t at =
                    ((start[0] + d * w->d[0]) * w->in[1] + start[1] + h * w->d[1]) * w->in[2] +
                    start[2] + v * w->d[2];
                double e = ms_tensor_f64(x, base + (size_t)at);
                if (best < 0 ? !isnan(e) : e > top) {
                    best = at;
                    top = e;
                }
            }
    return best;
}

static int64_t column_major(int64_t at, const struct ms_window *w)
{
    int64_t v = at % w->in[2], h = at / w->in[2] % w->in[1], d = at / w->in[2] / w->in[1];

    return (v * w->in[1] + h) * w->in[0] + d;
}

static void put_lowest(struct ms_tensor *y, size_t i)
{
    uint8_t *p = (uint8_t *)y->data + i * ms_dtype_size(y->dtype);

    switch (y->dtype) {
    case MS_F32:
        *(float *)(void *)p = -HUGE_VALF;
        break;
    case MS_F64:
        *(double *)(void *)p = -HUGE_VAL;
        break;
    case MS_F16:
        *(uint16_t *)(void *)p = 0xfc00;
        break;
    case MS_BF16:
        *(uint16_t *)(void *)p = 0xff80;
        break;
    default:
        *p = y->dtype == MS_I8 ? 0x80 : 0;
    }
}

static void run(const struct ms_task *t)
{
    const struct ms_tensor *x = t->in[0];
    struct ms_tensor *y = t->out[0];
    int64_t *index = t->n_out > 1 && t->out[1] ? t->out[1]->data : NULL;
    bool columns = ms_attr_int(t->node, "storage_order") != 0;
    struct ms_window w;
    int64_t o[3];

    ms_pool_window(&w, t);
    size_t es = ms_dtype_size(x->dtype), in_px = (size_t)ms_window_volume(w.in);
    size_t out = t->first * (size_t)ms_window_volume(w.out);
    for (size_t u = t->first; u < t->last && !ms_task_stopped(t); u++)
        for (o[0] = 0; o[0] < w.out[0]; o[0]++)
            for (o[1] = 0; o[1] < w.out[1]; o[1]++)
                for (o[2] = 0; o[2] < w.out[2]; o[2]++, out++) {
                    int64_t at = best_of(x, u * in_px, &w, o);
                    if (y && at < 0)
                        put_lowest(y, out);
                    else if (y)
                        memcpy((uint8_t *)y->data + out * es,
                               (const uint8_t *)x->data + (u * in_px + (size_t)at) * es, es);
                    if (index)
                        index[out] =
                            at < 0 ? -1
                                   : (int64_t)(u * in_px) + (columns ? column_major(at, &w) : at);
                }
}

MS_OP(max_pool) = {
    .name = "MaxPool",
    .doc = "the largest element of each window",
    .min_in = 1,
    .max_in = 1,
    .min_out = 1,
    .max_out = 2,
    .in = {MS_FLOATS | MS_BIT(I8) | MS_BIT(U8)},
    .attrs = attrs,
    .check = ms_pool_check,
    .infer = infer,
    .blocked = ms_pool_blocked,
    .cost = ms_pool_cost,
    .kernels =
        (const struct ms_kernel[]){
            {.name = "max_pool_blocked_avx512",
             .dtypes = MS_BIT(F32),
             .isa = MS_ISA_AVX512,
             .blocked = true,
             .units = ms_blocked_row_units,
             .run = ms_max_pool_blocked_avx512,
             .pairing = &ms_max_pool_pairing_avx512},
            {.name = "max_pool_blocked_avx2",
             .dtypes = MS_BIT(F32),
             .isa = MS_ISA_AVX2,
             .blocked = true,
             .units = ms_blocked_row_units,
             .run = ms_max_pool_blocked_avx2,
             .pairing = &ms_max_pool_pairing_avx2},
            {.name = "max_pool_avx512",
             .dtypes = MS_BIT(F32),
             .isa = MS_ISA_AVX512,
             .applicable = ms_pool_fast_applicable,
             .units = ms_pool_units,
             .scratch = ms_pool_fast_scratch,
             .run = ms_max_pool_avx512},
            {.name = "max_pool_avx2",
             .dtypes = MS_BIT(F32),
             .isa = MS_ISA_AVX2,
             .applicable = ms_pool_fast_applicable,
             .units = ms_pool_units,
             .scratch = ms_pool_fast_scratch,
             .run = ms_max_pool_avx2},
            {.name = "max_pool",
             .dtypes = MS_FLOATS | MS_BIT(I8) | MS_BIT(U8),
             .units = ms_pool_units,
             .run = run},
            {0},
        },
};
