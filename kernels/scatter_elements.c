/* SPDX-License-Identifier: Apache-2.0 */
/* scatter_elements.c - y[indices[i][j][k]][j][k] = updates[i][j][k] (for axis 0), in a copy of
 * input 0. See scatter.h. */
#include <inttypes.h>

#include "kernels/copy.h"
#include "kernels/raw.h"
#include "kernels/scatter.h"

/* y[at[i] step + i next] = x[i], in this order. */
static void put(size_t size, uint8_t *y, const uint8_t *x, const int64_t *at, size_t n,
                ptrdiff_t step, ptrdiff_t next)
{
#define PUT(T)                                                                                     \
    for (size_t i = 0; i < n; i++)                                                                 \
    ((T *)y)[at[i] * step + (ptrdiff_t)i * next] = ((const T *)x)[i]
    MS_BY_SIZE(size, PUT);
#undef PUT
}

/* Where element u of the indices would be in y, but for the axis. */
static size_t base_of(const struct ms_shape *s, const ptrdiff_t *stride, int axis, size_t u)
{
    size_t off = 0;

    for (int d = s->rank - 1; d >= 0; u /= (size_t)s->dim[d], d--)
        off += d == axis ? 0 : u % (size_t)s->dim[d] * (size_t)stride[d];
    return off;
}

/* Pieces of rows of the indices. */
static void run(const struct ms_task *t)
{
    const struct ms_tensor *index = t->in[1], *x = t->in[2];
    const struct ms_shape *s = &t->out[0]->shape;
    const size_t size = ms_dtype_size(x->dtype), count = ms_tensor_count(index);
    const ms_update_fn update = ms_update_of(t->node, x->dtype);
    const size_t row = s->rank ? (size_t)index->shape.dim[s->rank - 1] : 1;
    int64_t at[MS_INDEX_BATCH];
    ptrdiff_t stride[MS_MAX_RANK];
    int axis = 0;

    (void)ms_axis(ms_attr_int(t->node, "axis"), s->rank, &axis);
    ms_row_strides(s, stride);
    ms_scatter_start(t);
    for (size_t u = 0, n; u < count && !ms_task_stopped(t); u += n) {
        n = row - u % row < MS_INDEX_BATCH ? row - u % row : MS_INDEX_BATCH;
        const size_t inside = ms_index_wrap_n(index, u, n, s->dim[axis], at);
        if (inside < n) {
            ms_index_fail(t, 1, u + inside, s->dim[axis]);
            return;
        }
        const ptrdiff_t step = stride[axis], next = axis != s->rank - 1;
        const uint8_t *from = (const uint8_t *)x->data + u * size;
        uint8_t *to = (uint8_t *)t->out[0]->data + base_of(&index->shape, stride, axis, u) * size;

        if (!update)
            put(size, to, from, at, n, step, next);
        for (size_t i = 0; update && i < n; i++)
            update(to + (at[i] * step + (ptrdiff_t)i * next) * (ptrdiff_t)size, from + i * size, 1);
    }
}

static ms_code infer(struct ms_infer *c)
{
    const struct ms_shape *x = &c->in[0].shape, *i = &c->in[1].shape, *u = &c->in[2].shape;
    int axis;

    MS_TRY(ms_scatter_check(c));
    c->out[0].dtype = c->in[0].dtype;
    c->out[0].shape = *x;
    if (x->rank < 0)
        return MS_OK;
    MS_TRY(ms_fact_rank(c, 1, x->rank));
    MS_TRY(ms_fact_rank(c, 2, x->rank));
    MS_TRY(ms_fact_axis(c, ms_attr_int(c->node, "axis"), x->rank, &axis));
    for (int d = 0; d < x->rank && i->rank >= 0 && u->rank >= 0; d++) {
        int64_t both;

        if (!ms_fact_agree(i->dim[d], u->dim[d], &both))
            return ms_fail(c->err, MS_INVALID_ARGUMENT,
                           "dim %d is %" PRId64 " in the indices, %" PRId64 " in the updates", d,
                           i->dim[d], u->dim[d]);
        if (d != axis && !ms_is_sym(both) && !ms_is_sym(x->dim[d]) && both > x->dim[d])
            return ms_fail(c->err, MS_INVALID_ARGUMENT,
                           "dim %d is %" PRId64 " in the indices, %" PRId64 " in the data", d, both,
                           x->dim[d]);
    }
    return MS_OK;
}

static const struct ms_attr_spec attrs[] = {
    {.name = "axis",
     .type = MS_ATTR_INT,
     .min = -MS_MAX_RANK,
     .max = MS_MAX_RANK - 1,
     .doc = "dim that the indices choose in"},
    MS_REDUCTION_ATTR,
    {0},
};

MS_OP(scatter_elements) = {
    .name = "ScatterElements",
    .doc = "elements replaced at indices along an axis",
    .min_in = 3,
    .max_in = 3,
    .min_out = 1,
    .max_out = 1,
    .in = {MS_FIXED, MS_INDEX_TYPES, MS_FIXED},
    .traits = MS_INPLACE,
    .attrs = attrs,
    .infer = infer,
    .kernels = (const struct ms_kernel[]){{"scatter_elements", MS_FIXED, MS_ISA_ANY, .run = run},
                                          {0}},
};
