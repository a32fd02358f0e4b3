/* SPDX-License-Identifier: Apache-2.0 */
/* atanh.c - inverse hyperbolic tangent; infinite at -1 and 1, NaN beyond.
 *
 * The C library's function, which rounds within a unit in the last place. */
#include "kernels/elementwise.h"

MS_ROW1(atanh_f32, , float, float, atanhf(x))
MS_ROWS_F64(MS_ROW1, atanh, atanh(x))
MS_KERNELS_PLAIN(ms_unary, atanh, MS_FLOATS, MS_HAS_FLOAT(atanh))

static double cost(const struct ms_node *n, const struct ms_fact *in, const struct ms_fact *out)
{
    (void)n;
    (void)in;
    return 40.0 * (double)ms_shape_span(&out->shape, 0, out->shape.rank);
}

MS_OP(atanh) = {
    .name = "Atanh",
    .doc = "inverse hyperbolic tangent; infinite at -1 and 1, NaN beyond",
    .min_in = 1,
    .max_in = 1,
    .min_out = 1,
    .max_out = 1,
    .in = {MS_FLOATS},
    .traits = MS_ELEMENTWISE | MS_INPLACE,
    .infer = ms_infer_same,
    .cost = cost,
    .kernels = atanh_kernels,
};
