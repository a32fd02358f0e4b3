/* SPDX-License-Identifier: Apache-2.0 */
/* blocked.h - rows of channel-blocked tensors: what the operators around convolutions do to one
 * block of channels, for both vector widths.
 *
 * A block is [pixels][lanes]. Lanes beyond the last channel hold zeros and must be left so. */
#ifndef MS_KERNELS_BLOCKED_H
#define MS_KERNELS_BLOCKED_H

#include <string.h>

#include "ir/op.h"
#include "kernels/window.h"

/* Where the lanes of a block come from: for each block of the source, which of its lanes go where.
 */
struct ms_lanes {
    int n;
    const float *x[16];
    int32_t lane[16][16]; /* by lane of the result */
    uint32_t mask[16];
};
/* Lane `to` of the result is lane `from` of the block x. */
static inline void ms_lanes_add(struct ms_lanes *m, const float *x, size_t from, size_t to)
{
    int i = 0;

    while (i < m->n && m->x[i] != x)
        i++;
    if (i == m->n)
        m->x[m->n++] = x;
    m->lane[i][to] = (int32_t)from;
    m->mask[i] |= 1u << to;
}

struct ms_blocked_fns {
    size_t lanes;
    /* px pixels of a block from others; lanes that nobody gives are 0. */
    void (*mix)(const struct ms_lanes *m, float *y, size_t px);
    /* `have` planes of px floats, px apart, become n pixels of a block from p on; other lanes 0. */
    void (*gather)(const float *x, size_t px, size_t have, float *y, size_t n);
    /* And back: lanes [0, have). */
    void (*scatter)(const float *x, float *y, size_t px, size_t have, size_t n);
    /* y[i] = x[2 i] */
    void (*halve)(const float *x, float *y, size_t n);
    /* An output row of a pool: `w`'s row o of a block. inside: its columns whose windows lie inside
     * the input. pads: a mean counts the padding. */
    void (*max_row)(const float *x, const struct ms_window *w, const int64_t inside[2], int64_t o,
                    float *y);
    void (*mean_row)(const float *x, const struct ms_window *w, const int64_t inside[2], int64_t o,
                     bool pads, float *y);
    void (*mean)(const float *x, size_t px, float *y);
    /* y = clamp(x k + b) */
    void (*affine)(const float *x, const float *k, const float *b, float lo, float hi, float *y,
                   size_t px);
    /* y = x < 0 ? k x : x */
    void (*leaky)(const float *x, const float *k, float *y, size_t px);
    /* x / (bias + alpha sum of squares over `size` channels)^beta of block `b` of all channels. */
    void (*lrn)(const float *x, size_t blocks, size_t b, size_t px, size_t from, size_t n,
                int64_t size, float alpha, float beta, float bias, float *y);
};
const struct ms_blocked_fns *ms_blocked_fns(enum ms_isa isa); /* AVX2 or AVX-512 */

/* Blocks of a tensor of that layout. */
static inline size_t ms_blocks(const struct ms_tensor *t)
{
    return ms_layout_channels(t->layout, t->shape.dim[1]) / t->layout;
}
/* Channels of block b: the lanes in use. */
static inline size_t ms_block_lanes(const struct ms_tensor *t, size_t b)
{
    size_t left = (size_t)t->shape.dim[1] - b * t->layout;

    return left < t->layout ? left : t->layout;
}
static inline size_t ms_pixels(const struct ms_tensor *t)
{
    return ms_shape_span(&t->shape, 2, t->shape.rank);
}
/* The block of item n that channel c is in. */
static inline const float *ms_channel_block(const struct ms_tensor *t, size_t n, size_t c)
{
    return (const float *)t->data + (n * ms_blocks(t) + c / t->layout) * ms_pixels(t) * t->layout;
}
/* Zeros in the lanes that are not in use, n pixels. */
static inline void ms_block_clean(float *y, size_t n, size_t lanes, size_t have)
{
    for (size_t i = 0; have < lanes && i < n; i++)
        memset(y + i * lanes + have, 0, (lanes - have) * sizeof *y);
}

/* Channels [c, c + have) of item n of x as a block, the other lanes 0. */
void ms_block_of_channels(const struct ms_blocked_fns *f, const struct ms_tensor *x, size_t n,
                          size_t c, size_t have, float *y);

/* Units: items x blocks of output 0; and times its rows (rank 4) or 1. */
size_t ms_blocked_units(const struct ms_task *t);
size_t ms_blocked_row_units(const struct ms_task *t);

/* Row units follow each other by rows, all blocks of a row after each other, as bands of
 * convolutions do: so a worker with the same part of all units has the same part of the image, step
 * after step, and finds it in its own cache. On small images they follow by blocks: there the rows
 * on both sides of a cut, which both workers read, are too large a part. */
struct ms_block_part {
    size_t item, block, blocks, row, rows; /* rows [row, row + rows) of these blocks */
};
/* The next part of row units [*unit, last) of y that is whole, and *unit behind it; false when
 * there is none left. */
bool ms_block_part(const struct ms_tensor *y, size_t *unit, size_t last, struct ms_block_part *p);
/* Pixels of a row. */
static inline size_t ms_row_pixels(const struct ms_tensor *t)
{
    return t->shape.rank == 4 ? (size_t)t->shape.dim[3] : ms_pixels(t);
}
/* Where row `row` of a block of t lies, in floats. */
static inline size_t ms_block_row(const struct ms_tensor *t, size_t item, size_t block, size_t row)
{
    return ((item * ms_blocks(t) + block) * ms_pixels(t) + row * ms_row_pixels(t)) * t->layout;
}

/* ms_op.blocked of pooling over the last two axes (or one), output 0 alone. */
unsigned ms_pool_blocked(const struct ms_node *n);
void ms_max_pool_blocked_avx512(const struct ms_task *t);
void ms_max_pool_blocked_avx2(const struct ms_task *t);
extern const struct ms_pairing ms_max_pool_pairing_avx512, ms_max_pool_pairing_avx2;
void ms_average_pool_blocked_avx512(const struct ms_task *t);
void ms_average_pool_blocked_avx2(const struct ms_task *t);

/* Two rows of a kernel list: NAME_blocked_avx512 and NAME_blocked_avx2. */
#define MS_BLOCKED_KERNELS(name_, units_, fn_, ...)                                                \
    {.name = name_ "_blocked_avx512",                                                              \
     .dtypes = MS_BIT(F32),                                                                        \
     .isa = MS_ISA_AVX512,                                                                         \
     .blocked = true,                                                                              \
     .units = units_,                                                                              \
     .run = fn_##_avx512,                                                                          \
     __VA_ARGS__},                                                                                 \
    {                                                                                              \
        .name = name_ "_blocked_avx2", .dtypes = MS_BIT(F32), .isa = MS_ISA_AVX2, .blocked = true, \
        .units = units_, .run = fn_##_avx2, __VA_ARGS__                                            \
    }
#define MS_BLOCKED_RUNS(fn_)                                                                       \
    static void fn_##_avx512(const struct ms_task *t)                                              \
    {                                                                                              \
        fn_(t, ms_blocked_fns(MS_ISA_AVX512));                                                     \
    }                                                                                              \
    static void fn_##_avx2(const struct ms_task *t)                                                \
    {                                                                                              \
        fn_(t, ms_blocked_fns(MS_ISA_AVX2));                                                       \
    }

#endif
