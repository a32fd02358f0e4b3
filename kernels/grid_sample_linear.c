/* SPDX-License-Identifier: Apache-2.0 */
/* grid_sample_linear.c - GridSample of f32 between four neighbours in a plane.
 *
 * A batch of points at a time: first the places and weights of their four taps, in double as the
 * reference has them, then each channel's plane is read for the whole batch. Every point takes the
 * same steps in a vector's lane, whichever lane that is. */
#include <math.h>
#include <string.h>

#include "kernels/elementwise.h"
#include "kernels/grid_sample.h"

enum {
    BATCH = 256, /* points */
    LANES = 16,  /* counts are rounded up to this, so that no loop has a rest */
    TAPS = 4
};

/* Scratch of a call. Along an axis d (0 is the input's first): */
struct batch {
    double at[2][BATCH];
    int32_t e[2][2][BATCH]; /* the elements below and above; -1: zero */
    float w[2][2][BATCH];   /* their weights */
    /* Taps: offsets in a plane, weights, and whether they lie inside. */
    int32_t offset[TAPS][BATCH], inside[TAPS][BATCH];
    float weight[TAPS][BATCH], sum[BATCH];
};

#include "kernels/vec_avx2.h"
#include "kernels/grid_sample_linear.inc"
#include "kernels/vec_avx512.h"
#include "kernels/grid_sample_linear.inc"

bool ms_grid_sample_linear_applicable(const struct ms_prep *p)
{
    const struct ms_shape *x = &p->in[0].shape;

    return p->in[1].dtype == MS_F32 && x->rank == 4 && ms_attr_str(p->node, "mode")[0] == 'l';
}

size_t ms_grid_sample_linear_scratch(const struct ms_task *t)
{
    (void)t;
    return sizeof(struct batch);
}

/* The coordinates of n points, or where they lie if that takes reflecting. Points beyond n stay as
 * old ones were. */
static void read_points(struct batch *b, const struct ms_sampler *s, const float *grid, size_t n)
{
    for (int d = 0; d < 2; d++)
        for (size_t i = 0; i < n; i++) {
            const double v = (double)grid[2 * i + (size_t)(1 - d)];
            b->at[d][i] = s->padding == 'r' ? ms_sampler_place(s, d, v) : v;
        }
}

/* What ms_sampler_place says, but for reflection. */
static inline __attribute__((always_inline)) void
place_points(struct batch *b, const struct ms_sampler *s, int d, size_t n)
{
    const double size = (double)s->size[d], far = 1e9, low = s->low[d], high = s->high[d];
    const double scale = s->corners ? size - 1.0 : size, less = s->corners ? 0.0 : 1.0;
    const bool border = s->padding == 'b';

    for (size_t i = 0; i < n; i++) {
        double x = ((b->at[d][i] + 1.0) * scale - less) / 2.0;
        x = x != x ? low : x;
        x = border && x < low ? 0.0 : x;
        x = border && x > high ? size - 1.0 : x;
        x = x < -far ? -far : x;
        b->at[d][i] = x > far ? far : x;
    }
}

/* One axis: the elements beside each place. */
static inline __attribute__((always_inline)) void
axis_taps(struct batch *b, const struct ms_sampler *s, int d, size_t n)
{
    const int32_t size = (int32_t)s->size[d];
    const bool zeros = s->padding == 'z';
    const double *at = b->at[d];

    for (size_t i = 0; i < n; i++) {
        const double low = floor(at[i]);
        const int32_t e0 = (int32_t)low, e1 = e0 + 1;
        b->w[d][0][i] = (float)(1.0 - (at[i] - low));
        b->w[d][1][i] = (float)(at[i] - low);
        b->e[d][0][i] = e0 >= 0 && e0 < size ? e0 : zeros ? -1 : e0 < 0 ? 0 : size - 1;
        b->e[d][1][i] = e1 >= 0 && e1 < size ? e1 : zeros ? -1 : e1 < 0 ? 0 : size - 1;
    }
}

/* The same where elements outside are reflected. */
static void reflect_taps(struct batch *b, const struct ms_sampler *s, int d, size_t n)
{
    for (size_t i = 0; i < n; i++)
        for (int k = 0; k < 2; k++)
            b->e[d][k][i] = (int32_t)ms_sampler_element(s, d, (int64_t)floor(b->at[d][i]) + k);
}

static inline __attribute__((always_inline)) void join_taps(struct batch *b,
                                                            const struct ms_sampler *s, size_t n)
{
    const int32_t width = (int32_t)s->size[1];

    for (int k = 0; k < TAPS; k++) {
        const int32_t *row = b->e[0][k / 2], *col = b->e[1][k % 2];
        const float *wr = b->w[0][k / 2], *wc = b->w[1][k % 2];
        for (size_t i = 0; i < n; i++) {
            const bool in = row[i] >= 0 && col[i] >= 0;
            b->inside[k][i] = in ? -1 : 0;
            b->offset[k][i] = in ? row[i] * width + col[i] : 0;
            b->weight[k][i] = wr[i] * wc[i];
        }
    }
}

#define STEPS(suffix_, target_, v_)                                                                \
    target_ MS_VECTORISE static void find_##suffix_(struct batch *b, const struct ms_sampler *s,   \
                                                    size_t n)                                      \
    {                                                                                              \
        for (int d = 0; d < 2 && s->padding != 'r'; d++)                                           \
            place_points(b, s, d, n);                                                              \
        axis_taps(b, s, 0, n);                                                                     \
        axis_taps(b, s, 1, n);                                                                     \
    }                                                                                              \
    target_ MS_VECTORISE static void join_##suffix_(struct batch *b, const struct ms_sampler *s,   \
                                                    size_t n)                                      \
    {                                                                                              \
        join_taps(b, s, n);                                                                        \
    }                                                                                              \
    static const struct steps steps_##suffix_ = {find_##suffix_, join_##suffix_, v_##_add_taps}

struct steps {
    void (*find)(struct batch *b, const struct ms_sampler *s, size_t n);
    void (*join)(struct batch *b, const struct ms_sampler *s, size_t n);
    void (*add)(struct batch *b, const float *x, size_t n);
};
STEPS(avx2, MS_TARGET_AVX2, v8);
STEPS(avx512, MS_TARGET_AVX512, v16);

static void run(const struct ms_task *t, const struct steps *steps)
{
    const struct ms_tensor *x = t->in[0];
    const size_t channels = (size_t)x->shape.dim[1], plane = ms_shape_span(&x->shape, 2, 4);
    const size_t points = ms_shape_span(&t->in[1]->shape, 1, 3);
    struct batch *b = t->scratch;
    struct ms_sampler s;

    if (plane > INT32_MAX) {
        ms_task_fail(t, MS_INVALID_ARGUMENT, "a plane of %zu elements is too large", plane);
        return;
    }
    ms_sampler_of(t, &s);
    memset(b, 0, sizeof *b);
    for (size_t u = t->first, n; u < t->last && !ms_task_stopped(t); u += n) {
        n = points - u % points < t->last - u ? points - u % points : t->last - u;
        n = n < BATCH ? n : BATCH;
        const size_t whole = (n + LANES - 1) / LANES * LANES;
        read_points(b, &s, (const float *)t->in[1]->data + 2 * u, n);
        steps->find(b, &s, whole);
        for (int d = 0; d < 2 && s.padding == 'r'; d++)
            reflect_taps(b, &s, d, n);
        steps->join(b, &s, whole);
        for (size_t c = 0; c < channels; c++) {
            const size_t row = u / points * channels + c;
            steps->add(b, (const float *)x->data + row * plane, whole);
            memcpy((float *)t->out[0]->data + row * points + u % points, b->sum,
                   n * sizeof *b->sum);
        }
    }
}

void ms_grid_sample_linear_avx512(const struct ms_task *t)
{
    run(t, &steps_avx512);
}

void ms_grid_sample_linear_avx2(const struct ms_task *t)
{
    run(t, &steps_avx2);
}
