/* SPDX-License-Identifier: Apache-2.0 */
/* topk.c - the k largest (or smallest) elements along an axis, with their indices.
 *
 * A heap of k holds the best so far, the worst of them on top; of equal elements the one with the
 * lower index is better, so the result is the same whatever the order of work. It comes out sorted,
 * whether asked for or not. A unit is one line. */
#include <inttypes.h>
#include <string.h>

#include "kernels/facts.h"
#include "kernels/sort_key.h"

struct entry {
    uint64_t key; /* larger is better */
    uint64_t index;
};

static bool worse(const struct entry *a, const struct entry *b)
{
    return a->key < b->key || (a->key == b->key && a->index > b->index);
}

/* Restores the heap below i: every parent is worse than its children. */
static void sink(struct entry *h, size_t n, size_t i)
{
    const struct entry e = h[i];

    for (size_t child; (child = 2 * i + 1) < n; i = child) {
        if (child + 1 < n && worse(&h[child + 1], &h[child]))
            child++;
        if (!worse(&h[child], &e))
            break;
        h[i] = h[child];
    }
    h[i] = e;
}

/* The worst one to the end, again and again: best first. */
static void sort_heap(struct entry *h, size_t n)
{
    for (; n > 1; n--) {
        const struct entry worst = h[0];

        h[0] = h[n - 1];
        h[n - 1] = worst;
        sink(h, n - 1, 0);
    }
}

static void select_line(const struct ms_tensor *x, size_t at, size_t n, size_t step, uint64_t flip,
                        struct entry *h, size_t k)
{
    for (size_t i = 0; i < k; i++)
        h[i] = (struct entry){ms_sort_key(x, at + i * step) ^ flip, i};
    for (size_t i = k / 2; i-- > 0;)
        sink(h, k, i);
    for (size_t i = k; i < n; i++) {
        const uint64_t key = ms_sort_key(x, at + i * step) ^ flip;

        if (key > h[0].key) {
            h[0] = (struct entry){key, i};
            sink(h, k, 0);
        }
    }
    sort_heap(h, k);
}

static int axis_of(const struct ms_task *t)
{
    int axis = 0;

    (void)ms_axis(ms_attr_int(t->node, "axis"), t->in[0]->shape.rank, &axis);
    return axis;
}

static size_t units(const struct ms_task *t)
{
    const struct ms_shape *x = &t->in[0]->shape;
    const int axis = axis_of(t);

    return ms_shape_span(x, 0, axis) * ms_shape_span(x, axis + 1, x->rank);
}

static size_t scratch(const struct ms_task *t)
{
    return (size_t)t->out[0]->shape.dim[axis_of(t)] * sizeof(struct entry);
}

static void run(const struct ms_task *t)
{
    const struct ms_tensor *x = t->in[0];
    const int axis = axis_of(t);
    const size_t n = (size_t)x->shape.dim[axis], k = (size_t)t->out[0]->shape.dim[axis];
    const size_t inner = ms_shape_span(&x->shape, axis + 1, x->shape.rank);
    const size_t size = ms_dtype_size(x->dtype);
    const uint64_t flip = ms_attr_int(t->node, "largest") ? 0 : UINT64_MAX;
    struct entry *h = t->scratch;

    if (k == 0)
        return;
    for (size_t u = t->first; u < t->last && !ms_task_stopped(t); u++) {
        const size_t from = u / inner * n * inner + u % inner;
        const size_t to = u / inner * k * inner + u % inner;

        select_line(x, from, n, inner, flip, h, k);
        for (size_t i = 0; i < k; i++) {
            memcpy((uint8_t *)t->out[0]->data + (to + i * inner) * size,
                   (const uint8_t *)x->data + (from + h[i].index * inner) * size, size);
            if (t->n_out > 1 && t->out[1])
                ((int64_t *)t->out[1]->data)[to + i * inner] = (int64_t)h[i].index;
        }
    }
}

static ms_code infer(struct ms_infer *c)
{
    const struct ms_shape *x = &c->in[0].shape;
    int64_t v[MS_MAX_SYM_CONTENT];
    int axis, n;

    if (x->rank < 0) {
        MS_TRY(ms_fact_unknown(c, 0, c->in[0].dtype));
        return c->node->n_out > 1 ? ms_fact_unknown(c, 1, MS_I64) : MS_OK;
    }
    MS_TRY(ms_fact_axis(c, ms_attr_int(c->node, "axis"), x->rank, &axis));
    struct ms_shape y = *x;
    y.dim[axis] = ms_syms_fresh(c->syms);
    if (ms_infer_ints(c, 1, v, &n)) {
        if (n != 1 ||
            (!ms_is_sym(v[0]) && (v[0] < 0 || (!ms_is_sym(x->dim[axis]) && v[0] > x->dim[axis]))))
            return ms_fail(c->err, MS_INVALID_ARGUMENT, "k is %" PRId64 " of %" PRId64 " elements",
                           v[0], ms_is_sym(x->dim[axis]) ? -1 : x->dim[axis]);
        y.dim[axis] = v[0];
    }
    for (int i = 0; i < c->node->n_out; i++) {
        c->out[i].dtype = i == 0 ? c->in[0].dtype : MS_I64;
        c->out[i].shape = y;
    }
    return MS_OK;
}

static double cost(const struct ms_node *n, const struct ms_fact *in, const struct ms_fact *out)
{
    (void)n;
    (void)out;
    return 10.0 * (double)ms_shape_span(&in->shape, 0, in->shape.rank);
}

static const struct ms_attr_spec attrs[] = {
    {.name = "axis",
     .type = MS_ATTR_INT,
     .i = -1,
     .min = -MS_MAX_RANK,
     .max = MS_MAX_RANK - 1,
     .doc = "where to look"},
    {.name = "largest", .type = MS_ATTR_INT, .i = 1, .min = 0, .max = 1, .doc = "0: smallest"},
    {.name = "sorted", .type = MS_ATTR_INT, .i = 1, .min = 0, .max = 1, .doc = "always sorted"},
    {0},
};

MS_OP(topk) = {
    .name = "TopK",
    .doc = "the k largest or smallest elements along an axis",
    .min_in = 2,
    .max_in = 2,
    .min_out = 1,
    .max_out = 2,
    .in = {MS_NUMERIC, MS_BIT(I64)},
    .scalars = 1 << 1,
    .attrs = attrs,
    .infer = infer,
    .cost = cost,
    .kernels = (const struct ms_kernel[]){{"topk", MS_NUMERIC, MS_ISA_ANY, .units = units,
                                           .scratch = scratch, .run = run},
                                          {0}},
};
