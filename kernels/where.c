/* SPDX-License-Identifier: Apache-2.0 */
/* where.c - y = cond ? a : b, element by element, all three broadcast.
 *
 * Elements are moved by their size alone, so every dtype (NaNs with their bits) passes unchanged.
 */
#include <string.h>

#include "kernels/broadcast.h"
#include "kernels/elementwise.h"
#include "kernels/raw.h"

/* n elements; sa, sb are 0 for an operand that is one element. */
#define SELECT_LOOP(a_, b_)                                                                        \
    MS_IVDEP                                                                                       \
    for (size_t i = 0; i < n; i++) {                                                               \
        const T va = a_, vb = b_;                                                                  \
        y[i] = c[i] ? va : vb;                                                                     \
    }
#define SELECT_ROW(type_)                                                                          \
    MS_VECTORISE static void select_##type_(void *yv, const uint8_t *c, const void *av, size_t sa, \
                                            const void *bv, size_t sb, size_t n)                   \
    {                                                                                              \
        typedef type_ T;                                                                           \
        T *y = yv;                                                                                 \
        const T *a = av, *b = bv;                                                                  \
        if (sa && sb) {                                                                            \
            SELECT_LOOP(a[i], b[i])                                                                \
        } else if (sa) {                                                                           \
            const T s = b[0];                                                                      \
            SELECT_LOOP(a[i], s)                                                                   \
        } else if (sb) {                                                                           \
            const T s = a[0];                                                                      \
            SELECT_LOOP(s, b[i])                                                                   \
        } else {                                                                                   \
            const T s = a[0], r = b[0];                                                            \
            SELECT_LOOP(s, r)                                                                      \
        }                                                                                          \
    }
SELECT_ROW(ms_raw8)
SELECT_ROW(ms_raw16)
SELECT_ROW(ms_raw32)
SELECT_ROW(ms_raw64)
SELECT_ROW(ms_raw128)

#define SELECT(type_) select_##type_(y, c, a, sa, b, sb, n)

static void select_row(size_t size, void *y, const uint8_t *c, const void *a, size_t sa,
                       const void *b, size_t sb, size_t n)
{
    MS_BY_SIZE(size, SELECT);
}

/* One condition for the whole row: a copy or a fill of one operand. */
#define FILL(type_)                                                                                \
    do {                                                                                           \
        type_ *q = y;                                                                              \
        for (size_t i = 0; i < n; i++)                                                             \
            q[i] = *(const type_ *)x;                                                              \
    } while (0)

static void copy_row(size_t size, void *y, const void *x, size_t stride, size_t n)
{
    if (stride && n)
        memmove(y, x, n * size);
    else
        MS_BY_SIZE(size, FILL);
}

static void run(const struct ms_task *t)
{
    const struct ms_tensor *c = t->in[0], *a = t->in[1], *b = t->in[2];
    struct ms_tensor *y = t->out[0];
    const size_t size = ms_dtype_size(y->dtype);
    struct ms_bcast w;
    struct ms_bcast_pos p;

    ms_bcast_init(&w, &y->shape, (const struct ms_shape *[]){&c->shape, &a->shape, &b->shape}, 3);
    const size_t *s[3] = {w.stride[0], w.stride[1], w.stride[2]};
    const int d = w.rank - 1;

    ms_bcast_seek(&w, &p, t->first);
    for (size_t i = t->first, n; i < t->last && !ms_task_stopped(t); i += n) {
        const uint8_t *pc = (const uint8_t *)c->data + p.off[0];
        const uint8_t *pa = (const uint8_t *)a->data + p.off[1] * size;
        const uint8_t *pb = (const uint8_t *)b->data + p.off[2] * size;
        uint8_t *to = (uint8_t *)y->data + i * size;

        n = ms_bcast_row(&w, &p);
        n = t->last - i < n ? t->last - i : n;
        if (s[0][d] != 0)
            select_row(size, to, pc, pa, s[1][d], pb, s[2][d], n);
        else
            copy_row(size, to, *pc ? pa : pb, s[*pc ? 1 : 2][d], n);
        ms_bcast_step(&w, &p, n);
    }
}

static ms_code infer(struct ms_infer *c)
{
    struct ms_shape s = c->in[0].shape;
    char a[128], b[128];

    if (c->in[1].dtype != c->in[2].dtype)
        return ms_fail(c->err, MS_INVALID_ARGUMENT, "inputs 1 and 2 are %s and %s",
                       ms_dtype_name(c->in[1].dtype), ms_dtype_name(c->in[2].dtype));
    for (int i = 1; i < 3; i++) {
        struct ms_shape both = ms_shape_unknown();

        if (s.rank >= 0 && c->in[i].shape.rank >= 0 &&
            !ms_shape_broadcast(&s, &c->in[i].shape, c->syms, &both))
            return ms_fail(c->err, MS_INVALID_ARGUMENT, "shapes %s and %s do not broadcast",
                           ms_shape_text(a, sizeof a, &s, c->syms),
                           ms_shape_text(b, sizeof b, &c->in[i].shape, c->syms));
        s = both;
    }
    c->out[0].dtype = c->in[1].dtype;
    c->out[0].shape = s;
    return MS_OK;
}

MS_OP(where) = {
    .name = "Where",
    .doc = "elements of input 1 where input 0 is true, of input 2 elsewhere",
    .min_in = 3,
    .max_in = 3,
    .min_out = 1,
    .max_out = 1,
    .in = {MS_BIT(BOOL), MS_FIXED, MS_FIXED},
    .traits = MS_ELEMENTWISE,
    .infer = infer,
    .kernels = (const struct ms_kernel[]){{"where", MS_BIT(BOOL), MS_ISA_ANY, .run = run}, {0}},
};
