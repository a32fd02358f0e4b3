/* SPDX-License-Identifier: Apache-2.0 */
/* deploy_plan.c - what a manifest asks for, compared with what the store has. */
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/map.h"
#include "server/bundle.h"
#include "server/deploy_steps.h"
#include "server/modelconf.h"

/* ---- the manifest ---- */

static ms_code copy_file(struct ms_deploy *d, const Mindserve__V1__Manifest__File *f,
                         struct ms_version_file *to, struct ms_err *err)
{
    char shown[160];
    size_t len = strlen(f->path);

    if (!ms_bundle_path_valid(f->path, len))
        return ms_fail(err, MS_INVALID_ARGUMENT, "manifest: path '%s' is not allowed",
                       ms_escape(shown, sizeof shown, f->path, len));
    ms_escape(shown, sizeof shown, f->path, len);
    if (!ms_sha256_hex_valid(f->sha256, strlen(f->sha256)))
        return ms_fail(err, MS_INVALID_ARGUMENT,
                       "manifest: '%s': sha256 wants 64 lower-case hex digits", shown);
    if (f->size > INT64_MAX)
        return ms_fail(err, MS_INVALID_ARGUMENT, "manifest: '%s': a size of 2^63 or more", shown);
    to->path = ms_arena_strdup(&d->arena, f->path);
    to->hex = ms_arena_strdup(&d->arena, f->sha256);
    to->size = (int64_t)f->size;
    if (!to->path || !to->hex)
        return ms_fail_oom(err, "manifest", len);
    if (__builtin_add_overflow(d->v.bytes, to->size, &d->v.bytes))
        return ms_fail(err, MS_INVALID_ARGUMENT, "manifest: the sizes add up to 2^63 or more");
    return MS_OK;
}

/* Two files of one path, or of one digest and two sizes, cannot both be meant. */
static ms_code check_files(const struct ms_version_file *f, int n, struct ms_err *err)
{
    struct ms_map paths = {0}, digests = {0};
    ms_code code = MS_OK;

    for (int i = 0; i < n && code == MS_OK; i++) {
        const struct ms_version_file *same = ms_map_gets(&digests, f[i].hex);
        if (ms_map_gets(&paths, f[i].path))
            code = ms_fail(err, MS_INVALID_ARGUMENT, "manifest: '%s' stands twice", f[i].path);
        else if (same && same->size != f[i].size)
            code = ms_fail(err, MS_INVALID_ARGUMENT,
                           "manifest: '%s' and '%s' have one sha256 but two sizes", same->path,
                           f[i].path);
        else if (!ms_map_put(&paths, f[i].path, strlen(f[i].path), (void *)&f[i]) ||
                 !ms_map_put(&digests, f[i].hex, strlen(f[i].hex), (void *)&f[i]))
            code = ms_fail_oom(err, "manifest", (size_t)n);
    }
    ms_map_done(&paths);
    ms_map_done(&digests);
    return code;
}

ms_code ms_deploy_manifest(struct ms_deploy *d, const Mindserve__V1__Manifest *m,
                           struct ms_err *err)
{
    char shown[160];
    struct ms_version_file *files;

    if (!ms_model_name_valid(m->name, strlen(m->name)))
        return ms_fail(err, MS_INVALID_ARGUMENT,
                       "'%s' is no model name (letters, digits, '.', '_', '-', at most 128)",
                       ms_escape(shown, sizeof shown, m->name, strlen(m->name)));
    if (m->version >= INT64_MAX)
        return ms_fail(err, MS_INVALID_ARGUMENT, "version: 1 to 2^63 - 2");
    if (m->n_files == 0 || m->n_files > (size_t)d->st->opts.max_files)
        return ms_fail(err, MS_INVALID_ARGUMENT, "manifest: %zu files, wants 1 to %d", m->n_files,
                       d->st->opts.max_files);
    files = ms_arena_array(&d->arena, m->n_files, sizeof *files);
    d->v.name = ms_arena_strdup(&d->arena, m->name);
    if (!files || !d->v.name)
        return ms_fail_oom(err, "manifest", m->n_files * sizeof *files);
    for (size_t i = 0; i < m->n_files; i++)
        MS_TRY(copy_file(d, m->files[i], &files[i], err));
    MS_TRY(check_files(files, (int)m->n_files, err));
    if (files[0].size == 0)
        return ms_fail(err, MS_INVALID_ARGUMENT, "manifest: '%s' is empty", files[0].path);
    MS_TRY(ms_modelconf_check(m->config, err));
    MS_TRY(ms_modelconf_pack(m->config, &d->arena, &d->v.config, err));
    d->v.version = (int64_t)m->version;
    d->v.files = files;
    d->v.n_files = (int)m->n_files;
    d->v.format = "";
    d->v.reason = "";
    d->dry_run = m->dry_run;
    d->no_wait = m->no_wait;
    if (!ms_version_digest(files, d->v.n_files, d->v.config, d->v.digest))
        return ms_fail_oom(err, "digest", 0);
    return MS_OK;
}

/* ---- against the store ---- */

/* Deploys of the same name that are on their way count too. */
static ms_code pick_version(struct ms_deploy *d)
{
    int64_t last;

    MS_TRY(ms_db_last(d->st->db, d->v.name, &last, &d->err));
    for (struct ms_deploy *o = d->st->deploys; o; o = o->next)
        if (o != d && o->v.name && strcmp(o->v.name, d->v.name) == 0 && o->v.version > last)
            last = o->v.version;
    if (last >= INT64_MAX - 1)
        return ms_fail(&d->err, MS_FAILED_PRECONDITION, "model '%s' has no version numbers left",
                       d->v.name);
    d->v.version = last + 1;
    return MS_OK;
}

static ms_code against_rivals(struct ms_deploy *d)
{
    for (struct ms_deploy *o = d->st->deploys; o; o = o->next)
        if (o != d && !o->dry_run && o->v.name && strcmp(o->v.name, d->v.name) == 0 &&
            o->v.version == d->v.version)
            return ms_fail(&d->err, MS_ABORTED,
                           "model '%s' version %lld: another deploy of it is under way", d->v.name,
                           (long long)d->v.version);
    return MS_OK;
}

/* Which row, if any, the manifest means: the version it names, or the live one if it is the same.
 */
static ms_code find_existing(struct ms_deploy *d)
{
    struct ms_version there;
    struct ms_err err;
    ms_code code = ms_db_get(d->st->db, d->v.name, d->v.version, &d->arena, &there, &err);

    if (code == MS_NOT_FOUND)
        return MS_OK;
    if (code != MS_OK) {
        d->err = err;
        return code;
    }
    bool same = there.state != MS_VERSION_BAD && strcmp(there.digest, d->v.digest) == 0;
    if (!same && d->v.version > 0)
        return ms_fail(&d->err, MS_ALREADY_EXISTS,
                       "model '%s' version %lld exists with other bytes or configuration",
                       d->v.name, (long long)d->v.version);
    if (!same)
        return MS_OK;
    d->v.version = there.version;
    d->existed = true;
    d->unchanged = !d->dry_run && ms_deploy_serves(d->st, d->v.name, there.version);
    return MS_OK;
}

static ms_code check_uploads(struct ms_deploy *d)
{
    struct ms_store *st = d->st;
    int64_t missing = 0;
    int open = 0;

    for (int i = 0; i < d->v.n_files; i++)
        if (!d->file[i].have && !ms_push_find(&st->blobs, d->v.files[i].hex))
            missing += d->v.files[i].size;
    if (missing == 0)
        return MS_OK;
    for (struct ms_deploy *o = st->deploys; o; o = o->next)
        open += o != d && o->kind == MS_DEPLOY_PUSH && !o->loading;
    if (open >= st->opts.max_pushes)
        return ms_fail(&d->err, MS_RESOURCE_EXHAUSTED, "store: %d pushes are open already", open);
    return ms_blobs_room(&st->blobs, missing, &d->err);
}

/* An empty file has no chunk that could bring it. */
static ms_code push_empty(struct ms_deploy *d, int i)
{
    struct ms_push *p;

    MS_TRY(ms_push_open(&d->st->blobs, d->v.files[i].hex, 0, ms_store_time(), &p, &d->err));
    MS_TRY(ms_push_finish(&d->st->blobs, p, NULL, &d->err));
    d->file[i].have = true;
    return MS_OK;
}

static ms_code plan_push(struct ms_deploy *d)
{
    struct ms_blobs *b = &d->st->blobs;
    bool next = d->v.version == 0;

    MS_TRY(ms_store_writable(d->st, &d->err));
    MS_TRY(find_existing(d));
    if (d->unchanged)
        return MS_OK;
    if (next && !d->existed)
        MS_TRY(pick_version(d));
    if (!d->dry_run)
        MS_TRY(against_rivals(d));
    d->file = ms_arena_array(&d->arena, (size_t)d->v.n_files, sizeof *d->file);
    if (!d->file)
        return ms_fail_oom(&d->err, "deploy", (size_t)d->v.n_files * sizeof *d->file);
    for (int i = 0; i < d->v.n_files; i++) {
        ms_blobs_pin(b, &d->file[i].pin, d->v.files[i].hex);
        d->file[i].have = ms_blobs_has(b, d->v.files[i].hex, d->v.files[i].size);
    }
    MS_TRY(check_uploads(d));
    for (int i = 0; i < d->v.n_files; i++)
        if (!d->file[i].have && d->v.files[i].size == 0)
            MS_TRY(push_empty(d, i));
    return MS_OK;
}

/* A version that the store has: 0 live, -1 previous. */
static ms_code plan_stored(struct ms_deploy *d, int64_t version)
{
    const char *name = d->v.name;

    MS_TRY(ms_db_get(d->st->db, name, version, &d->arena, &d->v, &d->err));
    d->existed = true;
    if (d->v.state == MS_VERSION_BAD)
        return ms_fail(&d->err, MS_DATA_LOSS, "model '%s' version %lld: %s", d->v.name,
                       (long long)d->v.version, d->v.reason);
    return against_rivals(d);
}

static ms_code plan_rollback(struct ms_deploy *d)
{
    int64_t last;

    MS_TRY(ms_store_writable(d->st, &d->err));
    MS_TRY(ms_db_last(d->st->db, d->v.name, &last, &d->err));
    if (last == 0)
        return ms_fail(&d->err, MS_NOT_FOUND, "model '%s' is not deployed", d->v.name);
    ms_code code = plan_stored(d, -1);
    if (code == MS_NOT_FOUND)
        return ms_fail(&d->err, MS_FAILED_PRECONDITION,
                       "model '%s' has no previous version to go back to", d->v.name);
    return code;
}

ms_code ms_deploy_plan(struct ms_deploy *d)
{
    switch (d->kind) {
    case MS_DEPLOY_PUSH:
        return plan_push(d);
    case MS_DEPLOY_ROLLBACK:
        return plan_rollback(d);
    case MS_DEPLOY_RELOAD:
        return plan_stored(d, 0);
    case MS_DEPLOY_RESUME:
        return plan_stored(d, d->v.version);
    }
    return ms_fail(&d->err, MS_INTERNAL, "unknown kind of deploy");
}

int64_t ms_deploy_offset(struct ms_deploy *d, int file)
{
    struct ms_push *p = ms_push_find(&d->st->blobs, d->v.files[file].hex);

    return p && p->size == d->v.files[file].size && !p->busy ? p->have : 0;
}
