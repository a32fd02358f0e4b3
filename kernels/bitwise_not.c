/* SPDX-License-Identifier: Apache-2.0 */
/* bitwise_not.c - y = ~x on integers. */
#include "kernels/elementwise.h"

MS_ROWS_SIGNED(MS_ROW1, bitwise_not, ~(U)x)
MS_ROWS_UNSIGNED(MS_ROW1, bitwise_not, ~(U)x)
MS_KERNELS_PLAIN(ms_unary, bitwise_not, MS_INTS, MS_HAS_INT(bitwise_not))

MS_OP(bitwise_not) = {
    .name = "BitwiseNot",
    .doc = "every bit of an integer turned over",
    .min_in = 1,
    .max_in = 1,
    .min_out = 1,
    .max_out = 1,
    .in = {MS_INTS},
    .traits = MS_ELEMENTWISE | MS_INPLACE,
    .infer = ms_infer_same,
    .kernels = bitwise_not_kernels,
};
