/* SPDX-License-Identifier: Apache-2.0 */
/* conv_gemm.c - convolution as a product of weights with patches, without a matrix of patches.
 *
 * Rows are output channels, columns output pixels, k runs over (channel, tap). For a block of
 * pixels the patches are gathered straight into B panels (implicit im2col); all output channels
 * then meet the block while it is in L2. Weights are A, read in place: OIHW is row-major already,
 * so nothing is packed at load. Serves any kernel, stride, dilation, padding, group count and 1 to
 * 3 axes.
 *
 * Where elements come from is worked out once for a panel, as a list of pieces: up to 16 neighbours
 * of one input row, with a mask of those that lie inside. The list is then walked for each channel.
 */
#include "base/mem.h"
#include "kernels/conv.h"
#include "kernels/gemm/gemm.h"

struct piece {
    int64_t src;    /* first element, relative to the channel's plane; may lie before it */
    size_t dst;     /* place in the panel, for channel 0 */
    uint32_t mask;  /* lanes inside the input; lane l is bit 2 l when the stride is 2 */
    uint32_t lanes; /* lanes of the piece */
};

enum {
    BLOCK_BYTES = 384 * 1024, /* of packed patches: well inside a 1 MiB L2 */
    MAX_PANELS = 8,
    OC_BLOCK = 64
};

struct plan {
    struct ms_conv c;
    size_t k;         /* products of an output */
    size_t panels;    /* of a block */
    size_t blocks;    /* of pixels */
    size_t oc_blocks; /* of a group */
};

static void plan_of(struct plan *p, const struct ms_task *t)
{
    ms_conv_of(&p->c, t);
    p->k = (size_t)(p->c.icg * p->c.taps);
    size_t panel = p->k * MS_GEMM_NR * sizeof(float);
    p->panels = panel ? BLOCK_BYTES / panel : 1;
    p->panels = p->panels < 1 ? 1 : p->panels > MAX_PANELS ? MAX_PANELS : p->panels;
    size_t px = p->panels * MS_GEMM_NR;
    p->blocks = ((size_t)p->c.out_px + px - 1) / px;
    p->oc_blocks = ((size_t)p->c.ocg + OC_BLOCK - 1) / OC_BLOCK;
}

size_t ms_conv_gemm_units(const struct ms_task *t)
{
    struct plan p;

    plan_of(&p, t);
    return (size_t)(p.c.n * p.c.groups) * p.blocks * p.oc_blocks;
}

static size_t pack_bytes(const struct plan *p)
{
    return p->k * p->panels * MS_GEMM_NR * sizeof(float);
}

size_t ms_conv_gemm_scratch(const struct ms_task *t)
{
    struct plan p;
    size_t list, sum;

    plan_of(&p, t);
    if (!ms_mul((size_t)p.c.taps, MS_GEMM_NR * sizeof(struct piece), &list) ||
        !ms_add(list, ms_align64(pack_bytes(&p)), &sum))
        return SIZE_MAX;
    return sum;
}

/* Lanes l of a piece for which 0 <= at + l s < in. */
static uint32_t inside(int64_t at, int64_t s, int64_t in, uint32_t lanes)
{
    uint32_t mask = 0;

    for (uint32_t l = 0; l < lanes; l++)
        mask |= (uint32_t)(at + l * s >= 0 && at + l * s < in) << (s == 2 ? 2 * l : l);
    return mask;
}

/* The pieces of tap k for pixels [px, px + n) of a panel w wide; returns the end of the list. */
static struct piece *add_tap(struct piece *list, const struct ms_window *w, const int64_t k[3],
                             uint32_t tap, int64_t px, uint32_t n, uint32_t width)
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
        *list++ = (struct piece){src, (size_t)tap * width + lane, mask, lanes};
        lane += lanes;
    }
    return list;
}

static size_t list_panel(struct piece *list, const struct ms_window *w, int64_t px, uint32_t n,
                         uint32_t width)
{
    struct piece *end = list;
    uint32_t tap = 0;
    int64_t k[3];

    for (k[0] = 0; k[0] < w->k[0]; k[0]++)
        for (k[1] = 0; k[1] < w->k[1]; k[1]++)
            for (k[2] = 0; k[2] < w->k[2]; k[2]++)
                end = add_tap(end, w, k, tap++, px, n, width);
    return (size_t)(end - list);
}

typedef void (*gather_fn)(const struct piece *list, size_t n, const float *x, float *dst, size_t ic,
                          size_t in_px, size_t row, int64_t stride);

/* The address of lanes that are not loaded may lie outside the tensor: formed as a number. */
static inline const float *at(const float *x, int64_t offset)
{
    return (const float *)((uintptr_t)x + (uintptr_t)(offset * (int64_t)sizeof *x));
}

MS_TARGET_AVX512 static void gather_avx512(const struct piece *list, size_t n, const float *x,
                                           float *dst, size_t ic, size_t in_px, size_t row,
                                           int64_t stride)
{
    const __m512i lane = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    const __m512i even = _mm512_add_epi32(lane, lane);
    const __m512i steps = _mm512_mullo_epi32(lane, _mm512_set1_epi32((int)stride));

    for (size_t c = 0; c < ic; c++, x += in_px, dst += row)
        for (const struct piece *p = list; p < list + n; p++) {
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

MS_TARGET_AVX2 static void gather_avx2(const struct piece *list, size_t n, const float *x,
                                       float *dst, size_t ic, size_t in_px, size_t row,
                                       int64_t stride)
{
    unsigned step = stride == 2 ? 2 : 1; /* of the mask's bits */

    for (size_t c = 0; c < ic; c++, x += in_px, dst += row)
        for (const struct piece *p = list; p < list + n; p++) {
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

static void gather_plain(const struct piece *list, size_t n, const float *x, float *dst, size_t ic,
                         size_t in_px, size_t row, int64_t stride)
{
    const unsigned step = stride == 2 ? 2 : 1; /* of the mask's bits */

    for (size_t c = 0; c < ic; c++, x += in_px, dst += row)
        for (const struct piece *p = list; p < list + n; p++) {
            const float *src = at(x, p->src);
            for (uint32_t l = 0; l < p->lanes; l++)
                dst[p->dst + l] = p->mask >> l * step & 1 ? src[l * stride] : 0.0f;
        }
}

/* Packs block b of pixels for one group of one item. Lanes beyond the last pixel hold old numbers:
 * what they make is not stored. */
static void pack_block(const struct plan *p, const float *x, size_t b, float *packed,
                       struct piece *list, gather_fn gather)
{
    size_t px = b * p->panels * MS_GEMM_NR, end = px + p->panels * MS_GEMM_NR;

    if (end > (size_t)p->c.out_px)
        end = (size_t)p->c.out_px;
    for (; px < end; px += MS_GEMM_NR) {
        size_t n = end - px < MS_GEMM_NR ? end - px : MS_GEMM_NR, w = ms_gemm_width(n);
        size_t pieces = list_panel(list, &p->c.w, (int64_t)px, (uint32_t)n, (uint32_t)w);
        gather(list, pieces, x, packed, (size_t)p->c.icg, (size_t)p->c.in_px, (size_t)p->c.taps * w,
               p->c.w.s[2]);
        packed += p->k * w;
    }
}

static void multiply_block(const struct plan *p, size_t ng, size_t b, size_t ob,
                           const float *packed, const struct ms_gemm_tail *tail,
                           ms_gemm_panel_fn panel)
{
    size_t out_px = (size_t)p->c.out_px, ocg = (size_t)p->c.ocg, o = ob * OC_BLOCK;
    size_t m = ocg - o < OC_BLOCK ? ocg - o : OC_BLOCK;
    size_t group = ng % (size_t)p->c.groups, row = ng * ocg + o; /* of the output's channels */
    size_t px = b * p->panels * MS_GEMM_NR, end = px + p->panels * MS_GEMM_NR;
    const float *w = (const float *)p->c.wt + (group * ocg + o) * p->k;
    struct ms_gemm_tail t = *tail;

    if (t.row)
        t.row += group * ocg + o;
    if (t.res)
        t.res += row * out_px;
    if (end > out_px)
        end = out_px;
    for (; px < end; px += MS_GEMM_NR) {
        size_t n = end - px < MS_GEMM_NR ? end - px : MS_GEMM_NR;
        panel(m, n, p->k, w, p->k, 1, packed, (float *)p->c.y + row * out_px + px, out_px, &t, 0,
              px);
        packed += p->k * ms_gemm_width(n);
    }
}

static void run(const struct ms_task *t, enum ms_isa isa, gather_fn gather)
{
    struct ms_gemm_tail tail;
    struct plan p;

    plan_of(&p, t);
    float *packed = t->scratch;
    struct piece *list = (struct piece *)((uint8_t *)t->scratch + ms_align64(pack_bytes(&p)));
    size_t have = SIZE_MAX; /* the block that is packed */
    ms_gemm_tail_of(&tail, t->node, isa);
    tail.row = p.c.bias;
    tail.res = p.c.res;
    tail.ldr = (size_t)p.c.out_px;
    tail.none = !p.c.bias && !p.c.res && !tail.act.fn;
    for (size_t u = t->first; u < t->last && !ms_task_stopped(t); u++) {
        size_t block = u / p.oc_blocks, ng = block / p.blocks;
        size_t n = ng / (size_t)p.c.groups, g = ng % (size_t)p.c.groups;
        if (block != have) {
            const float *x = p.c.x;
            x += (n * (size_t)p.c.ic + g * (size_t)p.c.icg) * (size_t)p.c.in_px;
            pack_block(&p, x, block % p.blocks, packed, list, gather);
            have = block;
        }
        multiply_block(&p, ng, block % p.blocks, u % p.oc_blocks, packed, &tail,
                       ms_gemm_panel(isa));
    }
}

void ms_conv_gemm_avx512(const struct ms_task *t)
{
    run(t, MS_ISA_AVX512, gather_avx512);
}

void ms_conv_gemm_avx2(const struct ms_task *t)
{
    run(t, MS_ISA_AVX2, gather_avx2);
}

void ms_conv_gemm_plain(const struct ms_task *t)
{
    run(t, MS_ISA_ANY, gather_plain);
}
