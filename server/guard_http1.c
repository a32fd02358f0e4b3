/* SPDX-License-Identifier: Apache-2.0 */
/* guard_http1.c - HTTP/1 requests byte by byte (RFC 9112), before libmicrohttpd sees them.
 *
 * What the library hides from us is refused here: NUL, CR and LF out of place, chunk extensions and
 * trailers, chunks by the thousand. For that it must know where each request ends, so whatever
 * could let two readers disagree about it is refused too: two lengths, a length beside chunks,
 * blanks before a colon, folded lines. http_check.c looks again at what the library made of the
 * rest.
 *
 *     START ── LINE ── NAME ── VALUE ... empty line ── BODY ──────────────┐
 *       ▲                                         └─── SIZE ── EXT ── DATA │
 *       └──────────────────────────────────────────────────────────────────┘ */
#include "server/guard.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"

enum {
    MAX_HEADERS = 100,
    MAX_LINE = 16 << 10,
    MAX_HEAD = 64 << 10,
    MAX_EXTENSION = 256,
    SMALL_CHUNK = 1024, /* larger ones are counted by their bytes alone */
    SMALL_CHUNKS = 4096 /* a second */
};

enum state {
    START, /* before the first byte of a request */
    LINE,  /* in the request line */
    NAME,  /* in a header's name, or at a line's first byte */
    VALUE, /* in a header's value */
    BODY,  /* with a length */
    SIZE,  /* of a chunk */
    EXTENSION,
    DATA,     /* of a chunk */
    DATA_END, /* CR LF behind it */
    LAST      /* CR LF behind the last chunk */
};

enum { NO_MATCH = 255 };
static const char length_name[] = "content-length", encoding_name[] = "transfer-encoding";

void ms_http1_init(struct ms_http1_guard *g, int64_t now)
{
    memset(g, 0, sizeof *g);
    g->second = now;
}

static void begin(struct ms_http1_guard *g)
{
    g->state = LINE;
    g->cr = g->old = g->length_seen = g->chunked_seen = g->answered = false;
    g->headers = 0;
    g->line = g->head = 0;
    g->body = 0;
    g->n_value = 0;
}

static bool tchar(uint8_t c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           (c && strchr("!#$%&'*+-.^_`|~", c));
}

static uint8_t lower(uint8_t c)
{
    return c >= 'A' && c <= 'Z' ? (uint8_t)(c + 32) : c;
}

/* ---- lines of the head ---- */

static uint8_t match(uint8_t so_far, const char *name, uint8_t c)
{
    return so_far != NO_MATCH && name[so_far] == (char)c ? (uint8_t)(so_far + 1) : NO_MATCH;
}

static bool is_length(const struct ms_http1_guard *g)
{
    return g->match_length == sizeof length_name - 1;
}

static bool is_encoding(const struct ms_http1_guard *g)
{
    return g->match_encoding == sizeof encoding_name - 1;
}

/* Keeps the value without blanks around it; a byte too many makes it one that is refused. */
static void keep(struct ms_http1_guard *g, uint8_t c)
{
    if (g->n_value == 0 && (c == ' ' || c == '\t'))
        return;
    if (g->n_value < sizeof g->value)
        g->value[g->n_value++] = (char)c;
}

static enum ms_guard length_value(struct ms_http1_guard *g)
{
    if (g->length_seen || g->chunked_seen || g->n_value == 0 || g->n_value > 18)
        return MS_GUARD_FRAMING;
    g->length_seen = true;
    for (int i = 0; i < g->n_value; i++) {
        if (g->value[i] < '0' || g->value[i] > '9')
            return MS_GUARD_FRAMING;
        g->body = g->body * 10 + (uint64_t)(g->value[i] - '0');
    }
    return MS_GUARD_OK;
}

static enum ms_guard encoding_value(struct ms_http1_guard *g)
{
    static const char chunked[] = "chunked";

    if (g->length_seen || g->chunked_seen || g->old || g->n_value != sizeof chunked - 1)
        return MS_GUARD_FRAMING;
    for (int i = 0; i < g->n_value; i++)
        if (lower((uint8_t)g->value[i]) != (uint8_t)chunked[i])
            return MS_GUARD_FRAMING;
    g->chunked_seen = true;
    return MS_GUARD_OK;
}

/* A line has ended. */
static enum ms_guard line_end(struct ms_http1_guard *g)
{
    enum ms_guard why = MS_GUARD_OK;

    if (g->state == LINE && g->line == 0) { /* empty lines between requests mean nothing */
        g->state = START;
        return MS_GUARD_OK;
    }
    if (g->state == LINE) { /* "... HTTP/1.0": there are no chunks */
        g->old = g->n_value >= 8 && memcmp(g->value + g->n_value - 8, "HTTP/1.0", 8) == 0;
    } else if (g->state == VALUE) {
        while (g->n_value && (g->value[g->n_value - 1] == ' ' || g->value[g->n_value - 1] == '\t'))
            g->n_value--;
        if (is_length(g))
            why = length_value(g);
        else if (is_encoding(g))
            why = encoding_value(g);
    } else if (g->line) { /* a name without a colon */
        return MS_GUARD_HEAD;
    } else { /* the empty line */
        g->state = g->chunked_seen ? SIZE : g->body ? BODY : START;
        g->digits = 0;
        return MS_GUARD_OK;
    }
    g->state = NAME;
    g->line = 0;
    g->match_length = g->match_encoding = 0;
    g->n_value = 0;
    return why;
}

/* The last bytes of the request line, for its version. */
static void keep_last(struct ms_http1_guard *g, uint8_t c)
{
    if (g->n_value == 8)
        memmove(g->value, g->value + 1, 7);
    else
        g->n_value++;
    g->value[g->n_value - 1] = (char)c;
}

static enum ms_guard name_byte(struct ms_http1_guard *g, uint8_t c)
{
    if (g->line == 1 && ++g->headers > MAX_HEADERS)
        return MS_GUARD_HEAD_SIZE;
    if (c == ':' && g->line > 1) {
        g->state = VALUE;
        return MS_GUARD_OK;
    }
    if (!tchar(c)) /* also the blank of a folded line, or before the colon */
        return MS_GUARD_HEAD;
    g->match_length = match(g->match_length, length_name, lower(c));
    g->match_encoding = match(g->match_encoding, encoding_name, lower(c));
    return MS_GUARD_OK;
}

static enum ms_guard head_byte(struct ms_http1_guard *g, uint8_t c)
{
    if (++g->head > MAX_HEAD)
        return MS_GUARD_HEAD_SIZE;
    if (g->cr || c == '\n') {
        bool both = g->cr && c == '\n';
        g->cr = false;
        return both ? line_end(g) : MS_GUARD_BYTES;
    }
    if (c == '\r') {
        g->cr = true;
        return MS_GUARD_OK;
    }
    if ((c < 0x20 && c != '\t') || c == 0x7f)
        return MS_GUARD_BYTES;
    if (++g->line > MAX_LINE)
        return MS_GUARD_HEAD_SIZE;
    if (g->state == NAME)
        return name_byte(g, c);
    if (g->state == LINE)
        keep_last(g, c);
    else if (is_length(g) || is_encoding(g))
        keep(g, c);
    return MS_GUARD_OK;
}

/* ---- chunks ---- */

static int hex(uint8_t c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = lower(c);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static enum ms_guard count_chunk(struct ms_http1_guard *g, int64_t now)
{
    if (g->body >= SMALL_CHUNK)
        return MS_GUARD_OK;
    if (now - g->second >= MS_SEC) {
        g->second = now;
        g->small_chunks = 0;
    }
    return ++g->small_chunks > SMALL_CHUNKS ? MS_GUARD_CHUNK_RATE : MS_GUARD_OK;
}

/* The line of a chunk's size: digits, extension, CR LF. */
static enum ms_guard size_byte(struct ms_http1_guard *g, uint8_t c, int64_t now)
{
    if (g->cr) {
        g->cr = false;
        if (c != '\n')
            return MS_GUARD_CHUNK;
        g->state = g->body ? DATA : LAST;
        return count_chunk(g, now);
    }
    if (c == '\r' && g->digits) {
        g->cr = true;
        return MS_GUARD_OK;
    }
    if (g->state == EXTENSION) {
        if ((c < 0x20 && c != '\t') || c == 0x7f)
            return MS_GUARD_CHUNK;
        return ++g->extension > MAX_EXTENSION ? MS_GUARD_CHUNK_EXTENSION : MS_GUARD_OK;
    }
    if (c == ';' && g->digits) {
        g->state = EXTENSION;
        g->extension = 0;
        return MS_GUARD_OK;
    }
    if (hex(c) < 0 || ++g->digits > 15)
        return MS_GUARD_CHUNK;
    g->body = g->digits == 1 ? (uint64_t)hex(c) : g->body << 4 | (uint64_t)hex(c);
    return MS_GUARD_OK;
}

/* CR LF behind a chunk, or behind the last, where a trailer could stand. */
static enum ms_guard after_chunk(struct ms_http1_guard *g, uint8_t c)
{
    bool last = g->state == LAST;

    if (c == (g->cr ? '\n' : '\r')) {
        g->cr = !g->cr;
        if (g->cr)
            return MS_GUARD_OK;
        g->state = last ? START : SIZE;
        g->digits = 0;
        return MS_GUARD_OK;
    }
    return last && !g->cr && tchar(c) ? MS_GUARD_TRAILERS : MS_GUARD_CHUNK;
}

/* ---- all of it ---- */

static enum ms_guard byte(struct ms_http1_guard *g, uint8_t c, int64_t now)
{
    switch ((enum state)g->state) {
    case START:
        begin(g);
        return head_byte(g, c);
    case LINE:
    case NAME:
    case VALUE:
        return head_byte(g, c);
    case SIZE:
    case EXTENSION:
        return size_byte(g, c, now);
    case DATA_END:
    case LAST:
        return after_chunk(g, c);
    case BODY:
    case DATA:
        break; /* not byte by byte */
    }
    return MS_GUARD_OK;
}

enum ms_guard ms_http1_client(struct ms_http1_guard *g, const uint8_t *p, size_t n, int64_t now,
                              size_t *good)
{
    *good = 0;
    for (size_t i = 0; i < n;) {
        if (g->state == BODY || g->state == DATA) {
            size_t take = g->body < n - i ? (size_t)g->body : n - i;
            i += take;
            g->body -= take;
            if (g->body == 0)
                g->state = g->state == BODY ? START : DATA_END;
            continue;
        }
        if (g->state == START)
            *good = i;
        enum ms_guard why = byte(g, p[i++], now);
        if (why != MS_GUARD_OK)
            return why;
    }
    return MS_GUARD_OK;
}

size_t ms_http1_last_words(const struct ms_http1_guard *g, enum ms_guard why,
                           uint8_t out[MS_HTTP1_LAST_WORDS])
{
    const struct ms_guard_reason *r = &ms_guard_reasons[why];
    char body[128];

    if (g->answered)
        return 0;
    int len = snprintf(body, sizeof body, "{\"error\":\"%s\"}", r->text);
    int n = snprintf((char *)out, MS_HTTP1_LAST_WORDS,
                     "HTTP/1.1 %d %s\r\nConnection: close\r\nContent-Type: application/json\r\n"
                     "Content-Length: %d\r\n\r\n%s",
                     r->http,
                     r->http == 400   ? "Bad Request"
                     : r->http == 431 ? "Request Header Fields Too Large"
                                      : "Service Unavailable",
                     len, body);
    return n > 0 && n < MS_HTTP1_LAST_WORDS ? (size_t)n : 0;
}
