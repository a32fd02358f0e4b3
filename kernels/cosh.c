/* SPDX-License-Identifier: Apache-2.0 */
/* cosh.c - hyperbolic cosine.
 *
 * The C library's function, which rounds within a unit in the last place. */
#include "kernels/elementwise.h"

MS_ROW1(cosh_f32, , float, float, coshf(x))
MS_ROWS_F64(MS_ROW1, cosh, cosh(x))
MS_KERNELS_PLAIN(ms_unary, cosh, MS_FLOATS, MS_HAS_FLOAT(cosh))

static double cost(const struct ms_node *n, const struct ms_fact *in, const struct ms_fact *out)
{
    (void)n;
    (void)in;
    return 30.0 * (double)ms_shape_span(&out->shape, 0, out->shape.rank);
}

MS_OP(cosh) = {
    .name = "Cosh",
    .doc = "hyperbolic cosine",
    .min_in = 1,
    .max_in = 1,
    .min_out = 1,
    .max_out = 1,
    .in = {MS_FLOATS},
    .traits = MS_ELEMENTWISE | MS_INPLACE,
    .infer = ms_infer_same,
    .cost = cost,
    .kernels = cosh_kernels,
};
