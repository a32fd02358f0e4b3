/* SPDX-License-Identifier: Apache-2.0 */
/* manage.h - the store's threads: starting them, what is live at the start, stopping them. */
#ifndef MS_SERVER_MANAGE_H
#define MS_SERVER_MANAGE_H

#include "server/server.h"
#include "server/store.h"

/* Starts writer and loader, and loading what is live. st->loading is 0 when every model is loaded
 * or reported; the registry then holds READY and UNAVAILABLE entries. srv->engine, models and store
 * are set. */
ms_code ms_manage_start(struct ms_store *st, struct ms_server *srv, const struct ms_config *config,
                        struct ms_err *err) MS_WARN_UNUSED;
/* No new deploys; pushes that wait for bytes end with UNAVAILABLE, with cancel also loads under way
 * (soon). Any thread but the store's. */
void ms_manage_close(struct ms_store *st, bool cancel);
/* The same with cancel, then ends the threads. Transports must have stopped. */
void ms_manage_stop(struct ms_store *st);
/* From now on loads go by another configuration. Any thread; c outlives the store. */
void ms_manage_config(struct ms_store *st, const struct ms_config *c);

/* Models that the start has not settled yet. Any thread. */
int ms_manage_loading(struct ms_store *st);
/* Are all models marked `required` answering? Any thread. */
bool ms_manage_required_ready(struct ms_store *st);

/* A call that is worked on by the writer thread and answered from there: run() must end it (reply
 * or fail), at once or later. Any thread. */
void ms_manage_call(struct ms_call *c, void (*run)(struct ms_store *st, struct ms_call *c));

/* Triton's repository calls (see server.h). */
extern const struct ms_repo_ops ms_manage_repo;

#endif
