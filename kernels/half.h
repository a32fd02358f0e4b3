/* SPDX-License-Identifier: Apache-2.0 */
/* half.h - runs of f16 and bf16 to and from f32.
 *
 * Half types are for storage: kernels widen a block, compute in f32 and round to nearest even on
 * the way out. Uses F16C where the host has it; results are the same. */
#ifndef MS_KERNELS_HALF_H
#define MS_KERNELS_HALF_H

#include <stddef.h>
#include <stdint.h>

#include "ir/dtype.h"

static inline bool ms_is_half(enum ms_dtype t)
{
    return t == MS_F16 || t == MS_BF16;
}

/* n elements; t is MS_F16 or MS_BF16. y and x must not overlap. */
void ms_half_widen(enum ms_dtype t, float *y, const void *x, size_t n);
void ms_half_narrow(enum ms_dtype t, void *y, const float *x, size_t n);

#endif
