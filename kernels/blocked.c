/* SPDX-License-Identifier: Apache-2.0 */
/* blocked.c - rows of channel-blocked tensors, and pooling with them. */
#include "kernels/blocked.h"

#include "kernels/act.h"
#include "kernels/pool.h"

enum { MS_LRN_SIDES = 4, ROW_PIXELS = 256 };

#include "kernels/vec_avx2.h"
#include "kernels/blocked.inc"
#include "kernels/vec_avx512.h"
#include "kernels/blocked.inc"

const struct ms_blocked_fns *ms_blocked_fns(enum ms_isa isa)
{
    return isa == MS_ISA_AVX512 ? &v16_fns : &v8_fns;
}

void ms_block_of_channels(const struct ms_blocked_fns *f, const struct ms_tensor *x, size_t n,
                          size_t c, size_t have, float *y)
{
    const size_t px = ms_pixels(x), b = f->lanes;
    struct ms_lanes m = {0};

    for (size_t l = 0; l < have; l++)
        ms_lanes_add(&m, ms_channel_block(x, n, c + l), (c + l) % b, l);
    if (c % b == 0 && have == ms_block_lanes(x, c / b))
        memcpy(y, m.x[0], px * b * sizeof *y); /* its padding, if any, is zero as well */
    else
        f->mix(&m, y, px);
}

size_t ms_blocked_units(const struct ms_task *t)
{
    return (size_t)t->out[0]->shape.dim[0] * ms_blocks(t->out[0]);
}

size_t ms_blocked_row_units(const struct ms_task *t)
{
    const struct ms_shape *s = &t->out[0]->shape;

    return ms_blocked_units(t) * (s->rank == 4 ? (size_t)s->dim[2] : 1);
}

bool ms_block_part(const struct ms_tensor *y, size_t *unit, size_t last, struct ms_block_part *p)
{
    const size_t rows = y->shape.rank == 4 ? (size_t)y->shape.dim[2] : 1, blocks = ms_blocks(y);
    const size_t u = *unit, left = last - u;

    if (u >= last)
        return false;
    if (ms_pixels(y) < ROW_PIXELS) {
        *p = (struct ms_block_part){u / rows / blocks, u / rows % blocks, 1, u % rows, left};
        p->rows = left < rows - p->row ? left : rows - p->row;
    } else {
        *p = (struct ms_block_part){u / blocks / rows, u % blocks, left, u / blocks % rows, 1};
        p->blocks = left < blocks - p->block ? left : blocks - p->block;
        if (p->blocks == blocks)
            p->rows = left / blocks < rows - p->row ? left / blocks : rows - p->row;
    }
    *unit += p->blocks * p->rows;
    return true;
}

unsigned ms_pool_blocked(const struct ms_node *n)
{
    const struct ms_value *x = ms_in(n, 0);

    return n->n_out == 1 && ms_blockable(x) && x->shape.rank <= 4 ? ms_blocked_same(n) : 0;
}

static void pool(const struct ms_task *t, const struct ms_blocked_fns *f, bool max)
{
    const struct ms_tensor *x = t->in[0], *y = t->out[0];
    const bool pads = !max && ms_attr_int(t->node, "count_include_pad") != 0;
    struct ms_block_part p;
    struct ms_window w;
    int64_t inside[2];

    if (ms_tensor_count(y) == 0)
        return;
    ms_pool_window(&w, t);
    ms_window_inside(&w, 2, &inside[0], &inside[1]);
    for (size_t u = t->first; ms_block_part(y, &u, t->last, &p);)
        for (size_t b = p.block; b < p.block + p.blocks && !ms_task_stopped(t); b++)
            for (size_t r = p.row; r < p.row + p.rows; r++) {
                const float *from = (const float *)x->data + ms_block_row(x, p.item, b, 0);
                float *to = (float *)y->data + ms_block_row(y, p.item, b, r);
                if (!max)
                    f->mean_row(from, &w, inside, (int64_t)r, pads, to);
                else
                    f->max_row(from, &w, inside, (int64_t)r, to);
                ms_block_clean(to, max ? (size_t)w.out[2] : 0, f->lanes, ms_block_lanes(y, b));
            }
}

void ms_max_pool_blocked_avx512(const struct ms_task *t)
{
    pool(t, &v16_fns, true);
}

void ms_max_pool_blocked_avx2(const struct ms_task *t)
{
    pool(t, &v8_fns, true);
}

void ms_average_pool_blocked_avx512(const struct ms_task *t)
{
    pool(t, &v16_fns, false);
}

void ms_average_pool_blocked_avx2(const struct ms_task *t)
{
    pool(t, &v8_fns, false);
}
