/* SPDX-License-Identifier: Apache-2.0 */
/* hard_swish.c - HardSwish: x max(0, min(1, x / 6 + 1/2)). The arithmetic is in act.c, where fused
 * forms find it too. */
#include "kernels/act.h"

MS_ACT_RUNS("HardSwish", 0, 0)

MS_OP(hard_swish) = {
    .name = "HardSwish",
    .doc = "x max(0, min(1, x / 6 + 1/2))",
    .min_in = 1,
    .max_in = 1,
    .min_out = 1,
    .max_out = 1,
    .in = {MS_FLOATS},
    .traits = MS_ELEMENTWISE | MS_INPLACE | MS_ANY_LAYOUT,
    .infer = ms_infer_same,
    .kernels = MS_ACT_KERNELS("hard_swish"),
};
