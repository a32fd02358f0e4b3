/* SPDX-License-Identifier: Apache-2.0 */
/* deploy_steps.h - steps of a deploy that lie in files of their own. Private to deploy*.c. */
#ifndef MS_SERVER_DEPLOY_STEPS_H
#define MS_SERVER_DEPLOY_STEPS_H

#include "server/deploy.h"

/* Writer thread: decides version, whether anything is to be done (d->unchanged), and which files
 * are missing. */
ms_code ms_deploy_plan(struct ms_deploy *d) MS_WARN_UNUSED;
/* Where a missing file goes on. */
int64_t ms_deploy_offset(struct ms_deploy *d, int file);

/* Loader thread: maps, verifies, loads; posts loaded_job. */
void ms_deploy_load(struct ms_job *j);

/* Writer thread: the version shows as LOADING, unless it serves already. */
void ms_deploy_register(struct ms_deploy *d);
/* ... as UNAVAILABLE with a reason, or not at all (NULL). */
void ms_deploy_unregister(struct ms_deploy *d, const char *reason);
/* The swap: d->model answers to its name, other versions drain. */
ms_code ms_deploy_publish(struct ms_deploy *d) MS_WARN_UNUSED;
/* Is a version loaded and the one that answers to the bare name? */
bool ms_deploy_serves(struct ms_store *st, const char *name, int64_t version);
/* Start: loads the previous version of a name whose live one cannot be. */
void ms_deploy_stand_in(struct ms_store *st, const char *name);
/* One model of the start is settled. */
void ms_deploy_resumed(struct ms_store *st);

#endif
