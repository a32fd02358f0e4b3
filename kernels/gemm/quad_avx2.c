/* SPDX-License-Identifier: Apache-2.0 */
/* quad_avx2.c - see quad.h: tiles of up to 6 rows x 16 pixels, of bytes with AVX-VNNI and of 16-bit
 * numbers with AVX2 alone, whose products of bytes would saturate. */
#include "kernels/gemm/dot.h"
#include "kernels/gemm/quad.h"

enum { LANES = 8, VECS = 2, WIDTH = LANES * VECS };

#define DOT_WORDS(acc_, x_, w_) acc_ = _mm256_add_epi32(acc_, _mm256_madd_epi16(x_, w_))

#define TILE(TARGET, FORM, DOT, MR, NV)                                                            \
    TARGET static void FORM##_tile_##MR##x##NV(size_t steps, const size_t *at, const uint8_t *x,   \
                                               const uint8_t *w, const int32_t *first, int32_t *c) \
    {                                                                                              \
        __m256i acc[MR][NV], v[NV];                                                                \
        MS_UNROLL for (int i = 0; i < MR; i++) MS_UNROLL for (int j = 0; j < NV; j++) acc[i][j] =  \
            _mm256_set1_epi32(first[i]);                                                           \
        for (; steps > 0; steps--, at++, w += 4 * MR) {                                            \
            const uint8_t *p = x + *at;                                                            \
            MS_UNROLL for (int j = 0; j < NV; j++) v[j] =                                          \
                _mm256_loadu_si256((const void *)(p + 32 * j));                                    \
            MS_UNROLL for (int i = 0; i < MR; i++)                                                 \
            {                                                                                      \
                const __m256i s = _mm256_set1_epi32(ms_four_bytes(w + 4 * i));                     \
                MS_UNROLL for (int j = 0; j < NV; j++) DOT(acc[i][j], v[j], s);                    \
            }                                                                                      \
        }                                                                                          \
        MS_UNROLL for (int i = 0; i < MR; i++) MS_UNROLL for (int j = 0; j < NV; j++)              \
            _mm256_storeu_si256((void *)(c + i * WIDTH + LANES * j), acc[i][j]);                   \
    }
#define TILES(MR)                                                                                  \
    TILE(MS_TARGET_AVXVNNI, bytes, MS_DOT_256, MR, 1)                                              \
    TILE(MS_TARGET_AVXVNNI, bytes, MS_DOT_256, MR, 2)                                              \
    TILE(MS_TARGET_AVX2, words, DOT_WORDS, MR, 1)                                                  \
    TILE(MS_TARGET_AVX2, words, DOT_WORDS, MR, 2)
TILES(1)
TILES(2)
TILES(3)
TILES(4)
TILES(5)
TILES(6)

typedef void (*tile_fn)(size_t steps, const size_t *at, const uint8_t *x, const uint8_t *w,
                        const int32_t *first, int32_t *c);
#define ROW(FORM, MR)                                                                              \
    {                                                                                              \
        FORM##_tile_##MR##x1, FORM##_tile_##MR##x2                                                 \
    }
#define FORM(FORM, GROUP, OBJECT)                                                                  \
    static const tile_fn FORM##_tiles[MS_QUAD_ROWS][VECS] = {                                      \
        ROW(FORM, 1), ROW(FORM, 2), ROW(FORM, 3), ROW(FORM, 4), ROW(FORM, 5), ROW(FORM, 6)};       \
    static void FORM##_sums(size_t m, size_t vecs, size_t steps, const size_t *at,                 \
                            const uint8_t *x, const uint8_t *w, const int32_t *first, int32_t *c)  \
    {                                                                                              \
        FORM##_tiles[m - 1][vecs - 1](steps, at, x, w, first, c);                                  \
    }                                                                                              \
    const struct ms_quad_form OBJECT = {                                                           \
        .group = GROUP, .lanes = LANES, .width = WIDTH, .sums = FORM##_sums}
FORM(bytes, 4, ms_quad_avxvnni);
FORM(words, 2, ms_quad_avx2);
