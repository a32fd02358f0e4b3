/* SPDX-License-Identifier: Apache-2.0 */
/* bitwise_or.c - y = a | b, bit by bit, on integers. */
#include "kernels/elementwise.h"

MS_ROWS_SIGNED(MS_ROW2, bitwise_or, (U)a | (U)b)
MS_ROWS_UNSIGNED(MS_ROW2, bitwise_or, (U)a | (U)b)
MS_KERNELS_PLAIN(ms_binary, bitwise_or, MS_INTS, MS_HAS_INT(bitwise_or))

MS_OP(bitwise_or) = {
    .name = "BitwiseOr",
    .doc = "y = a | b on the bits of integers",
    .min_in = 2,
    .max_in = 2,
    .min_out = 1,
    .max_out = 1,
    .in = {MS_INTS},
    .traits = MS_ELEMENTWISE | MS_INPLACE | MS_COMMUTES,
    .infer = ms_infer_broadcast,
    .kernels = bitwise_or_kernels,
};
