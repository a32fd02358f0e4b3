/* SPDX-License-Identifier: Apache-2.0 */
/* or.c - y = a or b on bools. */
#include "kernels/elementwise.h"

MS_ROWS_BOOL(MS_ROW2, or, a | b)
MS_KERNELS_PLAIN(ms_binary, or, MS_BIT(BOOL), MS_HAS_BOOL(or))

MS_OP(or) = {
    .name = "Or",
    .doc = "y = a or b",
    .min_in = 2,
    .max_in = 2,
    .min_out = 1,
    .max_out = 1,
    .in = {MS_BIT(BOOL)},
    .traits = MS_ELEMENTWISE | MS_INPLACE | MS_COMMUTES,
    .infer = ms_infer_broadcast,
    .kernels = or_kernels,
};
