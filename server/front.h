/* SPDX-License-Identifier: Apache-2.0 */
/* front.h - accepts connections, and relays what a guard has passed.
 *
 *     peer ── TCP or unix ── front: accept, limits, guard ── socket pair ── gRPC core or
 * libmicrohttpd
 *
 * One thread a front: no locks on the way of a byte. A server that can be driven from outside works
 * on that thread too, so that handing a request on wakes nobody. A transport owns its front. */
#ifndef MS_SERVER_FRONT_H
#define MS_SERVER_FRONT_H

#include <sys/socket.h>

#include "server/busy_poll.h"
#include "server/guard.h"
#include "server/server.h"

union ms_guard_state {
    struct ms_h2_guard h2;
    struct ms_http1_guard http1;
};

/* What a protocol brings. All are called on the front's thread. */
struct ms_front_protocol {
    const char *name; /* "grpc", "http" */
    int stats;        /* its place in arrays of MS_N_PROTOCOLS */
    /* A refused connection first gets what the server still has for it (HTTP/1: the answers to the
     * requests before), then the last words; else the last words at once. */
    bool answers_first;
    void (*init)(union ms_guard_state *s, int64_t now);
    /* See guard.h. *good: how many bytes may go on when the verdict is not MS_GUARD_OK. */
    enum ms_guard (*client)(union ms_guard_state *s, const uint8_t *p, size_t n, int64_t now,
                            size_t *good);
    enum ms_guard (*server)(union ms_guard_state *s, const uint8_t *p, size_t n, int64_t now);
    enum ms_guard (*late)(const union ms_guard_state *s, int64_t now, int64_t limit);
    /* Waits the peer for nothing? Then it does not hold up a drain. NULL: the server sees to it. */
    bool (*idle)(const union ms_guard_state *s);
    size_t (*last_words)(const union ms_guard_state *s, enum ms_guard why, uint8_t out[512]);
    /* Gives the server its end of the pair; takes fd, false = it could not be served. */
    bool (*attach)(void *owner, int fd, const struct sockaddr *peer, socklen_t len);
    /* Lets the server do what there is to do, without waiting; true: there is more, or something
     * waits in the pairs. to_see: how many pairs it should look at.
     * NULL: the server has threads of its own. */
    bool (*run)(void *owner, int to_see);
    /* Polls readable when there is something to do. NULL: no descriptor tells of what the server's
     * other threads have left for this one; it is asked after 1 ms of silence, after 2 ms ... */
    int (*run_fd)(void *owner);
    /* Stops the server, so that its last bytes can leave. NULL: it has been stopped before. */
    void (*end)(void *owner);
};

struct ms_front;

/* Serves the listening sockets, which it takes also when it fails. poll is the owner's, and
 * outlives the front. *out is set before the thread runs. */
ms_code ms_front_start(struct ms_server *srv, const struct ms_front_protocol *protocol, void *owner,
                       struct ms_busy_poll *poll, const int *listening, int n,
                       struct ms_front **out, struct ms_err *err);
/* From any thread: the server that runs on the front's has something to do that no descriptor
 * tells.
 */
void ms_front_wake(struct ms_front *f);
/* Returns when no connection is accepted any more and every accepted one has been attached. */
void ms_front_quiesce(struct ms_front *f);
/* Ends the server, or comes after it has closed its ends: sends what is still to be sent, at most
 * for a second, closes everything, joins the thread. Takes NULL. */
void ms_front_stop(struct ms_front *f);

/* How often the calling thread was brought one peer's bytes and nothing else: no other request came
 * while it was busy. -1: it is no front's. */
long ms_front_lone(void);

/* "127.0.0.1:4711" or "[::1]:4711"; "" for other families. */
void ms_sockaddr_text(const struct sockaddr *sa, char out[80]);

#endif
