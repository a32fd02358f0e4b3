/* SPDX-License-Identifier: Apache-2.0 */
/* grpc_call.c - one gRPC call, from the slot that waits for it to its last reference.
 *
 *     NEW ── unary: room? ── RECEIVED ── handle ... reply ── ENDED
 *      └──── stream: handle, then (read ── RECEIVED ── message)*, (send ── SENT)*, reply ── ENDED
 *     CLOSED comes for a call that is not answered at once, at its end or when the peer gives up
 *
 * References: one for each operation under way, one for "not ended yet", one for each slice of the
 * reply that points into the call's memory. All events of a call arrive on the one thread of its
 * completion queue; replies are started by whatever thread has them.
 *
 * Traps of the library: SEND_MESSAGE takes the slices out of the buffer it is given; a message's
 * slices may outlive the operation's completion, so they hold the call by reference; a message is
 * read whole before we see it, so reading starts only when there is room for the largest one. */
#include "server/grpc_call.h"

#include <grpc/byte_buffer.h>
#include <grpc/byte_buffer_reader.h>
#include <grpc/slice.h>
#include <grpc/support/alloc.h>
#include <grpc/support/time.h>
#include <string.h>

#include "base/mem.h"
#include "server/inflate.h"

enum { SMALL_REQUEST = 1 << 20, COPY_REPLY = 16 << 10, COPY_PIECE = 4 << 10, MAX_QUEUED = 256 };
#define SLOW_READ (30 * MS_SEC)
#define SLOW_READ_CONTENDED (5 * MS_SEC)

struct message { /* waits to be sent */
    struct message *next;
    grpc_byte_buffer *data;
};

struct ms_grpc_call {
    struct ms_call base;
    struct ms_grpc_instance *t;
    grpc_completion_queue *cq;
    grpc_call *call;
    grpc_call_details details;
    grpc_metadata_array metadata;
    struct ms_grpc_tag accepted, received, closed, sent, ended;
    bool began;           /* a call is attached */
    atomic_bool watching; /* somebody waits for its close */

    /* receiving */
    grpc_byte_buffer *payload;
    struct ms_admission_wait room;
    size_t reserved;
    bool may_send;                    /* counted in t->streams */
    struct ms_grpc_call *prev, *next; /* in t->watched */
    bool listed;
    int64_t read_since; /* 0: it writes */
    int64_t write_due;
    int was_cancelled;

    /* sending, under lock */
    pthread_mutex_t lock;
    struct message *first, *last;
    int queued;
    bool head_sent, sending, finish;
    char retry[16];
};

static struct ms_grpc_call *of(struct ms_call *c)
{
    return (struct ms_grpc_call *)c; /* base is the first member */
}

/* ---- asking ---- */

static const char *header(struct ms_call *c, const char *name)
{
    struct ms_grpc_call *g = of(c);
    size_t len = strlen(name);

    for (size_t i = 0; i < g->metadata.count; i++) {
        const grpc_metadata *m = &g->metadata.metadata[i];
        if (GRPC_SLICE_LENGTH(m->key) == len &&
            memcmp(GRPC_SLICE_START_PTR(m->key), name, len) == 0)
            return ms_arena_strndup(&c->arena, GRPC_SLICE_START_PTR(m->value),
                                    GRPC_SLICE_LENGTH(m->value));
    }
    return NULL;
}

/* ---- the janitor's list ---- */

static void watch(struct ms_grpc_call *g, int64_t read_since, int64_t write_due)
{
    struct ms_grpc_instance *t = g->t;

    pthread_mutex_lock(&t->lock);
    g->read_since = read_since;
    g->write_due = write_due;
    if (!g->listed) {
        g->listed = true;
        g->prev = NULL;
        g->next = t->watched;
        if (g->next)
            g->next->prev = g;
        t->watched = g;
    }
    pthread_mutex_unlock(&t->lock);
}

static void unwatch(struct ms_grpc_call *g)
{
    struct ms_grpc_instance *t = g->t;

    pthread_mutex_lock(&t->lock);
    if (g->listed) {
        if (g->prev)
            g->prev->next = g->next;
        else
            t->watched = g->next;
        if (g->next)
            g->next->prev = g->prev;
        g->listed = false;
    }
    pthread_mutex_unlock(&t->lock);
}

/* ---- sending ---- */

static void release_slice(void *call)
{
    ms_call_unref(call);
}

/* The pieces as one message. Small ones are copied into one slice; large ones are sent from where
 * they lie and hold a reference on the call. */
static grpc_byte_buffer *make_message(struct ms_call *c, const struct ms_bytes *part, int n,
                                      bool copy)
{
    grpc_slice slices[16];
    size_t total = 0;
    int k = 0;

    for (int i = 0; i < n; i++)
        total += part[i].len;
    if (copy || total <= COPY_REPLY || n > 16) {
        slices[k] = grpc_slice_malloc(total);
        uint8_t *to = GRPC_SLICE_START_PTR(slices[k]); /* a macro: evaluates twice */
        k++;
        for (int i = 0; i < n; i++) {
            if (part[i].len)
                memcpy(to, part[i].data, part[i].len);
            to += part[i].len;
        }
    } else {
        for (int i = 0; i < n; i++)
            slices[k++] =
                part[i].len <= COPY_PIECE
                    ? grpc_slice_from_copied_buffer((const char *)part[i].data, part[i].len)
                    : grpc_slice_new_with_user_data((void *)(uintptr_t)part[i].data, part[i].len,
                                                    release_slice, ms_call_ref(c));
    }
    grpc_byte_buffer *b = grpc_raw_byte_buffer_create(slices, (size_t)k);
    for (int i = 0; i < k; i++)
        grpc_slice_unref(slices[i]);
    return b;
}

/* Initial metadata: the request id and what the handler set. Returns how many. */
static size_t reply_head(struct ms_call *c, grpc_metadata md[MS_MAX_REPLY_HEADERS + 1])
{
    size_t n = 0;

    memset(md, 0, sizeof *md * (MS_MAX_REPLY_HEADERS + 1));
    md[n].key = grpc_slice_from_static_string("x-request-id");
    md[n++].value = grpc_slice_from_static_string(c->id);
    for (int i = 0; i < c->reply.n_header; i++) {
        md[n].key = grpc_slice_from_static_string(c->reply.header[i].name);
        md[n].value = grpc_slice_from_static_string(c->reply.header[i].value);
        if (grpc_header_key_is_legal(md[n].key) && grpc_header_nonbin_value_is_legal(md[n].value))
            n++;
    }
    for (size_t i = 0; i < n; i++) { /* the library may keep them beyond the call's end */
        if (i > 0)
            md[i].key = grpc_slice_copy(md[i].key);
        md[i].value = grpc_slice_copy(md[i].value);
    }
    return n;
}

static void drop_head(grpc_metadata *md, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        grpc_slice_unref(md[i].key);
        grpc_slice_unref(md[i].value);
    }
}

/* Starts a batch that holds a reference until its tag comes back; which may be at once, on another
 * thread: so it holds another one for itself. */
static void start(struct ms_grpc_call *g, const grpc_op *ops, size_t n, struct ms_grpc_tag *tag)
{
    bool sends = tag == &g->ended || tag == &g->sent;

    ms_call_ref(&g->base);
    ms_call_ref(&g->base);
    atomic_fetch_add_explicit(&tag->started, 1, memory_order_release);
    if (grpc_call_start_batch(g->call, ops, n, tag, NULL) != GRPC_CALL_OK)
        ms_call_unref(&g->base); /* our own mistake: nothing will come back */
    ms_grpc_left(g->t, sends);
    ms_call_unref(&g->base);
}

/* HTTP/2 lets a peer that answers pings leave a message waiting for ever: what is sent must be
 * taken within the stall timeout and the time its bytes need at the least rate. */
static void watch_write(struct ms_grpc_call *g, const grpc_byte_buffer *message)
{
    const struct ms_server_opts *o = &g->base.srv->opts;
    double bytes = (double)grpc_byte_buffer_length((grpc_byte_buffer *)message);
    double more = o->body_min_rate > 0 ? bytes / (double)o->body_min_rate : 1e6;

    watch(g, 0, ms_now() + o->stall_timeout + (int64_t)(more * 1e9));
}

/* The end of the call: head if it is not out yet, last message, status. */
static void send_end(struct ms_grpc_call *g)
{
    struct ms_call *c = &g->base;
    grpc_metadata md[MS_MAX_REPLY_HEADERS + 1], retry = {0};
    grpc_op op[4];
    size_t n = 0, n_md = 0;
    grpc_byte_buffer *message = NULL;
    bool failed = c->reply.failed;
    bool stream = c->rpc && (c->rpc->flags & MS_RPC_STREAM);
    grpc_slice text = grpc_slice_from_copied_string(failed ? c->err.text : "");

    memset(op, 0, sizeof op);
    if (!g->head_sent) {
        n_md = reply_head(c, md);
        op[n].op = GRPC_OP_SEND_INITIAL_METADATA;
        op[n].data.send_initial_metadata.count = n_md;
        op[n++].data.send_initial_metadata.metadata = md;
        g->head_sent = true;
    }
    if (!failed && (!stream || c->reply.n)) {
        message = make_message(c, c->reply.part, c->reply.n, false);
        op[n].op = GRPC_OP_SEND_MESSAGE;
        op[n++].data.send_message.send_message = message;
    }
    op[n].op = GRPC_OP_SEND_STATUS_FROM_SERVER;
    op[n].data.send_status_from_server.status =
        failed ? (grpc_status_code)c->err.code : GRPC_STATUS_OK;
    op[n].data.send_status_from_server.status_details = &text;
    if (failed && c->err.code == MS_RESOURCE_EXHAUSTED && c->err.reason == MS_REASON_NONE) {
        retry.key = grpc_slice_from_static_string("grpc-retry-pushback-ms");
        retry.value = grpc_slice_from_static_string("1000");
        op[n].data.send_status_from_server.trailing_metadata = &retry;
        op[n].data.send_status_from_server.trailing_metadata_count = 1;
    }
    n++;
    if (!atomic_exchange(&g->watching, true)) {
        op[n].op = GRPC_OP_RECV_CLOSE_ON_SERVER;
        op[n++].data.recv_close_on_server.cancelled = &g->was_cancelled;
    }
    if (message)
        watch_write(g, message);
    start(g, op, n, &g->ended);
    if (message)
        grpc_byte_buffer_destroy(message);
    drop_head(md, n_md);
    grpc_slice_unref(text);
}

static void send_next(struct ms_grpc_call *g) /* lock held, something is queued */
{
    grpc_metadata md[MS_MAX_REPLY_HEADERS + 1];
    struct message *m = g->first;
    grpc_op op[2];
    size_t n = 0, n_md = 0;

    memset(op, 0, sizeof op);
    g->first = m->next;
    g->queued--;
    g->sending = true;
    if (!g->head_sent) {
        n_md = reply_head(&g->base, md);
        op[n].op = GRPC_OP_SEND_INITIAL_METADATA;
        op[n].data.send_initial_metadata.count = n_md;
        op[n++].data.send_initial_metadata.metadata = md;
        g->head_sent = true;
    }
    op[n].op = GRPC_OP_SEND_MESSAGE;
    op[n++].data.send_message.send_message = m->data;
    watch_write(g, m->data);
    start(g, op, n, &g->sent);
    grpc_byte_buffer_destroy(m->data);
    ms_free(m);
    drop_head(md, n_md);
}

static bool send_message(struct ms_call *c, const struct ms_bytes *part, int n)
{
    struct ms_grpc_call *g = of(c);
    struct message *m = ms_malloc(sizeof *m);

    if (!m)
        return false;
    *m = (struct message){.data = make_message(c, part, n, true)};
    pthread_mutex_lock(&g->lock);
    if (g->finish || g->queued == MAX_QUEUED || atomic_load(&c->cancelled)) {
        pthread_mutex_unlock(&g->lock);
        grpc_byte_buffer_destroy(m->data);
        ms_free(m);
        return false;
    }
    if (g->first)
        g->last->next = m;
    else
        g->first = m;
    g->last = m;
    g->queued++;
    if (!g->sending)
        send_next(g);
    pthread_mutex_unlock(&g->lock);
    return true;
}

static void end(struct ms_call *c)
{
    struct ms_grpc_call *g = of(c);

    pthread_mutex_lock(&g->lock);
    g->finish = true;
    bool now = !g->sending;
    pthread_mutex_unlock(&g->lock);
    if (now)
        send_end(g);
}

static void on_sent(struct ms_grpc_call *g)
{
    bool last = false;

    unwatch(g);
    pthread_mutex_lock(&g->lock);
    g->sending = false;
    if (g->first)
        send_next(g);
    else
        last = g->finish;
    pthread_mutex_unlock(&g->lock);
    if (last)
        send_end(g);
}

/* ---- receiving ---- */

void ms_grpc_reap(struct ms_grpc_instance *t)
{
    bool contended = atomic_load(&t->srv->admission.waiting) > 0;
    int64_t now = ms_now(), oldest = now - (contended ? SLOW_READ_CONTENDED : SLOW_READ);

    pthread_mutex_lock(&t->lock);
    for (struct ms_grpc_call *g = t->watched; g; g = g->next) {
        if (g->read_since ? g->read_since < oldest : g->write_due < now)
            grpc_call_cancel_with_status(g->call, GRPC_STATUS_DEADLINE_EXCEEDED,
                                         g->read_since
                                             ? "the request's message did not arrive in time"
                                             : "the reply was not taken in time",
                                         NULL);
    }
    pthread_mutex_unlock(&t->lock);
}

static void receive(struct ms_grpc_call *g)
{
    grpc_op op;

    memset(&op, 0, sizeof op);
    op.op = GRPC_OP_RECV_MESSAGE;
    op.data.recv_message.recv_message = &g->payload;
    start(g, &op, 1, &g->received);
}

static void room_came(struct ms_admission_wait *w)
{
    struct ms_grpc_call *g =
        (struct ms_grpc_call *)(void *)((char *)w - offsetof(struct ms_grpc_call, room));

    g->reserved = w->bytes;
    watch(g, ms_now(), 0);
    receive(g);
    ms_call_unref(&g->base); /* the reference of the line */
}

static void read_more(struct ms_call *c)
{
    struct ms_grpc_call *g = of(c);

    if (g->payload) {
        grpc_byte_buffer_destroy(g->payload);
        g->payload = NULL;
    }
    receive(g);
}

/* The received slices as pieces of the call's body; compressed ones inflated within the limit. */
static ms_code take_payload(struct ms_grpc_call *g)
{
    struct ms_call *c = &g->base;
    const grpc_slice_buffer *b = &g->payload->data.raw.slice_buffer;
    struct ms_bytes *part = ms_arena_array(&c->arena, b->count + 1, sizeof *part);

    if (!part)
        return ms_fail_oom(&c->err, "request", b->count * sizeof *part);
    c->body_len = 0;
    for (size_t i = 0; i < b->count; i++) {
        part[i] = ms_bytes(GRPC_SLICE_START_PTR(b->slices[i]), GRPC_SLICE_LENGTH(b->slices[i]));
        c->body_len += part[i].len;
    }
    c->body = part;
    c->n_body = (int)b->count;
    if (g->payload->data.raw.compression == GRPC_COMPRESS_NONE)
        return MS_OK;
    struct ms_bytes all, *plain = ms_arena_alloc(&c->arena, sizeof *plain);
    if (!plain)
        return ms_fail_oom(&c->err, "request", sizeof *plain);
    MS_TRY(ms_call_body(c, &all));
    MS_TRY(ms_inflate(c, all, plain));
    c->body = plain;
    c->n_body = 1;
    c->body_len = plain->len;
    return MS_OK;
}

static ms_code check_size(struct ms_call *c)
{
    size_t max = c->rpc->flags & MS_RPC_LARGE ? c->srv->opts.max_message : SMALL_REQUEST;

    if (c->body_len <= max)
        return MS_OK;
    return ms_fail_because(&c->err, MS_RESOURCE_EXHAUSTED, MS_REASON_TOO_LARGE,
                           "the request has %zu bytes, at most %zu are taken", c->body_len, max);
}

/* Tells when the peer gives up. A call that is answered at once takes this with its answer. */
static void watch_close(struct ms_grpc_call *g)
{
    grpc_op op;

    if (atomic_exchange(&g->watching, true))
        return;
    memset(&op, 0, sizeof op);
    op.op = GRPC_OP_RECV_CLOSE_ON_SERVER;
    op.data.recv_close_on_server.cancelled = &g->was_cancelled;
    start(g, &op, 1, &g->closed);
}

/* ok: the library's word on the operation, which fails for a call that is no more. */
static void on_unary(struct ms_grpc_call *g, bool ok)
{
    struct ms_call *c = &g->base;

    unwatch(g);
    if (g->reserved) { /* keep what the message and its tensors take, give back the rest */
        size_t len = g->payload ? grpc_byte_buffer_length(g->payload) : 0;
        size_t keep = len < g->reserved / 2 ? len * 2 : g->reserved;
        c->prepaid = keep > len ? keep - len : 0;
        ms_admission_give(&c->srv->admission, g->reserved - keep);
        c->charged += keep;
        g->reserved = 0;
    }
    if (atomic_load(&c->cancelled) || (!g->payload && !ok))
        ms_fail(&c->err, MS_CANCELLED, "cancelled by the caller");
    else if (!g->payload)
        ms_fail(&c->err, MS_INVALID_ARGUMENT, "the call brought no message");
    else if (take_payload(g) == MS_OK && check_size(c) == MS_OK) {
        ms_call_handle(c);
        if (!atomic_load(&c->ended))
            watch_close(g);
        return;
    }
    ms_call_fail(c);
}

static void on_stream(struct ms_grpc_call *g)
{
    struct ms_call *c = &g->base;
    struct ms_bytes msg;

    if (atomic_load(&c->ended))
        return;
    if (!g->payload) { /* the peer sends no more */
        if (g->may_send) {
            g->may_send = false;
            atomic_fetch_sub(&g->t->streams, 1);
        }
        if (c->rpc->half_close && !atomic_load(&c->cancelled))
            c->rpc->half_close(c);
        return;
    }
    if (g->payload->data.raw.compression != GRPC_COMPRESS_NONE) {
        ms_fail(&c->err, MS_UNIMPLEMENTED, "compressed messages on a stream");
        ms_call_fail(c);
        return;
    }
    grpc_slice_buffer *b = &g->payload->data.raw.slice_buffer;
    if (b->count > 1) { /* one run of bytes for the handler */
        grpc_byte_buffer_reader r;
        if (!grpc_byte_buffer_reader_init(&r, g->payload)) {
            ms_fail(&c->err, MS_INTERNAL, "a message could not be read");
            ms_call_fail(c);
            return;
        }
        grpc_slice all = grpc_byte_buffer_reader_readall(&r);
        grpc_byte_buffer_reader_destroy(&r);
        grpc_byte_buffer_destroy(g->payload);
        g->payload = grpc_raw_byte_buffer_create(&all, 1);
        grpc_slice_unref(all);
        b = &g->payload->data.raw.slice_buffer;
    }
    msg = b->count ? ms_bytes(GRPC_SLICE_START_PTR(b->slices[0]), GRPC_SLICE_LENGTH(b->slices[0]))
                   : ms_bytes("", 0);
    c->rpc->message(c, msg);
}

/* ---- beginning ---- */

static int64_t deadline_of(gpr_timespec at)
{
    if (gpr_time_cmp(at, gpr_inf_future(at.clock_type)) == 0)
        return MS_NEVER;
    gpr_timespec left = gpr_time_sub(at, gpr_now(at.clock_type));
    if (left.tv_sec > 1000000000)
        return MS_NEVER;
    return ms_now() + left.tv_sec * MS_SEC + left.tv_nsec;
}

static ms_code begin(struct ms_grpc_call *g)
{
    struct ms_call *c = &g->base;
    char *peer = grpc_call_get_peer(g->call);

    ms_grpc_peer(g->t, peer ? peer : "", &c->peer);
    gpr_free(peer);
    c->deadline = deadline_of(g->details.deadline);
    MS_TRY(ms_route_grpc(c, ms_bytes(GRPC_SLICE_START_PTR(g->details.method),
                                     GRPC_SLICE_LENGTH(g->details.method))));
    MS_TRY(ms_call_begin(c));
    if (!(c->rpc->flags & MS_RPC_STREAM))
        return MS_OK;
    if (atomic_fetch_add(&g->t->streams, 1) >= c->srv->opts.max_streams) {
        atomic_fetch_sub(&g->t->streams, 1);
        return ms_fail(&c->err, MS_RESOURCE_EXHAUSTED, "more than %d open streams",
                       c->srv->opts.max_streams);
    }
    g->may_send = true;
    return MS_OK;
}

static void on_new(struct ms_grpc_call *g)
{
    struct ms_call *c = &g->base;

    if (g->t->within)
        g->t->owed++;
    else
        ms_grpc_accept(g->t, g->cq);
    g->began = true;
    ms_call_ref(c); /* until this function is left */
    if (begin(g) != MS_OK) {
        ms_call_fail(c);
    } else if (c->rpc->flags & MS_RPC_STREAM) {
        watch_close(g);
        ms_call_handle(c);
    } else {
        ms_call_ref(c); /* the line's, until room_came */
        g->room.ready = room_came;
        if (ms_admission_wait(&c->srv->admission, &g->room, c->srv->opts.max_message)) {
            g->room.bytes = c->srv->opts.max_message;
            room_came(&g->room);
        } else {
            watch_close(g);
        }
    }
    ms_call_unref(c);
}

static void on_closed(struct ms_grpc_call *g)
{
    struct ms_call *c = &g->base;

    if (!g->was_cancelled)
        return;
    if (ms_admission_leave(&c->srv->admission, &g->room)) {
        atomic_store(&c->cancelled, true);
        ms_fail(&c->err, MS_CANCELLED, "cancelled while waiting for room");
        ms_call_fail(c);
        ms_call_unref(c); /* the line's */
        return;
    }
    ms_call_cancel(c);
}

static const struct ms_call_ops call_ops;

void ms_grpc_event(struct ms_grpc_tag *tag, bool ok)
{
    struct ms_grpc_call *g = tag->call;
    struct ms_call *c = &g->base;

    (void)atomic_load_explicit(&tag->started, memory_order_acquire);
    switch (tag->event) {
    case MS_GRPC_NEW:
        if (!ok) { /* the server is going down: the slot was never used */
            call_ops.destroy(c);
            return;
        }
        ms_call_init(c, g->t->srv, &call_ops, MS_WIRE_PROTO);
        on_new(g); /* the reference of ms_call_init is dropped when the call has ended */
        return;
    case MS_GRPC_RECEIVED:
        if (c->rpc->flags & MS_RPC_STREAM)
            on_stream(g);
        else
            on_unary(g, ok);
        break;
    case MS_GRPC_CLOSED:
        on_closed(g);
        break;
    case MS_GRPC_SENT:
        on_sent(g);
        break;
    case MS_GRPC_ENDED:
        unwatch(g);
        ms_call_unref(c); /* "not ended yet" */
        break;
    case MS_GRPC_DOWN: /* the instance's */
        return;
    }
    ms_call_unref(c); /* the operation's */
}

static void free_call(struct ms_call *c)
{
    struct ms_grpc_call *g = of(c);
    struct ms_grpc_instance *t = g->t;

    while (g->first) {
        struct message *m = g->first;
        g->first = m->next;
        grpc_byte_buffer_destroy(m->data);
        ms_free(m);
    }
    if (g->may_send)
        atomic_fetch_sub(&t->streams, 1);
    if (g->reserved)
        ms_admission_give(&t->srv->admission, g->reserved);
    if (g->payload)
        grpc_byte_buffer_destroy(g->payload);
    grpc_metadata_array_destroy(&g->metadata);
    grpc_call_details_destroy(&g->details);
    if (g->began)
        grpc_call_unref(g->call);
    pthread_mutex_destroy(&g->lock);
    ms_free(g);
    ms_leave(&t->live, &t->lock, &t->changed);
}

static const struct ms_call_ops call_ops = {
    .protocol = "grpc",
    .header = header,
    .end = end,
    .send = send_message,
    .read = read_more,
    .destroy = free_call,
};

bool ms_grpc_accept(struct ms_grpc_instance *t, grpc_completion_queue *cq)
{
    if (atomic_load(&t->stopping))
        return false;
    struct ms_grpc_call *g = ms_calloc(1, sizeof *g);
    if (!g)
        return false;
    g->t = t;
    g->cq = cq;
    g->accepted = (struct ms_grpc_tag){.event = MS_GRPC_NEW, .call = g};
    g->received = (struct ms_grpc_tag){.event = MS_GRPC_RECEIVED, .call = g};
    g->closed = (struct ms_grpc_tag){.event = MS_GRPC_CLOSED, .call = g};
    g->sent = (struct ms_grpc_tag){.event = MS_GRPC_SENT, .call = g};
    g->ended = (struct ms_grpc_tag){.event = MS_GRPC_ENDED, .call = g};
    pthread_mutex_init(&g->lock, NULL);
    grpc_call_details_init(&g->details);
    grpc_metadata_array_init(&g->metadata);
    atomic_fetch_add(&t->live, 1);
    if (grpc_server_request_call(t->server, &g->call, &g->details, &g->metadata, cq, cq,
                                 &g->accepted) == GRPC_CALL_OK)
        return true;
    free_call(&g->base);
    return false;
}
