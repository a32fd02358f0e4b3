/* SPDX-License-Identifier: Apache-2.0 */
/* pool.h - the threads that compute.
 *
 * A worker does, in this order: work that waits on its own (batches in queues, each alone:
 * throughput), else a share of somebody's big step (latency), else nothing (a short spin, then
 * sleep). So the width of a run is decided by what else there is to do, step by step, and never by
 * configuration. */
#ifndef MS_RUNTIME_POOL_H
#define MS_RUNTIME_POOL_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "runtime/account.h"

struct ms_pool;
struct ms_worker;

/* n workers. work(arg, w) does one piece of waiting work and tells if there was one. Scratch of
 * workers is booked on account (RUNS). */
ms_code ms_pool_new(int n, bool (*work)(void *arg, struct ms_worker *w), void *arg,
                    struct ms_account *account, struct ms_pool **out, struct ms_err *err);
void ms_pool_free(struct ms_pool *p); /* joins; takes NULL */
int ms_pool_size(const struct ms_pool *p);
/* Workers give their scratch back at the next chance (a model was unloaded). Takes
 * NULL. */
void ms_pool_trim(struct ms_pool *p);
/* There is new work for `work`: wakes a worker if none is looking. */
void ms_pool_notify(struct ms_pool *p);
/* May the calling thread, which is none of the pool's, compute for a moment? Only in the place of a
 * worker that has nothing to do. True: to be ended by ms_pool_leave. */
bool ms_pool_enter(struct ms_pool *p);
void ms_pool_leave(struct ms_pool *p);
/* At least bytes, 64-byte aligned, kept until the next call on this worker; NULL when memory is
 * out. */
void *ms_worker_scratch(struct ms_worker *w, size_t bytes);

/* ---- help: a job that other workers may join while it is open ---- */

struct ms_job {
    /* A helper's share: returns when there is nothing left for it to do. */
    void (*help)(struct ms_job *job, struct ms_worker *w);
    /* the pool's own */
    int slot;
};
/* Offers a job to up to `helpers` workers; false when the table of jobs is full (then the caller
 * does all of it). */
bool ms_pool_open(struct ms_pool *p, struct ms_job *job, int helpers);
/* More helpers are welcome, up to `most` at a time. */
void ms_pool_more(struct ms_pool *p, struct ms_job *job, int most);
/* Nobody joins from here on; returns when all who did have left. */
void ms_pool_close(struct ms_pool *p, struct ms_job *job);

/* ---- a step cut into chunks, in any order on several workers ---- */

enum { MS_SPREAD_RANGES = 32 }; /* more workers than that share what these leave */

struct ms_spread {
    struct ms_job job; /* first; of the pool, as the next lines */
    int ranges;
    atomic_int fresh; /* ranges that nobody has begun: the last ones */
    _Atomic uint64_t range[MS_SPREAD_RANGES];
    int chunks, width;
    size_t scratch;    /* bytes each piece needs of its worker */
    void *own_scratch; /* of the caller */
    /* Chunks [from, end). memo: of the worker, SIZE_MAX before its first piece */
    void (*run)(struct ms_spread *s, int from, int end, void *scratch, size_t *memo);
};
/* Runs all chunks and returns when the last is done. The caller takes part; up to width - 1 idle
 * workers help. Each goes upwards through a range of its own, the caller through the first one:
 * neighbouring chunks often share what they make first, and step after step the same core meets
 * the same part of a tensor. A worker takes half of what is left of its range at a time; who is
 * done takes the last half of what others have left. */
void ms_pool_spread(struct ms_pool *p, struct ms_spread *s);

#endif
