/* SPDX-License-Identifier: Apache-2.0 */
/* isnan.c - y = x is NaN, as bool. */
#include "kernels/elementwise.h"

MS_ROWS_F32(MS_TEST1, isnan, x != x)
MS_ROWS_F64(MS_TEST1, isnan, x != x)
MS_KERNELS(ms_unary, isnan, MS_FLOATS, MS_HAS_FLOAT(isnan))

static ms_code infer(struct ms_infer *c)
{
    c->out[0].dtype = MS_BOOL;
    c->out[0].shape = c->in[0].shape;
    return MS_OK;
}

MS_OP(isnan) = {
    .name = "IsNaN",
    .doc = "true where x is NaN",
    .min_in = 1,
    .max_in = 1,
    .min_out = 1,
    .max_out = 1,
    .in = {MS_FLOATS},
    .traits = MS_ELEMENTWISE,
    .infer = infer,
    .kernels = isnan_kernels,
};
