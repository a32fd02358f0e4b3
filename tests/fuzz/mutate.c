/* SPDX-License-Identifier: Apache-2.0 */
/* mutate.c - see mutate.h. */
#include "tests/fuzz/mutate.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_FIELDS = 20000, MAX_DEPTH = 24, MAX_BYTES = 4 << 20 };

struct field {
    size_t start, payload, end; /* tag at start; payload behind the length, or the value */
    unsigned number;
    int type;
    int parent; /* index; -1 = outermost */
    int depth;
    bool message;
};

struct doc {
    uint8_t *data;
    size_t len;
    struct field *f;
    int n;
};

uint64_t rnd_next(struct rnd *r)
{
    r->s ^= r->s >> 12;
    r->s ^= r->s << 25;
    r->s ^= r->s >> 27;
    return r->s * UINT64_C(0x2545f4914f6cdd1d);
}

size_t rnd_below(struct rnd *r, size_t n)
{
    return (size_t)(rnd_next(r) >> 11) % n;
}

/* ---- reading fields ---- */

static bool get_varint(const uint8_t *d, size_t *at, size_t end, uint64_t *v)
{
    *v = 0;
    for (int shift = 0; shift < 64 && *at < end; shift += 7) {
        const uint8_t b = d[(*at)++];

        *v |= (uint64_t)(b & 0x7f) << shift;
        if (b < 0x80)
            return true;
    }
    return false;
}

static bool get_field(const uint8_t *d, size_t at, size_t end, struct field *f)
{
    uint64_t tag, v;

    f->start = at;
    if (!get_varint(d, &at, end, &tag) || tag >> 3 == 0 || tag >> 3 > 1000)
        return false;
    f->number = (unsigned)(tag >> 3);
    f->type = (int)(tag & 7);
    f->payload = at;
    f->message = false;
    if (f->type == 0) {
        if (!get_varint(d, &at, end, &v))
            return false;
    } else if (f->type == 1 || f->type == 5) {
        at += f->type == 1 ? 8 : 4;
    } else if (f->type == 2) {
        if (!get_varint(d, &at, end, &v) || v > end - at)
            return false;
        f->payload = at;
        at += v;
    } else {
        return false;
    }
    f->end = at;
    return at <= end;
}

static bool looks_like_message(const uint8_t *d, size_t at, size_t end)
{
    struct field f;

    if (at == end || end - at > MAX_BYTES)
        return false;
    while (at < end) {
        if (!get_field(d, at, end, &f))
            return false;
        at = f.end;
    }
    return true;
}

static void parse(struct doc *c, size_t at, size_t end, int parent, int depth)
{
    while (at < end && c->n < MAX_FIELDS) {
        const int i = c->n;
        struct field *f = &c->f[i];

        if (!get_field(c->data, at, end, f))
            return;
        f->parent = parent;
        f->depth = depth;
        c->n++;
        if (f->type == 2 && depth < MAX_DEPTH && looks_like_message(c->data, f->payload, f->end)) {
            f->message = true;
            parse(c, f->payload, f->end, i, depth + 1);
        }
        at = c->f[i].end;
    }
}

/* ---- editing ---- */

static bool splice(struct doc *c, size_t from, size_t to, const void *data, size_t n)
{
    uint8_t *copy = NULL, *grown;

    if (c->len - (to - from) + n > 2 * (size_t)MAX_BYTES)
        return false;
    if (n > 0) { /* data may lie in the document itself */
        copy = malloc(n);
        if (!copy)
            return false;
        memcpy(copy, data, n);
    }
    grown = malloc(c->len + n + 1);
    if (!grown) {
        free(copy);
        return false;
    }
    memcpy(grown, c->data, from);
    if (n > 0)
        memcpy(grown + from, copy, n);
    memcpy(grown + from + n, c->data + to, c->len - to);
    free(copy);
    free(c->data);
    c->data = grown;
    c->len = c->len - (to - from) + n;
    return true;
}

static size_t put_varint(uint8_t *to, uint64_t v)
{
    size_t n = 0;

    for (; v >= 0x80; v >>= 7)
        to[n++] = (uint8_t)(v | 0x80);
    to[n++] = (uint8_t)v;
    return n;
}

/* Bytes [from, to) become data; then every enclosing message's length is set right, from the
 * inside. */
static void edit(struct doc *c, int parent, size_t from, size_t to, const void *data, size_t n)
{
    int64_t delta = (int64_t)n - (int64_t)(to - from);

    if (!splice(c, from, to, data, n))
        return;
    for (int i = parent; i >= 0; i = c->f[i].parent) {
        const struct field *f = &c->f[i];
        const size_t old = f->end - f->payload;
        uint8_t was[10], now[10];
        const size_t n_was = put_varint(was, old);
        const size_t n_now = put_varint(now, (uint64_t)((int64_t)old + delta));

        if (f->payload < n_was || !splice(c, f->payload - n_was, f->payload, now, n_now))
            return;
        delta += (int64_t)n_now - (int64_t)n_was;
    }
}

static const struct field *any(const struct doc *c, struct rnd *r, int type)
{
    for (int tries = 0; tries < 200; tries++) {
        const struct field *f = &c->f[rnd_below(r, (size_t)c->n)];

        if (type < 0 || f->type == type)
            return f;
    }
    return NULL;
}

static void edit_varint(struct doc *c, struct rnd *r)
{
    static const int64_t edges[] = {0,
                                    1,
                                    -1,
                                    2,
                                    3,
                                    7,
                                    8,
                                    9,
                                    16,
                                    64,
                                    255,
                                    256,
                                    65535,
                                    INT32_MAX,
                                    INT32_MIN,
                                    2147483648,
                                    4294967295,
                                    INT64_MAX,
                                    INT64_MIN,
                                    INT64_C(1) << 40,
                                    INT64_C(1) << 62};
    const struct field *f = any(c, r, 0);
    uint8_t now[10];

    if (!f)
        return;
    const uint64_t v = rnd_below(r, 4) == 0
                           ? rnd_next(r) >> rnd_below(r, 64)
                           : (uint64_t)edges[rnd_below(r, sizeof edges / sizeof *edges)];
    edit(c, f->parent, f->payload, f->end, now, put_varint(now, v));
}

static void edit_float(struct doc *c, struct rnd *r)
{
    static const float edges[] = {0,         -0.0f, 1,      -1,   NAN, INFINITY,
                                  -INFINITY, 3e38f, 1e-45f, 0.5f, 1e9f};
    const struct field *f = any(c, r, 5);

    if (f)
        memcpy(c->data + f->payload, &edges[rnd_below(r, sizeof edges / sizeof *edges)], 4);
}

static void delete_field(struct doc *c, struct rnd *r)
{
    const struct field *f = any(c, r, -1);

    edit(c, f->parent, f->start, f->end, NULL, 0);
}

static void repeat_field(struct doc *c, struct rnd *r)
{
    const struct field *f = any(c, r, -1);

    edit(c, f->parent, f->end, f->end, c->data + f->start, f->end - f->start);
}

/* A field of one message also in another. */
static void move_field(struct doc *c, struct rnd *r)
{
    const struct field *from = any(c, r, -1), *to = any(c, r, -1);

    edit(c, to->parent, to->start, to->start, c->data + from->start, from->end - from->start);
}

/* The content of one field becomes that of another with the same number: names, nodes, dims mix. */
static void exchange(struct doc *c, struct rnd *r)
{
    const struct field *a = any(c, r, 2);

    for (int tries = 0; a && tries < 100; tries++) {
        const struct field *b = any(c, r, 2);

        if (!b || b == a || b->number != a->number || b->message != a->message)
            continue;
        uint8_t buf[16 + 4096];
        const size_t len = b->end - b->payload;
        size_t n = 0;

        if (len > 4096)
            return;
        n = put_varint(buf, a->number << 3 | 2);
        n += put_varint(buf + n, len);
        memcpy(buf + n, c->data + b->payload, len);
        edit(c, a->parent, a->start, a->end, buf, n + len);
        return;
    }
}

static void renumber(struct doc *c, struct rnd *r)
{
    const struct field *f = any(c, r, -1);
    uint8_t tag[10];
    uint64_t v;
    size_t at = f->start;

    if (get_varint(c->data, &at, f->end, &v))
        edit(c, f->parent, f->start, at, tag,
             put_varint(tag, (uint64_t)(1 + rnd_below(r, 26)) << 3 | (v & 7)));
}

static void resize_bytes(struct doc *c, struct rnd *r)
{
    const struct field *f = any(c, r, 2);
    uint8_t buf[16 + 4096 + 16] = {0};
    size_t len, n;

    if (!f || f->end - f->payload > 4096)
        return;
    len = f->end - f->payload;
    n = put_varint(buf, f->number << 3 | 2);
    const size_t now = rnd_below(r, 2) && len > 0 ? rnd_below(r, len) : len + rnd_below(r, 9);
    n += put_varint(buf + n, now);
    memcpy(buf + n, c->data + f->payload, now < len ? now : len);
    edit(c, f->parent, f->start, f->end, buf, n + now);
}

static void flip(struct doc *c, struct rnd *r)
{
    for (size_t k = rnd_below(r, 4) + 1; k > 0 && c->len > 0; k--)
        c->data[rnd_below(r, c->len)] ^= (uint8_t)(1 << rnd_below(r, 8));
}

static void cut(struct doc *c, struct rnd *r)
{
    if (c->len > 0)
        c->len = rnd_below(r, c->len);
}

static void once(struct doc *c, struct rnd *r)
{
    static void (*const edits[])(struct doc *, struct rnd *) = {
        edit_varint,  edit_varint,  edit_varint, edit_varint, edit_float, delete_field,
        delete_field, repeat_field, move_field,  exchange,    exchange,   exchange,
        renumber,     resize_bytes, flip,        flip,        cut};
    /* the last one is rare: it mostly ends at the scan */
    const size_t n = sizeof edits / sizeof *edits - (rnd_below(r, 8) != 0);

    c->n = 0;
    parse(c, 0, c->len, -1, 0);
    if (c->n == 0)
        flip(c, r);
    else
        edits[rnd_below(r, n)](c, r);
}

uint8_t *mutate(const uint8_t *in, size_t *len, struct rnd *r)
{
    struct doc c = {.data = malloc(*len + 1), .len = *len};

    c.f = malloc(MAX_FIELDS * sizeof *c.f);
    if (!c.data || !c.f) {
        free(c.data);
        free(c.f);
        return NULL;
    }
    memcpy(c.data, in, *len);
    for (size_t k = rnd_below(r, 4) + 1; k > 0; k--)
        once(&c, r);
    free(c.f);
    *len = c.len;
    return c.data;
}
