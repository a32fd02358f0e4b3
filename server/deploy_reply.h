/* SPDX-License-Identifier: Apache-2.0 */
/* deploy_reply.h - what a deploy tells its caller at the end. */
#ifndef MS_SERVER_DEPLOY_REPLY_H
#define MS_SERVER_DEPLOY_REPLY_H

#include "server/deploy.h"
#include "server/rpc.h"

/* In the deploy's arena; NULL when memory is out. */
Mindserve__V1__Deployed *ms_deployed_msg(struct ms_deploy *d);

/* done() of calls that wait for nothing but the end: answers d->arg (a call, whose reference it
 * drops) with Deployed, and with status 201 in HTTP when a version was made. */
void ms_deploy_reply(struct ms_deploy *d, ms_code code);
/* A front with that and, for a manifest whose files are not all there, FAILED_PRECONDITION. */
extern const struct ms_deploy_front ms_deploy_waiting;

#endif
