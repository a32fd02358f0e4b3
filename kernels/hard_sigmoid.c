/* SPDX-License-Identifier: Apache-2.0 */
/* hard_sigmoid.c - HardSigmoid: max(0, min(1, alpha x + beta)). The arithmetic is in act.c, where
 * fused forms find it too. */
#include "kernels/act.h"

MS_ACT_RUNS("HardSigmoid", ms_attr_float(n, "alpha"), ms_attr_float(n, "beta"))

static const struct ms_attr_spec attrs[] = {
    {.name = "alpha", .type = MS_ATTR_FLOAT, .f = 0.2, .doc = "slope"},
    {.name = "beta", .type = MS_ATTR_FLOAT, .f = 0.5, .doc = "value at 0"},
    {0},
};

MS_OP(hard_sigmoid) = {
    .name = "HardSigmoid",
    .doc = "max(0, min(1, alpha x + beta))",
    .min_in = 1,
    .max_in = 1,
    .min_out = 1,
    .max_out = 1,
    .in = {MS_FLOATS},
    .traits = MS_ELEMENTWISE | MS_INPLACE | MS_ANY_LAYOUT,
    .blocked = ms_blocked_whole,
    .attrs = attrs,
    .infer = ms_infer_same,
    .kernels = MS_ACT_KERNELS("hard_sigmoid"),
};
