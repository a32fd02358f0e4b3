/* SPDX-License-Identifier: Apache-2.0 */
/* scatter.h - putting updates into a copy of the data: ScatterElements and ScatterND.
 *
 * Several updates may hit one place: they are applied in the order of the indices, so one call does
 * them all (one unit); without a reduction the last one stays. */
#ifndef MS_KERNELS_SCATTER_H
#define MS_KERNELS_SCATTER_H

#include "kernels/facts.h"

/* y[i] = y[i] op x[i] for n elements of a dtype. */
typedef void (*ms_update_fn)(void *y, const void *x, size_t n);

/* For the node's attribute `reduction` and a dtype; NULL for "none" (copy). */
ms_update_fn ms_update_of(const struct ms_node *n, enum ms_dtype t);
/* Input 0 to output 0. */
void ms_scatter_start(const struct ms_task *t);
/* dtypes that `reduction` works on. */
ms_code ms_scatter_check(const struct ms_infer *c);

#define MS_REDUCTION_ATTR                                                                          \
    {                                                                                              \
        .name = "reduction", .type = MS_ATTR_STRING, .s = "none",                                  \
        .choices = "none|add|mul|max|min", .doc = "what happens to the element that is there"      \
    }

#endif
