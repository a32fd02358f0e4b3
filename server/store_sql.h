/* SPDX-License-Identifier: Apache-2.0 */
/* store_sql.h - SQLite in the shape that store_db.c wants it. Private to the two. */
#ifndef MS_SERVER_STORE_SQL_H
#define MS_SERVER_STORE_SQL_H

#include <sqlite3.h>

#include "server/store_db.h"

struct ms_db {
    sqlite3 *h;
    bool broken;       /* the disk failed: no more writing */
    char problem[256]; /* of quick_check */
};

/* SQLite's last error as ours; a failing disk or damaged file marks db->broken. */
ms_code ms_sql_fail(struct ms_db *db, struct ms_err *err, const char *what);

/* Parameters: t text, i int64_t, b struct ms_bytes; bound by reference, so they must live until the
 * statement is finalised. */
ms_code ms_sql_prepare(struct ms_db *db, sqlite3_stmt **s, struct ms_err *err, const char *sql,
                       const char *types, ...) MS_WARN_UNUSED;
/* A statement without rows. */
ms_code ms_sql_run(struct ms_db *db, struct ms_err *err, const char *sql, const char *types,
                   ...) MS_WARN_UNUSED;
/* A statement of one row with one number. */
ms_code ms_sql_int(struct ms_db *db, int64_t *out, struct ms_err *err, const char *sql,
                   const char *types, ...) MS_WARN_UNUSED;
/* Text of a column in the arena; "" for NULL; NULL when memory is out. */
const char *ms_sql_text(sqlite3_stmt *s, int column, struct ms_arena *a);

/* UNAVAILABLE when broken. */
ms_code ms_sql_begin(struct ms_db *db, struct ms_err *err) MS_WARN_UNUSED;
/* COMMIT when code is MS_OK, else ROLLBACK. Returns code, or why the commit failed. */
ms_code ms_sql_end(struct ms_db *db, ms_code code, struct ms_err *err) MS_WARN_UNUSED;

/* Digest of a version, "" if there is none. */
ms_code ms_sql_digest(struct ms_db *db, const char *name, int64_t version, char out[MS_SHA256_HEX],
                      struct ms_err *err) MS_WARN_UNUSED;
/* sha256 over what the digest of a version does not cover. */
bool ms_sql_row_sum(const struct ms_version *v, char sum[MS_SHA256_HEX]);
/* Appends to the chain, inside the caller's transaction. */
ms_code ms_sql_audit(struct ms_db *db, const struct ms_audit *a, const char *name, int64_t version,
                     const char *old, const char *new, struct ms_err *err) MS_WARN_UNUSED;

#endif
