/* SPDX-License-Identifier: Apache-2.0 */
/* fuse_hard_swish.c - MobileNetV3's activations, written out, as operators (arXiv 1905.02244).
 *
 *     Clip(x + 3, 0, 6) / 6            ->  HardSigmoid(x) {alpha=1/6, beta=0.5}
 *     x * Clip(x + 3, 0, 6) / 6        ->  HardSwish(x), in any order
 *     x * HardSigmoid(x; 1/6, 0.5)     ->  HardSwish(x) */
#include "passes/rewrite.h"

static const double sixth = 1.0 / 6;

/* x of v = Clip(x + 3, 0, 6). */
static struct ms_value *clip_of(const struct ms_value *v)
{
    struct ms_node *clip = ms_producer(v, "Clip");
    struct ms_node *add = clip ? ms_producer(ms_in(clip, 0), "Add") : NULL;
    struct ms_value *x = NULL;

    if (!add || !ms_const_is(ms_in(clip, 1), 0, 0) || !ms_const_is(ms_in(clip, 2), 6, 0))
        return NULL;
    struct ms_value *three = ms_const_operand(add, &x);
    return three && ms_const_is(three, 3, 0) && ms_same_shape(add->out[0], x) ? x : NULL;
}

/* What n divides by 6 (or multiplies by 1/6). */
static struct ms_value *sixth_of(const struct ms_node *n)
{
    struct ms_value *rest = NULL;

    if (ms_node_is(n, "Div"))
        return ms_const_is(ms_in(n, 1), 6, 0) ? ms_in(n, 0) : NULL;
    struct ms_value *c = ms_node_is(n, "Mul") ? ms_const_operand(n, &rest) : NULL;
    return c && ms_const_is(c, sixth, 1e-6) ? rest : NULL;
}

static bool is_hard_sigmoid_of(const struct ms_value *v, const struct ms_value *x)
{
    struct ms_node *n = ms_producer(v, "HardSigmoid");
    double alpha = n ? ms_attr_float(n, "alpha") : 0, beta = n ? ms_attr_float(n, "beta") : 0;

    return n && ms_in(n, 0) == x && alpha > sixth - 1e-6 && alpha < sixth + 1e-6 && beta == 0.5;
}

/* x if n is all of HardSwish(x). */
static struct ms_value *hard_swish(const struct ms_node *n)
{
    struct ms_value *part = sixth_of(n);
    struct ms_node *mul = part ? ms_producer(part, "Mul") : NULL;

    for (int i = 0; mul && i < 2; i++)
        if (clip_of(ms_in(mul, i)) && clip_of(ms_in(mul, i)) == ms_in(mul, 1 - i))
            return ms_in(mul, 1 - i);
    for (int i = 0; ms_node_is(n, "Mul") && i < 2; i++) {
        struct ms_value *x = ms_in(n, 1 - i), *v = ms_in(n, i);
        if (is_hard_sigmoid_of(v, x))
            return x;
        struct ms_value *s = v->producer ? sixth_of(v->producer) : NULL;
        if (s && clip_of(s) == x)
            return x;
    }
    return NULL;
}

static struct ms_value *hard_sigmoid(const struct ms_node *n)
{
    struct ms_value *part = sixth_of(n);

    return part ? clip_of(part) : NULL;
}

/* Is the quotient only a factor of x * (...)? Then HardSwish takes it, not HardSigmoid. */
static bool part_of_swish(const struct ms_node *n, const struct ms_value *x)
{
    struct ms_node *user = ms_value_sole_user(n->out[0]);

    return ms_node_is(user, "Mul") && ms_other(user, n->out[0]) == x;
}

static ms_code run(struct ms_graph *g, struct ms_pass_ctx *c, int *changed, struct ms_err *err)
{
    ms_graph_each (g, n) {
        struct ms_value *swish = hard_swish(n);
        struct ms_value *x = swish ? swish : hard_sigmoid(n);
        if (!x || !ms_same_shape(n->out[0], x) || (!swish && part_of_swish(n, x)))
            continue;
        if (!ms_pass_spend(c))
            break;
        struct ms_value *y = ms_graph_op(g, n, swish ? "HardSwish" : "HardSigmoid", &x, 1);
        if (!y || (!swish && (!ms_attr_set_float(y->producer, "alpha", sixth) ||
                              !ms_attr_set_float(y->producer, "beta", 0.5))))
            return ms_fail_oom(err, "HardSwish", 0);
        ms_take_over(n, y);
        ++*changed;
    }
    return MS_OK;
}

const struct ms_pass ms_pass_fuse_hard_swish = {
    .name = "fuse-hard-swish",
    .help = "clip(x + 3, 0, 6) / 6, and x times it, become HardSigmoid and HardSwish",
    .run = run,
};
