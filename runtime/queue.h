/* SPDX-License-Identifier: Apache-2.0 */
/* queue.h - requests of one model that wait.
 *
 * Bounded by count, bytes and predicted wait; ordered by priority, then deadline (a request without
 * one counts as due QUEUE_PATIENCE after it came, so that nobody starves), then arrival. What has
 * expired or was cancelled leaves before a batch is formed. */
#ifndef MS_RUNTIME_QUEUE_H
#define MS_RUNTIME_QUEUE_H

#include <pthread.h>

#include "runtime/model.h"
#include "runtime/watch.h"

/* A request accepted; in its call's arena. Items of a finished request keep `cancel` readable. */
struct ms_item {
    struct ms_request *req;
    struct ms_model *model; /* a reference */
    ms_done_fn done;
    void *arg;
    struct ms_tensor **in; /* by port */
    int *want;             /* outputs asked for */
    int n_want;
    bool copy_in;     /* inputs cannot be read where they lie */
    int64_t rows;     /* along the batch axis; 0 = not batchable */
    uint64_t key;     /* hash of all other dims */
    size_t bytes;     /* of inputs */
    int64_t deadline; /* MS_NEVER = none */
    int64_t rank;     /* place in the queue */
    int64_t queued;
    atomic_bool cancel;
    struct ms_watch *watch;
    struct ms_item *prev, *next;
};

struct ms_queue {
    pthread_mutex_t lock;
    struct ms_item *first, *last;
    int n;
    size_t bytes;
    int64_t due;          /* when a batch that waits to fill goes anyway; MS_NEVER */
    bool token;           /* the model is in the engine's ring */
    atomic_int pending;   /* accepted and not done */
    atomic_llong service; /* ns a request takes, smoothed */
};

void ms_queue_init(struct ms_queue *q);
void ms_queue_done(struct ms_queue *q);

/* With the lock held: in order, out. */
void ms_queue_insert(struct ms_queue *q, struct ms_item *it);
void ms_queue_remove(struct ms_queue *q, struct ms_item *it);
/* Moves all expired and cancelled items to *dead (linked by next). Returns the earliest deadline
 * among the others. */
int64_t ms_queue_sweep(struct ms_queue *q, int64_t now, struct ms_item **dead);

/* Ends items with an error, or without: called once for each item, by whoever took it out. */
void ms_item_fail(struct ms_item *it, ms_code code, const char *text);
void ms_item_finish(struct ms_item *it, const struct ms_err *err);
/* Ends what a sweep found. */
void ms_items_drop(struct ms_item *dead);

/* batcher.c: one batch of the next model that has one; false if none has. */
struct ms_engine;
struct ms_worker;
bool ms_batch_work(void *engine, struct ms_worker *w);
/* A batch of one, run on the calling thread. The item has been accepted but never was in the queue.
 */
void ms_batch_alone(struct ms_item *it);
/* Puts the model into the ring if it is not there; the queue's lock is held. True: notify. */
bool ms_queue_announce(struct ms_model *m);

#endif
