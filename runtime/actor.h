/* SPDX-License-Identifier: Apache-2.0 */
/* actor.h - steps of one run side by side. */
#ifndef MS_RUNTIME_ACTOR_H
#define MS_RUNTIME_ACTOR_H

struct ms_run;

/* Does all steps of a run whose plan has branches. */
void ms_actors_run(struct ms_run *r);

#endif
