/* SPDX-License-Identifier: Apache-2.0 */
/* sqrt.c - square root, correctly rounded.
 *
 * NaN for x < 0; sqrt(-0) = -0. */
#include "kernels/elementwise.h"

MS_ROWS_F32(MS_ROW1, sqrt, sqrtf(x))
MS_ROWS_F64(MS_ROW1, sqrt, sqrt(x))
MS_KERNELS(ms_unary, sqrt, MS_FLOATS, MS_HAS_FLOAT(sqrt))

MS_OP(sqrt) = {
    .name = "Sqrt",
    .doc = "square root; NaN for x < 0",
    .min_in = 1,
    .max_in = 1,
    .min_out = 1,
    .max_out = 1,
    .in = {MS_FLOATS},
    .traits = MS_ELEMENTWISE | MS_INPLACE,
    .infer = ms_infer_same,
    .kernels = sqrt_kernels,
};
