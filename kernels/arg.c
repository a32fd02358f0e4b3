/* SPDX-License-Identifier: Apache-2.0 */
/* arg.c - ArgMax and ArgMin: the index of the largest or smallest element along an axis.
 *
 * Of equal elements the first (or last, on request) counts; the first NaN beats everything, as in
 * numpy. A unit is one output element. */
#include <string.h>

#include "kernels/copy.h"
#include "kernels/elementwise.h"
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

/* ---- f32, elements side by side ---- */

enum { LANES = 16, CHUNK = 512 };

/* The best of n elements, n a multiple of LANES; false if one is NaN. */
#define TOP(name_, target_, op_)                                                                   \
    target_ MS_VECTORISE static bool name_(const float *x, size_t n, float *top)                   \
    {                                                                                              \
        float best[LANES];                                                                         \
        int32_t nan[LANES] = {0}, any = 0;                                                         \
        memcpy(best, x, sizeof best);                                                              \
        for (size_t i = 0; i < n; i += LANES)                                                      \
            for (size_t l = 0; l < LANES; l++) {                                                   \
                best[l] = x[i + l] op_ best[l] ? x[i + l] : best[l];                               \
                nan[l] |= x[i + l] != x[i + l];                                                    \
            }                                                                                      \
        for (size_t l = 0; l < LANES; l++) {                                                       \
            best[0] = best[l] op_ best[0] ? best[l] : best[0];                                     \
            any |= nan[l];                                                                         \
        }                                                                                          \
        *top = best[0];                                                                            \
        return !any;                                                                               \
    }
/* The chunk with the best element is found first, then the element in it. */
#define RUN(name_, op_, top_, scan_)                                                               \
    static int64_t name_(const float *x, size_t n, bool later)                                     \
    {                                                                                              \
        const size_t whole = n / LANES * LANES;                                                    \
        size_t chunk = 0, i = 0;                                                                   \
        float best = x[0], top;                                                                    \
        for (size_t m; i < whole; i += m) {                                                        \
            m = whole - i < CHUNK ? whole - i : CHUNK;                                             \
            if (!top_(x + i, m, &top))                                                             \
                return scan_(x, n, 1, later);                                                      \
            if (top op_ best || (later && top == best)) {                                          \
                best = top;                                                                        \
                chunk = i;                                                                         \
            }                                                                                      \
        }                                                                                          \
        for (; i < n; i++)                                                                         \
            if (!(x[i] == x[i]))                                                                   \
                return scan_(x, n, 1, later);                                                      \
            else if (x[i] op_ best || (later && x[i] == best)) {                                   \
                best = x[i];                                                                       \
                chunk = i;                                                                         \
            }                                                                                      \
        const size_t m = n - chunk < CHUNK ? n - chunk : CHUNK;                                    \
        return (int64_t)chunk + scan_(x + chunk, m, 1, later);                                     \
    }
TOP(top_avx512, MS_TARGET_AVX512, >)
TOP(top_avx2, MS_TARGET_AVX2, >)
TOP(bottom_avx512, MS_TARGET_AVX512, <)
TOP(bottom_avx2, MS_TARGET_AVX2, <)
RUN(max_run_avx512, >, top_avx512, max_f32)
RUN(max_run_avx2, >, top_avx2, max_f32)
RUN(min_run_avx512, <, bottom_avx512, min_f32)
RUN(min_run_avx2, <, bottom_avx2, min_f32)

typedef int64_t (*run_fn)(const float *x, size_t n, bool later);

static void run_scan(const struct ms_task *t, const scan_fn *scans, run_fn row)
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
        const void *from = (const uint8_t *)x->data + at * size;

        ((int64_t *)t->out[0]->data)[u] =
            row && inner == 1 ? row(from, n, later) : scans[x->dtype](from, n, inner, later);
    }
}

#define ARG_RUN(name_, scans_, row_)                                                               \
    static void name_(const struct ms_task *t)                                                     \
    {                                                                                              \
        run_scan(t, scans_, row_);                                                                 \
    }
ARG_RUN(run_max, max_scans, NULL)
ARG_RUN(run_max_avx2, max_scans, max_run_avx2)
ARG_RUN(run_max_avx512, max_scans, max_run_avx512)
ARG_RUN(run_min, min_scans, NULL)
ARG_RUN(run_min_avx2, min_scans, min_run_avx2)
ARG_RUN(run_min_avx512, min_scans, min_run_avx512)

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
        .kernels = (const struct ms_kernel[]){{#id_ "_avx512", MS_BIT(F32), MS_ISA_AVX512,         \
                                               .units = ms_units_elements, .run = run_##_avx512},  \
                                              {#id_ "_avx2", MS_BIT(F32), MS_ISA_AVX2,             \
                                               .units = ms_units_elements, .run = run_##_avx2},    \
                                              {#id_, MS_NUMERIC, MS_ISA_ANY,                       \
                                               .units = ms_units_elements, .run = run_},           \
                                              {0}},                                                \
    }

ARG_OP(argmax, "ArgMax", "index of the largest element along an axis", run_max);
ARG_OP(argmin, "ArgMin", "index of the smallest element along an axis", run_min);
