/* SPDX-License-Identifier: Apache-2.0 */
/* split.c - one tensor cut along an axis into several.
 *
 * Sizes come from input 1, or are equal (the last one smaller if they do not divide). A unit is one
 * row: everything from the axis inwards. */
#include <inttypes.h>
#include <string.h>

#include "kernels/blocked.h"
#include "kernels/copy.h"
#include "kernels/facts.h"

static size_t units(const struct ms_task *t)
{
    int axis = 0;

    (void)ms_axis(ms_attr_int(t->node, "axis"), t->in[0]->shape.rank, &axis);
    return ms_shape_span(&t->in[0]->shape, 0, axis);
}

/* Elements along the axis that output k takes of n. */
static size_t part_of(const struct ms_task *t, int k, size_t n)
{
    if (t->n_in > 1 && t->in[1])
        return (size_t)ms_index_at(t->in[1], (size_t)k);
    const size_t each = (n + (size_t)t->n_out - 1) / (size_t)t->n_out;
    const size_t from = each * (size_t)k;
    return from >= n ? 0 : n - from < each ? n - from : each;
}

static void run(const struct ms_task *t)
{
    const struct ms_tensor *x = t->in[0];
    const size_t size = ms_dtype_size(x->dtype);
    int axis = 0;

    (void)ms_axis(ms_attr_int(t->node, "axis"), x->shape.rank, &axis);
    const size_t n = (size_t)x->shape.dim[axis];
    const size_t inner = ms_shape_span(&x->shape, axis + 1, x->shape.rank) * size;
    size_t sum = 0;

    for (int k = 0; k < t->n_out; k++) {
        const size_t part = part_of(t, k, n);

        if (part > n - sum || (t->out[k] && (size_t)t->out[k]->shape.dim[axis] != part)) {
            ms_task_fail(t, MS_INVALID_ARGUMENT, "size %zu of output %d does not fit", part, k);
            return;
        }
        sum += part;
    }
    for (size_t r = t->first; r < t->last && !ms_task_stopped(t); r++) {
        const uint8_t *from = (const uint8_t *)x->data + r * n * inner;

        for (int k = 0; k < t->n_out; k++) {
            const size_t part = part_of(t, k, n) * inner;

            if (t->out[k] && part > 0)
                memcpy((uint8_t *)t->out[k]->data + r * part, from, part);
            from += part;
        }
    }
}

/* ---- channel-blocked ---- */

/* Channels are cut, and it is known where. */
static unsigned blocked(const struct ms_node *n)
{
    const struct ms_value *x = ms_in(n, 0);
    const struct ms_tensor *part = ms_in_const(n, 1);
    int axis;

    if (!ms_blockable(x) || !ms_axis(ms_attr_int(n, "axis"), x->shape.rank, &axis) || axis != 1)
        return 0;
    if (!ms_in(n, 1)) { /* equal parts, none of them empty */
        const int64_t c = x->shape.dim[1], each = (c + n->n_out - 1) / n->n_out;
        return each * (n->n_out - 1) < c ? MS_BLOCKED_OUT | MS_BLOCKED_IN(0) : 0;
    }
    if (!part || ms_tensor_count(part) != (size_t)n->n_out)
        return 0;
    for (int i = 0; i < n->n_out; i++)
        if (ms_index_at(part, (size_t)i) < 1)
            return 0;
    return MS_BLOCKED_OUT | MS_BLOCKED_IN(0);
}

static size_t item_units(const struct ms_task *t)
{
    return (size_t)t->in[0]->shape.dim[0];
}

/* Items. Inference has checked the sizes, which are constants. */
static void blocks(const struct ms_task *t, const struct ms_blocked_fns *f)
{
    const struct ms_tensor *x = t->in[0];
    const size_t b = f->lanes, px = ms_pixels(x);

    for (size_t n = t->first; n < t->last && !ms_task_stopped(t); n++)
        for (size_t k = 0, c = 0, part; k < (size_t)t->n_out; k++, c += part) {
            const struct ms_tensor *y = t->out[k];
            part = part_of(t, (int)k, (size_t)x->shape.dim[1]);
            for (size_t i = 0; y && i < ms_blocks(y); i++)
                ms_block_of_channels(f, x, n, c + i * b, ms_block_lanes(y, i),
                                     (float *)y->data + (n * ms_blocks(y) + i) * px * b);
        }
}

MS_BLOCKED_RUNS(blocks)

/* The sizes along the axis; false if they cannot be told. */
static ms_code sizes(const struct ms_infer *c, int64_t total, int64_t *part, bool *known)
{
    const int k = c->node->n_out;
    int64_t v[MS_MAX_SYM_CONTENT], sum = 0;
    int n;

    *known = true;
    if (ms_infer_has(c, 1)) {
        *known = ms_infer_const_ints(c, 1, v, &n);
        if (!*known)
            return MS_OK;
        if (n != k)
            return ms_fail(c->err, MS_INVALID_ARGUMENT, "%d sizes for %d outputs", n, k);
        for (int i = 0; i < n; i++) {
            part[i] = v[i];
            if (v[i] < 0 || __builtin_add_overflow(sum, v[i], &sum))
                return ms_fail(c->err, MS_INVALID_ARGUMENT, "size %" PRId64 " of output %d", v[i],
                               i);
        }
        if (!ms_is_sym(total) && sum != total)
            return ms_fail(c->err, MS_INVALID_ARGUMENT,
                           "sizes add up to %" PRId64 ", the axis has %" PRId64, sum, total);
        return MS_OK;
    }
    *known = !ms_is_sym(total);
    if (!*known)
        return MS_OK;
    const int64_t each = total / k + (total % k != 0);
    for (int i = 0; i < k; i++) {
        part[i] = total < each ? total : each;
        total -= part[i];
    }
    return MS_OK;
}

static ms_code infer(struct ms_infer *c)
{
    const struct ms_shape *x = &c->in[0].shape;
    int64_t part[MS_MAX_SYM_CONTENT], v[MS_MAX_SYM_CONTENT];
    const int64_t want = ms_attr_int(c->node, "num_outputs");
    bool known;
    int axis, n, at = 0;

    if (c->node->n_out > MS_MAX_SYM_CONTENT)
        return ms_fail(c->err, MS_INVALID_ARGUMENT, "%d outputs", c->node->n_out);
    if (want && want != c->node->n_out)
        return ms_fail(c->err, MS_INVALID_ARGUMENT, "num_outputs is %" PRId64 " of %d outputs",
                       want, c->node->n_out);
    if (x->rank < 0) {
        for (int i = 0; i < c->node->n_out; i++)
            MS_TRY(ms_fact_unknown(c, i, c->in[0].dtype));
        return MS_OK;
    }
    MS_TRY(ms_fact_axis(c, ms_attr_int(c->node, "axis"), x->rank, &axis));
    MS_TRY(sizes(c, x->dim[axis], part, &known));
    const bool contents = known && x->rank == 1 && ms_infer_ints(c, 0, v, &n);
    for (int i = 0; i < c->node->n_out; i++) {
        c->out[i].dtype = c->in[0].dtype;
        c->out[i].shape = *x;
        c->out[i].shape.dim[axis] = known ? part[i] : ms_syms_fresh(c->syms);
        if (contents) {
            ms_infer_set_ints(c, i, v + at, (int)part[i]);
            at += (int)part[i];
        }
    }
    return MS_OK;
}

static const struct ms_attr_spec attrs[] = {
    {.name = "axis",
     .type = MS_ATTR_INT,
     .min = -MS_MAX_RANK,
     .max = MS_MAX_RANK - 1,
     .doc = "where to cut"},
    {.name = "num_outputs",
     .type = MS_ATTR_INT,
     .min = 0,
     .max = MS_MAX_SYM_CONTENT,
     .doc = "number of outputs, if input 1 is left out; 0: as many as there are"},
    {0},
};

#define TYPES (MS_FIXED | MS_BIT(STRING))

MS_OP(split) = {
    .name = "Split",
    .doc = "a tensor cut along an axis",
    .min_in = 1,
    .max_in = 2,
    .min_out = 1,
    .max_out = -1,
    .in = {TYPES, MS_BIT(I64)},
    .attrs = attrs,
    .infer = infer,
    .blocked = blocked,
    .kernels = (const struct ms_kernel[]){MS_BLOCKED_KERNELS("split", item_units, blocks, ),
                                          {"split", TYPES, MS_ISA_ANY, .units = units, .run = run},
                                          {0}},
};
