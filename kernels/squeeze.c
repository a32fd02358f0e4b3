/* SPDX-License-Identifier: Apache-2.0 */
/* squeeze.c - dims of size 1 taken out: the axes in input 1, or all of them. */
#include <inttypes.h>

#include "kernels/copy.h"
#include "kernels/facts.h"

static ms_code infer(struct ms_infer *c)
{
    const struct ms_shape *x = &c->in[0].shape;
    struct ms_shape y = {0};
    int axes[MS_MAX_RANK], n;
    unsigned out = 0;
    bool known;

    if (x->rank < 0)
        return ms_fact_unknown(c, 0, c->in[0].dtype);
    MS_TRY(ms_fact_axes(c, 1, x->rank, axes, &n, &known));
    if (!known)
        return ms_fact_unknown(c, 0, c->in[0].dtype);
    for (int i = 0; i < n; i++)
        out |= 1u << axes[i];
    for (int d = 0; d < x->rank; d++) {
        if (n < 0 && ms_is_sym(x->dim[d])) /* may be 1 in some run */
            return ms_fact_unknown(c, 0, c->in[0].dtype);
        if (n < 0 ? x->dim[d] == 1 : (out >> d & 1)) {
            if (x->dim[d] != 1 && !ms_is_sym(x->dim[d]))
                return ms_fail(c->err, MS_INVALID_ARGUMENT, "axis %d has size %" PRId64 ", not 1",
                               d, x->dim[d]);
            continue;
        }
        y.dim[y.rank++] = x->dim[d];
    }
    c->out[0].dtype = c->in[0].dtype;
    c->out[0].shape = y;
    ms_fact_pass_ints(c, 0, 0);
    return MS_OK;
}

MS_OP(squeeze) = {
    .name = "Squeeze",
    .doc = "dims of size 1 taken out",
    .min_in = 1,
    .max_in = 2,
    .min_out = 1,
    .max_out = 1,
    .in = {MS_FIXED | MS_BIT(STRING), MS_BIT(I64)},
    .traits = MS_VIEW,
    .infer = infer,
    .kernels = ms_copy_kernels,
};
