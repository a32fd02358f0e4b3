/* SPDX-License-Identifier: Apache-2.0 */
/* unsqueeze.c - dims of size 1 put in, at the axes of the result that input 1 names. */
#include "kernels/copy.h"
#include "kernels/facts.h"

static ms_code infer(struct ms_infer *c)
{
    const struct ms_shape *x = &c->in[0].shape;
    int64_t v[MS_MAX_SYM_CONTENT];
    struct ms_shape y = {0};
    unsigned in = 0;
    int n;

    if (x->rank < 0 || !ms_infer_const_ints(c, 1, v, &n))
        return ms_fact_unknown(c, 0, c->in[0].dtype);
    if (x->rank + n > MS_MAX_RANK)
        return ms_fail(c->err, MS_INVALID_ARGUMENT, "rank %d is more than %d", x->rank + n,
                       MS_MAX_RANK);
    y.rank = x->rank + n;
    for (int i = 0; i < n; i++) {
        int a;

        MS_TRY(ms_fact_axis(c, v[i], y.rank, &a));
        if (in & 1u << a)
            return ms_fail(c->err, MS_INVALID_ARGUMENT, "axis %d is named twice", a);
        in |= 1u << a;
    }
    for (int d = 0, e = 0; d < y.rank; d++)
        y.dim[d] = in >> d & 1 ? 1 : x->dim[e++];
    c->out[0].dtype = c->in[0].dtype;
    c->out[0].shape = y;
    ms_fact_pass_ints(c, 0, 0);
    return MS_OK;
}

MS_OP(unsqueeze) = {
    .name = "Unsqueeze",
    .doc = "dims of size 1 put in",
    .min_in = 2,
    .max_in = 2,
    .min_out = 1,
    .max_out = 1,
    .in = {MS_FIXED | MS_BIT(STRING), MS_BIT(I64)},
    .traits = MS_VIEW,
    .infer = infer,
    .kernels = ms_copy_kernels,
};
