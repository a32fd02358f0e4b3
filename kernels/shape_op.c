/* SPDX-License-Identifier: Apache-2.0 */
/* shape_op.c - Shape and Size: what is known of a tensor's dims, as data. */
#include "kernels/facts.h"

/* Dims [from, to) that a Shape node gives, clamped as slices are. */
static void range_of(const struct ms_node *n, int rank, int *from, int *to)
{
    int64_t a = ms_attr_int(n, "start"), b = rank;

    if (ms_attr_get(n, "end"))
        b = ms_attr_int(n, "end");
    a = a < 0 ? a + rank : a;
    b = b < 0 ? b + rank : b;
    a = a < 0 ? 0 : a > rank ? rank : a;
    b = b < a ? a : b > rank ? rank : b;
    *from = (int)a;
    *to = (int)b;
}

static void run_shape(const struct ms_task *t)
{
    const struct ms_shape *x = &t->in[0]->shape;
    int64_t *y = t->out[0]->data;
    int from, to;

    range_of(t->node, x->rank, &from, &to);
    for (int d = from; d < to; d++)
        y[d - from] = x->dim[d];
}

static ms_code infer_shape(struct ms_infer *c)
{
    const struct ms_shape *x = &c->in[0].shape;
    int from, to;

    if (x->rank < 0) {
        ms_fact_fresh(c, 0, MS_I64, 1);
        return MS_OK;
    }
    range_of(c->node, x->rank, &from, &to);
    c->out[0].dtype = MS_I64;
    c->out[0].shape = ms_shape_make(to - from);
    ms_infer_set_ints(c, 0, x->dim + from, to - from);
    return MS_OK;
}

static void run_size(const struct ms_task *t)
{
    *(int64_t *)t->out[0]->data = (int64_t)ms_tensor_count(t->in[0]);
}

static ms_code infer_size(struct ms_infer *c)
{
    int64_t n = ms_syms_fresh(c->syms);

    if (c->in[0].shape.rank >= 0)
        MS_TRY(ms_fact_product(c, &c->in[0].shape, 0, c->in[0].shape.rank, &n));
    c->out[0].dtype = MS_I64;
    c->out[0].shape = ms_shape_scalar();
    ms_infer_set_ints(c, 0, &n, 1);
    return MS_OK;
}

static const struct ms_attr_spec attrs[] = {
    {.name = "start", .type = MS_ATTR_INT, .doc = "first dim; negative counts from the end"},
    {.name = "end", .type = MS_ATTR_INT, .doc = "behind the last dim; default all"},
    {0},
};

#define TYPES (MS_FIXED | MS_BIT(STRING))

MS_OP(shape) = {
    .name = "Shape",
    .doc = "the dims of a tensor",
    .min_in = 1,
    .max_in = 1,
    .min_out = 1,
    .max_out = 1,
    .in = {TYPES},
    .attrs = attrs,
    .infer = infer_shape,
    .kernels = (const struct ms_kernel[]){{"shape", TYPES, MS_ISA_ANY, .run = run_shape}, {0}},
};

MS_OP(size) = {
    .name = "Size",
    .doc = "the number of elements of a tensor",
    .min_in = 1,
    .max_in = 1,
    .min_out = 1,
    .max_out = 1,
    .in = {TYPES},
    .infer = infer_size,
    .kernels = (const struct ms_kernel[]){{"size", TYPES, MS_ISA_ANY, .run = run_size}, {0}},
};
