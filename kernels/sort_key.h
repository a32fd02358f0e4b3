/* SPDX-License-Identifier: Apache-2.0 */
/* sort_key.h - any element as an unsigned number in the same order, so that sorting needs one loop.
 *
 * -0 equals 0; every NaN equals every other and is larger than all numbers, as numpy sorts them. */
#ifndef MS_KERNELS_SORT_KEY_H
#define MS_KERNELS_SORT_KEY_H

#include <math.h>
#include <string.h>

#include "ir/tensor.h"

static inline uint64_t ms_f64_key(double v)
{
    uint64_t u;

    if (isnan(v))
        return UINT64_MAX;
    v += 0.0; /* -0 to 0 */
    memcpy(&u, &v, sizeof u);
    return u >> 63 ? ~u : u | UINT64_C(1) << 63;
}

/* Element i of a plain tensor of any dtype but text. */
static inline uint64_t ms_sort_key(const struct ms_tensor *t, size_t i)
{
    const uint64_t sign = UINT64_C(1) << 63;

    switch (t->dtype) {
    case MS_F32:
        return ms_f64_key((double)((const float *)t->data)[i]);
    case MS_F64:
        return ms_f64_key(((const double *)t->data)[i]);
    case MS_F16:
        return ms_f64_key((double)ms_f16_to_f32(((const uint16_t *)t->data)[i]));
    case MS_BF16:
        return ms_f64_key((double)ms_bf16_to_f32(((const uint16_t *)t->data)[i]));
    case MS_I8:
        return (uint64_t)(int64_t)((const int8_t *)t->data)[i] ^ sign;
    case MS_I16:
        return (uint64_t)(int64_t)((const int16_t *)t->data)[i] ^ sign;
    case MS_I32:
        return (uint64_t)(int64_t)((const int32_t *)t->data)[i] ^ sign;
    case MS_I64:
        return (uint64_t)((const int64_t *)t->data)[i] ^ sign;
    case MS_U16:
        return ((const uint16_t *)t->data)[i];
    case MS_U32:
        return ((const uint32_t *)t->data)[i];
    case MS_U64:
        return ((const uint64_t *)t->data)[i];
    default:
        return ((const uint8_t *)t->data)[i];
    }
}

#endif
