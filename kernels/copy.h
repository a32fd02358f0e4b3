/* SPDX-License-Identifier: Apache-2.0 */
/* copy.h - moving elements: whole tensors, and windows with strides.
 *
 * Slice, Split, Transpose, Expand, Tile, DepthToSpace and their kin all say "element (i0, i1, ...)
 * of the output is the input's at base + i0 s0 + i1 s1 + ..."; ms_strided_copy makes that fast
 * once: dimensions are merged, runs that lie together are memcpy'd, and planes that are turned go
 * through cache-sized tiles. */
#ifndef MS_KERNELS_COPY_H
#define MS_KERNELS_COPY_H

#include "ir/op.h"

#define MS_STRIDED_MAX (2 * MS_MAX_RANK)

/* A row-major output of these dims; strides of the input in elements, 0 to repeat, negative to go
 * backwards. src is element (0, 0, ...). */
struct ms_strided {
    size_t size; /* bytes of an element: 1, 2, 4, 8 or 16 */
    int rank;
    size_t dim[MS_STRIDED_MAX];
    ptrdiff_t stride[MS_STRIDED_MAX];
    const void *src;
};

/* Merges what can be merged; to be called once before ms_strided_copy. */
void ms_strided_merge(struct ms_strided *s);
/* Output elements [first, last), y being the output's element 0. */
void ms_strided_copy(const struct ms_strided *s, void *y, size_t first, size_t last);
/* Both, for a task's range over output 0, looking at the stop flag in between. */
void ms_strided_run(const struct ms_task *t, struct ms_strided *s);

/* Row-major strides of a static shape, in elements. */
void ms_row_strides(const struct ms_shape *s, ptrdiff_t *stride);

/* A turned plane: y[r][c] = x[c * step + r] for rows x cols elements of `size` bytes; y is dense.
 */
void ms_plane_turn(size_t size, void *y, const void *x, size_t rows, size_t cols, ptrdiff_t step);

/* n elements of `size` bytes, all equal to *v. */
void ms_fill(void *y, const void *v, size_t size, size_t n);

/* ms_kernel.units: elements of output 0. */
size_t ms_units_elements(const struct ms_task *t);
/* Kernels of operators that are views: input 0's bytes to output 0. */
extern const struct ms_kernel ms_copy_kernels[];

#endif
