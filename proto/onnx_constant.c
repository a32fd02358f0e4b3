/* SPDX-License-Identifier: Apache-2.0 */
/* onnx_constant.c - Constant nodes are weights: exporters keep whole models in them. */
#include "proto/onnx_read.h"

static ms_code constant_strings(struct onnx_site *s, const struct ms_bytes *v, size_t n, int rank,
                                struct ms_value **out)
{
    const int64_t dim = (int64_t)n;
    const struct ms_shape shape = ms_shape_of(rank, &dim);

    *out = ms_graph_const_copy(s->scope->g, NULL, MS_STRING, &shape, v);
    return *out ? MS_OK : onnx_site_oom(s);
}

static ms_code constant_list(struct onnx_site *s, const struct onnx_attr *a, struct ms_value **out)
{
    const int64_t type = onnx_attr_type(a);
    const int64_t dim = (int64_t)(type == ONNX_FLOATS ? a->floats.n : a->ints.n);
    const struct ms_shape shape = ms_shape_of(1, &dim);

    *out = type == ONNX_FLOATS ? ms_graph_const_copy(s->scope->g, NULL, MS_F32, &shape, a->floats.v)
                               : ms_graph_const_copy(s->scope->g, NULL, MS_I64, &shape, a->ints.v);
    return *out ? MS_OK : onnx_site_oom(s);
}

static ms_code constant_tensor(struct onnx_site *s, const struct onnx_attr *a,
                               struct ms_value **out)
{
    struct onnx_reader *r = s->scope->r;
    const struct ms_tensor *m;

    if (!a->t)
        return onnx_site_fail(s, MS_INVALID_ARGUMENT, "has no value");
    if (onnx_tensor_make(a->t, &r->files, r->arena, &m, r->err) != MS_OK)
        return onnx_node_prefix(r, s->node, s->number);
    *out = ms_graph_constant(s->scope->g, NULL, m);
    return *out ? MS_OK : onnx_site_oom(s);
}

/* A weight like any other: no node is made. */
ms_code onnx_lower_constant(struct onnx_site *s)
{
    const struct onnx_attr *a = NULL;
    const struct ms_shape scalar = ms_shape_scalar();
    struct ms_value *v = NULL;

    for (int i = 0; i < s->n_attrs && !a; i++)
        a = s->attr[i];
    if (!a || s->n_attrs != 1)
        return onnx_site_fail(s, MS_INVALID_ARGUMENT, "must have one value");
    switch (onnx_attr_type(a)) {
    case ONNX_TENSOR:
        MS_TRY(constant_tensor(s, a, &v));
        break;
    case ONNX_FLOAT:
        v = ms_graph_const_f32(s->scope->g, NULL, a->f);
        break;
    case ONNX_INT:
        v = ms_graph_const_copy(s->scope->g, NULL, MS_I64, &scalar, &a->i);
        break;
    case ONNX_FLOATS:
    case ONNX_INTS:
        MS_TRY(constant_list(s, a, &v));
        break;
    case ONNX_STRING:
        MS_TRY(constant_strings(s, &a->s, 1, 0, &v));
        break;
    case ONNX_STRINGS:
        MS_TRY(constant_strings(s, a->strings.v, a->strings.n, 1, &v));
        break;
    default:
        return onnx_site_fail(s, MS_UNIMPLEMENTED, "this kind of value is not supported");
    }
    return v ? onnx_site_out(s, 0, v) : onnx_site_oom(s);
}
