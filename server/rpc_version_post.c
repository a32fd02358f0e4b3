/* SPDX-License-Identifier: Apache-2.0 */
/* rpc_version_post.c - POST of a manifest whose files were pushed before: stores the version, loads
 * it, makes it live, answers. The same as Deploy without its stream. */
#include "server/deploy_reply.h"
#include "server/server.h"

static ms_code start(struct ms_call *c)
{
    Mindserve__V1__Manifest *m = ms_call_decode(c, &mindserve__v1__manifest__descriptor);
    struct ms_deploy *d;

    if (!m)
        return c->err.code;
    if (!c->srv->store)
        return ms_fail(&c->err, MS_UNIMPLEMENTED, "this server has no store");
    MS_TRY(ms_deploy_new(c->srv->store, MS_DEPLOY_PUSH, &ms_deploy_waiting, c, c->peer.addr, &d,
                         &c->err));
    ms_code code = ms_deploy_manifest(d, m, &c->err);
    if (code != MS_OK) {
        ms_deploy_unref(d);
        return code;
    }
    ms_call_ref(c); /* the answer drops it */
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
    if (c->user)
        ms_deploy_abort(c->user, MS_CANCELLED, "the client went away");
}

static void release(struct ms_call *c)
{
    ms_deploy_unref(c->user);
}

const struct ms_rpc ms_rpc_version_post = {
    .rest = {"POST /v2/repository/models/{name}/versions/{version}",
             "POST /v2/repository/models/{name}/versions/next"},
    .help = "deploy a version from a manifest whose files were pushed before",
    .role = MS_ROLE_DEPLOY,
    .flags = MS_RPC_LARGE,
    .handle = handle,
    .cancel = cancel,
    .release = release,
};
