/* SPDX-License-Identifier: Apache-2.0 */
/* softsign.c - Softsign: x / (1 + |x|). The arithmetic is in act.c, where fused forms find it too.
 */
#include "kernels/act.h"

MS_ACT_RUNS("Softsign", 0, 0)

MS_OP(softsign) = {
    .name = "Softsign",
    .doc = "x / (1 + |x|)",
    .min_in = 1,
    .max_in = 1,
    .min_out = 1,
    .max_out = 1,
    .in = {MS_FLOATS},
    .traits = MS_ELEMENTWISE | MS_INPLACE | MS_ANY_LAYOUT,
    .infer = ms_infer_same,
    .kernels = MS_ACT_KERNELS("softsign"),
};
