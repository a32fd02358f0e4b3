/* SPDX-License-Identifier: Apache-2.0 */
/* remote.h - models that run in a daemon: a gRPC channel and the calls over it.
 *
 * The C core is used directly, one completion queue a call, so that any number of threads may call.
 * Before a call the channel is waited for: that tells a server that cannot be reached from one that
 * answers UNAVAILABLE. */
#ifndef MS_CLIENT_REMOTE_H
#define MS_CLIENT_REMOTE_H

#include <grpc/grpc.h>
#include <protobuf-c/protobuf-c.h>

#include "client/client.h"

struct ms_remote {
    struct mindserve base;
    grpc_channel *channel;
    char *server;        /* as the caller named it */
    char *authorization; /* "Bearer ...", or NULL */
    int64_t connect_ms;
};

static inline struct ms_remote *ms_remote(struct mindserve *ms)
{
    return (struct ms_remote *)ms;
}

/* ---- calls: remote_call.c ---- */

/* One piece of a message; borrowed until the call is over. */
struct ms_piece {
    const void *data;
    size_t len;
};

/* One request, one reply. timeout_ms 0 = none. *reply is the caller's (grpc_byte_buffer_destroy).
 */
ms_code ms_remote_unary(struct ms_remote *r, const char *method, const struct ms_piece *piece,
                        size_t n, int64_t timeout_ms, grpc_byte_buffer **reply,
                        struct ms_err *err) MS_WARN_UNUSED;
/* The same with protobuf-c messages; the reply lives in the arena. */
ms_code ms_remote_ask(struct ms_remote *r, const char *method, const ProtobufCMessage *request,
                      const ProtobufCMessageDescriptor *descriptor, int64_t timeout_ms,
                      struct ms_arena *a, void **reply, struct ms_err *err) MS_WARN_UNUSED;
/* The bytes of a received message in an arena. */
ms_code ms_remote_bytes(grpc_byte_buffer *b, struct ms_arena *a, struct ms_bytes *out,
                        struct ms_err *err) MS_WARN_UNUSED;
ms_code ms_remote_unpack(struct ms_bytes in, const ProtobufCMessageDescriptor *d,
                         struct ms_arena *a, void **out, struct ms_err *err) MS_WARN_UNUSED;
/* A message of pieces; NULL when there is none to make. Large pieces are not copied. */
grpc_byte_buffer *ms_remote_message(const struct ms_piece *piece, size_t n);
/* Waits until the channel is ready, at most connect_ms. */
ms_code ms_remote_connect(struct ms_remote *r, struct ms_err *err) MS_WARN_UNUSED;
/* What a call's final status means; MS_OK for 0. */
ms_code ms_remote_status(struct ms_remote *r, grpc_status_code status, grpc_slice details,
                         struct ms_err *err);
/* Metadata that every call carries: fills one (the authorization) and returns how many. */
size_t ms_remote_metadata(const struct ms_remote *r, grpc_metadata *m);

/* ---- one file each ---- */
ms_code ms_remote_deploy(struct mindserve *ms, const char *path,
                         const struct mindserve_deploy_options *o, struct mindserve_deployed **out,
                         struct ms_err *err);
ms_code ms_remote_infer(struct mindserve *ms, const char *name, uint64_t version,
                        const struct mindserve_named *in, int n_in,
                        const struct mindserve_infer_options *o, struct mindserve_outputs **out,
                        struct ms_err *err);
ms_code ms_remote_list(struct mindserve *ms, struct mindserve_models **out, struct ms_err *err);
ms_code ms_remote_show(struct mindserve *ms, const char *name, uint64_t version, bool graph,
                       struct mindserve_info **out, struct ms_err *err);
ms_code ms_remote_graph(struct mindserve *ms, const char *name, uint64_t version,
                        const char *format, char **text, size_t *len, struct ms_err *err);
ms_code ms_remote_undeploy(struct mindserve *ms, const char *name, uint64_t version,
                           struct mindserve_versions **out, struct ms_err *err);
ms_code ms_remote_rollback(struct mindserve *ms, const char *name, uint64_t *now, uint64_t *from,
                           struct ms_err *err);
ms_code ms_remote_server_status(struct mindserve *ms, struct mindserve_status **out,
                                struct ms_err *err);
ms_code ms_remote_store_check(struct mindserve *ms, struct mindserve_store_report **out,
                              struct ms_err *err);
ms_code ms_remote_store_gc(struct mindserve *ms, struct mindserve_store_report **out,
                           struct ms_err *err);

#endif
