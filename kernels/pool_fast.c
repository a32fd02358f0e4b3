/* SPDX-License-Identifier: Apache-2.0 */
/* pool_fast.c - MaxPool and AveragePool of one or two axes in f32.
 *
 * Works on padded planes split by phase (plane.h); the padding holds what does not matter to the
 * operation, so that an output row is one run of vectors for each tap. Units are channels. */
#include "kernels/pool_fast.h"

#include <math.h>

#include "base/mem.h"
#include "kernels/plane.h"
#include "kernels/vec_avx2.h"
#include "kernels/pool_fast.inc"
#include "kernels/vec_avx512.h"
#include "kernels/pool_fast.inc"

enum { ROOM = 16 };

bool ms_pool_fast_applicable(const struct ms_prep *p)
{
    int rank = p->in[0].shape.rank;

    return (rank == 3 || rank == 4) && p->node->n_out == 1;
}

struct plan {
    struct ms_window w;
    struct ms_plane in;
    size_t floats, taps, cols; /* of the plane; of the window; of the counts */
};

static bool plan_of(struct plan *p, const struct ms_task *t)
{
    ms_pool_window(&p->w, t);
    ms_plane_init(&p->in, &p->w);
    p->taps = (size_t)ms_window_volume(p->w.k);
    p->cols = ((size_t)p->w.out[2] + ROOM) / 16 * 16 + 16;
    return ms_plane_floats(&p->in, ROOM, &p->floats);
}

size_t ms_pool_fast_scratch(const struct ms_task *t)
{
    struct plan p;
    size_t taps, sum;

    if (ms_tensor_count(t->out[0]) == 0)
        return 0;
    if (!plan_of(&p, t) || !ms_mul(p.taps, sizeof(size_t), &taps) ||
        !ms_add(taps, (p.floats + 16 + p.cols) * sizeof(float), &sum))
        return SIZE_MAX;
    return sum;
}

/* The parts of scratch; the plane filled with a value. */
static float *set_up(const struct plan *p, const struct ms_task *t, float value, float **cols,
                     size_t **off)
{
    float *plane = t->scratch;

    *cols = plane + (p->floats + 15) / 16 * 16;
    *off = (size_t *)(void *)(*cols + p->cols);
    ms_plane_taps(&p->in, &p->w, *off);
    for (size_t i = 0; i < p->floats; i++)
        plane[i] = value;
    return plane;
}

static void max_pool(const struct ms_task *t, enum ms_isa isa)
{
    struct plan p;
    float *cols;
    size_t *off;

    if (ms_tensor_count(t->out[0]) == 0 || !plan_of(&p, t))
        return;
    float *plane = set_up(&p, t, -HUGE_VALF, &cols, &off);
    size_t oh = (size_t)p.w.out[1], ow = (size_t)p.w.out[2];
    for (size_t u = t->first; u < t->last && !ms_task_stopped(t); u++) {
        float *y = (float *)t->out[0]->data + u * oh * ow;
        ms_plane_copy(&p.in, (const float *)t->in[0]->data + u * p.in.h * p.in.w, plane, isa);
        for (size_t r = 0; r < oh; r++)
            (isa == MS_ISA_AVX512 ? v16_max_row : v8_max_row)(plane + r * p.in.pitch, off, p.taps,
                                                              y + r * ow, ow);
    }
}

/* Elements that count along an axis at output o, as a factor of the number. */
static float count(const struct ms_window *w, int axis, int64_t o, bool pads)
{
    struct ms_window one = *w;
    int64_t at[3] = {0, 0, 0};

    for (int a = 0; a < 3; a++)
        if (a != axis)
            one.k[a] = one.in[a] = one.s[a] = 1, one.pb[a] = one.pe[a] = 0;
    at[axis] = o;
    return (float)ms_pool_count(&one, at, pads);
}

static void average_pool(const struct ms_task *t, enum ms_isa isa)
{
    bool pads = ms_attr_int(t->node, "count_include_pad") != 0;
    struct plan p;
    float *cols;
    size_t *off;

    if (ms_tensor_count(t->out[0]) == 0 || !plan_of(&p, t))
        return;
    float *plane = set_up(&p, t, 0, &cols, &off);
    size_t oh = (size_t)p.w.out[1], ow = (size_t)p.w.out[2];
    for (size_t i = 0; i < p.cols; i++)
        cols[i] = i < ow ? count(&p.w, 2, (int64_t)i, pads) : 1.0f;
    for (size_t u = t->first; u < t->last && !ms_task_stopped(t); u++) {
        float *y = (float *)t->out[0]->data + u * oh * ow;
        ms_plane_copy(&p.in, (const float *)t->in[0]->data + u * p.in.h * p.in.w, plane, isa);
        for (size_t r = 0; r < oh; r++)
            (isa == MS_ISA_AVX512 ? v16_mean_row
                                  : v8_mean_row)(plane + r * p.in.pitch, off, p.taps, cols,
                                                 count(&p.w, 1, (int64_t)r, pads), y + r * ow, ow);
    }
}

void ms_max_pool_avx512(const struct ms_task *t)
{
    max_pool(t, MS_ISA_AVX512);
}

void ms_max_pool_avx2(const struct ms_task *t)
{
    max_pool(t, MS_ISA_AVX2);
}

void ms_average_pool_avx512(const struct ms_task *t)
{
    average_pool(t, MS_ISA_AVX512);
}

void ms_average_pool_avx2(const struct ms_task *t)
{
    average_pool(t, MS_ISA_AVX2);
}
