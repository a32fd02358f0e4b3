/* SPDX-License-Identifier: Apache-2.0 */
/* det.c - determinants of the matrices in the last two dims.
 *
 * Gaussian elimination with partial pivoting in f64; a unit is one matrix. */
#include <inttypes.h>
#include <math.h>

#include "kernels/facts.h"

static size_t units(const struct ms_task *t)
{
    return ms_tensor_count(t->out[0]);
}

static size_t scratch(const struct ms_task *t)
{
    return ms_shape_span(&t->in[0]->shape, t->in[0]->shape.rank - 2, t->in[0]->shape.rank) *
           sizeof(double);
}

/* a is n x n and destroyed. */
static double determinant(double *a, size_t n)
{
    double det = 1.0;

    for (size_t k = 0; k < n; k++) {
        size_t pivot = k;

        for (size_t i = k + 1; i < n; i++)
            if (fabs(a[i * n + k]) > fabs(a[pivot * n + k]))
                pivot = i;
        if (a[pivot * n + k] == 0.0)
            return 0.0;
        if (pivot != k) {
            det = -det;
            for (size_t j = k; j < n; j++) {
                const double v = a[k * n + j];

                a[k * n + j] = a[pivot * n + j];
                a[pivot * n + j] = v;
            }
        }
        det *= a[k * n + k];
        for (size_t i = k + 1; i < n; i++) {
            const double f = a[i * n + k] / a[k * n + k];

            for (size_t j = k + 1; j < n; j++)
                a[i * n + j] -= f * a[k * n + j];
        }
    }
    return det;
}

static void run(const struct ms_task *t)
{
    const struct ms_tensor *x = t->in[0];
    const size_t n = (size_t)x->shape.dim[x->shape.rank - 1];
    double *a = t->scratch;

    for (size_t u = t->first; u < t->last && !ms_task_stopped(t); u++) {
        for (size_t i = 0; i < n * n; i++)
            a[i] = ms_tensor_f64(x, u * n * n + i);
        const double det = determinant(a, n);

        if (t->out[0]->dtype == MS_F64)
            ((double *)t->out[0]->data)[u] = det;
        else
            ((float *)t->out[0]->data)[u] = (float)det;
    }
}

static ms_code infer(struct ms_infer *c)
{
    const struct ms_shape *x = &c->in[0].shape;
    int64_t n;

    if (x->rank < 0)
        return ms_fact_unknown(c, 0, c->in[0].dtype);
    if (x->rank < 2 || !ms_fact_agree(x->dim[x->rank - 2], x->dim[x->rank - 1], &n))
        return ms_fail(c->err, MS_INVALID_ARGUMENT, "the last two dims are no square matrix");
    c->out[0].dtype = c->in[0].dtype;
    c->out[0].shape = *x;
    c->out[0].shape.rank -= 2;
    return MS_OK;
}

#define TYPES (MS_BIT(F32) | MS_BIT(F64))

MS_OP(det) = {
    .name = "Det",
    .doc = "determinants of square matrices",
    .min_in = 1,
    .max_in = 1,
    .min_out = 1,
    .max_out = 1,
    .in = {TYPES},
    .infer = infer,
    .kernels = (const struct ms_kernel[]){{"det", TYPES, MS_ISA_ANY, .units = units,
                                           .scratch = scratch, .run = run},
                                          {0}},
};
