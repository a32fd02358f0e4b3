/* SPDX-License-Identifier: Apache-2.0 */
/* local.c - an engine in this process, and its list of versions. */
#include "client/local.h"

#include "config.h"

#include <string.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/mem.h"

/* ---- the list, under the lock ---- */

/* Index of the first version of a name with a number >= number. */
static int lower_bound(const struct ms_local *l, const char *name, uint64_t number)
{
    int i = 0;

    while (i < l->n) {
        int c = strcmp(l->version[i]->name, name);
        if (c > 0 || (c == 0 && l->version[i]->number >= number))
            break;
        i++;
    }
    return i;
}

static bool is_name(const struct ms_local *l, int i, const char *name)
{
    return i < l->n && strcmp(l->version[i]->name, name) == 0;
}

static struct ms_local_version *find(const struct ms_local *l, const char *name, uint64_t number)
{
    for (int i = lower_bound(l, name, number); is_name(l, i, name); i++) {
        if (number == 0 && l->version[i]->live)
            return l->version[i];
        if (number != 0)
            return l->version[i]->number == number ? l->version[i] : NULL;
    }
    return NULL;
}

static uint64_t next_number(const struct ms_local *l, const char *name)
{
    uint64_t last = 0;

    for (int i = lower_bound(l, name, 0); is_name(l, i, name); i++)
        last = l->version[i]->number;
    return last + 1;
}

static ms_code unknown(const char *name, uint64_t number, struct ms_err *err)
{
    if (number)
        return ms_fail(err, MS_NOT_FOUND, "model '%s' has no version %llu", name,
                       (unsigned long long)number);
    return ms_fail(err, MS_NOT_FOUND, "Request for unknown model: '%s' is not found", name);
}

/* ---- for the other files ---- */

ms_code ms_local_get(struct ms_local *l, const char *name, uint64_t number,
                     struct ms_local_version **out, struct ms_err *err)
{
    struct ms_local_version *v;

    pthread_mutex_lock(&l->lock);
    v = find(l, name, number);
    if (v)
        atomic_fetch_add(&v->refs, 1);
    pthread_mutex_unlock(&l->lock);
    if (!v)
        return unknown(name, number, err);
    *out = v;
    return MS_OK;
}

void ms_local_put(struct ms_local_version *v)
{
    if (!v || atomic_fetch_sub(&v->refs, 1) != 1)
        return;
    ms_model_unref(v->model);
    ms_arena_done(&v->arena);
    ms_free(v);
}

uint64_t ms_local_next(struct ms_local *l, const char *name)
{
    pthread_mutex_lock(&l->lock);
    uint64_t number = next_number(l, name);
    pthread_mutex_unlock(&l->lock);
    return number;
}

/* v becomes the live one of its name, what was live the previous one. */
static void make_live(struct ms_local *l, struct ms_local_version *v)
{
    for (int i = lower_bound(l, v->name, 0); is_name(l, i, v->name); i++) {
        struct ms_local_version *other = l->version[i];
        if (other == v)
            continue;
        other->previous = other->live;
        other->live = false;
    }
    v->live = true;
    v->previous = false;
}

static ms_code insert(struct ms_local *l, struct ms_local_version *v, struct ms_err *err)
{
    int at;

    if (v->number == 0)
        v->number = next_number(l, v->name);
    if (find(l, v->name, v->number))
        return ms_fail(err, MS_ALREADY_EXISTS, "model '%s' has a version %llu already", v->name,
                       (unsigned long long)v->number);
    if (l->n == l->cap) {
        int cap = l->cap ? l->cap * 2 : 8;
        void *grown = ms_reallocarray(l->version, (size_t)cap, sizeof(struct ms_local_version *));
        if (!grown)
            return ms_fail_oom(err, "list of models", (size_t)cap * sizeof(void *));
        l->version = grown;
        l->cap = cap;
    }
    at = lower_bound(l, v->name, v->number);
    memmove(&l->version[at + 1], &l->version[at], (size_t)(l->n - at) * sizeof(void *));
    l->version[at] = v;
    l->n++;
    make_live(l, v);
    return MS_OK;
}

ms_code ms_local_publish(struct ms_local *l, struct ms_local_version *v, struct ms_err *err)
{
    pthread_mutex_lock(&l->lock);
    ms_code code = insert(l, v, err);
    pthread_mutex_unlock(&l->lock);
    return code;
}

bool ms_local_describe(const struct ms_local_version *v, struct ms_arena *a,
                       struct mindserve_model *out)
{
    struct ms_model_memory m;

    ms_model_memory(v->model, &m);
    *out = (struct mindserve_model){
        .name = ms_arena_strdup(a, v->name),
        .version = v->number,
        .live = v->live,
        .previous = v->previous,
        .state = "READY",
        .reason = "",
        .format = v->format,
        .file_bytes = v->file_bytes,
        .memory = m.packed + m.plans + m.graph,
        .digest = "",
        .created = v->created,
        .requests = atomic_load(&v->requests),
        .failures = atomic_load(&v->failures),
    };
    return out->name != NULL;
}

/* ---- calls ---- */

static bool list_locked(struct ms_local *l, struct ms_arena *a, struct mindserve_models *m)
{
    struct mindserve_model *row = ms_arena_array(a, (size_t)l->n, sizeof *row);

    if (!row)
        return l->n == 0;
    for (int i = 0; i < l->n; i++)
        if (!ms_local_describe(l->version[i], a, &row[i]))
            return false;
    m->model = row;
    m->n = l->n;
    return true;
}

static ms_code list(struct mindserve *ms, struct mindserve_models **out, struct ms_err *err)
{
    struct ms_local *l = ms_local(ms);
    struct ms_arena *a = NULL;
    struct mindserve_models *m = ms_result_new(sizeof *m, &a);
    bool done;

    if (!m)
        return ms_fail_oom(err, "list of models", sizeof *m);
    m->owner = a;
    pthread_mutex_lock(&l->lock);
    done = list_locked(l, a, m);
    pthread_mutex_unlock(&l->lock);
    if (!done) {
        mindserve_models_free(m);
        return ms_fail_oom(err, "list of models", 0);
    }
    *out = m;
    return MS_OK;
}

/* Takes version i out of the list; the reference is the caller's. */
static struct ms_local_version *take(struct ms_local *l, int i)
{
    struct ms_local_version *v = l->version[i];

    memmove(&l->version[i], &l->version[i + 1], (size_t)(l->n - i - 1) * sizeof(void *));
    l->n--;
    return v;
}

/* The last one of a name whose live version went becomes live. */
static void heir(struct ms_local *l, const char *name)
{
    struct ms_local_version *last = NULL;

    for (int i = lower_bound(l, name, 0); is_name(l, i, name); i++) {
        if (l->version[i]->live)
            return;
        if (l->version[i]->previous || !last || !last->previous)
            last = l->version[i];
    }
    if (last) {
        last->live = true;
        last->previous = false;
    }
}

static ms_code undeploy_locked(struct ms_local *l, const char *name, uint64_t version,
                               struct ms_arena *a, struct mindserve_versions *v,
                               struct ms_local_version **gone, struct ms_err *err)
{
    int from = lower_bound(l, name, version), to = from;
    uint64_t *number;

    if (version && is_name(l, from, name) && l->version[from]->number == version)
        to++;
    while (!version && is_name(l, to, name))
        to++;
    if (from == to)
        return unknown(name, version, err);
    number = ms_arena_array(a, (size_t)(to - from), sizeof *number);
    if (!number)
        return ms_fail_oom(err, "versions", 0);
    for (int i = from; i < to; i++) {
        gone[v->n] = take(l, from);
        number[v->n] = gone[v->n]->number;
        v->n++;
    }
    v->version = number;
    heir(l, name);
    return MS_OK;
}

static ms_code undeploy(struct mindserve *ms, const char *name, uint64_t version,
                        struct mindserve_versions **out, struct ms_err *err)
{
    struct ms_local *l = ms_local(ms);
    struct ms_arena *a = NULL;
    struct mindserve_versions *v = ms_result_new(sizeof *v, &a);
    struct ms_local_version **gone = NULL;
    ms_code code;

    if (!v)
        return ms_fail_oom(err, "versions", sizeof *v);
    v->owner = a;
    pthread_mutex_lock(&l->lock);
    gone = ms_arena_array(a, (size_t)l->n + 1, sizeof *gone);
    code =
        gone ? undeploy_locked(l, name, version, a, v, gone, err) : ms_fail_oom(err, "versions", 0);
    pthread_mutex_unlock(&l->lock);
    for (int i = 0; i < v->n; i++)
        ms_local_put(gone[i]); /* outside the lock: it may free a model */
    if (code != MS_OK) {
        mindserve_versions_free(v);
        return code;
    }
    *out = v;
    return MS_OK;
}

static ms_code rollback_locked(struct ms_local *l, const char *name, uint64_t *now, uint64_t *from,
                               struct ms_err *err)
{
    struct ms_local_version *live = find(l, name, 0), *previous = NULL;

    for (int i = lower_bound(l, name, 0); is_name(l, i, name); i++)
        if (l->version[i]->previous)
            previous = l->version[i];
    if (!live)
        return unknown(name, 0, err);
    if (!previous)
        return ms_fail(err, MS_FAILED_PRECONDITION, "model '%s' has no previous version", name);
    *from = live->number;
    *now = previous->number;
    make_live(l, previous);
    return MS_OK;
}

static ms_code rollback(struct mindserve *ms, const char *name, uint64_t *now, uint64_t *from,
                        struct ms_err *err)
{
    struct ms_local *l = ms_local(ms);

    pthread_mutex_lock(&l->lock);
    ms_code code = rollback_locked(l, name, now, from, err);
    pthread_mutex_unlock(&l->lock);
    return code;
}

static ms_code status(struct mindserve *ms, struct mindserve_status **out, struct ms_err *err)
{
    struct ms_local *l = ms_local(ms);
    struct ms_arena *a = NULL;
    struct mindserve_status *s = ms_result_new(sizeof *s, &a);

    if (!s)
        return ms_fail_oom(err, "status", sizeof *s);
    *s = (struct mindserve_status){
        .version = PACKAGE_VERSION,
        .uptime_s = (uint64_t)((ms_now() - l->started) / MS_SEC),
        .pid = (uint64_t)getpid(),
        .isa = ms_isa_name(ms_cpu()->isa),
        .threads = (uint32_t)ms_engine_threads(l->engine),
        .rss = ms_rss_bytes(),
        .state = "ready",
        .http = "",
        .grpc = "",
        .metrics = "",
        .owner = a,
    };
    pthread_mutex_lock(&l->lock);
    s->models_ready = s->models_total = (uint32_t)l->n;
    for (int i = 0; i < l->n; i++) {
        s->requests += atomic_load(&l->version[i]->requests);
        s->failures += atomic_load(&l->version[i]->failures);
    }
    pthread_mutex_unlock(&l->lock);
    *out = s;
    return MS_OK;
}

static void close_local(struct mindserve *ms)
{
    struct ms_local *l = ms_local(ms);

    for (int i = 0; i < l->n; i++)
        ms_local_put(l->version[i]);
    ms_engine_free(l->engine);
    pthread_mutex_destroy(&l->lock);
    ms_free(l->version);
    ms_free(l);
}

static const struct ms_client_ops ops = {
    .where = "in this process",
    .close = close_local,
    .deploy = ms_local_deploy,
    .undeploy = undeploy,
    .rollback = rollback,
    .infer = ms_local_infer,
    .profile = ms_local_profile,
    .list = list,
    .show = ms_local_show,
    .graph = ms_local_graph,
    .status = status,
};

ms_code ms_local_open(const struct mindserve_options *o, struct mindserve **out, struct ms_err *err)
{
    struct ms_engine_opts eo;
    struct ms_local *l = ms_calloc(1, sizeof *l);
    ms_code code;

    if (!l)
        return ms_fail_oom(err, "engine", sizeof *l);
    ms_engine_opts_init(&eo);
    eo.threads = o->threads;
    eo.exact = o->exact;
    eo.tuning = o->tuning == MINDSERVE_TUNING_OFF       ? MS_TUNE_OFF
                : o->tuning == MINDSERVE_TUNING_MEASURE ? MS_TUNE_MEASURE
                                                        : MS_TUNE_MODEL;
    code = ms_engine_new(&eo, &l->engine, err);
    if (code != MS_OK) {
        ms_free(l);
        return code;
    }
    l->base.ops = &ops;
    l->started = ms_now();
    pthread_mutex_init(&l->lock, NULL);
    *out = &l->base;
    return MS_OK;
}
