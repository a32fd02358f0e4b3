/* SPDX-License-Identifier: Apache-2.0 */
/* health.h - who watches grpc.health.v1, and telling them. */
#ifndef MS_SERVER_HEALTH_H
#define MS_SERVER_HEALTH_H

#include "server/server.h"

struct ms_health;

struct ms_health *ms_health_new(void); /* NULL when memory is out */
void ms_health_free(struct ms_health *h);
/* Sends every watcher its service's status where that differs from what it was last told. */
void ms_health_changed(struct ms_server *srv);

#endif
