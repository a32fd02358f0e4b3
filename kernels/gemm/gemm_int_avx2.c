/* SPDX-License-Identifier: Apache-2.0 */
/* gemm_int_avx2.c - pairs of 16-bit numbers: tiles of up to 4 rows x 16 columns. */
#include "kernels/gemm/gemm_int.h"
#include "kernels/vec.h"

enum { ROWS = 4, VECS = 2, COLS = 8 * VECS };

MS_V8 void store(int32_t *c, __m256i v, size_t n)
{
    int32_t rest[8];

    if (n >= 8) {
        _mm256_storeu_si256((void *)c, v);
        return;
    }
    _mm256_storeu_si256((void *)rest, v);
    memcpy(c, rest, n * sizeof *c);
}

#define TILE(MR)                                                                                   \
    MS_TARGET_AVX2 static void tile_##MR(size_t n, size_t w, size_t groups, const int16_t *a,      \
                                         size_t row, const int16_t *b, const int32_t *add,         \
                                         const int32_t *zb, const int32_t *za, const int32_t *sum, \
                                         int32_t *c, size_t ldc)                                   \
    {                                                                                              \
        __m256i acc[MR][VECS];                                                                     \
        MS_UNROLL for (int i = 0; i < MR; i++) MS_UNROLL for (int j = 0; j < VECS; j++)            \
            acc[i][j] = _mm256_setzero_si256();                                                    \
        for (size_t q = 0; q < groups; q++, b += 2 * w) {                                          \
            __m256i v[VECS];                                                                       \
            MS_UNROLL for (int j = 0; j < VECS; j++) v[j] =                                        \
                _mm256_loadu_si256((const void *)(b + 16 * j));                                    \
            MS_UNROLL for (int i = 0; i < MR; i++)                                                 \
            {                                                                                      \
                int32_t pair;                                                                      \
                memcpy(&pair, a + i * row + 2 * q, sizeof pair);                                   \
                const __m256i x = _mm256_set1_epi32(pair);                                         \
                MS_UNROLL for (int j = 0; j < VECS; j++) acc[i][j] =                               \
                    _mm256_add_epi32(acc[i][j], _mm256_madd_epi16(x, v[j]));                       \
            }                                                                                      \
        }                                                                                          \
        MS_UNROLL for (int i = 0; i < MR; i++) MS_UNROLL for (int j = 0; j < VECS; j++)            \
        {                                                                                          \
            const __m256i p = _mm256_loadu_si256((const void *)(add + 8 * j));                     \
            const __m256i z = _mm256_loadu_si256((const void *)(zb + 8 * j));                      \
            __m256i y =                                                                            \
                _mm256_add_epi32(acc[i][j], _mm256_mullo_epi32(_mm256_set1_epi32(za[i]), p));      \
            y = _mm256_sub_epi32(y, _mm256_mullo_epi32(_mm256_set1_epi32(sum[i]), z));             \
            if (n > 8 * (size_t)j)                                                                 \
                store(c + i * ldc + 8 * (size_t)j, y, n - 8 * (size_t)j);                          \
        }                                                                                          \
    }
TILE(1)
TILE(2)
TILE(3)
TILE(4)

typedef void (*tile_fn)(size_t n, size_t w, size_t groups, const int16_t *a, size_t row,
                        const int16_t *b, const int32_t *add, const int32_t *zb, const int32_t *za,
                        const int32_t *sum, int32_t *c, size_t ldc);

static void multiply(size_t m, size_t n, size_t w, size_t groups, const struct ms_int_rows *a,
                     const void *b, const int32_t *add, const int32_t *zb, int32_t *c, size_t ldc)
{
    static const tile_fn tiles[] = {tile_1, tile_2, tile_3, tile_4};
    const size_t row = a->row / sizeof(int16_t);

    for (size_t i = 0; i < m; i += ROWS) {
        const size_t rows = m - i < ROWS ? m - i : ROWS;
        for (size_t j = 0; j < n; j += COLS)
            tiles[rows - 1](n - j, w, groups, (const int16_t *)a->a + i * row, row,
                            (const int16_t *)b + 2 * j, add + j, zb + j, a->za + i, a->sum + i,
                            c + i * ldc + j, ldc);
    }
}

const struct ms_int_form ms_int_avx2 = {.group = 2, .bytes = 2, .multiply = multiply};
