/* SPDX-License-Identifier: Apache-2.0 */
/* store.h - the state folder: blobs and database under one lock.
 *
 *     state/LOCK  state/FORMAT  state/tmp/  state/blobs/sha256/ab/HEX  state/quarantine/
 *     state/mindserve.db
 *
 * This is the part without threads: every function but those marked "any thread" runs on the
 * store's writer thread (or before it was started). deploy.h, loader.h and manage.h build on it. */
#ifndef MS_SERVER_STORE_H
#define MS_SERVER_STORE_H

#include "server/jobs.h"
#include "server/store_blob.h"
#include "server/store_db.h"

struct ms_server;
struct ms_config;
struct ms_deploy;

struct ms_store_opts {
    const char *path;         /* the state folder; made if it is not there */
    const struct ms_vfs *vfs; /* NULL: the system's */
    int64_t quota, reserve;   /* bytes */
    int64_t push_keep;        /* seconds */
    int64_t push_idle;        /* ns */
    int64_t gc_age;           /* seconds */
    int64_t gc_interval;      /* ns */
    int max_pushes, keep_versions, max_files;
};
/* The defaults of config/options.def. */
void ms_store_opts_init(struct ms_store_opts *o, const char *path);

struct ms_store {
    struct ms_store_opts opts;
    const struct ms_vfs *vfs;
    char *path;
    int dir, lock; /* folder and LOCK file */
    struct ms_blobs blobs;
    struct ms_db *db;
    atomic_bool read_only; /* any thread: deploys are refused */

    /* with threads */
    struct ms_server *srv;
    struct ms_background *background; /* what the two are */
    struct ms_jobs *writer, *loader;
    _Atomic(const struct ms_config *) config; /* any thread; outlives the store */
    struct ms_deploy *deploys;                /* under way */
    int64_t next_gc;                          /* monotonic ns */
    atomic_int loading;                       /* models of the start that are not settled yet */
    bool closing;
};

/* Locks, recovers and opens; UNAVAILABLE, DATA_LOSS or FAILED_PRECONDITION say why not. */
ms_code ms_store_open(const struct ms_store_opts *o, struct ms_store **out,
                      struct ms_err *err) MS_WARN_UNUSED;
/* Takes NULL. Threads must have been stopped (manage.h). */
void ms_store_close(struct ms_store *st);

/* UNAVAILABLE when nothing may be written. */
ms_code ms_store_writable(struct ms_store *st, struct ms_err *err) MS_WARN_UNUSED;
/* After a failed write of the database: remembers whether it must be the last. */
void ms_store_note(struct ms_store *st);

/* Removes blobs that no version and no push needs and whose last change is min_age seconds ago. */
ms_code ms_store_gc(struct ms_store *st, int64_t min_age, int *removed, int64_t *bytes,
                    struct ms_err *err) MS_WARN_UNUSED;

/* Wall clock, seconds. */
int64_t ms_store_time(void);

#endif
