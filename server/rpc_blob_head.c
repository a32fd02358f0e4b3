/* SPDX-License-Identifier: Apache-2.0 */
/* rpc_blob_head.c - HEAD of a blob: is the file there, and if not, how much of it?
 *
 * 200 whole; 204 a part, header Upload-Offset says how many bytes; 404 nothing. */
#include <stdio.h>
#include <string.h>

#include "server/manage.h"

static void run(struct ms_store *st, struct ms_call *c)
{
    const char *hex = ms_call_param(c, "sha256");
    struct ms_push *p = ms_push_find(&st->blobs, hex);
    int64_t size = ms_blobs_size(&st->blobs, hex);
    char text[24];

    if (size < 0 && !p) {
        ms_fail(&c->err, MS_NOT_FOUND, "no such blob");
        ms_call_fail(c);
        return;
    }
    snprintf(text, sizeof text, "%lld", (long long)(size >= 0 ? size : p->have));
    ms_call_set_header(c, "Upload-Offset", text);
    ms_call_status(c, size >= 0 ? 200 : 204);
    ms_call_reply_empty(c);
}

static void handle(struct ms_call *c)
{
    const char *hex = ms_call_param(c, "sha256");

    if (ms_sha256_hex_valid(hex, strlen(hex))) {
        ms_manage_call(c, run);
    } else {
        ms_fail(&c->err, MS_INVALID_ARGUMENT, "the path wants 64 lower-case hex digits");
        ms_call_fail(c);
    }
}

const struct ms_rpc ms_rpc_blob_head = {
    .rest = {"HEAD /v2/repository/blobs/sha256/{sha256}"},
    .help = "ask whether a file is there, and where to resume its push",
    .role = MS_ROLE_DEPLOY,
    .handle = handle,
};
