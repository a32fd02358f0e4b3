/* SPDX-License-Identifier: Apache-2.0 */
/* dot.h - four products of bytes, an unsigned with a signed one each, added up in each 32-bit lane:
 * the instruction of the kernels of bytes, for 512 bits (VNNI) and 256 bits (AVX-VNNI).
 *
 * In assembly, for gcc 12 copies the sum before and after the intrinsic, and a tile's sums no
 * longer fit the registers. */
#ifndef MS_KERNELS_GEMM_DOT_H
#define MS_KERNELS_GEMM_DOT_H

#include <string.h>

#include "kernels/vec.h"

#ifdef __clang__
#define MS_TARGET_VNNI __attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,avx512vnni")))
#else
#define MS_TARGET_VNNI                                                                             \
    __attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,avx512vnni,prefer-vector-width="     \
                          "512")))
#endif
#define MS_TARGET_AVXVNNI __attribute__((target("avx2,fma,f16c,avxvnni")))

/* acc += the products of unsigned bytes a with signed bytes b. */
#define MS_DOT_512(acc_, a_, b_) __asm__("vpdpbusd %2, %1, %0" : "+v"(acc_) : "v"(a_), "v"(b_))
#define MS_DOT_256(acc_, a_, b_)                                                                   \
    __asm__("%{vex%} vpdpbusd %2, %1, %0" : "+x"(acc_) : "x"(a_), "x"(b_))

/* The four bytes at p, at any address, to be sent to all lanes. */
static inline int32_t ms_four_bytes(const uint8_t *p)
{
    int32_t v;

    memcpy(&v, p, sizeof v);
    return v;
}

#endif
