/* SPDX-License-Identifier: Apache-2.0 */
/* floor_div.c - y = floor(a / b).
 *
 * Not an ONNX operator. Integers: towards minus infinity, the other cases as intdiv.h defines them.
 */
#include "kernels/intdiv.h"

MS_ROWS_F32(MS_ROW2, floor_div, floorf(a / b))
MS_ROWS_F64(MS_ROW2, floor_div, floor(a / b))
MS_ROWS_SIGNED(MS_DIV_ROW, floor_div, (U)MS_QUOT(a, b) - (MS_INEXACT_BELOW(a, b) ? 1 : 0))
MS_ROWS_UNSIGNED(MS_DIV_ROW, floor_div, a / b)
MS_KERNELS(ms_binary, floor_div, MS_NUMERIC, MS_HAS_FLOAT(floor_div), MS_HAS_INT(floor_div))

static bool fold(int64_t a, int64_t b, int64_t *y)
{
    if (b == 0 || b == -1)
        return false;
    *y = a / b - ((a % b != 0 && (a < 0) != (b < 0)) ? 1 : 0);
    return true;
}

static ms_code infer(struct ms_infer *c)
{
    static const struct ms_fold2 contents = {fold, 1, false};

    return ms_infer_binary(c, &contents);
}

MS_OP(floor_div) = {
    .name = "FloorDiv",
    .doc = "y = floor(a / b) (integer x / 0 fails)",
    .min_in = 2,
    .max_in = 2,
    .min_out = 1,
    .max_out = 1,
    .in = {MS_NUMERIC},
    .traits = MS_ELEMENTWISE | MS_INPLACE,
    .infer = infer,
    .kernels = floor_div_kernels,
};
