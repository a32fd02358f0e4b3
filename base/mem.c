/* SPDX-License-Identifier: Apache-2.0 */
/* mem.c - the heap, with a switch that makes it fail. */
#include "base/mem.h"

#include <malloc.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

/* The test switch: allocations left before one fails (0 = off). */
static atomic_ullong countdown;
static atomic_bool fail_all;
static atomic_ullong allocations;

static bool must_fail(void)
{
    atomic_fetch_add_explicit(&allocations, 1, memory_order_relaxed);
    if (atomic_load_explicit(&countdown, memory_order_relaxed) == 0)
        return false;
    unsigned long long left = atomic_load(&countdown);
    if (left == 1)
        return atomic_load(&fail_all) || atomic_exchange(&countdown, 0) == 1;
    atomic_fetch_sub(&countdown, 1);
    return false;
}

void *ms_malloc(size_t size)
{
    return must_fail() ? NULL : malloc(size ? size : 1);
}

void *ms_calloc(size_t count, size_t size)
{
    return must_fail() ? NULL : calloc(count ? count : 1, size ? size : 1);
}

void *ms_realloc(void *p, size_t size)
{
    return must_fail() ? NULL : realloc(p, size ? size : 1);
}

void *ms_reallocarray(void *p, size_t count, size_t size)
{
    size_t bytes;

    return ms_mul(count, size, &bytes) ? ms_realloc(p, bytes) : NULL;
}

void ms_free(void *p)
{
    free(p);
}

char *ms_strndup(const char *s, size_t len)
{
    char *copy = len < SIZE_MAX ? ms_malloc(len + 1) : NULL;

    if (!copy)
        return NULL;
    if (len)
        memcpy(copy, s, len);
    copy[len] = '\0';
    return copy;
}

char *ms_strdup(const char *s)
{
    return ms_strndup(s, strlen(s));
}

/* Big buffers come as own mappings: they go back to the system at once and may use huge pages. */
static size_t map_size(size_t size)
{
    return (size + MS_MAP_UNIT - 1) & ~(size_t)(MS_MAP_UNIT - 1);
}

void *ms_aligned_alloc(size_t size)
{
    if (must_fail() || size > SIZE_MAX - MS_MAP_UNIT)
        return NULL;
    if (size < MS_MAP_FROM)
        return aligned_alloc(64, size ? ms_align64(size) : 64);
    void *p =
        mmap(NULL, map_size(size), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED)
        return NULL;
    (void)madvise(p, map_size(size), MADV_HUGEPAGE); /* advice: smaller pages work as well */
    return p;
}

void ms_aligned_free(void *p, size_t size)
{
    if (!p)
        return;
    if (size < MS_MAP_FROM)
        free(p);
    else
        munmap(p, map_size(size));
}

void ms_mem_trim(void)
{
    malloc_trim(0);
}

void ms_mem_fail_after(uint64_t n, bool all)
{
    atomic_store(&fail_all, all);
    atomic_store(&countdown, n);
}

uint64_t ms_mem_count(void)
{
    return atomic_load(&allocations);
}
