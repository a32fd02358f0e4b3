/* SPDX-License-Identifier: Apache-2.0 */
/* vector_row.h - rows of elementwise.h for one-operand functions written with vec.h's vectors.
 *
 * MS_ROW1_VEC(exp) makes exp_f32_avx2 and exp_f32_avx512 from V(exp) of act_math.inc. A tail goes
 * through the same vector code, so an element's result does not depend on where its run is cut. */
#ifndef MS_KERNELS_VECTOR_ROW_H
#define MS_KERNELS_VECTOR_ROW_H

#include "kernels/act.h"
#include "kernels/elementwise.h"

#define MS_ROW1_VEC_OF(name_, target_, v_, width_, fn_)                                            \
    target_ static void name_(void *yv, const void *xv, size_t n)                                  \
    {                                                                                              \
        float *y = yv;                                                                             \
        const float *x = xv;                                                                       \
        size_t i = 0;                                                                              \
        for (; i + width_ <= n; i += width_)                                                       \
            v_##_store(y + i, v_##_##fn_(v_##_load(x + i)));                                       \
        if (i < n)                                                                                 \
            v_##_store_n(y + i, n - i, v_##_##fn_(v_##_load_n(x + i, n - i)));                     \
    }

#define MS_ROW1_VEC(fn_)                                                                           \
    MS_ROW1_VEC_OF(fn_##_f32_avx2, MS_TARGET_AVX2, v8, 8, fn_)                                     \
    MS_ROW1_VEC_OF(fn_##_f32_avx512, MS_TARGET_AVX512, v16, 16, fn_)

#endif
