/* SPDX-License-Identifier: Apache-2.0 */
/* gather_elements.c - y[i][j][k] = x[indices[i][j][k]][j][k] (for axis 0), of the indices' shape.
 *
 * Along the other axes the indices may cover less than the input. */
#include <inttypes.h>

#include "kernels/copy.h"
#include "kernels/facts.h"
#include "kernels/raw.h"

/* y[i] = x[at[i] step + i next] for n elements. */
static void pick(size_t size, uint8_t *y, const uint8_t *x, const int64_t *at, size_t n,
                 ptrdiff_t step, ptrdiff_t next)
{
#define PICK(T)                                                                                    \
    for (size_t i = 0; i < n; i++)                                                                 \
    ((T *)y)[i] = ((const T *)x)[at[i] * step + (ptrdiff_t)i * next]
    MS_BY_SIZE(size, PICK);
#undef PICK
}

/* The input's element that element u of the indices would be at, but for the axis. */
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
    const struct ms_tensor *x = t->in[0], *index = t->in[1];
    const size_t size = ms_dtype_size(x->dtype);
    const int rank = x->shape.rank;
    const size_t row = (size_t)index->shape.dim[rank - 1];
    int64_t at[MS_INDEX_BATCH];
    ptrdiff_t stride[MS_MAX_RANK];
    int axis = 0;

    (void)ms_axis(ms_attr_int(t->node, "axis"), rank, &axis);
    ms_row_strides(&x->shape, stride);
    for (size_t u = t->first, n; u < t->last && !ms_task_stopped(t); u += n) {
        n = row - u % row;
        n = n < t->last - u ? n : t->last - u;
        n = n < MS_INDEX_BATCH ? n : MS_INDEX_BATCH;
        const size_t inside = ms_index_wrap_n(index, u, n, x->shape.dim[axis], at);
        if (inside < n) {
            ms_index_fail(t, 1, u + inside, x->shape.dim[axis]);
            return;
        }
        pick(size, (uint8_t *)t->out[0]->data + u * size,
             (const uint8_t *)x->data + base_of(&index->shape, stride, axis, u) * size, at, n,
             stride[axis], axis != rank - 1);
    }
}

static ms_code infer(struct ms_infer *c)
{
    const struct ms_shape *x = &c->in[0].shape, *i = &c->in[1].shape;
    int axis;

    c->out[0].dtype = c->in[0].dtype;
    c->out[0].shape = *i;
    if (x->rank < 0 || i->rank < 0)
        return MS_OK;
    MS_TRY(ms_fact_rank(c, 1, x->rank));
    MS_TRY(ms_fact_axis(c, ms_attr_int(c->node, "axis"), x->rank, &axis));
    for (int d = 0; d < x->rank; d++)
        if (d != axis && !ms_is_sym(x->dim[d]) && !ms_is_sym(i->dim[d]) && i->dim[d] > x->dim[d])
            return ms_fail(c->err, MS_INVALID_ARGUMENT,
                           "dim %d is %" PRId64 " in the indices, %" PRId64 " in the input", d,
                           i->dim[d], x->dim[d]);
    return MS_OK;
}

static const struct ms_attr_spec attrs[] = {
    {.name = "axis",
     .type = MS_ATTR_INT,
     .min = -MS_MAX_RANK,
     .max = MS_MAX_RANK - 1,
     .doc = "dim that the indices choose in"},
    {0},
};

#define TYPES (MS_FIXED | MS_BIT(STRING))

MS_OP(gather_elements) = {
    .name = "GatherElements",
    .doc = "elements chosen along an axis by a tensor of indices",
    .min_in = 2,
    .max_in = 2,
    .min_out = 1,
    .max_out = 1,
    .in = {TYPES, MS_INDEX_TYPES},
    .attrs = attrs,
    .infer = infer,
    .kernels = (const struct ms_kernel[]){{"gather_elements", TYPES, MS_ISA_ANY,
                                           .units = ms_units_elements, .run = run},
                                          {0}},
};
