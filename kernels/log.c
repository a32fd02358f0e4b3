/* SPDX-License-Identifier: Apache-2.0 */
/* log.c - natural logarithm; NaN below 0, -infinity at 0.
 *
 * f32 on vectors rounds within two units in the last place; the reference is the C library's. */
#include "kernels/vector_row.h"

MS_ROW1_VEC(log)
MS_ROW1(log_f32, , float, float, logf(x))
MS_ROWS_F64(MS_ROW1, log, log(x))
MS_KERNELS(ms_unary, log, MS_FLOATS, MS_HAS_FLOAT(log))

static double cost(const struct ms_node *n, const struct ms_fact *in, const struct ms_fact *out)
{
    (void)n;
    (void)in;
    return 15.0 * (double)ms_shape_span(&out->shape, 0, out->shape.rank);
}

MS_OP(log) = {
    .name = "Log",
    .doc = "natural logarithm; NaN below 0, -infinity at 0",
    .min_in = 1,
    .max_in = 1,
    .min_out = 1,
    .max_out = 1,
    .in = {MS_FLOATS},
    .traits = MS_ELEMENTWISE | MS_INPLACE,
    .infer = ms_infer_same,
    .cost = cost,
    .kernels = log_kernels,
};
