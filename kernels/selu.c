/* SPDX-License-Identifier: Apache-2.0 */
/* selu.c - Selu: gamma (x > 0 ? x : alpha (e^x - 1)). The arithmetic is in act.c, where fused forms
 * find it too. */
#include "kernels/act.h"

MS_ACT_RUNS("Selu", ms_attr_float(n, "alpha"), ms_attr_float(n, "gamma"))

static const struct ms_attr_spec attrs[] = {
    {.name = "alpha",
     .type = MS_ATTR_FLOAT,
     .f = 1.67326319217681884765625,
     .doc = "limit for x -> -inf, negated, before gamma"},
    {.name = "gamma",
     .type = MS_ATTR_FLOAT,
     .f = 1.05070102214813232421875,
     .doc = "slope above 0"},
    {0},
};

MS_OP(selu) = {
    .name = "Selu",
    .doc = "gamma (x > 0 ? x : alpha (e^x - 1))",
    .min_in = 1,
    .max_in = 1,
    .min_out = 1,
    .max_out = 1,
    .in = {MS_FLOATS},
    .traits = MS_ELEMENTWISE | MS_INPLACE | MS_ANY_LAYOUT,
    .attrs = attrs,
    .infer = ms_infer_same,
    .kernels = MS_ACT_KERNELS("selu"),
};
