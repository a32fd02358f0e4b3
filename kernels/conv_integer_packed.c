/* SPDX-License-Identifier: Apache-2.0 */
/* conv_integer_packed.c - ConvInteger as products of weights with patches (gemm_int.h).
 *
 * A unit is a panel of 48 output pixels of one item and group: its patches are gathered as bytes,
 * with the input's zero point where they reach over the edge, packed, and met by all output
 * channels. Weights are packed at load when they and their zero points are constants. */
#include "kernels/conv_integer.h"

#include <immintrin.h>
#include <string.h>

#include "base/cpu.h"
#include "base/mem.h"
#include "kernels/conv.h"
#include "kernels/conv_patch.h"
#include "kernels/gemm/gemm_int.h"
#include "kernels/qlinear.h"
#include "kernels/quant.h"

enum { NR = MS_GEMM_NR, MB = MS_GEMM_MB };

struct plan {
    struct ms_conv c;
    size_t k, panels, blocks; /* products of an output; panels of pixels; 64 channels of a group */
    size_t list_bytes, patch_bytes, panel_bytes, rows_bytes;
};

static bool plan_of(struct plan *p, const struct ms_int_form *f, const struct ms_task *t)
{
    ms_conv_of(&p->c, t);
    p->k = (size_t)(p->c.icg * p->c.taps);
    p->panels = ((size_t)p->c.out_px + NR - 1) / NR;
    p->blocks = ((size_t)p->c.ocg + MB - 1) / MB;
    return ms_mul((size_t)p->c.taps, NR * sizeof(struct ms_patch), &p->list_bytes) &&
           ms_mul(p->k, NR, &p->patch_bytes) && p->list_bytes < SIZE_MAX / 8 &&
           p->patch_bytes < SIZE_MAX / 8 && ms_int_panel_bytes(f, p->k, NR, &p->panel_bytes) &&
           ms_int_rows_bytes(f, p->k, &p->rows_bytes);
}

size_t ms_conv_integer_units(const struct ms_task *t)
{
    struct plan p;
    size_t units;

    (void)plan_of(&p, &ms_int_plain, t);
    return ms_mul((size_t)(p.c.n * p.c.groups), p.panels, &units) ? units : SIZE_MAX;
}

static size_t scratch(const struct ms_task *t, const struct ms_int_form *f)
{
    struct plan p;

    return plan_of(&p, f, t) ? ms_align64(p.list_bytes) + ms_align64(p.patch_bytes) +
                                   ms_align64(p.panel_bytes) + ms_align64(p.rows_bytes)
                             : SIZE_MAX;
}

/* ---- weights ---- */

/* Rows [o, o + m) of the weights, whose zero points are one or one for each. */
static struct ms_int_rows pack_weights(const struct ms_int_form *f, void *to,
                                       const struct ms_tensor *w, const struct ms_tensor *zw,
                                       size_t o, size_t m, size_t k)
{
    const bool each = zw && ms_tensor_count(zw) > 1;
    int32_t z[MB];

    for (size_t i = 0; i < (each ? m : 1); i++)
        z[i] = ms_quant_at(zw, each ? o + i : 0);
    return ms_int_pack_rows(f, to, (const uint8_t *)w->data + o * k, w->dtype, m, k, z, each);
}

/* wi, zi: which inputs the weights and their zero points are. */
static ms_code prepare(const struct ms_prep *p, const struct ms_int_form *f, int wi, int zi,
                       const void **state, struct ms_err *err)
{
    const struct ms_tensor *w = p->in[wi].value;
    const struct ms_tensor *zw = p->node->n_in > zi ? p->in[zi].value : NULL;
    const struct ms_shape *s = &p->in[wi].shape;

    *state = NULL;
    if (!w || w->bytes == 0 || (ms_in(p->node, zi) && !zw))
        return MS_OK;
    const size_t oc = (size_t)s->dim[0], k = ms_shape_span(s, 1, s->rank);
    const size_t ocg = oc / (size_t)ms_attr_int(p->node, "group");
    size_t each, bytes;
    if (!ms_int_rows_bytes(f, k, &each) ||
        !ms_mul(ms_align64(each), (ocg + MB - 1) / MB * (oc / ocg), &bytes))
        return ms_fail(err, MS_RESOURCE_EXHAUSTED, "the packed weights are too large");
    uint8_t *to = p->alloc(p, bytes);
    if (!to)
        return ms_fail_oom(err, "packed weights", bytes);
    *state = to;
    for (size_t g = 0; g < oc; g += ocg)
        for (size_t o = 0; o < ocg; o += MB, to += ms_align64(each))
            pack_weights(f, to, w, zw, g + o, ocg - o < MB ? ocg - o : MB, k);
    return MS_OK;
}

/* ---- patches ---- */

static void gather(const struct ms_patch *list, size_t n, const uint8_t *x, uint8_t *dst,
                   const struct ms_conv *c, uint8_t zero)
{
    const int64_t stride = c->w.s[2];
    const unsigned step = stride == 2 ? 2 : 1; /* of the mask's bits */

    for (int64_t i = 0; i < c->icg; i++, x += c->in_px, dst += c->taps * NR)
        for (const struct ms_patch *p = list; p < list + n; p++) {
            const uint8_t *src = (const uint8_t *)((uintptr_t)x + (uintptr_t)p->src);
            if (stride == 1 && p->mask == (1u << p->lanes) - 1)
                memcpy(dst + p->dst, src, p->lanes);
            else
                for (uint32_t l = 0; l < p->lanes; l++)
                    dst[p->dst + l] = p->mask >> l * step & 1 ? src[l * stride] : zero;
        }
}

/* The same for strides of 1 and 2, a piece at a time; lanes outside are not read. */
MS_TARGET_AVX512 static void gather_avx512(const struct ms_patch *list, size_t n, const uint8_t *x,
                                           uint8_t *dst, const struct ms_conv *c, uint8_t zero)
{
    const __m128i edge = _mm_set1_epi8((char)zero);
    const bool twice = c->w.s[2] == 2;

    for (int64_t i = 0; i < c->icg; i++, x += c->in_px, dst += c->taps * NR)
        for (const struct ms_patch *p = list; p < list + n; p++) {
            const void *src = (const void *)((uintptr_t)x + (uintptr_t)p->src);
            const __mmask16 lanes = (__mmask16)((1u << p->lanes) - 1);
            __m128i v;
            if (twice) { /* the mask has every second bit; low halves of 16-bit numbers are kept */
                const __m256i pairs =
                    _mm256_mask_loadu_epi8(_mm256_set1_epi8((char)zero), p->mask, src);
                v = _mm256_cvtepi16_epi8(pairs);
            } else {
                v = _mm_mask_loadu_epi8(edge, (__mmask16)p->mask, src);
            }
            _mm_mask_storeu_epi8(dst + p->dst, lanes, v);
        }
}

/* ---- a unit ---- */

struct rooms {
    struct ms_patch *list;
    uint8_t *patches, *panel, *rows;
};

static struct rooms rooms_of(const struct plan *p, void *scratch)
{
    struct rooms r = {.list = scratch};

    r.patches = (uint8_t *)scratch + ms_align64(p->list_bytes);
    r.panel = r.patches + ms_align64(p->patch_bytes);
    r.rows = r.panel + ms_align64(p->panel_bytes);
    return r;
}

/* q: results are bytes; NULL: the sums. */
static void unit(const struct plan *p, const struct ms_int_form *f, const struct ms_task *t,
                 const struct ms_qlinear *q, size_t u)
{
    const struct ms_tensor *x = t->in[0], *zw = t->n_in > 3 ? t->in[3] : NULL;
    const struct ms_conv *c = &p->c;
    const struct rooms r = rooms_of(p, t->scratch);
    const size_t ng = u / p->panels, px = u % p->panels * NR, g = ng % (size_t)c->groups;
    const size_t item = ng / (size_t)c->groups, ocg = (size_t)c->ocg, out_px = (size_t)c->out_px;
    const size_t n = out_px - px < NR ? out_px - px : NR;
    const int32_t zx = ms_quant_at(t->n_in > 2 ? t->in[2] : NULL, 0);
    const uint8_t *from =
        (const uint8_t *)x->data + (item * (size_t)c->ic + g * (size_t)c->icg) * (size_t)c->in_px;
    const size_t to = (item * (size_t)c->oc + g * ocg) * out_px + px;
    int32_t sums[MB * NR];

    const size_t pieces = ms_patch_list(r.list, &c->w, (int64_t)px, (uint32_t)n, NR);
    (f == &ms_int_vnni && c->w.s[2] <= 2 ? gather_avx512 : gather)(r.list, pieces, from, r.patches,
                                                                   c, (uint8_t)zx);
    const struct ms_int_panel panel =
        ms_int_pack_panel(f, r.panel, r.patches, x->dtype, p->k, n, NR);
    for (size_t b = 0; b < p->blocks && !ms_task_stopped(t); b++) {
        const size_t o = b * MB, m = ocg - o < MB ? ocg - o : MB;
        const struct ms_int_rows rows =
            t->state ? ms_int_rows_at(f,
                                      (const uint8_t *)t->state +
                                          (g * p->blocks + b) * ms_align64(p->rows_bytes),
                                      p->k)
                     : pack_weights(f, r.rows, t->in[1], zw, g * ocg + o, m, p->k);
        ms_int_product(f, m, n, p->k, &rows, &panel, x->dtype, &zx, false,
                       q ? sums : (int32_t *)c->y + to + o * out_px, q ? NR : out_px);
        if (q)
            ms_qlinear_put(q, sums, NR, m, n, g * ocg + o, px, (uint8_t *)c->y + to + o * out_px,
                           out_px);
    }
}

static void run(const struct ms_task *t, const struct ms_int_form *f, const struct ms_qlinear *q)
{
    struct plan p;

    if (!plan_of(&p, f, t))
        return;
    for (size_t u = t->first; u < t->last && !ms_task_stopped(t); u++)
        unit(&p, f, t, q, u);
}

size_t ms_qlinear_conv_units(const struct ms_task *t)
{
    struct ms_qlinear q;

    ms_qlinear_of(&q, t, true, MS_ISA_ANY);
    return ms_conv_integer_units(&q.t);
}

#define FORM(s_, isa_)                                                                             \
    ms_code ms_conv_integer_prepare_##s_(const struct ms_prep *p, const void **state,              \
                                         struct ms_err *err)                                       \
    {                                                                                              \
        return prepare(p, &ms_int_##s_, 1, 3, state, err);                                         \
    }                                                                                              \
    size_t ms_conv_integer_scratch_##s_(const struct ms_task *t)                                   \
    {                                                                                              \
        return scratch(t, &ms_int_##s_);                                                           \
    }                                                                                              \
    void ms_conv_integer_##s_(const struct ms_task *t)                                             \
    {                                                                                              \
        run(t, &ms_int_##s_, NULL);                                                                \
    }                                                                                              \
    ms_code ms_qlinear_conv_prepare_##s_(const struct ms_prep *p, const void **state,              \
                                         struct ms_err *err)                                       \
    {                                                                                              \
        return prepare(p, &ms_int_##s_, MS_QL_W, MS_QL_WZ, state, err);                            \
    }                                                                                              \
    size_t ms_qlinear_conv_scratch_##s_(const struct ms_task *t)                                   \
    {                                                                                              \
        struct ms_qlinear q;                                                                       \
        ms_qlinear_of(&q, t, true, isa_);                                                          \
        return scratch(&q.t, &ms_int_##s_);                                                        \
    }                                                                                              \
    void ms_qlinear_conv_##s_(const struct ms_task *t)                                             \
    {                                                                                              \
        struct ms_qlinear q;                                                                       \
        ms_qlinear_of(&q, t, true, isa_);                                                          \
        run(&q.t, &ms_int_##s_, &q);                                                               \
    }
FORM(vnni, MS_ISA_AVX512)
FORM(avxvnni, MS_ISA_AVX2)
FORM(avx2, MS_ISA_AVX2)
FORM(plain, MS_ISA_ANY)
