/* SPDX-License-Identifier: Apache-2.0 */
/* mean.c - y = (in0 + in1 + ...) / count, added from the left.
 *
 * The sum is made in the output, block by block, and divided there. Half types round after each
 * addition. */
#include "kernels/elementwise.h"
#include "kernels/half.h"

MS_ROW2(sum_f32, , float, float, a + b)
MS_ROW2(sum_f64, , double, double, a + b)

static const ms_binary_row sum_rows[MS_N_DTYPES] = {MS_HAS_FLOAT(sum)};

static void divide(struct ms_tensor *y, size_t i, double n)
{
    if (y->dtype == MS_F64) {
        ((double *)y->data)[i] /= n;
    } else if (y->dtype == MS_F32) {
        ((float *)y->data)[i] /= (float)n;
    } else {
        uint16_t *h = (uint16_t *)y->data + i;
        float f;

        ms_half_widen(y->dtype, &f, h, 1);
        f /= (float)n;
        ms_half_narrow(y->dtype, h, &f, 1);
    }
}

static void run(const struct ms_task *t)
{
    enum { BLOCK = 4096 };
    struct ms_task part = *t;

    for (size_t i = t->first; i < t->last && !ms_task_stopped(t); i += BLOCK) {
        part.first = i;
        part.last = t->last - i < BLOCK ? t->last : i + BLOCK;
        ms_variadic_run(&part, sum_rows);
        for (size_t k = part.first; k < part.last; k++)
            divide(t->out[0], k, t->n_in);
    }
}

MS_OP(mean) = {
    .name = "Mean",
    .doc = "mean of all inputs, element by element",
    .min_in = 1,
    .max_in = -1,
    .min_out = 1,
    .max_out = 1,
    .in = {MS_FLOATS},
    .traits = MS_ELEMENTWISE,
    .infer = ms_infer_broadcast,
    .kernels = (const struct ms_kernel[]){{"mean", MS_FLOATS, MS_ISA_ANY, .run = run}, {0}},
};
