/* SPDX-License-Identifier: Apache-2.0 */
/* gemm_plain.c - the product for hosts without wide vectors: tiles of 2 rows x 16 columns, in
 * vectors of four that every compiler knows (registers on x86-64 and arm64, else loops). Products
 * are rounded before they are added, unlike on the other paths. */
#include <string.h>

#include "kernels/gemm/gemm.h"

typedef float v4 __attribute__((vector_size(16)));
enum { ROWS = 2, COLS = 16, VECS = COLS / 4 };

static inline v4 load(const float *p)
{
    v4 v;

    memcpy(&v, p, sizeof v);
    return v;
}

/* sum: where the chains begin, and their ends. */
static inline void tile(size_t m, size_t k, const float *a, size_t rs, size_t ks, const float *b,
                        size_t ldb, float sum[ROWS][COLS])
{
    v4 acc[ROWS][VECS];

    memcpy(acc, sum, sizeof acc);
    for (; k > 0; k--, a += ks, b += ldb)
        for (size_t i = 0; i < m; i++) {
            const v4 x = {a[i * rs], a[i * rs], a[i * rs], a[i * rs]};
            for (int j = 0; j < VECS; j++)
                acc[i][j] += x * load(b + 4 * j);
        }
    memcpy(sum, acc, sizeof acc);
}

static void finish(float *c, size_t n, const struct ms_gemm_tail *t, size_t i, size_t j)
{
    const float *res = t->res ? t->res + i * t->ldr + j : NULL;
    const float add = t->one + (t->row ? t->row[i] : 0.0f);

    for (size_t q = 0; q < n; q++) {
        float v = t->alpha * c[q] + t->beta * (t->col ? add + t->col[j + q] : add);
        v += res ? t->beta * res[q] : 0.0f;
        v = v > t->act.lo || v != v ? v : t->act.lo; /* NaN stays */
        c[q] = v > t->act.hi ? t->act.hi : v;
    }
    if (t->act.more)
        t->act.row(c, c, n, t->act.a, t->act.b);
}

void ms_gemm_panel_plain(size_t m, size_t n, size_t k, const float *a, size_t rs, size_t ks,
                         const float *b, float *c, size_t ldc, const struct ms_gemm_tail *tail,
                         size_t i, size_t j)
{
    const size_t w = ms_gemm_width(n);
    float sum[ROWS][COLS];

    for (size_t r = 0; r < m; r += ROWS) {
        const size_t rows = m - r < ROWS ? m - r : ROWS;
        for (size_t at = 0; at < n; at += COLS) {
            const size_t cols = n - at < COLS ? n - at : COLS;
            memset(sum, 0, sizeof sum);
            for (size_t q = 0; q < rows && tail->resume; q++)
                memcpy(sum[q], c + (r + q) * ldc + at, cols * sizeof(float));
            if (rows == ROWS)
                tile(ROWS, k, a + r * rs, rs, ks, b + at, w, sum);
            else
                tile(1, k, a + r * rs, rs, ks, b + at, w, sum);
            for (size_t q = 0; q < rows; q++)
                memcpy(c + (r + q) * ldc + at, sum[q], cols * sizeof(float));
        }
        for (size_t q = 0; q < rows && !tail->none; q++)
            finish(c + (r + q) * ldc, n, tail, i + r + q, j);
    }
}
