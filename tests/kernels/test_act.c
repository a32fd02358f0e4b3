/* SPDX-License-Identifier: Apache-2.0 */
/* test_act.c - error of the vector activation functions over all magnitudes, in units in the last
 * place of the result, against the double functions; NaN, infinities and zeros. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "kernels/act.h"
#include "tests/kernels/harness.h"

enum { BLOCK = 512, STEP = 2053 /* bit patterns left out between two samples */ };

/* Largest error allowed, in ulp, where |x| is below a bound; beyond it, or where the result
 * cancels, the error may be `tiny` in absolute terms. */
static const struct bound {
    const char *name;
    double ulp, tiny;
} bounds[] = {
    {"Celu", 4, 1e-38},       {"Clip", 0, 0},
    {"Elu", 3, 1e-38},        {"Erf", 4, 1e-38},
    {"Exp", 2, 2e-45},        {"Gelu", 20, 1e-10},
    {"GeluTanh", 120, 1e-30}, {"HardSigmoid", 1, 6e-8},
    {"HardSwish", 4, 2e-7},   {"LeakyRelu", 1, 1e-38},
    {"Log", 2, 1e-38},        {"Mish", 5, 1e-37},
    {"Relu", 0, 0},           {"Selu", 4, 1e-38},
    {"Sigmoid", 4, 1e-37},    {"Softplus", 3, 1e-38},
    {"Softsign", 2, 1e-38},   {"Swish", 4, 1e-36},
    {"Tanh", 4, 1e-38},       {"ThresholdedRelu", 0, 0},
};

static double ulp_of(double y)
{
    int e;

    if (!isfinite(y))
        return 0x1p-149;
    frexp(y, &e);
    return ldexp(1, e - 24 > -149 ? e - 24 : -149);
}

/* Checks one block; returns the worst error in ulp. */
static double check_block(const struct ms_act_fn *fn, enum ms_isa isa, const struct bound *b,
                          const float *x, size_t n, int *failed)
{
    float y[BLOCK];
    double worst = 0;

    fn->row[isa](x, y, n, (float)fn->a, (float)fn->b);
    for (size_t i = 0; i < n; i++) {
        double r = fn->ref((double)x[i], (double)(float)fn->a, (double)(float)fn->b);
        float rounded = (float)r;
        if (isnan(r) ? isnan(y[i]) : y[i] == rounded)
            continue;
        double e = fabs((double)y[i] - r);
        if (isnan(r) || isinf(rounded) || !isfinite(y[i]) || e > b->ulp * ulp_of(r) + b->tiny) {
            /* one step off infinity is as good as one ulp */
            if (isinf(rounded) && fabsf(y[i]) >= 0x1.fffff0p127f)
                continue;
            if (++*failed <= 5)
                printf("FAIL %s %s(%.9g) is %.9g, not %.9g\n", ms_isa_name(isa), fn->name,
                       (double)x[i], (double)y[i], r);
        } else if (e > b->tiny && e / ulp_of(r) > worst) {
            worst = e / ulp_of(r);
        }
    }
    return worst;
}

int kt_check_acts(bool verbose)
{
    int failed = 0;

    for (size_t k = 0; k < sizeof bounds / sizeof *bounds; k++)
        for (enum ms_isa isa = MS_ISA_AVX2; isa <= ms_cpu()->isa; isa++) {
            const struct ms_act_fn *fn = ms_act_find(bounds[k].name);
            double worst = 0;
            uint64_t bits = 0;
            while (bits <= UINT32_MAX) {
                float x[BLOCK];
                size_t n = 0;
                for (; n < BLOCK && bits <= UINT32_MAX; n++, bits += STEP) {
                    uint32_t u = (uint32_t)bits;
                    memcpy(&x[n], &u, sizeof u);
                }
                double w = check_block(fn, isa, &bounds[k], x, n, &failed);
                worst = w > worst ? w : worst;
            }
            static const float special[] = {0.0f, -0.0f, __builtin_inff(), 1.0f, -1.0f};
            check_block(fn, isa, &bounds[k], special, 5, &failed);
            if (verbose)
                printf("%s %s: %.2f ulp\n", ms_isa_name(isa), fn->name, worst);
        }
    return failed;
}
