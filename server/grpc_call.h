/* SPDX-License-Identifier: Apache-2.0 */
/* grpc_call.h - what the parts of the gRPC transport share: the instance (grpc.c: queues, threads,
 * drain), its listeners (grpc_front.c) and the life of one call (grpc_call.c). */
#ifndef MS_SERVER_GRPC_CALL_H
#define MS_SERVER_GRPC_CALL_H

#include <grpc/grpc.h>
#include <pthread.h>

#include "server/busy_poll.h"
#include "server/server.h"
#include "server/transport.h"

enum ms_grpc_event {
    MS_GRPC_NEW,
    MS_GRPC_RECEIVED,
    MS_GRPC_CLOSED,
    MS_GRPC_SENT,
    MS_GRPC_ENDED,
    MS_GRPC_DOWN
};

struct ms_grpc_call;

/* What a completion queue hands back. Embedded in the call, one for each operation under way. */
struct ms_grpc_tag {
    enum ms_grpc_event event;
    struct ms_grpc_call *call;
    /* Set when the operation starts, read when it is done: orders the two for race detectors, which
     * do not see what the library does between. */
    atomic_uint started;
};

struct ms_grpc_thread {
    pthread_t id;
    grpc_completion_queue *cq;
    struct ms_busy_poll *poll;
    grpc_event event; /* while it looks */
};

struct ms_grpc_instance {
    struct ms_server *srv;
    struct ms_grpc_front *front; /* of the listeners; NULL: there are none */
    bool within;                 /* the library works on the front's thread */
    int looks;                   /* on that thread: how many in vain are still due */
    int owed;                    /* on that thread: slots to make when there is time */
    bool wrote;                  /* on that thread: something has been sent since it began */
    grpc_server *server;
    grpc_completion_queue **cq;
    struct ms_grpc_thread *thread; /* one a queue, unless within */
    int n_threads;
    struct ms_busy_poll poll;
    char (*address)[128];
    int n_address;
    atomic_int live;    /* calls whose memory exists */
    atomic_int streams; /* open streams that may still send */
    atomic_bool stopping;

    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct ms_grpc_tag down; /* of the server's shutdown; its call is NULL */
    bool shutdown_started, shutdown_done;
    struct ms_grpc_call *watched; /* calls that wait for their message, or for it to be taken */
    pthread_t janitor;
    bool has_janitor;
};

/* A slot for one more call on a queue; false when memory is out or the server is going down. */
bool ms_grpc_accept(struct ms_grpc_instance *t, grpc_completion_queue *cq);
/* Runs what an event means. On the thread of the call's queue. */
void ms_grpc_event(struct ms_grpc_tag *tag, bool ok);
/* Cancels calls whose message does not come (after 30 s, or 5 s while others wait for room) or
 * whose reply the peer does not take. */
void ms_grpc_reap(struct ms_grpc_instance *t);

/* Lets the library work and handles what it hands back, on the front's thread; see front.h. */
bool ms_grpc_run(struct ms_grpc_instance *t, int to_see);
/* After a call into the library, from any thread: what it has left for the queue is soon seen.
 * sends: what it has left for the peer, too. */
void ms_grpc_left(struct ms_grpc_instance *t, bool sends);

/* ---- grpc_front.c: the listeners ---- */

/* Binds one, HOST:PORT or unix:PATH; bound gets what it became. */
ms_code ms_grpc_front_bind(struct ms_grpc_instance *t, const char *addr, char bound[128],
                           struct ms_err *err);
/* Serves them, once the server runs. */
ms_code ms_grpc_front_start(struct ms_grpc_instance *t, struct ms_err *err);
/* Has it look at the queue; from any thread. False: it does not run. */
bool ms_grpc_front_wake(struct ms_grpc_instance *t);
/* No connection after this; those accepted are known to the server. */
void ms_grpc_front_quiesce(struct ms_grpc_instance *t);
/* When the server is down: last bytes out, closed, freed. */
void ms_grpc_front_stop(struct ms_grpc_instance *t);
/* Who is behind a call; name is the library's. */
void ms_grpc_peer(struct ms_grpc_instance *t, const char *name, struct ms_peer *out);

#endif
