/* SPDX-License-Identifier: Apache-2.0 */
/* pace.c - when the next piece of a push is asked for. */
#include "server/pace.h"

#include "base/clock.h"
#include "server/server.h"

enum { PARTS = 2 }; /* of the time, one is a push's while others are served */

#define SERVING_FOR (100 * MS_MS)
#define SERVING_STEP (10 * MS_MS)
#define PAUSE_MAX (20 * MS_MS)

void ms_pace_serving(struct ms_server *s, int64_t now)
{
    /* Read by every request, so it is written seldom. */
    if (now - atomic_load_explicit(&s->serving, memory_order_relaxed) > SERVING_STEP)
        atomic_store_explicit(&s->serving, now, memory_order_relaxed);
}

void ms_pace_arrived(struct ms_pace *p)
{
    p->arrived = ms_now();
}

bool ms_pace_next(struct ms_pace *p, struct ms_server *s, struct ms_jobs *q)
{
    int64_t now = ms_now(), when = now;

    if (now - atomic_load_explicit(&s->serving, memory_order_relaxed) < SERVING_FOR && p->arrived) {
        when = p->asked + PARTS * (now - p->arrived);
        when = when < now + PAUSE_MAX ? when : now + PAUSE_MAX;
    }
    p->asked = when > now ? when : now;
    if (when <= now)
        return true;
    ms_jobs_post_at(q, &p->job, when);
    return false;
}
