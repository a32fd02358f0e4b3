/* SPDX-License-Identifier: Apache-2.0 */
/* eye_like.c - ones on the k-th diagonal of a matrix of the input's shape, zeros elsewhere. */
#include <string.h>

#include "kernels/convert.h"
#include "kernels/facts.h"

static size_t units(const struct ms_task *t)
{
    return (size_t)t->out[0]->shape.dim[0];
}

static void run(const struct ms_task *t)
{
    const struct ms_tensor *y = t->out[0];
    const int64_t cols = y->shape.dim[1], k = ms_attr_int(t->node, "k");
    const size_t size = ms_dtype_size(y->dtype), row = (size_t)cols * size;
    const float one = 1.0f;

    for (size_t u = t->first; u < t->last && row > 0 && !ms_task_stopped(t); u++) {
        uint8_t *to = (uint8_t *)y->data + u * row;

        memset(to, 0, row);
        if (k >= -(int64_t)u && k < cols - (int64_t)u)
            ms_convert(to + (size_t)((int64_t)u + k) * size, y->dtype, &one, MS_F32, 1);
    }
}

static ms_code infer(struct ms_infer *c)
{
    const char *type = ms_attr_str(c->node, "dtype");

    MS_TRY(ms_fact_rank(c, 0, 2));
    c->out[0].dtype = type[0] ? ms_dtype_from_name(type) : c->in[0].dtype;
    c->out[0].shape = c->in[0].shape;
    if (c->in[0].shape.rank < 0)
        ms_fact_fresh(c, 0, c->out[0].dtype, 2);
    return MS_OK;
}

static const struct ms_attr_spec attrs[] = {
    {.name = "dtype",
     .type = MS_ATTR_STRING,
     .s = "",
     .choices = "|f32|f64|f16|bf16|i8|i16|i32|i64|u8|u16|u32|u64|bool",
     .doc = "dtype of the result, by name; the input's by default"},
    {.name = "k", .type = MS_ATTR_INT, .doc = "diagonal: 0 the main one, above it positive"},
    {0},
};

MS_OP(eye_like) = {
    .name = "EyeLike",
    .doc = "ones on a diagonal",
    .min_in = 1,
    .max_in = 1,
    .min_out = 1,
    .max_out = 1,
    .in = {MS_FIXED},
    .attrs = attrs,
    .infer = infer,
    .kernels = (const struct ms_kernel[]){{"eye_like", MS_FIXED, MS_ISA_ANY, .units = units,
                                           .run = run},
                                          {0}},
};
