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

#include "kernels/blocked.h"
#include "kernels/copy.h"
#include "kernels/facts.h"
#include "kernels/raw.h"

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

/* Channels that are blocked are an axis of blocks, and an element is a vector of them. */
static void make_plan(const struct ms_task *t, struct plan *p)
{
    struct ms_shape x = t->in[0]->shape, y = t->out[0]->shape;
    const struct ms_tensor *axes = t->n_in > 3 ? t->in[3] : NULL;
    const size_t n = ms_tensor_count(t->in[1]) / 2;

    if (t->out[0]->layout != MS_PLAIN)
        x.dim[1] = y.dim[1] = (int64_t)ms_blocks(t->out[0]);
    memset(p, 0, sizeof *p);
    p->rank = x.rank;
    p->mode = ms_attr_str(t->node, "mode")[0];
    ms_row_strides(&x, p->stride);
    for (int d = 0; d < x.rank; d++) {
        make_side(&p->side[d], x.dim[d], 0, 0);
        p->dim[d] = (size_t)y.dim[d];
    }
    for (size_t i = 0; i < n; i++) {
        int d = (int)i;

        if (axes)
            (void)ms_axis(ms_index_at(axes, i), x.rank, &d);
        const int64_t begin = ms_index_at(t->in[1], i), end = ms_index_at(t->in[1], n + i);
        make_side(&p->side[d], x.dim[d], begin, end);
    }
}

static size_t units(const struct ms_task *t)
{
    const struct ms_tensor *y = t->out[0];

    if (y->layout != MS_PLAIN)
        return (size_t)y->shape.dim[0] * ms_blocks(y) *
               ms_shape_span(&y->shape, 2, y->shape.rank - 1);
    return ms_shape_span(&t->out[0]->shape, 0, t->out[0]->shape.rank - 1);
}

/* Vectors of channels are filled with zeros alone. */
static void fill(uint8_t *y, const void *value, size_t size, size_t n)
{
    if (size > sizeof(struct ms_bytes))
        memset(y, 0, n * size);
    else
        ms_fill(y, value, size, n);
}

#define REVERSE(type_)                                                                             \
    do {                                                                                           \
        type_ *to = (type_ *)(void *)y;                                                            \
        const type_ *from = (const type_ *)(const void *)x;                                        \
        for (int64_t k = 0; k < m; k++)                                                            \
            to[k] = from[-k];                                                                      \
    } while (0)

/* Places [i, i + m) of the last axis, all before or all behind its n elements at x, where they are
 * one run of elements forwards, backwards or on the spot; false: they turn somewhere. */
static bool pad_run(char mode, uint8_t *y, const uint8_t *x, int64_t i, int64_t m, int64_t n,
                    size_t size)
{
    const int64_t at = place(mode, i, n), skip = mode == 'r'; /* an edge counted once */

    if (size > sizeof(struct ms_bytes))
        return false;
    if (mode == 'e') {
        ms_fill(y, x + (size_t)at * size, size, (size_t)m);
        return true;
    }
    if ((i < 0 ? -i : i + m - n) > n - skip)
        return false;
    x += (size_t)at * size;
    if (mode == 'w')
        memcpy(y, x, (size_t)m * size);
    else
        MS_BY_SIZE(size, REVERSE);
    return true;
}

static void put(uint8_t *y, const void *x, size_t size)
{
    if (size == 4) /* a call would cost more than the element */
        memcpy(y, x, 4);
    else
        memcpy(y, x, size);
}

/* One row of the last axis; x NULL: constant all through. */
static void pad_row(const struct plan *p, uint8_t *y, const uint8_t *x, const void *value,
                    size_t size)
{
    const struct side *s = &p->side[p->rank - 1];
    const int64_t n = (int64_t)p->dim[p->rank - 1];
    int64_t i = 0;

    if (!x) {
        fill(y, value, size, (size_t)n);
        return;
    }
    while (i < n) {
        if (p->mode == 'c' && i != s->lead) { /* up to the middle, or to the end */
            const int64_t m = i < s->lead ? (s->lead < n ? s->lead : n) - i : n - i;

            fill(y + (size_t)i * size, value, size, (size_t)m);
            i += m;
            continue;
        }
        if (i == s->lead && s->n > 0) { /* the middle in one go */
            const int64_t m = n - i < s->n ? n - i : s->n;

            memcpy(y + (size_t)i * size, x + (size_t)s->from * size, (size_t)m * size);
            i += m;
            continue;
        }
        const int64_t m = i < s->lead ? (s->lead < n ? s->lead : n) - i : n - i;
        if (pad_run(p->mode, y + (size_t)i * size, x + (size_t)s->from * size, i - s->lead, m, s->n,
                    size)) {
            i += m;
            continue;
        }
        const int64_t at = place(p->mode, i - s->lead, s->n);
        put(y + (size_t)i * size, at < 0 ? value : x + (size_t)(s->from + at) * size, size);
        i++;
    }
}

static void run(const struct ms_task *t)
{
    const struct ms_tensor *x = t->in[0];
    const size_t lanes = x->layout == MS_PLAIN ? 1 : (size_t)x->layout;
    const size_t size = ms_dtype_size(x->dtype) * lanes;
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

/* ---- channel-blocked ---- */

/* Items and channels stay; new places are zero or elements, so that padding stays zero. */
static unsigned blocked(const struct ms_node *n)
{
    const struct ms_value *x = ms_in(n, 0);
    const struct ms_tensor *pads = ms_in_const(n, 1), *value = ms_in_const(n, 2);
    const struct ms_tensor *axes = ms_in_const(n, 3);

    if (!ms_blockable(x) || !pads || (ms_in(n, 2) && !value) || (ms_in(n, 3) && !axes))
        return 0;
    const size_t count = axes ? ms_tensor_count(axes) : (size_t)x->shape.rank;
    if (ms_tensor_count(pads) != 2 * count || (value && ms_tensor_f64(value, 0) != 0.0))
        return 0;
    for (size_t i = 0; i < count; i++) {
        int d = (int)i;

        if (axes && !ms_axis(ms_index_at(axes, i), x->shape.rank, &d))
            return 0;
        if (d < 2 && (ms_index_at(pads, i) || ms_index_at(pads, count + i)))
            return 0;
    }
    return MS_BLOCKED_OUT | MS_BLOCKED_IN(0);
}

#define BLOCKED(name_, isa_)                                                                       \
    {                                                                                              \
        .name = name_, .dtypes = MS_BIT(F32), .isa = isa_, .blocked = true, .units = units,        \
        .run = run                                                                                 \
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
    .blocked = blocked,
    .kernels = (const struct ms_kernel[]){BLOCKED("pad_blocked_avx512", MS_ISA_AVX512),
                                          BLOCKED("pad_blocked_avx2", MS_ISA_AVX2),
                                          {"pad", MS_FIXED, MS_ISA_ANY, .units = units, .run = run},
                                          {0}},
};
