/* SPDX-License-Identifier: Apache-2.0 */
/* arg.c - ArgMax and ArgMin: the index of the largest or smallest element along an axis.
 *
 * Of equal elements the first (or last, on request) counts; the first NaN beats everything, as in
 * numpy. A unit is one output element. */
#include "kernels/copy.h"
#include "kernels/facts.h"
#include "kernels/half.h"

/* Does x replace the best so far? NaN is only replaced by nothing. */
#define BETTER_FLOAT(x, best, op_) (best == best && (x op_ best || x != x || (later && x == best)))
#define BETTER_INT(x, best, op_) (x op_ best || (later && x == best))

#define SCAN(name_, T_, load_, op_, better_)                                                       \
    static int64_t name_(const void *xv, size_t n, size_t step, bool later)                        \
    {                                                                                              \
        const T_ *p = xv;                                                                          \
        int64_t at = 0;                                                                            \
        __auto_type best = load_(p[0]);                                                            \
        for (size_t i = 1; i < n; i++) {                                                           \
            const __auto_type x = load_(p[i * step]);                                              \
            if (better_(x, best, op_)) {                                                           \
                best = x;                                                                          \
                at = (int64_t)i;                                                                   \
            }                                                                                      \
        }                                                                                          \
        return at;                                                                                 \
    }
#define AS_IS(x) (x)
#define SCANS(id_, op_)                                                                            \
    SCAN(id_##_f32, float, AS_IS, op_, BETTER_FLOAT)                                               \
    SCAN(id_##_f64, double, AS_IS, op_, BETTER_FLOAT)                                              \
    SCAN(id_##_f16, uint16_t, ms_f16_to_f32, op_, BETTER_FLOAT)                                    \
    SCAN(id_##_bf16, uint16_t, ms_bf16_to_f32, op_, BETTER_FLOAT)                                  \
    SCAN(id_##_i8, int8_t, AS_IS, op_, BETTER_INT)                                                 \
    SCAN(id_##_i16, int16_t, AS_IS, op_, BETTER_INT)                                               \
    SCAN(id_##_i32, int32_t, AS_IS, op_, BETTER_INT)                                               \
    SCAN(id_##_i64, int64_t, AS_IS, op_, BETTER_INT)                                               \
    SCAN(id_##_u8, uint8_t, AS_IS, op_, BETTER_INT)                                                \
    SCAN(id_##_u16, uint16_t, AS_IS, op_, BETTER_INT)                                              \
    SCAN(id_##_u32, uint32_t, AS_IS, op_, BETTER_INT)                                              \
    SCAN(id_##_u64, uint64_t, AS_IS, op_, BETTER_INT)                                              \
    static const scan_fn id_##_scans[MS_N_DTYPES] = {                                              \
        [MS_F32] = id_##_f32, [MS_F64] = id_##_f64, [MS_F16] = id_##_f16, [MS_BF16] = id_##_bf16,  \
        [MS_I8] = id_##_i8,   [MS_I16] = id_##_i16, [MS_I32] = id_##_i32, [MS_I64] = id_##_i64,    \
        [MS_U8] = id_##_u8,   [MS_U16] = id_##_u16, [MS_U32] = id_##_u32, [MS_U64] = id_##_u64,    \
    };

typedef int64_t (*scan_fn)(const void *x, size_t n, size_t step, bool later);

SCANS(max, >)
SCANS(min, <)

static void run_scan(const struct ms_task *t, const scan_fn *scans)
{
    const struct ms_tensor *x = t->in[0];
    const bool later = ms_attr_int(t->node, "select_last_index");
    const size_t size = ms_dtype_size(x->dtype);
    int axis = 0;

    (void)ms_axis(ms_attr_int(t->node, "axis"), x->shape.rank, &axis);
    const size_t n = (size_t)x->shape.dim[axis];
    const size_t inner = ms_shape_span(&x->shape, axis + 1, x->shape.rank);

    for (size_t u = t->first; u < t->last && !ms_task_stopped(t); u++) {
        const size_t at = u / inner * n * inner + u % inner;

        ((int64_t *)t->out[0]->data)[u] =
            scans[x->dtype]((const uint8_t *)x->data + at * size, n, inner, later);
    }
}

static void run_max(const struct ms_task *t)
{
    run_scan(t, max_scans);
}
static void run_min(const struct ms_task *t)
{
    run_scan(t, min_scans);
}

static ms_code infer(struct ms_infer *c)
{
    const struct ms_shape *x = &c->in[0].shape;
    struct ms_shape y = {0};
    int axis;

    if (x->rank < 0)
        return ms_fact_unknown(c, 0, MS_I64);
    MS_TRY(ms_fact_axis(c, ms_attr_int(c->node, "axis"), x->rank, &axis));
    if (x->dim[axis] == 0)
        return ms_fail(c->err, MS_INVALID_ARGUMENT, "axis %d has no elements", axis);
    for (int d = 0; d < x->rank; d++) {
        if (d != axis)
            y.dim[y.rank++] = x->dim[d];
        else if (ms_attr_int(c->node, "keepdims"))
            y.dim[y.rank++] = 1;
    }
    c->out[0].dtype = MS_I64;
    c->out[0].shape = y;
    return MS_OK;
}

static double cost(const struct ms_node *n, const struct ms_fact *in, const struct ms_fact *out)
{
    (void)n;
    (void)out;
    return 2.0 * (double)ms_shape_span(&in->shape, 0, in->shape.rank);
}

static const struct ms_attr_spec attrs[] = {
    {.name = "axis",
     .type = MS_ATTR_INT,
     .min = -MS_MAX_RANK,
     .max = MS_MAX_RANK - 1,
     .doc = "where to look"},
    {.name = "keepdims",
     .type = MS_ATTR_INT,
     .i = 1,
     .min = 0,
     .max = 1,
     .doc = "1: the axis stays, with size 1"},
    {.name = "select_last_index",
     .type = MS_ATTR_INT,
     .min = 0,
     .max = 1,
     .doc = "1: of equal elements, the last"},
    {0},
};

#define ARG_OP(id_, name_, doc_, run_)                                                             \
    MS_OP(id_) = {                                                                                 \
        .name = name_,                                                                             \
        .doc = doc_,                                                                               \
        .min_in = 1,                                                                               \
        .max_in = 1,                                                                               \
        .min_out = 1,                                                                              \
        .max_out = 1,                                                                              \
        .in = {MS_NUMERIC},                                                                        \
        .attrs = attrs,                                                                            \
        .infer = infer,                                                                            \
        .cost = cost,                                                                              \
        .kernels =                                                                                 \
            (const struct ms_kernel[]){                                                            \
                {#id_, MS_NUMERIC, MS_ISA_ANY, .units = ms_units_elements, .run = run_}, {0}},     \
    }

ARG_OP(argmax, "ArgMax", "index of the largest element along an axis", run_max);
ARG_OP(argmin, "ArgMin", "index of the smallest element along an axis", run_min);
