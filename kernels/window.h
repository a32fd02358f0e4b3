/* SPDX-License-Identifier: Apache-2.0 */
/* window.h - the sliding windows of convolution and pooling: kernel, strides, dilations, padding.
 *
 * Windows are always three-dimensional; the leading axes of 1-d and 2-d ones have size 1. So every
 * kernel is one triple loop. All numbers are checked: sizes >= 1, sums within int64. */
#ifndef MS_KERNELS_WINDOW_H
#define MS_KERNELS_WINDOW_H

#include "ir/op.h"

struct ms_window {
    int rank;                 /* spatial axes the operator has: 1, 2 or 3 */
    int64_t k[3], s[3], d[3]; /* kernel, stride, dilation */
    int64_t pb[3], pe[3];     /* padding before and after */
    int64_t in[3], out[3];    /* sizes, or symbols while inferring */
};

/* Reads attributes strides, dilations, pads and auto_pad of n for `rank` axes. kernel and in: rank
 * numbers each (symbols allowed). Fills w->out, fresh symbols where it cannot be told. ceil: round
 * the number of windows up (pooling). */
ms_code ms_window_init(struct ms_window *w, const struct ms_node *n, int rank,
                       const int64_t *kernel, const int64_t *in, bool ceil, struct ms_syms *syms,
                       struct ms_err *err);

/* The same for concrete shapes that inference accepted before (x: N, C, axes...). */
void ms_window_of(struct ms_window *w, const struct ms_node *n, const struct ms_shape *x,
                  const int64_t *kernel, bool ceil);

/* Attribute rows; sizes are bounded so that no product below 2^62 overflows. */
#define MS_WINDOW_MAX (1 << 20)
#define MS_WINDOW_ATTRS                                                                            \
    {.name = "auto_pad",                                                                           \
     .type = MS_ATTR_STRING,                                                                       \
     .s = "NOTSET",                                                                                \
     .choices = "NOTSET|SAME_UPPER|SAME_LOWER|VALID",                                              \
     .doc = "how pads follow from the sizes"},                                                     \
        {.name = "kernel_shape",                                                                   \
         .type = MS_ATTR_INTS,                                                                     \
         .min = 1,                                                                                 \
         .max = MS_WINDOW_MAX,                                                                     \
         .max_len = 3,                                                                             \
         .doc = "size of the window"},                                                             \
        {.name = "strides",                                                                        \
         .type = MS_ATTR_INTS,                                                                     \
         .min = 1,                                                                                 \
         .max = MS_WINDOW_MAX,                                                                     \
         .max_len = 3,                                                                             \
         .doc = "steps between windows, default 1"},                                               \
        {.name = "dilations",                                                                      \
         .type = MS_ATTR_INTS,                                                                     \
         .min = 1,                                                                                 \
         .max = MS_WINDOW_MAX,                                                                     \
         .max_len = 3,                                                                             \
         .doc = "steps between a window's elements, default 1"},                                   \
    {                                                                                              \
        .name = "pads", .type = MS_ATTR_INTS, .min = 0, .max = MS_WINDOW_MAX, .max_len = 6,        \
        .doc = "padding before each axis, then after each, default 0"                              \
    }

/* First and one past the last kernel tap k whose element pos = o * s - pb + k * d lies in [0, in).
 */
void ms_window_taps(const struct ms_window *w, int axis, int64_t o, int64_t *from, int64_t *to);

/* Windows [from, end) of an axis lie inside the input. from <= end <= out. */
void ms_window_inside(const struct ms_window *w, int axis, int64_t *from, int64_t *end);

static inline int64_t ms_window_volume(const int64_t *d)
{
    return d[0] * d[1] * d[2];
}

#endif
