/* SPDX-License-Identifier: Apache-2.0 */
/* plane.h - a channel's plane with its padding, laid out so that windows need no edges.
 *
 * Elements whose row and column leave the same remainders when divided by the strides (a phase) lie
 * together, so that for stride 2:
 *
 *     a b a b          a a | b b          element (r, c) of a tap's window at output (y, x) is at
 *     c d c d   ->     a a | b b          place(tap) + y * pitch + x, for every stride and dilation
 *     a b a b          ----+----
 *     c d c d          c c | d d
 *
 * Two axes; the third of struct ms_window must be of size 1. */
#ifndef MS_KERNELS_PLANE_H
#define MS_KERNELS_PLANE_H

#include "kernels/window.h"

struct ms_plane {
    size_t sh, sw;       /* phases */
    size_t pitch, lines; /* of one phase */
    size_t top, left;    /* padding */
    size_t rows, cols;   /* of the padded plane that windows reach */
    size_t h, w;         /* of the input */
};

/* For a window with at least one output. */
void ms_plane_init(struct ms_plane *p, const struct ms_window *w);
/* Floats of all phases and `room` behind them, which vectors may run into; false on overflow. */
bool ms_plane_floats(const struct ms_plane *p, size_t room, size_t *n);
/* Offset of element (r, c) of the padded plane. */
size_t ms_plane_place(const struct ms_plane *p, size_t r, size_t c);
/* Offsets of the window's taps, in order. */
void ms_plane_taps(const struct ms_plane *p, const struct ms_window *w, size_t *off);
/* Copies a channel in; padding keeps what it held. isa: AVX2 or AVX-512. */
void ms_plane_copy(const struct ms_plane *p, const float *x, float *plane, enum ms_isa isa);

#endif
