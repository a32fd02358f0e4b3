/* SPDX-License-Identifier: Apache-2.0 */
/* scatter_elements.c - y[indices[i][j][k]][j][k] = updates[i][j][k] (for axis 0), in a copy of
 * input 0. See scatter.h. */
#include <inttypes.h>
#include <string.h>

#include "kernels/copy.h"
#include "kernels/scatter.h"

static void run(const struct ms_task *t)
{
    const struct ms_tensor *index = t->in[1], *x = t->in[2];
    const struct ms_shape *s = &t->out[0]->shape;
    const size_t size = ms_dtype_size(x->dtype), count = ms_tensor_count(index);
    const ms_update_fn update = ms_update_of(t->node, x->dtype);
    ptrdiff_t stride[MS_MAX_RANK];
    int axis = 0;

    (void)ms_axis(ms_attr_int(t->node, "axis"), s->rank, &axis);
    ms_row_strides(s, stride);
    ms_scatter_start(t);
    for (size_t u = 0; u < count; u++) {
        size_t rest = u, off = 0;
        int64_t k;

        if (!ms_index_wrap(index, u, s->dim[axis], &k)) {
            ms_index_fail(t, 1, u, s->dim[axis]);
            return;
        }
        for (int d = s->rank - 1; d >= 0; d--) {
            const size_t i = rest % (size_t)index->shape.dim[d];

            rest /= (size_t)index->shape.dim[d];
            off += (d == axis ? (size_t)k : i) * (size_t)stride[d];
        }
        uint8_t *to = (uint8_t *)t->out[0]->data + off * size;
        const uint8_t *from = (const uint8_t *)x->data + u * size;

        if (update)
            update(to, from, 1);
        else
            memcpy(to, from, size);
        if (u % 4096 == 4095 && ms_task_stopped(t))
            return;
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
