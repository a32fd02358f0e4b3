/* SPDX-License-Identifier: Apache-2.0 */
/* ring.c - each cell counts the laps, so that a producer and a consumer agree on whose turn it is
 * (D. Vyukov's bounded MPMC queue, 1024cores.net). */
#include "runtime/ring.h"

#include <stdint.h>

#include "base/mem.h"

struct ms_ring_cell {
    atomic_size_t turn; /* == position: free for a push; == position + 1: holds its value */
    void *value;
};

bool ms_ring_init(struct ms_ring *r, size_t cap)
{
    r->cells = ms_calloc(cap, sizeof *r->cells);
    if (!r->cells)
        return false;
    r->mask = cap - 1;
    for (size_t i = 0; i < cap; i++)
        atomic_init(&r->cells[i].turn, i);
    atomic_init(&r->head, 0);
    atomic_init(&r->tail, 0);
    return true;
}

void ms_ring_done(struct ms_ring *r)
{
    ms_free(r->cells);
    r->cells = NULL;
}

bool ms_ring_push(struct ms_ring *r, void *p)
{
    size_t at = atomic_load_explicit(&r->tail, memory_order_relaxed);

    for (;;) {
        struct ms_ring_cell *c = &r->cells[at & r->mask];
        intptr_t ahead = (intptr_t)(atomic_load_explicit(&c->turn, memory_order_acquire) - at);
        if (ahead < 0)
            return false;
        if (ahead > 0) {
            at = atomic_load_explicit(&r->tail, memory_order_relaxed);
        } else if (atomic_compare_exchange_weak_explicit(
                       &r->tail, &at, at + 1, memory_order_relaxed, memory_order_relaxed)) {
            c->value = p;
            atomic_store_explicit(&c->turn, at + 1, memory_order_release);
            return true;
        }
    }
}

void *ms_ring_pop(struct ms_ring *r)
{
    size_t at = atomic_load_explicit(&r->head, memory_order_relaxed);

    for (;;) {
        struct ms_ring_cell *c = &r->cells[at & r->mask];
        intptr_t ahead = (intptr_t)(atomic_load_explicit(&c->turn, memory_order_acquire) - at - 1);
        if (ahead < 0)
            return NULL;
        if (ahead > 0) {
            at = atomic_load_explicit(&r->head, memory_order_relaxed);
        } else if (atomic_compare_exchange_weak_explicit(
                       &r->head, &at, at + 1, memory_order_relaxed, memory_order_relaxed)) {
            void *p = c->value;
            atomic_store_explicit(&c->turn, at + r->mask + 1, memory_order_release);
            return p;
        }
    }
}

bool ms_ring_empty(const struct ms_ring *r)
{
    size_t at = atomic_load_explicit(&r->head, memory_order_relaxed);
    const struct ms_ring_cell *c = &r->cells[at & r->mask];

    return (intptr_t)(atomic_load_explicit(&c->turn, memory_order_acquire) - at - 1) < 0;
}
