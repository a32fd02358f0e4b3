/* SPDX-License-Identifier: Apache-2.0 */
/* less_or_equal.c - y = a <= b as bool.
 *
 * False if an operand is NaN. */
#include "kernels/elementwise.h"

MS_ROWS_F32(MS_TEST2, less_or_equal, a <= b)
MS_ROWS_F64(MS_TEST2, less_or_equal, a <= b)
MS_ROWS_SIGNED(MS_TEST2, less_or_equal, a <= b)
MS_ROWS_UNSIGNED(MS_TEST2, less_or_equal, a <= b)
MS_KERNELS(ms_binary, less_or_equal, MS_NUMERIC, MS_HAS_FLOAT(less_or_equal),
           MS_HAS_INT(less_or_equal))

MS_OP(less_or_equal) = {
    .name = "LessOrEqual",
    .doc = "y = a <= b as bool; false for NaN",
    .min_in = 2,
    .max_in = 2,
    .min_out = 1,
    .max_out = 1,
    .in = {MS_NUMERIC},
    .traits = MS_ELEMENTWISE,
    .infer = ms_infer_predicate,
    .kernels = less_or_equal_kernels,
};
