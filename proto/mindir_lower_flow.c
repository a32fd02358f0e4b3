/* SPDX-License-Identifier: Apache-2.0 */
/* mindir_lower_flow.c - primitives that leave no node: tuples, function values, order of effects,
 * and changes in place.
 *
 * MindIR orders side effects by passing monads; reading a weight is one (Load). Inference has none
 * that matter, so Load and Depend are their first operand. `x += y` writes into x's memory: the sum
 * becomes a new value, and x is marked, so that whoever reads the old x later is refused instead of
 * served a wrong number. */
#include "proto/mindir.h"

static ms_code keep(struct mir_call *c, const struct mir_value *v)
{
    c->result = v;
    return v ? MS_OK : mir_no_memory(c->m);
}

static ms_code need(struct mir_call *c, size_t n)
{
    return c->n_raw >= n ? MS_OK : mir_bad(c, "%zu operands, but it needs %zu", c->n_raw, n);
}

/* ---- tuples ---- */

static ms_code make_tuple(struct mir_call *c)
{
    return keep(c, mir_new_tuple(c->m, c->raw, c->n_raw));
}

static ms_code element(struct mir_call *c, const struct mir_value *list, int64_t i)
{
    if (i < 0)
        i += (int64_t)list->n;
    if (i < 0 || (uint64_t)i >= list->n)
        return mir_bad(c, "element %lld of a tuple of %zu", (long long)i, list->n);
    return keep(c, list->items[i]);
}

static ms_code tuple_get_item(struct mir_call *c)
{
    const struct mir_value *list = c->arg[0];
    const int64_t i = mir_int(c, 1);

    if (c->code != MS_OK)
        return c->code;
    if (list->kind == MIR_TUPLE)
        return element(c, list, i);
    if (list->kind != MIR_TENSOR || list->v->shape.rank != 1 || i < -INT32_MAX || i > INT32_MAX)
        return mir_bad(c, "takes an element of %s", mir_kind_name(list));
    /* a shape of unknown rank is one tensor */
    struct mir_value *v = mir_new(c->m, MIR_SCALAR);
    struct ms_value *x = mir_slice(c, mir_tensor(c, 0), 0, i, i == -1 ? INT64_MAX : i + 1, 1);

    if (c->code != MS_OK)
        return c->code;
    if (!v)
        return mir_no_memory(c->m);
    v->v = x;
    v->dtype = x->dtype;
    return keep(c, v);
}

/* ---- order of effects ---- */

static ms_code first_operand(struct mir_call *c)
{
    MS_TRY(need(c, 1));
    return keep(c, c->raw[0]);
}

static ms_code update_state(struct mir_call *c)
{
    return keep(c, mir_new(c->m, MIR_MONAD));
}

/* ---- function values ---- */

static bool is_function(const struct mir_value *v)
{
    return v->kind == MIR_FUNC || v->kind == MIR_CHOICE;
}

static ms_code partial(struct mir_call *c)
{
    MS_TRY(need(c, 1));
    if (!is_function(c->raw[0]))
        return mir_bad(c, "binds arguments to %s", mir_kind_name(c->raw[0]));
    return mir_bind_call(c->m, c->raw[0], c->raw + 1, c->n_raw - 1, &c->result);
}

static ms_code choice(struct mir_call *c, const struct mir_value *cond, const struct mir_value *yes,
                      const struct mir_value *no, const struct mir_value **out)
{
    struct mir_value *v = mir_new(c->m, MIR_CHOICE);
    const struct mir_value **items = ms_arena_array(c->m->scratch, 3, sizeof *items);

    if (!v || !items)
        return mir_no_memory(c->m);
    if (!is_function(yes) || !is_function(no))
        return mir_unsupported(c, "chooses between values that are no functions");
    v->weight =
        (yes->kind == MIR_CHOICE ? yes->weight : 1) + (no->kind == MIR_CHOICE ? no->weight : 1);
    if (v->weight > MIR_MAX_NESTING)
        return mir_bad(c, "chooses between more than %d functions", MIR_MAX_NESTING);
    items[0] = cond;
    items[1] = yes;
    items[2] = no;
    v->items = items;
    v->n = 3;
    *out = v;
    return MS_OK;
}

static ms_code lower_switch(struct mir_call *c)
{
    if (c->n_raw != 3)
        return mir_bad(c, "%zu operands, but it needs 3", c->n_raw);
    return choice(c, c->raw[0], c->raw[1], c->raw[2], &c->result);
}

/* SwitchLayer(index, functions): the first one for index 0 and so on, the last one else. */
static ms_code switch_layer(struct mir_call *c)
{
    const struct mir_value *list, *rest;

    if (c->n_raw != 2 || c->raw[1]->kind != MIR_TUPLE || c->raw[1]->n == 0)
        return mir_bad(c, "needs an index and a tuple of functions");
    list = c->raw[1];
    rest = list->items[list->n - 1];
    if (list->n > MIR_MAX_NESTING || !is_function(rest))
        return mir_bad(c, "chooses between more than %d functions, or none", MIR_MAX_NESTING);
    struct ms_value *index = mir_cast(c, mir_as_tensor(c, c->raw[0]), MS_I64);
    for (size_t i = list->n - 1; i-- > 0 && c->code == MS_OK;) {
        struct ms_value *k = mir_const(c, (double)i, MS_I64);
        struct ms_value *here = mir_op(c, "Equal", MIR_IN(index, k), NULL);
        const struct mir_value *cond = here ? mir_new_tensor(c->m, here) : NULL;

        if (c->code == MS_OK && !cond)
            c->code = mir_no_memory(c->m);
        if (c->code == MS_OK)
            c->code = choice(c, cond, list->items[i], rest, &rest);
    }
    return c->code == MS_OK ? keep(c, rest) : c->code;
}

/* ---- in place ---- */

static ms_code in_place(struct mir_call *c, struct ms_value *y)
{
    const struct mir_value *x = c->arg[0];
    struct mir_value *v;

    if (c->code != MS_OK)
        return c->code;
    if (x->kind != MIR_TENSOR)
        return mir_bad(c, "changes %s in place", mir_kind_name(x));
    if (!x->storage)
        return mir_unsupported(c, "changes a weight or constant in place: state is not supported");
    x->storage->stale = true;
    y = mir_cast(c, y, x->v->dtype);
    if (c->code != MS_OK)
        return c->code;
    v = mir_new_tensor(c->m, y);
    return keep(c, v);
}

/* x op alpha * y */
static ms_code inplace_scaled(struct mir_call *c)
{
    struct ms_value *x, *y;

    if (!mir_pair(c, 0, 1, &x, &y))
        return c->code;
    const double alpha = c->n_args > 2 ? mir_float(c, 2) : 1.0;
    if (alpha != 1.0)
        y = mir_op(c, "Mul", MIR_IN(y, mir_const(c, alpha, y ? y->dtype : MS_F32)), NULL);
    return in_place(c, mir_op(c, c->row->op, MIR_IN(x, y), NULL));
}

static ms_code assign(struct mir_call *c)
{
    return mir_unsupported(c, "writes to a parameter: state is not supported");
}

const struct mir_row mir_rows_flow[] = {
    {"MakeTuple", NULL, make_tuple, NULL, NULL},
    {"make_tuple", NULL, make_tuple, NULL, NULL},
    {"make_list", NULL, make_tuple, NULL, NULL},
    {"MakeList", NULL, make_tuple, NULL, NULL},
    {"TupleGetItem", "tuple index", tuple_get_item, NULL, NULL},
    {"tuple_getitem", "tuple index", tuple_get_item, NULL, NULL},
    {"list_getitem", "list index", tuple_get_item, NULL, NULL},
    {"Load", NULL, first_operand, NULL, NULL},
    {"Depend", NULL, first_operand, NULL, NULL},
    {"StopGradient", NULL, first_operand, NULL, NULL},
    {"UpdateState", NULL, update_state, NULL, NULL},
    {"Partial", NULL, partial, NULL, NULL},
    {"Switch", NULL, lower_switch, NULL, NULL},
    {"SwitchLayer", NULL, switch_layer, NULL, NULL},
    {"InplaceAddExt", "x y alpha=1", inplace_scaled, "Add", NULL},
    {"InplaceSubExt", "x y alpha=1", inplace_scaled, "Sub", NULL},
    {"InplaceMuls", "x y", inplace_scaled, "Mul", NULL},
    {"InplaceMul", "x y", inplace_scaled, "Mul", NULL},
    {"InplaceDiv", "x y", inplace_scaled, "Div", NULL},
    {"InplaceAddsExt", "x y alpha=1", inplace_scaled, "Add", NULL},
    {"InplaceSubScalar", "x y alpha=1", inplace_scaled, "Sub", NULL},
    {"Assign", NULL, assign, NULL, NULL},
    {"AssignAdd", NULL, assign, NULL, NULL},
    {"AssignSub", NULL, assign, NULL, NULL},
    {0},
};
