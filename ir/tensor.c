/* SPDX-License-Identifier: Apache-2.0 */
/* tensor.c - owners, views and sizes. */
#include "ir/tensor.h"

#include <math.h>
#include <string.h>

#include "base/cpu.h"
#include "base/mem.h"

enum ms_layout ms_layout_host(enum ms_layout l)
{
    enum ms_isa isa = ms_cpu()->isa;

    if (l == MS_PLAIN || isa == MS_ISA_ANY)
        return MS_PLAIN;
    return isa == MS_ISA_AVX512 ? MS_NCHW16C : MS_NCHW8C;
}

bool ms_tensor_size(enum ms_dtype t, enum ms_layout layout, const struct ms_shape *s, size_t *bytes)
{
    struct ms_shape padded = *s;

    if (layout == MS_PLAIN)
        return ms_shape_bytes(s, t, bytes);
    if (s->rank < 3 || !ms_shape_static(s) || s->dim[1] > INT64_MAX - 16)
        return false;
    padded.dim[1] = (s->dim[1] + layout - 1) / layout * layout;
    return ms_shape_bytes(&padded, t, bytes);
}

static void release_owner(struct ms_tensor *t)
{
    ms_aligned_free(t->data, t->bytes);
    ms_free(t);
}

struct ms_tensor *ms_tensor_new_as(enum ms_dtype dtype, enum ms_layout layout,
                                   const struct ms_shape *s)
{
    size_t bytes;

    if (!ms_tensor_size(dtype, layout, s, &bytes))
        return NULL;
    struct ms_tensor *t = ms_calloc(1, sizeof *t);
    if (!t)
        return NULL;
    t->dtype = dtype;
    t->layout = layout;
    t->shape = *s;
    t->bytes = bytes;
    t->data = ms_aligned_alloc(bytes);
    if (!t->data) {
        ms_free(t);
        return NULL;
    }
    if (dtype == MS_STRING)
        memset(t->data, 0, bytes);
    atomic_init(&t->refs, 1);
    t->release = release_owner;
    return t;
}

struct ms_tensor *ms_tensor_new(enum ms_dtype dtype, const struct ms_shape *s)
{
    return ms_tensor_new_as(dtype, MS_PLAIN, s);
}

struct ms_tensor *ms_tensor_new_made(const struct ms_shape *s, const struct ms_recipe *r)
{
    size_t bytes;

    if (!ms_tensor_size(MS_F32, MS_PLAIN, s, &bytes))
        return NULL;
    struct ms_tensor *t = ms_calloc(1, sizeof *t);
    if (!t)
        return NULL;
    t->dtype = MS_F32;
    t->shape = *s;
    t->bytes = bytes;
    t->recipe = r;
    atomic_init(&t->refs, 1);
    t->release = release_owner;
    return t;
}

void ms_tensor_make(const struct ms_tensor *t, void *to)
{
    const struct ms_recipe *r = t->recipe;
    const char *from = r->from->data; /* in a file, perhaps at an odd address */
    const size_t n = t->bytes / sizeof(float);
    float *y = to;

    for (size_t row = 0, i = 0; i < n; row++)
        for (const size_t end = i + r->per; i < end; i++) {
            float x;
            memcpy(&x, from + i * sizeof x, sizeof x);
            y[i] = (float)((double)x * r->scale[row]);
        }
}

bool ms_tensor_borrow(struct ms_tensor *t, enum ms_dtype dtype, const struct ms_shape *s,
                      const void *data)
{
    *t = (struct ms_tensor){.dtype = dtype, .shape = *s, .data = (void *)(uintptr_t)data};
    atomic_init(&t->refs, 1);
    return ms_shape_bytes(s, dtype, &t->bytes);
}

struct ms_tensor *ms_tensor_ref(struct ms_tensor *t)
{
    atomic_fetch_add_explicit(&t->refs, 1, memory_order_relaxed);
    return t;
}

void ms_tensor_unref(struct ms_tensor *t)
{
    if (t && atomic_fetch_sub_explicit(&t->refs, 1, memory_order_acq_rel) == 1 && t->release)
        t->release(t);
}

static int64_t from_double(double v)
{
    if (isnan(v))
        return 0;
    if (v >= 0x1p63)
        return INT64_MAX;
    return v < -0x1p63 ? INT64_MIN : (int64_t)v;
}

/* Element i of integer dtypes; false for the others. */
static bool integer_at(const struct ms_tensor *t, size_t i, int64_t *out)
{
    const char *p = (const char *)t->data + i * ms_dtype_size(t->dtype);
    union {
        int8_t i8;
        int16_t i16;
        int32_t i32;
        int64_t i64;
        uint8_t u8;
        uint16_t u16;
        uint32_t u32;
    } v;

    if (ms_dtype_kind(t->dtype) == MS_KIND_FLOAT || ms_dtype_kind(t->dtype) == MS_KIND_TEXT)
        return false;
    memcpy(&v, p, ms_dtype_size(t->dtype)); /* views into files need not be aligned */
    switch (t->dtype) {
    case MS_I8:
        *out = v.i8;
        break;
    case MS_I16:
        *out = v.i16;
        break;
    case MS_I32:
        *out = v.i32;
        break;
    case MS_U8:
        *out = v.u8;
        break;
    case MS_BOOL:
        *out = v.u8 != 0;
        break;
    case MS_U16:
        *out = v.u16;
        break;
    case MS_U32:
        *out = v.u32;
        break;
    default: /* I64, U64 by bits */
        *out = v.i64;
        break;
    }
    return true;
}

static double float_at(const struct ms_tensor *t, size_t i)
{
    const char *p = (const char *)t->data + i * ms_dtype_size(t->dtype);
    union {
        float f32;
        double f64;
        uint16_t u16;
    } v = {0};

    if (ms_dtype_kind(t->dtype) != MS_KIND_FLOAT)
        return 0;
    memcpy(&v, p, ms_dtype_size(t->dtype));
    if (t->dtype == MS_F64)
        return v.f64;
    if (t->dtype == MS_F16)
        return (double)ms_f16_to_f32(v.u16);
    if (t->dtype == MS_BF16)
        return (double)ms_bf16_to_f32(v.u16);
    return (double)v.f32;
}

int64_t ms_tensor_i64(const struct ms_tensor *t, size_t i)
{
    int64_t v;

    return integer_at(t, i, &v) ? v : from_double(float_at(t, i));
}

double ms_tensor_f64(const struct ms_tensor *t, size_t i)
{
    int64_t v;

    if (!integer_at(t, i, &v))
        return float_at(t, i);
    return t->dtype == MS_U64 ? (double)(uint64_t)v : (double)v;
}

static bool text_eq(const struct ms_bytes *a, const struct ms_bytes *b, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (a[i].len != b[i].len || (a[i].len && memcmp(a[i].data, b[i].data, a[i].len) != 0))
            return false;
    return true;
}

bool ms_tensor_eq(const struct ms_tensor *a, const struct ms_tensor *b)
{
    if (a->dtype != b->dtype || a->layout != b->layout || a->bytes != b->bytes ||
        !ms_shape_eq(&a->shape, &b->shape))
        return false;
    if (a->dtype == MS_STRING)
        return text_eq(a->data, b->data, ms_tensor_count(a));
    return a->bytes == 0 || memcmp(a->data, b->data, a->bytes) == 0;
}
