/* SPDX-License-Identifier: Apache-2.0 */
/* rpc_repository_unload.c - RepositoryModelUnload: takes a model out of service; the store keeps
 * it. */
#include "proto/oip.pb-c.h"
#include "server/server.h"

static void handle(struct ms_call *c)
{
    Inference__RepositoryModelUnloadRequest *req =
        ms_call_decode(c, &inference__repository_model_unload_request__descriptor);

    if (!req) {
        ms_call_fail(c);
        return;
    }
    c->model = req->model_name;
    if (!*req->model_name)
        ms_fail(&c->err, MS_INVALID_ARGUMENT, "the request names no model");
    else if (!c->srv->repo)
        ms_fail(&c->err, MS_UNIMPLEMENTED, "this server has no store");
    else {
        c->srv->repo->unload(c, req->model_name);
        return;
    }
    ms_call_fail(c);
}

const struct ms_rpc ms_rpc_repository_unload = {
    .grpc = "/inference.GRPCInferenceService/RepositoryModelUnload",
    .rest = {"POST /v2/repository/models/{model_name}/unload",
             "POST /v2/repository/{repository_name}/models/{model_name}/unload"},
    .help = "take a model out of service",
    .role = MS_ROLE_DEPLOY,
    .handle = handle,
};
