/* SPDX-License-Identifier: Apache-2.0 */
/* nonzero.c - where the elements are that are not zero: a column of indices for each, row major.
 *
 * NaN is not zero, -0 is. Counted first, so that the result is made once in its size. */
#include "kernels/facts.h"
#include "kernels/sort_key.h"

static bool is_zero(const struct ms_tensor *x, size_t i, uint64_t zero)
{
    return ms_sort_key(x, i) == zero;
}

/* The key of 0: a sign bit for signed types, none for the others. */
static uint64_t zero_key(enum ms_dtype t)
{
    const enum ms_dtype_kind k = ms_dtype_kind(t);

    return k == MS_KIND_FLOAT || k == MS_KIND_INT ? UINT64_C(1) << 63 : 0;
}

static void run(const struct ms_task *t)
{
    const struct ms_tensor *x = t->in[0];
    const size_t n = ms_tensor_count(x);
    const uint64_t zero = zero_key(x->dtype);
    const int rank = x->shape.rank;
    size_t found = 0, at = 0;

    for (size_t i = 0; i < n; i++)
        found += !is_zero(x, i, zero);
    const struct ms_shape shape = ms_shape_make(rank, (int64_t)found);
    struct ms_tensor *y = t->ctl->output(t, 0, MS_I64, &shape);
    if (!y)
        return;
    int64_t *to = y->data;

    for (size_t i = 0; i < n; i++) {
        if (i % 65536 == 0 && ms_task_stopped(t))
            return;
        if (is_zero(x, i, zero))
            continue;
        size_t rest = i;
        for (int d = rank - 1; d >= 0; d--) {
            to[(size_t)d * found + at] = (int64_t)(rest % (size_t)x->shape.dim[d]);
            rest /= (size_t)x->shape.dim[d];
        }
        at++;
    }
}

static ms_code infer(struct ms_infer *c)
{
    const int rank = c->in[0].shape.rank;

    ms_fact_fresh(c, 0, MS_I64, 2);
    if (rank >= 0)
        c->out[0].shape.dim[0] = rank;
    return MS_OK;
}

MS_OP(nonzero) = {
    .name = "NonZero",
    .doc = "indices of the elements that are not zero",
    .min_in = 1,
    .max_in = 1,
    .min_out = 1,
    .max_out = 1,
    .in = {MS_FIXED},
    .traits = MS_OUT_BY_KERNEL,
    .infer = infer,
    .kernels = (const struct ms_kernel[]){{"nonzero", MS_FIXED, MS_ISA_ANY, .run = run}, {0}},
};
