/* SPDX-License-Identifier: Apache-2.0 */
/* http_call.h - what the parts of the HTTP transport share: the instance (http.c: sockets, reaper,
 * drain), the life of one call (http_call.c) and the framing checks (http_check.c). */
#ifndef MS_SERVER_HTTP_CALL_H
#define MS_SERVER_HTTP_CALL_H

#include <microhttpd.h>
#include <pthread.h>

#include "server/busy_poll.h"
#include "server/server.h"
#include "server/transport.h"

enum { MS_HTTP_CHUNK = 64 << 10 };
enum { MS_HTTP_POOL = 32 << 10 }; /* of a connection; cleared by the library after each request */

struct ms_http_instance {
    struct ms_server *srv;
    struct ms_front *front;
    struct ms_busy_poll poll;
    struct MHD_Daemon *daemon;
    bool within;      /* it works on the front's thread */
    int listening[4]; /* until the front has them */
    char (*address)[128];
    int n;
    atomic_int coming;     /* connections on their way from the front to the library */
    atomic_llong last_one; /* when the last one came, ns */
    atomic_int live;       /* calls between their first line and their end */
    atomic_int parked;     /* suspended connections */
    atomic_bool closing;   /* replies say Connection: close */
    atomic_bool stopping;
    pthread_mutex_t lock;
    pthread_cond_t changed;     /* a call has gone */
    pthread_cond_t stopped;     /* the reaper's; by itself, since calls go often */
    struct ms_http_conn *conns; /* all open connections */
    pthread_t reaper;
    bool has_reaper;
};

enum ms_http_phase { MS_HTTP_HEAD, MS_HTTP_BODY, MS_HTTP_WORK };

/* One connection; what the reaper looks at. Guarded by the instance's lock where shared. */
struct ms_http_conn {
    struct ms_http_conn *prev, *next;
    struct ms_http_instance *t;
    struct MHD_Connection *mhd;
    int fd;
    struct ms_peer peer;
    enum ms_http_phase phase;
    bool used;                 /* has had a request */
    int64_t since;             /* when the phase began, ns */
    int64_t head_limit;        /* how long this head may take, ns */
    uint64_t body;             /* bytes of the body so far */
    struct ms_http_call *call; /* in WORK; NULL while it must not be cancelled from outside */
};

struct ms_http_call {
    struct ms_call base;
    struct ms_http_instance *t;
    struct ms_http_conn *conn;
    struct MHD_Connection *mhd;
    char *uri;                    /* raw, as sent */
    bool checked, begun, refused; /* first call seen; handler may run; answer is fixed */
    bool close;                   /* the connection ends with this answer */
    bool discard;                 /* the rest of the body is thrown away before the answer */
    const char *allow;

    uint8_t *buf; /* body under way */
    size_t len, cap;
    struct ms_bytes body;
    uint64_t discarded;

    pthread_mutex_t lock;
    bool parked;      /* the connection is suspended */
    bool answered;    /* end() was called */
    bool want;        /* streamed body: the handler has asked for a piece */
    bool half_closed; /* streamed body: the handler knows of its end */
    bool paused;      /* streamed body: the connection waited for the handler */
};

/* MHD's callbacks. cls is the instance. */
void *ms_http_uri(void *cls, const char *uri, struct MHD_Connection *mhd);
enum MHD_Result ms_http_access(void *cls, struct MHD_Connection *mhd, const char *url,
                               const char *method, const char *version, const char *upload,
                               size_t *upload_size, void **con_cls);
void ms_http_completed(void *cls, struct MHD_Connection *mhd, void **con_cls,
                       enum MHD_RequestTerminationCode how);

/* http_check.c: what libmicrohttpd lets through and must not be. INVALID_ARGUMENT with one line. */
ms_code ms_http_check(struct MHD_Connection *mhd, const char *method, const char *uri,
                      const char *version, struct ms_err *err);

/* Stops the work for a call in phase WORK: cancels it, or wakes its connection so that it is. */
void ms_http_interrupt(struct ms_http_call *h);
void ms_http_phase(struct ms_http_conn *conn, enum ms_http_phase phase, struct ms_http_call *call);

#endif
