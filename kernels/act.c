/* SPDX-License-Identifier: Apache-2.0 */
/* act.c - the table of activation functions and the loops over it. */
#include "kernels/act.h"

#include <math.h>

/* ---- in double, as the standard writes them ---- */

#define REF(name_, expr_)                                                                          \
    static double ref_##name_(double x, double a, double b)                                        \
    {                                                                                              \
        (void)a, (void)b;                                                                          \
        return expr_;                                                                              \
    }

/* max and min that let NaN pass */
static double max2(double a, double x)
{
    return x < a ? a : x;
}
static double min2(double a, double x)
{
    return x > a ? a : x;
}

REF(Affine, a *x + b)
REF(Celu, max2(0, x) + min2(0, a *expm1(x / a)))
REF(Clip, min2(b, max2(a, x)))
REF(Elu, x < 0 ? a * expm1(x) : x)
REF(Erf, erf(x))
REF(Exp, exp(x))
REF(Gelu, 0.5 * x * erfc(-x * M_SQRT1_2))
/* x/2 (1 + tanh y) without cancellation where tanh y is near -1 */
REF(GeluTanh, x / (1 + exp(-2 * sqrt(2 / M_PI) * (x + 0.044715 * x * x * x))))
REF(HardSigmoid, max2(0, min2(1, a *x + b)))
REF(HardSwish, x *max2(0, min2(1, x / 6 + 0.5)))
REF(LeakyRelu, x < 0 ? a * x : x)
REF(Log, log(x))
REF(Mish, x *tanh(max2(0, x) + log1p(exp(-fabs(x)))))
REF(Relu, max2(0, x))
REF(ScaledTanh, a *tanh(b *x))
REF(Selu, b *(x > 0 ? x : a * expm1(x)))
REF(Sigmoid, 1 / (1 + exp(-x)))
REF(Softplus, max2(0, x) + log1p(exp(-fabs(x))))
REF(Softsign, x / (1 + fabs(x)))
REF(Swish, x / (1 + exp(-a * x)))
REF(Tanh, tanh(x))
REF(ThresholdedRelu, x > a ? x : 0)

/* ---- vectors ---- */

#include "kernels/vec_avx2.h"
#include "kernels/act_rows.inc"
#include "kernels/vec_avx512.h"
#include "kernels/act_rows.inc"

/* Plain C: through the double functions. */
#define ROW_ANY(name_)                                                                             \
    static void row_##name_(const float *x, float *y, size_t n, float a, float b)                  \
    {                                                                                              \
        for (size_t i = 0; i < n; i++)                                                             \
            y[i] = (float)ref_##name_((double)x[i], (double)a, (double)b);                         \
    }

/* name, clamp?, default a, default b */
#define ACTS(X)                                                                                    \
    X(Affine, false, 1, 0)                                                                         \
    X(Celu, false, 1, 0)                                                                           \
    X(Clip, true, -HUGE_VAL, HUGE_VAL)                                                             \
    X(Elu, false, 1, 0)                                                                            \
    X(Erf, false, 0, 0)                                                                            \
    X(Exp, false, 0, 0)                                                                            \
    X(Gelu, false, 0, 0)                                                                           \
    X(GeluTanh, false, 0, 0)                                                                       \
    X(HardSigmoid, false, 0.2, 0.5)                                                                \
    X(HardSwish, false, 0, 0)                                                                      \
    X(LeakyRelu, false, 0.01, 0)                                                                   \
    X(Log, false, 0, 0)                                                                            \
    X(Mish, false, 0, 0)                                                                           \
    X(Relu, true, 0, 0)                                                                            \
    X(ScaledTanh, false, 1, 1)                                                                     \
    X(Selu, false, 1.67326319217681884765625, 1.05070102214813232421875)                           \
    X(Sigmoid, false, 0, 0)                                                                        \
    X(Softplus, false, 0, 0)                                                                       \
    X(Softsign, false, 0, 0)                                                                       \
    X(Swish, false, 1, 0)                                                                          \
    X(Tanh, false, 0, 0)                                                                           \
    X(ThresholdedRelu, false, 1, 0)

#define X(name_, clamp_, a_, b_) ROW_ANY(name_)
ACTS(X)
#undef X

static const struct ms_act_fn acts[] = {
#define X(name_, clamp_, a_, b_)                                                                   \
    {#name_, ref_##name_, {row_##name_, v8_row_##name_, v16_row_##name_}, clamp_, a_, b_},
    ACTS(X)
#undef X
};

const struct ms_act_fn *ms_act_find(const char *name)
{
    for (size_t i = 0; *name && i < sizeof acts / sizeof *acts; i++)
        if (acts[i].name[0] == name[0] && strcmp(acts[i].name, name) == 0)
            return &acts[i];
    return NULL;
}

static struct ms_act make(const struct ms_act_fn *fn, double a, double b, enum ms_isa isa)
{
    struct ms_act act = {.fn = fn, .a = (float)a, .b = (float)b, .lo = -HUGE_VALF, .hi = HUGE_VALF};

    if (!fn)
        return act;
    act.row = fn->row[isa];
    if (fn->clamp) {
        bool relu = strcmp(fn->name, "Relu") == 0;
        act.lo = relu ? 0.0f : (float)a;
        act.hi = relu ? HUGE_VALF : (float)b;
    } else {
        act.more = true;
    }
    return act;
}

struct ms_act ms_act_make(const char *name, double a, double b, enum ms_isa isa)
{
    return make(ms_act_find(name), a, b, isa);
}

/* Kernels ask in every run: a name is looked for once. */
struct ms_act ms_act_of_node(const struct ms_node *n, enum ms_isa isa)
{
    const struct ms_act_fn *fn = ms_act_find(ms_attr_str(n, "activation"));
    double a = ms_attr_float(n, "act_a"), b = ms_attr_float(n, "act_b");

    if (fn && !ms_attr_get(n, "act_a"))
        a = fn->a;
    if (fn && !ms_attr_get(n, "act_b"))
        b = fn->b;
    return make(fn, a, b, isa);
}

void ms_act_apply(const struct ms_act *act, float *y, size_t n)
{
    if (act->fn)
        act->row(y, y, n, act->a, act->b);
}

double ms_act_ref(const struct ms_act *act, double x)
{
    return act->fn ? act->fn->ref(x, (double)act->a, (double)act->b) : x;
}

/* ---- operators ---- */

static void run_any(const struct ms_task *t, const struct ms_act_fn *fn, double a, double b)
{
    const void *x = t->in[0]->data;
    void *y = t->out[0]->data;

    for (size_t i = t->first; i < t->last; i++) {
        switch (t->in[0]->dtype) {
        case MS_F64:
            ((double *)y)[i] = fn->ref(((const double *)x)[i], a, b);
            break;
        case MS_F16:
            ((uint16_t *)y)[i] = ms_f32_to_f16(
                (float)fn->ref((double)ms_f16_to_f32(((const uint16_t *)x)[i]), a, b));
            break;
        case MS_BF16:
            ((uint16_t *)y)[i] = ms_f32_to_bf16(
                (float)fn->ref((double)ms_bf16_to_f32(((const uint16_t *)x)[i]), a, b));
            break;
        default:
            ((float *)y)[i] = (float)fn->ref((double)((const float *)x)[i], a, b);
        }
    }
}

void ms_act_run(const struct ms_task *t, const char *name, double a, double b, enum ms_isa isa)
{
    const struct ms_act_fn *fn = ms_act_find(name);

    if (isa == MS_ISA_ANY) {
        run_any(t, fn, a, b);
        return;
    }
    const float *x = t->in[0]->data;
    float *y = t->out[0]->data;
    fn->row[isa](x + t->first, y + t->first, t->last - t->first, (float)a, (float)b);
}
