/* SPDX-License-Identifier: Apache-2.0 */
/* pbjson.c - walks protobuf-c descriptors. Depth is that of our own messages (none of them nests in
 * itself), so the recursion is bounded by the schema. */
#include "proto/pbjson.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "proto/base64.h"
#include "proto/jscan.h"

/* ---- writing ---- */

static bool is_map(const ProtobufCFieldDescriptor *f)
{
    if (f->label != PROTOBUF_C_LABEL_REPEATED || f->type != PROTOBUF_C_TYPE_MESSAGE)
        return false;
    const ProtobufCMessageDescriptor *d = f->descriptor;
    size_t n = strlen(d->short_name);

    return d->n_fields == 2 && n > 5 && strcmp(d->short_name + n - 5, "Entry") == 0 &&
           strcmp(d->fields[0].name, "key") == 0 && strcmp(d->fields[1].name, "value") == 0;
}

static void write_double(struct ms_buf *out, double v, int digits)
{
    if (isnan(v))
        ms_buf_puts(out, "\"NaN\"");
    else if (isinf(v))
        ms_buf_puts(out, v < 0 ? "\"-Infinity\"" : "\"Infinity\"");
    else
        ms_buf_printf(out, "%.*g", digits, v);
}

/* One value at p, of the field's type. */
static void write_value(const ProtobufCFieldDescriptor *f, const void *p, struct ms_buf *out)
{
    switch (f->type) {
    case PROTOBUF_C_TYPE_INT32:
    case PROTOBUF_C_TYPE_SINT32:
    case PROTOBUF_C_TYPE_SFIXED32:
        ms_buf_printf(out, "%" PRId32, *(const int32_t *)p);
        break;
    case PROTOBUF_C_TYPE_UINT32:
    case PROTOBUF_C_TYPE_FIXED32:
        ms_buf_printf(out, "%" PRIu32, *(const uint32_t *)p);
        break;
    case PROTOBUF_C_TYPE_INT64:
    case PROTOBUF_C_TYPE_SINT64:
    case PROTOBUF_C_TYPE_SFIXED64:
        ms_buf_printf(out, "%" PRId64, *(const int64_t *)p);
        break;
    case PROTOBUF_C_TYPE_UINT64:
    case PROTOBUF_C_TYPE_FIXED64:
        ms_buf_printf(out, "%" PRIu64, *(const uint64_t *)p);
        break;
    case PROTOBUF_C_TYPE_FLOAT:
        write_double(out, (double)*(const float *)p, 9);
        break;
    case PROTOBUF_C_TYPE_DOUBLE:
        write_double(out, *(const double *)p, 17);
        break;
    case PROTOBUF_C_TYPE_BOOL:
        ms_buf_puts(out, *(const protobuf_c_boolean *)p ? "true" : "false");
        break;
    case PROTOBUF_C_TYPE_ENUM: {
        const ProtobufCEnumValue *v =
            protobuf_c_enum_descriptor_get_value(f->descriptor, *(const int *)p);
        if (v)
            ms_buf_printf(out, "\"%s\"", v->name);
        else
            ms_buf_printf(out, "%d", *(const int *)p);
        break;
    }
    case PROTOBUF_C_TYPE_STRING: {
        const char *s = *(const char *const *)p;
        ms_buf_json(out, s ? s : "", s ? strlen(s) : 0);
        break;
    }
    case PROTOBUF_C_TYPE_BYTES: {
        const ProtobufCBinaryData *b = p;
        ms_buf_putc(out, '"');
        ms_base64_encode(out, ms_bytes(b->data, b->len));
        ms_buf_putc(out, '"');
        break;
    }
    case PROTOBUF_C_TYPE_MESSAGE:
        ms_pbjson_write(*(ProtobufCMessage *const *)p, out);
        break;
    }
}

static size_t element_size(const ProtobufCFieldDescriptor *f)
{
    switch (f->type) {
    case PROTOBUF_C_TYPE_INT64:
    case PROTOBUF_C_TYPE_SINT64:
    case PROTOBUF_C_TYPE_SFIXED64:
    case PROTOBUF_C_TYPE_UINT64:
    case PROTOBUF_C_TYPE_FIXED64:
    case PROTOBUF_C_TYPE_DOUBLE:
        return 8;
    case PROTOBUF_C_TYPE_BOOL:
        return sizeof(protobuf_c_boolean);
    case PROTOBUF_C_TYPE_STRING:
    case PROTOBUF_C_TYPE_MESSAGE:
        return sizeof(void *);
    case PROTOBUF_C_TYPE_BYTES:
        return sizeof(ProtobufCBinaryData);
    default:
        return 4;
    }
}

static void write_list(const ProtobufCFieldDescriptor *f, const uint8_t *list, size_t n,
                       struct ms_buf *out)
{
    bool map = is_map(f);
    size_t size = element_size(f);

    ms_buf_putc(out, map ? '{' : '[');
    for (size_t i = 0; i < n; i++) {
        const uint8_t *p = list + i * size;

        if (i)
            ms_buf_putc(out, ',');
        if (map) {
            const uint8_t *entry = *(const uint8_t *const *)p;
            const ProtobufCMessageDescriptor *d = f->descriptor;
            write_value(&d->fields[0], entry + d->fields[0].offset, out);
            ms_buf_putc(out, ':');
            write_value(&d->fields[1], entry + d->fields[1].offset, out);
        } else {
            write_value(f, p, out);
        }
    }
    ms_buf_putc(out, map ? '}' : ']');
}

static bool present(const ProtobufCFieldDescriptor *f, const uint8_t *base)
{
    if (f->flags & PROTOBUF_C_FIELD_FLAG_ONEOF)
        return *(const uint32_t *)(base + f->quantifier_offset) == f->id;
    if (f->type == PROTOBUF_C_TYPE_MESSAGE && f->label != PROTOBUF_C_LABEL_REPEATED)
        return *(void *const *)(base + f->offset) != NULL;
    return true;
}

void ms_pbjson_write(const ProtobufCMessage *m, struct ms_buf *out)
{
    const uint8_t *base = (const uint8_t *)m;
    bool first = true;

    ms_buf_putc(out, '{');
    for (unsigned i = 0; i < m->descriptor->n_fields; i++) {
        const ProtobufCFieldDescriptor *f = &m->descriptor->fields[i];

        if (!present(f, base))
            continue;
        ms_buf_printf(out, "%s\"%s\":", first ? "" : ",", f->name);
        first = false;
        if (f->label == PROTOBUF_C_LABEL_REPEATED)
            write_list(f, *(const uint8_t *const *)(base + f->offset),
                       *(const size_t *)(base + f->quantifier_offset), out);
        else
            write_value(f, base + f->offset, out);
    }
    ms_buf_putc(out, '}');
}

/* ---- reading ---- */

static ms_code read_message(struct ms_jscan *s, const ProtobufCMessageDescriptor *d,
                            ProtobufCMessage **out);

static ProtobufCMessage *new_message(struct ms_jscan *s, const ProtobufCMessageDescriptor *d)
{
    ProtobufCMessage *m = ms_arena_alloc(s->arena, d->sizeof_message);

    if (m)
        d->message_init(m);
    else
        s->code = ms_fail_oom(s->err, "message", d->sizeof_message);
    return m;
}

static ms_code read_base64(struct ms_jscan *s, ProtobufCBinaryData *out)
{
    struct ms_bytes text, data;

    MS_TRY(ms_jscan_string(s, &text));
    if (ms_base64_decode(s->arena, text, &data, s->err) != MS_OK)
        return ms_jscan_fail(s, "string is not base64");
    out->data = (uint8_t *)(uintptr_t)data.data; /* of the arena */
    out->len = data.len;
    return MS_OK;
}

/* An integer, or one in quotes. */
static ms_code read_int(struct ms_jscan *s, bool is_unsigned, int64_t *out)
{
    struct ms_bytes text;
    struct ms_jscan inner;
    uint64_t u = 0;

    if (ms_jscan_peek(s) == MS_J_STRING) {
        MS_TRY(ms_jscan_string(s, &text));
        ms_jscan_init(&inner, text, s->arena, s->err);
        if (read_int(&inner, is_unsigned, out) != MS_OK || ms_jscan_end(&inner) != MS_OK)
            return ms_jscan_fail(s, "integer expected");
        return MS_OK;
    }
    if (!is_unsigned)
        return ms_jscan_i64(s, out);
    MS_TRY(ms_jscan_u64(s, &u));
    *out = (int64_t)u;
    return MS_OK;
}

static ms_code read_enum(struct ms_jscan *s, const ProtobufCEnumDescriptor *d, int *out)
{
    const char *name;

    MS_TRY(ms_jscan_cstring(s, &name));
    const ProtobufCEnumValue *v = protobuf_c_enum_descriptor_get_value_by_name(d, name);
    if (!v)
        return ms_jscan_fail(s, "'%.64s' is no %s", name, d->short_name);
    *out = v->value;
    return MS_OK;
}

static ms_code read_number(struct ms_jscan *s, ProtobufCType type, void *p)
{
    int64_t v = 0;
    double d = 0;

    switch (type) {
    case PROTOBUF_C_TYPE_FLOAT:
        return ms_jscan_f32(s, true, p);
    case PROTOBUF_C_TYPE_DOUBLE:
        MS_TRY(ms_jscan_f64(s, true, &d));
        memcpy(p, &d, sizeof d);
        return MS_OK;
    case PROTOBUF_C_TYPE_UINT64:
    case PROTOBUF_C_TYPE_FIXED64:
        return read_int(s, true, p);
    case PROTOBUF_C_TYPE_UINT32:
    case PROTOBUF_C_TYPE_FIXED32:
        MS_TRY(read_int(s, true, &v));
        if (v < 0 || v > UINT32_MAX)
            return ms_jscan_fail(s, "integer does not fit 32 bits");
        *(uint32_t *)p = (uint32_t)v;
        return MS_OK;
    case PROTOBUF_C_TYPE_INT64:
    case PROTOBUF_C_TYPE_SINT64:
    case PROTOBUF_C_TYPE_SFIXED64:
        return read_int(s, false, p);
    default:
        MS_TRY(read_int(s, false, &v));
        if (v < INT32_MIN || v > INT32_MAX)
            return ms_jscan_fail(s, "integer does not fit 32 bits");
        *(int32_t *)p = (int32_t)v;
        return MS_OK;
    }
}

static ms_code read_value(struct ms_jscan *s, const ProtobufCFieldDescriptor *f, void *p)
{
    bool b;

    switch (f->type) {
    case PROTOBUF_C_TYPE_BOOL:
        MS_TRY(ms_jscan_bool(s, &b));
        *(protobuf_c_boolean *)p = b;
        return MS_OK;
    case PROTOBUF_C_TYPE_ENUM:
        return read_enum(s, f->descriptor, p);
    case PROTOBUF_C_TYPE_STRING:
        return ms_jscan_cstring(s, (const char **)p);
    case PROTOBUF_C_TYPE_BYTES:
        return read_base64(s, p);
    case PROTOBUF_C_TYPE_MESSAGE:
        return read_message(s, f->descriptor, (ProtobufCMessage **)p);
    default:
        return read_number(s, f->type, p);
    }
}

/* A list under way: doubled in the arena. */
struct list {
    uint8_t *data;
    size_t n, cap;
};

static void *list_add(struct ms_jscan *s, struct list *l, size_t size)
{
    if (l->n == l->cap) {
        size_t cap = l->cap ? l->cap * 2 : 8;
        uint8_t *data = ms_arena_array(s->arena, cap, size);
        if (!data) {
            s->code = ms_fail_oom(s->err, "list", cap * size);
            return NULL;
        }
        if (l->n)
            memcpy(data, l->data, l->n * size);
        l->data = data;
        l->cap = cap;
    }
    return l->data + l->n++ * size;
}

/* One entry of a map whose values are messages or scalars. */
static ms_code read_entry(struct ms_jscan *s, const ProtobufCMessageDescriptor *d,
                          struct ms_bytes key, ProtobufCMessage **out)
{
    ProtobufCMessage *m = new_message(s, d);

    if (!m)
        return s->code;
    char *name = ms_arena_strndup(s->arena, key.data, key.len);
    if (!name)
        return s->code = ms_fail_oom(s->err, "key", key.len);
    if (d->fields[0].type != PROTOBUF_C_TYPE_STRING)
        return ms_jscan_fail(s, "a map with other than text keys");
    *(char **)((uint8_t *)m + d->fields[0].offset) = name;
    *out = m;
    return read_value(s, &d->fields[1], (uint8_t *)m + d->fields[1].offset);
}

static ms_code read_list(struct ms_jscan *s, const ProtobufCFieldDescriptor *f, uint8_t *base)
{
    struct list l = {NULL, 0, 0};
    size_t size = element_size(f);
    struct ms_bytes key;

    if (is_map(f)) {
        MS_TRY(ms_jscan_object(s));
        while (ms_jscan_key(s, &key)) {
            void *p = list_add(s, &l, size);
            MS_TRY(p ? read_entry(s, f->descriptor, key, p) : s->code);
        }
    } else {
        MS_TRY(ms_jscan_array(s));
        while (ms_jscan_item(s)) {
            void *p = list_add(s, &l, size);
            MS_TRY(p ? read_value(s, f, p) : s->code);
        }
    }
    *(uint8_t **)(base + f->offset) = l.data;
    *(size_t *)(base + f->quantifier_offset) = l.n;
    return ms_jscan_status(s);
}

/* A value that protobuf's mapping writes bare although our schema wraps it in a message with one
 * oneof (a parameter): {"config": "text"}. */
static ms_code read_choice(struct ms_jscan *s, const ProtobufCMessageDescriptor *d,
                           ProtobufCMessage *m)
{
    enum ms_jkind kind = ms_jscan_peek(s);
    const ProtobufCFieldDescriptor *f =
        protobuf_c_message_descriptor_get_field_by_name(d, kind == MS_J_BOOL     ? "bool_param"
                                                           : kind == MS_J_NUMBER ? "int64_param"
                                                                                 : "string_param");
    if (!f || (kind != MS_J_BOOL && kind != MS_J_NUMBER && kind != MS_J_STRING))
        return ms_jscan_fail(s, "object expected");
    uint8_t *base = (uint8_t *)m;

    *(uint32_t *)(base + f->quantifier_offset) = f->id;
    return read_value(s, f, base + f->offset);
}

static ms_code read_message(struct ms_jscan *s, const ProtobufCMessageDescriptor *d,
                            ProtobufCMessage **out)
{
    ProtobufCMessage *m = new_message(s, d);
    struct ms_bytes key;

    if (!m)
        return s->code;
    uint8_t *base = (uint8_t *)m;

    *out = m;
    if (ms_jscan_peek(s) != MS_J_OBJECT)
        return read_choice(s, d, m);
    MS_TRY(ms_jscan_object(s));
    while (ms_jscan_key(s, &key)) {
        char name[64] = "";
        if (key.len < sizeof name)
            memcpy(name, key.data, key.len);
        const ProtobufCFieldDescriptor *f =
            protobuf_c_message_descriptor_get_field_by_name(d, name);
        if (!f)
            return ms_jscan_fail(s, "unknown key '%.*s'", (int)(key.len < 64 ? key.len : 64),
                                 (const char *)key.data);
        if (ms_jscan_peek(s) == MS_J_NULL) {
            MS_TRY(ms_jscan_skip(s));
            continue;
        }
        if (f->label == PROTOBUF_C_LABEL_REPEATED) {
            MS_TRY(read_list(s, f, base));
            continue;
        }
        if (f->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) {
            uint32_t *which = (uint32_t *)(base + f->quantifier_offset);
            if (*which)
                return ms_jscan_fail(s, "'%s' excludes another key of this object", f->name);
            *which = f->id;
        }
        MS_TRY(read_value(s, f, base + f->offset));
    }
    return ms_jscan_status(s);
}

ms_code ms_pbjson_read(struct ms_bytes text, const ProtobufCMessageDescriptor *d, int depth,
                       struct ms_arena *a, ProtobufCMessage **out, struct ms_err *err)
{
    struct ms_jscan s;

    ms_jscan_init(&s, text, a, err);
    s.max_depth = depth;
    if (text.len == 0)
        return (*out = new_message(&s, d)) ? MS_OK : s.code;
    if (ms_jscan_peek(&s) != MS_J_OBJECT)
        return ms_jscan_fail(&s, "object expected");
    MS_TRY(read_message(&s, d, out));
    return ms_jscan_end(&s);
}

ms_code ms_pbjson_set(ProtobufCMessage *m, const char *field, const char *text, struct ms_arena *a,
                      struct ms_err *err)
{
    const ProtobufCFieldDescriptor *f =
        protobuf_c_message_descriptor_get_field_by_name(m->descriptor, field);
    uint8_t *p = (uint8_t *)m;
    struct ms_jscan s;

    if (!f)
        return MS_OK;
    p += f->offset;
    if (f->type == PROTOBUF_C_TYPE_STRING) {
        *(char **)p = ms_arena_strdup(a, text);
        return *(char **)p ? MS_OK : ms_fail_oom(err, "path parameter", strlen(text));
    }
    ms_jscan_init(&s, ms_bytes(text, strlen(text)), a, err);
    if (read_number(&s, f->type, p) != MS_OK || ms_jscan_end(&s) != MS_OK)
        return ms_fail(err, MS_INVALID_ARGUMENT, "%s: '%.64s' is not a number in range", field,
                       text);
    return MS_OK;
}
