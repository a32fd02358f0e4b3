/* SPDX-License-Identifier: Apache-2.0 */
/* reduce_max.c - largest elements along axes; NaN wins.
 *
 * Of no elements: -infinity, or the smallest integer. */
#include "kernels/reduce.h"

static const struct ms_reduction reduction = {.fold = &ms_fold_max};

MS_REDUCE_OP(reduce_max, "ReduceMax", "largest element along axes", MS_FIXED);
