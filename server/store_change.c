/* SPDX-License-Identifier: Apache-2.0 */
/* store_change.c - the transactions: staging, going live, undeploying. Each is all or nothing, and
 * the audit record is part of it. */
#include <stdio.h>
#include <string.h>

#include "server/store_db.h"
#include "server/store_sql.h"

static ms_code stage(struct ms_db *db, const struct ms_version *v, struct ms_err *err)
{
    char sum[MS_SHA256_HEX];
    int64_t there;

    MS_TRY(ms_sql_int(db, &there, err,
                      "SELECT count(*) FROM versions WHERE name = ? AND version = ?", "ti", v->name,
                      v->version));
    if (there)
        return ms_fail(err, MS_ALREADY_EXISTS, "model '%s' has a version %lld already", v->name,
                       (long long)v->version);
    if (!ms_sql_row_sum(v, sum))
        return ms_fail_oom(err, "digest", 0);
    MS_TRY(ms_sql_run(db, err, "INSERT OR IGNORE INTO models (name) VALUES (?)", "t", v->name));
    MS_TRY(ms_sql_run(db, err, "INSERT INTO versions VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                      "tiiittibt", v->name, v->version, (int64_t)MS_VERSION_STAGED,
                      (int64_t)v->no_wait, v->digest, v->format, v->created, v->config, sum));
    for (int i = 0; i < v->n_files; i++)
        MS_TRY(ms_sql_run(db, err, "INSERT INTO files VALUES (?, ?, ?, ?, ?, ?)", "tiitti", v->name,
                          v->version, (int64_t)i, v->files[i].path, v->files[i].hex,
                          v->files[i].size));
    return MS_OK;
}

ms_code ms_db_stage(struct ms_db *db, const struct ms_version *v, struct ms_err *err)
{
    MS_TRY(ms_sql_begin(db, err));
    return ms_sql_end(db, stage(db, v, err), err);
}

static ms_code forget(struct ms_db *db, const char *name, int64_t version, struct ms_err *err)
{
    MS_TRY(ms_sql_run(db, err, "DELETE FROM files WHERE name = ? AND version = ?", "ti", name,
                      version));
    MS_TRY(ms_sql_run(db, err, "DELETE FROM versions WHERE name = ? AND version = ?", "ti", name,
                      version));
    MS_TRY(ms_sql_run(db, err, "UPDATE models SET live = NULL WHERE name = ? AND live = ?", "ti",
                      name, version));
    MS_TRY(ms_sql_run(db, err, "UPDATE models SET previous = NULL WHERE name = ? AND previous = ?",
                      "ti", name, version));
    return ms_sql_run(db, err,
                      "DELETE FROM models WHERE name = ?1 AND NOT EXISTS"
                      " (SELECT 1 FROM versions WHERE name = ?1)",
                      "t", name);
}

static ms_code unstage(struct ms_db *db, const char *name, int64_t version, struct ms_err *err)
{
    int64_t used;

    MS_TRY(
        ms_sql_int(db, &used, err,
                   "SELECT count(*) FROM models WHERE name = ?1 AND (live = ?2 OR previous = ?2)",
                   "ti", name, version));
    return used ? MS_OK : forget(db, name, version, err);
}

ms_code ms_db_unstage(struct ms_db *db, const char *name, int64_t version, struct ms_err *err)
{
    MS_TRY(ms_sql_begin(db, err));
    return ms_sql_end(db, unstage(db, name, version, err), err);
}

/* Versions beyond the newest `keep`, live and previous always counted in, go. */
static ms_code retire(struct ms_db *db, const char *name, int keep, struct ms_err *err)
{
    static const char gone[] =
        " WHERE name = ?1 AND version IN (SELECT version FROM versions v JOIN models m USING (name)"
        " WHERE name = ?1 AND state = 1 AND version <> ifnull(m.live, 0)"
        " AND version <> ifnull(m.previous, 0) ORDER BY version DESC LIMIT -1 OFFSET ?2)";
    char sql[512];

    snprintf(sql, sizeof sql, "DELETE FROM files%s", gone);
    MS_TRY(ms_sql_run(db, err, sql, "ti", name, (int64_t)keep - 2));
    snprintf(sql, sizeof sql, "DELETE FROM versions%s", gone);
    return ms_sql_run(db, err, sql, "ti", name, (int64_t)keep - 2);
}

/* format may be new knowledge, and it is part of the row's sum. */
static ms_code mark_good(struct ms_db *db, struct ms_version *v, const char *format,
                         struct ms_err *err)
{
    char sum[MS_SHA256_HEX];

    v->format = format;
    v->no_wait = false;
    if (!ms_sql_row_sum(v, sum))
        return ms_fail_oom(err, "digest", 0);
    return ms_sql_run(db, err,
                      "UPDATE versions SET state = ?, no_wait = 0, format = ?, sum = ?"
                      " WHERE name = ? AND version = ?",
                      "ittti", (int64_t)MS_VERSION_GOOD, format, sum, v->name, v->version);
}

static ms_code go_live(struct ms_db *db, const char *name, int64_t version, const char *format,
                       int keep, const struct ms_audit *audit, int64_t *from, struct ms_arena *a,
                       struct ms_err *err)
{
    struct ms_version v;
    char old[MS_SHA256_HEX];

    MS_TRY(ms_db_get(db, name, version, a, &v, err));
    if (v.state == MS_VERSION_BAD)
        return ms_fail(err, MS_DATA_LOSS, "model '%s' version %lld: %s", name, (long long)version,
                       v.reason);
    MS_TRY(ms_sql_int(db, from, err, "SELECT ifnull(max(live), 0) FROM models WHERE name = ?", "t",
                      name));
    MS_TRY(ms_sql_digest(db, name, *from, old, err));
    MS_TRY(mark_good(db, &v, format, err));
    if (*from != version) {
        MS_TRY(ms_sql_run(db, err,
                          "UPDATE models SET previous = ifnull(live, previous), live = ?2"
                          " WHERE name = ?1",
                          "ti", name, version));
        MS_TRY(ms_sql_run(db, err,
                          "UPDATE models SET previous = NULL WHERE name = ? AND previous = live",
                          "t", name));
    }
    MS_TRY(retire(db, name, keep, err));
    return ms_sql_audit(db, audit, name, version, old, v.digest, err);
}

ms_code ms_db_go_live(struct ms_db *db, const char *name, int64_t version, const char *format,
                      int keep, const struct ms_audit *audit, int64_t *from, struct ms_err *err)
{
    struct ms_arena a;

    MS_TRY(ms_sql_begin(db, err));
    ms_arena_init(&a, 256 << 20);
    ms_code code = go_live(db, name, version, format, keep, audit, from, &a, err);
    ms_arena_done(&a);
    return ms_sql_end(db, code, err);
}

static ms_code undeploy(struct ms_db *db, const char *name, int64_t version,
                        const struct ms_audit *audit, struct ms_err *err)
{
    int64_t n;
    char old[MS_SHA256_HEX];

    MS_TRY(ms_sql_int(db, &n, err,
                      "SELECT count(*) FROM versions WHERE name = ?1 AND (?2 = 0 OR version = ?2)",
                      "ti", name, version));
    if (n == 0 && version)
        return ms_fail(err, MS_NOT_FOUND, "model '%s' has no version %lld", name,
                       (long long)version);
    if (n == 0)
        return ms_fail(err, MS_NOT_FOUND, "model '%s' is not deployed", name);
    MS_TRY(ms_sql_digest(db, name, version, old, err));
    if (version) {
        MS_TRY(forget(db, name, version, err));
    } else {
        MS_TRY(ms_sql_run(db, err, "DELETE FROM files WHERE name = ?", "t", name));
        MS_TRY(ms_sql_run(db, err, "DELETE FROM versions WHERE name = ?", "t", name));
        MS_TRY(ms_sql_run(db, err, "DELETE FROM models WHERE name = ?", "t", name));
    }
    return ms_sql_audit(db, audit, name, version, old, "", err);
}

ms_code ms_db_undeploy(struct ms_db *db, const char *name, int64_t version,
                       const struct ms_audit *audit, struct ms_err *err)
{
    MS_TRY(ms_sql_begin(db, err));
    return ms_sql_end(db, undeploy(db, name, version, audit, err), err);
}
