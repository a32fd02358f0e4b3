/* SPDX-License-Identifier: Apache-2.0 */
/* reduce.h - what the Reduce operators share: the walk, the sums, the record.
 *
 * An operator is a fold (sum, sum of squares, product, ...) and a finish (divide, root, logarithm).
 * Floats are accumulated in f64, integers in 64 bits with wrapping. The order of additions depends
 * on the shape alone: a unit is an output element, and the reduced axes are never split.
 *
 *   reduced axes innermost   lanes: element i goes to lane i % L (L a power of two, at most 64),
 * and lanes are added pairwise at the end; f32 may have a function for rows kept axis innermost one
 * accumulator for each column, rows in ascending order */
#ifndef MS_KERNELS_REDUCE_H
#define MS_KERNELS_REDUCE_H

#include "ir/op.h"

union ms_acc {
    double f;
    int64_t i;
    uint64_t u;
};

/* rows x cols elements, rows `step` apart, into cols accumulators; m: see ms_reduce_logsumexp. */
typedef void (*ms_fold_fn)(union ms_acc *acc, const union ms_acc *m, const void *x, size_t rows,
                           size_t cols, ptrdiff_t step);
/* n > 0 f32 elements that follow each other; the order of additions depends on n alone. */
typedef union ms_acc (*ms_fold_row_fn)(const float *x, size_t n);
/* acc[i] = acc[i] with acc[n + i], i < n: lanes are put together. */
typedef void (*ms_join_fn)(union ms_acc *acc, size_t n);

struct ms_fold {
    ms_fold_fn rows[MS_N_DTYPES];        /* half types go through f32 */
    ms_fold_fn avx2_f32, avx512_f32;     /* may be NULL */
    ms_fold_row_fn avx2_row, avx512_row; /* may be NULL */
    ms_join_fn join_f, join_i, join_u;
    union ms_acc (*start)(enum ms_dtype t); /* of nothing */
};

extern const struct ms_fold ms_fold_sum, ms_fold_abs, ms_fold_square, ms_fold_prod, ms_fold_max,
    ms_fold_min, ms_fold_exp;

struct ms_reduction {
    const struct ms_fold *fold;
    bool shifted; /* fold is of x - max: the largest is found first, and given to finish as m */
    /* The result from the accumulator and the number of elements in it. Integers are finished by
     * finish_i (NULL: as they are), unsigned ones likewise. */
    double (*finish)(double acc, double m, size_t n);
    int64_t (*finish_i)(int64_t acc, size_t n);
};

void ms_reduce_run(const struct ms_task *t, const struct ms_reduction *r, enum ms_isa isa);
ms_code ms_reduce_infer(struct ms_infer *c);
double ms_reduce_cost(const struct ms_node *n, const struct ms_fact *in, const struct ms_fact *out);
extern const struct ms_attr_spec ms_reduce_attrs[];

/* The record of a Reduce operator whose reduction is the static object id_##_reduction. */
#define MS_REDUCE_OP(id_, name_, doc_, types_)                                                     \
    static void run(const struct ms_task *t)                                                       \
    {                                                                                              \
        ms_reduce_run(t, &reduction, MS_ISA_ANY);                                                  \
    }                                                                                              \
    static void run_avx2(const struct ms_task *t)                                                  \
    {                                                                                              \
        ms_reduce_run(t, &reduction, MS_ISA_AVX2);                                                 \
    }                                                                                              \
    static void run_avx512(const struct ms_task *t)                                                \
    {                                                                                              \
        ms_reduce_run(t, &reduction, MS_ISA_AVX512);                                               \
    }                                                                                              \
    static const struct ms_kernel kernels[] = {                                                    \
        {#id_ "_avx512", MS_REDUCE_F32, MS_ISA_AVX512, .units = ms_reduce_units,                   \
         .run = run_avx512},                                                                       \
        {#id_ "_avx2", MS_REDUCE_F32, MS_ISA_AVX2, .units = ms_reduce_units, .run = run_avx2},     \
        {#id_, types_, MS_ISA_ANY, .units = ms_reduce_units, .run = run},                          \
        {0},                                                                                       \
    };                                                                                             \
    MS_OP(id_) = {                                                                                 \
        .name = name_,                                                                             \
        .doc = doc_,                                                                               \
        .min_in = 1,                                                                               \
        .max_in = 2,                                                                               \
        .min_out = 1,                                                                              \
        .max_out = 1,                                                                              \
        .in = {types_, MS_BIT(I64)},                                                               \
        .attrs = ms_reduce_attrs,                                                                  \
        .infer = ms_reduce_infer,                                                                  \
        .cost = ms_reduce_cost,                                                                    \
        .kernels = kernels,                                                                        \
    }
#define MS_REDUCE_F32 (MS_BIT(F32) | MS_BIT(F16) | MS_BIT(BF16))

size_t ms_reduce_units(const struct ms_task *t);

#endif
