/* SPDX-License-Identifier: Apache-2.0 */
/* actor.c - steps of one run side by side. */
#include "runtime/actor.h"

#include "runtime/run.h"

void ms_actors_run(struct ms_run *r)
{
    for (int s = 0; s < r->plan->n_steps && !ms_run_stopped(r); s++)
        ms_run_step(r, &r->plan->step[s], r->width, r->scratch);
}
