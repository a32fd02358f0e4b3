/* SPDX-License-Identifier: Apache-2.0 */
/* rpc_undeploy.c - Undeploy: takes a version, or all of a name, out of the store and out of
 * service.
 *
 * The database commits first: what was acknowledged stays gone after a crash. Requests that already
 * hold the model finish. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "proto/mindserve.pb-c.h"
#include "server/manage.h"

struct found {
    const char *name;
    uint64_t *version;
    int64_t wanted;
    size_t n, cap;
};

static ms_code count(void *arg, const struct ms_version *v, struct ms_err *err)
{
    struct found *f = arg;

    (void)err;
    if (strcmp(v->name, f->name) == 0 && (f->wanted == 0 || v->version == f->wanted) &&
        f->n < f->cap)
        f->version[f->n++] = (uint64_t)v->version;
    return MS_OK;
}

static ms_code undeploy(struct ms_store *st, struct ms_call *c,
                        const Mindserve__V1__UndeployRequest *req,
                        Mindserve__V1__UndeployReply *reply)
{
    enum { CAP = 1024 };
    struct ms_audit audit = {ms_store_time(), c->peer.addr, "undeploy"};
    struct found f = {.name = req->name, .wanted = (int64_t)req->version, .cap = CAP};
    char text[24];

    MS_TRY(ms_store_writable(st, &c->err));
    f.version = ms_arena_array(&c->arena, CAP, sizeof *f.version);
    if (!f.version)
        return ms_fail_oom(&c->err, "reply", CAP * sizeof *f.version);
    MS_TRY(ms_db_each(st->db, &c->arena, count, &f, &c->err));
    ms_code code = ms_db_undeploy(st->db, req->name, f.wanted, &audit, &c->err);
    ms_store_note(st);
    if (code != MS_OK)
        return code;
    for (size_t i = 0; i < f.n; i++) {
        snprintf(text, sizeof text, "%" PRIu64, f.version[i]);
        ms_registry_remove(c->srv->models, req->name, text);
    }
    ms_server_models_changed(c->srv);
    ms_log(MS_LOG_INFO, "undeploy", ms_log_fields(MS_LOG_TEXT("model", req->name)),
           "%zu versions of %s are gone", f.n, req->name);
    reply->versions = f.version;
    reply->n_versions = f.n;
    return MS_OK;
}

static void run(struct ms_store *st, struct ms_call *c)
{
    Mindserve__V1__UndeployReply reply = MINDSERVE__V1__UNDEPLOY_REPLY__INIT;

    if (undeploy(st, c, c->user, &reply) == MS_OK)
        ms_call_reply_msg(c, &reply.base);
    else
        ms_call_fail(c);
}

static void handle(struct ms_call *c)
{
    Mindserve__V1__UndeployRequest *req =
        ms_call_decode(c, &mindserve__v1__undeploy_request__descriptor);

    if (!req) {
        ms_call_fail(c);
    } else if (!ms_model_name_valid(req->name, strlen(req->name)) || req->version > INT64_MAX) {
        ms_fail(&c->err, MS_NOT_FOUND, "no such model");
        ms_call_fail(c);
    } else {
        c->model = req->name;
        c->user = req;
        ms_manage_call(c, run);
    }
}

const struct ms_rpc ms_rpc_undeploy = {
    .grpc = "/mindserve.v1.Models/Undeploy",
    .rest = {"DELETE /v2/repository/models/{name}",
             "DELETE /v2/repository/models/{name}/versions/{version}"},
    .help = "take a version, or all of a model, out of service and out of the store",
    .role = MS_ROLE_DEPLOY,
    .handle = handle,
};
