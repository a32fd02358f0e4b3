/* SPDX-License-Identifier: Apache-2.0 */
/* conv_integer.h - functions that the record of ConvInteger names. */
#ifndef MS_KERNELS_CONV_INTEGER_H
#define MS_KERNELS_CONV_INTEGER_H

#include "ir/op.h"

struct ms_conv;
/* One output, plainly: the products of a group's input channels from element x on with an output
 * channel's weights from w on, less their zero points; o: its place. t: x and w first. */
uint32_t ms_conv_integer_dot(const struct ms_conv *c, const struct ms_task *t, size_t x, size_t w,
                             int32_t zx, int32_t zw, const int64_t o[3]);
size_t ms_conv_integer_units(const struct ms_task *t);
#define MS_FORM(s_)                                                                                \
    ms_code ms_conv_integer_prepare_##s_(const struct ms_prep *p, const void **state,              \
                                         struct ms_err *err);                                      \
    size_t ms_conv_integer_scratch_##s_(const struct ms_task *t);                                  \
    void ms_conv_integer_##s_(const struct ms_task *t);
MS_FORM(vnni)
MS_FORM(avxvnni)
MS_FORM(avx2)
MS_FORM(plain)
#undef MS_FORM

/* The same for QLinearConv, whose results are bytes (qlinear.h). */
size_t ms_qlinear_conv_units(const struct ms_task *t);
#define MS_FORM(s_)                                                                                \
    ms_code ms_qlinear_conv_prepare_##s_(const struct ms_prep *p, const void **state,              \
                                         struct ms_err *err);                                      \
    size_t ms_qlinear_conv_scratch_##s_(const struct ms_task *t);                                  \
    void ms_qlinear_conv_##s_(const struct ms_task *t);
MS_FORM(vnni)
MS_FORM(avxvnni)
MS_FORM(avx2)
MS_FORM(plain)
#undef MS_FORM

/* conv_integer_direct.c: both with constant weights, one or two axes and short strides. */
#define MS_FORM(op_, s_)                                                                           \
    bool ms_##op_##_direct_applicable_##s_(const struct ms_prep *p);                               \
    ms_code ms_##op_##_direct_prepare_##s_(const struct ms_prep *p, const void **state,            \
                                           struct ms_err *err);                                    \
    size_t ms_##op_##_direct_units_##s_(const struct ms_task *t);                                  \
    size_t ms_##op_##_direct_scratch_##s_(const struct ms_task *t);                                \
    void ms_##op_##_direct_##s_(const struct ms_task *t);
#define MS_FORMS(s_) MS_FORM(conv_integer, s_) MS_FORM(qlinear_conv, s_)
MS_FORMS(vnni)
MS_FORMS(avxvnni)
MS_FORMS(avx2)
#undef MS_FORMS
#undef MS_FORM
#define MS_CONV_INTEGER_DIRECT(op_, isa_, s_, rate_)                                               \
    {                                                                                              \
        .name = #op_ "_direct_" #s_, .dtypes = MS_BIT(I8) | MS_BIT(U8), .isa = isa_,               \
        .applicable = ms_##op_##_direct_applicable_##s_,                                           \
        .prepare = ms_##op_##_direct_prepare_##s_, .units = ms_##op_##_direct_units_##s_,          \
        .scratch = ms_##op_##_direct_scratch_##s_, .run = ms_##op_##_direct_##s_, .rate = rate_    \
    }
/* The rows of an operator's list, fastest first within an instruction set. */
#define MS_CONV_INTEGER_DIRECT_VNNI(op_) MS_CONV_INTEGER_DIRECT(op_, MS_ISA_AVX512, vnni, 300)
#define MS_CONV_INTEGER_DIRECT_AVX2(op_)                                                           \
    MS_CONV_INTEGER_DIRECT(op_, MS_ISA_AVX2, avxvnni, 150),                                        \
        MS_CONV_INTEGER_DIRECT(op_, MS_ISA_AVX2, avx2, 60)

#endif
