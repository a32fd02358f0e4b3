/* SPDX-License-Identifier: Apache-2.0 */
/* deploy_reply.c - the Deployed message, with the operator report of a dry run. */
#include "server/deploy_reply.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "ir/graph.h"
#include "ir/op.h"

static bool count_op(struct ms_deploy *d, Mindserve__V1__Deployed *r, size_t cap, const char *name)
{
    for (size_t i = 0; i < r->n_operators; i++) {
        if (strcmp(r->operators[i]->name, name) == 0) {
            r->operators[i]->count++;
            return true;
        }
    }
    Mindserve__V1__Deployed__Operator *o = ms_arena_alloc(&d->arena, sizeof *o);
    if (!o || r->n_operators == cap)
        return false;
    mindserve__v1__deployed__operator__init(o);
    o->name = (char *)name;
    o->count = 1;
    o->supported = true;
    r->operators[r->n_operators++] = o;
    return true;
}

/* The optimised graph's operators; their records outlive every model. */
static void report_operators(struct ms_deploy *d, Mindserve__V1__Deployed *r)
{
    enum { CAP = 512 };

    r->operators = ms_arena_array(&d->arena, CAP, sizeof *r->operators);
    if (!r->operators || !d->model)
        return;
    ms_graph_each (ms_model_graph(d->model), n)
        if (!count_op(d, r, CAP, n->op->name))
            return;
}

Mindserve__V1__Deployed *ms_deployed_msg(struct ms_deploy *d)
{
    Mindserve__V1__Deployed *r = ms_arena_alloc(&d->arena, sizeof *r);
    const struct ms_model_memory *m = &d->memory;

    if (!r)
        return NULL;
    mindserve__v1__deployed__init(r);
    r->name = (char *)d->v.name;
    r->version = (uint64_t)d->v.version;
    r->unchanged = d->unchanged;
    r->digest = d->v.digest;
    r->load_ms = (uint64_t)(d->load_ns / MS_MS);
    r->memory = m->weights + m->packed + m->plans + m->graph;
    if (d->dry_run) {
        r->memory += m->run_peak;
        report_operators(d, r);
        r->missing = (char *)ms_buf_str(&d->missing);
    }
    return r;
}

void ms_deploy_reply(struct ms_deploy *d, ms_code code)
{
    struct ms_call *c = d->arg;
    Mindserve__V1__Deployed *r = code == MS_OK ? ms_deployed_msg(d) : NULL;

    c->model = d->v.name ? ms_arena_strdup(&c->arena, d->v.name) : NULL;
    if (r) {
        if (!d->unchanged && !d->dry_run)
            ms_call_status(c, 201);
        ms_call_reply_msg(c, &r->base);
    } else {
        c->err = d->err;
        if (code == MS_OK)
            ms_fail_oom(&c->err, "reply", 0);
        ms_call_fail(c);
    }
    ms_call_unref(c);
}

static void want(struct ms_deploy *d)
{
    char text[128];

    for (int i = 0; i < d->v.n_files; i++) {
        if (d->file[i].have)
            continue;
        snprintf(text, sizeof text, "file %d (sha256 %s) has not been pushed", i,
                 d->v.files[i].hex);
        ms_deploy_abort(d, MS_FAILED_PRECONDITION, text);
        return;
    }
}

const struct ms_deploy_front ms_deploy_waiting = {.want = want, .done = ms_deploy_reply};
