/* SPDX-License-Identifier: Apache-2.0 */
/* rpc_model_ready.c - ModelReady: would an infer call find this model? gRPC says yes or no, also
 * for names it never heard of (clients poll it while they load); REST says 200, 404 or 503. */
#include "proto/oip.pb-c.h"
#include "server/server.h"

static void handle(struct ms_call *c)
{
    Inference__ModelReadyRequest *req =
        ms_call_decode(c, &inference__model_ready_request__descriptor);
    Inference__ModelReadyResponse m = INFERENCE__MODEL_READY_RESPONSE__INIT;
    struct ms_model *model = NULL;

    if (!req) {
        ms_call_fail(c);
        return;
    }
    m.ready = ms_registry_get(c->srv->models, req->name, req->version, &model, &c->err) == MS_OK;
    if (m.ready)
        ms_model_unref(model);
    if (c->wire == MS_WIRE_PROTO)
        ms_call_reply_msg(c, &m.base);
    else if (m.ready)
        ms_call_reply_empty(c);
    else
        ms_call_fail(c);
}

const struct ms_rpc ms_rpc_model_ready = {
    .grpc = "/inference.GRPCInferenceService/ModelReady",
    .rest = {"GET /v2/models/{name}/ready", "GET /v2/models/{name}/versions/{version}/ready"},
    .help = "does a model answer",
    .role = MS_ROLE_OBSERVE,
    .flags = MS_RPC_ALWAYS,
    .handle = handle,
};
