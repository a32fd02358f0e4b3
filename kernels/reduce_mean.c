/* SPDX-License-Identifier: Apache-2.0 */
/* reduce_mean.c - means along axes.
 *
 * Integer means are cut towards zero; that of no elements is NaN (0 for integers). */
#include "kernels/reduce.h"

static double finish(double sum, double m, size_t n)
{
    (void)m;
    return sum / (double)n;
}

static int64_t finish_i(int64_t sum, size_t n)
{
    return n == 0 ? 0 : sum / (int64_t)n;
}

static const struct ms_reduction reduction = {
    .fold = &ms_fold_sum, .finish = finish, .finish_i = finish_i};

MS_REDUCE_OP(reduce_mean, "ReduceMean", "mean along axes", MS_NUMERIC);
