/* SPDX-License-Identifier: Apache-2.0 */
/* reduce_min.c - smallest elements along axes; NaN wins.
 *
 * Of no elements: infinity, or the largest integer. */
#include "kernels/reduce.h"

static const struct ms_reduction reduction = {.fold = &ms_fold_min};

MS_REDUCE_OP(reduce_min, "ReduceMin", "smallest element along axes", MS_FIXED);
