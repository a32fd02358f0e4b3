/* SPDX-License-Identifier: Apache-2.0 */
/* bytes.h - a borrowed run of bytes, and text made safe to print. */
#ifndef MS_BASE_BYTES_H
#define MS_BASE_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct ms_bytes {
    const uint8_t *data; /* may be NULL when len is 0 */
    size_t len;
};

static inline struct ms_bytes ms_bytes(const void *data, size_t len)
{
    return (struct ms_bytes){(const uint8_t *)data, len};
}

bool ms_bytes_eq(struct ms_bytes b, const char *s);

/* Writes src so that a terminal or log line cannot be confused by it: control bytes, bidi controls
 * and invalid UTF-8 as \xNN. Result is NUL terminated and cut to size (>= 8) with "..." at the end.
 * Returns dst. */
char *ms_escape(char *dst, size_t size, const void *src, size_t len);

/* Length-checked UTF-8 without NUL, as names must be. */
bool ms_utf8_valid(const void *s, size_t len);

/* ^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$ without "..": what a model may be called. */
bool ms_model_name_valid(const char *s, size_t len);

/* Lower-case hex of n bytes into dst (2n + 1 bytes). */
void ms_hex(char *dst, const uint8_t *src, size_t n);

/* Reads a non-negative decimal number of at most max; false unless the whole text is one. */
bool ms_parse_u64(const char *s, size_t len, uint64_t max, uint64_t *out);

#endif
