/* SPDX-License-Identifier: Apache-2.0 */
/* quant_rows.h - rows of floats to 8 and 16 bit integers and back, exactly as the reference does.
 */
#ifndef MS_KERNELS_QUANT_ROWS_H
#define MS_KERNELS_QUANT_ROWS_H

#include "kernels/quant.h"

/* Scales and zero points (as floats) of a row: scale[0] and zero[0] for all, or with `each` one for
 * every element. */
struct ms_quant_row {
    const float *scale, *zero;
    bool each;
};

/* y[i] = saturate(round(x[i] / scale) + zero), n elements of type t. */
void ms_quantize_row(enum ms_isa isa, enum ms_dtype t, const struct ms_quant_row *q, const float *x,
                     void *y, size_t n);
/* y[i] = (x[i] - zero) scale */
void ms_dequantize_row(enum ms_isa isa, enum ms_dtype t, const struct ms_quant_row *q,
                       const void *x, float *y, size_t n);

/* The least and the largest of n elements and of *lo and *hi; NaN is passed over. */
void ms_range_row(enum ms_isa isa, const float *x, size_t n, float *lo, float *hi);

/* Cuts elements [first, last) of a task into rows, for which it calls fn: a whole tensor, a run of
 * one index of the axis, or up to a few hundred along it. Scales are f32. */
typedef void (*ms_quant_row_fn)(const struct ms_task *t, enum ms_isa isa,
                                const struct ms_quant_row *q, size_t at, size_t n);
void ms_quant_rows(const struct ms_task *t, enum ms_isa isa, ms_quant_row_fn fn);
/* f32 on the side of floats, scales in f32. */
bool ms_quant_rows_applicable(const struct ms_prep *p);

#endif
