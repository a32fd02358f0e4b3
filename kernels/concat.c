/* SPDX-License-Identifier: Apache-2.0 */
/* concat.c - inputs side by side along one axis.
 *
 *     output row r = row r of input 0 | row r of input 1 | ...
 *
 * where a row is everything from the axis inwards. Units are output elements; each range copies the
 * pieces it covers. */
#include <inttypes.h>
#include <string.h>

#include "kernels/blocked.h"
#include "kernels/copy.h"
#include "kernels/facts.h"

static void run(const struct ms_task *t)
{
    const struct ms_tensor *y = t->out[0];
    const size_t size = ms_dtype_size(y->dtype);
    int axis = 0;

    (void)ms_axis(ms_attr_int(t->node, "axis"), y->shape.rank, &axis);
    const size_t inner = ms_shape_span(&y->shape, axis + 1, y->shape.rank);
    const size_t row = (size_t)y->shape.dim[axis] * inner;

    for (size_t i = t->first; i < t->last && !ms_task_stopped(t);) {
        const size_t r = i / row, end = t->last - r * row < row ? t->last - r * row : row;
        size_t at = 0, from = i % row;

        for (int k = 0; k < t->n_in && from < end; k++) {
            const struct ms_tensor *x = t->in[k];
            const size_t n = (size_t)x->shape.dim[axis] * inner;
            const size_t stop = end < at + n ? end : at + n;

            if (from < stop) {
                memcpy((uint8_t *)y->data + (r * row + from) * size,
                       (const uint8_t *)x->data + (r * n + from - at) * size, (stop - from) * size);
                from = stop;
            }
            at += n;
        }
        i = r * row + end;
    }
}

/* ---- channel-blocked ---- */

static unsigned blocked(const struct ms_node *n)
{
    const struct ms_value *x = ms_in(n, 0);
    unsigned form = MS_BLOCKED_OUT;
    int axis;

    if (!ms_blockable(x) || !ms_axis(ms_attr_int(n, "axis"), x->shape.rank, &axis) || axis != 1 ||
        n->n_in > MS_BLOCKED_IN_MAX)
        return 0;
    for (int i = 0; i < n->n_in; i++) {
        if (!ms_blockable(ms_in(n, i)) || ms_in(n, i)->shape.rank != x->shape.rank)
            return 0;
        form |= MS_BLOCKED_IN(i);
    }
    return form;
}

/* Units: output blocks of all items. A block is one copy where boundaries of channels and blocks
 * agree. */
static void blocks(const struct ms_task *t, const struct ms_blocked_fns *f)
{
    const struct ms_tensor *y = t->out[0];
    size_t b = f->lanes, px = ms_pixels(y), n = ms_blocks(y);

    for (size_t u = t->first; u < t->last && !ms_task_stopped(t); u++) {
        float *to = (float *)y->data + u * px * b;
        size_t c = u % n * b, have = ms_block_lanes(y, u % n);
        struct ms_lanes m = {0};
        int k = 0;
        for (size_t l = 0; l < have; l++, c++) {
            for (; c >= (size_t)t->in[k]->shape.dim[1]; k++)
                c -= (size_t)t->in[k]->shape.dim[1];
            ms_lanes_add(&m, ms_channel_block(t->in[k], u / n, c), c % b, l);
        }
        if (m.n == 1 && m.lane[0][0] == 0 && m.lane[0][have - 1] == (int32_t)have - 1)
            memcpy(to, m.x[0], px * b * sizeof *to); /* its padding, if any, is zero as well */
        else
            f->mix(&m, to, px);
    }
}

MS_BLOCKED_RUNS(blocks)

/* Inputs follow each other in memory where all dims before the axis are 1; blocked ones where each
 * begins with a block, too. */
static bool slices(const struct ms_node *n, const struct ms_tensor *const *in,
                   const struct ms_tensor *out, size_t *offset)
{
    const bool blocked_out = out->layout != MS_PLAIN;
    int64_t channels = 0;
    size_t at = 0;
    int axis;

    if (!ms_axis(ms_attr_int(n, "axis"), out->shape.rank, &axis) || (blocked_out && axis != 1) ||
        out->dtype == MS_STRING)
        return false;
    for (int d = 0; d < axis; d++)
        if (out->shape.dim[d] != 1)
            return false;
    for (int i = 0; i < n->n_in; i++) {
        if (in[i]->layout != out->layout || (blocked_out && channels % (int64_t)out->layout != 0))
            return false;
        offset[i] = at;
        at += in[i]->bytes; /* their sum cannot overflow when it is the output's */
        channels += blocked_out ? in[i]->shape.dim[1] : 0;
    }
    return at == out->bytes;
}

static void join_contents(struct ms_infer *c)
{
    int64_t all[MS_MAX_SYM_CONTENT], part[MS_MAX_SYM_CONTENT];
    int n = 0, m;

    for (int k = 0; k < c->node->n_in; k++) {
        if (!ms_infer_ints(c, k, part, &m) || n + m > MS_MAX_SYM_CONTENT)
            return;
        memcpy(all + n, part, (size_t)m * sizeof *part);
        n += m;
    }
    ms_infer_set_ints(c, 0, all, n);
}

static ms_code infer(struct ms_infer *c)
{
    const int n = c->node->n_in;
    struct ms_shape *y = &c->out[0].shape;
    int axis, rank = -1;

    for (int k = 0; k < n; k++) {
        if (!ms_infer_has(c, k))
            return ms_fail(c->err, MS_INVALID_ARGUMENT, "input %d is missing", k);
        MS_TRY(ms_fact_same_dtype(c, k, 0));
        if (c->in[k].shape.rank >= 0)
            rank = c->in[k].shape.rank;
    }
    if (rank < 0)
        return ms_fact_unknown(c, 0, c->in[0].dtype);
    MS_TRY(ms_fact_axis(c, ms_attr_int(c->node, "axis"), rank, &axis));
    ms_fact_fresh(c, 0, c->in[0].dtype, rank);
    y->dim[axis] = 0;
    for (int k = 0; k < n; k++) {
        const struct ms_shape *x = &c->in[k].shape;

        if (x->rank < 0) {
            y->dim[axis] = ms_syms_fresh(c->syms);
            continue;
        }
        MS_TRY(ms_fact_rank(c, k, rank));
        for (int d = 0; d < rank; d++) {
            int64_t both;

            if (d == axis)
                y->dim[d] = ms_fact_sum(c, y->dim[d], x->dim[d]);
            else if (k == 0)
                y->dim[d] = x->dim[d];
            else if (ms_fact_agree(y->dim[d], x->dim[d], &both))
                y->dim[d] = ms_is_sym(y->dim[d]) ? both : y->dim[d];
            else
                return ms_fail(c->err, MS_INVALID_ARGUMENT,
                               "dim %d is %" PRId64 " in input %d and %" PRId64 " before", d,
                               x->dim[d], k, y->dim[d]);
        }
    }
    if (rank == 1)
        join_contents(c);
    return MS_OK;
}

static const struct ms_attr_spec attrs[] = {
    {.name = "axis",
     .type = MS_ATTR_INT,
     .required = true,
     .min = -MS_MAX_RANK,
     .max = MS_MAX_RANK - 1,
     .doc = "where to join"},
    {0},
};

#define TYPES (MS_FIXED | MS_BIT(STRING))

MS_OP(concat) = {
    .name = "Concat",
    .doc = "inputs joined along an axis",
    .min_in = 1,
    .max_in = -1,
    .min_out = 1,
    .max_out = 1,
    .in = {TYPES},
    .attrs = attrs,
    .infer = infer,
    .blocked = blocked,
    .slices = slices,
    .kernels =
        (const struct ms_kernel[]){
            MS_BLOCKED_KERNELS("concat", ms_blocked_units, blocks, ),
            {"concat", TYPES, MS_ISA_ANY, .units = ms_units_elements, .run = run},
            {0},
        },
};
