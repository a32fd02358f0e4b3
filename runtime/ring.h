/* SPDX-License-Identifier: Apache-2.0 */
/* ring.h - a bounded queue of pointers for many producers and consumers, without locks. */
#ifndef MS_RUNTIME_RING_H
#define MS_RUNTIME_RING_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

struct ms_ring_cell;

struct ms_ring {
    struct ms_ring_cell *cells;
    size_t mask;
    _Alignas(64) atomic_size_t head; /* next to pop */
    _Alignas(64) atomic_size_t tail; /* next to push */
};

bool ms_ring_init(struct ms_ring *r, size_t cap); /* cap: a power of two */
void ms_ring_done(struct ms_ring *r);
bool ms_ring_push(struct ms_ring *r, void *p); /* false when full */
void *ms_ring_pop(struct ms_ring *r);          /* NULL when empty */
bool ms_ring_empty(const struct ms_ring *r);   /* a moment ago */

#endif
