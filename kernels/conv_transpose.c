/* SPDX-License-Identifier: Apache-2.0 */
/* conv_transpose.c - ConvTranspose: the transposed convolution, which spreads each input element
 * over a window of the output.
 *
 * Computed from the output's side: element o of an axis gets x[i] w[k] from every pair with
 * i stride + k dilation = o + pad. So each output has one sum in one order (channel, then tap), and
 * ranges of outputs are independent. The record, its rules and the reference; the fast form is in
 * conv_transpose_gemm.c. */
#include "kernels/conv_transpose.h"

#include "kernels/act.h"
#include "kernels/wide.h"

static const struct ms_attr_spec attrs[] = {
    MS_WINDOW_ATTRS,
    {.name = "group",
     .type = MS_ATTR_INT,
     .i = 1,
     .min = 1,
     .max = 1 << 24,
     .doc = "channels are split into so many independent groups"},
    {.name = "output_padding",
     .type = MS_ATTR_INTS,
     .min = 0,
     .max = MS_WINDOW_MAX,
     .max_len = 3,
     .doc = "added to the end of each output axis"},
    {.name = "output_shape",
     .type = MS_ATTR_INTS,
     .min = 0,
     .max = (int64_t)1 << 40,
     .max_len = 5,
     .doc = "the output's spatial sizes; pads follow from it"},
    MS_ACT_ATTRS,
    {0},
};

static ms_code check_len(const struct ms_node *n, const char *name, int want, struct ms_err *err)
{
    const struct ms_attr *a = ms_attr_get(n, name);

    if (a && a->n != want)
        return ms_fail(err, MS_INVALID_ARGUMENT, "attribute %s has %d elements, %d are needed",
                       name, a->n, want);
    return MS_OK;
}

/* Sizes, with w->in the input's and w->out the output's; kernel dims are known. */
static ms_code window_of(struct ms_window *w, const struct ms_node *n, const struct ms_shape *x,
                         const struct ms_shape *wt, struct ms_syms *syms, struct ms_err *err)
{
    const struct ms_attr *os = ms_attr_get(n, "output_shape");
    const char *pad = ms_attr_str(n, "auto_pad");
    int rank = x->rank - 2;

    w->rank = rank;
    MS_TRY(check_len(n, "strides", rank, err));
    MS_TRY(check_len(n, "dilations", rank, err));
    MS_TRY(check_len(n, "pads", 2 * rank, err));
    MS_TRY(check_len(n, "output_padding", rank, err));
    if (os && os->n != rank && os->n != rank + 2)
        return ms_fail(err, MS_INVALID_ARGUMENT, "attribute output_shape has %d elements", os->n);
    for (int a = 0; a < 3; a++) {
        int i = a - (3 - rank);
        w->k[a] = i < 0 ? 1 : wt->dim[i + 2];
        w->in[a] = i < 0 ? 1 : x->dim[i + 2];
        w->s[a] = i < 0 ? 1 : ms_attr_ints_at(n, "strides", i, 1);
        w->d[a] = i < 0 ? 1 : ms_attr_ints_at(n, "dilations", i, 1);
        w->pb[a] = i < 0 || pad[0] != 'N' ? 0 : ms_attr_ints_at(n, "pads", i, 0);
        w->pe[a] = i < 0 || pad[0] != 'N' ? 0 : ms_attr_ints_at(n, "pads", i + rank, 0);
        int64_t extra = i < 0 ? 0 : ms_attr_ints_at(n, "output_padding", i, 0);
        if (ms_is_sym(w->in[a]) || ms_is_sym(w->k[a])) {
            w->out[a] = os ? os->ints[os->n - rank + i] : ms_syms_fresh(syms);
            continue;
        }
        if (w->k[a] < 1 || w->k[a] > MS_WINDOW_MAX || w->in[a] < 1 || w->in[a] >> 40)
            return ms_fail(err, MS_INVALID_ARGUMENT, "axis %d: %lld elements under %lld", i,
                           (long long)w->in[a], (long long)w->k[a]);
        int64_t full = (w->in[a] - 1) * w->s[a] + (w->k[a] - 1) * w->d[a] + 1 + extra;
        bool given = os && i >= 0, same = pad[0] == 'S' && i >= 0;
        if (given || same) {
            int64_t want = given ? os->ints[os->n - rank + i] : w->in[a] * w->s[a];
            int64_t total = full > want ? full - want : 0;
            bool lower = same && pad[5] == 'L';
            w->pb[a] = lower ? total - total / 2 : total / 2;
            w->pe[a] = total - w->pb[a];
            w->out[a] = want;
        } else {
            w->out[a] = full - w->pb[a] - w->pe[a];
        }
        if (w->out[a] < 0)
            return ms_fail(err, MS_INVALID_ARGUMENT, "axis %d would have %lld elements", i,
                           (long long)w->out[a]);
    }
    return MS_OK;
}

static ms_code infer(struct ms_infer *c)
{
    const struct ms_shape *x = &c->in[0].shape, *w = &c->in[1].shape;
    int64_t g = ms_attr_int(c->node, "group"), oc;
    struct ms_window win;

    MS_TRY(ms_infer_one_dtype(c, 3));
    c->out[0].dtype = c->in[0].dtype;
    if (x->rank < 0 || w->rank < 0)
        return MS_OK;
    if (x->rank < 3 || x->rank > 5 || w->rank != x->rank)
        return ms_fail(c->err, MS_INVALID_ARGUMENT, "input of rank %d with weights of rank %d",
                       x->rank, w->rank);
    if (x->dim[1] >= 0 && ((w->dim[0] >= 0 && x->dim[1] != w->dim[0]) || x->dim[1] % g != 0))
        return ms_fail(c->err, MS_INVALID_ARGUMENT,
                       "the input has %lld channels, the weights are for %lld in %lld groups",
                       (long long)x->dim[1], (long long)w->dim[0], (long long)g);
    if (w->dim[1] >= 0 && __builtin_mul_overflow(w->dim[1], g, &oc))
        return ms_fail(c->err, MS_INVALID_ARGUMENT, "too many channels");
    if (w->dim[1] < 0)
        oc = ms_syms_fresh(c->syms);
    if (ms_infer_has(c, 2) && c->in[2].shape.rank >= 0 &&
        (c->in[2].shape.rank != 1 ||
         (c->in[2].shape.dim[0] >= 0 && oc >= 0 && c->in[2].shape.dim[0] != oc)))
        return ms_fail(c->err, MS_INVALID_ARGUMENT, "the bias must have %lld elements",
                       (long long)oc);
    MS_TRY(window_of(&win, c->node, x, w, c->syms, c->err));
    c->out[0].shape = (struct ms_shape){.rank = x->rank, .dim = {x->dim[0], oc}};
    for (int i = 2; i < x->rank; i++)
        c->out[0].shape.dim[i] = win.out[i + 1 - win.rank];
    return MS_OK;
}

static double cost(const struct ms_node *n, const struct ms_fact *in, const struct ms_fact *out)
{
    const struct ms_shape *w = &in[1].shape, *x = &in[0].shape;

    (void)n, (void)out;
    return 2.0 * (double)ms_shape_span(w, 1, w->rank) * (double)ms_shape_span(x, 0, x->rank);
}

void ms_conv_t_of(struct ms_conv_t *z, const struct ms_task *t)
{
    const struct ms_shape *x = &t->in[0]->shape, *w = &t->in[1]->shape;
    int64_t g = ms_attr_int(t->node, "group");
    struct ms_err err; /* inference has accepted these numbers */

    if (window_of(&z->w, t->node, x, w, NULL, &err) != MS_OK)
        z->w = (struct ms_window){0};
    z->n = x->dim[0];
    z->ic = x->dim[1];
    z->groups = g;
    z->ocg = w->dim[1];
    z->oc = z->ocg * g;
    z->icg = z->ic / g;
    z->taps = ms_window_volume(z->w.k);
    z->in_px = ms_window_volume(z->w.in);
    z->out_px = ms_window_volume(z->w.out);
}

/* Input index that tap k of output o meets along an axis, or -1. */
static int64_t source(const struct ms_window *w, int a, int64_t o, int64_t k)
{
    int64_t at = o + w->pb[a] - k * w->d[a];

    return at >= 0 && at % w->s[a] == 0 && at / w->s[a] < w->in[a] ? at / w->s[a] : -1;
}

static double dot(const struct ms_task *t, const struct ms_conv_t *z, const double *x,
                  const double *w, const int64_t o[3])
{
    int64_t i[3];
    double sum = 0;

    for (int64_t c = 0; c < z->icg && !ms_task_stopped(t);
         c++, x += z->in_px, w += z->ocg * z->taps)
        for (int64_t d = 0; d < z->w.k[0]; d++) {
            if ((i[0] = source(&z->w, 0, o[0], d)) < 0)
                continue;
            for (int64_t h = 0; h < z->w.k[1]; h++) {
                if ((i[1] = source(&z->w, 1, o[1], h)) < 0)
                    continue;
                for (int64_t v = 0; v < z->w.k[2]; v++)
                    if ((i[2] = source(&z->w, 2, o[2], v)) >= 0)
                        sum += x[(i[0] * z->w.in[1] + i[1]) * z->w.in[2] + i[2]] *
                               w[(d * z->w.k[1] + h) * z->w.k[2] + v];
            }
        }
    return sum;
}

static void conv(const struct ms_task *t)
{
    struct ms_act act = ms_act_of_node(t->node, MS_ISA_ANY);
    const double *bias = t->n_in > 2 && t->in[2] ? t->in[2]->data : NULL;
    double *y = t->out[0]->data;
    struct ms_conv_t z;
    int64_t p[3];

    ms_conv_t_of(&z, t);
    for (int64_t n = 0; n < z.n; n++)
        for (int64_t o = 0; o < z.oc && !ms_task_stopped(t); o++) { /* asked in dot as well */
            int64_t g = o / z.ocg;
            const double *x = (const double *)t->in[0]->data + (n * z.ic + g * z.icg) * z.in_px;
            const double *w =
                (const double *)t->in[1]->data + (g * z.icg * z.ocg + o % z.ocg) * z.taps;
            for (p[0] = 0; p[0] < z.w.out[0]; p[0]++)
                for (p[1] = 0; p[1] < z.w.out[1]; p[1]++)
                    for (p[2] = 0; p[2] < z.w.out[2]; p[2]++)
                        *y++ = ms_act_ref(&act, dot(t, &z, x, w, p) + (bias ? bias[o] : 0));
        }
}

static void run(const struct ms_task *t)
{
    ms_wide_run(t, conv);
}

#define GEMM(name_, isa_, run_)                                                                    \
    {                                                                                              \
        .name = name_, .dtypes = MS_BIT(F32), .isa = isa_,                                         \
        .applicable = ms_conv_t_gemm_applicable, .prepare = ms_conv_t_gemm_prepare,                \
        .units = ms_conv_t_gemm_units, .scratch = ms_conv_t_gemm_scratch, .rate = 80, .run = run_  \
    }

MS_OP(conv_transpose) = {
    .name = "ConvTranspose",
    .doc = "transposed convolution, plus bias, then an activation",
    .min_in = 2,
    .max_in = 3,
    .min_out = 1,
    .max_out = 1,
    .in = {MS_FLOATS},
    .attrs = attrs,
    .infer = infer,
    .cost = cost,
    .kernels =
        (const struct ms_kernel[]){
            GEMM("conv_transpose_gemm_avx512", MS_ISA_AVX512, ms_conv_t_gemm_avx512),
            GEMM("conv_transpose_gemm_avx2", MS_ISA_AVX2, ms_conv_t_gemm_avx2),
            GEMM("conv_transpose_gemm_plain", MS_ISA_ANY, ms_conv_t_gemm_plain),
            {.name = "conv_transpose", .dtypes = MS_FLOATS, .scratch = ms_wide_scratch, .run = run},
            {0},
        },
};
