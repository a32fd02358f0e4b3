/* SPDX-License-Identifier: Apache-2.0 */
/* recurrent_fast.h - LSTM, GRU and RNN in f32 with constant weights, on the packed product. */
#ifndef MS_KERNELS_RECURRENT_FAST_H
#define MS_KERNELS_RECURRENT_FAST_H

#include "kernels/recurrent.h"

/* One item's step: gates are gates x hidden sums, h and c its state. second: GRU's new state, after
 * its reset gate has met the product; else everything up to there. */
struct ms_recurrent_item {
    const struct ms_recurrent *r;
    const struct ms_act *act; /* of the direction */
    const float *gx;          /* W x + Wb */
    float *gh;                /* R h + Rb */
    const float *p;           /* peepholes or NULL */
    float *h, *c, *rh;        /* rh: what GRU's third product multiplies */
};
typedef void (*ms_recurrent_item_fn)(const struct ms_recurrent_item *it, bool second);

bool ms_recurrent_fast_applicable(const struct ms_prep *p);
ms_code ms_recurrent_fast_prepare(const struct ms_prep *p, const void **state, struct ms_err *err);
size_t ms_recurrent_fast_units(const struct ms_task *t); /* directions */
size_t ms_recurrent_fast_scratch(const struct ms_task *t);
void ms_recurrent_fast(const struct ms_task *t, struct ms_recurrent *r, int c_in, int p_in,
                       ms_recurrent_item_fn fn, enum ms_isa isa);
/* v = act k of n clipped numbers, in place. */
void ms_recurrent_act_row(const struct ms_recurrent_item *it, int k, float *v, size_t n);

#define MS_RECURRENT_FAST(name_, run_)                                                             \
    {.name = name_ "_avx512",                                                                      \
     .dtypes = MS_BIT(F32),                                                                        \
     .isa = MS_ISA_AVX512,                                                                         \
     .applicable = ms_recurrent_fast_applicable,                                                   \
     .prepare = ms_recurrent_fast_prepare,                                                         \
     .units = ms_recurrent_fast_units,                                                             \
     .scratch = ms_recurrent_fast_scratch,                                                         \
     .run = run_##_avx512},                                                                        \
    {                                                                                              \
        .name = name_ "_avx2", .dtypes = MS_BIT(F32), .isa = MS_ISA_AVX2,                          \
        .applicable = ms_recurrent_fast_applicable, .prepare = ms_recurrent_fast_prepare,          \
        .units = ms_recurrent_fast_units, .scratch = ms_recurrent_fast_scratch, .run = run_##_avx2 \
    }

#endif
