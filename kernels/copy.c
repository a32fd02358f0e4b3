/* SPDX-License-Identifier: Apache-2.0 */
/* copy.c - see copy.h. */
#include <immintrin.h>
#include <string.h>

#include "kernels/copy.h"
#include "kernels/elementwise.h"
#include "kernels/raw.h"
#include "kernels/vec.h"

enum {
    CHUNK = 65536, /* elements between two looks at the stop flag */
    BAND = 64,     /* rows that a strip of columns is turned of before the next strip */
    TILE = 16,     /* rows and columns turned at a time: 16 x 4 bytes is a cache line */
};

void ms_row_strides(const struct ms_shape *s, ptrdiff_t *stride)
{
    ptrdiff_t step = 1;

    for (int d = s->rank - 1; d >= 0; d--) {
        stride[d] = step;
        step *= s->dim[d];
    }
}

size_t ms_units_elements(const struct ms_task *t)
{
    return ms_tensor_count(t->out[0]);
}

#define FILL(type_)                                                                                \
    do {                                                                                           \
        type_ *q = y;                                                                              \
        const type_ x = *(const type_ *)v;                                                         \
        for (size_t i = 0; i < n; i++)                                                             \
            q[i] = x;                                                                              \
    } while (0)

MS_VECTORISE void ms_fill(void *y, const void *v, size_t size, size_t n)
{
    MS_BY_SIZE(size, FILL);
}

/* ---- planes: y[r][c] = x[c][r] ---- */

#define TURN(type_)                                                                                \
    do {                                                                                           \
        const type_ *x = xv;                                                                       \
        type_ *y = yv;                                                                             \
        for (size_t r0 = 0; r0 < rows; r0 += TILE) {                                               \
            const size_t r1 = rows - r0 < TILE ? rows : r0 + TILE;                                 \
            for (size_t c = 0; c < cols; c++)                                                      \
                for (size_t r = r0; r < r1; r++)                                                   \
                    y[r * cols + c] = x[(ptrdiff_t)c * step + (ptrdiff_t)r];                       \
        }                                                                                          \
    } while (0)

/* 8 x 8 words at a time in registers. */
MS_TARGET_AVX2 static void turn8(uint8_t *y, size_t y_step, const uint8_t *x, ptrdiff_t x_step)
{
    __m256 a[8], b[8];

    MS_UNROLL for (int i = 0; i < 8; i++) a[i] =
        _mm256_loadu_ps((const float *)(const void *)(x + i * x_step));
    MS_UNROLL for (int i = 0; i < 8; i += 2)
    {
        b[i] = _mm256_unpacklo_ps(a[i], a[i + 1]);
        b[i + 1] = _mm256_unpackhi_ps(a[i], a[i + 1]);
    }
    MS_UNROLL for (int i = 0; i < 8; i += 4)
    {
        a[i] = _mm256_shuffle_ps(b[i], b[i + 2], 0x44);
        a[i + 1] = _mm256_shuffle_ps(b[i], b[i + 2], 0xee);
        a[i + 2] = _mm256_shuffle_ps(b[i + 1], b[i + 3], 0x44);
        a[i + 3] = _mm256_shuffle_ps(b[i + 1], b[i + 3], 0xee);
    }
    MS_UNROLL for (int i = 0; i < 4; i++)
    {
        _mm256_storeu_ps((float *)(void *)(y + (size_t)i * y_step),
                         _mm256_permute2f128_ps(a[i], a[i + 4], 0x20));
        _mm256_storeu_ps((float *)(void *)(y + (size_t)(i + 4) * y_step),
                         _mm256_permute2f128_ps(a[i], a[i + 4], 0x31));
    }
}

static void turn32_edge(ms_raw32 *y, size_t cols, const ms_raw32 *x, ptrdiff_t step, size_t r0,
                        size_t r1, size_t c0, size_t c1)
{
    for (size_t r = r0; r < r1; r++)
        for (size_t c = c0; c < c1; c++)
            y[r * cols + c] = x[(ptrdiff_t)c * step + (ptrdiff_t)r];
}

static void turn32(void *y, const void *x, size_t rows, size_t cols, ptrdiff_t step)
{
    const size_t r8 = rows & ~(size_t)7, c8 = cols & ~(size_t)7;

    /* a cache line of y's rows at a time, of as many rows as make whole lines of x */
    for (size_t r0 = 0; r0 < r8; r0 += BAND)
        for (size_t c0 = 0; c0 < c8; c0 += TILE)
            for (size_t r = r0; r < r8 && r < r0 + BAND; r += 8)
                for (size_t c = c0; c < c8 && c < c0 + TILE; c += 8)
                    turn8((uint8_t *)y + (r * cols + c) * 4, cols * 4,
                          (const uint8_t *)x + ((ptrdiff_t)c * step + (ptrdiff_t)r) * 4, step * 4);
    turn32_edge(y, cols, x, step, 0, r8, c8, cols);
    turn32_edge(y, cols, x, step, r8, rows, 0, cols);
}

void ms_plane_turn(size_t size, void *yv, const void *xv, size_t rows, size_t cols, ptrdiff_t step)
{
    if (size == 4 && ms_cpu()->isa >= MS_ISA_AVX2)
        turn32(yv, xv, rows, cols, step);
    else
        MS_BY_SIZE(size, TURN);
}

/* ---- strided windows ---- */

void ms_strided_merge(struct ms_strided *s)
{
    int rank = 0;

    for (int d = 0; d < s->rank; d++) {
        if (s->dim[d] == 1)
            continue;
        if (rank > 0 && s->stride[rank - 1] == s->stride[d] * (ptrdiff_t)s->dim[d]) {
            s->dim[rank - 1] *= s->dim[d];
            s->stride[rank - 1] = s->stride[d];
        } else {
            s->dim[rank] = s->dim[d];
            s->stride[rank++] = s->stride[d];
        }
    }
    if (rank == 0) {
        s->dim[0] = 1;
        s->stride[rank++] = 1;
    }
    s->rank = rank;
}

#define GATHER(type_)                                                                              \
    do {                                                                                           \
        type_ *q = y;                                                                              \
        const type_ *p = x;                                                                        \
        for (size_t i = 0; i < n; i++)                                                             \
            q[i] = p[(ptrdiff_t)i * step];                                                         \
    } while (0)

/* y[i] = x[2 i] for n >= 8 elements; nothing beyond x[2 n - 2] is read. */
MS_TARGET_AVX2 static void every_second(float *y, const float *x, size_t n)
{
    for (size_t i = 0; i + 8 < n; i += 8) {
        const __m256 s =
            _mm256_shuffle_ps(_mm256_loadu_ps(x + 2 * i), _mm256_loadu_ps(x + 2 * i + 8), 0x88);
        _mm256_storeu_ps(y + i, _mm256_castpd_ps(_mm256_permute4x64_pd(_mm256_castps_pd(s), 0xd8)));
    }
    /* the last eight, some of them again: the second half is read one element earlier */
    x += 2 * (n - 8);
    const __m256 s = _mm256_shuffle_ps(_mm256_loadu_ps(x), _mm256_loadu_ps(x + 7), 0xd8);
    _mm256_storeu_ps(y + n - 8, _mm256_castpd_ps(_mm256_permute4x64_pd(_mm256_castps_pd(s), 0xd8)));
}

static void copy_row(size_t size, void *y, const void *x, ptrdiff_t step, size_t n)
{
    if (step == 1)
        memcpy(y, x, n * size);
    else if (step == 0)
        ms_fill(y, x, size, n);
    else if (step == 2 && size == 4 && n >= 8 && ms_cpu()->isa >= MS_ISA_AVX2)
        every_second(y, x, n);
    else
        MS_BY_SIZE(size, GATHER);
}

/* Coordinates of an output element, and its offset in the input in elements. */
struct walk {
    size_t i[MS_STRIDED_MAX];
    ptrdiff_t off;
};

static void seek(const struct ms_strided *s, struct walk *w, size_t index)
{
    w->off = 0;
    for (int d = s->rank - 1; d >= 0; d--) {
        w->i[d] = index % s->dim[d];
        index /= s->dim[d];
        w->off += (ptrdiff_t)w->i[d] * s->stride[d];
    }
}

/* n steps along dimension d, carried to the outer ones at its end. */
static void step_by(const struct ms_strided *s, struct walk *w, int d, size_t n)
{
    w->i[d] += n;
    w->off += (ptrdiff_t)n * s->stride[d];
    while (d > 0 && w->i[d] == s->dim[d]) {
        w->off += s->stride[d - 1] - (ptrdiff_t)s->dim[d] * s->stride[d];
        w->i[d--] = 0;
        w->i[d]++;
    }
}

void ms_strided_copy(const struct ms_strided *s, void *y, size_t first, size_t last)
{
    const int d = s->rank - 1;
    const size_t cols = s->dim[d];
    const bool turned = d > 0 && s->stride[d - 1] == 1 && s->stride[d] != 1 && s->stride[d] != 0;
    struct walk w;

    if (first >= last)
        return;
    seek(s, &w, first);
    for (size_t i = first, n; i < last; i += n) {
        const uint8_t *x = (const uint8_t *)s->src + w.off * (ptrdiff_t)s->size;
        uint8_t *to = (uint8_t *)y + i * s->size;
        size_t rows = (last - i) / cols;

        if (turned && w.i[d] == 0 && rows > 1) {
            if (rows > s->dim[d - 1] - w.i[d - 1])
                rows = s->dim[d - 1] - w.i[d - 1];
            ms_plane_turn(s->size, to, x, rows, cols, s->stride[d]);
            n = rows * cols;
            step_by(s, &w, d - 1, rows);
        } else {
            n = cols - w.i[d] < last - i ? cols - w.i[d] : last - i;
            copy_row(s->size, to, x, s->stride[d], n);
            step_by(s, &w, d, n);
        }
    }
}

void ms_strided_run(const struct ms_task *t, struct ms_strided *s)
{
    ms_strided_merge(s);
    for (size_t i = t->first; i < t->last && !ms_task_stopped(t); i += CHUNK)
        ms_strided_copy(s, t->out[0]->data, i, t->last - i < CHUNK ? t->last : i + CHUNK);
}

/* ---- views ---- */

static void copy_view(const struct ms_task *t)
{
    const size_t size = ms_dtype_size(t->out[0]->dtype);

    if (t->out[0]->data != t->in[0]->data && t->last > t->first)
        memcpy((uint8_t *)t->out[0]->data + t->first * size,
               (const uint8_t *)t->in[0]->data + t->first * size, (t->last - t->first) * size);
}

const struct ms_kernel ms_copy_kernels[] = {
    {"copy", MS_FIXED | MS_BIT(STRING), MS_ISA_ANY, .units = ms_units_elements, .run = copy_view},
    {0},
};
