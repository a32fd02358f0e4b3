/* SPDX-License-Identifier: Apache-2.0 */
/* quad.h - sums of products of weights with neighbouring pixels of an image of quads.
 *
 * A quad is four bytes of a pixel: four 8-bit numbers, or two of 16 bits where the CPU cannot
 * multiply and add four bytes without saturation. Pixels are lanes, output channels are rows; step
 * s of a sum multiplies the row's quad with that of the pixel at[s] bytes behind:
 *
 *     c[i, j] = first[i] + sum over s of w[s, i] . x[at[s] + 4 j]
 *
 * in i32 that wraps around. Of bytes, x is unsigned and w signed. */
#ifndef MS_KERNELS_GEMM_QUAD_H
#define MS_KERNELS_GEMM_QUAD_H

#include <stddef.h>
#include <stdint.h>

enum { MS_QUAD_ROWS = 6, MS_QUAD_WIDTH = 64 }; /* of the largest tile of any form */

struct ms_quad_form {
    size_t group; /* numbers of a quad: 4 or 2 */
    size_t lanes; /* pixels of a vector */
    size_t width; /* pixels of a tile, at most MS_QUAD_WIDTH; c's rows are so far apart */
    /* m <= MS_QUAD_ROWS rows, vecs vectors of pixels from x on; w: [steps][m] quads. */
    void (*sums)(size_t m, size_t vecs, size_t steps, const size_t *at, const uint8_t *x,
                 const uint8_t *w, const int32_t *first, int32_t *c);
    /* The same the other way round, for few pixels: channels are lanes. m <= MS_QUAD_ROWS pixels
     * px[i] bytes from x, vecs vectors of channels, w: [steps][vecs] vectors:
     *
     *     c[i, j] += sum over s of w[s, j] . x[at[s] + px[i]]
     *
     * c's rows are MS_QUAD_WIDTH apart. NULL: not in this form. */
    void (*channels)(size_t m, size_t vecs, size_t steps, const size_t *at, const uint8_t *x,
                     const size_t *px, const uint8_t *w, int32_t *c);
};
extern const struct ms_quad_form ms_quad_vnni, ms_quad_avxvnni, ms_quad_avx2;

#endif
