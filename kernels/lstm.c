/* SPDX-License-Identifier: Apache-2.0 */
/* lstm.c - LSTM: long short-term memory, one or two directions, peepholes, lengths by
 * item. */
#include "kernels/recurrent_fast.h"
#include "kernels/wide.h"

static const char *const usual[] = {"Sigmoid", "Tanh", "Tanh"};

static const struct ms_attr_spec attrs[] = {
    MS_RECURRENT_ATTRS,
    {.name = "input_forget",
     .type = MS_ATTR_INT,
     .min = 0,
     .max = 1,
     .doc = "1: the forget gate is 1 - the input gate"},
    {0},
};

static ms_code check(const struct ms_node *n, struct ms_err *err)
{
    return ms_recurrent_check(n, 3, err);
}

static ms_code infer(struct ms_infer *c)
{
    return ms_recurrent_infer(c, 4, 6, 7);
}

/* Gates come as input, output, forget, cell; peepholes as input, output, forget. */
static void cell(const struct ms_recurrent_step *s)
{
    size_t n = s->r->hidden;
    const double *x = s->gx, *h = s->gh, *p = s->p;

    for (size_t i = 0; i < n; i++) {
        double c = s->c[i];
        double in = ms_recurrent_act(s, 0, x[i] + h[i] + (p ? p[i] * c : 0));
        double forget =
            ms_recurrent_act(s, 0, x[2 * n + i] + h[2 * n + i] + (p ? p[2 * n + i] * c : 0));
        double fresh = ms_recurrent_act(s, 1, x[3 * n + i] + h[3 * n + i]);
        c = (s->r->flag ? 1 - in : forget) * c + in * fresh;
        double out = ms_recurrent_act(s, 0, x[n + i] + h[n + i] + (p ? p[n + i] * c : 0));
        s->c[i] = c;
        s->h[i] = out * ms_act_ref(&s->r->act[s->dir * s->r->acts + 2], c);
    }
}

/* The same for the packed product. */
static void item(const struct ms_recurrent_item *it, bool second)
{
    size_t n = it->r->hidden;
    float *in = it->gh, *out = in + n, *forget = out + n, *fresh = forget + n;
    const float *p = it->p;

    (void)second;
    for (size_t i = 0; i < 4 * n; i++)
        in[i] += it->gx[i];
    for (size_t i = 0; p && i < n; i++) {
        in[i] += p[i] * it->c[i];
        forget[i] += p[2 * n + i] * it->c[i];
    }
    ms_recurrent_act_row(it, 0, in, n);
    ms_recurrent_act_row(it, 0, forget, n);
    ms_recurrent_act_row(it, 1, fresh, n);
    for (size_t i = 0; i < n; i++) {
        float keep = it->r->flag ? 1 - in[i] : forget[i];
        it->c[i] = keep * it->c[i] + in[i] * fresh[i];
        out[i] += p ? p[n + i] * it->c[i] : 0;
    }
    ms_recurrent_act_row(it, 0, out, n);
    it->act[2].row(it->c, it->h, n, it->act[2].a, it->act[2].b);
    for (size_t i = 0; i < n; i++)
        it->h[i] *= out[i];
}

static void run_isa(const struct ms_task *t, enum ms_isa isa)
{
    struct ms_recurrent r;

    ms_recurrent_of(&r, t, 4, usual, 3, "input_forget");
    ms_recurrent_fast(t, &r, 6, 7, item, isa);
}

static void run_avx512(const struct ms_task *t)
{
    run_isa(t, MS_ISA_AVX512);
}

static void run_avx2(const struct ms_task *t)
{
    run_isa(t, MS_ISA_AVX2);
}

static void walk(const struct ms_task *t)
{
    struct ms_recurrent r;

    ms_recurrent_of(&r, t, 4, usual, 3, "input_forget");
    ms_recurrent_ref(t, &r, 6, 7, cell);
}

static size_t scratch(const struct ms_task *t)
{
    return ms_recurrent_ref_scratch(t, 4);
}

static void run(const struct ms_task *t)
{
    ms_wide_run(t, walk);
}

MS_OP(lstm) = {
    .name = "LSTM",
    .doc = "long short-term memory over a sequence",
    .min_in = 3,
    .max_in = 8,
    .min_out = 1,
    .max_out = 3,
    .in = {MS_FLOATS, MS_FLOATS, MS_FLOATS, MS_FLOATS, MS_BIT(I32) | MS_BIT(I64), MS_FLOATS},
    .attrs = attrs,
    .check = check,
    .infer = infer,
    .cost = ms_recurrent_cost,
    .kernels =
        (const struct ms_kernel[]){
            MS_RECURRENT_FAST("lstm", run),
            {.name = "lstm", .dtypes = MS_FLOATS, .scratch = scratch, .run = run},
            {0},
        },
};
