/* SPDX-License-Identifier: Apache-2.0 */
/* conv_depthwise.c - convolution with one input channel a group, one or two axes.
 *
 * Works on padded planes split by phase (plane.h), where every tap is an offset. So a whole band of
 * output rows is one run of vectors without masks or edges:
 *
 *     sum[f] += w[tap] plane[offset(tap) + f],  f = row * pitch + column
 *
 * Columns beyond a row's end are computed too and left behind. Sums run over taps in order. */
#include "base/mem.h"
#include "kernels/conv.h"
#include "kernels/plane.h"

#include "kernels/vec_avx2.h"
#include "kernels/conv_depthwise.inc"
#include "kernels/vec_avx512.h"
#include "kernels/conv_depthwise.inc"

enum { CHUNK = 64, BAND = 2048 /* sums kept between the two passes */ };

struct plan {
    struct ms_conv c;
    struct ms_plane in;
    bool three;  /* a 3x3 window without dilation */
    size_t band; /* output rows done at once */
    size_t sums; /* floats of the sums of a band */
};

static void plan_of(struct plan *p, const struct ms_task *t)
{
    const struct ms_window *w = &p->c.w;

    ms_conv_of(&p->c, t);
    ms_plane_init(&p->in, w);
    p->three = w->k[1] == 3 && w->k[2] == 3 && w->d[1] == 1 && w->d[2] == 1;
    p->band = BAND / p->in.pitch;
    p->band = p->band < 1 ? 1 : p->band;
    if (p->band > (size_t)w->out[1])
        p->band = (size_t)w->out[1];
    p->sums = (p->band * p->in.pitch + CHUNK - 1) / CHUNK * CHUNK + CHUNK;
}

/* Floats of the plane, bytes of plane, sums and offsets; false on overflow. */
static bool sizes(const struct plan *p, size_t *plane, size_t *total)
{
    size_t taps;

    return ms_plane_floats(&p->in, p->sums + CHUNK, plane) &&
           ms_mul((size_t)p->c.taps, sizeof(size_t), &taps) &&
           ms_add(*plane * 4 + 128, p->sums * 4, total) && ms_add(*total, taps, total);
}

bool ms_conv_depthwise_applicable(const struct ms_prep *p)
{
    const struct ms_shape *w = &p->in[1].shape;

    return ms_attr_int(p->node, "group") > 1 && (w->rank == 3 || w->rank == 4) && w->dim[1] == 1 &&
           ms_conv_shuffle(p->node) == 1;
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

static void one_channel(const struct plan *p, const float *plane, const float *w, const size_t *off,
                        float *sums, size_t u, const struct ms_act *act, enum ms_isa isa)
{
    size_t oh = (size_t)p->c.w.out[1], ow = (size_t)p->c.w.out[2];
    float *y = (float *)p->c.y + u * oh * ow;
    const float *res = p->c.res ? (const float *)p->c.res + u * oh * ow : NULL;
    float bias = p->c.bias ? ((const float *)p->c.bias)[u % (size_t)p->c.oc] : 0.0f;

    if (p->three && p->in.sh == 1 && p->in.sw == 1 && ow > 8) {
        (isa == MS_ISA_AVX512 ? v16_channel3 : v8_channel3)(plane, p->in.pitch, w, y, res, oh, ow,
                                                            bias, act);
        return;
    }
    for (size_t r = 0; r < oh; r += p->band) {
        size_t rows = oh - r < p->band ? oh - r : p->band, n = (rows - 1) * p->in.pitch + ow;
        const float *x = plane + r * p->in.pitch;
        if (p->three)
            (isa == MS_ISA_AVX512 ? v16_sums9 : v8_sums9)(x, w, off, sums, n);
        else
            (isa == MS_ISA_AVX512 ? v16_sums : v8_sums)(x, w, off, (size_t)p->c.taps, sums, n);
        for (size_t i = 0; i < rows; i++, y += ow, res = res ? res + ow : NULL)
            (isa == MS_ISA_AVX512 ? v16_finish : v8_finish)(sums + i * p->in.pitch, y, res, ow,
                                                            bias, act);
    }
}

static void run(const struct ms_task *t, enum ms_isa isa)
{
    struct ms_act act = ms_act_of_node(t->node, isa);
    struct plan p;
    size_t floats, total, have = SIZE_MAX;

    if (ms_tensor_count(t->out[0]) == 0)
        return;
    plan_of(&p, t);
    if (!sizes(&p, &floats, &total))
        return;
    float *plane = t->scratch, *sums = plane + (floats + 15) / 16 * 16;
    size_t *off = (size_t *)(void *)(sums + p.sums);
    ms_plane_taps(&p.in, &p.c.w, off);
    memset(plane, 0, floats * sizeof *plane); /* the padding stays zero from here on */
    for (size_t u = t->first; u < t->last && !ms_task_stopped(t); u++) {
        size_t o = u % (size_t)p.c.oc;
        size_t from = u / (size_t)p.c.oc * (size_t)p.c.ic + o / (size_t)p.c.ocg;
        if (from != have)
            ms_plane_copy(&p.in, (const float *)p.c.x + from * (size_t)p.c.in_px, plane, isa);
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
