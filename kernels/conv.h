/* SPDX-License-Identifier: Apache-2.0 */
/* conv.h - what the convolution kernels share: sizes of a call, digested once. */
#ifndef MS_KERNELS_CONV_H
#define MS_KERNELS_CONV_H

#include "kernels/act.h"
#include "kernels/window.h"

struct ms_conv {
    struct ms_window w;
    int64_t n, ic, oc, groups;
    int64_t shuffle;  /* groups that the channels of x are dealt out of; 1: they are as they lie */
    int64_t icg, ocg; /* channels of a group */
    int64_t taps;     /* k[0] k[1] k[2] */
    int64_t in_px, out_px;
    const void *x, *wt, *bias, *res; /* bias and res NULL if absent */
    void *y;
};

/* The rule for X and W (inputs 0 and 1); the shape stays unknown when a rank is. */
ms_code ms_conv_infer_shape(struct ms_infer *c, struct ms_shape *y);
/* From a task whose shapes inference has accepted; dividing by these numbers is safe. */
void ms_conv_of(struct ms_conv *c, const struct ms_task *t);

/* The node's `shuffle`; 1 for operators that do not have it. */
static inline int64_t ms_conv_shuffle(const struct ms_node *n)
{
    const int64_t s = ms_attr_int(n, "shuffle");

    return s > 1 ? s : 1;
}
/* The channel of x, of ic, that the weights for input channel c are for. */
static inline int64_t ms_conv_channel(int64_t c, int64_t ic, int64_t shuffle)
{
    return c % shuffle * (ic / shuffle) + c / shuffle;
}

/* And back: the input channel whose weights are for channel s of x. */
static inline int64_t ms_conv_dealt(int64_t s, int64_t ic, int64_t shuffle)
{
    return s % (ic / shuffle) * shuffle + s / (ic / shuffle);
}

/* Kernels, one algorithm a file. */
/* conv_depthwise.c: one input channel a group, one or two axes. */
bool ms_conv_depthwise_applicable(const struct ms_prep *p);
size_t ms_conv_depthwise_units(const struct ms_task *t);
size_t ms_conv_depthwise_scratch(const struct ms_task *t);
void ms_conv_depthwise_avx512(const struct ms_task *t);
void ms_conv_depthwise_avx2(const struct ms_task *t);
/* conv_gemm.c: any convolution in f32. */
size_t ms_conv_gemm_units(const struct ms_task *t);
size_t ms_conv_gemm_scratch(const struct ms_task *t);
void ms_conv_gemm_avx512(const struct ms_task *t);
void ms_conv_gemm_avx2(const struct ms_task *t);
void ms_conv_gemm_plain(const struct ms_task *t);

/* On channel-blocked activations; functions for each width. */
/* Units that keep so many workers evenly busy. */
static inline size_t ms_conv_pieces(int threads)
{
    return threads > 1 ? 4 * (size_t)threads : 1;
}
/* ms_op.blocked of Conv. */
unsigned ms_conv_blocked(const struct ms_node *n);
#define MS_CONV_KERNEL(name_)                                                                      \
    ms_code ms_conv_##name_##_prepare_avx512(const struct ms_prep *p, const void **state,          \
                                             struct ms_err *err);                                  \
    ms_code ms_conv_##name_##_prepare_avx2(const struct ms_prep *p, const void **state,            \
                                           struct ms_err *err);                                    \
    void ms_conv_##name_##_avx512(const struct ms_task *t);                                        \
    void ms_conv_##name_##_avx2(const struct ms_task *t)
/* Cut into (band or block of tiles, output channels); conv_price.c has their prices. */
#define MS_CONV_TILED(name_)                                                                       \
    MS_CONV_KERNEL(name_);                                                                         \
    size_t ms_conv_##name_##_units_avx512(const struct ms_task *t);                                \
    size_t ms_conv_##name_##_units_avx2(const struct ms_task *t);                                  \
    size_t ms_conv_##name_##_scratch_avx512(const struct ms_task *t);                              \
    size_t ms_conv_##name_##_scratch_avx2(const struct ms_task *t);                                \
    double ms_conv_price_##name_##_avx512(const struct ms_prep *p);                                \
    double ms_conv_price_##name_##_avx2(const struct ms_prep *p)
/* conv_direct.c: any convolution but depthwise. */
MS_CONV_TILED(direct);
bool ms_conv_direct_applicable(const struct ms_prep *p);
/* For calls that add no residual: rows [from, to) of all output channels of an item, blocks
 * `y_block` floats apart at y. scratch: bytes for so many rows, 64-byte aligned. */
bool ms_conv_direct_by_rows(const struct ms_task *t);
size_t ms_conv_direct_pieces(const struct ms_task *t); /* to be cut into at least */
bool ms_conv_direct_rows_scratch(const struct ms_task *t, size_t rows, size_t *bytes);
void ms_conv_direct_rows(const struct ms_task *t, size_t item, size_t from, size_t to,
                         void *scratch, float *y, size_t y_block);
/* conv_winograd.c: 3x3 at stride 1, tiles of 4x4 or 2x2 outputs. */
MS_CONV_TILED(winograd4);
MS_CONV_TILED(winograd2);
bool ms_conv_winograd_applicable(const struct ms_prep *p);
/* conv_fft.c: windows of 7x7 to 11x11 at stride 1, by frequencies. */
MS_CONV_TILED(fft);
bool ms_conv_fft_applicable(const struct ms_prep *p);
/* conv_indirect.c: any convolution of one group, through a table of pointers. */
MS_CONV_TILED(indirect);
bool ms_conv_indirect_applicable(const struct ms_prep *p);
/* conv_depthwise_blocked.c */
MS_CONV_KERNEL(dw_blocked);
bool ms_conv_dw_blocked_applicable(const struct ms_prep *p);
size_t ms_conv_dw_blocked_units(const struct ms_task *t);
size_t ms_conv_dw_blocked_scratch(const struct ms_task *t);
extern const struct ms_pairing ms_conv_dw_pairing_avx512, ms_conv_dw_pairing_avx2;

#endif
