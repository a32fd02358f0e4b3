/* SPDX-License-Identifier: Apache-2.0 */
/* conv.c - Conv: 1-d, 2-d and 3-d convolution with groups, bias, residual and activation.
 *
 *     y[n, o, p] = act(bias[o] + sum_k w[o, k] x[n, k at window p] + residual[n, o, p])
 *
 * With `shuffle`, x is read as if a ChannelShuffle stood before it.
 *
 * The record, its rules and the reference; the fast algorithms are in conv_*.c. All of them add the
 * products of one output in the same order (channel, then tap), so they agree to the bit within an
 * instruction set, whatever the batch and the split. */
#include "kernels/conv.h"
#include "kernels/wide.h"

static const struct ms_attr_spec attrs[] = {
    MS_WINDOW_ATTRS,
    {.name = "group",
     .type = MS_ATTR_INT,
     .i = 1,
     .min = 1,
     .max = 1 << 24,
     .doc = "channels are split into so many independent groups"},
    {.name = "shuffle",
     .type = MS_ATTR_INT,
     .i = 1,
     .min = 1,
     .max = 1 << 24,
     .doc = "before, the channels of so many groups of X are dealt out in turn (ChannelShuffle)"},
    MS_ACT_ATTRS,
    {0},
};

static bool differ(int64_t a, int64_t b)
{
    return a >= 0 && b >= 0 && a != b;
}

static ms_code check_channels(struct ms_infer *c, int64_t ic, int64_t oc, int64_t icg)
{
    int64_t g = ms_attr_int(c->node, "group"), shuffle = ms_conv_shuffle(c->node);

    if (ic >= 0 && ic % shuffle != 0)
        return ms_fail(c->err, MS_INVALID_ARGUMENT, "%lld input channels to shuffle in %lld groups",
                       (long long)ic, (long long)shuffle);
    if (oc >= 0 && oc % g != 0)
        return ms_fail(c->err, MS_INVALID_ARGUMENT, "%lld output channels in %lld groups",
                       (long long)oc, (long long)g);
    if (ic >= 0 && ic % g != 0)
        return ms_fail(c->err, MS_INVALID_ARGUMENT, "%lld input channels in %lld groups",
                       (long long)ic, (long long)g);
    if (ic >= 0 && icg >= 0 && ic / g != icg)
        return ms_fail(c->err, MS_INVALID_ARGUMENT,
                       "the input has %lld channels, the weights are for %lld groups of %lld",
                       (long long)ic, (long long)g, (long long)icg);
    return MS_OK;
}

static ms_code check_extras(struct ms_infer *c, const struct ms_shape *y)
{
    if (ms_infer_has(c, 2) && c->in[2].shape.rank >= 0 &&
        (c->in[2].shape.rank != 1 || differ(c->in[2].shape.dim[0], y->dim[1])))
        return ms_fail(c->err, MS_INVALID_ARGUMENT, "the bias must have %lld elements",
                       (long long)y->dim[1]);
    if (!ms_infer_has(c, 3) || c->in[3].shape.rank < 0)
        return MS_OK;
    const struct ms_shape *r = &c->in[3].shape;
    bool bad = r->rank != y->rank;
    for (int i = 0; !bad && i < y->rank; i++)
        bad = differ(r->dim[i], y->dim[i]);
    return bad ? ms_fail(c->err, MS_INVALID_ARGUMENT, "the residual has not the output's shape")
               : MS_OK;
}

ms_code ms_conv_infer_shape(struct ms_infer *c, struct ms_shape *y)
{
    const struct ms_shape *x = &c->in[0].shape, *w = &c->in[1].shape;
    const struct ms_attr *ks = ms_attr_get(c->node, "kernel_shape");
    struct ms_window win;

    *y = ms_shape_unknown();
    if (x->rank < 0 || w->rank < 0)
        return MS_OK;
    if (x->rank < 3 || x->rank > 5 || w->rank != x->rank)
        return ms_fail(c->err, MS_INVALID_ARGUMENT, "input of rank %d with weights of rank %d",
                       x->rank, w->rank);
    for (int i = 0; ks && i < ks->n && i + 2 < w->rank; i++)
        if (differ(ks->ints[i], w->dim[i + 2]))
            return ms_fail(c->err, MS_INVALID_ARGUMENT,
                           "attribute kernel_shape contradicts the weights");
    MS_TRY(check_channels(c, x->dim[1], w->dim[0], w->dim[1]));
    MS_TRY(
        ms_window_init(&win, c->node, x->rank - 2, w->dim + 2, x->dim + 2, false, c->syms, c->err));
    *y = (struct ms_shape){.rank = x->rank, .dim = {x->dim[0], w->dim[0]}};
    for (int i = 2; i < x->rank; i++)
        y->dim[i] = win.out[i + 1 - win.rank];
    return MS_OK;
}

static ms_code infer(struct ms_infer *c)
{
    MS_TRY(ms_infer_one_dtype(c, 4));
    c->out[0].dtype = c->in[0].dtype;
    MS_TRY(ms_conv_infer_shape(c, &c->out[0].shape));
    return c->out[0].shape.rank < 0 ? MS_OK : check_extras(c, &c->out[0].shape);
}

static double cost(const struct ms_node *n, const struct ms_fact *in, const struct ms_fact *out)
{
    const struct ms_shape *w = &in[1].shape, *y = &out[0].shape;

    (void)n;
    return 2.0 * (double)ms_shape_span(w, 1, w->rank) * (double)ms_shape_span(y, 0, y->rank);
}

void ms_conv_of(struct ms_conv *c, const struct ms_task *t)
{
    const struct ms_shape *x = &t->in[0]->shape, *w = &t->in[1]->shape;

    ms_window_of(&c->w, t->node, x, w->dim + 2, false);
    c->n = x->dim[0];
    c->ic = x->dim[1];
    c->oc = w->dim[0];
    c->groups = ms_attr_int(t->node, "group");
    c->shuffle = ms_conv_shuffle(t->node);
    c->icg = c->ic / c->groups;
    c->ocg = c->oc / c->groups;
    c->taps = ms_window_volume(c->w.k);
    c->in_px = ms_window_volume(c->w.in);
    c->out_px = ms_window_volume(c->w.out);
    c->x = t->in[0]->data;
    c->wt = t->in[1]->data;
    c->bias = t->n_in > 2 && t->in[2] ? t->in[2]->data : NULL;
    c->res = t->n_in > 3 && t->in[3] ? t->in[3]->data : NULL;
    c->y = t->out[0]->data;
}

/* One output of an item: the sum over a group's channels, from `first`, and the taps inside the
 * input. */
static double dot(const struct ms_conv *c, const double *item, int64_t first, const double *w,
                  const int64_t o[3])
{
    int64_t from[3], to[3], base[3];
    double sum = 0;

    for (int a = 0; a < 3; a++) {
        ms_window_taps(&c->w, a, o[a], &from[a], &to[a]);
        base[a] = o[a] * c->w.s[a] - c->w.pb[a];
    }
    for (int64_t i = 0; i < c->icg; i++, w += c->taps) {
        const double *x = item + ms_conv_channel(first + i, c->ic, c->shuffle) * c->in_px;
        for (int64_t d = from[0]; d < to[0]; d++)
            for (int64_t h = from[1]; h < to[1]; h++)
                for (int64_t v = from[2]; v < to[2]; v++)
                    sum += w[(d * c->w.k[1] + h) * c->w.k[2] + v] *
                           x[((base[0] + d * c->w.d[0]) * c->w.in[1] + base[1] + h * c->w.d[1]) *
                                 c->w.in[2] +
                             base[2] + v * c->w.d[2]];
    }
    return sum;
}

static void conv(const struct ms_task *t)
{
    struct ms_act act = ms_act_of_node(t->node, MS_ISA_ANY);
    struct ms_conv c;

    ms_conv_of(&c, t);
    double *y = c.y;
    size_t at = 0;
    for (int64_t n = 0; n < c.n; n++)
        for (int64_t o = 0; o < c.oc; o++) {
            const double *x = (const double *)c.x + n * c.ic * c.in_px;
            const double *w = (const double *)c.wt + o * c.icg * c.taps;
            int64_t p[3];
            if (ms_task_stopped(t))
                return;
            for (p[0] = 0; p[0] < c.w.out[0]; p[0]++)
                for (p[1] = 0; p[1] < c.w.out[1]; p[1]++)
                    for (p[2] = 0; p[2] < c.w.out[2]; p[2]++, at++) {
                        double v = dot(&c, x, o / c.ocg * c.icg, w, p);
                        v += c.bias ? ((const double *)c.bias)[o] : 0;
                        v += c.res ? ((const double *)c.res)[at] : 0;
                        y[at] = ms_act_ref(&act, v);
                    }
        }
}

static void run(const struct ms_task *t)
{
    ms_wide_run(t, conv);
}

/* Kernels for blocked activations. */
#define BLOCKED(name_, isa_) .name = name_, .dtypes = MS_BIT(F32), .isa = isa_, .blocked = true
#define DEPTHWISE(name_, isa_, s_)                                                                 \
    {                                                                                              \
        BLOCKED(name_, isa_),                                                                      \
            .applicable = ms_conv_dw_blocked_applicable,                                           \
            .prepare = ms_conv_dw_blocked_prepare_##s_, .units = ms_conv_dw_blocked_units,         \
            .scratch = ms_conv_dw_blocked_scratch, .run = ms_conv_dw_blocked_##s_,                 \
            .pairing = &ms_conv_dw_pairing_##s_                                                    \
    }
#define TILED(algorithm_, isa_, s_, applicable_, ...)                                              \
    {                                                                                              \
        BLOCKED("conv_" #algorithm_ "_" #s_, isa_),                                                \
            .applicable = applicable_, .price = ms_conv_price_##algorithm_##_##s_,                 \
            .prepare = ms_conv_##algorithm_##_prepare_##s_,                                        \
            .units = ms_conv_##algorithm_##_units_##s_,                                            \
            .scratch = ms_conv_##algorithm_##_scratch_##s_, .run = ms_conv_##algorithm_##_##s_,    \
            __VA_ARGS__                                                                            \
    }
#define TILED_ALL(isa_, s_)                                                                        \
    TILED(direct, isa_, s_, ms_conv_direct_applicable, .rate = 80),                                \
        TILED(winograd4, isa_, s_, ms_conv_winograd_applicable, .inexact = true, .rate = 240),     \
        TILED(winograd2, isa_, s_, ms_conv_winograd_applicable, .inexact = true, .rate = 240),     \
        TILED(fft, isa_, s_, ms_conv_fft_applicable, .inexact = true, .rate = 240),                \
        TILED(indirect, isa_, s_, ms_conv_indirect_applicable, .rate = 80)

MS_OP(conv) = {
    .name = "Conv",
    .doc = "convolution of X with W, plus bias B and residual R, then an activation",
    .min_in = 2,
    .max_in = 4,
    .min_out = 1,
    .max_out = 1,
    .in = {MS_FLOATS},
    .attrs = attrs,
    .packs = 1 << 1,
    .infer = infer,
    .traits = MS_BLOCKED,
    .blocked = ms_conv_blocked,
    .cost = cost,
    .kernels =
        (const struct ms_kernel[]){
            DEPTHWISE("conv_depthwise_blocked_avx512", MS_ISA_AVX512, avx512),
            TILED_ALL(MS_ISA_AVX512, avx512),
            DEPTHWISE("conv_depthwise_blocked_avx2", MS_ISA_AVX2, avx2),
            TILED_ALL(MS_ISA_AVX2, avx2),
            {.name = "conv_depthwise_avx512",
             .dtypes = MS_BIT(F32),
             .isa = MS_ISA_AVX512,
             .applicable = ms_conv_depthwise_applicable,
             .units = ms_conv_depthwise_units,
             .scratch = ms_conv_depthwise_scratch,
             .run = ms_conv_depthwise_avx512},
            {.name = "conv_gemm_avx512",
             .dtypes = MS_BIT(F32),
             .isa = MS_ISA_AVX512,
             .units = ms_conv_gemm_units,
             .scratch = ms_conv_gemm_scratch,
             .run = ms_conv_gemm_avx512},
            {.name = "conv_depthwise_avx2",
             .dtypes = MS_BIT(F32),
             .isa = MS_ISA_AVX2,
             .applicable = ms_conv_depthwise_applicable,
             .units = ms_conv_depthwise_units,
             .scratch = ms_conv_depthwise_scratch,
             .run = ms_conv_depthwise_avx2},
            {.name = "conv_gemm_avx2",
             .dtypes = MS_BIT(F32),
             .isa = MS_ISA_AVX2,
             .units = ms_conv_gemm_units,
             .scratch = ms_conv_gemm_scratch,
             .run = ms_conv_gemm_avx2},
            {.name = "conv_gemm_plain",
             .dtypes = MS_BIT(F32),
             .units = ms_conv_gemm_units,
             .scratch = ms_conv_gemm_scratch,
             .run = ms_conv_gemm_plain},
            {.name = "conv", .dtypes = MS_FLOATS, .scratch = ms_wide_scratch, .run = run},
            {0},
        },
};
