/* SPDX-License-Identifier: Apache-2.0 */
/* conv_quad_strip.c - see conv_quad_strip.h. Sums of a strip stay in a buffer, and the weights of
 * so many steps as fit half of the first cache meet all of its pixels before the next ones. */
#include "kernels/conv_quad_strip.h"

#include "kernels/vec.h"

enum { WIDTH = MS_QUAD_WIDTH, STRIP = MS_QUAD_STRIP, SIDE = 16 };

static size_t divided(size_t a, size_t b)
{
    return (a + b - 1) / b;
}

static void multiply(const struct ms_quad_block *b, const size_t *px, size_t n, int32_t *sums)
{
    const size_t vecs = divided(b->channels, b->f->lanes), step = 4 * vecs * b->f->lanes;
    const size_t l1 = ms_cpu()->l1d ? ms_cpu()->l1d : (size_t)32 << 10;
    const size_t most = l1 / 2 / step ? l1 / 2 / step : 1;
    const size_t turn = divided(b->steps, divided(b->steps, most));

    for (size_t i = 0; i < n; i++)
        memcpy(sums + i * WIDTH, b->first, sizeof b->first);
    for (size_t k = 0; k < b->steps; k += turn)
        for (size_t i = 0, m; i < n; i += m) {
            m = divided(n - i, divided(n - i, MS_QUAD_ROWS));
            b->f->channels(m, vecs, b->steps - k < turn ? b->steps - k : turn, b->at + k, b->x,
                           px + i, b->w + k * step, sums + i * WIDTH);
        }
}

/* Columns [0, m) of n <= 16 rows of 16 bytes, WIDTH apart, become rows `apart` bytes apart. */
MS_TARGET_AVX512 static void turned(const uint8_t *from, size_t n, size_t m, uint8_t *to,
                                    size_t apart)
{
    __m128i a[SIDE], b[SIDE];

    for (size_t i = 0; i < SIDE; i++)
        a[i] = i < n ? _mm_loadu_si128((const void *)(from + i * WIDTH)) : _mm_setzero_si128();
    for (int turn = 0; turn < 2; turn++) { /* two of the four perfect shuffles each */
        MS_UNROLL for (int i = 0; i < SIDE / 2; i++)
        {
            b[2 * i] = _mm_unpacklo_epi8(a[i], a[i + SIDE / 2]);
            b[2 * i + 1] = _mm_unpackhi_epi8(a[i], a[i + SIDE / 2]);
        }
        MS_UNROLL for (int i = 0; i < SIDE / 2; i++)
        {
            a[2 * i] = _mm_unpacklo_epi8(b[i], b[i + SIDE / 2]);
            a[2 * i + 1] = _mm_unpackhi_epi8(b[i], b[i + SIDE / 2]);
        }
    }
    for (size_t j = 0; j < m; j++)
        _mm_mask_storeu_epi8(to + j * apart, (__mmask16)((1u << n) - 1), a[j]);
}

static void store_bytes(const struct ms_quad_block *b, const int32_t *sums, size_t n, uint8_t *y,
                        size_t apart)
{
    uint8_t bytes[STRIP * WIDTH];

    for (size_t i = 0; i < n; i++)
        ms_qlinear_line(b->q, sums + i * WIDTH, b->factor, 1, WIDTH, bytes + i * WIDTH);
    for (size_t c = 0; c < b->channels; c += SIDE)
        for (size_t i = 0; i < n; i += SIDE)
            turned(bytes + i * WIDTH + c, n - i < SIDE ? n - i : SIDE,
                   b->channels - c < SIDE ? b->channels - c : SIDE, y + c * apart + i, apart);
}

void ms_quad_strip(const struct ms_quad_block *b, const size_t *px, size_t n, void *y, size_t apart)
{
    int32_t sums[STRIP * WIDTH];

    multiply(b, px, n, sums);
    if (b->q)
        store_bytes(b, sums, n, y, apart);
    else
        for (size_t c = 0; c < b->channels; c++)
            for (size_t i = 0; i < n; i++)
                ((int32_t *)y)[c * apart + i] = sums[i * WIDTH + c];
}
