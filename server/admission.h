/* SPDX-License-Identifier: Apache-2.0 */
/* admission.h - how many bytes of requests the process holds, bounded before they are read.
 *
 * A transport reserves before it reads and gives back when the call has ended. gRPC learns a
 * message's size only by reading it: it reserves the message limit, reads, and gives back what was
 * too much; when there is no room the call waits in line (HTTP/2 flow control holds the sender). */
#ifndef MS_SERVER_ADMISSION_H
#define MS_SERVER_ADMISSION_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

/* One waiting call; embedded in it. */
struct ms_admission_wait {
    struct ms_admission_wait *prev, *next;
    size_t bytes;
    bool queued;
    void (*ready)(
        struct ms_admission_wait *w); /* bytes are reserved now; any thread, no lock held */
};

struct ms_admission {
    size_t limit;
    atomic_size_t used;
    atomic_int waiting;
    pthread_mutex_t lock;
    struct ms_admission_wait *first, *last;
};

void ms_admission_init(struct ms_admission *a, size_t limit);
void ms_admission_done(struct ms_admission *a);

/* Takes bytes at once, or not. Up to 1 MiB may overtake those who wait, out of a reserve of an
 * eighth of the limit; more never does. */
bool ms_admission_try(struct ms_admission *a, size_t bytes);
/* Takes bytes (true), or queues w, whose ready() is called when they are taken (false). */
bool ms_admission_wait(struct ms_admission *a, struct ms_admission_wait *w, size_t bytes);
/* Leaves the line; false if w is not in it (ready was or is being called). */
bool ms_admission_leave(struct ms_admission *a, struct ms_admission_wait *w);
void ms_admission_give(struct ms_admission *a, size_t bytes);

#endif
