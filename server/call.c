/* SPDX-License-Identifier: Apache-2.0 */
/* call.c - what every call does on its way in and out, whatever carried it. */
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/log.h"
#include "base/map.h"
#include "proto/pbjson.h"
#include "server/metrics.h"
#include "server/server.h"
#include "server/transport.h"

enum { ARENA_EXTRA = 64 << 20 };

/* ---- in ---- */

static bool id_valid(const char *s)
{
    size_t n = strlen(s);

    if (n == 0 || n > 64)
        return false;
    for (size_t i = 0; i < n; i++)
        if (!((s[i] >= 'a' && s[i] <= 'z') || (s[i] >= 'A' && s[i] <= 'Z') ||
              (s[i] >= '0' && s[i] <= '9') || strchr("._-", s[i])))
            return false;
    return true;
}

static char *hex(char *to, uint64_t v, int digits)
{
    for (int i = digits - 1; i >= 0; i--, v >>= 4)
        to[i] = "0123456789abcdef"[v & 15];
    return to + digits;
}

/* UUID version 7 (RFC 9562): milliseconds, then bits that a hash of a counter gives, keyed by the
 * process. They tell requests apart; nothing secret hangs on them. */
static void make_id(char id[65])
{
    static atomic_ullong counter;
    uint64_t ms = (uint64_t)(ms_wall() / MS_MS);
    uint64_t n[2] = {atomic_fetch_add(&counter, 1), 0};
    uint64_t a = ms_hash(n, sizeof n), b = (n[1] = a, ms_hash(n, sizeof n));
    char *p = hex(id, ms >> 16, 8);

    *p++ = '-';
    p = hex(p, ms, 4);
    *p++ = '-';
    p = hex(p, 0x7000 | (a & 0xfff), 4);
    *p++ = '-';
    p = hex(p, 0x8000 | (a >> 12 & 0x3fff), 4);
    *p++ = '-';
    *hex(p, b, 12) = '\0';
}

void ms_call_init(struct ms_call *c, struct ms_server *srv, const struct ms_call_ops *ops,
                  enum ms_wire wire)
{
    c->srv = srv;
    c->ops = ops;
    c->wire = wire;
    c->index = -1;
    c->content_length = -1;
    c->received = ms_now();
    c->deadline = MS_NEVER;
    ms_arena_init(&c->arena, srv->opts.max_message * 2 + ARENA_EXTRA);
    atomic_init(&c->refs, 1);
    const char *id = ops->header(c, "x-request-id");
    if (id && id_valid(id))
        snprintf(c->id, sizeof c->id, "%s", id);
    else
        make_id(c->id);
}

ms_code ms_call_begin(struct ms_call *c)
{
    struct ms_server *s = c->srv;

    MS_TRY(ms_authz(&c->peer, c->rpc->role, c->model, &c->err));
    if (!(c->rpc->flags & MS_RPC_ALWAYS) && atomic_load(&s->state) == MS_SERVER_DRAINING)
        return ms_fail(&c->err, MS_UNAVAILABLE, "the server is shutting down");
    int before = atomic_fetch_add(&s->in_flight, 1);
    c->counted = true;
    if (!(c->rpc->flags & MS_RPC_ALWAYS) && before >= s->opts.max_requests)
        return ms_fail(&c->err, MS_UNAVAILABLE, "more than %d requests are in flight",
                       s->opts.max_requests);
    return MS_OK;
}

void ms_call_handle(struct ms_call *c)
{
    c->handled = true;
    c->rpc->handle(c);
}

ms_code ms_call_body(struct ms_call *c, struct ms_bytes *out)
{
    if (c->n_body <= 1) {
        *out = c->n_body ? c->body[0] : ms_bytes("", 0);
        return MS_OK;
    }
    uint8_t *all = ms_arena_alloc(&c->arena, c->body_len);
    size_t at = 0;

    if (!all)
        return ms_fail_oom(&c->err, "request", c->body_len);
    for (int i = 0; i < c->n_body; i++) {
        if (c->body[i].len)
            memcpy(all + at, c->body[i].data, c->body[i].len);
        at += c->body[i].len;
    }
    *out = ms_bytes(all, at);
    return MS_OK;
}

static void *arena_alloc(void *arg, size_t size)
{
    return ms_arena_alloc(arg, size);
}

static void arena_free(void *arg, void *p)
{
    (void)arg;
    (void)p; /* all of it goes with the arena */
}

/* Text fields may hold no NUL and must be UTF-8: protobuf-c checks neither. Depth is the schema's.
 */
static bool texts_valid(const ProtobufCMessage *m)
{
    for (unsigned i = 0; i < m->descriptor->n_fields; i++) {
        const ProtobufCFieldDescriptor *f = &m->descriptor->fields[i];
        const uint8_t *p = (const uint8_t *)m + f->offset;
        const uint32_t *which = (const void *)((const uint8_t *)m + f->quantifier_offset);
        size_t n = 1;
        const void *const *v = (const void *const *)(const void *)p;

        if ((f->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) && *which != f->id)
            continue;
        if (f->label == PROTOBUF_C_LABEL_REPEATED) {
            n = *(const size_t *)(const void *)((const uint8_t *)m + f->quantifier_offset);
            v = *(const void *const *const *)(const void *)p;
        }
        if (f->type == PROTOBUF_C_TYPE_STRING) {
            for (size_t k = 0; k < n; k++)
                if (v[k] && !ms_utf8_valid(v[k], strlen(v[k])))
                    return false;
        } else if (f->type == PROTOBUF_C_TYPE_MESSAGE) {
            for (size_t k = 0; k < n; k++)
                if (v[k] && !texts_valid(v[k]))
                    return false;
        }
    }
    return true;
}

void *ms_call_unpack(struct ms_call *c, const ProtobufCMessageDescriptor *d, struct ms_bytes msg)
{
    ProtobufCAllocator budget = {arena_alloc, arena_free, &c->arena};
    ProtobufCMessage *m = protobuf_c_message_unpack(d, &budget, msg.len, msg.data);

    if (!m || !texts_valid(m)) {
        ms_fail(&c->err, MS_INVALID_ARGUMENT, "malformed %s", d->short_name);
        return NULL;
    }
    return m;
}

void *ms_call_decode(struct ms_call *c, const ProtobufCMessageDescriptor *d)
{
    ProtobufCMessage *m;
    struct ms_bytes body;

    if (ms_call_body(c, &body) != MS_OK)
        return NULL;
    if (c->wire == MS_WIRE_PROTO)
        return ms_call_unpack(c, d, body);
    if (ms_pbjson_read(body, d, c->srv->opts.json_depth, &c->arena, &m, &c->err) != MS_OK)
        return NULL;
    for (int i = 0; i < c->n_param; i++)
        if (ms_pbjson_set(m, c->param[i].name, c->param[i].value, &c->arena, &c->err) != MS_OK)
            return NULL;
    return m;
}

const char *ms_call_param(const struct ms_call *c, const char *name)
{
    for (int i = 0; i < c->n_param; i++)
        if (strcmp(c->param[i].name, name) == 0)
            return c->param[i].value;
    return "";
}

const char *ms_call_header(struct ms_call *c, const char *name)
{
    return c->ops->header(c, name);
}

bool ms_call_charge(struct ms_call *c, size_t bytes)
{
    if (bytes <= c->prepaid) {
        c->prepaid -= bytes;
        return true;
    }
    if (!ms_admission_try(&c->srv->admission, bytes))
        return false;
    c->charged += bytes;
    return true;
}

/* ---- out ---- */

/* The first of reply and fail wins; a second one is our own mistake and does nothing. */
static void end(struct ms_call *c)
{
    size_t out = 0;

    if (atomic_exchange(&c->ended, true))
        return;
    for (int i = 0; !c->reply.failed && i < c->reply.n; i++)
        out += c->reply.part[i].len;
    ms_server_stats_count(c->srv, c, out);
    if (c->counted) /* before the answer: who has it may ask again at once */
        atomic_fetch_sub(&c->srv->in_flight, 1);
    ms_call_ref(c);
    c->ops->end(c);
    ms_call_unref(c);
}

void ms_call_reply(struct ms_call *c, const struct ms_bytes *part, int n)
{
    c->reply.part = part;
    c->reply.n = n;
    end(c);
}

void ms_call_reply_empty(struct ms_call *c)
{
    ms_call_reply(c, NULL, 0);
}

/* Copies text into the arena as the one piece of the reply. */
static void reply_copy(struct ms_call *c, const void *data, size_t len)
{
    struct ms_bytes *part = ms_arena_alloc(&c->arena, sizeof *part);
    uint8_t *copy = ms_arena_alloc(&c->arena, len);

    if (!part || !copy) {
        ms_fail_oom(&c->err, "reply", len);
        ms_call_fail(c);
        return;
    }
    if (len)
        memcpy(copy, data, len);
    *part = ms_bytes(copy, len);
    ms_call_reply(c, part, 1);
}

void ms_call_reply_json(struct ms_call *c, const struct ms_buf *b)
{
    if (!ms_buf_ok(b)) {
        ms_fail_oom(&c->err, "reply", b->len);
        ms_call_fail(c);
        return;
    }
    reply_copy(c, ms_buf_str(b), b->len);
}

void ms_call_reply_msg(struct ms_call *c, const ProtobufCMessage *m)
{
    struct ms_buf b;

    if (c->wire == MS_WIRE_JSON) {
        ms_buf_init(&b, INT32_MAX);
        ms_pbjson_write(m, &b);
        ms_call_reply_json(c, &b);
        ms_buf_done(&b);
        return;
    }
    size_t len = protobuf_c_message_get_packed_size(m);
    struct ms_bytes *part = ms_arena_alloc(&c->arena, sizeof *part);
    uint8_t *data = ms_arena_alloc(&c->arena, len);

    if (!part || !data) {
        ms_fail_oom(&c->err, "reply", len);
        ms_call_fail(c);
        return;
    }
    *part = ms_bytes(data, protobuf_c_message_pack(m, data));
    ms_call_reply(c, part, 1);
}

static void log_failure(const struct ms_call *c)
{
    enum ms_log_level level =
        c->err.code == MS_INTERNAL || c->err.code == MS_DATA_LOSS || c->err.code == MS_UNKNOWN
            ? MS_LOG_ERROR
            : MS_LOG_INFO;
    const char *name = !c->rpc ? "?" : c->rpc->grpc ? c->rpc->grpc : c->rpc->rest[0];

    if (!ms_log_enabled(level))
        return;
    ms_log(level, "call",
           ms_log_fields(MS_LOG_TEXT("rpc", name), MS_LOG_TEXT("protocol", c->ops->protocol),
                         MS_LOG_TEXT("code", ms_code_name(c->err.code)), MS_LOG_TEXT("id", c->id),
                         MS_LOG_TEXT("peer", c->peer.addr),
                         MS_LOG_TEXT("model", c->model ? c->model : "")),
           "%s", c->err.text);
}

void ms_call_fail(struct ms_call *c)
{
    if (c->err.code == MS_OK)
        ms_fail(&c->err, MS_INTERNAL, "the call failed without saying why");
    c->reply.failed = true;
    if (!atomic_load(&c->ended))
        log_failure(c);
    end(c);
}

void ms_call_status(struct ms_call *c, int http_status)
{
    c->reply.status = http_status;
}

void ms_call_set_header(struct ms_call *c, const char *name, const char *value)
{
    const char *n = ms_arena_strdup(&c->arena, name), *v = ms_arena_strdup(&c->arena, value);

    if (!n || !v || c->reply.n_header == MS_MAX_REPLY_HEADERS)
        return;
    c->reply.header[c->reply.n_header].name = n;
    c->reply.header[c->reply.n_header++].value = v;
}

/* ---- streams ---- */

void ms_call_read(struct ms_call *c)
{
    c->ops->read(c);
}

bool ms_call_send(struct ms_call *c, const struct ms_bytes *part, int n)
{
    return c->ops->send(c, part, n);
}

bool ms_call_send_msg(struct ms_call *c, const ProtobufCMessage *m)
{
    size_t len = protobuf_c_message_get_packed_size(m);
    struct ms_buf b;

    ms_buf_init(&b, len + 1);
    uint8_t *data = ms_buf_grow(&b, len);
    bool ok = (data || len == 0) && ms_buf_ok(&b);
    if (ok && len)
        protobuf_c_message_pack(m, data);
    struct ms_bytes part = ms_bytes(data, len);
    ok = ok && ms_call_send(c, &part, 1);
    ms_buf_done(&b);
    return ok;
}

void ms_call_cancel(struct ms_call *c)
{
    if (atomic_load(&c->ended) || atomic_exchange(&c->cancelled, true))
        return;
    if (c->handled && c->rpc->cancel)
        c->rpc->cancel(c);
}

/* ---- lifetime ---- */

struct ms_call *ms_call_ref(struct ms_call *c)
{
    atomic_fetch_add(&c->refs, 1);
    return c;
}

void ms_call_unref(struct ms_call *c)
{
    if (atomic_fetch_sub(&c->refs, 1) != 1)
        return;
    if (c->handled && c->rpc->release)
        c->rpc->release(c);
    if (c->charged)
        ms_admission_give(&c->srv->admission, c->charged);
    ms_arena_done(&c->arena);
    c->ops->destroy(c);
}

void ms_leave(atomic_int *n, pthread_mutex_t *lock, pthread_cond_t *changed)
{
    int others = atomic_load(n);

    while (others > 1)
        if (atomic_compare_exchange_weak(n, &others, others - 1))
            return;
    pthread_mutex_lock(lock);
    if (atomic_fetch_sub(n, 1) == 1)
        pthread_cond_broadcast(changed);
    pthread_mutex_unlock(lock);
}
