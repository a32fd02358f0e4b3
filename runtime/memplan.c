/* SPDX-License-Identifier: Apache-2.0 */
/* memplan.c - greedy by size: big buffers first, each at the lowest gap that is free while it
 * lives.
 *
 * Against first-come order this comes close to the lower bound on real networks, because the few
 * big activations choose before the many small ones. Placed buffers are kept sorted by offset, so
 * the search for a gap is one walk. Above PAIRS_MAX buffers that walk (quadratic in all) would make
 * planning long; then buffers are placed in classes by a linear rule: a slot freed by an equal or
 * bigger dead buffer is taken again. */
#include "runtime/memplan.h"

#include <stdlib.h>

#include "base/mem.h"

enum { PAIRS_MAX = 20000 };

static bool meet(const struct ms_buffer *a, const struct ms_buffer *b)
{
    return a->first <= b->last && b->first <= a->last;
}

static int bigger_first(const void *x, const void *y)
{
    const struct ms_buffer *a = *(struct ms_buffer *const *)x, *b = *(struct ms_buffer *const *)y;

    if (a->bytes != b->bytes)
        return a->bytes > b->bytes ? -1 : 1;
    return a->first != b->first ? (a->first < b->first ? -1 : 1) : 0;
}

static int earlier_first(const void *x, const void *y)
{
    const struct ms_buffer *a = *(struct ms_buffer *const *)x, *b = *(struct ms_buffer *const *)y;

    return a->first != b->first ? (a->first < b->first ? -1 : 1) : 0;
}

/* The lowest offset with room for b among placed buffers, which are sorted by offset. */
static bool lowest_gap(struct ms_buffer *const *placed, int n, struct ms_buffer *b)
{
    size_t at = 0, end;

    for (int i = 0; i < n; i++) {
        if (!meet(placed[i], b))
            continue;
        if (placed[i]->offset >= at && placed[i]->offset - at >= b->bytes)
            break;
        if (!ms_add(placed[i]->offset, ms_align64(placed[i]->bytes), &end))
            return false;
        if (end > at)
            at = end;
    }
    b->offset = at;
    return true;
}

static bool place_by_size(struct ms_buffer **order, struct ms_buffer **placed, int n)
{
    qsort(order, (size_t)n, sizeof *order, bigger_first);
    for (int k = 0; k < n; k++) {
        struct ms_buffer *b = order[k];
        if (!lowest_gap(placed, k, b))
            return false;
        int i = k;
        for (; i > 0 && placed[i - 1]->offset > b->offset; i--)
            placed[i] = placed[i - 1];
        placed[i] = b;
    }
    return true;
}

/* Slots by power of two: a buffer takes one whose last holder is dead, or a new one. */
static bool place_by_class(struct ms_buffer **order, struct ms_buffer **holder, int n)
{
    enum { CLASSES = 64, TRIES = 64 };
    int head[CLASSES]; /* newest slot of a class, linked through next[] */
    size_t top = 0;
    int *next = ms_calloc((size_t)n, sizeof *next);
    bool ok = next != NULL;

    for (int c = 0; c < CLASSES; c++)
        head[c] = -1;
    qsort(order, (size_t)n, sizeof *order, earlier_first);
    for (int k = 0; ok && k < n; k++) {
        struct ms_buffer *b = order[k];
        int c = b->bytes <= 64 ? 6 : 64 - __builtin_clzll((unsigned long long)b->bytes - 1);
        if (c > 62) {
            ok = false;
            break;
        }
        int found = -1, tries = TRIES;
        for (int s = head[c]; s >= 0 && tries-- && found < 0; s = next[s])
            if (holder[s]->last < b->first)
                found = s;
        if (found >= 0) {
            b->offset = holder[found]->offset;
            holder[found] = b;
        } else {
            b->offset = top;
            holder[k] = b;
            next[k] = head[c];
            head[c] = k;
            ok = ms_add(top, (size_t)1 << c, &top);
        }
    }
    ms_free(next);
    return ok;
}

/* The most bytes alive at one step: a sweep over births and deaths. */
static bool lower_bound(const struct ms_buffer *b, int n, size_t *bound)
{
    int steps = 0;

    for (int i = 0; i < n; i++)
        if (b[i].last >= steps)
            steps = b[i].last + 1;
    size_t *born = ms_calloc((size_t)steps + 1, sizeof *born);
    size_t *dead = ms_calloc((size_t)steps + 1, sizeof *dead);
    bool ok = born && dead;
    for (int i = 0; ok && i < n; i++) {
        born[b[i].first] += ms_align64(b[i].bytes);
        dead[b[i].last] += ms_align64(b[i].bytes);
    }
    size_t alive = 0;
    *bound = 0;
    for (int s = 0; ok && s < steps; s++) {
        alive += born[s];
        if (alive > *bound)
            *bound = alive;
        alive -= dead[s];
    }
    ms_free(born);
    ms_free(dead);
    return ok;
}

bool ms_memplan(struct ms_buffer *b, int n, size_t *size, size_t *bound)
{
    struct ms_buffer **order = ms_calloc((size_t)n, sizeof(struct ms_buffer *));
    struct ms_buffer **placed = ms_calloc((size_t)n, sizeof(struct ms_buffer *));
    bool ok = order && placed;
    size_t sum = 0;

    for (int i = 0; ok && i < n; i++) {
        order[i] = &b[i];
        ok = b[i].bytes <= SIZE_MAX / 4 && ms_add(sum, ms_align64(b[i].bytes), &sum);
    }
    ok =
        ok && (n <= PAIRS_MAX ? place_by_size(order, placed, n) : place_by_class(order, placed, n));
    *size = 0;
    for (int i = 0; ok && i < n; i++) {
        size_t end = b[i].offset + ms_align64(b[i].bytes);
        if (end > *size)
            *size = end;
    }
    ok = ok && lower_bound(b, n, bound);
    ms_free(order);
    ms_free(placed);
    return ok;
}
