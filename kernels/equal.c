/* SPDX-License-Identifier: Apache-2.0 */
/* equal.c - y = a == b as bool.
 *
 * NaN equals nothing, not even itself. */
#include "kernels/elementwise.h"

MS_ROWS_F32(MS_TEST2, equal, a == b)
MS_ROWS_F64(MS_TEST2, equal, a == b)
MS_ROWS_SIGNED(MS_TEST2, equal, a == b)
MS_ROWS_UNSIGNED(MS_TEST2, equal, a == b)
MS_ROWS_BOOL(MS_TEST2, equal, a == b)
MS_KERNELS(ms_binary, equal, MS_FIXED, MS_HAS_FLOAT(equal), MS_HAS_INT(equal), MS_HAS_BOOL(equal))

MS_OP(equal) = {
    .name = "Equal",
    .doc = "y = a == b as bool; false for NaN",
    .min_in = 2,
    .max_in = 2,
    .min_out = 1,
    .max_out = 1,
    .in = {MS_FIXED},
    .traits = MS_ELEMENTWISE | MS_COMMUTES,
    .infer = ms_infer_predicate,
    .kernels = equal_kernels,
};
