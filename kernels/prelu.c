/* SPDX-License-Identifier: Apache-2.0 */
/* prelu.c - PRelu: x < 0 ? slope x : x, the slope broadcast to x's shape. */
#include "kernels/act.h"
#include "kernels/blocked.h"
#include "kernels/wide.h"

static ms_code infer(struct ms_infer *c)
{
    struct ms_shape y;
    const struct ms_shape *x = &c->in[0].shape, *s = &c->in[1].shape;

    MS_TRY(ms_infer_one_dtype(c, 2));
    MS_TRY(ms_infer_same(c));
    if (x->rank < 0 || s->rank < 0)
        return MS_OK;
    bool fits = s->rank <= x->rank && ms_shape_broadcast(x, s, c->syms, &y);
    for (int i = 0; fits && i < s->rank; i++)
        fits = s->dim[i] < 0 || x->dim[i + x->rank - s->rank] < 0 || s->dim[i] == 1 ||
               s->dim[i] == x->dim[i + x->rank - s->rank];
    return fits ? MS_OK
                : ms_fail(c->err, MS_INVALID_ARGUMENT, "the slope does not broadcast to the input");
}

/* Element of the slope that belongs to element i of x. */
static size_t slope_index(const struct ms_shape *x, const struct ms_shape *s, size_t i)
{
    size_t at = 0, step = 1;

    for (int d = x->rank - 1; d >= 0; d--) {
        int k = d - (x->rank - s->rank);
        if (k < 0)
            break;
        at += s->dim[k] == 1 ? 0 : i % (size_t)x->dim[d] * step;
        step *= (size_t)s->dim[k];
        i /= (size_t)x->dim[d];
    }
    return at;
}

/* Longest run of x that one slope serves. */
static size_t run_length(const struct ms_shape *x, const struct ms_shape *s)
{
    size_t n = 1;

    for (int d = x->rank - 1; d >= 0; d--) {
        int k = d - (x->rank - s->rank);
        if (k >= 0 && s->dim[k] != 1)
            break;
        n *= (size_t)x->dim[d];
    }
    return n ? n : 1;
}

static void prelu(const struct ms_task *t)
{
    const double *x = t->in[0]->data, *s = t->in[1]->data;
    double *y = t->out[0]->data;

    for (size_t i = 0; i < ms_tensor_count(t->in[0]); i++)
        y[i] = x[i] < 0 ? s[slope_index(&t->in[0]->shape, &t->in[1]->shape, i)] * x[i] : x[i];
}

static void run(const struct ms_task *t)
{
    ms_wide_run(t, prelu);
}

static size_t one_unit(const struct ms_task *t)
{
    (void)t;
    return 1;
}

/* By runs of one slope (a channel), which are LeakyRelu. */
static void run_isa(const struct ms_task *t, enum ms_isa isa)
{
    const struct ms_shape *xs = &t->in[0]->shape, *ss = &t->in[1]->shape;
    const float *x = t->in[0]->data, *s = t->in[1]->data;
    float *y = t->out[0]->data;
    size_t len = run_length(xs, ss);
    ms_act_row_fn leaky = ms_act_find("LeakyRelu")->row[isa];

    for (size_t i = t->first; i < t->last;) {
        size_t end = i - i % len + len;
        end = end < t->last ? end : t->last;
        leaky(x + i, y + i, end - i, s[slope_index(xs, ss, i)], 0);
        i = end;
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

/* ---- channel-blocked ---- */

/* One slope, or one a channel; it keeps zero zero. */
static unsigned blocked(const struct ms_node *n)
{
    const struct ms_value *x = ms_in(n, 0);
    const struct ms_tensor *s = ms_in_const(n, 1);

    if (!ms_blockable(x) || !s)
        return 0;
    const int channel = 1 - (x->shape.rank - s->shape.rank);
    const size_t count = ms_tensor_count(s);
    return count == 1 || (channel >= 0 && s->shape.dim[channel] == x->shape.dim[1] &&
                          count == (size_t)x->shape.dim[1])
               ? MS_BLOCKED_OUT | MS_BLOCKED_IN(0)
               : 0;
}

static void blocks(const struct ms_task *t, const struct ms_blocked_fns *f)
{
    const struct ms_tensor *x = t->in[0];
    const size_t b = f->lanes, px = ms_pixels(x), n = ms_blocks(x);
    const float *s = t->in[1]->data;
    float slope[16] = {0};

    for (size_t u = t->first; u < t->last && !ms_task_stopped(t); u++) {
        for (size_t l = 0; l < ms_block_lanes(x, u % n); l++)
            slope[l] = s[ms_tensor_count(t->in[1]) == 1 ? 0 : u % n * b + l];
        f->leaky((const float *)x->data + u * px * b, slope, (float *)t->out[0]->data + u * px * b,
                 px);
    }
}

MS_BLOCKED_RUNS(blocks)

MS_OP(prelu) = {
    .name = "PRelu",
    .doc = "x < 0 ? slope x : x",
    .min_in = 2,
    .max_in = 2,
    .min_out = 1,
    .max_out = 1,
    .in = {MS_FLOATS},
    .traits = MS_ELEMENTWISE | MS_INPLACE,
    .infer = infer,
    .blocked = blocked,
    .kernels =
        (const struct ms_kernel[]){
            MS_BLOCKED_KERNELS("prelu", ms_blocked_units, blocks, ),
            {.name = "prelu_avx512",
             .dtypes = MS_BIT(F32),
             .isa = MS_ISA_AVX512,
             .run = run_avx512},
            {.name = "prelu_avx2", .dtypes = MS_BIT(F32), .isa = MS_ISA_AVX2, .run = run_avx2},
            {.name = "prelu",
             .dtypes = MS_FLOATS,
             .units = one_unit,
             .scratch = ms_wide_scratch,
             .run = run},
            {0},
        },
};
