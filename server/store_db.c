/* SPDX-License-Identifier: Apache-2.0 */
/* store_db.c - the database's tables and statements.
 *
 * Rows are not trusted when they come back: a version's digest is recomputed from its files and
 * configuration, and `sum` covers the rest of the row. What does not fit is given out as
 * MS_VERSION_BAD, so that one bad row takes one model away and no other. The file is locked by this
 * process for good (EXCLUSIVE): no shared memory, no second writer. */
#include "server/store_db.h"

#include <sqlite3.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "server/store_sql.h"

static const char schema[] =
    "BEGIN IMMEDIATE;"
    "CREATE TABLE models (name TEXT PRIMARY KEY, live INTEGER, previous INTEGER)"
    " STRICT, WITHOUT ROWID;"
    "CREATE TABLE versions (name TEXT NOT NULL, version INTEGER NOT NULL, state INTEGER NOT NULL,"
    " no_wait INTEGER NOT NULL, digest TEXT NOT NULL, format TEXT NOT NULL,"
    " created INTEGER NOT NULL, config BLOB NOT NULL, sum TEXT NOT NULL,"
    " PRIMARY KEY (name, version)) STRICT, WITHOUT ROWID;"
    "CREATE TABLE files (name TEXT NOT NULL, version INTEGER NOT NULL, i INTEGER NOT NULL,"
    " path TEXT NOT NULL, sha256 TEXT NOT NULL, size INTEGER NOT NULL,"
    " PRIMARY KEY (name, version, i)) STRICT, WITHOUT ROWID;"
    "CREATE INDEX files_by_sha256 ON files (sha256);"
    "CREATE TABLE audit (seq INTEGER PRIMARY KEY, time INTEGER NOT NULL, who TEXT NOT NULL,"
    " verb TEXT NOT NULL, name TEXT NOT NULL, version INTEGER NOT NULL, old TEXT NOT NULL,"
    " new TEXT NOT NULL, result TEXT NOT NULL, previous TEXT NOT NULL, hash TEXT NOT NULL) STRICT;"
    "PRAGMA user_version = 1;"
    "COMMIT;";

/* ---- opening ---- */

static ms_code check_quickly(struct ms_db *db, struct ms_err *err)
{
    sqlite3_stmt *s;

    MS_TRY(ms_sql_prepare(db, &s, err, "PRAGMA quick_check(1)", ""));
    int rc = sqlite3_step(s);
    const char *said = rc == SQLITE_ROW ? (const char *)sqlite3_column_text(s, 0) : NULL;
    if (said && strcmp(said, "ok") != 0) {
        snprintf(db->problem, sizeof db->problem, "%s", said);
        db->broken = true;
    }
    sqlite3_finalize(s);
    return rc == SQLITE_ROW ? MS_OK : ms_sql_fail(db, err, "checking");
}

static ms_code make_schema(struct ms_db *db, struct ms_err *err)
{
    sqlite3_stmt *s;

    MS_TRY(ms_sql_prepare(db, &s, err, "PRAGMA user_version", ""));
    int rc = sqlite3_step(s);
    int version = rc == SQLITE_ROW ? sqlite3_column_int(s, 0) : -1;
    sqlite3_finalize(s);
    if (version < 0)
        return ms_sql_fail(db, err, "reading");
    if (version == 1)
        return MS_OK;
    if (version != 0)
        return ms_fail(err, MS_FAILED_PRECONDITION,
                       "store: database of version %d, this program knows 1", version);
    if (sqlite3_exec(db->h, schema, NULL, NULL, NULL) != SQLITE_OK) {
        ms_code code = ms_sql_fail(db, err, "making tables");
        (void)sqlite3_exec(db->h, "ROLLBACK", NULL, NULL, NULL);
        return code;
    }
    return MS_OK;
}

static ms_code set_up(struct ms_db *db, struct ms_err *err)
{
    static const char pragmas[] = "PRAGMA locking_mode = EXCLUSIVE;"
                                  "PRAGMA journal_mode = WAL;"
                                  "PRAGMA synchronous = FULL;"
                                  "PRAGMA trusted_schema = OFF;"
                                  "PRAGMA cell_size_check = ON;"
                                  "PRAGMA temp_store = MEMORY;";

    if (sqlite3_exec(db->h, pragmas, NULL, NULL, NULL) != SQLITE_OK)
        return ms_sql_fail(db, err, "opening");
    MS_TRY(check_quickly(db, err));
    return make_schema(db, err);
}

ms_code ms_db_open(const char *dir, struct ms_db **out, struct ms_err *err)
{
    char path[4096];
    struct ms_db *db = ms_calloc(1, sizeof *db);

    if (!db)
        return ms_fail_oom(err, "database", sizeof *db);
    if (snprintf(path, sizeof path, "%s/mindserve.db", dir) >= (int)sizeof path) {
        ms_free(db);
        return ms_fail(err, MS_INVALID_ARGUMENT, "store: the path is too long");
    }
    int rc = sqlite3_open_v2(path, &db->h,
                             SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX |
                                 SQLITE_OPEN_NOFOLLOW,
                             NULL);
    ms_code code = rc == SQLITE_OK ? set_up(db, err) : ms_sql_fail(db, err, "opening");
    if (code != MS_OK) {
        ms_db_close(db);
        return code;
    }
    *out = db;
    return MS_OK;
}

void ms_db_close(struct ms_db *db)
{
    if (!db)
        return;
    sqlite3_close(db->h);
    ms_free(db);
}

bool ms_db_broken(const struct ms_db *db)
{
    return db->broken;
}

const char *ms_db_problem(const struct ms_db *db)
{
    return db->problem;
}

/* ---- digests ---- */

bool ms_version_digest(const struct ms_version_file *files, int n, struct ms_bytes config,
                       char digest[MS_SHA256_HEX])
{
    struct ms_buf b;
    char hex[MS_SHA256_HEX];

    ms_buf_init(&b, 64 << 20);
    ms_buf_puts(&b, "mindserve manifest 1\n");
    for (int i = 0; i < n; i++)
        ms_buf_printf(&b, "file %s %lld %s\n", files[i].hex, (long long)files[i].size,
                      files[i].path);
    bool ok = ms_sha256_hex(config.data, config.len, hex);
    ms_buf_printf(&b, "config %s\n", hex);
    ok = ok && ms_buf_ok(&b) && ms_sha256_hex(b.data, b.len, digest);
    ms_buf_done(&b);
    return ok;
}

bool ms_sql_row_sum(const struct ms_version *v, char sum[MS_SHA256_HEX])
{
    char text[512];
    int n =
        snprintf(text, sizeof text, "%s\n%lld\n%d\n%s\n%s\n%lld\n", v->name, (long long)v->version,
                 v->no_wait, v->digest, v->format, (long long)v->created);

    return n > 0 && n < (int)sizeof text && ms_sha256_hex(text, (size_t)n, sum);
}

/* ---- reading ---- */

enum {
    C_NAME,
    C_VERSION,
    C_STATE,
    C_NO_WAIT,
    C_DIGEST,
    C_FORMAT,
    C_CREATED,
    C_CONFIG,
    C_SUM,
    C_LIVE,
    C_PREVIOUS
};
#define COLUMNS                                                                                    \
    "v.name, v.version, v.state, v.no_wait, v.digest, v.format, v.created, v.config, v.sum,"       \
    " ifnull(m.live = v.version, 0), ifnull(m.previous = v.version, 0)"                            \
    " FROM versions v LEFT JOIN models m ON m.name = v.name "

static void bad(struct ms_version *v, const char *reason)
{
    if (v->state != MS_VERSION_BAD)
        v->reason = reason;
    v->state = MS_VERSION_BAD;
}

static ms_code read_files(struct ms_db *db, struct ms_arena *a, struct ms_version *v,
                          struct ms_err *err)
{
    sqlite3_stmt *s;
    int rc, n = 0;

    MS_TRY(ms_sql_prepare(db, &s, err, "SELECT count(*) FROM files WHERE name = ? AND version = ?",
                          "ti", v->name, v->version));
    rc = sqlite3_step(s);
    int count = rc == SQLITE_ROW ? sqlite3_column_int(s, 0) : -1;
    sqlite3_finalize(s);
    if (count < 0)
        return ms_sql_fail(db, err, "reading files");
    struct ms_version_file *f = ms_arena_array(a, (size_t)count + 1, sizeof *f);
    if (!f)
        return ms_fail_oom(err, "files of a version", (size_t)count * sizeof *f);

    MS_TRY(ms_sql_prepare(db, &s, err,
                          "SELECT path, sha256, size FROM files WHERE name = ? AND version = ?"
                          " ORDER BY i",
                          "ti", v->name, v->version));
    while (n < count && (rc = sqlite3_step(s)) == SQLITE_ROW) {
        f[n].path = ms_sql_text(s, 0, a);
        f[n].hex = ms_sql_text(s, 1, a);
        f[n].size = sqlite3_column_int64(s, 2);
        if (!f[n].path || !f[n].hex || f[n].size < 0 ||
            !ms_sha256_hex_valid(f[n].hex, strlen(f[n].hex)) ||
            __builtin_add_overflow(v->bytes, f[n].size, &v->bytes))
            bad(v, "its list of files is damaged");
        n++;
    }
    sqlite3_finalize(s);
    if (n < count && rc != SQLITE_DONE)
        return ms_sql_fail(db, err, "reading files");
    v->files = f;
    v->n_files = n;
    return MS_OK;
}

static void check_row(struct ms_version *v, const char *sum)
{
    char now[MS_SHA256_HEX];

    if (v->state == MS_VERSION_BAD)
        return;
    if (!ms_model_name_valid(v->name, strlen(v->name)) || v->version <= 0 || v->n_files == 0)
        bad(v, "its row is damaged");
    else if (!ms_sql_row_sum(v, now) || !sum || strcmp(now, sum) != 0)
        bad(v, "its row has been changed or damaged");
    else if (!ms_version_digest(v->files, v->n_files, v->config, now) ||
             strcmp(now, v->digest) != 0)
        bad(v, "its files do not give its digest");
}

static ms_code read_row(struct ms_db *db, sqlite3_stmt *s, struct ms_arena *a, struct ms_version *v,
                        struct ms_err *err)
{
    const char *digest = ms_sql_text(s, C_DIGEST, a), *sum = ms_sql_text(s, C_SUM, a);
    int state = sqlite3_column_int(s, C_STATE);

    *v = (struct ms_version){
        .name = ms_sql_text(s, C_NAME, a),
        .version = sqlite3_column_int64(s, C_VERSION),
        .state = state == MS_VERSION_GOOD ? MS_VERSION_GOOD : MS_VERSION_STAGED,
        .reason = "",
        .no_wait = sqlite3_column_int(s, C_NO_WAIT) != 0,
        .live = sqlite3_column_int(s, C_LIVE) != 0,
        .previous = sqlite3_column_int(s, C_PREVIOUS) != 0,
        .format = ms_sql_text(s, C_FORMAT, a),
        .created = sqlite3_column_int64(s, C_CREATED),
    };
    size_t config_len = (size_t)sqlite3_column_bytes(s, C_CONFIG);
    const void *config = sqlite3_column_blob(s, C_CONFIG);
    const char *copy = ms_arena_strndup(a, config ? config : "", config_len);
    if (!v->name || !v->format || !digest || !sum || !copy)
        return ms_fail_oom(err, "row of a version", config_len);
    v->config = ms_bytes(copy, config_len);
    if (!ms_sha256_hex_valid(digest, strlen(digest)))
        bad(v, "its digest is damaged");
    else
        memcpy(v->digest, digest, sizeof v->digest);
    MS_TRY(read_files(db, a, v, err));
    check_row(v, sum);
    return MS_OK;
}

ms_code ms_db_get(struct ms_db *db, const char *name, int64_t version, struct ms_arena *a,
                  struct ms_version *out, struct ms_err *err)
{
    sqlite3_stmt *s;
    const char *sql = version == 0    ? "SELECT " COLUMNS "WHERE v.name = ?1 AND m.live = v.version"
                      : version == -1 ? "SELECT " COLUMNS
                                        "WHERE v.name = ?1 AND m.previous = v.version"
                                      : "SELECT " COLUMNS "WHERE v.name = ?1 AND v.version = ?2";

    MS_TRY(ms_sql_prepare(db, &s, err, sql, version > 0 ? "ti" : "t", name, version));
    int rc = sqlite3_step(s);
    ms_code code;
    if (rc == SQLITE_ROW)
        code = read_row(db, s, a, out, err);
    else if (rc != SQLITE_DONE)
        code = ms_sql_fail(db, err, "reading a version");
    else if (version > 0)
        code =
            ms_fail(err, MS_NOT_FOUND, "model '%s' has no version %lld", name, (long long)version);
    else
        code = ms_fail(err, MS_NOT_FOUND, "model '%s' has no %s version", name,
                       version == 0 ? "live" : "previous");
    sqlite3_finalize(s);
    return code;
}

ms_code ms_db_each(struct ms_db *db, struct ms_arena *a,
                   ms_code (*each)(void *arg, const struct ms_version *v, struct ms_err *err),
                   void *arg, struct ms_err *err)
{
    sqlite3_stmt *s;
    ms_code code = MS_OK;
    int rc = SQLITE_DONE;

    MS_TRY(ms_sql_prepare(db, &s, err, "SELECT " COLUMNS "ORDER BY v.name, v.version", ""));
    while (code == MS_OK && (rc = sqlite3_step(s)) == SQLITE_ROW) {
        struct ms_version v;
        code = read_row(db, s, a, &v, err);
        if (code == MS_OK)
            code = each(arg, &v, err);
    }
    if (code == MS_OK && rc != SQLITE_DONE)
        code = ms_sql_fail(db, err, "reading versions");
    sqlite3_finalize(s);
    return code;
}

ms_code ms_db_each_dangling(struct ms_db *db,
                            void (*each)(void *arg, const char *name, int64_t version), void *arg,
                            struct ms_err *err)
{
    sqlite3_stmt *s;
    int rc;

    MS_TRY(
        ms_sql_prepare(db, &s, err,
                       "SELECT name, live FROM models m WHERE live IS NOT NULL AND NOT EXISTS"
                       " (SELECT 1 FROM versions v WHERE v.name = m.name AND v.version = m.live)",
                       ""));
    while ((rc = sqlite3_step(s)) == SQLITE_ROW) {
        const char *name = (const char *)sqlite3_column_text(s, 0);
        if (name)
            each(arg, name, sqlite3_column_int64(s, 1));
    }
    sqlite3_finalize(s);
    return rc == SQLITE_DONE ? MS_OK : ms_sql_fail(db, err, "reading models");
}

ms_code ms_db_last(struct ms_db *db, const char *name, int64_t *last, struct ms_err *err)
{
    return ms_sql_int(db, last, err, "SELECT ifnull(max(version), 0) FROM versions WHERE name = ?",
                      "t", name);
}

bool ms_db_refers(struct ms_db *db, const char *hex)
{
    int64_t n;

    return ms_sql_int(db, &n, NULL,
                      "SELECT count(*) FROM (SELECT 1 FROM files WHERE sha256 = ?"
                      " LIMIT 1)",
                      "t", hex) != MS_OK ||
           n > 0;
}
