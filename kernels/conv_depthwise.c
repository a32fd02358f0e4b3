/* SPDX-License-Identifier: Apache-2.0 */
/* conv_depthwise.c - convolution with one input channel a group, one or two axes.
 *
 * The channel's plane is copied into scratch with its padding, and split by phase where the stride
 * is not 1: elements whose row and column have the same remainder lie together. Then every tap is a
 * plain offset, and a whole band of output rows is one run of vectors without masks or edges:
 *
 *     sum[f] += w[tap] plane[offset(tap) + f],  f = row * pitch + column
 *
 * Columns beyond a row's end are computed too and left behind. Sums run over taps in order. */
#include "base/mem.h"
#include "kernels/conv.h"

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
#include "kernels/conv_depthwise.inc"
#include "kernels/vec_avx512.h"
#include "kernels/conv_depthwise.inc"

enum { CHUNK = 64, BAND = 2048 /* sums kept between the two passes */ };

struct plan {
    struct ms_conv c;
    size_t sh, sw;       /* phases */
    size_t pitch, lines; /* of one phase's plane */
    size_t top, left;    /* padding */
    size_t rows, cols;   /* of the padded plane that windows reach */
    size_t plane;        /* floats of all phases, with room for the last chunk */
    size_t band;         /* output rows done at once */
    bool three;          /* a 3x3 window without dilation */
    size_t sums;         /* floats of the sums of a band */
};

static void plan_of(struct plan *p, const struct ms_task *t)
{
    const struct ms_window *w = &p->c.w;

    ms_conv_of(&p->c, t);
    p->sh = (size_t)w->s[1];
    p->sw = (size_t)w->s[2];
    p->top = (size_t)w->pb[1];
    p->left = (size_t)w->pb[2];
    p->rows = (size_t)((w->out[1] - 1) * w->s[1] + (w->k[1] - 1) * w->d[1] + 1);
    p->cols = (size_t)((w->out[2] - 1) * w->s[2] + (w->k[2] - 1) * w->d[2] + 1);
    p->lines = (p->rows + p->sh - 1) / p->sh;
    p->pitch = (p->cols + p->sw - 1) / p->sw;
    p->band = BAND / p->pitch;
    p->band = p->band < 1 ? 1 : p->band;
    if (p->band > (size_t)w->out[1])
        p->band = (size_t)w->out[1];
    p->three = w->k[1] == 3 && w->k[2] == 3 && w->d[1] == 1 && w->d[2] == 1;
    p->sums = (p->band * p->pitch + CHUNK - 1) / CHUNK * CHUNK + CHUNK;
}

/* Bytes of plane, sums and offsets; false on overflow. */
static bool sizes(const struct plan *p, size_t *plane, size_t *total)
{
    size_t phases, taps;

    return ms_mul(p->sh, p->sw, &phases) && ms_mul(p->lines, p->pitch, plane) &&
           ms_mul(*plane, phases, plane) && ms_add(*plane, p->sums + CHUNK, plane) &&
           ms_mul((size_t)p->c.taps, sizeof(size_t), &taps) && ms_mul(*plane, 4, total) &&
           ms_add(*total, p->sums * 4 + 128, total) && ms_add(*total, taps, total);
}

bool ms_conv_depthwise_applicable(const struct ms_prep *p)
{
    const struct ms_shape *w = &p->in[1].shape;

    return ms_attr_int(p->node, "group") > 1 && (w->rank == 3 || w->rank == 4) && w->dim[1] == 1;
}

size_t ms_conv_depthwise_units(const struct ms_task *t)
{
    return ms_shape_span(&t->out[0]->shape, 0, 2);
}

size_t ms_conv_depthwise_scratch(const struct ms_task *t)
{
    struct plan p;
    size_t plane, total;

    if (ms_tensor_count(t->out[0]) == 0)
        return 0;
    plan_of(&p, t);
    return sizes(&p, &plane, &total) ? total : SIZE_MAX;
}

/* Where element (r, c) of the padded plane lies. */
static size_t place(const struct plan *p, size_t r, size_t c)
{
    return ((r % p->sh * p->sw + c % p->sw) * p->lines + r / p->sh) * p->pitch + c / p->sw;
}

/* A row of the input to its line of phase column 0; the other phase columns are step floats apart.
 */
static void copy_row(const struct plan *p, const float *x, float *line, enum ms_isa isa)
{
    size_t n = (size_t)p->c.w.in[2], first = 0, step = p->lines * p->pitch;

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

static void copy_plane(const struct plan *p, const float *x, float *plane, enum ms_isa isa)
{
    size_t w = (size_t)p->c.w.in[2], h = (size_t)p->c.w.in[1];
    size_t phase = p->top % p->sh, line = p->top / p->sh;

    for (size_t i = 0; i < h && p->top + i < p->rows; i++) {
        copy_row(p, x + i * w, plane + (phase * p->sw * p->lines + line) * p->pitch, isa);
        if (++phase == p->sh) {
            phase = 0;
            line++;
        }
    }
}

static void one_channel(const struct plan *p, const float *plane, const float *w, const size_t *off,
                        float *sums, size_t u, const struct ms_act *act, enum ms_isa isa)
{
    size_t oh = (size_t)p->c.w.out[1], ow = (size_t)p->c.w.out[2];
    float *y = (float *)p->c.y + u * oh * ow;
    const float *res = p->c.res ? (const float *)p->c.res + u * oh * ow : NULL;
    float bias = p->c.bias ? ((const float *)p->c.bias)[u % (size_t)p->c.oc] : 0.0f;

    if (p->three && p->sh == 1 && p->sw == 1 && ow > 8) {
        (isa == MS_ISA_AVX512 ? v16_channel3 : v8_channel3)(plane, p->pitch, w, y, res, oh, ow,
                                                            bias, act);
        return;
    }
    for (size_t r = 0; r < oh; r += p->band) {
        size_t rows = oh - r < p->band ? oh - r : p->band, n = (rows - 1) * p->pitch + ow;
        const float *x = plane + r * p->pitch;
        if (p->three)
            (isa == MS_ISA_AVX512 ? v16_sums9 : v8_sums9)(x, w, off, sums, n);
        else
            (isa == MS_ISA_AVX512 ? v16_sums : v8_sums)(x, w, off, (size_t)p->c.taps, sums, n);
        for (size_t i = 0; i < rows; i++, y += ow, res = res ? res + ow : NULL)
            (isa == MS_ISA_AVX512 ? v16_finish : v8_finish)(sums + i * p->pitch, y, res, ow, bias,
                                                            act);
    }
}

static void run(const struct ms_task *t, enum ms_isa isa)
{
    struct ms_act act = ms_act_of_node(t->node, isa);
    struct plan p;
    size_t total, have = SIZE_MAX;

    plan_of(&p, t);
    if (!sizes(&p, &p.plane, &total))
        return;
    float *plane = t->scratch, *sums = plane + (p.plane + 15) / 16 * 16;
    size_t *off = (size_t *)(void *)(sums + p.sums);
    for (int64_t kh = 0; kh < p.c.w.k[1]; kh++)
        for (int64_t kw = 0; kw < p.c.w.k[2]; kw++)
            off[kh * p.c.w.k[2] + kw] =
                place(&p, (size_t)(kh * p.c.w.d[1]), (size_t)(kw * p.c.w.d[2]));
    memset(plane, 0, p.plane * sizeof *plane); /* the padding stays zero from here on */
    for (size_t u = t->first; u < t->last && !ms_task_stopped(t); u++) {
        size_t o = u % (size_t)p.c.oc;
        size_t from = u / (size_t)p.c.oc * (size_t)p.c.ic + o / (size_t)p.c.ocg;
        if (from != have)
            copy_plane(&p, (const float *)p.c.x + from * (size_t)p.c.in_px, plane, isa);
        have = from;
        one_channel(&p, plane, (const float *)p.c.wt + o * (size_t)p.c.taps, off, sums, u, &act,
                    isa);
    }
}

void ms_conv_depthwise_avx512(const struct ms_task *t)
{
    run(t, MS_ISA_AVX512);
}

void ms_conv_depthwise_avx2(const struct ms_task *t)
{
    run(t, MS_ISA_AVX2);
}
