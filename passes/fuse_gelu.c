/* SPDX-License-Identifier: Apache-2.0 */
/* fuse_gelu.c - the Gaussian error linear unit, written out, as one operator.
 *
 *     0.5 * x * (1 + Erf(x / sqrt(2)))                              ->  Gelu(x)
 *     0.5 * x * (1 + Tanh(sqrt(2/pi) * (x + 0.044715 * x^3)))       ->  Gelu(x)
 * {approximate="tanh"}
 *
 * in any order of the three factors (Hendrycks and Gimpel, arXiv 1606.08415). */
#include "passes/rewrite.h"

static const double sqrt_half = 0.70710678118654752, sqrt_two_over_pi = 0.79788456080286536;

/* x of v = x * k, written as a product or as a quotient. */
static struct ms_value *scaled(const struct ms_value *v, double k)
{
    struct ms_node *mul = ms_producer(v, "Mul"), *div = ms_producer(v, "Div");
    struct ms_value *x = NULL;

    if (div)
        return ms_const_is(ms_in(div, 1), 1 / k, 1e-4 / k) ? ms_in(div, 0) : NULL;
    struct ms_value *c = mul ? ms_const_operand(mul, &x) : NULL;
    return c && ms_const_is(c, k, 1e-4 * k) ? x : NULL;
}

static bool is_cube_of(const struct ms_value *v, const struct ms_value *x)
{
    struct ms_node *pow = ms_producer(v, "Pow"), *mul = ms_producer(v, "Mul");

    if (pow)
        return ms_in(pow, 0) == x && ms_const_is(ms_in(pow, 1), 3, 0);
    struct ms_node *square = mul ? ms_producer(ms_other(mul, x), "Mul") : NULL;
    return square && ms_in(square, 0) == x && ms_in(square, 1) == x;
}

/* x of tanh's argument sqrt(2/pi) * (x + 0.044715 x^3). */
static struct ms_value *tanh_argument(const struct ms_value *u)
{
    struct ms_node *add = ms_producer(scaled(u, sqrt_two_over_pi), "Add");

    for (int i = 0; add && i < 2; i++) {
        struct ms_value *x = ms_in(add, i), *cube = scaled(ms_in(add, 1 - i), 0.044715);
        if (cube && is_cube_of(cube, x))
            return x;
    }
    return NULL;
}

/* Follows sole readers of the factor (1 + f) through products until x and 0.5 have been met. */
static struct ms_node *product(struct ms_node *from, const struct ms_value *x)
{
    bool half = false, self = false;
    struct ms_node *n = from;

    while (!half || !self) {
        struct ms_value *v = n->out[0];
        n = ms_value_sole_user(v);
        struct ms_value *other = ms_node_is(n, "Mul") ? ms_other(n, v) : NULL;
        if (!other)
            return NULL;
        if (!half && ms_const_is(other, 0.5, 0))
            half = true;
        else if (!self && other == x)
            self = true;
        else if (!half && !self && scaled(other, 0.5) == x)
            half = self = true;
        else
            return NULL;
    }
    return n;
}

/* n is Erf or Tanh: the last node of a GELU around it, and its x. */
static struct ms_node *match(struct ms_node *n, struct ms_value **x)
{
    bool erf = ms_node_is(n, "Erf");

    *x = erf ? scaled(ms_in(n, 0), sqrt_half) : tanh_argument(ms_in(n, 0));
    struct ms_node *add = *x ? ms_value_sole_user(n->out[0]) : NULL;
    if (!ms_node_is(add, "Add") || !ms_const_is(ms_other(add, n->out[0]), 1, 0))
        return NULL;
    return product(add, *x);
}

static ms_code run(struct ms_graph *g, struct ms_pass_ctx *c, int *changed, struct ms_err *err)
{
    ms_graph_each (g, n) {
        struct ms_value *x;
        bool is_tanh = ms_node_is(n, "Tanh");
        struct ms_node *last = is_tanh || ms_node_is(n, "Erf") ? match(n, &x) : NULL;
        if (!last || !ms_same_shape(last->out[0], x))
            continue;
        if (!ms_pass_spend(c))
            break;
        struct ms_value *y = ms_graph_op(g, last, "Gelu", &x, 1);
        if (!y || (is_tanh && !ms_attr_set_str(y->producer, "approximate", "tanh")))
            return ms_fail_oom(err, "Gelu", 0);
        ms_take_over(last, y);
        ++*changed;
    }
    return MS_OK;
}

const struct ms_pass ms_pass_fuse_gelu = {
    .name = "fuse-gelu",
    .help = "x * (1 + erf(x / sqrt 2)) / 2, and its tanh form, become Gelu",
    .run = run,
};
