/* SPDX-License-Identifier: Apache-2.0 */
/* elementwise.c - the drivers behind elementwise.h.
 *
 * Long rows are given to the operator where they lie. Half types and short rows (a [N,3] + [3],
 * say) are first packed into blocks on the stack, so that no operator pays a call for three
 * elements. */
#include <string.h>

#include "kernels/broadcast.h"
#include "kernels/elementwise.h"
#include "kernels/half.h"

enum {
    BLOCK = 512,     /* packed elements */
    SHORT_ROW = 16,  /* rows shorter than this are packed */
    ROW_MAX = 32768, /* elements between two looks at the stop flag */
};

static size_t min_size(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* ---- one operand ---- */

static void unary_half(const struct ms_task *t, ms_unary_row row)
{
    const struct ms_tensor *x = t->in[0];
    struct ms_tensor *y = t->out[0];
    const size_t size = ms_dtype_size(y->dtype);
    float in[BLOCK], out[BLOCK];

    for (size_t i = t->first; i < t->last && !ms_task_stopped(t); i += BLOCK) {
        const size_t n = min_size(BLOCK, t->last - i);
        uint8_t *to = (uint8_t *)y->data + i * size;

        ms_half_widen(x->dtype, in, (const uint16_t *)x->data + i, n);
        row(ms_is_half(y->dtype) ? (void *)out : to, in, n);
        if (ms_is_half(y->dtype))
            ms_half_narrow(y->dtype, to, out, n);
    }
}

void ms_unary_run(const struct ms_task *t, const ms_unary_row *rows)
{
    const struct ms_tensor *x = t->in[0];
    struct ms_tensor *y = t->out[0];
    const size_t from = ms_dtype_size(x->dtype), to = ms_dtype_size(y->dtype);
    const ms_unary_row row = rows[x->dtype];

    if (!row && ms_is_half(x->dtype)) {
        unary_half(t, rows[MS_F32]);
        return;
    }
    for (size_t i = t->first; i < t->last && !ms_task_stopped(t); i += ROW_MAX)
        row((uint8_t *)y->data + i * to, (const uint8_t *)x->data + i * from,
            min_size(ROW_MAX, t->last - i));
}

/* ---- two operands ---- */

static enum ms_row mode_of(size_t stride_a, size_t stride_b)
{
    return stride_b == 0 ? MS_ROW_VS : stride_a == 0 ? MS_ROW_SV : MS_ROW_VV;
}

/* One block of operand k as the row wants it: packed, and f32 if it was a half type. */
static const void *operand(const struct ms_bcast *b, const struct ms_bcast_pos *p, int k,
                           const struct ms_tensor *x, size_t n, void *raw, float *wide)
{
    ms_bcast_pack(b, p, k, raw, x->data, ms_dtype_size(x->dtype), n);
    if (!ms_is_half(x->dtype))
        return raw;
    ms_half_widen(x->dtype, wide, raw, n);
    return wide;
}

static bool binary_packed(const struct ms_task *t, const struct ms_bcast *b, ms_binary_row row,
                          bool half, struct ms_tensor *y, const struct ms_tensor *const *x,
                          size_t first, size_t last)
{
    const size_t size = ms_dtype_size(y->dtype);
    const bool narrow = half && ms_is_half(y->dtype);
    uint64_t raw[2][BLOCK * 2]; /* elements of up to 16 bytes */
    float wide[3][BLOCK];
    struct ms_bcast_pos p;
    bool bad = false;

    ms_bcast_seek(b, &p, first);
    for (size_t i = first, n; i < last && !ms_task_stopped(t); i += n) {
        n = min_size(BLOCK, last - i);
        uint8_t *to = (uint8_t *)y->data + i * size;
        const void *a0 = operand(b, &p, 0, x[0], n, raw[0], wide[0]);
        const void *a1 = operand(b, &p, 1, x[1], n, raw[1], wide[1]);

        if (!half) {
            bad |= row(to, raw[0], raw[1], n, MS_ROW_VV);
        } else {
            bad |= row(narrow ? (void *)wide[2] : to, a0, a1, n, MS_ROW_VV);
            if (narrow)
                ms_half_narrow(y->dtype, to, wide[2], n);
        }
        for (size_t left = n, m; left > 0; left -= m) {
            m = min_size(left, ms_bcast_row(b, &p));
            ms_bcast_step(b, &p, m);
        }
    }
    return bad;
}

/* The shape as it lies in memory when the output is blocked by b: [N][blocks][...][b]. Constants
 * by channel come plain: [blocks][1...][b], see ms_blocked_binary. A blocked operand of one element
 * is a vector all the same: repeated along the lanes it would reach the padding. */
static struct ms_shape physical(const struct ms_tensor *x, const struct ms_shape *y, int64_t b)
{
    struct ms_shape s = x->shape;
    int channel = 1 - (y->rank - s.rank); /* its axis of channels */

    if (b == 0 || (x->layout == MS_PLAIN && ms_tensor_count(x) == 1))
        return s;
    s.dim[channel] = (s.dim[channel] + b - 1) / b;
    s.dim[s.rank++] = b;
    return s;
}

unsigned ms_blocked_binary(const struct ms_node *n)
{
    const struct ms_value *lead = NULL;
    unsigned form = MS_BLOCKED_OUT;

    for (int i = 0; i < n->n_in; i++)
        if (ms_blockable(ms_in(n, i)) && (!lead || ms_in(n, i)->shape.rank > lead->shape.rank))
            lead = ms_in(n, i);
    if (!lead || n->n_in > MS_BLOCKED_IN_MAX)
        return 0;
    bool whole = ms_no_padding(lead->shape.dim[1]);
    for (int i = 0; i < n->n_in; i++) {
        const struct ms_value *v = ms_in(n, i);
        if (!v || v->dtype != MS_F32)
            return 0;
        int channel = 1 - (lead->shape.rank - v->shape.rank);
        if (!v->constant) { /* one channel would be repeated along the lanes */
            if (!ms_blockable(v) || channel != 1 || v->shape.dim[1] != lead->shape.dim[1])
                return 0;
            form |= MS_BLOCKED_IN(i);
        } else if (!whole || (ms_tensor_count(v->constant) != 1 &&
                              (channel < 0 || v->shape.dim[channel] != lead->shape.dim[1] ||
                               ms_tensor_count(v->constant) != (size_t)lead->shape.dim[1]))) {
            return 0;
        }
    }
    return form;
}

bool ms_binary_range(const struct ms_task *t, const ms_binary_row *rows, struct ms_tensor *y,
                     const struct ms_tensor *a, const struct ms_tensor *b, size_t first,
                     size_t last)
{
    const struct ms_tensor *x[2] = {a, b};
    const size_t from = ms_dtype_size(a->dtype), size = ms_dtype_size(y->dtype);
    const bool half = ms_is_half(a->dtype) && !rows[a->dtype];
    const ms_binary_row row = rows[half ? MS_F32 : a->dtype];
    struct ms_bcast w;
    struct ms_bcast_pos p;
    bool bad = false;

    const struct ms_shape sy = physical(y, &y->shape, y->layout);
    const struct ms_shape sa_ = physical(a, &y->shape, y->layout);
    const struct ms_shape sb_ = physical(b, &y->shape, y->layout);

    ms_bcast_init(&w, &sy, (const struct ms_shape *[]){&sa_, &sb_}, 2);
    const size_t sa = w.stride[0][w.rank - 1], sb = w.stride[1][w.rank - 1];

    if (half || (w.rank > 1 && w.dim[w.rank - 1] < SHORT_ROW) || (sa == 0 && sb == 0))
        return binary_packed(t, &w, row, half, y, x, first, last);
    ms_bcast_seek(&w, &p, first);
    for (size_t i = first, n; i < last && !ms_task_stopped(t); i += n) {
        n = min_size(min_size(last - i, ROW_MAX), ms_bcast_row(&w, &p));
        bad |= row((uint8_t *)y->data + i * size, (const uint8_t *)a->data + p.off[0] * from,
                   (const uint8_t *)b->data + p.off[1] * from, n, mode_of(sa, sb));
        ms_bcast_step(&w, &p, n);
    }
    return bad;
}

void ms_binary_run(const struct ms_task *t, const ms_binary_row *rows)
{
    if (ms_binary_range(t, rows, t->out[0], t->in[0], t->in[1], t->first, t->last))
        ms_task_fail(t, MS_INVALID_ARGUMENT, "integer division by zero");
}

/* ---- any number of operands ---- */

void ms_variadic_run(const struct ms_task *t, const ms_variadic_row *rows)
{
    struct ms_tensor *y = t->out[0];
    const size_t size = ms_dtype_size(y->dtype);

    if (t->n_in == 1) {
        memmove((uint8_t *)y->data + t->first * size,
                (const uint8_t *)t->in[0]->data + t->first * size, (t->last - t->first) * size);
        return;
    }
    /* Block by block, so that the partial result stays in the cache. */
    for (size_t i = t->first; i < t->last && !ms_task_stopped(t); i += ROW_MAX) {
        const size_t end = i + min_size(ROW_MAX, t->last - i);

        ms_binary_range(t, rows, y, t->in[0], t->in[1], i, end);
        for (int k = 2; k < t->n_in; k++)
            ms_binary_range(t, rows, y, y, t->in[k], i, end);
    }
}

/* ---- shape inference ---- */

static ms_code broadcast_all(struct ms_infer *c)
{
    struct ms_shape s = c->in[0].shape;
    char a[128], b[128];

    for (int i = 1; i < c->node->n_in; i++) {
        const struct ms_shape *next = &c->in[i].shape;

        if (c->in[i].dtype != c->in[0].dtype)
            return ms_fail(c->err, MS_INVALID_ARGUMENT, "input %d is %s, input 0 is %s", i,
                           ms_dtype_name(c->in[i].dtype), ms_dtype_name(c->in[0].dtype));
        if (s.rank < 0 || next->rank < 0) {
            s = ms_shape_unknown();
            continue;
        }
        struct ms_shape both;
        if (!ms_shape_broadcast(&s, next, c->syms, &both))
            return ms_fail(c->err, MS_INVALID_ARGUMENT, "shapes %s and %s do not broadcast",
                           ms_shape_text(a, sizeof a, &s, c->syms),
                           ms_shape_text(b, sizeof b, next, c->syms));
        s = both;
    }
    c->out[0].shape = s;
    c->out[0].dtype = c->in[0].dtype;
    return MS_OK;
}

ms_code ms_infer_broadcast(struct ms_infer *c)
{
    return broadcast_all(c);
}

ms_code ms_infer_predicate(struct ms_infer *c)
{
    MS_TRY(broadcast_all(c));
    c->out[0].dtype = MS_BOOL;
    return MS_OK;
}

/* A number that the dtype holds; contents are tracked for the types shapes are made of. */
static bool fits(enum ms_dtype t, int64_t v)
{
    return !ms_is_sym(v) && (t == MS_I64 || (t == MS_I32 && v >= INT32_MIN && v <= INT32_MAX));
}

static int64_t fold_one(const struct ms_infer *c, const struct ms_fold2 *f, int64_t a, int64_t b)
{
    int64_t y;

    if (!ms_is_sym(a) && !ms_is_sym(b))
        return f->num(a, b, &y) && fits(c->in[0].dtype, y) ? y : ms_syms_fresh(c->syms);
    if (b == f->neutral)
        return a;
    if (f->commutes && a == f->neutral)
        return b;
    return ms_syms_fresh(c->syms);
}

ms_code ms_infer_binary(struct ms_infer *c, const struct ms_fold2 *fold)
{
    int64_t a[MS_MAX_SYM_CONTENT], b[MS_MAX_SYM_CONTENT];
    int na, nb;
    const enum ms_dtype t = c->in[0].dtype;

    MS_TRY(broadcast_all(c));
    if (!fold || (t != MS_I64 && t != MS_I32) || c->out[0].shape.rank < 0 ||
        c->out[0].shape.rank > 1 || !ms_infer_ints(c, 0, a, &na) || !ms_infer_ints(c, 1, b, &nb) ||
        (na != nb && na != 1 && nb != 1))
        return MS_OK;
    const int n = na == 1 ? nb : na;
    if (na == 0 || nb == 0)
        return MS_OK;
    int64_t y[MS_MAX_SYM_CONTENT];
    for (int i = 0; i < n; i++)
        y[i] = fold_one(c, fold, a[na == 1 ? 0 : i], b[nb == 1 ? 0 : i]);
    ms_infer_set_ints(c, 0, y, n);
    return MS_OK;
}
