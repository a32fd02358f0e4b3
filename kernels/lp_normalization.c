/* SPDX-License-Identifier: Apache-2.0 */
/* lp_normalization.c - LpNormalization: x divided by its 1- or 2-norm along an axis; 0 where the
 * norm is 0. */
#include <math.h>

#include "kernels/norm.h"
#include "kernels/wide.h"

static const struct ms_attr_spec attrs[] = {
    {.name = "axis",
     .type = MS_ATTR_INT,
     .i = -1,
     .min = -MS_MAX_RANK,
     .max = MS_MAX_RANK - 1,
     .doc = "normalised along"},
    {.name = "p", .type = MS_ATTR_INT, .i = 2, .min = 1, .max = 2, .doc = "the norm"},
    {0},
};

static void normalise(const struct ms_task *t)
{
    struct ms_norm_rows r = ms_norm_rows(t->node, &t->in[0]->shape);
    bool two = ms_attr_int(t->node, "p") == 2;

    for (size_t o = 0; o < r.outer; o++)
        for (size_t k = 0; k < r.inner; k++) {
            const double *x = (const double *)t->in[0]->data + o * r.n * r.inner + k;
            double *y = (double *)t->out[0]->data + o * r.n * r.inner + k, sum = 0;
            for (size_t i = 0; i < r.n; i++)
                sum += two ? x[i * r.inner] * x[i * r.inner] : fabs(x[i * r.inner]);
            sum = two ? sqrt(sum) : sum;
            for (size_t i = 0; i < r.n; i++)
                y[i * r.inner] = sum == 0 ? 0 : x[i * r.inner] / sum;
        }
}

static void run(const struct ms_task *t)
{
    ms_wide_run(t, normalise);
}

MS_OP(lp_normalization) = {
    .name = "LpNormalization",
    .doc = "x divided by its norm along an axis",
    .min_in = 1,
    .max_in = 1,
    .min_out = 1,
    .max_out = 1,
    .in = {MS_FLOATS},
    .traits = MS_INPLACE,
    .attrs = attrs,
    .infer = ms_norm_infer_axis,
    .cost = ms_norm_cost,
    .kernels =
        (const struct ms_kernel[]){
            {.name = "lp_normalization",
             .dtypes = MS_FLOATS,
             .scratch = ms_wide_scratch,
             .run = run},
            {0},
        },
};
