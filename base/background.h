/* SPDX-License-Identifier: Apache-2.0 */
/* background.h - threads that compute when nobody else wants the processor, and yet do not starve.
 *
 * A thread that is merely nice keeps its processor until its time slice ends, a timer's tick or
 * more after somebody else woke up. One of SCHED_IDLE gives way at once, to every thread of every
 * process; but where all processors are busy it gets three parts in a thousand of one (sched(7):
 * its weight is 3, that of niceness 0 is 1024). So a thread of ordinary priority looks after them:
 * which of them wanted to run and got next to nothing is an ordinary thread for a while.
 *
 * Coming back from SCHED_IDLE needs CAP_SYS_NICE or RLIMIT_NICE (getrlimit(2)). A process that has
 * neither is only nice. */
#ifndef MS_BASE_BACKGROUND_H
#define MS_BASE_BACKGROUND_H

#include <stdbool.h>

#include "base/err.h"

struct ms_background;

/* Starts the thread that looks after the others. It sleeps while nothing has begun. */
ms_code ms_background_new(struct ms_background **out, struct ms_err *err) MS_WARN_UNUSED;
/* After the background threads have ended. Takes NULL. */
void ms_background_free(struct ms_background *b);
/* The calling thread, and every thread and process that it starts from now on, is a background one.
 * niceness: 1 to 19, what it has but while it starves; then it has that of who made b, if the
 * process may raise it. False: it is only nice, which also holds when b is NULL. */
bool ms_background_enter(struct ms_background *b, int niceness);
/* The calling thread is only nice from now on: for a child that nobody looks after. */
void ms_background_leave(void);
/* Work in background threads begins and ends; calls nest. Any thread, NULL allowed. */
void ms_background_begin(struct ms_background *b);
void ms_background_end(struct ms_background *b);

#endif
