/* SPDX-License-Identifier: Apache-2.0 */
/* transport.h - a way in: gRPC C core or libmicrohttpd, behind four functions.
 *
 * Handlers never see which one carries a call. A transport decodes framing, admits by bytes, finds
 * the record, passes the one authorisation point (ms_call_begin) and runs the handler. */
#ifndef MS_SERVER_TRANSPORT_H
#define MS_SERVER_TRANSPORT_H

#include <pthread.h>
#include <stdatomic.h>

#include "server/rpc.h"

struct ms_transport; /* one running instance */

struct ms_transport_ops {
    const char *name; /* "grpc", "http", "metrics" */
    /* Binds every address ("127.0.0.1:8001", port 0 picks one; "unix:/path") and serves.
     * UNAVAILABLE when an address cannot be bound: the text names it. */
    ms_code (*listen)(struct ms_server *srv, const char *const *addr, int n,
                      struct ms_transport **out, struct ms_err *err);
    /* What address i became: "127.0.0.1:43211". */
    const char *(*address)(const struct ms_transport *t, int i);
    /* Takes no new connections, tells peers to go away, waits until what is in flight has been
     * answered or the deadline (monotonic ns) has come. */
    void (*drain)(struct ms_transport *t, int64_t deadline);
    /* Cuts off what is left, joins the threads, frees. Takes NULL. */
    void (*stop)(struct ms_transport *t);
};

extern const struct ms_transport_ops ms_transport_grpc;
extern const struct ms_transport_ops ms_transport_http;
extern const struct ms_transport_ops ms_transport_metrics; /* only GET /metrics */

/* ---- for transports ---- */

/* Prepares a zeroed call: arena, one reference, received time, id from header x-request-id. */
void ms_call_init(struct ms_call *c, struct ms_server *srv, const struct ms_call_ops *ops,
                  enum ms_wire wire);
/* The one authorisation point, after routing (c->rpc, c->param, c->peer set): role, then whether
 * the server takes such calls now (not started, draining). */
ms_code ms_call_begin(struct ms_call *c);
/* Runs the handler. */
void ms_call_handle(struct ms_call *c);
/* Marks the call as given up by its peer and tells the handler, unless the answer is on its way. */
void ms_call_cancel(struct ms_call *c);

/* One of *n is gone. The last one is counted out under the lock: who waits with it for *n to become
 * 0 may free lock and all afterwards. */
void ms_leave(atomic_int *n, pthread_mutex_t *lock, pthread_cond_t *changed);

/* Is the address loopback or a unix socket? Others are refused unless `insecure`. */
bool ms_address_local(const char *addr);

#endif
