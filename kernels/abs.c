/* SPDX-License-Identifier: Apache-2.0 */
/* abs.c - y = |x|.
 *
 * The smallest signed integer has no counterpart and stays as it is. */
#include "kernels/elementwise.h"

MS_ROWS_F32(MS_ROW1, abs, fabsf(x))
MS_ROWS_F64(MS_ROW1, abs, fabs(x))
MS_ROWS_SIGNED(MS_ROW1, abs, x < 0 ? 0 - (U)x : (U)x)
MS_ROWS_UNSIGNED(MS_ROW1, abs, x)
MS_KERNELS(ms_unary, abs, MS_NUMERIC, MS_HAS_FLOAT(abs), MS_HAS_INT(abs))

MS_OP(abs) = {
    .name = "Abs",
    .doc = "absolute value",
    .min_in = 1,
    .max_in = 1,
    .min_out = 1,
    .max_out = 1,
    .in = {MS_NUMERIC},
    .traits = MS_ELEMENTWISE | MS_INPLACE,
    .infer = ms_infer_same,
    .kernels = abs_kernels,
};
