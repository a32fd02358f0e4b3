/* SPDX-License-Identifier: Apache-2.0 */
/* rpc.c - the table of calls. One line adds one: the rest is in its record. */
#include "server/rpc.h"

#define MS_RPCS                                                                                    \
    MS_RPC(ms_rpc_infer)                                                                           \
    MS_RPC(ms_rpc_stream_infer)                                                                    \
    MS_RPC(ms_rpc_live)                                                                            \
    MS_RPC(ms_rpc_ready)                                                                           \
    MS_RPC(ms_rpc_server_metadata)                                                                 \
    MS_RPC(ms_rpc_model_ready)                                                                     \
    MS_RPC(ms_rpc_model_metadata)                                                                  \
    MS_RPC(ms_rpc_model_config)                                                                    \
    MS_RPC(ms_rpc_model_statistics)                                                                \
    MS_RPC(ms_rpc_repository_index)                                                                \
    MS_RPC(ms_rpc_repository_load)                                                                 \
    MS_RPC(ms_rpc_repository_unload)                                                               \
    MS_RPC(ms_rpc_health_check)                                                                    \
    MS_RPC(ms_rpc_health_watch)                                                                    \
    MS_RPC(ms_rpc_reflection_v1)                                                                   \
    MS_RPC(ms_rpc_reflection_v1alpha)                                                              \
    MS_RPC(ms_rpc_deploy)                                                                          \
    MS_RPC(ms_rpc_undeploy)                                                                        \
    MS_RPC(ms_rpc_rollback)                                                                        \
    MS_RPC(ms_rpc_list)                                                                            \
    MS_RPC(ms_rpc_show)                                                                            \
    MS_RPC(ms_rpc_status)                                                                          \
    MS_RPC(ms_rpc_store_check)                                                                     \
    MS_RPC(ms_rpc_store_gc)                                                                        \
    MS_RPC(ms_rpc_blob_head)                                                                       \
    MS_RPC(ms_rpc_blob_put)                                                                        \
    MS_RPC(ms_rpc_version_post)                                                                    \
    MS_RPC(ms_rpc_version_put)

#define MS_RPC(record_) extern const struct ms_rpc record_;
MS_RPCS
#undef MS_RPC

const struct ms_rpc *const ms_rpcs[] = {
#define MS_RPC(record_) &record_,
    MS_RPCS
#undef MS_RPC
        NULL,
};
