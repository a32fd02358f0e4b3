/* SPDX-License-Identifier: Apache-2.0 */
/* rpc_status.c - Status: the server in one message. Answers at once, from memory. */
#include <unistd.h>

#include "base/cpu.h"
#include "proto/mindserve.pb-c.h"
#include "server/server.h"
#include "server/store.h"

static void add_model(void *arg, const struct ms_registry_entry *e)
{
    Mindserve__V1__StatusReply *r = arg;

    r->models_total++;
    if (e->state != MS_STATE_READY || !e->model)
        return;
    r->models_ready++;
    const struct ms_model_stats *s = ms_model_stats(e->model);
    r->requests += atomic_load(&s->success.count) + atomic_load(&s->fail.count);
    r->failures += atomic_load(&s->fail.count);
    for (int i = 0; i < MS_N_REJECTS; i++)
        r->rejected += atomic_load(&s->rejected[i]);
    r->queued += (uint64_t)ms_model_pending(e->model);
}

static const char *state_name(const struct ms_server *srv)
{
    static const char *const names[] = {
        [MS_SERVER_STARTING] = "starting",
        [MS_SERVER_READY] = "ready",
        [MS_SERVER_LEAVING] = "draining",
        [MS_SERVER_DRAINING] = "draining",
    };
    int state = atomic_load(&srv->state);

    if (state == MS_SERVER_READY && srv->store && atomic_load(&srv->store->read_only))
        return "read-only";
    return names[state];
}

static void handle(struct ms_call *c)
{
    struct ms_server *srv = c->srv;
    Mindserve__V1__StatusReply r = MINDSERVE__V1__STATUS_REPLY__INIT;

    r.version = (char *)srv->opts.version;
    r.uptime_s = (uint64_t)((ms_now() - srv->started) / MS_SEC);
    r.pid = (uint64_t)getpid();
    r.isa = (char *)ms_isa_name(ms_cpu()->isa);
    r.threads = (uint32_t)ms_engine_threads(srv->engine);
    r.rss = ms_rss_bytes();
    r.state = (char *)state_name(srv);
    r.http = (char *)srv->address.http;
    r.grpc = (char *)srv->address.grpc;
    r.metrics = (char *)srv->address.metrics;
    if (srv->store)
        r.store_bytes = (uint64_t)atomic_load(&srv->store->blobs.used);
    ms_registry_each(srv->models, add_model, &r);
    ms_call_reply_msg(c, &r.base);
}

const struct ms_rpc ms_rpc_status = {
    .grpc = "/mindserve.v1.Admin/Status",
    .rest = {"GET /v2/repository/status"},
    .help = "the server in one message: version, load, models, memory",
    .role = MS_ROLE_OBSERVE,
    .flags = MS_RPC_ALWAYS,
    .handle = handle,
};
