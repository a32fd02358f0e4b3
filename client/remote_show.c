/* SPDX-License-Identifier: Apache-2.0 */
/* remote_show.c - what a daemon serves: the list, and one model in detail. */
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "client/remote.h"
#include "proto/mindserve.pb-c.h"

enum { QUICK_MS = 30 * 1000, GRAPH_MS = 300 * 1000 };

static struct mindserve_model model_of(const Mindserve__V1__Model *m)
{
    return (struct mindserve_model){
        .name = m->name,
        .version = m->version,
        .live = m->live,
        .previous = m->previous,
        .state = m->state,
        .reason = m->reason,
        .format = m->format,
        .file_bytes = m->file_bytes,
        .memory = m->memory,
        .digest = m->digest,
        .created = m->created,
        .requests = m->requests,
        .failures = m->failures,
    };
}

static const struct mindserve_model *models_of(Mindserve__V1__Model **m, size_t n,
                                               struct ms_arena *a)
{
    struct mindserve_model *row = ms_arena_array(a, n + 1, sizeof *row);

    for (size_t i = 0; row && i < n; i++)
        row[i] = model_of(m[i]);
    return row;
}

ms_code ms_remote_list(struct mindserve *ms, struct mindserve_models **out, struct ms_err *err)
{
    Mindserve__V1__ListRequest req = MINDSERVE__V1__LIST_REQUEST__INIT;
    Mindserve__V1__ListReply *reply;
    struct ms_arena *a = NULL;
    struct mindserve_models *m = ms_result_new(sizeof *m, &a);
    ms_code code;

    if (!m)
        return ms_fail_oom(err, "result", sizeof *m);
    m->owner = a;
    code = ms_remote_ask(ms_remote(ms), "/mindserve.v1.Models/List", &req.base,
                         &mindserve__v1__list_reply__descriptor, QUICK_MS, a, (void **)&reply, err);
    if (code == MS_OK && !(m->model = models_of(reply->models, reply->n_models, a)))
        code = ms_fail_oom(err, "list of models", reply->n_models);
    if (code != MS_OK) {
        mindserve_models_free(m);
        return code;
    }
    m->n = (int)reply->n_models;
    *out = m;
    return MS_OK;
}

/* ---- one model ---- */

static const char *shape_text(struct ms_arena *a, const Mindserve__V1__ShowReply__Port *p)
{
    struct ms_buf b;
    char *text;

    ms_buf_init(&b, 4096);
    ms_buf_putc(&b, '[');
    for (size_t i = 0; i < p->n_shape; i++) {
        if (i)
            ms_buf_putc(&b, ',');
        if (p->shape[i] < 0)
            ms_buf_putc(&b, '?');
        else
            ms_buf_printf(&b, "%lld", (long long)p->shape[i]);
    }
    ms_buf_putc(&b, ']');
    text = ms_arena_strdup(a, ms_buf_str(&b));
    ms_buf_done(&b);
    return text;
}

static const struct mindserve_port *ports_of(Mindserve__V1__ShowReply__Port **p, size_t n,
                                             struct ms_arena *a)
{
    struct mindserve_port *port = ms_arena_array(a, n + 1, sizeof *port);

    for (size_t i = 0; port && i < n; i++) {
        port[i] = (struct mindserve_port){
            .name = p[i]->name,
            .dtype = mindserve_dtype_from_name(p[i]->datatype),
            .rank = p[i]->n_shape <= MINDSERVE_MAX_RANK ? (int)p[i]->n_shape : -1,
            .dim = p[i]->shape,
            .shape = shape_text(a, p[i]),
        };
        if (!port[i].shape)
            return NULL;
    }
    return port;
}

static const struct mindserve_pass *passes_of(Mindserve__V1__ShowReply__Pass **p, size_t n,
                                              struct ms_arena *a)
{
    struct mindserve_pass *pass = ms_arena_array(a, n + 1, sizeof *pass);

    for (size_t i = 0; pass && i < n; i++)
        pass[i] = (struct mindserve_pass){.name = p[i]->name,
                                          .changed = p[i]->changed,
                                          .nodes_before = p[i]->nodes_before,
                                          .nodes_after = p[i]->nodes_after,
                                          .ns = p[i]->ns};
    return pass;
}

static const double *doubles_of(const float *v, size_t n, struct ms_arena *a)
{
    double *d = ms_arena_array(a, n + 1, sizeof *d);

    for (size_t i = 0; d && i < n; i++)
        d[i] = (double)v[i];
    return d;
}

static bool config_of(const Mindserve__V1__ModelConfig *c, struct ms_arena *a,
                      struct mindserve_info *r)
{
    const Mindserve__V1__ModelConfig__ImageInput *i = c ? c->image : NULL;

    if (c) {
        r->labels = (const char *const *)c->labels;
        r->n_labels = (int)c->n_labels;
    }
    if (!i)
        return true;
    r->image = (struct mindserve_image){
        .given = true,
        .nhwc = strcmp(i->layout, "NHWC") == 0,
        .channels = i->channels,
        .scale = (double)i->scale,
        .mean = doubles_of(i->mean, i->n_mean, a),
        .std = doubles_of(i->std, i->n_std, a),
        .n_mean = (int)i->n_mean,
        .n_std = (int)i->n_std,
        .invert = i->invert,
    };
    return r->image.mean && r->image.std;
}

static bool fill(const Mindserve__V1__ShowReply *s, struct ms_arena *a, struct mindserve_info *r)
{
    if (s->model)
        r->model = model_of(s->model);
    r->inputs = ports_of(s->inputs, s->n_inputs, a);
    r->n_inputs = (int)s->n_inputs;
    r->outputs = ports_of(s->outputs, s->n_outputs, a);
    r->n_outputs = (int)s->n_outputs;
    r->batching = s->batching;
    r->max_batch = s->max_batch;
    r->max_delay_us = s->max_delay_us;
    r->passes = passes_of(s->passes, s->n_passes, a);
    r->n_passes = (int)s->n_passes;
    if (s->memory)
        r->memory = (struct mindserve_memory){.weights = s->memory->weights,
                                              .packed = s->memory->packed,
                                              .plans = s->memory->plans,
                                              .graph = s->memory->graph,
                                              .run_peak = s->memory->run_peak};
    r->graph = s->graph;
    r->versions = models_of(s->versions, s->n_versions, a);
    r->n_versions = (int)s->n_versions;
    return r->inputs && r->outputs && r->passes && r->versions && config_of(s->config, a, r);
}

ms_code ms_remote_show(struct mindserve *ms, const char *name, uint64_t version, bool graph,
                       struct mindserve_info **out, struct ms_err *err)
{
    Mindserve__V1__ShowRequest req = MINDSERVE__V1__SHOW_REQUEST__INIT;
    Mindserve__V1__ShowReply *reply;
    struct ms_arena *a = NULL;
    struct mindserve_info *r = ms_result_new(sizeof *r, &a);
    ms_code code;

    if (!r)
        return ms_fail_oom(err, "result", sizeof *r);
    r->owner = a;
    req.name = (char *)(uintptr_t)name;
    req.version = version;
    req.graph = graph;
    code = ms_remote_ask(ms_remote(ms), "/mindserve.v1.Models/Show", &req.base,
                         &mindserve__v1__show_reply__descriptor, graph ? GRAPH_MS : QUICK_MS, a,
                         (void **)&reply, err);
    if (code == MS_OK) {
        r->model = (struct mindserve_model){
            .name = "", .state = "", .reason = "", .format = "", .digest = ""};
        if (!fill(reply, a, r))
            code = ms_fail_oom(err, "description of the model", 0);
    }
    if (code != MS_OK) {
        mindserve_info_free(r);
        return code;
    }
    *out = r;
    return MS_OK;
}

ms_code ms_remote_graph(struct mindserve *ms, const char *name, uint64_t version,
                        const char *format, char **text, size_t *len, struct ms_err *err)
{
    struct mindserve_info *info;

    if (strcmp(format, "text") != 0)
        return ms_fail(err, MS_UNIMPLEMENTED, "a server shows graphs as text only");
    MS_TRY(ms_remote_show(ms, name, version, true, &info, err));
    *len = strlen(info->graph);
    *text = ms_strndup(info->graph, *len);
    mindserve_info_free(info);
    return *text ? MS_OK : ms_fail_oom(err, "text of the graph", *len);
}
