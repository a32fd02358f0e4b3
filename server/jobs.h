/* SPDX-License-Identifier: Apache-2.0 */
/* jobs.h - a thread that does one thing after another.
 *
 * The store has two: the writer owns the files and the database, the loader reads and optimises
 * models at a lower priority. Jobs are embedded in what they work for, so posting one allocates
 * nothing and cannot fail. */
#ifndef MS_SERVER_JOBS_H
#define MS_SERVER_JOBS_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/background.h"
#include "base/err.h"

struct ms_job {
    void (*run)(struct ms_job *j); /* may free what the job is in */
    struct ms_job *next;
    int64_t when; /* of ms_jobs_post_at */
};

struct ms_jobs;

/* Starts the thread, with niceness 1 to 19 in the background (base/background.h; NULL: only nice),
 * with 0 like any other. tick (may be NULL) is called about every tick_ns between jobs. background
 * outlives the queue. */
ms_code ms_jobs_new(const char *name, struct ms_background *background, int niceness,
                    int64_t tick_ns, void (*tick)(void *arg), void *arg, struct ms_jobs **out,
                    struct ms_err *err) MS_WARN_UNUSED;
/* Does what is queued, then ends the thread. Takes NULL. */
void ms_jobs_free(struct ms_jobs *q);
/* Waits until what is queued now has been done. Not from the thread itself. */
void ms_jobs_flush(struct ms_jobs *q);
/* Any thread. A job may be posted again once it runs, not before. */
void ms_jobs_post(struct ms_jobs *q, struct ms_job *j);
/* The same, not before that moment (monotonic ns); at once when the thread is to end. For few jobs
 * at a time: they wait in a sorted list. */
void ms_jobs_post_at(struct ms_jobs *q, struct ms_job *j, int64_t when);
/* Grows while the thread makes progress or has nothing to do: for the watchdog. A job that takes
 * long calls ms_jobs_alive now and then. */
unsigned long ms_jobs_beat(struct ms_jobs *q);
void ms_jobs_alive(struct ms_jobs *q);

#endif
