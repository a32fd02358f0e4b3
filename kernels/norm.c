/* SPDX-License-Identifier: Apache-2.0 */
/* norm.c - see norm.h. */
#include "kernels/norm.h"

#include "kernels/wide.h"

ms_code ms_norm_infer_channels(struct ms_infer *c, int n)
{
    const struct ms_shape *x = &c->in[0].shape;

    MS_TRY(ms_infer_one_dtype(c, n));
    c->out[0].dtype = c->in[0].dtype;
    c->out[0].shape = *x;
    if (x->rank < 0)
        return MS_OK;
    if (x->rank < 2)
        return ms_fail(c->err, MS_INVALID_ARGUMENT, "input of rank %d has no channels", x->rank);
    for (int i = 1; i < n; i++) {
        const struct ms_shape *s = &c->in[i].shape;
        if (!ms_infer_has(c, i) || s->rank < 0)
            continue;
        if (s->rank != 1 || (s->dim[0] >= 0 && x->dim[1] >= 0 && s->dim[0] != x->dim[1]))
            return ms_fail(c->err, MS_INVALID_ARGUMENT, "input %d must have one element a channel",
                           i);
    }
    return MS_OK;
}

struct ms_norm_rows ms_norm_rows(const struct ms_node *n, const struct ms_shape *x)
{
    int axis = 0;

    if (!ms_axis(ms_attr_int(n, "axis"), x->rank, &axis))
        return (struct ms_norm_rows){0};
    return (struct ms_norm_rows){ms_shape_span(x, 0, axis), (size_t)x->dim[axis],
                                 ms_shape_span(x, axis + 1, x->rank)};
}

ms_code ms_norm_infer_axis(struct ms_infer *c)
{
    const struct ms_shape *x = &c->in[0].shape;
    int axis;

    c->out[0].dtype = c->in[0].dtype;
    c->out[0].shape = *x;
    if (x->rank >= 0 && !ms_axis(ms_attr_int(c->node, "axis"), x->rank, &axis))
        return ms_fail(c->err, MS_INVALID_ARGUMENT, "attribute axis: %lld of an input of rank %d",
                       (long long)ms_attr_int(c->node, "axis"), x->rank);
    return MS_OK;
}

ms_code ms_norm_check_row(struct ms_infer *c, int i, int axis)
{
    const struct ms_shape *x = &c->in[0].shape, *s = &c->in[i].shape;
    struct ms_shape row = {.rank = x->rank - axis};
    size_t have, want;

    for (int k = 0; k < row.rank; k++)
        row.dim[k] = x->dim[axis + k];
    if (!ms_infer_has(c, i) || !ms_shape_count(s, &have) || !ms_shape_count(&row, &want))
        return MS_OK;
    if (have != want && have != 1)
        return ms_fail(c->err, MS_INVALID_ARGUMENT, "input %d has %zu elements, the row %zu", i,
                       have, want);
    return MS_OK;
}

double ms_norm_cost(const struct ms_node *n, const struct ms_fact *in, const struct ms_fact *out)
{
    (void)n, (void)out;
    return 8.0 * (double)ms_shape_span(&in[0].shape, 0, in[0].shape.rank);
}
