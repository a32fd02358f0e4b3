/* SPDX-License-Identifier: Apache-2.0 */
/* predict_typed.c - InferTensorContents: numbers that travel as protobuf numbers.
 *
 * Each dtype has one field; small integers share a wider one and must fit their own type. Repeated
 * numbers come packed or one by one, also mixed; more or fewer than the shape says is an error. */
#include <string.h>

#include "proto/predict_wire.h"

/* Which field of InferTensorContents carries a dtype, and how an element of it is stored. */
struct typed {
    enum ms_dtype dtype;
    uint32_t field;
    int type; /* of an unpacked element */
    bool (*put)(void *to, uint64_t v);
};

static bool put_bool(void *to, uint64_t v)
{
    *(uint8_t *)to = v != 0;
    return true;
}

#define PUT_SIGNED(name_, type_, min_, max_)                                                       \
    static bool name_(void *to, uint64_t v)                                                        \
    {                                                                                              \
        int64_t s = (int64_t)v;                                                                    \
        if (s < (min_) || s > (max_))                                                              \
            return false;                                                                          \
        *(type_ *)to = (type_)s;                                                                   \
        return true;                                                                               \
    }
PUT_SIGNED(put_i8, int8_t, INT8_MIN, INT8_MAX)
PUT_SIGNED(put_i16, int16_t, INT16_MIN, INT16_MAX)
PUT_SIGNED(put_i32, int32_t, INT32_MIN, INT32_MAX)

#define PUT_UNSIGNED(name_, type_, max_)                                                           \
    static bool name_(void *to, uint64_t v)                                                        \
    {                                                                                              \
        if (v > (max_))                                                                            \
            return false;                                                                          \
        *(type_ *)to = (type_)v;                                                                   \
        return true;                                                                               \
    }
PUT_UNSIGNED(put_u8, uint8_t, UINT8_MAX)
PUT_UNSIGNED(put_u16, uint16_t, UINT16_MAX)
PUT_UNSIGNED(put_u32, uint32_t, UINT32_MAX)

static bool put_64(void *to, uint64_t v)
{
    memcpy(to, &v, 8);
    return true;
}

static const struct typed table[] = {
    {MS_BOOL, 1, MS_TAG_VARINT, put_bool}, {MS_I8, 2, MS_TAG_VARINT, put_i8},
    {MS_I16, 2, MS_TAG_VARINT, put_i16},   {MS_I32, 2, MS_TAG_VARINT, put_i32},
    {MS_I64, 3, MS_TAG_VARINT, put_64},    {MS_U8, 4, MS_TAG_VARINT, put_u8},
    {MS_U16, 4, MS_TAG_VARINT, put_u16},   {MS_U32, 4, MS_TAG_VARINT, put_u32},
    {MS_U64, 5, MS_TAG_VARINT, put_64},    {MS_F32, 6, MS_TAG_FIXED32, NULL},
    {MS_F64, 7, MS_TAG_FIXED64, NULL},     {MS_STRING, 8, MS_TAG_BYTES, NULL},
};

struct filler {
    const struct typed *kind;
    struct ms_predict *p;
    struct ms_req_tensor *t;
    struct ms_err *err;
    uint8_t *data;
    size_t n, want, size; /* elements so far, wanted; bytes of one */
};

static ms_code too_many(struct filler *f)
{
    return ms_fail(f->err, MS_INVALID_ARGUMENT,
                   "input '%.100s': contents hold more than the %zu elements of its shape",
                   f->t->name, f->want);
}

static ms_code varints(struct filler *f, struct ms_wire_reader *m)
{
    do {
        uint64_t v = ms_wire_read_varint(m);
        if (m->failed)
            return MS_OK; /* reported by the caller */
        if (f->n == f->want)
            return too_many(f);
        if (!f->kind->put(f->data + f->n * f->size, v))
            return ms_fail(f->err, MS_INVALID_ARGUMENT,
                           "input '%.100s': element %zu does not fit %s", f->t->name, f->n,
                           ms_dtype_oip(f->kind->dtype));
        f->n++;
    } while (m->left);
    return MS_OK;
}

static ms_code text(struct filler *f, struct ms_wire_reader sub)
{
    if (f->n == f->want)
        return too_many(f);
    struct ms_bytes *to = (struct ms_bytes *)(void *)f->data + f->n++;
    size_t len = sub.left;
    const void *here = ms_wire_borrow(&sub, len, 1);

    if (!here && len) {
        void *copy = ms_predict_alloc(f->p, len, f->err);
        if (!copy)
            return f->err->code;
        ms_wire_copy(&sub, copy, len);
        here = copy;
    }
    *to = ms_bytes(here, len);
    return MS_OK;
}

/* One occurrence of the dtype's field: a single element or a packed run of them. */
static ms_code occurrence(struct filler *f, struct ms_wire_reader *m, const struct ms_wire_tag *t)
{
    struct ms_wire_reader sub;

    if (f->kind->dtype == MS_STRING && ms_wire_sub(m, t, &sub))
        return text(f, sub);
    if (t->type == f->kind->type) { /* unpacked */
        sub = *m;
        if (t->type == MS_TAG_VARINT) {
            struct ms_wire_reader one = *m;
            uint64_t v = ms_wire_read_varint(m);
            (void)v;
            one.left -= m->left;
            return m->failed ? MS_OK : varints(f, &one);
        }
        if (f->n == f->want)
            return too_many(f);
        ms_wire_copy(m, f->data + f->n++ * f->size, f->size);
        return MS_OK;
    }
    if (!ms_wire_sub(m, t, &sub) || sub.left == 0)
        return MS_OK;
    if (f->kind->type == MS_TAG_VARINT) {
        MS_TRY(varints(f, &sub));
        m->failed |= sub.failed;
        return MS_OK;
    }
    if (sub.left % f->size != 0) {
        m->failed = true;
        return MS_OK;
    }
    size_t count = sub.left / f->size;
    if (count > f->want - f->n)
        return too_many(f);
    ms_wire_copy(&sub, f->data + f->n * f->size, sub.left);
    f->n += count;
    return MS_OK;
}

static ms_code fill(struct filler *f, struct ms_wire_reader m)
{
    struct ms_wire_tag t;

    while (ms_wire_tag(&m, &t)) {
        if (t.field != f->kind->field)
            return ms_fail(f->err, MS_INVALID_ARGUMENT,
                           "input '%.100s': contents of another datatype than %s", f->t->name,
                           ms_dtype_oip(f->kind->dtype));
        MS_TRY(occurrence(f, &m, &t));
    }
    if (m.failed)
        return ms_fail(f->err, MS_INVALID_ARGUMENT, "input '%.100s': malformed contents",
                       f->t->name);
    if (f->n != f->want)
        return ms_fail(f->err, MS_INVALID_ARGUMENT,
                       "input '%.100s': contents hold %zu elements, its shape wants %zu",
                       f->t->name, f->n, f->want);
    return MS_OK;
}

ms_code ms_predict_typed(struct ms_predict *p, struct ms_req_tensor *t,
                         struct ms_wire_reader contents, struct ms_err *err)
{
    struct filler f = {.p = p, .t = t, .err = err, .size = ms_dtype_size(t->tensor.dtype)};

    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        if (table[i].dtype == t->tensor.dtype)
            f.kind = &table[i];
    if (!f.kind)
        return ms_fail(err, MS_INVALID_ARGUMENT,
                       "input '%.100s': %s has no typed contents, use raw_input_contents", t->name,
                       ms_dtype_oip(t->tensor.dtype));
    f.want = ms_tensor_count(&t->tensor);
    /* An element takes a byte of the message at least: refuse before allocating for what cannot be.
     */
    if (f.want > contents.left)
        return ms_fail(err, MS_INVALID_ARGUMENT,
                       "input '%.100s': contents cannot hold the %zu elements of its shape",
                       t->name, f.want);
    f.data = ms_predict_alloc(p, t->tensor.bytes, err);
    if (!f.data)
        return err->code;
    t->tensor.data = f.data;
    return fill(&f, contents);
}
