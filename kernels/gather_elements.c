/* SPDX-License-Identifier: Apache-2.0 */
/* gather_elements.c - y[i][j][k] = x[indices[i][j][k]][j][k] (for axis 0), of the indices' shape.
 *
 * Along the other axes the indices may cover less than the input. */
#include <inttypes.h>
#include <string.h>

#include "kernels/copy.h"
#include "kernels/facts.h"

static void run(const struct ms_task *t)
{
    const struct ms_tensor *x = t->in[0], *index = t->in[1];
    const size_t size = ms_dtype_size(x->dtype);
    const int rank = x->shape.rank;
    ptrdiff_t stride[MS_MAX_RANK];
    int axis = 0;

    (void)ms_axis(ms_attr_int(t->node, "axis"), rank, &axis);
    ms_row_strides(&x->shape, stride);
    for (size_t u = t->first; u < t->last; u++) {
        size_t rest = u, off = 0;
        int64_t k;

        if (!ms_index_wrap(index, u, x->shape.dim[axis], &k)) {
            ms_index_fail(t, 1, u, x->shape.dim[axis]);
            return;
        }
        for (int d = rank - 1; d >= 0; d--) {
            const size_t i = rest % (size_t)index->shape.dim[d];

            rest /= (size_t)index->shape.dim[d];
            off += (d == axis ? (size_t)k : i) * (size_t)stride[d];
        }
        memcpy((uint8_t *)t->out[0]->data + u * size, (const uint8_t *)x->data + off * size, size);
        if (u % 4096 == 4095 && ms_task_stopped(t))
            return;
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
