/* SPDX-License-Identifier: Apache-2.0 */
/* gemm.h - C = tail(A B) in f32: the product that convolution and MatMul are made of.
 *
 * B lies in panels of 48 columns, each [k][48] (the last one as wide as its columns rounded up to
 * 16, zeros behind them); A is read where it is, with a stride for rows and one for k:
 *
 *              n ->  48      48     16
 *          k  +-------+-------+---+
 *          |  | panel | panel |   |      tile: 8 rows x 48 columns in registers (AVX-512),
 *          v  |   0   |   1   | 2 |            4 x 24 (AVX2), 2 x 16 (plain)
 *             +-------+-------+---+
 *
 * Each element of C is one chain of (on vectors, fused) multiply-adds with k ascending from 0, then
 * the tail. Where k is long, the chain rests in C as the f32 that it is and goes on from there; no
 * sums of parts are added up. So the result has the same bits whatever m, n, the tile, the blocks
 * of k and the split of the work are. That is what makes batches invariant. */
#ifndef MS_KERNELS_GEMM_H
#define MS_KERNELS_GEMM_H

#include "kernels/act.h"

enum { MS_GEMM_NR = 48, MS_GEMM_MB = 64 }; /* columns of a panel, rows of a unit */

/* What happens to the sums before they are final: for element (i, j) of the product
 * act(alpha v + beta (col[j] + row[i] + one) + beta res[i ldr + j]); NULL pointers add nothing. */
struct ms_gemm_tail {
    float alpha, beta, one;
    const float *col, *row, *res;
    size_t ldr;
    struct ms_act act;
    bool none; /* nothing to do */
    /* Of ms_gemm_run: C holds the sums over the k before; the next thing that will be read, and how
     * many floats of it this call is to ask for, evenly over its time. 0: none. */
    bool resume;
    const float *ahead;
    size_t ask;
};
/* alpha = 1, beta = 1, nothing added, the activation of the node. */
void ms_gemm_tail_of(struct ms_gemm_tail *t, const struct ms_node *n, enum ms_isa isa);

/* Rows of one panel: C[m x n] = A B, n <= 48, b the panel. (i, j) is the place of c[0] in the whole
 * product, for the tail. */
typedef void (*ms_gemm_panel_fn)(size_t m, size_t n, size_t k, const float *a, size_t rs, size_t ks,
                                 const float *b, float *c, size_t ldc,
                                 const struct ms_gemm_tail *tail, size_t i, size_t j);
void ms_gemm_panel_avx512(size_t m, size_t n, size_t k, const float *a, size_t rs, size_t ks,
                          const float *b, float *c, size_t ldc, const struct ms_gemm_tail *tail,
                          size_t i, size_t j);
void ms_gemm_panel_avx2(size_t m, size_t n, size_t k, const float *a, size_t rs, size_t ks,
                        const float *b, float *c, size_t ldc, const struct ms_gemm_tail *tail,
                        size_t i, size_t j);
void ms_gemm_panel_plain(size_t m, size_t n, size_t k, const float *a, size_t rs, size_t ks,
                         const float *b, float *c, size_t ldc, const struct ms_gemm_tail *tail,
                         size_t i, size_t j);
static inline ms_gemm_panel_fn ms_gemm_panel(enum ms_isa isa)
{
    return isa == MS_ISA_AVX512 ? ms_gemm_panel_avx512
           : isa == MS_ISA_AVX2 ? ms_gemm_panel_avx2
                                : ms_gemm_panel_plain;
}

/* Floats of a row of the panel that holds n columns. */
static inline size_t ms_gemm_width(size_t n)
{
    return n >= MS_GEMM_NR ? MS_GEMM_NR : (n + 15) / 16 * 16;
}
/* Bytes of B packed; false on overflow. */
bool ms_gemm_packed_bytes(size_t k, size_t n, size_t *bytes);
/* Packs columns [0, n) of B, whose element (k, j) is b[k * ks + j * ns] (b need not be aligned). */
void ms_gemm_pack(float *dst, const float *b, size_t k, size_t n, size_t ks, size_t ns);

/* A whole product with packed B, cut into units of (panel, 64 rows). */
struct ms_gemm {
    ms_gemm_panel_fn panel;
    size_t m, n, k, rs, ks, ldc;
    const float *a, *b;
    float *c;
    const struct ms_gemm_tail *tail;
    size_t i0; /* row of the whole product that row 0 is, for the tail */
};
size_t ms_gemm_units(size_t m, size_t n);
void ms_gemm_run(const struct ms_gemm *g, size_t first, size_t last);

/* strassen.c: C[m x n] = A B, dense rows, on one thread. Bytes of packed B and of scratch; false on
 * overflow or where a size is odd. For measurements: see there. */
bool ms_gemm_strassen_bytes(size_t m, size_t n, size_t k, size_t *packed, size_t *scratch);
/* scratch: of the same size. */
void ms_gemm_strassen_pack(float *dst, const float *b, size_t k, size_t n, float *scratch);
void ms_gemm_strassen(enum ms_isa isa, size_t m, size_t n, size_t k, const float *a,
                      const float *packed, float *c, float *scratch);

#endif
