/* SPDX-License-Identifier: Apache-2.0 */
/* conv_quads.h - a band of a convolution's input as quads (gemm/quad.h), so that each step of a sum
 * reads neighbouring pixels at one distance from the output's own.
 *
 * Rows of quads are `pitch` pixels long, with the zero point where windows reach over the edge. An
 * output's row is the first out[2] pixels of such a row; the few behind them are worked out too
 * and dropped. Rows and columns that a stride leaves between windows lie in planes of their own
 * (phases), and planes that no window reads are not made.
 *
 * A quad holds neighbouring channels of a pixel, or, where there are few of them (a depthwise
 * convolution, an image), columns of the window. */
#ifndef MS_KERNELS_CONV_QUADS_H
#define MS_KERNELS_CONV_QUADS_H

#include "kernels/window.h"

enum { MS_QUADS_STRIDE = 4 }; /* the largest stride */

/* What follows from the weights alone. */
struct ms_quads_order {
    size_t group, depth; /* numbers of a quad (2 or 4), channels of a group */
    size_t kh, kw;
    bool columns;         /* quads of columns */
    size_t planes, turns; /* quads over channels; quads of a window's row */
    size_t steps;         /* quads of a window */
};
/* False: convolutions of three axes, long strides; weights of shape w. */
bool ms_quads_order_of(struct ms_quads_order *o, const struct ms_node *n, const struct ms_shape *w,
                       size_t group);
/* A channel's weights (depth x kh x kw) as quads, `apart` bytes from each to the next, each byte of
 * four xored with flip; returns their sum. w NULL: ones. */
int32_t ms_quads_weights(const struct ms_quads_order *o, const uint8_t *w, enum ms_dtype t,
                         uint8_t flip, uint8_t *to, size_t apart);

/* Pixels of a row of quads for `out` of the output; dilation d and stride s of the columns. */
size_t ms_quads_pitch(const struct ms_quads_order *o, int64_t out, int64_t d, int64_t s);

struct ms_quads {
    struct ms_quads_order o;
    struct ms_window w;
    size_t row_phases, col_phases;                           /* that are made */
    int8_t row_at[MS_QUADS_STRIDE], col_at[MS_QUADS_STRIDE]; /* place of a phase; -1: not made */
    size_t pitch, more; /* pixels of a row; rows beyond those of the output */
};
void ms_quads_of(struct ms_quads *q, const struct ms_quads_order *o, const struct ms_window *w);
/* Bytes of a plane for so many rows of outputs, and of all with what may be read behind them, and
 * of a line that filling needs; false on overflow. */
bool ms_quads_bytes(const struct ms_quads *q, size_t rows, size_t *plane, size_t *all,
                    size_t *line);
/* Distances of the steps. */
void ms_quads_steps(const struct ms_quads *q, size_t plane, size_t *at);

struct ms_quads_from {
    const uint8_t *x, *end; /* the group's first channel; end of what may be read */
    size_t in_px;
    enum ms_dtype type;
    int32_t zero; /* zero point, in the quads' own type */
    uint8_t flip; /* xored with each byte of four */
    uint8_t *line;
};
/* Output rows [first, first + rows). AVX2. */
void ms_quads_fill(const struct ms_quads *q, const struct ms_quads_from *s, uint8_t *to,
                   size_t plane, size_t first, size_t rows);

#endif
