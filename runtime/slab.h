/* SPDX-License-Identifier: Apache-2.0 */
/* slab.h - memory of runs, handed from one to the next.
 *
 * Contents are what the run before left: kernels write every byte of their outputs, so nothing is
 * zeroed on the way. The last one given back is handed out first, since its lines are in cache. */
#ifndef MS_RUNTIME_SLAB_H
#define MS_RUNTIME_SLAB_H

#include <pthread.h>

#include <stdbool.h>

#include "runtime/account.h"

enum { MS_SLABS_MAX = 16 };

struct ms_slab {
    void *data; /* 64-byte aligned */
    size_t bytes;
};

struct ms_slabs {
    pthread_mutex_t lock;
    struct ms_account *account; /* RUNS; borrowed */
    struct ms_slab idle[MS_SLABS_MAX];
    int n, max;
};

void ms_slabs_init(struct ms_slabs *s, struct ms_account *account, int max);
void ms_slabs_done(struct ms_slabs *s);
/* At least bytes (0 gives an empty one); false when the account or the heap refuses. */
bool ms_slabs_take(struct ms_slabs *s, size_t bytes, struct ms_slab *out);
void ms_slabs_give(struct ms_slabs *s, struct ms_slab *slab);
/* Frees the idle ones; how many bytes. */
size_t ms_slabs_shrink(struct ms_slabs *s);

#endif
