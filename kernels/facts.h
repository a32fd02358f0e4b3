/* SPDX-License-Identifier: Apache-2.0 */
/* facts.h - what operators' infer functions and index-reading kernels have in common. */
#ifndef MS_KERNELS_FACTS_H
#define MS_KERNELS_FACTS_H

#include "ir/op.h"

/* "axis 5 of a tensor of rank 4" is refused; negative axes count from the end. */
ms_code ms_fact_axis(const struct ms_infer *c, int64_t axis, int rank, int *out);
/* The axes in input i (absent: *n = -1), made non-negative, without repetition. *known is false
 * when contents cannot be told yet. */
ms_code ms_fact_axes(const struct ms_infer *c, int i, int rank, int *axes, int *n, bool *known);
/* Fails unless input i is of rank r (or of unknown rank). */
ms_code ms_fact_rank(const struct ms_infer *c, int i, int r);
/* Fails unless input i has the dtype of input j; absent inputs pass. */
ms_code ms_fact_same_dtype(const struct ms_infer *c, int i, int j);
/* Output i: unknown rank, of a dtype. */
ms_code ms_fact_unknown(struct ms_infer *c, int i, enum ms_dtype t);
/* Output i with the rank given and fresh symbols for its dims. */
void ms_fact_fresh(struct ms_infer *c, int i, enum ms_dtype t, int rank);
/* Product of dims [from, to): a size, the one symbol among ones, or a fresh symbol. Sizes too large
 * to multiply are refused. */
ms_code ms_fact_product(const struct ms_infer *c, const struct ms_shape *s, int from, int to,
                        int64_t *out);
/* a + b where either may be a symbol. */
int64_t ms_fact_sum(const struct ms_infer *c, int64_t a, int64_t b);
/* Merges two dims that must be equal: the size if either is one. False if they are different sizes.
 */
bool ms_fact_agree(int64_t a, int64_t b, int64_t *out);

/* Contents of input i copied to output o (their count must be right there). */
void ms_fact_pass_ints(struct ms_infer *c, int i, int o);

/* Element i of an i32 or i64 tensor. */
static inline int64_t ms_index_at(const struct ms_tensor *t, size_t i)
{
    return t->dtype == MS_I64 ? ((const int64_t *)t->data)[i] : ((const int32_t *)t->data)[i];
}
/* The same, negative ones counted from n; false if outside [-n, n). */
static inline bool ms_index_wrap(const struct ms_tensor *t, size_t i, int64_t n, int64_t *out)
{
    const int64_t v = ms_index_at(t, i);

    *out = v < 0 ? v + n : v;
    return *out >= 0 && *out < n;
}
/* Elements [i, i + count) made so; returns how many were inside before the first that was not. */
size_t ms_index_wrap_n(const struct ms_tensor *t, size_t i, size_t count, int64_t n, int64_t *out);
enum { MS_INDEX_BATCH = 256 }; /* as many at a time, to keep them on the stack */
/* Fails the run: which index of which input is outside. */
void ms_index_fail(const struct ms_task *t, int input, size_t i, int64_t n);

#define MS_INDEX_TYPES (MS_BIT(I32) | MS_BIT(I64))

#endif
