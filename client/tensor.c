/* SPDX-License-Identifier: Apache-2.0 */
/* tensor.c - the public face of tensors. A handle is an ms_tensor; STRING ones own their elements'
 * bytes one by one, so that a caller may set them in any order. */
#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "client/client.h"
#include "ir/dtype.h"

#define MS_DTYPE(id_, ...)                                                                         \
    _Static_assert((int)MINDSERVE_##id_ == (int)MS_##id_, "public and inner dtypes agree");
#include "ir/dtype.def"
#undef MS_DTYPE
_Static_assert(MINDSERVE_MAX_RANK == MS_MAX_RANK, "public and inner rank agree");

size_t mindserve_dtype_size(enum mindserve_dtype t)
{
    return t == MINDSERVE_STRING ? 0 : ms_dtype_size((enum ms_dtype)t);
}

const char *mindserve_dtype_name(enum mindserve_dtype t)
{
    return ms_dtype_name((enum ms_dtype)t);
}

const char *mindserve_dtype_oip(enum mindserve_dtype t)
{
    return ms_dtype_oip((enum ms_dtype)t);
}

enum mindserve_dtype mindserve_dtype_from_name(const char *name)
{
    enum ms_dtype t = ms_dtype_from_name(name);

    if (t == MS_DTYPE_NONE)
        t = ms_dtype_from_oip(name, strlen(name));
    return (enum mindserve_dtype)t;
}

static void release_strings(struct ms_tensor *t)
{
    struct ms_bytes *s = t->data;

    for (size_t i = 0; i < ms_tensor_count(t); i++)
        ms_free((void *)(uintptr_t)s[i].data);
    ms_free(t->data);
    ms_free(t);
}

static struct ms_tensor *strings_new(const struct ms_shape *shape)
{
    struct ms_tensor *t;
    size_t n;

    if (!ms_shape_count(shape, &n) || !(t = ms_calloc(1, sizeof *t)))
        return NULL;
    t->dtype = MS_STRING;
    t->shape = *shape;
    t->data = ms_calloc(n ? n : 1, sizeof(struct ms_bytes));
    if (!t->data) {
        ms_free(t);
        return NULL;
    }
    t->bytes = n * sizeof(struct ms_bytes);
    t->refs = 1;
    t->release = release_strings;
    return t;
}

struct mindserve_tensor *mindserve_tensor_new(enum mindserve_dtype t, int rank, const int64_t *dim)
{
    struct ms_tensor *made;

    if (rank < 0 || rank > MS_MAX_RANK || t <= MINDSERVE_NONE || t > MINDSERVE_STRING)
        return NULL;
    for (int i = 0; i < rank; i++)
        if (dim[i] < 0)
            return NULL;
    struct ms_shape shape = ms_shape_of(rank, dim);
    if (t == MINDSERVE_STRING)
        return ms_handle_of(strings_new(&shape));
    made = ms_tensor_new((enum ms_dtype)t, &shape);
    if (made && made->bytes)
        memset(made->data, 0, made->bytes);
    return ms_handle_of(made);
}

void mindserve_tensor_free(struct mindserve_tensor *t)
{
    ms_tensor_unref(ms_tensor_of(t));
}

struct mindserve_tensor *mindserve_tensor_ref(struct mindserve_tensor *t)
{
    return ms_handle_of(ms_tensor_ref(ms_tensor_of(t)));
}

enum mindserve_dtype mindserve_tensor_dtype(const struct mindserve_tensor *t)
{
    return (enum mindserve_dtype)ms_tensor_of(t)->dtype;
}

int mindserve_tensor_rank(const struct mindserve_tensor *t)
{
    return ms_tensor_of(t)->shape.rank;
}

const int64_t *mindserve_tensor_dims(const struct mindserve_tensor *t)
{
    return ms_tensor_of(t)->shape.dim;
}

size_t mindserve_tensor_count(const struct mindserve_tensor *t)
{
    return ms_tensor_count(ms_tensor_of(t));
}

size_t mindserve_tensor_bytes(const struct mindserve_tensor *t)
{
    const struct ms_tensor *in = ms_tensor_of(t);

    return in->dtype == MS_STRING ? 0 : in->bytes;
}

void *mindserve_tensor_data(struct mindserve_tensor *t)
{
    struct ms_tensor *in = ms_tensor_of(t);

    return in->dtype == MS_STRING || in->bytes == 0 ? NULL : in->data;
}

double mindserve_tensor_number(const struct mindserve_tensor *t, size_t i)
{
    const struct ms_tensor *in = ms_tensor_of(t);

    return in->dtype == MS_STRING ? NAN : ms_tensor_f64(in, i);
}

/* Bounds of the integer dtypes; U64 holds every int64 that is not negative. */
static bool integer_fits(enum ms_dtype t, int64_t v)
{
    int bits = (int)ms_dtype_size(t) * 8;

    if (t == MS_BOOL)
        return v == 0 || v == 1;
    if (ms_dtype_kind(t) == MS_KIND_UINT)
        return v >= 0 && (bits == 64 || v < INT64_C(1) << bits);
    return bits == 64 || (v >= -(INT64_C(1) << (bits - 1)) && v < INT64_C(1) << (bits - 1));
}

static void put_float(struct ms_tensor *t, size_t i, double v)
{
    char *p = (char *)t->data + i * ms_dtype_size(t->dtype);
    float f = (float)v;
    uint16_t h = t->dtype == MS_BF16 ? ms_f32_to_bf16(f) : ms_f32_to_f16(f);

    if (t->dtype == MS_F64)
        memcpy(p, &v, sizeof v);
    else if (t->dtype == MS_F32)
        memcpy(p, &f, sizeof f);
    else
        memcpy(p, &h, sizeof h);
}

bool mindserve_tensor_set_integer(struct mindserve_tensor *t, size_t i, int64_t v)
{
    struct ms_tensor *in = ms_tensor_of(t);
    size_t size = ms_dtype_size(in->dtype);

    if (in->dtype == MS_STRING)
        return false;
    if (ms_dtype_kind(in->dtype) == MS_KIND_FLOAT) {
        put_float(in, i, (double)v);
        return true;
    }
    if (!integer_fits(in->dtype, v))
        return false;
    memcpy((char *)in->data + i * size, &v, size); /* little endian: the low bytes come first */
    return true;
}

bool mindserve_tensor_set_number(struct mindserve_tensor *t, size_t i, double v)
{
    struct ms_tensor *in = ms_tensor_of(t);

    if (ms_dtype_kind(in->dtype) == MS_KIND_FLOAT) {
        put_float(in, i, v);
        return true;
    }
    if (in->dtype == MS_U64 && v >= 0x1p63 && v < 0x1p64) {
        uint64_t u = (uint64_t)v;
        memcpy((char *)in->data + i * 8, &u, 8);
        return true;
    }
    if (!(v >= -0x1p63 && v < 0x1p63) || v != trunc(v))
        return false;
    return mindserve_tensor_set_integer(t, i, (int64_t)v);
}

const char *mindserve_tensor_string(const struct mindserve_tensor *t, size_t i, size_t *len)
{
    const struct ms_tensor *in = ms_tensor_of(t);
    const struct ms_bytes *s = in->data;

    *len = 0;
    if (in->dtype != MS_STRING || i >= ms_tensor_count(in) || !s[i].data)
        return "";
    *len = s[i].len;
    return (const char *)s[i].data;
}

bool mindserve_tensor_set_string(struct mindserve_tensor *t, size_t i, const void *bytes,
                                 size_t len)
{
    struct ms_tensor *in = ms_tensor_of(t);
    struct ms_bytes *s = in->data;
    char *copy;

    if (in->release != release_strings || i >= ms_tensor_count(in))
        return false;
    copy = ms_strndup(bytes, len);
    if (!copy)
        return false;
    ms_free((void *)(uintptr_t)s[i].data);
    s[i] = ms_bytes(copy, len);
    return true;
}

struct ms_tensor *ms_strings_copy(const struct ms_tensor *t)
{
    struct ms_tensor *copy = strings_new(&t->shape);
    const struct ms_bytes *s = t->data;

    for (size_t i = 0; copy && i < ms_tensor_count(t); i++) {
        if (!mindserve_tensor_set_string(ms_handle_of(copy), i,
                                         s[i].len ? (const char *)s[i].data : "", s[i].len)) {
            ms_tensor_unref(copy);
            return NULL;
        }
    }
    return copy;
}
