/* SPDX-License-Identifier: Apache-2.0 */
/* rnn.c - RNN: the simple recurrent layer, one or two directions, lengths by item. */
#include "kernels/recurrent_fast.h"
#include "kernels/wide.h"

static const char *const usual[] = {"Tanh"};

static const struct ms_attr_spec attrs[] = {
    MS_RECURRENT_ATTRS,
    {0},
};

static ms_code check(const struct ms_node *n, struct ms_err *err)
{
    return ms_recurrent_check(n, 1, err);
}

static ms_code infer(struct ms_infer *c)
{
    return ms_recurrent_infer(c, 1, -1, -1);
}

static void cell(const struct ms_recurrent_step *s)
{
    for (size_t i = 0; i < s->r->hidden; i++)
        s->h[i] = ms_recurrent_act(s, 0, s->gx[i] + s->gh[i]);
}

/* The same for the packed product. */
static void item(const struct ms_recurrent_item *it, bool second)
{
    (void)second;
    for (size_t i = 0; i < it->r->hidden; i++)
        it->h[i] = it->gh[i] + it->gx[i];
    ms_recurrent_act_row(it, 0, it->h, it->r->hidden);
}

static void run_isa(const struct ms_task *t, enum ms_isa isa)
{
    struct ms_recurrent r;

    ms_recurrent_of(&r, t, 1, usual, 1, NULL);
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

    ms_recurrent_of(&r, t, 1, usual, 1, NULL);
    ms_recurrent_ref(t, &r, -1, -1, cell);
}

static size_t scratch(const struct ms_task *t)
{
    return ms_recurrent_ref_scratch(t, 1);
}

static void run(const struct ms_task *t)
{
    ms_wide_run(t, walk);
}

MS_OP(rnn) = {
    .name = "RNN",
    .doc = "h = f(W x + R h + b) over a sequence",
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
            MS_RECURRENT_FAST("rnn", run),
            {.name = "rnn", .dtypes = MS_FLOATS, .scratch = scratch, .run = run},
            {0},
        },
};
