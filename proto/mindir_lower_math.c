/* SPDX-License-Identifier: Apache-2.0 */
/* mindir_lower_math.c - elementwise primitives.
 *
 * Meanings that differ from ONNX were measured against MindSpore 2.10: Div on integers is true
 * division with an f32 result, FloorMod is Python's %, Mod is C's fmod, Round is half to even. */
#include "proto/mindir.h"

#include <math.h>

/* ---- two operands of one dtype ---- */

static ms_code binary(struct mir_call *c)
{
    struct ms_value *a, *b;

    if (!mir_pair(c, 0, 1, &a, &b))
        return c->code;
    return mir_give(c, mir_op(c, c->row->op, MIR_IN(a, b), c->row->attrs));
}

static bool is_float(const struct ms_value *v)
{
    return ms_dtype_kind(v->dtype) == MS_KIND_FLOAT;
}

/* Integers become f32 first. */
static struct ms_value *as_float(struct mir_call *c, struct ms_value *v)
{
    return c->code == MS_OK && !is_float(v) ? mir_cast(c, v, MS_F32) : v;
}

static ms_code true_div(struct mir_call *c)
{
    struct ms_value *a, *b;

    if (!mir_pair(c, 0, 1, &a, &b))
        return c->code;
    a = as_float(c, a);
    b = as_float(c, b);
    return mir_give(c, mir_op(c, "Div", MIR_IN(a, b), NULL));
}

static struct ms_value *floor_div_of(struct mir_call *c, struct ms_value *a, struct ms_value *b)
{
    if (c->code == MS_OK && !is_float(a))
        return mir_op(c, "FloorDiv", MIR_IN(a, b), NULL);
    return mir_op(c, "Floor", MIR_IN(mir_op(c, "Div", MIR_IN(a, b), NULL)), NULL);
}

static ms_code floor_div(struct mir_call *c)
{
    struct ms_value *a, *b;

    if (!mir_pair(c, 0, 1, &a, &b))
        return c->code;
    return mir_give(c, floor_div_of(c, a, b));
}

/* Remainder with the sign of the divisor. */
static ms_code floor_mod(struct mir_call *c)
{
    struct ms_value *a, *b;

    if (!mir_pair(c, 0, 1, &a, &b))
        return c->code;
    if (!is_float(a))
        return mir_give(c, mir_op(c, "Mod", MIR_IN(a, b), NULL));
    struct ms_value *whole = mir_op(c, "Mul", MIR_IN(floor_div_of(c, a, b), b), NULL);
    return mir_give(c, mir_op(c, "Sub", MIR_IN(a, whole), NULL));
}

/* DivMod(x, y, mode): none = true division, 1 = towards zero, 2 = floor. */
static ms_code div_mod(struct mir_call *c)
{
    struct ms_value *a, *b;
    const int64_t mode = mir_is_none(c, 2) ? 0 : mir_int(c, 2);

    if (mode == 0)
        return true_div(c);
    if (!mir_pair(c, 0, 1, &a, &b))
        return c->code;
    if (mode == 2)
        return mir_give(c, floor_div_of(c, a, b));
    if (mode != 1)
        return mir_unsupported(c, "rounding mode %lld is not supported", (long long)mode);
    struct ms_value *q = mir_op(c, "Div", MIR_IN(a, b), NULL);
    if (c->code != MS_OK || !is_float(a))
        return mir_give(c, q);
    struct ms_value *negative = mir_op(c, "Less", MIR_IN(q, mir_const(c, 0.0, q->dtype)), NULL);
    struct ms_value *up = mir_op(c, "Ceil", MIR_IN(q), NULL);
    struct ms_value *down = mir_op(c, "Floor", MIR_IN(q), NULL);
    return mir_give(c, mir_op(c, "Where", MIR_IN(negative, up, down), NULL));
}

/* x op alpha * y */
static ms_code scaled(struct mir_call *c)
{
    struct ms_value *a, *b;
    const double alpha = mir_float(c, 2);

    if (!mir_pair(c, 0, 1, &a, &b))
        return c->code;
    if (alpha != 1.0)
        b = mir_op(c, "Mul", MIR_IN(b, mir_const(c, alpha, b->dtype)), NULL);
    return mir_give(c, mir_op(c, c->row->op, MIR_IN(a, b), NULL));
}

static ms_code not_equal(struct mir_call *c)
{
    struct ms_value *a, *b;

    if (!mir_pair(c, 0, 1, &a, &b))
        return c->code;
    return mir_give(c, mir_op(c, "Not", MIR_IN(mir_op(c, "Equal", MIR_IN(a, b), NULL)), NULL));
}

static ms_code squared_difference(struct mir_call *c)
{
    struct ms_value *a, *b;

    if (!mir_pair(c, 0, 1, &a, &b))
        return c->code;
    struct ms_value *d = mir_op(c, "Sub", MIR_IN(a, b), NULL);
    return mir_give(c, mir_op(c, "Mul", MIR_IN(d, d), NULL));
}

static ms_code add_n(struct mir_call *c)
{
    struct ms_value **in;
    const size_t n = mir_list(c, 0, &in);

    return mir_give(c, mir_op(c, "Sum", in, (int)n, NULL));
}

/* Where(condition, x, y) with x and y of one dtype. */
static ms_code select_of(struct mir_call *c, size_t cond, size_t yes, size_t no)
{
    struct ms_value *a, *b, *k = mir_tensor(c, cond);

    if (!mir_pair(c, yes, no, &a, &b))
        return c->code;
    k = mir_cast(c, k, MS_BOOL);
    return mir_give(c, mir_op(c, "Where", MIR_IN(k, a, b), NULL));
}

static ms_code lower_select(struct mir_call *c)
{
    return select_of(c, 0, 1, 2);
}

/* MaskedFill(x, mask, value): value takes x's dtype. */
static ms_code masked_fill(struct mir_call *c)
{
    struct ms_value *x = mir_tensor(c, 0), *mask = mir_cast(c, mir_tensor(c, 1), MS_BOOL);
    struct ms_value *fill = x ? mir_cast(c, mir_tensor(c, 2), x->dtype) : NULL;

    return mir_give(c, mir_op(c, "Where", MIR_IN(mask, fill, x), NULL));
}

/* ---- one operand ---- */

static ms_code square(struct mir_call *c)
{
    struct ms_value *x = mir_tensor(c, 0);

    return mir_give(c, mir_op(c, "Mul", MIR_IN(x, x), NULL));
}

static ms_code rsqrt(struct mir_call *c)
{
    struct ms_value *root = mir_op(c, "Sqrt", MIR_IN(mir_tensor(c, 0)), NULL);

    return mir_give(c, mir_op(c, "Reciprocal", MIR_IN(root), NULL));
}

/* log(1 + x) without losing small x: with u = fl(1 + x) it is x log(u) / (u - 1), and x where
 * u = 1. (Kahan; see Goldberg, "What every computer scientist should know...", theorem 4.) For
 * huge x, u = x and log(u) serves, infinity included. */
static ms_code log1p_of(struct mir_call *c)
{
    struct ms_value *x = as_float(c, mir_tensor(c, 0));
    struct ms_value *one = x ? mir_const(c, 1.0, x->dtype) : NULL;
    struct ms_value *u = mir_op(c, "Add", MIR_IN(x, one), NULL);
    struct ms_value *log_u = mir_op(c, "Log", MIR_IN(u), NULL);
    struct ms_value *rest = mir_op(c, "Sub", MIR_IN(u, one), NULL);
    struct ms_value *fine =
        mir_op(c, "Div", MIR_IN(mir_op(c, "Mul", MIR_IN(x, log_u), NULL), rest), NULL);
    struct ms_value *huge = mir_op(c, "Equal", MIR_IN(u, x), NULL);
    struct ms_value *tiny = mir_op(c, "Equal", MIR_IN(u, one), NULL);

    fine = mir_op(c, "Where", MIR_IN(huge, log_u, fine), NULL);
    return mir_give(c, mir_op(c, "Where", MIR_IN(tiny, x, fine), NULL));
}

/* scale * x + shift, as Exp and Log may ask for. */
static struct ms_value *affine(struct mir_call *c, struct ms_value *x)
{
    const double scale = mir_attr_float(c, "scale", 1.0), shift = mir_attr_float(c, "shift", 0.0);

    if (c->code == MS_OK && scale != 1.0)
        x = mir_op(c, "Mul", MIR_IN(x, mir_const(c, scale, x->dtype)), NULL);
    if (c->code == MS_OK && shift != 0.0)
        x = mir_op(c, "Add", MIR_IN(x, mir_const(c, shift, x->dtype)), NULL);
    return x;
}

static double log_of_base(struct mir_call *c)
{
    const double base = mir_attr_float(c, "base", -1.0);

    if (c->code == MS_OK && base != -1.0 && !(base > 0.0 && base != 1.0))
        mir_bad(c, "attribute base is %g", base);
    return base == -1.0 ? 1.0 : log(base);
}

static ms_code lower_log(struct mir_call *c)
{
    const double k = log_of_base(c);
    struct ms_value *y = mir_op(c, "Log", MIR_IN(affine(c, as_float(c, mir_tensor(c, 0)))), NULL);

    if (c->code == MS_OK && k != 1.0)
        y = mir_op(c, "Div", MIR_IN(y, mir_const(c, k, y->dtype)), NULL);
    return mir_give(c, y);
}

static ms_code lower_exp(struct mir_call *c)
{
    const double k = log_of_base(c);
    struct ms_value *x = affine(c, as_float(c, mir_tensor(c, 0)));

    if (c->code == MS_OK && k != 1.0)
        x = mir_op(c, "Mul", MIR_IN(x, mir_const(c, k, x->dtype)), NULL);
    return mir_give(c, mir_op(c, "Exp", MIR_IN(x), NULL));
}

/* Unary functions that give floats for integers. */
static ms_code float_unary(struct mir_call *c)
{
    struct ms_value *x = as_float(c, mir_tensor(c, 0));

    return mir_give(c, mir_op(c, c->row->op, MIR_IN(x), c->row->attrs));
}

static ms_code lower_round(struct mir_call *c)
{
    struct ms_value *x = mir_tensor(c, 0);

    if (mir_int(c, 1) != 0)
        return mir_unsupported(c, "rounding to decimals is not supported");
    if (x && !is_float(x))
        return mir_give(c, mir_op(c, "Identity", MIR_IN(x), NULL));
    return mir_give(c, mir_op(c, "Round", MIR_IN(x), NULL));
}

static ms_code lower_cast(struct mir_call *c)
{
    struct ms_value *x = mir_tensor(c, 0);

    return mir_give(c, mir_cast(c, x, mir_type(c, 1)));
}

/* ClampScalar(x, min, max), either of which may be None. */
static ms_code clamp(struct mir_call *c)
{
    struct ms_value *x = mir_tensor(c, 0), *low = mir_tensor_opt(c, 1),
                    *high = mir_tensor_opt(c, 2);

    if (x && low)
        x = mir_op(c, "Max", MIR_IN(x, mir_cast(c, low, x->dtype)), NULL);
    if (x && high)
        x = mir_op(c, "Min", MIR_IN(x, mir_cast(c, high, x->dtype)), NULL);
    return mir_give(c, x);
}

/* ---- activations ---- */

static ms_code relu6(struct mir_call *c)
{
    struct ms_value *x = mir_tensor(c, 0);

    if (!x)
        return c->code;
    return mir_give(c, mir_op(c, "Clip",
                              MIR_IN(x, mir_const(c, 0.0, x->dtype), mir_const(c, 6.0, x->dtype)),
                              NULL));
}

static ms_code with_alpha(struct mir_call *c)
{
    const double alpha = mir_float(c, 1);

    return mir_give(
        c, mir_op(c, c->row->op, MIR_IN(mir_tensor(c, 0)), MIR_ATTRS(MIR_A_FLOAT("alpha", alpha))));
}

/* GeluExt(x, approximate: 0 = none, 1 = tanh) */
static ms_code gelu_ext(struct mir_call *c)
{
    const char *how[] = {"none", "tanh"};
    const struct mir_value *v = c->arg[1];
    static const char *const names[] = {"none", "tanh", NULL};
    const int k = mir_choice(c, v, names);

    if (k < 0)
        return c->code;
    return mir_give(c, mir_op(c, "Gelu", MIR_IN(mir_tensor(c, 0)),
                              MIR_ATTRS(MIR_A_STR("approximate", how[k]))));
}

/* PReLU(x, weight [C] or [1]): the slope belongs to axis 1. */
static ms_code prelu(struct mir_call *c)
{
    struct ms_value *x = mir_tensor(c, 0), *w = mir_tensor(c, 1);
    int64_t dims[MS_MAX_RANK];

    if (!x || !w)
        return c->code;
    if (x->shape.rank < 0)
        return mir_unsupported(c, "the rank of its operand is not known");
    for (int i = 0; i < x->shape.rank; i++)
        dims[i] = i == 1 ? -1 : 1;
    if (x->shape.rank >= 2 && w->shape.rank == 1)
        w = mir_reshape(c, w, dims, x->shape.rank);
    return mir_give(c, mir_op(c, "PRelu", MIR_IN(x, w), NULL));
}

static const struct ms_attr fmod_attrs[] = {MIR_A_INT("fmod", 1), {.name = NULL}};
static const struct ms_attr tanh_attrs[] = {MIR_A_TEXT("approximate", "tanh"), {.name = NULL}};
static const struct ms_attr sixth_attrs[] = {MIR_A_FLOAT("alpha", 1.0 / 6), {.name = NULL}};
static const struct ms_attr fast_attrs[] = {MIR_A_FLOAT("alpha", 1.702), {.name = NULL}};

const struct mir_row mir_rows_math[] = {
    {"Add", "x y", binary, "Add", NULL},
    {"AddV2", "x y", binary, "Add", NULL},
    {"TensorAdd", "x y", binary, "Add", NULL},
    {"Adds", "x y", binary, "Add", NULL},
    {"Sub", "x y", binary, "Sub", NULL},
    {"Mul", "x y", binary, "Mul", NULL},
    {"Muls", "x y", binary, "Mul", NULL},
    {"Maximum", "x y", binary, "Max", NULL},
    {"Minimum", "x y", binary, "Min", NULL},
    {"Pow", "x y", binary, "Pow", NULL},
    {"PowTensorScalar", "x y", binary, "Pow", NULL},
    {"PowScalarTensor", "x y", binary, "Pow", NULL},
    {"Mod", "x y", binary, "Mod", fmod_attrs},
    {"Atan2", "x y", binary, "Atan2", NULL},
    {"BitwiseAnd", "x y", binary, "BitwiseAnd", NULL},
    {"BitwiseOr", "x y", binary, "BitwiseOr", NULL},
    {"BitwiseXor", "x y", binary, "BitwiseXor", NULL},
    {"LogicalAnd", "x y", binary, "And", NULL},
    {"LogicalOr", "x y", binary, "Or", NULL},
    {"LogicalXor", "x y", binary, "Xor", NULL},
    {"Equal", "x y", binary, "Equal", NULL},
    {"EqScalar", "x y", binary, "Equal", NULL},
    {"Less", "x y", binary, "Less", NULL},
    {"LessScalar", "x y", binary, "Less", NULL},
    {"LessEqual", "x y", binary, "LessOrEqual", NULL},
    {"LessEqualScalar", "x y", binary, "LessOrEqual", NULL},
    {"Greater", "x y", binary, "Greater", NULL},
    {"GreaterScalar", "x y", binary, "Greater", NULL},
    {"GreaterEqual", "x y", binary, "GreaterOrEqual", NULL},
    {"GreaterEqualScalar", "x y", binary, "GreaterOrEqual", NULL},
    {"NotEqual", "x y", not_equal, NULL, NULL},
    {"NeScalar", "x y", not_equal, NULL, NULL},
    {"Div", "x y", true_div, NULL, NULL},
    {"RealDiv", "x y", true_div, NULL, NULL},
    {"Divs", "x y", true_div, NULL, NULL},
    {"FloorDiv", "x y", floor_div, NULL, NULL},
    {"FloorDivScalar", "x y", floor_div, NULL, NULL},
    {"FloorMod", "x y", floor_mod, NULL, NULL},
    {"RemainderTensorScalar", "x y", floor_mod, NULL, NULL},
    {"RemainderTensorTensor", "x y", floor_mod, NULL, NULL},
    {"DivMod", "x y mode=none", div_mod, NULL, NULL},
    {"DivMods", "x y mode=none", div_mod, NULL, NULL},
    {"AddExt", "x y alpha=1", scaled, "Add", NULL},
    {"AddScalar", "x y alpha=1", scaled, "Add", NULL},
    {"SubExt", "x y alpha=1", scaled, "Sub", NULL},
    {"SubScalar", "x y alpha=1", scaled, "Sub", NULL},
    {"SquaredDifference", "x y", squared_difference, NULL, NULL},
    {"AddN", "x", add_n, NULL, NULL},
    {"AccumulateNV2", "x", add_n, NULL, NULL},
    {"Select", "condition x y", lower_select, NULL, NULL},
    {"SelectV2", "condition x y", lower_select, NULL, NULL},
    {"MaskedFill", "x mask value", masked_fill, NULL, NULL},
    {"MaskedFillScalar", "x mask value", masked_fill, NULL, NULL},
    {"Abs", "x", mir_lower_direct, "Abs", NULL},
    {"Neg", "x", mir_lower_direct, "Neg", NULL},
    {"Sign", "x", mir_lower_direct, "Sign", NULL},
    {"Ceil", "x", mir_lower_direct, "Ceil", NULL},
    {"Floor", "x", mir_lower_direct, "Floor", NULL},
    {"Identity", "x", mir_lower_direct, "Identity", NULL},
    {"IsNan", "x", mir_lower_direct, "IsNaN", NULL},
    {"IsInf", "x", mir_lower_direct, "IsInf", NULL},
    {"LogicalNot", "x", mir_lower_direct, "Not", NULL},
    {"Invert", "x", mir_lower_direct, "BitwiseNot", NULL},
    {"BitwiseNot", "x", mir_lower_direct, "BitwiseNot", NULL},
    {"Sin", "x", float_unary, "Sin", NULL},
    {"Cos", "x", float_unary, "Cos", NULL},
    {"Tan", "x", float_unary, "Tan", NULL},
    {"Asin", "x", float_unary, "Asin", NULL},
    {"ACos", "x", float_unary, "Acos", NULL},
    {"Atan", "x", float_unary, "Atan", NULL},
    {"Sinh", "x", float_unary, "Sinh", NULL},
    {"Cosh", "x", float_unary, "Cosh", NULL},
    {"Tanh", "x", float_unary, "Tanh", NULL},
    {"Asinh", "x", float_unary, "Asinh", NULL},
    {"Acosh", "x", float_unary, "Acosh", NULL},
    {"Atanh", "x", float_unary, "Atanh", NULL},
    {"Erf", "x", float_unary, "Erf", NULL},
    {"Sqrt", "x", float_unary, "Sqrt", NULL},
    {"Reciprocal", "x", float_unary, "Reciprocal", NULL},
    {"Inv", "x", float_unary, "Reciprocal", NULL},
    {"Rsqrt", "x", rsqrt, NULL, NULL},
    {"Square", "x", square, NULL, NULL},
    {"Exp", "x", lower_exp, NULL, NULL},
    {"Log", "x", lower_log, NULL, NULL},
    {"Log1p", "x", log1p_of, NULL, NULL},
    {"Round", "x decimals=0", lower_round, NULL, NULL},
    {"Cast", "x dtype", lower_cast, NULL, NULL},
    {"ClampScalar", "x min=none max=none", clamp, NULL, NULL},
    {"ClampTensor", "x min=none max=none", clamp, NULL, NULL},
    {"ReLU", "x", mir_lower_direct, "Relu", NULL},
    {"ReLU6", "x", relu6, NULL, NULL},
    {"Sigmoid", "x", float_unary, "Sigmoid", NULL},
    {"HSigmoid", "x", mir_lower_direct, "HardSigmoid", sixth_attrs},
    {"HSwish", "x", mir_lower_direct, "HardSwish", NULL},
    {"SiLU", "x", mir_lower_direct, "Swish", NULL},
    {"FastGeLU", "x", mir_lower_direct, "Swish", fast_attrs},
    {"GeLU", "x", mir_lower_direct, "Gelu", tanh_attrs},
    {"Gelu", "x", mir_lower_direct, "Gelu", tanh_attrs},
    {"GeluExt", "x approximate='none'", gelu_ext, NULL, NULL},
    {"Mish", "x", mir_lower_direct, "Mish", NULL},
    {"MishExt", "x", mir_lower_direct, "Mish", NULL},
    {"SeLU", "x", mir_lower_direct, "Selu", NULL},
    {"Softplus", "x", mir_lower_direct, "Softplus", NULL},
    {"Softsign", "x", mir_lower_direct, "Softsign", NULL},
    {"Elu", "x alpha=1.0", with_alpha, "Elu", NULL},
    {"EluExt", "x alpha=1.0", with_alpha, "Elu", NULL},
    {"CeLU", "x alpha=1.0", with_alpha, "Celu", NULL},
    {"LeakyReLUExt", "x negative_slope=0.01", with_alpha, "LeakyRelu", NULL},
    {"LeakyRelu", "x negative_slope=0.01", with_alpha, "LeakyRelu", NULL},
    {"PReLU", "x weight", prelu, NULL, NULL},
    {0},
};
