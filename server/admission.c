/* SPDX-License-Identifier: Apache-2.0 */
/* admission.c - one counter, and a line for those who may wait.
 *
 * The common case takes no lock. `waiting` is raised before a waiter looks at the counter for the
 * last time, and givers look at it after they have given: one of the two sees the other. */
#include "server/admission.h"

void ms_admission_init(struct ms_admission *a, size_t limit)
{
    a->limit = limit;
    atomic_init(&a->used, 0);
    atomic_init(&a->waiting, 0);
    pthread_mutex_init(&a->lock, NULL);
    a->first = a->last = NULL;
}

void ms_admission_done(struct ms_admission *a)
{
    pthread_mutex_destroy(&a->lock);
}

/* A gRPC call reserves the whole message limit before its size is known, so a few of them fill the
 * budget for a moment. What is known to be small need not wait for that: it has an eighth on top.
 */
enum { SMALL = 1 << 20, SMALL_SHARE = 8 };

static bool take(struct ms_admission *a, size_t bytes, size_t limit)
{
    size_t used = atomic_load(&a->used);

    do {
        /* A request larger than all there is passes alone, or it would wait for ever. */
        if (used != 0 && (bytes > limit || used > limit - bytes))
            return false;
    } while (!atomic_compare_exchange_weak(&a->used, &used, used + bytes));
    return true;
}

bool ms_admission_try(struct ms_admission *a, size_t bytes)
{
    if (bytes <= SMALL)
        return take(a, bytes, a->limit + a->limit / SMALL_SHARE);
    if (atomic_load(&a->waiting))
        return false;
    return take(a, bytes, a->limit);
}

static void unlink_wait(struct ms_admission *a, struct ms_admission_wait *w)
{
    if (w->prev)
        w->prev->next = w->next;
    else
        a->first = w->next;
    if (w->next)
        w->next->prev = w->prev;
    else
        a->last = w->prev;
    w->queued = false;
    atomic_fetch_sub(&a->waiting, 1);
}

/* Lets in who is first in line while there is room. ready() runs without the lock. */
static void serve(struct ms_admission *a)
{
    for (;;) {
        pthread_mutex_lock(&a->lock);
        struct ms_admission_wait *w = a->first;
        if (!w || !take(a, w->bytes, a->limit)) {
            pthread_mutex_unlock(&a->lock);
            return;
        }
        unlink_wait(a, w);
        pthread_mutex_unlock(&a->lock);
        w->ready(w);
    }
}

bool ms_admission_wait(struct ms_admission *a, struct ms_admission_wait *w, size_t bytes)
{
    if (ms_admission_try(a, bytes))
        return true;
    pthread_mutex_lock(&a->lock);
    w->bytes = bytes;
    w->queued = true;
    w->next = NULL;
    w->prev = a->last;
    if (a->last)
        a->last->next = w;
    else
        a->first = w;
    a->last = w;
    atomic_fetch_add(&a->waiting, 1);
    pthread_mutex_unlock(&a->lock);
    serve(a); /* room may have come between the two looks */
    return false;
}

bool ms_admission_leave(struct ms_admission *a, struct ms_admission_wait *w)
{
    pthread_mutex_lock(&a->lock);
    bool queued = w->queued;
    if (queued)
        unlink_wait(a, w);
    pthread_mutex_unlock(&a->lock);
    return queued;
}

void ms_admission_give(struct ms_admission *a, size_t bytes)
{
    atomic_fetch_sub(&a->used, bytes);
    if (atomic_load(&a->waiting))
        serve(a);
}
