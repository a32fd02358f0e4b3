/* SPDX-License-Identifier: Apache-2.0 */
/* reduce_sum.c - sums along axes; integers wrap. */
#include "kernels/reduce.h"

static const struct ms_reduction reduction = {.fold = &ms_fold_sum};

MS_REDUCE_OP(reduce_sum, "ReduceSum", "sum along axes", MS_NUMERIC);
