/* SPDX-License-Identifier: Apache-2.0 */
/* space_to_depth.c - pixels to channels: [N, C, H b, W b] to [N, b b C, H, W].
 *
 * Channel (row * b + column) * C + c of the output is the pixel at (row, column) of each block. */
#include <immintrin.h>
#include <inttypes.h>

#include "base/cpu.h"
#include "kernels/facts.h"
#include "kernels/raw.h"

/* y[i] = x[2 i], z[i] = x[2 i + 1] for n >= 8 words */
MS_TARGET_AVX2 static void unzip(float *y, float *z, const float *x, size_t n)
{
    for (size_t i = 0; i < n; i += 8) {
        const size_t at = i + 8 <= n ? i : n - 8; /* the last eight, some of them again */
        const __m256 a = _mm256_loadu_ps(x + 2 * at), b = _mm256_loadu_ps(x + 2 * at + 8);
        const __m256 even = _mm256_shuffle_ps(a, b, 0x88), odd = _mm256_shuffle_ps(a, b, 0xdd);
        _mm256_storeu_ps(y + at,
                         _mm256_castpd_ps(_mm256_permute4x64_pd(_mm256_castps_pd(even), 0xd8)));
        _mm256_storeu_ps(z + at,
                         _mm256_castpd_ps(_mm256_permute4x64_pd(_mm256_castps_pd(odd), 0xd8)));
    }
}

#define GATHER(type_)                                                                              \
    do {                                                                                           \
        const type_ *p = (const type_ *)x + k;                                                     \
        type_ *q = (type_ *)y + k * pitch;                                                         \
        for (size_t i = 0; i < n; i++)                                                             \
            q[i] = p[i * b];                                                                       \
    } while (0)

/* One row of n b elements to b rows of n, pitch elements apart. */
static void part_row(size_t size, void *y, size_t pitch, const void *x, size_t n, size_t b)
{
    if (size == 4 && b == 2 && n >= 8 && ms_cpu()->isa >= MS_ISA_AVX2) {
        unzip(y, (float *)y + pitch, x, n);
        return;
    }
    for (size_t k = 0; k < b; k++)
        MS_BY_SIZE(size, GATHER);
}

/* Every input row is read once, and goes to as many channels as a block has columns. */
static void run(const struct ms_task *t)
{
    const struct ms_shape *s = &t->in[0]->shape;
    const size_t size = ms_dtype_size(t->in[0]->dtype),
                 b = (size_t)ms_attr_int(t->node, "blocksize");
    const size_t c = (size_t)s->dim[1], h = (size_t)s->dim[2], n = (size_t)s->dim[3] / b;
    const size_t plane = h / b * n;

    for (size_t u = t->first; u < t->last && !ms_task_stopped(t); u++) {
        const size_t row = u % h, channel = u / h % c, item = u / h / c;
        const size_t to = (item * b * b + row % b * b) * c + channel;
        part_row(size, (uint8_t *)t->out[0]->data + (to * plane + row / b * n) * size, c * plane,
                 (const uint8_t *)t->in[0]->data + u * n * b * size, n, b);
    }
}

static size_t units(const struct ms_task *t)
{
    const struct ms_shape *s = &t->in[0]->shape;

    return ms_tensor_count(t->in[0]) ? ms_shape_span(s, 0, 3) : 0;
}

static ms_code infer(struct ms_infer *c)
{
    const struct ms_shape *x = &c->in[0].shape;
    const int64_t b = ms_attr_int(c->node, "blocksize");
    struct ms_shape *y = &c->out[0].shape;

    MS_TRY(ms_fact_rank(c, 0, 4));
    ms_fact_fresh(c, 0, c->in[0].dtype, 4);
    if (x->rank < 0)
        return MS_OK;
    y->dim[0] = x->dim[0];
    if (!ms_is_sym(x->dim[1]) && __builtin_mul_overflow(x->dim[1], b * b, &y->dim[1]))
        return ms_fail(c->err, MS_INVALID_ARGUMENT, "dim 1 becomes too large");
    for (int d = 2; d < 4; d++) {
        if (ms_is_sym(x->dim[d]))
            continue;
        if (x->dim[d] % b)
            return ms_fail(c->err, MS_INVALID_ARGUMENT,
                           "dim %d of %" PRId64 " is no multiple of %" PRId64, d, x->dim[d], b);
        y->dim[d] = x->dim[d] / b;
    }
    return MS_OK;
}

static const struct ms_attr_spec attrs[] = {
    {.name = "blocksize",
     .type = MS_ATTR_INT,
     .required = true,
     .min = 1,
     .max = 65536,
     .doc = "side of a block"},
    {0},
};

MS_OP(space_to_depth) = {
    .name = "SpaceToDepth",
    .doc = "blocks of pixels rearranged into channels",
    .min_in = 1,
    .max_in = 1,
    .min_out = 1,
    .max_out = 1,
    .in = {MS_FIXED},
    .attrs = attrs,
    .infer = infer,
    .kernels = (const struct ms_kernel[]){{"space_to_depth", MS_FIXED, MS_ISA_ANY, .units = units,
                                           .run = run},
                                          {0}},
};
