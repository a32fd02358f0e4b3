/* SPDX-License-Identifier: Apache-2.0 */
/* npy.c - numpy's .npy files, read with suspicion. */
#include "cli/npy.h"

#include <stdio.h>
#include <string.h>

#include "base/bytes.h"
#include "base/mem.h"

enum { MAX_HEADER = 1 << 20, ALIGN = 64 };

static const struct row {
    const char *code; /* without byte order */
    enum mindserve_dtype dtype;
} rows[] = {
    {"f4", MINDSERVE_F32},  {"f8", MINDSERVE_F64}, {"f2", MINDSERVE_F16}, {"V2", MINDSERVE_BF16},
    {"i1", MINDSERVE_I8},   {"i2", MINDSERVE_I16}, {"i4", MINDSERVE_I32}, {"i8", MINDSERVE_I64},
    {"u1", MINDSERVE_U8},   {"u2", MINDSERVE_U16}, {"u4", MINDSERVE_U32}, {"u8", MINDSERVE_U64},
    {"b1", MINDSERVE_BOOL},
};

/* What the header says. */
struct header {
    enum mindserve_dtype dtype;
    char text_kind; /* 'U' or 'S' of a STRING, else 0 */
    size_t item;    /* bytes of an element in the file */
    bool big, fortran;
    int rank;
    int64_t dim[MINDSERVE_MAX_RANK];
    bool has_descr, has_order, has_shape;
};

/* ---- the header's Python literal ---- */

struct cursor {
    const char *p, *end;
};

static void space(struct cursor *c)
{
    while (c->p < c->end && (*c->p == ' ' || *c->p == '\n' || *c->p == '\t' || *c->p == '\r'))
        c->p++;
}

static bool take(struct cursor *c, char ch)
{
    space(c);
    if (c->p >= c->end || *c->p != ch)
        return false;
    c->p++;
    return true;
}

static bool word(struct cursor *c, const char *w)
{
    size_t n = strlen(w);

    space(c);
    if ((size_t)(c->end - c->p) < n || memcmp(c->p, w, n) != 0)
        return false;
    c->p += n;
    return true;
}

/* A quoted text without escapes, as numpy writes its keys and dtypes. */
static bool quoted(struct cursor *c, const char **s, size_t *len)
{
    char q;

    space(c);
    if (c->p >= c->end || (*c->p != '\'' && *c->p != '"'))
        return false;
    q = *c->p++;
    *s = c->p;
    while (c->p < c->end && *c->p != q && *c->p != '\\')
        c->p++;
    *len = (size_t)(c->p - *s);
    return take(c, q);
}

static bool dimension(struct cursor *c, int64_t *out)
{
    const char *from;
    uint64_t v;

    space(c);
    from = c->p;
    while (c->p < c->end && *c->p >= '0' && *c->p <= '9')
        c->p++;
    if (!ms_parse_u64(from, (size_t)(c->p - from), INT64_MAX, &v))
        return false;
    if (c->p < c->end && *c->p == 'L') /* Python 2 */
        c->p++;
    *out = (int64_t)v;
    return true;
}

static ms_code read_shape(struct cursor *c, struct header *h, struct ms_err *err)
{
    if (!take(c, '('))
        return ms_fail(err, MS_INVALID_ARGUMENT, "header: shape is not a tuple");
    while (!take(c, ')')) {
        if (h->rank == MINDSERVE_MAX_RANK)
            return ms_fail(err, MS_INVALID_ARGUMENT, "header: more than %d dimensions",
                           MINDSERVE_MAX_RANK);
        if (!dimension(c, &h->dim[h->rank++]))
            return ms_fail(err, MS_INVALID_ARGUMENT, "header: dimension %d is not a number",
                           h->rank - 1);
        if (!take(c, ',') && (c->p >= c->end || *c->p != ')'))
            return ms_fail(err, MS_INVALID_ARGUMENT, "header: shape is malformed");
    }
    return MS_OK;
}

static bool text_dtype(struct header *h, const char *s, size_t len)
{
    uint64_t n;

    if ((*s != 'U' && *s != 'S') || !ms_parse_u64(s + 1, len - 1, 1 << 24, &n))
        return false;
    h->dtype = MINDSERVE_STRING;
    h->text_kind = *s;
    h->item = (size_t)n * (*s == 'U' ? 4 : 1);
    return true;
}

static ms_code read_descr(struct cursor *c, struct header *h, struct ms_err *err)
{
    const char *s;
    size_t len;

    if (!quoted(c, &s, &len) || len < 2)
        return ms_fail(err, MS_INVALID_ARGUMENT,
                       "header: descr is not a simple dtype (structured arrays are not taken)");
    const char *code = s;
    size_t n = len;
    if (strchr("<>=|", *s)) {
        h->big = *s == '>';
        code++;
        n--;
    }
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (strlen(rows[i].code) == n && memcmp(rows[i].code, code, n) == 0)
            h->dtype = rows[i].dtype;
    if (n == 1 && *code == '?')
        h->dtype = MINDSERVE_BOOL;
    h->item = mindserve_dtype_size(h->dtype);
    if (h->dtype != MINDSERVE_NONE || (n >= 2 && text_dtype(h, code, n)))
        return MS_OK;
    return ms_fail(err, MS_INVALID_ARGUMENT, "header: dtype '%.*s' is not taken",
                   (int)(len < 40 ? len : 40), s);
}

static ms_code read_pair(struct cursor *c, struct header *h, struct ms_err *err)
{
    const char *key;
    size_t len;
    bool *seen;

    if (!quoted(c, &key, &len) || !take(c, ':'))
        return ms_fail(err, MS_INVALID_ARGUMENT, "header: not a dict of quoted names");
    if (len == 5 && memcmp(key, "descr", 5) == 0)
        seen = &h->has_descr;
    else if (len == 5 && memcmp(key, "shape", 5) == 0)
        seen = &h->has_shape;
    else if (len == 13 && memcmp(key, "fortran_order", 13) == 0)
        seen = &h->has_order;
    else
        return ms_fail(err, MS_INVALID_ARGUMENT, "header: unknown key '%.*s'",
                       (int)(len < 40 ? len : 40), key);
    if (*seen)
        return ms_fail(err, MS_INVALID_ARGUMENT, "header: key '%.*s' twice", (int)len, key);
    *seen = true;
    if (seen == &h->has_descr)
        return read_descr(c, h, err);
    if (seen == &h->has_shape)
        return read_shape(c, h, err);
    h->fortran = word(c, "True");
    if (!h->fortran && !word(c, "False"))
        return ms_fail(err, MS_INVALID_ARGUMENT, "header: fortran_order is not True or False");
    return MS_OK;
}

static ms_code read_dict(struct cursor c, struct header *h, struct ms_err *err)
{
    if (!take(&c, '{'))
        return ms_fail(err, MS_INVALID_ARGUMENT, "header: not a dict");
    while (!take(&c, '}')) {
        MS_TRY(read_pair(&c, h, err));
        if (!take(&c, ',') && (c.p >= c.end || *c.p != '}'))
            return ms_fail(err, MS_INVALID_ARGUMENT, "header: malformed");
    }
    space(&c);
    if (c.p != c.end)
        return ms_fail(err, MS_INVALID_ARGUMENT, "header: something behind the dict");
    if (!h->has_descr || !h->has_order || !h->has_shape)
        return ms_fail(err, MS_INVALID_ARGUMENT,
                       "header: descr, fortran_order or shape is missing");
    return MS_OK;
}

/* ---- elements ---- */

static void copy_element(uint8_t *dst, const uint8_t *src, size_t item, bool swap)
{
    for (size_t b = 0; b < item; b++)
        dst[b] = src[swap ? item - 1 - b : b];
}

/* Code point of a UCS-4 unit as UTF-8; 0 bytes if it is none. */
static size_t utf8_put(char *dst, uint32_t u)
{
    if (u < 0x80) {
        dst[0] = (char)u;
        return 1;
    }
    if (u < 0x800) {
        dst[0] = (char)(0xc0 | u >> 6);
        dst[1] = (char)(0x80 | (u & 63));
        return 2;
    }
    if (u < 0x10000) {
        if (u >= 0xd800 && u < 0xe000)
            return 0;
        dst[0] = (char)(0xe0 | u >> 12);
        dst[1] = (char)(0x80 | (u >> 6 & 63));
        dst[2] = (char)(0x80 | (u & 63));
        return 3;
    }
    if (u >= 0x110000)
        return 0;
    dst[0] = (char)(0xf0 | u >> 18);
    dst[1] = (char)(0x80 | (u >> 12 & 63));
    dst[2] = (char)(0x80 | (u >> 6 & 63));
    dst[3] = (char)(0x80 | (u & 63));
    return 4;
}

/* One element of text: numpy pads with NULs, which are not part of it. */
static bool put_text(struct mindserve_tensor *t, size_t at, const uint8_t *src,
                     const struct header *h, char *room)
{
    size_t n = 0, units = h->item / (h->text_kind == 'U' ? 4 : 1);

    if (h->text_kind == 'S') {
        while (units > 0 && src[units - 1] == 0)
            units--;
        return mindserve_tensor_set_string(t, at, src, units);
    }
    for (size_t i = 0; i < units; i++) {
        uint8_t b[4];
        uint32_t u;
        copy_element(b, src + 4 * i, 4, h->big);
        memcpy(&u, b, 4);
        size_t put = utf8_put(room + n, u);
        if (put == 0)
            return false;
        n += put;
    }
    while (n > 0 && room[n - 1] == '\0')
        n--;
    return mindserve_tensor_set_string(t, at, room, n);
}

/* Where element i of the file goes: itself, or with the order of the dims turned around. */
static size_t place(const struct header *h, const size_t *stride, size_t i)
{
    size_t at = 0;

    if (!h->fortran)
        return i;
    for (int k = 0; k < h->rank; k++) {
        size_t d = (size_t)h->dim[k];
        at += i % d * stride[k];
        i /= d;
    }
    return at;
}

static ms_code fill(struct mindserve_tensor *t, const struct header *h, const uint8_t *src,
                    struct ms_err *err)
{
    size_t n = mindserve_tensor_count(t), stride[MINDSERVE_MAX_RANK] = {0}, span = 1;
    uint8_t *dst = mindserve_tensor_data(t);
    char *room = h->text_kind ? ms_malloc(h->item + 4) : NULL;
    ms_code code = MS_OK;

    if (h->text_kind && !room)
        return ms_fail_oom(err, "text", h->item);
    for (int k = h->rank - 1; k >= 0; k--) {
        stride[k] = span;
        span *= (size_t)h->dim[k];
    }
    if (!h->text_kind && !h->fortran && !h->big && n > 0) {
        memcpy(dst, src, n * h->item);
        n = 0;
    }
    for (size_t i = 0; i < n && code == MS_OK; i++, src += h->item) {
        size_t at = place(h, stride, i);
        if (!h->text_kind)
            copy_element(dst + at * h->item, src, h->item, h->big);
        else if (!put_text(t, at, src, h, room))
            code = ms_fail(err, MS_INVALID_ARGUMENT, "element %zu is no text", i);
    }
    ms_free(room);
    return code;
}

static void normalise_bool(struct mindserve_tensor *t)
{
    uint8_t *b = mindserve_tensor_data(t);

    for (size_t i = 0; i < mindserve_tensor_count(t); i++)
        b[i] = b[i] != 0;
}

/* Finds header and data in the file. */
static ms_code split(const uint8_t *b, size_t len, struct cursor *c, size_t *data,
                     struct ms_err *err)
{
    size_t n, fixed;

    if (len < 10 || memcmp(b, "\x93NUMPY", 6) != 0)
        return ms_fail(err, MS_INVALID_ARGUMENT, "not a .npy file");
    if (b[6] < 1 || b[6] > 3 || b[7] != 0)
        return ms_fail(err, MS_INVALID_ARGUMENT, ".npy version %d.%d is unknown", b[6], b[7]);
    fixed = b[6] == 1 ? 10 : 12;
    if (len < fixed)
        return ms_fail(err, MS_INVALID_ARGUMENT, "cut short in the header");
    n = (size_t)b[8] | (size_t)b[9] << 8;
    if (b[6] > 1)
        n |= (size_t)b[10] << 16 | (size_t)b[11] << 24;
    if (n > MAX_HEADER)
        return ms_fail(err, MS_INVALID_ARGUMENT, "header of %zu bytes is too long", n);
    if (n > len - fixed)
        return ms_fail(err, MS_INVALID_ARGUMENT, "cut short in the header");
    *c = (struct cursor){(const char *)b + fixed, (const char *)b + fixed + n};
    *data = fixed + n;
    return MS_OK;
}

ms_code ms_npy_read(const void *bytes, size_t len, struct mindserve_tensor **out,
                    struct ms_err *err)
{
    struct header h = {0};
    struct mindserve_tensor *t;
    struct cursor c;
    size_t data = 0, need = 1;
    ms_code code;

    MS_TRY(split(bytes, len, &c, &data, err));
    MS_TRY(read_dict(c, &h, err));
    for (int i = 0; i < h.rank; i++)
        if (!ms_mul(need, (size_t)h.dim[i], &need))
            return ms_fail(err, MS_INVALID_ARGUMENT, "header: the shape is too large");
    if (!ms_mul(need, h.item, &need) || need != len - data)
        return ms_fail(err, MS_INVALID_ARGUMENT,
                       "header promises %zu bytes of elements, the file has %zu", need, len - data);
    t = mindserve_tensor_new(h.dtype, h.rank, h.dim);
    if (!t)
        return ms_fail_oom(err, "tensor", need);
    code = fill(t, &h, (const uint8_t *)bytes + data, err);
    if (code != MS_OK) {
        mindserve_tensor_free(t);
        return code;
    }
    if (h.dtype == MINDSERVE_BOOL)
        normalise_bool(t);
    *out = t;
    return MS_OK;
}

/* ---- writing ---- */

/* UCS-4 units of valid UTF-8. */
static size_t utf8_count(const char *s, size_t len)
{
    size_t n = 0;

    for (size_t i = 0; i < len; i++)
        n += ((uint8_t)s[i] & 0xc0) != 0x80;
    return n;
}

static size_t utf8_get(const char *s, uint32_t *u)
{
    uint8_t b = (uint8_t)*s;
    size_t n = b < 0x80 ? 1 : b < 0xe0 ? 2 : b < 0xf0 ? 3 : 4;

    *u = n == 1 ? b : b & (0xffu >> (n + 1));
    for (size_t i = 1; i < n; i++)
        *u = *u << 6 | ((uint8_t)s[i] & 63);
    return n;
}

/* The dtype code of a text tensor and the bytes of an element. */
static char text_form(const struct mindserve_tensor *t, size_t *item)
{
    size_t units = 1, longest = 1, len;
    bool utf8 = true;

    for (size_t i = 0; i < mindserve_tensor_count(t); i++) {
        const char *s = mindserve_tensor_string(t, i, &len);
        utf8 = utf8 && ms_utf8_valid(s, len);
        longest = len > longest ? len : longest;
        if (utf8 && utf8_count(s, len) > units)
            units = utf8_count(s, len);
    }
    *item = utf8 ? units * 4 : longest;
    return utf8 ? 'U' : 'S';
}

static void add_text(const struct mindserve_tensor *t, char kind, size_t item, struct ms_buf *out)
{
    for (size_t i = 0; i < mindserve_tensor_count(t); i++) {
        size_t len, at = 0;
        const char *s = mindserve_tensor_string(t, i, &len);
        char *dst = ms_buf_grow(out, item);
        if (!dst)
            return;
        memset(dst, 0, item);
        if (kind == 'S')
            memcpy(dst, s, len);
        for (size_t k = 0; kind == 'U' && k < len; at += 4) {
            uint32_t u;
            k += utf8_get(s + k, &u);
            memcpy(dst + at, &u, 4);
        }
    }
}

static void add_header(struct ms_buf *out, const char *descr, const struct mindserve_tensor *t)
{
    struct ms_buf h;
    int rank = mindserve_tensor_rank(t);

    ms_buf_init(&h, 4096);
    ms_buf_printf(&h, "{'descr': '%s', 'fortran_order': False, 'shape': (", descr);
    for (int i = 0; i < rank; i++)
        ms_buf_printf(&h,
                      i + 1 < rank ? "%lld, "
                      : rank == 1  ? "%lld,"
                                   : "%lld",
                      (long long)mindserve_tensor_dims(t)[i]);
    ms_buf_puts(&h, "), }");
    while ((10 + h.len + 1) % ALIGN != 0)
        ms_buf_putc(&h, ' ');
    ms_buf_putc(&h, '\n');
    const uint8_t head[10] = {
        0x93, 'N', 'U', 'M', 'P', 'Y', 1, 0, (uint8_t)h.len, (uint8_t)(h.len >> 8)};
    ms_buf_add(out, head, sizeof head);
    ms_buf_add(out, ms_buf_str(&h), h.len);
    ms_buf_done(&h);
}

ms_code ms_npy_write(struct mindserve_tensor *t, struct ms_buf *out, struct ms_err *err)
{
    enum mindserve_dtype d = mindserve_tensor_dtype(t);
    char descr[32] = "";

    if (d == MINDSERVE_STRING) {
        size_t item;
        char kind = text_form(t, &item);
        (void)snprintf(descr, sizeof descr, "%c%c%zu", kind == 'U' ? '<' : '|', kind,
                       kind == 'U' ? item / 4 : item);
        add_header(out, descr, t);
        add_text(t, kind, item, out);
    } else {
        for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
            if (rows[i].dtype == d)
                (void)snprintf(descr, sizeof descr, "%c%s",
                               mindserve_dtype_size(d) == 1 ? '|' : '<', rows[i].code);
        add_header(out, descr, t);
        ms_buf_add(out, mindserve_tensor_data(t), mindserve_tensor_bytes(t));
    }
    return ms_buf_ok(out) ? MS_OK : ms_fail_oom(err, ".npy file", mindserve_tensor_bytes(t));
}
