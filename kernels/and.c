/* SPDX-License-Identifier: Apache-2.0 */
/* and.c - y = a and b on bools. */
#include "kernels/elementwise.h"

MS_ROWS_BOOL(MS_ROW2, and, a &b)
MS_KERNELS_PLAIN(ms_binary, and, MS_BIT(BOOL), MS_HAS_BOOL(and))

MS_OP(and) = {
    .name = "And",
    .doc = "y = a and b",
    .min_in = 2,
    .max_in = 2,
    .min_out = 1,
    .max_out = 1,
    .in = {MS_BIT(BOOL)},
    .traits = MS_ELEMENTWISE | MS_INPLACE | MS_COMMUTES,
    .infer = ms_infer_broadcast,
    .kernels = and_kernels,
};
