/* SPDX-License-Identifier: Apache-2.0 */
/* routes.c - from a method name, or a verb and a path, to the record that handles it.
 *
 * Paths are split before they are decoded, so "%2f" never becomes a border. Of several patterns
 * that fit, the one with the fewest parameters wins: /v2/models/stats before /v2/models/{name}. */
#include <string.h>

#include "base/map.h"
#include "base/mem.h"
#include "server/rpc.h"
#include "server/server.h"

enum { MAX_SEGMENTS = 12, MAX_PATH = 4096 };

struct segment {
    const char *text; /* literal, or the parameter's name */
    size_t len;
    bool param;
};

struct route {
    int rpc;
    const char *verb; /* ends at a blank */
    size_t verb_len;
    int n, n_param;
    struct segment seg[MAX_SEGMENTS];
};

struct ms_routes {
    struct ms_map grpc; /* method -> rpc index + 1 */
    struct route *route;
    int n;
};

static void compile(struct route *r, int rpc, const char *pattern)
{
    const char *p = strchr(pattern, ' ');

    *r = (struct route){.rpc = rpc, .verb = pattern, .verb_len = (size_t)(p - pattern)};
    for (p++; *p == '/';) {
        const char *from = ++p;
        while (*p && *p != '/')
            p++;
        struct segment *s = &r->seg[r->n++];
        *s = (struct segment){from, (size_t)(p - from), *from == '{'};
        if (s->param) {
            s->text++;
            s->len -= 2;
            r->n_param++;
        }
    }
}

static int count_patterns(void)
{
    int n = 0;

    for (int i = 0; ms_rpcs[i]; i++)
        for (size_t k = 0; k < sizeof ms_rpcs[i]->rest / sizeof *ms_rpcs[i]->rest; k++)
            n += ms_rpcs[i]->rest[k] != NULL;
    return n;
}

int ms_rpc_count(void)
{
    int n = 0;

    while (ms_rpcs[n])
        n++;
    return n;
}

struct ms_routes *ms_routes_new(void)
{
    struct ms_routes *r = ms_calloc(1, sizeof *r);

    if (!r)
        return NULL;
    r->route = ms_calloc((size_t)count_patterns() + 1, sizeof *r->route);
    for (int i = 0; r->route && ms_rpcs[i]; i++) {
        const struct ms_rpc *rpc = ms_rpcs[i];
        for (size_t k = 0; k < sizeof rpc->rest / sizeof *rpc->rest && rpc->rest[k]; k++)
            compile(&r->route[r->n++], i, rpc->rest[k]);
        if (rpc->grpc &&
            !ms_map_put(&r->grpc, rpc->grpc, strlen(rpc->grpc), (void *)(intptr_t)(i + 1)))
            break;
        if (!ms_rpcs[i + 1])
            return r;
    }
    ms_routes_free(r);
    return NULL;
}

void ms_routes_free(struct ms_routes *r)
{
    if (!r)
        return;
    ms_map_done(&r->grpc);
    ms_free(r->route);
    ms_free(r);
}

ms_code ms_route_grpc(struct ms_call *c, struct ms_bytes method)
{
    intptr_t at =
        (intptr_t)ms_map_get(&c->srv->routes->grpc, (const char *)method.data, method.len);

    if (!at)
        return ms_fail(&c->err, MS_UNIMPLEMENTED, "unknown method '%.*s'",
                       (int)(method.len < 128 ? method.len : 128), (const char *)method.data);
    c->index = (int)at - 1;
    c->rpc = ms_rpcs[at - 1];
    return MS_OK;
}

/* ---- REST ---- */

/* What a path may hold (RFC 3986 pchar); the rest must come escaped. */
static bool path_byte(uint8_t c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           (c && strchr("-._~!$&'()*+,;=:@%", c));
}

static int hex(uint8_t c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

static int split(struct ms_bytes path, struct ms_bytes *seg, struct ms_err *err)
{
    size_t at = 0;
    int n = 0;

    if (path.len == 0 || path.len > MAX_PATH || path.data[0] != '/') {
        ms_fail(err, MS_INVALID_ARGUMENT, "malformed path");
        return -1;
    }
    while (at < path.len) {
        size_t from = ++at;
        for (; at < path.len && path.data[at] != '/'; at++)
            if (!path_byte(path.data[at])) {
                ms_fail(err, MS_INVALID_ARGUMENT, "byte 0x%02x in the path must be escaped",
                        path.data[at]);
                return -1;
            }
        if (n == MAX_SEGMENTS) {
            ms_fail(err, MS_NOT_FOUND, "no such path");
            return -1;
        }
        seg[n++] = ms_bytes(path.data + from, at - from);
    }
    return n;
}

/* A segment without its escapes; refuses what no name may hold. */
static ms_code decode(struct ms_call *c, struct ms_bytes s, const char **out)
{
    char *to = ms_arena_alloc(&c->arena, s.len + 1);
    size_t n = 0;

    if (!to)
        return ms_fail_oom(&c->err, "path", s.len);
    for (size_t i = 0; i < s.len; i++) {
        uint8_t b = s.data[i];
        if (b == '%') {
            int hi = i + 2 < s.len + 0 ? hex(s.data[i + 1]) : -1;
            int lo = i + 2 < s.len + 0 ? hex(s.data[i + 2]) : -1;
            if (hi < 0 || lo < 0)
                return ms_fail(&c->err, MS_INVALID_ARGUMENT, "malformed escape in the path");
            b = (uint8_t)(hi * 16 + lo);
            i += 2;
        }
        if (b < 0x20 || b == 0x7f || b == '/' || b == '\\')
            return ms_fail(&c->err, MS_INVALID_ARGUMENT, "byte 0x%02x is not allowed in a name", b);
        to[n++] = (char)b;
    }
    to[n] = '\0';
    if (!ms_utf8_valid(to, n))
        return ms_fail(&c->err, MS_INVALID_ARGUMENT, "a name in the path is not UTF-8");
    *out = to;
    return MS_OK;
}

static bool fits(const struct route *r, const struct ms_bytes *seg, int n)
{
    if (r->n != n)
        return false;
    for (int i = 0; i < n; i++) {
        if (r->seg[i].param ? seg[i].len == 0
                            : seg[i].len != r->seg[i].len ||
                                  memcmp(seg[i].data, r->seg[i].text, seg[i].len) != 0)
            return false;
    }
    return true;
}

static ms_code no_route(struct ms_call *c, const struct ms_bytes *seg, int n, const char **allow)
{
    const struct ms_routes *rs = c->srv->routes;
    const char *list = NULL;

    for (int i = 0; i < rs->n; i++) {
        const struct route *r = &rs->route[i];
        if (fits(r, seg, n))
            list = ms_arena_printf(&c->arena, "%s%s%.*s", list ? list : "", list ? ", " : "",
                                   (int)r->verb_len, r->verb);
    }
    if (!list)
        return ms_fail(&c->err, MS_NOT_FOUND, "no such path");
    *allow = list;
    return ms_fail_because(&c->err, MS_INVALID_ARGUMENT, MS_REASON_BAD_METHOD, "this path takes %s",
                           list);
}

ms_code ms_route_rest(struct ms_call *c, const char *verb, struct ms_bytes path, const char **allow)
{
    const struct ms_routes *rs = c->srv->routes;
    struct ms_bytes seg[MAX_SEGMENTS];
    const struct route *best = NULL;
    size_t verb_len = strlen(verb);
    int n = split(path, seg, &c->err);

    if (n < 0)
        return c->err.code;
    for (int i = 0; i < rs->n; i++) {
        const struct route *r = &rs->route[i];
        if (r->n == n && r->verb_len == verb_len && memcmp(r->verb, verb, verb_len) == 0 &&
            (!best || r->n_param < best->n_param) && fits(r, seg, n))
            best = r;
    }
    if (!best)
        return no_route(c, seg, n, allow);
    c->index = best->rpc;
    c->rpc = ms_rpcs[best->rpc];
    for (int i = 0; i < n; i++) {
        const struct segment *s = &best->seg[i];
        if (!s->param || c->n_param == MS_MAX_PARAMS)
            continue;
        struct ms_param *p = &c->param[c->n_param++];
        p->name = ms_arena_strndup(&c->arena, s->text, s->len);
        if (!p->name)
            return ms_fail_oom(&c->err, "path", s->len);
        MS_TRY(decode(c, seg[i], &p->value));
    }
    return MS_OK;
}
