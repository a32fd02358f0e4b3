/* SPDX-License-Identifier: Apache-2.0 */
/* mem.h - the only doors to the heap, and checked size arithmetic.
 *
 * Everything in the product allocates through these, so that a test can make the n-th allocation
 * fail (ms_mem_fail_after) and tests can prove that each failure is survived. */
#ifndef MS_BASE_MEM_H
#define MS_BASE_MEM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* malloc, calloc, realloc and free; NULL when memory is out. count * size is checked. */
void *ms_malloc(size_t size) __attribute__((malloc, warn_unused_result));
void *ms_calloc(size_t count, size_t size) __attribute__((malloc, warn_unused_result));
void *ms_realloc(void *p, size_t size) __attribute__((warn_unused_result));
/* Room for count elements of size bytes, checked; contents kept as by realloc. */
void *ms_reallocarray(void *p, size_t count, size_t size) __attribute__((warn_unused_result));
void ms_free(void *p);

/* Copy of a string, or of its first len bytes with a NUL behind them; free with ms_free. */
char *ms_strdup(const char *s) __attribute__((malloc, warn_unused_result));
char *ms_strndup(const char *s, size_t len) __attribute__((malloc, warn_unused_result));

/* Bytes aligned to 64 (a cache line, a zmm register), contents undefined; from MS_MAP_FROM on, a
 * mapping of its own that asks for huge pages and takes a multiple of MS_MAP_UNIT. Free with
 * ms_aligned_free(p, same size, or one with the same multiple). */
enum { MS_MAP_FROM = 4 << 20, MS_MAP_UNIT = 2 << 20 };
void *ms_aligned_alloc(size_t size) __attribute__((malloc, warn_unused_result));
void ms_aligned_free(void *p, size_t size);

/* Gives freed pages back to the system (after a model was unloaded). */
void ms_mem_trim(void);

/* *out = a * b or a + b; false on overflow (then *out is not to be used). */
static inline bool ms_mul(size_t a, size_t b, size_t *out)
{
    return !__builtin_mul_overflow(a, b, out);
}
static inline bool ms_add(size_t a, size_t b, size_t *out)
{
    return !__builtin_add_overflow(a, b, out);
}

/* n rounded up to a multiple of 64; n must be <= SIZE_MAX - 63. */
static inline size_t ms_align64(size_t n)
{
    return (n + 63) & ~(size_t)63;
}

/* For tests: the countdown-th allocation from now (1 = the next) fails once, or with `all` it and
 * every later one; 0 turns it off. Process wide. ms_mem_count() counts allocations since start. */
void ms_mem_fail_after(uint64_t countdown, bool all);
uint64_t ms_mem_count(void);

#endif
