/* SPDX-License-Identifier: Apache-2.0 */
/* norm_rows.h - sums, maxima and affine maps of rows in f32, chosen by instruction set. A row's
 * result depends on the row alone. */
#ifndef MS_KERNELS_NORM_ROWS_H
#define MS_KERNELS_NORM_ROWS_H

#include "ir/op.h"
#include "kernels/norm.h"

struct ms_row_fns {
    double (*sum)(const float *x, size_t n);
    double (*mean)(const float *x, size_t n); /* exact to f32 even where all are nearly equal */
    double (*squares)(const float *x, size_t n, float mean);     /* sum of (x - mean)^2 */
    float (*max)(const float *x, size_t n);                      /* NaN is skipped; -inf if empty */
    float (*exp)(const float *x, float *y, size_t n, float top); /* y = e^(x - top); their sum */
    double (*exp_sum)(const float *x, size_t n, float top);
    /* x = scale x + mask[i step] (NULL = 0); their maximum, as max gives it */
    float (*score)(float *x, size_t n, float scale, const float *mask, size_t step);
    /* ((x - mean) k + shift) scale[i] + bias[i]; NULL = 1, 0 */
    void (*affine)(const float *x, float *y, size_t n, float mean, float k, float shift,
                   const float *scale, const float *bias);
    void (*stripe)(const float *x, float *y, size_t n, size_t inner, size_t cols, bool logarithm);
    void (*lrn)(const float *x, float *y, size_t px, size_t cols, int64_t channels, int64_t size,
                float alpha, float beta, float bias);
    size_t lanes;
};
const struct ms_row_fns *ms_row_fns(enum ms_isa isa); /* AVX2 or AVX-512 */

/* Rows of a kernel list: NAME_avx512 and NAME_avx2 with run functions of those names. */
#define MS_NORM_FAST(name_, units_, fn_)                                                           \
    {.name = name_ "_avx512",                                                                      \
     .dtypes = MS_BIT(F32),                                                                        \
     .isa = MS_ISA_AVX512,                                                                         \
     .units = units_,                                                                              \
     .run = fn_##_avx512},                                                                         \
    {                                                                                              \
        .name = name_ "_avx2", .dtypes = MS_BIT(F32), .isa = MS_ISA_AVX2, .units = units_,         \
        .run = fn_##_avx2                                                                          \
    }
#define MS_NORM_RUNS(fn_)                                                                          \
    static void fn_##_avx512(const struct ms_task *t)                                              \
    {                                                                                              \
        fn_(t, ms_row_fns(MS_ISA_AVX512));                                                         \
    }                                                                                              \
    static void fn_##_avx2(const struct ms_task *t)                                                \
    {                                                                                              \
        fn_(t, ms_row_fns(MS_ISA_AVX2));                                                           \
    }

/* What Softmax and LogSoftmax share where the axis is not the last one. Units: rows when it is,
 * else stripes of 16 columns; stripes does the task's range of them, f32 in and out. */
size_t ms_softmax_units(const struct ms_task *t);
void ms_softmax_stripes(const struct ms_task *t, const struct ms_row_fns *f, struct ms_norm_rows r,
                        bool log);

#endif
