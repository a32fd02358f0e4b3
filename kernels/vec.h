/* SPDX-License-Identifier: Apache-2.0 */
/* vec.h - the few vector operations that kernels need beyond + - * /, under one name for both
 * widths.
 *
 * v8_* works on __m256 (AVX2, FMA), v16_* on __m512 (AVX-512). Code that is the same for both lives
 * in a .inc file that is included twice, with V(name), VF and so on set by vec_avx2.h or
 * vec_avx512.h. Compilers give +, -, *, / and unary minus on these types.
 *
 * max and min return their second argument when either is NaN, as the instructions do: write
 * V(max)(constant, x) to let NaN pass. */
#ifndef MS_KERNELS_VEC_H
#define MS_KERNELS_VEC_H

#include <immintrin.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/cpu.h"

/* Before a loop of a few constant turns: unroll it, so that arrays of vectors become registers. */
#if defined(__clang__)
#define MS_UNROLL _Pragma("clang loop unroll(full)")
#else
#define MS_UNROLL _Pragma("GCC unroll 16")
#endif

#define MS_V8 MS_TARGET_AVX2 static inline __attribute__((always_inline, unused))
#define MS_V16 MS_TARGET_AVX512 static inline __attribute__((always_inline, unused))

/* ---- 8 floats ---- */

MS_V8 __m256 v8_set(float a)
{
    return _mm256_set1_ps(a);
}
MS_V8 __m256 v8_load(const float *p)
{
    return _mm256_loadu_ps(p);
}
MS_V8 void v8_store(float *p, __m256 v)
{
    _mm256_storeu_ps(p, v);
}
/* The first n < 8 elements, zeros behind them; nothing beyond p + n is touched. */
MS_V8 __m256 v8_load_n(const float *p, size_t n)
{
    float b[8] = {0};
    memcpy(b, p, n * sizeof *p);
    return _mm256_loadu_ps(b);
}
MS_V8 void v8_store_n(float *p, size_t n, __m256 v)
{
    float b[8];
    _mm256_storeu_ps(b, v);
    memcpy(p, b, n * sizeof *p);
}
MS_V8 __m256 v8_fma(__m256 a, __m256 b, __m256 c)
{
    return _mm256_fmadd_ps(a, b, c);
}
MS_V8 __m256 v8_max(__m256 a, __m256 b)
{
    return _mm256_max_ps(a, b);
}
MS_V8 __m256 v8_min(__m256 a, __m256 b)
{
    return _mm256_min_ps(a, b);
}
MS_V8 __m256 v8_abs(__m256 a)
{
    return _mm256_andnot_ps(_mm256_set1_ps(-0.0f), a);
}
MS_V8 __m256 v8_sqrt(__m256 a)
{
    return _mm256_sqrt_ps(a);
}
MS_V8 __m256 v8_round(__m256 a) /* to nearest even */
{
    return _mm256_round_ps(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}
/* |a| with the sign of s */
MS_V8 __m256 v8_copysign(__m256 a, __m256 s)
{
    const __m256 m = _mm256_set1_ps(-0.0f);
    return _mm256_or_ps(_mm256_andnot_ps(m, a), _mm256_and_ps(m, s));
}
/* a < b ? y : n, n where either is NaN */
MS_V8 __m256 v8_sel_lt(__m256 a, __m256 b, __m256 y, __m256 n)
{
    return _mm256_blendv_ps(n, y, _mm256_cmp_ps(a, b, _CMP_LT_OQ));
}
/* a * 2^n for whole n in [-254, 254] */
MS_V8 __m256 v8_scale(__m256 a, __m256 n)
{
    const __m256i bias = _mm256_set1_epi32(127);
    __m256i k = _mm256_cvtps_epi32(n), k1 = _mm256_srai_epi32(k, 1), k2 = _mm256_sub_epi32(k, k1);
    __m256 s1 = _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_add_epi32(k1, bias), 23));
    __m256 s2 = _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_add_epi32(k2, bias), 23));
    return _mm256_mul_ps(_mm256_mul_ps(a, s1), s2);
}
/* 2^n, n in [-126, 127], out of n + 0x1.8p23 */
MS_V8 __m256 v8_pow2(__m256 t)
{
    const __m256i e = _mm256_slli_epi32(_mm256_castps_si256(t), 23);
    return _mm256_castsi256_ps(_mm256_add_epi32(e, _mm256_set1_epi32(0x3f800000)));
}
/* a / b, at most an ulp off; b and 1 / b are normal */
MS_V8 __m256 v8_quot(__m256 a, __m256 b)
{
    return _mm256_div_ps(a, b);
}
/* a = m * 2^e with m in [1, 2), for normal positive a */
MS_V8 __m256 v8_mant(__m256 a)
{
    const __m256 one = _mm256_set1_ps(1.0f);
    const __m256 m = _mm256_castsi256_ps(_mm256_set1_epi32(0x007fffff));
    return _mm256_or_ps(_mm256_and_ps(a, m), one);
}
MS_V8 __m256 v8_expo(__m256 a)
{
    __m256i e = _mm256_srli_epi32(_mm256_castps_si256(a), 23);
    return _mm256_cvtepi32_ps(_mm256_sub_epi32(e, _mm256_set1_epi32(127)));
}
/* The largest element; none may be NaN. */
MS_V8 float v8_top(__m256 a)
{
    __m128 s = _mm_max_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
    s = _mm_max_ps(s, _mm_movehl_ps(s, s));
    return _mm_cvtss_f32(_mm_max_ss(s, _mm_movehdup_ps(s)));
}
MS_V8 float v8_sum(__m256 a)
{
    __m128 s = _mm_add_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
    s = _mm_add_ps(s, _mm_movehl_ps(s, s));
    return _mm_cvtss_f32(_mm_add_ss(s, _mm_movehdup_ps(s)));
}
/* The sum in double, exact as far as that goes. */
MS_V8 double v8_sum_wide(__m256 a)
{
    __m256d s = _mm256_cvtps_pd(_mm256_castps256_ps128(a));
    s = _mm256_add_pd(s, _mm256_cvtps_pd(_mm256_extractf128_ps(a, 1)));
    __m128d t = _mm_add_pd(_mm256_castpd256_pd128(s), _mm256_extractf128_pd(s, 1));
    return _mm_cvtsd_f64(_mm_add_sd(t, _mm_unpackhi_pd(t, t)));
}

/* p[at[i]] where inside[i] is negative, 0 elsewhere: there nothing is read */
MS_V8 __m256 v8_pick(const float *p, const int32_t *at, const int32_t *inside)
{
    const __m256i i = _mm256_loadu_si256((const __m256i *)(const void *)at);
    const __m256 m = _mm256_loadu_ps((const float *)(const void *)inside);
    return _mm256_mask_i32gather_ps(_mm256_setzero_ps(), p, i, m, 4);
}

/* ---- 16 floats ---- */

MS_V16 __m512 v16_set(float a)
{
    return _mm512_set1_ps(a);
}
MS_V16 __m512 v16_load(const float *p)
{
    return _mm512_loadu_ps(p);
}
MS_V16 void v16_store(float *p, __m512 v)
{
    _mm512_storeu_ps(p, v);
}
MS_V16 __m512 v16_load_n(const float *p, size_t n)
{
    return _mm512_maskz_loadu_ps((__mmask16)((1u << n) - 1), p);
}
MS_V16 void v16_store_n(float *p, size_t n, __m512 v)
{
    _mm512_mask_storeu_ps(p, (__mmask16)((1u << n) - 1), v);
}
MS_V16 __m512 v16_fma(__m512 a, __m512 b, __m512 c)
{
    return _mm512_fmadd_ps(a, b, c);
}
MS_V16 __m512 v16_max(__m512 a, __m512 b)
{
    return _mm512_max_ps(a, b);
}
MS_V16 __m512 v16_min(__m512 a, __m512 b)
{
    return _mm512_min_ps(a, b);
}
MS_V16 __m512 v16_abs(__m512 a)
{
    return _mm512_andnot_ps(_mm512_set1_ps(-0.0f), a);
}
MS_V16 __m512 v16_sqrt(__m512 a)
{
    return _mm512_sqrt_ps(a);
}
MS_V16 __m512 v16_round(__m512 a)
{
    return _mm512_roundscale_ps(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}
MS_V16 __m512 v16_copysign(__m512 a, __m512 s)
{
    const __m512 m = _mm512_set1_ps(-0.0f);
    return _mm512_or_ps(_mm512_andnot_ps(m, a), _mm512_and_ps(m, s));
}
MS_V16 __m512 v16_sel_lt(__m512 a, __m512 b, __m512 y, __m512 n)
{
    return _mm512_mask_blend_ps(_mm512_cmp_ps_mask(a, b, _CMP_LT_OQ), n, y);
}
MS_V16 __m512 v16_scale(__m512 a, __m512 n)
{
    return _mm512_scalef_ps(a, n);
}
MS_V16 __m512 v16_pow2(__m512 t)
{
    const __m512i e = _mm512_slli_epi32(_mm512_castps_si512(t), 23);
    return _mm512_castsi512_ps(_mm512_add_epi32(e, _mm512_set1_epi32(0x3f800000)));
}
MS_V16 __m512 v16_quot(__m512 a, __m512 b) /* dividing 16 takes as long as 30 multiplications */
{
    const __m512 r = _mm512_rcp14_ps(b), q = _mm512_mul_ps(a, r);
    return _mm512_fmadd_ps(q, _mm512_fnmadd_ps(b, r, _mm512_set1_ps(1.0f)), q);
}
MS_V16 __m512 v16_mant(__m512 a)
{
    return _mm512_getmant_ps(a, _MM_MANT_NORM_1_2, _MM_MANT_SIGN_zero);
}
MS_V16 __m512 v16_expo(__m512 a)
{
    return _mm512_getexp_ps(a);
}
MS_V16 __m512 v16_pick(const float *p, const int32_t *at, const int32_t *inside)
{
    const __mmask16 m = _mm512_movepi32_mask(_mm512_loadu_si512(inside));
    return _mm512_mask_i32gather_ps(_mm512_setzero_ps(), m, _mm512_loadu_si512(at), p, 4);
}
MS_V16 float v16_top(__m512 a)
{
    return v8_top(_mm256_max_ps(_mm512_castps512_ps256(a), _mm512_extractf32x8_ps(a, 1)));
}
/* Pairwise in a fixed order, so that it is the same for every build. */
MS_V16 float v16_sum(__m512 a)
{
    return v8_sum(_mm256_add_ps(_mm512_castps512_ps256(a), _mm512_extractf32x8_ps(a, 1)));
}
MS_V16 double v16_sum_wide(__m512 a)
{
    __m512d s = _mm512_cvtps_pd(_mm512_castps512_ps256(a));
    s = _mm512_add_pd(s, _mm512_cvtps_pd(_mm512_extractf32x8_ps(a, 1)));
    __m256d t = _mm256_add_pd(_mm512_castpd512_pd256(s), _mm512_extractf64x4_pd(s, 1));
    __m128d u = _mm_add_pd(_mm256_castpd256_pd128(t), _mm256_extractf128_pd(t, 1));
    return _mm_cvtsd_f64(_mm_add_sd(u, _mm_unpackhi_pd(u, u)));
}

#endif
