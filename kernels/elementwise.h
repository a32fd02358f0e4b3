/* SPDX-License-Identifier: Apache-2.0 */
/* elementwise.h - operators that work element by element, with numpy broadcasting.
 *
 * An operator's file states one expression for each group of dtypes; macros below make the loops
 * ("rows") for each dtype and instruction set, and the compiler vectorises them. The drivers walk
 * shapes and hand rows long runs: whole tensors where possible, otherwise packed blocks.
 *
 *     MS_ROWS_F32(MS_ROW2, add, a + b)           for each ISA
 *     MS_ROWS_F64(MS_ROW2, add, a + b)
 *     MS_ROWS_SIGNED(MS_ROW2, add, (U)a + (U)b)  U is the unsigned type to compute in
 *     MS_KERNELS(ms_binary, add, MS_FLOATS | ..., MS_HAS_FLOAT(add), MS_HAS_SIGNED(add))
 *     MS_OP(add) = { ..., .kernels = add_kernels };
 *
 * f16 and bf16 are widened to f32 in blocks and rounded on the way out. Rows may run in place (y is
 * a), never otherwise overlapped. Every element's result depends on its operands alone. */
#ifndef MS_KERNELS_ELEMENTWISE_H
#define MS_KERNELS_ELEMENTWISE_H

#include <math.h>

#include "ir/op.h"

/* Vectorise this function, as -O3 does; errno and the exception flags of maths are nobody's
 * business here. Results stay those of IEEE arithmetic. */
#ifdef __clang__
#pragma clang diagnostic ignored "-Wpass-failed"
#define MS_VECTORISE
#define MS_IVDEP _Pragma("clang loop vectorize(assume_safety)")
#else
#define MS_VECTORISE __attribute__((optimize("O3", "no-math-errno", "no-trapping-math")))
#define MS_IVDEP _Pragma("GCC ivdep")
#endif

/* Which operands run along: both, or one is a single element. */
enum ms_row { MS_ROW_VV, MS_ROW_VS, MS_ROW_SV };

/* n results; true = an integer was divided by zero. */
typedef bool (*ms_binary_row)(void *y, const void *a, const void *b, size_t n, enum ms_row m);
typedef void (*ms_unary_row)(void *y, const void *x, size_t n);
typedef ms_binary_row ms_variadic_row;

/* Runs rows[dtype of input 0] over the task's range. rows has MS_N_DTYPES entries; half types
 * without an entry go through that of f32. A report fails the run with INVALID_ARGUMENT. */
void ms_unary_run(const struct ms_task *t, const ms_unary_row *rows);
void ms_binary_run(const struct ms_task *t, const ms_binary_row *rows);
/* ms_op.blocked of operators for which 0 op 0 is 0: activations of the same channels, and constants
 * (one number, or one a channel) where there is no padding. */
unsigned ms_blocked_binary(const struct ms_node *n);
/* y = in0 op in1 op in2 ..., from the left; one input is copied. */
void ms_variadic_run(const struct ms_task *t, const ms_variadic_row *rows);
/* y[first, last) = a op b for other tensors than the task's. */
bool ms_binary_range(const struct ms_task *t, const ms_binary_row *rows, struct ms_tensor *y,
                     const struct ms_tensor *a, const struct ms_tensor *b, size_t first,
                     size_t last);

/* ---- shape inference ---- */

/* Integer contents of y = a op b (Shape chains). */
struct ms_fold2 {
    bool (*num)(int64_t a, int64_t b, int64_t *y); /* false: cannot tell (overflow, zero) */
    int64_t neutral;                               /* x op neutral = x */
    bool commutes;                                 /* neutral op x = x as well */
};
/* Output 0: dtypes of all inputs equal; broadcast shape; contents by fold (may be NULL). */
ms_code ms_infer_binary(struct ms_infer *c, const struct ms_fold2 *fold);
ms_code ms_infer_broadcast(struct ms_infer *c); /* any number of inputs of one dtype */
ms_code ms_infer_predicate(struct ms_infer *c); /* the same, output is bool */

/* ---- rows ---- */

/* A row's expression sees a, b (or x), their type T, and U, the unsigned type of at least 32 bits
 * to compute integers in: signed overflow has no meaning in C, wrapping has. */
#define MS_ROW_TYPES(T_, U_)                                                                       \
    typedef T_ T __attribute__((unused));                                                          \
    typedef U_ U __attribute__((unused));

#define MS_ROW2_LOOP(O_, a_, b_, expr_)                                                            \
    MS_IVDEP                                                                                       \
    for (size_t i = 0; i < n; i++) {                                                               \
        const T a = a_, b = b_;                                                                    \
        y[i] = (O_)(expr_);                                                                        \
    }

#define MS_ROW2_TO(name_, target_, T_, U_, O_, expr_)                                              \
    target_ MS_VECTORISE static bool name_(void *yv, const void *av, const void *bv, size_t n,     \
                                           enum ms_row m)                                          \
    {                                                                                              \
        MS_ROW_TYPES(T_, U_)                                                                       \
        O_ *y = yv;                                                                                \
        const T *pa = av, *pb = bv;                                                                \
        if (m == MS_ROW_VV) {                                                                      \
            MS_ROW2_LOOP(O_, pa[i], pb[i], expr_)                                                  \
        } else if (m == MS_ROW_VS) {                                                               \
            const T s = pb[0];                                                                     \
            MS_ROW2_LOOP(O_, pa[i], s, expr_)                                                      \
        } else {                                                                                   \
            const T s = pa[0];                                                                     \
            MS_ROW2_LOOP(O_, s, pb[i], expr_)                                                      \
        }                                                                                          \
        return false;                                                                              \
    }

#define MS_ROW1_TO(name_, target_, T_, U_, O_, expr_)                                              \
    target_ MS_VECTORISE static void name_(void *yv, const void *xv, size_t n)                     \
    {                                                                                              \
        MS_ROW_TYPES(T_, U_)                                                                       \
        O_ *y = yv;                                                                                \
        const T *px = xv;                                                                          \
        MS_IVDEP                                                                                   \
        for (size_t i = 0; i < n; i++) {                                                           \
            const T x = px[i];                                                                     \
            y[i] = (O_)(expr_);                                                                    \
        }                                                                                          \
    }

/* Kinds of row: results of the operands' type, or bool. */
#define MS_ROW2(name_, target_, T_, U_, expr_) MS_ROW2_TO(name_, target_, T_, U_, T_, expr_)
#define MS_TEST2(name_, target_, T_, U_, expr_) MS_ROW2_TO(name_, target_, T_, U_, uint8_t, expr_)
#define MS_ROW1(name_, target_, T_, U_, expr_) MS_ROW1_TO(name_, target_, T_, U_, T_, expr_)
#define MS_TEST1(name_, target_, T_, U_, expr_) MS_ROW1_TO(name_, target_, T_, U_, uint8_t, expr_)

/* Rows of one kind and expression for a group of dtypes. */
#define MS_ROWS_F32(kind_, id_, expr_)                                                             \
    kind_(id_##_f32, , float, float, expr_)                                                        \
        kind_(id_##_f32_avx2, MS_TARGET_AVX2, float, float, expr_)                                 \
            kind_(id_##_f32_avx512, MS_TARGET_AVX512, float, float, expr_)
#define MS_ROWS_F64(kind_, id_, expr_) kind_(id_##_f64, , double, double, expr_)
#define MS_ROWS_SIGNED(kind_, id_, expr_)                                                          \
    kind_(id_##_i8, , int8_t, uint32_t, expr_) kind_(id_##_i16, , int16_t, uint32_t, expr_)        \
        kind_(id_##_i32, , int32_t, uint32_t, expr_) kind_(id_##_i64, , int64_t, uint64_t, expr_)
#define MS_ROWS_UNSIGNED(kind_, id_, expr_)                                                        \
    kind_(id_##_u8, , uint8_t, uint32_t, expr_) kind_(id_##_u16, , uint16_t, uint32_t, expr_)      \
        kind_(id_##_u32, , uint32_t, uint32_t, expr_)                                              \
            kind_(id_##_u64, , uint64_t, uint64_t, expr_)
#define MS_ROWS_BOOL(kind_, id_, expr_) kind_(id_##_bool, , uint8_t, uint32_t, expr_)

/* The same groups in a table of rows by dtype. */
#define MS_HAS_FLOAT(id_) [MS_F32] = id_##_f32, [MS_F64] = id_##_f64
#define MS_HAS_SIGNED(id_)                                                                         \
    [MS_I8] = id_##_i8, [MS_I16] = id_##_i16, [MS_I32] = id_##_i32, [MS_I64] = id_##_i64
#define MS_HAS_UNSIGNED(id_)                                                                       \
    [MS_U8] = id_##_u8, [MS_U16] = id_##_u16, [MS_U32] = id_##_u32, [MS_U64] = id_##_u64
#define MS_HAS_BOOL(id_) [MS_BOOL] = id_##_bool
#define MS_HAS_INT(id_) MS_HAS_SIGNED(id_), MS_HAS_UNSIGNED(id_)

#define MS_RUNNER(name_, driver_, ...)                                                             \
    static void name_(const struct ms_task *t)                                                     \
    {                                                                                              \
        driver_##_run(t, (const driver_##_row[MS_N_DTYPES]){__VA_ARGS__});                         \
    }

/* id_kernels: the plain kernel for the table given, for all its dtypes_. driver_ is ms_unary,
 * ms_binary or ms_variadic. */
#define MS_KERNELS_PLAIN(driver_, id_, dtypes_, ...)                                               \
    MS_RUNNER(id_##_run, driver_, __VA_ARGS__)                                                     \
    static const struct ms_kernel id_##_kernels[] = {                                              \
        {#id_, dtypes_, MS_ISA_ANY, .run = id_##_run},                                             \
        {0},                                                                                       \
    };

/* The same, with f32 (and half types through it) for each ISA in front. */
#define MS_KERNELS(driver_, id_, dtypes_, ...)                                                     \
    MS_RUNNER(id_##_run, driver_, __VA_ARGS__)                                                     \
    MS_RUNNER(id_##_run_avx2, driver_, [MS_F32] = id_##_f32_avx2)                                  \
    MS_RUNNER(id_##_run_avx512, driver_, [MS_F32] = id_##_f32_avx512)                              \
    static const struct ms_kernel id_##_kernels[] = {                                              \
        {#id_ "_avx512", MS_F32_HALF, MS_ISA_AVX512, .run = id_##_run_avx512},                     \
        {#id_ "_avx2", MS_F32_HALF, MS_ISA_AVX2, .run = id_##_run_avx2},                           \
        {#id_, dtypes_, MS_ISA_ANY, .run = id_##_run},                                             \
        {0},                                                                                       \
    };
#define MS_F32_HALF (MS_BIT(F32) | MS_BIT(F16) | MS_BIT(BF16))

#endif
