/* SPDX-License-Identifier: Apache-2.0 */
/* one_hot.c - a new axis of `depth` elements: the on value at the index, the off value elsewhere.
 *
 * Indices in [-depth, depth); any other gives off values only, as the standard says. Float indices
 * count by their whole part. A unit is an output element. */
#include <inttypes.h>
#include <string.h>

#include "kernels/copy.h"
#include "kernels/facts.h"

enum { FILL = 1 << 20 }; /* elements between two looks at the stop flag */

static int axis_of(const struct ms_node *n, int rank)
{
    int axis = 0;

    (void)ms_axis(ms_attr_int(n, "axis"), rank, &axis);
    return axis;
}

static void set_one(uint8_t *y, const uint8_t *on, size_t size)
{
    if (size == 4)
        memcpy(y, on, 4);
    else
        memcpy(y, on, size);
}

/* All of the range is off; then each index of the vectors that it touches is put on. */
static void run(const struct ms_task *t)
{
    const struct ms_tensor *index = t->in[0], *y = t->out[0];
    const size_t size = ms_dtype_size(y->dtype);
    const uint8_t *off = t->in[2]->data, *on = off + size;
    const int axis = axis_of(t->node, y->shape.rank);
    const int64_t depth = y->shape.dim[axis];
    const size_t inner = ms_shape_span(&y->shape, axis + 1, y->shape.rank);
    const size_t each = inner * (size_t)depth;

    if (t->first == t->last)
        return;
    for (size_t u = t->first, n; u < t->last && !ms_task_stopped(t); u += n) {
        n = t->last - u < FILL ? t->last - u : FILL;
        ms_fill((uint8_t *)y->data + u * size, off, size, n);
    }
    const size_t end = ((t->last - 1) / each + 1) * inner;
    for (size_t k = t->first / each * inner; k < end; k++) {
        int64_t i = ms_tensor_i64(index, k);
        i = i < 0 ? i + depth : i;
        const size_t at = k / inner * each + (size_t)i * inner + k % inner;
        if (i >= 0 && i < depth && at >= t->first && at < t->last)
            set_one((uint8_t *)y->data + at * size, on, size);
        if (k % 65536 == 65535 && ms_task_stopped(t))
            return;
    }
}

static ms_code infer(struct ms_infer *c)
{
    const struct ms_shape *x = &c->in[0].shape;
    int64_t v[MS_MAX_SYM_CONTENT], depth = ms_syms_fresh(c->syms);
    struct ms_shape *y = &c->out[0].shape;
    int n, axis;

    MS_TRY(ms_fact_rank(c, 2, 1));
    if (c->in[2].shape.rank == 1 && !ms_is_sym(c->in[2].shape.dim[0]) && c->in[2].shape.dim[0] != 2)
        return ms_fail(c->err, MS_INVALID_ARGUMENT, "%" PRId64 " values, not off and on",
                       c->in[2].shape.dim[0]);
    if (x->rank < 0)
        return ms_fact_unknown(c, 0, c->in[2].dtype);
    if (x->rank == MS_MAX_RANK)
        return ms_fail(c->err, MS_INVALID_ARGUMENT, "rank %d is more than %d", x->rank + 1,
                       MS_MAX_RANK);
    if (c->in[1].value && ms_tensor_count(c->in[1].value) == 1) {
        depth = ms_tensor_i64(c->in[1].value, 0);
        if (depth < 1 || depth > INT64_C(1) << 40)
            return ms_fail(c->err, MS_INVALID_ARGUMENT, "depth %" PRId64, depth);
    } else if (ms_infer_ints(c, 1, v, &n) && n == 1) {
        depth = v[0];
    }
    MS_TRY(ms_fact_axis(c, ms_attr_int(c->node, "axis"), x->rank + 1, &axis));
    c->out[0].dtype = c->in[2].dtype;
    *y = (struct ms_shape){.rank = x->rank + 1};
    for (int d = 0, e = 0; d < y->rank; d++)
        y->dim[d] = d == axis ? depth : x->dim[e++];
    if (depth < 0 && !ms_is_sym(depth))
        return ms_fail(c->err, MS_INVALID_ARGUMENT, "depth %" PRId64, depth);
    return MS_OK;
}

static const struct ms_attr_spec attrs[] = {
    {.name = "axis",
     .type = MS_ATTR_INT,
     .i = -1,
     .min = -MS_MAX_RANK,
     .max = MS_MAX_RANK - 1,
     .doc = "where the new axis goes"},
    {0},
};

MS_OP(one_hot) = {
    .name = "OneHot",
    .doc = "indices as vectors with one on value",
    .min_in = 3,
    .max_in = 3,
    .min_out = 1,
    .max_out = 1,
    .in = {MS_NUMERIC, MS_NUMERIC, MS_FIXED},
    .scalars = 1 << 1,
    .attrs = attrs,
    .infer = infer,
    .kernels = (const struct ms_kernel[]){{"one_hot", MS_NUMERIC, MS_ISA_ANY,
                                           .units = ms_units_elements, .run = run},
                                          {0}},
};
