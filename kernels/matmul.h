/* SPDX-License-Identifier: Apache-2.0 */
/* matmul.h - the sizes of a MatMul, digested once for all of its kernels. */
#ifndef MS_KERNELS_MATMUL_H
#define MS_KERNELS_MATMUL_H

#include "ir/op.h"

struct ms_matmul {
    size_t m, n, k;
    size_t a_rs, a_ks;     /* strides of A by row and by k, in elements */
    size_t b_ks, b_ns;     /* of B by k and by column */
    size_t a_size, b_size; /* elements of one matrix */
    int rank;              /* batch dims */
    int64_t batch[MS_MAX_RANK];
    size_t a_step[MS_MAX_RANK], b_step[MS_MAX_RANK]; /* matrices to move on by; 0 = broadcast */
    size_t count;                                    /* products */
};

/* For shapes that inference has accepted. */
void ms_matmul_of(struct ms_matmul *mm, const struct ms_node *node, const struct ms_shape *a,
                  const struct ms_shape *b);
/* Which matrices of A and B product i multiplies. */
void ms_matmul_pair(const struct ms_matmul *mm, size_t i, size_t *a, size_t *b);
/* The rule of shapes, for MatMul and MatMulInteger. Attributes transA and transB where there are
 * any. */
ms_code ms_matmul_infer_shape(struct ms_infer *c, struct ms_shape *y);

/* matmul_packed.c: B constant, packed at load; and any B. */
bool ms_matmul_const_applicable(const struct ms_prep *p);
ms_code ms_matmul_const_prepare(const struct ms_prep *p, const void **state, struct ms_err *err);
size_t ms_matmul_const_units(const struct ms_task *t);
void ms_matmul_const_avx512(const struct ms_task *t);
void ms_matmul_const_avx2(const struct ms_task *t);
void ms_matmul_const_plain(const struct ms_task *t);
size_t ms_matmul_any_units(const struct ms_task *t);
size_t ms_matmul_any_scratch(const struct ms_task *t);
void ms_matmul_any_avx512(const struct ms_task *t);
void ms_matmul_any_avx2(const struct ms_task *t);
void ms_matmul_any_plain(const struct ms_task *t);

#endif
