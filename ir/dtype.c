/* SPDX-License-Identifier: Apache-2.0 */
/* dtype.c - element types and half precision. */
#include "ir/dtype.h"

#include <string.h>

#include "base/bytes.h"

static const struct {
    const char *name, *oip;
    size_t size;
    enum ms_dtype_kind kind;
} rows[MS_N_DTYPES] = {
    [MS_DTYPE_NONE] = {"none", "INVALID", 0, MS_KIND_NONE},
#define MS_DTYPE(id_, name_, oip_, size_, kind_) [MS_##id_] = {name_, oip_, size_, kind_},
#include "ir/dtype.def"
#undef MS_DTYPE
};

size_t ms_dtype_size(enum ms_dtype t)
{
    return (unsigned)t < MS_N_DTYPES ? rows[t].size : 0;
}

enum ms_dtype_kind ms_dtype_kind(enum ms_dtype t)
{
    return (unsigned)t < MS_N_DTYPES ? rows[t].kind : MS_KIND_NONE;
}

const char *ms_dtype_name(enum ms_dtype t)
{
    return (unsigned)t < MS_N_DTYPES ? rows[t].name : "?";
}

const char *ms_dtype_oip(enum ms_dtype t)
{
    return (unsigned)t < MS_N_DTYPES ? rows[t].oip : "INVALID";
}

enum ms_dtype ms_dtype_from_name(const char *s)
{
    for (int t = 1; t < MS_N_DTYPES; t++)
        if (strcmp(rows[t].name, s) == 0)
            return (enum ms_dtype)t;
    return MS_DTYPE_NONE;
}

enum ms_dtype ms_dtype_from_oip(const char *s, size_t len)
{
    for (int t = 1; t < MS_N_DTYPES; t++)
        if (strlen(rows[t].oip) == len && memcmp(rows[t].oip, s, len) == 0)
            return (enum ms_dtype)t;
    return MS_DTYPE_NONE;
}

union bits {
    float f;
    uint32_t u;
};

/* IEEE 754 binary16: 1 sign, 5 exponent (bias 15), 10 fraction bits. */
float ms_f16_to_f32(uint16_t h)
{
    uint32_t sign = (uint32_t)(h & 0x8000u) << 16, exponent = (h >> 10) & 31, fraction = h & 0x3ffu;
    union bits v;

    if (exponent == 31) {
        v.u = sign | 0x7f800000u | fraction << 13;
    } else if (exponent) {
        v.u = sign | (exponent + 112) << 23 | fraction << 13;
    } else { /* zero or subnormal: fraction * 2^-24 is exact */
        v.f = (float)fraction * 0x1p-24f;
        v.u |= sign;
    }
    return v.f;
}

uint16_t ms_f32_to_f16(float f)
{
    union bits v = {f};
    uint32_t sign = (v.u >> 16) & 0x8000u, magnitude = v.u & 0x7fffffffu;

    if (magnitude > 0x7f800000u) /* NaN stays one */
        return (uint16_t)(sign | 0x7e00u | ((magnitude >> 13) & 0x1ffu));
    if (magnitude >= 0x477ff000u) /* rounds beyond 65504 */
        return (uint16_t)(sign | 0x7c00u);
    if (magnitude < 0x38800000u) { /* subnormal: the addition rounds to multiples of 2^-24 */
        v.u = magnitude;
        v.f += 0x1p-1f; /* ulp of [0.5, 1) is 2^-24 */
        return (uint16_t)(sign | (v.u - 0x3f000000u));
    }
    magnitude += 0xfffu + ((magnitude >> 13) & 1); /* nearest, ties to even */
    return (uint16_t)(sign | ((magnitude >> 13) - (112u << 10)));
}

uint16_t ms_f32_to_bf16(float f)
{
    union bits v = {f};

    if ((v.u & 0x7fffffffu) > 0x7f800000u)
        return (uint16_t)((v.u >> 16) | 0x40u);
    return (uint16_t)((v.u + 0x7fffu + ((v.u >> 16) & 1)) >> 16);
}
