/* SPDX-License-Identifier: Apache-2.0 */
/* rpc_version_put.c - PUT of a single file as a new version, in one go:
 *
 *     curl -T model.onnx http://127.0.0.1:8000/v2/repository/models/resnet50/versions/next
 *
 * The body is hashed while it is written; then it is a deploy of one file that is already there. */
#include <string.h>

#include "server/deploy_reply.h"
#include "server/manage.h"
#include "server/upload.h"

struct put {
    struct ms_upload up;
    uint64_t version;
    struct ms_deploy *deploy;
};

/* ---- writer thread ---- */

static ms_code open_push(struct ms_upload *u, struct ms_err *err)
{
    MS_TRY(ms_store_writable(u->st, err));
    return ms_push_open_unnamed(&u->st->blobs, u->call->content_length, ms_store_time(), &u->push,
                                err);
}

static ms_code deploy(struct put *p, const char *hex)
{
    struct ms_call *c = p->up.call;
    Mindserve__V1__Manifest m = MINDSERVE__V1__MANIFEST__INIT;
    Mindserve__V1__Manifest__File f = MINDSERVE__V1__MANIFEST__FILE__INIT, *files[] = {&f};
    struct ms_deploy *d;

    f.path = "model";
    f.sha256 = (char *)hex;
    f.size = (uint64_t)c->content_length;
    m.name = (char *)ms_call_param(c, "name");
    m.version = p->version;
    m.files = files;
    m.n_files = 1;
    MS_TRY(
        ms_deploy_new(p->up.st, MS_DEPLOY_PUSH, &ms_deploy_waiting, c, c->peer.addr, &d, &c->err));
    ms_code code = ms_deploy_manifest(d, &m, &c->err);
    if (code != MS_OK) {
        ms_deploy_unref(d);
        return code;
    }
    ms_call_ref(c); /* the answer drops it */
    p->deploy = ms_deploy_ref(d);
    ms_deploy_start(d);
    return MS_OK;
}

static void ended(struct ms_upload *u)
{
    struct ms_call *c = u->call;
    struct ms_push *push = u->push;
    char hex[MS_SHA256_HEX];

    u->push = NULL;
    if (ms_push_finish(&u->st->blobs, push, hex, &c->err) != MS_OK ||
        deploy((struct put *)(void *)u, hex) != MS_OK)
        ms_call_fail(c);
}

static void cancelled(struct ms_upload *u)
{
    struct put *p = (struct put *)(void *)u;

    if (p->deploy)
        ms_deploy_abort(p->deploy, MS_CANCELLED, "the client went away");
}

static const struct ms_upload_ops ops = {.open = open_push, .ended = ended, .cancelled = cancelled};

/* ---- transport threads ---- */

static ms_code start(struct ms_call *c)
{
    const char *name = ms_call_param(c, "name"), *version = ms_call_param(c, "version");
    struct put *p = ms_arena_alloc(&c->arena, sizeof *p);

    if (!p)
        return ms_fail_oom(&c->err, "upload", sizeof *p);
    if (!ms_model_name_valid(name, strlen(name)))
        return ms_fail(&c->err, MS_INVALID_ARGUMENT,
                       "no model name (letters, digits, '.', '_', '-', at most 128)");
    if (*version &&
        (!ms_parse_u64(version, strlen(version), INT64_MAX - 1, &p->version) || p->version == 0))
        return ms_fail(&c->err, MS_INVALID_ARGUMENT, "version: wants a number from 1 on, or next");
    if (c->content_length <= 0)
        return ms_fail(&c->err, MS_INVALID_ARGUMENT, "wants a body with a Content-Length");
    c->model = name;
    ms_upload_start(c, &p->up, &ops);
    return MS_OK;
}

static void handle(struct ms_call *c)
{
    if (start(c) != MS_OK)
        ms_call_fail(c);
}

static void release(struct ms_call *c)
{
    struct put *p = c->user;

    if (p)
        ms_deploy_unref(p->deploy);
}

const struct ms_rpc ms_rpc_version_put = {
    .rest = {"PUT /v2/repository/models/{name}/versions/{version}",
             "PUT /v2/repository/models/{name}/versions/next"},
    .help = "push a model of one file and make it live, in one request",
    .role = MS_ROLE_DEPLOY,
    .flags = MS_RPC_STREAM_BODY,
    .handle = handle,
    .message = ms_upload_message,
    .half_close = ms_upload_half_close,
    .cancel = ms_upload_cancel,
    .release = release,
};
