/* SPDX-License-Identifier: Apache-2.0 */
/* conv_integer.c - ConvInteger: convolution of 8-bit tensors less their zero points, in i32 that
 * wraps around. Padding counts as the zero point, so it adds nothing. */
#include "kernels/conv_integer.h"

#include "kernels/conv.h"
#include "kernels/matmul_integer.h"
#include "kernels/quant.h"

static const struct ms_attr_spec attrs[] = {
    MS_WINDOW_ATTRS,
    {.name = "group",
     .type = MS_ATTR_INT,
     .i = 1,
     .min = 1,
     .max = 1 << 24,
     .doc = "channels are split into so many independent groups"},
    {0},
};

static ms_code check_zeros(struct ms_infer *c, int64_t oc)
{
    for (int i = 2; i < 4; i++) {
        size_t n;
        if (!ms_infer_has(c, i))
            continue;
        if (c->in[i].dtype != c->in[i - 2].dtype)
            return ms_fail(c->err, MS_INVALID_ARGUMENT, "input %d is %s, input %d %s", i,
                           ms_dtype_name(c->in[i].dtype), i - 2, ms_dtype_name(c->in[i - 2].dtype));
        if (ms_shape_count(&c->in[i].shape, &n) && n != 1 &&
            (i == 2 || (oc >= 0 && n != (size_t)oc)))
            return ms_fail(c->err, MS_INVALID_ARGUMENT, "input %d has %zu zero points", i, n);
    }
    return MS_OK;
}

static ms_code infer(struct ms_infer *c)
{
    c->out[0].dtype = MS_I32;
    MS_TRY(ms_conv_infer_shape(c, &c->out[0].shape));
    return check_zeros(c, c->in[1].shape.rank < 1 ? -1 : c->in[1].shape.dim[0]);
}

uint32_t ms_conv_integer_dot(const struct ms_conv *c, const struct ms_task *t, size_t x, size_t w,
                             int32_t zx, int32_t zw, const int64_t o[3])
{
    int64_t from[3], to[3], base[3];
    uint32_t sum = 0;

    for (int a = 0; a < 3; a++) {
        ms_window_taps(&c->w, a, o[a], &from[a], &to[a]);
        base[a] = o[a] * c->w.s[a] - c->w.pb[a];
    }
    for (int64_t i = 0; i < c->icg; i++, x += (size_t)c->in_px, w += (size_t)c->taps)
        for (int64_t d = from[0]; d < to[0]; d++)
            for (int64_t h = from[1]; h < to[1]; h++)
                for (int64_t v = from[2]; v < to[2]; v++) {
                    int64_t px =
                        ((base[0] + d * c->w.d[0]) * c->w.in[1] + base[1] + h * c->w.d[1]) *
                            c->w.in[2] +
                        base[2] + v * c->w.d[2];
                    int64_t tap = (d * c->w.k[1] + h) * c->w.k[2] + v;
                    sum += (uint32_t)((ms_quant_at(t->in[0], x + (size_t)px) - zx) *
                                      (ms_quant_at(t->in[1], w + (size_t)tap) - zw));
                }
    return sum;
}

/* Units are the output channels of all items. */
static size_t units(const struct ms_task *t)
{
    return ms_shape_span(&t->out[0]->shape, 0, 2);
}

static void run(const struct ms_task *t)
{
    const struct ms_tensor *zx = t->n_in > 2 ? t->in[2] : NULL, *zw = t->n_in > 3 ? t->in[3] : NULL;
    struct ms_conv c;
    int64_t p[3];

    ms_conv_of(&c, t);
    for (size_t u = t->first; u < t->last && !ms_task_stopped(t); u++) {
        int64_t n = (int64_t)u / c.oc, o = (int64_t)u % c.oc;
        size_t x = (size_t)((n * c.ic + o / c.ocg * c.icg) * c.in_px);
        size_t w = (size_t)(o * c.icg * c.taps);
        int32_t z = ms_quant_at(zw, zw && ms_tensor_count(zw) > 1 ? (size_t)o : 0);
        uint32_t *y = (uint32_t *)c.y + u * (size_t)c.out_px;
        for (p[0] = 0; p[0] < c.w.out[0]; p[0]++)
            for (p[1] = 0; p[1] < c.w.out[1]; p[1]++)
                for (p[2] = 0; p[2] < c.w.out[2]; p[2]++)
                    *y++ = ms_conv_integer_dot(&c, t, x, w, ms_quant_at(zx, 0), z, p);
    }
}

#define BYTES (MS_BIT(I8) | MS_BIT(U8))

static double cost(const struct ms_node *n, const struct ms_fact *in, const struct ms_fact *out)
{
    const struct ms_shape *w = &in[1].shape, *y = &out[0].shape;

    (void)n;
    return 2.0 * (double)ms_shape_span(w, 1, w->rank) * (double)ms_shape_span(y, 0, y->rank);
}

#define PACKED(isa_, s_, ...)                                                                      \
    {                                                                                              \
        .name = "conv_integer_" #s_, .dtypes = BYTES, .isa = isa_,                                 \
        .prepare = ms_conv_integer_prepare_##s_, .units = ms_conv_integer_units,                   \
        .scratch = ms_conv_integer_scratch_##s_, .run = ms_conv_integer_##s_, __VA_ARGS__          \
    }

MS_OP(conv_integer) = {
    .name = "ConvInteger",
    .doc = "convolution of 8-bit tensors less their zero points",
    .min_in = 2,
    .max_in = 4,
    .min_out = 1,
    .max_out = 1,
    .in = {BYTES},
    .attrs = attrs,
    .infer = infer,
    .cost = cost,
    .kernels =
        (const struct ms_kernel[]){
            MS_CONV_INTEGER_DIRECT_VNNI(conv_integer),
            PACKED(MS_ISA_AVX512, vnni, .applicable = ms_matmul_integer_vnni_applicable),
            MS_CONV_INTEGER_DIRECT_AVX2(conv_integer),
            PACKED(MS_ISA_AVX2, avxvnni, .applicable = ms_matmul_integer_avxvnni_applicable,
                   .rate = 120),
            PACKED(MS_ISA_AVX2, avx2, .rate = 60),
            PACKED(MS_ISA_ANY, plain, .rate = 4),
            {.name = "conv_integer", .dtypes = BYTES, .units = units, .run = run},
            {0},
        },
};
