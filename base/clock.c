/* SPDX-License-Identifier: Apache-2.0 */
/* clock.c - time in nanoseconds. */
#include "base/clock.h"

#include <sys/resource.h>

int64_t ms_clock(clockid_t id)
{
    struct timespec t;

    clock_gettime(id, &t);
    return (int64_t)t.tv_sec * MS_SEC + t.tv_nsec;
}

int64_t ms_now(void)
{
    return ms_clock(CLOCK_MONOTONIC);
}

int64_t ms_wall(void)
{
    return ms_clock(CLOCK_REALTIME);
}

int64_t ms_cpu_time(void)
{
    return ms_clock(CLOCK_THREAD_CPUTIME_ID);
}

long ms_sleeps(void)
{
    struct rusage u;

    return getrusage(RUSAGE_THREAD, &u) == 0 ? u.ru_nvcsw : 0;
}
