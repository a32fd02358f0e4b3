/* SPDX-License-Identifier: Apache-2.0 */
/* client.h - what the two halves of the library share: a table of calls and results in arenas.
 *
 *     mindserve_infer() -> ms->ops->infer -> local_infer.c   (runtime in this process)
 *                                         -> remote_infer.c  (gRPC)
 *
 * Inside, errors are struct ms_err as everywhere; api.c turns them into the public struct. A result
 * is one arena: its first allocation is the public struct, whose `owner` points to the arena. */
#ifndef MS_CLIENT_CLIENT_H
#define MS_CLIENT_CLIENT_H

#include "base/arena.h"
#include "base/err.h"
#include "mindserve/mindserve.h"
#include "ir/tensor.h"

/* Calls of one kind of `struct mindserve`; a NULL entry is UNIMPLEMENTED there. */
struct ms_client_ops {
    const char *where; /* "in this process", "by a server" */
    void (*close)(struct mindserve *ms);
    ms_code (*deploy)(struct mindserve *ms, const char *path,
                      const struct mindserve_deploy_options *o, struct mindserve_deployed **out,
                      struct ms_err *err);
    ms_code (*undeploy)(struct mindserve *ms, const char *name, uint64_t version,
                        struct mindserve_versions **out, struct ms_err *err);
    ms_code (*rollback)(struct mindserve *ms, const char *name, uint64_t *now, uint64_t *from,
                        struct ms_err *err);
    ms_code (*infer)(struct mindserve *ms, const char *name, uint64_t version,
                     const struct mindserve_named *in, int n_in,
                     const struct mindserve_infer_options *o, struct mindserve_outputs **out,
                     struct ms_err *err);
    ms_code (*profile)(struct mindserve *ms, const char *name, uint64_t version,
                       const struct mindserve_named *in, int n_in, int runs,
                       struct mindserve_profile **out, struct ms_err *err);
    ms_code (*list)(struct mindserve *ms, struct mindserve_models **out, struct ms_err *err);
    ms_code (*show)(struct mindserve *ms, const char *name, uint64_t version, bool graph,
                    struct mindserve_info **out, struct ms_err *err);
    ms_code (*graph)(struct mindserve *ms, const char *name, uint64_t version, const char *format,
                     char **text, size_t *len, struct ms_err *err);
    ms_code (*status)(struct mindserve *ms, struct mindserve_status **out, struct ms_err *err);
    ms_code (*store_check)(struct mindserve *ms, struct mindserve_store_report **out,
                           struct ms_err *err);
    ms_code (*store_gc)(struct mindserve *ms, struct mindserve_store_report **out,
                        struct ms_err *err);
};

/* First member of struct ms_local and struct ms_remote. */
struct mindserve {
    const struct ms_client_ops *ops;
};

/* local.c, remote.c */
ms_code ms_local_open(const struct mindserve_options *o, struct mindserve **out,
                      struct ms_err *err);
ms_code ms_remote_open(const struct mindserve_options *o, struct mindserve **out,
                       struct ms_err *err);

/* ---- results ---- */

/* A zeroed result of size bytes at the front of an arena of its own; NULL when memory is out. */
void *ms_result_new(size_t size, struct ms_arena **arena) MS_WARN_UNUSED;
void ms_result_free(struct ms_arena *arena); /* takes NULL */

/* ---- tensors: the public handle is the engine's struct ---- */
static inline struct ms_tensor *ms_tensor_of(const struct mindserve_tensor *t)
{
    return (struct ms_tensor *)(uintptr_t)t;
}
static inline struct mindserve_tensor *ms_handle_of(struct ms_tensor *t)
{
    return (struct mindserve_tensor *)(uintptr_t)t;
}
/* A STRING tensor that owns copies of t's elements (what the runtime gives points into the model);
 * NULL when memory is out. */
struct ms_tensor *ms_strings_copy(const struct ms_tensor *t) MS_WARN_UNUSED;
/* A new tensor from a serialised TensorProto. */
ms_code ms_tensor_read_pb(const void *bytes, size_t len, struct mindserve_tensor **out,
                          struct ms_err *err) MS_WARN_UNUSED;

#endif
