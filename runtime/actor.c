/* SPDX-License-Identifier: Apache-2.0 */
/* actor.c - steps of one run side by side.
 *
 *      ┌─ Conv ─ Relu ─┐        each step counts the steps it still waits for;
 *   ──┤                ├─ Add   the worker that ends the last of them does it next (its input is
 *      └─ Conv ────────┘        hot in that cache), further ready ones go to whoever helps
 *
 * Ready steps lie in a stack under a lock held for a few instructions: a step worth running side by
 * side lasts microseconds at least. Steps that give every worker pieces (wide ones) are left to the
 * run's owner, and all help with their pieces (ms_pool_spread): side by side, the last of them
 * would have one worker and the others nothing to do. */
#include "runtime/actor.h"

#include <immintrin.h>
#include <pthread.h>
#include <sched.h>

#include "runtime/engine_impl.h"
#include "runtime/program.h"
#include "runtime/run.h"

struct actors {
    struct ms_job job; /* first */
    struct ms_run *run;
    struct ms_pool *pool;
    pthread_spinlock_t lock;
    int top;         /* of the stack of ready steps, linked through run->ready; -1 */
    atomic_int left; /* steps not done */
};

static void push(struct actors *a, int step)
{
    pthread_spin_lock(&a->lock);
    a->run->ready[step] = a->top;
    a->top = step;
    pthread_spin_unlock(&a->lock);
}

static bool is_wide(const struct ms_run *r, int step)
{
    return r->plan->step[step].chunks >= 2 * r->width;
}

/* The newest ready step; for helpers, the newest that is not wide. -1 = none. */
static int pop(struct actors *a, bool owner)
{
    int *at = &a->top;

    pthread_spin_lock(&a->lock);
    while (!owner && *at >= 0 && is_wide(a->run, *at))
        at = &a->run->ready[*at];
    int step = *at;
    if (step >= 0)
        *at = a->run->ready[step];
    pthread_spin_unlock(&a->lock);
    return step;
}

/* Tells those who wait for a step; returns one that became ready, to be done next, or -1. */
static int deliver(struct actors *a, int step, bool owner)
{
    const struct ms_plan *p = a->run->plan;
    const struct ms_step *s = &p->step[step];
    int mine = -1;

    for (int i = 0; i < s->n_succs; i++) {
        int next = p->list[s->succs + i];
        if (atomic_fetch_sub_explicit(&a->run->pending[next], 1, memory_order_acq_rel) != 1)
            continue;
        bool wide = is_wide(a->run, next);
        if (mine < 0 && (owner || !wide)) {
            mine = next;
            continue;
        }
        push(a, next);
        if (!wide)
            ms_pool_more(a->pool, &a->job, a->run->width - 1);
    }
    atomic_fetch_sub_explicit(&a->left, 1, memory_order_acq_rel);
    return mine;
}

/* Does ready steps until there are none. A stopped run's steps are passed over, not done. */
static void act(struct actors *a, void *scratch, bool owner)
{
    struct ms_run *r = a->run;

    for (int step = pop(a, owner); step >= 0;) {
        if (!ms_run_stopped(r))
            ms_run_step(r, &r->plan->step[step], r->width, scratch);
        step = deliver(a, step, owner);
        if (step < 0)
            step = pop(a, owner);
    }
}

static void help_actors(struct ms_job *job, struct ms_worker *w)
{
    struct actors *a = (struct actors *)job;
    size_t bytes = a->run->plan->scratch;
    void *scratch = bytes ? ms_worker_scratch(w, bytes) : NULL;

    if (scratch || !bytes)
        act(a, scratch, false);
}

void ms_actors_run(struct ms_run *r)
{
    const struct ms_plan *p = r->plan;
    struct actors a = {.job.help = help_actors,
                       .run = r,
                       .pool = ms_engine_pool(p->part->program->engine),
                       .top = -1};

    pthread_spin_init(&a.lock, PTHREAD_PROCESS_PRIVATE);
    atomic_init(&a.left, p->n_steps);
    for (int s = p->n_steps - 1; s >= 0; s--) {
        atomic_store_explicit(&r->pending[s], p->step[s].needs, memory_order_relaxed);
        if (p->step[s].needs == 0)
            push(&a, s);
    }
    if (!ms_pool_open(a.pool, &a.job, 0)) {
        for (int s = 0; s < p->n_steps && !ms_run_stopped(r); s++)
            ms_run_step(r, &p->step[s], r->width, r->scratch);
    } else {
        if (a.top >= 0 && r->ready[a.top] >= 0)
            ms_pool_more(a.pool, &a.job, r->width - 1);
        while (atomic_load_explicit(&a.left, memory_order_acquire) > 0) {
            act(&a, r->scratch, true);
            if (atomic_load_explicit(&a.left, memory_order_acquire) > 0)
                sched_yield(); /* a helper has the rest */
        }
        ms_pool_close(a.pool, &a.job);
    }
    pthread_spin_destroy(&a.lock);
}
