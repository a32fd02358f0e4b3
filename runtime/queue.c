/* SPDX-License-Identifier: Apache-2.0 */
/* queue.c - order, sweep and end of waiting requests. */
#include "runtime/queue.h"

#include "base/clock.h"
#include "runtime/model_impl.h"

void ms_queue_init(struct ms_queue *q)
{
    *q = (struct ms_queue){.due = MS_NEVER};
    pthread_mutex_init(&q->lock, NULL);
}

void ms_queue_done(struct ms_queue *q)
{
    pthread_mutex_destroy(&q->lock);
}

/* 1 is the highest, 0 (none asked for) the last. */
static uint64_t level(const struct ms_item *it)
{
    return it->req->priority - 1;
}

static bool before(const struct ms_item *a, const struct ms_item *b)
{
    if (level(a) != level(b))
        return level(a) < level(b);
    return a->rank < b->rank;
}

void ms_queue_insert(struct ms_queue *q, struct ms_item *it)
{
    struct ms_item *after = q->last; /* most requests belong at the end */

    while (after && before(it, after))
        after = after->prev;
    it->prev = after;
    it->next = after ? after->next : q->first;
    if (it->next)
        it->next->prev = it;
    else
        q->last = it;
    if (after)
        after->next = it;
    else
        q->first = it;
    q->n++;
    q->bytes += it->bytes;
}

void ms_queue_remove(struct ms_queue *q, struct ms_item *it)
{
    if (it->prev)
        it->prev->next = it->next;
    else
        q->first = it->next;
    if (it->next)
        it->next->prev = it->prev;
    else
        q->last = it->prev;
    it->prev = it->next = NULL;
    q->n--;
    q->bytes -= it->bytes;
}

int64_t ms_queue_sweep(struct ms_queue *q, int64_t now, struct ms_item **dead)
{
    int64_t earliest = MS_NEVER;

    for (struct ms_item *it = q->first, *next; it; it = next) {
        next = it->next;
        if (atomic_load_explicit(&it->cancel, memory_order_relaxed) || now >= it->deadline) {
            ms_queue_remove(q, it);
            it->next = *dead;
            *dead = it;
        } else if (it->deadline < earliest) {
            earliest = it->deadline;
        }
    }
    return earliest;
}

void ms_item_finish(struct ms_item *it, const struct ms_err *err)
{
    struct ms_model *m = it->model;
    struct ms_request *r = it->req;

    r->times.done = ms_now();
    struct ms_stat *s = err ? &m->stats.fail : &m->stats.success;
    atomic_fetch_add_explicit(&s->count, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&s->ns, (unsigned long long)(r->times.done - it->queued),
                              memory_order_relaxed);
    if (err) /* no half results beside an error */
        ms_request_done(r);
    it->done(r, err, it->arg); /* the item and its arena may be gone now */
    atomic_fetch_sub(&m->queue.pending, 1);
    ms_model_unref(m);
}

void ms_item_fail(struct ms_item *it, ms_code code, const char *text)
{
    struct ms_err err;

    ms_fail(&err, code, "%s", text);
    ms_item_finish(it, &err);
}

void ms_items_drop(struct ms_item *dead)
{
    for (struct ms_item *it = dead, *next; it; it = next) {
        struct ms_model_stats *s = &it->model->stats;
        next = it->next;
        bool cancelled = atomic_load_explicit(&it->cancel, memory_order_relaxed);
        atomic_fetch_add_explicit(&s->rejected[cancelled ? MS_REJECT_CANCELLED : MS_REJECT_LATE], 1,
                                  memory_order_relaxed);
        if (cancelled)
            ms_item_fail(it, MS_CANCELLED, "the request was cancelled");
        else
            ms_item_fail(it, MS_DEADLINE_EXCEEDED,
                         "the request's deadline passed while it waited in the queue");
    }
}
