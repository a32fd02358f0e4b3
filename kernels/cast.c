/* SPDX-License-Identifier: Apache-2.0 */
/* cast.c - every element to another dtype: Cast (named by an attribute) and CastLike (that of a
 * second input). The rules are convert.h's. `saturate` is about 8-bit floats, which do not occur.
 */
#include "kernels/convert.h"
#include "kernels/copy.h"
#include "kernels/elementwise.h"

static void run(const struct ms_task *t)
{
    enum { BLOCK = 32768 };
    const struct ms_tensor *x = t->in[0];
    struct ms_tensor *y = t->out[0];
    const size_t from = ms_dtype_size(x->dtype), to = ms_dtype_size(y->dtype);

    for (size_t i = t->first; i < t->last && !ms_task_stopped(t); i += BLOCK)
        ms_convert((uint8_t *)y->data + i * to, y->dtype, (const uint8_t *)x->data + i * from,
                   x->dtype, t->last - i < BLOCK ? t->last - i : BLOCK);
}

/* Contents survive between integers that hold them; sizes do not leave 32 bits unseen. */
static void pass_contents(struct ms_infer *c, enum ms_dtype to)
{
    int64_t v[MS_MAX_SYM_CONTENT];
    int n;

    if ((to != MS_I64 && to != MS_I32) || !ms_infer_ints(c, 0, v, &n))
        return;
    for (int i = 0; i < n; i++)
        if (to == MS_I32 && !ms_is_sym(v[i]) && v[i] != (int32_t)v[i])
            return;
    ms_infer_set_ints(c, 0, v, n);
}

static ms_code infer_to(struct ms_infer *c, enum ms_dtype to)
{
    c->out[0].dtype = to;
    c->out[0].shape = c->in[0].shape;
    pass_contents(c, to);
    return MS_OK;
}

static ms_code infer_cast(struct ms_infer *c)
{
    return infer_to(c, ms_dtype_from_name(ms_attr_str(c->node, "to")));
}

static ms_code infer_like(struct ms_infer *c)
{
    return infer_to(c, c->in[1].dtype);
}

#define SATURATE                                                                                   \
    {                                                                                              \
        .name = "saturate", .type = MS_ATTR_INT, .i = 1, .min = 0, .max = 1,                       \
        .doc = "of 8-bit floats only"                                                              \
    }

static const struct ms_attr_spec cast_attrs[] = {
    {.name = "to",
     .type = MS_ATTR_STRING,
     .required = true,
     .choices = "f32|f64|f16|bf16|i8|i16|i32|i64|u8|u16|u32|u64|bool",
     .doc = "dtype of the result, by name"},
    SATURATE,
    {0},
};

static const struct ms_attr_spec like_attrs[] = {SATURATE, {0}};

static const struct ms_kernel kernels[] = {{"cast", MS_FIXED, MS_ISA_ANY, .run = run}, {0}};

MS_OP(cast) = {
    .name = "Cast",
    .doc = "x as another dtype (float to integer: towards zero, saturated, NaN gives 0)",
    .min_in = 1,
    .max_in = 1,
    .min_out = 1,
    .max_out = 1,
    .in = {MS_FIXED},
    .traits = MS_ELEMENTWISE,
    .attrs = cast_attrs,
    .infer = infer_cast,
    .kernels = kernels,
};

MS_OP(cast_like) = {
    .name = "CastLike",
    .doc = "input 0 as the dtype of input 1",
    .min_in = 2,
    .max_in = 2,
    .min_out = 1,
    .max_out = 1,
    .in = {MS_FIXED, MS_FIXED},
    .traits = 0,
    .attrs = like_attrs,
    .infer = infer_like,
    .kernels = (const struct ms_kernel[]){{"cast_like", MS_FIXED, MS_ISA_ANY,
                                           .units = ms_units_elements, .run = run},
                                          {0}},
};
