/* SPDX-License-Identifier: Apache-2.0 */
/* gemm.c - packing and the order of units. */
#include "kernels/gemm/gemm.h"

#include "base/cpu.h"
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

/* ---- the order of units ----
 *
 * B comes from memory, A and C from L2. So a group of rows as tall as two units meets panel after
 * panel; all the while the panel behind is fetched, a line now and then, which at 128 rows is a
 * byte a cycle at two multiply-adds of 512 bits. Fetched faster than memory gives them, lines would
 * fill the buffers that L1's misses need. Where the group's rows of A are too long to stay in L2
 * from panel to panel, k is cut. */

enum { GROUP = 2 }; /* units */

struct group {
    const struct ms_gemm *g;
    size_t row, rows, high; /* high: in units */
    size_t first, last;     /* of the units of this group that are to be done */
};

/* Steps of k that the group goes at a time: its rows take a quarter of L2. */
static size_t depth(size_t rows, size_t k)
{
    const size_t l2 = ms_cpu()->l2 ? ms_cpu()->l2 : 512 << 10, least = 256;
    size_t most = l2 / 4 / (rows * sizeof(float)), parts;

    most = most < least ? least : most;
    parts = (k + most - 1) / most;
    return parts > 1 ? (k / parts + 15) / 16 * 16 : k;
}

static size_t panels_of(size_t n)
{
    return (n + MS_GEMM_NR - 1) / MS_GEMM_NR;
}

/* Where panel p has its row k0. */
static const float *panel_at(const struct ms_gemm *g, size_t p, size_t k0)
{
    const size_t j = p * MS_GEMM_NR, n = g->n - j;

    return g->b + j * g->k + ms_gemm_width(n) * k0;
}

/* What is read after the steps [k0, k1) of the panel whose units end at `stop`. Behind the last
 * panel lie, with luck, the weights of the next layer. */
static const float *behind(const struct group *q, size_t stop, size_t k0, size_t k1)
{
    const struct ms_gemm *g = q->g;
    const size_t p = (stop - 1) / q->high + 1;

    if (stop < q->last)
        return panel_at(g, stop / q->high, k0);
    if (k1 < g->k)
        return panel_at(g, q->first / q->high, k1);
    if (p < panels_of(g->n))
        return panel_at(g, p, 0);
    return q->row + q->rows < g->m ? g->b : g->b + g->k * ((g->n + 15) / 16 * 16);
}

/* Units [u, stop), which are of one panel, and steps [k0, k1). */
static void pass(const struct group *q, size_t u, size_t stop, size_t k0, size_t k1)
{
    const struct ms_gemm *g = q->g;
    const size_t p = u / q->high, j = p * MS_GEMM_NR, at = u % q->high * MS_GEMM_MB;
    const size_t end = (stop - p * q->high) * MS_GEMM_MB, r = q->row + at;
    const size_t m = (end < q->rows ? end : q->rows) - at;
    const size_t n = g->n - j < MS_GEMM_NR ? g->n - j : MS_GEMM_NR, next = (k1 - k0) * MS_GEMM_NR;
    struct ms_gemm_tail tail = {.none = true};

    if (k1 == g->k)
        tail = *g->tail;
    tail.resume = k0 > 0;
    tail.ahead = behind(q, stop, k0, k1) + next * at / q->rows;
    tail.ask = next * m / q->rows;
    g->panel(m, n, k1 - k0, g->a + r * g->rs + k0 * g->ks, g->rs, g->ks, panel_at(g, p, k0),
             g->c + r * g->ldc + j, g->ldc, &tail, g->i0 + r, j);
}

static void run_group(const struct group *q)
{
    const size_t k = q->g->k, step = depth(q->rows, k);
    size_t k0 = 0;

    do { /* once where k is 0: the tail is due */
        const size_t k1 = k - k0 < step ? k : k0 + step;
        for (size_t u = q->first, stop; u < q->last; u = stop) {
            stop = (u / q->high + 1) * q->high;
            stop = stop < q->last ? stop : q->last;
            pass(q, u, stop, k0, k1);
        }
        k0 = k1;
    } while (k0 < k);
}

size_t ms_gemm_units(size_t m, size_t n)
{
    return (m + MS_GEMM_MB - 1) / MS_GEMM_MB * panels_of(n);
}

void ms_gemm_run(const struct ms_gemm *g, size_t first, size_t last)
{
    const size_t panels = panels_of(g->n), most = GROUP * panels;

    while (first < last) {
        const size_t base = first / most * most, row = first / most * GROUP * MS_GEMM_MB;
        const size_t rows =
            g->m - row < GROUP * MS_GEMM_MB ? g->m - row : (size_t)GROUP * MS_GEMM_MB;
        struct group q = {.g = g, .row = row, .rows = rows, .first = first - base};
        q.high = (rows + MS_GEMM_MB - 1) / MS_GEMM_MB;
        q.last = last - base < q.high * panels ? last - base : q.high * panels;
        run_group(&q);
        first = base + q.last;
    }
}
