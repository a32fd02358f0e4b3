/* SPDX-License-Identifier: Apache-2.0 */
/* identity.c - y = x: the same bytes under another name, so no kernel runs unless one is asked for
 * (an output that must not share memory with its input). */
#include "kernels/copy.h"

MS_OP(identity) = {
    .name = "Identity",
    .doc = "y = x",
    .min_in = 1,
    .max_in = 1,
    .min_out = 1,
    .max_out = 1,
    .in = {MS_FIXED | MS_BIT(STRING)},
    .traits = MS_VIEW,
    .infer = ms_infer_same,
    .kernels = ms_copy_kernels,
};
