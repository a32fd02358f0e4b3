/* SPDX-License-Identifier: Apache-2.0 */
/* pool.h - the threads that compute.
 *
 * A worker does, in this order: batches that wait in queues (each alone: throughput), else pieces
 * of somebody's big step (latency), else nothing (a short spin, then sleep). So the width of a run
 * is decided by what else there is to do, piece by piece, and never by configuration. */
#ifndef MS_RUNTIME_POOL_H
#define MS_RUNTIME_POOL_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

struct ms_pool;
struct ms_engine;

/* Work cut into pieces that may run in any order on several workers. */
struct ms_spread {
    int chunks, width;
    size_t scratch;    /* bytes each piece needs of its worker */
    void *own_scratch; /* of the caller */
    void (*run)(struct ms_spread *s, int chunk, void *scratch);
    /* the pool's own */
    atomic_int next, done;
};

/* Runs all pieces and returns when the last is done. The caller takes part; up to width - 1 idle
 * workers help. */
void ms_pool_spread(struct ms_pool *p, struct ms_spread *s);

#endif
