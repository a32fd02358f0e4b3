/* SPDX-License-Identifier: Apache-2.0 */
/* compress.c - the slices along an axis whose condition is true; without an axis, of the flattened
 * input. A condition shorter than the axis leaves out what it does not reach. */
#include <string.h>

#include "kernels/facts.h"

static void run(const struct ms_task *t)
{
    const struct ms_tensor *x = t->in[0], *cond = t->in[1];
    const uint8_t *c = cond->data;
    const size_t size = ms_dtype_size(x->dtype);
    struct ms_shape s = x->shape;
    size_t outer = 1, n = ms_tensor_count(x), inner = 1, most = ms_tensor_count(cond), kept = 0;
    int axis;

    if (!ms_attr_get(t->node, "axis")) {
        s = ms_shape_make((int64_t)n);
        axis = 0;
    } else if (ms_axis(ms_attr_int(t->node, "axis"), s.rank, &axis)) {
        outer = ms_shape_span(&s, 0, axis);
        n = (size_t)s.dim[axis];
        inner = ms_shape_span(&s, axis + 1, s.rank);
    } else {
        ms_task_fail(t, MS_INVALID_ARGUMENT, "the axis is outside the input's rank %d", s.rank);
        return;
    }
    most = most < n ? most : n;
    for (size_t i = 0; i < most; i++)
        kept += c[i] != 0;
    s.dim[axis] = (int64_t)kept;
    struct ms_tensor *y = t->ctl->output(t, 0, x->dtype, &s);
    if (!y || ms_tensor_count(y) == 0)
        return;
    uint8_t *to = y->data;

    for (size_t o = 0; o < outer && !ms_task_stopped(t); o++)
        for (size_t i = 0; i < most; i++)
            if (c[i]) {
                memcpy(to, (const uint8_t *)x->data + (o * n + i) * inner * size, inner * size);
                to += inner * size;
            }
}

static ms_code infer(struct ms_infer *c)
{
    const struct ms_shape *x = &c->in[0].shape;
    int axis;

    MS_TRY(ms_fact_rank(c, 1, 1));
    if (!ms_attr_get(c->node, "axis")) {
        ms_fact_fresh(c, 0, c->in[0].dtype, 1);
        return MS_OK;
    }
    if (x->rank < 0)
        return ms_fact_unknown(c, 0, c->in[0].dtype);
    MS_TRY(ms_fact_axis(c, ms_attr_int(c->node, "axis"), x->rank, &axis));
    c->out[0].dtype = c->in[0].dtype;
    c->out[0].shape = *x;
    c->out[0].shape.dim[axis] = ms_syms_fresh(c->syms);
    return MS_OK;
}

static const struct ms_attr_spec attrs[] = {
    {.name = "axis",
     .type = MS_ATTR_INT,
     .min = -MS_MAX_RANK,
     .max = MS_MAX_RANK - 1,
     .doc = "where to choose; absent: in the flattened input"},
    {0},
};

MS_OP(compress) = {
    .name = "Compress",
    .doc = "slices whose condition is true",
    .min_in = 2,
    .max_in = 2,
    .min_out = 1,
    .max_out = 1,
    .in = {MS_FIXED, MS_BIT(BOOL)},
    .traits = MS_OUT_BY_KERNEL,
    .attrs = attrs,
    .infer = infer,
    .kernels = (const struct ms_kernel[]){{"compress", MS_FIXED, MS_ISA_ANY, .run = run}, {0}},
};
