/* SPDX-License-Identifier: Apache-2.0 */
/* mindir_lower_reduce.c - primitives that fold axes: sums, extremes, norms, positions, scans. */
#include "proto/mindir.h"

#include <math.h>

/* Reduction over the axes of argument `axes` (int, tuple, None or () = all). */
static struct ms_value *reduce_over(struct mir_call *c, const char *op, struct ms_value *x,
                                    size_t axes, bool keep)
{
    int64_t v[MS_MAX_RANK];
    struct ms_value *list = NULL;

    if (c->code == MS_OK && !mir_is_none(c, axes)) {
        if (mir_known_ints(c, c->arg[axes])) {
            const int n = mir_ints(c, axes, v, MS_MAX_RANK);
            list = n > 0 ? mir_const_ints(c, v, n) : NULL;
        } else {
            list = mir_dims_value(c, axes);
        }
    }
    return mir_op(c, op, MIR_IN(x, list), MIR_ATTRS(MIR_A_INT("keepdims", keep)));
}

static ms_code reduce(struct mir_call *c)
{
    struct ms_value *x = mir_tensor(c, 0);

    return mir_give(c, reduce_over(c, c->row->op, x, 1, mir_bool(c, 2)));
}

/* ReduceSum(x, axis, keep_dims, skip_mode): with skip_mode no axes means nothing to do. */
static ms_code reduce_sum(struct mir_call *c)
{
    const bool empty = c->arg[1]->kind == MIR_TUPLE && c->arg[1]->n == 0;

    if (mir_bool(c, 3) && empty)
        return mir_give(c, mir_op(c, "Identity", MIR_IN(mir_tensor(c, 0)), NULL));
    return reduce(c);
}

/* op(x, dim, keepdim, dtype): integers are summed as int64 unless a dtype is given. */
static ms_code reduce_ext(struct mir_call *c)
{
    struct ms_value *x = mir_tensor(c, 0);

    if (!x)
        return c->code;
    if (!mir_is_none(c, 3))
        x = mir_cast(c, x, mir_type(c, 3));
    else if (ms_dtype_kind(x->dtype) != MS_KIND_FLOAT)
        x = mir_cast(c, x, MS_I64);
    return mir_give(c, reduce_over(c, c->row->op, x, 1, mir_bool(c, 2)));
}

static ms_code reduce_all(struct mir_call *c)
{
    return mir_give(
        c, mir_op(c, c->row->op, MIR_IN(mir_tensor(c, 0)), MIR_ATTRS(MIR_A_INT("keepdims", 0))));
}

/* ---- positions of extremes ---- */

static struct ms_value *arg_of(struct mir_call *c, const char *op, struct ms_value *x, int64_t axis,
                               bool keep)
{
    return mir_op(c, op, MIR_IN(x),
                  MIR_ATTRS(MIR_A_INT("axis", axis), MIR_A_INT("keepdims", keep)));
}

static ms_code arg_extreme(struct mir_call *c)
{
    struct ms_value *i = arg_of(c, c->row->op, mir_tensor(c, 0), mir_int(c, 1), false);

    return mir_give(c, mir_cast(c, i, mir_type(c, 2)));
}

/* op(x, dim, keepdim); dim None looks at all elements. */
static ms_code arg_extreme_ext(struct mir_call *c)
{
    struct ms_value *x = mir_tensor(c, 0);
    const bool flat = mir_is_none(c, 1);

    if (flat)
        x = mir_reshape(c, x, (const int64_t[]){-1}, 1);
    return mir_give(c, arg_of(c, c->row->op, x, flat ? 0 : mir_int(c, 1), !flat && mir_bool(c, 2)));
}

/* Value along one axis; row->op is the reduction. */
static struct ms_value *extreme(struct mir_call *c, struct ms_value *x, int64_t axis, bool keep)
{
    struct ms_value *axes = mir_const_ints(c, &axis, 1);

    return mir_op(c, c->row->op, MIR_IN(x, axes), MIR_ATTRS(MIR_A_INT("keepdims", keep)));
}

static const char *position_of(const char *reduction)
{
    return reduction[6] == 'M' && reduction[7] == 'a' ? "ArgMax" : "ArgMin"; /* ReduceMax */
}

/* (index, value); indices were int32 once and are int64 in 2.10. */
static ms_code with_value(struct mir_call *c)
{
    const enum ms_dtype index = mir_recorded_item(c->name->node, 0, MS_I64);
    struct ms_value *x = mir_tensor(c, 0), *out[2];
    const int64_t axis = mir_int(c, 1);
    const bool keep = mir_bool(c, 2);

    out[0] = mir_cast(c, arg_of(c, position_of(c->row->op), x, axis, keep), index);
    out[1] = extreme(c, x, axis, keep);
    return mir_give_all(c, out, 2);
}

/* (value, index) */
static ms_code value_with(struct mir_call *c)
{
    struct ms_value *x = mir_tensor(c, 0), *out[2];
    const int64_t axis = mir_int(c, 1);
    const bool keep = mir_bool(c, 2);

    out[0] = extreme(c, x, axis, keep);
    out[1] = arg_of(c, position_of(c->row->op), x, axis, keep);
    return mir_give_all(c, out, 2);
}

/* ---- scans ---- */

static ms_code cum_sum(struct mir_call *c)
{
    struct ms_value *x = mir_tensor(c, 0), *axis = mir_const_int(c, mir_int(c, 1));
    const bool exclusive = mir_bool(c, 2), reverse = mir_bool(c, 3);

    return mir_give(
        c, mir_op(c, "CumSum", MIR_IN(x, axis),
                  MIR_ATTRS(MIR_A_INT("exclusive", exclusive), MIR_A_INT("reverse", reverse))));
}

static ms_code cum_sum_ext(struct mir_call *c)
{
    struct ms_value *x = mir_tensor(c, 0), *axis = mir_const_int(c, mir_int(c, 1));

    if (x && !mir_is_none(c, 2))
        x = mir_cast(c, x, mir_type(c, 2));
    else if (x && ms_dtype_kind(x->dtype) != MS_KIND_FLOAT)
        x = mir_cast(c, x, MS_I64);
    return mir_give(c, mir_op(c, "CumSum", MIR_IN(x, axis), NULL));
}

/* ---- norms and variance ---- */

/* LinalgVectorNorm(x, ord, dim, keepdim, dtype) */
static ms_code vector_norm(struct mir_call *c)
{
    struct ms_value *x = mir_tensor(c, 0);
    const double ord = mir_float(c, 1);
    const bool keep = mir_bool(c, 3);

    if (x && !mir_is_none(c, 4))
        x = mir_cast(c, x, mir_type(c, 4));
    if (ord == 1.0)
        return mir_give(c, reduce_over(c, "ReduceL1", x, 2, keep));
    if (ord == 2.0)
        return mir_give(c, reduce_over(c, "ReduceL2", x, 2, keep));
    x = mir_op(c, "Abs", MIR_IN(x), NULL);
    if (isinf(ord))
        return mir_give(c, reduce_over(c, ord > 0 ? "ReduceMax" : "ReduceMin", x, 2, keep));
    if (c->code == MS_OK && !(ord > 0.0))
        return mir_unsupported(c, "a norm of order %g is not supported", ord);
    if (c->code != MS_OK)
        return c->code;
    x = mir_op(c, "Pow", MIR_IN(x, mir_const(c, ord, x->dtype)), NULL);
    x = reduce_over(c, "ReduceSum", x, 2, keep);
    if (c->code != MS_OK)
        return c->code;
    return mir_give(c, mir_op(c, "Pow", MIR_IN(x, mir_const(c, 1.0 / ord, x->dtype)), NULL));
}

/* Var(x, dim, correction, keepdim) = sum (x - mean)^2 / (n - correction) */
static struct ms_value *variance(struct mir_call *c)
{
    struct ms_value *x = mir_tensor(c, 0);
    struct ms_value *d =
        mir_op(c, "Sub", MIR_IN(x, reduce_over(c, "ReduceMean", x, 1, true)), NULL);
    struct ms_value *sq = mir_op(c, "Mul", MIR_IN(d, d), NULL);
    struct ms_value *sum = reduce_over(c, "ReduceSum", sq, 1, mir_bool(c, 3));
    struct ms_value *all = mir_op(c, "Size", MIR_IN(x), NULL);
    struct ms_value *left = mir_op(c, "Size", MIR_IN(sum), NULL);
    struct ms_value *n = mir_op(c, "Div", MIR_IN(all, left), NULL);

    n = mir_op(c, "Sub", MIR_IN(n, mir_const_int(c, mir_int(c, 2))), NULL);
    if (c->code != MS_OK)
        return NULL;
    return mir_op(c, "Div", MIR_IN(sum, mir_cast(c, n, x->dtype)), NULL);
}

static ms_code lower_var(struct mir_call *c)
{
    return mir_give(c, variance(c));
}

static ms_code lower_std(struct mir_call *c)
{
    return mir_give(c, mir_op(c, "Sqrt", MIR_IN(variance(c)), NULL));
}

/* L2Normalize(x; axis, epsilon) = x / sqrt(max(sum x^2, epsilon)) */
static ms_code l2_normalize(struct mir_call *c)
{
    struct ms_value *x = mir_tensor(c, 0);
    struct ms_value *sum = reduce_over(c, "ReduceSumSquare", x, 1, true);
    const double epsilon = mir_attr_float(c, "epsilon", 1e-4);

    if (c->code != MS_OK)
        return c->code;
    sum = mir_op(c, "Max", MIR_IN(sum, mir_const(c, epsilon, sum->dtype)), NULL);
    return mir_give(c, mir_op(c, "Div", MIR_IN(x, mir_op(c, "Sqrt", MIR_IN(sum), NULL)), NULL));
}

const struct mir_row mir_rows_reduce[] = {
    {"ReduceSum", "x axis=() keep_dims=false skip_mode=false", reduce_sum, "ReduceSum", NULL},
    {"ReduceMean", "x axis=() keep_dims=false", reduce, "ReduceMean", NULL},
    {"ReduceMax", "x axis=() keep_dims=false", reduce, "ReduceMax", NULL},
    {"ReduceMin", "x axis=() keep_dims=false", reduce, "ReduceMin", NULL},
    {"ReduceProd", "x axis=() keep_dims=false", reduce, "ReduceProd", NULL},
    {"ReduceAny", "x axis=() keep_dims=false", reduce, "ReduceMax", NULL},
    {"ReduceAll", "x axis=() keep_dims=false", reduce, "ReduceMin", NULL},
    {"AMax", "x axis=() keep_dims=false", reduce, "ReduceMax", NULL},
    {"AMin", "x axis=() keep_dims=false", reduce, "ReduceMin", NULL},
    {"LogSumExp", "x axis=() keep_dims=false", reduce, "ReduceLogSumExp", NULL},
    {"SumExt", "x dim=none keepdim=false dtype=none", reduce_ext, "ReduceSum", NULL},
    {"MeanExt", "x dim=none keepdim=false dtype=none", reduce_ext, "ReduceMean", NULL},
    {"ProdExt", "x dim=none keepdim=false dtype=none", reduce_ext, "ReduceProd", NULL},
    {"Max", "x", reduce_all, "ReduceMax", NULL},
    {"Min", "x", reduce_all, "ReduceMin", NULL},
    {"Argmax", "x axis=-1 output_type=34", arg_extreme, "ArgMax", NULL},
    {"ArgMax", "x axis=-1 output_type=34", arg_extreme, "ArgMax", NULL},
    {"Argmin", "x axis=-1 output_type=34", arg_extreme, "ArgMin", NULL},
    {"ArgMaxExt", "x dim=none keepdim=false", arg_extreme_ext, "ArgMax", NULL},
    {"ArgMinExt", "x dim=none keepdim=false", arg_extreme_ext, "ArgMin", NULL},
    {"ArgMaxWithValue", "x axis=0 keep_dims=false", with_value, "ReduceMax", NULL},
    {"ArgMinWithValue", "x axis=0 keep_dims=false", with_value, "ReduceMin", NULL},
    {"MaxDim", "x dim keepdim=false", value_with, "ReduceMax", NULL},
    {"MinDim", "x dim keepdim=false", value_with, "ReduceMin", NULL},
    {"CumSum", "x axis exclusive=false reverse=false", cum_sum, NULL, NULL},
    {"CumsumExt", "x dim dtype=none", cum_sum_ext, NULL, NULL},
    {"LinalgVectorNorm", "x ord=2.0 dim=none keepdim=false dtype=none", vector_norm, NULL, NULL},
    {"Var", "x dim=none correction=1 keepdim=false", lower_var, NULL, NULL},
    {"Std", "x dim=none correction=1 keepdim=false", lower_std, NULL, NULL},
    {"L2Normalize", "x axis=0", l2_normalize, NULL, NULL},
    {0},
};
