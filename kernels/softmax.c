/* SPDX-License-Identifier: Apache-2.0 */
/* softmax.c - Softmax: e^x / sum e^x along an axis, with the largest element taken out of the
 * exponents. */
#include <math.h>

#include "kernels/norm.h"
#include "kernels/norm_rows.h"
#include "kernels/wide.h"

static const struct ms_attr_spec attrs[] = {
    {.name = "axis",
     .type = MS_ATTR_INT,
     .i = -1,
     .min = -MS_MAX_RANK,
     .max = MS_MAX_RANK - 1,
     .doc = "summed along"},
    {0},
};

static void normalise(const struct ms_task *t)
{
    struct ms_norm_rows r = ms_norm_rows(t->node, &t->in[0]->shape);

    for (size_t o = 0; o < r.outer; o++)
        for (size_t k = 0; k < r.inner; k++) {
            const double *x = (const double *)t->in[0]->data + o * r.n * r.inner + k;
            double *y = (double *)t->out[0]->data + o * r.n * r.inner + k;
            double top = -HUGE_VAL, sum = 0;
            for (size_t i = 0; i < r.n; i++)
                top = x[i * r.inner] > top ? x[i * r.inner] : top;
            for (size_t i = 0; i < r.n; i++)
                sum += exp(x[i * r.inner] - top);
            for (size_t i = 0; i < r.n; i++)
                y[i * r.inner] = exp(x[i * r.inner] - top) / sum;
        }
}

static void run(const struct ms_task *t)
{
    ms_wide_run(t, normalise);
}

static size_t units(const struct ms_task *t)
{
    return ms_softmax_units(t);
}

/* A row is a chain: its maximum, then its sum, then the quotients. Short rows go through each step
 * some at a time, so that the CPU has others to turn to, and stay in the first cache between. */
enum { ROWS = 16, TOGETHER = 2048 /* elements */ };

static void rows(const struct ms_task *t, const struct ms_row_fns *f)
{
    struct ms_norm_rows r = ms_norm_rows(t->node, &t->in[0]->shape);
    const size_t fit = r.n ? TOGETHER / r.n : ROWS, block = fit < 1 ? 1 : fit < ROWS ? fit : ROWS;

    if (r.inner != 1) {
        ms_softmax_stripes(t, f, r, false);
        return;
    }
    for (size_t u = t->first, m; u < t->last; u += m) {
        const float *x = (const float *)t->in[0]->data + u * r.n;
        float *y = (float *)t->out[0]->data + u * r.n, k[ROWS];
        m = t->last - u < block ? t->last - u : block;
        for (size_t i = 0; i < m; i++)
            k[i] = f->max(x + i * r.n, r.n);
        for (size_t i = 0; i < m; i++)
            k[i] = 1 / f->exp(x + i * r.n, y + i * r.n, r.n, k[i]);
        for (size_t i = 0; i < m; i++)
            f->affine(y + i * r.n, y + i * r.n, r.n, 0, k[i], 0, NULL, NULL);
    }
}

MS_NORM_RUNS(rows)

MS_OP(softmax) = {
    .name = "Softmax",
    .doc = "e^x / sum e^x along an axis",
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
            MS_NORM_FAST("softmax", units, rows),
            {.name = "softmax", .dtypes = MS_FLOATS, .scratch = ms_wide_scratch, .run = run},
            {0},
        },
};
