/* SPDX-License-Identifier: Apache-2.0 */
/* conv_transpose.h - what the kernels of ConvTranspose share. */
#ifndef MS_KERNELS_CONV_TRANSPOSE_H
#define MS_KERNELS_CONV_TRANSPOSE_H

#include "kernels/window.h"

/* w.in are the input's sizes, w.out the output's. */
struct ms_conv_t {
    struct ms_window w;
    int64_t n, ic, oc, groups;
    int64_t icg, ocg; /* channels of a group */
    int64_t taps, in_px, out_px;
};

/* From a task whose shapes inference has accepted. */
void ms_conv_t_of(struct ms_conv_t *z, const struct ms_task *t);

/* conv_transpose_gemm.c: f32, constant weights. */
bool ms_conv_t_gemm_applicable(const struct ms_prep *p);
ms_code ms_conv_t_gemm_prepare(const struct ms_prep *p, const void **state, struct ms_err *err);
size_t ms_conv_t_gemm_units(const struct ms_task *t);
size_t ms_conv_t_gemm_scratch(const struct ms_task *t);
void ms_conv_t_gemm_avx512(const struct ms_task *t);
void ms_conv_t_gemm_avx2(const struct ms_task *t);
void ms_conv_t_gemm_plain(const struct ms_task *t);

#endif
