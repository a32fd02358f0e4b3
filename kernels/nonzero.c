/* SPDX-License-Identifier: Apache-2.0 */
/* nonzero.c - where the elements are that are not zero: a column of indices for each, row major.
 *
 * NaN is not zero, -0 is. Counted first, so that the result is made once in its size. */
#include <string.h>

#include "kernels/facts.h"
#include "kernels/raw.h"

enum { BATCH = 256 }; /* elements looked at at a time */

/* is[i] = 1 where element i of n is not zero; returns how many. Floats are zero whatever their sign
 * bit says. */
static size_t look(const struct ms_tensor *x, size_t first, size_t n, uint8_t *is)
{
    const bool sign = ms_dtype_kind(x->dtype) == MS_KIND_FLOAT;
    size_t found = 0;

#define LOOK(T)                                                                                    \
    for (size_t i = 0; i < n; i++)                                                                 \
    is[i] = (T)(((const T *)x->data)[first + i] << sign) != 0
    switch (ms_dtype_size(x->dtype)) {
    case 1:
        LOOK(ms_raw8);
        break;
    case 2:
        LOOK(ms_raw16);
        break;
    case 4:
        LOOK(ms_raw32);
        break;
    default:
        LOOK(ms_raw64);
    }
#undef LOOK
    for (size_t i = 0; i < n; i++)
        found += is[i];
    return found;
}

static size_t count(const struct ms_task *t)
{
    const size_t n = ms_tensor_count(t->in[0]);
    uint8_t is[BATCH];
    size_t found = 0;

    for (size_t i = 0; i < n && (i % 65536 != 0 || !ms_task_stopped(t)); i += BATCH)
        found += look(t->in[0], i, n - i < BATCH ? n - i : BATCH, is);
    return found;
}

/* The places in is[0, n), counted from base; returns how many. */
static size_t places(const uint8_t *is, size_t n, int64_t base, int64_t *to)
{
    size_t at = 0;

    for (size_t i = 0; i < n; i++) { /* without a branch: which ones are not zero is no pattern */
        to[at] = base + (int64_t)i;
        at += is[i];
    }
    return at;
}

/* Pieces of rows: in each, all indices but the last are the same. */
static void run(const struct ms_task *t)
{
    const struct ms_tensor *x = t->in[0];
    const int rank = x->shape.rank;
    const size_t n = ms_tensor_count(x), found = count(t);
    const size_t row = rank ? (size_t)x->shape.dim[rank - 1] : 1;
    const struct ms_shape shape = ms_shape_make(rank, (int64_t)found);
    struct ms_tensor *y = ms_task_stopped(t) ? NULL : t->ctl->output(t, 0, MS_I64, &shape);
    int64_t last[BATCH];
    uint8_t is[BATCH];

    for (size_t i = 0, at = 0, m; y && rank && i < n; i += m) {
        m = row - i % row < BATCH ? row - i % row : BATCH;
        look(x, i, m, is);
        const size_t k = places(is, m, (int64_t)(i % row), last);
        int64_t *to = (int64_t *)y->data + (size_t)(rank - 1) * found + at;
        if (k == 0)
            continue;
        memcpy(to, last, k * sizeof *to);
        size_t rest = i / row;
        for (int d = rank - 2; d >= 0; rest /= (size_t)x->shape.dim[d], d--) {
            to -= found;
            for (size_t j = 0; j < k; j++)
                to[j] = (int64_t)(rest % (size_t)x->shape.dim[d]);
        }
        at += k;
        if (ms_task_stopped(t))
            return;
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
