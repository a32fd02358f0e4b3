/* SPDX-License-Identifier: Apache-2.0 */
/* round.c - x rounded to nearest, halves to even (the default rounding mode).
 *
 * NaN and infinities stay. */
#include "kernels/elementwise.h"

MS_ROWS_F32(MS_ROW1, round, rintf(x))
MS_ROWS_F64(MS_ROW1, round, rint(x))
MS_KERNELS(ms_unary, round, MS_FLOATS, MS_HAS_FLOAT(round))

MS_OP(round) = {
    .name = "Round",
    .doc = "x rounded to nearest, halves to even (the default rounding mode)",
    .min_in = 1,
    .max_in = 1,
    .min_out = 1,
    .max_out = 1,
    .in = {MS_FLOATS},
    .traits = MS_ELEMENTWISE | MS_INPLACE,
    .infer = ms_infer_same,
    .kernels = round_kernels,
};
