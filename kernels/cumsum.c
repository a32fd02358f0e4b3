/* SPDX-License-Identifier: Apache-2.0 */
/* cumsum.c - running sums along the axis in input 1.
 *
 * exclusive: without the element itself; reverse: from the end. Sums are made in the element's type
 * (half types in f32, rounded when stored; integers wrap). A line is one chain of additions. */
#include "kernels/copy.h"
#include "kernels/facts.h"
#include "kernels/half.h"

/* One line of n elements, `step` apart; first element at x, y. */
#define LINE(T_, S_, load_, store_)                                                                \
    do {                                                                                           \
        const T_ *x = (const T_ *)t->in[0]->data + at;                                             \
        T_ *y = (T_ *)t->out[0]->data + at;                                                        \
        S_ sum = 0;                                                                                \
        for (size_t i = 0; i < n; i++) {                                                           \
            const size_t k = (reverse ? n - 1 - i : i) * step;                                     \
            const S_ v = (S_)load_(x[k]);                                                          \
            y[k] = (T_)store_(exclusive ? sum : (S_)(sum + v));                                    \
            sum = (S_)(sum + v);                                                                   \
        }                                                                                          \
    } while (0)
#define AS_IS(x) (x)

static void line(const struct ms_task *t, size_t at, size_t n, size_t step, bool exclusive,
                 bool reverse)
{
    switch (t->in[0]->dtype) {
    case MS_F32:
        LINE(float, float, AS_IS, AS_IS);
        break;
    case MS_F64:
        LINE(double, double, AS_IS, AS_IS);
        break;
    case MS_F16:
        LINE(uint16_t, float, ms_f16_to_f32, ms_f32_to_f16);
        break;
    case MS_BF16:
        LINE(uint16_t, float, ms_bf16_to_f32, ms_f32_to_bf16);
        break;
    case MS_I32:
        LINE(int32_t, uint32_t, AS_IS, AS_IS);
        break;
    case MS_U32:
        LINE(uint32_t, uint32_t, AS_IS, AS_IS);
        break;
    default: /* 64 bits, wrapping */
        LINE(uint64_t, uint64_t, AS_IS, AS_IS);
        break;
    }
}

static size_t units(const struct ms_task *t)
{
    return ms_tensor_count(t->in[0]);
}

/* Units are elements, so that they do not depend on the axis (data): a line is done by the range
 * that holds its first element. */
static void run(const struct ms_task *t)
{
    const struct ms_shape *x = &t->in[0]->shape;
    const bool exclusive = ms_attr_int(t->node, "exclusive");
    const bool reverse = ms_attr_int(t->node, "reverse");
    int axis;

    if (!ms_axis(ms_index_at(t->in[1], 0), x->rank, &axis)) {
        ms_index_fail(t, 1, 0, x->rank);
        return;
    }
    const size_t n = (size_t)x->dim[axis], step = ms_shape_span(x, axis + 1, x->rank);

    for (size_t u = t->first; u < t->last;) {
        if (u / step % n == 0) {
            line(t, u, n, step, exclusive, reverse);
            u++;
        } else {
            u = (u / (n * step) + 1) * n * step; /* the next line begins there */
        }
        if (ms_task_stopped(t))
            return;
    }
}

static ms_code infer(struct ms_infer *c)
{
    int64_t axis[MS_MAX_SYM_CONTENT];
    int n, a;

    if (ms_infer_const_ints(c, 1, axis, &n)) {
        if (c->in[0].shape.rank >= 0)
            MS_TRY(ms_fact_axis(c, axis[0], c->in[0].shape.rank, &a));
    }
    c->out[0].dtype = c->in[0].dtype;
    c->out[0].shape = c->in[0].shape;
    return MS_OK;
}

static const struct ms_attr_spec attrs[] = {
    {.name = "exclusive", .type = MS_ATTR_INT, .min = 0, .max = 1, .doc = "1: without the element"},
    {.name = "reverse", .type = MS_ATTR_INT, .min = 0, .max = 1, .doc = "1: from the end"},
    {0},
};

#define TYPES (MS_FLOATS | MS_BIT(I32) | MS_BIT(I64) | MS_BIT(U32) | MS_BIT(U64))

MS_OP(cumsum) = {
    .name = "CumSum",
    .doc = "running sums along an axis",
    .min_in = 2,
    .max_in = 2,
    .min_out = 1,
    .max_out = 1,
    .in = {TYPES, MS_INDEX_TYPES},
    .scalars = 1 << 1,
    .attrs = attrs,
    .infer = infer,
    .kernels = (const struct ms_kernel[]){{"cumsum", TYPES, MS_ISA_ANY, .units = units, .run = run},
                                          {0}},
};
