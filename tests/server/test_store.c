/* SPDX-License-Identifier: Apache-2.0 */
/* test_store.c - blobs and database together: what they promise, after every failure of every file
 * operation, and after a power cut before each. */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/mem.h"
#include "server/bundle.h"
#include "server/sandbox.h"
#include "server/store.h"
#include "tests/server/vfs_model.h"

static const struct ms_audit deploy_audit = {1700000000, "unix", "deploy"};
static const struct ms_audit rollback_audit = {1700000001, "unix", "rollback"};
static const struct ms_audit undeploy_audit = {1700000002, "unix", "undeploy"};

static ms_code open_store(const char *path, const struct ms_vfs *v, struct ms_store **st,
                          struct ms_err *err)
{
    struct ms_store_opts o;

    ms_store_opts_init(&o, path);
    o.vfs = v;
    o.reserve = 0;
    *st = NULL;
    return ms_store_open(&o, st, err);
}

static struct ms_store *must_open(const char *path)
{
    struct ms_store *st;
    struct ms_err err = {0};

    ck_assert_msg(open_store(path, NULL, &st, &err) == MS_OK, "%s", err.text);
    return st;
}

/* Content k: a few KiB that differ from any other k's. */
static size_t content(int k, uint8_t *data)
{
    size_t len = 3000 + (size_t)k * 17;

    for (size_t i = 0; i < len; i++)
        data[i] = (uint8_t)(i * 31 + (size_t)k * 7 + (i >> 8));
    return len;
}

static ms_code push(struct ms_store *st, const uint8_t *data, size_t len, const char *hex,
                    struct ms_err *err)
{
    struct ms_push *p;

    if (ms_blobs_has(&st->blobs, hex, (int64_t)len))
        return MS_OK;
    MS_TRY(ms_push_open(&st->blobs, hex, (int64_t)len, 100, &p, err));
    ms_code code = ms_push_write(&st->blobs, p, 0, data, len / 2, 100, err);
    if (code == MS_OK)
        code = ms_push_write(&st->blobs, p, (int64_t)(len / 2), data + len / 2, len - len / 2, 101,
                             err);
    if (code != MS_OK) {
        ms_push_drop(&st->blobs, p);
        return code;
    }
    return ms_push_finish(&st->blobs, p, NULL, err);
}

/* The whole way of content k under a name, in the order that deploy.c keeps. */
static ms_code deploy(struct ms_store *st, const char *name, int64_t version, int k,
                      struct ms_err *err)
{
    uint8_t data[8192];
    char hex[MS_SHA256_HEX];
    size_t len = content(k, data);
    int64_t from;

    if (!ms_sha256_hex(data, len, hex))
        return ms_fail_oom(err, "digest", 0);
    MS_TRY(push(st, data, len, hex, err));
    struct ms_version_file f = {"m.onnx", hex, (int64_t)len};
    struct ms_version v = {.name = name,
                           .version = version,
                           .format = "",
                           .reason = "",
                           .created = 1700000000,
                           .config = ms_bytes("", 0),
                           .files = &f,
                           .n_files = 1};
    if (!ms_version_digest(&f, 1, v.config, v.digest))
        return ms_fail_oom(err, "digest", 0);
    MS_TRY(ms_db_stage(st->db, &v, err));
    return ms_db_go_live(st->db, name, version, "onnx", 2, &deploy_audit, &from, err);
}

static void must_deploy(struct ms_store *st, const char *name, int64_t version, int k)
{
    struct ms_err err = {0};

    ck_assert_msg(deploy(st, name, version, k, &err) == MS_OK, "%s", err.text);
}

static int64_t live(struct ms_store *st, const char *name, int64_t which)
{
    struct ms_arena a;
    struct ms_version v;
    struct ms_err err;

    ms_arena_init(&a, 1 << 20);
    ms_code code = ms_db_get(st->db, name, which, &a, &v, &err);
    ms_arena_done(&a);
    ck_assert(code == MS_OK || code == MS_NOT_FOUND);
    return code == MS_OK ? v.version : 0;
}

/* ---- plain behaviour ---- */

START_TEST(deploys_survive_reopening)
{
    char dir[256];
    struct ms_err err;
    int64_t n;

    tmp_folder(dir);
    struct ms_store *st = must_open(dir);
    must_deploy(st, "a", 1, 1);
    must_deploy(st, "a", 2, 2);
    must_deploy(st, "b", 7, 1); /* the same bytes: stored once */
    ck_assert_int_eq(atomic_load(&st->blobs.used), 3017 + 3034);
    ms_store_close(st);

    st = must_open(dir);
    ck_assert_int_eq(atomic_load(&st->blobs.used), 3017 + 3034);
    ck_assert_int_eq(live(st, "a", 0), 2);
    ck_assert_int_eq(live(st, "a", -1), 1);
    ck_assert_int_eq(live(st, "b", 0), 7);
    ck_assert_int_eq(deploy(st, "a", 2, 3, &err), MS_ALREADY_EXISTS);
    ck_assert_int_eq(ms_db_go_live(st->db, "a", 1, "onnx", 2, &rollback_audit, &n, &err), MS_OK);
    ck_assert_int_eq(n, 2);
    ck_assert_int_eq(live(st, "a", 0), 1);
    ck_assert_int_eq(live(st, "a", -1), 2);
    must_deploy(st, "a", 3, 3);
    must_deploy(st, "a", 4, 4);
    ck_assert_int_eq(live(st, "a", 4), 4);
    ck_assert_int_eq(live(st, "a", 3), 3);
    ck_assert_int_eq(live(st, "a", 2), 0); /* beyond keep_versions */
    ck_assert_int_eq(ms_db_last(st->db, "a", &n, &err), MS_OK);
    ck_assert_int_eq(n, 4);
    ck_assert_int_eq(ms_db_undeploy(st->db, "a", 4, &undeploy_audit, &err), MS_OK);
    ck_assert_int_eq(live(st, "a", 0), 0);
    ck_assert_int_eq(live(st, "a", -1), 3);
    ck_assert_int_eq(ms_db_undeploy(st->db, "a", 0, &undeploy_audit, &err), MS_OK);
    ck_assert_int_eq(ms_db_undeploy(st->db, "a", 0, &undeploy_audit, &err), MS_NOT_FOUND);
    ck_assert_int_eq(ms_db_undeploy(st->db, "b", 9, &undeploy_audit, &err), MS_NOT_FOUND);
    ck_assert_int_eq(ms_db_audit_verify(st->db, &n, &err), MS_OK);
    ck_assert_int_eq(n, 8);
    ms_store_close(st);
    remove_folder(dir);
}
END_TEST

START_TEST(one_process_at_a_time)
{
    char dir[256];
    struct ms_store *st, *other;
    struct ms_err err;

    tmp_folder(dir);
    st = must_open(dir);
    ck_assert_int_eq(open_store(dir, NULL, &other, &err), MS_UNAVAILABLE);
    ck_assert_ptr_nonnull(strstr(err.text, "another mindserved"));
    ms_store_close(st);
    st = must_open(dir);
    ms_store_close(st);
    remove_folder(dir);
}
END_TEST

START_TEST(pushes_are_checked_and_resumed)
{
    char dir[256], hex[MS_SHA256_HEX], got[MS_SHA256_HEX];
    uint8_t data[8192];
    size_t len = content(5, data);
    struct ms_push *p, *q;
    struct ms_err err;

    tmp_folder(dir);
    struct ms_store *st = must_open(dir);
    ck_assert(ms_sha256_hex(data, len, hex));
    ck_assert_int_eq(ms_push_open(&st->blobs, hex, (int64_t)len, 10, &p, &err), MS_OK);
    ck_assert_int_eq(ms_push_open(&st->blobs, hex, (int64_t)len, 10, &q, &err), MS_ABORTED);
    ck_assert_int_eq(ms_push_write(&st->blobs, p, 0, data, 1000, 11, &err), MS_OK);
    ck_assert_int_eq(ms_push_write(&st->blobs, p, 500, data, 1000, 11, &err), MS_INVALID_ARGUMENT);
    ck_assert_int_eq(ms_push_write(&st->blobs, p, 1000, data, len, 11, &err), MS_INVALID_ARGUMENT);
    ms_push_leave(&st->blobs, p, 12);
    ms_push_expire(&st->blobs, 100, 3600);
    ck_assert_int_eq(ms_push_open(&st->blobs, hex, (int64_t)len, 200, &p, &err), MS_OK);
    ck_assert_int_eq(p->have, 1000);
    ck_assert_int_eq(ms_push_write(&st->blobs, p, 1000, data + 1000, len - 1000, 201, &err), MS_OK);
    ck_assert_int_eq(ms_push_finish(&st->blobs, p, NULL, &err), MS_OK);
    ck_assert(ms_blobs_has(&st->blobs, hex, (int64_t)len));
    ck_assert_int_eq(ms_blob_verify(st->vfs, st->dir, hex, (int64_t)len, NULL, &err), MS_OK);

    /* other bytes than announced */
    data[0] ^= 1;
    ck_assert(ms_sha256_hex(data, len, got));
    ck_assert_int_eq(ms_push_open(&st->blobs, got, (int64_t)len, 10, &p, &err), MS_OK);
    data[0] ^= 1;
    ck_assert_int_eq(ms_push_write(&st->blobs, p, 0, data, len, 11, &err), MS_OK);
    ck_assert_int_eq(ms_push_finish(&st->blobs, p, NULL, &err), MS_INVALID_ARGUMENT);
    ck_assert(!ms_blobs_has(&st->blobs, got, (int64_t)len));
    ck_assert_int_eq(st->blobs.pending, 0);

    /* without a digest */
    ck_assert_int_eq(ms_push_open_unnamed(&st->blobs, 4, 10, &p, &err), MS_OK);
    ck_assert_int_eq(ms_push_write(&st->blobs, p, 0, "abcd", 4, 10, &err), MS_OK);
    ck_assert_int_eq(ms_push_finish(&st->blobs, p, got, &err), MS_OK);
    ck_assert(ms_blobs_has(&st->blobs, got, 4));

    /* left for too long */
    ck_assert_int_eq(ms_push_open(&st->blobs, hex, 9, 10, &p, &err), MS_OK);
    ms_push_leave(&st->blobs, p, 20);
    ms_push_expire(&st->blobs, 3620, 3600);
    ck_assert_ptr_null(ms_push_find(&st->blobs, hex));
    ms_store_close(st);
    remove_folder(dir);
}
END_TEST

START_TEST(limits_hold)
{
    char dir[256], hex[4][MS_SHA256_HEX];
    struct ms_push *p[4];
    struct ms_err err;

    tmp_folder(dir);
    struct ms_store *st = must_open(dir);
    for (int i = 0; i < 4; i++)
        ck_assert(ms_sha256_hex(&i, sizeof i, hex[i]));
    st->blobs.quota = 1000;
    ck_assert_int_eq(ms_push_open(&st->blobs, hex[0], 1001, 1, &p[0], &err), MS_RESOURCE_EXHAUSTED);
    ck_assert_int_eq(ms_push_open(&st->blobs, hex[0], INT64_MAX, 1, &p[0], &err),
                     MS_RESOURCE_EXHAUSTED);
    ck_assert_int_eq(ms_push_open(&st->blobs, hex[0], 600, 1, &p[0], &err), MS_OK);
    ck_assert_int_eq(ms_push_open(&st->blobs, hex[1], 600, 1, &p[1], &err), MS_RESOURCE_EXHAUSTED);
    ms_push_leave(&st->blobs, p[0], 1);
    /* one that waits to be resumed makes room for one that is here */
    ck_assert_int_eq(ms_push_open(&st->blobs, hex[1], 600, 1, &p[1], &err), MS_OK);
    ck_assert_ptr_null(ms_push_find(&st->blobs, hex[0]));
    st->blobs.quota = 0;
    st->blobs.max_pushes = 2;
    ck_assert_int_eq(ms_push_open(&st->blobs, hex[2], 6, 1, &p[2], &err), MS_OK);
    ck_assert_int_eq(ms_push_open(&st->blobs, hex[3], 6, 1, &p[3], &err), MS_RESOURCE_EXHAUSTED);
    ms_push_drop(&st->blobs, p[2]);
    st->blobs.reserve = INT64_MAX;
    ck_assert_int_eq(ms_push_open(&st->blobs, hex[3], 6, 1, &p[3], &err), MS_RESOURCE_EXHAUSTED);
    ck_assert_ptr_nonnull(strstr(err.text, "do not fit on the disk"));
    ms_store_close(st);
    remove_folder(dir);
}
END_TEST

START_TEST(collection_keeps_what_is_needed)
{
    char dir[256], hex[MS_SHA256_HEX];
    uint8_t data[8192];
    struct ms_blob_pin pin;
    struct ms_err err;
    int removed;
    int64_t bytes;

    tmp_folder(dir);
    struct ms_store *st = must_open(dir);
    must_deploy(st, "a", 1, 1);
    size_t len = content(9, data);
    ck_assert(ms_sha256_hex(data, len, hex));
    ck_assert_int_eq(push(st, data, len, hex, &err), MS_OK);
    ck_assert_int_eq(ms_store_gc(st, 3600, &removed, &bytes, &err), MS_OK);
    ck_assert_int_eq(removed, 0); /* too young */
    ms_blobs_pin(&st->blobs, &pin, hex);
    ck_assert_int_eq(ms_store_gc(st, 0, &removed, &bytes, &err), MS_OK);
    ck_assert_int_eq(removed, 0); /* a deploy is about to use it */
    ms_blobs_unpin(&st->blobs, &pin);
    ck_assert_int_eq(ms_store_gc(st, 0, &removed, &bytes, &err), MS_OK);
    ck_assert_int_eq(removed, 1);
    ck_assert_int_eq(bytes, (int64_t)len);
    ck_assert(!ms_blobs_has(&st->blobs, hex, (int64_t)len));
    ck_assert_int_eq(ms_db_undeploy(st->db, "a", 0, &undeploy_audit, &err), MS_OK);
    ck_assert_int_eq(ms_store_gc(st, 0, &removed, &bytes, &err), MS_OK);
    ck_assert_int_eq(removed, 1);
    ck_assert_int_eq(atomic_load(&st->blobs.used), 0);
    ms_store_close(st);
    remove_folder(dir);
}
END_TEST

/* ---- damage ---- */

static void sql(const char *dir, const char *text)
{
    char path[512];
    sqlite3 *h;

    snprintf(path, sizeof path, "%s/mindserve.db", dir);
    ck_assert_int_eq(sqlite3_open(path, &h), SQLITE_OK);
    ck_assert_msg(sqlite3_exec(h, text, NULL, NULL, NULL) == SQLITE_OK, "%s", sqlite3_errmsg(h));
    sqlite3_close(h);
}

struct tally {
    int good, bad;
    char reason[128];
};

static ms_code count(void *arg, const struct ms_version *v, struct ms_err *err)
{
    struct tally *t = arg;

    (void)err;
    if (v->state == MS_VERSION_BAD) {
        t->bad++;
        snprintf(t->reason, sizeof t->reason, "%s", v->reason);
    } else {
        t->good++;
    }
    return MS_OK;
}

static struct tally tally(struct ms_store *st)
{
    struct tally t = {0};
    struct ms_arena a;
    struct ms_err err = {0};

    ms_arena_init(&a, 1 << 20);
    ck_assert_msg(ms_db_each(st->db, &a, count, &t, &err) == MS_OK, "%s", err.text);
    ms_arena_done(&a);
    return t;
}

static const char *const damages[] = {
    "UPDATE versions SET digest = 'x' WHERE name = 'a'",
    "UPDATE versions SET created = 5 WHERE name = 'a'",
    "UPDATE versions SET format = 'other' WHERE name = 'a'",
    "UPDATE versions SET config = x'00' WHERE name = 'a'",
    "UPDATE versions SET sum = '' WHERE name = 'a'",
    "UPDATE files SET sha256 = 'zz' WHERE name = 'a'",
    "UPDATE files SET size = -1 WHERE name = 'a'",
    "UPDATE files SET size = size + 1 WHERE name = 'a'",
    "UPDATE files SET path = '../../etc/passwd' WHERE name = 'a'",
    "DELETE FROM files WHERE name = 'a'",
};

START_TEST(a_bad_row_takes_one_model)
{
    char dir[256];

    tmp_folder(dir);
    struct ms_store *st = must_open(dir);
    must_deploy(st, "a", 1, 1);
    must_deploy(st, "b", 1, 2);
    ms_store_close(st);
    sql(dir, damages[_i]);
    st = must_open(dir);
    struct tally t = tally(st);
    ck_assert_int_eq(t.good, 1);
    ck_assert_int_eq(t.bad, 1);
    ck_assert_str_ne(t.reason, "");
    must_deploy(st, "b", 2, 3); /* and the store goes on */
    ms_store_close(st);
    remove_folder(dir);
}
END_TEST

static void note_dangling(void *arg, const char *name, int64_t version)
{
    snprintf(arg, 64, "%s %lld", name, (long long)version);
}

START_TEST(a_lost_row_is_noticed)
{
    char dir[256], what[64] = "";
    struct ms_err err;

    tmp_folder(dir);
    struct ms_store *st = must_open(dir);
    must_deploy(st, "a", 1, 1);
    must_deploy(st, "a", 2, 2);
    ms_store_close(st);
    sql(dir, "DELETE FROM versions WHERE version = 2");
    st = must_open(dir);
    ck_assert_int_eq(ms_db_each_dangling(st->db, note_dangling, what, &err), MS_OK);
    ck_assert_str_eq(what, "a 2");
    ms_store_close(st);
    remove_folder(dir);
}
END_TEST

START_TEST(the_audit_chain_shows_changes)
{
    static const char *const changes[] = {
        "UPDATE audit SET who = 'mallory' WHERE seq = 2", "DELETE FROM audit WHERE seq = 1",
        "UPDATE audit SET hash = 'x' WHERE seq = 3", "UPDATE audit SET seq = 9 WHERE seq = 3"};
    struct ms_err err;
    int64_t n;

    for (size_t i = 0; i < sizeof changes / sizeof *changes; i++) {
        char dir[256];
        tmp_folder(dir);
        struct ms_store *st = must_open(dir);
        for (int k = 1; k <= 3; k++)
            must_deploy(st, "a", k, k);
        ck_assert_int_eq(ms_db_audit_verify(st->db, &n, &err), MS_OK);
        ck_assert_int_eq(n, 3);
        ms_store_close(st);
        sql(dir, changes[i]);
        st = must_open(dir);
        ck_assert_int_eq(ms_db_audit_verify(st->db, &n, &err), MS_DATA_LOSS);
        ms_store_close(st);
        remove_folder(dir);
    }
}
END_TEST

START_TEST(an_unreadable_database_is_said)
{
    char dir[256], path[512];
    struct ms_store *st;
    struct ms_err err;

    tmp_folder(dir);
    st = must_open(dir);
    must_deploy(st, "a", 1, 1);
    ms_store_close(st);
    snprintf(path, sizeof path, "%s/mindserve.db", dir);
    FILE *f = fopen(path, "r+");
    ck_assert_ptr_nonnull(f);
    for (int i = 0; i < 4096; i++)
        fputc('x', f);
    fclose(f);
    ck_assert_int_eq(open_store(dir, NULL, &st, &err), MS_DATA_LOSS);
    ck_assert_ptr_nonnull(strstr(err.text, "database"));
    snprintf(path, sizeof path, "%s/FORMAT", dir);
    f = fopen(path, "w");
    fputs("2\n", f);
    fclose(f);
    ck_assert_int_eq(open_store(dir, NULL, &st, &err), MS_FAILED_PRECONDITION);
    remove_folder(dir);
}
END_TEST

START_TEST(a_rotten_blob_is_found_and_set_aside)
{
    char dir[256], path[512], hex[MS_SHA256_HEX], blob[MS_BLOB_PATH];
    uint8_t data[8192];
    size_t len = content(1, data);
    struct ms_err err;

    tmp_folder(dir);
    struct ms_store *st = must_open(dir);
    must_deploy(st, "a", 1, 1);
    ck_assert(ms_sha256_hex(data, len, hex));
    ms_blob_path(blob, hex);
    snprintf(path, sizeof path, "%s/%s", dir, blob);
    struct stat sb;
    ck_assert_int_eq(stat(path, &sb), 0);
    ck_assert_int_eq(sb.st_mode & 07777, 0400);
    ck_assert_int_eq(chmod(path, 0600), 0);
    FILE *f = fopen(path, "r+");
    ck_assert_ptr_nonnull(f);
    fputc('!', f);
    fclose(f);
    ck_assert_int_eq(ms_blob_verify(st->vfs, st->dir, hex, (int64_t)len, NULL, &err), MS_DATA_LOSS);
    ms_blobs_quarantine(&st->blobs, hex);
    ck_assert(!ms_blobs_has(&st->blobs, hex, (int64_t)len));
    ck_assert_int_eq(push(st, data, len, hex, &err), MS_OK); /* a new push heals it */
    ck_assert_int_eq(ms_blob_verify(st->vfs, st->dir, hex, (int64_t)len, NULL, &err), MS_OK);
    ms_store_close(st);
    remove_folder(dir);
}
END_TEST

/* ---- every operation fails once ---- */

/* What the sweeps do: two deploys, a rollback's pointer, one more deploy. Returns how many of its
 * four steps were acknowledged. */
static int scenario(struct ms_store *st)
{
    struct ms_err err;
    int64_t from;

    if (deploy(st, "a", 1, 1, &err) != MS_OK)
        return 0;
    if (deploy(st, "a", 2, 2, &err) != MS_OK)
        return 1;
    if (ms_db_go_live(st->db, "a", 1, "onnx", 2, &rollback_audit, &from, &err) != MS_OK)
        return 2;
    return deploy(st, "b", 1, 3, &err) == MS_OK ? 4 : 3;
}

static ms_code verify_version(void *arg, const struct ms_version *v, struct ms_err *err)
{
    struct ms_store *st = arg;

    if (v->state == MS_VERSION_BAD)
        return ms_fail(err, MS_DATA_LOSS, "%s %lld: %s", v->name, (long long)v->version, v->reason);
    for (int i = 0; i < v->n_files; i++)
        MS_TRY(ms_blob_verify(st->vfs, st->dir, v->files[i].hex, v->files[i].size, NULL, err));
    return MS_OK;
}

/* NULL when all that was acknowledged is there and whole. A step that was under way may be there.
 */
static const char *promise_broken(const char *dir, int acked)
{
    static char why[600];
    struct ms_store *st;
    struct ms_err err = {0};
    struct ms_arena a;
    const char *broken = NULL;

    if (open_store(dir, NULL, &st, &err) != MS_OK) {
        snprintf(why, sizeof why, "cannot be opened: %s", err.text);
        return why;
    }
    ms_arena_init(&a, 1 << 20);
    if (ms_db_each(st->db, &a, verify_version, st, &err) != MS_OK) {
        snprintf(why, sizeof why, "a row without its bytes: %s", err.text);
        broken = why;
    }
    ms_arena_done(&a);
    int64_t la = live(st, "a", 0), lb = live(st, "b", 0);
    static const int64_t a_live[5][2] = {{0, 1}, {1, 2}, {2, 1}, {1, 1}, {1, 1}};
    if (!broken && la != a_live[acked][0] && la != a_live[acked][1]) {
        snprintf(why, sizeof why, "after %d steps a is live as %lld", acked, (long long)la);
        broken = why;
    }
    if (!broken && acked == 4 && lb != 1)
        broken = "b is lost";
    ms_store_close(st);
    return broken;
}

static const int errors[] = {EIO, ENOSPC, EINTR, EMFILE, 0 /* a short write */};

START_TEST(every_operation_may_fail)
{
    bool all = _i % 2;
    int error = errors[_i / 2];
    long k;

    for (k = 1; k < 1000; k++) {
        char dir[256];
        struct vm m;
        struct ms_store *st;
        struct ms_err err;
        int acked = 0;

        tmp_folder(dir);
        vm_init(&m, dir);
        m.fail_at = k;
        m.error = error;
        m.fail_all = all;
        if (open_store(dir, &m.vfs, &st, &err) == MS_OK)
            acked = scenario(st);
        else
            ck_assert_int_ne(err.code, MS_OK);
        long done = m.ops;
        m.fail_at = 0;
        ms_store_close(st);
        vm_done(&m);
        const char *broken = promise_broken(dir, acked);
        ck_assert_msg(!broken, "operation %ld, error %d: %s", k, error, broken);
        if (error == 0)
            ck_assert_int_eq(acked, 4); /* a short write is no failure */
        remove_folder(dir);
        if (done < k)
            break;
    }
    ck_assert_int_gt(k, 30); /* the sweep has met the operations it is about */
    ck_assert_int_lt(k, 1000);
}
END_TEST

/* What arrives is on its way to the disk long before the end, whose fsync then takes no time; a
 * file system that cannot do that only makes it wait. */
START_TEST(a_push_is_written_out_as_it_arrives)
{
    enum { PIECE = 128 << 10, LEN = (3 << 20) + 5 };
    uint8_t *data = calloc(1, LEN);
    char dir[256], hex[MS_SHA256_HEX];
    struct vm m;
    struct ms_store *st;
    struct ms_push *p;
    struct ms_err err;

    tmp_folder(dir);
    vm_init(&m, dir);
    m.begin_fails = _i ? EINVAL : 0;
    ck_assert_ptr_nonnull(data);
    ck_assert_int_eq(open_store(dir, &m.vfs, &st, &err), MS_OK);
    ck_assert(ms_sha256_hex(data, LEN, hex));
    ck_assert_int_eq(ms_push_open(&st->blobs, hex, LEN, 10, &p, &err), MS_OK);
    for (int64_t at = 0; at < LEN; at += PIECE) {
        size_t n = LEN - at < PIECE ? (size_t)(LEN - at) : PIECE;
        ck_assert_int_eq(ms_push_write(&st->blobs, p, at, data + at, n, 11, &err), MS_OK);
        ck_assert_int_lt(p->have - m.begun, 1 << 20);
    }
    ck_assert_int_eq(ms_push_finish(&st->blobs, p, NULL, &err), MS_OK);
    ck_assert_int_eq(ms_blob_verify(st->vfs, st->dir, hex, LEN, NULL, &err), MS_OK);
    ms_store_close(st);
    vm_done(&m);
    remove_folder(dir);
    free(data);
}
END_TEST

/* ---- the power goes before every operation ---- */

static char snapshot[256];

static void snap(struct vm *m)
{
    copy_database(m->root, snapshot);
}

/* Runs the scenario with a power cut before operation k. False when it ended before that. */
static bool cut(long k, enum vm_mutant mutant, struct vm *m, char dir[256], int *acked)
{
    struct ms_store *st;
    struct ms_err err;

    tmp_folder(dir);
    tmp_folder(snapshot);
    vm_init(m, dir);
    m->crash_at = k;
    m->mutant = mutant;
    m->on_crash = snap;
    *acked = 0;
    if (open_store(dir, &m->vfs, &st, &err) == MS_OK)
        *acked = scenario(st);
    bool crashed = m->crashed;
    if (!crashed)
        snap(m); /* the power goes when all is done */
    m->crashed = true;
    ms_store_close(st);
    return crashed;
}

/* First promise that a power cut breaks with a mutant; NULL if none does. states counts. */
static const char *sweep_cuts(enum vm_mutant mutant, long *states)
{
    const char *broken = NULL;

    for (long k = 1; !broken; k++) {
        char dir[256], after[256];
        struct vm m;
        int acked;
        bool more = cut(k, mutant, &m, dir, &acked);

        for (int d = 0; d < VM_N_DATA && !broken; d++) {
            for (int n = 0; n < VM_N_NAMES && !broken; n++) {
                tmp_folder(after);
                vm_materialise(&m, after, d, n);
                copy_database(snapshot, after);
                broken = promise_broken(after, acked);
                remove_folder(after);
                ++*states;
            }
        }
        vm_done(&m);
        remove_folder(dir);
        remove_folder(snapshot);
        if (!more)
            break;
    }
    return broken;
}

START_TEST(power_cuts_break_no_promise)
{
    long states = 0;
    const char *broken = sweep_cuts(VM_NONE, &states);

    ck_assert_msg(!broken, "%s", broken);
    ck_assert_int_gt(states, 500);
}
END_TEST

/* The sweep would notice a forgotten fsync: each one that is taken out is found. */
START_TEST(forgotten_syncs_are_caught)
{
    static const enum vm_mutant mutants[] = {VM_NO_FILE_SYNC, VM_NO_LEAF_SYNC, VM_NO_PARENT_SYNC,
                                             VM_NO_TOP_SYNC};
    long states = 0;

    ck_assert_msg(sweep_cuts(mutants[_i], &states) != NULL, "mutant %d was not caught",
                  mutants[_i]);
}
END_TEST

/* ---- the database's disk fails ---- */

static sqlite3_vfs failing;
/* SQLite gives the database and its log different methods. */
static sqlite3_io_methods failing_io[2];
static const sqlite3_io_methods *real_io[2];
static long sqlite_ops, sqlite_fail_at;

static int sqlite_gate(void)
{
    return ++sqlite_ops >= sqlite_fail_at && sqlite_fail_at ? SQLITE_IOERR : SQLITE_OK;
}

static const sqlite3_io_methods *real_methods(const sqlite3_file *f)
{
    return real_io[f->pMethods == &failing_io[1]];
}

static int bad_write(sqlite3_file *f, const void *p, int n, sqlite3_int64 at)
{
    int rc = sqlite_gate();

    return rc ? SQLITE_IOERR_WRITE : real_methods(f)->xWrite(f, p, n, at);
}

static int bad_sync(sqlite3_file *f, int flags)
{
    int rc = sqlite_gate();

    return rc ? SQLITE_IOERR_FSYNC : real_methods(f)->xSync(f, flags);
}

static int failing_open(sqlite3_vfs *v, const char *name, sqlite3_file *f, int flags, int *out)
{
    sqlite3_vfs *unix_vfs = v->pAppData;
    int rc = unix_vfs->xOpen(unix_vfs, name, f, flags, out);
    int which = (flags & SQLITE_OPEN_MAIN_DB) == 0;

    if (rc == SQLITE_OK && f->pMethods) {
        real_io[which] = f->pMethods;
        failing_io[which] = *f->pMethods;
        failing_io[which].xWrite = bad_write;
        failing_io[which].xSync = bad_sync;
        f->pMethods = &failing_io[which];
    }
    return rc;
}

START_TEST(a_failing_database_makes_the_store_read_only)
{
    sqlite3_vfs *unix_vfs = sqlite3_vfs_find(NULL);
    long k;

    failing = *unix_vfs;
    failing.zName = "failing";
    failing.xOpen = failing_open;
    failing.pAppData = unix_vfs;
    failing.pNext = NULL;
    ck_assert_int_eq(sqlite3_vfs_register(&failing, 1), SQLITE_OK);
    for (k = 1; k < 500; k++) {
        char dir[256];
        struct ms_store *st;
        struct ms_err err;

        tmp_folder(dir);
        sqlite_fail_at = 0;
        st = must_open(dir);
        must_deploy(st, "a", 1, 1);
        sqlite_ops = 0;
        sqlite_fail_at = k;
        ms_code code = deploy(st, "a", 2, 2, &err);
        if (code != MS_OK) {
            ms_store_note(st);
            ck_assert_int_eq(code, MS_UNAVAILABLE);
            ck_assert(atomic_load(&st->read_only));
            ck_assert_int_eq(ms_store_writable(st, &err), MS_UNAVAILABLE);
            ck_assert_int_eq(ms_db_undeploy(st->db, "a", 0, &undeploy_audit, &err), MS_UNAVAILABLE);
        }
        sqlite_fail_at = 0;
        ms_store_close(st);
        st = must_open(dir);
        ck_assert_int_ge(live(st, "a", 0), code == MS_OK ? 2 : 1);
        ck_assert_int_eq(tally(st).bad, 0);
        ms_store_close(st);
        remove_folder(dir);
        if (code == MS_OK)
            break;
    }
    ck_assert_int_gt(k, 3);
    ck_assert_int_lt(k, 500);
    sqlite3_vfs_unregister(&failing);
}
END_TEST

/* ---- memory runs out ---- */

START_TEST(memory_may_run_out)
{
    uint64_t n;

    for (n = 1; n < 2000; n++) {
        char dir[256];
        struct ms_store *st;
        struct ms_err err;

        tmp_folder(dir);
        ms_mem_fail_after(n, false);
        ms_code code = open_store(dir, NULL, &st, &err);
        if (code == MS_OK)
            code = scenario(st) == 4 ? MS_OK : MS_RESOURCE_EXHAUSTED;
        ms_mem_fail_after(0, false);
        ms_store_close(st);
        remove_folder(dir);
        if (code == MS_OK && n > 10)
            break;
    }
    ck_assert_uint_lt(n, 2000);
}
END_TEST

/* ---- names ---- */

START_TEST(paths_in_bundles)
{
    static const char *const good[] = {"m.onnx", "a/b", "net_variables/data_0", "..x", "a..b/.c"};
    static const char *const bad[] = {"",     "/",    "/a",       "a/",       "a//b",
                                      ".",    "..",   "../a",     "a/..",     "a/./b",
                                      "a\\b", "a\nb", "\xff\xfe", "a/../../b"};

    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        ck_assert_msg(ms_bundle_path_valid(good[i], strlen(good[i])), "%s", good[i]);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        ck_assert_msg(!ms_bundle_path_valid(bad[i], strlen(bad[i])), "%s", bad[i]);
    ck_assert(!ms_bundle_path_valid("a\0b", 3));
}
END_TEST

/* ---- the sandbox of the validating process ---- */

/* What try() does in a sandboxed process: its exit code, or -signal. */
static int in_sandbox(int (*try)(void))
{
    int status;
    pid_t pid = fork();

    ck_assert_int_ge(pid, 0);
    if (pid == 0) {
        struct ms_err err;
        if (ms_sandbox_enter((size_t)1 << 30, 1, &err) != MS_OK)
            _exit(99);
        _exit(try());
    }
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
}

static int try_nothing(void)
{
    return 7;
}

static int try_open(void)
{
    return open("/etc/passwd", O_RDONLY) < 0 && errno == EPERM ? 7 : 1;
}

static int try_exec(void)
{
    char *argv[] = {"true", NULL};

    execv("/bin/true", argv);
    return 1;
}

static int try_fork(void)
{
    return fork() == 0 ? 2 : 1;
}

static int try_socket(void)
{
    return socket(AF_INET, SOCK_STREAM, 0);
}

static int try_memory(void)
{
    void *volatile p = malloc((size_t)2 << 30); /* volatile: not optimised away */
    int code = p ? 1 : 7;

    free(p);
    return code;
}

static int try_spin(void)
{
    volatile uint64_t i = 0;

    while (i < UINT64_MAX)
        i = i + 1;
    return 1;
}

START_TEST(the_sandbox_holds)
{
    ck_assert_int_eq(in_sandbox(try_nothing), 7);
    ck_assert_int_eq(in_sandbox(try_spin), -SIGXCPU);
#if defined(__x86_64__) && !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
    ck_assert_int_eq(in_sandbox(try_open), 7);
    ck_assert_int_eq(in_sandbox(try_memory), 7);
    ck_assert_int_eq(in_sandbox(try_exec), -SIGSYS);
    ck_assert_int_eq(in_sandbox(try_fork), -SIGSYS);
    ck_assert_int_eq(in_sandbox(try_socket), -SIGSYS);
#else
    (void)try_open, (void)try_memory, (void)try_exec, (void)try_fork, (void)try_socket;
    printf("the_sandbox_holds: system calls are not filtered in this build\n");
#endif
}
END_TEST

int main(void)
{
    Suite *s = suite_create("store");
    TCase *t = tcase_create("store");

    tcase_set_timeout(t, 300);
    tcase_add_test(t, deploys_survive_reopening);
    tcase_add_test(t, one_process_at_a_time);
    tcase_add_test(t, pushes_are_checked_and_resumed);
    tcase_add_test(t, limits_hold);
    tcase_add_test(t, collection_keeps_what_is_needed);
    tcase_add_loop_test(t, a_bad_row_takes_one_model, 0, (int)(sizeof damages / sizeof *damages));
    tcase_add_test(t, a_lost_row_is_noticed);
    tcase_add_test(t, the_audit_chain_shows_changes);
    tcase_add_test(t, an_unreadable_database_is_said);
    tcase_add_test(t, a_rotten_blob_is_found_and_set_aside);
    tcase_add_loop_test(t, every_operation_may_fail, 0, 2 * (int)(sizeof errors / sizeof *errors));
    tcase_add_loop_test(t, a_push_is_written_out_as_it_arrives, 0, 2);
    tcase_add_test(t, power_cuts_break_no_promise);
    tcase_add_loop_test(t, forgotten_syncs_are_caught, 0, 4);
    tcase_add_test(t, a_failing_database_makes_the_store_read_only);
    tcase_add_test(t, memory_may_run_out);
    tcase_add_test(t, paths_in_bundles);
    tcase_add_test(t, the_sandbox_holds);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
