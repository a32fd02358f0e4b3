/* SPDX-License-Identifier: Apache-2.0 */
/* reduce_fold.c - the inner loops of the Reduce operators, for each dtype.
 *
 * Accumulators sit in memory; 64 of them hide the latency of the additions. */
#include <math.h>

#include "kernels/elementwise.h"
#include "kernels/reduce.h"
#include "kernels/vec_avx2.h"
#include "kernels/reduce_rows.inc"
#include "kernels/vec_avx512.h"
#include "kernels/reduce_rows.inc"

/* a is the accumulator, x the element (already of the accumulator's type); result: the new a. */
#define FOLD(name_, target_, T_, A_, field_, expr_)                                                \
    target_ MS_VECTORISE static void name_(union ms_acc *acc, const union ms_acc *m,               \
                                           const void *xv, size_t rows, size_t cols,               \
                                           ptrdiff_t step)                                         \
    {                                                                                              \
        (void)m;                                                                                   \
        for (size_t r = 0; r < rows; r++) {                                                        \
            const T_ *px = (const T_ *)xv + (ptrdiff_t)r * step;                                   \
            MS_IVDEP                                                                               \
            for (size_t i = 0; i < cols; i++) {                                                    \
                const A_ x = (A_)px[i], a = acc[i].field_;                                         \
                acc[i].field_ = (expr_);                                                           \
            }                                                                                      \
        }                                                                                          \
    }

#define IN_DOUBLE(name_, target_, expr_) FOLD(name_, target_, float, double, f, expr_)

/* Sums of f32: in f32 over up to ROWS rows, as wide as the vectors are, four rows at a time as a
 * tree (a quarter of the roundings at full magnitude, and the order in which other engines add),
 * and in double from there, so that long sums stay exact. */
enum { ROWS = 1024, MAX_COLS = 512, LANES = 64 /* the usual width, known to the compiler */ };
#define IN_BLOCKS(name_, target_, expr_)                                                           \
    target_ MS_VECTORISE static inline __attribute__((always_inline)) void name_##_block(          \
        float *part, const float *x, size_t rows, size_t cols, ptrdiff_t step)                     \
    {                                                                                              \
        const size_t quads = (rows - 1) & ~(size_t)3;                                              \
        size_t r = 1;                                                                              \
        for (size_t i = 0; i < cols; i++)                                                          \
            part[i] = x[i];                                                                        \
        for (; r < quads; r += 4) {                                                                \
            const float *a = x + (ptrdiff_t)r * step, *b = a + step, *c = b + step, *d = c + step; \
            MS_IVDEP                                                                               \
            for (size_t i = 0; i < cols; i++)                                                      \
                part[i] += (a[i] + b[i]) + (c[i] + d[i]);                                          \
        }                                                                                          \
        for (; r < rows; r++) {                                                                    \
            const float *a = x + (ptrdiff_t)r * step;                                              \
            MS_IVDEP                                                                               \
            for (size_t i = 0; i < cols; i++)                                                      \
                part[i] += a[i];                                                                   \
        }                                                                                          \
    }                                                                                              \
    target_ MS_VECTORISE static void name_(union ms_acc *acc, const union ms_acc *m,               \
                                           const void *xv, size_t rows, size_t cols,               \
                                           ptrdiff_t step)                                         \
    {                                                                                              \
        float part[MAX_COLS];                                                                      \
        (void)m;                                                                                   \
        for (size_t first = 0; first < rows; first += ROWS) {                                      \
            const size_t n = rows - first < ROWS ? rows - first : ROWS;                            \
            const float *from = (const float *)xv + (ptrdiff_t)first * step;                       \
            if (cols == LANES)                                                                     \
                name_##_block(part, from, n, LANES, step);                                         \
            else                                                                                   \
                name_##_block(part, from, n, cols, step);                                          \
            for (size_t i = 0; i < cols; i++)                                                      \
                acc[i].f += (double)part[i];                                                       \
        }                                                                                          \
    }

/* Largest and smallest f32 elements are exact in f32. */
#define TOP_FOLD(name_, v_, target_, largest_)                                                     \
    target_ static void name_(union ms_acc *acc, const union ms_acc *m, const void *x,             \
                              size_t rows, size_t cols, ptrdiff_t step)                            \
    {                                                                                              \
        (void)m;                                                                                   \
        v_##_fold_top(acc, x, rows, cols, step, largest_);                                         \
    }
#define TOP_FOLDS(v_, isa_, target_)                                                               \
    TOP_FOLD(max_f32_##isa_, v_, target_, true)                                                    \
    TOP_FOLD(min_f32_##isa_, v_, target_, false)
#define DONE(name_, target_, expr_) /* those of f32 are there already */

/* Rows of f32. */
#define ROW(name_, target_, value_)                                                                \
    target_ static union ms_acc name_(const float *x, size_t n)                                    \
    {                                                                                              \
        return (union ms_acc){.f = (double)(value_)};                                              \
    }
ROW(sum_row_avx2, MS_TARGET_AVX2, v8_row_total(x, n))
ROW(sum_row_avx512, MS_TARGET_AVX512, v16_row_total(x, n))
ROW(max_row_avx2, MS_TARGET_AVX2, v8_row_top(x, n, true))
ROW(max_row_avx512, MS_TARGET_AVX512, v16_row_top(x, n, true))
ROW(min_row_avx2, MS_TARGET_AVX2, v8_row_top(x, n, false))
ROW(min_row_avx512, MS_TARGET_AVX512, v16_row_top(x, n, false))
#define ROWS_OF(id_) .avx2_row = id_##_row_avx2, .avx512_row = id_##_row_avx512,
#define NO_ROWS(id_)

#define JOIN(name_, A_, field_, expr_)                                                             \
    static void name_(union ms_acc *acc, size_t n)                                                 \
    {                                                                                              \
        for (size_t i = 0; i < n; i++) {                                                           \
            const A_ x = acc[n + i].field_, a = acc[i].field_;                                     \
            acc[i].field_ = (expr_);                                                               \
        }                                                                                          \
    }

/* All loops of one fold. fe_ is the expression on doubles, ie_ on signed and ue_ on unsigned 64-bit
 * integers; the j ones put two accumulators together. Signed values are widened, then wrapped as
 * unsigned. */
#define FOLDS(id_, f32_, rows_, fe_, ie_, ue_, jf_, ji_, ju_, start_)                              \
    f32_(id_##_f32, , fe_) f32_(id_##_f32_avx2, MS_TARGET_AVX2, fe_) f32_(                         \
        id_##_f32_avx512, MS_TARGET_AVX512, fe_) FOLD(id_##_f64, , double, double, f, fe_)         \
        FOLD(id_##_i8, , int8_t, int64_t, i, ie_) FOLD(id_##_i16, , int16_t, int64_t, i, ie_)      \
            FOLD(id_##_i32, , int32_t, int64_t, i, ie_) FOLD(                                      \
                id_##_i64, , int64_t, int64_t, i, ie_) FOLD(id_##_u8, , uint8_t, uint64_t, u, ue_) \
                FOLD(id_##_u16, , uint16_t, uint64_t, u, ue_)                                      \
                    FOLD(id_##_u32, , uint32_t, uint64_t, u, ue_)                                  \
                        FOLD(id_##_u64, , uint64_t, uint64_t, u, ue_)                              \
                            JOIN(id_##_join_f, double, f, jf_) JOIN(id_##_join_i, int64_t, i, ji_) \
                                JOIN(id_##_join_u, uint64_t, u, ju_)                               \
                                    const struct ms_fold ms_fold_##id_ = {                         \
                                        .rows = {MS_HAS_FLOAT(id_),                                \
                                                 MS_HAS_INT(id_), [MS_BOOL] = id_##_u8},           \
                                        .avx2_f32 = id_##_f32_avx2,                                \
                                        .avx512_f32 = id_##_f32_avx512,                            \
                                        rows_(id_).join_f = id_##_join_f,                          \
                                        .join_i = id_##_join_i,                                    \
                                        .join_u = id_##_join_u,                                    \
                                        .start = start_,                                           \
    };

#define WRAP(op_, a_, b_) ((int64_t)((uint64_t)(a_)op_(uint64_t)(b_)))
#define ABS_I(x_) ((x_) < 0 ? (int64_t)(0 - (uint64_t)(x_)) : (x_))

static union ms_acc start_0(enum ms_dtype t)
{
    (void)t;
    return (union ms_acc){.u = 0}; /* 0.0 as well */
}

static union ms_acc start_1(enum ms_dtype t)
{
    return ms_dtype_kind(t) == MS_KIND_FLOAT ? (union ms_acc){.f = 1.0} : (union ms_acc){.u = 1};
}

/* The largest and smallest value of an integer type of that many bits. */
static int64_t signed_max(enum ms_dtype t)
{
    return INT64_MAX >> (64 - 8 * ms_dtype_size(t));
}

static union ms_acc start_low(enum ms_dtype t)
{
    if (ms_dtype_kind(t) == MS_KIND_FLOAT)
        return (union ms_acc){.f = -INFINITY};
    if (ms_dtype_kind(t) == MS_KIND_INT)
        return (union ms_acc){.i = -signed_max(t) - 1};
    return (union ms_acc){.u = 0};
}

static union ms_acc start_high(enum ms_dtype t)
{
    if (ms_dtype_kind(t) == MS_KIND_FLOAT)
        return (union ms_acc){.f = INFINITY};
    if (ms_dtype_kind(t) == MS_KIND_INT)
        return (union ms_acc){.i = signed_max(t)};
    return (union ms_acc){.u = t == MS_BOOL ? 1 : UINT64_MAX >> (64 - 8 * ms_dtype_size(t))};
}

FOLDS(sum, IN_BLOCKS, ROWS_OF, a + x, WRAP(+, a, x), a + x, a + x, WRAP(+, a, x), a + x, start_0)
FOLDS(abs, IN_DOUBLE, NO_ROWS, a + fabs(x), WRAP(+, a, ABS_I(x)), a + x, a + x, WRAP(+, a, x),
      a + x, start_0)
FOLDS(square, IN_DOUBLE, NO_ROWS, a + x * x, WRAP(+, a, WRAP(*, x, x)), a + x * x, a + x,
      WRAP(+, a, x), a + x, start_0)
FOLDS(prod, IN_DOUBLE, NO_ROWS, a *x, WRAP(*, a, x), a *x, a *x, WRAP(*, a, x), a *x, start_1)
/* NaN wins, as in numpy. */
#define MAX_F(x, a) x > a || x != x ? x : a
#define MIN_F(x, a) x < a || x != x ? x : a
IN_DOUBLE(max_f32, , MAX_F(x, a))
IN_DOUBLE(min_f32, , MIN_F(x, a))
TOP_FOLDS(v8, avx2, MS_TARGET_AVX2)
TOP_FOLDS(v16, avx512, MS_TARGET_AVX512)
FOLDS(max, DONE, ROWS_OF, MAX_F(x, a), x > a ? x : a, x > a ? x : a, MAX_F(x, a), x > a ? x : a,
      x > a ? x : a, start_low)
FOLDS(min, DONE, ROWS_OF, MIN_F(x, a), x < a ? x : a, x < a ? x : a, MIN_F(x, a), x < a ? x : a,
      x < a ? x : a, start_high)

/* exp(x - m) summed; integers are converted by the caller's choice of accumulator. */
#define EXP_FOLD(name_, T_)                                                                        \
    static void name_(union ms_acc *acc, const union ms_acc *m, const void *xv, size_t rows,       \
                      size_t cols, ptrdiff_t step)                                                 \
    {                                                                                              \
        for (size_t r = 0; r < rows; r++) {                                                        \
            const T_ *px = (const T_ *)xv + (ptrdiff_t)r * step;                                   \
            for (size_t i = 0; i < cols; i++)                                                      \
                acc[i].f += exp((double)px[i] - m[i].f);                                           \
        }                                                                                          \
    }
EXP_FOLD(exp_f32, float)
EXP_FOLD(exp_f64, double)

const struct ms_fold ms_fold_exp = {
    .rows = {[MS_F32] = exp_f32, [MS_F64] = exp_f64},
    .join_f = sum_join_f,
    .start = start_0,
};
