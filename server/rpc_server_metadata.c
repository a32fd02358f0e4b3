/* SPDX-License-Identifier: Apache-2.0 */
/* rpc_server_metadata.c - ServerMetadata: name, version, and the extensions that work. */
#include "proto/oip.pb-c.h"
#include "server/server.h"

static void handle(struct ms_call *c)
{
    static char *const extensions[] = {
        "classification",     "model_repository", "schedule_policy", "model_configuration",
        "binary_tensor_data", "parameters",       "statistics",
    };
    Inference__ServerMetadataResponse m = INFERENCE__SERVER_METADATA_RESPONSE__INIT;

    m.name = (char *)c->srv->opts.name;
    m.version = (char *)c->srv->opts.version;
    m.n_extensions = sizeof extensions / sizeof *extensions;
    m.extensions = (char **)extensions;
    ms_call_reply_msg(c, &m.base);
}

const struct ms_rpc ms_rpc_server_metadata = {
    .grpc = "/inference.GRPCInferenceService/ServerMetadata",
    .rest = {"GET /v2"},
    .help = "name, version and extensions of the server",
    .role = MS_ROLE_OBSERVE,
    .flags = MS_RPC_ALWAYS,
    .handle = handle,
};
