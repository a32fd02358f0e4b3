/* SPDX-License-Identifier: Apache-2.0 */
/* reduce_log_sum.c - logarithms of sums along axes. */
#include <math.h>

#include "kernels/reduce.h"

static double finish(double sum, double m, size_t n)
{
    (void)m;
    (void)n;
    return log(sum);
}

static const struct ms_reduction reduction = {.fold = &ms_fold_sum, .finish = finish};

MS_REDUCE_OP(reduce_log_sum, "ReduceLogSum", "logarithm of the sum along axes", MS_FLOATS);
