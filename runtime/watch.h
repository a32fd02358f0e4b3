/* SPDX-License-Identifier: Apache-2.0 */
/* watch.h - ends what runs too long.
 *
 * Kernels ask one flag (ms_ctl.stop). Somebody has to set it when a deadline passes or a caller
 * cancels while a kernel is inside a loop: one thread of the engine, which wakes at deadlines, when
 * kicked, and while a run can be cancelled every ten milliseconds, for flags that come without. */
#ifndef MS_RUNTIME_WATCH_H
#define MS_RUNTIME_WATCH_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#include "base/err.h"

struct ms_engine;
struct ms_watch;

/* A deadline in processor time: background work that waits for others has not used its time up. */
struct ms_work {
    clockid_t clock; /* pthread_getcpuclockid of the thread that does the work, and all of it */
    int64_t until;   /* of that clock, ns */
    int64_t latest;  /* of the monotonic clock: it ends then anyway; MS_NEVER */
};

/* One thing that may be stopped; embedded in a run. */
struct ms_watched {
    atomic_bool stop; /* what kernels ask */
    atomic_int why;   /* ms_code, set by the watch: DEADLINE_EXCEEDED, CANCELLED */
    int64_t deadline; /* MS_NEVER = none */
    /* Outlives the run. NULL: the deadline is final; else what counts from there on. */
    const struct ms_work *work;
    const atomic_bool *cancel; /* NULL = none */
    struct ms_watch *watch;    /* NULL: only asked between steps */
    bool listed;
    struct ms_watched *prev, *next;
};

void ms_watched_init(struct ms_watched *w, struct ms_engine *e, int64_t deadline,
                     const struct ms_work *work, const atomic_bool *cancel);
/* Lists it with the watch (nothing to do without deadline and cancel), and takes it off. */
void ms_watch_begin(struct ms_watched *w);
void ms_watch_end(struct ms_watched *w);
/* Asks the clock and the flags now; MS_OK, or why it must end (stop is then set). */
ms_code ms_watched_check(struct ms_watched *w);

/* The thread; owned by the engine. */
struct ms_watch *ms_watch_new(void);
void ms_watch_free(struct ms_watch *w); /* takes NULL */
/* What the thread calls at alarms; it returns the time of the next one (MS_NEVER: none). */
void ms_watch_on_tick(struct ms_watch *w, int64_t (*fn)(void *arg, int64_t now), void *arg);
/* Sets an alarm, unless there is an earlier one. */
void ms_watch_kick(struct ms_watch *w, int64_t at);
/* True while nothing watched is more than slack ns beyond its deadline. */
bool ms_watch_healthy(struct ms_watch *w, int64_t slack);

#endif
