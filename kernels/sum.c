/* SPDX-License-Identifier: Apache-2.0 */
/* sum.c - y = in0 + in1 + ..., added from the left.
 *
 * Half types round after each addition. */
#include "kernels/elementwise.h"

MS_ROWS_F32(MS_ROW2, sum, a + b)
MS_ROWS_F64(MS_ROW2, sum, a + b)
MS_KERNELS(ms_variadic, sum, MS_FLOATS, MS_HAS_FLOAT(sum))

MS_OP(sum) = {
    .name = "Sum",
    .doc = "sum of all inputs",
    .min_in = 1,
    .max_in = -1,
    .min_out = 1,
    .max_out = 1,
    .in = {MS_FLOATS},
    .traits = MS_ELEMENTWISE | MS_ANY_LAYOUT,
    .blocked = ms_blocked_binary,
    .infer = ms_infer_broadcast,
    .kernels = sum_kernels,
};
