/* SPDX-License-Identifier: Apache-2.0 */
/* rpc_repository_index.c - RepositoryIndex: every model and version with state and reason. */
#include <string.h>

#include "base/buf.h"
#include "proto/oip.pb-c.h"
#include "proto/pbjson.h"
#include "server/server.h"

typedef Inference__RepositoryIndexResponse__ModelIndex Index;

struct collect {
    struct ms_call *c;
    bool ready_only, failed;
    Index **list;
    size_t n, cap;
};

static bool room(struct collect *k)
{
    if (k->n < k->cap)
        return true;
    size_t cap = k->cap ? k->cap * 2 : 32;
    Index **list = ms_arena_array(&k->c->arena, cap, sizeof *list);
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
    struct ms_arena *a = &k->c->arena;

    if ((k->ready_only && e->state != MS_STATE_READY) || k->failed)
        return;
    Index *x = ms_arena_alloc(a, sizeof *x);
    if (!x || !room(k)) {
        k->failed = true;
        return;
    }
    inference__repository_index_response__model_index__init(x);
    x->name = ms_arena_strdup(a, e->name);
    x->version = ms_arena_strdup(a, e->version);
    x->state = (char *)ms_state_name(e->state);
    x->reason = ms_arena_strdup(a, e->reason ? e->reason : "");
    k->failed = !x->name || !x->version || !x->reason;
    k->list[k->n++] = x;
}

/* REST wants the bare array. */
static void answer_rest(struct ms_call *c, const struct collect *k)
{
    struct ms_buf b;

    ms_buf_init(&b, 64 << 20);
    ms_buf_putc(&b, '[');
    for (size_t i = 0; i < k->n; i++) {
        if (i)
            ms_buf_putc(&b, ',');
        ms_pbjson_write(&k->list[i]->base, &b);
    }
    ms_buf_putc(&b, ']');
    ms_call_reply_json(c, &b);
    ms_buf_done(&b);
}

static void handle(struct ms_call *c)
{
    Inference__RepositoryIndexRequest *req =
        ms_call_decode(c, &inference__repository_index_request__descriptor);
    Inference__RepositoryIndexResponse r = INFERENCE__REPOSITORY_INDEX_RESPONSE__INIT;

    if (!req) {
        ms_call_fail(c);
        return;
    }
    struct collect k = {.c = c, .ready_only = req->ready};
    ms_registry_each(c->srv->models, add, &k);
    if (k.failed) {
        ms_fail_oom(&c->err, "index", 0);
        ms_call_fail(c);
    } else if (c->wire == MS_WIRE_JSON) {
        answer_rest(c, &k);
    } else {
        r.n_models = k.n;
        r.models = k.list;
        ms_call_reply_msg(c, &r.base);
    }
}

const struct ms_rpc ms_rpc_repository_index = {
    .grpc = "/inference.GRPCInferenceService/RepositoryIndex",
    .rest = {"POST /v2/repository/index", "POST /v2/repository/{repository_name}/index"},
    .help = "all models and versions with their states",
    .role = MS_ROLE_OBSERVE,
    .flags = MS_RPC_ALWAYS,
    .handle = handle,
};
