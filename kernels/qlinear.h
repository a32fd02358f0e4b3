/* SPDX-License-Identifier: Apache-2.0 */
/* qlinear.h - what QLinearConv and QLinearMatMul add to the integer products: sums of products
 * become 8-bit numbers again.
 *
 *     y = saturate(round(sum * ((sa * sb) / sy)) + zy)
 *
 * in f32, in this order, halves to even; so every kernel gives the same bytes. */
#ifndef MS_KERNELS_QLINEAR_H
#define MS_KERNELS_QLINEAR_H

#include "ir/op.h"

/* Operands of both: x, its scale and zero point, w, its two, y's two, and a bias (convolution). */
enum { MS_QL_X, MS_QL_XS, MS_QL_XZ, MS_QL_W, MS_QL_WS, MS_QL_WZ, MS_QL_YS, MS_QL_YZ, MS_QL_B };

/* A task of the integer operator with the same node: x, w and their zero points. */
struct ms_qlinear {
    struct ms_task t;
    struct ms_tensor *in[4];
    /* scales of rows and of columns of the sums, each one or one for all; bias of rows or NULL */
    const struct ms_tensor *row, *col, *bias;
    float scale; /* y's */
    int32_t zero, lo, hi;
    enum ms_isa isa;
};
/* w_rows: w's scales belong to rows of the sums (the channels of a convolution), not to columns. */
void ms_qlinear_of(struct ms_qlinear *q, const struct ms_task *t, bool w_rows, enum ms_isa isa);
/* m x n sums, lda apart, which begin at (row, col), to bytes ldy apart. */
void ms_qlinear_put(const struct ms_qlinear *q, const int32_t *acc, size_t lda, size_t m, size_t n,
                    size_t row, size_t col, uint8_t *y, size_t ldy);
/* What sums of a row are multiplied with, where columns share a scale. */
float ms_qlinear_factor(const struct ms_qlinear *q, size_t row);
/* n <= 64 sums, of which 64 may be read, to bytes; bias is in them. step: 1, each has a factor of
 * its own (64 may be read too); 0, one for all. */
void ms_qlinear_line(const struct ms_qlinear *q, const int32_t *acc, const float *factor,
                     size_t step, size_t n, uint8_t *y);
/* Dtypes of scales and zero points, and that there is one or as many as rows (x), columns or
 * channels (w); negative counts are not known. */
ms_code ms_qlinear_check(struct ms_infer *c, int64_t rows, int64_t columns);

#endif
