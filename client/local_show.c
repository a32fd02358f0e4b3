/* SPDX-License-Identifier: Apache-2.0 */
/* local_show.c - what a version in this process is: ports, passes, memory, graph. */
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "client/local.h"

/* Text of a graph: constants of any size are printed as digests, so even large models stay small.
 */
enum { GRAPH_TEXT_MAX = 256 << 20 };

static const struct mindserve_port *ports_of(const struct ms_port *in, int n,
                                             const struct ms_syms *syms, struct ms_arena *a)
{
    struct mindserve_port *port = ms_arena_array(a, (size_t)n + 1, sizeof *port);

    for (int i = 0; port && i < n; i++) {
        char text[512];
        int rank = in[i].shape.rank;
        int64_t *dim = ms_arena_array(a, MS_MAX_RANK, sizeof *dim);

        for (int k = 0; dim && k < rank; k++)
            dim[k] = ms_is_sym(in[i].shape.dim[k]) ? -1 : in[i].shape.dim[k];
        port[i] = (struct mindserve_port){
            .name = ms_arena_strdup(a, in[i].name),
            .dtype = (enum mindserve_dtype)in[i].dtype,
            .rank = rank,
            .dim = dim,
            .shape = ms_arena_strdup(a, ms_shape_text(text, sizeof text, &in[i].shape, syms)),
        };
        if (!dim || !port[i].name || !port[i].shape)
            return NULL;
    }
    return port;
}

static const struct mindserve_pass *passes_of(const struct ms_pass_report *r, int n,
                                              struct ms_arena *a)
{
    struct mindserve_pass *p = ms_arena_array(a, (size_t)n + 1, sizeof *p);

    for (int i = 0; p && i < n; i++)
        p[i] = (struct mindserve_pass){
            .name = r[i].name,
            .changed = (uint32_t)r[i].changed,
            .nodes_before = (uint32_t)r[i].nodes_before,
            .nodes_after = (uint32_t)r[i].nodes_after,
            .bytes_before = r[i].const_bytes_before,
            .bytes_after = r[i].const_bytes_after,
            .ns = (uint64_t)r[i].ns,
        };
    return p;
}

static bool versions_of(struct ms_local *l, const char *name, struct ms_arena *a,
                        struct mindserve_info *r)
{
    struct mindserve_model *row;
    bool ok = true;

    pthread_mutex_lock(&l->lock);
    row = ms_arena_array(a, (size_t)l->n + 1, sizeof *row);
    for (int i = 0; row && i < l->n; i++)
        if (strcmp(l->version[i]->name, name) == 0)
            ok = ok && ms_local_describe(l->version[i], a, &row[r->n_versions++]);
    pthread_mutex_unlock(&l->lock);
    r->versions = row;
    return row && ok;
}

static bool fill_text(const struct ms_local_version *v, bool graph, struct ms_arena *a,
                      struct mindserve_info *r)
{
    struct ms_buf text;
    bool ok;

    r->graph = "";
    if (!graph)
        return true;
    ms_buf_init(&text, GRAPH_TEXT_MAX);
    ms_graph_print_text(ms_model_graph(v->model), &text);
    r->graph = ms_arena_strndup(a, ms_buf_str(&text), text.len);
    ok = ms_buf_ok(&text) && r->graph;
    ms_buf_done(&text);
    return ok;
}

/* Labels and image belong to the version, which may go before the result does. */
static bool fill_config(const struct ms_local_version *v, struct ms_arena *a,
                        struct mindserve_info *r)
{
    const char **labels = ms_arena_array(a, (size_t)v->n_labels + 1, sizeof *labels);
    double *mean = ms_arena_array(a, (size_t)v->image.n_mean + 1, sizeof *mean);
    double *std = ms_arena_array(a, (size_t)v->image.n_std + 1, sizeof *std);

    if (!labels || !mean || !std)
        return false;
    for (int i = 0; i < v->n_labels; i++)
        if (!(labels[i] = ms_arena_strdup(a, v->labels[i])))
            return false;
    r->labels = labels;
    r->n_labels = v->n_labels;
    r->image = v->image;
    r->image.channels = v->image.channels ? ms_arena_strdup(a, v->image.channels) : NULL;
    for (int i = 0; i < v->image.n_mean; i++)
        mean[i] = v->image.mean[i];
    for (int i = 0; i < v->image.n_std; i++)
        std[i] = v->image.std[i];
    r->image.mean = mean;
    r->image.std = std;
    return r->image.channels || !v->image.channels;
}

static bool fill(struct ms_local *l, const struct ms_local_version *v, bool graph,
                 struct ms_arena *a, struct mindserve_info *r)
{
    const struct ms_syms *syms = ms_model_graph(v->model)->syms;
    const struct ms_batching *b = ms_model_batching(v->model);
    const struct ms_pass_report *passes;
    const struct ms_port *in, *out;
    struct ms_model_memory m;

    in = ms_model_inputs(v->model, &r->n_inputs);
    out = ms_model_outputs(v->model, &r->n_outputs);
    passes = ms_model_passes(v->model, &r->n_passes);
    ms_model_memory(v->model, &m);
    r->inputs = ports_of(in, r->n_inputs, syms, a);
    r->outputs = ports_of(out, r->n_outputs, syms, a);
    r->passes = passes_of(passes, r->n_passes, a);
    r->batching = b->enabled && ms_model_batchable(v->model);
    r->max_batch = r->batching ? (uint32_t)b->max_size : 0;
    r->max_delay_us = (uint64_t)(b->max_delay_ns / MS_US);
    r->memory = (struct mindserve_memory){.weights = m.weights,
                                          .packed = m.packed,
                                          .plans = m.plans,
                                          .graph = m.graph,
                                          .run_peak = m.run_peak};
    return r->inputs && r->outputs && r->passes && ms_local_describe(v, a, &r->model) &&
           versions_of(l, v->name, a, r) && fill_config(v, a, r) && fill_text(v, graph, a, r);
}

ms_code ms_local_show(struct mindserve *ms, const char *name, uint64_t version, bool graph,
                      struct mindserve_info **out, struct ms_err *err)
{
    struct ms_local_version *v;
    struct ms_arena *a = NULL;
    struct mindserve_info *r;
    bool ok;

    MS_TRY(ms_local_get(ms_local(ms), name, version, &v, err));
    r = ms_result_new(sizeof *r, &a);
    if (r)
        r->owner = a;
    ok = r && fill(ms_local(ms), v, graph, a, r);
    ms_local_put(v);
    if (!ok) {
        mindserve_info_free(r);
        return ms_fail_oom(err, "description of the model", 0);
    }
    *out = r;
    return MS_OK;
}

ms_code ms_local_graph(struct mindserve *ms, const char *name, uint64_t version, const char *format,
                       char **text, size_t *len, struct ms_err *err)
{
    static const struct {
        const char *name;
        void (*print)(const struct ms_graph *g, struct ms_buf *out);
    } forms[] = {
        {"text", ms_graph_print_text}, {"dot", ms_graph_print_dot}, {"json", ms_graph_print_json}};
    struct ms_local_version *v;
    struct ms_buf b;
    size_t i = 0;

    while (i < 3 && strcmp(forms[i].name, format) != 0)
        i++;
    if (i == 3)
        return ms_fail(err, MS_INVALID_ARGUMENT, "format '%.20s': must be text, dot or json",
                       format);
    MS_TRY(ms_local_get(ms_local(ms), name, version, &v, err));
    ms_buf_init(&b, GRAPH_TEXT_MAX);
    forms[i].print(ms_model_graph(v->model), &b);
    ms_local_put(v);
    *text = ms_buf_ok(&b) ? ms_buf_take(&b, len) : NULL;
    ms_buf_done(&b);
    return *text ? MS_OK : ms_fail_oom(err, "text of the graph", 0);
}
