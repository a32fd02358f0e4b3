/* SPDX-License-Identifier: Apache-2.0 */
/* server.c - the shared state's birth, death and readiness. */
#include "server/server.h"

#include "server/health.h"
#include "server/metrics.h"

void ms_server_opts_init(struct ms_server_opts *o)
{
    *o = (struct ms_server_opts){
        .name = "mindserve",
        .version = "0.1.0",
        .max_message = (size_t)64 << 20,
        .receive_budget = (size_t)512 << 20,
        .max_connections = 1000,
        .max_per_address = 200,
        .max_streams = 32,
        .header_timeout = 10 * MS_SEC,
        .idle_timeout = 75 * MS_SEC,
        .stall_timeout = 30 * MS_SEC,
        .max_requests = 4096,
        .max_tensors = 1024,
        .max_rank = MS_MAX_RANK,
        .json_depth = 64,
        .body_min_rate = 1024,
        .triton_metrics = true,
    };
}

ms_code ms_server_init(struct ms_server *s, const struct ms_server_opts *o, struct ms_err *err)
{
    *s = (struct ms_server){.opts = *o, .started = ms_now()};
    atomic_init(&s->state, MS_SERVER_STARTING);
    ms_admission_init(&s->admission, o->receive_budget);
    s->stats = ms_server_stats_new();
    s->health = ms_health_new();
    s->routes = ms_routes_new();
    if (s->stats && s->health && s->routes)
        return MS_OK;
    ms_server_done(s);
    return ms_fail_oom(err, "server", sizeof *s);
}

void ms_server_done(struct ms_server *s)
{
    ms_server_stats_free(s->stats);
    ms_health_free(s->health);
    ms_routes_free(s->routes);
    ms_admission_done(&s->admission);
}

void ms_server_set_state(struct ms_server *s, enum ms_server_state state)
{
    atomic_store(&s->state, (int)state);
    ms_health_changed(s);
}

bool ms_server_ready(const struct ms_server *s)
{
    return atomic_load(&s->state) == MS_SERVER_READY;
}

void ms_server_models_changed(struct ms_server *s)
{
    ms_health_changed(s);
}
