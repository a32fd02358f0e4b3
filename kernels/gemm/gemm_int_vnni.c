/* SPDX-License-Identifier: Apache-2.0 */
/* gemm_int_vnni.c - four bytes at a time (AVX-512 VNNI): tiles of up to 8 rows x 48 columns. */
#include "kernels/gemm/dot.h"
#include "kernels/gemm/gemm_int.h"

enum { ROWS = 8 };

#define TILE(MR, NV)                                                                               \
    MS_TARGET_VNNI static void tile_##MR##x##NV(                                                   \
        size_t w, size_t groups, const uint8_t *a, size_t row, const int8_t *b,                    \
        const int32_t *add, const int32_t *zb, const int32_t *za, const int32_t *sum, int32_t *c,  \
        size_t ldc, __mmask16 last)                                                                \
    {                                                                                              \
        __m512i acc[MR][NV], v[NV];                                                                \
        MS_UNROLL for (int i = 0; i < MR; i++) MS_UNROLL for (int j = 0; j < NV; j++) acc[i][j] =  \
            _mm512_setzero_si512();                                                                \
        for (; groups > 0; groups--, a += 4, b += 4 * w) {                                         \
            MS_UNROLL for (int j = 0; j < NV; j++) v[j] = _mm512_loadu_si512(b + 64 * j);          \
            MS_UNROLL for (int i = 0; i < MR; i++)                                                 \
            {                                                                                      \
                const __m512i x = _mm512_set1_epi32(ms_four_bytes(a + i * row));                   \
                MS_UNROLL for (int j = 0; j < NV; j++) MS_DOT_512(acc[i][j], x, v[j]);             \
            }                                                                                      \
        }                                                                                          \
        MS_UNROLL for (int j = 0; j < NV; j++) v[j] = _mm512_loadu_si512(add + 16 * j);            \
        MS_UNROLL for (int i = 0; i < MR; i++) MS_UNROLL for (int j = 0; j < NV; j++) acc[i][j] =  \
            _mm512_add_epi32(acc[i][j], _mm512_mullo_epi32(_mm512_set1_epi32(za[i]), v[j]));       \
        MS_UNROLL for (int j = 0; j < NV; j++) v[j] = _mm512_loadu_si512(zb + 16 * j);             \
        MS_UNROLL for (int i = 0; i < MR; i++) MS_UNROLL for (int j = 0; j < NV; j++) acc[i][j] =  \
            _mm512_sub_epi32(acc[i][j], _mm512_mullo_epi32(_mm512_set1_epi32(sum[i]), v[j]));      \
        MS_UNROLL for (int i = 0; i < MR; i++) MS_UNROLL for (int j = 0; j < NV; j++)              \
            _mm512_mask_storeu_epi32(c + i * ldc + 16 * j, j + 1 < NV ? (__mmask16)0xffff : last,  \
                                     acc[i][j]);                                                   \
    }
#define TILES(MR) TILE(MR, 1) TILE(MR, 2) TILE(MR, 3)
TILES(1)
TILES(2)
TILES(3)
TILES(4)
TILES(5)
TILES(6)
TILES(7)
TILES(8)

typedef void (*tile_fn)(size_t w, size_t groups, const uint8_t *a, size_t row, const int8_t *b,
                        const int32_t *add, const int32_t *zb, const int32_t *za,
                        const int32_t *sum, int32_t *c, size_t ldc, __mmask16 last);
#define ROW(MR)                                                                                    \
    {                                                                                              \
        tile_##MR##x1, tile_##MR##x2, tile_##MR##x3                                                \
    }
static const tile_fn tiles[ROWS][3] = {ROW(1), ROW(2), ROW(3), ROW(4),
                                       ROW(5), ROW(6), ROW(7), ROW(8)};

static void multiply(size_t m, size_t n, size_t w, size_t groups, const struct ms_int_rows *a,
                     const void *b, const int32_t *add, const int32_t *zb, int32_t *c, size_t ldc)
{
    const __mmask16 last = (__mmask16)(0xffff >> (w - n));

    for (size_t i = 0; i < m; i += ROWS) {
        const size_t rows = m - i < ROWS ? m - i : ROWS;
        tiles[rows - 1][w / 16 - 1](w, groups, (const uint8_t *)a->a + i * a->row, a->row, b, add,
                                    zb, a->za + i, a->sum + i, c + i * ldc, ldc, last);
    }
}

const struct ms_int_form ms_int_vnni = {
    .group = 4, .bytes = 1, .moved = true, .multiply = multiply};
