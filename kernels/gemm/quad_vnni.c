/* SPDX-License-Identifier: Apache-2.0 */
/* quad_vnni.c - see quad.h: AVX-512 VNNI, tiles of up to 6 rows x 64 pixels. */
#include "kernels/gemm/dot.h"
#include "kernels/gemm/quad.h"

enum { LANES = 16, VECS = 4, WIDTH = LANES * VECS };

#define TILE(MR, NV)                                                                               \
    MS_TARGET_VNNI static void tile_##MR##x##NV(size_t steps, const size_t *at, const uint8_t *x,  \
                                                const uint8_t *w, const int32_t *first,            \
                                                int32_t *c)                                        \
    {                                                                                              \
        __m512i acc[MR][NV], v[NV];                                                                \
        MS_UNROLL for (int i = 0; i < MR; i++) MS_UNROLL for (int j = 0; j < NV; j++) acc[i][j] =  \
            _mm512_set1_epi32(first[i]);                                                           \
        for (; steps > 0; steps--, at++, w += 4 * MR) {                                            \
            const uint8_t *p = x + *at;                                                            \
            MS_UNROLL for (int j = 0; j < NV; j++) v[j] = _mm512_loadu_si512(p + 64 * j);          \
            MS_UNROLL for (int i = 0; i < MR; i++)                                                 \
            {                                                                                      \
                const __m512i s = _mm512_set1_epi32(ms_four_bytes(w + 4 * i));                     \
                MS_UNROLL for (int j = 0; j < NV; j++) MS_DOT_512(acc[i][j], v[j], s);             \
            }                                                                                      \
        }                                                                                          \
        MS_UNROLL for (int i = 0; i < MR; i++) MS_UNROLL for (int j = 0; j < NV; j++)              \
            _mm512_storeu_si512(c + i * WIDTH + LANES * j, acc[i][j]);                             \
    }
#define TILES(MR) TILE(MR, 1) TILE(MR, 2) TILE(MR, 3) TILE(MR, 4)
TILES(1)
TILES(2)
TILES(3)
TILES(4)
TILES(5)
TILES(6)

typedef void (*tile_fn)(size_t steps, const size_t *at, const uint8_t *x, const uint8_t *w,
                        const int32_t *first, int32_t *c);
#define ROW(MR)                                                                                    \
    {                                                                                              \
        tile_##MR##x1, tile_##MR##x2, tile_##MR##x3, tile_##MR##x4                                 \
    }
static const tile_fn tiles[MS_QUAD_ROWS][VECS] = {ROW(1), ROW(2), ROW(3), ROW(4), ROW(5), ROW(6)};

static void sums(size_t m, size_t vecs, size_t steps, const size_t *at, const uint8_t *x,
                 const uint8_t *w, const int32_t *first, int32_t *c)
{
    tiles[m - 1][vecs - 1](steps, at, x, w, first, c);
}

/* ---- channels as lanes ---- */

#define CHANNEL_TILE(MR, NV)                                                                       \
    MS_TARGET_VNNI static void channels_tile_##MR##x##NV(size_t steps, const size_t *at,           \
                                                         const uint8_t *x, const size_t *px,       \
                                                         const uint8_t *w, int32_t *c)             \
    {                                                                                              \
        __m512i acc[MR][NV], v[NV];                                                                \
        size_t off[MR];                                                                            \
        MS_UNROLL for (int i = 0; i < MR; i++) off[i] = px[i];                                     \
        MS_UNROLL for (int i = 0; i < MR; i++) MS_UNROLL for (int j = 0; j < NV; j++) acc[i][j] =  \
            _mm512_loadu_si512(c + i * WIDTH + LANES * j);                                         \
        for (; steps > 0; steps--, at++, w += 64 * NV) {                                           \
            const uint8_t *p = x + *at;                                                            \
            MS_UNROLL for (int j = 0; j < NV; j++) v[j] = _mm512_loadu_si512(w + 64 * j);          \
            MS_UNROLL for (int i = 0; i < MR; i++)                                                 \
            {                                                                                      \
                const __m512i s = _mm512_set1_epi32(ms_four_bytes(p + off[i]));                    \
                MS_UNROLL for (int j = 0; j < NV; j++) MS_DOT_512(acc[i][j], s, v[j]);             \
            }                                                                                      \
        }                                                                                          \
        MS_UNROLL for (int i = 0; i < MR; i++) MS_UNROLL for (int j = 0; j < NV; j++)              \
            _mm512_storeu_si512(c + i * WIDTH + LANES * j, acc[i][j]);                             \
    }
#define CHANNEL_TILES(MR)                                                                          \
    CHANNEL_TILE(MR, 1) CHANNEL_TILE(MR, 2) CHANNEL_TILE(MR, 3) CHANNEL_TILE(MR, 4)
CHANNEL_TILES(1)
CHANNEL_TILES(2)
CHANNEL_TILES(3)
CHANNEL_TILES(4)
CHANNEL_TILES(5)
CHANNEL_TILES(6)

typedef void (*channels_fn)(size_t steps, const size_t *at, const uint8_t *x, const size_t *px,
                            const uint8_t *w, int32_t *c);
#define CHANNELS(MR)                                                                               \
    {                                                                                              \
        channels_tile_##MR##x1, channels_tile_##MR##x2, channels_tile_##MR##x3,                    \
            channels_tile_##MR##x4                                                                 \
    }
static const channels_fn channels_tiles[MS_QUAD_ROWS][VECS] = {
    CHANNELS(1), CHANNELS(2), CHANNELS(3), CHANNELS(4), CHANNELS(5), CHANNELS(6)};

static void channels(size_t m, size_t vecs, size_t steps, const size_t *at, const uint8_t *x,
                     const size_t *px, const uint8_t *w, int32_t *c)
{
    channels_tiles[m - 1][vecs - 1](steps, at, x, px, w, c);
}

const struct ms_quad_form ms_quad_vnni = {
    .group = 4, .lanes = LANES, .width = WIDTH, .sums = sums, .channels = channels};
