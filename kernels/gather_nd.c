/* SPDX-License-Identifier: Apache-2.0 */
/* gather_nd.c - slices of input 0, each named by a tuple of indices (the last dim of input 1).
 *
 * With batch_dims b the first b dims of both go together. A unit is one tuple. */
#include <inttypes.h>
#include <string.h>

#include "kernels/copy.h"
#include "kernels/facts.h"

static size_t units(const struct ms_task *t)
{
    return ms_shape_span(&t->in[1]->shape, 0, t->in[1]->shape.rank - 1);
}

static void run(const struct ms_task *t)
{
    const struct ms_tensor *x = t->in[0], *index = t->in[1];
    const int b = (int)ms_attr_int(t->node, "batch_dims"), rank = x->shape.rank;
    const int k = (int)index->shape.dim[index->shape.rank - 1];
    const size_t size = ms_dtype_size(x->dtype);
    const size_t run = ms_shape_span(&x->shape, b + k, rank) * size;
    const size_t batch = ms_shape_span(&x->shape, b, rank);
    const size_t tuples = ms_shape_span(&index->shape, b, index->shape.rank - 1);
    ptrdiff_t stride[MS_MAX_RANK];

    ms_row_strides(&x->shape, stride);
    for (size_t u = t->first; u < t->last; u++) {
        size_t off = u / tuples * batch;

        for (int d = 0; d < k; d++) {
            int64_t i;

            if (!ms_index_wrap(index, u * (size_t)k + (size_t)d, x->shape.dim[b + d], &i)) {
                ms_index_fail(t, 1, u * (size_t)k + (size_t)d, x->shape.dim[b + d]);
                return;
            }
            off += (size_t)i * (size_t)stride[b + d];
        }
        memcpy((uint8_t *)t->out[0]->data + u * run, (const uint8_t *)x->data + off * size, run);
        if (u % 4096 == 4095 && ms_task_stopped(t))
            return;
    }
}

static ms_code infer(struct ms_infer *c)
{
    const struct ms_shape *x = &c->in[0].shape, *i = &c->in[1].shape;
    const int b = (int)ms_attr_int(c->node, "batch_dims");
    struct ms_shape *y = &c->out[0].shape;

    if (x->rank < 0 || i->rank < 0 || (i->rank > 0 && ms_is_sym(i->dim[i->rank - 1])))
        return ms_fact_unknown(c, 0, c->in[0].dtype);
    if (i->rank < 1 || x->rank < 1 || b >= i->rank || b >= x->rank)
        return ms_fail(c->err, MS_INVALID_ARGUMENT, "ranks %d and %d with batch_dims %d", x->rank,
                       i->rank, b);
    const int64_t k = i->dim[i->rank - 1];
    if (k < 1 || k > x->rank - b)
        return ms_fail(c->err, MS_INVALID_ARGUMENT, "tuples of %" PRId64 " indices for rank %d", k,
                       x->rank - b);
    if (i->rank - 1 + x->rank - b - (int)k > MS_MAX_RANK)
        return ms_fail(c->err, MS_INVALID_ARGUMENT, "the result's rank is more than %d",
                       MS_MAX_RANK);
    c->out[0].dtype = c->in[0].dtype;
    *y = (struct ms_shape){0};
    for (int d = 0; d < i->rank - 1; d++) {
        y->dim[d] = i->dim[d];
        if (d < b && !ms_fact_agree(i->dim[d], x->dim[d], &y->dim[d]))
            return ms_fail(c->err, MS_INVALID_ARGUMENT, "batch dim %d is %" PRId64 " and %" PRId64,
                           d, x->dim[d], i->dim[d]);
    }
    y->rank = i->rank - 1;
    for (int d = b + (int)k; d < x->rank; d++)
        y->dim[y->rank++] = x->dim[d];
    return MS_OK;
}

static const struct ms_attr_spec attrs[] = {
    {.name = "batch_dims",
     .type = MS_ATTR_INT,
     .min = 0,
     .max = MS_MAX_RANK - 1,
     .doc = "leading dims that input and indices share"},
    {0},
};

#define TYPES (MS_FIXED | MS_BIT(STRING))

MS_OP(gather_nd) = {
    .name = "GatherND",
    .doc = "slices named by tuples of indices",
    .min_in = 2,
    .max_in = 2,
    .min_out = 1,
    .max_out = 1,
    .in = {TYPES, MS_BIT(I64) | MS_BIT(I32)},
    .attrs = attrs,
    .infer = infer,
    .kernels = (const struct ms_kernel[]){{"gather_nd", TYPES, MS_ISA_ANY, .units = units,
                                           .run = run},
                                          {0}},
};
