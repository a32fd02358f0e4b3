/* SPDX-License-Identifier: Apache-2.0 */
/* fuse_swish.c - x * Sigmoid(alpha * x) -> Swish(x) {alpha} (Ramachandran et al., arXiv
 * 1710.05941). */
#include "passes/rewrite.h"

/* The alpha for which v is alpha * x; false if it is something else. */
static bool multiple_of(const struct ms_value *v, const struct ms_value *x, double *alpha)
{
    struct ms_node *mul = ms_producer(v, "Mul");

    *alpha = 1;
    if (v == x)
        return true;
    return mul && ms_const_scalar(ms_other(mul, x), alpha);
}

static struct ms_value *match(const struct ms_node *n, double *alpha)
{
    for (int i = 0; i < 2; i++) {
        struct ms_value *x = ms_in(n, i);
        struct ms_node *s = ms_producer(ms_in(n, 1 - i), "Sigmoid");
        if (s && multiple_of(ms_in(s, 0), x, alpha) && ms_same_shape(n->out[0], x))
            return x;
    }
    return NULL;
}

static ms_code run(struct ms_graph *g, struct ms_pass_ctx *c, int *changed, struct ms_err *err)
{
    ms_graph_each (g, n) {
        double alpha;
        struct ms_value *x = ms_node_is(n, "Mul") ? match(n, &alpha) : NULL;
        if (!x)
            continue;
        if (!ms_pass_spend(c))
            break;
        struct ms_value *y = ms_graph_op(g, n, "Swish", &x, 1);
        if (!y || (alpha != 1 && !ms_attr_set_float(y->producer, "alpha", alpha)))
            return ms_fail_oom(err, "Swish", 0);
        ms_take_over(n, y);
        ++*changed;
    }
    return MS_OK;
}

const struct ms_pass ms_pass_fuse_swish = {
    .name = "fuse-swish",
    .help = "x * sigmoid(a x) becomes Swish",
    .run = run,
};
