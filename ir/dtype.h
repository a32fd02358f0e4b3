/* SPDX-License-Identifier: Apache-2.0 */
/* dtype.h - element types, one row each in dtype.def. */
#ifndef MS_IR_DTYPE_H
#define MS_IR_DTYPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum ms_dtype {
    MS_DTYPE_NONE = 0, /* unknown, or an absent input */
#define MS_DTYPE(id_, name_, oip_, size_, kind_) MS_##id_,
#include "ir/dtype.def"
#undef MS_DTYPE
    MS_N_DTYPES
};

enum ms_dtype_kind {
    MS_KIND_NONE,
    MS_KIND_FLOAT,
    MS_KIND_INT,
    MS_KIND_UINT,
    MS_KIND_BOOL,
    MS_KIND_TEXT
};

size_t ms_dtype_size(enum ms_dtype t); /* bytes an element; 0 for NONE */
enum ms_dtype_kind ms_dtype_kind(enum ms_dtype t);
const char *ms_dtype_name(enum ms_dtype t);      /* "f32": graphs, errors, msctl */
const char *ms_dtype_oip(enum ms_dtype t);       /* "FP32": the Open Inference Protocol */
enum ms_dtype ms_dtype_from_name(const char *s); /* NONE if unknown */
enum ms_dtype ms_dtype_from_oip(const char *s, size_t len);

/* A set of dtypes, as kernels and operators state what they take. */
typedef uint32_t ms_dtypes;
#define MS_BIT(id_) (1u << (MS_##id_))
#define MS_FLOATS (MS_BIT(F32) | MS_BIT(F64) | MS_BIT(F16) | MS_BIT(BF16))
#define MS_INTS                                                                                    \
    (MS_BIT(I8) | MS_BIT(I16) | MS_BIT(I32) | MS_BIT(I64) | MS_BIT(U8) | MS_BIT(U16) |             \
     MS_BIT(U32) | MS_BIT(U64))
#define MS_NUMERIC (MS_FLOATS | MS_INTS)
#define MS_FIXED (MS_NUMERIC | MS_BIT(BOOL)) /* everything but text */

/* f16 and bf16 to and from f32, round to nearest even. */
float ms_f16_to_f32(uint16_t h);
uint16_t ms_f32_to_f16(float f);
static inline float ms_bf16_to_f32(uint16_t h)
{
    union {
        uint32_t u;
        float f;
    } v = {(uint32_t)h << 16};
    return v.f;
}
uint16_t ms_f32_to_bf16(float f);

#endif
