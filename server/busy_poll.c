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
#define PHASE (8 * MS_MS)
#define PAUSED (2 * MS_MS) /* nobody asked for so long: the phase begins again */
#define HOLD_MIN (250 * MS_MS)
#define HOLD_ON (1 * MS_SEC)
#define HOLD_OFF (8 * MS_SEC)
#define GAIN 1.1 /* what is worth a processor */

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

bool ms_busy_poll(const struct ms_busy_poll *b, bool (*look)(void *arg), void *arg)
{
    if (!atomic_load_explicit(&b->on, memory_order_relaxed))
        return false;
    int64_t until = ms_now() + LOOK_FOR;

    do {
        if (look(arg))
            return true;
        waits++;
        sched_yield(); /* to a client, or to whoever else has work */
    } while (ms_now() < until);
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

/* Every time: by chance one phase is often faster than another. */
static bool pays(const struct ms_busy_poll *b)
{
    for (int i = 0; i < MS_BUSY_PAIRS; i++)
        if (!(b->rate[2 * i + 1] > GAIN * b->rate[2 * i]))
            return false;
    return true;
}

void ms_busy_poll_turn(struct ms_busy_poll *b, int64_t now, uint64_t moved)
{
    bool paused = now - b->last > PAUSED;

    b->last = now;
    if (b->fixed || now < b->next)
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
