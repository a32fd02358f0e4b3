/* SPDX-License-Identifier: Apache-2.0 */
/* erf.c - Erf: the error function. The arithmetic is in act.c, where fused forms find it too. */
#include "kernels/act.h"

MS_ACT_RUNS("Erf", 0, 0)

MS_OP(erf) = {
    .name = "Erf",
    .doc = "the error function",
    .min_in = 1,
    .max_in = 1,
    .min_out = 1,
    .max_out = 1,
    .in = {MS_FLOATS},
    .traits = MS_ELEMENTWISE | MS_INPLACE | MS_ANY_LAYOUT,
    .infer = ms_infer_same,
    .kernels = MS_ACT_KERNELS("erf"),
};
