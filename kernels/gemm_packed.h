/* SPDX-License-Identifier: Apache-2.0 */
/* gemm_packed.h - functions that the record of Gemm names. */
#ifndef MS_KERNELS_GEMM_PACKED_H
#define MS_KERNELS_GEMM_PACKED_H

#include "ir/op.h"

/* B constant: packed at load. */
bool ms_gemm_const_applicable(const struct ms_prep *p);
ms_code ms_gemm_const_prepare(const struct ms_prep *p, const void **state, struct ms_err *err);
size_t ms_gemm_const_units(const struct ms_task *t);
void ms_gemm_const_avx512(const struct ms_task *t);
void ms_gemm_const_avx2(const struct ms_task *t);
void ms_gemm_const_plain(const struct ms_task *t);

/* Any B. */
size_t ms_gemm_any_units(const struct ms_task *t);
size_t ms_gemm_any_scratch(const struct ms_task *t);
void ms_gemm_any_avx512(const struct ms_task *t);
void ms_gemm_any_avx2(const struct ms_task *t);
void ms_gemm_any_plain(const struct ms_task *t);

#endif
