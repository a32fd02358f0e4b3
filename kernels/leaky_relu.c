/* SPDX-License-Identifier: Apache-2.0 */
/* leaky_relu.c - LeakyRelu: x < 0 ? alpha x : x. The arithmetic is in act.c, where fused forms find
 * it too. */
#include "kernels/act.h"

MS_ACT_RUNS("LeakyRelu", ms_attr_float(n, "alpha"), 0)

static const struct ms_attr_spec attrs[] = {
    {.name = "alpha", .type = MS_ATTR_FLOAT, .f = 0.01, .doc = "slope below 0"},
    {0},
};

MS_OP(leaky_relu) = {
    .name = "LeakyRelu",
    .doc = "x < 0 ? alpha x : x",
    .min_in = 1,
    .max_in = 1,
    .min_out = 1,
    .max_out = 1,
    .in = {MS_FLOATS},
    .traits = MS_ELEMENTWISE | MS_INPLACE | MS_ANY_LAYOUT,
    .attrs = attrs,
    .infer = ms_infer_same,
    .kernels = MS_ACT_KERNELS("leaky_relu"),
};
