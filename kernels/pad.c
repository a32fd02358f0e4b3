/* SPDX-License-Identifier: Apache-2.0 */
/* pad.c - dims made longer (or, with negative pads, shorter) at both ends.
 *
 * New places take a constant, or elements of the input (n along the axis):
 *
 *     reflect     c b | a b c d | c b     the edge is not repeated
 *     symmetric   b a | a b c d | d c     the edge is (not an ONNX mode)
 *     edge        a a | a b c d | d d
 *     wrap        c d | a b c d | a b
 *
 * Negative pads cut first; the modes then speak of what is left. A unit is an output row:
 * everything from the last padded dim inwards. */
#include <inttypes.h>
#include <string.h>

#include "kernels/copy.h"
#include "kernels/facts.h"

/* One axis: output i reads input from + map(i - lead) of `n` left elements. */
struct side {
    int64_t lead, from, n;
};

struct plan {
    struct side side[MS_MAX_RANK];
    ptrdiff_t stride[MS_MAX_RANK];
    size_t dim[MS_MAX_RANK]; /* of the output */
    int rank;
    char mode;
};

/* The place in [0, n) that i stands for; -1: the constant. */
static int64_t place(char mode, int64_t i, int64_t n)
{
    int64_t period;

    if (i >= 0 && i < n)
        return i;
    switch (mode) {
    case 'c':
        return -1;
    case 'e':
        return i < 0 ? 0 : n - 1;
    case 'w':
        i %= n;
        return i < 0 ? i + n : i;
    case 's':
        period = 2 * n;
        i %= period;
        i = i < 0 ? i + period : i;
        return i < n ? i : period - 1 - i;
    default:
        period = n > 1 ? 2 * (n - 1) : 1;
        i %= period;
        i = i < 0 ? i + period : i;
        return i < n ? i : period - i;
    }
}

static void make_side(struct side *s, int64_t dim, int64_t begin, int64_t end)
{
    s->lead = begin > 0 ? begin : 0;
    s->from = begin < 0 ? -begin : 0;
    s->n = dim - s->from + (end < 0 ? end : 0);
}

/* Pads and axes as they are now: inference may have known their shapes only. */
static bool fit(const struct ms_task *t)
{
    const struct ms_tensor *axes = t->n_in > 3 ? t->in[3] : NULL;
    const int rank = t->in[0]->shape.rank;
    const size_t n = axes ? ms_tensor_count(axes) : (size_t)rank;
    bool ok = n <= (size_t)rank && ms_tensor_count(t->in[1]) == 2 * n;

    for (size_t i = 0; ok && axes && i < n; i++) {
        int d;

        ok = ms_axis(ms_index_at(axes, i), rank, &d);
    }
    if (!ok)
        ms_task_fail(t, MS_INVALID_ARGUMENT, "%zu pads for %zu axes of a tensor of rank %d",
                     ms_tensor_count(t->in[1]), n, rank);
    return ok;
}

static void make_plan(const struct ms_task *t, struct plan *p)
{
    const struct ms_shape *x = &t->in[0]->shape;
    const struct ms_tensor *axes = t->n_in > 3 ? t->in[3] : NULL;
    const size_t n = ms_tensor_count(t->in[1]) / 2;

    memset(p, 0, sizeof *p);
    p->rank = x->rank;
    p->mode = ms_attr_str(t->node, "mode")[0];
    ms_row_strides(x, p->stride);
    for (int d = 0; d < x->rank; d++) {
        make_side(&p->side[d], x->dim[d], 0, 0);
        p->dim[d] = (size_t)t->out[0]->shape.dim[d];
    }
    for (size_t i = 0; i < n; i++) {
        int d = (int)i;

        if (axes)
            (void)ms_axis(ms_index_at(axes, i), x->rank, &d);
        const int64_t begin = ms_index_at(t->in[1], i), end = ms_index_at(t->in[1], n + i);
        make_side(&p->side[d], x->dim[d], begin, end);
    }
}

static size_t units(const struct ms_task *t)
{
    return ms_shape_span(&t->out[0]->shape, 0, t->out[0]->shape.rank - 1);
}

/* One row of the last axis; x NULL: constant all through. */
static void pad_row(const struct plan *p, uint8_t *y, const uint8_t *x, const void *value,
                    size_t size)
{
    const struct side *s = &p->side[p->rank - 1];
    const int64_t n = (int64_t)p->dim[p->rank - 1];
    int64_t i = 0;

    if (!x) {
        ms_fill(y, value, size, (size_t)n);
        return;
    }
    while (i < n) {
        const int64_t at = place(p->mode, i - s->lead, s->n);

        if (i == s->lead && s->n > 0) { /* the middle in one go */
            const int64_t m = n - i < s->n ? n - i : s->n;

            memcpy(y + (size_t)i * size, x + (size_t)s->from * size, (size_t)m * size);
            i += m;
            continue;
        }
        memcpy(y + (size_t)i * size, at < 0 ? value : x + (size_t)(s->from + at) * size, size);
        i++;
    }
}

static void run(const struct ms_task *t)
{
    const struct ms_tensor *x = t->in[0];
    const size_t size = ms_dtype_size(x->dtype);
    const uint64_t zero[2] = {0};
    const void *value = t->n_in > 2 && t->in[2] ? t->in[2]->data : zero;
    struct plan p;

    if (!fit(t))
        return;
    make_plan(t, &p);
    if (p.rank == 0) {
        memcpy(t->out[0]->data, x->data, size);
        return;
    }
    for (int d = 0; d < p.rank; d++)
        if (p.side[d].n < 0 || (p.side[d].n == 0 && p.mode != 'c' && p.dim[d] > 0)) {
            ms_task_fail(t, MS_INVALID_ARGUMENT, "axis %d has no elements to pad with", d);
            return;
        }
    const size_t row = p.dim[p.rank - 1] * size;
    for (size_t u = t->first; u < t->last && !ms_task_stopped(t); u++) {
        const uint8_t *from = x->data;
        size_t rest = u;

        for (int d = p.rank - 2; d >= 0; d--) {
            const int64_t i = (int64_t)(rest % p.dim[d]) - p.side[d].lead;
            const int64_t at = place(p.mode, i, p.side[d].n);

            rest /= p.dim[d];
            if (at < 0)
                from = NULL;
            else if (from)
                from += (p.side[d].from + at) * p.stride[d] * (ptrdiff_t)size;
        }
        pad_row(&p, (uint8_t *)t->out[0]->data + u * row, from, value, size);
    }
}

static ms_code pad_dim(const struct ms_infer *c, int d, int64_t dim, int64_t begin, int64_t end,
                       int64_t *out)
{
    const int64_t bound = INT64_C(1) << 40; /* far beyond any tensor; sums stay exact */

    if (begin > bound || end > bound || begin < -bound || end < -bound)
        return ms_fail(c->err, MS_INVALID_ARGUMENT, "axis %d is padded by %" PRId64 ", %" PRId64, d,
                       begin, end);
    if (begin == 0 && end == 0) {
        *out = dim;
    } else if (ms_is_sym(dim)) {
        *out = ms_syms_fresh(c->syms);
    } else {
        struct side s;

        make_side(&s, dim, begin, end);
        *out = dim + begin + end;
        if (s.n < 0 || *out < 0)
            return ms_fail(c->err, MS_INVALID_ARGUMENT,
                           "axis %d of %" PRId64 " elements loses more than it has", d, dim);
    }
    return MS_OK;
}

static ms_code infer(struct ms_infer *c)
{
    const struct ms_shape *x = &c->in[0].shape;
    int64_t v[MS_MAX_SYM_CONTENT];
    int axes[MS_MAX_RANK], n, n_axes;
    bool known;

    MS_TRY(ms_fact_same_dtype(c, 2, 0));
    if (x->rank < 0)
        return ms_fact_unknown(c, 0, c->in[0].dtype);
    MS_TRY(ms_fact_axes(c, 3, x->rank, axes, &n_axes, &known));
    ms_fact_fresh(c, 0, c->in[0].dtype, x->rank);
    if (!known || !ms_infer_const_ints(c, 1, v, &n))
        return MS_OK;
    if (n != 2 * (n_axes < 0 ? x->rank : n_axes))
        return ms_fail(c->err, MS_INVALID_ARGUMENT, "%d pads for %d axes", n,
                       n_axes < 0 ? x->rank : n_axes);
    c->out[0].shape = *x;
    for (int i = 0; i < n / 2; i++) {
        const int d = n_axes < 0 ? i : axes[i];

        MS_TRY(pad_dim(c, d, x->dim[d], v[i], v[n / 2 + i], &c->out[0].shape.dim[d]));
    }
    return MS_OK;
}

static const struct ms_attr_spec attrs[] = {
    {.name = "mode",
     .type = MS_ATTR_STRING,
     .s = "constant",
     .choices = "constant|reflect|edge|wrap|symmetric",
     .doc = "what new places take"},
    {0},
};

MS_OP(pad) = {
    .name = "Pad",
    .doc = "dims made longer or shorter at both ends",
    .min_in = 2,
    .max_in = 4,
    .min_out = 1,
    .max_out = 1,
    .in = {MS_FIXED, MS_BIT(I64), MS_FIXED, MS_INDEX_TYPES},
    .scalars = 1 << 2,
    .attrs = attrs,
    .infer = infer,
    .kernels = (const struct ms_kernel[]){{"pad", MS_FIXED, MS_ISA_ANY, .units = units, .run = run},
                                          {0}},
};
