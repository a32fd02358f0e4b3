/* SPDX-License-Identifier: Apache-2.0 */
/* buf.h - growing bytes with a maximum.
 *
 * Appending never fails visibly: the first failure (limit or heap) marks the buffer, later appends
 * do nothing, and the owner asks once at the end (ms_buf_ok). The content is always NUL terminated.
 */
#ifndef MS_BASE_BUF_H
#define MS_BASE_BUF_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct ms_buf {
    char *data; /* len bytes and a NUL; NULL while empty */
    size_t len, cap, max;
    bool failed;
};

void ms_buf_init(struct ms_buf *b, size_t max);
void ms_buf_done(struct ms_buf *b);
void ms_buf_clear(struct ms_buf *b); /* empty again, memory kept, mark removed */

void ms_buf_add(struct ms_buf *b, const void *data, size_t len);
void ms_buf_puts(struct ms_buf *b, const char *s);
void ms_buf_putc(struct ms_buf *b, char c);
void ms_buf_printf(struct ms_buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Room for len more bytes, counted as content, for the caller to fill; NULL on failure. */
void *ms_buf_grow(struct ms_buf *b, size_t len);
/* s escaped as a JSON string with its quotes; invalid UTF-8 becomes U+FFFD. */
void ms_buf_json(struct ms_buf *b, const char *s, size_t len);

static inline bool ms_buf_ok(const struct ms_buf *b)
{
    return !b->failed;
}
/* The text; "" while empty. */
const char *ms_buf_str(const struct ms_buf *b);
/* Takes the bytes out (free with ms_free); NULL if a failure was marked or nothing was added. */
char *ms_buf_take(struct ms_buf *b, size_t *len);

#endif
