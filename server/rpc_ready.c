/* SPDX-License-Identifier: Apache-2.0 */
/* rpc_ready.c - ServerReady: configuration and store are loaded and the server is not going away.
 */
#include "proto/oip.pb-c.h"
#include "server/server.h"

static void handle(struct ms_call *c)
{
    Inference__ServerReadyResponse m = INFERENCE__SERVER_READY_RESPONSE__INIT;

    m.ready = ms_server_ready(c->srv);
    if (c->wire == MS_WIRE_PROTO) {
        ms_call_reply_msg(c, &m.base);
    } else if (m.ready) {
        ms_call_reply_empty(c);
    } else {
        ms_fail(&c->err, MS_UNAVAILABLE, "the server is not ready");
        ms_call_fail(c);
    }
}

const struct ms_rpc ms_rpc_ready = {
    .grpc = "/inference.GRPCInferenceService/ServerReady",
    .rest = {"GET /v2/health/ready"},
    .help = "does the server take requests",
    .flags = MS_RPC_ALWAYS,
    .handle = handle,
};
