/* SPDX-License-Identifier: Apache-2.0 */
/* buf.c - growing bytes with a maximum. */
#include "base/buf.h"

#include <stdio.h>
#include <string.h>

#include "base/bytes.h"
#include "base/mem.h"

void ms_buf_init(struct ms_buf *b, size_t max)
{
    *b = (struct ms_buf){.max = max};
}

void ms_buf_done(struct ms_buf *b)
{
    ms_free(b->data);
    ms_buf_init(b, b->max);
}

void ms_buf_clear(struct ms_buf *b)
{
    b->len = 0;
    b->failed = false;
    if (b->data)
        b->data[0] = '\0';
}

void *ms_buf_grow(struct ms_buf *b, size_t len)
{
    size_t want;

    if (b->failed || len > b->max || b->len > b->max - len || !ms_add(b->len, len, &want) ||
        !ms_add(want, 1, &want)) {
        b->failed = true;
        return NULL;
    }
    if (want > b->cap) {
        size_t cap = b->cap < 64 ? 64 : b->cap * 2;
        if (cap < want || cap < b->cap)
            cap = want;
        char *data = ms_realloc(b->data, cap);
        if (!data) {
            b->failed = true;
            return NULL;
        }
        b->data = data;
        b->cap = cap;
    }
    char *at = b->data + b->len;
    b->len += len;
    b->data[b->len] = '\0';
    return at;
}

void ms_buf_add(struct ms_buf *b, const void *data, size_t len)
{
    void *at = ms_buf_grow(b, len);

    if (at && len)
        memcpy(at, data, len);
}

void ms_buf_puts(struct ms_buf *b, const char *s)
{
    ms_buf_add(b, s, strlen(s));
}

void ms_buf_putc(struct ms_buf *b, char c)
{
    ms_buf_add(b, &c, 1);
}

void ms_buf_printf(struct ms_buf *b, const char *fmt, ...)
{
    char small[256];
    va_list ap;

    va_start(ap, fmt);
    int n = vsnprintf(small, sizeof small, fmt, ap);
    va_end(ap);
    if (n < 0) {
        b->failed = true;
    } else if ((size_t)n < sizeof small) {
        ms_buf_add(b, small, (size_t)n);
    } else {
        char *at = ms_buf_grow(b, (size_t)n);
        if (!at)
            return;
        va_start(ap, fmt);
        vsnprintf(at, (size_t)n + 1, fmt, ap);
        va_end(ap);
    }
}

static void json_byte(struct ms_buf *b, unsigned char c)
{
    static const char shorts[] = {['\b'] = 'b', ['\t'] = 't', ['\n'] = 'n', ['\f'] = 'f',
                                  ['\r'] = 'r', ['"'] = '"',  ['\\'] = '\\'};

    if (c < sizeof shorts && shorts[c]) {
        ms_buf_putc(b, '\\');
        ms_buf_putc(b, shorts[c]);
    } else if (c < 0x20 || c == 0x7f) {
        ms_buf_printf(b, "\\u%04x", c);
    } else {
        ms_buf_putc(b, (char)c);
    }
}

void ms_buf_json(struct ms_buf *b, const char *s, size_t len)
{
    bool valid = ms_utf8_valid(s, len);

    ms_buf_putc(b, '"');
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)s[i];
        if (c >= 0x80 && !valid)
            ms_buf_puts(b, "\xef\xbf\xbd");
        else
            json_byte(b, c);
    }
    ms_buf_putc(b, '"');
}

const char *ms_buf_str(const struct ms_buf *b)
{
    return b->data ? b->data : "";
}

char *ms_buf_take(struct ms_buf *b, size_t *len)
{
    char *data = b->failed ? NULL : b->data;

    if (len)
        *len = data ? b->len : 0;
    if (!data)
        ms_free(b->data);
    ms_buf_init(b, b->max);
    return data;
}
