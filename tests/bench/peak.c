/* SPDX-License-Identifier: Apache-2.0 */
/* peak.c - see peak.h. Twelve chains hide the latency of four cycles on two ports. The assembly
 * keeps them in registers and keeps compilers from guessing the result. */
#include "tests/bench/peak.h"

#include <immintrin.h>
#include <math.h>

#include "base/clock.h"
#include "base/cpu.h"
#include "kernels/vec.h"

enum { ROUNDS = 20000, CHAINS = 12 };

#define EACH(X) X(0) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9) X(10) X(11)
#define STEP(i_) __asm__ volatile("vfmadd213ps %2, %1, %0" : "+v"(a##i_) : "v"(x), "v"(y));
#define PEAK(name_, target_, type_, set_)                                                          \
    target_ static double name_(void)                                                              \
    {                                                                                              \
        const type_ x = set_(0.999f), y = set_(0.001f);                                            \
        type_ a0 = x, a1 = x, a2 = x, a3 = x, a4 = x, a5 = x, a6 = x, a7 = x, a8 = x, a9 = x,      \
              a10 = x, a11 = x;                                                                    \
        const int64_t start = ms_now();                                                            \
        for (int k = 0; k < ROUNDS; k++) {                                                         \
            EACH(STEP)                                                                             \
        }                                                                                          \
        const double ns = (double)(ms_now() - start);                                              \
        return (double)ROUNDS * CHAINS * 2 * (sizeof(type_) / sizeof(float)) / ns;                 \
    }
PEAK(peak_avx512, MS_TARGET_AVX512, __m512, _mm512_set1_ps)
PEAK(peak_avx2, MS_TARGET_AVX2, __m256, _mm256_set1_ps)

double bench_peak(void)
{
    const enum ms_isa isa = ms_cpu()->isa;
    double best = 0;

    for (int i = 0; i < 10 && isa != MS_ISA_ANY; i++)
        best = fmax(best, isa == MS_ISA_AVX512 ? peak_avx512() : peak_avx2());
    return best;
}
