/* SPDX-License-Identifier: Apache-2.0 */
/* conv_patch.h - the patches of a convolution, gathered straight into B panels of a product.
 *
 * Where elements come from is worked out once for a panel, as a list of pieces: up to 16 neighbours
 * of one input row, with a mask of those that lie inside. The list is then walked for each channel.
 */
#ifndef MS_KERNELS_CONV_PATCH_H
#define MS_KERNELS_CONV_PATCH_H

#include "kernels/gemm/gemm.h"
#include "kernels/window.h"

struct ms_patch {
    int64_t src;    /* first element, relative to the channel's plane; may lie before it */
    size_t dst;     /* place in the panel, for channel 0 */
    uint32_t mask;  /* lanes inside the input; lane l is bit 2 l when the stride is 2 */
    uint32_t lanes; /* lanes of the piece */
};

/* Writes the pieces of pixels [px, px + n), n <= 48, of a panel `width` floats wide; at most 48 for
 * each tap of w. Padding may be negative. Returns their number. */
size_t ms_patch_list(struct ms_patch *list, const struct ms_window *w, int64_t px, uint32_t n,
                     uint32_t width);

/* Gathers n pieces of ic channels, in_px floats apart, to rows of the panel that are `row` floats
 * apart for each channel. stride: of the window's last axis. Lanes without pixels stay as they
 * are. */
typedef void (*ms_patch_fn)(const struct ms_patch *list, size_t n, const float *x, float *dst,
                            size_t ic, size_t in_px, size_t row, int64_t stride);
ms_patch_fn ms_patch_gather(enum ms_isa isa);

#endif
