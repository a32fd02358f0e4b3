/* SPDX-License-Identifier: Apache-2.0 */
/* engine.c - workers, watch and the account of all models. */
#include "runtime/engine.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "runtime/engine_impl.h"
#include "runtime/model_impl.h"
#include "runtime/spare.h"

enum { OVERDUE_S = 10 };

void ms_engine_opts_init(struct ms_engine_opts *o)
{
    *o = (struct ms_engine_opts){
        .model_budget = (size_t)4 << 30,
        .run_budget = (size_t)1 << 30,
        .max_plans = 16,
    };
}

/* A limit file of a cgroup: a number, or "max". */
static size_t limit_in(const char *path)
{
    char text[64] = "";
    FILE *f = fopen(path, "re");

    if (!f)
        return SIZE_MAX;
    if (!fgets(text, sizeof text, f))
        text[0] = '\0';
    fclose(f);
    char *end;
    unsigned long long v = strtoull(text, &end, 10);
    return end == text || v == 0 ? SIZE_MAX : (size_t)v;
}

/* The memory limit along the path of a control group, v2 or v1; the root's files come last. */
static size_t group_limit(const char *root, const char *group, const char *file)
{
    char path[512], dir[256];
    size_t least = SIZE_MAX;

    snprintf(dir, sizeof dir, "%s", group);
    for (;;) {
        snprintf(path, sizeof path, "%s%s/%s", root, dir, file);
        size_t v = limit_in(path);
        if (v < least)
            least = v;
        char *slash = strrchr(dir, '/');
        if (!slash)
            return least;
        *slash = '\0';
    }
}

static size_t cgroup_limit(void)
{
    char line[512];
    size_t least = SIZE_MAX;
    FILE *f = fopen("/proc/self/cgroup", "re");

    while (f && fgets(line, sizeof line, f)) {
        line[strcspn(line, "\n")] = '\0';
        char *group = strrchr(line, ':');
        size_t v = SIZE_MAX;
        if (strncmp(line, "0::", 3) == 0)
            v = group_limit("/sys/fs/cgroup", group + 1, "memory.max");
        else if (strstr(line, ":memory:"))
            v = group_limit("/sys/fs/cgroup/memory", group + 1, "memory.limit_in_bytes");
        if (v < least)
            least = v;
    }
    if (f)
        fclose(f);
    return least;
}

static size_t usable_memory(void)
{
    long pages = sysconf(_SC_PHYS_PAGES), size = sysconf(_SC_PAGESIZE);
    size_t machine = pages > 0 && size > 0 ? (size_t)pages * (size_t)size : (size_t)1 << 30;
    size_t group = cgroup_limit();

    return (group < machine ? group : machine) / 10 * 9;
}

static void resolve(struct ms_engine_opts *o)
{
    struct ms_engine_opts d;

    ms_engine_opts_init(&d);
    if (o->threads <= 0)
        o->threads = ms_cpu()->usable;
    if (!o->memory_budget)
        o->memory_budget = usable_memory();
    if (!o->model_budget)
        o->model_budget = d.model_budget;
    if (!o->run_budget)
        o->run_budget = d.run_budget;
    if (o->max_plans <= 0)
        o->max_plans = d.max_plans;
}

ms_code ms_engine_new(const struct ms_engine_opts *o, struct ms_engine **out, struct ms_err *err)
{
    struct ms_engine *e = ms_calloc(1, sizeof *e);

    *out = NULL;
    if (!e)
        return ms_fail_oom(err, "engine", sizeof *e);
    if (o)
        e->opts = *o;
    else
        ms_engine_opts_init(&e->opts);
    resolve(&e->opts);
    e->account = ms_account_new(e->opts.memory_budget, NULL);
    pthread_mutex_init(&e->models_lock, NULL);
    if (e->account)
        e->account->spares = ms_spares_new(e->account);
    e->watch = e->account && e->account->spares ? ms_watch_new() : NULL;
    bool tuned = o && o->tuning == MS_TUNE_MEASURE;
    e->tuner = tuned ? ms_tuner_new(o->tuning_path) : NULL;
    e->opts.tuning_path = NULL; /* the caller's */
    ms_code code = e->watch && (e->tuner || !tuned) && ms_ring_init(&e->ready, MS_ENGINE_MODELS)
                       ? ms_pool_new(e->opts.threads, ms_batch_work, e, e->account, &e->pool, err)
                       : ms_fail(err, MS_RESOURCE_EXHAUSTED, "the engine could not be started");
    if (code != MS_OK) {
        ms_engine_free(e);
        return code;
    }
    ms_watch_on_tick(e->watch, ms_engine_tick, e);
    *out = e;
    return MS_OK;
}

void ms_engine_free(struct ms_engine *e)
{
    if (!e)
        return;
    ms_watch_free(e->watch); /* first: its ticks speak to the pool */
    ms_pool_free(e->pool);
    e->pool = NULL;
    for (struct ms_model *m; e->ready.cells && (m = ms_ring_pop(&e->ready));)
        ms_model_unref(m);
    ms_ring_done(&e->ready);
    ms_tuner_free(e->tuner);
    pthread_mutex_destroy(&e->models_lock);
    if (e->account)
        ms_spares_close(e->account->spares);
    ms_account_unref(e->account);
    ms_free(e);
}

int ms_engine_threads(const struct ms_engine *e)
{
    return e->opts.threads;
}

void ms_engine_memory(const struct ms_engine *e, struct ms_engine_memory *out)
{
    *out = (struct ms_engine_memory){
        .weights = ms_account_held(e->account, MS_ACCOUNT_WEIGHTS),
        .packed = ms_account_held(e->account, MS_ACCOUNT_PACKED),
        .plans = ms_account_held(e->account, MS_ACCOUNT_PLANS),
        .graphs = ms_account_held(e->account, MS_ACCOUNT_GRAPHS),
        .runs = ms_account_held(e->account, MS_ACCOUNT_RUNS),
        .budget = e->account->budget,
    };
}

size_t ms_engine_shrink(struct ms_engine *e)
{
    size_t freed = 0;

    if (!e)
        return 0;
    freed = ms_spares_drop(e->account->spares, INT64_MAX);
    pthread_mutex_lock(&e->models_lock);
    for (struct ms_model *m = e->models; m; m = m->next)
        freed += ms_slabs_shrink(&m->program.slabs) + ms_program_shrink(&m->program);
    pthread_mutex_unlock(&e->models_lock);
    return freed;
}

struct ms_watch *ms_engine_watch(struct ms_engine *e)
{
    return e->watch;
}

struct ms_pool *ms_engine_pool(struct ms_engine *e)
{
    return e->pool;
}

unsigned long ms_engine_beat(const struct ms_engine *e)
{
    return ms_watch_healthy(e->watch, OVERDUE_S * MS_SEC) ? (unsigned long)(ms_now() / MS_MS) : 0;
}
