/* SPDX-License-Identifier: Apache-2.0 */
/* half.c - see half.h. */
#include <immintrin.h>

#include "base/cpu.h"
#include "kernels/half.h"

MS_TARGET_AVX2 static void widen_f16c(float *y, const uint16_t *x, size_t n)
{
    size_t i = 0;

    for (; i + 8 <= n; i += 8)
        _mm256_storeu_ps(y + i, _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(x + i))));
    for (; i < n; i++)
        y[i] = _cvtsh_ss(x[i]);
}

MS_TARGET_AVX2 static void narrow_f16c(uint16_t *y, const float *x, size_t n)
{
    size_t i = 0;

    for (; i + 8 <= n; i += 8)
        _mm_storeu_si128((__m128i *)(y + i),
                         _mm256_cvtps_ph(_mm256_loadu_ps(x + i), _MM_FROUND_TO_NEAREST_INT));
    for (; i < n; i++)
        y[i] = (uint16_t)_cvtss_sh(x[i], _MM_FROUND_TO_NEAREST_INT);
}

void ms_half_widen(enum ms_dtype t, float *y, const void *x, size_t n)
{
    const uint16_t *h = x;

    if (t == MS_BF16) {
        for (size_t i = 0; i < n; i++)
            y[i] = ms_bf16_to_f32(h[i]);
    } else if (ms_cpu()->isa >= MS_ISA_AVX2) {
        widen_f16c(y, h, n);
    } else {
        for (size_t i = 0; i < n; i++)
            y[i] = ms_f16_to_f32(h[i]);
    }
}

void ms_half_narrow(enum ms_dtype t, void *y, const float *x, size_t n)
{
    uint16_t *h = y;

    if (t == MS_BF16) {
        for (size_t i = 0; i < n; i++)
            h[i] = ms_f32_to_bf16(x[i]);
    } else if (ms_cpu()->isa >= MS_ISA_AVX2) {
        narrow_f16c(h, x, n);
    } else {
        for (size_t i = 0; i < n; i++)
            h[i] = ms_f32_to_f16(x[i]);
    }
}
