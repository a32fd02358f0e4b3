/* SPDX-License-Identifier: Apache-2.0 */
/* attention_fast.c - Attention in f32, a block of query rows of one head at a time.
 *
 *     scores [64, keys] = Q K'        keys packed into panels
 *     scores = e^(scale scores + mask - largest)
 *     y = scores V / their sums       values packed into panels
 *
 * The scores of a block stay in the cache and are never written out. Each row's sums run over all
 * keys in one order: a result depends on its row alone. */
#include "base/mem.h"
#include "kernels/attention.h"
#include "kernels/gemm/gemm.h"
#include "kernels/norm_rows.h"

enum { ROWS = 64 }; /* of a block */

static size_t blocks(const struct ms_attention *a)
{
    return (a->s + ROWS - 1) / ROWS;
}

size_t ms_attention_units(const struct ms_task *t)
{
    struct ms_attention a;

    ms_attention_of(&a, t);
    return a.batch * a.heads * blocks(&a);
}

/* Columns of a panel of values: even shares, so that 64 is 32 + 32 and not 48 + 16. */
static size_t value_panel(size_t dv)
{
    size_t panels = (dv + MS_GEMM_NR - 1) / MS_GEMM_NR;

    return panels ? ((dv + panels - 1) / panels + 15) / 16 * 16 : MS_GEMM_NR;
}

/* Where things lie in the scratch, in floats. */
struct layout {
    size_t keys, values, scores, mask, all;
    size_t pitch; /* of scores */
};

static bool reserve(size_t *at, size_t *all, size_t rows, size_t cols)
{
    size_t n;

    *at = *all;
    return ms_mul(rows, cols, &n) && ms_add(n, 15, &n) && ms_add(*all, n / 16 * 16, all) &&
           *all < SIZE_MAX / 8;
}

static bool lay_out(const struct ms_attention *a, struct layout *l)
{
    size_t wide_t, wide_dv;

    *l = (struct layout){0};
    if (!ms_add(a->t, 15, &wide_t) || !ms_add(a->dv, 15, &wide_dv))
        return false;
    l->pitch = wide_t / 16 * 16;
    return reserve(&l->keys, &l->all, l->pitch, a->d) &&
           reserve(&l->values, &l->all, a->t, wide_dv / 16 * 16) &&
           reserve(&l->scores, &l->all, ROWS, l->pitch) && reserve(&l->mask, &l->all, 1, l->pitch);
}

size_t ms_attention_scratch(const struct ms_task *t)
{
    struct ms_attention a;
    struct layout l;

    ms_attention_of(&a, t);
    return lay_out(&a, &l) ? l.all * sizeof(float) : SIZE_MAX;
}

/* What a call works with. */
struct work {
    struct ms_attention a;
    struct layout l;
    const struct ms_row_fns *f;
    ms_gemm_panel_fn panel;
    struct ms_gemm_tail none;
    const struct ms_tensor *mask;
    float *scratch;
};

static void pack(const struct work *w, const float *k, const float *v)
{
    const struct ms_attention *a = &w->a;
    size_t step = value_panel(a->dv);

    ms_gemm_pack(w->scratch + w->l.keys, k, a->d, a->t, 1, a->k.row);
    for (size_t j = 0; j < a->dv; j += step)
        ms_gemm_pack(w->scratch + w->l.values + a->t * j, v + j, a->t,
                     a->dv - j < step ? a->dv - j : step, a->v.row, 1);
}

/* The mask's row for query row i as floats to add, and their step; NULL = none. */
static const float *mask_row(const struct work *w, size_t at, size_t *step)
{
    const struct ms_attention *a = &w->a;

    *step = a->m_col;
    if (!w->mask || w->mask->dtype == MS_F32)
        return w->mask ? (const float *)w->mask->data + at : NULL;
    float *row = w->scratch + w->l.mask;
    const uint8_t *take = (const uint8_t *)w->mask->data + at;
    for (size_t j = 0; j < (a->m_col ? a->t : 1); j++)
        row[j] = take[j] ? 0.0f : -__builtin_inff();
    return row;
}

/* Scores of one row become weights; 1 / their sum. */
static float weigh(const struct work *w, float *x, size_t keys, size_t mask_at)
{
    size_t step, t = w->a.t;
    const float *m = mask_row(w, mask_at, &step);
    float top = w->f->score(x, keys, (float)w->a.scale, m, step);
    float sum = w->f->exp(x, x, keys, top);

    if (keys < t)
        memset(x + keys, 0, (t - keys) * sizeof *x);
    return 1.0f / sum;
}

/* The operands of the block after this one. They lie in short rows far apart, which the CPU does
 * not see coming; so each row's softmax asks for a share of them. */
struct ahead {
    const float *q, *k, *v; /* NULL = none; k and v only where the head changes */
};

static void fetch(const float *p, size_t n)
{
    for (size_t i = 0; i < n; i += 16)
        __builtin_prefetch(p + i, 0, 2);
}

static void look_ahead(const struct work *w, const struct ahead *next, size_t i, size_t m)
{
    const struct ms_attention *a = &w->a;

    if (next->q)
        fetch(next->q + i * a->q.row, a->d);
    for (size_t j = i * a->t / m; next->k && j < (i + 1) * a->t / m; j++) {
        fetch(next->k + j * a->k.row, a->d);
        fetch(next->v + j * a->v.row, a->dv);
    }
}

static void block(const struct work *w, const float *q, float *y, size_t row, size_t mask_at,
                  const struct ahead *next)
{
    const struct ms_attention *a = &w->a;
    size_t m = a->s - row < ROWS ? a->s - row : ROWS, step = value_panel(a->dv);
    float *scores = w->scratch + w->l.scores, inv[ROWS];

    for (size_t j = 0; j < a->t; j += MS_GEMM_NR)
        w->panel(m, a->t - j < MS_GEMM_NR ? a->t - j : MS_GEMM_NR, a->d, q, a->q.row, 1,
                 w->scratch + w->l.keys + a->d * j, scores + j, w->l.pitch, &w->none, 0, j);
    for (size_t i = 0; i < m; i++) {
        size_t keys = a->causal && row + i < a->t ? row + i + 1 : a->t;
        look_ahead(w, next, i, m);
        inv[i] = weigh(w, scores + i * w->l.pitch, keys, mask_at + i * a->m.row);
    }
    for (size_t j = 0; j < a->dv; j += step)
        w->panel(m, a->dv - j < step ? a->dv - j : step, a->t, scores, w->l.pitch, 1,
                 w->scratch + w->l.values + a->t * j, y + j, a->y.row, &w->none, 0, j);
    for (size_t i = 0; i < m; i++)
        w->f->affine(y + i * a->y.row, y + i * a->y.row, a->dv, 0, inv[i], 0, NULL, NULL);
}

/* A unit: where its operands begin. */
struct unit {
    size_t row, kv; /* kv: which key head of which item */
    const float *q, *k, *v;
    float *y;
    size_t mask_at;
};

static struct unit unit_of(const struct work *w, const struct ms_task *t, size_t u)
{
    const struct ms_attention *a = &w->a;
    size_t row = u % blocks(a) * ROWS, b = u / blocks(a) / a->heads;
    size_t h = u / blocks(a) % a->heads, g = h / a->group;

    return (struct unit){
        .row = row,
        .kv = b * a->heads + g,
        .q = (const float *)t->in[0]->data + b * a->q.batch + h * a->q.head + row * a->q.row,
        .k = (const float *)t->in[1]->data + b * a->k.batch + g * a->k.head,
        .v = (const float *)t->in[2]->data + b * a->v.batch + g * a->v.head,
        .y = (float *)t->out[0]->data + b * a->y.batch + h * a->y.head + row * a->y.row,
        .mask_at = b * a->m.batch + h * a->m.head + row * a->m.row};
}

static void run(const struct ms_task *t, enum ms_isa isa)
{
    struct work w = {.f = ms_row_fns(isa),
                     .panel = ms_gemm_panel(isa),
                     .none = {.none = true},
                     .mask = t->n_in > 3 ? t->in[3] : NULL,
                     .scratch = t->scratch};
    size_t packed = SIZE_MAX; /* whose keys and values are in the scratch */

    ms_attention_of(&w.a, t);
    if (!lay_out(&w.a, &w.l))
        return;
    for (size_t n = t->first; n < t->last && !ms_task_stopped(t); n++) {
        struct unit u = unit_of(&w, t, n);
        struct ahead next = {0};
        if (n + 1 < t->last) {
            struct unit v = unit_of(&w, t, n + 1);
            next = (struct ahead){v.q, v.kv != u.kv ? v.k : NULL, v.v};
        }
        if (packed != u.kv)
            pack(&w, u.k, u.v);
        packed = u.kv;
        block(&w, u.q, u.y, u.row, u.mask_at, &next);
    }
}

void ms_attention_avx512(const struct ms_task *t)
{
    run(t, MS_ISA_AVX512);
}

void ms_attention_avx2(const struct ms_task *t)
{
    run(t, MS_ISA_AVX2);
}
