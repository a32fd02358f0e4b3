/* SPDX-License-Identifier: Apache-2.0 */
/* gather.c - slices of input 0 along an axis, chosen by indices.
 *
 *     y[outer][index...][inner] = x[outer][indices[index...]][inner]
 *
 * A unit is one such slice. Indices may count from the end; one outside fails the run. */
#include <string.h>

#include "kernels/copy.h"
#include "kernels/facts.h"
#include "kernels/raw.h"

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

/* n slices of `run` bytes of one outer index. Slices of several elements are aligned like one. */
static void pick(uint8_t *y, const uint8_t *x, const int64_t *at, size_t n, size_t run)
{
#define PICK(T)                                                                                    \
    for (size_t i = 0; i < n; i++)                                                                 \
    memcpy(y + i * sizeof(T), x + (size_t)at[i] * sizeof(T), sizeof(T))
    if (run == 1 || run == 2 || run == 4 || run == 8) {
        MS_BY_SIZE(run, PICK);
        return;
    }
#undef PICK
    for (size_t i = 0; i < n; i++)
        memcpy(y + i * run, x + (size_t)at[i] * run, run);
}

/* So many indices at a time, for every outer index of the range that has them. */
static void run(const struct ms_task *t)
{
    const struct ms_tensor *x = t->in[0], *index = t->in[1];
    const int axis = axis_of(t);
    const size_t size = ms_dtype_size(x->dtype), count = ms_tensor_count(index);
    const size_t run = ms_shape_span(&x->shape, axis + 1, x->shape.rank) * size;
    const int64_t n = x->shape.dim[axis];
    const size_t outer = count && t->last > t->first ? (t->last - 1) / count + 1 : 0;
    int64_t at[MS_INDEX_BATCH];

    for (size_t i = 0; i < count && outer; i += MS_INDEX_BATCH) {
        const size_t m = count - i < MS_INDEX_BATCH ? count - i : MS_INDEX_BATCH;
        bool known = false;
        for (size_t o = t->first / count; o < outer && !ms_task_stopped(t); o++) {
            const size_t u = o * count + i;
            const size_t from = u < t->first ? t->first - u : 0;
            const size_t end = u >= t->last ? 0 : t->last - u < m ? t->last - u : m;
            if (from >= end)
                continue;
            const size_t inside = known ? m : ms_index_wrap_n(index, i, m, n, at);
            if (inside < m) {
                ms_index_fail(t, 1, i + inside, n);
                return;
            }
            known = true;
            pick((uint8_t *)t->out[0]->data + (u + from) * run,
                 (const uint8_t *)x->data + o * (size_t)n * run, at + from, end - from, run);
        }
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
