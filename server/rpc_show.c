/* SPDX-License-Identifier: Apache-2.0 */
/* rpc_show.c - Show: one model in detail: ports, versions, batching, passes, memory, and on demand
 * the optimised graph as text. */
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "server/manage.h"
#include "server/model_msg.h"
#include "server/modelconf.h"

enum { MAX_VERSIONS = 256, MAX_GRAPH = 48 << 20 };

struct show {
    struct ms_call *c;
    const Mindserve__V1__ShowRequest *req;
    Mindserve__V1__ShowReply *reply;
    struct ms_model *model;
    struct ms_bytes config; /* packed, of the version that is shown */
};

static ms_code add_version(void *arg, const struct ms_version *v, struct ms_err *err)
{
    struct show *s = arg;
    struct ms_model *model;

    if (strcmp(v->name, s->req->name) != 0 || s->reply->n_versions == MAX_VERSIONS)
        return MS_OK;
    Mindserve__V1__Model *m = ms_model_msg(s->c, v, &model);
    if (!m) {
        ms_model_unref(model);
        return ms_fail_oom(err, "reply", sizeof *m);
    }
    s->reply->versions[s->reply->n_versions++] = m;
    bool wanted = s->req->version ? (uint64_t)v->version == s->req->version : v->live;
    /* Without a live version the newest is better than nothing. */
    if (wanted || (!s->req->version && !(s->reply->model && s->reply->model->live))) {
        s->reply->model = m;
        s->config = v->config;
        ms_model_unref(s->model);
        s->model = model;
    } else {
        ms_model_unref(model);
    }
    return MS_OK;
}

static bool add_ports(struct show *s, const struct ms_port *p, int n,
                      Mindserve__V1__ShowReply__Port ***out, size_t *n_out)
{
    struct ms_arena *a = &s->c->arena;
    Mindserve__V1__ShowReply__Port *port = ms_arena_array(a, (size_t)n + 1, sizeof *port);

    *out = ms_arena_array(a, (size_t)n + 1, sizeof **out);
    if (!*out || !port)
        return false;
    for (int i = 0; i < n; i++) {
        mindserve__v1__show_reply__port__init(&port[i]);
        port[i].name = ms_arena_strdup(a, p[i].name);
        port[i].datatype = (char *)ms_dtype_oip(p[i].dtype);
        port[i].n_shape = p[i].shape.rank > 0 ? (size_t)p[i].shape.rank : 0;
        port[i].shape = ms_arena_array(a, port[i].n_shape + 1, sizeof *port[i].shape);
        if (!port[i].name || !port[i].shape)
            return false;
        for (size_t k = 0; k < port[i].n_shape; k++)
            port[i].shape[k] = ms_is_sym(p[i].shape.dim[k]) ? -1 : p[i].shape.dim[k];
        (*out)[i] = &port[i];
    }
    *n_out = (size_t)n;
    return true;
}

static bool add_passes(struct show *s)
{
    int n;
    const struct ms_pass_report *r = ms_model_passes(s->model, &n);
    struct ms_arena *a = &s->c->arena;
    Mindserve__V1__ShowReply__Pass *p = ms_arena_array(a, (size_t)n + 1, sizeof *p);
    Mindserve__V1__ShowReply__Pass **list = ms_arena_array(a, (size_t)n + 1, sizeof *list);

    if (!p || !list)
        return false;
    for (int i = 0; i < n; i++) {
        mindserve__v1__show_reply__pass__init(&p[i]);
        p[i].name = (char *)r[i].name;
        p[i].changed = (uint32_t)r[i].changed;
        p[i].nodes_before = (uint32_t)r[i].nodes_before;
        p[i].nodes_after = (uint32_t)r[i].nodes_after;
        p[i].ns = (uint64_t)r[i].ns;
        list[i] = &p[i];
    }
    s->reply->passes = list;
    s->reply->n_passes = (size_t)n;
    return true;
}

static bool add_memory(struct show *s)
{
    struct ms_model_memory mem;
    Mindserve__V1__ShowReply__Memory *m = ms_arena_alloc(&s->c->arena, sizeof *m);

    if (!m)
        return false;
    mindserve__v1__show_reply__memory__init(m);
    ms_model_memory(s->model, &mem);
    m->weights = mem.weights;
    m->packed = mem.packed;
    m->plans = mem.plans;
    m->graph = mem.graph;
    m->run_peak = mem.run_peak;
    s->reply->memory = m;
    return true;
}

static bool add_graph(struct show *s)
{
    struct ms_buf b;

    ms_buf_init(&b, MAX_GRAPH);
    ms_graph_print_text(ms_model_graph(s->model), &b);
    if (ms_buf_ok(&b))
        s->reply->graph = ms_arena_strndup(&s->c->arena, ms_buf_str(&b), b.len);
    ms_buf_done(&b);
    return s->reply->graph && *s->reply->graph;
}

/* What only a loaded model can tell. */
static bool add_model(struct show *s)
{
    const struct ms_batching *b = ms_model_batching(s->model);
    int n_in, n_out;
    const struct ms_port *in = ms_model_inputs(s->model, &n_in);
    const struct ms_port *out = ms_model_outputs(s->model, &n_out);

    s->reply->batching = b->enabled && ms_model_batchable(s->model);
    s->reply->max_batch = s->reply->batching ? (uint32_t)b->max_size : 1;
    s->reply->max_delay_us = (uint64_t)(b->max_delay_ns / MS_US);
    return add_ports(s, in, n_in, &s->reply->inputs, &s->reply->n_inputs) &&
           add_ports(s, out, n_out, &s->reply->outputs, &s->reply->n_outputs) && add_passes(s) &&
           add_memory(s) && (!s->req->graph || add_graph(s));
}

static ms_code fill(struct ms_store *st, struct show *s, Mindserve__V1__ModelConfig **stored)
{
    struct ms_call *c = s->c;
    const struct ms_config *conf = atomic_load(&st->config);

    s->reply->versions = ms_arena_array(&c->arena, MAX_VERSIONS, sizeof *s->reply->versions);
    if (!s->reply->versions)
        return ms_fail_oom(&c->err, "reply", 0);
    MS_TRY(ms_db_each(st->db, &c->arena, add_version, s, &c->err));
    if (s->reply->n_versions == 0)
        return ms_fail(&c->err, MS_NOT_FOUND, "model '%s' is not deployed", s->req->name);
    if (!s->reply->model)
        return ms_fail(&c->err, MS_NOT_FOUND, "model '%s' has no version %llu", s->req->name,
                       (unsigned long long)s->req->version);
    *stored = ms_modelconf_unpack(s->config, &c->err);
    if (!*stored)
        return c->err.code;
    MS_TRY(ms_modelconf_merge(*stored, ms_config_model(conf, s->req->name), &c->arena,
                              &s->reply->config, &c->err));
    if (s->model && !add_model(s))
        return ms_fail_oom(&c->err, "reply", 0);
    if (!s->model && s->req->graph)
        return ms_fail(&c->err, MS_FAILED_PRECONDITION,
                       "model '%s' version %llu is not loaded: there is no graph to show",
                       s->req->name, (unsigned long long)s->reply->model->version);
    return MS_OK;
}

static void run(struct ms_store *st, struct ms_call *c)
{
    Mindserve__V1__ShowReply reply = MINDSERVE__V1__SHOW_REPLY__INIT;
    struct show s = {.c = c, .req = c->user, .reply = &reply};
    Mindserve__V1__ModelConfig *stored = NULL;

    if (fill(st, &s, &stored) == MS_OK)
        ms_call_reply_msg(c, &reply.base);
    else
        ms_call_fail(c);
    ms_model_unref(s.model);
    ms_modelconf_free(stored);
}

static void handle(struct ms_call *c)
{
    Mindserve__V1__ShowRequest *req = ms_call_decode(c, &mindserve__v1__show_request__descriptor);

    if (!req) {
        ms_call_fail(c);
    } else if (!ms_model_name_valid(req->name, strlen(req->name))) {
        ms_fail(&c->err, MS_NOT_FOUND, "no such model");
        ms_call_fail(c);
    } else {
        c->model = req->name;
        c->user = req;
        ms_manage_call(c, run);
    }
}

const struct ms_rpc ms_rpc_show = {
    .grpc = "/mindserve.v1.Models/Show",
    .rest = {"GET /v2/repository/models/{name}",
             "GET /v2/repository/models/{name}/versions/{version}"},
    .help = "show one model: ports, versions, batching, passes, memory, graph",
    .role = MS_ROLE_OBSERVE,
    .flags = MS_RPC_ALWAYS,
    .handle = handle,
};
