/* SPDX-License-Identifier: Apache-2.0 */
/* xor.c - y = a xor b on bools. */
#include "kernels/elementwise.h"

MS_ROWS_BOOL(MS_ROW2, xor, a ^ b)
MS_KERNELS_PLAIN(ms_binary, xor, MS_BIT(BOOL), MS_HAS_BOOL(xor))

MS_OP(xor) = {
    .name = "Xor",
    .doc = "y = a xor b",
    .min_in = 2,
    .max_in = 2,
    .min_out = 1,
    .max_out = 1,
    .in = {MS_BIT(BOOL)},
    .traits = MS_ELEMENTWISE | MS_INPLACE | MS_COMMUTES,
    .infer = ms_infer_broadcast,
    .kernels = xor_kernels,
};
