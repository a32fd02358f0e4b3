/* SPDX-License-Identifier: Apache-2.0 */
/* rpc_health.c - grpc.health.v1: Check, and Watch for those who want to be told.
 *
 * A watcher is a call held by reference in a list. Whoever takes it out of the list ends it: its
 * peer's cancel, or the server when it drains. */
#include <string.h>

#include "base/mem.h"
#include "proto/health.pb-c.h"
#include "server/health.h"

typedef Grpc__Health__V1__HealthCheckResponse__ServingStatus status;

#define SERVING GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__SERVING_STATUS__SERVING
#define NOT_SERVING GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__SERVING_STATUS__NOT_SERVING
#define UNKNOWN_SERVICE GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__SERVING_STATUS__SERVICE_UNKNOWN

struct watcher {
    struct watcher *next;
    struct ms_call *c;
    const char *service;
    int told; /* status sent last; -1 none */
};

struct ms_health {
    pthread_mutex_t lock;
    struct watcher *first;
};

struct ms_health *ms_health_new(void)
{
    struct ms_health *h = ms_calloc(1, sizeof *h);

    if (h)
        pthread_mutex_init(&h->lock, NULL);
    return h;
}

void ms_health_free(struct ms_health *h)
{
    if (!h)
        return;
    pthread_mutex_destroy(&h->lock);
    ms_free(h);
}

/* The server, its services, or a model by its name. */
static status status_of(struct ms_server *srv, const char *service)
{
    static const char *const services[] = {"", "inference.GRPCInferenceService",
                                           "mindserve.v1.Models", "mindserve.v1.Admin"};
    struct ms_model *m;
    struct ms_err err;

    for (size_t i = 0; i < sizeof services / sizeof *services; i++)
        if (strcmp(service, services[i]) == 0)
            return ms_server_ready(srv) ? SERVING : NOT_SERVING;
    ms_code code = srv->models ? ms_registry_get(srv->models, service, "", &m, &err) : MS_NOT_FOUND;
    if (code == MS_NOT_FOUND)
        return UNKNOWN_SERVICE;
    if (code != MS_OK)
        return NOT_SERVING;
    ms_model_unref(m);
    return ms_server_ready(srv) ? SERVING : NOT_SERVING;
}

/* ---- Check ---- */

static void check(struct ms_call *c)
{
    Grpc__Health__V1__HealthCheckRequest *req =
        ms_call_decode(c, &grpc__health__v1__health_check_request__descriptor);
    Grpc__Health__V1__HealthCheckResponse m = GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__INIT;

    if (!req) {
        ms_call_fail(c);
        return;
    }
    m.status = status_of(c->srv, req->service);
    if (m.status == UNKNOWN_SERVICE) {
        ms_fail(&c->err, MS_NOT_FOUND, "unknown service '%.100s'", req->service);
        ms_call_fail(c);
        return;
    }
    ms_call_reply_msg(c, &m.base);
}

const struct ms_rpc ms_rpc_health_check = {
    .grpc = "/grpc.health.v1.Health/Check",
    .help = "gRPC's standard health question",
    .flags = MS_RPC_ALWAYS,
    .handle = check,
};

/* ---- Watch ---- */

static void tell(struct watcher *w) /* lock held */
{
    Grpc__Health__V1__HealthCheckResponse m = GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__INIT;
    status now = status_of(w->c->srv, w->service);

    if ((int)now == w->told)
        return;
    m.status = now;
    w->told = (int)now;
    ms_call_send_msg(w->c, &m.base);
}

void ms_health_changed(struct ms_server *srv)
{
    struct ms_health *h = srv->health;
    struct watcher *ended = NULL;

    pthread_mutex_lock(&h->lock);
    for (struct watcher *w = h->first; w; w = w->next)
        tell(w);
    if (atomic_load(&srv->state) == MS_SERVER_DRAINING) {
        ended = h->first;
        h->first = NULL;
    }
    pthread_mutex_unlock(&h->lock);
    while (ended) {
        struct ms_call *c = ended->c;
        ended = ended->next;
        ms_fail(&c->err, MS_UNAVAILABLE, "the server is shutting down");
        ms_call_fail(c);
        ms_call_unref(c);
    }
}

static void watch(struct ms_call *c)
{
    ms_call_read(c);
}

static void watch_message(struct ms_call *c, struct ms_bytes msg)
{
    Grpc__Health__V1__HealthCheckRequest *req =
        ms_call_unpack(c, &grpc__health__v1__health_check_request__descriptor, msg);
    struct ms_health *h = c->srv->health;
    struct watcher *w = ms_arena_alloc(&c->arena, sizeof *w);

    if (!req || !w || c->user) {
        ms_fail(&c->err, MS_INVALID_ARGUMENT, "one request is wanted");
        ms_call_fail(c);
        return;
    }
    *w = (struct watcher){.c = ms_call_ref(c), .service = req->service, .told = -1};
    c->user = w;
    pthread_mutex_lock(&h->lock);
    w->next = h->first;
    h->first = w;
    tell(w);
    pthread_mutex_unlock(&h->lock);
    ms_call_read(c); /* so that the peer's half-close frees its place among the sending streams */
}

static void watch_half_close(struct ms_call *c)
{
    if (c->user)
        return; /* it listens on */
    ms_fail(&c->err, MS_INVALID_ARGUMENT, "the call brought no request");
    ms_call_fail(c);
}

static void watch_cancel(struct ms_call *c)
{
    struct ms_health *h = c->srv->health;
    struct watcher *w = c->user;
    bool mine = false;

    pthread_mutex_lock(&h->lock);
    for (struct watcher **p = &h->first; w && *p; p = &(*p)->next)
        if (*p == w) {
            *p = w->next;
            mine = true;
            break;
        }
    pthread_mutex_unlock(&h->lock);
    if (w && !mine)
        return; /* drain ends it */
    ms_fail(&c->err, MS_CANCELLED, "cancelled by the caller");
    ms_call_fail(c);
    if (w)
        ms_call_unref(c);
}

const struct ms_rpc ms_rpc_health_watch = {
    .grpc = "/grpc.health.v1.Health/Watch",
    .help = "be told whenever the health status changes",
    .flags = MS_RPC_ALWAYS | MS_RPC_STREAM,
    .handle = watch,
    .message = watch_message,
    .half_close = watch_half_close,
    .cancel = watch_cancel,
};
