/* SPDX-License-Identifier: Apache-2.0 */
/* depth_to_space.c - channels to pixels: [N, C b b, H, W] to [N, C, H b, W b].
 *
 *     DCR   channel = (row * b + column) * C + c
 *     CRD   channel = (c * b + row) * b + column */
#include <inttypes.h>

#include "kernels/copy.h"
#include "kernels/facts.h"

static void run(const struct ms_task *t)
{
    const struct ms_shape *x = &t->in[0]->shape;
    const ptrdiff_t b = (ptrdiff_t)ms_attr_int(t->node, "blocksize");
    const bool crd = ms_attr_str(t->node, "mode")[0] == 'C';
    const ptrdiff_t plane = x->dim[2] * x->dim[3], c = x->dim[1] / (b * b);
    const ptrdiff_t block = crd ? plane : c * plane; /* from one channel of a block to the next */
    struct ms_strided s = {
        .size = ms_dtype_size(t->in[0]->dtype),
        .rank = 6,
        .dim = {(size_t)x->dim[0], (size_t)c, (size_t)x->dim[2], (size_t)b, (size_t)x->dim[3],
                (size_t)b},
        .stride = {x->dim[1] * plane, crd ? b * b * plane : plane, x->dim[3], b * block, 1, block},
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
    if (!ms_is_sym(x->dim[1])) {
        if (x->dim[1] % (b * b))
            return ms_fail(c->err, MS_INVALID_ARGUMENT,
                           "%" PRId64 " channels are no blocks of %" PRId64 " x %" PRId64,
                           x->dim[1], b, b);
        y->dim[1] = x->dim[1] / (b * b);
    }
    for (int d = 2; d < 4; d++)
        if (b == 1)
            y->dim[d] = x->dim[d];
        else if (!ms_is_sym(x->dim[d]) && __builtin_mul_overflow(x->dim[d], b, &y->dim[d]))
            return ms_fail(c->err, MS_INVALID_ARGUMENT, "dim %d becomes too large", d);
    return MS_OK;
}

static const struct ms_attr_spec attrs[] = {
    {.name = "blocksize",
     .type = MS_ATTR_INT,
     .required = true,
     .min = 1,
     .max = 65536,
     .doc = "side of a block"},
    {.name = "mode",
     .type = MS_ATTR_STRING,
     .s = "DCR",
     .choices = "DCR|CRD",
     .doc = "whether block rows and columns are the outer (DCR) or inner part of the channel"},
    {0},
};

MS_OP(depth_to_space) = {
    .name = "DepthToSpace",
    .doc = "channels rearranged into blocks of pixels",
    .min_in = 1,
    .max_in = 1,
    .min_out = 1,
    .max_out = 1,
    .in = {MS_FIXED},
    .attrs = attrs,
    .infer = infer,
    .kernels = (const struct ms_kernel[]){{"depth_to_space", MS_FIXED, MS_ISA_ANY,
                                           .units = ms_units_elements, .run = run},
                                          {0}},
};
