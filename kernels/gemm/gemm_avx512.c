/* SPDX-License-Identifier: Apache-2.0 */
/* gemm_avx512.c - tiles of up to 8 rows x 3 vectors: 24 accumulators, 3 of B, one broadcast of A,
 * so 28 of 32 registers. Eight rows of A may share an L1 set (8 ways on Zen 4) without conflict. */
#include "kernels/gemm/gemm.h"
#include "kernels/vec_avx512.h"
#include "kernels/gemm/tail.inc"

/* What the store adds to the sums while they are in registers: max(lo, min(hi, v + col + res)). */
struct finish {
    const float *col, *res; /* of the tile's first column; NULL = 0 */
    size_t ldr;
    float lo, hi;
};

/* ahead: what lies there is asked for on the way, `step` bytes on every EVERY steps of k; NULL: of
 * B itself. resume: the sums begin with what C holds. */
typedef void (*tile_fn)(size_t k, const float *a, size_t rs, size_t ks, const float *b, float *c,
                        size_t ldc, __mmask16 last, const struct finish *f, bool resume,
                        const char *ahead, size_t step);

#define MASK(j_, nv_) ((j_) + 1 < (nv_) ? (__mmask16)0xffff : last)

#define FINISH(MR, NV)                                                                             \
    {                                                                                              \
        const __m512 lo = _mm512_set1_ps(f->lo), hi = _mm512_set1_ps(f->hi);                       \
        __m512 v[NV];                                                                              \
        MS_UNROLL for (int j = 0; j < NV; j++) v[j] =                                              \
            f->col ? _mm512_maskz_loadu_ps(MASK(j, NV), f->col + 16 * j) : _mm512_setzero_ps();    \
        MS_UNROLL for (int i = 0; i < MR; i++) MS_UNROLL for (int j = 0; j < NV; j++) acc[i][j] =  \
            _mm512_add_ps(acc[i][j], v[j]);                                                        \
        if (f->res)                                                                                \
            MS_UNROLL for (int i = 0; i < MR; i++) MS_UNROLL for (int j = 0; j < NV; j++)          \
                acc[i][j] = _mm512_add_ps(                                                         \
                    acc[i][j], _mm512_maskz_loadu_ps(MASK(j, NV), f->res + i * f->ldr + 16 * j));  \
        MS_UNROLL for (int i = 0; i < MR; i++) MS_UNROLL for (int j = 0; j < NV; j++) acc[i][j] =  \
            _mm512_min_ps(hi, _mm512_max_ps(lo, acc[i][j]));                                       \
    }

/* A few rows use B faster than memory gives it: the first tile asks for all of it, FAR floats
 * ahead. One or two rows are the only tile, or meet what others have fetched. */
enum { FEW = 2, SOME = 24, FAR = 4096, EVERY = 2 };
#define ASK(MR, NV)                                                                                \
    if (MR <= FEW || !ahead)                                                                       \
        MS_UNROLL for (int j = 0; j < NV * EVERY; j++)                                             \
            _mm_prefetch((const char *)(b + FAR + 16 * j), _MM_HINT_T0);                           \
    else                                                                                           \
        _mm_prefetch(ahead, _MM_HINT_T1)

#define STEP(MR, NV)                                                                               \
    {                                                                                              \
        __m512 v[NV];                                                                              \
        MS_UNROLL for (int j = 0; j < NV; j++) v[j] = _mm512_loadu_ps(b + 16 * j);                 \
        MS_UNROLL for (int i = 0; i < MR; i++)                                                     \
        {                                                                                          \
            __m512 x = _mm512_set1_ps(a[i * rs]);                                                  \
            __asm__("" : "+v"(x)); /* one broadcast for all NV, not one each */                    \
            MS_UNROLL for (int j = 0; j < NV; j++) acc[i][j] =                                     \
                _mm512_fmadd_ps(x, v[j], acc[i][j]);                                               \
        }                                                                                          \
        a += ks;                                                                                   \
        b += 16 * NV;                                                                              \
    }

#define TILE(MR, NV)                                                                               \
    MS_TARGET_AVX512 static void tile_##MR##_##NV(                                                 \
        size_t k, const float *a, size_t rs, size_t ks, const float *b, float *c, size_t ldc,      \
        __mmask16 last, const struct finish *f, bool resume, const char *ahead, size_t step)       \
    {                                                                                              \
        __m512 acc[MR][NV];                                                                        \
        if (resume)                                                                                \
            MS_UNROLL for (int i = 0; i < MR; i++) MS_UNROLL for (int j = 0; j < NV; j++)          \
                acc[i][j] = _mm512_maskz_loadu_ps(MASK(j, NV), c + i * ldc + 16 * j);              \
        else                                                                                       \
            MS_UNROLL for (int i = 0; i < MR; i++) MS_UNROLL for (int j = 0; j < NV; j++)          \
            {                                                                                      \
                acc[i][j] = _mm512_setzero_ps();                                                   \
                __builtin_prefetch(c + i * ldc + 16 * j, 1, 3);                                    \
            }                                                                                      \
        if (f && f->res)                                                                           \
            MS_UNROLL for (int i = 0; i < MR; i++) MS_UNROLL for (int j = 0; j < NV; j++)          \
                __builtin_prefetch(f->res + i * f->ldr + 16 * j, 0, 3);                            \
        for (; k >= EVERY; k -= EVERY, ahead += step) {                                            \
            ASK(MR, NV);                                                                           \
            MS_UNROLL for (int q = 0; q < EVERY; q++)                                              \
            {                                                                                      \
                STEP(MR, NV)                                                                       \
                __asm__ volatile("" ::: "memory"); /* else steps mix, and registers run out */     \
            }                                                                                      \
        }                                                                                          \
        for (; k > 0; k--)                                                                         \
            STEP(MR, NV)                                                                           \
        if (f)                                                                                     \
            FINISH(MR, NV)                                                                         \
        MS_UNROLL for (int i = 0; i < MR; i++)                                                     \
        {                                                                                          \
            MS_UNROLL for (int j = 0; j < NV - 1; j++)                                             \
                _mm512_storeu_ps(c + i * ldc + 16 * j, acc[i][j]);                                 \
            _mm512_mask_storeu_ps(c + i * ldc + 16 * (NV - 1), last, acc[i][NV - 1]);              \
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

#define ROW(MR)                                                                                    \
    {                                                                                              \
        tile_##MR##_1, tile_##MR##_2, tile_##MR##_3                                                \
    }
static const tile_fn tiles[8][3] = {ROW(1), ROW(2), ROW(3), ROW(4), ROW(5), ROW(6), ROW(7), ROW(8)};

/* Are bias, residual and clamp all that the tail asks for, or all before its activation? */
static bool is_plain(const struct ms_gemm_tail *t)
{
    return t->alpha == 1.0f && t->beta == 1.0f && t->one == 0.0f && !t->row;
}

MS_TARGET_AVX512 void ms_gemm_panel_avx512(size_t m, size_t n, size_t k, const float *a, size_t rs,
                                           size_t ks, const float *b, float *c, size_t ldc,
                                           const struct ms_gemm_tail *tail, size_t i, size_t j)
{
    size_t nv = (n + 15) / 16;
    __mmask16 last = (__mmask16)(0xffff >> (nv * 16 - n));
    bool plain = !tail->none && is_plain(tail);
    struct finish f = {.col = tail->col ? tail->col + j : NULL,
                       .ldr = tail->ldr,
                       .lo = tail->act.lo,
                       .hi = tail->act.hi};

    const size_t asks = k / EVERY, steps = (m + 7) / 8 * asks;
    const size_t step = tail->ask && steps ? (tail->ask * sizeof(float) + steps - 1) / steps : 0;
    const char *ahead = (const char *)(step ? tail->ahead : b);

    for (size_t r = 0; r < m;) {
        size_t mr = m - r < 8 ? m - r : 8;
        f.res = tail->res ? tail->res + (i + r) * tail->ldr + j : NULL;
        tiles[mr - 1][nv - 1](k, a + r * rs, rs, ks, b, c + r * ldc, ldc, last, plain ? &f : NULL,
                              tail->resume, m <= SOME && r == 0 && step ? NULL : ahead, step);
        ahead += step * asks;
        if (plain && tail->act.more)
            for (size_t q = 0; q < mr; q++)
                tail->act.row(c + (r + q) * ldc, c + (r + q) * ldc, n, tail->act.a, tail->act.b);
        else if (!plain && !tail->none)
            v16_tail(c + r * ldc, ldc, mr, n, tail, i + r, j);
        r += mr;
    }
}
