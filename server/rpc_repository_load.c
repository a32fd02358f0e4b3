/* SPDX-License-Identifier: Apache-2.0 */
/* rpc_repository_load.c - RepositoryModelLoad: parameters taken apart; the store does the work. */
#include <string.h>

#include "proto/oip.pb-c.h"
#include "proto/base64.h"
#include "server/server.h"

typedef Inference__RepositoryModelLoadRequest Request;
typedef Inference__RepositoryModelLoadRequest__ParametersEntry Entry;

static ms_code file_parameter(struct ms_call *c, const Entry *e, struct ms_bytes *out)
{
    const Inference__ModelRepositoryParameter *v = e->value;

    if (v && v->parameter_choice_case ==
                 INFERENCE__MODEL_REPOSITORY_PARAMETER__PARAMETER_CHOICE_BYTES_PARAM) {
        *out = ms_bytes(v->bytes_param.data, v->bytes_param.len);
        return MS_OK;
    }
    if (v && v->parameter_choice_case ==
                 INFERENCE__MODEL_REPOSITORY_PARAMETER__PARAMETER_CHOICE_STRING_PARAM)
        return ms_base64_decode(&c->arena, ms_bytes(v->string_param, strlen(v->string_param)), out,
                                &c->err);
    return ms_fail(&c->err, MS_INVALID_ARGUMENT, "parameter '%.100s' holds no file", e->key);
}

static ms_code take(struct ms_call *c, const Request *req, struct ms_repo_load *l)
{
    size_t n = req->n_parameters;
    const char **path = ms_arena_array(&c->arena, n + 1, sizeof *path);
    struct ms_bytes *file = ms_arena_array(&c->arena, n + 1, sizeof *file);

    if (!path || !file)
        return ms_fail_oom(&c->err, "request", n * sizeof *file);
    l->model = req->model_name;
    l->path = path;
    l->file = file;
    for (size_t i = 0; i < n; i++) {
        const Entry *e = req->parameters[i];
        if (strcmp(e->key, "config") == 0) {
            if (!e->value ||
                e->value->parameter_choice_case !=
                    INFERENCE__MODEL_REPOSITORY_PARAMETER__PARAMETER_CHOICE_STRING_PARAM)
                return ms_fail(&c->err, MS_INVALID_ARGUMENT, "parameter 'config' holds no text");
            l->config = e->value->string_param;
        } else if (strncmp(e->key, "file:", 5) == 0) {
            path[l->n_files] = e->key + 5;
            MS_TRY(file_parameter(c, e, &file[l->n_files]));
            l->n_files++;
        } else {
            return ms_fail(&c->err, MS_INVALID_ARGUMENT, "unknown parameter '%.100s'", e->key);
        }
    }
    if (!*l->model)
        return ms_fail(&c->err, MS_INVALID_ARGUMENT, "the request names no model");
    return MS_OK;
}

static void handle(struct ms_call *c)
{
    Request *req = ms_call_decode(c, &inference__repository_model_load_request__descriptor);
    struct ms_repo_load *l = ms_arena_alloc(&c->arena, sizeof *l);

    if (req && !l)
        ms_fail_oom(&c->err, "request", sizeof *l);
    if (!req || !l || take(c, req, l) != MS_OK) {
        ms_call_fail(c);
        return;
    }
    c->model = l->model;
    if (c->srv->repo) {
        c->srv->repo->load(c, l);
        return;
    }
    ms_fail(&c->err, MS_UNIMPLEMENTED, "this server has no store");
    ms_call_fail(c);
}

const struct ms_rpc ms_rpc_repository_load = {
    .grpc = "/inference.GRPCInferenceService/RepositoryModelLoad",
    .rest = {"POST /v2/repository/models/{model_name}/load",
             "POST /v2/repository/{repository_name}/models/{model_name}/load"},
    .help = "load a stored model again, or one that the call brings",
    .role = MS_ROLE_DEPLOY,
    .flags = MS_RPC_LARGE,
    .handle = handle,
};
