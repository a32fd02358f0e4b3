/* SPDX-License-Identifier: Apache-2.0 */
/* model_msg.h - a stored version as the message that List and Show answer with. */
#ifndef MS_SERVER_MODEL_MSG_H
#define MS_SERVER_MODEL_MSG_H

#include "proto/mindserve.pb-c.h"
#include "runtime/model.h"
#include "server/rpc.h"
#include "server/store_db.h"

/* State, reason, memory and counters come from the registry. Lives in the call's arena; NULL when
 * memory is out. model (may be NULL) gets a reference on the loaded model, or NULL. */
Mindserve__V1__Model *ms_model_msg(struct ms_call *c, const struct ms_version *v,
                                   struct ms_model **model);

#endif
