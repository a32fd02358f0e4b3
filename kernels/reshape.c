/* SPDX-License-Identifier: Apache-2.0 */
/* reshape.c - the same bytes under another shape.
 *
 * The target is input 1: -1 stands for "what is left" (once), 0 for the input's dim at that place,
 * or with allowzero for a real 0. Symbols cancel, so [N,256,1,1] -> [0,-1] is known to be [N,256].
 */
#include <inttypes.h>

#include "kernels/copy.h"
#include "kernels/facts.h"

/* x / target, apart from the -1: sizes in *num / *den, symbols that appear on one side only
 * counted. *sym is the last of those of x. */
static ms_code ratio(const struct ms_infer *c, const struct ms_shape *x, const struct ms_shape *y,
                     int hole, int64_t *num, int64_t *den, int *left, int64_t *sym)
{
    bool used[MS_MAX_RANK] = {0};

    *num = *den = 1;
    *left = 0;
    for (int d = 0; d < y->rank; d++) {
        int e = x->rank;

        if (d == hole)
            continue;
        if (!ms_is_sym(y->dim[d])) {
            if (__builtin_mul_overflow(*den, y->dim[d], den))
                return ms_fail(c->err, MS_INVALID_ARGUMENT, "the target shape is too large");
            continue;
        }
        for (e = 0; e < x->rank && (used[e] || x->dim[e] != y->dim[d]);)
            e++;
        if (e < x->rank)
            used[e] = true;
        else
            *left += 2; /* a symbol below the line: nothing can be told */
    }
    for (int e = 0; e < x->rank; e++) {
        if (used[e])
            continue;
        if (ms_is_sym(x->dim[e])) {
            *sym = x->dim[e];
            *left += 1;
        } else if (__builtin_mul_overflow(*num, x->dim[e], num)) {
            return ms_fail(c->err, MS_INVALID_ARGUMENT, "the input shape is too large");
        }
    }
    return MS_OK;
}

static ms_code resolve(const struct ms_infer *c, const struct ms_shape *x, struct ms_shape *y,
                       int hole)
{
    int64_t num, den, sym = 0;
    int left;
    char a[128], b[128];

    if (x->rank < 0) {
        if (hole >= 0)
            y->dim[hole] = ms_syms_fresh(c->syms);
        return MS_OK;
    }
    MS_TRY(ratio(c, x, y, hole, &num, &den, &left, &sym));
    if (left == 0 && hole >= 0 && den > 0 && num % den == 0)
        y->dim[hole] = num / den;
    else if (left == 1 && hole >= 0 && num == den)
        y->dim[hole] = sym;
    else if (left > 0 && hole >= 0)
        y->dim[hole] = ms_syms_fresh(c->syms);
    else if (left == 0 && (hole >= 0 || num != den)) {
        if (hole >= 0)
            y->dim[hole] = -1;
        return ms_fail(c->err, MS_INVALID_ARGUMENT, "shape %s cannot become %s",
                       ms_shape_text(a, sizeof a, x, c->syms),
                       ms_shape_text(b, sizeof b, y, c->syms));
    }
    return MS_OK;
}

static ms_code infer(struct ms_infer *c)
{
    const struct ms_shape *x = &c->in[0].shape, *s = &c->in[1].shape;
    int64_t v[MS_MAX_SYM_CONTENT];
    struct ms_shape *y = &c->out[0].shape;
    int n, hole = -1;

    MS_TRY(ms_fact_rank(c, 1, 1));
    if (s->rank == 1 && s->dim[0] == 0) {
        n = 0; /* contents of no element are known */
    } else if (!ms_infer_ints(c, 1, v, &n)) {
        if (s->rank != 1 || ms_is_sym(s->dim[0]))
            return ms_fact_unknown(c, 0, c->in[0].dtype);
        if (s->dim[0] > MS_MAX_RANK)
            return ms_fail(c->err, MS_INVALID_ARGUMENT, "rank %" PRId64 " is more than %d",
                           s->dim[0], MS_MAX_RANK);
        ms_fact_fresh(c, 0, c->in[0].dtype, (int)s->dim[0]);
        return MS_OK;
    }
    if (n > MS_MAX_RANK)
        return ms_fail(c->err, MS_INVALID_ARGUMENT, "rank %d is more than %d", n, MS_MAX_RANK);
    const bool zero = ms_attr_int(c->node, "allowzero");
    *y = (struct ms_shape){.rank = n};
    for (int d = 0; d < n; d++) {
        y->dim[d] = v[d];
        if (v[d] == -1 && hole < 0) {
            hole = d;
        } else if (v[d] < 0 && !ms_is_sym(v[d])) {
            return ms_fail(c->err, MS_INVALID_ARGUMENT,
                           v[d] == -1 ? "more than one dim is -1" : "dim %d is negative", d);
        } else if (v[d] == 0 && !zero) {
            if (x->rank >= 0 && d >= x->rank)
                return ms_fail(c->err, MS_INVALID_ARGUMENT,
                               "dim %d is 0 but the input is of rank %d", d, x->rank);
            y->dim[d] = x->rank >= 0 ? x->dim[d] : ms_syms_fresh(c->syms);
        }
    }
    c->out[0].dtype = c->in[0].dtype;
    MS_TRY(resolve(c, x, y, hole));
    ms_fact_pass_ints(c, 0, 0);
    return MS_OK;
}

static const struct ms_attr_spec attrs[] = {
    {.name = "allowzero",
     .type = MS_ATTR_INT,
     .min = 0,
     .max = 1,
     .doc = "1: a 0 in the shape is a size, not a reference to the input's dim"},
    {0},
};

MS_OP(reshape) = {
    .name = "Reshape",
    .doc = "the same elements under the shape in input 1",
    .min_in = 2,
    .max_in = 2,
    .min_out = 1,
    .max_out = 1,
    .in = {MS_FIXED | MS_BIT(STRING), MS_BIT(I64)},
    .traits = MS_VIEW,
    .attrs = attrs,
    .infer = infer,
    .kernels = ms_copy_kernels,
};
