/* SPDX-License-Identifier: Apache-2.0 */
/* watch.c - one thread, asleep until the next deadline of what runs or a timer that was asked for.
 *
 * Whoever cancels a request says so (ms_watch_kick). Other flags are looked at every few
 * milliseconds: on a machine whose cores all compute, each wakening takes one of them away for a
 * while. */
#include "runtime/watch.h"

#include "base/clock.h"
#include "base/mem.h"
#include "runtime/engine_impl.h"

enum { TICK_NS = 10000000, WORK_NS = 1000000 };

struct ms_watch {
    pthread_mutex_t lock;
    pthread_cond_t wake;
    pthread_t thread;
    struct ms_watched *first;
    int64_t until;      /* when it wakes by itself */
    atomic_llong alarm; /* next call of tick; MS_NEVER */
    int64_t (*tick)(void *arg, int64_t now);
    void *tick_arg;
    bool quit;
};

void ms_watched_init(struct ms_watched *w, struct ms_engine *e, int64_t deadline,
                     const struct ms_work *work, const atomic_bool *cancel)
{
    *w = (struct ms_watched){.deadline = deadline,
                             .work = work,
                             .cancel = cancel,
                             .watch = e ? ms_engine_watch(e) : NULL};
    atomic_init(&w->stop, false);
    atomic_init(&w->why, MS_OK);
}

/* How long the work may still go on, ns; at most 0: it must end. */
static int64_t work_left(const struct ms_work *w, int64_t now)
{
    int64_t left = w->until - ms_clock(w->clock);

    if (w->latest == MS_NEVER || w->latest - now > left)
        return left;
    return w->latest - now;
}

static bool is_late(const struct ms_watched *w, int64_t now)
{
    return w->deadline != MS_NEVER && now >= w->deadline &&
           (!w->work || work_left(w->work, now) <= 0);
}

/* Why it must end now; the watch's lock is held when it is listed. */
static ms_code verdict(const struct ms_watched *w, int64_t now)
{
    if (w->cancel && atomic_load_explicit(w->cancel, memory_order_relaxed))
        return MS_CANCELLED;
    return is_late(w, now) ? MS_DEADLINE_EXCEEDED : MS_OK;
}

ms_code ms_watched_check(struct ms_watched *w)
{
    ms_code code = verdict(w, w->deadline == MS_NEVER ? 0 : ms_now());

    if (code != MS_OK)
        atomic_store_explicit(&w->stop, true, memory_order_relaxed);
    return code;
}

/* When it has to be looked at next. */
static int64_t due(const struct ms_watched *w, int64_t now)
{
    int64_t at = w->deadline;

    if (w->work && now >= at) {
        int64_t left = work_left(w->work, now);
        at = now + (left > WORK_NS ? left : WORK_NS);
    }
    return w->cancel && now + TICK_NS < at ? now + TICK_NS : at;
}

void ms_watch_begin(struct ms_watched *w)
{
    struct ms_watch *watch = w->watch;

    if (!watch || w->listed || (w->deadline == MS_NEVER && !w->cancel))
        return;
    const int64_t at = due(w, ms_now());
    pthread_mutex_lock(&watch->lock);
    w->prev = NULL;
    w->next = watch->first;
    if (w->next)
        w->next->prev = w;
    if (at < watch->until) {
        watch->until = at; /* for those that come before it has woken */
        pthread_cond_signal(&watch->wake);
    }
    watch->first = w;
    w->listed = true;
    pthread_mutex_unlock(&watch->lock);
}

void ms_watch_end(struct ms_watched *w)
{
    if (!w->listed)
        return;
    pthread_mutex_lock(&w->watch->lock);
    if (w->next)
        w->next->prev = w->prev;
    if (w->prev)
        w->prev->next = w->next;
    else
        w->watch->first = w->next;
    w->listed = false;
    pthread_mutex_unlock(&w->watch->lock);
}

/* Stops what must end; when to look again. */
static int64_t look(struct ms_watch *w, int64_t now)
{
    int64_t next = MS_NEVER;

    for (struct ms_watched *r = w->first; r; r = r->next) {
        if (atomic_load_explicit(&r->stop, memory_order_relaxed))
            continue;
        ms_code why = verdict(r, now);
        if (why == MS_OK) {
            next = due(r, now) < next ? due(r, now) : next;
            continue;
        }
        atomic_store_explicit(&r->why, (int)why, memory_order_relaxed);
        atomic_store_explicit(&r->stop, true, memory_order_release);
    }
    return next;
}

static void sleep_until(struct ms_watch *w, int64_t at)
{
    if (at == MS_NEVER) {
        pthread_cond_wait(&w->wake, &w->lock);
        return;
    }
    struct timespec t = {.tv_sec = (time_t)(at / MS_SEC), .tv_nsec = (long)(at % MS_SEC)};
    pthread_cond_timedwait(&w->wake, &w->lock, &t);
}

static void *loop(void *arg)
{
    struct ms_watch *w = arg;

    pthread_mutex_lock(&w->lock);
    while (!w->quit) {
        int64_t now = ms_now();
        if (w->tick && now >= atomic_load(&w->alarm)) {
            atomic_store(&w->alarm, MS_NEVER);
            pthread_mutex_unlock(&w->lock);
            int64_t again = w->tick(w->tick_arg, now);
            pthread_mutex_lock(&w->lock);
            if (again < atomic_load(&w->alarm))
                atomic_store(&w->alarm, again);
            if (w->quit)
                break;
        }
        w->until = look(w, ms_now()); /* last: what began during the tick counts */
        int64_t alarm = atomic_load(&w->alarm);
        w->until = w->until < alarm ? w->until : alarm;
        sleep_until(w, w->until);
    }
    pthread_mutex_unlock(&w->lock);
    return NULL;
}

struct ms_watch *ms_watch_new(void)
{
    struct ms_watch *w = ms_calloc(1, sizeof *w);
    pthread_condattr_t attr;

    if (!w)
        return NULL;
    w->until = MS_NEVER;
    atomic_init(&w->alarm, MS_NEVER);
    pthread_mutex_init(&w->lock, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&w->wake, &attr);
    pthread_condattr_destroy(&attr);
    if (pthread_create(&w->thread, NULL, loop, w) == 0) {
        pthread_setname_np(w->thread, "ms-watch");
        return w;
    }
    pthread_cond_destroy(&w->wake);
    pthread_mutex_destroy(&w->lock);
    ms_free(w);
    return NULL;
}

void ms_watch_free(struct ms_watch *w)
{
    if (!w)
        return;
    pthread_mutex_lock(&w->lock);
    w->quit = true;
    pthread_cond_signal(&w->wake);
    pthread_mutex_unlock(&w->lock);
    pthread_join(w->thread, NULL);
    pthread_cond_destroy(&w->wake);
    pthread_mutex_destroy(&w->lock);
    ms_free(w);
}

void ms_watch_on_tick(struct ms_watch *w, int64_t (*fn)(void *arg, int64_t now), void *arg)
{
    pthread_mutex_lock(&w->lock);
    w->tick = fn;
    w->tick_arg = arg;
    pthread_mutex_unlock(&w->lock);
}

void ms_watch_kick(struct ms_watch *w, int64_t at)
{
    if (at >= atomic_load_explicit(&w->alarm, memory_order_relaxed))
        return; /* the usual case: no lock */
    pthread_mutex_lock(&w->lock);
    if (at < atomic_load(&w->alarm)) {
        atomic_store(&w->alarm, at);
        pthread_cond_signal(&w->wake);
    }
    pthread_mutex_unlock(&w->lock);
}

bool ms_watch_healthy(struct ms_watch *w, int64_t slack)
{
    bool healthy = true;
    int64_t now = ms_now();

    pthread_mutex_lock(&w->lock);
    for (struct ms_watched *r = w->first; r && healthy; r = r->next) {
        int64_t deadline = r->work ? r->work->latest : r->deadline;
        healthy = deadline == MS_NEVER || now - slack < deadline;
    }
    pthread_mutex_unlock(&w->lock);
    return healthy;
}
