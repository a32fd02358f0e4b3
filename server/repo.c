/* SPDX-License-Identifier: Apache-2.0 */
/* repo.c - Triton's repository calls on top of the store.
 *
 *   load M                   the live version is read again; a `config` holds until the next load
 *   load M, file:1/m.onnx    the files are deployed as version 1 (or the next number, if 1 is taken
 *                            by other bytes), like any other push
 *   unload M                 M answers no more until it is loaded again or the daemon restarts
 *
 * Clients look for "failed to load" in what goes wrong. */
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "server/bundle.h"
#include "server/deploy.h"
#include "server/manage.h"
#include "server/modelconf.h"

static void fail_load(struct ms_call *c, const char *name)
{
    ms_err_prefix(&c->err, "failed to load '%s'", name);
    ms_call_fail(c);
}

static void done(struct ms_deploy *d, ms_code code)
{
    struct ms_call *c = d->arg;

    if (code == MS_OK) {
        ms_call_reply_empty(c);
    } else {
        c->err = d->err;
        fail_load(c, c->model);
    }
    ms_call_unref(c);
}

static const struct ms_deploy_front front = {.done = done};

/* ---- load without files ---- */

static ms_code reload(struct ms_call *c, const struct ms_repo_load *l)
{
    struct ms_deploy *d;

    MS_TRY(ms_deploy_new(c->srv->store, MS_DEPLOY_RELOAD, &front, c, c->peer.addr, &d, &c->err));
    d->v.name = ms_arena_strdup(&d->arena, l->model);
    d->triton = l->config ? ms_arena_strdup(&d->arena, l->config) : NULL;
    if (!d->v.name || (l->config && !d->triton)) {
        ms_deploy_unref(d);
        return ms_fail_oom(&c->err, "load", 0);
    }
    ms_call_ref(c); /* done() drops it */
    ms_deploy_start(d);
    return MS_OK;
}

/* ---- load with files ---- */

/* "1/model.onnx" -> 1 and "model.onnx"; all files must name the same version. */
static ms_code split_path(const char *path, uint64_t *version, const char **rest,
                          struct ms_err *err)
{
    const char *slash = strchr(path, '/');
    uint64_t v;
    char shown[160];

    if (!slash || !ms_parse_u64(path, (size_t)(slash - path), INT64_MAX - 1, &v) || v == 0 ||
        (*version && *version != v))
        return ms_fail(err, MS_INVALID_ARGUMENT,
                       "file '%s': wants VERSION/NAME, one version for all files",
                       ms_escape(shown, sizeof shown, path, strlen(path)));
    *version = v;
    *rest = slash + 1;
    return MS_OK;
}

/* Writes one file into the store, unless it is there. */
static ms_code store_file(struct ms_store *st, const char *hex, struct ms_bytes data,
                          struct ms_err *err)
{
    struct ms_push *p;
    int64_t now = ms_store_time();

    if (ms_blobs_has(&st->blobs, hex, (int64_t)data.len))
        return MS_OK;
    MS_TRY(ms_push_open(&st->blobs, hex, (int64_t)data.len, now, &p, err));
    size_t from = (size_t)p->have;
    ms_code code =
        ms_push_write(&st->blobs, p, p->have, data.data + from, data.len - from, now, err);
    if (code == MS_OK)
        return ms_push_finish(&st->blobs, p, NULL, err);
    ms_push_leave(&st->blobs, p, now);
    return code;
}

static ms_code fill_manifest(struct ms_call *c, const struct ms_repo_load *l,
                             Mindserve__V1__Manifest *m)
{
    struct ms_arena *a = &c->arena;
    size_t n = (size_t)l->n_files;
    Mindserve__V1__Manifest__File *f = ms_arena_array(a, n, sizeof *f);
    Mindserve__V1__ModelConfig *conf;

    m->files = ms_arena_array(a, n, sizeof *m->files);
    if (!f || !m->files)
        return ms_fail_oom(&c->err, "load", n * sizeof *f);
    for (int i = 0; i < l->n_files; i++) {
        const char *path = NULL;
        char *hex = ms_arena_alloc(a, MS_SHA256_HEX);
        MS_TRY(split_path(l->path[i], &m->version, &path, &c->err));
        if (!hex || !ms_sha256_hex(l->file[i].data, l->file[i].len, hex))
            return ms_fail_oom(&c->err, "digest", 0);
        mindserve__v1__manifest__file__init(&f[i]);
        f[i].path = (char *)path;
        f[i].size = l->file[i].len;
        f[i].sha256 = hex;
        m->files[i] = &f[i];
    }
    m->n_files = n;
    m->name = (char *)l->model;
    MS_TRY(ms_modelconf_merge(NULL, NULL, a, &conf, &c->err));
    if (l->config)
        MS_TRY(ms_modelconf_triton(conf, l->config, a, &c->err));
    m->config = conf;
    return MS_OK;
}

static ms_code push_files(struct ms_store *st, struct ms_call *c, const struct ms_repo_load *l)
{
    Mindserve__V1__Manifest m = MINDSERVE__V1__MANIFEST__INIT;
    struct ms_version there;
    struct ms_err ignored;
    struct ms_deploy *d;

    MS_TRY(ms_store_writable(st, &c->err));
    MS_TRY(fill_manifest(c, l, &m));
    MS_TRY(ms_deploy_new(st, MS_DEPLOY_PUSH, &front, c, c->peer.addr, &d, &c->err));
    ms_code code = ms_deploy_manifest(d, &m, &c->err);
    for (int i = 0; code == MS_OK && i < l->n_files; i++)
        code = store_file(st, m.files[i]->sha256, l->file[i], &c->err);
    if (code != MS_OK) {
        ms_deploy_unref(d);
        return code;
    }
    if (ms_db_get(st->db, l->model, d->v.version, &c->arena, &there, &ignored) == MS_OK &&
        strcmp(there.digest, d->v.digest) != 0)
        d->v.version = 0; /* other bytes have that number: the next one */
    ms_call_ref(c);       /* done() drops it */
    ms_deploy_start(d);
    return MS_OK;
}

static void run_load(struct ms_store *st, struct ms_call *c)
{
    const struct ms_repo_load *l = c->user;

    if ((l->n_files ? push_files(st, c, l) : reload(c, l)) != MS_OK)
        fail_load(c, l->model);
}

static void load(struct ms_call *c, const struct ms_repo_load *l)
{
    struct ms_repo_load *copy = ms_arena_alloc(&c->arena, sizeof *copy);
    char shown[160];

    if (!ms_model_name_valid(l->model, strlen(l->model))) {
        ms_fail(&c->err, MS_INVALID_ARGUMENT, "not a model name");
        fail_load(c, ms_escape(shown, sizeof shown, l->model, strlen(l->model)));
    } else if (!copy) {
        ms_fail_oom(&c->err, "load", sizeof *copy);
        ms_call_fail(c);
    } else {
        *copy = *l;
        c->user = copy;
        c->model = l->model;
        ms_manage_call(c, run_load);
    }
}

/* ---- unload ---- */

struct versions {
    const char *name;
    char text[64][24];
    int n;
};

static void note(void *arg, const struct ms_registry_entry *e)
{
    struct versions *v = arg;

    if (strcmp(e->name, v->name) == 0 && e->state == MS_STATE_READY && v->n < 64)
        snprintf(v->text[v->n++], sizeof v->text[0], "%s", e->version);
}

static void run_unload(struct ms_store *st, struct ms_call *c)
{
    struct versions v = {.name = c->model};
    struct ms_err ignored;
    int64_t last = 0;

    ms_registry_each(c->srv->models, note, &v);
    if (v.n == 0 && (ms_db_last(st->db, c->model, &last, &ignored) != MS_OK || last == 0)) {
        ms_fail(&c->err, MS_NOT_FOUND, "failed to unload '%s': no such model", c->model);
        ms_call_fail(c);
        return;
    }
    for (int i = 0; i < v.n; i++)
        if (ms_registry_put(c->srv->models, c->model, v.text[i], MS_STATE_UNAVAILABLE, "unloaded",
                            NULL, true, &ignored) != MS_OK)
            ms_registry_remove(c->srv->models, c->model, v.text[i]);
    ms_server_models_changed(c->srv);
    ms_log(MS_LOG_INFO, "unload", ms_log_fields(MS_LOG_TEXT("model", c->model)), "%s is unloaded",
           c->model);
    ms_call_reply_empty(c);
}

static void unload(struct ms_call *c, const char *model)
{
    if (!ms_model_name_valid(model, strlen(model))) {
        ms_fail(&c->err, MS_NOT_FOUND, "failed to unload: no such model");
        ms_call_fail(c);
        return;
    }
    c->model = model;
    ms_manage_call(c, run_unload);
}

const struct ms_repo_ops ms_manage_repo = {.load = load, .unload = unload};
