/* SPDX-License-Identifier: Apache-2.0 */
/* quant.c - see quant.h. */
#include "kernels/quant.h"

int32_t ms_quant_at(const struct ms_tensor *t, size_t i)
{
    return t ? (int32_t)ms_tensor_i64(t, i) : 0;
}

void ms_quant_range(enum ms_dtype t, double *lo, double *hi)
{
    bool sign = ms_dtype_kind(t) == MS_KIND_INT;
    double span = ldexp(1, (int)ms_dtype_size(t) * 8);

    *lo = sign ? -span / 2 : 0;
    *hi = *lo + span - 1;
}

void ms_quant_put(struct ms_tensor *t, size_t i, double v)
{
    switch (t->dtype) {
    case MS_I8:
        ((int8_t *)t->data)[i] = (int8_t)v;
        break;
    case MS_U8:
        ((uint8_t *)t->data)[i] = (uint8_t)v;
        break;
    case MS_I16:
        ((int16_t *)t->data)[i] = (int16_t)v;
        break;
    default:
        ((uint16_t *)t->data)[i] = (uint16_t)v;
    }
}

ms_code ms_quant_check_scale(struct ms_infer *c)
{
    const struct ms_shape *x = &c->in[0].shape, *s = &c->in[1].shape;
    int64_t block = ms_attr_int(c->node, "block_size");
    int axis;
    size_t n;

    if (ms_infer_has(c, 2) && s->rank >= 0 && c->in[2].shape.rank >= 0 && ms_shape_static(s) &&
        ms_shape_static(&c->in[2].shape) && !ms_shape_eq(s, &c->in[2].shape))
        return ms_fail(c->err, MS_INVALID_ARGUMENT, "scale and zero point differ in shape");
    if (x->rank < 0 || s->rank < 0 || s->rank == 0 || (ms_shape_count(s, &n) && n == 1))
        return MS_OK;
    if (!ms_axis(ms_attr_int(c->node, "axis"), x->rank, &axis))
        return ms_fail(c->err, MS_INVALID_ARGUMENT, "attribute axis is outside of rank %d",
                       x->rank);
    if (!ms_shape_static(x) || !ms_shape_static(s))
        return MS_OK;
    bool fits = block ? s->rank == x->rank : s->rank == 1 && s->dim[0] == x->dim[axis];
    for (int d = 0; block && fits && d < x->rank; d++)
        fits = s->dim[d] == (d == axis ? (x->dim[d] + block - 1) / block : x->dim[d]);
    return fits ? MS_OK
                : ms_fail(c->err, MS_INVALID_ARGUMENT, "the scales do not fit the input's axis");
}

void ms_quant_map_of(struct ms_quant_map *m, const struct ms_node *n, const struct ms_shape *x,
                     const struct ms_shape *scale)
{
    int axis = 0;
    size_t block = (size_t)ms_attr_int(n, "block_size");

    *m = (struct ms_quant_map){0};
    if (ms_shape_span(scale, 0, scale->rank) == 1 ||
        !ms_axis(ms_attr_int(n, "axis"), x->rank, &axis))
        return;
    m->kind = block ? 2 : 1;
    m->inner = ms_shape_span(x, axis + 1, x->rank);
    m->axis = (size_t)x->dim[axis];
    m->block = block;
    m->groups = block ? (m->axis + block - 1) / block : m->axis;
}

size_t ms_quant_index(const struct ms_quant_map *m, size_t i)
{
    if (m->kind == 0)
        return 0;
    size_t k = i / m->inner % m->axis;
    if (m->kind == 1)
        return k;
    return (i / m->inner / m->axis * m->groups + k / m->block) * m->inner + i % m->inner;
}
