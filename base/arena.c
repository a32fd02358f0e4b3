/* SPDX-License-Identifier: Apache-2.0 */
/* arena.c - blocks in a list, cut from the front.
 *
 * Blocks double from 4 KiB to 1 MiB; what does not fit a quarter of a block gets one of its own. */
#include "base/arena.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"

struct ms_arena_block {
    struct ms_arena_block *next;
    size_t size; /* with this header */
    uint8_t data[] __attribute__((aligned(16)));
};

enum { FIRST_BLOCK = 4 << 10, LAST_BLOCK = 1 << 20, BIG = 4 << 10 };

void ms_arena_init(struct ms_arena *a, size_t max)
{
    *a = (struct ms_arena){.max = max, .block = FIRST_BLOCK};
}

void ms_arena_done(struct ms_arena *a)
{
    for (struct ms_arena_block *b = a->head, *next; b; b = next) {
        next = b->next;
        ms_free(b);
    }
    ms_arena_init(a, a->max);
}

static struct ms_arena_block *new_block(struct ms_arena *a, size_t room)
{
    size_t size;

    if (!ms_add(room, sizeof(struct ms_arena_block), &size) || size > a->max ||
        a->used > a->max - size)
        return NULL;
    struct ms_arena_block *b = ms_calloc(1, size);
    if (!b)
        return NULL;
    b->size = size;
    b->next = a->head;
    a->head = b;
    a->used += size;
    return b;
}

static uint8_t *align_up(uint8_t *p, size_t align)
{
    return (uint8_t *)(((uintptr_t)p + align - 1) & ~(uintptr_t)(align - 1));
}

void *ms_arena_alloc(struct ms_arena *a, size_t size)
{
    size_t align = size >= BIG ? 64 : 16;

    if (size == 0)
        size = 1;
    uint8_t *p = align_up(a->next, align);
    if (a->next && p <= a->end && size <= (size_t)(a->end - p)) {
        a->next = p + size;
        return p;
    }
    if (size > SIZE_MAX - align)
        return NULL;
    if (size + align > a->block / 4) { /* a block of its own; the current one stays in use */
        struct ms_arena_block *b = new_block(a, size + align);
        if (!b)
            return NULL;
        return align_up(b->data, align);
    }
    struct ms_arena_block *b = new_block(a, a->block);
    if (!b && !(b = new_block(a, size + align))) /* near the limit: just what is needed */
        return NULL;
    if (a->block < LAST_BLOCK)
        a->block *= 2;
    p = align_up(b->data, align);
    a->next = p + size;
    a->end = (uint8_t *)b + b->size;
    return p;
}

void *ms_arena_array(struct ms_arena *a, size_t count, size_t size)
{
    size_t bytes;

    return ms_mul(count, size, &bytes) ? ms_arena_alloc(a, bytes) : NULL;
}

char *ms_arena_strndup(struct ms_arena *a, const void *s, size_t len)
{
    char *copy = len < SIZE_MAX ? ms_arena_alloc(a, len + 1) : NULL;

    if (!copy)
        return NULL;
    if (len)
        memcpy(copy, s, len);
    copy[len] = '\0';
    return copy;
}

char *ms_arena_strdup(struct ms_arena *a, const char *s)
{
    return ms_arena_strndup(a, s, strlen(s));
}

char *ms_arena_printf(struct ms_arena *a, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    int n = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    char *text = n < 0 ? NULL : ms_arena_alloc(a, (size_t)n + 1);
    if (!text)
        return NULL;
    va_start(ap, fmt);
    vsnprintf(text, (size_t)n + 1, fmt, ap);
    va_end(ap);
    return text;
}
