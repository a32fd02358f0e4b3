/* SPDX-License-Identifier: Apache-2.0 */
/* manage.c - the life of the store's threads. */
#include "server/manage.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "config/config.h"
#include "server/deploy_steps.h"

enum { LOADER_NICENESS = 19, WRITER_NICENESS = 10, ROWS_MAX = 256 << 20 };
#define TICK (250 * MS_MS)

/* ---- the start ---- */

struct start_job {
    struct ms_job job;
    struct ms_store *st;
    bool cancel;
};

static void unavailable(struct ms_store *st, const char *name, int64_t version, const char *reason)
{
    char text[24];
    struct ms_err ignored;

    snprintf(text, sizeof text, "%" PRId64, version);
    if (ms_registry_put(st->srv->models, name, text, MS_STATE_UNAVAILABLE, reason, NULL, false,
                        &ignored) != MS_OK)
        reason = "it could not even be listed: out of memory";
    ms_log(MS_LOG_ERROR, "load",
           ms_log_fields(MS_LOG_TEXT("model", name), MS_LOG_NUM("version", version)), "%s", reason);
}

void ms_deploy_resumed(struct ms_store *st)
{
    atomic_fetch_sub(&st->loading, 1);
}

/* version -1: the previous one, as a stand-in. */
static void resume(struct ms_store *st, const char *name, int64_t version, bool commit)
{
    struct ms_deploy *d;
    struct ms_err err;

    if (ms_deploy_new(st, MS_DEPLOY_RESUME, NULL, NULL, "start", &d, &err) != MS_OK) {
        unavailable(st, name, version, err.text);
        return;
    }
    d->v.name = ms_arena_strdup(&d->arena, name);
    d->v.version = version;
    d->commit = commit;
    d->fallback = version < 0;
    if (!d->v.name) {
        unavailable(st, name, version, "out of memory");
        ms_deploy_unref(d);
        return;
    }
    atomic_fetch_add(&st->loading, 1);
    ms_deploy_start(d);
}

void ms_deploy_stand_in(struct ms_store *st, const char *name)
{
    resume(st, name, -1, false);
}

static ms_code start_version(void *arg, const struct ms_version *v, struct ms_err *err)
{
    struct ms_store *st = arg;
    struct ms_err why;

    (void)err;
    if (v->live)
        resume(st, v->name, v->version, false);
    else if (v->state == MS_VERSION_BAD)
        unavailable(st, v->name, v->version, v->reason);
    else if (v->state == MS_VERSION_STAGED && v->no_wait)
        resume(st, v->name, v->version, true); /* it was acknowledged before it was loaded */
    else if (v->state == MS_VERSION_STAGED && !atomic_load(&st->read_only) &&
             ms_db_unstage(st->db, v->name, v->version, &why) != MS_OK)
        ms_log(MS_LOG_WARN, "store", NULL, "%s", why.text); /* tried again at the next start */
    return MS_OK;
}

static void dangling(void *arg, const char *name, int64_t version)
{
    unavailable(arg, name, version, "its row is missing from the database");
    ms_deploy_stand_in(arg, name);
}

/* Rows are collected first: what follows writes, and a reader must not stand open meanwhile. */
struct rows {
    struct ms_arena *arena;
    struct ms_version *v;
    int n, cap;
};

static ms_code keep_row(void *arg, const struct ms_version *v, struct ms_err *err)
{
    struct rows *r = arg;

    if (r->n == r->cap) {
        int cap = r->cap ? 2 * r->cap : 64;
        struct ms_version *more = ms_reallocarray(r->v, (size_t)cap, sizeof *more);
        if (!more)
            return ms_fail_oom(err, "versions", (size_t)cap * sizeof *more);
        r->v = more;
        r->cap = cap;
    }
    r->v[r->n++] = *v;
    return MS_OK;
}

static void run_start(struct ms_job *j)
{
    struct start_job *s = (struct start_job *)(void *)j;
    struct ms_store *st = s->st;
    struct ms_arena a;
    struct rows r = {.arena = &a};
    struct ms_err err;

    ms_arena_init(&a, ROWS_MAX);
    if (*ms_db_problem(st->db))
        ms_log(MS_LOG_ERROR, "store", NULL, "the database is damaged, nothing is written: %s",
               ms_db_problem(st->db));
    ms_code code = ms_db_each(st->db, &a, keep_row, &r, &err);
    for (int i = 0; i < r.n && code == MS_OK; i++)
        code = start_version(st, &r.v[i], &err);
    if (code == MS_OK)
        code = ms_db_each_dangling(st->db, dangling, st, &err);
    if (code != MS_OK)
        ms_log(MS_LOG_ERROR, "store", NULL, "%s", err.text);
    ms_store_note(st);
    ms_free(r.v);
    ms_arena_done(&a);
    ms_free(s);
    atomic_fetch_sub(&st->loading, 1);
}

/* ---- housekeeping ---- */

static void tick(void *arg)
{
    struct ms_store *st = arg;
    struct ms_err err;
    int removed;
    int64_t bytes;

    ms_deploy_sweep(st, false);
    ms_push_expire(&st->blobs, ms_store_time(), st->opts.push_keep);
    atomic_store(&st->srv->read_only, atomic_load(&st->read_only));
    if (ms_now() < st->next_gc || atomic_load(&st->read_only))
        return;
    st->next_gc = ms_now() + st->opts.gc_interval;
    if (ms_store_gc(st, st->opts.gc_age, &removed, &bytes, &err) != MS_OK)
        ms_log(MS_LOG_WARN, "gc", NULL, "%s", err.text);
    else if (removed > 0)
        ms_log(MS_LOG_INFO, "gc", ms_log_fields(MS_LOG_NUM("bytes", bytes)), "removed %d blobs",
               removed);
}

ms_code ms_manage_start(struct ms_store *st, struct ms_server *srv, const struct ms_config *config,
                        struct ms_err *err)
{
    struct start_job *s = ms_calloc(1, sizeof *s);

    if (!s)
        return ms_fail_oom(err, "store", sizeof *s);
    s->job.run = run_start;
    s->st = st;
    st->srv = srv;
    st->next_gc = ms_now() + st->opts.gc_interval;
    atomic_store(&st->config, config);
    atomic_store(&st->loading, 1);
    ms_code code = ms_background_new(&st->background, err);
    if (code == MS_OK)
        code = ms_jobs_new("ms-loader", st->background, LOADER_NICENESS, 0, NULL, NULL, &st->loader,
                           err);
    if (code == MS_OK)
        code = ms_jobs_new("ms-store", st->background, WRITER_NICENESS, TICK, tick, st, &st->writer,
                           err);
    if (code != MS_OK) {
        ms_jobs_free(st->loader);
        ms_background_free(st->background);
        st->loader = NULL;
        st->background = NULL;
        ms_free(s);
        return code;
    }
    ms_jobs_post(st->writer, &s->job);
    return MS_OK;
}

static void run_close(struct ms_job *j)
{
    struct start_job *s = (struct start_job *)(void *)j;

    s->st->closing = true;
    ms_deploy_sweep(s->st, s->cancel);
}

void ms_manage_close(struct ms_store *st, bool cancel)
{
    struct start_job s = {.job = {.run = run_close}, .st = st, .cancel = cancel};

    ms_jobs_post(st->writer, &s.job);
    ms_jobs_flush(st->writer);
}

void ms_manage_stop(struct ms_store *st)
{
    ms_manage_close(st, true);
    /* The loader's last jobs post to the writer, which therefore ends after it. */
    ms_jobs_free(st->loader);
    ms_jobs_free(st->writer);
    ms_background_free(st->background);
    st->loader = st->writer = NULL;
    st->background = NULL;
}

void ms_manage_config(struct ms_store *st, const struct ms_config *c)
{
    atomic_store(&st->config, c);
}

int ms_manage_loading(struct ms_store *st)
{
    return atomic_load(&st->loading);
}

bool ms_manage_required_ready(struct ms_store *st)
{
    const struct ms_config *c = atomic_load(&st->config);
    struct ms_err ignored;
    struct ms_model *m;

    for (int i = 0; i < c->n_models; i++) {
        if (!c->models[i].has_required || !c->models[i].required)
            continue;
        if (ms_registry_get(st->srv->models, c->models[i].name, "", &m, &ignored) != MS_OK)
            return false;
        ms_model_unref(m);
    }
    return true;
}

/* ---- calls on the writer thread ---- */

struct call_job {
    struct ms_job job;
    struct ms_call *c;
    void (*run)(struct ms_store *st, struct ms_call *c);
};

static void run_call(struct ms_job *j)
{
    struct call_job *k = (struct call_job *)(void *)j;
    struct ms_call *c = k->c;

    /* k lies in the call's arena */
    k->run(c->srv->store, c);
    ms_call_unref(c);
}

void ms_manage_call(struct ms_call *c, void (*run)(struct ms_store *st, struct ms_call *c))
{
    struct call_job *k = ms_arena_alloc(&c->arena, sizeof *k);

    if (!c->srv->store || !k) {
        if (!k)
            ms_fail_oom(&c->err, "call", sizeof *k);
        else
            ms_fail(&c->err, MS_UNIMPLEMENTED, "this server has no store");
        ms_call_fail(c);
        return;
    }
    k->job.run = run_call;
    k->c = ms_call_ref(c);
    k->run = run;
    ms_jobs_post(c->srv->store->writer, &k->job);
}
