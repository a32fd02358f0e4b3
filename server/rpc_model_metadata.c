/* SPDX-License-Identifier: Apache-2.0 */
/* rpc_model_metadata.c - ModelMetadata: inputs, outputs, versions of a model. */
#include <string.h>

#include "proto/oip.pb-c.h"
#include "server/server.h"

typedef Inference__ModelMetadataResponse__TensorMetadata Tensor;

static bool tensors(struct ms_call *c, const struct ms_port *port, int n, Tensor ***out)
{
    Tensor **list = ms_arena_array(&c->arena, (size_t)n + 1, sizeof *list);
    Tensor *t = ms_arena_array(&c->arena, (size_t)n + 1, sizeof *t);

    for (int i = 0; list && t && i < n; i++) {
        int rank = port[i].shape.rank > 0 ? port[i].shape.rank : 0;
        int64_t *dim = ms_arena_array(&c->arena, (size_t)rank + 1, sizeof *dim);
        if (!dim)
            return false;
        for (int k = 0; k < rank; k++)
            dim[k] = ms_is_sym(port[i].shape.dim[k]) ? -1 : port[i].shape.dim[k];
        inference__model_metadata_response__tensor_metadata__init(&t[i]);
        t[i].name = (char *)port[i].name;
        t[i].datatype = (char *)ms_dtype_oip(port[i].dtype);
        t[i].n_shape = (size_t)rank;
        t[i].shape = dim;
        list[i] = &t[i];
    }
    *out = list;
    return list && t;
}

struct versions {
    struct ms_call *c;
    const char *name;
    char *list[64];
    size_t n;
};

static void add_version(void *arg, const struct ms_registry_entry *e)
{
    struct versions *v = arg;

    if (e->state == MS_STATE_READY && strcmp(e->name, v->name) == 0 &&
        v->n < sizeof v->list / sizeof *v->list &&
        (v->list[v->n] = ms_arena_strdup(&v->c->arena, e->version)) != NULL)
        v->n++;
}

static void answer(struct ms_call *c, const struct ms_model *m, const char *name)
{
    Inference__ModelMetadataResponse r = INFERENCE__MODEL_METADATA_RESPONSE__INIT;
    struct versions v = {.c = c, .name = name};
    int n_in, n_out;
    const struct ms_port *in = ms_model_inputs(m, &n_in), *out = ms_model_outputs(m, &n_out);

    ms_registry_each(c->srv->models, add_version, &v);
    r.name = (char *)name;
    r.n_versions = v.n;
    r.versions = v.list;
    r.platform = (char *)ms_model_format(m)->platform;
    r.n_inputs = (size_t)n_in;
    r.n_outputs = (size_t)n_out;
    if (tensors(c, in, n_in, &r.inputs) && tensors(c, out, n_out, &r.outputs)) {
        ms_call_reply_msg(c, &r.base);
    } else {
        ms_fail_oom(&c->err, "metadata", 0);
        ms_call_fail(c);
    }
}

static void handle(struct ms_call *c)
{
    Inference__ModelMetadataRequest *req =
        ms_call_decode(c, &inference__model_metadata_request__descriptor);
    struct ms_model *m;

    if (!req || ms_registry_get(c->srv->models, req->name, req->version, &m, &c->err) != MS_OK) {
        ms_call_fail(c);
        return;
    }
    ms_call_ref(c); /* name lives in the call, the model's ports in the model */
    answer(c, m, req->name);
    ms_model_unref(m);
    ms_call_unref(c);
}

const struct ms_rpc ms_rpc_model_metadata = {
    .grpc = "/inference.GRPCInferenceService/ModelMetadata",
    .rest = {"GET /v2/models/{name}", "GET /v2/models/{name}/versions/{version}"},
    .help = "inputs, outputs and versions of a model",
    .role = MS_ROLE_OBSERVE,
    .flags = MS_RPC_ALWAYS,
    .handle = handle,
};
