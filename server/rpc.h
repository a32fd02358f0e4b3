/* SPDX-License-Identifier: Apache-2.0 */
/* rpc.h - one call, and the record that says how a call is reached and handled.
 *
 * A handler serves gRPC and REST alike. It runs on a transport thread and never waits for disk or
 * compute: it decodes, hands on, returns, and answers later from whatever thread has the result.
 *
 *   static void handle(struct ms_call *c)
 *   {
 *       Mindserve__V1__RollbackRequest *req = ms_call_decode(c,
 * &mindserve__v1__rollback_request__descriptor); if (!req) return ms_call_fail(c);           //
 * c->err says why
 *       ...
 *       ms_call_reply_msg(c, &reply.base);
 *   }
 *
 *   const struct ms_rpc ms_rpc_rollback = {
 *       .grpc = "/mindserve.v1.Models/Rollback",
 *       .rest = {"POST /v2/repository/models/{name}/rollback"},
 *       .role = MS_ROLE_DEPLOY,
 *       .help = "make the previous good version of a model answer again",
 *       .handle = handle,
 *   };
 *
 * and one line in rpc.c's table. Path parameters are named after the fields of the request message:
 * ms_call_decode() fills them in.
 *
 * Rules for threads and lifetimes
 *   - handle, message, half_close and cancel of one call never run at the same time.
 *   - ms_call_reply*, ms_call_fail, ms_call_send and ms_call_read may be called from any thread.
 *   - Exactly one reply or fail ends a call. After it the handler must not touch the call, unless
 * it holds a reference of its own (ms_call_ref).
 *   - `release` runs when nobody uses the call any more, just before its arena is freed. */
#ifndef MS_SERVER_RPC_H
#define MS_SERVER_RPC_H

#include <protobuf-c/protobuf-c.h>
#include <stdatomic.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/bytes.h"
#include "base/err.h"
#include "server/authz.h"

struct ms_server;
struct ms_call;

enum ms_rpc_flags {
    /* gRPC: a stream in either direction. handle() starts it; ms_call_read asks for each message.
     */
    MS_RPC_STREAM = 1,
    /* REST: the body is not collected; ms_call_read asks for each piece, as it arrives. */
    MS_RPC_STREAM_BODY = 2,
    /* The request may be as large as the configured message limit; without it, 1 MiB. */
    MS_RPC_LARGE = 4,
    /* Answers while the server is draining or not ready yet (health, metadata, control). */
    MS_RPC_ALWAYS = 8,
};

struct ms_rpc {
    const char *grpc;    /* "/inference.GRPCInferenceService/ModelInfer"; NULL: REST only */
    const char *rest[8]; /* "POST /v2/models/{model_name}/infer"; none: gRPC only */
    const char *help;    /* one line, no full stop */
    enum ms_role role;
    unsigned flags;
    /* Unary: the whole request is in c->body. Streams: nothing has been read yet. */
    void (*handle)(struct ms_call *c);
    /* Streams: one message (gRPC) or piece of the body (REST, up to 64 KiB). The bytes stay until
     * the next ms_call_read or the end of the call. */
    void (*message)(struct ms_call *c, struct ms_bytes msg);
    /* Streams: the peer will send no more. May be NULL. The call still wants its reply or fail. */
    void (*half_close)(struct ms_call *c);
    /* The peer is gone or its deadline has passed before the answer. Stop working on it, but still
     * end the call with ms_call_fail (nothing is sent). May be NULL for calls that answer at once.
     */
    void (*cancel)(struct ms_call *c);
    /* Drops what c->user holds. May be NULL. */
    void (*release)(struct ms_call *c);
};

enum ms_wire { MS_WIRE_PROTO, MS_WIRE_JSON };

struct ms_param {
    const char *name, *value; /* decoded, NUL terminated, no control bytes */
};

enum { MS_MAX_PARAMS = 4, MS_MAX_REPLY_HEADERS = 8 };

/* What a transport does for a call; handlers use the functions below. */
struct ms_call_ops {
    const char *protocol; /* "grpc", "http": label in metrics and logs */
    const char *(*header)(struct ms_call *c, const char *name);
    void (*end)(struct ms_call *c); /* send c->reply (or c->err) and finish */
    bool (*send)(struct ms_call *c, const struct ms_bytes *part, int n);
    void (*read)(struct ms_call *c);
    void (*destroy)(struct ms_call *c); /* frees the transport's struct around the call */
};

struct ms_call {
    struct ms_server *srv;
    const struct ms_rpc *rpc;
    const struct ms_call_ops *ops;
    struct ms_arena arena; /* everything that lives as long as the call */
    enum ms_wire wire;     /* protobuf (gRPC) or JSON (REST) */
    struct ms_peer peer;

    const struct ms_bytes *body; /* the request in n_body pieces; stays until the call's end */
    int n_body;
    size_t body_len;
    int64_t content_length; /* REST: as announced, -1 if chunked; gRPC: -1 */

    struct ms_param param[MS_MAX_PARAMS];
    int n_param;

    char id[65];      /* x-request-id of the caller or one made here; echoed */
    int64_t received; /* monotonic ns */
    int64_t deadline; /* monotonic ns, MS_NEVER */

    struct ms_err err; /* where handlers put why */
    const char *model; /* for the log line; may be NULL */
    void *user;        /* the handler's own */
    atomic_bool cancelled;

    struct {
        const struct ms_bytes *part;
        int n;
        int status;               /* HTTP; 0 = 200 */
        const char *content_type; /* HTTP; NULL = application/json */
        struct {
            const char *name, *value;
        } header[MS_MAX_REPLY_HEADERS];
        int n_header;
        bool failed; /* c->err is the answer */
    } reply;

    int index;      /* of rpc in ms_rpcs: its cell in the statistics; -1 before routing */
    bool handled;   /* the handler has been entered: it ends the call */
    bool counted;   /* in srv->in_flight */
    size_t charged; /* bytes of srv->admission that this call holds; given back at its end */
    size_t prepaid; /* of these, not yet spent: room for the request in its decoded form */
    atomic_int refs;
    atomic_bool ended;
};

/* ---- asking ---- */

/* The request as one run of bytes (joined in the arena if it came in pieces). */
ms_code ms_call_body(struct ms_call *c, struct ms_bytes *out);
/* The request as a message in the call's arena: unpacked (gRPC) or read from JSON (REST; an empty
 * body is an empty message), path parameters filled into the fields of their names. NULL: c->err.
 */
void *ms_call_decode(struct ms_call *c, const ProtobufCMessageDescriptor *d);
/* The same from the given bytes, for messages of a stream. */
void *ms_call_unpack(struct ms_call *c, const ProtobufCMessageDescriptor *d, struct ms_bytes msg);
/* A path parameter; "" if the route has none of that name. */
const char *ms_call_param(const struct ms_call *c, const char *name);
/* A request header (HTTP) or ASCII metadata (gRPC) by lower-case name; NULL if absent. */
const char *ms_call_header(struct ms_call *c, const char *name);

/* ---- answering ---- */

/* The answer in the call's wire form. The pieces must live until the call's end (arena, or held by
 * c->user); n 0 = an empty message. On a gRPC stream it is the last message, n 0 = none. */
void ms_call_reply(struct ms_call *c, const struct ms_bytes *part, int n);
/* A message: packed (gRPC) or as JSON (REST). */
void ms_call_reply_msg(struct ms_call *c, const ProtobufCMessage *m);
/* An empty message; an HTTP reply with no body. */
void ms_call_reply_empty(struct ms_call *c);
/* JSON text of a buffer (REST handlers). Copied. */
struct ms_buf;
void ms_call_reply_json(struct ms_call *c, const struct ms_buf *b);
/* c->err as gRPC status, or HTTP status with {"error": text}. Logs the one line. */
void ms_call_fail(struct ms_call *c);
/* Before the reply: HTTP status of success (201, 204 ...), a header (both are copied). */
void ms_call_status(struct ms_call *c, int http_status);
void ms_call_set_header(struct ms_call *c, const char *name, const char *value);

/* ---- streams ---- */

/* Asks for the next message or piece: `message` or `half_close` follows. At most one is under way.
 */
void ms_call_read(struct ms_call *c);
/* Sends a message before the end (copied). False when too many wait to be sent or the peer is gone.
 * REST calls with a streamed body take no messages: true and dropped. */
bool ms_call_send(struct ms_call *c, const struct ms_bytes *part, int n);
bool ms_call_send_msg(struct ms_call *c, const ProtobufCMessage *m);

/* ---- lifetime ---- */

/* May this call hold so many more bytes? Counted until its end. */
bool ms_call_charge(struct ms_call *c, size_t bytes);
struct ms_call *ms_call_ref(struct ms_call *c);
void ms_call_unref(struct ms_call *c);

/* ---- the table (rpc.c) ---- */

extern const struct ms_rpc *const ms_rpcs[]; /* ends with NULL */

int ms_rpc_count(void);

/* routes.c. Compiles the patterns of all records; NULL when memory is out. */
struct ms_routes *ms_routes_new(void);
void ms_routes_free(struct ms_routes *r);
/* Fills c->rpc by a gRPC method name; UNIMPLEMENTED if there is none. */
ms_code ms_route_grpc(struct ms_call *c, struct ms_bytes method);
/* Fills c->rpc and c->param by a verb and a raw path (no query). NOT_FOUND, or INVALID_ARGUMENT
 * with MS_REASON_BAD_METHOD for another verb (*allow then lists what is allowed, in the call's
 * arena), or INVALID_ARGUMENT for a path that no HTTP client should send. */
ms_code ms_route_rest(struct ms_call *c, const char *verb, struct ms_bytes path,
                      const char **allow);

#endif
