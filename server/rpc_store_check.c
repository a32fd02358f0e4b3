/* SPDX-License-Identifier: Apache-2.0 */
/* rpc_store_check.c - StoreCheck: rows, the audit chain, and every byte of every blob.
 *
 * The writer thread collects what should be there; reading it again is the work of the loader
 * thread, at its low priority, so that pushes and requests go on. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "proto/mindserve.pb-c.h"
#include "server/manage.h"

enum { MAX_PROBLEMS = 1000 };

struct blob {
    char hex[MS_SHA256_HEX];
    int64_t size;
    struct blob *next;
};

struct check {
    struct ms_job job;
    struct ms_call *c;
    struct ms_store *st;
    struct blob *blobs;
    Mindserve__V1__StoreCheckReply reply;
    char *problem[MAX_PROBLEMS];
};

static void problem(struct check *k, const char *fmt, ...)
{
    va_list ap;
    char text[400];

    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    char *copy = ms_arena_strdup(&k->c->arena, text);
    if (copy && k->reply.n_problems < MAX_PROBLEMS)
        k->problem[k->reply.n_problems++] = copy;
}

static ms_code add_blob(void *arg, const char *hex, int64_t size, int64_t mtime, struct ms_err *err)
{
    struct check *k = arg;
    struct blob *b = ms_arena_alloc(&k->c->arena, sizeof *b);

    (void)mtime;
    if (!b)
        return ms_fail_oom(err, "check", sizeof *b);
    memcpy(b->hex, hex, sizeof b->hex);
    b->size = size;
    b->next = k->blobs;
    k->blobs = b;
    return MS_OK;
}

static ms_code check_version(void *arg, const struct ms_version *v, struct ms_err *err)
{
    struct check *k = arg;

    (void)err;
    if (v->state == MS_VERSION_BAD)
        problem(k, "model '%s' version %lld: %s", v->name, (long long)v->version, v->reason);
    for (int i = 0; i < v->n_files; i++)
        if (!ms_blobs_has(&k->st->blobs, v->files[i].hex, v->files[i].size))
            problem(k, "model '%s' version %lld: blob %.12s is missing or has another size",
                    v->name, (long long)v->version, v->files[i].hex);
    return MS_OK;
}

static void dangling(void *arg, const char *name, int64_t version)
{
    problem(arg, "model '%s': its live version %lld is missing", name, (long long)version);
}

/* Loader thread. */
static void read_blobs(struct ms_job *j)
{
    struct check *k = (struct check *)(void *)j;
    struct ms_call *c = k->c;
    struct ms_err err;

    for (struct blob *b = k->blobs; b && !atomic_load(&c->cancelled); b = b->next) {
        ms_jobs_alive(k->st->loader);
        k->reply.blobs++;
        k->reply.bytes += b->size > 0 ? (uint64_t)b->size : 0;
        if (ms_blob_verify(k->st->vfs, k->st->dir, b->hex, b->size, &c->cancelled, &err) != MS_OK)
            problem(k, "%s", err.text);
    }
    k->reply.problems = k->problem;
    if (atomic_load(&c->cancelled)) {
        ms_fail(&c->err, MS_CANCELLED, "the client went away");
        ms_call_fail(c);
    } else {
        ms_call_reply_msg(c, &k->reply.base);
    }
    ms_call_unref(c);
}

static ms_code collect(struct check *k)
{
    struct ms_call *c = k->c;
    struct ms_err err;
    int64_t records;

    if (*ms_db_problem(k->st->db))
        problem(k, "database: %s", ms_db_problem(k->st->db));
    if (ms_db_audit_verify(k->st->db, &records, &err) != MS_OK)
        problem(k, "%s", err.text);
    MS_TRY(ms_db_each(k->st->db, &c->arena, check_version, k, &c->err));
    MS_TRY(ms_db_each_dangling(k->st->db, dangling, k, &c->err));
    return ms_blobs_each(&k->st->blobs, add_blob, k, &c->err);
}

static void run(struct ms_store *st, struct ms_call *c)
{
    struct check *k = ms_arena_alloc(&c->arena, sizeof *k);

    if (!k) {
        ms_fail_oom(&c->err, "check", sizeof *k);
        ms_call_fail(c);
        return;
    }
    mindserve__v1__store_check_reply__init(&k->reply);
    k->job.run = read_blobs;
    k->c = c;
    k->st = st;
    if (collect(k) != MS_OK) {
        ms_call_fail(c);
        return;
    }
    ms_call_ref(c);
    ms_jobs_post(st->loader, &k->job);
}

static void handle(struct ms_call *c)
{
    if (ms_call_decode(c, &mindserve__v1__store_check_request__descriptor))
        ms_manage_call(c, run);
    else
        ms_call_fail(c);
}

const struct ms_rpc ms_rpc_store_check = {
    .grpc = "/mindserve.v1.Admin/StoreCheck",
    .rest = {"POST /v2/repository/check"},
    .help = "read every blob again and compare it with its digest",
    .role = MS_ROLE_ADMIN,
    .handle = handle,
};
