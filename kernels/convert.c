/* SPDX-License-Identifier: Apache-2.0 */
/* convert.c - see convert.h.
 *
 * One row for each pair of f32, f64, the integers and bool and each instruction set, made by macros
 * and found in a table; half types go through f32 (f64 -> half therefore rounds twice, within half
 * a unit of the exact result's neighbours; integers above 2^24 likewise). */
#include <string.h>

#include "base/cpu.h"
#include "kernels/convert.h"
#include "kernels/elementwise.h"
#include "kernels/half.h"

typedef void (*convert_row)(void *y, const void *x, size_t n);

#define ROW(from_, to_, F_, T_, expr_, s_, target_)                                                \
    target_ MS_VECTORISE static void from_##_to_##to_##s_(void *yv, const void *xv, size_t n)      \
    {                                                                                              \
        T_ *y = yv;                                                                                \
        const F_ *px = xv;                                                                         \
        for (size_t i = 0; i < n; i++) {                                                           \
            const F_ x = px[i];                                                                    \
            y[i] = (T_)(expr_);                                                                    \
        }                                                                                          \
    }

/* Saturating: the bounds are compared as floats. hi_ is the first power of two beyond the type,
 * which every float type has exactly; lo_ is the type's lowest, likewise exact. */
#define SAT_ROW(from_, to_, F_, T_, lo_, hi_, min_, max_, s_, target_)                             \
    target_ MS_VECTORISE static void from_##_to_##to_##s_(void *yv, const void *xv, size_t n)      \
    {                                                                                              \
        T_ *y = yv;                                                                                \
        const F_ *px = xv;                                                                         \
        for (size_t i = 0; i < n; i++) {                                                           \
            const F_ x = px[i];                                                                    \
            y[i] = x != x           ? (T_)0                                                        \
                   : x < (F_)(lo_)  ? (T_)(min_)                                                   \
                   : x >= (F_)(hi_) ? (T_)(max_)                                                   \
                                    : (T_)x;                                                       \
        }                                                                                          \
    }

#define FROM_FLOAT(from_, F_, s_, target_)                                                         \
    ROW(from_, f32, F_, float, x, s_, target_)                                                     \
    ROW(from_, f64, F_, double, x, s_, target_)                                                    \
    SAT_ROW(from_, i8, F_, int8_t, -0x1p7, 0x1p7, INT8_MIN, INT8_MAX, s_, target_)                 \
    SAT_ROW(from_, i16, F_, int16_t, -0x1p15, 0x1p15, INT16_MIN, INT16_MAX, s_, target_)           \
    SAT_ROW(from_, i32, F_, int32_t, -0x1p31, 0x1p31, INT32_MIN, INT32_MAX, s_, target_)           \
    SAT_ROW(from_, i64, F_, int64_t, -0x1p63, 0x1p63, INT64_MIN, INT64_MAX, s_, target_)           \
    SAT_ROW(from_, u8, F_, uint8_t, 0, 0x1p8, 0, UINT8_MAX, s_, target_)                           \
    SAT_ROW(from_, u16, F_, uint16_t, 0, 0x1p16, 0, UINT16_MAX, s_, target_)                       \
    SAT_ROW(from_, u32, F_, uint32_t, 0, 0x1p32, 0, UINT32_MAX, s_, target_)                       \
    SAT_ROW(from_, u64, F_, uint64_t, 0, 0x1p64, 0, UINT64_MAX, s_, target_)                       \
    ROW(from_, b8, F_, uint8_t, x != 0, s_, target_)

/* norm_ is x, or x != 0 for bool. */
#define FROM_INT(from_, F_, norm_, s_, target_)                                                    \
    ROW(from_, f32, F_, float, norm_, s_, target_)                                                 \
    ROW(from_, f64, F_, double, norm_, s_, target_)                                                \
    ROW(from_, i8, F_, int8_t, norm_, s_, target_)                                                 \
    ROW(from_, i16, F_, int16_t, norm_, s_, target_)                                               \
    ROW(from_, i32, F_, int32_t, norm_, s_, target_)                                               \
    ROW(from_, i64, F_, int64_t, norm_, s_, target_)                                               \
    ROW(from_, u8, F_, uint8_t, norm_, s_, target_)                                                \
    ROW(from_, u16, F_, uint16_t, norm_, s_, target_)                                              \
    ROW(from_, u32, F_, uint32_t, norm_, s_, target_)                                              \
    ROW(from_, u64, F_, uint64_t, norm_, s_, target_)                                              \
    ROW(from_, b8, F_, uint8_t, x != 0, s_, target_)

#define TO_ALL(from_, s_)                                                                          \
    {                                                                                              \
        [MS_F32] = from_##_to_f32##s_, [MS_F64] = from_##_to_f64##s_, [MS_I8] = from_##_to_i8##s_, \
        [MS_I16] = from_##_to_i16##s_, [MS_I32] = from_##_to_i32##s_,                              \
        [MS_I64] = from_##_to_i64##s_, [MS_U8] = from_##_to_u8##s_, [MS_U16] = from_##_to_u16##s_, \
        [MS_U32] = from_##_to_u32##s_, [MS_U64] = from_##_to_u64##s_,                              \
        [MS_BOOL] = from_##_to_b8##s_,                                                             \
    }

/* All pairs for one instruction set. */
#define ALL(s_, target_)                                                                           \
    FROM_FLOAT(f32, float, s_, target_)                                                            \
    FROM_FLOAT(f64, double, s_, target_)                                                           \
    FROM_INT(i8, int8_t, x, s_, target_)                                                           \
    FROM_INT(i16, int16_t, x, s_, target_)                                                         \
    FROM_INT(i32, int32_t, x, s_, target_)                                                         \
    FROM_INT(i64, int64_t, x, s_, target_)                                                         \
    FROM_INT(u8, uint8_t, x, s_, target_)                                                          \
    FROM_INT(u16, uint16_t, x, s_, target_)                                                        \
    FROM_INT(u32, uint32_t, x, s_, target_)                                                        \
    FROM_INT(u64, uint64_t, x, s_, target_)                                                        \
    FROM_INT(b8, uint8_t, x != 0, s_, target_)                                                     \
    static const convert_row rows##s_[MS_N_DTYPES][MS_N_DTYPES] = {                                \
        [MS_F32] = TO_ALL(f32, s_), [MS_F64] = TO_ALL(f64, s_), [MS_I8] = TO_ALL(i8, s_),          \
        [MS_I16] = TO_ALL(i16, s_), [MS_I32] = TO_ALL(i32, s_), [MS_I64] = TO_ALL(i64, s_),        \
        [MS_U8] = TO_ALL(u8, s_),   [MS_U16] = TO_ALL(u16, s_), [MS_U32] = TO_ALL(u32, s_),        \
        [MS_U64] = TO_ALL(u64, s_), [MS_BOOL] = TO_ALL(b8, s_),                                    \
    };

ALL(_plain, )
ALL(_avx2, MS_TARGET_AVX2)
ALL(_avx512, MS_TARGET_AVX512)

static convert_row row_of(enum ms_dtype from, enum ms_dtype to)
{
    const enum ms_isa isa = ms_cpu()->isa;

    return (isa == MS_ISA_AVX512 ? rows_avx512
            : isa == MS_ISA_AVX2 ? rows_avx2
                                 : rows_plain)[from][to];
}

void ms_convert(void *y, enum ms_dtype to, const void *x, enum ms_dtype from, size_t n)
{
    enum { BLOCK = 512 };
    const size_t xs = ms_dtype_size(from), ys = ms_dtype_size(to);
    float wide[BLOCK];

    if (from == to && to != MS_BOOL) {
        memmove(y, x, n * xs);
        return;
    }
    if (!ms_is_half(from) && !ms_is_half(to)) {
        row_of(from, to)(y, x, n);
        return;
    }
    for (size_t i = 0, m; i < n; i += m) {
        const void *p = (const uint8_t *)x + i * xs;
        void *q = (uint8_t *)y + i * ys;

        m = n - i < BLOCK ? n - i : BLOCK;
        if (ms_is_half(from))
            ms_half_widen(from, wide, p, m);
        else if (from == MS_F32)
            memcpy(wide, p, m * sizeof *wide);
        else
            row_of(from, MS_F32)(wide, p, m);
        if (ms_is_half(to))
            ms_half_narrow(to, q, wide, m);
        else if (to == MS_F32)
            memcpy(q, wide, m * sizeof *wide);
        else
            row_of(MS_F32, to)(q, wide, m);
    }
}
