/* SPDX-License-Identifier: Apache-2.0 */
/* sign.c - y = -1, 0 or 1, with the sign of x.
 *
 * NaN stays NaN, as in numpy; zeros give +0. */
#include "kernels/elementwise.h"

MS_ROWS_F32(MS_ROW1, sign, x > 0.0f ? 1.0f : x < 0.0f ? -1.0f : x == 0.0f ? 0.0f : x)
MS_ROWS_F64(MS_ROW1, sign, x > 0.0 ? 1.0 : x < 0.0 ? -1.0 : x == 0.0 ? 0.0 : x)
MS_ROWS_SIGNED(MS_ROW1, sign, x > 0 ? 1 : x < 0 ? -1 : 0)
MS_ROWS_UNSIGNED(MS_ROW1, sign, x > 0 ? 1 : 0)
MS_KERNELS(ms_unary, sign, MS_NUMERIC, MS_HAS_FLOAT(sign), MS_HAS_INT(sign))

MS_OP(sign) = {
    .name = "Sign",
    .doc = "sign of x: -1, 0 or 1; NaN stays NaN",
    .min_in = 1,
    .max_in = 1,
    .min_out = 1,
    .max_out = 1,
    .in = {MS_NUMERIC},
    .traits = MS_ELEMENTWISE | MS_INPLACE,
    .infer = ms_infer_same,
    .kernels = sign_kernels,
};
