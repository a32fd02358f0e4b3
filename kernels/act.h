/* SPDX-License-Identifier: Apache-2.0 */
/* act.h - activation functions: one definition each for the operators of that name and for the
 * tails of Conv, Gemm, MatMul and the recurrent operators that have them fused in.
 *
 * A row of ms_acts names a function of x and two parameters a, b (their meaning is in the table).
 */
#ifndef MS_KERNELS_ACT_H
#define MS_KERNELS_ACT_H

#include "ir/op.h"
#include "kernels/vec_avx2.h"
#include "kernels/act_math.inc"
#include "kernels/vec_avx512.h"
#include "kernels/act_math.inc"

typedef void (*ms_act_row_fn)(const float *x, float *y, size_t n, float a, float b);

struct ms_act_fn {
    const char *name; /* as in the attribute `activation` */
    double (*ref)(double x, double a, double b);
    ms_act_row_fn row[3]; /* by enum ms_isa; x == y allowed */
    bool clamp;           /* it is min(max(x, lo), hi): Relu, Clip */
    double a, b;          /* defaults where an operator names no others */
};

/* The function of that name ("Relu"); NULL for "" and for unknown names. Case matters. */
const struct ms_act_fn *ms_act_find(const char *name);

/* An activation with its parameters, ready to be applied. fn NULL = none. */
struct ms_act {
    const struct ms_act_fn *fn;
    ms_act_row_fn row; /* for the ISA asked for */
    float a, b;
    float lo, hi; /* clamp before everything else: -inf, inf unless fn->clamp */
    bool more;    /* row must be called after the clamp */
};

/* What a node's attributes activation, act_a and act_b say. */
struct ms_act ms_act_of_node(const struct ms_node *n, enum ms_isa isa);
struct ms_act ms_act_make(const char *name, double a, double b, enum ms_isa isa);
/* y = act(y) on n values already clamped or not. */
void ms_act_apply(const struct ms_act *act, float *y, size_t n);
double ms_act_ref(const struct ms_act *act, double x);

/* The attribute rows of operators that take a fused activation. */
#define MS_ACT_CHOICES "|Relu|Clip|LeakyRelu|HardSwish|HardSigmoid|Sigmoid|Tanh|Swish|Gelu"
#define MS_ACT_ATTRS                                                                               \
    {.name = "activation",                                                                         \
     .type = MS_ATTR_STRING,                                                                       \
     .s = "",                                                                                      \
     .choices = MS_ACT_CHOICES,                                                                    \
     .doc = "function applied to the result"},                                                     \
        {.name = "act_a",                                                                          \
         .type = MS_ATTR_FLOAT,                                                                    \
         .doc = "its first parameter (Clip: lower bound)"},                                        \
    {                                                                                              \
        .name = "act_b", .type = MS_ATTR_FLOAT, .doc = "its second parameter (Clip: upper bound)"  \
    }

/* Runs an elementwise activation operator: units are elements, any float dtype for isa ANY, f32 for
 * the others. */
void ms_act_run(const struct ms_task *t, const char *name, double a, double b, enum ms_isa isa);

/* The kernel list of an activation operator whose run functions are run_avx512, run_avx2 and run.
 */
#define MS_ACT_KERNELS(name_)                                                                      \
    (const struct ms_kernel[])                                                                     \
    {                                                                                              \
        {.name = name_ "_avx512", .dtypes = MS_BIT(F32), .isa = MS_ISA_AVX512, .run = run_avx512}, \
            {.name = name_ "_avx2", .dtypes = MS_BIT(F32), .isa = MS_ISA_AVX2, .run = run_avx2},   \
            {.name = name_, .dtypes = MS_FLOATS, .run = run},                                      \
        {                                                                                          \
            0                                                                                      \
        }                                                                                          \
    }

/* Defines those three for an operator: act_ is the function's name, a_ and b_ expressions of node
 * n. */
#define MS_ACT_RUNS(act_, a_, b_)                                                                  \
    static void run_isa(const struct ms_task *t, enum ms_isa isa)                                  \
    {                                                                                              \
        const struct ms_node *n = t->node;                                                         \
        (void)n;                                                                                   \
        ms_act_run(t, act_, (a_), (b_), isa);                                                      \
    }                                                                                              \
    static void run(const struct ms_task *t)                                                       \
    {                                                                                              \
        run_isa(t, MS_ISA_ANY);                                                                    \
    }                                                                                              \
    static void run_avx2(const struct ms_task *t)                                                  \
    {                                                                                              \
        run_isa(t, MS_ISA_AVX2);                                                                   \
    }                                                                                              \
    static void run_avx512(const struct ms_task *t)                                                \
    {                                                                                              \
        run_isa(t, MS_ISA_AVX512);                                                                 \
    }

#endif
