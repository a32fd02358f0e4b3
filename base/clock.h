/* SPDX-License-Identifier: Apache-2.0 */
/* clock.h - time in nanoseconds. */
#ifndef MS_BASE_CLOCK_H
#define MS_BASE_CLOCK_H

#include <stdint.h>
#include <time.h>

#define MS_US INT64_C(1000)
#define MS_MS INT64_C(1000000)
#define MS_SEC INT64_C(1000000000)
/* A deadline that never comes. */
#define MS_NEVER INT64_MAX

int64_t ms_now(void);           /* monotonic, ns */
int64_t ms_wall(void);          /* since 1970, ns */
int64_t ms_cpu_time(void);      /* of the calling thread, ns */
int64_t ms_clock(clockid_t id); /* any clock, ns */
long ms_sleeps(void);           /* how often the calling thread has waited for something */

#endif
