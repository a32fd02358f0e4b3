/* SPDX-License-Identifier: Apache-2.0 */
/* onnx_tensor.c - where a TensorProto keeps its elements, and how they become an ms_tensor.
 *
 * Elements are raw little-endian bytes (in the message or in a file beside the model) or a typed
 * list: narrow types and half floats' bits as varints in int32_data, and so on. Which list serves
 * which type is the table below (onnx.proto, comments of TensorProto). */
#include "proto/onnx_tensor.h"

#include <string.h>

#include "base/mem.h"

static const struct storage {
    const char *name;
    enum ms_dtype dtype;
    uint32_t list;    /* field number of the typed list */
    int64_t min, max; /* of its elements, where they are varints */
} storages[] = {
    [1] = {"float", MS_F32, ONNX_TENSOR_FLOATS, 0, 0},
    [2] = {"uint8", MS_U8, ONNX_TENSOR_INT32S, 0, UINT8_MAX},
    [3] = {"int8", MS_I8, ONNX_TENSOR_INT32S, INT8_MIN, INT8_MAX},
    [4] = {"uint16", MS_U16, ONNX_TENSOR_INT32S, 0, UINT16_MAX},
    [5] = {"int16", MS_I16, ONNX_TENSOR_INT32S, INT16_MIN, INT16_MAX},
    [6] = {"int32", MS_I32, ONNX_TENSOR_INT32S, INT32_MIN, INT32_MAX},
    [7] = {"int64", MS_I64, ONNX_TENSOR_INT64S, INT64_MIN, INT64_MAX},
    [8] = {"string", MS_STRING, ONNX_TENSOR_STRINGS, 0, 0},
    [9] = {"bool", MS_BOOL, ONNX_TENSOR_INT32S, INT32_MIN, INT32_MAX},
    [10] = {"float16", MS_F16, ONNX_TENSOR_INT32S, 0, UINT16_MAX},
    [11] = {"double", MS_F64, ONNX_TENSOR_DOUBLES, 0, 0},
    [12] = {"uint32", MS_U32, ONNX_TENSOR_UINT64S, 0, UINT32_MAX},
    [13] = {"uint64", MS_U64, ONNX_TENSOR_UINT64S, INT64_MIN, INT64_MAX},
    [14] = {"complex64", MS_DTYPE_NONE, 0, 0, 0},
    [15] = {"complex128", MS_DTYPE_NONE, 0, 0, 0},
    [16] = {"bfloat16", MS_BF16, ONNX_TENSOR_INT32S, 0, UINT16_MAX},
    [17] = {"float8e4m3fn", MS_DTYPE_NONE, 0, 0, 0},
    [18] = {"float8e4m3fnuz", MS_DTYPE_NONE, 0, 0, 0},
    [19] = {"float8e5m2", MS_DTYPE_NONE, 0, 0, 0},
    [20] = {"float8e5m2fnuz", MS_DTYPE_NONE, 0, 0, 0},
    [21] = {"uint4", MS_DTYPE_NONE, 0, 0, 0},
    [22] = {"int4", MS_DTYPE_NONE, 0, 0, 0},
    [23] = {"float4e2m1", MS_DTYPE_NONE, 0, 0, 0},
    [24] = {"float8e8m0", MS_DTYPE_NONE, 0, 0, 0},
    [25] = {"uint2", MS_DTYPE_NONE, 0, 0, 0},
    [26] = {"int2", MS_DTYPE_NONE, 0, 0, 0},
};

enum { N_STORAGES = sizeof storages / sizeof *storages };

enum ms_dtype onnx_dtype(int64_t data_type)
{
    return data_type > 0 && data_type < N_STORAGES ? storages[data_type].dtype : MS_DTYPE_NONE;
}

int64_t onnx_dtype_code(enum ms_dtype t)
{
    for (int i = 1; i < N_STORAGES; i++)
        if (t != MS_DTYPE_NONE && storages[i].dtype == t)
            return i;
    return 0;
}

const char *onnx_dtype_name(int64_t data_type)
{
    return data_type > 0 && data_type < N_STORAGES ? storages[data_type].name : "unknown";
}

void onnx_files_done(struct onnx_files *f)
{
    ms_map_done(&f->opened);
}

/* ---- shape ---- */

static ms_code read_shape(const struct onnx_tensor *t, struct ms_shape *s, struct ms_err *err)
{
    if (t->dims.n > MS_MAX_RANK)
        return ms_fail(err, MS_INVALID_ARGUMENT, "rank %zu, at most %d is supported", t->dims.n,
                       MS_MAX_RANK);
    for (size_t i = 0; i < t->dims.n; i++)
        if (t->dims.v[i] < 0)
            return ms_fail(err, MS_INVALID_ARGUMENT, "dim %zu is %lld", i, (long long)t->dims.v[i]);
    *s = ms_shape_of((int)t->dims.n, t->dims.v);
    return MS_OK;
}

/* ---- bytes as they lie: raw_data, packed fixed-size lists, files ---- */

static bool normal_bools(struct ms_bytes b)
{
    for (size_t i = 0; i < b.len; i++)
        if (b.data[i] > 1)
            return false;
    return true;
}

/* Points m at the bytes, or at a copy of them in the arena where they cannot be used as they lie.
 */
static ms_code place(struct ms_tensor *m, struct ms_bytes b, struct ms_arena *a, struct ms_err *err)
{
    const bool aligned = (uintptr_t)b.data % ms_dtype_size(m->dtype) == 0;
    const bool normal = m->dtype != MS_BOOL || normal_bools(b);
    uint8_t *copy;

    m->data = (void *)(uintptr_t)b.data;
    if (b.len == 0 || (normal && (aligned || b.len > ONNX_COPY_BYTES)))
        return MS_OK;
    m->data = copy = ms_arena_alloc(a, b.len);
    if (!copy)
        return ms_fail_oom(err, "tensor", b.len);
    memcpy(copy, b.data, b.len);
    for (size_t i = 0; !normal && i < b.len; i++)
        copy[i] = copy[i] != 0;
    return MS_OK;
}

static ms_code check_length(const struct ms_tensor *m, size_t have, const char *what,
                            struct ms_err *err)
{
    char shape[96];

    if (have == m->bytes)
        return MS_OK;
    return ms_fail(err, MS_INVALID_ARGUMENT, "%zu bytes of %s, but %s%s needs %zu", have, what,
                   ms_dtype_name(m->dtype), ms_shape_text(shape, sizeof shape, &m->shape, NULL),
                   m->bytes);
}

/* ---- external data ---- */

static struct ms_bytes entry(const struct onnx_tensor *t, const char *key)
{
    for (size_t i = 0; i < t->external.n; i++)
        if (ms_bytes_eq(t->external.v[i].key, key))
            return t->external.v[i].value;
    return ms_bytes(NULL, 0);
}

static ms_code number_entry(const struct onnx_tensor *t, const char *key, uint64_t *v,
                            struct ms_err *err)
{
    const struct ms_bytes text = entry(t, key);

    if (text.len > 0 && !ms_parse_u64((const char *)text.data, text.len, INT64_MAX, v))
        return ms_fail(err, MS_INVALID_ARGUMENT, "external data: %s '%.*s' is not a size", key,
                       (int)(text.len < 40 ? text.len : 40), (const char *)text.data);
    return MS_OK;
}

static ms_code open_file(struct onnx_files *f, struct ms_bytes location, struct ms_arena *a,
                         struct ms_bytes *out, struct ms_err *err)
{
    const struct ms_bytes *known =
        ms_map_get(&f->opened, (const char *)location.data, location.len);
    struct ms_bytes *file;
    char *name;

    if (known) {
        *out = *known;
        return MS_OK;
    }
    if (location.len == 0 || memchr(location.data, '\0', location.len))
        return ms_fail(err, MS_INVALID_ARGUMENT, "external data: no file is named");
    if (!f->src || !f->src->open)
        return ms_fail(err, MS_FAILED_PRECONDITION,
                       "external data: no files beside the model are available");
    name = ms_arena_strndup(a, location.data, location.len);
    file = ms_arena_alloc(a, sizeof *file);
    if (!name || !file)
        return ms_fail_oom(err, "external data", location.len);
    MS_TRY(f->src->open(f->src->arg, name, file, err));
    if (!ms_map_put(&f->opened, name, location.len, file))
        return ms_fail_oom(err, "external data", location.len);
    *out = *file;
    return MS_OK;
}

static ms_code read_external(const struct onnx_tensor *t, struct ms_tensor *m,
                             struct onnx_files *files, struct ms_arena *a, struct ms_err *err)
{
    uint64_t offset = 0, length = m->bytes;
    struct ms_bytes file = {0};

    if (m->dtype == MS_STRING)
        return ms_fail(err, MS_INVALID_ARGUMENT, "strings cannot be external data");
    MS_TRY(number_entry(t, "offset", &offset, err));
    MS_TRY(number_entry(t, "length", &length, err));
    MS_TRY(check_length(m, (size_t)length, "external data", err));
    MS_TRY(open_file(files, entry(t, "location"), a, &file, err));
    if (offset > file.len || length > file.len - offset)
        return ms_fail(err, MS_INVALID_ARGUMENT,
                       "external data: bytes %llu to %llu are beyond the file's %zu",
                       (unsigned long long)offset, (unsigned long long)(offset + length), file.len);
    return place(m, ms_bytes(length ? file.data + offset : NULL, (size_t)length), a, err);
}

/* ---- typed lists ---- */

struct lists {
    uint32_t field;         /* the only one that holds elements; 0 = none */
    bool several;           /* more than one kind */
    struct ms_bytes packed; /* the run, when there is just one */
    size_t runs, bytes, varints;
};

static size_t count_varints(struct ms_bytes b)
{
    size_t n = 0;

    for (size_t i = 0; i < b.len; i++)
        n += b.data[i] < 0x80;
    return n;
}

/* One walk over the message: which list is used, how many elements it has. */
static struct lists survey(const struct onnx_tensor *t)
{
    struct ms_bytes in = t->head.self;
    struct ms_wire_item item;
    struct lists l = {0};

    while (ms_wire_next(&in, &item)) {
        const bool packed = item.type == MS_WIRE_LENGTH;

        if (item.number != ONNX_TENSOR_FLOATS && item.number != ONNX_TENSOR_INT32S &&
            item.number != ONNX_TENSOR_INT64S && item.number != ONNX_TENSOR_DOUBLES &&
            item.number != ONNX_TENSOR_UINT64S)
            continue;
        if (packed && item.bytes.len == 0)
            continue;
        l.several |= l.field != 0 && l.field != item.number;
        l.field = item.number;
        l.packed = item.bytes;
        l.runs += packed ? 1 : 2; /* single elements are no run that could be pointed at */
        l.bytes += packed ? item.bytes.len : item.type == MS_WIRE_FIXED32 ? 4 : 8;
        l.varints += packed ? count_varints(item.bytes) : 1;
    }
    return l;
}

static void store(uint8_t *to, size_t size, uint64_t v)
{
    memcpy(to, &v, size); /* little endian */
}

static ms_code put_varint(const struct storage *st, struct ms_tensor *m, size_t i, uint64_t v,
                          struct ms_err *err)
{
    const size_t size = ms_dtype_size(m->dtype);

    if ((int64_t)v < st->min || (int64_t)v > st->max)
        return ms_fail(err, MS_INVALID_ARGUMENT, "element %zu is %lld, which %s cannot hold", i,
                       (long long)v, ms_dtype_name(m->dtype));
    store((uint8_t *)m->data + i * size, size, m->dtype == MS_BOOL ? v != 0 : v);
    return MS_OK;
}

static ms_code convert_varints(const struct onnx_tensor *t, const struct storage *st,
                               struct ms_tensor *m, struct ms_err *err)
{
    struct ms_bytes in = t->head.self;
    struct ms_wire_item item;
    size_t i = 0;
    uint64_t v;

    while (ms_wire_next(&in, &item)) {
        if (item.number != st->list)
            continue;
        if (item.type == MS_WIRE_VARINT)
            MS_TRY(put_varint(st, m, i++, item.value, err));
        else
            while (ms_wire_varint(&item.bytes, &v))
                MS_TRY(put_varint(st, m, i++, v, err));
    }
    return MS_OK;
}

static void gather_fixed(const struct onnx_tensor *t, const struct storage *st, struct ms_tensor *m)
{
    const size_t size = ms_dtype_size(m->dtype);
    struct ms_bytes in = t->head.self;
    uint8_t *to = m->data;
    struct ms_wire_item item;

    while (ms_wire_next(&in, &item)) {
        if (item.number != st->list)
            continue;
        if (item.type != MS_WIRE_LENGTH) {
            store(to, size, item.value);
            to += size;
        } else if (item.bytes.len > 0) {
            memcpy(to, item.bytes.data, item.bytes.len);
            to += item.bytes.len;
        }
    }
}

static ms_code read_list(const struct onnx_tensor *t, const struct storage *st,
                         const struct lists *l, struct ms_tensor *m, struct ms_arena *a,
                         struct ms_err *err)
{
    const bool fixed = st->list == ONNX_TENSOR_FLOATS || st->list == ONNX_TENSOR_DOUBLES;

    if (l->field != 0 && l->field != st->list)
        return ms_fail(err, MS_INVALID_ARGUMENT, "elements of %s are in a list of another type",
                       st->name);
    MS_TRY(
        check_length(m, fixed ? l->bytes : l->varints * ms_dtype_size(m->dtype), "elements", err));
    if (m->bytes == 0)
        return MS_OK;
    if (fixed && l->runs == 1)
        return place(m, l->packed, a, err);
    m->data = ms_arena_alloc(a, m->bytes);
    if (!m->data)
        return ms_fail_oom(err, "tensor", m->bytes);
    if (!fixed)
        return convert_varints(t, st, m, err);
    gather_fixed(t, st, m);
    return MS_OK;
}

static ms_code read_strings(const struct onnx_tensor *t, struct ms_tensor *m, struct ms_arena *a,
                            struct ms_err *err)
{
    MS_TRY(check_length(m, t->strings.n * sizeof(struct ms_bytes), "strings", err));
    m->data = ms_arena_alloc(a, m->bytes);
    if (!m->data)
        return ms_fail_oom(err, "strings", m->bytes);
    if (m->bytes > 0)
        memcpy(m->data, t->strings.v, m->bytes);
    return MS_OK;
}

/* ---- all together ---- */

static ms_code read_elements(const struct onnx_tensor *t, struct ms_tensor *m,
                             struct onnx_files *files, struct ms_arena *a, struct ms_err *err)
{
    const struct storage *st = &storages[t->data_type];
    const bool raw = t->raw.len > 0, external = t->location == 1, strings = t->strings.n > 0;
    const struct lists l = survey(t);

    if (l.several || raw + external + strings + (l.field != 0) > 1)
        return ms_fail(err, MS_INVALID_ARGUMENT, "its elements are given more than once");
    if (t->location != 0 && !external)
        return ms_fail(err, MS_INVALID_ARGUMENT, "data_location %lld is unknown",
                       (long long)t->location);
    if (external)
        return read_external(t, m, files, a, err);
    if (m->dtype == MS_STRING)
        return raw ? ms_fail(err, MS_INVALID_ARGUMENT, "strings cannot be raw_data")
                   : read_strings(t, m, a, err);
    if (!raw)
        return read_list(t, st, &l, m, a, err);
    MS_TRY(check_length(m, t->raw.len, "raw_data", err));
    return place(m, t->raw, a, err);
}

static ms_code make(const struct onnx_tensor *t, struct onnx_files *files, struct ms_arena *a,
                    const struct ms_tensor **out, struct ms_err *err)
{
    const enum ms_dtype dtype = onnx_dtype(t->data_type);
    struct ms_tensor *m;
    struct ms_shape s;

    if (dtype == MS_DTYPE_NONE)
        return ms_fail(err, MS_UNIMPLEMENTED, "element type %lld (%s) is not supported",
                       (long long)t->data_type, onnx_dtype_name(t->data_type));
    if (ms_wire_has(&t->head, ONNX_TENSOR_SEGMENT))
        return ms_fail(err, MS_UNIMPLEMENTED, "tensors in segments are not supported");
    MS_TRY(read_shape(t, &s, err));
    m = ms_arena_alloc(a, sizeof *m);
    if (!m)
        return ms_fail_oom(err, "tensor", sizeof *m);
    if (!ms_tensor_borrow(m, dtype, &s, NULL))
        return ms_fail(err, MS_INVALID_ARGUMENT, "its size overflows");
    MS_TRY(read_elements(t, m, files, a, err));
    *out = m;
    return MS_OK;
}

ms_code onnx_tensor_make(const struct onnx_tensor *t, struct onnx_files *files, struct ms_arena *a,
                         const struct ms_tensor **out, struct ms_err *err)
{
    const ms_code code = make(t, files, a, out, err);
    char name[124];

    if (code != MS_OK && err)
        ms_err_prefix(err, "tensor '%s'", ms_escape(name, sizeof name, t->name.data, t->name.len));
    return code;
}
