/* SPDX-License-Identifier: Apache-2.0 */
/* einsum_gemm.c - Einsum of two operands in f32 as matrix products.
 *
 *     "bhqd,bhkd->bhqk":  for each (b, h):  C[q, k] = sum over d of A[q, d] B[d, k]
 *
 * The indices fall into four sets: rows (of the output, in the first operand alone), columns (in
 * the second alone), inner (summed), and the others, which number independent products. Each set
 * becomes one index whose values are listed with their offsets in the operands: so any order of
 * letters, diagonals and broadcasts are the same product, read through other lists. Where a list
 * is a plain stride, nothing is gathered. The operand with the output's last letter gives the
 * columns, that they be neighbours there.
 *
 * A unit is (product, panel of columns). Each sum is one chain with the inner index ascending. */
#include <string.h>

#include "base/mem.h"
#include "kernels/einsum.h"
#include "kernels/gemm/gemm.h"

enum { ROWS = MS_GEMM_MB };
enum { A, B, C, PLACES }; /* where an offset counts: operands, output */

struct set {
    int n, index[MS_EINSUM_INDEX];
    size_t count; /* products of dims */
};

struct product {
    struct ms_einsum e;
    ptrdiff_t out[MS_EINSUM_INDEX]; /* strides of the output */
    int a, b;                       /* which operand is A, which B */
    struct set rows, cols, inner, others;
};

/* ---- sets ---- */

static bool put(struct product *p, struct set *s, int i)
{
    s->index[s->n++] = i;
    return !__builtin_mul_overflow(s->count, (size_t)p->e.dim[i], &s->count);
}

static bool sort_out(struct product *p)
{
    const struct ms_einsum *e = &p->e;
    const int last = e->n_out - 1;
    bool ok = true;

    p->b = last >= 0 && e->stride[1][last] == 0 && e->stride[0][last] != 0 ? 0 : 1;
    p->a = !p->b;
    p->rows.count = p->cols.count = p->inner.count = p->others.count = 1;
    for (int i = 0; i < e->n_out; i++) {
        const bool in_a = e->stride[p->a][i] != 0, in_b = e->stride[p->b][i] != 0;
        struct set *s = in_a && !in_b ? &p->rows : in_b && !in_a ? &p->cols : &p->others;
        ok = put(p, s, i) && ok;
    }
    for (int i = e->n_out; i < e->n_out + e->n_sum; i++)
        ok = put(p, &p->inner, i) && ok;
    ptrdiff_t step = 1;
    for (int i = last; i >= 0; i--) {
        p->out[i] = step;
        step *= (ptrdiff_t)e->dim[i];
    }
    return ok;
}

static bool product_of(struct product *p, const struct ms_task *t)
{
    memset(p, 0, sizeof *p);
    return ms_einsum_of(&p->e, t) && sort_out(p);
}

static ptrdiff_t stride_at(const struct product *p, int place, int i)
{
    return place == C ? p->out[i] : p->e.stride[place == A ? p->a : p->b][i];
}

/* Offset of value v of a set. */
static ptrdiff_t offset(const struct product *p, const struct set *s, int place, size_t v)
{
    ptrdiff_t off = 0;

    for (int k = s->n - 1; k >= 0; k--) {
        const size_t dim = (size_t)p->e.dim[s->index[k]];
        off += (ptrdiff_t)(v % dim) * stride_at(p, place, s->index[k]);
        v /= dim;
    }
    return off;
}

/* One stride for all values of a set; false if it has none. */
static bool linear(const struct product *p, const struct set *s, int place, ptrdiff_t *step)
{
    ptrdiff_t next = 0;
    bool any = false;

    *step = 0;
    for (int k = s->n - 1; k >= 0; k--) {
        const int64_t dim = p->e.dim[s->index[k]];
        const ptrdiff_t st = stride_at(p, place, s->index[k]);
        if (dim == 1)
            continue;
        if (any && st != next)
            return false;
        if (!any)
            *step = st;
        any = true;
        next = st * (ptrdiff_t)dim;
    }
    return true;
}

static void list(const struct product *p, const struct set *s, int place, size_t first, size_t n,
                 ptrdiff_t *out)
{
    for (size_t i = 0; i < n; i++)
        out[i] = offset(p, s, place, first + i);
}

/* ---- scratch: lists of the inner index, then a panel, rows of A, sums ---- */

struct room {
    ptrdiff_t *inner_a, *inner_b;
    float *panel, *rows, *sums;
    size_t bytes;
};

static struct room room_of(const struct product *p, void *scratch)
{
    const size_t k = p->inner.count, n = p->cols.count;
    uint8_t *at = scratch;
    struct room r = {0};
    size_t panel, lists, rows;

    if (!ms_gemm_packed_bytes(k, n < MS_GEMM_NR ? n : MS_GEMM_NR, &panel) ||
        __builtin_mul_overflow(k, 2 * sizeof(ptrdiff_t), &lists) ||
        __builtin_mul_overflow(k, ROWS * sizeof(float), &rows) ||
        __builtin_add_overflow(panel, lists, &r.bytes) ||
        __builtin_add_overflow(r.bytes, rows, &r.bytes) || r.bytes > SIZE_MAX / 2) {
        r.bytes = SIZE_MAX;
        return r;
    }
    panel = ms_align64(panel);
    lists = ms_align64(lists);
    rows = ms_align64(rows);
    r.bytes = panel + lists + rows + ROWS * MS_GEMM_NR * sizeof(float);
    if (!scratch)
        return r;
    r.inner_a = (ptrdiff_t *)(void *)at;
    r.inner_b = r.inner_a + k;
    r.panel = (float *)(void *)(at + lists);
    r.rows = (float *)(void *)(at + lists + panel);
    r.sums = (float *)(void *)(at + lists + panel + rows);
    return r;
}

bool ms_einsum_gemm_applicable(const struct ms_prep *p)
{
    return p->node->n_in == 2;
}

static size_t panels(const struct product *p)
{
    return (p->cols.count + MS_GEMM_NR - 1) / MS_GEMM_NR;
}

size_t ms_einsum_gemm_units(const struct ms_task *t)
{
    struct product p;
    size_t units;

    if (!product_of(&p, t))
        return 1; /* run says why */
    return __builtin_mul_overflow(p.others.count, panels(&p), &units) ? SIZE_MAX : units;
}

size_t ms_einsum_gemm_scratch(const struct ms_task *t)
{
    struct product p;

    return product_of(&p, t) ? room_of(&p, NULL).bytes : 0;
}

/* ---- a unit ---- */

static void pack_panel(const struct product *p, const struct room *r, const float *b, size_t j,
                       size_t n)
{
    const size_t w = ms_gemm_width(n), k = p->inner.count;
    ptrdiff_t ks, ns, col[MS_GEMM_NR];

    if (linear(p, &p->inner, B, &ks) && linear(p, &p->cols, B, &ns)) {
        ms_gemm_pack(r->panel, b + (ptrdiff_t)j * ns, k, n, (size_t)ks, (size_t)ns);
        return;
    }
    list(p, &p->cols, B, j, n, col);
    for (size_t q = 0; q < k; q++) {
        float *to = r->panel + q * w;
        const float *from = b + r->inner_b[q];
        for (size_t i = 0; i < n; i++)
            to[i] = from[col[i]];
        for (size_t i = n; i < w; i++)
            to[i] = 0;
    }
}

/* Rows [i, i + m) of A: where they lie, or gathered. */
static const float *rows_of(const struct product *p, const struct room *r, const float *a, size_t i,
                            size_t m, size_t *rs, size_t *ks)
{
    const size_t k = p->inner.count;
    ptrdiff_t row_step, k_step;

    if (linear(p, &p->rows, A, &row_step) && linear(p, &p->inner, A, &k_step)) {
        *rs = (size_t)row_step;
        *ks = (size_t)k_step;
        return a + (ptrdiff_t)i * row_step;
    }
    for (size_t q = 0; q < m; q++) {
        const float *from = a + offset(p, &p->rows, A, i + q);
        for (size_t x = 0; x < k; x++)
            r->rows[q * k + x] = from[r->inner_a[x]];
    }
    *rs = k;
    *ks = 1;
    return r->rows;
}

static void unit(const struct product *p, const struct room *r, const struct ms_task *t, size_t u,
                 ms_gemm_panel_fn panel)
{
    static const struct ms_gemm_tail tail = {.alpha = 1, .beta = 1, .none = true};
    const size_t other = u / panels(p), j = u % panels(p) * MS_GEMM_NR;
    const size_t n = p->cols.count - j < MS_GEMM_NR ? p->cols.count - j : MS_GEMM_NR;
    const float *a = (const float *)t->in[p->a]->data + offset(p, &p->others, A, other);
    const float *b = (const float *)t->in[p->b]->data + offset(p, &p->others, B, other);
    float *y = (float *)t->out[0]->data + offset(p, &p->others, C, other);
    ptrdiff_t col[MS_GEMM_NR], row_step, col_step;
    const bool direct = linear(p, &p->rows, C, &row_step) && linear(p, &p->cols, C, &col_step) &&
                        (col_step == 1 || p->cols.count == 1);
    size_t rs, ks;

    pack_panel(p, r, b, j, n);
    list(p, &p->cols, C, j, n, col);
    for (size_t i = 0; i < p->rows.count && !ms_task_stopped(t); i += ROWS) {
        const size_t m = p->rows.count - i < ROWS ? p->rows.count - i : ROWS;
        const float *x = rows_of(p, r, a, i, m, &rs, &ks);
        if (direct) {
            panel(m, n, p->inner.count, x, rs, ks, r->panel, y + (ptrdiff_t)i * row_step + col[0],
                  (size_t)row_step, &tail, i, j);
            continue;
        }
        panel(m, n, p->inner.count, x, rs, ks, r->panel, r->sums, MS_GEMM_NR, &tail, i, j);
        for (size_t q = 0; q < m; q++) {
            float *to = y + offset(p, &p->rows, C, i + q);
            for (size_t c = 0; c < n; c++)
                to[col[c]] = r->sums[q * MS_GEMM_NR + c];
        }
    }
}

static void run(const struct ms_task *t, enum ms_isa isa)
{
    struct product p;

    if (!product_of(&p, t)) {
        ms_task_fail(t, MS_INVALID_ARGUMENT, "the equation does not fit the operands");
        return;
    }
    const struct room r = room_of(&p, t->scratch);
    list(&p, &p.inner, A, 0, p.inner.count, r.inner_a);
    list(&p, &p.inner, B, 0, p.inner.count, r.inner_b);
    for (size_t u = t->first; u < t->last && !ms_task_stopped(t); u++)
        unit(&p, &r, t, u, ms_gemm_panel(isa));
}

void ms_einsum_gemm_avx512(const struct ms_task *t)
{
    run(t, MS_ISA_AVX512);
}

void ms_einsum_gemm_avx2(const struct ms_task *t)
{
    run(t, MS_ISA_AVX2);
}

void ms_einsum_gemm_plain(const struct ms_task *t)
{
    run(t, MS_ISA_ANY);
}
