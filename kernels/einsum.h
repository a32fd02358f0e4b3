/* SPDX-License-Identifier: Apache-2.0 */
/* einsum.h - an equation of Einsum, digested: every index with a stride for each operand. */
#ifndef MS_KERNELS_EINSUM_H
#define MS_KERNELS_EINSUM_H

#include "ir/op.h"

enum { MS_EINSUM_OPERANDS = 8, MS_EINSUM_INDEX = 2 * MS_MAX_RANK /* different indices */ };

struct ms_einsum {
    int n_out, n_sum;
    int label[MS_EINSUM_INDEX];
    int64_t dim[MS_EINSUM_INDEX]; /* the output's first, then the summed ones */
    ptrdiff_t stride[MS_EINSUM_OPERANDS][MS_EINSUM_INDEX]; /* elements; 0 = the operand lacks it */
};

/* For shapes of a running task (data may be NULL); false when the equation does not fit them. */
bool ms_einsum_of(struct ms_einsum *p, const struct ms_task *t);

/* einsum_gemm.c: two operands in f32, as matrix products. */
bool ms_einsum_gemm_applicable(const struct ms_prep *p);
size_t ms_einsum_gemm_units(const struct ms_task *t);
size_t ms_einsum_gemm_scratch(const struct ms_task *t);
void ms_einsum_gemm_avx512(const struct ms_task *t);
void ms_einsum_gemm_avx2(const struct ms_task *t);
void ms_einsum_gemm_plain(const struct ms_task *t);

#endif
