/* SPDX-License-Identifier: Apache-2.0 */
/* reduce_l1.c - sums of absolute values along axes. */
#include "kernels/reduce.h"

static const struct ms_reduction reduction = {.fold = &ms_fold_abs};

MS_REDUCE_OP(reduce_l1, "ReduceL1", "sum of absolute values along axes", MS_NUMERIC);
