/* SPDX-License-Identifier: Apache-2.0 */
/* qlinear.c - see qlinear.h. */
#include "kernels/qlinear.h"

#include <math.h>

#include "kernels/quant.h"
#include "kernels/vec.h"

enum { COLS = 64 };

void ms_qlinear_of(struct ms_qlinear *q, const struct ms_task *t, bool w_rows, enum ms_isa isa)
{
    const struct ms_tensor *xs = t->in[MS_QL_XS], *ws = t->in[MS_QL_WS];
    double lo, hi;

    *q = (struct ms_qlinear){
        .t = *t,
        .in = {t->in[MS_QL_X], t->in[MS_QL_W], t->in[MS_QL_XZ], t->in[MS_QL_WZ]},
        .row = w_rows ? ws : xs,
        .col = w_rows ? xs : ws,
        .bias = t->n_in > MS_QL_B ? t->in[MS_QL_B] : NULL,
        .isa = isa};
    q->t.in = q->in;
    q->t.n_in = 4;
    if (!t->in[MS_QL_YS]->data || !t->in[MS_QL_YZ]->data) /* shapes alone are asked for */
        return;
    ms_quant_range(t->out[0]->dtype, &lo, &hi);
    q->scale = (float)ms_tensor_f64(t->in[MS_QL_YS], 0);
    q->zero = ms_quant_at(t->in[MS_QL_YZ], 0);
    q->lo = (int32_t)lo;
    q->hi = (int32_t)hi;
}

/* n sums of a row; `step` numbers from a factor to the next, 0: one for all. The zero point is
 * added to what lies in range, so that no conversion overflows; NaN (of scales that are none) is
 * the lowest number. */
static void row_any(const struct ms_qlinear *q, const int32_t *acc, const float *factor,
                    size_t step, int32_t bias, size_t n, uint8_t *y)
{
    const float lo = (float)(q->lo - q->zero), hi = (float)(q->hi - q->zero);

    for (size_t j = 0; j < n; j++) {
        float v = (float)(int32_t)((uint32_t)acc[j] + (uint32_t)bias) * factor[j * step];
        v = v > lo ? v : lo;
        v = v < hi ? v : hi;
        y[j] = (uint8_t)((int32_t)rintf(v) + q->zero);
    }
}

MS_TARGET_AVX512 static void row_avx512(const struct ms_qlinear *q, const int32_t *acc,
                                        const float *factor, size_t step, int32_t bias, size_t n,
                                        uint8_t *y)
{
    const __m512 lo = _mm512_set1_ps((float)(q->lo - q->zero));
    const __m512 hi = _mm512_set1_ps((float)(q->hi - q->zero));

    for (size_t j = 0; j < n; j += 16) {
        const __mmask16 some = (__mmask16)(n - j < 16 ? (1u << (n - j)) - 1 : 0xffff);
        const __m512i sum =
            _mm512_add_epi32(_mm512_maskz_loadu_epi32(some, acc + j), _mm512_set1_epi32(bias));
        const __m512 f = step ? _mm512_maskz_loadu_ps(some, factor + j) : _mm512_set1_ps(*factor);
        __m512 v = _mm512_mul_ps(_mm512_cvtepi32_ps(sum), f);
        v = _mm512_min_ps(_mm512_max_ps(v, lo), hi);
        _mm512_mask_cvtepi32_storeu_epi8(
            y + j, some, _mm512_add_epi32(_mm512_cvtps_epi32(v), _mm512_set1_epi32(q->zero)));
    }
}

/* The low bytes of eight numbers. */
MS_V8 uint64_t low_bytes(__m256i v)
{
    const __m256i first = _mm256_set1_epi64x(0x0c080400);
    const __m256i p = _mm256_shuffle_epi8(v, first); /* four of each half, twice */
    const uint32_t a = (uint32_t)_mm_cvtsi128_si32(_mm256_castsi256_si128(p));
    const uint32_t b = (uint32_t)_mm_cvtsi128_si32(_mm256_extracti128_si256(p, 1));

    return a | (uint64_t)b << 32;
}

MS_TARGET_AVX2 static void row_avx2(const struct ms_qlinear *q, const int32_t *acc,
                                    const float *factor, size_t step, int32_t bias, size_t n,
                                    uint8_t *y)
{
    const __m256 lo = _mm256_set1_ps((float)(q->lo - q->zero));
    const __m256 hi = _mm256_set1_ps((float)(q->hi - q->zero));
    size_t j = 0;

    for (; j + 8 <= n; j += 8) {
        const __m256i sum =
            _mm256_add_epi32(_mm256_loadu_si256((const void *)(acc + j)), _mm256_set1_epi32(bias));
        const __m256 f = step ? _mm256_loadu_ps(factor + j) : _mm256_set1_ps(*factor);
        __m256 v = _mm256_mul_ps(_mm256_cvtepi32_ps(sum), f);
        v = _mm256_min_ps(_mm256_max_ps(v, lo), hi);
        const uint64_t bytes =
            low_bytes(_mm256_add_epi32(_mm256_cvtps_epi32(v), _mm256_set1_epi32(q->zero)));
        memcpy(y + j, &bytes, sizeof bytes);
    }
    if (j < n)
        row_any(q, acc + j, factor + j * step, step, bias, n - j, y + j);
}

/* See ms_qlinear_line: packing saturates, and does so with NaN and what is too small as the clamps
 * above do. */
MS_TARGET_AVX512 static void line_avx512(const struct ms_qlinear *q, const int32_t *acc,
                                         const float *factor, size_t step, size_t n, uint8_t *y)
{
    const __m512i order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
    const __m512 hi = _mm512_set1_ps((float)(q->hi - q->zero)), one = _mm512_set1_ps(*factor);
    const __m512i zero = _mm512_set1_epi16((int16_t)q->zero);
    const __mmask64 some = n < 64 ? (UINT64_C(1) << n) - 1 : UINT64_MAX;
    __m512i v[4];

    MS_UNROLL for (int i = 0; i < 4; i++)
    {
        const __m512 sum = _mm512_cvtepi32_ps(_mm512_loadu_si512(acc + 16 * i));
        const __m512 f = step ? _mm512_loadu_ps(factor + 16 * i) : one;
        v[i] = _mm512_cvtps_epi32(_mm512_min_ps(hi, _mm512_mul_ps(sum, f)));
    }
    const __m512i a = _mm512_adds_epi16(_mm512_packs_epi32(v[0], v[1]), zero);
    const __m512i b = _mm512_adds_epi16(_mm512_packs_epi32(v[2], v[3]), zero);
    const __m512i bytes = q->lo < 0 ? _mm512_packs_epi16(a, b) : _mm512_packus_epi16(a, b);
    _mm512_mask_storeu_epi8(y, some, _mm512_permutexvar_epi32(order, bytes));
}

/* The same, 16 at a time. */
MS_TARGET_AVX2 static void line_avx2(const struct ms_qlinear *q, const int32_t *acc,
                                     const float *factor, size_t step, size_t n, uint8_t *y)
{
    const __m256 hi = _mm256_set1_ps((float)(q->hi - q->zero)), one = _mm256_set1_ps(*factor);
    const __m256i zero = _mm256_set1_epi16((int16_t)q->zero);
    uint8_t rest[16];

    for (size_t j = 0; j < n; j += 16) {
        __m256i v[2];
        MS_UNROLL for (int i = 0; i < 2; i++)
        {
            const __m256i sum = _mm256_loadu_si256((const void *)(acc + j + 8 * i));
            const __m256 f = step ? _mm256_loadu_ps(factor + j + 8 * i) : one;
            const __m256 product = _mm256_mul_ps(_mm256_cvtepi32_ps(sum), f);
            v[i] = _mm256_cvtps_epi32(_mm256_min_ps(hi, product));
        }
        const __m256i words = _mm256_adds_epi16(_mm256_packs_epi32(v[0], v[1]), zero);
        const __m256i bytes =
            q->lo < 0 ? _mm256_packs_epi16(words, words) : _mm256_packus_epi16(words, words);
        const __m128i all =
            _mm_unpacklo_epi32(_mm256_castsi256_si128(bytes), _mm256_extracti128_si256(bytes, 1));
        _mm_storeu_si128((void *)(n - j < 16 ? rest : y + j), all);
        if (n - j < 16)
            memcpy(y + j, rest, n - j);
    }
}

static float scale_at(const struct ms_tensor *s, size_t i)
{
    const size_t at = ms_tensor_count(s) > 1 ? i : 0;

    return s->dtype == MS_F32 ? ((const float *)s->data)[at] : (float)ms_tensor_f64(s, at);
}

static float factor_at(const struct ms_qlinear *q, size_t row, size_t col)
{
    return scale_at(q->row, row) * scale_at(q->col, col) / q->scale;
}

typedef void (*row_fn)(const struct ms_qlinear *q, const int32_t *acc, const float *factor,
                       size_t step, int32_t bias, size_t n, uint8_t *y);

static row_fn row_of(const struct ms_qlinear *q)
{
    return q->isa == MS_ISA_AVX512 ? row_avx512 : q->isa == MS_ISA_AVX2 ? row_avx2 : row_any;
}

void ms_qlinear_put(const struct ms_qlinear *q, const int32_t *acc, size_t lda, size_t m, size_t n,
                    size_t row, size_t col, uint8_t *y, size_t ldy)
{
    const int32_t *bias = q->bias ? q->bias->data : NULL;
    const bool rows = ms_tensor_count(q->row) > 1, columns = ms_tensor_count(q->col) > 1;
    const row_fn put = row_of(q);
    float factor[COLS];

    for (size_t j = 0; j < n; j += COLS) {
        const size_t cols = n - j < COLS ? n - j : COLS;
        for (size_t i = 0; i < m; i++) {
            for (size_t k = 0; (i == 0 || rows) && k < (columns ? cols : 1); k++)
                factor[k] = factor_at(q, row + i, col + j + k);
            put(q, acc + i * lda + j, factor, columns, bias ? bias[row + i] : 0, cols,
                y + i * ldy + j);
        }
    }
}

float ms_qlinear_factor(const struct ms_qlinear *q, size_t row)
{
    return factor_at(q, row, 0);
}

void ms_qlinear_line(const struct ms_qlinear *q, const int32_t *acc, const float *factor,
                     size_t step, size_t n, uint8_t *y)
{
    if (q->isa == MS_ISA_AVX512)
        line_avx512(q, acc, factor, step, n, y);
    else if (q->isa == MS_ISA_AVX2)
        line_avx2(q, acc, factor, step, n, y);
    else
        row_any(q, acc, factor, step, 0, n, y);
}

static ms_code check_count(struct ms_infer *c, int i, int64_t want)
{
    const struct ms_shape *s = &c->in[i].shape;
    size_t n;

    if (!ms_shape_count(s, &n) || n == 1 || (want != 1 && (want < 0 || n == (size_t)want)))
        return MS_OK;
    return ms_fail(c->err, MS_INVALID_ARGUMENT,
                   "input %d has %zu elements, 1 or %lld are supported", i, n, (long long)want);
}

ms_code ms_qlinear_check(struct ms_infer *c, int64_t rows, int64_t columns)
{
    static const int zero_of[][2] = {{MS_QL_XZ, MS_QL_X}, {MS_QL_WZ, MS_QL_W}};

    for (int i = 0; i < 2; i++)
        if (c->in[zero_of[i][0]].dtype != c->in[zero_of[i][1]].dtype)
            return ms_fail(c->err, MS_INVALID_ARGUMENT, "input %d is %s, input %d %s",
                           zero_of[i][0], ms_dtype_name(c->in[zero_of[i][0]].dtype), zero_of[i][1],
                           ms_dtype_name(c->in[zero_of[i][1]].dtype));
    MS_TRY(check_count(c, MS_QL_XS, rows));
    MS_TRY(check_count(c, MS_QL_XZ, rows));
    MS_TRY(check_count(c, MS_QL_WS, columns));
    MS_TRY(check_count(c, MS_QL_WZ, columns));
    MS_TRY(check_count(c, MS_QL_YS, 1));
    MS_TRY(check_count(c, MS_QL_YZ, 1));
    c->out[0].dtype = c->in[MS_QL_YZ].dtype;
    return MS_OK;
}
