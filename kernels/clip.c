/* SPDX-License-Identifier: Apache-2.0 */
/* clip.c - Clip: min(max(x, lo), hi); either bound may be left out; NaN stays NaN. */
#include <math.h>

#include "kernels/act.h"
#include "kernels/wide.h"

static ms_code infer(struct ms_infer *c)
{
    MS_TRY(ms_infer_one_dtype(c, 3));
    return ms_infer_same(c);
}

static const struct ms_tensor *bound(const struct ms_task *t, int i)
{
    return i < t->n_in ? t->in[i] : NULL;
}

static void run_isa(const struct ms_task *t, enum ms_isa isa)
{
    const struct ms_tensor *lo = bound(t, 1), *hi = bound(t, 2);

    ms_act_run(t, "Clip", lo ? ms_tensor_f64(lo, 0) : -HUGE_VAL,
               hi ? ms_tensor_f64(hi, 0) : HUGE_VAL, isa);
}

static void run_avx512(const struct ms_task *t)
{
    run_isa(t, MS_ISA_AVX512);
}

static void run_avx2(const struct ms_task *t)
{
    run_isa(t, MS_ISA_AVX2);
}

static void run_float(const struct ms_task *t)
{
    run_isa(t, MS_ISA_ANY);
}

#define CLIP(T_)                                                                                   \
    do {                                                                                           \
        const T_ *x = t->in[0]->data;                                                              \
        T_ *y = t->out[0]->data;                                                                   \
        for (size_t i = t->first; i < t->last; i++) {                                              \
            T_ v = x[i];                                                                           \
            v = lo && v < *(const T_ *)lo->data ? *(const T_ *)lo->data : v;                       \
            v = hi && v > *(const T_ *)hi->data ? *(const T_ *)hi->data : v;                       \
            y[i] = v;                                                                              \
        }                                                                                          \
    } while (0)

static void run_int(const struct ms_task *t)
{
    const struct ms_tensor *lo = bound(t, 1), *hi = bound(t, 2);

    switch (t->in[0]->dtype) {
    case MS_I8:
        CLIP(int8_t);
        break;
    case MS_I16:
        CLIP(int16_t);
        break;
    case MS_I32:
        CLIP(int32_t);
        break;
    case MS_I64:
        CLIP(int64_t);
        break;
    case MS_U8:
        CLIP(uint8_t);
        break;
    case MS_U16:
        CLIP(uint16_t);
        break;
    case MS_U32:
        CLIP(uint32_t);
        break;
    default:
        CLIP(uint64_t);
    }
}

static void run(const struct ms_task *t)
{
    if (ms_dtype_kind(t->in[0]->dtype) == MS_KIND_FLOAT)
        run_float(t);
    else
        run_int(t);
}

MS_OP(clip) = {
    .name = "Clip",
    .doc = "min(max(x, lo), hi)",
    .min_in = 1,
    .max_in = 3,
    .min_out = 1,
    .max_out = 1,
    .in = {MS_NUMERIC},
    .scalars = 1 << 1 | 1 << 2,
    .traits = MS_ELEMENTWISE | MS_INPLACE | MS_ANY_LAYOUT,
    .blocked = ms_blocked_whole,
    .infer = infer,
    .kernels =
        (const struct ms_kernel[]){
            {.name = "clip_avx512", .dtypes = MS_BIT(F32), .isa = MS_ISA_AVX512, .run = run_avx512},
            {.name = "clip_avx2", .dtypes = MS_BIT(F32), .isa = MS_ISA_AVX2, .run = run_avx2},
            {.name = "clip", .dtypes = MS_NUMERIC, .run = run},
            {0},
        },
};
