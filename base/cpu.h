/* SPDX-License-Identifier: Apache-2.0 */
/* cpu.h - what this host can do, asked once at start. */
#ifndef MS_BASE_CPU_H
#define MS_BASE_CPU_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Instruction sets as kernels name them; a higher one includes the lower. */
enum ms_isa {
    MS_ISA_ANY = 0,    /* plain C, the reference */
    MS_ISA_AVX2 = 1,   /* AVX2, FMA, F16C */
    MS_ISA_AVX512 = 2, /* AVX-512 F, BW, VL, DQ */
};

/* Target attributes of functions that use them. */
#define MS_TARGET_AVX2 __attribute__((target("avx2,fma,f16c")))
#ifdef __clang__ /* clang knows no such word; intrinsics get the width they name anyway */
#define MS_TARGET_AVX512 __attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,avx2,fma,f16c")))
#else
#define MS_TARGET_AVX512                                                                           \
    __attribute__((                                                                                \
        target("avx512f,avx512bw,avx512vl,avx512dq,avx2,fma,f16c,prefer-vector-width=512")))
#endif

struct ms_cpu {
    enum ms_isa isa; /* best of CPUID and XCR0, lowered by MINDSERVE_ISA=avx512|avx2|generic */
    bool vnni, bf16; /* AVX-512 VNNI, BF16 */
    bool avxvnni;    /* the same of 256 bits, encoded without AVX-512 */
    bool split512;  /* 512-bit operations take two turns: 256-bit ones are as fast, byte for byte */
    char model[64]; /* "AMD EPYC" */
    int family, model_id, stepping;
    size_t l1d, l2, l3; /* bytes; 0 = unknown */
    int online;         /* CPUs this process may run on (affinity) */
    int usable;         /* the same, bounded by the cgroup's quota, at least 1 */
};

/* Asks once; later calls return the same record. Thread safe. */
const struct ms_cpu *ms_cpu(void);
const char *ms_isa_name(enum ms_isa isa); /* "generic", "avx2", "avx512" */

/* Resident and peak resident bytes of this process; 0 if unknown. */
size_t ms_rss_bytes(void);
size_t ms_rss_peak_bytes(void);

#endif
