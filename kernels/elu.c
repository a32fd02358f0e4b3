/* SPDX-License-Identifier: Apache-2.0 */
/* elu.c - Elu: x < 0 ? alpha (e^x - 1) : x. The arithmetic is in act.c, where fused forms find it
 * too. */
#include "kernels/act.h"

MS_ACT_RUNS("Elu", ms_attr_float(n, "alpha"), 0)

static const struct ms_attr_spec attrs[] = {
    {.name = "alpha", .type = MS_ATTR_FLOAT, .f = 1.0, .doc = "limit for x -> -inf, negated"},
    {0},
};

MS_OP(elu) = {
    .name = "Elu",
    .doc = "x < 0 ? alpha (e^x - 1) : x",
    .min_in = 1,
    .max_in = 1,
    .min_out = 1,
    .max_out = 1,
    .in = {MS_FLOATS},
    .traits = MS_ELEMENTWISE | MS_INPLACE | MS_ANY_LAYOUT,
    .attrs = attrs,
    .infer = ms_infer_same,
    .kernels = MS_ACT_KERNELS("elu"),
};
