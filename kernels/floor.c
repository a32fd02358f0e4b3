/* SPDX-License-Identifier: Apache-2.0 */
/* floor.c - x rounded towards minus infinity.
 *
 * NaN and infinities stay. */
#include "kernels/elementwise.h"

MS_ROWS_F32(MS_ROW1, floor, floorf(x))
MS_ROWS_F64(MS_ROW1, floor, floor(x))
MS_KERNELS(ms_unary, floor, MS_FLOATS, MS_HAS_FLOAT(floor))

MS_OP(floor) = {
    .name = "Floor",
    .doc = "x rounded towards minus infinity",
    .min_in = 1,
    .max_in = 1,
    .min_out = 1,
    .max_out = 1,
    .in = {MS_FLOATS},
    .traits = MS_ELEMENTWISE | MS_INPLACE,
    .infer = ms_infer_same,
    .kernels = floor_kernels,
};
