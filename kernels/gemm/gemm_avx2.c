/* SPDX-License-Identifier: Apache-2.0 */
/* gemm_avx2.c - tiles of up to 4 rows x 3 vectors: 12 accumulators, 3 of B, one broadcast of A, all
 * 16 registers. A panel is done in halves of 24, or 16 columns. */
#include "kernels/gemm/gemm.h"
#include "kernels/vec_avx2.h"
#include "kernels/gemm/tail.inc"

typedef void (*tile_fn)(size_t k, const float *a, size_t rs, size_t ks, const float *b, size_t ldb,
                        float *c, size_t ldc, size_t n, bool resume, const char *ahead,
                        size_t step);

MS_TARGET_AVX2 static inline __m256 load_some(const float *p, size_t at, size_t n)
{
    return at + 8 <= n ? _mm256_loadu_ps(p + at)
           : at < n    ? v8_load_n(p + at, n - at)
                       : _mm256_setzero_ps();
}

/* n columns of C are written, n <= 8 NV. Each step asks for what lies ahead and goes on by `step`
 * bytes there. */
#define TILE(MR, NV)                                                                               \
    MS_TARGET_AVX2 static void tile_##MR##_##NV(                                                   \
        size_t k, const float *a, size_t rs, size_t ks, const float *b, size_t ldb, float *c,      \
        size_t ldc, size_t n, bool resume, const char *ahead, size_t step)                         \
    {                                                                                              \
        __m256 acc[MR][NV];                                                                        \
        MS_UNROLL for (int i = 0; i < MR; i++) MS_UNROLL for (int j = 0; j < NV; j++) acc[i][j] =  \
            resume ? load_some(c + i * ldc, (size_t)j * 8, n) : _mm256_setzero_ps();               \
        for (; k > 0; k--, a += ks, b += ldb, ahead += step) {                                     \
            _mm_prefetch(ahead, _MM_HINT_T1);                                                      \
            __m256 v[NV];                                                                          \
            MS_UNROLL for (int j = 0; j < NV; j++) v[j] = _mm256_loadu_ps(b + 8 * j);              \
            MS_UNROLL for (int i = 0; i < MR; i++)                                                 \
            {                                                                                      \
                __m256 x = _mm256_broadcast_ss(a + i * rs);                                        \
                MS_UNROLL for (int j = 0; j < NV; j++) acc[i][j] =                                 \
                    _mm256_fmadd_ps(x, v[j], acc[i][j]);                                           \
            }                                                                                      \
        }                                                                                          \
        MS_UNROLL for (int i = 0; i < MR; i++) MS_UNROLL for (int j = 0; j < NV; j++)              \
        {                                                                                          \
            size_t at = (size_t)j * 8;                                                             \
            if (at + 8 <= n)                                                                       \
                _mm256_storeu_ps(c + i * ldc + at, acc[i][j]);                                     \
            else if (at < n)                                                                       \
                v8_store_n(c + i * ldc + at, n - at, acc[i][j]);                                   \
        }                                                                                          \
    }
#define TILES(MR) TILE(MR, 2) TILE(MR, 3)
TILES(1)
TILES(2)
TILES(3)
TILES(4)

#define ROW(MR)                                                                                    \
    {                                                                                              \
        tile_##MR##_2, tile_##MR##_3                                                               \
    }
static const tile_fn tiles[4][2] = {ROW(1), ROW(2), ROW(3), ROW(4)};

MS_TARGET_AVX2 void ms_gemm_panel_avx2(size_t m, size_t n, size_t k, const float *a, size_t rs,
                                       size_t ks, const float *b, float *c, size_t ldc,
                                       const struct ms_gemm_tail *tail, size_t i, size_t j)
{
    const size_t w = ms_gemm_width(n), cols = w == MS_GEMM_NR ? 24 : 16;
    const size_t tiles_all = (m + 3) / 4 * ((n + cols - 1) / cols);
    const char *ahead = (const char *)(tail->ask ? tail->ahead : b);
    const size_t step = k ? tail->ask * sizeof(float) / (tiles_all * k) : 0;

    for (size_t r = 0; r < m;) {
        size_t mr = m - r < 4 ? m - r : 4;
        for (size_t at = 0; at < n; at += cols, ahead += step * k)
            tiles[mr - 1][cols / 8 - 2](k, a + r * rs, rs, ks, b + at, w, c + r * ldc + at, ldc,
                                        n - at < cols ? n - at : cols, tail->resume, ahead, step);
        if (!tail->none)
            v8_tail(c + r * ldc, ldc, mr, n, tail, i + r, j);
        r += mr;
    }
}
