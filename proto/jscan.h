/* SPDX-License-Identifier: Apache-2.0 */
/* jscan.h - a strict JSON reader that pulls: the caller asks for what it expects next.
 *
 * Strict means: RFC 8259 and nothing more (NaN and Infinity only where a caller asks for numbers
 * that may be so), valid UTF-8, no NUL in strings, no key twice in an object, at most max_depth
 * levels, at most 256 keys an object. Reads bytes once, allocates nothing but strings that hold
 * escapes.
 *
 *     struct ms_bytes key;
 *     MS_TRY(ms_jscan_object(s));
 *     while (ms_jscan_key(s, &key)) {
 *         if (ms_bytes_eq(key, "id"))
 *             MS_TRY(ms_jscan_string(s, &id));
 *         else
 *             MS_TRY(ms_jscan_skip(s));
 *     }
 *     MS_TRY(ms_jscan_status(s));
 *
 * The first error sticks: every later call fails with it. */
#ifndef MS_PROTO_JSCAN_H
#define MS_PROTO_JSCAN_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/bytes.h"
#include "base/err.h"

enum { MS_JSCAN_DEPTH = 64, MS_JSCAN_KEYS = 256, MS_JSCAN_LIVE_KEYS = 1024 };

struct ms_jscan {
    const uint8_t *start, *p, *end;
    struct ms_arena *arena; /* for strings with escapes */
    struct ms_err *err;
    ms_code code;
    int depth;
    int max_depth; /* MS_JSCAN_DEPTH after ms_jscan_init; may be lowered */
    int n_keys;
    bool special;                      /* ms_jscan_skip takes bare NaN and Infinity for numbers */
    bool fresh[MS_JSCAN_DEPTH + 1];    /* nothing of this object or array has been read yet */
    int first_key[MS_JSCAN_DEPTH + 1]; /* of the object at this depth, in keys */
    uint64_t keys[MS_JSCAN_LIVE_KEYS]; /* hashes of the keys of all open objects */
};

enum ms_jkind { MS_J_BAD, MS_J_OBJECT, MS_J_ARRAY, MS_J_STRING, MS_J_NUMBER, MS_J_BOOL, MS_J_NULL };

void ms_jscan_init(struct ms_jscan *s, struct ms_bytes text, struct ms_arena *a,
                   struct ms_err *err);
static inline ms_code ms_jscan_status(const struct ms_jscan *s)
{
    return s->code;
}
/* Fails with "JSON byte N: text". */
ms_code ms_jscan_fail(struct ms_jscan *s, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* What comes next (bare NaN, Infinity, -Infinity count as numbers); consumes only blanks. */
enum ms_jkind ms_jscan_peek(struct ms_jscan *s);

/* Enters an object; then ms_jscan_key until it is false (at the end, or on an error). */
ms_code ms_jscan_object(struct ms_jscan *s);
bool ms_jscan_key(struct ms_jscan *s, struct ms_bytes *key);
/* Enters an array; then ms_jscan_item before each element until it is false. */
ms_code ms_jscan_array(struct ms_jscan *s);
bool ms_jscan_item(struct ms_jscan *s);

/* A string without its escapes: points into the text or the arena; NUL refused. */
ms_code ms_jscan_string(struct ms_jscan *s, struct ms_bytes *out);
/* A string as NUL terminated copy. */
ms_code ms_jscan_cstring(struct ms_jscan *s, const char **out);
ms_code ms_jscan_bool(struct ms_jscan *s, bool *out);
/* Integers exactly, without fraction or exponent. */
ms_code ms_jscan_i64(struct ms_jscan *s, int64_t *out);
ms_code ms_jscan_u64(struct ms_jscan *s, uint64_t *out);
/* Correctly rounded; overflow to infinity refused. special: also NaN, Infinity and -Infinity, bare
 * or as strings. */
ms_code ms_jscan_f64(struct ms_jscan *s, bool special, double *out);
ms_code ms_jscan_f32(struct ms_jscan *s, bool special, float *out);
/* Any value, checked as strictly. */
ms_code ms_jscan_skip(struct ms_jscan *s);
/* Nothing but blanks may follow. */
ms_code ms_jscan_end(struct ms_jscan *s);

#endif
