/* SPDX-License-Identifier: Apache-2.0 */
/* rpc_store_gc.c - StoreGc: removes what no version refers to and is old enough, now. */
#include "base/log.h"
#include "proto/mindserve.pb-c.h"
#include "server/manage.h"

static void run(struct ms_store *st, struct ms_call *c)
{
    Mindserve__V1__StoreGcReply reply = MINDSERVE__V1__STORE_GC_REPLY__INIT;
    int removed;
    int64_t bytes;

    ms_push_expire(&st->blobs, ms_store_time(), st->opts.push_keep);
    if (ms_store_gc(st, st->opts.gc_age, &removed, &bytes, &c->err) != MS_OK) {
        ms_call_fail(c);
        return;
    }
    reply.removed = (uint32_t)removed;
    reply.bytes = (uint64_t)bytes;
    ms_call_reply_msg(c, &reply.base);
}

static void handle(struct ms_call *c)
{
    if (ms_call_decode(c, &mindserve__v1__store_gc_request__descriptor))
        ms_manage_call(c, run);
    else
        ms_call_fail(c);
}

const struct ms_rpc ms_rpc_store_gc = {
    .grpc = "/mindserve.v1.Admin/StoreGc",
    .rest = {"POST /v2/repository/gc"},
    .help = "remove blobs that no version refers to",
    .role = MS_ROLE_ADMIN,
    .handle = handle,
};
