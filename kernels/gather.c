/* SPDX-License-Identifier: Apache-2.0 */
/* gather.c - slices of input 0 along an axis, chosen by indices.
 *
 *     y[outer][index...][inner] = x[outer][indices[index...]][inner]
 *
 * A unit is one such slice. Indices may count from the end; one outside fails the run. */
#include <string.h>

#include "kernels/copy.h"
#include "kernels/facts.h"

static int axis_of(const struct ms_task *t)
{
    int axis = 0;

    (void)ms_axis(ms_attr_int(t->node, "axis"), t->in[0]->shape.rank, &axis);
    return axis;
}

static size_t units(const struct ms_task *t)
{
    return ms_shape_span(&t->in[0]->shape, 0, axis_of(t)) * ms_tensor_count(t->in[1]);
}

static void run(const struct ms_task *t)
{
    const struct ms_tensor *x = t->in[0], *index = t->in[1];
    const int axis = axis_of(t);
    const size_t size = ms_dtype_size(x->dtype), count = ms_tensor_count(index);
    const size_t run = ms_shape_span(&x->shape, axis + 1, x->shape.rank) * size;
    const int64_t n = x->shape.dim[axis];

    for (size_t u = t->first; u < t->last; u++) {
        const size_t outer = u / count, i = u % count;
        int64_t k;

        if (!ms_index_wrap(index, i, n, &k)) {
            ms_index_fail(t, 1, i, n);
            return;
        }
        const uint8_t *from = (const uint8_t *)x->data + (outer * (size_t)n + (size_t)k) * run;
        uint8_t *to = (uint8_t *)t->out[0]->data + u * run;

        if (run == 4)
            memcpy(to, from, 4);
        else if (run == 8)
            memcpy(to, from, 8);
        else
            memcpy(to, from, run);
        if (u % 4096 == 4095 && ms_task_stopped(t))
            return;
    }
}

static void pick_contents(struct ms_infer *c)
{
    int64_t v[MS_MAX_SYM_CONTENT], i[MS_MAX_SYM_CONTENT], y[MS_MAX_SYM_CONTENT];
    int n, m;

    if (c->in[0].shape.rank != 1 || c->in[1].shape.rank > 1 || !ms_infer_ints(c, 0, v, &n) ||
        !ms_infer_const_ints(c, 1, i, &m))
        return;
    for (int k = 0; k < m; k++) {
        const int64_t at = i[k] < 0 ? i[k] + n : i[k];

        if (at < 0 || at >= n)
            return;
        y[k] = v[at];
    }
    ms_infer_set_ints(c, 0, y, m);
}

static ms_code infer(struct ms_infer *c)
{
    const struct ms_shape *x = &c->in[0].shape, *i = &c->in[1].shape;
    struct ms_shape *y = &c->out[0].shape;
    int axis;

    if (x->rank < 0 || i->rank < 0)
        return ms_fact_unknown(c, 0, c->in[0].dtype);
    MS_TRY(ms_fact_axis(c, ms_attr_int(c->node, "axis"), x->rank, &axis));
    if (x->rank + i->rank - 1 > MS_MAX_RANK)
        return ms_fail(c->err, MS_INVALID_ARGUMENT, "rank %d is more than %d",
                       x->rank + i->rank - 1, MS_MAX_RANK);
    c->out[0].dtype = c->in[0].dtype;
    *y = (struct ms_shape){0};
    for (int d = 0; d < axis; d++)
        y->dim[y->rank++] = x->dim[d];
    for (int d = 0; d < i->rank; d++)
        y->dim[y->rank++] = i->dim[d];
    for (int d = axis + 1; d < x->rank; d++)
        y->dim[y->rank++] = x->dim[d];
    pick_contents(c);
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

MS_OP(gather) = {
    .name = "Gather",
    .doc = "slices along an axis, chosen by indices",
    .min_in = 2,
    .max_in = 2,
    .min_out = 1,
    .max_out = 1,
    .in = {TYPES, MS_INDEX_TYPES},
    .attrs = attrs,
    .infer = infer,
    .kernels = (const struct ms_kernel[]){{"gather", TYPES, MS_ISA_ANY, .units = units, .run = run},
                                          {0}},
};
