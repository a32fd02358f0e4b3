/* SPDX-License-Identifier: Apache-2.0 */
/* unique.c - the different elements (or, with an axis, slices), with where they first stand, which
 * one each input element is, and how often each occurs.
 *
 * The places are sorted by content, then by index, so equal ones lie together and the first of each
 * group is its first occurrence. sorted = 0 then orders the groups by that. NaNs count as equal. */
#include <string.h>

#include "base/mem.h"
#include "kernels/facts.h"
#include "kernels/sort_key.h"

struct slices {
    const struct ms_tensor *x;
    size_t outer, n, inner; /* n slices; each outer runs of inner elements */
    const size_t *rank;     /* NULL: compare contents; else compare these */
};

static int compare(const struct slices *s, size_t a, size_t b)
{
    for (size_t o = 0; !s->rank && o < s->outer; o++)
        for (size_t i = 0; i < s->inner; i++) {
            const uint64_t ka = ms_sort_key(s->x, (o * s->n + a) * s->inner + i);
            const uint64_t kb = ms_sort_key(s->x, (o * s->n + b) * s->inner + i);

            if (ka != kb)
                return ka < kb ? -1 : 1;
        }
    if (s->rank && s->rank[a] != s->rank[b])
        return s->rank[a] < s->rank[b] ? -1 : 1;
    return 0;
}

static bool before(const struct slices *s, size_t a, size_t b)
{
    const int c = compare(s, a, b);

    return c < 0 || (c == 0 && a < b);
}

static void sink(const struct slices *s, size_t *h, size_t n, size_t i)
{
    const size_t e = h[i];

    for (size_t child; (child = 2 * i + 1) < n; i = child) {
        if (child + 1 < n && before(s, h[child], h[child + 1]))
            child++;
        if (!before(s, e, h[child]))
            break;
        h[i] = h[child];
    }
    h[i] = e;
}

/* Heap sort: in place, no worst case, and `before` is a total order. */
static void sort(const struct slices *s, size_t *h, size_t n, const struct ms_task *t)
{
    for (size_t i = n / 2; i-- > 0;)
        sink(s, h, n, i);
    for (; n > 1; n--) {
        const size_t top = h[0];

        h[0] = h[n - 1];
        h[n - 1] = top;
        sink(s, h, n - 1, 0);
        if (n % 1024 == 0 && ms_task_stopped(t))
            return;
    }
}

/* The slices that the node compares; *axis is -1 for elements. False: no such axis. */
static bool split(const struct ms_task *t, struct slices *s, int *axis)
{
    const struct ms_shape *x = &t->in[0]->shape;

    *s = (struct slices){.x = t->in[0], .outer = 1, .n = ms_tensor_count(t->in[0]), .inner = 1};
    *axis = -1;
    if (!ms_attr_get(t->node, "axis"))
        return true;
    if (!ms_axis(ms_attr_int(t->node, "axis"), x->rank, axis))
        return false;
    s->n = (size_t)x->dim[*axis];
    s->inner = ms_shape_span(x, *axis + 1, x->rank);
    s->outer = s->inner ? ms_shape_span(x, 0, *axis) : 0; /* slices of nothing: no runs to walk */
    return true;
}

/* order, group of each slice, first slice of each group, order of groups: slices may be empty and
 * still be many. */
static size_t scratch(const struct ms_task *t)
{
    struct slices s;
    size_t bytes;
    int axis;

    return split(t, &s, &axis) ? ms_mul(s.n, 4 * sizeof(size_t), &bytes) ? bytes : SIZE_MAX : 0;
}

static void store_slices(const struct ms_task *t, const struct slices *s, int axis,
                         const size_t *first, size_t groups)
{
    const size_t size = ms_dtype_size(s->x->dtype);
    struct ms_shape shape = axis < 0 ? ms_shape_make((int64_t)groups) : s->x->shape;

    if (axis >= 0)
        shape.dim[axis] = (int64_t)groups;
    struct ms_tensor *y = t->ctl->output(t, 0, s->x->dtype, &shape);
    for (size_t o = 0; y && o < s->outer; o++)
        for (size_t g = 0; g < groups; g++)
            memcpy((uint8_t *)y->data + (o * groups + g) * s->inner * size,
                   (const uint8_t *)s->x->data + (o * s->n + first[g]) * s->inner * size,
                   s->inner * size);
}

static int64_t *index_output(const struct ms_task *t, int i, size_t n)
{
    const struct ms_shape shape = ms_shape_make((int64_t)n);
    struct ms_tensor *y = i < t->n_out ? t->ctl->output(t, i, MS_I64, &shape) : NULL;

    return y ? y->data : NULL;
}

static void run(const struct ms_task *t)
{
    struct slices s;
    int axis;

    if (!split(t, &s, &axis)) {
        ms_task_fail(t, MS_INVALID_ARGUMENT, "the axis is outside the input's rank %d",
                     t->in[0]->shape.rank);
        return;
    }
    size_t *order = t->scratch, *group = order + s.n, *first = group + s.n, *place = first + s.n;
    size_t groups = 0;

    for (size_t i = 0; i < s.n; i++)
        order[i] = i;
    sort(&s, order, s.n, t);
    for (size_t i = 0; i < s.n; i++) {
        if (i == 0 || compare(&s, order[i - 1], order[i]) != 0)
            first[groups++] = order[i];
        group[order[i]] = groups - 1;
    }
    for (size_t g = 0; g < groups; g++)
        order[g] = g;
    if (!ms_attr_int(t->node, "sorted"))
        sort(&(struct slices){.rank = first}, order, groups, t);
    for (size_t g = 0; g < groups; g++)
        place[order[g]] = g;
    /* first[] in output order takes the room of order[], which is not needed any more. */
    for (size_t g = 0; g < groups; g++)
        order[g] = first[order[g]];
    store_slices(t, &s, axis, order, groups);
    int64_t *indices = index_output(t, 1, groups), *inverse = index_output(t, 2, s.n);
    int64_t *counts = index_output(t, 3, groups);

    for (size_t g = 0; indices && g < groups; g++)
        indices[g] = (int64_t)order[g];
    for (size_t i = 0; inverse && i < s.n; i++)
        inverse[i] = (int64_t)place[group[i]];
    if (counts)
        memset(counts, 0, groups * sizeof *counts);
    for (size_t i = 0; counts && i < s.n; i++)
        counts[place[group[i]]]++;
}

static ms_code infer(struct ms_infer *c)
{
    const struct ms_shape *x = &c->in[0].shape;
    const int64_t groups = ms_syms_fresh(c->syms);
    int64_t n = ms_syms_fresh(c->syms);
    int axis = -1;

    if (!ms_attr_get(c->node, "axis")) {
        c->out[0].dtype = c->in[0].dtype;
        c->out[0].shape = ms_shape_make(groups);
        if (x->rank >= 0)
            MS_TRY(ms_fact_product(c, x, 0, x->rank, &n));
    } else if (x->rank < 0) {
        MS_TRY(ms_fact_unknown(c, 0, c->in[0].dtype));
    } else {
        MS_TRY(ms_fact_axis(c, ms_attr_int(c->node, "axis"), x->rank, &axis));
        n = x->dim[axis];
        c->out[0].dtype = c->in[0].dtype;
        c->out[0].shape = *x;
        c->out[0].shape.dim[axis] = groups;
    }
    for (int i = 1; i < c->node->n_out; i++) {
        c->out[i].dtype = MS_I64;
        c->out[i].shape = i == 2 ? ms_shape_make(n) : ms_shape_make(groups);
    }
    return MS_OK;
}

static const struct ms_attr_spec attrs[] = {
    {.name = "axis",
     .type = MS_ATTR_INT,
     .min = -MS_MAX_RANK,
     .max = MS_MAX_RANK - 1,
     .doc = "compare slices along it; absent: elements"},
    {.name = "sorted",
     .type = MS_ATTR_INT,
     .i = 1,
     .min = 0,
     .max = 1,
     .doc = "0: in the order of first occurrence"},
    {0},
};

MS_OP(unique) = {
    .name = "Unique",
    .doc = "the different elements or slices",
    .min_in = 1,
    .max_in = 1,
    .min_out = 1,
    .max_out = 4,
    .in = {MS_FIXED},
    .traits = MS_OUT_BY_KERNEL,
    .attrs = attrs,
    .infer = infer,
    .kernels = (const struct ms_kernel[]){{"unique", MS_FIXED, MS_ISA_ANY, .scratch = scratch,
                                           .run = run},
                                          {0}},
};
