/* SPDX-License-Identifier: Apache-2.0 */
/* not.c - y = !x on bools. */
#include "kernels/elementwise.h"

MS_ROWS_BOOL(MS_ROW1, not, !x)
MS_KERNELS_PLAIN(ms_unary, not, MS_BIT(BOOL), MS_HAS_BOOL(not ))

MS_OP(not ) = {
    .name = "Not",
    .doc = "logical not",
    .min_in = 1,
    .max_in = 1,
    .min_out = 1,
    .max_out = 1,
    .in = {MS_BIT(BOOL)},
    .traits = MS_ELEMENTWISE | MS_INPLACE,
    .infer = ms_infer_same,
    .kernels = not_kernels,
};
