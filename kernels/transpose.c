/* SPDX-License-Identifier: Apache-2.0 */
/* transpose.c - dims in another order.
 *
 * After merging neighbours that stay neighbours, either the innermost dim stays (runs are copied),
 * or some other dim k of the output walks the input contiguously. Then planes (k, innermost) are
 * turned in tiles; a unit is TURN_ROWS rows of k in one such plane, so that both sides stay in the
 * cache.
 *
 *     NCHW -> NHWC:  output dims [N, HW, C], strides [C HW, 1, HW]: k = 1 */
#include <string.h>

#include "kernels/copy.h"
#include "kernels/facts.h"
#include "kernels/raw.h"

enum { TURN_ROWS = 32 };

static int perm_at(const struct ms_node *n, int rank, int i)
{
    return (int)ms_attr_ints_at(n, "perm", i, rank - 1 - i);
}

static void describe(const struct ms_task *t, struct ms_strided *s)
{
    const struct ms_tensor *x = t->in[0];
    ptrdiff_t stride[MS_MAX_RANK];

    ms_row_strides(&x->shape, stride);
    s->size = ms_dtype_size(x->dtype);
    s->rank = x->shape.rank;
    s->src = x->data;
    for (int d = 0; d < s->rank; d++) {
        const int from = perm_at(t->node, s->rank, d);

        s->dim[d] = (size_t)x->shape.dim[from];
        s->stride[d] = stride[from];
    }
    ms_strided_merge(s);
}

/* The dim that walks the input contiguously; -1 if it is the innermost. */
static int turned_dim(const struct ms_strided *s)
{
    for (int d = 0; d < s->rank - 1; d++)
        if (s->stride[d] == 1)
            return d;
    return -1;
}

static size_t row_blocks(const struct ms_strided *s, int k)
{
    return (s->dim[k] + TURN_ROWS - 1) / TURN_ROWS;
}

static size_t units(const struct ms_task *t)
{
    struct ms_strided s;
    size_t n = 1;

    describe(t, &s);
    const int k = turned_dim(&s);

    for (int d = 0; d < s.rank; d++)
        n *= d == k ? row_blocks(&s, k) : k >= 0 && d == s.rank - 1 ? 1 : s.dim[d];
    return n;
}

/* Rows of k whose elements lie out_step apart: y[r * out_step + c] = x[c * step + r]. */
#define SCATTERED(type_)                                                                           \
    do {                                                                                           \
        const type_ *x = xv;                                                                       \
        type_ *y = yv;                                                                             \
        for (size_t c = 0; c < cols; c++)                                                          \
            for (size_t r = 0; r < rows; r++)                                                      \
                y[r * out_step + c] = x[(ptrdiff_t)c * step + (ptrdiff_t)r];                       \
    } while (0)

static void turn(size_t size, void *yv, size_t out_step, const void *xv, size_t rows, size_t cols,
                 ptrdiff_t step)
{
    if (out_step == cols)
        ms_plane_turn(size, yv, xv, rows, cols, step);
    else
        MS_BY_SIZE(size, SCATTERED);
}

static void run(const struct ms_task *t)
{
    struct ms_strided s;
    size_t out_stride[MS_STRIDED_MAX], step = 1;

    describe(t, &s);
    const int k = turned_dim(&s), last = s.rank - 1;

    if (k < 0) {
        ms_strided_run(t, &s);
        return;
    }
    for (int d = last; d >= 0; d--) {
        out_stride[d] = step;
        step *= s.dim[d];
    }
    for (size_t u = t->first; u < t->last && !ms_task_stopped(t); u++) {
        size_t rest = u, to = 0, row = 0;
        ptrdiff_t from = 0;

        for (int d = last - 1; d >= 0; d--) {
            const size_t n = d == k ? row_blocks(&s, k) : s.dim[d];
            const size_t i = rest % n * (d == k ? TURN_ROWS : 1);

            rest /= n;
            row = d == k ? i : row;
            to += i * out_stride[d];
            from += (ptrdiff_t)i * s.stride[d];
        }
        const size_t rows = s.dim[k] - row < TURN_ROWS ? s.dim[k] - row : TURN_ROWS;
        turn(s.size, (uint8_t *)t->out[0]->data + to * s.size, out_stride[k],
             (const uint8_t *)s.src + from * (ptrdiff_t)s.size, rows, s.dim[last], s.stride[last]);
    }
}

static ms_code check(const struct ms_node *n, struct ms_err *err)
{
    const struct ms_attr *a = ms_attr_get(n, "perm");
    unsigned seen = 0;

    if (!a)
        return MS_OK;
    for (int i = 0; i < a->n; i++) {
        if (a->ints[i] >= a->n || (seen & 1u << a->ints[i]))
            return ms_fail(err, MS_INVALID_ARGUMENT, "perm is no permutation of 0..%d", a->n - 1);
        seen |= 1u << a->ints[i];
    }
    return MS_OK;
}

static ms_code infer(struct ms_infer *c)
{
    const struct ms_attr *a = ms_attr_get(c->node, "perm");
    const struct ms_shape *x = &c->in[0].shape;

    if (x->rank < 0) {
        if (!a)
            return ms_fact_unknown(c, 0, c->in[0].dtype);
        ms_fact_fresh(c, 0, c->in[0].dtype, a->n);
        return MS_OK;
    }
    if (a && a->n != x->rank)
        return ms_fail(c->err, MS_INVALID_ARGUMENT, "perm has %d entries, the input is of rank %d",
                       a->n, x->rank);
    c->out[0].dtype = c->in[0].dtype;
    c->out[0].shape.rank = x->rank;
    for (int d = 0; d < x->rank; d++)
        c->out[0].shape.dim[d] = x->dim[perm_at(c->node, x->rank, d)];
    if (x->rank <= 1)
        ms_fact_pass_ints(c, 0, 0);
    return MS_OK;
}

static const struct ms_attr_spec attrs[] = {
    {.name = "perm",
     .type = MS_ATTR_INTS,
     .min = 0,
     .max = MS_MAX_RANK - 1,
     .max_len = MS_MAX_RANK,
     .doc = "output dim i is input dim perm[i]; reversed by default"},
    {0},
};

#define TYPES (MS_FIXED | MS_BIT(STRING))

MS_OP(transpose) = {
    .name = "Transpose",
    .doc = "dims in another order",
    .min_in = 1,
    .max_in = 1,
    .min_out = 1,
    .max_out = 1,
    .in = {TYPES},
    .attrs = attrs,
    .check = check,
    .infer = infer,
    .kernels = (const struct ms_kernel[]){{"transpose", TYPES, MS_ISA_ANY, .units = units,
                                           .run = run},
                                          {0}},
};
