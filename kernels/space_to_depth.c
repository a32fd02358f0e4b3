/* SPDX-License-Identifier: Apache-2.0 */
/* space_to_depth.c - pixels to channels: [N, C, H b, W b] to [N, b b C, H, W].
 *
 * Channel (row * b + column) * C + c of the output is the pixel at (row, column) of each block. */
#include <inttypes.h>

#include "kernels/copy.h"
#include "kernels/facts.h"

static void run(const struct ms_task *t)
{
    const struct ms_shape *x = &t->in[0]->shape;
    const ptrdiff_t b = (ptrdiff_t)ms_attr_int(t->node, "blocksize");
    const ptrdiff_t w = x->dim[3], plane = x->dim[2] * w;
    struct ms_strided s = {
        .size = ms_dtype_size(t->in[0]->dtype),
        .rank = 6,
        .dim = {(size_t)x->dim[0], (size_t)b, (size_t)b, (size_t)x->dim[1], (size_t)(x->dim[2] / b),
                (size_t)(w / b)},
        .stride = {x->dim[1] * plane, w, 1, plane, b * w, b},
        .src = t->in[0]->data,
    };

    ms_strided_run(t, &s);
}

static ms_code infer(struct ms_infer *c)
{
    const struct ms_shape *x = &c->in[0].shape;
    const int64_t b = ms_attr_int(c->node, "blocksize");
    struct ms_shape *y = &c->out[0].shape;

    MS_TRY(ms_fact_rank(c, 0, 4));
    ms_fact_fresh(c, 0, c->in[0].dtype, 4);
    if (x->rank < 0)
        return MS_OK;
    y->dim[0] = x->dim[0];
    if (!ms_is_sym(x->dim[1]) && __builtin_mul_overflow(x->dim[1], b * b, &y->dim[1]))
        return ms_fail(c->err, MS_INVALID_ARGUMENT, "dim 1 becomes too large");
    for (int d = 2; d < 4; d++) {
        if (ms_is_sym(x->dim[d]))
            continue;
        if (x->dim[d] % b)
            return ms_fail(c->err, MS_INVALID_ARGUMENT,
                           "dim %d of %" PRId64 " is no multiple of %" PRId64, d, x->dim[d], b);
        y->dim[d] = x->dim[d] / b;
    }
    return MS_OK;
}

static const struct ms_attr_spec attrs[] = {
    {.name = "blocksize",
     .type = MS_ATTR_INT,
     .required = true,
     .min = 1,
     .max = 65536,
     .doc = "side of a block"},
    {0},
};

MS_OP(space_to_depth) = {
    .name = "SpaceToDepth",
    .doc = "blocks of pixels rearranged into channels",
    .min_in = 1,
    .max_in = 1,
    .min_out = 1,
    .max_out = 1,
    .in = {MS_FIXED},
    .attrs = attrs,
    .infer = infer,
    .kernels = (const struct ms_kernel[]){{"space_to_depth", MS_FIXED, MS_ISA_ANY,
                                           .units = ms_units_elements, .run = run},
                                          {0}},
};
