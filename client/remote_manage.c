/* SPDX-License-Identifier: Apache-2.0 */
/* remote_manage.c - undeploy, rollback, status and the store: a question and a short answer. */
#include "client/remote.h"
#include "proto/mindserve.pb-c.h"

enum { QUICK_MS = 30 * 1000 }; /* what reads only tables; everything else takes the time it takes */

ms_code ms_remote_undeploy(struct mindserve *ms, const char *name, uint64_t version,
                           struct mindserve_versions **out, struct ms_err *err)
{
    Mindserve__V1__UndeployRequest req = MINDSERVE__V1__UNDEPLOY_REQUEST__INIT;
    Mindserve__V1__UndeployReply *reply;
    struct ms_arena *a = NULL;
    struct mindserve_versions *v = ms_result_new(sizeof *v, &a);
    ms_code code;

    if (!v)
        return ms_fail_oom(err, "result", sizeof *v);
    v->owner = a;
    req.name = (char *)(uintptr_t)name;
    req.version = version;
    code = ms_remote_ask(ms_remote(ms), "/mindserve.v1.Models/Undeploy", &req.base,
                         &mindserve__v1__undeploy_reply__descriptor, 0, a, (void **)&reply, err);
    if (code != MS_OK) {
        mindserve_versions_free(v);
        return code;
    }
    v->version = reply->versions;
    v->n = (int)reply->n_versions;
    *out = v;
    return MS_OK;
}

ms_code ms_remote_rollback(struct mindserve *ms, const char *name, uint64_t *now, uint64_t *from,
                           struct ms_err *err)
{
    Mindserve__V1__RollbackRequest req = MINDSERVE__V1__ROLLBACK_REQUEST__INIT;
    Mindserve__V1__RollbackReply *reply;
    struct ms_arena a;
    ms_code code;

    ms_arena_init(&a, 1 << 20);
    req.name = (char *)(uintptr_t)name;
    code = ms_remote_ask(ms_remote(ms), "/mindserve.v1.Models/Rollback", &req.base,
                         &mindserve__v1__rollback_reply__descriptor, 0, &a, (void **)&reply, err);
    if (code == MS_OK) {
        *now = reply->version;
        *from = reply->from;
    }
    ms_arena_done(&a);
    return code;
}

ms_code ms_remote_server_status(struct mindserve *ms, struct mindserve_status **out,
                                struct ms_err *err)
{
    Mindserve__V1__StatusRequest req = MINDSERVE__V1__STATUS_REQUEST__INIT;
    Mindserve__V1__StatusReply *r;
    struct ms_arena *a = NULL;
    struct mindserve_status *s = ms_result_new(sizeof *s, &a);
    ms_code code;

    if (!s)
        return ms_fail_oom(err, "result", sizeof *s);
    s->owner = a;
    code = ms_remote_ask(ms_remote(ms), "/mindserve.v1.Admin/Status", &req.base,
                         &mindserve__v1__status_reply__descriptor, QUICK_MS, a, (void **)&r, err);
    if (code != MS_OK) {
        mindserve_status_free(s);
        return code;
    }
    *s = (struct mindserve_status){
        .version = r->version,
        .uptime_s = r->uptime_s,
        .pid = r->pid,
        .isa = r->isa,
        .threads = r->threads,
        .rss = r->rss,
        .models_ready = r->models_ready,
        .models_total = r->models_total,
        .requests = r->requests,
        .failures = r->failures,
        .rejected = r->rejected,
        .queued = r->queued,
        .state = r->state,
        .http = r->http,
        .grpc = r->grpc,
        .metrics = r->metrics,
        .store_bytes = r->store_bytes,
        .owner = a,
    };
    *out = s;
    return MS_OK;
}

static struct mindserve_store_report *report_new(struct ms_arena **a)
{
    struct mindserve_store_report *r = ms_result_new(sizeof *r, a);

    if (r)
        r->owner = *a;
    return r;
}

ms_code ms_remote_store_check(struct mindserve *ms, struct mindserve_store_report **out,
                              struct ms_err *err)
{
    Mindserve__V1__StoreCheckRequest req = MINDSERVE__V1__STORE_CHECK_REQUEST__INIT;
    Mindserve__V1__StoreCheckReply *reply;
    struct ms_arena *a = NULL;
    struct mindserve_store_report *r = report_new(&a);
    ms_code code;

    if (!r)
        return ms_fail_oom(err, "result", sizeof *r);
    code = ms_remote_ask(ms_remote(ms), "/mindserve.v1.Admin/StoreCheck", &req.base,
                         &mindserve__v1__store_check_reply__descriptor, 0, a, (void **)&reply, err);
    if (code != MS_OK) {
        mindserve_store_report_free(r);
        return code;
    }
    r->blobs = reply->blobs;
    r->bytes = reply->bytes;
    r->problems = (const char *const *)reply->problems;
    r->n_problems = (int)reply->n_problems;
    *out = r;
    return MS_OK;
}

ms_code ms_remote_store_gc(struct mindserve *ms, struct mindserve_store_report **out,
                           struct ms_err *err)
{
    Mindserve__V1__StoreGcRequest req = MINDSERVE__V1__STORE_GC_REQUEST__INIT;
    Mindserve__V1__StoreGcReply *reply;
    struct ms_arena *a = NULL;
    struct mindserve_store_report *r = report_new(&a);
    ms_code code;

    if (!r)
        return ms_fail_oom(err, "result", sizeof *r);
    code = ms_remote_ask(ms_remote(ms), "/mindserve.v1.Admin/StoreGc", &req.base,
                         &mindserve__v1__store_gc_reply__descriptor, 0, a, (void **)&reply, err);
    if (code != MS_OK) {
        mindserve_store_report_free(r);
        return code;
    }
    r->blobs = reply->removed;
    r->bytes = reply->bytes;
    *out = r;
    return MS_OK;
}
