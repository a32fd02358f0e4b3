/* SPDX-License-Identifier: Apache-2.0 */
/* tile.c - the input repeated along each axis, input 1 times.
 *
 * Dim d of the output is walked as (repeat, element) with strides (0, s): the copy loop merges what
 * it can. */
#include <inttypes.h>

#include "kernels/copy.h"
#include "kernels/facts.h"

static void run(const struct ms_task *t)
{
    const struct ms_tensor *x = t->in[0];
    struct ms_strided s = {.size = ms_dtype_size(x->dtype), .src = x->data};
    ptrdiff_t stride[MS_MAX_RANK];

    ms_row_strides(&x->shape, stride);
    for (int d = 0; d < x->shape.rank; d++) {
        const size_t n = (size_t)x->shape.dim[d];

        s.dim[s.rank] = n ? (size_t)t->out[0]->shape.dim[d] / n : 1;
        s.stride[s.rank++] = 0;
        s.dim[s.rank] = n;
        s.stride[s.rank++] = stride[d];
    }
    ms_strided_run(t, &s);
}

static ms_code infer(struct ms_infer *c)
{
    const struct ms_shape *x = &c->in[0].shape;
    int64_t v[MS_MAX_SYM_CONTENT];
    int n;

    MS_TRY(ms_fact_rank(c, 1, 1));
    if (x->rank < 0)
        return ms_fact_unknown(c, 0, c->in[0].dtype);
    ms_fact_fresh(c, 0, c->in[0].dtype, x->rank);
    if (!ms_infer_ints(c, 1, v, &n))
        return MS_OK;
    if (n != x->rank)
        return ms_fail(c->err, MS_INVALID_ARGUMENT, "%d repeats for rank %d", n, x->rank);
    for (int d = 0; d < n; d++) {
        int64_t *y = &c->out[0].shape.dim[d];

        if (v[d] < 0 && !ms_is_sym(v[d]))
            return ms_fail(c->err, MS_INVALID_ARGUMENT, "repeat %d is %" PRId64, d, v[d]);
        if (v[d] == 1)
            *y = x->dim[d];
        else if (x->dim[d] == 1)
            *y = v[d];
        else if (!ms_is_sym(v[d]) && !ms_is_sym(x->dim[d]) &&
                 __builtin_mul_overflow(v[d], x->dim[d], y))
            return ms_fail(c->err, MS_INVALID_ARGUMENT, "dim %d becomes too large", d);
    }
    return MS_OK;
}

#define TYPES (MS_FIXED | MS_BIT(STRING))

MS_OP(tile) = {
    .name = "Tile",
    .doc = "the input repeated along each axis",
    .min_in = 2,
    .max_in = 2,
    .min_out = 1,
    .max_out = 1,
    .in = {TYPES, MS_BIT(I64)},
    .infer = infer,
    .kernels = (const struct ms_kernel[]){{"tile", TYPES, MS_ISA_ANY, .units = ms_units_elements,
                                           .run = run},
                                          {0}},
};
