/* SPDX-License-Identifier: Apache-2.0 */
/* quant_rows.c - see quant_rows.h. A quotient is rounded to f32 before it is rounded to a whole
 * number, as the standard's division is; differences of 16-bit numbers and their products with a
 * scale are exact, or rounded once. So every path gives the reference's bits. */
#include "kernels/quant_rows.h"

#include "kernels/vec.h"

enum { CHUNK = 256 };

/* ---- 8 lanes ---- */

MS_V8 __m128i v8_words(__m256 v) /* the low halves of 8 integers */
{
    const __m256i i = _mm256_and_si256(_mm256_cvtps_epi32(v), _mm256_set1_epi32(0xffff));

    return _mm_packus_epi32(_mm256_castsi256_si128(i), _mm256_extracti128_si256(i, 1));
}
MS_V8 void v8_narrow16(void *to, __m256 v)
{
    _mm_storeu_si128(to, v8_words(v));
}
MS_V8 void v8_narrow8(void *to, __m256 v)
{
    const __m128i w = _mm_and_si128(v8_words(v), _mm_set1_epi16(0xff));

    _mm_storel_epi64(to, _mm_packus_epi16(w, w));
}
MS_V8 __m256 v8_widen_u8(const uint8_t *p)
{
    return _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(_mm_loadl_epi64((const void *)p)));
}
MS_V8 __m256 v8_widen_i8(const int8_t *p)
{
    return _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_loadl_epi64((const void *)p)));
}
MS_V8 __m256 v8_widen_u16(const uint16_t *p)
{
    return _mm256_cvtepi32_ps(_mm256_cvtepu16_epi32(_mm_loadu_si128((const void *)p)));
}
MS_V8 __m256 v8_widen_i16(const int16_t *p)
{
    return _mm256_cvtepi32_ps(_mm256_cvtepi16_epi32(_mm_loadu_si128((const void *)p)));
}

/* ---- 16 lanes ---- */

MS_V16 void v16_narrow16(void *to, __m512 v)
{
    _mm256_storeu_si256(to, _mm512_cvtepi32_epi16(_mm512_cvtps_epi32(v)));
}
MS_V16 void v16_narrow8(void *to, __m512 v)
{
    _mm_storeu_si128(to, _mm512_cvtepi32_epi8(_mm512_cvtps_epi32(v)));
}
MS_V16 __m512 v16_widen_u8(const uint8_t *p)
{
    return _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(_mm_loadu_si128((const void *)p)));
}
MS_V16 __m512 v16_widen_i8(const int8_t *p)
{
    return _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_loadu_si128((const void *)p)));
}
MS_V16 __m512 v16_widen_u16(const uint16_t *p)
{
    return _mm512_cvtepi32_ps(_mm512_cvtepu16_epi32(_mm256_loadu_si256((const void *)p)));
}
MS_V16 __m512 v16_widen_i16(const int16_t *p)
{
    return _mm512_cvtepi32_ps(_mm512_cvtepi16_epi32(_mm256_loadu_si256((const void *)p)));
}

#include "kernels/vec_avx2.h"
#include "kernels/quant_rows.inc"
#include "kernels/vec_avx512.h"
#include "kernels/quant_rows.inc"

/* ---- rows ---- */

static float clamp(float v, float lo, float hi)
{
    return v >= hi ? hi : v > lo ? v : lo; /* NaN becomes lo */
}

#define NARROW(type_)                                                                              \
    for (; i < n; i++)                                                                             \
    ((type_ *)y)[i] = (type_)clamp(                                                                \
        nearbyintf(x[i] / q->scale[q->each ? i : 0]) + q->zero[q->each ? i : 0], lo, hi)

void ms_quantize_row(enum ms_isa isa, enum ms_dtype t, const struct ms_quant_row *q, const float *x,
                     void *y, size_t n)
{
    double least, most;
    size_t i = 0;

    ms_quant_range(t, &least, &most);
    const float lo = (float)least, hi = (float)most;
    if (isa == MS_ISA_AVX512)
        i = v16_quantize(t, q, x, y, n, lo, hi);
    else if (isa == MS_ISA_AVX2)
        i = v8_quantize(t, q, x, y, n, lo, hi);
    if (t == MS_U8)
        NARROW(uint8_t);
    else if (t == MS_I8)
        NARROW(int8_t);
    else if (t == MS_U16)
        NARROW(uint16_t);
    else
        NARROW(int16_t);
}

typedef size_t (*widen_fn)(const struct ms_quant_row *q, const void *x, float *y, size_t n);

static widen_fn widen_of(enum ms_isa isa, enum ms_dtype t)
{
    static const widen_fn by_width[2][4] = {
        {v8_dequantize_u8, v8_dequantize_i8, v8_dequantize_u16, v8_dequantize_i16},
        {v16_dequantize_u8, v16_dequantize_i8, v16_dequantize_u16, v16_dequantize_i16},
    };

    if (isa == MS_ISA_ANY)
        return NULL;
    return by_width[isa == MS_ISA_AVX512][t == MS_U8 ? 0 : t == MS_I8 ? 1 : t == MS_U16 ? 2 : 3];
}

#define WIDEN(type_)                                                                               \
    for (; i < n; i++)                                                                             \
    y[i] = ((float)((const type_ *)x)[i] - q->zero[q->each ? i : 0]) * q->scale[q->each ? i : 0]

void ms_dequantize_row(enum ms_isa isa, enum ms_dtype t, const struct ms_quant_row *q,
                       const void *x, float *y, size_t n)
{
    const widen_fn widen = widen_of(isa, t);
    size_t i = widen ? widen(q, x, y, n) : 0;

    if (t == MS_U8)
        WIDEN(uint8_t);
    else if (t == MS_I8)
        WIDEN(int8_t);
    else if (t == MS_U16)
        WIDEN(uint16_t);
    else
        WIDEN(int16_t);
}

void ms_range_row(enum ms_isa isa, const float *x, size_t n, float *lo, float *hi)
{
    size_t i = isa == MS_ISA_AVX512 ? v16_range(x, n, lo, hi)
               : isa == MS_ISA_AVX2 ? v8_range(x, n, lo, hi)
                                    : 0;

    for (; i < n; i++) {
        *lo = x[i] < *lo ? x[i] : *lo;
        *hi = x[i] > *hi ? x[i] : *hi;
    }
}

/* ---- a task cut into rows ---- */

bool ms_quant_rows_applicable(const struct ms_prep *p)
{
    const enum ms_dtype x = p->in[0].dtype, y = p->out[0].dtype;
    const enum ms_dtype whole = x == MS_F32 ? y : x;

    return (x == MS_F32 || y == MS_F32) && (MS_QUANT_TYPES >> whole & 1) &&
           p->in[1].dtype == MS_F32;
}

/* Elements from `at` on that share a factor, or whose factors follow each other. */
static size_t run_length(const struct ms_quant_map *m, size_t at, bool *each)
{
    *each = false;
    if (m->kind == 0)
        return SIZE_MAX;
    if (m->kind == 1 && m->inner > 1)
        return m->inner - at % m->inner;
    const size_t along = m->inner > 1 ? at % m->inner : at % m->axis;
    *each = m->kind == 1 || m->inner > 1;
    if (*each)
        return (m->inner > 1 ? m->inner : m->axis) - along;
    const size_t block = m->block - along % m->block; /* the last one of an axis may be shorter */
    return block < m->axis - along ? block : m->axis - along;
}

void ms_quant_rows(const struct ms_task *t, enum ms_isa isa, ms_quant_row_fn fn)
{
    const struct ms_tensor *zp = t->n_in > 2 ? t->in[2] : NULL;
    const float *scale = t->in[1]->data;
    struct ms_quant_map m;
    float zero[CHUNK];

    ms_quant_map_of(&m, t->node, &t->in[0]->shape, &t->in[1]->shape);
    for (size_t i = t->first; i < t->last && !ms_task_stopped(t);) {
        bool each;
        size_t n = run_length(&m, i, &each), k = ms_quant_index(&m, i);
        n = n < t->last - i ? n : t->last - i;
        if (each && n > CHUNK)
            n = CHUNK;
        for (size_t j = 0; j < (each ? n : 1); j++)
            zero[j] = (float)ms_quant_at(zp, k + j);
        fn(t, isa, &(struct ms_quant_row){scale + k, zero, each}, i, n);
        i += n;
    }
}
