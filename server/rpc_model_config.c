/* SPDX-License-Identifier: Apache-2.0 */
/* rpc_model_config.c - ModelConfig: what tools that know Triton's configuration want to read.
 * Nobody has to write one; it is told from the model itself. */
#include "proto/oip.pb-c.h"
#include "server/server.h"

static Inference__DataType data_type(enum ms_dtype t)
{
    static const struct {
        enum ms_dtype ours;
        Inference__DataType theirs;
    } map[] = {
        {MS_BOOL, INFERENCE__DATA_TYPE__TYPE_BOOL},     {MS_U8, INFERENCE__DATA_TYPE__TYPE_UINT8},
        {MS_U16, INFERENCE__DATA_TYPE__TYPE_UINT16},    {MS_U32, INFERENCE__DATA_TYPE__TYPE_UINT32},
        {MS_U64, INFERENCE__DATA_TYPE__TYPE_UINT64},    {MS_I8, INFERENCE__DATA_TYPE__TYPE_INT8},
        {MS_I16, INFERENCE__DATA_TYPE__TYPE_INT16},     {MS_I32, INFERENCE__DATA_TYPE__TYPE_INT32},
        {MS_I64, INFERENCE__DATA_TYPE__TYPE_INT64},     {MS_F16, INFERENCE__DATA_TYPE__TYPE_FP16},
        {MS_F32, INFERENCE__DATA_TYPE__TYPE_FP32},      {MS_F64, INFERENCE__DATA_TYPE__TYPE_FP64},
        {MS_STRING, INFERENCE__DATA_TYPE__TYPE_STRING}, {MS_BF16, INFERENCE__DATA_TYPE__TYPE_BF16},
    };

    for (size_t i = 0; i < sizeof map / sizeof *map; i++)
        if (map[i].ours == t)
            return map[i].theirs;
    return INFERENCE__DATA_TYPE__TYPE_INVALID;
}

/* Dims from `skip` on (the batch axis is left out where max_batch_size says so). */
static int64_t *dims(struct ms_call *c, const struct ms_port *p, int skip, size_t *n)
{
    int rank = p->shape.rank > skip ? p->shape.rank - skip : 0;
    int64_t *d = ms_arena_array(&c->arena, (size_t)rank + 1, sizeof *d);

    for (int i = 0; d && i < rank; i++)
        d[i] = ms_is_sym(p->shape.dim[i + skip]) ? -1 : p->shape.dim[i + skip];
    *n = (size_t)rank;
    return d;
}

static bool inputs(struct ms_call *c, const struct ms_model *m, int skip,
                   Inference__ModelConfig *cfg)
{
    int n;
    const struct ms_port *p = ms_model_inputs(m, &n);

    cfg->input = ms_arena_array(&c->arena, (size_t)n + 1, sizeof *cfg->input);
    for (int i = 0; cfg->input && i < n; i++) {
        Inference__ModelInput *in = ms_arena_alloc(&c->arena, sizeof *in);
        if (!in)
            return false;
        inference__model_input__init(in);
        in->name = (char *)p[i].name;
        in->data_type = data_type(p[i].dtype);
        if (!(in->dims = dims(c, &p[i], skip, &in->n_dims)))
            return false;
        cfg->input[cfg->n_input++] = in;
    }
    return cfg->input != NULL;
}

static bool outputs(struct ms_call *c, const struct ms_model *m, int skip,
                    Inference__ModelConfig *cfg)
{
    int n;
    const struct ms_port *p = ms_model_outputs(m, &n);

    cfg->output = ms_arena_array(&c->arena, (size_t)n + 1, sizeof *cfg->output);
    for (int i = 0; cfg->output && i < n; i++) {
        Inference__ModelOutput *out = ms_arena_alloc(&c->arena, sizeof *out);
        if (!out)
            return false;
        inference__model_output__init(out);
        out->name = (char *)p[i].name;
        out->data_type = data_type(p[i].dtype);
        if (!(out->dims = dims(c, &p[i], skip, &out->n_dims)))
            return false;
        cfg->output[cfg->n_output++] = out;
    }
    return cfg->output != NULL;
}

static void answer(struct ms_call *c, const struct ms_model *m, const char *name)
{
    Inference__ModelConfig cfg = INFERENCE__MODEL_CONFIG__INIT;
    Inference__ModelConfigResponse r = INFERENCE__MODEL_CONFIG_RESPONSE__INIT;
    Inference__ModelDynamicBatching dyn = INFERENCE__MODEL_DYNAMIC_BATCHING__INIT;
    Inference__ModelQueuePolicy queue = INFERENCE__MODEL_QUEUE_POLICY__INIT;
    Inference__ModelVersionPolicy policy = INFERENCE__MODEL_VERSION_POLICY__INIT;
    Inference__ModelVersionPolicy__Latest latest = INFERENCE__MODEL_VERSION_POLICY__LATEST__INIT;
    const struct ms_batching *b = ms_model_batching(m);
    bool batched = b->enabled && ms_model_batchable(m);

    latest.num_versions = 1;
    policy.policy_choice_case = INFERENCE__MODEL_VERSION_POLICY__POLICY_CHOICE_LATEST;
    policy.latest = &latest;
    cfg.version_policy = &policy;
    cfg.name = (char *)name;
    cfg.platform = (char *)ms_model_format(m)->platform;
    cfg.backend = (char *)"mindserve";
    if (batched) {
        cfg.max_batch_size = b->max_size;
        dyn.max_queue_delay_microseconds = (uint64_t)(b->max_delay_ns / 1000);
        queue.allow_timeout_override = 1;
        queue.max_queue_size = (uint32_t)b->max_queue;
        queue.default_timeout_microseconds = (uint64_t)(b->timeout_ns / 1000);
        dyn.default_queue_policy = &queue;
        cfg.scheduling_choice_case = INFERENCE__MODEL_CONFIG__SCHEDULING_CHOICE_DYNAMIC_BATCHING;
        cfg.dynamic_batching = &dyn;
    }
    r.config = &cfg;
    if (!inputs(c, m, batched, &cfg) || !outputs(c, m, batched, &cfg)) {
        ms_fail_oom(&c->err, "configuration", 0);
        ms_call_fail(c);
    } else if (c->wire == MS_WIRE_JSON) {
        ms_call_reply_msg(c, &cfg.base); /* REST: bare */
    } else {
        ms_call_reply_msg(c, &r.base);
    }
}

static void handle(struct ms_call *c)
{
    Inference__ModelConfigRequest *req =
        ms_call_decode(c, &inference__model_config_request__descriptor);
    struct ms_model *m;

    if (!req || ms_registry_get(c->srv->models, req->name, req->version, &m, &c->err) != MS_OK) {
        ms_call_fail(c);
        return;
    }
    answer(c, m, req->name);
    ms_model_unref(m);
}

const struct ms_rpc ms_rpc_model_config = {
    .grpc = "/inference.GRPCInferenceService/ModelConfig",
    .rest = {"GET /v2/models/{name}/config", "GET /v2/models/{name}/versions/{version}/config"},
    .help = "configuration of a model, in Triton's terms",
    .role = MS_ROLE_OBSERVE,
    .flags = MS_RPC_ALWAYS,
    .handle = handle,
};
