/* SPDX-License-Identifier: Apache-2.0 */
/* reorder.c - Reorder (own operator): the same values in another memory layout.
 *
 * Inserted by the layout pass at the borders between plain and blocked kernels. Blocked layouts are
 * [N][ceil(C/b)][pixels][b]; channels beyond C are written as zeros, so that kernels may read whole
 * blocks. */
#include "kernels/blocked.h"

static const struct ms_attr_spec attrs[] = {
    {.name = "layout", .type = MS_ATTR_INT, .min = 0, .max = 16, .doc = "0 plain, 8 or 16 blocked"},
    {0},
};

static ms_code check(const struct ms_node *n, struct ms_err *err)
{
    int64_t b = ms_attr_int(n, "layout");

    if (b != MS_PLAIN && b != MS_NCHW8C && b != MS_NCHW16C)
        return ms_fail(err, MS_INVALID_ARGUMENT, "attribute layout: %lld is not 0, 8 or 16",
                       (long long)b);
    return MS_OK;
}

static ms_code infer(struct ms_infer *c)
{
    if (c->in[0].shape.rank >= 0 && c->in[0].shape.rank < 3)
        return ms_fail(c->err, MS_INVALID_ARGUMENT, "rank %d has no channel blocks",
                       c->in[0].shape.rank);
    return ms_infer_same(c);
}

/* The block width of the side that has one; both plain: the host knows no blocks. */
static size_t width(const struct ms_task *t)
{
    return t->in[0]->layout ? t->in[0]->layout : t->out[0]->layout;
}

/* Blocks of all items. */
static size_t units(const struct ms_task *t)
{
    const struct ms_shape *s = &t->in[0]->shape;
    size_t b = width(t), n = (size_t)s->dim[0];

    return b ? n * (((size_t)s->dim[1] + b - 1) / b) : n;
}

static void run(const struct ms_task *t)
{
    const struct ms_tensor *x = t->in[0], *y = t->out[0];
    size_t px = ms_pixels(x), channels = (size_t)x->shape.dim[1], b = width(t);

    if (x->layout == y->layout) {
        size_t each = x->bytes / (units(t) ? units(t) : 1);
        memcpy((uint8_t *)y->data + t->first * each, (const uint8_t *)x->data + t->first * each,
               (t->last - t->first) * each);
        return;
    }
    const struct ms_blocked_fns *f = ms_blocked_fns(b == 16 ? MS_ISA_AVX512 : MS_ISA_AVX2);
    size_t blocks = (channels + b - 1) / b;
    for (size_t u = t->first; u < t->last && !ms_task_stopped(t); u++) {
        size_t c = u % blocks * b, have = channels - c < b ? channels - c : b;
        size_t plain = (u / blocks * channels + c) * px, at = u * px * b;
        if (y->layout)
            f->gather((const float *)x->data + plain, px, have, (float *)y->data + at, px);
        else
            f->scatter((const float *)x->data + at, (float *)y->data + plain, px, have, px);
    }
}

MS_OP(reorder) = {
    .name = "Reorder",
    .doc = "the same values in another memory layout",
    .min_in = 1,
    .max_in = 1,
    .min_out = 1,
    .max_out = 1,
    .in = {MS_BIT(F32)},
    .traits = MS_ANY_LAYOUT,
    .attrs = attrs,
    .check = check,
    .infer = infer,
    .kernels =
        (const struct ms_kernel[]){
            {.name = "reorder", .dtypes = MS_BIT(F32), .units = units, .run = run},
            {0},
        },
};
