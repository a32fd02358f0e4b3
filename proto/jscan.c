/* SPDX-License-Identifier: Apache-2.0 */
/* jscan.c - one pass over JSON text.
 *
 * Numbers take two ways. Up to 19 digits with a small power of ten are computed in registers: a
 * mantissa below 2^53 and 10^k with k <= 22 are both exact doubles, so one multiplication or
 * division rounds once (Clinger 1990, "How to Read Floating Point Numbers Accurately"). The rest
 * goes to strtod and strtof. */
#include "proto/jscan.h"

#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/map.h"

void ms_jscan_init(struct ms_jscan *s, struct ms_bytes text, struct ms_arena *a, struct ms_err *err)
{
    s->start = s->p = text.data;
    s->end = text.len ? text.data + text.len : text.data;
    s->arena = a;
    s->err = err;
    s->code = MS_OK;
    s->depth = s->n_keys = 0;
    s->max_depth = MS_JSCAN_DEPTH;
    s->special = false;
}

ms_code ms_jscan_fail(struct ms_jscan *s, const char *fmt, ...)
{
    va_list ap;

    if (s->code != MS_OK)
        return s->code;
    va_start(ap, fmt);
    s->code = ms_vfail(s->err, MS_INVALID_ARGUMENT, fmt, ap);
    va_end(ap);
    ms_err_prefix(s->err, "JSON byte %zu", (size_t)(s->p - s->start));
    return s->code;
}

static bool blank(uint8_t c)
{
    return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

/* The next byte that is no blank, not consumed; 0 at the end or after an error. */
static uint8_t next(struct ms_jscan *s)
{
    if (s->code != MS_OK)
        return 0;
    while (s->p < s->end && blank(*s->p))
        s->p++;
    return s->p < s->end ? *s->p : 0;
}

static bool word(struct ms_jscan *s, const char *w)
{
    size_t n = strlen(w);

    if ((size_t)(s->end - s->p) < n || memcmp(s->p, w, n) != 0)
        return false;
    s->p += n;
    return true;
}

enum ms_jkind ms_jscan_peek(struct ms_jscan *s)
{
    uint8_t c = next(s);

    switch (c) {
    case '{':
        return MS_J_OBJECT;
    case '[':
        return MS_J_ARRAY;
    case '"':
        return MS_J_STRING;
    case 't':
    case 'f':
        return MS_J_BOOL;
    case 'n':
        return MS_J_NULL;
    case '-':
    case 'N':
    case 'I':
        return MS_J_NUMBER;
    default:
        return c >= '0' && c <= '9' ? MS_J_NUMBER : MS_J_BAD;
    }
}

static ms_code enter(struct ms_jscan *s, uint8_t open, const char *what)
{
    if (next(s) != open)
        return ms_jscan_fail(s, "%s expected", what);
    if (s->depth == s->max_depth)
        return ms_jscan_fail(s, "nested deeper than %d levels", s->max_depth);
    s->p++;
    s->depth++;
    s->fresh[s->depth] = true;
    s->first_key[s->depth] = s->n_keys;
    return MS_OK;
}

/* Steps to the next member: true at its first byte, false at the closing byte (consumed). */
static bool member(struct ms_jscan *s, uint8_t close)
{
    uint8_t c = next(s);

    if (s->code != MS_OK)
        return false;
    if (c == close) {
        s->p++;
        s->n_keys = s->first_key[s->depth];
        s->depth--;
        return false;
    }
    if (!s->fresh[s->depth]) {
        if (c != ',') {
            ms_jscan_fail(s, "',' or '%c' expected", close);
            return false;
        }
        s->p++;
        c = next(s);
        if (c == close) {
            ms_jscan_fail(s, "value expected after ','");
            return false;
        }
    }
    s->fresh[s->depth] = false;
    if (c == 0)
        ms_jscan_fail(s, s->p < s->end ? "unexpected byte" : "text ends too early");
    return s->code == MS_OK;
}

ms_code ms_jscan_object(struct ms_jscan *s)
{
    return enter(s, '{', "object");
}

ms_code ms_jscan_array(struct ms_jscan *s)
{
    return enter(s, '[', "array");
}

bool ms_jscan_item(struct ms_jscan *s)
{
    return member(s, ']');
}

bool ms_jscan_key(struct ms_jscan *s, struct ms_bytes *key)
{
    if (!member(s, '}'))
        return false;
    if (ms_jscan_string(s, key) != MS_OK)
        return false;
    int first = s->first_key[s->depth];
    uint64_t h = ms_hash(key->data, key->len);

    for (int i = first; i < s->n_keys; i++)
        if (s->keys[i] == h) {
            ms_jscan_fail(s, "key '%.*s' is given twice", (int)(key->len < 64 ? key->len : 64),
                          (const char *)key->data);
            return false;
        }
    if (s->n_keys - first == MS_JSCAN_KEYS || s->n_keys == MS_JSCAN_LIVE_KEYS) {
        ms_jscan_fail(s, "more than %d keys in an object", MS_JSCAN_KEYS);
        return false;
    }
    s->keys[s->n_keys++] = h;
    if (next(s) != ':') {
        ms_jscan_fail(s, "':' expected");
        return false;
    }
    s->p++;
    return true;
}

/* ---- strings ---- */

static int hex4(const uint8_t *p)
{
    int v = 0;

    for (int i = 0; i < 4; i++) {
        int c = p[i];
        int d = c >= '0' && c <= '9'   ? c - '0'
                : c >= 'a' && c <= 'f' ? c - 'a' + 10
                : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                       : -1;
        if (d < 0)
            return -1;
        v = v * 16 + d;
    }
    return v;
}

static size_t put_utf8(uint8_t *to, uint32_t c)
{
    if (c < 0x80) {
        to[0] = (uint8_t)c;
        return 1;
    }
    if (c < 0x800) {
        to[0] = (uint8_t)(0xc0 | c >> 6);
        to[1] = (uint8_t)(0x80 | (c & 0x3f));
        return 2;
    }
    if (c < 0x10000) {
        to[0] = (uint8_t)(0xe0 | c >> 12);
        to[1] = (uint8_t)(0x80 | (c >> 6 & 0x3f));
        to[2] = (uint8_t)(0x80 | (c & 0x3f));
        return 3;
    }
    to[0] = (uint8_t)(0xf0 | c >> 18);
    to[1] = (uint8_t)(0x80 | (c >> 12 & 0x3f));
    to[2] = (uint8_t)(0x80 | (c >> 6 & 0x3f));
    to[3] = (uint8_t)(0x80 | (c & 0x3f));
    return 4;
}

/* \uXXXX at p (behind the u): the code point, with its second half where it is a surrogate. */
static ms_code unicode_escape(struct ms_jscan *s, const uint8_t **p, const uint8_t *end,
                              uint32_t *c)
{
    int hi = end - *p >= 4 ? hex4(*p) : -1;

    if (hi < 0)
        return ms_jscan_fail(s, "bad \\u escape");
    *p += 4;
    if (hi == 0)
        return ms_jscan_fail(s, "NUL in a string");
    if (hi >= 0xdc00 && hi < 0xe000)
        return ms_jscan_fail(s, "half of a surrogate pair");
    *c = (uint32_t)hi;
    if (hi < 0xd800 || hi >= 0xdc00)
        return MS_OK;
    int lo = end - *p >= 6 && (*p)[0] == '\\' && (*p)[1] == 'u' ? hex4(*p + 2) : -1;
    if (lo < 0xdc00 || lo >= 0xe000)
        return ms_jscan_fail(s, "half of a surrogate pair");
    *p += 6;
    *c = 0x10000u + ((uint32_t)(hi - 0xd800) << 10) + (uint32_t)(lo - 0xdc00);
    return MS_OK;
}

/* Copies [p, end) without its escapes into `to`, which has room for as many bytes. */
static ms_code unescape(struct ms_jscan *s, const uint8_t *p, const uint8_t *end, uint8_t *to,
                        size_t *len)
{
    static const char from[] = "\"\\/bfnrt", into[] = "\"\\/\b\f\n\r\t";
    size_t n = 0;

    while (p < end) {
        if (*p != '\\') {
            to[n++] = *p++;
            continue;
        }
        p++; /* the scan made sure that a byte follows */
        const char *at = *p ? strchr(from, *p) : NULL;
        if (at) {
            to[n++] = (uint8_t)into[at - from];
            p++;
        } else if (*p == 'u') {
            uint32_t c = 0;
            p++;
            MS_TRY(unicode_escape(s, &p, end, &c));
            n += put_utf8(to + n, c);
        } else {
            return ms_jscan_fail(s, "unknown escape");
        }
    }
    *len = n;
    return MS_OK;
}

ms_code ms_jscan_string(struct ms_jscan *s, struct ms_bytes *out)
{
    if (next(s) != '"')
        return ms_jscan_fail(s, "string expected");
    const uint8_t *from = s->p + 1, *p = from;
    bool escapes = false, high = false;

    for (; p < s->end && *p != '"'; p++) {
        if (*p < 0x20) {
            s->p = p;
            return ms_jscan_fail(s, "control byte in a string");
        }
        high |= *p >= 0x80;
        if (*p == '\\') {
            escapes = true;
            if (++p == s->end)
                break;
        }
    }
    if (p >= s->end)
        return ms_jscan_fail(s, "string does not end");
    size_t len = (size_t)(p - from);
    if (high && !ms_utf8_valid(from, len))
        return ms_jscan_fail(s, "string is not UTF-8");
    if (!escapes) {
        *out = ms_bytes(from, len);
    } else {
        uint8_t *to = ms_arena_alloc(s->arena, len);
        if (!to)
            return s->code = ms_fail_oom(s->err, "JSON string", len);
        MS_TRY(unescape(s, from, p, to, &len));
        *out = ms_bytes(to, len);
    }
    s->p = p + 1;
    return MS_OK;
}

ms_code ms_jscan_cstring(struct ms_jscan *s, const char **out)
{
    struct ms_bytes b;

    MS_TRY(ms_jscan_string(s, &b));
    *out = ms_arena_strndup(s->arena, b.data, b.len);
    if (!*out)
        return s->code = ms_fail_oom(s->err, "JSON string", b.len);
    return MS_OK;
}

ms_code ms_jscan_bool(struct ms_jscan *s, bool *out)
{
    next(s);
    if (s->code != MS_OK)
        return s->code;
    if (word(s, "true"))
        *out = true;
    else if (word(s, "false"))
        *out = false;
    else
        return ms_jscan_fail(s, "true or false expected");
    return MS_OK;
}

/* ---- numbers ---- */

struct number {
    const uint8_t *at;
    size_t len;
    bool negative, integer;
    bool exact;    /* mantissa holds every digit */
    uint64_t mant; /* digits without point */
    int exp10;
};

static bool digit(const uint8_t *p, const uint8_t *end)
{
    return p < end && *p >= '0' && *p <= '9';
}

static void take_digit(struct number *n, uint8_t c)
{
    if (n->mant > (UINT64_MAX - 9) / 10)
        n->exact = false;
    else
        n->mant = n->mant * 10 + (uint64_t)(c - '0');
}

static const uint8_t *exponent(struct number *n, const uint8_t *p, const uint8_t *end)
{
    bool minus = false;
    int e = 0;

    p++;
    if (p < end && (*p == '+' || *p == '-'))
        minus = *p++ == '-';
    if (!digit(p, end))
        return NULL;
    for (; digit(p, end); p++)
        if (e < 100000)
            e = e * 10 + (*p - '0');
    n->exp10 += minus ? -e : e;
    n->integer = false;
    return p;
}

/* Takes one number token by RFC 8259's grammar. */
static ms_code number(struct ms_jscan *s, struct number *n)
{
    const uint8_t *p = (next(s), s->p), *end = s->end;

    if (s->code != MS_OK)
        return s->code;
    *n = (struct number){.at = p, .integer = true, .exact = true};
    if (p < end && *p == '-') {
        n->negative = true;
        p++;
    }
    if (!digit(p, end))
        return ms_jscan_fail(s, "number expected");
    if (*p == '0' && digit(p + 1, end))
        return ms_jscan_fail(s, "number with a leading zero");
    for (; digit(p, end); p++)
        take_digit(n, *p);
    if (p < end && *p == '.') {
        p++;
        if (!digit(p, end))
            return ms_jscan_fail(s, "digit expected after '.'");
        for (; digit(p, end); p++) {
            take_digit(n, *p);
            n->exp10--;
        }
        n->integer = false;
    }
    if (p < end && (*p == 'e' || *p == 'E') && !(p = exponent(n, p, end)))
        return ms_jscan_fail(s, "digit expected in the exponent");
    n->len = (size_t)(p - n->at);
    s->p = p;
    return MS_OK;
}

ms_code ms_jscan_i64(struct ms_jscan *s, int64_t *out)
{
    struct number n;

    MS_TRY(number(s, &n));
    if (!n.integer)
        return ms_jscan_fail(s, "integer expected");
    if (!n.exact || n.mant > (uint64_t)INT64_MAX + (n.negative ? 1 : 0))
        return ms_jscan_fail(s, "integer does not fit 64 bits");
    *out = n.negative ? (int64_t)(0 - n.mant) : (int64_t)n.mant;
    return MS_OK;
}

ms_code ms_jscan_u64(struct ms_jscan *s, uint64_t *out)
{
    struct number n;

    MS_TRY(number(s, &n));
    if (!n.integer)
        return ms_jscan_fail(s, "integer expected");
    if (n.negative && n.mant)
        return ms_jscan_fail(s, "negative number for an unsigned type");
    /* 20 digits may still fit: take_digit stops one step early */
    if (!n.exact) {
        uint64_t v;
        if (!ms_parse_u64((const char *)n.at, n.len, UINT64_MAX, &v))
            return ms_jscan_fail(s, "integer does not fit 64 bits");
        n.mant = v;
    }
    *out = n.mant;
    return MS_OK;
}

static bool special_word(struct ms_jscan *s, double *out)
{
    const uint8_t *back = s->p;
    bool quoted = s->p < s->end && *s->p == '"';

    if (quoted)
        s->p++;
    if (word(s, "NaN"))
        *out = NAN;
    else if (word(s, "Infinity"))
        *out = INFINITY;
    else if (word(s, "-Infinity"))
        *out = -INFINITY;
    else
        s->p = back;
    if (quoted && s->p != back && !word(s, "\""))
        s->p = back;
    return s->p != back;
}

/* The digits as C text for strtod, bounded: beyond some 770 digits nothing changes a double. */
static ms_code number_text(struct ms_jscan *s, const struct number *n, char text[1200])
{
    if (n->len >= 1200)
        return ms_jscan_fail(s, "number of more than 1199 bytes");
    memcpy(text, n->at, n->len);
    text[n->len] = '\0';
    return MS_OK;
}

static bool fast_f64(const struct number *n, double *out)
{
    static const double ten[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                 1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                                 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};

    if (!n->exact || n->mant > UINT64_C(1) << 53 || n->exp10 < -22 || n->exp10 > 22)
        return false;
    double v = (double)n->mant;
    v = n->exp10 < 0 ? v / ten[-n->exp10] : v * ten[n->exp10];
    *out = n->negative ? -v : v;
    return true;
}

ms_code ms_jscan_f64(struct ms_jscan *s, bool special, double *out)
{
    struct number n;
    char text[1200];
    uint8_t c = next(s);

    if (special && (c == 'N' || c == 'I' || c == '"' || c == '-') && special_word(s, out))
        return s->code;
    MS_TRY(number(s, &n));
    if (fast_f64(&n, out))
        return MS_OK;
    MS_TRY(number_text(s, &n, text));
    *out = strtod(text, NULL);
    if (isinf(*out))
        return ms_jscan_fail(s, "number does not fit a double");
    return MS_OK;
}

ms_code ms_jscan_f32(struct ms_jscan *s, bool special, float *out)
{
    struct number n;
    char text[1200];
    double v;
    uint8_t c = next(s);

    if (special && (c == 'N' || c == 'I' || c == '"' || c == '-') && special_word(s, &v)) {
        *out = (float)v;
        return s->code;
    }
    MS_TRY(number(s, &n));
    if (fast_f64(&n, &v)) {
        union {
            double d;
            uint64_t u;
        } bits = {v};
        /* Rounding twice goes wrong only where the double lies half way between two floats, which
         * its low 29 bits show; subnormal floats have other bits, so they are read again too. */
        if ((bits.u & 0x1fffffff) != 0x10000000 && (v == 0 || fabs(v) >= 0x1p-126) &&
            fabs(v) < 0x1p127) {
            *out = (float)v;
            return MS_OK;
        }
    }
    MS_TRY(number_text(s, &n, text));
    *out = strtof(text, NULL);
    if (isinf(*out))
        return ms_jscan_fail(s, "number does not fit a float");
    return MS_OK;
}

/* ---- the rest ---- */

static ms_code skip_scalar(struct ms_jscan *s, enum ms_jkind kind)
{
    struct ms_bytes text;
    struct number n;
    double d;
    bool b;

    switch (kind) {
    case MS_J_STRING:
        return ms_jscan_string(s, &text);
    case MS_J_NUMBER:
        return s->special && special_word(s, &d) ? s->code : number(s, &n);
    case MS_J_BOOL:
        return ms_jscan_bool(s, &b);
    case MS_J_NULL:
        return word(s, "null") ? MS_OK : ms_jscan_fail(s, "value expected");
    default:
        return ms_jscan_fail(s, s->p < s->end ? "value expected" : "text ends too early");
    }
}

ms_code ms_jscan_skip(struct ms_jscan *s)
{
    bool object[MS_JSCAN_DEPTH + 1];
    struct ms_bytes key;
    int base = s->depth;

    for (;;) {
        enum ms_jkind kind = ms_jscan_peek(s);

        if (kind == MS_J_OBJECT || kind == MS_J_ARRAY) {
            MS_TRY(kind == MS_J_OBJECT ? ms_jscan_object(s) : ms_jscan_array(s));
            object[s->depth] = kind == MS_J_OBJECT;
        } else {
            MS_TRY(skip_scalar(s, kind));
        }
        /* To the next value: leaves what has ended. */
        while (s->depth > base) {
            if (object[s->depth] ? ms_jscan_key(s, &key) : ms_jscan_item(s))
                break;
            MS_TRY(ms_jscan_status(s));
        }
        if (s->depth == base)
            return s->code;
    }
}

ms_code ms_jscan_end(struct ms_jscan *s)
{
    if (next(s) != 0 || (s->code == MS_OK && s->p < s->end))
        return ms_jscan_fail(s, "something follows the value");
    return s->code;
}
