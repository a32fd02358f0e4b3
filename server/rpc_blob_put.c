/* SPDX-License-Identifier: Apache-2.0 */
/* rpc_blob_put.c - PUT of a file by its digest, in one go or in pieces (Content-Range).
 *
 *     PUT /v2/repository/blobs/sha256/HEX            whole file
 *     PUT ...  Content-Range: bytes 1048576-2097151/8388608     the next piece
 *
 * 201 when the file is there, 202 with the header Upload-Offset when more is to come. The body is
 * written as it arrives, a piece at a time, on the writer thread. */
#include <stdio.h>
#include <string.h>

#include "server/manage.h"
#include "server/upload.h"

struct put {
    struct ms_upload up;
    char hex[MS_SHA256_HEX];
    int64_t offset, total;
};

/* "bytes A-B/T" */
static bool read_range(const char *s, int64_t *from, int64_t *to, int64_t *total)
{
    uint64_t a, b, t;
    const char *dash, *slash;

    if (strncmp(s, "bytes ", 6) != 0)
        return false;
    s += 6;
    dash = strchr(s, '-');
    slash = dash ? strchr(dash, '/') : NULL;
    if (!slash || !ms_parse_u64(s, (size_t)(dash - s), INT64_MAX - 1, &a) ||
        !ms_parse_u64(dash + 1, (size_t)(slash - dash - 1), INT64_MAX - 1, &b) ||
        !ms_parse_u64(slash + 1, strlen(slash + 1), INT64_MAX - 1, &t) || b < a || b >= t)
        return false;
    *from = (int64_t)a;
    *to = (int64_t)b;
    *total = (int64_t)t;
    return true;
}

static ms_code read_head(struct ms_call *c, struct put *p)
{
    const char *hex = ms_call_param(c, "sha256"), *range = ms_call_header(c, "content-range");
    int64_t last;

    if (!ms_sha256_hex_valid(hex, strlen(hex)))
        return ms_fail(&c->err, MS_INVALID_ARGUMENT, "the path wants 64 lower-case hex digits");
    snprintf(p->hex, sizeof p->hex, "%s", hex);
    if (range && !read_range(range, &p->offset, &last, &p->total))
        return ms_fail(&c->err, MS_INVALID_ARGUMENT, "Content-Range: wants bytes FIRST-LAST/TOTAL");
    if (range && c->content_length >= 0 && c->content_length != last - p->offset + 1)
        return ms_fail(&c->err, MS_INVALID_ARGUMENT,
                       "Content-Range and Content-Length contradict each other");
    if (!range && c->content_length < 0)
        return ms_fail(&c->err, MS_INVALID_ARGUMENT, "wants a Content-Length or a Content-Range");
    if (!range)
        p->total = c->content_length;
    return MS_OK;
}

/* ---- writer thread ---- */

static void created(struct ms_call *c)
{
    ms_call_status(c, 201);
    ms_call_reply_empty(c);
}

static ms_code open_push(struct ms_upload *u, struct ms_err *err)
{
    struct put *p = (struct put *)(void *)u;
    struct ms_blobs *b = &u->st->blobs;

    MS_TRY(ms_store_writable(u->st, err));
    if (ms_blobs_has(b, p->hex, p->total)) {
        u->skip = true;
        return MS_OK;
    }
    MS_TRY(ms_push_open(b, p->hex, p->total, ms_store_time(), &u->push, err));
    if (u->push->have != p->offset)
        return ms_fail(err, MS_FAILED_PRECONDITION, "the upload goes on at offset %lld, not %lld",
                       (long long)u->push->have, (long long)p->offset);
    return MS_OK;
}

static void ended(struct ms_upload *u)
{
    struct ms_call *c = u->call;
    char text[24];

    if (u->skip) {
        created(c);
        return;
    }
    struct ms_push *push = u->push;
    if (push->have < push->size) {
        snprintf(text, sizeof text, "%lld", (long long)push->have);
        ms_call_set_header(c, "Upload-Offset", text);
        ms_call_status(c, 202);
        ms_call_reply_empty(c);
        return; /* the push is left for the next piece */
    }
    u->push = NULL;
    if (ms_push_finish(&u->st->blobs, push, NULL, &c->err) == MS_OK)
        created(c);
    else
        ms_call_fail(c);
}

static const struct ms_upload_ops ops = {.open = open_push, .ended = ended};

static void handle(struct ms_call *c)
{
    struct put *p = ms_arena_alloc(&c->arena, sizeof *p);

    if (!p)
        ms_fail_oom(&c->err, "upload", sizeof *p);
    if (!p || read_head(c, p) != MS_OK)
        ms_call_fail(c);
    else
        ms_upload_start(c, &p->up, &ops);
}

const struct ms_rpc ms_rpc_blob_put = {
    .rest = {"PUT /v2/repository/blobs/sha256/{sha256}"},
    .help = "push a file by its digest, resumable with Content-Range",
    .role = MS_ROLE_DEPLOY,
    .flags = MS_RPC_STREAM_BODY,
    .handle = handle,
    .message = ms_upload_message,
    .half_close = ms_upload_half_close,
    .cancel = ms_upload_cancel,
};
