/* SPDX-License-Identifier: Apache-2.0 */
/* base64.c - bytes in JSON text. */
#include "proto/base64.h"

static int value(uint8_t c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    return c == '+' || c == '-' ? 62 : c == '/' || c == '_' ? 63 : -1;
}

ms_code ms_base64_decode(struct ms_arena *a, struct ms_bytes text, struct ms_bytes *out,
                         struct ms_err *err)
{
    uint32_t acc = 0;
    size_t n = 0;
    int bits = 0;

    for (int pad = 0; pad < 2 && text.len && text.data[text.len - 1] == '='; pad++)
        text.len--;
    uint8_t *data = ms_arena_array(a, text.len / 4 + 1, 3);
    if (!data)
        return ms_fail_oom(err, "base64 data", text.len);
    for (size_t i = 0; i < text.len; i++) {
        int v = value(text.data[i]);
        if (v < 0)
            return ms_fail(err, MS_INVALID_ARGUMENT, "byte %zu is not base64", i);
        acc = (acc << 6 | (uint32_t)v) & 0xffffff;
        if ((bits += 6) >= 8) {
            bits -= 8;
            data[n++] = (uint8_t)(acc >> bits);
        }
    }
    if (text.len % 4 == 1)
        return ms_fail(err, MS_INVALID_ARGUMENT, "base64 text is cut short");
    *out = ms_bytes(data, n);
    return MS_OK;
}

void ms_base64_encode(struct ms_buf *out, struct ms_bytes in)
{
    static const char set[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const uint8_t *p = in.data;

    for (size_t i = 0; i < in.len; i += 3) {
        bool two = i + 1 < in.len, three = i + 2 < in.len;
        unsigned v =
            (unsigned)p[i] << 16 | (two ? (unsigned)p[i + 1] << 8 : 0) | (three ? p[i + 2] : 0);
        const char c[4] = {set[v >> 18], set[v >> 12 & 63], two ? set[v >> 6 & 63] : '=',
                           three ? set[v & 63] : '='};
        ms_buf_add(out, c, 4);
    }
}
