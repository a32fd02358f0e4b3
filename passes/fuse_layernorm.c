/* SPDX-License-Identifier: Apache-2.0 */
/* fuse_layernorm.c - the arithmetic that exporters write for layer normalisation, as one operator.
 *
 *     mu = ReduceMean(x)            last axes, keepdims
 *     c  = Sub(x, mu)
 *     v  = ReduceMean(c^2)          Pow(c, 2) or Mul(c, c)
 *     y  = Div(c, Sqrt(v + eps)) * gamma + beta
 *                                   ->  LayerNormalization(x, gamma, beta) {axis, epsilon}
 *
 * Eight trips through memory become one. */
#include "passes/rewrite.h"

/* A ReduceMean over the last axes with keepdims: the first of them (counted from the front). */
static bool trailing_mean(const struct ms_node *n, int *first)
{
    const struct ms_tensor *axes = n ? ms_in_const(n, 1) : NULL;
    int rank = n ? ms_in(n, 0)->shape.rank : -1;
    unsigned set = 0;
    int lowest = rank;

    if (!axes || rank < 1 || !ms_attr_int(n, "keepdims") || ms_tensor_count(axes) == 0)
        return false;
    for (size_t i = 0; i < ms_tensor_count(axes); i++) {
        int a;
        if (!ms_axis(ms_tensor_i64(axes, i), rank, &a))
            return false;
        set |= 1u << a;
        lowest = a < lowest ? a : lowest;
    }
    *first = lowest;
    return set == ((1u << rank) - (1u << lowest));
}

static bool is_square_of(const struct ms_value *v, const struct ms_value *c)
{
    const struct ms_node *pow = ms_producer(v, "Pow"), *mul = ms_producer(v, "Mul");

    if (pow)
        return ms_in(pow, 0) == c && ms_const_is(ms_in(pow, 1), 2, 0);
    return mul && ms_in(mul, 0) == c && ms_in(mul, 1) == c;
}

struct match {
    struct ms_value *x, *gamma, *beta;
    struct ms_node *last; /* what is replaced */
    int axis;
    double epsilon;
};

/* div = c / sqrt(mean(c^2) + eps) with c = x - mean(x)? */
static bool match_core(struct ms_node *div, struct match *m)
{
    struct ms_value *c = ms_in(div, 0);
    struct ms_node *sub = ms_producer(c, "Sub"), *root = ms_producer(ms_in(div, 1), "Sqrt");
    struct ms_node *add = root ? ms_producer(ms_in(root, 0), "Add") : NULL;
    struct ms_value *mean = NULL;
    int axis2;

    if (!sub || !add)
        return false;
    struct ms_value *eps = ms_const_operand(add, &mean);
    struct ms_node *mean2 = ms_producer(mean, "ReduceMean");
    m->x = ms_in(sub, 0);
    return eps && ms_const_scalar(eps, &m->epsilon) && mean2 && trailing_mean(mean2, &axis2) &&
           is_square_of(ms_in(mean2, 0), c) &&
           trailing_mean(ms_producer(ms_in(sub, 1), "ReduceMean"), &m->axis) && m->axis == axis2 &&
           ms_in(ms_in(sub, 1)->producer, 0) == m->x && m->x->dtype == MS_F32;
}

/* Has v exactly the normalised dims of x? */
static bool is_parameter(const struct match *m, const struct ms_value *v)
{
    int n = m->x->shape.rank - m->axis;

    if (!v || v->dtype != m->x->dtype || v->shape.rank != n)
        return false;
    for (int i = 0; i < n; i++)
        if (v->shape.dim[i] != m->x->shape.dim[m->axis + i])
            return false;
    return true;
}

/* The parameter that a sole reader of m->last applies by `op`; moves m->last on. */
static struct ms_value *take_parameter(struct match *m, const char *op)
{
    struct ms_node *user = ms_value_sole_user(m->last->out[0]);
    struct ms_value *p = ms_node_is(user, op) ? ms_other(user, m->last->out[0]) : NULL;

    if (!is_parameter(m, p))
        return NULL;
    m->last = user;
    return p;
}

static bool fuse(struct ms_graph *g, struct match *m)
{
    struct ms_value *in[3] = {m->x, m->gamma, m->beta};
    struct ms_value *y = ms_graph_op(g, m->last, "LayerNormalization", in, m->beta ? 3 : 2);

    if (!y || !ms_attr_set_int(y->producer, "axis", m->axis) ||
        !ms_attr_set_float(y->producer, "epsilon", m->epsilon))
        return false;
    ms_take_over(m->last, y);
    return true;
}

static ms_code run(struct ms_graph *g, struct ms_pass_ctx *c, int *changed, struct ms_err *err)
{
    ms_graph_each (g, n) {
        struct match m = {.last = n};
        if (!ms_node_is(n, "Div") || !match_core(n, &m))
            continue;
        m.gamma = take_parameter(&m, "Mul");
        if (!m.gamma)
            continue;
        m.beta = take_parameter(&m, "Add");
        if (!ms_pass_spend(c))
            break;
        if (!fuse(g, &m))
            return ms_fail_oom(err, "LayerNormalization", 0);
        ++*changed;
    }
    return MS_OK;
}

const struct ms_pass ms_pass_fuse_layernorm = {
    .name = "fuse-layernorm",
    .help = "mean, variance and scale written out become LayerNormalization",
    .run = run,
};
