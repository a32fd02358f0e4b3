/* SPDX-License-Identifier: Apache-2.0 */
/* sinh.c - hyperbolic sine.
 *
 * The C library's function, which rounds within a unit in the last place. */
#include "kernels/elementwise.h"

MS_ROW1(sinh_f32, , float, float, sinhf(x))
MS_ROWS_F64(MS_ROW1, sinh, sinh(x))
MS_KERNELS_PLAIN(ms_unary, sinh, MS_FLOATS, MS_HAS_FLOAT(sinh))

static double cost(const struct ms_node *n, const struct ms_fact *in, const struct ms_fact *out)
{
    (void)n;
    (void)in;
    return 30.0 * (double)ms_shape_span(&out->shape, 0, out->shape.rank);
}

MS_OP(sinh) = {
    .name = "Sinh",
    .doc = "hyperbolic sine",
    .min_in = 1,
    .max_in = 1,
    .min_out = 1,
    .max_out = 1,
    .in = {MS_FLOATS},
    .traits = MS_ELEMENTWISE | MS_INPLACE,
    .infer = ms_infer_same,
    .cost = cost,
    .kernels = sinh_kernels,
};
