/* SPDX-License-Identifier: Apache-2.0 */
/* gemm.c - packing and the order of units. */
#include "kernels/gemm/gemm.h"

#include "base/mem.h"
#include "kernels/copy.h"

bool ms_gemm_packed_bytes(size_t k, size_t n, size_t *bytes)
{
    return ms_add(n, 15, &n) && ms_mul(k, n / 16 * 16, bytes) && ms_mul(*bytes, 4, bytes);
}

/* Columns of B lie in rows of memory: copies squares of 16 so that both sides stay in L1. */
static void pack_columns(float *dst, size_t w, const float *b, size_t k, size_t n, size_t ks,
                         size_t ns)
{
    for (size_t k0 = 0; k0 < k; k0 += 16) {
        size_t k1 = k0 + 16 < k ? k0 + 16 : k;
        for (size_t j = 0; j < n; j++) {
            const float *from = b + j * ns;
            for (size_t i = k0; i < k1; i++)
                memcpy(dst + i * w + j, from + i * ks, sizeof *dst);
        }
    }
}

enum { PACK_BLOCK = 1 << 18 }; /* floats read before the next panel is turned to: 1 MiB */

/* n floats; 16 at a time, since panels are that narrow and a call for each row would show. */
static inline void copy_row(float *to, const float *from, size_t n)
{
    size_t i = 0;

    for (; i + 16 <= n; i += 16)
        memcpy(to + i, from + i, 16 * sizeof *to);
    memcpy(to + i, from + i, (n - i) * sizeof *to);
}

/* Rows of b lie in one piece each: they are read in their order, a block at a time, and dealt out
 * to the panels. Panel by panel instead, weights in a mapped file would be paged in once a panel.
 */
static void pack_rows(float *dst, const float *b, size_t k, size_t n, size_t ks)
{
    const size_t block = n < PACK_BLOCK ? PACK_BLOCK / (n ? n : 1) : 1;

    for (size_t i0 = 0; i0 < k; i0 += block) {
        const size_t i1 = k - i0 < block ? k : i0 + block;
        for (size_t j = 0; j < n; j += MS_GEMM_NR) {
            const size_t cols = n - j < MS_GEMM_NR ? n - j : MS_GEMM_NR, w = ms_gemm_width(cols);
            for (size_t i = i0; i < i1; i++)
                copy_row(dst + k * j + i * w, b + i * ks + j, cols);
        }
    }
}

void ms_gemm_pack(float *dst, const float *b, size_t k, size_t n, size_t ks, size_t ns)
{
    const size_t rest = n % MS_GEMM_NR;

    if (k == 0) /* nothing to pack, and perhaps nowhere to */
        return;
    if (rest && rest < ms_gemm_width(rest)) /* the last panel's lanes beyond n */
        memset(dst + k * (n - rest), 0, k * ms_gemm_width(rest) * sizeof *dst);
    if (ns == 1) {
        pack_rows(dst, b, k, n, ks);
        return;
    }
    for (size_t j = 0; j < n; j += MS_GEMM_NR) {
        const size_t cols = n - j < MS_GEMM_NR ? n - j : MS_GEMM_NR;
        if (ks == 1 && cols == ms_gemm_width(cols))
            ms_plane_turn(sizeof *dst, dst + k * j, b + j * ns, k, cols, (ptrdiff_t)ns);
        else
            pack_columns(dst + k * j, ms_gemm_width(cols), b + j * ns, k, cols, ks, ns);
    }
}

void ms_gemm_tail_of(struct ms_gemm_tail *t, const struct ms_node *n, enum ms_isa isa)
{
    *t = (struct ms_gemm_tail){.alpha = 1, .beta = 1, .act = ms_act_of_node(n, isa)};
}

static size_t row_blocks(size_t m)
{
    return (m + MS_GEMM_MB - 1) / MS_GEMM_MB;
}

size_t ms_gemm_units(size_t m, size_t n)
{
    return row_blocks(m) * ((n + MS_GEMM_NR - 1) / MS_GEMM_NR);
}

/* Whichever operand is larger is walked in the outer loop: a B that fits in L2 stays there while
 * rows of A pass by once; else a panel stays while all rows of A meet it. */
void ms_gemm_run(const struct ms_gemm *g, size_t first, size_t last)
{
    size_t blocks = row_blocks(g->m), panels = (g->n + MS_GEMM_NR - 1) / MS_GEMM_NR;
    bool rows_outside = g->k * g->n <= 96 * 1024;

    for (size_t u = first; u < last; u++) {
        size_t p = rows_outside ? u % panels : u / blocks;
        size_t r = (rows_outside ? u / panels : u % blocks) * MS_GEMM_MB, j = p * MS_GEMM_NR;
        size_t m = g->m - r < MS_GEMM_MB ? g->m - r : MS_GEMM_MB;
        size_t n = g->n - j < MS_GEMM_NR ? g->n - j : MS_GEMM_NR;
        g->panel(m, n, g->k, g->a + r * g->rs, g->rs, g->ks, g->b + j * g->k, g->c + r * g->ldc + j,
                 g->ldc, g->tail, g->i0 + r, j);
    }
}
