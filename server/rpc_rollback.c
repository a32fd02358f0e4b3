/* SPDX-License-Identifier: Apache-2.0 */
/* rpc_rollback.c - Rollback: the previous good version answers again.
 *
 * It is loaded from its blobs while the present one keeps serving; then one transaction swaps live
 * and previous. */
#include <string.h>

#include "server/deploy.h"
#include "server/manage.h"

static void done(struct ms_deploy *d, ms_code code)
{
    struct ms_call *c = d->arg;
    Mindserve__V1__RollbackReply reply = MINDSERVE__V1__ROLLBACK_REPLY__INIT;

    if (code == MS_OK) {
        reply.version = (uint64_t)d->v.version;
        reply.from = (uint64_t)d->from;
        ms_call_reply_msg(c, &reply.base);
    } else {
        c->err = d->err;
        ms_call_fail(c);
    }
    ms_call_unref(c);
}

static const struct ms_deploy_front front = {.done = done};

static ms_code start(struct ms_call *c)
{
    Mindserve__V1__RollbackRequest *req =
        ms_call_decode(c, &mindserve__v1__rollback_request__descriptor);
    struct ms_deploy *d;

    if (!req)
        return c->err.code;
    if (!ms_model_name_valid(req->name, strlen(req->name)))
        return ms_fail(&c->err, MS_NOT_FOUND, "no such model");
    if (!c->srv->store)
        return ms_fail(&c->err, MS_UNIMPLEMENTED, "this server has no store");
    c->model = req->name;
    MS_TRY(ms_deploy_new(c->srv->store, MS_DEPLOY_ROLLBACK, &front, c, c->peer.addr, &d, &c->err));
    d->v.name = ms_arena_strdup(&d->arena, req->name);
    if (!d->v.name) {
        ms_deploy_unref(d);
        return ms_fail_oom(&c->err, "rollback", 0);
    }
    ms_call_ref(c); /* done() drops it */
    c->user = ms_deploy_ref(d);
    ms_deploy_start(d);
    return MS_OK;
}

static void handle(struct ms_call *c)
{
    if (start(c) != MS_OK)
        ms_call_fail(c);
}

static void cancel(struct ms_call *c)
{
    ms_deploy_abort(c->user, MS_CANCELLED, "the client went away");
}

static void release(struct ms_call *c)
{
    ms_deploy_unref(c->user);
}

const struct ms_rpc ms_rpc_rollback = {
    .grpc = "/mindserve.v1.Models/Rollback",
    .rest = {"POST /v2/repository/models/{name}/rollback"},
    .help = "make the previous good version of a model answer again",
    .role = MS_ROLE_DEPLOY,
    .handle = handle,
    .cancel = cancel,
    .release = release,
};
