/* SPDX-License-Identifier: Apache-2.0 */
/* gemm_int_avx2.c - tiles of up to 6 rows x 16 columns, of four bytes with AVX-VNNI and of pairs of
 * 16-bit numbers with AVX2 alone, whose products of bytes would saturate. */
#include "kernels/gemm/dot.h"
#include "kernels/gemm/gemm_int.h"

enum { ROWS = 6, VECS = 2, COLS = 8 * VECS };

/* acc += products of pairs of 16-bit numbers. In assembly, for gcc 12 makes more of them at a time
 * than registers are left. */
#define DOT_WORDS(acc_, a_, b_)                                                                    \
    do {                                                                                           \
        __m256i product_;                                                                          \
        __asm__("vpmaddwd %3, %2, %1\n\tvpaddd %1, %0, %0"                                         \
                : "+x"(acc_), "=&x"(product_)                                                      \
                : "x"(a_), "x"(b_));                                                               \
    } while (0)

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

#define TILE(TARGET, FORM, DOT, MR)                                                                \
    TARGET static void FORM##_tile_##MR##x2(size_t n, size_t w, size_t groups, const uint8_t *a,   \
                                            size_t row, const uint8_t *b, const int32_t *add,      \
                                            const int32_t *zb, const int32_t *za,                  \
                                            const int32_t *sum, int32_t *c, size_t ldc)            \
    {                                                                                              \
        __m256i acc[MR][VECS], v[VECS];                                                            \
        MS_UNROLL for (size_t i = 0; i < MR; i++) MS_UNROLL for (size_t j = 0; j < VECS; j++)      \
            acc[i][j] = _mm256_setzero_si256();                                                    \
        for (; groups > 0; groups--, a += 4, b += 4 * w) {                                         \
            MS_UNROLL for (size_t j = 0; j < VECS; j++) v[j] =                                     \
                _mm256_loadu_si256((const void *)(b + 32 * j));                                    \
            MS_UNROLL for (size_t i = 0; i < MR; i++)                                              \
            {                                                                                      \
                const __m256i x = _mm256_set1_epi32(ms_four_bytes(a + i * row));                   \
                MS_UNROLL for (size_t j = 0; j < VECS; j++) DOT(acc[i][j], x, v[j]);               \
            }                                                                                      \
        }                                                                                          \
        MS_UNROLL for (size_t i = 0; i < MR; i++) MS_UNROLL for (size_t j = 0; j < VECS; j++)      \
        {                                                                                          \
            const __m256i p = _mm256_loadu_si256((const void *)(add + 8 * j));                     \
            const __m256i z = _mm256_loadu_si256((const void *)(zb + 8 * j));                      \
            __m256i y =                                                                            \
                _mm256_add_epi32(acc[i][j], _mm256_mullo_epi32(_mm256_set1_epi32(za[i]), p));      \
            y = _mm256_sub_epi32(y, _mm256_mullo_epi32(_mm256_set1_epi32(sum[i]), z));             \
            if (n > 8 * j)                                                                         \
                store(c + i * ldc + 8 * j, y, n - 8 * j);                                          \
        }                                                                                          \
    }
#define TILES(MR)                                                                                  \
    TILE(MS_TARGET_AVXVNNI, bytes, MS_DOT_256, MR) TILE(MS_TARGET_AVX2, words, DOT_WORDS, MR)
TILES(1)
TILES(2)
TILES(3)
TILES(4)
TILES(5)
TILES(6)

typedef void (*tile_fn)(size_t n, size_t w, size_t groups, const uint8_t *a, size_t row,
                        const uint8_t *b, const int32_t *add, const int32_t *zb, const int32_t *za,
                        const int32_t *sum, int32_t *c, size_t ldc);

static void multiply(const tile_fn tiles[ROWS], size_t m, size_t n, size_t w, size_t groups,
                     const struct ms_int_rows *a, const void *b, const int32_t *add,
                     const int32_t *zb, int32_t *c, size_t ldc)
{
    for (size_t j = 0; j < n; j += COLS)
        for (size_t i = 0; i < m; i += ROWS) {
            const size_t rows = m - i < ROWS ? m - i : ROWS;
            tiles[rows - 1](n - j, w, groups, (const uint8_t *)a->a + i * a->row, a->row,
                            (const uint8_t *)b + 4 * j, add + j, zb + j, a->za + i, a->sum + i,
                            c + i * ldc + j, ldc);
        }
}

#define MULTIPLY(FORM)                                                                             \
    static void FORM##_multiply(size_t m, size_t n, size_t w, size_t groups,                       \
                                const struct ms_int_rows *a, const void *b, const int32_t *add,    \
                                const int32_t *zb, int32_t *c, size_t ldc)                         \
    {                                                                                              \
        static const tile_fn tiles[ROWS] = {FORM##_tile_1x2, FORM##_tile_2x2, FORM##_tile_3x2,     \
                                            FORM##_tile_4x2, FORM##_tile_5x2, FORM##_tile_6x2};    \
        multiply(tiles, m, n, w, groups, a, b, add, zb, c, ldc);                                   \
    }
MULTIPLY(bytes)
MULTIPLY(words)

const struct ms_int_form ms_int_avxvnni = {
    .group = 4, .bytes = 1, .moved = true, .multiply = bytes_multiply};
const struct ms_int_form ms_int_avx2 = {.group = 2, .bytes = 2, .multiply = words_multiply};
