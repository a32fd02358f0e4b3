/* SPDX-License-Identifier: Apache-2.0 */
/* model_msg.c - rows of the store joined with what the registry knows of them. */
#include "server/model_msg.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "server/server.h"

struct look {
    struct ms_call *c;
    const char *name;
    char version[24];
    Mindserve__V1__Model *m;
    struct ms_model *model;
    bool found;
};

static void look_at(void *arg, const struct ms_registry_entry *e)
{
    struct look *l = arg;

    if (strcmp(e->name, l->name) != 0 || strcmp(e->version, l->version) != 0)
        return;
    l->found = true;
    l->m->state = (char *)ms_state_name(e->state);
    l->m->reason = ms_arena_strdup(&l->c->arena, e->reason ? e->reason : "");
    if (e->model)
        l->model = ms_model_ref(e->model);
}

static void add_numbers(struct ms_model *model, Mindserve__V1__Model *m)
{
    struct ms_model_memory mem;
    struct ms_model_stats *s = ms_model_stats(model);

    ms_model_memory(model, &mem);
    m->memory = mem.weights + mem.packed + mem.plans + mem.graph;
    m->requests = atomic_load(&s->success.count) + atomic_load(&s->fail.count);
    m->failures = atomic_load(&s->fail.count);
}

static const char *reason_of(const struct ms_version *v)
{
    if (v->state == MS_VERSION_BAD)
        return v->reason;
    if (v->previous)
        return "kept for rollback";
    return v->state == MS_VERSION_STAGED ? "stored, not live yet" : "not live";
}

Mindserve__V1__Model *ms_model_msg(struct ms_call *c, const struct ms_version *v,
                                   struct ms_model **model)
{
    Mindserve__V1__Model *m = ms_arena_alloc(&c->arena, sizeof *m);
    struct look l = {.c = c, .name = v->name, .m = m};

    if (!m)
        return NULL;
    mindserve__v1__model__init(m);
    m->name = ms_arena_strdup(&c->arena, v->name);
    m->digest = ms_arena_strdup(&c->arena, v->digest);
    m->format = ms_arena_strdup(&c->arena, v->format);
    m->version = (uint64_t)v->version;
    m->live = v->live;
    m->previous = v->previous;
    m->file_bytes = (uint64_t)v->bytes;
    m->created = v->created;
    m->state = "UNAVAILABLE";
    m->reason = (char *)reason_of(v);
    snprintf(l.version, sizeof l.version, "%" PRId64, v->version);
    ms_registry_each(c->srv->models, look_at, &l);
    if (l.model)
        add_numbers(l.model, m);
    if (model)
        *model = l.model;
    else
        ms_model_unref(l.model);
    return m->name && m->digest && m->format && m->reason ? m : NULL;
}
