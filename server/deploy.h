/* SPDX-License-Identifier: Apache-2.0 */
/* deploy.h - one version on its way from bytes to live.
 *
 *   start ─> [receive files] ─> stage ─> load ─> go live (commit) ─> swap ─> answer
 *
 * An actor of the writer thread: whatever happens to it happens there, one thing after another;
 * transports and the loader only post. Deploy, rollback, Triton's load and the start of the daemon
 * are the same actor entered at different places. A failure at any step leaves what was served as
 * it was. */
#ifndef MS_SERVER_DEPLOY_H
#define MS_SERVER_DEPLOY_H

#include "base/arena.h"
#include "proto/mindserve.pb-c.h"
#include "runtime/model.h"
#include "server/pace.h"
#include "server/store.h"

enum ms_deploy_kind {
    MS_DEPLOY_PUSH,     /* from a manifest */
    MS_DEPLOY_ROLLBACK, /* the previous version again */
    MS_DEPLOY_RELOAD,   /* the live version as it is stored; nothing is committed */
    MS_DEPLOY_RESUME,   /* at start: a version by its number; commit says whether it was live */
};

/* Who asked. All are called on the writer thread, but progress (loader thread too). NULL: nobody
 * listens. */
struct ms_deploy_front {
    /* The file's bytes are wanted from offset on; once for each, before the first want. */
    void (*need)(struct ms_deploy *d, int file, int64_t offset);
    /* Ready for the next ms_deploy_feed. */
    void (*want)(struct ms_deploy *d);
    void (*progress)(struct ms_deploy *d, const char *step, uint64_t done, uint64_t total);
    /* Exactly once, and the last of all: how it ended (code, d->err), or that it is stored
     * (no_wait). */
    void (*done)(struct ms_deploy *d, ms_code code);
};

struct ms_deploy_file {
    bool have; /* nothing missing */
    struct ms_push *push;
    struct ms_blob_pin pin;
};

struct ms_deploy {
    struct ms_store *st;
    enum ms_deploy_kind kind;
    const struct ms_deploy_front *front;
    void *arg; /* the front's */
    struct ms_arena arena;
    char who[64];
    bool dry_run, no_wait;
    bool commit;        /* live pointer and audit record are to be written */
    bool fallback;      /* RESUME: of a version that could not be loaded */
    const char *triton; /* configuration as JSON laid over the stored one; NULL */

    struct ms_version v; /* name, version (0 = next), files, config */
    struct ms_deploy_file *file;
    int current;     /* file being fed, -1 */
    bool existed;    /* the version's row was there before */
    bool staged;     /* ... and is now */
    bool registered; /* LOADING in the registry */
    bool answered, loading, finished;
    int64_t touched; /* monotonic ns: last sign of life */
    atomic_bool cancel;

    /* results */
    struct ms_err err;
    bool unchanged;
    struct ms_model *model; /* until it is handed over, or until the end of a dry run */
    struct ms_model_memory memory;
    struct ms_buf missing; /* operators, a line a node */
    int64_t load_ns;
    int64_t from; /* version that was live before the commit */

    /* posts */
    struct ms_job start_job, feed_job, abort_job, load_job, loaded_job;
    struct ms_pace pace;
    atomic_bool aborting;
    ms_code abort_code;
    char abort_text[128];
    int feed_file;
    int64_t feed_offset;
    struct ms_bytes feed_data;
    const char *last_step; /* loader: progress already told */
    int64_t last_told;
    char damaged[MS_SHA256_HEX]; /* blob that the loader found damaged */
    atomic_int refs;
    struct ms_deploy *prev, *next;
};

/* An empty deploy; fill v.name and whatever the kind needs, then start it. */
ms_code ms_deploy_new(struct ms_store *st, enum ms_deploy_kind kind,
                      const struct ms_deploy_front *front, void *arg, const char *who,
                      struct ms_deploy **out, struct ms_err *err) MS_WARN_UNUSED;
/* ms_deploy_new gives one reference, which ms_deploy_start takes. A front that may still abort it
 * needs another. */
struct ms_deploy *ms_deploy_ref(struct ms_deploy *d);
void ms_deploy_unref(struct ms_deploy *d); /* takes NULL */
/* Checks a manifest and copies it into d. */
ms_code ms_deploy_manifest(struct ms_deploy *d, const Mindserve__V1__Manifest *m,
                           struct ms_err *err) MS_WARN_UNUSED;
/* Any thread. From here on d ends by itself. */
void ms_deploy_start(struct ms_deploy *d);
/* Any thread, one at a time, after want. data stays until the next want or the end. */
void ms_deploy_feed(struct ms_deploy *d, int file, int64_t offset, struct ms_bytes data);
/* Any thread: nobody waits for it any more. */
void ms_deploy_abort(struct ms_deploy *d, ms_code code, const char *text);

/* Writer thread: ends pushes that have been silent for too long; when st->closing all of them, and
 * with cancel also what is being loaded. */
void ms_deploy_sweep(struct ms_store *st, bool cancel);

#endif
