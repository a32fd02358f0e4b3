/* SPDX-License-Identifier: Apache-2.0 */
/* batch_normalization.c - BatchNormalization with given statistics (inference):
 *
 *     y = scale (x - mean) / sqrt(var + epsilon) + bias, each by channel */
#include <math.h>

#include "kernels/act.h"
#include "kernels/blocked.h"
#include "kernels/norm.h"
#include "kernels/wide.h"

static const struct ms_attr_spec attrs[] = {
    MS_NORM_EPSILON,
    MS_ACT_ATTRS,
    {.name = "momentum", .type = MS_ATTR_FLOAT, .f = 0.9, .doc = "of training; not used"},
    {.name = "training_mode", .type = MS_ATTR_INT, .min = 0, .max = 1, .doc = "must be 0"},
    {0},
};

static ms_code check(const struct ms_node *n, struct ms_err *err)
{
    if (ms_attr_int(n, "training_mode") != 0)
        return ms_fail(err, MS_UNIMPLEMENTED, "attribute training_mode: only 0 is supported");
    return MS_OK;
}

static ms_code infer(struct ms_infer *c)
{
    return ms_norm_infer_channels(c, 5);
}

static size_t units(const struct ms_task *t)
{
    return ms_shape_span(&t->in[0]->shape, 0, 2);
}

static void normalise(const struct ms_task *t)
{
    const double *x = t->in[0]->data, *scale = t->in[1]->data, *bias = t->in[2]->data;
    const double *mean = t->in[3]->data, *var = t->in[4]->data;
    double *y = t->out[0]->data, eps = ms_attr_float(t->node, "epsilon");
    const struct ms_shape *s = &t->in[0]->shape;
    size_t px = ms_shape_span(s, 2, s->rank), n = ms_shape_span(s, 0, 2);
    struct ms_act act = ms_act_of_node(t->node, MS_ISA_ANY);

    for (size_t u = 0; u < n; u++, x += px, y += px) {
        size_t c = u % (size_t)s->dim[1];
        double a = scale[c] / sqrt(var[c] + eps);
        for (size_t i = 0; i < px; i++)
            y[i] = ms_act_ref(&act, (x[i] - mean[c]) * a + bias[c]);
    }
}

static void run(const struct ms_task *t)
{
    ms_wide_run(t, normalise);
}

/* One multiply-add an element; factors in double, as folding into a convolution computes them. */
static void run_isa(const struct ms_task *t, enum ms_isa isa)
{
    const float *scale = t->in[1]->data, *bias = t->in[2]->data;
    const float *mean = t->in[3]->data, *var = t->in[4]->data;
    const struct ms_shape *s = &t->in[0]->shape;
    size_t px = ms_shape_span(s, 2, s->rank);
    double eps = ms_attr_float(t->node, "epsilon");
    ms_act_row_fn affine = ms_act_find("Affine")->row[isa];
    struct ms_act act = ms_act_of_node(t->node, isa);

    for (size_t u = t->first; u < t->last; u++) {
        size_t c = u % (size_t)s->dim[1];
        double k = (double)scale[c] / sqrt((double)var[c] + eps);
        float *y = (float *)t->out[0]->data + u * px;
        affine((const float *)t->in[0]->data + u * px, y, px, (float)k,
               (float)((double)bias[c] - (double)mean[c] * k));
        ms_act_apply(&act, y, px);
    }
}

static void run_avx512(const struct ms_task *t)
{
    run_isa(t, MS_ISA_AVX512);
}

static void run_avx2(const struct ms_task *t)
{
    run_isa(t, MS_ISA_AVX2);
}

/* ---- blocked ---- */

/* Factors and summands of all channels, padded with zeros. */
struct factors {
    const float *k, *b;
};

static unsigned blocked(const struct ms_node *n)
{
    for (int i = 1; i < 5; i++)
        if (!ms_in_const(n, i))
            return 0;
    return ms_blocked_same(n);
}

static ms_code prepare(const struct ms_prep *p, const void **state, struct ms_err *err)
{
    const float *scale = p->in[1].value->data, *bias = p->in[2].value->data;
    const float *mean = p->in[3].value->data, *var = p->in[4].value->data;
    size_t n = ms_tensor_count(p->in[1].value), padded = (n + 15) / 16 * 16;
    double eps = ms_attr_float(p->node, "epsilon");
    struct factors *s = p->alloc(p, 64 + 2 * padded * sizeof(float));

    if (!s)
        return ms_fail_oom(err, "factors", 2 * padded * sizeof(float));
    float *k = (float *)((uint8_t *)s + 64), *b = k + padded;
    memset(k, 0, 2 * padded * sizeof *k);
    for (size_t c = 0; c < n; c++) {
        double f = (double)scale[c] / sqrt((double)var[c] + eps);
        k[c] = (float)f;
        b[c] = (float)((double)bias[c] - (double)mean[c] * f);
    }
    *s = (struct factors){.k = k, .b = b};
    *state = s;
    return MS_OK;
}

static void run_blocks(const struct ms_task *t, const struct ms_blocked_fns *f, enum ms_isa isa)
{
    const struct factors *s = t->state;
    const struct ms_tensor *x = t->in[0];
    const size_t width = ms_row_pixels(x);
    struct ms_act act = ms_act_of_node(t->node, isa);
    struct ms_block_part p;

    for (size_t u = t->first; ms_block_part(x, &u, t->last, &p);)
        for (size_t i = p.block; i < p.block + p.blocks; i++) {
            const size_t at = ms_block_row(x, p.item, i, p.row), c = i * f->lanes;
            const size_t px = p.rows * width;
            float *y = (float *)t->out[0]->data + at;
            f->affine((const float *)x->data + at, s->k + c, s->b + c, act.lo, act.hi, y, px);
            if (act.more)
                act.row(y, y, px * f->lanes, act.a, act.b);
            ms_block_clean(y, act.fn ? px : 0, f->lanes, ms_block_lanes(x, i));
        }
}

static void blocks_avx512(const struct ms_task *t)
{
    run_blocks(t, ms_blocked_fns(MS_ISA_AVX512), MS_ISA_AVX512);
}

static void blocks_avx2(const struct ms_task *t)
{
    run_blocks(t, ms_blocked_fns(MS_ISA_AVX2), MS_ISA_AVX2);
}

MS_OP(batch_normalization) = {
    .name = "BatchNormalization",
    .doc = "scale (x - mean) / sqrt(var + epsilon) + bias, by channel",
    .min_in = 5,
    .max_in = 5,
    .min_out = 1,
    .max_out = 1,
    .in = {MS_FLOATS},
    .traits = MS_INPLACE,
    .attrs = attrs,
    .check = check,
    .infer = infer,
    .blocked = blocked,
    .cost = ms_norm_cost,
    .kernels =
        (const struct ms_kernel[]){
            MS_BLOCKED_KERNELS("batch_normalization", ms_blocked_row_units, blocks,
                               .prepare = prepare),
            {.name = "batch_normalization_avx512",
             .dtypes = MS_BIT(F32),
             .isa = MS_ISA_AVX512,
             .units = units,
             .run = run_avx512},
            {.name = "batch_normalization_avx2",
             .dtypes = MS_BIT(F32),
             .isa = MS_ISA_AVX2,
             .units = units,
             .run = run_avx2},
            {.name = "batch_normalization",
             .dtypes = MS_FLOATS,
             .scratch = ms_wide_scratch,
             .run = run},
            {0},
        },
};
