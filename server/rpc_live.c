/* SPDX-License-Identifier: Apache-2.0 */
/* rpc_live.c - ServerLive: the process answers. Depends on neither models nor disk. */
#include "proto/oip.pb-c.h"
#include "server/server.h"

static void handle(struct ms_call *c)
{
    Inference__ServerLiveResponse m = INFERENCE__SERVER_LIVE_RESPONSE__INIT;

    m.live = 1;
    if (c->wire == MS_WIRE_JSON)
        ms_call_reply_empty(c);
    else
        ms_call_reply_msg(c, &m.base);
}

const struct ms_rpc ms_rpc_live = {
    .grpc = "/inference.GRPCInferenceService/ServerLive",
    .rest = {"GET /v2/health/live"},
    .help = "is the process alive",
    .flags = MS_RPC_ALWAYS,
    .handle = handle,
};
