/* SPDX-License-Identifier: Apache-2.0 */
/* equal.c - y = a == b as bool.
 *
 * NaN equals nothing, not even itself. Strings are equal byte by byte. */
#include <string.h>

#include "kernels/elementwise.h"

MS_ROWS_F32(MS_TEST2, equal, a == b)
MS_ROWS_F64(MS_TEST2, equal, a == b)
MS_ROWS_SIGNED(MS_TEST2, equal, a == b)
MS_ROWS_UNSIGNED(MS_TEST2, equal, a == b)
MS_ROWS_BOOL(MS_TEST2, equal, a == b)

static bool same_text(struct ms_bytes a, struct ms_bytes b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}
MS_TEST2(equal_text, , struct ms_bytes, uint32_t, same_text(a, b))

#define TYPES (MS_FIXED | MS_BIT(STRING))
MS_KERNELS(ms_binary, equal, TYPES, MS_HAS_FLOAT(equal), MS_HAS_INT(equal),
           MS_HAS_BOOL(equal), [MS_STRING] = equal_text)

MS_OP(equal) = {
    .name = "Equal",
    .doc = "y = a == b as bool; false for NaN",
    .min_in = 2,
    .max_in = 2,
    .min_out = 1,
    .max_out = 1,
    .in = {TYPES},
    .traits = MS_ELEMENTWISE | MS_COMMUTES,
    .infer = ms_infer_predicate,
    .kernels = equal_kernels,
};
