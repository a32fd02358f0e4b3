/* SPDX-License-Identifier: Apache-2.0 */
/* reduce_l2.c - square roots of sums of squares along axes. */
#include <math.h>

#include "kernels/reduce.h"

static double finish(double sum, double m, size_t n)
{
    (void)m;
    (void)n;
    return sqrt(sum);
}

static int64_t finish_i(int64_t sum, size_t n)
{
    (void)n;
    return sum < 0 ? 0 : (int64_t)sqrt((double)sum);
}

static const struct ms_reduction reduction = {
    .fold = &ms_fold_square, .finish = finish, .finish_i = finish_i};

MS_REDUCE_OP(reduce_l2, "ReduceL2", "Euclidean norm along axes", MS_NUMERIC);
