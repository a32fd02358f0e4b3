/* SPDX-License-Identifier: Apache-2.0 */
/* busy_poll.c - looking again before sleeping, and the trial that decides about it. */
#include "server/busy_poll.h"

#include <sched.h>
#include <string.h>

#include "base/clock.h"
#include "base/cpu.h"

enum {
    TURNS = 32
}; /* of a phase: fewer tell nothing, and where they are few a wake-up matters little */

#define LOOK_FOR (100 * MS_US)
#define CROWDED (400 * MS_US)
#define AGAIN (20 * MS_MS)
#define PHASE (8 * MS_MS)
#define PAUSED (2 * MS_MS) /* nobody asked for so long: the phase begins again */
#define HOLD_MIN (250 * MS_MS)
#define HOLD_ON (1 * MS_SEC)
#define HOLD_OFF (3 * MS_SEC)
#define GAIN 1.05 /* what is worth a processor that nobody else wants */
#define STAY 1.02

static _Thread_local long waits;

long ms_busy_poll_waits(void)
{
    return waits;
}

void ms_busy_poll_init(struct ms_busy_poll *b, bool allowed)
{
    memset(b, 0, sizeof *b);
    b->fixed = !allowed || ms_cpu()->usable < 2; /* the only one has better things to do */
    b->hold = HOLD_MIN;
}

void ms_busy_poll_yielded(struct ms_busy_poll *b, int64_t before, int64_t now)
{
    int64_t last = atomic_exchange_explicit(&b->held_up, now, memory_order_relaxed);

    if (!last || before - last > AGAIN)
        return;
    atomic_store_explicit(&b->crowded, true, memory_order_relaxed);
    atomic_store_explicit(&b->on, false, memory_order_relaxed);
}

/* Whoever else wants the processor gets it. A client's answer takes microseconds; what takes longer
 * computes, and would keep a thread that polls from its next request for a time slice, while one
 * that sleeps and is woken comes first. */
static bool give_way(struct ms_busy_poll *b, int64_t *now)
{
    int64_t before = *now;

    sched_yield();
    *now = ms_now();
    if (*now - before < CROWDED)
        return true;
    ms_busy_poll_yielded(b, before, *now);
    return false;
}

bool ms_busy_poll(struct ms_busy_poll *b, bool (*look)(void *arg), void *arg)
{
    if (!atomic_load_explicit(&b->on, memory_order_relaxed))
        return false;
    int64_t now = ms_now(), until = now + LOOK_FOR;

    do {
        if (look(arg))
            return true;
        waits++;
    } while (give_way(b, &now) && now < until);
    return false;
}

/* ---- the trial ---- */

static void enter(struct ms_busy_poll *b, int phase, int64_t now, uint64_t moved)
{
    b->phase = phase;
    b->begun = now;
    b->from = moved;
    b->turns = 0;
    atomic_store_explicit(&b->on, phase % 2 != 0, memory_order_relaxed);
}

/* The same outcome again is trusted for longer; a change is looked at again soon. */
static void decide(struct ms_busy_poll *b, bool on, int64_t now)
{
    int64_t most = on ? HOLD_ON : HOLD_OFF;

    b->hold = on == b->kept ? 2 * b->hold : HOLD_MIN;
    b->hold = b->hold < most ? b->hold : most;
    b->kept = on;
    b->next = now + b->hold;
    b->begun = 0;
    atomic_store_explicit(&b->on, on, memory_order_relaxed);
}

/* By chance one phase is often faster than the next: most pairs and their mean must say so. What is
 * on stays on while it does no harm. */
static bool pays(const struct ms_busy_poll *b)
{
    double with = 0, without = 0;
    int better = 0;

    for (int i = 0; i < MS_BUSY_PAIRS; i++) {
        without += b->rate[2 * i];
        with += b->rate[2 * i + 1];
        better += b->rate[2 * i + 1] > b->rate[2 * i];
    }
    return 2 * better > MS_BUSY_PAIRS && with > (b->kept ? STAY : GAIN) * without;
}

void ms_busy_poll_turn(struct ms_busy_poll *b, int64_t now, uint64_t moved)
{
    bool paused = now - b->last > PAUSED;

    b->last = now;
    if (b->fixed)
        return;
    if (atomic_exchange_explicit(&b->crowded, false, memory_order_relaxed))
        decide(b, false, now);
    if (now < b->next)
        return;
    if (!b->begun || paused) {
        enter(b, b->begun ? b->phase : 0, now, moved);
        return;
    }
    b->turns++;
    if (now - b->begun < PHASE)
        return;
    if (b->turns < TURNS) {
        decide(b, false, now);
        return;
    }
    b->rate[b->phase] = (double)(moved - b->from) / (double)(now - b->begun);
    if (b->phase + 1 < 2 * MS_BUSY_PAIRS)
        enter(b, b->phase + 1, now, moved);
    else
        decide(b, pays(b), now);
}
