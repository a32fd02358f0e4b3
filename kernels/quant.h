/* SPDX-License-Identifier: Apache-2.0 */
/* quant.h - reading quantised integers and rounding to them, shared by the quantised operators. */
#ifndef MS_KERNELS_QUANT_H
#define MS_KERNELS_QUANT_H

#include <math.h>

#include "ir/op.h"

#define MS_QUANT_TYPES (MS_BIT(I8) | MS_BIT(U8) | MS_BIT(I16) | MS_BIT(U16))

/* Element i of an 8, 16 or 32 bit integer tensor; 0 of an absent one. */
int32_t ms_quant_at(const struct ms_tensor *t, size_t i);
/* Smallest and largest value of a type. */
void ms_quant_range(enum ms_dtype t, double *lo, double *hi);
void ms_quant_put(struct ms_tensor *t, size_t i, double v); /* whole, in range */

/* Scale and zero point of QuantizeLinear and DequantizeLinear: one for all, one for each index of
 * attribute axis, or (attribute block_size) one for each block along it. */
struct ms_quant_map {
    size_t inner, axis, groups, block; /* element i uses factor at ... see ms_quant_index */
    int kind;                          /* 0 one, 1 by axis, 2 by block */
};
/* The rule for input 1 and, if present, 2. */
ms_code ms_quant_check_scale(struct ms_infer *c);
void ms_quant_map_of(struct ms_quant_map *m, const struct ms_node *n, const struct ms_shape *x,
                     const struct ms_shape *scale);
size_t ms_quant_index(const struct ms_quant_map *m, size_t i);

#define MS_QUANT_ATTRS                                                                             \
    {.name = "axis",                                                                               \
     .type = MS_ATTR_INT,                                                                          \
     .i = 1,                                                                                       \
     .min = -MS_MAX_RANK,                                                                          \
     .max = MS_MAX_RANK - 1,                                                                       \
     .doc = "the axis that scales belong to"},                                                     \
    {                                                                                              \
        .name = "block_size", .type = MS_ATTR_INT, .min = 0, .max = INT64_C(1) << 32,              \
        .doc = "elements along the axis that share a scale"                                        \
    }

#endif
