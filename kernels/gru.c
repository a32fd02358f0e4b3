/* SPDX-License-Identifier: Apache-2.0 */
/* gru.c - GRU: gated recurrent units, one or two directions, lengths by item. */
#include "kernels/recurrent_fast.h"
#include "kernels/wide.h"

static const char *const usual[] = {"Sigmoid", "Tanh"};

static const struct ms_attr_spec attrs[] = {
    MS_RECURRENT_ATTRS,
    {.name = "linear_before_reset",
     .type = MS_ATTR_INT,
     .min = 0,
     .max = 1,
     .doc = "1: the reset gate acts behind the product"},
    {0},
};

static ms_code check(const struct ms_node *n, struct ms_err *err)
{
    return ms_recurrent_check(n, 2, err);
}

static ms_code infer(struct ms_infer *c)
{
    return ms_recurrent_infer(c, 3, -1, -1);
}

/* Gates come as update, reset, hidden. */
static void cell(const struct ms_recurrent_step *s)
{
    size_t n = s->r->hidden;
    const double *x = s->gx, *w = s->rw + 2 * n * n;
    double *h = s->gh;

    for (size_t i = 0; i < n; i++) {
        h[i] = ms_recurrent_act(s, 0, x[i] + h[i]);
        h[n + i] = ms_recurrent_act(s, 0, x[n + i] + h[n + i]);
    }
    for (size_t i = 0; i < n; i++) {
        double sum = 0;
        if (s->r->flag) {
            sum = h[n + i] * h[2 * n + i];
        } else {
            for (size_t k = 0; k < n; k++)
                sum += w[i * n + k] * h[n + k] * s->h[k];
            sum += s->rb ? s->rb[2 * n + i] : 0;
        }
        h[2 * n + i] = ms_recurrent_act(s, 1, x[2 * n + i] + sum);
    }
    for (size_t i = 0; i < n; i++)
        s->h[i] = (1 - h[i]) * h[2 * n + i] + h[i] * s->h[i];
}

/* The same for the packed product: first the gates, then the new state. */
static void item(const struct ms_recurrent_item *it, bool second)
{
    size_t n = it->r->hidden;
    float *update = it->gh, *reset = update + n, *fresh = reset + n;

    if (!second) {
        for (size_t i = 0; i < 2 * n; i++)
            update[i] += it->gx[i];
        ms_recurrent_act_row(it, 0, update, 2 * n);
        for (size_t i = 0; i < n; i++)
            it->rh[i] = reset[i] * it->h[i];
        return;
    }
    for (size_t i = 0; i < n; i++)
        fresh[i] = it->gx[2 * n + i] + (it->r->flag ? reset[i] * fresh[i] : fresh[i]);
    ms_recurrent_act_row(it, 1, fresh, n);
    for (size_t i = 0; i < n; i++)
        it->h[i] = (1 - update[i]) * fresh[i] + update[i] * it->h[i];
}

static void run_isa(const struct ms_task *t, enum ms_isa isa)
{
    struct ms_recurrent r;

    ms_recurrent_of(&r, t, 3, usual, 2, "linear_before_reset");
    ms_recurrent_fast(t, &r, -1, -1, item, isa);
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

    ms_recurrent_of(&r, t, 3, usual, 2, "linear_before_reset");
    ms_recurrent_ref(t, &r, -1, -1, cell);
}

static size_t scratch(const struct ms_task *t)
{
    return ms_recurrent_ref_scratch(t, 3);
}

static void run(const struct ms_task *t)
{
    ms_wide_run(t, walk);
}

MS_OP(gru) = {
    .name = "GRU",
    .doc = "gated recurrent unit over a sequence",
    .min_in = 3,
    .max_in = 6,
    .min_out = 1,
    .max_out = 2,
    .in = {MS_FLOATS, MS_FLOATS, MS_FLOATS, MS_FLOATS, MS_BIT(I32) | MS_BIT(I64), MS_FLOATS},
    .attrs = attrs,
    .check = check,
    .infer = infer,
    .cost = ms_recurrent_cost,
    .kernels =
        (const struct ms_kernel[]){
            MS_RECURRENT_FAST("gru", run),
            {.name = "gru", .dtypes = MS_FLOATS, .scratch = scratch, .run = run},
            {0},
        },
};
