/* SPDX-License-Identifier: Apache-2.0 */
/* matmul_integer.h - functions that the record of MatMulInteger names. */
#ifndef MS_KERNELS_MATMUL_INTEGER_H
#define MS_KERNELS_MATMUL_INTEGER_H

#include "ir/op.h"

size_t ms_matmul_integer_units(const struct ms_task *t);
bool ms_matmul_integer_vnni_applicable(const struct ms_prep *p);
bool ms_matmul_integer_avxvnni_applicable(const struct ms_prep *p);
#define MS_FORM(s_)                                                                                \
    ms_code ms_matmul_integer_prepare_##s_(const struct ms_prep *p, const void **state,            \
                                           struct ms_err *err);                                    \
    size_t ms_matmul_integer_scratch_##s_(const struct ms_task *t);                                \
    void ms_matmul_integer_##s_(const struct ms_task *t);
MS_FORM(vnni)
MS_FORM(avxvnni)
MS_FORM(avx2)
MS_FORM(plain)
#undef MS_FORM

/* The same for QLinearMatMul, whose results are bytes (qlinear.h). */
size_t ms_qlinear_matmul_units(const struct ms_task *t);
#define MS_FORM(s_)                                                                                \
    ms_code ms_qlinear_matmul_prepare_##s_(const struct ms_prep *p, const void **state,            \
                                           struct ms_err *err);                                    \
    size_t ms_qlinear_matmul_scratch_##s_(const struct ms_task *t);                                \
    void ms_qlinear_matmul_##s_(const struct ms_task *t);
MS_FORM(vnni)
MS_FORM(avxvnni)
MS_FORM(avx2)
MS_FORM(plain)
#undef MS_FORM

#endif
