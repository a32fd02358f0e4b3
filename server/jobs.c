/* SPDX-License-Identifier: Apache-2.0 */
/* jobs.c - a queue and the thread behind it. */
#include "server/jobs.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"

struct ms_jobs {
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    struct ms_job *first, **last;
    struct ms_job *later; /* by when */
    bool stop, busy;
    struct ms_background *background;
    int niceness;
    int64_t tick_ns, next_tick;
    void (*tick)(void *arg);
    void *arg;
    atomic_ulong beat;
};

static struct timespec at(int64_t ns)
{
    return (struct timespec){ns / MS_SEC, ns % MS_SEC};
}

static void append(struct ms_jobs *q, struct ms_job *j)
{
    j->next = NULL;
    *q->last = j;
    q->last = &j->next;
}

/* Jobs whose time has come join the queue. Returns when the next one's will. */
static int64_t ripen(struct ms_jobs *q)
{
    int64_t now = q->later ? ms_now() : 0;

    while (q->later && (q->stop || q->later->when <= now)) {
        struct ms_job *j = q->later;
        q->later = j->next;
        append(q, j);
    }
    return q->later ? q->later->when : MS_NEVER;
}

/* The next job; NULL when the tick is due or nothing will come any more. */
static struct ms_job *take(struct ms_jobs *q, bool *stop)
{
    struct ms_job *j;
    int64_t due;

    pthread_mutex_lock(&q->lock);
    q->busy = false;
    while (due = ripen(q), !q->first && !q->stop && ms_now() < q->next_tick) {
        int64_t ns = due < q->next_tick ? due : q->next_tick;
        struct timespec until = at(ns);
        if (ns == MS_NEVER)
            pthread_cond_wait(&q->wake, &q->lock);
        else
            pthread_cond_timedwait(&q->wake, &q->lock, &until);
    }
    j = q->first;
    if (j) {
        q->first = j->next;
        if (!q->first)
            q->last = &q->first;
        q->busy = true;
    }
    *stop = q->stop && !j;
    pthread_mutex_unlock(&q->lock);
    return j;
}

static void *run(void *arg)
{
    struct ms_jobs *q = arg;
    bool stop = false;

    if (q->niceness)
        (void)ms_background_enter(q->background, q->niceness);
    while (!stop) {
        struct ms_job *j = take(q, &stop);
        ms_background_begin(q->background);
        if (j)
            j->run(j);
        atomic_fetch_add_explicit(&q->beat, 1, memory_order_relaxed);
        if (q->tick && ms_now() >= q->next_tick) {
            q->tick(q->arg);
            q->next_tick = ms_now() + q->tick_ns;
        }
        ms_background_end(q->background);
    }
    return NULL;
}

static int start(struct ms_jobs *q, const char *name)
{
    pthread_condattr_t attr;
    sigset_t all, old;

    pthread_mutex_init(&q->lock, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&q->wake, &attr);
    pthread_condattr_destroy(&attr);
    sigfillset(&all); /* signals are the main thread's */
    pthread_sigmask(SIG_SETMASK, &all, &old);
    int rc = pthread_create(&q->thread, NULL, run, q);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    if (rc == 0)
        pthread_setname_np(q->thread, name);
    return rc;
}

ms_code ms_jobs_new(const char *name, struct ms_background *background, int niceness,
                    int64_t tick_ns, void (*tick)(void *arg), void *arg, struct ms_jobs **out,
                    struct ms_err *err)
{
    struct ms_jobs *q = ms_calloc(1, sizeof *q);

    if (!q)
        return ms_fail_oom(err, name, sizeof *q);
    q->last = &q->first;
    q->background = background;
    q->niceness = niceness;
    q->tick = tick;
    q->arg = arg;
    q->tick_ns = tick_ns;
    q->next_tick = tick ? ms_now() + tick_ns : MS_NEVER;
    int rc = start(q, name);
    if (rc != 0) {
        pthread_cond_destroy(&q->wake);
        pthread_mutex_destroy(&q->lock);
        ms_free(q);
        return ms_fail(err, MS_RESOURCE_EXHAUSTED, "starting thread %s: %s", name, strerror(rc));
    }
    *out = q;
    return MS_OK;
}

void ms_jobs_free(struct ms_jobs *q)
{
    if (!q)
        return;
    pthread_mutex_lock(&q->lock);
    q->stop = true;
    pthread_cond_signal(&q->wake);
    pthread_mutex_unlock(&q->lock);
    pthread_join(q->thread, NULL);
    pthread_cond_destroy(&q->wake);
    pthread_mutex_destroy(&q->lock);
    ms_free(q);
}

void ms_jobs_post(struct ms_jobs *q, struct ms_job *j)
{
    pthread_mutex_lock(&q->lock);
    append(q, j);
    pthread_cond_signal(&q->wake);
    pthread_mutex_unlock(&q->lock);
}

void ms_jobs_post_at(struct ms_jobs *q, struct ms_job *j, int64_t when)
{
    pthread_mutex_lock(&q->lock);
    struct ms_job **p = &q->later;

    while (*p && (*p)->when <= when)
        p = &(*p)->next;
    j->when = when;
    j->next = *p;
    *p = j;
    pthread_cond_signal(&q->wake);
    pthread_mutex_unlock(&q->lock);
}

struct flush {
    struct ms_job job;
    pthread_mutex_t lock;
    pthread_cond_t cond;
    bool done;
};

static void run_flush(struct ms_job *j)
{
    struct flush *f = (struct flush *)(void *)j;

    pthread_mutex_lock(&f->lock);
    f->done = true;
    pthread_cond_signal(&f->cond);
    pthread_mutex_unlock(&f->lock);
}

void ms_jobs_flush(struct ms_jobs *q)
{
    struct flush f = {.job = {.run = run_flush}};

    pthread_mutex_init(&f.lock, NULL);
    pthread_cond_init(&f.cond, NULL);
    ms_jobs_post(q, &f.job);
    pthread_mutex_lock(&f.lock);
    while (!f.done)
        pthread_cond_wait(&f.cond, &f.lock);
    pthread_mutex_unlock(&f.lock);
    pthread_cond_destroy(&f.cond);
    pthread_mutex_destroy(&f.lock);
}

unsigned long ms_jobs_beat(struct ms_jobs *q)
{
    pthread_mutex_lock(&q->lock);
    if (!q->busy && !q->first)
        atomic_fetch_add_explicit(&q->beat, 1, memory_order_relaxed);
    pthread_mutex_unlock(&q->lock);
    return atomic_load_explicit(&q->beat, memory_order_relaxed);
}

void ms_jobs_alive(struct ms_jobs *q)
{
    atomic_fetch_add_explicit(&q->beat, 1, memory_order_relaxed);
}
