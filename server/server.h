/* SPDX-License-Identifier: Apache-2.0 */
/* server.h - what the whole process shares; passed to everything, owned by main. */
#ifndef MS_SERVER_SERVER_H
#define MS_SERVER_SERVER_H

#include <pthread.h>
#include <stdatomic.h>

#include "base/clock.h"
#include "runtime/engine.h"
#include "runtime/registry.h"
#include "server/admission.h"
#include "server/rpc.h"

struct ms_store;
struct ms_config;

struct ms_server_opts {
    const char *name;       /* of the server, in metadata: "mindserve" */
    const char *version;    /* "0.1.0" */
    size_t max_message;     /* bytes of a unary request: 64 MiB */
    size_t receive_budget;  /* bytes of requests being received or held: 512 MiB */
    int max_connections;    /* of the HTTP listener: 1000 */
    int max_per_address;    /* connections: 200 */
    int max_streams;        /* open gRPC streams that may still send: 32 */
    int grpc_threads;       /* 0 = by CPU */
    int http_threads;       /* 0 = by CPU */
    int64_t header_timeout; /* ns for a request's head: 10 s */
    int64_t idle_timeout;   /* ns of a kept connection: 75 s */
    int64_t stall_timeout;  /* ns a write may make no progress: 30 s */
    int max_requests;       /* calls in flight: 4096 */
    int max_tensors;        /* inputs, and outputs asked for, of a request: 1024 */
    int max_rank;           /* dimensions of a tensor: 8 */
    int json_depth;         /* nesting of a JSON body: 64 */
    int64_t body_min_rate;  /* bytes a second a body must come at: 1024 */
    bool busy_poll;         /* transports may look again before they sleep: false */
    bool insecure;          /* bind other than loopback without TLS and tokens */
    bool triton_metrics;    /* nv_inference_* too: true */
};
/* The defaults above. */
void ms_server_opts_init(struct ms_server_opts *o);

enum ms_server_state {
    MS_SERVER_STARTING,
    MS_SERVER_READY,
    MS_SERVER_LEAVING,  /* the drain delay: not ready any more, still serving */
    MS_SERVER_DRAINING, /* new calls are refused (UNAVAILABLE), running ones finish */
};

/* Parameters of a repository load call (Triton's model_repository extension). */
struct ms_repo_load {
    const char *model;
    const char *config;          /* JSON text of parameter "config"; NULL = none */
    const char *const *path;     /* "1/model.onnx" of parameters "file:..."; in the call's arena */
    const struct ms_bytes *file; /* decoded contents; live until the call's end */
    int n_files;
};

/* Filled by the store. Each answers the call, at once or later (ms_call_reply_empty or
 * ms_call_fail; texts of failed loads start with "failed to load"). */
struct ms_repo_ops {
    void (*load)(struct ms_call *c, const struct ms_repo_load *l);
    void (*unload)(struct ms_call *c, const char *model);
};

struct ms_server {
    struct ms_server_opts opts;
    struct ms_engine *engine;
    struct ms_registry *models;
    struct ms_store *store;         /* NULL: none (tests) */
    const struct ms_repo_ops *repo; /* NULL: load and unload are UNIMPLEMENTED */
    const struct ms_config *config; /* may be NULL (tests) */
    struct ms_admission admission;  /* bytes of requests */
    struct ms_server_stats *stats;  /* see metrics.h */
    struct ms_routes *routes;       /* REST patterns, compiled by ms_server_init */
    struct ms_health *health;       /* watchers of grpc.health.v1 */
    atomic_int state;               /* enum ms_server_state */
    atomic_bool read_only;          /* the store cannot write: deploys are UNAVAILABLE */
    atomic_int in_flight;           /* calls that were begun and not yet ended */
    int64_t started;                /* monotonic ns */
    _Atomic int64_t serving;        /* monotonic ns about which a request to infer came last */
    void (*collect)(struct ms_server *srv, struct ms_buf *out); /* more metrics text; may be NULL */
    struct {
        char http[128], grpc[128], metrics[128];
    } address; /* what the listeners were bound to; "" = off */
};

/* Prepares admission, statistics and health; engine, models and the rest are set by the caller. */
ms_code ms_server_init(struct ms_server *s, const struct ms_server_opts *o, struct ms_err *err);
void ms_server_done(struct ms_server *s);
/* Readiness for every protocol; tells health watchers. */
void ms_server_set_state(struct ms_server *s, enum ms_server_state state);
bool ms_server_ready(const struct ms_server *s);
/* To be called when a model came or went: health watchers of its name are told. */
void ms_server_models_changed(struct ms_server *s);

#endif
