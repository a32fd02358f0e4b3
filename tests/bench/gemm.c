/* SPDX-License-Identifier: Apache-2.0 */
/* gemm.c - rates of the packed product, beside the peak of fused multiply-adds measured just
 * before.
 *
 *     bench_gemm OUT.json [--seconds S] [--threads N] [--huge N]
 *
 * warm: the same packed B again and again; cold: B from memory, out of a ring of copies larger than
 * the last cache, as in a model. Each figure is the fastest of all calls. With several threads the
 * units are cut into equal ranges; peak is that of one thread times their number. The last rows are
 * products of few rows, which the memory's bandwidth bounds: GB/s counts the bytes of B. --huge:
 * squares up to N instead, plain and with one level of Strassen, and how far both are from sums in
 * double. */
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/peak.h"
#include "kernels/gemm/gemm.h"

enum { RING_BYTES = 160 << 20, MAX_THREADS = 64 };

static const size_t shapes[][3] = {
    {128, 768, 768}, {128, 3072, 768}, {128, 768, 3072}, {512, 768, 768}, {1024, 1024, 1024},
    {128, 384, 384}, {128, 1536, 384}, {128, 384, 1536}, {16, 768, 768},  {8, 768, 768},
    {4, 768, 3072},  {1, 4096, 1024},  {1, 1000, 2048},
};

/* ---- a team that waits spinning ---- */

struct team {
    int n;
    struct ms_gemm g;
    atomic_int round, done;
    bool quit;
};
struct member {
    struct team *team;
    int index;
    pthread_t thread;
};

static void share(struct team *t, int i)
{
    size_t units = ms_gemm_units(t->g.m, t->g.n), n = (size_t)t->n, k = (size_t)i;

    ms_gemm_run(&t->g, units * k / n, units * (k + 1) / n);
}

static void *member_main(void *arg)
{
    struct member *m = arg;

    for (int seen = 0;;) {
        while (atomic_load_explicit(&m->team->round, memory_order_acquire) == seen)
            _mm_pause();
        seen++;
        if (m->team->quit)
            return NULL;
        share(m->team, m->index);
        atomic_fetch_add(&m->team->done, 1);
    }
}

static double call_ns(struct team *t)
{
    int64_t start = ms_now();

    atomic_store(&t->done, 0);
    atomic_fetch_add(&t->round, 1);
    share(t, 0);
    while (atomic_load_explicit(&t->done, memory_order_acquire) < t->n - 1)
        _mm_pause();
    return (double)(ms_now() - start);
}

/* ---- one shape ---- */

struct row {
    size_t m, n, k;
    double peak, warm, cold; /* GF/s */
    double bytes;            /* of B */
};

static float *numbers(size_t n)
{
    float *x = ms_aligned_alloc(n * sizeof *x);

    if (!x) {
        fprintf(stderr, "bench_gemm: out of memory\n");
        exit(1);
    }
    for (size_t i = 0; i < n; i++)
        x[i] = (float)(i * 2654435761u % 2003) / 1001.0f - 1.0f;
    return x;
}

static double fastest(struct team *t, float *const *ring, int copies, double seconds)
{
    int64_t end = ms_now() + (int64_t)(seconds * 1e9);
    double best = HUGE_VAL;

    for (int i = 0; i < 2 * copies || ms_now() < end; i++) {
        t->g.b = ring[i % copies];
        best = fmin(best, call_ns(t));
    }
    return best;
}

static void measure(struct team *t, struct row *r, enum ms_isa isa, double seconds)
{
    struct ms_gemm_tail none = {.none = true};
    float *ring[1024];
    size_t bytes = 0;

    if (!ms_gemm_packed_bytes(r->k, r->n, &bytes))
        exit(1);
    int copies = (int)(RING_BYTES / bytes) + 1;
    copies = copies < 1024 ? copies : 1024;
    for (int i = 0; i < copies; i++)
        ring[i] = numbers(bytes / sizeof(float));
    float *a = numbers(r->m * r->k), *c = numbers(r->m * r->n);
    t->g = (struct ms_gemm){
        ms_gemm_panel(isa), r->m, r->n, r->k, r->k, 1, r->n, a, ring[0], c, &none, 0};
    double flops = 2.0 * (double)r->m * (double)r->n * (double)r->k;
    r->bytes = (double)bytes;
    r->peak = ms_peak_core() * t->n;
    r->warm = flops / fastest(t, ring, 1, seconds);
    r->cold = flops / fastest(t, ring, copies, seconds);
    r->peak = fmax(r->peak, ms_peak_core() * t->n);
    for (int i = 0; i < copies; i++)
        ms_aligned_free(ring[i], bytes);
    ms_aligned_free(a, r->m * r->k * sizeof *a);
    ms_aligned_free(c, r->m * r->n * sizeof *c);
}

static void print(FILE *json, const struct row *r, int threads, bool first)
{
    double byte_rate = r->bytes / (2.0 * (double)r->m * (double)r->n * (double)r->k);

    printf("%4zu %4zu %4zu %3d %8.1f %8.1f %5.1f%% %8.1f %5.1f%% %7.1f %7.1f\n", r->m, r->n, r->k,
           threads, r->peak, r->warm, 100 * r->warm / r->peak, r->cold, 100 * r->cold / r->peak,
           r->warm * byte_rate, r->cold * byte_rate);
    fflush(stdout);
    fprintf(json,
            "%s\n {\"m\":%zu,\"n\":%zu,\"k\":%zu,\"threads\":%d,\"peak\":%.1f,\"warm\":%.1f,"
            "\"cold\":%.1f,\"warm_gbs\":%.1f,\"cold_gbs\":%.1f}",
            first ? "" : ",", r->m, r->n, r->k, threads, r->peak, r->warm, r->cold,
            r->warm * byte_rate, r->cold * byte_rate);
}

static void run(FILE *json, int threads, double seconds, bool first)
{
    enum ms_isa isa = ms_cpu()->isa;
    struct team team = {.n = threads};
    struct member member[MAX_THREADS];

    for (int i = 1; i < threads; i++) {
        member[i] = (struct member){.team = &team, .index = i};
        if (pthread_create(&member[i].thread, NULL, member_main, &member[i]))
            exit(1);
    }
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        struct row r = {.m = shapes[i][0], .n = shapes[i][1], .k = shapes[i][2]};
        measure(&team, &r, isa, seconds);
        print(json, &r, threads, first && i == 0);
    }
    team.quit = true;
    atomic_fetch_add(&team.round, 1);
    for (int i = 1; i < threads; i++)
        pthread_join(member[i].thread, NULL);
}

/* ---- one level of Strassen ---- */

/* Norm of the difference to sums in double over some rows, relative to theirs. */
static double error_of(const float *a, const float *b, const float *c, size_t n)
{
    double error = 0, norm = 0;

    for (size_t i = 0; i < n; i += n / 4)
        for (size_t j = 0; j < n; j += 7) {
            double want = 0;
            for (size_t k = 0; k < n; k++)
                want += (double)a[i * n + k] * (double)b[k * n + j];
            error += (c[i * n + j] - want) * (c[i * n + j] - want);
            norm += want * want;
        }
    return sqrt(error / norm);
}

static void compare_strassen(FILE *json, size_t n, bool first)
{
    const enum ms_isa isa = ms_cpu()->isa;
    struct ms_gemm_tail none = {.none = true};
    size_t plain_bytes = 0, bytes = 0, scratch = 0;
    double ns[2] = {HUGE_VAL, HUGE_VAL}, error[2];
    const double flops = 2.0 * (double)n * (double)n * (double)n;

    if (!ms_gemm_packed_bytes(n, n, &plain_bytes) ||
        !ms_gemm_strassen_bytes(n, n, n, &bytes, &scratch))
        exit(1);
    float *a = numbers(n * n), *b = numbers(n * n), *c = numbers(n * n);
    float *plain = numbers(plain_bytes / 4), *seven = numbers(bytes / 4);
    float *work = numbers(scratch / 4);
    ms_gemm_pack(plain, b, n, n, n, 1);
    ms_gemm_strassen_pack(seven, b, n, n, work);
    struct ms_gemm g = {ms_gemm_panel(isa), n, n, n, n, 1, n, a, plain, c, &none, 0};
    for (int i = 0; i < 6; i++) {
        const int64_t start = ms_now();
        if (i % 2)
            ms_gemm_strassen(isa, n, n, n, a, seven, c, work);
        else
            ms_gemm_run(&g, 0, ms_gemm_units(n, n));
        ns[i % 2] = fmin(ns[i % 2], (double)(ms_now() - start));
        error[i % 2] = error_of(a, b, c, n);
    }
    printf("%4zu: plain %.1f GF/s, error %.1e; Strassen %.1f GF/s of the same sums, error %.1e\n",
           n, flops / ns[0], error[0], flops / ns[1], error[1]);
    fprintf(json, "%s\n {\"n\":%zu,\"plain\":%.1f,\"strassen\":%.1f,\"errors\":[%.3g,%.3g]}",
            first ? "" : ",", n, flops / ns[0], flops / ns[1], error[0], error[1]);
    float *all[] = {a, b, c, plain, seven, work};
    const size_t size[] = {n * n * 4, n * n * 4, n * n * 4, plain_bytes, bytes, scratch};
    for (int i = 0; i < 6; i++)
        ms_aligned_free(all[i], size[i]);
}

int main(int argc, char **argv)
{
    double seconds = 0.4;
    int threads = 0;
    size_t huge = 0;

    for (int i = 2; i + 1 < argc; i += 2) {
        if (strcmp(argv[i], "--seconds") == 0)
            seconds = atof(argv[i + 1]);
        else if (strcmp(argv[i], "--threads") == 0)
            threads = atoi(argv[i + 1]);
        else if (strcmp(argv[i], "--huge") == 0)
            huge = strtoull(argv[i + 1], NULL, 10);
    }
    if (argc < 2 || threads < 0 || threads > MAX_THREADS) {
        fprintf(stderr, "bench_gemm OUT.json [--seconds S] [--threads N]\n");
        return 2;
    }
    if (ms_cpu()->isa == MS_ISA_ANY) {
        fprintf(stderr, "bench_gemm: there are no packed products without AVX2\n");
        return 1;
    }
    FILE *json = fopen(argv[1], "w");
    if (!json) {
        perror(argv[1]);
        return 1;
    }
    fprintf(json, "{\"cpu\":\"%s\",\"isa\":\"%s\",\"rows\":[", ms_cpu()->model,
            ms_isa_name(ms_cpu()->isa));
    printf("%s, %s, GF/s, fastest calls\n", ms_cpu()->model, ms_isa_name(ms_cpu()->isa));
    for (size_t n = 2048; n <= huge; n += 1024)
        compare_strassen(json, n, n == 2048);
    if (huge) {
        fprintf(json, "]}\n");
        return fclose(json) == 0 ? 0 : 1;
    }
    printf("   M    N    K thr     peak     warm          cold        GB/s    cold\n");
    if (threads != 2)
        run(json, threads ? threads : 1, seconds, true);
    if (threads == 2 || (!threads && ms_cpu()->usable >= 2))
        run(json, 2, seconds, threads == 2);
    fprintf(json, "]}\n");
    return fclose(json) == 0 ? 0 : 1;
}
