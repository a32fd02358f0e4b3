/* SPDX-License-Identifier: Apache-2.0 */
/* div.c - y = a / b with numpy broadcasting.
 *
 * Integers: towards zero; the other cases as intdiv.h defines them. Floats: as IEEE has it. */
#include "kernels/intdiv.h"

MS_ROWS_F32(MS_ROW2, div, a / b)
MS_ROWS_F64(MS_ROW2, div, a / b)
MS_ROWS_SIGNED(MS_DIV_ROW, div, MS_QUOT(a, b))
MS_ROWS_UNSIGNED(MS_DIV_ROW, div, a / b)
MS_KERNELS(ms_binary, div, MS_NUMERIC, MS_HAS_FLOAT(div), MS_HAS_INT(div))

static bool fold(int64_t a, int64_t b, int64_t *y)
{
    if (b == 0 || b == -1)
        return false;
    *y = a / b;
    return true;
}

static ms_code infer(struct ms_infer *c)
{
    static const struct ms_fold2 contents = {fold, 1, false};

    return ms_infer_binary(c, &contents);
}

/* 0 / 0 is NaN: there may be no padding. */
static unsigned blocked(const struct ms_node *n)
{
    const struct ms_value *x = ms_blockable(ms_in(n, 0)) ? ms_in(n, 0) : ms_in(n, 1);

    return ms_blockable(x) && ms_no_padding(x->shape.dim[1]) ? ms_blocked_binary(n) : 0;
}

MS_OP(div) = {
    .name = "Div",
    .doc = "y = a / b (integers towards zero; x / 0 fails)",
    .min_in = 2,
    .max_in = 2,
    .min_out = 1,
    .max_out = 1,
    .in = {MS_NUMERIC},
    .traits = MS_ELEMENTWISE | MS_INPLACE | MS_ANY_LAYOUT,
    .blocked = blocked,
    .infer = infer,
    .kernels = div_kernels,
};
