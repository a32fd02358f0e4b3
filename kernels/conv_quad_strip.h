/* SPDX-License-Identifier: Apache-2.0 */
/* conv_quad_strip.h - 8-bit convolution with channels as lanes of vectors: for maps so small that
 * pixels do not fill vectors. */
#ifndef MS_KERNELS_CONV_QUAD_STRIP_H
#define MS_KERNELS_CONV_QUAD_STRIP_H

#include "kernels/gemm/quad.h"
#include "kernels/qlinear.h"

enum { MS_QUAD_STRIP = 64 }; /* pixels of a strip at most */

/* A block of channels, MS_QUAD_WIDTH at most, and what it is multiplied with. */
struct ms_quad_block {
    const struct ms_quad_form *f;
    size_t steps;
    const size_t *at;
    const uint8_t *x; /* the image of quads */
    const uint8_t *w; /* [steps][channels rounded up to whole vectors] quads */
    size_t channels;
    int32_t first[MS_QUAD_WIDTH]; /* what sums begin with */
    float factor[MS_QUAD_WIDTH];
    const struct ms_qlinear *q; /* results are bytes; NULL: the sums */
};
/* The block's outputs of n <= MS_QUAD_STRIP pixels px[i] bytes from x, which are neighbours in y;
 * channels are `apart` elements apart there. */
void ms_quad_strip(const struct ms_quad_block *b, const size_t *px, size_t n, void *y,
                   size_t apart);

#endif
