/* SPDX-License-Identifier: Apache-2.0 */
/* local.h - models that run in this process: an engine and a list of versions.
 *
 * The list is short (what one program loads), so it is an array under a mutex; a call takes a
 * reference to the version and works without the lock. A version's record lives as long as the
 * longest call on it. */
#ifndef MS_CLIENT_LOCAL_H
#define MS_CLIENT_LOCAL_H

#include <pthread.h>
#include <stdatomic.h>

#include "client/client.h"
#include "runtime/model.h"

struct ms_local_version {
    struct ms_arena arena; /* names, labels, image; the struct itself is on the heap */
    const char *name;
    uint64_t number;
    struct ms_model *model;
    const char *format;
    uint64_t file_bytes;
    int64_t created; /* seconds since 1970 */
    const char *const *labels;
    int n_labels;
    struct mindserve_image image;
    atomic_ullong requests, failures;
    atomic_int refs;
    bool live, previous; /* under the lock */
};

struct ms_local {
    struct mindserve base;
    struct ms_engine *engine;
    int64_t started; /* monotonic */
    pthread_mutex_t lock;
    struct ms_local_version **version; /* by name, then number */
    int n, cap;
};

static inline struct ms_local *ms_local(struct mindserve *ms)
{
    return (struct ms_local *)ms;
}

/* A reference on a version (0: the live one). NOT_FOUND names it. */
ms_code ms_local_get(struct ms_local *l, const char *name, uint64_t number,
                     struct ms_local_version **out, struct ms_err *err) MS_WARN_UNUSED;
void ms_local_put(struct ms_local_version *v); /* drops a reference; takes NULL */
/* Adds a version (takes the reference) and makes it live; number 0 = last + 1, set in v. */
ms_code ms_local_publish(struct ms_local *l, struct ms_local_version *v,
                         struct ms_err *err) MS_WARN_UNUSED;
/* The number a version would get. */
uint64_t ms_local_next(struct ms_local *l, const char *name);
/* The public record, text copied into a result's arena; false when it is full. */
bool ms_local_describe(const struct ms_local_version *v, struct ms_arena *a,
                       struct mindserve_model *out) MS_WARN_UNUSED;

/* One file each: local_deploy.c, local_infer.c, local_show.c */
ms_code ms_local_deploy(struct mindserve *ms, const char *path,
                        const struct mindserve_deploy_options *o, struct mindserve_deployed **out,
                        struct ms_err *err);
ms_code ms_local_infer(struct mindserve *ms, const char *name, uint64_t version,
                       const struct mindserve_named *in, int n_in,
                       const struct mindserve_infer_options *o, struct mindserve_outputs **out,
                       struct ms_err *err);
ms_code ms_local_profile(struct mindserve *ms, const char *name, uint64_t version,
                         const struct mindserve_named *in, int n_in, int runs,
                         struct mindserve_profile **out, struct ms_err *err);
ms_code ms_local_show(struct mindserve *ms, const char *name, uint64_t version, bool graph,
                      struct mindserve_info **out, struct ms_err *err);
ms_code ms_local_graph(struct mindserve *ms, const char *name, uint64_t version, const char *format,
                       char **text, size_t *len, struct ms_err *err);

#endif
