/* SPDX-License-Identifier: Apache-2.0 */
/* gemm_int_vnni.c - four bytes at a time (AVX-512 VNNI): tiles of up to 8 rows x 48 columns. */
#include "kernels/gemm/gemm_int.h"
#include "kernels/vec.h"

#ifdef __clang__
#define TARGET __attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,avx512vnni")))
#else
#define TARGET                                                                                     \
    __attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,avx512vnni,prefer-vector-width="     \
                          "512")))
#endif

enum { ROWS = 8 };

#define TILE(MR, NV)                                                                               \
    TARGET static void tile_##MR##_##NV(size_t n, size_t w, size_t groups, const uint8_t *a,       \
                                        size_t row, const int8_t *b, const int32_t *add,           \
                                        const int32_t *zb, const int32_t *za, const int32_t *sum,  \
                                        int32_t *c, size_t ldc)                                    \
    {                                                                                              \
        __m512i acc[MR][NV];                                                                       \
        MS_UNROLL for (int i = 0; i < MR; i++) MS_UNROLL for (int j = 0; j < NV; j++) acc[i][j] =  \
            _mm512_setzero_si512();                                                                \
        for (size_t q = 0; q < groups; q++, b += 4 * w) {                                          \
            __m512i v[NV];                                                                         \
            MS_UNROLL for (int j = 0; j < NV; j++) v[j] = _mm512_loadu_si512(b + 64 * j);          \
            MS_UNROLL for (int i = 0; i < MR; i++)                                                 \
            {                                                                                      \
                int32_t quad;                                                                      \
                memcpy(&quad, a + i * row + 4 * q, sizeof quad);                                   \
                const __m512i x = _mm512_set1_epi32(quad);                                         \
                MS_UNROLL for (int j = 0; j < NV; j++) acc[i][j] =                                 \
                    _mm512_dpbusd_epi32(acc[i][j], x, v[j]);                                       \
            }                                                                                      \
        }                                                                                          \
        MS_UNROLL for (int i = 0; i < MR; i++) MS_UNROLL for (int j = 0; j < NV; j++)              \
        {                                                                                          \
            const size_t at = 16 * (size_t)j, left = n > at ? n - at : 0;                          \
            const __mmask16 some = (__mmask16)(left >= 16 ? 0xffffu : (1u << left) - 1u);          \
            __m512i y =                                                                            \
                _mm512_mullo_epi32(_mm512_set1_epi32(za[i]), _mm512_loadu_si512(add + at));        \
            y = _mm512_add_epi32(acc[i][j], y);                                                    \
            y = _mm512_sub_epi32(                                                                  \
                y, _mm512_mullo_epi32(_mm512_set1_epi32(sum[i]), _mm512_loadu_si512(zb + at)));    \
            _mm512_mask_storeu_epi32(c + i * ldc + at, some, y);                                   \
        }                                                                                          \
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

typedef void (*tile_fn)(size_t n, size_t w, size_t groups, const uint8_t *a, size_t row,
                        const int8_t *b, const int32_t *add, const int32_t *zb, const int32_t *za,
                        const int32_t *sum, int32_t *c, size_t ldc);
#define ROW(MR)                                                                                    \
    {                                                                                              \
        tile_##MR##_1, tile_##MR##_2, tile_##MR##_3                                                \
    }
static const tile_fn tiles[ROWS][3] = {ROW(1), ROW(2), ROW(3), ROW(4),
                                       ROW(5), ROW(6), ROW(7), ROW(8)};

static void multiply(size_t m, size_t n, size_t w, size_t groups, const struct ms_int_rows *a,
                     const void *b, const int32_t *add, const int32_t *zb, int32_t *c, size_t ldc)
{
    for (size_t i = 0; i < m; i += ROWS) {
        const size_t rows = m - i < ROWS ? m - i : ROWS;
        tiles[rows - 1][w / 16 - 1](n, w, groups, (const uint8_t *)a->a + i * a->row, a->row, b,
                                    add, zb, a->za + i, a->sum + i, c + i * ldc, ldc);
    }
}

const struct ms_int_form ms_int_vnni = {
    .group = 4, .bytes = 1, .moved = true, .multiply = multiply};
