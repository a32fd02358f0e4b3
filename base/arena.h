/* SPDX-License-Identifier: Apache-2.0 */
/* arena.h - allocations that die together.
 *
 * One arena per call (request, scratch and reply die with it) and one per model (the graph).
 * Born with a maximum; an allocation beyond it, or one that the system refuses, gives NULL. */
#ifndef MS_BASE_ARENA_H
#define MS_BASE_ARENA_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

struct ms_arena_block;

struct ms_arena {
    struct ms_arena_block *head; /* newest first */
    uint8_t *next, *end;         /* room in the newest block */
    size_t used, max;            /* bytes taken from the system; bound on them */
    size_t block;                /* size of the next block */
};

/* An empty arena that may take up to max bytes. Allocates nothing yet. */
void ms_arena_init(struct ms_arena *a, size_t max);
/* Frees everything; the arena may be used again. */
void ms_arena_done(struct ms_arena *a);

/* size bytes, zeroed, aligned to 16 (64 from 4 KiB on); NULL when the limit or the heap is reached.
 */
void *ms_arena_alloc(struct ms_arena *a, size_t size) __attribute__((warn_unused_result));
/* count elements of size bytes, multiplication checked. */
void *ms_arena_array(struct ms_arena *a, size_t count, size_t size)
    __attribute__((warn_unused_result));
char *ms_arena_strdup(struct ms_arena *a, const char *s) __attribute__((warn_unused_result));
char *ms_arena_strndup(struct ms_arena *a, const void *s, size_t len)
    __attribute__((warn_unused_result));
char *ms_arena_printf(struct ms_arena *a, const char *fmt, ...)
    __attribute__((format(printf, 2, 3), warn_unused_result));

#endif
