/* SPDX-License-Identifier: Apache-2.0 */
/* expand.c - broadcast to the shape in input 1 (both ways: a 1 there keeps the input's dim). */
#include <inttypes.h>

#include "kernels/copy.h"
#include "kernels/facts.h"

static void run(const struct ms_task *t)
{
    const struct ms_tensor *x = t->in[0];
    const struct ms_shape *y = &t->out[0]->shape;
    struct ms_strided s = {.size = ms_dtype_size(x->dtype), .rank = y->rank, .src = x->data};
    ptrdiff_t stride[MS_MAX_RANK];

    ms_row_strides(&x->shape, stride);
    for (int d = 0; d < y->rank; d++) {
        const int e = d - (y->rank - x->shape.rank);

        s.dim[d] = (size_t)y->dim[d];
        s.stride[d] = e >= 0 && x->shape.dim[e] != 1 ? stride[e] : 0;
    }
    ms_strided_run(t, &s);
}

static ms_code infer(struct ms_infer *c)
{
    const struct ms_shape *x = &c->in[0].shape, *s = &c->in[1].shape;
    int64_t v[MS_MAX_SYM_CONTENT];
    char a[128], b[128];
    int n;

    MS_TRY(ms_fact_rank(c, 1, 1));
    if (x->rank < 0)
        return ms_fact_unknown(c, 0, c->in[0].dtype);
    if (!ms_infer_ints(c, 1, v, &n)) {
        if (s->rank != 1 || ms_is_sym(s->dim[0]) || s->dim[0] > MS_MAX_RANK)
            return ms_fact_unknown(c, 0, c->in[0].dtype);
        ms_fact_fresh(c, 0, c->in[0].dtype, x->rank > s->dim[0] ? x->rank : (int)s->dim[0]);
        return MS_OK;
    }
    if (n > MS_MAX_RANK)
        return ms_fail(c->err, MS_INVALID_ARGUMENT, "rank %d is more than %d", n, MS_MAX_RANK);
    for (int d = 0; d < n; d++)
        if (v[d] < 0 && !ms_is_sym(v[d]))
            return ms_fail(c->err, MS_INVALID_ARGUMENT, "dim %d is %" PRId64, d, v[d]);
    const struct ms_shape want = ms_shape_of(n, v);
    c->out[0].dtype = c->in[0].dtype;
    if (!ms_shape_broadcast(x, &want, c->syms, &c->out[0].shape))
        return ms_fail(c->err, MS_INVALID_ARGUMENT, "shape %s does not broadcast to %s",
                       ms_shape_text(a, sizeof a, x, c->syms),
                       ms_shape_text(b, sizeof b, &want, c->syms));
    return MS_OK;
}

#define TYPES (MS_FIXED | MS_BIT(STRING))

MS_OP(expand) = {
    .name = "Expand",
    .doc = "broadcast to a shape",
    .min_in = 2,
    .max_in = 2,
    .min_out = 1,
    .max_out = 1,
    .in = {TYPES, MS_BIT(I64)},
    .infer = infer,
    .kernels = (const struct ms_kernel[]){{"expand", TYPES, MS_ISA_ANY, .units = ms_units_elements,
                                           .run = run},
                                          {0}},
};
