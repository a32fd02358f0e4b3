/* SPDX-License-Identifier: Apache-2.0 */
/* scatter_nd.c - slices replaced in a copy of input 0, each named by a tuple of indices (the last
 * dim of input 1). See scatter.h. */
#include <inttypes.h>
#include <string.h>

#include "kernels/copy.h"
#include "kernels/scatter.h"

static void run(const struct ms_task *t)
{
    const struct ms_tensor *index = t->in[1], *x = t->in[2];
    const struct ms_shape *s = &t->out[0]->shape;
    const size_t size = ms_dtype_size(x->dtype);
    const int k = (int)index->shape.dim[index->shape.rank - 1];
    const size_t tuples = ms_shape_span(&index->shape, 0, index->shape.rank - 1);
    const size_t n = ms_shape_span(s, k, s->rank);
    const ms_update_fn update = ms_update_of(t->node, x->dtype);
    ptrdiff_t stride[MS_MAX_RANK];

    ms_row_strides(s, stride);
    ms_scatter_start(t);
    for (size_t u = 0; u < tuples; u++) {
        size_t off = 0;

        for (int d = 0; d < k; d++) {
            int64_t i;

            if (!ms_index_wrap(index, u * (size_t)k + (size_t)d, s->dim[d], &i)) {
                ms_index_fail(t, 1, u * (size_t)k + (size_t)d, s->dim[d]);
                return;
            }
            off += (size_t)i * (size_t)stride[d];
        }
        uint8_t *to = (uint8_t *)t->out[0]->data + off * size;
        const uint8_t *from = (const uint8_t *)x->data + u * n * size;

        if (update)
            update(to, from, n);
        else
            memcpy(to, from, n * size);
        if (u % 4096 == 4095 && ms_task_stopped(t))
            return;
    }
}

static ms_code infer(struct ms_infer *c)
{
    const struct ms_shape *x = &c->in[0].shape, *i = &c->in[1].shape, *u = &c->in[2].shape;

    MS_TRY(ms_scatter_check(c));
    c->out[0].dtype = c->in[0].dtype;
    c->out[0].shape = *x;
    if (x->rank < 0 || i->rank < 0 || u->rank < 0)
        return MS_OK;
    if (i->rank < 1 || x->rank < 1)
        return ms_fail(c->err, MS_INVALID_ARGUMENT, "ranks %d and %d", x->rank, i->rank);
    const int64_t k = i->dim[i->rank - 1];
    if (ms_is_sym(k))
        return MS_OK;
    if (k < 1 || k > x->rank)
        return ms_fail(c->err, MS_INVALID_ARGUMENT, "tuples of %" PRId64 " indices for rank %d", k,
                       x->rank);
    MS_TRY(ms_fact_rank(c, 2, i->rank - 1 + x->rank - (int)k));
    for (int d = 0; d < u->rank; d++) {
        const int64_t want = d < i->rank - 1 ? i->dim[d] : x->dim[d - (i->rank - 1) + (int)k];
        int64_t both;

        if (!ms_fact_agree(want, u->dim[d], &both))
            return ms_fail(c->err, MS_INVALID_ARGUMENT,
                           "dim %d of the updates is %" PRId64 ", not %" PRId64, d, u->dim[d],
                           want);
    }
    return MS_OK;
}

static const struct ms_attr_spec attrs[] = {MS_REDUCTION_ATTR, {0}};

MS_OP(scatter_nd) = {
    .name = "ScatterND",
    .doc = "slices replaced at tuples of indices",
    .min_in = 3,
    .max_in = 3,
    .min_out = 1,
    .max_out = 1,
    .in = {MS_FIXED, MS_INDEX_TYPES, MS_FIXED},
    .traits = MS_INPLACE,
    .attrs = attrs,
    .infer = infer,
    .kernels = (const struct ms_kernel[]){{"scatter_nd", MS_FIXED, MS_ISA_ANY, .run = run}, {0}},
};
