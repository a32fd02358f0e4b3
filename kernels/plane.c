/* SPDX-License-Identifier: Apache-2.0 */
/* plane.c - see plane.h. */
#include "kernels/plane.h"

#include "base/mem.h"
#include "kernels/vec.h"

static inline MS_TARGET_AVX2 void v8_deinterleave(const float *x, __m256 *even, __m256 *odd)
{
    __m256 a = _mm256_loadu_ps(x), b = _mm256_loadu_ps(x + 8);
    __m256 e = _mm256_shuffle_ps(a, b, 0x88), o = _mm256_shuffle_ps(a, b, 0xdd);

    *even = _mm256_castpd_ps(_mm256_permute4x64_pd(_mm256_castps_pd(e), 0xd8));
    *odd = _mm256_castpd_ps(_mm256_permute4x64_pd(_mm256_castps_pd(o), 0xd8));
}

static inline MS_TARGET_AVX512 void v16_deinterleave(const float *x, __m512 *even, __m512 *odd)
{
    const __m512i e = _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
    __m512 a = _mm512_loadu_ps(x), b = _mm512_loadu_ps(x + 16);

    *even = _mm512_permutex2var_ps(a, e, b);
    *odd = _mm512_permutex2var_ps(a, _mm512_add_epi32(e, _mm512_set1_epi32(1)), b);
}

#include "kernels/vec_avx2.h"
#include "kernels/plane.inc"
#include "kernels/vec_avx512.h"
#include "kernels/plane.inc"

void ms_plane_init(struct ms_plane *p, const struct ms_window *w)
{
    *p = (struct ms_plane){.sh = (size_t)w->s[1],
                           .sw = (size_t)w->s[2],
                           .top = (size_t)w->pb[1],
                           .left = (size_t)w->pb[2],
                           .h = (size_t)w->in[1],
                           .w = (size_t)w->in[2]};
    p->rows = (size_t)((w->out[1] - 1) * w->s[1] + (w->k[1] - 1) * w->d[1] + 1);
    p->cols = (size_t)((w->out[2] - 1) * w->s[2] + (w->k[2] - 1) * w->d[2] + 1);
    p->lines = (p->rows + p->sh - 1) / p->sh;
    p->pitch = (p->cols + p->sw - 1) / p->sw;
}

bool ms_plane_floats(const struct ms_plane *p, size_t room, size_t *n)
{
    size_t phases;

    return ms_mul(p->sh, p->sw, &phases) && ms_mul(p->lines, p->pitch, n) &&
           ms_mul(*n, phases, n) && ms_add(*n, room, n) && *n < SIZE_MAX / 8;
}

size_t ms_plane_place(const struct ms_plane *p, size_t r, size_t c)
{
    return ((r % p->sh * p->sw + c % p->sw) * p->lines + r / p->sh) * p->pitch + c / p->sw;
}

void ms_plane_taps(const struct ms_plane *p, const struct ms_window *w, size_t *off)
{
    for (int64_t kh = 0; kh < w->k[1]; kh++)
        for (int64_t kw = 0; kw < w->k[2]; kw++)
            off[kh * w->k[2] + kw] =
                ms_plane_place(p, (size_t)(kh * w->d[1]), (size_t)(kw * w->d[2]));
}

/* A row of the input to its line of phase column 0; the other phase columns are step floats apart.
 */
static void copy_row(const struct ms_plane *p, const float *x, float *line, enum ms_isa isa)
{
    size_t n = p->w, first = 0, step = p->lines * p->pitch;

    if (p->left + n > p->cols)
        n = p->cols > p->left ? p->cols - p->left : 0;
    if (p->sw == 1) {
        (isa == MS_ISA_AVX512 ? v16_copy : v8_copy)(line + p->left, x, n);
        return;
    }
    if (p->sw == 2 && n > 2) {
        if (p->left % 2) { /* begin on an even column */
            line[step + p->left / 2] = x[0];
            first = 1;
        }
        size_t pairs = (n - first) / 2;
        float *to = line + (p->left + first) / 2;
        (isa == MS_ISA_AVX512 ? v16_split2 : v8_split2)(x + first, pairs, to, to + step);
        first += 2 * pairs;
    }
    for (; first < n; first++) {
        size_t c = p->left + first;
        line[c % p->sw * step + c / p->sw] = x[first];
    }
}

void ms_plane_copy(const struct ms_plane *p, const float *x, float *plane, enum ms_isa isa)
{
    size_t w = p->w, h = p->h;
    size_t phase = p->top % p->sh, line = p->top / p->sh;

    for (size_t i = 0; i < h && p->top + i < p->rows; i++) {
        copy_row(p, x + i * w, plane + (phase * p->sw * p->lines + line) * p->pitch, isa);
        if (++phase == p->sh) {
            phase = 0;
            line++;
        }
    }
}
