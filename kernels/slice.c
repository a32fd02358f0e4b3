/* SPDX-License-Identifier: Apache-2.0 */
/* slice.c - every step-th element between start and end, along some axes.
 *
 * Starts, ends, axes and steps are inputs; numpy's rules: negative positions count from the end,
 * both are clamped, steps may be negative but not 0. */
#include <inttypes.h>
#include <string.h>

#include "kernels/blocked.h"
#include "kernels/copy.h"
#include "kernels/facts.h"

struct cut {
    int64_t start, step, n;
};

static int64_t clamp(int64_t v, int64_t lo, int64_t hi)
{
    return v < lo ? lo : v > hi ? hi : v;
}

/* step is not 0; no sum below can overflow, since positions are clamped to [-1, dim] first. */
static struct cut resolve(int64_t dim, int64_t start, int64_t end, int64_t step)
{
    struct cut c = {.step = step};

    if (start < 0)
        start = start < -dim ? (step > 0 ? 0 : -1) : start + dim;
    if (end < 0)
        end = end < -dim ? -1 : end + dim;
    if (step > 0) {
        c.start = clamp(start, 0, dim);
        end = clamp(end, 0, dim);
        c.n = end > c.start ? (end - c.start - 1) / step + 1 : 0;
    } else {
        c.start = clamp(start, -1, dim - 1);
        end = clamp(end, -1, dim - 1);
        c.n = c.start > end ? (c.start - end - 1) / (step == INT64_MIN ? INT64_MAX : -step) + 1 : 0;
    }
    return c;
}

static const struct ms_tensor *given(const struct ms_task *t, int i)
{
    return i < t->n_in ? t->in[i] : NULL;
}

/* The cut of every axis from the operands as they are now: inference may have known their shapes
 * only. False: the run has failed. */
static bool read_cuts(const struct ms_task *t, struct cut *cut)
{
    const struct ms_shape *x = &t->in[0]->shape;
    const struct ms_tensor *axes = given(t, 3), *steps = given(t, 4);
    const size_t n = ms_tensor_count(t->in[1]);
    unsigned seen = 0;

    if (n > (size_t)x->rank || ms_tensor_count(t->in[2]) != n ||
        (axes && ms_tensor_count(axes) != n) || (steps && ms_tensor_count(steps) != n)) {
        ms_task_fail(t, MS_INVALID_ARGUMENT,
                     "%zu starts, %zu ends and the axes and steps do not fit rank %d", n,
                     ms_tensor_count(t->in[2]), x->rank);
        return false;
    }
    for (int d = 0; d < x->rank; d++)
        cut[d] = (struct cut){.step = 1, .n = x->dim[d]};
    for (size_t i = 0; i < n; i++) {
        const int64_t step = steps ? ms_index_at(steps, i) : 1;
        int d = (int)i;

        if (step == 0 || (axes && !ms_axis(ms_index_at(axes, i), x->rank, &d)) || seen >> d & 1) {
            ms_task_fail(t, MS_INVALID_ARGUMENT, "cut %zu: a step of 0, or no axis of its own", i);
            return false;
        }
        seen |= 1u << d;
        cut[d] = resolve(x->dim[d], ms_index_at(t->in[1], i), ms_index_at(t->in[2], i), step);
    }
    return true;
}

static void run(const struct ms_task *t)
{
    const struct ms_tensor *x = t->in[0];
    const int rank = x->shape.rank;
    struct ms_strided s = {.size = ms_dtype_size(x->dtype), .rank = rank};
    ptrdiff_t stride[MS_MAX_RANK], base = 0;
    struct cut cut[MS_MAX_RANK];

    ms_row_strides(&x->shape, stride);
    if (!read_cuts(t, cut))
        return;
    for (int d = 0; d < rank; d++) {
        s.dim[d] = (size_t)cut[d].n;
        if (cut[d].n > 0)
            base += cut[d].start * stride[d];
        s.stride[d] = cut[d].n > 1 ? stride[d] * cut[d].step : stride[d];
    }
    size_t count = 1;
    for (int d = 0; d < rank; d++)
        count *= s.dim[d];
    if (count != ms_tensor_count(t->out[0])) {
        ms_task_fail(t, MS_INVALID_ARGUMENT, "starts and ends are not those the shape came from");
        return;
    }
    if (count == 0)
        return;
    s.src = (const uint8_t *)x->data + base * (ptrdiff_t)s.size;
    ms_strided_run(t, &s);
}

/* ---- channel-blocked ---- */

/* Channels may be cut, or the space around them, or neither on a dim that both do; a cut of
 * channels lies between the widest blocks where space is cut as well. All operands are constants.
 */
static unsigned blocked(const struct ms_node *n)
{
    const struct ms_value *x = ms_in(n, 0);
    const struct ms_tensor *start = ms_in_const(n, 1), *end = ms_in_const(n, 2);
    const struct ms_tensor *axes = ms_in_const(n, 3), *steps = ms_in_const(n, 4);
    bool space = false, whole = true;

    if (!ms_blockable(x) || !start || !end || (ms_in(n, 3) && !axes) || (ms_in(n, 4) && !steps))
        return 0;
    const size_t count = ms_tensor_count(start);
    if (ms_tensor_count(end) != count || (axes && ms_tensor_count(axes) != count) ||
        (steps && ms_tensor_count(steps) != count) || count > (size_t)x->shape.rank)
        return 0;
    for (size_t i = 0; i < count; i++) {
        int d = (int)i;

        if (axes && !ms_axis(ms_index_at(axes, i), x->shape.rank, &d))
            return 0;
        if (d != 1) {
            space = true;
            continue;
        }
        const int64_t step = steps ? ms_index_at(steps, i) : 1, c = x->shape.dim[1];
        const struct cut k =
            resolve(c, ms_index_at(start, i), ms_index_at(end, i), step ? step : 1);
        if (step != 1 || k.n < 1)
            return 0;
        whole = k.start % MS_BLOCKED_LAYOUT == 0 &&
                (k.n % MS_BLOCKED_LAYOUT == 0 || k.start + k.n == c);
    }
    return whole || !space ? MS_BLOCKED_OUT | MS_BLOCKED_IN(0) : 0;
}

/* Channels alone are cut. */
static void cut_channels(const struct ms_task *t, const struct ms_blocked_fns *f, size_t from)
{
    const struct ms_tensor *y = t->out[0];
    const size_t n = ms_blocks(y), each = ms_pixels(y) * f->lanes;

    for (size_t u = t->first; u < t->last && !ms_task_stopped(t); u++)
        ms_block_of_channels(f, t->in[0], u / n, from + u % n * f->lanes, ms_block_lanes(y, u % n),
                             (float *)y->data + u * each);
}

/* Units are blocks. */
static void blocks(const struct ms_task *t, const struct ms_blocked_fns *f)
{
    const struct ms_tensor *x = t->in[0], *y = t->out[0];
    const int rank = x->shape.rank;
    struct ms_strided s = {.size = sizeof(float), .rank = rank + 1, .src = x->data};
    ptrdiff_t stride = (ptrdiff_t)f->lanes;
    struct cut cut[MS_MAX_RANK];
    bool same = true;

    if (!read_cuts(t, cut) || ms_tensor_count(y) == 0)
        return;
    s.dim[rank] = f->lanes;
    s.stride[rank] = 1;
    const size_t from = (size_t)cut[1].start;
    cut[1].start /= (int64_t)f->lanes;
    for (int d = rank - 1; d >= 0; d--) {
        const ptrdiff_t begin = cut[d].n > 0 ? cut[d].start * stride : 0;
        s.dim[d] = d == 1 ? ms_blocks(y) : (size_t)cut[d].n;
        s.stride[d] = d != 1 && cut[d].n > 1 ? stride * cut[d].step : stride;
        s.src = (const float *)s.src + begin;
        stride *= d == 1 ? (ptrdiff_t)ms_blocks(x) : (ptrdiff_t)x->shape.dim[d];
        same = same && (d == 1 || (cut[d].n == x->shape.dim[d] && cut[d].step == 1));
        if (cut[d].n != y->shape.dim[d]) {
            ms_task_fail(t, MS_INVALID_ARGUMENT,
                         "starts and ends are not those the shape came from");
            return;
        }
    }
    if (same) {
        cut_channels(t, f, from);
        return;
    }
    const size_t each = ms_pixels(y) * f->lanes;
    ms_strided_merge(&s);
    for (size_t u = t->first; u < t->last && !ms_task_stopped(t); u++)
        ms_strided_copy(&s, y->data, u * each, (u + 1) * each);
}

MS_BLOCKED_RUNS(blocks)

/* The dim after one cut, of which parts may be symbols. */
static int64_t cut_dim(struct ms_infer *c, int64_t dim, int64_t start, int64_t end, int64_t step)
{
    if (!ms_is_sym(dim) && !ms_is_sym(start) && !ms_is_sym(end))
        return resolve(dim, start, end, step).n;
    if (start == 0 && step == 1 && ms_is_sym(dim) && !ms_is_sym(end) && end >= INT32_MAX)
        return dim; /* everything */
    if (start == 0 && step == 1 && end == dim)
        return dim;
    return ms_syms_fresh(c->syms);
}

static void cut_contents(struct ms_infer *c, int64_t start, int64_t end, int64_t step)
{
    int64_t v[MS_MAX_SYM_CONTENT], y[MS_MAX_SYM_CONTENT];
    int n;

    if (ms_is_sym(start) || ms_is_sym(end) || !ms_infer_ints(c, 0, v, &n))
        return;
    const struct cut k = resolve(n, start, end, step);
    for (int i = 0; i < k.n; i++)
        y[i] = v[k.start + i * k.step];
    ms_infer_set_ints(c, 0, y, (int)k.n);
}

/* Dims that no axis names stay. */
static void keep_others(const struct ms_shape *x, const int *axes, int n, struct ms_shape *y)
{
    unsigned cut = 0;

    for (int i = 0; i < n; i++)
        cut |= 1u << axes[i];
    for (int d = 0; n >= 0 && d < x->rank; d++)
        if (!(cut >> d & 1))
            y->dim[d] = x->dim[d];
}

static bool numbers(const struct ms_infer *c, int i, int64_t *v, int *n)
{
    return ms_infer_has(c, i) && ms_infer_ints(c, i, v, n);
}

static ms_code infer(struct ms_infer *c)
{
    const struct ms_shape *x = &c->in[0].shape;
    struct ms_shape *y = &c->out[0].shape;
    int64_t start[MS_MAX_SYM_CONTENT], end[MS_MAX_SYM_CONTENT], step[MS_MAX_SYM_CONTENT];
    int axes[MS_MAX_RANK], n, m, n_axes;
    bool known;

    if (x->rank < 0)
        return ms_fact_unknown(c, 0, c->in[0].dtype);
    c->out[0].dtype = c->in[0].dtype;
    *y = *x;
    MS_TRY(ms_fact_axes(c, 3, x->rank, axes, &n_axes, &known));
    if (!known || !numbers(c, 1, start, &n) || !numbers(c, 2, end, &m)) {
        ms_fact_fresh(c, 0, c->in[0].dtype, x->rank);
        keep_others(x, axes, known ? n_axes : -1, y);
        return MS_OK;
    }
    if (n != m || n > x->rank || (n_axes >= 0 && n_axes != n))
        return ms_fail(c->err, MS_INVALID_ARGUMENT, "%d starts, %d ends, %d axes for rank %d", n, m,
                       n_axes < 0 ? n : n_axes, x->rank);
    const bool stepped = ms_infer_has(c, 4), steps = stepped && ms_infer_ints(c, 4, step, &m);
    if (steps && m != n)
        return ms_fail(c->err, MS_INVALID_ARGUMENT, "%d starts, %d steps", n, m);
    for (int i = 0; i < n; i++) {
        const int d = n_axes < 0 ? i : axes[i];

        if (stepped && (!steps || ms_is_sym(step[i]))) {
            y->dim[d] = ms_syms_fresh(c->syms);
            continue;
        }
        if (stepped && step[i] == 0)
            return ms_fail(c->err, MS_INVALID_ARGUMENT, "step %d is 0", i);
        y->dim[d] = cut_dim(c, x->dim[d], start[i], end[i], stepped ? step[i] : 1);
        if (x->rank == 1)
            cut_contents(c, start[i], end[i], stepped ? step[i] : 1);
    }
    if (n == 0)
        ms_fact_pass_ints(c, 0, 0);
    return MS_OK;
}

#define TYPES (MS_FIXED | MS_BIT(STRING))

MS_OP(slice) = {
    .name = "Slice",
    .doc = "every step-th element between start and end",
    .min_in = 3,
    .max_in = 5,
    .min_out = 1,
    .max_out = 1,
    .in = {TYPES, MS_INDEX_TYPES, MS_INDEX_TYPES, MS_INDEX_TYPES, MS_INDEX_TYPES},
    .infer = infer,
    .blocked = blocked,
    .kernels = (const struct ms_kernel[]){MS_BLOCKED_KERNELS("slice", ms_blocked_units, blocks, ),
                                          {"slice", TYPES, MS_ISA_ANY, .units = ms_units_elements,
                                           .run = run},
                                          {0}},
};
