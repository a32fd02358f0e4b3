/* SPDX-License-Identifier: Apache-2.0 */
/* batchnorm_scale.c - BatchNormalization -> Mul, Add by constants per channel becomes one of them.
 *
 *     BN(x; s, b) * k  ->  BN(x; s k, b k)        BN(x; s, b) + t  ->  BN(x; s, b + t)
 *
 * Some frameworks keep the learned scale in operators of their own. */
#include "base/mem.h"
#include "passes/rewrite.h"

static bool is_plain(const struct ms_node *bn)
{
    for (int i = 1; bn && i <= 4; i++) {
        const struct ms_tensor *t = ms_in_const(bn, i);
        if (!t || t->dtype != MS_F32 || t->shape.rank != 1 || ((uintptr_t)t->data & 3))
            return false;
    }
    return bn && ms_in(bn, 0)->dtype == MS_F32 && !ms_attr_int(bn, "training_mode");
}

/* Input i of bn combined with k, element by element. */
static bool combine(struct ms_node *bn, int i, const float *k, bool product, struct ms_pass_ctx *c)
{
    const struct ms_tensor *old = ms_in_const(bn, i);
    struct ms_tensor *t;
    struct ms_value *v = ms_pass_constant(bn->graph, c, "bn", MS_F32, &old->shape, &t);
    const float *from = old->data;

    if (!v)
        return false;
    float *to = t->data;
    for (int64_t j = 0; j < old->shape.dim[0]; j++)
        to[j] = product ? from[j] * k[j] : from[j] + k[j];
    ms_node_set_in(bn, i, v);
    return true;
}

static ms_code absorb(struct ms_node *n, struct ms_node *bn, struct ms_pass_ctx *c, int *changed,
                      struct ms_err *err)
{
    bool product = ms_node_is(n, "Mul");
    int64_t channels = ms_in_const(bn, 1)->shape.dim[0];
    float *k = ms_reallocarray(NULL, (size_t)channels, sizeof *k);
    struct ms_value *v = ms_other(n, bn->out[0]);
    bool ok = k != NULL;

    if (ok && ms_const_channels(v, bn->out[0]->shape.rank, channels, k) &&
        ms_same_shape(n->out[0], bn->out[0]) && ms_pass_spend(c)) {
        ok = combine(bn, 2, k, product, c) && (!product || combine(bn, 1, k, true, c));
        if (ok) {
            ms_take_over(n, bn->out[0]);
            ++*changed;
        }
    }
    ms_free(k);
    return ok ? MS_OK : ms_fail_oom(err, "scaled parameters", (size_t)channels * sizeof *k);
}

static ms_code run(struct ms_graph *g, struct ms_pass_ctx *c, int *changed, struct ms_err *err)
{
    ms_graph_each (g, n) {
        struct ms_node *bn = NULL;
        if (!ms_node_is(n, "Mul") && !ms_node_is(n, "Add"))
            continue;
        for (int i = 0; i < 2 && !bn; i++)
            bn = ms_made_by(ms_in(n, i), "BatchNormalization");
        if (is_plain(bn))
            MS_TRY(absorb(n, bn, c, changed, err));
    }
    return MS_OK;
}

const struct ms_pass ms_pass_batchnorm_scale = {
    .name = "batchnorm-scale",
    .help = "fold constants per channel behind a BatchNormalization into it",
    .run = run,
};
