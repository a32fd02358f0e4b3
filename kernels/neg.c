/* SPDX-License-Identifier: Apache-2.0 */
/* neg.c - y = -x.
 *
 * The smallest signed integer has no counterpart and stays as it is. */
#include "kernels/elementwise.h"

MS_ROWS_F32(MS_ROW1, neg, -x)
MS_ROWS_F64(MS_ROW1, neg, -x)
MS_ROWS_SIGNED(MS_ROW1, neg, 0 - (U)x)
MS_KERNELS(ms_unary, neg, MS_FLOATS | MS_BIT(I8) | MS_BIT(I16) | MS_BIT(I32) | MS_BIT(I64),
           MS_HAS_FLOAT(neg), MS_HAS_SIGNED(neg))

MS_OP(neg) = {
    .name = "Neg",
    .doc = "-x",
    .min_in = 1,
    .max_in = 1,
    .min_out = 1,
    .max_out = 1,
    .in = {MS_FLOATS | MS_BIT(I8) | MS_BIT(I16) | MS_BIT(I32) | MS_BIT(I64)},
    .traits = MS_ELEMENTWISE | MS_INPLACE,
    .infer = ms_infer_same,
    .kernels = neg_kernels,
};
