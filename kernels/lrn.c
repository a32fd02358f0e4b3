/* SPDX-License-Identifier: Apache-2.0 */
/* lrn.c - LRN: local response normalisation across neighbouring channels:
 *
 *     y[c] = x[c] / (bias + alpha / size * sum x[j]^2)^beta,  j from c - (size-1)/2 to c + size/2
 */
#include <math.h>

#include "kernels/blocked.h"
#include "kernels/norm.h"
#include "kernels/norm_rows.h"
#include "kernels/wide.h"

static const struct ms_attr_spec attrs[] = {
    {.name = "alpha", .type = MS_ATTR_FLOAT, .f = 0.0001, .doc = "weight of the sum"},
    {.name = "beta", .type = MS_ATTR_FLOAT, .f = 0.75, .doc = "the exponent"},
    {.name = "bias", .type = MS_ATTR_FLOAT, .f = 1.0, .doc = "added to the sum"},
    {.name = "size",
     .type = MS_ATTR_INT,
     .required = true,
     .min = 1,
     .max = 1 << 24,
     .doc = "channels summed over"},
    {0},
};

static ms_code infer(struct ms_infer *c)
{
    return ms_norm_infer_channels(c, 1);
}

static void normalise(const struct ms_task *t)
{
    const struct ms_shape *s = &t->in[0]->shape;
    int64_t size = ms_attr_int(t->node, "size"), channels = s->dim[1];
    int64_t px = (int64_t)ms_shape_span(s, 2, s->rank);
    double alpha = ms_attr_float(t->node, "alpha") / (double)size;
    double beta = ms_attr_float(t->node, "beta"), bias = ms_attr_float(t->node, "bias");
    const double *x = t->in[0]->data;
    double *y = t->out[0]->data;

    for (int64_t n = 0; n < s->dim[0]; n++, x += channels * px)
        for (int64_t c = 0; c < channels; c++) {
            int64_t from = c - (size - 1) / 2, to = c + size / 2 + 1;
            from = from < 0 ? 0 : from;
            to = to > channels ? channels : to;
            for (int64_t i = 0; i < px; i++) {
                double sum = 0;
                for (int64_t j = from; j < to; j++)
                    sum += x[j * px + i] * x[j * px + i];
                *y++ = x[c * px + i] / pow(bias + alpha * sum, beta);
            }
        }
}

static void run(const struct ms_task *t)
{
    ms_wide_run(t, normalise);
}

/* Stripes of 64 pixels of an item. */
static size_t units(const struct ms_task *t)
{
    const struct ms_shape *s = &t->in[0]->shape;

    return (size_t)s->dim[0] * ((ms_shape_span(s, 2, s->rank) + 63) / 64);
}

static void rows(const struct ms_task *t, const struct ms_row_fns *f)
{
    const struct ms_shape *s = &t->in[0]->shape;
    size_t px = ms_shape_span(s, 2, s->rank), each = (px + 63) / 64;
    int64_t size = ms_attr_int(t->node, "size");
    float alpha = (float)(ms_attr_float(t->node, "alpha") / (double)size);
    float beta = (float)ms_attr_float(t->node, "beta"),
          bias = (float)ms_attr_float(t->node, "bias");

    for (size_t u = t->first; u < t->last; u++) {
        size_t end = u % each * 64 + 64 < px ? u % each * 64 + 64 : px;
        for (size_t p = u % each * 64; p < end; p += f->lanes) {
            size_t at = u / each * (size_t)s->dim[1] * px + p;
            f->lrn((const float *)t->in[0]->data + at, (float *)t->out[0]->data + at, px,
                   end - p < f->lanes ? end - p : f->lanes, s->dim[1], size, alpha, beta, bias);
        }
    }
}

MS_NORM_RUNS(rows)

enum { BLOCKED_SIZE = 64 }; /* most channels summed over in the blocked form */

static unsigned blocked(const struct ms_node *n)
{
    return ms_attr_int(n, "size") <= BLOCKED_SIZE ? ms_blocked_same(n) : 0;
}

/* 0 / bias^beta = 0: the padding stays zero by itself. */
static void blocks(const struct ms_task *t, const struct ms_blocked_fns *f)
{
    const struct ms_tensor *x = t->in[0];
    const size_t px = ms_pixels(x), n = ms_blocks(x);
    const size_t width = ms_row_pixels(x);
    const int64_t size = ms_attr_int(t->node, "size");
    const float alpha = (float)(ms_attr_float(t->node, "alpha") / (double)size);
    struct ms_block_part p;

    for (size_t u = t->first; ms_block_part(x, &u, t->last, &p);)
        for (size_t b = p.block; b < p.block + p.blocks && !ms_task_stopped(t); b++) {
            const size_t item = ms_block_row(x, p.item, 0, 0);
            const size_t from = p.row * width, m = p.rows * width;
            float *y = (float *)t->out[0]->data + item;
            f->lrn((const float *)x->data + item, n, b, px, from, m, size, alpha,
                   (float)ms_attr_float(t->node, "beta"), (float)ms_attr_float(t->node, "bias"), y);
            ms_block_clean(y + (b * px + from) * f->lanes, m, f->lanes, ms_block_lanes(x, b));
        }
}

MS_BLOCKED_RUNS(blocks)

MS_OP(lrn) = {
    .name = "LRN",
    .doc = "local response normalisation across channels",
    .min_in = 1,
    .max_in = 1,
    .min_out = 1,
    .max_out = 1,
    .in = {MS_FLOATS},
    .traits = 0,
    .attrs = attrs,
    .infer = infer,
    .blocked = blocked,
    .cost = ms_norm_cost,
    .kernels =
        (const struct ms_kernel[]){
            MS_BLOCKED_KERNELS("lrn", ms_blocked_row_units, blocks, ),
            MS_NORM_FAST("lrn", units, rows),
            {.name = "lrn", .dtypes = MS_FLOATS, .scratch = ms_wide_scratch, .run = run},
            {0},
        },
};
