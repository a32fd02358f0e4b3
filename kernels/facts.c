/* SPDX-License-Identifier: Apache-2.0 */
/* facts.c - see facts.h. */
#include <inttypes.h>

#include "kernels/facts.h"

ms_code ms_fact_axis(const struct ms_infer *c, int64_t axis, int rank, int *out)
{
    if (!ms_axis(axis, rank, out))
        return ms_fail(c->err, MS_INVALID_ARGUMENT, "axis %" PRId64 " of a tensor of rank %d", axis,
                       rank);
    return MS_OK;
}

ms_code ms_fact_axes(const struct ms_infer *c, int i, int rank, int *axes, int *n, bool *known)
{
    int64_t v[MS_MAX_SYM_CONTENT];
    unsigned seen = 0;
    int count;

    *known = true;
    *n = -1;
    if (!ms_infer_has(c, i))
        return MS_OK;
    *known = ms_infer_const_ints(c, i, v, &count);
    if (!*known)
        return MS_OK;
    if (count > MS_MAX_RANK)
        return ms_fail(c->err, MS_INVALID_ARGUMENT, "input %d names %d axes", i, count);
    for (int k = 0; k < count; k++) {
        MS_TRY(ms_fact_axis(c, v[k], rank, &axes[k]));
        if (seen & 1u << axes[k])
            return ms_fail(c->err, MS_INVALID_ARGUMENT, "axis %d is named twice", axes[k]);
        seen |= 1u << axes[k];
    }
    *n = count;
    return MS_OK;
}

ms_code ms_fact_rank(const struct ms_infer *c, int i, int r)
{
    const int rank = c->in[i].shape.rank;

    if (rank >= 0 && rank != r)
        return ms_fail(c->err, MS_INVALID_ARGUMENT, "input %d is of rank %d, not %d", i, rank, r);
    return MS_OK;
}

ms_code ms_fact_same_dtype(const struct ms_infer *c, int i, int j)
{
    if (!ms_infer_has(c, i) || !ms_infer_has(c, j) || c->in[i].dtype == c->in[j].dtype)
        return MS_OK;
    return ms_fail(c->err, MS_INVALID_ARGUMENT, "input %d is %s, input %d is %s", i,
                   ms_dtype_name(c->in[i].dtype), j, ms_dtype_name(c->in[j].dtype));
}

ms_code ms_fact_unknown(struct ms_infer *c, int i, enum ms_dtype t)
{
    c->out[i].dtype = t;
    c->out[i].shape = ms_shape_unknown();
    return MS_OK;
}

void ms_fact_fresh(struct ms_infer *c, int i, enum ms_dtype t, int rank)
{
    c->out[i].dtype = t;
    c->out[i].shape = (struct ms_shape){.rank = rank};
    for (int d = 0; d < rank; d++)
        c->out[i].shape.dim[d] = ms_syms_fresh(c->syms);
}

ms_code ms_fact_product(const struct ms_infer *c, const struct ms_shape *s, int from, int to,
                        int64_t *out)
{
    int64_t n = 1, sym = 0;
    int syms = 0;

    for (int d = from; d < to; d++) {
        if (ms_is_sym(s->dim[d])) {
            sym = s->dim[d];
            syms++;
        } else if (__builtin_mul_overflow(n, s->dim[d], &n)) {
            return ms_fail(c->err, MS_INVALID_ARGUMENT, "the product of dims %d..%d is too large",
                           from, to - 1);
        }
    }
    *out = syms == 0 ? n : syms == 1 && n == 1 ? sym : n == 0 ? 0 : ms_syms_fresh(c->syms);
    return MS_OK;
}

int64_t ms_fact_sum(const struct ms_infer *c, int64_t a, int64_t b)
{
    int64_t y;

    if (!ms_is_sym(a) && !ms_is_sym(b) && !__builtin_add_overflow(a, b, &y) && !ms_is_sym(y))
        return y;
    return a == 0 ? b : b == 0 ? a : ms_syms_fresh(c->syms);
}

bool ms_fact_agree(int64_t a, int64_t b, int64_t *out)
{
    *out = ms_is_sym(a) ? b : a;
    return a == b || ms_is_sym(a) || ms_is_sym(b);
}

void ms_fact_pass_ints(struct ms_infer *c, int i, int o)
{
    int64_t v[MS_MAX_SYM_CONTENT];
    int n;

    if (ms_infer_ints(c, i, v, &n))
        ms_infer_set_ints(c, o, v, n);
}

size_t ms_index_wrap_n(const struct ms_tensor *t, size_t i, size_t count, int64_t n, int64_t *out)
{
    bool outside = false;

    if (t->dtype == MS_I64)
        for (size_t k = 0; k < count; k++) {
            const int64_t v = ((const int64_t *)t->data)[i + k];
            out[k] = v + (n & v >> 63);
            outside |= (uint64_t)out[k] >= (uint64_t)n;
        }
    else
        for (size_t k = 0; k < count; k++) {
            const int64_t v = ((const int32_t *)t->data)[i + k];
            out[k] = v + (n & v >> 63);
            outside |= (uint64_t)out[k] >= (uint64_t)n;
        }
    for (size_t k = 0; outside && k < count; k++)
        if ((uint64_t)out[k] >= (uint64_t)n)
            return k;
    return count;
}

void ms_index_fail(const struct ms_task *t, int input, size_t i, int64_t n)
{
    ms_task_fail(t, MS_INVALID_ARGUMENT,
                 "index %" PRId64 " (element %zu of input %d) is outside [-%" PRId64 ", %" PRId64
                 ")",
                 ms_index_at(t->in[input], i), i, input, n, n);
}
