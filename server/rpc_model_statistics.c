/* SPDX-License-Identifier: Apache-2.0 */
/* rpc_model_statistics.c - ModelStatistics: counts and total times of one model or of all. */
#include <string.h>

#include "proto/oip.pb-c.h"
#include "server/server.h"

struct collect {
    struct ms_call *c;
    const char *name, *version; /* "" = all */
    Inference__ModelStatistics **list;
    size_t n, cap;
    bool failed;
};

static void duration(Inference__StatisticDuration *d, struct ms_stat *s)
{
    inference__statistic_duration__init(d);
    d->count = atomic_load(&s->count);
    d->ns = atomic_load(&s->ns);
}

/* Everything one model's record points to, in one allocation. */
struct record {
    Inference__ModelStatistics model;
    Inference__InferStatistics infer;
    Inference__StatisticDuration d[8];
    Inference__MemoryUsage memory, *memory_list[1];
};

static void fill_memory(struct record *r, const struct ms_model *m)
{
    struct ms_model_memory mem;

    ms_model_memory(m, &mem);
    inference__memory_usage__init(&r->memory);
    r->memory.type = (char *)"CPU";
    r->memory.byte_size = mem.weights + mem.packed + mem.plans + mem.graph;
    r->memory_list[0] = &r->memory;
    r->model.n_memory_usage = 1;
    r->model.memory_usage = r->memory_list;
}

static void fill(struct record *r, struct ms_model *m)
{
    struct ms_model_stats *s = ms_model_stats(m);
    struct ms_stat none = {0};

    inference__model_statistics__init(&r->model);
    inference__infer_statistics__init(&r->infer);
    duration(r->infer.success = &r->d[0], &s->success);
    duration(r->infer.fail = &r->d[1], &s->fail);
    duration(r->infer.queue = &r->d[2], &s->queue);
    duration(r->infer.compute_input = &r->d[3], &s->compute_input);
    duration(r->infer.compute_infer = &r->d[4], &s->compute_infer);
    duration(r->infer.compute_output = &r->d[5], &s->compute_output);
    duration(r->infer.cache_hit = &r->d[6], &none);
    duration(r->infer.cache_miss = &r->d[7], &none);
    r->model.inference_stats = &r->infer;
    r->model.last_inference = (uint64_t)atomic_load(&s->last_ms);
    r->model.inference_count = atomic_load(&s->inferences);
    r->model.execution_count = atomic_load(&s->executions);
    fill_memory(r, m);
}

/* A record for each batch size that has run. False: no memory. */
static bool fill_batches(struct record *r, struct ms_model *m, struct ms_arena *a)
{
    struct sized {
        Inference__InferBatchStatistics stat;
        Inference__StatisticDuration d[3];
    };
    struct ms_batch_stat *s = ms_model_stats(m)->batch;
    Inference__InferBatchStatistics **list = ms_arena_array(a, MS_BATCH_STATS, sizeof *list);
    size_t n = 0;

    for (int i = 0; list && i < MS_BATCH_STATS; i++) {
        if (atomic_load(&s[i].infer.count) == 0)
            continue;
        struct sized *b = ms_arena_alloc(a, sizeof *b);
        if (!b)
            return false;
        inference__infer_batch_statistics__init(&b->stat);
        b->stat.batch_size = (uint64_t)i + 1;
        duration(b->stat.compute_input = &b->d[0], &s[i].input);
        duration(b->stat.compute_infer = &b->d[1], &s[i].infer);
        duration(b->stat.compute_output = &b->d[2], &s[i].output);
        list[n++] = &b->stat;
    }
    r->model.batch_stats = list;
    r->model.n_batch_stats = n;
    return list != NULL;
}

static bool room(struct collect *k)
{
    if (k->n < k->cap)
        return true;
    size_t cap = k->cap ? k->cap * 2 : 16;
    Inference__ModelStatistics **list = ms_arena_array(&k->c->arena, cap, sizeof *list);
    if (!list)
        return false;
    if (k->n)
        memcpy(list, k->list, k->n * sizeof *list);
    k->list = list;
    k->cap = cap;
    return true;
}

static void add(void *arg, const struct ms_registry_entry *e)
{
    struct collect *k = arg;

    if (!e->model || (*k->name && strcmp(k->name, e->name) != 0) ||
        (*k->version && strcmp(k->version, e->version) != 0) || k->failed)
        return;
    struct record *r = ms_arena_alloc(&k->c->arena, sizeof *r);
    if (!r || !room(k)) {
        k->failed = true;
        return;
    }
    fill(r, e->model);
    k->failed = !fill_batches(r, e->model, &k->c->arena);
    r->model.name = ms_arena_strdup(&k->c->arena, e->name);
    r->model.version = ms_arena_strdup(&k->c->arena, e->version);
    k->failed |= !r->model.name || !r->model.version;
    k->list[k->n++] = &r->model;
}

static ms_code gather(struct ms_call *c, struct collect *k)
{
    Inference__ModelStatisticsRequest *req =
        ms_call_decode(c, &inference__model_statistics_request__descriptor);
    struct ms_model *m;

    if (!req)
        return c->err.code;
    if (*req->name) { /* unknown names get the error that infer gives them */
        MS_TRY(ms_registry_get(c->srv->models, req->name, req->version, &m, &c->err));
        ms_model_unref(m);
    }
    *k = (struct collect){.c = c, .name = req->name, .version = req->version};
    ms_registry_each(c->srv->models, add, k);
    return k->failed ? ms_fail_oom(&c->err, "statistics", 0) : MS_OK;
}

static void handle(struct ms_call *c)
{
    Inference__ModelStatisticsResponse r = INFERENCE__MODEL_STATISTICS_RESPONSE__INIT;
    struct collect k;

    if (gather(c, &k) != MS_OK) {
        ms_call_fail(c);
        return;
    }
    r.n_model_stats = k.n;
    r.model_stats = k.list;
    ms_call_reply_msg(c, &r.base);
}

const struct ms_rpc ms_rpc_model_statistics = {
    .grpc = "/inference.GRPCInferenceService/ModelStatistics",
    .rest = {"GET /v2/models/stats", "GET /v2/models/{name}/stats",
             "GET /v2/models/{name}/versions/{version}/stats"},
    .help = "counts and times of models",
    .role = MS_ROLE_OBSERVE,
    .flags = MS_RPC_ALWAYS,
    .handle = handle,
};
