/* SPDX-License-Identifier: Apache-2.0 */
/* exp.c - e to the x; overflows to infinity.
 *
 * f32 on vectors rounds within two units in the last place; the reference is the C library's. */
#include "kernels/vector_row.h"

MS_ROW1_VEC(exp)
MS_ROW1(exp_f32, , float, float, expf(x))
MS_ROWS_F64(MS_ROW1, exp, exp(x))
MS_KERNELS(ms_unary, exp, MS_FLOATS, MS_HAS_FLOAT(exp))

static double cost(const struct ms_node *n, const struct ms_fact *in, const struct ms_fact *out)
{
    (void)n;
    (void)in;
    return 15.0 * (double)ms_shape_span(&out->shape, 0, out->shape.rank);
}

MS_OP(exp) = {
    .name = "Exp",
    .doc = "e to the x; overflows to infinity",
    .min_in = 1,
    .max_in = 1,
    .min_out = 1,
    .max_out = 1,
    .in = {MS_FLOATS},
    .traits = MS_ELEMENTWISE | MS_INPLACE,
    .infer = ms_infer_same,
    .cost = cost,
    .kernels = exp_kernels,
};
