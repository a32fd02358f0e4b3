/* SPDX-License-Identifier: Apache-2.0 */
/* reduce_log_sum_exp.c - log(sum(exp(x))) along axes.
 *
 * The largest element is taken out first, so that nothing overflows: m + log(sum(exp(x - m))). An
 * infinite or NaN m counts as 0, and the exponentials then give what IEEE says. */
#include <math.h>

#include "kernels/reduce.h"

static double finish(double sum, double m, size_t n)
{
    (void)n;
    return m + log(sum);
}

static const struct ms_reduction reduction = {
    .fold = &ms_fold_exp, .shifted = true, .finish = finish};

MS_REDUCE_OP(reduce_log_sum_exp, "ReduceLogSumExp",
             "logarithm of the sum of exponentials along axes", MS_FLOATS);
