/* SPDX-License-Identifier: Apache-2.0 */
/* atan2.c - angle of the point (x = b, y = a), in (-pi, pi].
 *
 * Not an ONNX operator. NaN if an operand is NaN. */
#include "kernels/elementwise.h"

MS_ROW2(atan2_f32, , float, float, atan2f(a, b))
MS_ROWS_F64(MS_ROW2, atan2, atan2(a, b))
MS_KERNELS_PLAIN(ms_binary, atan2, MS_FLOATS, MS_HAS_FLOAT(atan2))

MS_OP(atan2) = {
    .name = "Atan2",
    .doc = "angle of the point (b, a)",
    .min_in = 2,
    .max_in = 2,
    .min_out = 1,
    .max_out = 1,
    .in = {MS_FLOATS},
    .traits = MS_ELEMENTWISE | MS_INPLACE,
    .infer = ms_infer_broadcast,
    .kernels = atan2_kernels,
};
