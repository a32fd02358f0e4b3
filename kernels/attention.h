/* SPDX-License-Identifier: Apache-2.0 */
/* attention.h - the sizes of an Attention, digested once for all of its kernels. */
#ifndef MS_KERNELS_ATTENTION_H
#define MS_KERNELS_ATTENTION_H

#include "ir/op.h"

/* How to step through an operand, in elements. */
struct ms_heads {
    size_t batch, head, row;
};

struct ms_attention {
    size_t batch, heads, group; /* `group` query heads share a key head */
    size_t s, t, d, dv;         /* query rows, keys, width of queries and keys, of values */
    struct ms_heads q, k, v, y;
    struct ms_heads m; /* of the mask, 0 where it is broadcast */
    size_t m_col;
    bool causal;
    double scale;
};

/* For operands that inference has accepted. */
void ms_attention_of(struct ms_attention *a, const struct ms_task *t);

/* attention_fast.c: f32. Units: blocks of query rows of a head. */
size_t ms_attention_units(const struct ms_task *t);
size_t ms_attention_scratch(const struct ms_task *t);
void ms_attention_avx512(const struct ms_task *t);
void ms_attention_avx2(const struct ms_task *t);

#endif
