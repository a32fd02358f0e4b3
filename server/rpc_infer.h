/* SPDX-License-Identifier: Apache-2.0 */
/* rpc_infer.h - one request under way, for ModelInfer and ModelStreamInfer. */
#ifndef MS_SERVER_RPC_INFER_H
#define MS_SERVER_RPC_INFER_H

#include <stdio.h>

#include "base/clock.h"
#include "base/mem.h"
#include "proto/predict.h"
#include "server/server.h"

struct ms_infer {
    struct ms_request req;
    struct ms_predict predict;
};

/* An empty request whose structs live in the arena and whose buffers are charged to the call. */
void ms_infer_init(struct ms_infer *f, struct ms_call *c, struct ms_arena *a);
void ms_infer_done(struct ms_infer *f);

#endif
