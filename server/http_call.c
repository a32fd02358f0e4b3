/* SPDX-License-Identifier: Apache-2.0 */
/* http_call.c - one HTTP request through libmicrohttpd.
 *
 *   ms_http_uri       request line read: the call is made, with the raw URI
 *   ms_http_access    first:  framing checks, route, authorisation, admission by Content-Length
 *                     then:   body, piece by piece
 *                     last:   handler; answered at once, or the connection is suspended until end()
 *                     again:  after resuming, the answer is queued
 *   ms_http_completed the library is through with the request: cancel if there was no answer
 *
 * A refusal with a small body still to come is answered when the body has been read and thrown
 * away, so that a client that writes first and reads later gets it; with a large one at once, and
 * the connection is closed. One buffer or one iovec a reply: the library sends head and body
 * together. */
#include "server/http_call.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/map.h"
#include "base/mem.h"
#include "server/front.h"
#include "server/inflate.h"

enum {
    SMALL_REQUEST = 1 << 20,
    DISCARD_MAX = 64 << 20,
    DISCARD_EARLY = 1 << 20, /* bodies that are read only to be polite */
    STEP = 1 << 20,          /* chunked bodies are admitted in steps */
    COPY_REPLY = 32 << 10,
    MAX_PARTS = 64,
};

static struct ms_http_call *of(struct ms_call *c)
{
    return (struct ms_http_call *)c; /* base is the first member */
}

void ms_http_phase(struct ms_http_conn *conn, enum ms_http_phase phase, struct ms_http_call *call)
{
    if (!conn)
        return;
    pthread_mutex_lock(&conn->t->lock);
    conn->phase = phase;
    conn->since = ms_now();
    conn->body = 0;
    conn->call = call;
    if (phase == MS_HTTP_HEAD) { /* of the next request: it may be long in coming */
        conn->used = true;
        conn->head_limit = conn->t->srv->opts.idle_timeout + conn->t->srv->opts.header_timeout;
    }
    pthread_mutex_unlock(&conn->t->lock);
}

/* ---- the call's operations ---- */

static const char *header(struct ms_call *c, const char *name)
{
    return of(c)->mhd ? MHD_lookup_connection_value(of(c)->mhd, MHD_HEADER_KIND, name) : NULL;
}

/* Both with the call's lock held. */
static void park(struct ms_http_call *h)
{
    MHD_suspend_connection(h->mhd);
    h->parked = true;
    atomic_fetch_add(&h->t->parked, 1);
}

static void unpark(struct ms_http_call *h)
{
    if (!h->parked)
        return;
    h->parked = false;
    MHD_resume_connection(h->mhd);
    if (h->t->within) /* else the library wakes its own thread */
        ms_front_wake(h->t->front);
    atomic_fetch_sub(&h->t->parked, 1); /* the last touch: a stop waits for it */
}

static void end(struct ms_call *c)
{
    struct ms_http_call *h = of(c);

    pthread_mutex_lock(&h->lock);
    h->answered = true;
    unpark(h);
    pthread_mutex_unlock(&h->lock);
}

static void read_more(struct ms_call *c)
{
    struct ms_http_call *h = of(c);

    pthread_mutex_lock(&h->lock);
    h->want = true;
    if (!h->half_closed)
        unpark(h);
    pthread_mutex_unlock(&h->lock);
}

void ms_http_interrupt(struct ms_http_call *h)
{
    if (!(h->base.rpc->flags & MS_RPC_STREAM_BODY)) {
        ms_call_cancel(&h->base);
        return;
    }
    /* Its handler may be told on the connection's own thread only. */
    pthread_mutex_lock(&h->lock);
    unpark(h);
    pthread_mutex_unlock(&h->lock);
}

static bool send_none(struct ms_call *c, const struct ms_bytes *part, int n)
{
    (void)part;
    (void)n;
    return !atomic_load(&c->cancelled);
}

static void destroy(struct ms_call *c)
{
    struct ms_http_call *h = of(c);
    struct ms_http_instance *t = h->t;

    ms_aligned_free(h->buf, h->cap);
    ms_free(h->uri);
    pthread_mutex_destroy(&h->lock);
    ms_free(h);
    ms_leave(&t->live, &t->lock, &t->changed);
}

static const struct ms_call_ops call_ops = {
    .protocol = "http",
    .header = header,
    .end = end,
    .send = send_none,
    .read = read_more,
    .destroy = destroy,
};

/* ---- answering ---- */

static void release_reply(void *call)
{
    ms_call_unref(call);
}

static struct MHD_Response *error_reply(struct ms_call *c)
{
    struct ms_buf b;
    struct MHD_Response *r = NULL;

    ms_buf_init(&b, 8192);
    ms_buf_puts(&b, "{\"error\":");
    ms_buf_json(&b, c->err.text, strlen(c->err.text));
    ms_buf_putc(&b, '}');
    if (ms_buf_ok(&b))
        r = MHD_create_response_from_buffer(b.len, b.data, MHD_RESPMEM_MUST_COPY);
    ms_buf_done(&b);
    return r;
}

static struct MHD_Response *body_reply(struct ms_call *c)
{
    struct MHD_IoVec iov[MAX_PARTS];
    size_t total = 0;
    int n = c->reply.n;

    for (int i = 0; i < n; i++)
        total += c->reply.part[i].len;
    if (n == 1 && total > COPY_REPLY)
        return MHD_create_response_from_buffer_with_free_callback_cls(
            total, (void *)(uintptr_t)c->reply.part[0].data, release_reply, ms_call_ref(c));
    if (total <= COPY_REPLY || n > MAX_PARTS) {
        uint8_t *all = ms_arena_alloc(&c->arena, total);
        size_t at = 0;
        if (!all)
            return NULL;
        for (int i = 0; i < n; i++) {
            if (c->reply.part[i].len)
                memcpy(all + at, c->reply.part[i].data, c->reply.part[i].len);
            at += c->reply.part[i].len;
        }
        return MHD_create_response_from_buffer_with_free_callback_cls(total, all, release_reply,
                                                                      ms_call_ref(c));
    }
    for (int i = 0; i < n; i++)
        iov[i] = (struct MHD_IoVec){c->reply.part[i].data, c->reply.part[i].len};
    return MHD_create_response_from_iovec(iov, (unsigned)n, release_reply, ms_call_ref(c));
}

static void add_headers(struct ms_http_call *h, struct MHD_Response *r, int status)
{
    struct ms_call *c = &h->base;
    char text[16];

    MHD_add_response_header(r, "x-request-id", c->id);
    if (c->reply.failed)
        MHD_add_response_header(r, "Content-Type", "application/json");
    else if (c->reply.n)
        MHD_add_response_header(r, "Content-Type",
                                c->reply.content_type ? c->reply.content_type : "application/json");
    for (int i = 0; i < c->reply.n_header; i++)
        MHD_add_response_header(r, c->reply.header[i].name, c->reply.header[i].value);
    if (status == 503 ||
        status == 429) { /* with a jitter, so that a crowd does not come back at once */
        snprintf(text, sizeof text, "%d", 1 + (int)(ms_hash(c->id, strlen(c->id)) % 2));
        MHD_add_response_header(r, "Retry-After", text);
    }
    if (h->allow && status == 405)
        MHD_add_response_header(r, "Allow", h->allow);
    if (h->close || atomic_load(&h->t->closing))
        MHD_add_response_header(r, "Connection", "close");
}

static enum MHD_Result answer(struct ms_http_call *h)
{
    struct ms_call *c = &h->base;
    int status = c->reply.failed   ? ms_http_status(c->err.code, c->err.reason)
                 : c->reply.status ? c->reply.status
                                   : 200;
    struct MHD_Response *r = c->reply.failed ? error_reply(c) : body_reply(c);

    ms_http_phase(h->conn, MS_HTTP_WORK, NULL);
    if (!r)
        return MHD_NO; /* memory is out: the connection is closed */
    add_headers(h, r, status);
    enum MHD_Result ok = MHD_queue_response(h->mhd, (unsigned)status, r);
    MHD_destroy_response(r);
    return ok;
}

/* Answers if the handler has, else suspends the connection until it does. */
static enum MHD_Result answer_or_park(struct ms_http_call *h)
{
    pthread_mutex_lock(&h->lock);
    bool now = h->answered;
    if (!now)
        park(h);
    pthread_mutex_unlock(&h->lock);
    return now ? answer(h) : MHD_YES;
}

static void refuse(struct ms_http_call *h)
{
    if (!h->refused) {
        h->refused = true;
        ms_call_fail(&h->base);
    }
}

/* ---- first call: head ---- */

void *ms_http_uri(void *cls, const char *uri, struct MHD_Connection *mhd)
{
    struct ms_http_instance *t = cls;
    struct ms_http_call *h = ms_calloc(1, sizeof *h);
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_SOCKET_CONTEXT);

    if (!h)
        return NULL;
    h->t = t;
    h->mhd = mhd;
    h->conn = info ? info->socket_context : NULL;
    h->uri = ms_strdup(uri);
    pthread_mutex_init(&h->lock, NULL);
    atomic_fetch_add(&t->live, 1);
    h->base.srv = t->srv;
    h->base.ops = &call_ops;
    atomic_init(&h->base.refs, 1);
    return h;
}

static void timeout_header(struct ms_call *c)
{
    const char *s = ms_call_header(c, "x-request-timeout-ms");
    uint64_t ms;

    if (s && ms_parse_u64(s, strlen(s), UINT32_MAX, &ms) && ms)
        c->deadline = c->received + (int64_t)ms * MS_MS;
}

static ms_code head(struct ms_http_call *h, const char *method, const char *version)
{
    struct ms_call *c = &h->base;
    const char *query = strchr(h->uri, '?');
    size_t path = query ? (size_t)(query - h->uri) : strlen(h->uri);
    const char *length;

    MS_TRY(ms_http_check(h->mhd, method, h->uri, version, &c->err));
    length = ms_call_header(c, "content-length");
    uint64_t announced = 0;
    if (length && !ms_parse_u64(length, strlen(length), INT64_MAX, &announced))
        return ms_fail(&c->err, MS_INVALID_ARGUMENT, "malformed Content-Length");
    c->content_length = ms_call_header(c, "transfer-encoding") ? -1 : (int64_t)announced;
    h->close = false; /* the framing can be trusted */
    timeout_header(c);
    MS_TRY(ms_route_rest(c, method, ms_bytes(h->uri, path), &h->allow));
    if (atomic_load(&h->t->stopping))
        return ms_fail(&c->err, MS_UNAVAILABLE, "the server is shutting down");
    return ms_call_begin(c);
}

static size_t body_limit(const struct ms_call *c)
{
    return c->rpc->flags & MS_RPC_LARGE ? c->srv->opts.max_message : SMALL_REQUEST;
}

static ms_code admit(struct ms_http_call *h)
{
    struct ms_call *c = &h->base;
    size_t len = c->content_length > 0 ? (size_t)c->content_length : 0;

    if (c->rpc->flags & MS_RPC_STREAM_BODY)
        return MS_OK;
    if (len > body_limit(c))
        return ms_fail_because(&c->err, MS_RESOURCE_EXHAUSTED, MS_REASON_TOO_LARGE,
                               "the request has %zu bytes, at most %zu are taken", len,
                               body_limit(c));
    if (!len)
        return MS_OK;
    if (!ms_call_charge(c, len))
        return ms_fail(&c->err, MS_UNAVAILABLE, "no room for a request of %zu bytes at present",
                       len);
    h->buf = ms_aligned_alloc(len);
    if (!h->buf)
        return ms_fail_oom(&c->err, "request", len);
    h->cap = len;
    return MS_OK;
}

static enum MHD_Result first(struct ms_http_call *h, const char *method, const char *version)
{
    struct ms_call *c = &h->base;
    struct ms_http_conn *conn = h->conn;

    h->checked = true;
    ms_call_init(c, h->t->srv, &call_ops, MS_WIRE_JSON);
    if (conn)
        c->peer = conn->peer;
    h->close = true;
    if (!h->uri || head(h, method, version) != MS_OK || admit(h) != MS_OK) {
        if (!h->uri)
            ms_fail_oom(&c->err, "request", 0);
        /* An answer before the request's end makes the library close the connection. */
        h->discard = !h->close && c->content_length >= 0 && c->content_length <= DISCARD_EARLY &&
                     !ms_call_header(c, "expect");
        h->close = !h->discard;
        refuse(h);
        if (h->discard) {
            ms_http_phase(conn, MS_HTTP_BODY, NULL);
            return MHD_YES;
        }
        return answer(h);
    }
    ms_http_phase(conn, MS_HTTP_BODY, NULL);
    if (!(c->rpc->flags & MS_RPC_STREAM_BODY))
        return MHD_YES;
    ms_call_handle(c);
    pthread_mutex_lock(&h->lock);
    bool now = h->answered;
    pthread_mutex_unlock(&h->lock);
    if (!now || (c->content_length >= 0 && c->content_length <= DISCARD_EARLY &&
                 !ms_call_header(c, "expect")))
        return MHD_YES;
    h->close = true;
    return answer(h);
}

/* ---- the body ---- */

static ms_code collect(struct ms_http_call *h, const char *data, size_t len)
{
    struct ms_call *c = &h->base;

    if (len > body_limit(c) - h->len)
        return ms_fail_because(&c->err, MS_RESOURCE_EXHAUSTED, MS_REASON_TOO_LARGE,
                               "the request has more than %zu bytes", body_limit(c));
    if (h->len + len > h->cap) { /* chunked: no length was announced */
        size_t cap = h->cap + (h->cap < STEP ? STEP : h->cap);
        if (!ms_call_charge(c, cap - h->cap))
            return ms_fail(&c->err, MS_UNAVAILABLE, "no room for the request at present");
        uint8_t *more = ms_aligned_alloc(cap);
        if (!more)
            return ms_fail_oom(&c->err, "request", cap);
        if (h->len)
            memcpy(more, h->buf, h->len);
        ms_aligned_free(h->buf, h->cap);
        h->buf = more;
        h->cap = cap;
    }
    memcpy(h->buf + h->len, data, len);
    h->len += len;
    return MS_OK;
}

static enum MHD_Result throw_away(struct ms_http_call *h, size_t *len)
{
    h->discarded += *len;
    *len = 0;
    return h->discarded > DISCARD_MAX ? MHD_NO : MHD_YES;
}

/* A piece for a handler that reads the body itself. Not consumed while it has not asked. */
static enum MHD_Result stream_piece(struct ms_http_call *h, const char *data, size_t *len)
{
    struct ms_call *c = &h->base;

    if (atomic_load(&h->t->stopping))
        ms_call_cancel(c);
    pthread_mutex_lock(&h->lock);
    bool answered = h->answered, wanted = h->want;
    if (!answered && !wanted) { /* not the peer's slowness: the reaper must look elsewhere */
        ms_http_phase(h->conn, MS_HTTP_WORK, h);
        h->paused = true;
        park(h);
    }
    h->want = false;
    pthread_mutex_unlock(&h->lock);
    if (answered)
        return throw_away(h, len);
    if (!wanted)
        return MHD_YES;
    if (h->paused) {
        ms_http_phase(h->conn, MS_HTTP_BODY, NULL);
        h->paused = false;
    }
    if (!h->buf && !(h->buf = ms_aligned_alloc(h->cap = MS_HTTP_CHUNK)))
        return MHD_NO;
    size_t n = *len < h->cap ? *len : h->cap;
    memcpy(h->buf, data, n);
    *len -= n;
    c->body_len += n;
    c->rpc->message(c, ms_bytes(h->buf, n));
    return MHD_YES;
}

static enum MHD_Result piece(struct ms_http_call *h, const char *data, size_t *len)
{
    struct ms_call *c = &h->base;

    if (h->conn) {
        pthread_mutex_lock(&h->t->lock);
        h->conn->body += *len;
        pthread_mutex_unlock(&h->t->lock);
    }
    if (h->refused || h->discard)
        return throw_away(h, len);
    if (c->rpc->flags & MS_RPC_STREAM_BODY)
        return stream_piece(h, data, len);
    if (collect(h, data, *len) != MS_OK) {
        h->close = true;
        refuse(h);
        return throw_away(h, len);
    }
    *len = 0;
    return MHD_YES;
}

/* ---- the whole request is here ---- */

static ms_code unpack(struct ms_http_call *h)
{
    struct ms_call *c = &h->base;
    const char *coding = ms_call_header(c, "content-encoding");

    h->body = ms_bytes(h->buf, h->len);
    if (coding && strcasecmp(coding, "identity") != 0) {
        if (strcasecmp(coding, "gzip") != 0 && strcasecmp(coding, "deflate") != 0)
            return ms_fail_because(&c->err, MS_INVALID_ARGUMENT, MS_REASON_BAD_ENCODING,
                                   "Content-Encoding other than gzip and deflate");
        MS_TRY(ms_inflate(c, h->body, &h->body));
    }
    c->body = &h->body;
    c->n_body = 1;
    c->body_len = h->body.len;
    return MS_OK;
}

/* The end of a streamed body, told once, when the handler has asked for more. */
static enum MHD_Result stream_whole(struct ms_http_call *h)
{
    struct ms_call *c = &h->base;

    ms_http_phase(h->conn, MS_HTTP_WORK, h);
    if (atomic_load(&h->t->stopping))
        ms_call_cancel(c);
    pthread_mutex_lock(&h->lock);
    bool tell = !h->answered && !h->half_closed && h->want;
    h->half_closed |= tell;
    pthread_mutex_unlock(&h->lock);
    if (tell && c->rpc->half_close)
        c->rpc->half_close(c);
    return answer_or_park(h);
}

static enum MHD_Result whole(struct ms_http_call *h)
{
    struct ms_call *c = &h->base;

    if (h->refused)
        return answer(h);
    if (c->rpc->flags & MS_RPC_STREAM_BODY)
        return stream_whole(h);
    if (!h->begun) {
        h->begun = true;
        if (unpack(h) != MS_OK) {
            refuse(h);
            return answer(h);
        }
        ms_call_handle(c);
        /* From here on the reaper may cancel it. */
        ms_http_phase(h->conn, MS_HTTP_WORK, h);
    }
    return answer_or_park(h);
}

enum MHD_Result ms_http_access(void *cls, struct MHD_Connection *mhd, const char *url,
                               const char *method, const char *version, const char *upload,
                               size_t *upload_size, void **con_cls)
{
    struct ms_http_call *h = *con_cls;

    (void)cls;
    (void)mhd;
    (void)url;
    if (!h)
        return MHD_NO;
    if (!h->checked)
        return first(h, method, version);
    return *upload_size ? piece(h, upload, upload_size) : whole(h);
}

void ms_http_completed(void *cls, struct MHD_Connection *mhd, void **con_cls,
                       enum MHD_RequestTerminationCode how)
{
    struct ms_http_call *h = *con_cls;

    (void)cls;
    (void)mhd;
    (void)how;
    *con_cls = NULL;
    if (!h)
        return;
    ms_http_phase(h->conn, MS_HTTP_HEAD, NULL);
    if (h->checked && h->base.handled)
        ms_call_cancel(&h->base);
    if (h->checked && !h->base.handled && !atomic_load(&h->base.ended)) {
        ms_fail(&h->base.err, MS_CANCELLED, "the caller went away before its request was whole");
        ms_call_fail(&h->base);
    }
    ms_call_unref(&h->base);
}
