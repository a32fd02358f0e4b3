/* SPDX-License-Identifier: Apache-2.0 */
/* broadcast.h - walking several tensors as if each had the output's shape.
 *
 * Dimensions of size 1 are dropped and neighbours that every operand walks evenly are merged, so
 * that [8,64,56,56] + [1,64,1,1] becomes rows of 3136 elements with strides (1, 0), and equal
 * shapes become one row. In the last dimension a stride is therefore 0 or 1. */
#ifndef MS_KERNELS_BROADCAST_H
#define MS_KERNELS_BROADCAST_H

#include "ir/shape.h"

#define MS_BCAST_MAX 4

struct ms_bcast {
    int n, rank; /* operands; dimensions left, at least 1 */
    size_t dim[MS_MAX_RANK];
    size_t stride[MS_BCAST_MAX][MS_MAX_RANK]; /* in elements; 0 where repeated */
};

struct ms_bcast_pos {
    size_t i[MS_MAX_RANK];
    size_t off[MS_BCAST_MAX]; /* of the current element, in elements */
};

/* Shapes are static and each broadcasts to out. */
void ms_bcast_init(struct ms_bcast *b, const struct ms_shape *out, const struct ms_shape *const *in,
                   int n);
/* To element `index` of the output. */
void ms_bcast_seek(const struct ms_bcast *b, struct ms_bcast_pos *p, size_t index);
/* Elements from here to the end of the row. */
static inline size_t ms_bcast_row(const struct ms_bcast *b, const struct ms_bcast_pos *p)
{
    return b->dim[b->rank - 1] - p->i[b->rank - 1];
}
/* n <= ms_bcast_row elements on. */
void ms_bcast_step(const struct ms_bcast *b, struct ms_bcast_pos *p, size_t n);
/* Copies n elements of operand k, of `size` bytes each, from pos on into y. */
void ms_bcast_pack(const struct ms_bcast *b, const struct ms_bcast_pos *pos, int k, void *y,
                   const void *x, size_t size, size_t n);

#endif
