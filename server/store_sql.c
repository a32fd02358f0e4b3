/* SPDX-License-Identifier: Apache-2.0 */
/* store_sql.c - statements, transactions and errors of SQLite, and the audit chain. */
#include "server/store_sql.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"

ms_code ms_sql_fail(struct ms_db *db, struct ms_err *err, const char *what)
{
    int rc = db->h ? sqlite3_errcode(db->h) : SQLITE_NOMEM;

    switch (rc & 0xff) {
    case SQLITE_NOMEM:
        return ms_fail(err, MS_RESOURCE_EXHAUSTED, "store: database: %s: out of memory", what);
    case SQLITE_FULL:
        return ms_fail(err, MS_RESOURCE_EXHAUSTED, "store: database: %s: the disk is full", what);
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        db->broken = true;
        return ms_fail(err, MS_DATA_LOSS, "store: database: %s: %s", what, sqlite3_errstr(rc));
    case SQLITE_BUSY:
        return ms_fail(err, MS_UNAVAILABLE, "store: database: %s: another process holds it", what);
    default:
        db->broken = true;
        return ms_fail(err, MS_UNAVAILABLE, "store: database: %s: %s", what, sqlite3_errstr(rc));
    }
}

static int bind(sqlite3_stmt *s, const char *types, va_list ap)
{
    int rc = SQLITE_OK;

    for (int i = 1; types[i - 1] && rc == SQLITE_OK; i++) {
        if (types[i - 1] == 't') {
            rc = sqlite3_bind_text(s, i, va_arg(ap, const char *), -1, SQLITE_STATIC);
        } else if (types[i - 1] == 'i') {
            rc = sqlite3_bind_int64(s, i, va_arg(ap, int64_t));
        } else {
            struct ms_bytes b = va_arg(ap, struct ms_bytes);
            rc = sqlite3_bind_blob64(s, i, b.len ? (const void *)b.data : "", b.len, SQLITE_STATIC);
        }
    }
    return rc;
}

static ms_code prepare(struct ms_db *db, sqlite3_stmt **s, struct ms_err *err, const char *sql,
                       const char *types, va_list ap)
{
    int rc = sqlite3_prepare_v2(db->h, sql, -1, s, NULL);

    if (rc == SQLITE_OK)
        rc = bind(*s, types, ap);
    if (rc == SQLITE_OK)
        return MS_OK;
    ms_code code = ms_sql_fail(db, err, "preparing");
    sqlite3_finalize(*s);
    *s = NULL;
    return code;
}

ms_code ms_sql_prepare(struct ms_db *db, sqlite3_stmt **s, struct ms_err *err, const char *sql,
                       const char *types, ...)
{
    va_list ap;

    va_start(ap, types);
    ms_code code = prepare(db, s, err, sql, types, ap);
    va_end(ap);
    return code;
}

ms_code ms_sql_run(struct ms_db *db, struct ms_err *err, const char *sql, const char *types, ...)
{
    sqlite3_stmt *s = NULL;
    va_list ap;

    va_start(ap, types);
    ms_code code = prepare(db, &s, err, sql, types, ap);
    va_end(ap);
    if (code != MS_OK)
        return code;
    if (sqlite3_step(s) != SQLITE_DONE)
        code = ms_sql_fail(db, err, "writing");
    sqlite3_finalize(s);
    return code;
}

ms_code ms_sql_int(struct ms_db *db, int64_t *out, struct ms_err *err, const char *sql,
                   const char *types, ...)
{
    sqlite3_stmt *s = NULL;
    va_list ap;

    va_start(ap, types);
    ms_code code = prepare(db, &s, err, sql, types, ap);
    va_end(ap);
    if (code != MS_OK)
        return code;
    if (sqlite3_step(s) == SQLITE_ROW)
        *out = sqlite3_column_int64(s, 0);
    else
        code = ms_sql_fail(db, err, "reading");
    sqlite3_finalize(s);
    return code;
}

const char *ms_sql_text(sqlite3_stmt *s, int column, struct ms_arena *a)
{
    const unsigned char *t = sqlite3_column_text(s, column);

    /* A NUL inside would hide the rest from every check: cut there, and the sums will not fit. */
    return ms_arena_strdup(a, t ? (const char *)t : "");
}

ms_code ms_sql_begin(struct ms_db *db, struct ms_err *err)
{
    if (db->broken)
        return ms_fail(err, MS_UNAVAILABLE, "store: read-only, the disk has failed");
    return ms_sql_run(db, err, "BEGIN IMMEDIATE", "");
}

ms_code ms_sql_end(struct ms_db *db, ms_code code, struct ms_err *err)
{
    if (code == MS_OK)
        code = ms_sql_run(db, err, "COMMIT", "");
    if (code != MS_OK && !sqlite3_get_autocommit(db->h))
        (void)sqlite3_exec(db->h, "ROLLBACK", NULL, NULL, NULL);
    return code;
}

ms_code ms_sql_digest(struct ms_db *db, const char *name, int64_t version, char out[MS_SHA256_HEX],
                      struct ms_err *err)
{
    sqlite3_stmt *s;

    *out = '\0';
    MS_TRY(ms_sql_prepare(db, &s, err, "SELECT digest FROM versions WHERE name = ? AND version = ?",
                          "ti", name, version));
    int rc = sqlite3_step(s);
    if (rc == SQLITE_ROW && sqlite3_column_text(s, 0))
        snprintf(out, MS_SHA256_HEX, "%s", (const char *)sqlite3_column_text(s, 0));
    sqlite3_finalize(s);
    return rc == SQLITE_ROW || rc == SQLITE_DONE ? MS_OK : ms_sql_fail(db, err, "reading");
}

/* ---- the audit chain: each record holds the hash of the one before it ---- */

struct record {
    int64_t seq, time, version;
    const char *who, *verb, *name, *old, *new, *result, *previous;
};

static bool record_hash(const struct record *r, char hash[MS_SHA256_HEX])
{
    struct ms_buf b;

    ms_buf_init(&b, 1 << 16);
    ms_buf_printf(&b, "%s\n%lld\n%lld\n%s\n%s\n%s\n%lld\n%s\n%s\n%s\n", r->previous,
                  (long long)r->seq, (long long)r->time, r->who, r->verb, r->name,
                  (long long)r->version, r->old, r->new, r->result);
    bool ok = ms_buf_ok(&b) && ms_sha256_hex(b.data, b.len, hash);
    ms_buf_done(&b);
    return ok;
}

static ms_code last_record(struct ms_db *db, int64_t *seq, char hash[MS_SHA256_HEX],
                           struct ms_err *err)
{
    sqlite3_stmt *s;

    *seq = 0;
    *hash = '\0';
    MS_TRY(
        ms_sql_prepare(db, &s, err, "SELECT seq, hash FROM audit ORDER BY seq DESC LIMIT 1", ""));
    int rc = sqlite3_step(s);
    if (rc == SQLITE_ROW && sqlite3_column_text(s, 1)) {
        *seq = sqlite3_column_int64(s, 0);
        snprintf(hash, MS_SHA256_HEX, "%s", (const char *)sqlite3_column_text(s, 1));
    }
    sqlite3_finalize(s);
    return rc == SQLITE_ROW || rc == SQLITE_DONE ? MS_OK : ms_sql_fail(db, err, "reading");
}

ms_code ms_sql_audit(struct ms_db *db, const struct ms_audit *a, const char *name, int64_t version,
                     const char *old, const char *new, struct ms_err *err)
{
    char previous[MS_SHA256_HEX], hash[MS_SHA256_HEX];
    struct record r = {.time = a->time,
                       .version = version,
                       .who = a->who,
                       .verb = a->verb,
                       .name = name,
                       .old = old,
                       .new = new,
                       .result = "ok",
                       .previous = previous};

    MS_TRY(last_record(db, &r.seq, previous, err));
    r.seq++;
    if (!record_hash(&r, hash))
        return ms_fail_oom(err, "audit record", 0);
    return ms_sql_run(db, err, "INSERT INTO audit VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                      "iitttittttt", r.seq, r.time, r.who, r.verb, r.name, r.version, r.old, r.new,
                      r.result, r.previous, hash);
}

static bool record_fits(sqlite3_stmt *s, int64_t seq, const char *previous, struct ms_arena *a,
                        char hash[MS_SHA256_HEX])
{
    struct record r = {.seq = sqlite3_column_int64(s, 0),
                       .time = sqlite3_column_int64(s, 1),
                       .who = ms_sql_text(s, 2, a),
                       .verb = ms_sql_text(s, 3, a),
                       .name = ms_sql_text(s, 4, a),
                       .version = sqlite3_column_int64(s, 5),
                       .old = ms_sql_text(s, 6, a),
                       .new = ms_sql_text(s, 7, a),
                       .result = ms_sql_text(s, 8, a),
                       .previous = ms_sql_text(s, 9, a)};
    const char *stored = ms_sql_text(s, 10, a);

    return r.who && r.verb && r.name && r.old &&
           r.new &&r.result &&r.previous &&stored &&r.seq == seq &&strcmp(r.previous, previous) ==
               0 &&
           record_hash(&r, hash) && strcmp(hash, stored) == 0;
}

ms_code ms_db_audit_verify(struct ms_db *db, int64_t *records, struct ms_err *err)
{
    sqlite3_stmt *s;
    char previous[MS_SHA256_HEX] = "", hash[MS_SHA256_HEX];
    ms_code code = MS_OK;
    int rc = SQLITE_DONE;

    *records = 0;
    MS_TRY(ms_sql_prepare(db, &s, err, "SELECT * FROM audit ORDER BY seq", ""));
    while (code == MS_OK && (rc = sqlite3_step(s)) == SQLITE_ROW) {
        struct ms_arena a;
        ms_arena_init(&a, 1 << 20);
        if (record_fits(s, *records + 1, previous, &a, hash)) {
            memcpy(previous, hash, sizeof hash);
            ++*records;
        } else {
            code = ms_fail(err, MS_DATA_LOSS, "audit: record %lld does not fit the chain",
                           (long long)*records + 1);
        }
        ms_arena_done(&a);
    }
    if (code == MS_OK && rc != SQLITE_DONE)
        code = ms_sql_fail(db, err, "reading the audit chain");
    sqlite3_finalize(s);
    return code;
}
