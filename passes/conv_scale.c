/* SPDX-License-Identifier: Apache-2.0 */
/* conv_scale.c - Conv -> Mul by a constant per channel becomes Conv with other weights and bias. */
#include "base/mem.h"
#include "passes/affine.h"

/* The factor as an affine map of the convolution's channels. */
static bool factor(const struct ms_node *mul, const struct ms_node *conv, struct ms_affine *a)
{
    struct ms_value *k = ms_other(mul, conv->out[0]);
    int64_t channels = ms_in_const(conv, 1)->shape.dim[0];
    float *f = ms_reallocarray(NULL, (size_t)channels, sizeof *f);
    bool ok = f && ms_const_channels(k, conv->out[0]->shape.rank, channels, f) &&
              ms_same_shape(mul->out[0], conv->out[0]) && ms_affine_init(a, channels);

    for (int64_t i = 0; ok && i < channels; i++)
        a->scale[i] = (double)f[i];
    ms_free(f);
    return ok;
}

static ms_code run(struct ms_graph *g, struct ms_pass_ctx *c, int *changed, struct ms_err *err)
{
    ms_graph_each (g, n) {
        struct ms_affine a;
        struct ms_node *conv = NULL;
        for (int i = 0; ms_node_is(n, "Mul") && i < 2 && !conv; i++)
            conv = ms_made_by(ms_in(n, i), "Conv");
        if (!conv || !ms_conv_is_foldable(conv) || !factor(n, conv, &a))
            continue;
        bool fits = ms_pass_spend(c), ok = !fits || ms_conv_fold_output(conv, c, &a);
        ms_affine_done(&a);
        if (!ok)
            return ms_fail_oom(err, "folded weights", ms_in_const(conv, 1)->bytes);
        if (!fits)
            break;
        ms_take_over(n, conv->out[0]);
        ++*changed;
    }
    return MS_OK;
}

const struct ms_pass ms_pass_conv_scale = {
    .name = "conv-scale",
    .help = "fold a product with one constant per channel into the convolution before it",
    .run = run,
};
