/* SPDX-License-Identifier: Apache-2.0 */
/* flatten.c - the same bytes as a matrix: dims before `axis` are its rows. */
#include "kernels/copy.h"
#include "kernels/facts.h"

static ms_code infer(struct ms_infer *c)
{
    const struct ms_shape *x = &c->in[0].shape;
    struct ms_shape *y = &c->out[0].shape;
    int64_t axis = ms_attr_int(c->node, "axis");

    c->out[0].dtype = c->in[0].dtype;
    if (x->rank < 0) {
        ms_fact_fresh(c, 0, c->in[0].dtype, 2);
        return MS_OK;
    }
    if (axis < -x->rank || axis > x->rank)
        return ms_fail(c->err, MS_INVALID_ARGUMENT, "axis %d of a tensor of rank %d", (int)axis,
                       x->rank);
    const int a = (int)(axis < 0 ? axis + x->rank : axis);
    y->rank = 2;
    MS_TRY(ms_fact_product(c, x, 0, a, &y->dim[0]));
    return ms_fact_product(c, x, a, x->rank, &y->dim[1]);
}

static const struct ms_attr_spec attrs[] = {
    {.name = "axis",
     .type = MS_ATTR_INT,
     .i = 1,
     .min = -MS_MAX_RANK,
     .max = MS_MAX_RANK,
     .doc = "first dim of the columns"},
    {0},
};

MS_OP(flatten) = {
    .name = "Flatten",
    .doc = "the same elements as a matrix",
    .min_in = 1,
    .max_in = 1,
    .min_out = 1,
    .max_out = 1,
    .in = {MS_FIXED | MS_BIT(STRING)},
    .traits = MS_VIEW,
    .attrs = attrs,
    .infer = infer,
    .kernels = ms_copy_kernels,
};
