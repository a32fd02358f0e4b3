/* SPDX-License-Identifier: Apache-2.0 */
/* conv_batchnorm.c - Conv -> BatchNormalization becomes Conv with other weights and bias.
 *
 *     w' = w * s / sqrt(var + eps),  b' = (b - mean) * s / sqrt(var + eps) + shift
 *
 * Legal only when the normalisation is the sole reader of the convolution. */
#include "passes/affine.h"

static ms_code run(struct ms_graph *g, struct ms_pass_ctx *c, int *changed, struct ms_err *err)
{
    ms_graph_each (g, n) {
        struct ms_affine a;
        struct ms_node *conv =
            ms_node_is(n, "BatchNormalization") ? ms_made_by(ms_in(n, 0), "Conv") : NULL;
        if (!conv || !ms_conv_is_foldable(conv) || !ms_affine_of_batchnorm(n, &a))
            continue;
        bool fits = a.n == ms_in_const(conv, 1)->shape.dim[0] && ms_pass_spend(c);
        bool ok = !fits || ms_conv_fold_output(conv, c, &a);
        ms_affine_done(&a);
        if (!ok)
            return ms_fail_oom(err, "folded weights", ms_in_const(conv, 1)->bytes);
        if (!fits)
            continue;
        ms_take_over(n, conv->out[0]);
        ++*changed;
    }
    return MS_OK;
}

const struct ms_pass ms_pass_conv_batchnorm = {
    .name = "conv-batchnorm",
    .help = "fold a BatchNormalization into the convolution before it",
    .run = run,
};
