/* SPDX-License-Identifier: Apache-2.0 */
/* fuse_activation.c - fold an activation into the operator that feeds it.
 *
 *     Conv -> Relu -> ...     becomes     Conv {activation="Relu"} -> ...
 *
 * Saves one trip of the tensor through memory. Legal only when the activation is the sole reader of
 * its input: another reader still needs the value from before it. */
#include <math.h>
#include <string.h>

#include "passes/rewrite.h"

static bool no_parameters(const struct ms_node *act, double *a, double *b)
{
    (void)act;
    *a = *b = 0;
    return true;
}

static bool clip_bounds(const struct ms_node *act, double *a, double *b)
{
    *a = -INFINITY;
    *b = INFINITY;
    return (!ms_in(act, 1) || ms_const_scalar(ms_in(act, 1), a)) &&
           (!ms_in(act, 2) || ms_const_scalar(ms_in(act, 2), b)) && *a <= *b;
}

static bool leaky_slope(const struct ms_node *act, double *a, double *b)
{
    *a = ms_attr_float(act, "alpha");
    *b = 0;
    return true;
}

static bool hard_sigmoid_line(const struct ms_node *act, double *a, double *b)
{
    *a = ms_attr_float(act, "alpha");
    *b = ms_attr_float(act, "beta");
    return true;
}

static bool plain_swish(const struct ms_node *act, double *a, double *b)
{
    *a = *b = 0;
    return ms_attr_float(act, "alpha") == 1;
}

static bool erf_gelu(const struct ms_node *act, double *a, double *b)
{
    *a = *b = 0;
    return strcmp(ms_attr_str(act, "approximate"), "none") == 0;
}

/* Activations that may move, with their two numbers. Add a line to fuse one more. */
static const struct {
    const char *op;
    bool (*parameters)(const struct ms_node *act, double *a, double *b);
} activations[] = {
    {"Relu", no_parameters},
    {"Clip", clip_bounds},
    {"LeakyRelu", leaky_slope},
    {"HardSwish", no_parameters},
    {"HardSigmoid", hard_sigmoid_line},
    {"Sigmoid", no_parameters},
    {"Tanh", no_parameters},
    {"Swish", plain_swish},
    {"Gelu", erf_gelu},
};

static const char *const producers[] = {"Conv", "Gemm", "MatMul", "BatchNormalization"};

static bool activation_of(const struct ms_node *n, double *a, double *b)
{
    for (size_t i = 0; i < sizeof activations / sizeof *activations; i++)
        if (ms_node_is(n, activations[i].op))
            return activations[i].parameters(n, a, b);
    return false;
}

static struct ms_node *producer_of(const struct ms_node *act)
{
    for (size_t i = 0; i < sizeof producers / sizeof *producers; i++) {
        struct ms_node *p = ms_made_by(ms_in(act, 0), producers[i]);
        if (p && p->out[0]->dtype == MS_F32 && !*ms_attr_str(p, "activation"))
            return p;
    }
    return NULL;
}

static ms_code run(struct ms_graph *g, struct ms_pass_ctx *c, int *changed, struct ms_err *err)
{
    ms_graph_each (g, act) {
        double a, b;
        struct ms_node *p = act->n_in && ms_in(act, 0) ? producer_of(act) : NULL;
        if (!p || !activation_of(act, &a, &b))
            continue;
        if (!ms_pass_spend(c))
            break;
        if (!ms_attr_set_str(p, "activation", act->op->name) ||
            ((a != 0 || b != 0) &&
             (!ms_attr_set_float(p, "act_a", a) || !ms_attr_set_float(p, "act_b", b))))
            return ms_fail_oom(err, "activation", 0);
        ms_take_over(act, p->out[0]);
        ++*changed;
    }
    return MS_OK;
}

const struct ms_pass ms_pass_fuse_activation = {
    .name = "fuse-activation",
    .help = "fold an activation into the convolution, product or normalisation before it",
    .run = run,
};
