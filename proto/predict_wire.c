/* SPDX-License-Identifier: Apache-2.0 */
/* predict_wire.c - varints, lengths and copies across piece borders. */
#include "proto/predict_wire.h"

#include <string.h>

#include "ir/dtype.h"

enum { MAX_TEXT = 1024 };

struct ms_wire_reader ms_wire_reader(const struct ms_bytes *part, int n)
{
    struct ms_wire_reader r = {.part = part};

    for (int i = 0; i < n; i++)
        r.left += part[i].len;
    return r;
}

static bool fail(struct ms_wire_reader *r)
{
    r->failed = true;
    r->left = 0;
    return false;
}

/* Steps over pieces that are used up. Only while left > 0. */
static void settle(struct ms_wire_reader *r)
{
    while (r->at == r->part->len) {
        r->part++;
        r->at = 0;
    }
}

static uint8_t byte(struct ms_wire_reader *r)
{
    settle(r);
    r->left--;
    return r->part->data[r->at++];
}

uint64_t ms_wire_read_varint(struct ms_wire_reader *r)
{
    uint64_t v = 0;

    for (int shift = 0; shift < 70; shift += 7) {
        if (!r->left) {
            fail(r);
            return 0;
        }
        uint8_t b = byte(r);
        if (shift == 63 && b > 1)
            break;
        v |= (uint64_t)(b & 0x7f) << shift;
        if (b < 0x80)
            return v;
    }
    fail(r);
    return 0;
}

bool ms_wire_tag(struct ms_wire_reader *r, struct ms_wire_tag *t)
{
    if (!r->left)
        return false;
    uint64_t v = ms_wire_read_varint(r);
    if (r->failed || v > UINT32_MAX || v >> 3 == 0)
        return fail(r);
    t->field = (uint32_t)(v >> 3);
    t->type = (int)(v & 7);
    return true;
}

bool ms_wire_copy(struct ms_wire_reader *r, void *to, size_t len)
{
    uint8_t *out = to;

    if (len > r->left)
        return fail(r);
    r->left -= len;
    while (len) {
        settle(r);
        size_t here = r->part->len - r->at;
        size_t n = here < len ? here : len;
        memcpy(out, r->part->data + r->at, n);
        r->at += n;
        out += n;
        len -= n;
    }
    return true;
}

bool ms_wire_forward(struct ms_wire_reader *r, uint64_t len)
{
    if (len > r->left)
        return fail(r);
    r->left -= len;
    while (len) {
        settle(r);
        size_t here = r->part->len - r->at;
        size_t n = here < len ? here : (size_t)len;
        r->at += n;
        len -= n;
    }
    return true;
}

bool ms_wire_skip(struct ms_wire_reader *r, const struct ms_wire_tag *t)
{
    switch (t->type) {
    case MS_TAG_VARINT:
        ms_wire_read_varint(r);
        return !r->failed;
    case MS_TAG_FIXED64:
        return ms_wire_forward(r, 8);
    case MS_TAG_BYTES: {
        uint64_t len = ms_wire_read_varint(r);
        return !r->failed && ms_wire_forward(r, len);
    }
    case MS_TAG_FIXED32:
        return ms_wire_forward(r, 4);
    default:
        return fail(r);
    }
}

bool ms_wire_sub(struct ms_wire_reader *r, const struct ms_wire_tag *t, struct ms_wire_reader *sub)
{
    if (t->type != MS_TAG_BYTES)
        return fail(r);
    uint64_t len = ms_wire_read_varint(r);
    if (r->failed || len > r->left)
        return fail(r);
    *sub = *r;
    sub->left = (size_t)len;
    return ms_wire_forward(r, len);
}

const void *ms_wire_borrow(const struct ms_wire_reader *r, size_t len, size_t align)
{
    struct ms_wire_reader at = *r;

    if (len == 0 || len > at.left)
        return NULL;
    settle(&at);
    const uint8_t *p = at.part->data + at.at;
    return at.part->len - at.at >= len && (uintptr_t)p % align == 0 ? p : NULL;
}

ms_code ms_wire_text(struct ms_wire_reader *r, struct ms_arena *a, const char *what,
                     struct ms_bytes *out, struct ms_err *err)
{
    uint64_t len = ms_wire_read_varint(r);

    if (r->failed || len > r->left) {
        fail(r);
        return ms_fail(err, MS_INVALID_ARGUMENT, "malformed ModelInferRequest: %s is cut short",
                       what);
    }
    if (len > MAX_TEXT)
        return ms_fail(err, MS_INVALID_ARGUMENT, "%s is longer than %d bytes", what, MAX_TEXT);
    char *s = ms_arena_alloc(a, (size_t)len + 1);
    if (!s)
        return ms_fail_oom(err, what, (size_t)len);
    ms_wire_copy(r, s, (size_t)len);
    s[len] = '\0';
    if (!ms_utf8_valid(s, (size_t)len))
        return ms_fail(err, MS_INVALID_ARGUMENT, "%s is not UTF-8 text without NUL", what);
    *out = ms_bytes(s, (size_t)len);
    return MS_OK;
}
