/* SPDX-License-Identifier: Apache-2.0 */
/* conv_patch.c - patches of a convolution gathered into B panels. */
#include "kernels/conv_patch.h"

/* Lanes l of a piece for which 0 <= at + l s < in. */
static uint32_t inside(int64_t at, int64_t s, int64_t in, uint32_t lanes)
{
    uint32_t mask = 0;

    for (uint32_t l = 0; l < lanes; l++)
        mask |= (uint32_t)(at + l * s >= 0 && at + l * s < in) << (s == 2 ? 2 * l : l);
    return mask;
}

/* The pieces of tap k for pixels [px, px + n) of a panel w wide; returns the end of the list. */
static struct ms_patch *add_tap(struct ms_patch *list, const struct ms_window *w,
                                const int64_t k[3], uint32_t tap, int64_t px, uint32_t n,
                                uint32_t width)
{
    for (uint32_t lane = 0; lane < n;) {
        int64_t o = px + lane, ow = o % w->out[2];
        int64_t oh = o / w->out[2] % w->out[1], od = o / w->out[2] / w->out[1];
        uint32_t lanes = 16 - lane % 16;
        if (lanes > n - lane)
            lanes = n - lane;
        if (lanes > (uint64_t)(w->out[2] - ow))
            lanes = (uint32_t)(w->out[2] - ow);
        int64_t d = od * w->s[0] - w->pb[0] + k[0] * w->d[0];
        int64_t h = oh * w->s[1] - w->pb[1] + k[1] * w->d[1];
        int64_t v = ow * w->s[2] - w->pb[2] + k[2] * w->d[2];
        bool row = d >= 0 && d < w->in[0] && h >= 0 && h < w->in[1];
        uint32_t mask = row ? inside(v, w->s[2], w->in[2], lanes) : 0;
        int64_t src = mask ? (d * w->in[1] + h) * w->in[2] + v : 0;
        *list++ = (struct ms_patch){src, (size_t)tap * width + lane, mask, lanes};
        lane += lanes;
    }
    return list;
}

size_t ms_patch_list(struct ms_patch *list, const struct ms_window *w, int64_t px, uint32_t n,
                     uint32_t width)
{
    struct ms_patch *end = list;
    uint32_t tap = 0;
    int64_t k[3];

    for (k[0] = 0; k[0] < w->k[0]; k[0]++)
        for (k[1] = 0; k[1] < w->k[1]; k[1]++)
            for (k[2] = 0; k[2] < w->k[2]; k[2]++)
                end = add_tap(end, w, k, tap++, px, n, width);
    return (size_t)(end - list);
}

/* The address of lanes that are not loaded may lie outside the tensor: formed as a number. */
static inline const float *at(const float *x, int64_t offset)
{
    return (const float *)((uintptr_t)x + (uintptr_t)(offset * (int64_t)sizeof *x));
}

MS_TARGET_AVX512 static void gather_avx512(const struct ms_patch *list, size_t n, const float *x,
                                           float *dst, size_t ic, size_t in_px, size_t row,
                                           int64_t stride)
{
    const __m512i lane = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    const __m512i even = _mm512_add_epi32(lane, lane);
    const __m512i steps = _mm512_mullo_epi32(lane, _mm512_set1_epi32((int)stride));

    for (size_t c = 0; c < ic; c++, x += in_px, dst += row)
        for (const struct ms_patch *p = list; p < list + n; p++) {
            const float *src = at(x, p->src);
            __m512 v;
            if (stride == 1) {
                v = _mm512_maskz_loadu_ps((__mmask16)p->mask, src);
            } else if (stride == 2) {
                __m512 a = _mm512_maskz_loadu_ps((__mmask16)p->mask, src);
                __m512 b = _mm512_maskz_loadu_ps((__mmask16)(p->mask >> 16), at(src, 16));
                v = _mm512_permutex2var_ps(a, even, b);
            } else {
                v = _mm512_mask_i32gather_ps(_mm512_setzero_ps(), (__mmask16)p->mask, steps, src,
                                             4);
            }
            _mm512_mask_storeu_ps(dst + p->dst, (__mmask16)((1u << p->lanes) - 1), v);
        }
}

MS_TARGET_AVX2 static void gather_avx2(const struct ms_patch *list, size_t n, const float *x,
                                       float *dst, size_t ic, size_t in_px, size_t row,
                                       int64_t stride)
{
    unsigned step = stride == 2 ? 2 : 1; /* of the mask's bits */

    for (size_t c = 0; c < ic; c++, x += in_px, dst += row)
        for (const struct ms_patch *p = list; p < list + n; p++) {
            const float *src = at(x, p->src);
            float *to = dst + p->dst;
            if (stride == 1 && p->lanes == 16 && p->mask == 0xffff) {
                _mm256_storeu_ps(to, _mm256_loadu_ps(src));
                _mm256_storeu_ps(to + 8, _mm256_loadu_ps(src + 8));
                continue;
            }
            for (uint32_t l = 0; l < p->lanes; l++)
                to[l] = p->mask >> l * step & 1 ? src[l * stride] : 0.0f;
        }
}

static void gather_plain(const struct ms_patch *list, size_t n, const float *x, float *dst,
                         size_t ic, size_t in_px, size_t row, int64_t stride)
{
    const unsigned step = stride == 2 ? 2 : 1; /* of the mask's bits */

    for (size_t c = 0; c < ic; c++, x += in_px, dst += row)
        for (const struct ms_patch *p = list; p < list + n; p++) {
            const float *src = at(x, p->src);
            for (uint32_t l = 0; l < p->lanes; l++)
                dst[p->dst + l] = p->mask >> l * step & 1 ? src[l * stride] : 0.0f;
        }
}

ms_patch_fn ms_patch_gather(enum ms_isa isa)
{
    return isa == MS_ISA_AVX512 ? gather_avx512 : isa == MS_ISA_AVX2 ? gather_avx2 : gather_plain;
}
