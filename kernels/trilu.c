/* SPDX-License-Identifier: Apache-2.0 */
/* trilu.c - the upper or lower triangle of matrices, zeros elsewhere.
 *
 * Element (i, j) stays if j - i >= k (upper) or <= k (lower); k is input 1, 0 by default. A unit is
 * one row. */
#include <string.h>

#include "kernels/facts.h"

static size_t units(const struct ms_task *t)
{
    return ms_shape_span(&t->in[0]->shape, 0, t->in[0]->shape.rank - 1);
}

static void run(const struct ms_task *t)
{
    const struct ms_tensor *x = t->in[0];
    const int rank = x->shape.rank;
    const int64_t rows = x->shape.dim[rank - 2], cols = x->shape.dim[rank - 1];
    const size_t size = ms_dtype_size(x->dtype), row = (size_t)cols * size;
    const bool upper = ms_attr_int(t->node, "upper");
    int64_t k = t->n_in > 1 && t->in[1] ? ms_tensor_i64(t->in[1], 0) : 0;

    k = k > cols ? cols : k < -rows ? -rows : k; /* beyond these nothing changes */
    for (size_t u = t->first; u < t->last && !ms_task_stopped(t); u++) {
        uint8_t *y = (uint8_t *)t->out[0]->data + u * row;
        int64_t cut = (int64_t)(u % (size_t)rows) + k + (upper ? 0 : 1); /* first to change sides */

        cut = cut < 0 ? 0 : cut > cols ? cols : cut;
        const size_t at = (size_t)cut * size;
        const uint8_t *from = (const uint8_t *)x->data + u * row;

        if (upper) {
            memset(y, 0, at);
            memmove(y + at, from + at, row - at);
        } else {
            memmove(y, from, at);
            memset(y + at, 0, row - at);
        }
    }
}

static ms_code infer(struct ms_infer *c)
{
    if (c->in[0].shape.rank >= 0 && c->in[0].shape.rank < 2)
        return ms_fail(c->err, MS_INVALID_ARGUMENT, "rank %d is no matrix", c->in[0].shape.rank);
    c->out[0].dtype = c->in[0].dtype;
    c->out[0].shape = c->in[0].shape;
    return MS_OK;
}

static const struct ms_attr_spec attrs[] = {
    {.name = "upper", .type = MS_ATTR_INT, .i = 1, .min = 0, .max = 1, .doc = "1: upper, 0: lower"},
    {0},
};

MS_OP(trilu) = {
    .name = "Trilu",
    .doc = "the upper or lower triangle of matrices",
    .min_in = 1,
    .max_in = 2,
    .min_out = 1,
    .max_out = 1,
    .in = {MS_FIXED, MS_BIT(I64)},
    .scalars = 1 << 1,
    .traits = MS_INPLACE,
    .attrs = attrs,
    .infer = infer,
    .kernels = (const struct ms_kernel[]){{"trilu", MS_FIXED, MS_ISA_ANY, .units = units,
                                           .run = run},
                                          {0}},
};
