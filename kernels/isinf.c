/* SPDX-License-Identifier: Apache-2.0 */
/* isinf.c - y = x is an infinity (of the signs asked for), as bool. */
#include "kernels/elementwise.h"

MS_TEST1(both_f32, , float, float, fabsf(x) == INFINITY)
MS_ROWS_F64(MS_TEST1, both, fabs(x) == INFINITY)
MS_TEST1(pos_f32, , float, float, x == INFINITY)
MS_ROWS_F64(MS_TEST1, pos, x == INFINITY)
MS_TEST1(neg_f32, , float, float, x == -INFINITY)
MS_ROWS_F64(MS_TEST1, neg, x == -INFINITY)
MS_TEST1(none_f32, , float, float, x != x && x == x)
MS_ROWS_F64(MS_TEST1, none, x != x && x == x)

/* By detect_negative, then detect_positive. */
static const ms_unary_row rows[2][2][MS_N_DTYPES] = {
    {{MS_HAS_FLOAT(none)}, {MS_HAS_FLOAT(pos)}},
    {{MS_HAS_FLOAT(neg)}, {MS_HAS_FLOAT(both)}},
};

static void run(const struct ms_task *t)
{
    ms_unary_run(
        t, rows[ms_attr_int(t->node, "detect_negative")][ms_attr_int(t->node, "detect_positive")]);
}

static ms_code infer(struct ms_infer *c)
{
    c->out[0].dtype = MS_BOOL;
    c->out[0].shape = c->in[0].shape;
    return MS_OK;
}

static const struct ms_attr_spec attrs[] = {
    {.name = "detect_negative", .type = MS_ATTR_INT, .i = 1, .min = 0, .max = 1},
    {.name = "detect_positive", .type = MS_ATTR_INT, .i = 1, .min = 0, .max = 1},
    {0},
};

MS_OP(isinf) = {
    .name = "IsInf",
    .doc = "true where x is an infinity",
    .min_in = 1,
    .max_in = 1,
    .min_out = 1,
    .max_out = 1,
    .in = {MS_FLOATS},
    .traits = MS_ELEMENTWISE,
    .attrs = attrs,
    .infer = infer,
    .kernels = (const struct ms_kernel[]){{"isinf", MS_FLOATS, MS_ISA_ANY, .run = run}, {0}},
};
