/* SPDX-License-Identifier: Apache-2.0 */
/* min.c - the smallest of any number of inputs, element by element.
 *
 * A NaN in any input gives NaN, as numpy does. */
#include "kernels/elementwise.h"

MS_ROWS_F32(MS_ROW2, min, a < b || a != a ? a : b)
MS_ROWS_F64(MS_ROW2, min, a < b || a != a ? a : b)
MS_ROWS_SIGNED(MS_ROW2, min, a < b ? a : b)
MS_ROWS_UNSIGNED(MS_ROW2, min, a < b ? a : b)
MS_KERNELS(ms_variadic, min, MS_NUMERIC, MS_HAS_FLOAT(min), MS_HAS_INT(min))

MS_OP(min) = {
    .name = "Min",
    .doc = "smallest element of all inputs, NaN if one is NaN",
    .min_in = 1,
    .max_in = -1,
    .min_out = 1,
    .max_out = 1,
    .in = {MS_NUMERIC},
    .traits = MS_ELEMENTWISE | MS_ANY_LAYOUT,
    .blocked = ms_blocked_binary,
    .infer = ms_infer_broadcast,
    .kernels = min_kernels,
};
