/* SPDX-License-Identifier: Apache-2.0 */
/* store_db.h - what is deployed: models, versions, live and previous, the audit chain; in SQLite.
 *
 * Used by the store thread only. A change and its audit record are one transaction; when a call
 * returned MS_OK it is on disk (WAL, synchronous FULL). A failing disk marks the database as
 * `broken`: nothing is written any more, what is served goes on. */
#ifndef MS_SERVER_STORE_DB_H
#define MS_SERVER_STORE_DB_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/bytes.h"
#include "base/err.h"
#include "base/sha256.h"

struct ms_db;

struct ms_version_file {
    const char *path; /* as the model names it */
    const char *hex;
    int64_t size;
};

enum ms_version_state {
    MS_VERSION_STAGED, /* whole on disk, never was live */
    MS_VERSION_GOOD,   /* was loaded, tested and live once */
    MS_VERSION_BAD,    /* its row contradicts itself; reason says how */
};

/* One row of versions with its files; all memory is the arena's that it was read into. */
struct ms_version {
    const char *name;
    int64_t version;
    enum ms_version_state state;
    const char *reason; /* of BAD; else "" */
    bool no_wait;       /* acknowledged when staged */
    bool live, previous;
    char digest[MS_SHA256_HEX];
    const char *format;     /* "onnx"; "" until it was loaded */
    int64_t created;        /* seconds since 1970 */
    struct ms_bytes config; /* packed mindserve.v1.ModelConfig */
    const struct ms_version_file *files;
    int n_files;
    int64_t bytes; /* of all files */
};

/* Who did what; the digests are filled in here. */
struct ms_audit {
    int64_t time;
    const char *who;  /* "127.0.0.1", "unix" */
    const char *verb; /* "deploy", "undeploy", "rollback" */
};

/* Opens or makes dir/mindserve.db. DATA_LOSS when it is no database or cannot be read at all. */
ms_code ms_db_open(const char *dir, struct ms_db **out, struct ms_err *err) MS_WARN_UNUSED;
void ms_db_close(struct ms_db *db);
/* Did writing fail in a way that forbids more of it? */
bool ms_db_broken(const struct ms_db *db);
/* What quick_check said when the database was opened; "" = nothing. */
const char *ms_db_problem(const struct ms_db *db);

/* sha256 of the canonical manifest: files in order, then the configuration. */
bool ms_version_digest(const struct ms_version_file *files, int n, struct ms_bytes config,
                       char digest[MS_SHA256_HEX]);

/* The version of a number, 0 = live, -1 = previous. NOT_FOUND. */
ms_code ms_db_get(struct ms_db *db, const char *name, int64_t version, struct ms_arena *a,
                  struct ms_version *out, struct ms_err *err) MS_WARN_UNUSED;
/* Every version, in order of name and number. The arena holds what each gets. */
ms_code ms_db_each(struct ms_db *db, struct ms_arena *a,
                   ms_code (*each)(void *arg, const struct ms_version *v, struct ms_err *err),
                   void *arg, struct ms_err *err) MS_WARN_UNUSED;
/* Names whose live pointer leads nowhere. */
ms_code ms_db_each_dangling(struct ms_db *db,
                            void (*each)(void *arg, const char *name, int64_t version), void *arg,
                            struct ms_err *err) MS_WARN_UNUSED;
/* Highest number of a name; 0 if there is none. */
ms_code ms_db_last(struct ms_db *db, const char *name, int64_t *last,
                   struct ms_err *err) MS_WARN_UNUSED;

/* Adds a version as STAGED. ALREADY_EXISTS. */
ms_code ms_db_stage(struct ms_db *db, const struct ms_version *v,
                    struct ms_err *err) MS_WARN_UNUSED;
/* Forgets a version that is neither live nor previous. */
ms_code ms_db_unstage(struct ms_db *db, const char *name, int64_t version,
                      struct ms_err *err) MS_WARN_UNUSED;
/* The commit point: makes a version live, the one that was live becomes previous, older ones beyond
 * keep are forgotten. *from is what was live (0 = nothing). */
ms_code ms_db_go_live(struct ms_db *db, const char *name, int64_t version, const char *format,
                      int keep, const struct ms_audit *audit, int64_t *from,
                      struct ms_err *err) MS_WARN_UNUSED;
/* Forgets a version (0 = all of them). When it was live nothing is live afterwards. */
ms_code ms_db_undeploy(struct ms_db *db, const char *name, int64_t version,
                       const struct ms_audit *audit, struct ms_err *err) MS_WARN_UNUSED;

/* Is a blob part of any version? On an error: yes. */
bool ms_db_refers(struct ms_db *db, const char *hex);
/* Walks the audit chain from the start; DATA_LOSS names the first record that does not fit. */
ms_code ms_db_audit_verify(struct ms_db *db, int64_t *records, struct ms_err *err) MS_WARN_UNUSED;

#endif
