/* SPDX-License-Identifier: Apache-2.0 */
/* reorder.c - Reorder (own operator): the same values in another memory layout.
 *
 * Inserted by the layout pass at the borders between plain and blocked kernels. Blocked layouts are
 * [N][ceil(C/b)][pixels][b]; channels beyond C are written as zeros, so that kernels may read whole
 * blocks. */
#include <string.h>

#include "ir/op.h"

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

static size_t units(const struct ms_task *t)
{
    return ms_shape_span(&t->in[0]->shape, 0, 1);
}

/* Offset of channel c, pixel p within an item. */
static size_t place(size_t block, size_t c, size_t p, size_t px)
{
    return block ? (c / block * px + p) * block + c % block : c * px + p;
}

static void run(const struct ms_task *t)
{
    const struct ms_shape *s = &t->in[0]->shape;
    size_t px = ms_shape_span(s, 2, s->rank), channels = (size_t)s->dim[1];
    size_t from = (size_t)t->in[0]->layout, to = (size_t)t->out[0]->layout;
    size_t from_c = from ? (channels + from - 1) / from * from : channels;
    size_t to_c = to ? (channels + to - 1) / to * to : channels;

    for (size_t n = t->first; n < t->last; n++) {
        const float *x = (const float *)t->in[0]->data + n * from_c * px;
        float *y = (float *)t->out[0]->data + n * to_c * px;
        for (size_t c = 0; c < to_c; c++)
            for (size_t p = 0; p < px; p++)
                y[place(to, c, p, px)] = c < channels ? x[place(from, c, p, px)] : 0;
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
    .attrs = attrs,
    .check = check,
    .infer = infer,
    .kernels =
        (const struct ms_kernel[]){
            {.name = "reorder", .dtypes = MS_BIT(F32), .units = units, .run = run},
            {0},
        },
};
