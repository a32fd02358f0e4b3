/* SPDX-License-Identifier: Apache-2.0 */
/* busy_poll.h - a transport's threads look again for a moment before they sleep, where that makes
 * answers come faster.
 *
 * To wake a sleeping thread costs 5 us on one machine and 50 us on another (a virtual processor
 * that went to sleep is woken by its host), at each change of threads. Whether looking again pays
 * depends on that, on the clients, and on who else wants the processors; so it is tried: while
 * bytes flow, short phases with and without take turns, and what moves more bytes in the same time
 * stays for a while. One for a front and the threads behind it. */
#ifndef MS_SERVER_BUSY_POLL_H
#define MS_SERVER_BUSY_POLL_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

enum { MS_BUSY_PAIRS = 3 }; /* phases without and with, of a trial */

struct ms_busy_poll {
    atomic_bool on;
    atomic_bool crowded;  /* somebody who computes wants the processor */
    atomic_llong held_up; /* when a yield that took long was over, monotonic ns; 0: none did */
    bool fixed;

    /* the trial; only the front's thread */
    int phase;                      /* even: without */
    int64_t begun, last;            /* of the phase; the last turn. Monotonic ns */
    uint64_t from;                  /* bytes moved when the phase began */
    int turns;                      /* in it */
    double rate[2 * MS_BUSY_PAIRS]; /* bytes a nanosecond */
    bool kept;                      /* what the last trial has decided */
    int64_t next, hold;             /* when the next one begins; how long its outcome stays */
};

/* allowed: false = never on. */
void ms_busy_poll_init(struct ms_busy_poll *b, bool allowed);
/* On the front's thread, after each of its turns: how many bytes it has moved in all. */
void ms_busy_poll_turn(struct ms_busy_poll *b, int64_t now, uint64_t moved);
/* Any of the threads, before it sleeps: calls look until it finds something (true), at most for 100
 * us. False at once where it is off; then nothing was looked at. */
bool ms_busy_poll(struct ms_busy_poll *b, bool (*look)(void *arg), void *arg);
/* A yield has taken long, from before to now. Once that may be the host's doing, which takes a
 * processor away for milliseconds; soon after another it is somebody who computes. */
void ms_busy_poll_yielded(struct ms_busy_poll *b, int64_t before, int64_t now);
/* How often the calling thread has found nothing: it has waited, though it did not sleep. */
long ms_busy_poll_waits(void);

#endif
