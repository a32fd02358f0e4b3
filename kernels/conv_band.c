/* SPDX-License-Identifier: Apache-2.0 */
/* conv_band.c - see conv_band.h. */
#include "kernels/conv_band.h"

#include <string.h>

#include "base/cpu.h"
#include "base/mem.h"
#include "kernels/conv.h"

/* Pairs pay where the tensor between the two is too large for a good part of L2. */
bool ms_conv_band_init(struct ms_conv_band *b, const struct ms_task *first, const struct ms_task *t,
                       const struct ms_window *w)
{
    const struct ms_tensor *x = t->in[0];
    const size_t l2 = ms_cpu()->l2, share = (l2 < (256u << 10) ? 512u << 10 : l2) / 4;
    const size_t vl = x->layout;

    if (ms_tensor_count(t->out[0]) == 0 || x->shape.rank != 4 || !ms_conv_direct_by_rows(first) ||
        x->bytes / (size_t)x->shape.dim[0] <= share)
        return false;
    const size_t s = (size_t)w->s[1], reach = (size_t)((w->k[1] - 1) * w->d[1]) + 1;
    const size_t oh = (size_t)w->out[1], n = (size_t)x->shape.dim[0];
    b->w = *w;
    b->blocks = ((size_t)x->shape.dim[1] + vl - 1) / vl;
    b->row = (size_t)w->in[2] * vl;
    const size_t fit = share / (b->row * b->blocks * sizeof(float));
    const size_t pieces = (ms_conv_direct_pieces(first) + n - 1) / n, workers = (pieces + 3) / 4;
    b->band = fit > reach ? (fit - reach) / s + 1 : 1;
    b->bands = (oh + b->band - 1) / b->band;
    b->bands = b->bands < pieces ? pieces : (b->bands + workers - 1) / workers * workers;
    b->bands = b->bands < oh ? b->bands : oh;
    b->band = (oh + b->bands - 1) / b->bands;
    b->keep = (b->band - 1) * s + reach;
    return ms_conv_direct_rows_scratch(first, b->keep, &b->own) &&
           ms_mul(b->keep, b->row, &b->plane) &&
           ms_mul(b->plane, b->blocks * sizeof(float), &b->bytes);
}

size_t ms_conv_band_units(const struct ms_conv_band *b, const struct ms_task *t)
{
    return (size_t)t->in[0]->shape.dim[0] * b->bands;
}

bool ms_conv_band_scratch(const struct ms_conv_band *b, size_t *bytes)
{
    return ms_add(b->own, b->bytes, bytes);
}

size_t ms_conv_band_row(const struct ms_conv_band *b, size_t i)
{
    return i * (size_t)b->w.out[1] / b->bands;
}

struct ms_conv_rows ms_conv_band_rows(const struct ms_conv_band *b, size_t u)
{
    const int64_t in = b->w.in[1], first = (int64_t)ms_conv_band_row(b, u % b->bands);
    const int64_t end = (int64_t)ms_conv_band_row(b, u % b->bands + 1);
    const int64_t a = first * b->w.s[1] - b->w.pb[1];
    const int64_t e = a + (end - first - 1) * b->w.s[1] + (b->w.k[1] - 1) * b->w.d[1] + 1;
    struct ms_conv_rows r = {.item = u / b->bands};

    r.end = (size_t)(e < 0 ? 0 : e > in ? in : e);
    r.from = a < 0 ? 0 : a > (int64_t)r.end ? r.end : (size_t)a;
    return r;
}

static void make_rows(const struct ms_conv_band *b, const struct ms_task *first,
                      const struct ms_conv_rows *need, size_t from, size_t end, void *own,
                      float *band)
{
    if (from < end)
        ms_conv_direct_rows(first, need->item, from, end, own, band + (from - need->from) * b->row,
                            b->plane);
}

float *ms_conv_band_fill(const struct ms_conv_band *b, const struct ms_task *first,
                         const struct ms_conv_rows *have, const struct ms_conv_rows *need,
                         void *scratch)
{
    float *band = (float *)(void *)((uint8_t *)scratch + b->own);
    size_t from = have->from > need->from ? have->from : need->from;
    size_t end = have->end < need->end ? have->end : need->end;

    if (have->item != need->item || from >= end)
        from = end = need->from;
    for (size_t i = 0; from < end && i < b->blocks; i++)
        memmove(band + i * b->plane + (from - need->from) * b->row,
                band + i * b->plane + (from - have->from) * b->row,
                (end - from) * b->row * sizeof *band);
    make_rows(b, first, need, need->from, from, scratch, band);
    make_rows(b, first, need, end, need->end, scratch, band);
    return band;
}
