/* SPDX-License-Identifier: Apache-2.0 */
/* mul.c - y = a * b with numpy broadcasting.
 *
 * Integers wrap. */
#include "kernels/elementwise.h"

MS_ROWS_F32(MS_ROW2, mul, a *b)
MS_ROWS_F64(MS_ROW2, mul, a *b)
MS_ROWS_SIGNED(MS_ROW2, mul, (U)a *(U)b)
MS_ROWS_UNSIGNED(MS_ROW2, mul, (U)a *(U)b)
MS_KERNELS(ms_binary, mul, MS_NUMERIC, MS_HAS_FLOAT(mul), MS_HAS_INT(mul))

static bool fold(int64_t a, int64_t b, int64_t *y)
{
    return !__builtin_mul_overflow(a, b, y);
}

static ms_code infer(struct ms_infer *c)
{
    static const struct ms_fold2 contents = {fold, 1, true};

    return ms_infer_binary(c, &contents);
}

MS_OP(mul) = {
    .name = "Mul",
    .doc = "y = a * b (integers wrap)",
    .min_in = 2,
    .max_in = 2,
    .min_out = 1,
    .max_out = 1,
    .in = {MS_NUMERIC},
    .traits = MS_ELEMENTWISE | MS_INPLACE | MS_COMMUTES | MS_ANY_LAYOUT,
    .blocked = ms_blocked_binary,
    .infer = infer,
    .kernels = mul_kernels,
};
