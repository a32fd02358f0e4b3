/* SPDX-License-Identifier: Apache-2.0 */
/* norm.h - rules that the normalising operators share. */
#ifndef MS_KERNELS_NORM_H
#define MS_KERNELS_NORM_H

#include "ir/op.h"

/* Output 0 like input 0; inputs 1..n-1, where present, are 1-d with as many elements as input 0 has
 * channels (dim 1) and of input 0's dtype. */
ms_code ms_norm_infer_channels(struct ms_infer *c, int n);

/* Rows along attribute axis of input 0: outer x n x inner elements. Axis was checked. */
struct ms_norm_rows {
    size_t outer, n, inner;
};
struct ms_norm_rows ms_norm_rows(const struct ms_node *n, const struct ms_shape *x);
/* Output 0 like input 0; attribute axis must be one of it (rank >= 1). */
ms_code ms_norm_infer_axis(struct ms_infer *c);

/* LayerNormalization and RMSNormalization: dims from attribute axis on are one row. Checks input i
 * (scale, bias): as many elements as the row, or one. */
ms_code ms_norm_check_row(struct ms_infer *c, int i, int axis);
double ms_norm_cost(const struct ms_node *n, const struct ms_fact *in, const struct ms_fact *out);

#define MS_NORM_EPSILON                                                                            \
    {                                                                                              \
        .name = "epsilon", .type = MS_ATTR_FLOAT, .f = 1e-5, .doc = "added to the variance"        \
    }
/* Accepted for the standard's sake: kernels compute in f32 at least anyway. */
#define MS_NORM_STASH                                                                              \
    {                                                                                              \
        .name = "stash_type", .type = MS_ATTR_INT, .i = 1, .min = 0, .max = 16,                    \
        .doc = "precision of the mean; f32 or better is always used"                               \
    }

#endif
