/* SPDX-License-Identifier: Apache-2.0 */
/* gelu.c - Gelu: x times the normal distribution's integral up to x, exact (by erf) or in the tanh
 * approximation. The arithmetic is in act.c, where fused forms find it too. */
#include "kernels/act.h"

static bool is_tanh(const struct ms_node *n)
{
    return strcmp(ms_attr_str(n, "approximate"), "tanh") == 0;
}

MS_ACT_RUNS(is_tanh(n) ? "GeluTanh" : "Gelu", 0, 0)

static const struct ms_attr_spec attrs[] = {
    {.name = "approximate",
     .type = MS_ATTR_STRING,
     .s = "none",
     .choices = "none|tanh",
     .doc = "how the integral is computed"},
    {0},
};

MS_OP(gelu) = {
    .name = "Gelu",
    .doc = "x/2 (1 + erf(x / sqrt 2))",
    .min_in = 1,
    .max_in = 1,
    .min_out = 1,
    .max_out = 1,
    .in = {MS_FLOATS},
    .traits = MS_ELEMENTWISE | MS_INPLACE | MS_ANY_LAYOUT,
    .attrs = attrs,
    .infer = ms_infer_same,
    .kernels = MS_ACT_KERNELS("gelu"),
};
