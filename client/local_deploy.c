/* SPDX-License-Identifier: Apache-2.0 */
/* local_deploy.c - a model file becomes a version in this process; or only a report about it. */
#include <stdio.h>
#include <string.h>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/mem.h"
#include "client/local.h"
#include "client/report.h"
#include "client/source.h"

/* What the loader calls while it works: hands steps on and remembers a wish to stop. */
struct watch {
    const struct mindserve_deploy_options *o;
    atomic_bool cancel;
};

static void watch_progress(void *arg, const char *step, uint64_t done, uint64_t total)
{
    struct watch *w = arg;

    if (w->o->progress && !w->o->progress(w->o->progress_arg, step, done, total))
        atomic_store(&w->cancel, true);
}

static void fill_opts(struct ms_model_opts *mo, const struct mindserve_deploy_options *o,
                      struct watch *w)
{
    const struct mindserve_config *c = o->config;

    ms_model_opts_init(mo);
    mo->cancel = &w->cancel;
    mo->progress = watch_progress;
    mo->progress_arg = w;
    mo->load_deadline = MS_NEVER;
    if (o->no_self_test)
        mo->self_test_ns = 0;
    if (!c)
        return;
    mo->passes = c->passes;
    mo->memory_budget = c->memory_budget;
    mo->input_names = c->input_names;
    mo->n_input_names = c->n_input_names;
    mo->output_names = c->output_names;
    mo->n_output_names = c->n_output_names;
    mo->batching.enabled = c->batching > 0;
    mo->batching.max_size = (int)(c->batch_max < 65536 ? c->batch_max : 65536);
    mo->batching.max_delay_ns = (int64_t)c->batch_delay_us * MS_US;
    mo->batching.max_queue = (int)(c->max_queue < 1000000 ? c->max_queue : 1000000);
    mo->batching.timeout_ns = (int64_t)c->timeout_us * MS_US;
}

static const double *copy_doubles(struct ms_arena *a, const double *v, int n, bool *ok)
{
    double *copy = n > 0 ? ms_arena_array(a, (size_t)n, sizeof *v) : NULL;

    if (copy)
        memcpy(copy, v, (size_t)n * sizeof *v);
    *ok = *ok && (copy || n <= 0);
    return copy;
}

static bool keep_config(struct ms_local_version *v, const struct mindserve_config *c)
{
    const char **labels;
    bool ok = true;

    if (!c)
        return true;
    labels = ms_arena_array(&v->arena, (size_t)c->n_labels + 1, sizeof *labels);
    for (int i = 0; labels && i < c->n_labels; i++) {
        labels[i] = ms_arena_strdup(&v->arena, c->labels[i]);
        ok = ok && labels[i];
    }
    v->labels = labels;
    v->n_labels = c->n_labels;
    v->image = c->image;
    v->image.channels = c->image.channels ? ms_arena_strdup(&v->arena, c->image.channels) : NULL;
    v->image.mean = copy_doubles(&v->arena, c->image.mean, c->image.n_mean, &ok);
    v->image.std = copy_doubles(&v->arena, c->image.std, c->image.n_std, &ok);
    return ok && labels && (v->image.channels || !c->image.channels);
}

static struct ms_local_version *version_new(const char *path,
                                            const struct mindserve_deploy_options *o)
{
    struct ms_local_version *v = ms_calloc(1, sizeof *v);

    if (!v)
        return NULL;
    ms_arena_init(&v->arena, 64 << 20);
    atomic_init(&v->refs, 1);
    v->number = o->version;
    v->created = ms_wall() / MS_SEC;
    v->name = o->name ? ms_arena_strdup(&v->arena, o->name) : ms_stem_name(&v->arena, path);
    if (!v->name || !keep_config(v, o->config)) {
        ms_local_put(v);
        return NULL;
    }
    return v;
}

/* Loads the source (taken) into v. */
static ms_code load(struct ms_local *l, struct ms_file_source *s, struct ms_local_version *v,
                    const struct mindserve_deploy_options *o, struct mindserve_deployed *d,
                    struct ms_err *err)
{
    struct watch w = {.o = o};
    struct ms_model_opts mo;
    struct ms_model_memory m;
    char number[24];
    int64_t start = ms_now();
    ms_code code;

    (void)snprintf(number, sizeof number, "%llu",
                   (unsigned long long)(v->number ? v->number : ms_local_next(l, v->name)));
    fill_opts(&mo, o, &w);
    mo.name = v->name;
    mo.version = number;
    v->file_bytes = s->src.main.len;
    code = ms_model_load(l->engine, &s->src, ms_source_free, &mo, &v->model, err);
    if (code != MS_OK)
        return code;
    v->format = ms_model_format(v->model)->name;
    ms_model_memory(v->model, &m);
    d->load_ms = (uint64_t)((ms_now() - start + MS_MS / 2) / MS_MS);
    d->memory = m.packed + m.plans + m.graph + m.run_peak;
    return MS_OK;
}

/* Fills the report. *stop: nothing is to be loaded (a dry run of a model that is not supported). */
static ms_code report(struct ms_file_source *s, const struct mindserve_deploy_options *o,
                      struct ms_arena *a, struct mindserve_deployed *d, bool *stop,
                      struct ms_err *err)
{
    struct ms_reading r;
    ms_code code;

    *stop = false;
    if (!o->dry_run && !o->report)
        return MS_OK;
    code = ms_source_read(s, &r, err);
    if (code == MS_OK || (o->dry_run && r.missing.len > 0))
        code = ms_report_operators(&r, a, d, stop, err);
    ms_reading_done(&r);
    return code;
}

/* v is published, or dropped. */
static ms_code bring_in(struct ms_local *l, struct ms_file_source *s, struct ms_local_version *v,
                        const struct mindserve_deploy_options *o, struct mindserve_deployed *d,
                        struct ms_err *err)
{
    ms_code code = load(l, s, v, o, d, err);

    if (code == MS_OK && !o->dry_run) {
        code = ms_local_publish(l, v, err);
        d->version = v->number;
        if (code == MS_OK)
            return MS_OK;
    }
    ms_local_put(v);
    return code;
}

static ms_code deploy(struct ms_local *l, const char *path, struct ms_file_source *s,
                      const struct mindserve_deploy_options *o, struct ms_arena *a,
                      struct mindserve_deployed *d, struct ms_err *err)
{
    struct ms_local_version *v;
    bool stop;
    ms_code code = report(s, o, a, d, &stop, err);

    v = code == MS_OK ? version_new(path, o) : NULL;
    if (code == MS_OK && !v)
        code = ms_fail_oom(err, "version", sizeof *v);
    if (code == MS_OK && !(d->name = ms_arena_strdup(a, v->name)))
        code = ms_fail_oom(err, "name", 0);
    if (code != MS_OK || stop) {
        ms_local_put(v);
        ms_source_free(s);
        return code;
    }
    return bring_in(l, s, v, o, d, err);
}

ms_code ms_local_deploy(struct mindserve *ms, const char *path,
                        const struct mindserve_deploy_options *o, struct mindserve_deployed **out,
                        struct ms_err *err)
{
    const char *slash = strrchr(path, '/');
    struct ms_file_source *s;
    struct ms_arena *a = NULL;
    struct mindserve_deployed *d;
    ms_code code;

    MS_TRY(ms_source_open(path, &s, err));
    d = ms_result_new(sizeof *d, &a);
    if (!d) {
        ms_source_free(s);
        return ms_fail_oom(err, "result", sizeof *d);
    }
    *d = (struct mindserve_deployed){.digest = "", .missing = "", .owner = a};
    d->total = s->src.main.len;
    code = deploy(ms_local(ms), path, s, o, a, d, err);
    if (code != MS_OK) {
        mindserve_deployed_free(d);
        return ms_err_prefix(err, "%s", slash ? slash + 1 : path);
    }
    *out = d;
    return MS_OK;
}
