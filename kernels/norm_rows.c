/* SPDX-License-Identifier: Apache-2.0 */
/* norm_rows.c - see norm_rows.h. */
#include "kernels/norm_rows.h"

#include "kernels/act.h"
#include "kernels/vec_avx2.h"
#include "kernels/norm_rows.inc"
#include "kernels/vec_avx512.h"
#include "kernels/norm_rows.inc"

const struct ms_row_fns *ms_row_fns(enum ms_isa isa)
{
    static const struct ms_row_fns avx2 = {
        v8_row_sum,     v8_row_mean,   v8_row_squares, v8_row_max, v8_row_exp,
        v8_row_exp_sum, v8_row_affine, v8_stripe,      v8_lrn,     8};
    static const struct ms_row_fns avx512 = {
        v16_row_sum,     v16_row_mean,   v16_row_squares, v16_row_max, v16_row_exp,
        v16_row_exp_sum, v16_row_affine, v16_stripe,      v16_lrn,     16};

    return isa == MS_ISA_AVX512 ? &avx512 : &avx2;
}
