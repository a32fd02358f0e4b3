/* SPDX-License-Identifier: Apache-2.0 */
/* reduce.c - see reduce.h. */
#include <math.h>
#include <string.h>

#include "kernels/facts.h"
#include "kernels/half.h"
#include "kernels/reduce.h"

enum {
    LANES = 64,
    COLS = 512, /* columns accumulated at a time */
};

/* The input as alternating kept and reduced dims, neighbours of one kind merged. */
struct plan {
    int n_kept, n_reduced;
    size_t kept[MS_MAX_RANK], reduced[MS_MAX_RANK];
    ptrdiff_t kept_step[MS_MAX_RANK], reduced_step[MS_MAX_RANK]; /* in elements */
    bool inner_kept;                                             /* the innermost dim is kept */
    size_t count;                                                /* elements reduced into one */
};

/* Bit d: dim d is reduced. */
static unsigned reduced_mask(const struct ms_task *t)
{
    const int rank = t->in[0]->shape.rank;
    const struct ms_tensor *axes = t->n_in > 1 ? t->in[1] : NULL;
    const size_t n = axes ? ms_tensor_count(axes) : 0;
    unsigned mask = 0;

    if (n == 0)
        return ms_attr_int(t->node, "noop_with_empty_axes") ? 0 : (1u << rank) - 1;
    for (size_t i = 0; i < n; i++) {
        int d;

        if (ms_axis(ms_index_at(axes, i), rank, &d))
            mask |= 1u << d;
    }
    return mask;
}

static void make_plan(const struct ms_task *t, struct plan *p)
{
    const struct ms_shape *x = &t->in[0]->shape;
    const unsigned mask = reduced_mask(t);
    ptrdiff_t step[MS_MAX_RANK], s = 1;
    int before = -1; /* kind of the dim before, of those that are not 1 */

    memset(p, 0, sizeof *p);
    p->count = 1;
    for (int d = x->rank - 1; d >= 0; d--) {
        step[d] = s;
        s *= x->dim[d];
    }
    for (int d = 0; d < x->rank; d++) {
        const int kind = mask >> d & 1;
        const size_t n = (size_t)x->dim[d];
        size_t *dims = kind ? p->reduced : p->kept;
        ptrdiff_t *steps = kind ? p->reduced_step : p->kept_step;
        int *count = kind ? &p->n_reduced : &p->n_kept;

        if (kind)
            p->count *= n;
        if (n == 1)
            continue;
        if (kind == before)
            dims[*count - 1] *= n;
        else
            dims[(*count)++] = n;
        steps[*count - 1] = step[d];
        before = kind;
    }
    p->inner_kept = before == 0;
    if (p->n_reduced == 0) { /* one element each */
        p->reduced[0] = 1;
        p->n_reduced = 1;
    }
}

/* Steps through the reduced dims before the last n of them: offset of the next block, false at the
 * end. at starts zeroed. */
static bool next_block(const struct plan *p, int dims, size_t *at, ptrdiff_t *off)
{
    for (int d = dims - 1; d >= 0; d--) {
        *off += p->reduced_step[d];
        if (++at[d] < p->reduced[d])
            return true;
        *off -= (ptrdiff_t)p->reduced[d] * p->reduced_step[d];
        at[d] = 0;
    }
    return false;
}

/* ---- folding blocks of any dtype ---- */

struct folder {
    ms_fold_fn fn;
    ms_fold_row_fn row; /* NULL = none */
    enum ms_dtype dtype;
    size_t size;
};

static struct folder folder_of(const struct ms_fold *f, enum ms_dtype t, enum ms_isa isa)
{
    struct folder r = {f->rows[ms_is_half(t) ? MS_F32 : t], NULL, t, ms_dtype_size(t)};

    if (t == MS_F32 || ms_is_half(t)) {
        if (isa == MS_ISA_AVX512 && f->avx512_f32)
            r.fn = f->avx512_f32;
        else if (isa == MS_ISA_AVX2 && f->avx2_f32)
            r.fn = f->avx2_f32;
    }
    if (t == MS_F32 && isa != MS_ISA_ANY)
        r.row = isa == MS_ISA_AVX512 ? f->avx512_row : f->avx2_row;
    return r;
}

static void fold(const struct folder *f, union ms_acc *acc, const union ms_acc *m, const void *x,
                 size_t rows, size_t cols, ptrdiff_t step)
{
    float wide[COLS];

    if (!ms_is_half(f->dtype)) {
        f->fn(acc, m, x, rows, cols, step);
        return;
    }
    for (size_t r = 0; r < rows; r++) {
        ms_half_widen(f->dtype, wide, (const uint16_t *)x + (ptrdiff_t)r * step, cols);
        f->fn(acc, m, wide, 1, cols, 0);
    }
}

static ms_join_fn join_of(const struct ms_fold *f, enum ms_dtype t)
{
    const enum ms_dtype_kind k = ms_dtype_kind(t);

    return k == MS_KIND_FLOAT ? f->join_f : k == MS_KIND_INT ? f->join_i : f->join_u;
}

/* ---- one output element: runs of `n` along the innermost, reduced dim ---- */

static union ms_acc fold_rows(const struct plan *p, const struct ms_fold *f,
                              const struct folder *run, const float *x)
{
    const size_t n = p->reduced[p->n_reduced - 1];
    size_t at[MS_MAX_RANK] = {0};
    union ms_acc acc[2] = {f->start(run->dtype)};
    ptrdiff_t off = 0;

    do {
        acc[1] = run->row(x + off, n);
        f->join_f(acc, 1);
    } while (next_block(p, p->n_reduced - 1, at, &off));
    return acc[0];
}

static union ms_acc fold_runs(const struct plan *p, const struct ms_fold *f,
                              const struct folder *run, const uint8_t *x, union ms_acc m)
{
    const size_t n = p->reduced[p->n_reduced - 1];
    size_t at[MS_MAX_RANK] = {0}, lanes = 1;
    union ms_acc acc[LANES], shift[LANES];
    const ms_join_fn join = join_of(f, run->dtype);
    ptrdiff_t off = 0;

    if (p->count == 0)
        return f->start(run->dtype);
    if (run->row)
        return fold_rows(p, f, run, (const float *)(const void *)x);
    while (lanes < LANES && lanes * 2 <= n)
        lanes *= 2;
    for (size_t i = 0; i < lanes; i++) {
        acc[i] = f->start(run->dtype);
        shift[i] = m;
    }
    do {
        const uint8_t *from = x + off * (ptrdiff_t)run->size;

        fold(run, acc, shift, from, n / lanes, lanes, (ptrdiff_t)lanes);
        fold(run, acc, shift, from + n / lanes * lanes * run->size, 1, n % lanes, 0);
    } while (next_block(p, p->n_reduced - 1, at, &off));
    while (lanes > 1) {
        lanes /= 2;
        join(acc, lanes);
    }
    return acc[0];
}

/* ---- a run of output elements: columns along the innermost, kept dim ---- */

static void fold_columns(const struct plan *p, const struct ms_fold *f, const struct folder *run,
                         const uint8_t *x, size_t cols, union ms_acc *acc, const union ms_acc *m)
{
    const int last = p->n_reduced - 1;
    size_t at[MS_MAX_RANK] = {0};
    ptrdiff_t off = 0;

    for (size_t i = 0; i < cols; i++)
        acc[i] = f->start(run->dtype);
    if (p->count == 0)
        return;
    do {
        fold(run, acc, m, x + off * (ptrdiff_t)run->size, p->reduced[last], cols,
             p->reduced_step[last]);
    } while (next_block(p, last, at, &off));
}

/* ---- results ---- */

static double finish_float(const struct ms_reduction *r, union ms_acc a, union ms_acc m, size_t n)
{
    return r->finish ? r->finish(a.f, m.f, n) : a.f;
}

static void store(const struct ms_reduction *r, struct ms_tensor *y, size_t i, union ms_acc a,
                  union ms_acc m, size_t n)
{
    const enum ms_dtype_kind k = ms_dtype_kind(y->dtype);
    uint8_t *to = (uint8_t *)y->data + i * ms_dtype_size(y->dtype);

    if (k == MS_KIND_FLOAT) {
        const double v = finish_float(r, a, m, n);
        const float f = (float)v;

        if (y->dtype == MS_F64)
            *(double *)(void *)to = v;
        else if (y->dtype == MS_F32)
            *(float *)(void *)to = f;
        else
            ms_half_narrow(y->dtype, to, &f, 1);
        return;
    }
    if (r->finish_i)
        a.i = r->finish_i(a.i, n);
    memcpy(to, &a.u, ms_dtype_size(y->dtype)); /* the low bytes: little endian */
}

static ptrdiff_t kept_offset(const struct plan *p, int dims, size_t index)
{
    ptrdiff_t off = 0;

    for (int d = dims - 1; d >= 0; d--) {
        off += (ptrdiff_t)(index % p->kept[d]) * p->kept_step[d];
        index /= p->kept[d];
    }
    return off;
}

static void run_runs(const struct ms_task *t, const struct ms_reduction *r, const struct plan *p,
                     const struct folder *main, const struct folder *largest)
{
    const uint8_t *x = t->in[0]->data;
    union ms_acc m = {.u = 0};

    for (size_t u = t->first; u < t->last && !ms_task_stopped(t); u++) {
        const uint8_t *from = x + kept_offset(p, p->n_kept, u) * (ptrdiff_t)main->size;

        if (r->shifted) {
            m = fold_runs(p, &ms_fold_max, largest, from, m);
            m.f = isfinite(m.f) ? m.f : 0.0;
        }
        store(r, t->out[0], u, fold_runs(p, r->fold, main, from, m), m, p->count);
    }
}

static void run_columns(const struct ms_task *t, const struct ms_reduction *r, const struct plan *p,
                        const struct folder *main, const struct folder *largest)
{
    const size_t width = p->kept[p->n_kept - 1];
    const uint8_t *x = t->in[0]->data;
    union ms_acc acc[COLS], m[COLS] = {{0}};

    for (size_t u = t->first, n; u < t->last && !ms_task_stopped(t); u += n) {
        const uint8_t *from = x + kept_offset(p, p->n_kept, u) * (ptrdiff_t)main->size;

        n = width - u % width;
        n = n < t->last - u ? n : t->last - u;
        n = n < COLS ? n : COLS;
        if (r->shifted) {
            fold_columns(p, &ms_fold_max, largest, from, n, m, m);
            for (size_t i = 0; i < n; i++)
                m[i].f = isfinite(m[i].f) ? m[i].f : 0.0;
        }
        fold_columns(p, r->fold, main, from, n, acc, m);
        for (size_t i = 0; i < n; i++)
            store(r, t->out[0], u + i, acc[i], m[i], p->count);
    }
}

void ms_reduce_run(const struct ms_task *t, const struct ms_reduction *r, enum ms_isa isa)
{
    const enum ms_dtype type = t->in[0]->dtype;
    const struct folder main = folder_of(r->fold, type, isa);
    const struct folder largest = folder_of(&ms_fold_max, type, isa);
    struct plan p;

    make_plan(t, &p);
    if (p.inner_kept)
        run_columns(t, r, &p, &main, &largest);
    else
        run_runs(t, r, &p, &main, &largest);
}

size_t ms_reduce_units(const struct ms_task *t)
{
    return ms_tensor_count(t->out[0]);
}

/* ---- shapes ---- */

ms_code ms_reduce_infer(struct ms_infer *c)
{
    const struct ms_shape *x = &c->in[0].shape;
    struct ms_shape y = {0};
    int axes[MS_MAX_RANK], n;
    unsigned mask = 0;
    bool known;

    if (x->rank < 0)
        return ms_fact_unknown(c, 0, c->in[0].dtype);
    MS_TRY(ms_fact_axes(c, 1, x->rank, axes, &n, &known));
    const bool keep = ms_attr_int(c->node, "keepdims");
    if (!known) {
        if (!keep)
            return ms_fact_unknown(c, 0, c->in[0].dtype);
        ms_fact_fresh(c, 0, c->in[0].dtype, x->rank);
        return MS_OK;
    }
    if (n <= 0)
        mask = ms_attr_int(c->node, "noop_with_empty_axes") ? 0 : (1u << x->rank) - 1;
    for (int i = 0; i < n; i++)
        mask |= 1u << axes[i];
    for (int d = 0; d < x->rank; d++) {
        if (!(mask >> d & 1))
            y.dim[y.rank++] = x->dim[d];
        else if (keep)
            y.dim[y.rank++] = 1;
    }
    c->out[0].dtype = c->in[0].dtype;
    c->out[0].shape = y;
    return MS_OK;
}

double ms_reduce_cost(const struct ms_node *n, const struct ms_fact *in, const struct ms_fact *out)
{
    (void)n;
    (void)out;
    return (double)ms_shape_span(&in->shape, 0, in->shape.rank);
}

const struct ms_attr_spec ms_reduce_attrs[] = {
    {.name = "keepdims",
     .type = MS_ATTR_INT,
     .i = 1,
     .min = 0,
     .max = 1,
     .doc = "1: reduced dims stay, with size 1"},
    {.name = "noop_with_empty_axes",
     .type = MS_ATTR_INT,
     .min = 0,
     .max = 1,
     .doc = "1: no axes mean none, not all"},
    {0},
};
