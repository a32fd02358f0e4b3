/* SPDX-License-Identifier: Apache-2.0 */
/* thresholded_relu.c - ThresholdedRelu: x > alpha ? x : 0. The arithmetic is in act.c, where fused
 * forms find it too. */
#include "kernels/act.h"

MS_ACT_RUNS("ThresholdedRelu", ms_attr_float(n, "alpha"), 0)

static const struct ms_attr_spec attrs[] = {
    {.name = "alpha", .type = MS_ATTR_FLOAT, .f = 1.0, .doc = "the threshold"},
    {0},
};

MS_OP(thresholded_relu) = {
    .name = "ThresholdedRelu",
    .doc = "x > alpha ? x : 0",
    .min_in = 1,
    .max_in = 1,
    .min_out = 1,
    .max_out = 1,
    .in = {MS_FLOATS},
    .traits = MS_ELEMENTWISE | MS_INPLACE,
    .attrs = attrs,
    .infer = ms_infer_same,
    .kernels = MS_ACT_KERNELS("thresholded_relu"),
};
