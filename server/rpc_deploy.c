/* SPDX-License-Identifier: Apache-2.0 */
/* rpc_deploy.c - Deploy: a manifest, the bytes that are missing, progress, and then the new version
 * answers or the old one still does.
 *
 * Chunks are not unpacked by protobuf-c, which would copy each into the call's arena: their three
 * fields are read where they lie and the writer thread writes them from there. The next chunk is
 * asked for when the one before it is on its way to the disk, so a push holds one chunk of memory.
 */
#include "proto/wirescan.h"
#include "server/deploy.h"
#include "server/deploy_reply.h"
#include "server/server.h"

enum { MAX_CHUNK = 1 << 20 };

/* ---- writer thread ---- */

static void need(struct ms_deploy *d, int file, int64_t offset)
{
    Mindserve__V1__DeployReply r = MINDSERVE__V1__DEPLOY_REPLY__INIT;
    Mindserve__V1__DeployReply__Need n = MINDSERVE__V1__DEPLOY_REPLY__NEED__INIT;

    n.file = (uint32_t)file;
    n.offset = (uint64_t)offset;
    r.what_case = MINDSERVE__V1__DEPLOY_REPLY__WHAT_NEED;
    r.need = &n;
    if (!ms_call_send_msg(d->arg, &r.base))
        ms_deploy_abort(d, MS_CANCELLED, "the client does not read");
}

static void want(struct ms_deploy *d)
{
    ms_call_read(d->arg);
}

static void progress(struct ms_deploy *d, const char *step, uint64_t done, uint64_t total)
{
    Mindserve__V1__DeployReply r = MINDSERVE__V1__DEPLOY_REPLY__INIT;
    Mindserve__V1__DeployReply__Progress p = MINDSERVE__V1__DEPLOY_REPLY__PROGRESS__INIT;

    p.step = (char *)step;
    p.done = done;
    p.total = total;
    r.what_case = MINDSERVE__V1__DEPLOY_REPLY__WHAT_PROGRESS;
    r.progress = &p;
    (void)ms_call_send_msg(d->arg, &r.base); /* who does not read misses news, nothing else */
}

static void done(struct ms_deploy *d, ms_code code)
{
    struct ms_call *c = d->arg;
    Mindserve__V1__DeployReply r = MINDSERVE__V1__DEPLOY_REPLY__INIT;

    r.what_case = MINDSERVE__V1__DEPLOY_REPLY__WHAT_DEPLOYED;
    if (code == MS_OK)
        r.deployed = ms_deployed_msg(d);
    c->model = d->v.name ? ms_arena_strdup(&c->arena, d->v.name) : NULL;
    if (code == MS_OK && r.deployed) {
        ms_call_reply_msg(c, &r.base);
    } else {
        if (code == MS_OK)
            ms_fail_oom(&c->err, "reply", 0);
        else
            c->err = d->err;
        ms_call_fail(c);
    }
    ms_call_unref(c);
}

static const struct ms_deploy_front front = {
    .need = need, .want = want, .progress = progress, .done = done};

/* ---- transport threads ---- */

static ms_code start(struct ms_call *c, struct ms_bytes msg)
{
    struct ms_wire_item item;
    struct ms_deploy *d;

    if (!ms_wire_next(&msg, &item) || item.number != 1 || item.type != MS_WIRE_LENGTH)
        return ms_fail(&c->err, MS_INVALID_ARGUMENT, "the first message must hold the manifest");
    Mindserve__V1__Manifest *m =
        ms_call_unpack(c, &mindserve__v1__manifest__descriptor, item.bytes);
    if (!m)
        return c->err.code;
    if (!c->srv->store)
        return ms_fail(&c->err, MS_UNIMPLEMENTED, "this server has no store");
    MS_TRY(ms_deploy_new(c->srv->store, MS_DEPLOY_PUSH, &front, c, c->peer.addr, &d, &c->err));
    ms_code code = ms_deploy_manifest(d, m, &c->err);
    if (code != MS_OK) {
        ms_deploy_unref(d);
        return code;
    }
    ms_call_ref(c); /* done() drops it */
    c->user = ms_deploy_ref(d);
    ms_deploy_start(d);
    return MS_OK;
}

/* file, offset and data of DeployRequest.chunk; false if it is not one. */
static bool read_chunk(struct ms_bytes msg, uint64_t *file, uint64_t *offset, struct ms_bytes *data)
{
    struct ms_wire_item item;

    *file = *offset = 0;
    *data = ms_bytes(NULL, 0);
    if (!ms_wire_next(&msg, &item) || item.number != 2 || item.type != MS_WIRE_LENGTH)
        return false;
    msg = item.bytes;
    while (ms_wire_next(&msg, &item)) {
        if (item.number == 1 && item.type == MS_WIRE_VARINT)
            *file = item.value;
        else if (item.number == 2 && item.type == MS_WIRE_VARINT)
            *offset = item.value;
        else if (item.number == 3 && item.type == MS_WIRE_LENGTH)
            *data = item.bytes;
    }
    return msg.len == 0 && *file <= INT32_MAX && *offset <= INT64_MAX;
}

static void handle(struct ms_call *c)
{
    ms_call_read(c);
}

static void message(struct ms_call *c, struct ms_bytes msg)
{
    uint64_t file, offset;
    struct ms_bytes data;

    if (!c->user) {
        if (start(c, msg) != MS_OK)
            ms_call_fail(c);
    } else if (!read_chunk(msg, &file, &offset, &data)) {
        ms_deploy_abort(c->user, MS_INVALID_ARGUMENT, "malformed chunk");
    } else if (data.len > MAX_CHUNK || data.len == 0) {
        ms_deploy_abort(c->user, MS_INVALID_ARGUMENT, "a chunk holds 1 byte to 1 MiB");
    } else {
        ms_deploy_feed(c->user, (int)file, (int64_t)offset, data);
    }
}

static void half_close(struct ms_call *c)
{
    if (c->user) {
        ms_deploy_abort(
            c->user, MS_INVALID_ARGUMENT,
            "the stream ended before all bytes were there; what arrived can be resumed");
    } else {
        ms_fail(&c->err, MS_INVALID_ARGUMENT, "the stream ended without a manifest");
        ms_call_fail(c);
    }
}

static void cancel(struct ms_call *c)
{
    if (c->user) {
        ms_deploy_abort(c->user, MS_CANCELLED, "the client went away");
    } else {
        ms_fail(&c->err, MS_CANCELLED, "the client went away");
        ms_call_fail(c);
    }
}

static void release(struct ms_call *c)
{
    ms_deploy_unref(c->user);
}

const struct ms_rpc ms_rpc_deploy = {
    .grpc = "/mindserve.v1.Models/Deploy",
    .help = "push a version of a model, resumable, and make it live",
    .role = MS_ROLE_DEPLOY,
    .flags = MS_RPC_STREAM | MS_RPC_LARGE,
    .handle = handle,
    .message = message,
    .half_close = half_close,
    .cancel = cancel,
    .release = release,
};
