/* SPDX-License-Identifier: Apache-2.0 */
/* sha256.h - digests of content (OpenSSL). */
#ifndef MS_BASE_SHA256_H
#define MS_BASE_SHA256_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { MS_SHA256_LEN = 32, MS_SHA256_HEX = 65 /* with NUL */ };

struct ms_sha256; /* a digest under way */

struct ms_sha256 *ms_sha256_new(void); /* NULL when memory is out */
bool ms_sha256_add(struct ms_sha256 *s, const void *data, size_t len);
/* The digest of what was added so far; the state may be added to further. */
bool ms_sha256_get(const struct ms_sha256 *s, uint8_t digest[MS_SHA256_LEN]);
void ms_sha256_free(struct ms_sha256 *s);

/* In one go; hex form in lower case. */
bool ms_sha256_hex(const void *data, size_t len, char hex[MS_SHA256_HEX]);

/* 64 lower-case hex digits? */
bool ms_sha256_hex_valid(const char *s, size_t len);

#endif
