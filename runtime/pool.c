/* SPDX-License-Identifier: Apache-2.0 */
/* pool.c - persistent workers, an event count to sleep on, and a table of open jobs.
 *
 * `epoch` grows with everything that could interest a worker. A worker remembers it, looks for
 * work, and only then spins or sleeps on it: whatever was published after the look has moved the
 * epoch, so no wake-up is lost, and an idle worker polls one cache line.
 *
 * A job's word holds, in one atomic: is it open, how many helpers are still wanted, how many are
 * inside. Joining is one compare and swap of that word, so a job (which lives on its owner's stack)
 * is touched by nobody once it is closed and empty. */
#include "runtime/pool.h"

#include <immintrin.h>
#include <limits.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"

enum { JOBS = 64, STACK = 2 << 20, SPIN_MIN_NS = 2000, SPIN_MAX_NS = 50000, YIELD_AFTER = 2000 };

#define OPEN (UINT64_C(1) << 32)
#define WANT_ONE (UINT64_C(1) << 16)
#define WANTED(w_) ((int)((w_) >> 16 & 0xffff))
#define INSIDE(w_) ((int)((w_)&0xffff))

struct slot {
    _Alignas(64) _Atomic uint64_t word;
    struct ms_job *job;
    atomic_bool taken;
};

struct ms_worker {
    struct ms_pool *pool;
    pthread_t thread;
    int64_t spin_ns; /* grows when spinning pays, shrinks when it does not */
    void *scratch;
    size_t scratch_bytes;
    unsigned trimmed; /* trims this worker has followed */
};

struct ms_pool {
    struct ms_worker *workers;
    int n;
    bool (*work)(void *arg, struct ms_worker *w);
    void *arg;
    struct ms_account *account;
    atomic_bool quit;
    atomic_uint trims;
    _Alignas(64) atomic_uint epoch;
    _Alignas(64) atomic_int sleepers;
    atomic_int spinners;
    atomic_int guests; /* threads of others that compute now */
    struct slot slots[JOBS];
};

/* ---- sleeping and waking ---- */

static void futex_wait(atomic_uint *at, unsigned seen)
{
    syscall(SYS_futex, at, FUTEX_WAIT_PRIVATE, seen, NULL, NULL, 0);
}

static void futex_wake(atomic_uint *at, int n)
{
    syscall(SYS_futex, at, FUTEX_WAKE_PRIVATE, n, NULL, NULL, 0);
}

/* Something for n workers was published. Those who spin will see it; the others are woken. A
 * spinner that is taken by other work in the meantime passes the word on (see ms_pool_notify's
 * callers), and jobs do without helpers if need be. */
static void wake(struct ms_pool *p, int n)
{
    atomic_fetch_add(&p->epoch, 1);
    n -= atomic_load(&p->spinners);
    if (n > 0 && atomic_load(&p->sleepers) > 0)
        futex_wake(&p->epoch, n);
}

void ms_pool_notify(struct ms_pool *p)
{
    wake(p, 1);
}

/* Each guest computes in the place of a worker: one worker for each should sleep. Spinning, it
 * would take the core from those who compute. */
static bool crowded(struct ms_pool *p)
{
    return atomic_load_explicit(&p->guests, memory_order_relaxed) >
           atomic_load_explicit(&p->sleepers, memory_order_relaxed);
}

static bool spin(struct ms_worker *w, unsigned seen)
{
    struct ms_pool *p = w->pool;
    int64_t end = ms_now() + w->spin_ns;
    bool changed = false, yield;

    atomic_fetch_add(&p->spinners, 1);
    do {
        for (int i = 0; i < 32 && !changed; i++) {
            _mm_pause();
            changed = atomic_load_explicit(&p->epoch, memory_order_acquire) != seen;
        }
        yield = !changed && crowded(p);
    } while (!changed && !yield && ms_now() < end);
    atomic_fetch_sub(&p->spinners, 1);
    if (yield) /* says nothing of whether spinning pays */
        return true;
    w->spin_ns = changed ? w->spin_ns * 2 : w->spin_ns / 2;
    if (w->spin_ns > SPIN_MAX_NS)
        w->spin_ns = SPIN_MAX_NS;
    if (w->spin_ns < SPIN_MIN_NS)
        w->spin_ns = SPIN_MIN_NS;
    return changed || atomic_load(&p->epoch) != seen;
}

/* Sleeping places are taken by counting, so that no more workers than there are guests go to sleep
 * because of them. */
static void rest(struct ms_worker *w, unsigned seen)
{
    struct ms_pool *p = w->pool;

    if (atomic_fetch_add(&p->sleepers, 1) >= atomic_load(&p->guests)) {
        atomic_fetch_sub(&p->sleepers, 1);
        if (spin(w, seen))
            return;
        atomic_fetch_add(&p->sleepers, 1);
    }
    futex_wait(&p->epoch, seen);
    atomic_fetch_sub(&p->sleepers, 1);
}

/* ---- guests ---- */

bool ms_pool_enter(struct ms_pool *p)
{
    int guests = atomic_fetch_add(&p->guests, 1);

    if (guests < atomic_load(&p->sleepers) + atomic_load(&p->spinners))
        return true;
    atomic_fetch_sub(&p->guests, 1);
    return false;
}

void ms_pool_leave(struct ms_pool *p)
{
    atomic_fetch_sub(&p->guests, 1);
}

/* ---- jobs ---- */

bool ms_pool_open(struct ms_pool *p, struct ms_job *job, int helpers)
{
    for (int i = 0; i < JOBS; i++) {
        struct slot *s = &p->slots[i];
        bool no = false;
        if (atomic_load_explicit(&s->taken, memory_order_relaxed) ||
            !atomic_compare_exchange_strong(&s->taken, &no, true))
            continue;
        s->job = job;
        job->slot = i;
        atomic_store(&s->word, OPEN | (uint64_t)helpers * WANT_ONE);
        if (helpers > 0)
            wake(p, helpers);
        return true;
    }
    return false;
}

void ms_pool_more(struct ms_pool *p, struct ms_job *job, int most)
{
    struct slot *s = &p->slots[job->slot];
    uint64_t w = atomic_load(&s->word);

    do {
        if (!(w & OPEN) || WANTED(w) + INSIDE(w) >= most)
            return;
    } while (!atomic_compare_exchange_weak(&s->word, &w, w + WANT_ONE));
    wake(p, 1);
}

void ms_pool_close(struct ms_pool *p, struct ms_job *job)
{
    struct slot *s = &p->slots[job->slot];
    uint64_t w = atomic_fetch_and(&s->word, 0xffff);

    for (int i = 0; INSIDE(w); i++) {
        if (i < YIELD_AFTER)
            _mm_pause();
        else
            sched_yield();
        w = atomic_load_explicit(&s->word, memory_order_acquire);
    }
    s->job = NULL;
    atomic_store(&s->taken, false);
}

static bool join(struct slot *s)
{
    uint64_t w = atomic_load_explicit(&s->word, memory_order_relaxed);

    while ((w & OPEN) && WANTED(w) > 0)
        if (atomic_compare_exchange_weak(&s->word, &w, w - WANT_ONE + 1))
            return true;
    return false;
}

static bool help_somebody(struct ms_worker *w)
{
    for (int i = 0; i < JOBS; i++) {
        struct slot *s = &w->pool->slots[i];
        if (!join(s))
            continue;
        s->job->help(s->job, w);
        atomic_fetch_sub(&s->word, 1);
        return true;
    }
    return false;
}

/* ---- workers ---- */

static void drop_scratch(struct ms_worker *w)
{
    ms_aligned_free(w->scratch, w->scratch_bytes);
    ms_account_give(w->pool->account, MS_ACCOUNT_RUNS, w->scratch_bytes);
    w->scratch = NULL;
    w->scratch_bytes = 0;
}

static void follow_trims(struct ms_worker *w)
{
    unsigned trims = atomic_load_explicit(&w->pool->trims, memory_order_relaxed);

    if (w->trimmed == trims)
        return;
    w->trimmed = trims;
    drop_scratch(w);
}

void ms_pool_trim(struct ms_pool *p)
{
    if (!p)
        return;
    atomic_fetch_add(&p->trims, 1);
    atomic_fetch_add(&p->epoch, 1);
    futex_wake(&p->epoch, INT_MAX);
}

static void *worker_main(void *arg)
{
    struct ms_worker *w = arg;
    struct ms_pool *p = w->pool;

    while (!atomic_load(&p->quit)) {
        unsigned seen = atomic_load(&p->epoch);
        follow_trims(w);
        if (p->work(p->arg, w) || help_somebody(w))
            continue;
        if (!atomic_load(&p->quit))
            rest(w, seen);
    }
    return NULL;
}

void *ms_worker_scratch(struct ms_worker *w, size_t bytes)
{
    struct ms_account *account = w->pool->account;

    if (bytes <= w->scratch_bytes)
        return w->scratch;
    drop_scratch(w);
    if (!ms_account_take(account, MS_ACCOUNT_RUNS, bytes))
        return NULL;
    w->scratch = ms_aligned_alloc(bytes);
    if (w->scratch)
        w->scratch_bytes = bytes;
    else
        ms_account_give(account, MS_ACCOUNT_RUNS, bytes);
    return w->scratch;
}

int ms_pool_size(const struct ms_pool *p)
{
    return p->n;
}

static bool start(struct ms_worker *w, int i)
{
    pthread_attr_t attr;
    char name[16];

    w->spin_ns = SPIN_MAX_NS / 2;
    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, STACK);
    bool ok = pthread_create(&w->thread, &attr, worker_main, w) == 0;
    pthread_attr_destroy(&attr);
    snprintf(name, sizeof name, "ms-worker-%d", i % 1000);
    if (ok)
        pthread_setname_np(w->thread, name);
    return ok;
}

ms_code ms_pool_new(int n, bool (*work)(void *arg, struct ms_worker *w), void *arg,
                    struct ms_account *account, struct ms_pool **out, struct ms_err *err)
{
    struct ms_pool *p = ms_aligned_alloc(sizeof *p);

    *out = NULL;
    if (!p)
        return ms_fail_oom(err, "worker pool", sizeof *p);
    *p = (struct ms_pool){.work = work, .arg = arg, .account = account};
    p->workers = ms_calloc((size_t)n, sizeof *p->workers);
    for (int i = 0; p->workers && i < n; i++) {
        p->workers[i].pool = p;
        if (!start(&p->workers[i], i))
            break;
        p->n++;
    }
    if (p->n == n) {
        *out = p;
        return MS_OK;
    }
    ms_pool_free(p);
    return ms_fail(err, MS_RESOURCE_EXHAUSTED, "%d worker threads could not be started", n);
}

void ms_pool_free(struct ms_pool *p)
{
    if (!p)
        return;
    atomic_store(&p->quit, true);
    atomic_fetch_add(&p->epoch, 1);
    futex_wake(&p->epoch, INT_MAX);
    for (int i = 0; i < p->n; i++) {
        struct ms_worker *w = &p->workers[i];
        pthread_join(w->thread, NULL);
        drop_scratch(w);
    }
    ms_free(p->workers);
    ms_aligned_free(p, sizeof *p);
}

/* ---- spreading a step ---- */

/* A range is what is left of it: its first chunk above, the one behind its last below. */
#define RANGE(from_, end_) ((uint64_t)(from_) << 32 | (uint64_t)(end_))
#define FROM(r_) ((int)((r_) >> 32))
#define END(r_) ((int)((r_)&0xffffffff))

/* Chunks [from, end). */
struct share {
    int from, end;
};

/* The first half of what is left: long shares at first, and few calls; short ones at the end, so
 * that all are done at the same time. False: nothing is left. */
static bool take_first(_Atomic uint64_t *range, struct share *got)
{
    uint64_t r = atomic_load_explicit(range, memory_order_relaxed);

    while (FROM(r) < END(r)) {
        const int middle = FROM(r) + (END(r) - FROM(r) + 1) / 2;
        if (atomic_compare_exchange_weak(range, &r, RANGE(middle, END(r)))) {
            *got = (struct share){FROM(r), middle};
            return true;
        }
    }
    return false;
}

/* The last half. */
static bool take_last(_Atomic uint64_t *range, struct share *got)
{
    uint64_t r = atomic_load_explicit(range, memory_order_relaxed);

    while (FROM(r) < END(r)) {
        const int middle = FROM(r) + (END(r) - FROM(r)) / 2;
        if (atomic_compare_exchange_weak(range, &r, RANGE(FROM(r), middle))) {
            *got = (struct share){middle, END(r)};
            return true;
        }
    }
    return false;
}

/* Of the range with most to do. */
static bool take_of_others(struct ms_spread *s, struct share *got)
{
    for (;;) {
        int most = 0, of = -1;
        for (int i = 0; i < s->ranges; i++) {
            uint64_t r = atomic_load_explicit(&s->range[i], memory_order_relaxed);
            if (END(r) - FROM(r) > most) {
                most = END(r) - FROM(r);
                of = i;
            }
        }
        if (of < 0)
            return false;
        if (take_last(&s->range[of], got))
            return true;
    }
}

static bool begin(struct ms_spread *s, int *range)
{
    int fresh = atomic_load_explicit(&s->fresh, memory_order_relaxed);

    while (fresh > 0)
        if (atomic_compare_exchange_weak(&s->fresh, &fresh, fresh - 1)) {
            *range = s->ranges - fresh;
            return true;
        }
    return false;
}

/* From a range that is the worker's already, or none. */
static void pieces(struct ms_spread *s, int range, void *scratch)
{
    size_t memo = SIZE_MAX;
    struct share got;

    while (range >= 0 || begin(s, &range)) {
        while (take_first(&s->range[range], &got))
            s->run(s, got.from, got.end, scratch, &memo);
        range = -1;
    }
    while (take_of_others(s, &got))
        s->run(s, got.from, got.end, scratch, &memo);
}

static void help_spread(struct ms_job *job, struct ms_worker *w)
{
    struct ms_spread *s = (struct ms_spread *)job;
    void *scratch = s->scratch ? ms_worker_scratch(w, s->scratch) : NULL;

    if (scratch || !s->scratch) /* without scratch the others do it all */
        pieces(s, -1, scratch);
}

void ms_pool_spread(struct ms_pool *p, struct ms_spread *s)
{
    int helpers = s->width - 1 < s->chunks - 1 ? s->width - 1 : s->chunks - 1;

    if (helpers > p->n)
        helpers = p->n;
    s->ranges = helpers + 1 < MS_SPREAD_RANGES ? helpers + 1 : MS_SPREAD_RANGES;
    for (int i = 0; i < s->ranges; i++)
        atomic_init(&s->range[i], RANGE((int64_t)s->chunks * i / s->ranges,
                                        (int64_t)s->chunks * (i + 1) / s->ranges));
    atomic_init(&s->fresh, s->ranges - 1); /* the first one is the caller's */
    s->job.help = help_spread;
    bool open = helpers > 0 && ms_pool_open(p, &s->job, helpers);
    pieces(s, 0, s->own_scratch);
    if (open)
        ms_pool_close(p, &s->job);
}
