/* SPDX-License-Identifier: Apache-2.0 */
/* inflate.c - grows its buffer as data comes, so that a small bomb never gets a large buffer, and
 * stops at the limit. */
#include "server/inflate.h"

#include <string.h>
#include <zlib.h>

#include "base/mem.h"
#include "server/server.h"

enum { FIRST = 64 << 10 };

/* A bigger buffer in the arena, contents kept; charged for the difference. */
static ms_code grow(struct ms_call *c, uint8_t **data, size_t *cap, size_t used)
{
    size_t max = c->srv->opts.max_message;
    size_t bigger = *cap ? *cap * 4 : FIRST;

    if (*cap >= max)
        return ms_fail_because(&c->err, MS_RESOURCE_EXHAUSTED, MS_REASON_TOO_LARGE,
                               "the inflated request is larger than %zu bytes", max);
    if (bigger > max)
        bigger = max;
    if (!ms_call_charge(c, bigger - *cap))
        return ms_fail(&c->err, MS_UNAVAILABLE, "no room for the inflated request at present");
    uint8_t *more = ms_arena_alloc(&c->arena, bigger);
    if (!more)
        return ms_fail_oom(&c->err, "inflated request", bigger);
    if (used)
        memcpy(more, *data, used);
    *data = more;
    *cap = bigger;
    return MS_OK;
}

static ms_code run(struct ms_call *c, z_stream *z, struct ms_bytes *out)
{
    uint8_t *data = NULL;
    size_t cap = 0, used = 0;
    int rc = Z_OK;

    while (rc != Z_STREAM_END) {
        if (used == cap)
            MS_TRY(grow(c, &data, &cap, used));
        z->next_out = data + used;
        z->avail_out = (uInt)(cap - used);
        rc = inflate(z, Z_NO_FLUSH);
        used = cap - z->avail_out;
        if (rc != Z_OK && rc != Z_STREAM_END)
            return ms_fail(&c->err, MS_INVALID_ARGUMENT, "the compressed body is damaged");
    }
    if (z->avail_in)
        return ms_fail(&c->err, MS_INVALID_ARGUMENT, "%u bytes follow the compressed body",
                       z->avail_in);
    *out = ms_bytes(data, used);
    return MS_OK;
}

ms_code ms_inflate(struct ms_call *c, struct ms_bytes in, struct ms_bytes *out)
{
    z_stream z = {.next_in = (Bytef *)(uintptr_t)in.data, .avail_in = (uInt)in.len};

    if (in.len > UINT32_MAX)
        return ms_fail(&c->err, MS_INVALID_ARGUMENT, "the compressed body is too long");
    if (inflateInit2(&z, 15 + 32) != Z_OK) /* 32: gzip or zlib, whichever it is */
        return ms_fail_oom(&c->err, "inflate", 0);
    ms_code code = run(c, &z, out);
    inflateEnd(&z);
    return code;
}
