/* SPDX-License-Identifier: Apache-2.0 */
/* mish.c - Mish: x tanh(ln(1 + e^x)). The arithmetic is in act.c, where fused forms find it too. */
#include "kernels/act.h"

MS_ACT_RUNS("Mish", 0, 0)

MS_OP(mish) = {
    .name = "Mish",
    .doc = "x tanh(ln(1 + e^x))",
    .min_in = 1,
    .max_in = 1,
    .min_out = 1,
    .max_out = 1,
    .in = {MS_FLOATS},
    .traits = MS_ELEMENTWISE | MS_INPLACE | MS_ANY_LAYOUT,
    .infer = ms_infer_same,
    .kernels = MS_ACT_KERNELS("mish"),
};
