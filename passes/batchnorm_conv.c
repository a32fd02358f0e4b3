/* SPDX-License-Identifier: Apache-2.0 */
/* batchnorm_conv.c - BatchNormalization -> Conv becomes Conv with other weights and bias.
 *
 * Padding would have to pad with the shift's image of 0, so only unpadded convolutions qualify. */
#include <string.h>

#include "passes/affine.h"

static bool unpadded(const struct ms_node *conv)
{
    const struct ms_attr *pads = ms_attr_get(conv, "pads");
    const char *automatic = ms_attr_str(conv, "auto_pad");

    for (int i = 0; pads && i < pads->n; i++)
        if (pads->ints[i])
            return false;
    return !*automatic || strcmp(automatic, "NOTSET") == 0 || strcmp(automatic, "VALID") == 0;
}

static ms_code run(struct ms_graph *g, struct ms_pass_ctx *c, int *changed, struct ms_err *err)
{
    ms_graph_each (g, n) {
        struct ms_affine a;
        struct ms_node *bn =
            ms_node_is(n, "Conv") ? ms_made_by(ms_in(n, 0), "BatchNormalization") : NULL;
        if (!bn || !ms_conv_is_foldable(n) || !unpadded(n) || !ms_affine_of_batchnorm(bn, &a))
            continue;
        int64_t group = ms_attr_int(n, "group");
        bool fits = a.n == ms_in_const(n, 1)->shape.dim[1] * group && ms_pass_spend(c);
        bool ok = !fits || ms_conv_fold_input(n, c, &a);
        ms_affine_done(&a);
        if (!ok)
            return ms_fail_oom(err, "folded weights", ms_in_const(n, 1)->bytes);
        if (!fits)
            continue;
        ms_node_set_in(n, 0, ms_in(bn, 0));
        ++*changed;
    }
    return MS_OK;
}

const struct ms_pass ms_pass_batchnorm_conv = {
    .name = "batchnorm-conv",
    .help = "fold a BatchNormalization into the unpadded convolution behind it",
    .run = run,
};
