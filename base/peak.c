/* SPDX-License-Identifier: Apache-2.0 */
/* peak.c - see peak.h. Twelve chains hide the latency of four cycles on two ports. The assembly
 * keeps them in registers and keeps compilers from guessing the result. Memory is read a word of
 * each line: the lines come whole. */
#include "base/peak.h"

#include <immintrin.h>
#include <math.h>
#include <pthread.h>
#include <stdatomic.h>

#include "base/clock.h"
#include "base/cpu.h"
#include "base/mem.h"

enum { ROUNDS = 20000, CHAINS = 12, TRIES = 10, PASSES = 3, MAX_THREADS = 64 };

/* ---- arithmetic ---- */

#define EACH(X) X(0) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9) X(10) X(11)
#define FUSED(i_) __asm__ volatile("vfmadd213ps %2, %1, %0" : "+v"(a##i_) : "v"(x), "v"(y));
#define APART(i_) __asm__ volatile("mulps %1, %0\n\taddps %2, %0" : "+x"(a##i_) : "x"(x), "x"(y));
#define PEAK(name_, target_, type_, set_, STEP)                                                    \
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
PEAK(peak_avx512, MS_TARGET_AVX512, __m512, _mm512_set1_ps, FUSED)
PEAK(peak_avx2, MS_TARGET_AVX2, __m256, _mm256_set1_ps, FUSED)
PEAK(peak_plain, , __m128, _mm_set1_ps, APART)

double ms_peak_core(void)
{
    const enum ms_isa isa = ms_cpu()->isa;
    double best = 0;

    for (int i = 0; i < TRIES; i++)
        best = fmax(best, isa == MS_ISA_AVX512 ? peak_avx512()
                          : isa == MS_ISA_AVX2 ? peak_avx2()
                                               : peak_plain());
    return best;
}

/* ---- memory ---- */

enum { LINE = 64 / sizeof(uint64_t) }; /* words */

static double read_once(const uint64_t *p, size_t words)
{
    const int64_t start = ms_now();
    uint64_t a = 0, b = 0;

    for (size_t i = 0; i + 2 * LINE <= words; i += (size_t)2 * LINE) {
        a ^= p[i];
        b ^= p[i + LINE];
    }
    __asm__ volatile("" : : "r"(a), "r"(b));
    return (double)(words * sizeof *p) / (double)(ms_now() - start);
}

/* Of all threads: twice the last cache, as far as that is a decent amount to ask for. Caches of
 * hundreds of megabytes are shared with strangers, and hold little of ours. */
static size_t buffer_bytes(void)
{
    const size_t least = (size_t)64 << 20, most = (size_t)256 << 20, want = 2 * ms_cpu()->l3;

    return want < least ? least : want > most ? most : want;
}

/* ---- threads ---- */

struct member {
    pthread_t thread;
    atomic_bool *go; /* all are there: begin together */
    uint64_t *part;
    size_t words;
    struct ms_peak peak;
};

static void *measure(void *arg)
{
    struct member *m = arg;

    while (!atomic_load_explicit(m->go, memory_order_acquire))
        _mm_pause();
    m->peak.gflops = ms_peak_core();
    for (size_t i = 0; i < m->words; i += 512) /* a page at a time: none may be the zero page */
        m->part[i] = i;
    for (int i = 0; i < PASSES && m->words; i++)
        m->peak.gbytes = fmax(m->peak.gbytes, read_once(m->part, m->words));
    return NULL;
}

struct ms_peak ms_peak_of(int threads)
{
    const int most = ms_cpu()->online < MAX_THREADS ? ms_cpu()->online : MAX_THREADS;
    const int n = threads < 1 ? 1 : threads > most ? most : threads;
    const size_t bytes = buffer_bytes(), words = bytes / sizeof(uint64_t) / (size_t)n;
    uint64_t *buffer = ms_aligned_alloc(bytes);
    struct member m[MAX_THREADS];
    struct ms_peak sum = {0};
    atomic_bool go = false;
    int started = 1; /* this thread is the first of them */

    for (int i = 0; i < n; i++)
        m[i] = (struct member){.go = &go,
                               .part = buffer ? buffer + (size_t)i * words : NULL,
                               .words = buffer ? words : 0};
    while (started < n && pthread_create(&m[started].thread, NULL, measure, &m[started]) == 0)
        started++;
    atomic_store_explicit(&go, true, memory_order_release);
    measure(&m[0]);
    for (int i = 0; i < started; i++) {
        if (i > 0)
            pthread_join(m[i].thread, NULL);
        sum.gflops += m[i].peak.gflops;
        sum.gbytes += m[i].peak.gbytes;
    }
    ms_aligned_free(buffer, bytes);
    return sum;
}
