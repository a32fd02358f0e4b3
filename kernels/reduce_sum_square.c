/* SPDX-License-Identifier: Apache-2.0 */
/* reduce_sum_square.c - sums of squares along axes. */
#include "kernels/reduce.h"

static const struct ms_reduction reduction = {.fold = &ms_fold_square};

MS_REDUCE_OP(reduce_sum_square, "ReduceSumSquare", "sum of squares along axes", MS_NUMERIC);
