/* SPDX-License-Identifier: Apache-2.0 */
/* relu.c - Relu: max(x, 0); NaN stays NaN. The arithmetic is in act.c, where fused forms find it
 * too. */
#include "kernels/act.h"

MS_ACT_RUNS("Relu", 0, 0)

MS_OP(relu) = {
    .name = "Relu",
    .doc = "max(x, 0); NaN stays NaN",
    .min_in = 1,
    .max_in = 1,
    .min_out = 1,
    .max_out = 1,
    .in = {MS_FLOATS},
    .traits = MS_ELEMENTWISE | MS_INPLACE | MS_ANY_LAYOUT,
    .infer = ms_infer_same,
    .kernels = MS_ACT_KERNELS("relu"),
};
