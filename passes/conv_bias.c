/* SPDX-License-Identifier: Apache-2.0 */
/* conv_bias.c - Conv or ConvTranspose -> Add of a constant per channel becomes its bias. */
#include "base/mem.h"
#include "passes/rewrite.h"

/* The bias the convolution has, plus k. */
static struct ms_value *sum(struct ms_node *conv, struct ms_pass_ctx *c, const float *k, int64_t n)
{
    const struct ms_tensor *old = ms_in_const(conv, 2);
    struct ms_shape s = ms_shape_make(n);
    struct ms_tensor *t;
    float *had = ms_reallocarray(NULL, (size_t)n, sizeof *had);
    struct ms_value *v = had ? ms_pass_constant(conv->graph, c, "bias", MS_F32, &s, &t) : NULL;

    for (int64_t i = 0; v && i < n; i++)
        had[i] = 0;
    if (v && old)
        (void)ms_const_last_axis(ms_in(conv, 2), n, had);
    for (int64_t i = 0; v && i < n; i++)
        ((float *)t->data)[i] = had[i] + k[i];
    ms_free(had);
    return v;
}

static bool takes_bias(const struct ms_node *conv)
{
    const struct ms_value *y = conv ? conv->out[0] : NULL;

    return conv && y->dtype == MS_F32 && y->shape.rank >= 3 && y->shape.dim[1] > 0 &&
           (!ms_in(conv, 2) || ms_in_const(conv, 2)) && !ms_in(conv, 3) &&
           !*ms_attr_str(conv, "activation");
}

static ms_code absorb(struct ms_node *add, struct ms_node *conv, struct ms_pass_ctx *c,
                      int *changed, struct ms_err *err)
{
    int64_t channels = conv->out[0]->shape.dim[1];
    float *k = ms_reallocarray(NULL, (size_t)channels, sizeof *k);
    bool ok = k != NULL;

    if (ok &&
        ms_const_channels(ms_other(add, conv->out[0]), conv->out[0]->shape.rank, channels, k) &&
        ms_same_shape(add->out[0], conv->out[0]) && ms_pass_spend(c)) {
        struct ms_value *bias = sum(conv, c, k, channels);
        ok = bias != NULL;
        if (ok && conv->n_in > 2)
            ms_node_set_in(conv, 2, bias);
        else if (ok)
            ok = ms_node_add_in(conv, bias, err) == MS_OK;
        if (ok) {
            ms_take_over(add, conv->out[0]);
            ++*changed;
        }
    }
    ms_free(k);
    return ok ? MS_OK : ms_fail_oom(err, "bias", (size_t)channels * sizeof *k);
}

static ms_code run(struct ms_graph *g, struct ms_pass_ctx *c, int *changed, struct ms_err *err)
{
    ms_graph_each (g, n) {
        struct ms_node *conv = NULL;
        for (int i = 0; ms_node_is(n, "Add") && i < 2 && !conv; i++) {
            conv = ms_made_by(ms_in(n, i), "Conv");
            if (!conv)
                conv = ms_made_by(ms_in(n, i), "ConvTranspose");
        }
        if (takes_bias(conv))
            MS_TRY(absorb(n, conv, c, changed, err));
    }
    return MS_OK;
}

const struct ms_pass ms_pass_conv_bias = {
    .name = "conv-bias",
    .help = "a constant per channel added to a convolution becomes its bias",
    .run = run,
};
