/* SPDX-License-Identifier: Apache-2.0 */
/* conv_band.h - rows of a convolution, made in scratch as the step behind it needs them.
 *
 * Where a step reads windows of rows and nobody else reads its input, the two run as a pair
 * (struct ms_pairing): a band of rows of all channels is made, read while it is in L2, and never
 * goes to memory. Units are bands of output rows of an item. */
#ifndef MS_KERNELS_CONV_BAND_H
#define MS_KERNELS_CONV_BAND_H

#include "kernels/window.h"

struct ms_conv_band {
    size_t band, bands; /* output rows of a unit, at most; units of an item */
    size_t keep;        /* input rows that a band needs, at most */
    size_t row, plane;  /* floats of an input row; of a block of the band */
    size_t blocks;      /* of channels */
    size_t bytes;       /* of the band */
    size_t own;         /* bytes of the convolution's scratch, before the band */
    struct ms_window w; /* of the step behind */
};

/* How `first`, a task of ms_conv_direct_*, and t, whose window is w, are cut. False where it does
 * not pay or cannot be: then *b is undefined. */
bool ms_conv_band_init(struct ms_conv_band *b, const struct ms_task *first, const struct ms_task *t,
                       const struct ms_window *w);
/* Units of the call. */
size_t ms_conv_band_units(const struct ms_conv_band *b, const struct ms_task *t);
/* Bytes of scratch; false on overflow. */
bool ms_conv_band_scratch(const struct ms_conv_band *b, size_t *bytes);

/* The first output row of band i of an item; of band b->bands: their number. Bands have the same
 * number of rows, or one less. */
size_t ms_conv_band_row(const struct ms_conv_band *b, size_t i);
/* Input rows [from, end) of an item, as all blocks of channels have them in scratch. */
struct ms_conv_rows {
    size_t item, from, end;
};
/* The rows that unit u needs. */
struct ms_conv_rows ms_conv_band_rows(const struct ms_conv_band *b, size_t u);
/* Brings them to `scratch`, where `have` are, none at first: a neighbouring band's, before or
 * behind. Returns where row need->from of block 0 lies; blocks are b->plane floats apart. */
float *ms_conv_band_fill(const struct ms_conv_band *b, const struct ms_task *first,
                         const struct ms_conv_rows *have, const struct ms_conv_rows *need,
                         void *scratch);

#endif
