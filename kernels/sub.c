/* SPDX-License-Identifier: Apache-2.0 */
/* sub.c - y = a - b with numpy broadcasting.
 *
 * Integers wrap. */
#include "kernels/elementwise.h"

MS_ROWS_F32(MS_ROW2, sub, a - b)
MS_ROWS_F64(MS_ROW2, sub, a - b)
MS_ROWS_SIGNED(MS_ROW2, sub, (U)a - (U)b)
MS_ROWS_UNSIGNED(MS_ROW2, sub, (U)a - (U)b)
MS_KERNELS(ms_binary, sub, MS_NUMERIC, MS_HAS_FLOAT(sub), MS_HAS_INT(sub))

static bool fold(int64_t a, int64_t b, int64_t *y)
{
    return !__builtin_sub_overflow(a, b, y);
}

static ms_code infer(struct ms_infer *c)
{
    static const struct ms_fold2 contents = {fold, 0, false};

    return ms_infer_binary(c, &contents);
}

MS_OP(sub) = {
    .name = "Sub",
    .doc = "y = a - b (integers wrap)",
    .min_in = 2,
    .max_in = 2,
    .min_out = 1,
    .max_out = 1,
    .in = {MS_NUMERIC},
    .traits = MS_ELEMENTWISE | MS_INPLACE | MS_ANY_LAYOUT,
    .blocked = ms_blocked_binary,
    .infer = infer,
    .kernels = sub_kernels,
};
