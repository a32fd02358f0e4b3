/* SPDX-License-Identifier: Apache-2.0 */
/* remove_noop.c - drop operators that hand their input on.
 *
 *     Identity(x), Dropout(x), Cast(x, its own dtype), Reshape to the same shape, Transpose by
 *     0,1,2.., Concat/Sum/Max/Min/Mean of one, Pad by nothing, Expand to the same shape,
 *     Add 0, Sub 0, Mul 1, Div 1 by a constant that does not widen the shape  ->  x
 *
 * x + 0 is x for every x but -0 (which becomes +0): the one bit is given up. A graph output keeps
 * its node if x is a graph input or constant, since outputs must be made by somebody. */
#include <string.h>

#include "passes/rewrite.h"

typedef bool (*is_noop_fn)(const struct ms_node *n);

static bool always(const struct ms_node *n)
{
    return n->n_out < 2 || n->out[1]->n_uses == 0; /* Dropout: the mask is not asked for */
}

static bool same_dtype(const struct ms_node *n)
{
    return n->out[0]->dtype == ms_in(n, 0)->dtype;
}

static bool same_shape(const struct ms_node *n)
{
    return ms_same_shape(n->out[0], ms_in(n, 0));
}

static bool identity_perm(const struct ms_node *n)
{
    const struct ms_attr *perm = ms_attr_get(n, "perm");

    if (!perm)
        return ms_in(n, 0)->shape.rank >= 0 && ms_in(n, 0)->shape.rank <= 1;
    for (int i = 0; i < perm->n; i++)
        if (perm->ints[i] != i)
            return false;
    return true;
}

static bool one_operand(const struct ms_node *n)
{
    return n->n_in == 1 && same_dtype(n);
}

static bool no_padding(const struct ms_node *n)
{
    const struct ms_tensor *pads = ms_in_const(n, 1);

    if (!pads)
        return false;
    for (size_t i = 0; i < ms_tensor_count(pads); i++)
        if (ms_tensor_i64(pads, i) != 0)
            return false;
    return true;
}

/* Operand 1 is a constant of nothing but `neutral`, and leaves dtype and shape alone. */
static bool neutral_right(const struct ms_node *n, double neutral)
{
    return same_shape(n) && same_dtype(n) && ms_const_is(ms_in(n, 1), neutral, 0);
}

static bool plus_zero(const struct ms_node *n)
{
    return neutral_right(n, 0);
}

static bool times_one(const struct ms_node *n)
{
    return neutral_right(n, 1);
}

static const struct {
    const char *op;
    is_noop_fn is_noop;
} rules[] = {
    {"Identity", always},         {"Dropout", always},     {"Cast", same_dtype},
    {"Reshape", same_shape},      {"Flatten", same_shape}, {"Expand", same_shape},
    {"Transpose", identity_perm}, {"Concat", one_operand}, {"Sum", one_operand},
    {"Max", one_operand},         {"Min", one_operand},    {"Mean", one_operand},
    {"Pad", no_padding},          {"Add", plus_zero},      {"Sub", plus_zero},
    {"Mul", times_one},           {"Div", times_one},
};

static bool matches(const struct ms_node *n)
{
    for (size_t i = 0; i < sizeof rules / sizeof *rules; i++)
        if (ms_node_is(n, rules[i].op))
            return rules[i].is_noop(n);
    return false;
}

static ms_code run(struct ms_graph *g, struct ms_pass_ctx *c, int *changed, struct ms_err *err)
{
    (void)err;
    ms_graph_each (g, n) {
        struct ms_value *x = ms_in(n, 0);
        if (!x || !matches(n) || (n->out[0]->n_outputs && (!x->producer || x->n_outputs)))
            continue;
        if (!ms_pass_spend(c))
            break;
        if (n->out[0]->n_outputs) { /* the interface keeps its name */
            const char *name = n->out[0]->name;
            ms_value_rename(n->out[0], x->name);
            ms_value_rename(x, name);
        }
        ms_replace_node(n, x);
        ++*changed;
    }
    return MS_OK;
}

const struct ms_pass ms_pass_remove_noop = {
    .name = "remove-noop",
    .help = "drop operators that hand their input on (Identity, Dropout, Cast to same, x+0, ...)",
    .run = run,
};
