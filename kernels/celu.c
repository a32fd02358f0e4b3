/* SPDX-License-Identifier: Apache-2.0 */
/* celu.c - Celu: max(x, 0) + min(0, alpha (e^(x / alpha) - 1)). The arithmetic is in act.c, where
 * fused forms find it too. */
#include "kernels/act.h"

MS_ACT_RUNS("Celu", ms_attr_float(n, "alpha"), 0)

static const struct ms_attr_spec attrs[] = {
    {.name = "alpha", .type = MS_ATTR_FLOAT, .f = 1.0, .doc = "slope scale"},
    {0},
};

MS_OP(celu) = {
    .name = "Celu",
    .doc = "max(x, 0) + min(0, alpha (e^(x / alpha) - 1))",
    .min_in = 1,
    .max_in = 1,
    .min_out = 1,
    .max_out = 1,
    .in = {MS_FLOATS},
    .traits = MS_ELEMENTWISE | MS_INPLACE | MS_ANY_LAYOUT,
    .attrs = attrs,
    .infer = ms_infer_same,
    .kernels = MS_ACT_KERNELS("celu"),
};
