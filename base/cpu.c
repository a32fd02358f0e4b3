/* SPDX-License-Identifier: Apache-2.0 */
/* cpu.c - CPUID, XCR0, affinity and cgroup quotas.
 *
 * The environment MINDSERVE_ISA lowers the instruction set, so that tests cover every kernel on any
 * host; it cannot raise it. Nothing here reads /proc/cpuinfo or /proc/meminfo: hardened units hide
 * them. */
#include "base/cpu.h"

#include <cpuid.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

static struct ms_cpu cpu;
static pthread_once_t asked = PTHREAD_ONCE_INIT;

/* Register state that the operating system saves (XCR0): 2 SSE, 4 AVX, 0xe0 AVX-512. */
static unsigned xcr0(void)
{
    unsigned lo, hi;

    __asm__ volatile("xgetbv" : "=a"(lo), "=d"(hi) : "c"(0));
    return lo;
}

static void ask_isa(void)
{
    unsigned a, b, c, d, a7, b7, c7, d7;
    bool bf16 = false;

    if (!__get_cpuid(1, &a, &b, &c, &d) || !(c & bit_OSXSAVE))
        return;
    unsigned saved = xcr0();
    if ((saved & 6) != 6 || !(c & bit_AVX) || !(c & bit_FMA) || !(c & bit_F16C))
        return;
    if (!__get_cpuid_count(7, 0, &a7, &b7, &c7, &d7) || !(b7 & bit_AVX2))
        return;
    cpu.isa = MS_ISA_AVX2;
    if (__get_cpuid_count(7, 1, &a, &b, &c, &d)) {
        cpu.avxvnni = (a & (1u << 4)) != 0;
        bf16 = (a & (1u << 5)) != 0;
    }
    const unsigned wanted = bit_AVX512F | bit_AVX512BW | bit_AVX512VL | bit_AVX512DQ;
    if ((saved & 0xe6) != 0xe6 || (b7 & wanted) != wanted)
        return;
    cpu.isa = MS_ISA_AVX512;
    cpu.vnni = (c7 & bit_AVX512VNNI) != 0;
    cpu.bf16 = bf16;
}

/* Width of the datapath, as AMD tells it (leaf 8000001a: bit 2 is 256, bit 3 is 512). */
static void ask_width(void)
{
    unsigned a, b, c, d;

    if (cpu.isa == MS_ISA_AVX512 && __get_cpuid(0x8000001a, &a, &b, &c, &d))
        cpu.split512 = (a & 4) && !(a & 8);
}

static void ask_name(void)
{
    unsigned r[12], a, b, c, d;
    char text[49];

    if (__get_cpuid(1, &a, &b, &c, &d)) {
        cpu.family = (int)((a >> 8) & 15);
        cpu.model_id = (int)((a >> 4) & 15);
        if (cpu.family == 15)
            cpu.family += (int)((a >> 20) & 255);
        if (cpu.family >= 6)
            cpu.model_id += (int)((a >> 12) & 0xf0);
        cpu.stepping = (int)(a & 15);
    }
    if ((unsigned)__get_cpuid_max(0x80000000u, NULL) < 0x80000004u)
        return;
    for (unsigned i = 0; i < 3; i++)
        __get_cpuid(0x80000002u + i, &r[4 * i], &r[4 * i + 1], &r[4 * i + 2], &r[4 * i + 3]);
    memcpy(text, r, 48);
    text[48] = '\0';
    const char *p = text + strspn(text, " ");
    snprintf(cpu.model, sizeof cpu.model, "%s", p);
    for (size_t n = strlen(cpu.model); n && cpu.model[n - 1] == ' ';)
        cpu.model[--n] = '\0';
}

static size_t positive(long v)
{
    return v > 0 ? (size_t)v : 0;
}

static void ask_caches(void)
{
    cpu.l1d = positive(sysconf(_SC_LEVEL1_DCACHE_SIZE));
    cpu.l2 = positive(sysconf(_SC_LEVEL2_CACHE_SIZE));
    cpu.l3 = positive(sysconf(_SC_LEVEL3_CACHE_SIZE));
}

static bool read_text(const char *path, char *dst, size_t size)
{
    FILE *f = fopen(path, "re");

    if (!f)
        return false;
    bool ok = fgets(dst, (int)size, f) != NULL;
    fclose(f);
    return ok;
}

/* The process's folder in a cgroup hierarchy: the line of /proc/self/cgroup whose controller list
 * holds `controller` ("" for version 2). */
static bool cgroup_path(const char *controller, char *dst, size_t size)
{
    char line[512];
    FILE *f = fopen("/proc/self/cgroup", "re");

    if (!f)
        return false;
    bool found = false;
    while (!found && fgets(line, sizeof line, f)) {
        char *list = strchr(line, ':');
        char *path = list ? strchr(list + 1, ':') : NULL;
        if (!path)
            continue;
        *path++ = '\0';
        path[strcspn(path, "\n")] = '\0';
        found = *controller ? strstr(list + 1, controller) != NULL : list[1] == '\0';
        if (found)
            snprintf(dst, size, "%s", path);
    }
    fclose(f);
    return found;
}

/* CPUs that a quota leaves, rounded up; 0 = no quota. */
static int quota_v2(const char *dir)
{
    char path[640], text[64];
    long quota, period;

    snprintf(path, sizeof path, "/sys/fs/cgroup%s/cpu.max", dir);
    if (!read_text(path, text, sizeof text) || sscanf(text, "%ld %ld", &quota, &period) != 2 ||
        quota <= 0 || period <= 0)
        return 0;
    return (int)((quota + period - 1) / period);
}

static int quota_v1(const char *dir)
{
    char path[640], a[64], b[64];

    snprintf(path, sizeof path, "/sys/fs/cgroup/cpu%s/cpu.cfs_quota_us", dir);
    if (!read_text(path, a, sizeof a))
        return 0;
    snprintf(path, sizeof path, "/sys/fs/cgroup/cpu%s/cpu.cfs_period_us", dir);
    if (!read_text(path, b, sizeof b))
        return 0;
    long quota = strtol(a, NULL, 10), period = strtol(b, NULL, 10);
    return quota > 0 && period > 0 ? (int)((quota + period - 1) / period) : 0;
}

static void ask_usable(void)
{
    char dir[512];
    cpu_set_t set;
    int quota = 0;

    cpu.online = 1;
    if (sched_getaffinity(0, sizeof set, &set) == 0)
        cpu.online = CPU_COUNT(&set);
    if (cgroup_path("", dir, sizeof dir))
        quota = quota_v2(dir);
    if (!quota)
        quota = quota_v2("");
    if (!quota && cgroup_path("cpu", dir, sizeof dir))
        quota = quota_v1(dir);
    if (!quota)
        quota = quota_v1("");
    cpu.usable = quota && quota < cpu.online ? quota : cpu.online;
    if (cpu.usable < 1)
        cpu.usable = 1;
}

static void lower_isa(void)
{
    const char *want = getenv("MINDSERVE_ISA");

    for (int i = MS_ISA_ANY; want && i <= MS_ISA_AVX512; i++)
        if (strcmp(want, ms_isa_name((enum ms_isa)i)) == 0 && (int)cpu.isa > i)
            cpu.isa = (enum ms_isa)i;
}

static void ask(void)
{
    ask_isa();
    ask_width();
    ask_name();
    ask_caches();
    ask_usable();
    lower_isa();
}

const struct ms_cpu *ms_cpu(void)
{
    pthread_once(&asked, ask);
    return &cpu;
}

const char *ms_isa_name(enum ms_isa isa)
{
    static const char *const names[] = {"generic", "avx2", "avx512"};

    return names[isa];
}

size_t ms_rss_bytes(void)
{
    char text[128];
    unsigned long size, resident;

    if (!read_text("/proc/self/statm", text, sizeof text) ||
        sscanf(text, "%lu %lu", &size, &resident) != 2)
        return 0;
    return resident * positive(sysconf(_SC_PAGESIZE));
}

size_t ms_rss_peak_bytes(void)
{
    struct rusage u;

    return getrusage(RUSAGE_SELF, &u) == 0 ? positive(u.ru_maxrss) * 1024 : 0;
}
