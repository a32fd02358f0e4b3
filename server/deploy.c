/* SPDX-License-Identifier: Apache-2.0 */
/* deploy.c - the steps of a deploy that run on the writer thread. Loading is in loader.c, what is
 * decided from a manifest in deploy_plan.c. */
#include "server/deploy.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "server/deploy_steps.h"
#include "server/server.h"

enum { ARENA_MAX = 64 << 20 };

static void run_start(struct ms_job *j);
static void run_next(struct ms_job *j);
static void run_feed(struct ms_job *j);
static void run_abort(struct ms_job *j);
static void run_loaded(struct ms_job *j);

#define FROM_JOB(j_, member_)                                                                      \
    ((struct ms_deploy *)(void *)((char *)(j_)-offsetof(struct ms_deploy, member_)))

ms_code ms_deploy_new(struct ms_store *st, enum ms_deploy_kind kind,
                      const struct ms_deploy_front *front, void *arg, const char *who,
                      struct ms_deploy **out, struct ms_err *err)
{
    struct ms_deploy *d = ms_calloc(1, sizeof *d);

    if (!d)
        return ms_fail_oom(err, "deploy", sizeof *d);
    d->st = st;
    d->kind = kind;
    d->front = front;
    d->arg = arg;
    d->current = -1;
    atomic_init(&d->refs, 1);
    d->commit = kind == MS_DEPLOY_PUSH || kind == MS_DEPLOY_ROLLBACK;
    ms_arena_init(&d->arena, ARENA_MAX);
    ms_buf_init(&d->missing, 1 << 20);
    snprintf(d->who, sizeof d->who, "%s", who);
    d->start_job.run = run_start;
    d->feed_job.run = run_feed;
    d->pace.job.run = run_next;
    d->abort_job.run = run_abort;
    d->load_job.run = ms_deploy_load;
    d->loaded_job.run = run_loaded;
    *out = d;
    return MS_OK;
}

struct ms_deploy *ms_deploy_ref(struct ms_deploy *d)
{
    atomic_fetch_add_explicit(&d->refs, 1, memory_order_relaxed);
    return d;
}

void ms_deploy_unref(struct ms_deploy *d)
{
    if (!d || atomic_fetch_sub_explicit(&d->refs, 1, memory_order_acq_rel) != 1)
        return;
    ms_model_unref(d->model);
    ms_buf_done(&d->missing);
    ms_arena_done(&d->arena);
    ms_free(d);
}

void ms_deploy_start(struct ms_deploy *d)
{
    ms_jobs_post(d->st->writer, &d->start_job);
}

void ms_deploy_feed(struct ms_deploy *d, int file, int64_t offset, struct ms_bytes data)
{
    d->feed_file = file;
    d->feed_offset = offset;
    d->feed_data = data;
    ms_pace_arrived(&d->pace);
    ms_deploy_ref(d);
    ms_jobs_post(d->st->writer, &d->feed_job);
}

void ms_deploy_abort(struct ms_deploy *d, ms_code code, const char *text)
{
    if (atomic_exchange(&d->aborting, true))
        return;
    d->abort_code = code;
    snprintf(d->abort_text, sizeof d->abort_text, "%s", text);
    ms_deploy_ref(d);
    ms_jobs_post(d->st->writer, &d->abort_job);
}

/* ---- ends ---- */

static void answer(struct ms_deploy *d, ms_code code)
{
    if (d->answered)
        return;
    d->answered = true;
    if (d->front && d->front->done)
        d->front->done(d, code);
}

/* What arrived of files waits to be resumed, or is dropped after a dry run. */
static void leave_pushes(struct ms_deploy *d)
{
    for (int i = 0; d->file && i < d->v.n_files; i++) {
        struct ms_deploy_file *f = &d->file[i];
        if (f->push && d->dry_run)
            ms_push_drop(&d->st->blobs, f->push);
        else if (f->push)
            ms_push_leave(&d->st->blobs, f->push, ms_store_time());
        f->push = NULL;
        ms_blobs_unpin(&d->st->blobs, &f->pin);
    }
}

static void unlist(struct ms_deploy *d)
{
    struct ms_store *st = d->st;

    if (d->prev)
        d->prev->next = d->next;
    else if (st->deploys == d)
        st->deploys = d->next;
    if (d->next)
        d->next->prev = d->prev;
    d->prev = d->next = NULL;
}

/* The end, on every way; drops the actor's own reference. */
static void finish(struct ms_deploy *d, ms_code code)
{
    struct ms_store *st = d->st;

    d->finished = true;
    leave_pushes(d);
    unlist(d);
    if (d->kind == MS_DEPLOY_RESUME)
        ms_deploy_resumed(st);
    answer(d, code);
    ms_model_unref(d->model);
    d->model = NULL;
    ms_deploy_unref(d);
}

/* A refused load leaves no trace but, where nobody waits for the answer, its reason. */
static void fail(struct ms_deploy *d, ms_code code)
{
    struct ms_store *st = d->st;
    struct ms_err ignored;
    bool keep = d->answered && d->no_wait, resume = d->kind == MS_DEPLOY_RESUME;

    if (*d->damaged)
        ms_blobs_quarantine(&st->blobs, d->damaged);
    if (d->staged && !d->existed && !keep) {
        if (ms_db_unstage(st->db, d->v.name, d->v.version, &ignored) != MS_OK)
            ms_store_note(st);
    }
    if (d->registered || (resume && d->existed))
        ms_deploy_unregister(d, keep || d->existed ? d->err.text : NULL);
    if (resume && d->existed && d->v.live && !d->fallback && !st->closing)
        ms_deploy_stand_in(st, d->v.name);
    if (keep || (resume && d->existed))
        ms_log(MS_LOG_ERROR, "load",
               ms_log_fields(MS_LOG_TEXT("model", d->v.name), MS_LOG_NUM("version", d->v.version),
                             MS_LOG_TEXT("code", ms_code_name(code))),
               "%s", d->err.text);
    finish(d, code);
}

/* ---- steps ---- */

static void load(struct ms_deploy *d)
{
    d->loading = true;
    if (!d->dry_run)
        ms_deploy_register(d);
    ms_jobs_post(d->st->loader, &d->load_job);
}

/* All files are there. */
static void stage(struct ms_deploy *d)
{
    struct ms_store *st = d->st;

    if (!d->dry_run && !d->existed) {
        d->v.no_wait = d->no_wait;
        d->v.created = ms_store_time();
        ms_code code = ms_db_stage(st->db, &d->v, &d->err);
        if (code != MS_OK) {
            ms_store_note(st);
            fail(d, code);
            return;
        }
        d->staged = true;
    }
    if (d->no_wait && !d->dry_run)
        answer(d, MS_OK);
    load(d);
}

static void run_next(struct ms_job *j)
{
    struct ms_deploy *d = FROM_JOB(j, pace.job);

    if (!d->finished && d->front && d->front->want)
        d->front->want(d);
    ms_deploy_unref(d);
}

static void go_on(struct ms_deploy *d)
{
    for (int i = 0; i < d->v.n_files; i++) {
        if (!d->file[i].have) {
            ms_deploy_ref(d); /* until the next chunk was asked for */
            if (ms_pace_next(&d->pace, d->st->srv, d->st->writer))
                run_next(&d->pace.job);
            return;
        }
    }
    stage(d);
}

static void run_start(struct ms_job *j)
{
    struct ms_deploy *d = FROM_JOB(j, start_job);
    struct ms_store *st = d->st;

    d->touched = ms_now();
    d->next = st->deploys;
    if (st->deploys)
        st->deploys->prev = d;
    st->deploys = d;

    ms_code code = st->closing ? ms_fail(&d->err, MS_UNAVAILABLE, "the server is stopping")
                               : ms_deploy_plan(d);
    if (code != MS_OK) {
        fail(d, code);
    } else if (d->unchanged) {
        finish(d, MS_OK);
    } else if (d->kind != MS_DEPLOY_PUSH) {
        load(d);
    } else {
        for (int i = 0; i < d->v.n_files; i++)
            if (!d->file[i].have && d->front && d->front->need)
                d->front->need(d, i, ms_deploy_offset(d, i));
        go_on(d);
    }
}

/* The last byte of a file is there: it becomes a blob, or stays in tmp/ for a dry run. */
static ms_code complete(struct ms_deploy *d, int i)
{
    struct ms_deploy_file *f = &d->file[i];

    if (!d->dry_run) {
        struct ms_push *p = f->push;
        f->push = NULL;
        MS_TRY(ms_push_finish(&d->st->blobs, p, NULL, &d->err));
    }
    d->current = -1;
    /* The same bytes may be wanted under another name too. */
    for (int k = 0; k < d->v.n_files; k++)
        if (strcmp(d->v.files[k].hex, d->v.files[i].hex) == 0)
            d->file[k].have = true;
    if (d->front && d->front->progress)
        d->front->progress(d, "received", (uint64_t)d->v.files[i].size,
                           (uint64_t)d->v.files[i].size);
    return MS_OK;
}

static ms_code feed(struct ms_deploy *d, int i, int64_t offset, struct ms_bytes data)
{
    struct ms_store *st = d->st;
    struct ms_deploy_file *f;

    if (i < 0 || i >= d->v.n_files)
        return ms_fail(&d->err, MS_INVALID_ARGUMENT, "chunk of file %d, the manifest has %d", i,
                       d->v.n_files);
    f = &d->file[i];
    if (f->have)
        return MS_OK; /* it came by another way meanwhile */
    if (d->current >= 0 && d->current != i)
        return ms_fail(&d->err, MS_INVALID_ARGUMENT, "chunk of file %d while file %d is unfinished",
                       i, d->current);
    if (!f->push && ms_blobs_has(&st->blobs, d->v.files[i].hex, d->v.files[i].size)) {
        f->have = true;
        return MS_OK;
    }
    if (!f->push)
        MS_TRY(ms_push_open(&st->blobs, d->v.files[i].hex, d->v.files[i].size, ms_store_time(),
                            &f->push, &d->err));
    d->current = i;
    ms_code code =
        ms_push_write(&st->blobs, f->push, offset, data.data, data.len, ms_store_time(), &d->err);
    if (code == MS_OK && f->push->have == f->push->size)
        code = complete(d, i);
    if (code != MS_OK)
        ms_err_prefix(&d->err, "file '%s'", d->v.files[i].path);
    return code;
}

static void run_feed(struct ms_job *j)
{
    struct ms_deploy *d = FROM_JOB(j, feed_job);

    if (!d->finished && !d->loading) {
        d->touched = ms_now();
        ms_code code = feed(d, d->feed_file, d->feed_offset, d->feed_data);
        if (code != MS_OK)
            fail(d, code);
        else
            go_on(d);
    }
    ms_deploy_unref(d);
}

static void give_up(struct ms_deploy *d, ms_code code, const char *text)
{
    if (d->loading) {
        atomic_store(&d->cancel, true); /* the loader answers soon */
    } else {
        ms_fail(&d->err, code, "%s", text);
        fail(d, code);
    }
}

static void run_abort(struct ms_job *j)
{
    struct ms_deploy *d = FROM_JOB(j, abort_job);

    /* Once stored and answered (no_wait) it goes on without an audience. */
    if (!d->finished && !d->answered)
        give_up(d, d->abort_code, d->abort_text);
    ms_deploy_unref(d);
}

/* ---- after loading ---- */

static ms_code commit(struct ms_deploy *d)
{
    struct ms_store *st = d->st;
    struct ms_audit audit = {ms_store_time(), d->who,
                             d->kind == MS_DEPLOY_ROLLBACK ? "rollback" : "deploy"};

    if (!d->commit)
        return MS_OK;
    ms_code code = ms_db_go_live(st->db, d->v.name, d->v.version, ms_model_format(d->model)->name,
                                 st->opts.keep_versions, &audit, &d->from, &d->err);
    ms_store_note(st);
    return code;
}

static void run_loaded(struct ms_job *j)
{
    struct ms_deploy *d = FROM_JOB(j, loaded_job);
    ms_code code = d->err.code;

    d->loading = false;
    d->touched = ms_now();
    if (code == MS_OK && atomic_load(&d->cancel))
        code = ms_fail(&d->err, MS_CANCELLED, "cancelled");
    /* A dry run whose model lacks operators has found what it was asked for. */
    if (d->dry_run && (code == MS_OK || (code == MS_UNIMPLEMENTED && d->missing.len > 0))) {
        finish(d, MS_OK);
        return;
    }
    if (code == MS_OK)
        code = commit(d);
    if (code == MS_OK)
        code = ms_deploy_publish(d);
    if (code != MS_OK) {
        fail(d, code);
        return;
    }
    ms_log(MS_LOG_INFO, "live",
           ms_log_fields(MS_LOG_TEXT("model", d->v.name), MS_LOG_NUM("version", d->v.version),
                         MS_LOG_TEXT("digest", d->v.digest),
                         MS_LOG_NUM("load_ms", d->load_ns / MS_MS)),
           "%s version %lld answers", d->v.name, (long long)d->v.version);
    finish(d, MS_OK);
}

void ms_deploy_sweep(struct ms_store *st, bool cancel)
{
    struct ms_deploy *next;
    int64_t now = ms_now();

    for (struct ms_deploy *d = st->deploys; d; d = next) {
        next = d->next;
        if (st->closing && (cancel || !d->loading)) {
            give_up(d, MS_UNAVAILABLE, "the server is stopping");
        } else if (!d->loading && now - d->touched >= st->opts.push_idle) {
            ms_fail(&d->err, MS_DEADLINE_EXCEEDED,
                    "no bytes for %lld s; what arrived is kept and can be resumed",
                    (long long)(st->opts.push_idle / MS_SEC));
            fail(d, MS_DEADLINE_EXCEEDED);
        }
    }
}
