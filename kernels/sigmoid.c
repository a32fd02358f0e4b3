/* SPDX-License-Identifier: Apache-2.0 */
/* sigmoid.c - Sigmoid: 1 / (1 + e^-x). The arithmetic is in act.c, where fused forms find it too.
 */
#include "kernels/act.h"

MS_ACT_RUNS("Sigmoid", 0, 0)

MS_OP(sigmoid) = {
    .name = "Sigmoid",
    .doc = "1 / (1 + e^-x)",
    .min_in = 1,
    .max_in = 1,
    .min_out = 1,
    .max_out = 1,
    .in = {MS_FLOATS},
    .traits = MS_ELEMENTWISE | MS_INPLACE | MS_ANY_LAYOUT,
    .blocked = ms_blocked_whole,
    .infer = ms_infer_same,
    .kernels = MS_ACT_KERNELS("sigmoid"),
};
