/* SPDX-License-Identifier: Apache-2.0 */
/* constant_of_shape.c - a tensor of the shape in input 0, every element the attribute's one. */
#include <inttypes.h>

#include "kernels/copy.h"
#include "kernels/facts.h"

static void run(const struct ms_task *t)
{
    const struct ms_attr *a = ms_attr_get(t->node, "value");
    const struct ms_tensor *y = t->out[0];
    const size_t size = ms_dtype_size(y->dtype);
    const float zero = 0.0f;

    ms_fill((uint8_t *)y->data + t->first * size, a ? a->tensor->data : &zero, size,
            t->last - t->first);
}

static ms_code check(const struct ms_node *n, struct ms_err *err)
{
    const struct ms_attr *a = ms_attr_get(n, "value");

    if (a &&
        (!a->tensor || ms_tensor_count(a->tensor) != 1 || !(1u << a->tensor->dtype & MS_FIXED)))
        return ms_fail(err, MS_INVALID_ARGUMENT, "value must be one number");
    return MS_OK;
}

static ms_code infer(struct ms_infer *c)
{
    const struct ms_attr *a = ms_attr_get(c->node, "value");
    const enum ms_dtype t = a ? a->tensor->dtype : MS_F32;
    const struct ms_shape *s = &c->in[0].shape;
    int64_t v[MS_MAX_SYM_CONTENT];
    int n;

    MS_TRY(ms_fact_rank(c, 0, 1));
    if (!ms_infer_ints(c, 0, v, &n)) {
        if (s->rank != 1 || ms_is_sym(s->dim[0]) || s->dim[0] > MS_MAX_RANK)
            return ms_fact_unknown(c, 0, t);
        ms_fact_fresh(c, 0, t, (int)s->dim[0]);
        return MS_OK;
    }
    if (n > MS_MAX_RANK)
        return ms_fail(c->err, MS_INVALID_ARGUMENT, "rank %d is more than %d", n, MS_MAX_RANK);
    for (int d = 0; d < n; d++)
        if (v[d] < 0 && !ms_is_sym(v[d]))
            return ms_fail(c->err, MS_INVALID_ARGUMENT, "dim %d is %" PRId64, d, v[d]);
    c->out[0].dtype = t;
    c->out[0].shape = ms_shape_of(n, v);
    if (n <= 1 && (t == MS_I64 || t == MS_I32)) {
        const int64_t count = n == 0 ? 1 : v[0];
        int64_t all[MS_MAX_SYM_CONTENT];

        if (!ms_is_sym(count) && count <= MS_MAX_SYM_CONTENT) {
            for (int i = 0; i < count; i++)
                all[i] = ms_tensor_i64(a->tensor, 0);
            ms_infer_set_ints(c, 0, all, (int)count);
        }
    }
    return MS_OK;
}

static const struct ms_attr_spec attrs[] = {
    {.name = "value", .type = MS_ATTR_TENSOR, .doc = "one element; f32 0 by default"},
    {0},
};

MS_OP(constant_of_shape) = {
    .name = "ConstantOfShape",
    .doc = "a tensor of a given shape filled with one value",
    .min_in = 1,
    .max_in = 1,
    .min_out = 1,
    .max_out = 1,
    .in = {MS_BIT(I64)},
    .attrs = attrs,
    .check = check,
    .infer = infer,
    .kernels = (const struct ms_kernel[]){{"constant_of_shape", MS_BIT(I64), MS_ISA_ANY,
                                           .units = ms_units_elements, .run = run},
                                          {0}},
};
