/* SPDX-License-Identifier: Apache-2.0 */
/* reciprocal.c - y = 1 / x, by a real division.
 *
 * 1 / 0 is an infinity with the sign of the zero. */
#include "kernels/elementwise.h"

MS_ROWS_F32(MS_ROW1, reciprocal, 1.0f / x)
MS_ROWS_F64(MS_ROW1, reciprocal, 1.0 / x)
MS_KERNELS(ms_unary, reciprocal, MS_FLOATS, MS_HAS_FLOAT(reciprocal))

MS_OP(reciprocal) = {
    .name = "Reciprocal",
    .doc = "1 / x",
    .min_in = 1,
    .max_in = 1,
    .min_out = 1,
    .max_out = 1,
    .in = {MS_FLOATS},
    .traits = MS_ELEMENTWISE | MS_INPLACE,
    .infer = ms_infer_same,
    .kernels = reciprocal_kernels,
};
