/* SPDX-License-Identifier: Apache-2.0 */
/* bytes.c - UTF-8, escapes, names and numbers. */
#include "base/bytes.h"

#include <string.h>

bool ms_bytes_eq(struct ms_bytes b, const char *s)
{
    size_t len = strlen(s);

    return b.len == len && (len == 0 || memcmp(b.data, s, len) == 0);
}

/* Length of the well-formed UTF-8 sequence at p (RFC 3629 table 3-7), 0 if there is none. */
static size_t utf8_sequence(const uint8_t *p, size_t left)
{
    uint8_t b = p[0];
    uint8_t low = 0x80, high = 0xbf; /* bounds of the second byte */
    size_t n;

    if (b < 0x80)
        return 1;
    if (b >= 0xc2 && b <= 0xdf) {
        n = 2;
    } else if (b >= 0xe0 && b <= 0xef) {
        n = 3;
        low = b == 0xe0 ? 0xa0 : 0x80;
        high = b == 0xed ? 0x9f : 0xbf;
    } else if (b >= 0xf0 && b <= 0xf4) {
        n = 4;
        low = b == 0xf0 ? 0x90 : 0x80;
        high = b == 0xf4 ? 0x8f : 0xbf;
    } else {
        return 0;
    }
    if (left < n || p[1] < low || p[1] > high)
        return 0;
    for (size_t i = 2; i < n; i++)
        if (p[i] < 0x80 || p[i] > 0xbf)
            return 0;
    return n;
}

bool ms_utf8_valid(const void *s, size_t len)
{
    const uint8_t *p = s;

    for (size_t i = 0; i < len;) {
        size_t n = utf8_sequence(p + i, len - i);
        if (n == 0 || p[i] == 0)
            return false;
        i += n;
    }
    return true;
}

/* C1 controls, line separators and the bidirectional controls that could turn a line around. */
static bool hostile_sequence(const uint8_t *p, size_t n)
{
    if (n == 2)
        return p[0] == 0xc2 && p[1] < 0xa0;
    if (n != 3 || p[0] != 0xe2)
        return false;
    if (p[1] == 0x80)
        return (p[2] >= 0x8e && p[2] <= 0x8f) || (p[2] >= 0xa8 && p[2] <= 0xae);
    return p[1] == 0x81 && p[2] >= 0xa6 && p[2] <= 0xa9;
}

static const char digits[] = "0123456789abcdef";

char *ms_escape(char *dst, size_t size, const void *src, size_t len)
{
    const uint8_t *p = src;
    size_t at = 0;

    for (size_t i = 0; i < len;) {
        size_t n = utf8_sequence(p + i, len - i);
        bool plain = n > 1 ? !hostile_sequence(p + i, n) : n == 1 && p[i] >= 0x20 && p[i] != 0x7f;
        size_t take = n ? n : 1;
        size_t need = plain ? take : take * 4;

        if (at + need + 4 > size) {
            memcpy(dst + at, "...", 3);
            at += 3;
            break;
        }
        for (size_t k = 0; k < take; k++) {
            if (plain) {
                dst[at++] = (char)p[i + k];
            } else {
                dst[at++] = '\\';
                dst[at++] = 'x';
                dst[at++] = digits[p[i + k] >> 4];
                dst[at++] = digits[p[i + k] & 15];
            }
        }
        i += take;
    }
    dst[at] = '\0';
    return dst;
}

static bool alnum(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

bool ms_model_name_valid(const char *s, size_t len)
{
    if (len == 0 || len > 128 || !alnum(s[0]))
        return false;
    for (size_t i = 1; i < len; i++) {
        if (!alnum(s[i]) && s[i] != '.' && s[i] != '_' && s[i] != '-')
            return false;
        if (s[i] == '.' && s[i - 1] == '.')
            return false;
    }
    return true;
}

void ms_hex(char *dst, const uint8_t *src, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        dst[2 * i] = digits[src[i] >> 4];
        dst[2 * i + 1] = digits[src[i] & 15];
    }
    dst[2 * n] = '\0';
}

bool ms_parse_u64(const char *s, size_t len, uint64_t max, uint64_t *out)
{
    uint64_t v = 0;

    if (len == 0 || len > 20)
        return false;
    for (size_t i = 0; i < len; i++) {
        if (s[i] < '0' || s[i] > '9' || __builtin_mul_overflow(v, 10u, &v) ||
            __builtin_add_overflow(v, (uint64_t)(s[i] - '0'), &v))
            return false;
    }
    if (v > max)
        return false;
    *out = v;
    return true;
}
