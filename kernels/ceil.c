/* SPDX-License-Identifier: Apache-2.0 */
/* ceil.c - x rounded towards plus infinity.
 *
 * NaN and infinities stay. */
#include "kernels/elementwise.h"

MS_ROWS_F32(MS_ROW1, ceil, ceilf(x))
MS_ROWS_F64(MS_ROW1, ceil, ceil(x))
MS_KERNELS(ms_unary, ceil, MS_FLOATS, MS_HAS_FLOAT(ceil))

MS_OP(ceil) = {
    .name = "Ceil",
    .doc = "x rounded towards plus infinity",
    .min_in = 1,
    .max_in = 1,
    .min_out = 1,
    .max_out = 1,
    .in = {MS_FLOATS},
    .traits = MS_ELEMENTWISE | MS_INPLACE,
    .infer = ms_infer_same,
    .kernels = ceil_kernels,
};
