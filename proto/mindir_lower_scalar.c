/* SPDX-License-Identifier: Apache-2.0 */
/* mindir_lower_scalar.c - shapes as tuples of numbers, arithmetic on them, and the way between
 * numbers and tensors.
 *
 * A dim that is known stays a number and the arithmetic is done here. One that is not is a tensor
 * of shape [1], so that Reshape's argument is a Concat of such pieces. */
#include "proto/mindir.h"

static ms_code keep(struct mir_call *c, const struct mir_value *v)
{
    if (c->code != MS_OK)
        return c->code;
    c->result = v;
    return v ? MS_OK : mir_no_memory(c->m);
}

static struct mir_value *scalar(struct mir_call *c, struct ms_value *x)
{
    struct mir_value *v = c->code == MS_OK ? mir_new(c->m, MIR_SCALAR) : NULL;

    if (v) {
        v->v = x;
        v->dtype = x->dtype;
    }
    return v;
}

/* ---- shapes ---- */

static ms_code shape(struct mir_call *c)
{
    struct ms_value *x = mir_tensor(c, 0);
    const struct mir_value *dims[MS_MAX_RANK];

    if (x && x->shape.rank < 0)
        return mir_give(c, mir_op(c, "Shape", MIR_IN(x), NULL));
    for (int i = 0; x && i < x->shape.rank; i++) {
        const int64_t d = x->shape.dim[i];

        if (d >= 0)
            dims[i] = mir_new_int(c->m, d);
        else
            dims[i] = scalar(c, mir_op(c, "Shape", MIR_IN(x),
                                       MIR_ATTRS(MIR_A_INT("start", i), MIR_A_INT("end", i + 1))));
        if (c->code == MS_OK && !dims[i])
            return mir_no_memory(c->m);
        if (c->code != MS_OK)
            return c->code;
    }
    return x ? keep(c, mir_new_tuple(c->m, dims, (size_t)x->shape.rank)) : c->code;
}

static ms_code tensor_shape(struct mir_call *c)
{
    return mir_give(c, mir_op(c, "Shape", MIR_IN(mir_tensor(c, 0)), NULL));
}

/* Number of elements, as a number. */
static ms_code size(struct mir_call *c)
{
    struct ms_value *n = mir_op(c, "Size", MIR_IN(mir_tensor(c, 0)), NULL);

    return keep(c, scalar(c, mir_reshape(c, n, (const int64_t[]){1}, 1)));
}

static ms_code rank(struct mir_call *c)
{
    struct ms_value *x = mir_tensor(c, 0);

    if (x && x->shape.rank < 0)
        return mir_unsupported(c, "the rank of its operand is not known");
    return x ? keep(c, mir_new_int(c->m, x->shape.rank)) : c->code;
}

/* ---- arithmetic ---- */

static int64_t floor_div(int64_t a, int64_t b)
{
    if (b == -1)
        return (int64_t)(0 - (uint64_t)a);
    return a / b - (a % b != 0 && (a < 0) != (b < 0));
}

/* On two known integers; false: not one of these, or undefined. Wraps like the run-time kernels. */
static bool fold(const char *op, int64_t a, int64_t b, int64_t *out)
{
    const uint64_t ua = (uint64_t)a, ub = (uint64_t)b;

    switch (op[0]) {
    case 'A':
        *out = (int64_t)(ua + ub);
        return true;
    case 'S':
        *out = (int64_t)(ua - ub);
        return true;
    case 'F': /* FloorDiv */
        if (b == 0)
            return false;
        *out = floor_div(a, b);
        return true;
    case 'M':
        if (op[1] == 'u') {
            *out = (int64_t)(ua * ub);
            return true;
        }
        if (op[1] != 'o' || b == 0)
            return false;
        *out = b == -1 ? 0 : (int64_t)(ua - (uint64_t)floor_div(a, b) * ub);
        return true;
    default:
        return false;
    }
}

static enum ms_dtype number_dtype(const struct mir_value *v)
{
    return v->kind == MIR_SCALAR ? v->v->dtype : v->dtype;
}

/* c->row->op on two numbers. */
static ms_code scalar_op(struct mir_call *c)
{
    const struct mir_value *a = c->arg[0], *b = c->arg[1];
    int64_t folded;

    if (!mir_is_number(a) || !mir_is_number(b))
        return mir_bad(c, "calculates with %s and %s", mir_kind_name(a), mir_kind_name(b));
    if (a->kind == MIR_INT && b->kind == MIR_INT && fold(c->row->op, a->i, b->i, &folded))
        return keep(c, mir_new_int(c->m, folded));
    const enum ms_dtype t = mir_promote(number_dtype(a), number_dtype(b));
    struct ms_value *x = mir_number(c, a, t), *y = mir_number(c, b, t);

    return keep(c, scalar(c, mir_op(c, c->row->op, MIR_IN(x, y), c->row->attrs)));
}

/* True division. */
static ms_code scalar_div(struct mir_call *c)
{
    struct ms_value *x = mir_number(c, c->arg[0], MS_F32), *y = mir_number(c, c->arg[1], MS_F32);

    return keep(c, scalar(c, mir_op(c, "Div", MIR_IN(x, y), NULL)));
}

static ms_code scalar_unary(struct mir_call *c)
{
    struct ms_value *x = mir_number(c, c->arg[0], number_dtype(c->arg[0]));

    return keep(c, scalar(c, mir_op(c, c->row->op, MIR_IN(x), NULL)));
}

static ms_code scalar_cast(struct mir_call *c)
{
    const enum ms_dtype t = mir_type(c, 1);

    if (c->code != MS_OK)
        return c->code;
    if (c->arg[0]->kind == MIR_INT && t == MS_I64)
        return keep(c, c->arg[0]);
    return keep(c, scalar(c, mir_number(c, c->arg[0], t)));
}

/* ---- between numbers and tensors ---- */

static ms_code scalar_to_tensor(struct mir_call *c)
{
    struct ms_value *x = mir_tensor(c, 0);
    const bool same = c->code == MS_OK && mir_is_none(c, 1);

    return mir_give(c, same ? x : mir_cast(c, x, mir_type(c, 1)));
}

static ms_code tensor_to_scalar(struct mir_call *c)
{
    return keep(c, scalar(c, mir_reshape(c, mir_tensor(c, 0), (const int64_t[]){1}, 1)));
}

static ms_code tensor_to_tuple(struct mir_call *c)
{
    struct ms_value *x = mir_tensor(c, 0);
    const struct mir_value *items[MS_MAX_SYM_CONTENT];

    if (!x)
        return c->code;
    if (x->shape.rank != 1 || x->shape.dim[0] < 0 || x->shape.dim[0] > MS_MAX_SYM_CONTENT)
        return mir_unsupported(c, "makes a tuple of a tensor whose length is not known");
    for (int64_t i = 0; i < x->shape.dim[0] && c->code == MS_OK; i++)
        if (!(items[i] = scalar(c, mir_slice(c, x, 0, i, i + 1, 1))) && c->code == MS_OK)
            return mir_no_memory(c->m);
    return c->code != MS_OK ? c->code
                            : keep(c, mir_new_tuple(c->m, items, (size_t)x->shape.dim[0]));
}

static ms_code tuple_to_tensor(struct mir_call *c)
{
    struct ms_value *x = mir_tensor(c, 0);

    return mir_give(c, mir_is_none(c, 1) ? x : mir_cast(c, x, mir_type(c, 1)));
}

const struct mir_row mir_rows_scalar[] = {
    {"Shape", "x", shape, NULL, NULL},
    {"DynamicShape", "x", tensor_shape, NULL, NULL},
    {"TensorShape", "x", tensor_shape, NULL, NULL},
    {"Size", "x", size, NULL, NULL},
    {"Rank", "x", rank, NULL, NULL},
    {"ScalarAdd", "x y", scalar_op, "Add", NULL},
    {"ScalarSub", "x y", scalar_op, "Sub", NULL},
    {"ScalarMul", "x y", scalar_op, "Mul", NULL},
    {"ScalarDiv", "x y", scalar_div, NULL, NULL},
    {"ScalarFloorDiv", "x y", scalar_op, "FloorDiv", NULL},
    {"ScalarMod", "x y", scalar_op, "Mod", NULL},
    {"ScalarMax", "x y", scalar_op, "Max", NULL},
    {"ScalarMin", "x y", scalar_op, "Min", NULL},
    {"ScalarEq", "x y", scalar_op, "Equal", NULL},
    {"ScalarGt", "x y", scalar_op, "Greater", NULL},
    {"ScalarGe", "x y", scalar_op, "GreaterOrEqual", NULL},
    {"ScalarLt", "x y", scalar_op, "Less", NULL},
    {"ScalarLe", "x y", scalar_op, "LessOrEqual", NULL},
    {"ScalarUsub", "x", scalar_unary, "Neg", NULL},
    {"ScalarCast", "x dtype", scalar_cast, NULL, NULL},
    {"ScalarToTensor", "x dtype=none", scalar_to_tensor, NULL, NULL},
    {"TensorToScalar", "x", tensor_to_scalar, NULL, NULL},
    {"TensorToTuple", "x", tensor_to_tuple, NULL, NULL},
    {"TupleToTensor", "x dtype=none", tuple_to_tensor, NULL, NULL},
    {0},
};
