/* SPDX-License-Identifier: Apache-2.0 */
/* loader.c - from stored files to a model that answers: the part that runs on the loader thread,
 * and the entries in the registry around it. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "server/bundle.h"
#include "server/deploy_steps.h"
#include "server/modelconf.h"
#include "server/server.h"
#include "server/validate.h"

enum { MAX_OTHERS = 64 };
#define TELL_EVERY (100 * MS_MS)

/* ---- loader thread ---- */

/* Every new step, and then now and again: a stream of thousands of lines helps nobody. */
static void tell(void *arg, const char *step, uint64_t done, uint64_t total)
{
    struct ms_deploy *d = arg;
    int64_t now = ms_now();

    ms_jobs_alive(d->st->loader);
    if (!d->front || !d->front->progress || d->answered)
        return;
    if (d->last_step && strcmp(step, d->last_step) == 0 && now - d->last_told < TELL_EVERY &&
        done < total)
        return;
    d->last_step = step;
    d->last_told = now;
    d->front->progress(d, step, done, total);
}

static ms_code verify(struct ms_deploy *d)
{
    uint64_t done = 0;

    for (int i = 0; i < d->v.n_files; i++) {
        const struct ms_version_file *f = &d->v.files[i];
        tell(d, "verify", done, (uint64_t)d->v.bytes);
        if (d->dry_run && d->file[i].push)
            continue; /* its digest was compared while it arrived */
        ms_code code = ms_blob_verify(d->st->vfs, d->st->dir, f->hex, f->size, &d->cancel, &d->err);
        if (code == MS_DATA_LOSS)
            snprintf(d->damaged, sizeof d->damaged, "%s", f->hex);
        if (code != MS_OK)
            return code;
        done += (uint64_t)f->size;
    }
    tell(d, "verify", done, (uint64_t)d->v.bytes);
    return MS_OK;
}

static ms_code set_opts(struct ms_deploy *d, Mindserve__V1__ModelConfig *stored, char *version,
                        struct ms_model_opts *o)
{
    const struct ms_config *c = atomic_load(&d->st->config);
    Mindserve__V1__ModelConfig *m;

    MS_TRY(ms_modelconf_merge(stored, ms_config_model(c, d->v.name), &d->arena, &m, &d->err));
    if (d->triton)
        MS_TRY(ms_modelconf_triton(m, d->triton, &d->arena, &d->err));
    ms_model_opts_init(o);
    ms_modelconf_opts(m, c, ms_config_model(c, d->v.name), o);
    o->name = d->v.name;
    o->version = version;
    o->digest = d->v.digest;
    o->cancel = &d->cancel;
    o->progress = tell;
    o->progress_arg = d;
    o->missing = d->dry_run ? &d->missing : NULL;
    return MS_OK;
}

/* Bytes that never were live are read in a process of their own first. A dry run that only lacks
 * operators goes on, for its report. */
static ms_code try_aside(struct ms_deploy *d, const struct ms_model_opts *o)
{
    const struct ms_config *c = atomic_load(&d->st->config);
    struct ms_validate_opts vo = {
        .passes = o->passes,
        .max_depth = o->max_depth,
        .max_graph_depth = o->max_graph_depth,
        .memory = o->memory_budget ? o->memory_budget : (size_t)c->runtime_model_memory,
        .time = c->limits_load_time,
        .pushing = d->dry_run,
        .cancel = &d->cancel,
    };

    if (!c->limits_sandbox || d->v.state == MS_VERSION_GOOD)
        return MS_OK;
    tell(d, "validate", 0, 1);
    ms_code code = ms_validate(d->st->dir, &d->v, &vo, &d->err);
    return code == MS_UNIMPLEMENTED && d->dry_run ? MS_OK : code;
}

static ms_code load(struct ms_deploy *d)
{
    struct ms_bundle *bundle;
    struct ms_source src;
    struct ms_model_opts o;
    char version[24];

    if (atomic_load(&d->cancel))
        return ms_fail(&d->err, MS_CANCELLED, "cancelled");
    MS_TRY(verify(d));
    Mindserve__V1__ModelConfig *stored = ms_modelconf_unpack(d->v.config, &d->err);
    if (!stored)
        return d->err.code;
    snprintf(version, sizeof version, "%" PRId64, d->v.version);
    ms_code code = set_opts(d, stored, version, &o);
    if (code == MS_OK)
        code = try_aside(d, &o);
    o.load_deadline = ms_now() + atomic_load(&d->st->config)->limits_load_time;
    if (code == MS_OK)
        code = ms_bundle_open(d->st->dir, &d->v, d->dry_run, &bundle, &src, &d->err);
    if (code == MS_OK)
        code = ms_model_load(d->st->srv->engine, &src, ms_bundle_release, &o, &d->model, &d->err);
    ms_modelconf_free(stored);
    return code;
}

void ms_deploy_load(struct ms_job *j)
{
    struct ms_deploy *d =
        (struct ms_deploy *)(void *)((char *)j - offsetof(struct ms_deploy, load_job));
    int64_t begin = ms_now();

    d->err = (struct ms_err){0};
    if (load(d) == MS_OK) {
        d->err = (struct ms_err){0};
        ms_model_memory(d->model, &d->memory);
        if (!d->dry_run)
            tell(d, "commit", 0, 1);
    }
    d->load_ns = ms_now() - begin;
    ms_jobs_post(d->st->writer, &d->loaded_job);
}

/* ---- the registry, on the writer thread ---- */

static const char *version_text(int64_t version, char text[24])
{
    snprintf(text, 24, "%" PRId64, version);
    return text;
}

bool ms_deploy_serves(struct ms_store *st, const char *name, int64_t version)
{
    struct ms_model *m;
    struct ms_err ignored;
    char text[24];

    if (ms_registry_get(st->srv->models, name, "", &m, &ignored) != MS_OK)
        return false;
    bool serves = strcmp(ms_model_version(m), version_text(version, text)) == 0;
    ms_model_unref(m);
    return serves;
}

static bool ready(struct ms_store *st, const char *name, const char *version)
{
    struct ms_model *m;
    struct ms_err ignored;

    if (ms_registry_get(st->srv->models, name, version, &m, &ignored) != MS_OK)
        return false;
    ms_model_unref(m);
    return true;
}

void ms_deploy_register(struct ms_deploy *d)
{
    char text[24];
    struct ms_err ignored;

    version_text(d->v.version, text);
    if (ready(d->st, d->v.name, text))
        return;
    d->registered = ms_registry_put(d->st->srv->models, d->v.name, text, MS_STATE_LOADING, "", NULL,
                                    false, &ignored) == MS_OK;
    ms_server_models_changed(d->st->srv);
}

void ms_deploy_unregister(struct ms_deploy *d, const char *reason)
{
    struct ms_registry *r = d->st->srv->models;
    struct ms_err ignored;
    char text[24];

    version_text(d->v.version, text);
    if (!reason || ms_registry_put(r, d->v.name, text, MS_STATE_UNAVAILABLE, reason, NULL, false,
                                   &ignored) != MS_OK)
        ms_registry_remove(r, d->v.name, text);
    ms_server_models_changed(d->st->srv);
}

struct others {
    const char *name, *keep;
    char version[MAX_OTHERS][24];
    int n;
};

static void note_other(void *arg, const struct ms_registry_entry *e)
{
    struct others *o = arg;

    /* What is being loaded belongs to a deploy that takes care of it itself. */
    if (strcmp(e->name, o->name) == 0 && strcmp(e->version, o->keep) != 0 &&
        e->state != MS_STATE_LOADING && o->n < MAX_OTHERS)
        snprintf(o->version[o->n++], sizeof o->version[0], "%s", e->version);
}

ms_code ms_deploy_publish(struct ms_deploy *d)
{
    struct ms_registry *r = d->st->srv->models;
    char text[24];
    struct others o = {.name = d->v.name, .keep = version_text(d->v.version, text)};

    ms_code code =
        ms_registry_put(r, d->v.name, text, MS_STATE_READY,
                        d->fallback ? "stands in for a version that cannot be loaded" : "",
                        d->model, true, &d->err);
    if (code != MS_OK)
        return code;
    /* A stand-in leaves the version that it stands in for visible, with the reason. */
    if (!d->fallback) {
        ms_registry_each(r, note_other, &o);
        for (int i = 0; i < o.n; i++)
            ms_registry_remove(r, d->v.name, o.version[i]);
    }
    ms_server_models_changed(d->st->srv);
    return MS_OK;
}
