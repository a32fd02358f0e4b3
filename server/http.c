/* SPDX-License-Identifier: Apache-2.0 */
/* http.c - a libmicrohttpd daemon behind the front, and the reaper.
 *
 * The front accepts; the daemon gets one end of a socket pair for each connection, and the peer's
 * address with it. On a small machine it works on the front's thread: a request is read, guarded,
 * parsed and handed on, and its answer sent, by one thread. On a larger one it has threads of its
 * own.
 *
 * The library's own timeout only sees idleness: a byte every few seconds keeps a connection for
 * ever. The reaper looks once a second at every connection and shuts down those whose head takes
 * longer than its limit or whose body comes slower than the least rate; and it cancels the work for
 * callers that have closed their connection while they wait. */
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cpu.h"
#include "base/log.h"
#include "base/mem.h"
#include "server/front.h"
#include "server/http_call.h"
#include "server/listen.h"

enum { MAX_THREADS = 4, CPUS_PER_THREAD = 4 };
#define BODY_GRACE (5 * MS_SEC)
#define GONE_AFTER (1 * MS_SEC)
#define FIRST_REQUEST (250 * MS_MS)

/* Escapes stay as they are: routes.c decodes names after splitting the path. */
static size_t keep_escapes(void *cls, struct MHD_Connection *mhd, char *s)
{
    size_t n = 0;

    (void)cls;
    (void)mhd;
    while (s[n])
        n++;
    return n;
}

static void peer_of(struct ms_http_conn *c, bool insecure)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(c->mhd, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
    char text[80] = "";

    if (info)
        ms_sockaddr_text(info->client_addr, text);
    ms_peer_init(&c->peer, text, insecure);
}

static void opened(struct ms_http_instance *t, struct MHD_Connection *mhd, void **context)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CONNECTION_FD);
    struct ms_http_conn *c = ms_calloc(1, sizeof *c);

    atomic_fetch_sub(&t->coming, 1);
    *context = c;
    if (!c)
        return;
    c->t = t;
    c->mhd = mhd;
    c->fd = info ? (int)info->connect_fd : -1;
    c->since = ms_now();
    c->head_limit = t->srv->opts.header_timeout;
    peer_of(c, t->srv->opts.insecure);
    pthread_mutex_lock(&t->lock);
    c->next = t->conns;
    if (c->next)
        c->next->prev = c;
    t->conns = c;
    pthread_mutex_unlock(&t->lock);
}

static void closed(struct ms_http_instance *t, struct ms_http_conn *c)
{
    if (!c)
        return;
    pthread_mutex_lock(&t->lock);
    if (c->prev)
        c->prev->next = c->next;
    else
        t->conns = c->next;
    if (c->next)
        c->next->prev = c->prev;
    pthread_mutex_unlock(&t->lock);
    ms_free(c);
}

static void notify(void *cls, struct MHD_Connection *mhd, void **context,
                   enum MHD_ConnectionNotificationCode what)
{
    if (what == MHD_CONNECTION_NOTIFY_STARTED)
        opened(cls, mhd, context);
    else
        closed(cls, *context);
}

/* ---- the reaper ---- */

static bool too_slow(const struct ms_http_conn *c, int64_t now)
{
    const struct ms_server_opts *o = &c->t->srv->opts;
    int64_t took = now - c->since;

    if (c->phase == MS_HTTP_HEAD)
        return took > c->head_limit;
    if (c->phase != MS_HTTP_BODY || took <= BODY_GRACE)
        return false;
    return (double)c->body < (double)o->body_min_rate * (double)(took - BODY_GRACE) / 1e9;
}

static bool gone(int fd)
{
    char byte;

    return recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 0;
}

static void reap(struct ms_http_instance *t)
{
    int64_t now = ms_now();
    struct ms_call *lost[64];
    int n = 0;

    pthread_mutex_lock(&t->lock);
    for (struct ms_http_conn *c = t->conns; c; c = c->next) {
        if (too_slow(c, now) ||
            (c->phase == MS_HTTP_BODY && now - c->since > GONE_AFTER && gone(c->fd)))
            shutdown(c->fd, SHUT_RDWR);
        else if (c->phase == MS_HTTP_WORK && c->call && now - c->since > GONE_AFTER && n < 64 &&
                 !(c->call->base.rpc->flags & MS_RPC_STREAM_BODY) && gone(c->fd))
            lost[n++] = ms_call_ref(&c->call->base);
    }
    pthread_mutex_unlock(&t->lock);
    while (n > 0) {
        ms_call_cancel(lost[--n]);
        ms_call_unref(lost[n]);
    }
}

static void *reaper(void *arg)
{
    struct ms_http_instance *t = arg;

    pthread_mutex_lock(&t->lock);
    while (!atomic_load(&t->stopping)) {
        struct timespec at;
        clock_gettime(CLOCK_MONOTONIC, &at);
        at.tv_sec++;
        pthread_cond_timedwait(&t->stopped, &t->lock, &at);
        pthread_mutex_unlock(&t->lock);
        reap(t);
        pthread_mutex_lock(&t->lock);
    }
    pthread_mutex_unlock(&t->lock);
    return NULL;
}

/* ---- start and stop ---- */

static void log_library(void *arg, const char *fmt, va_list ap)
{
    char text[256];

    (void)arg;
    if (!ms_log_enabled(MS_LOG_DEBUG))
        return;
    vsnprintf(text, sizeof text, fmt, ap);
    ms_log(MS_LOG_DEBUG, "microhttpd", NULL, "%s", text);
}

/* Limits of connections are the front's: the library's own are out of the way. */
static struct MHD_Daemon *start_daemon(struct ms_http_instance *t, unsigned threads)
{
    const struct ms_server_opts *o = &t->srv->opts;
    struct MHD_OptionItem pool[] = {
        {threads > 1 ? MHD_OPTION_THREAD_POOL_SIZE : MHD_OPTION_END, (intptr_t)threads, NULL},
        {MHD_OPTION_END, 0, NULL},
    };

    return MHD_start_daemon(
        (threads > 1 ? MHD_USE_EPOLL_INTERNALLY : MHD_USE_EPOLL) | MHD_ALLOW_SUSPEND_RESUME |
            MHD_USE_ERROR_LOG | MHD_USE_NO_LISTEN_SOCKET,
        0, NULL, NULL, ms_http_access, t, MHD_OPTION_EXTERNAL_LOGGER, log_library, NULL,
        MHD_OPTION_CONNECTION_LIMIT, (unsigned)o->max_connections * threads + 256,
        MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)((o->idle_timeout + MS_SEC - 1) / MS_SEC),
        MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)MS_HTTP_POOL, MHD_OPTION_STRICT_FOR_CLIENT, 1,
        MHD_OPTION_UNESCAPE_CALLBACK, keep_escapes, NULL, MHD_OPTION_URI_LOG_CALLBACK, ms_http_uri,
        t, MHD_OPTION_NOTIFY_COMPLETED, ms_http_completed, t, MHD_OPTION_NOTIFY_CONNECTION, notify,
        t, MHD_OPTION_ARRAY, pool, MHD_OPTION_END);
}

/* ---- the front ---- */

static void init_guard(union ms_guard_state *s, int64_t now)
{
    ms_http1_init(&s->http1, now);
}

static enum ms_guard from_client(union ms_guard_state *s, const uint8_t *p, size_t n, int64_t now,
                                 size_t *good)
{
    return ms_http1_client(&s->http1, p, n, now, good);
}

static enum ms_guard from_server(union ms_guard_state *s, const uint8_t *p, size_t n, int64_t now)
{
    (void)p;
    (void)n;
    (void)now;
    s->http1.answered = true;
    return MS_GUARD_OK;
}

static enum ms_guard never_late(const union ms_guard_state *s, int64_t now, int64_t limit)
{
    (void)s;
    (void)now;
    (void)limit;
    return MS_GUARD_OK; /* the reaper's business */
}

static size_t last_words(const union ms_guard_state *s, enum ms_guard why, uint8_t out[512])
{
    return ms_http1_last_words(&s->http1, why, out);
}

static bool attach(void *owner, int fd, const struct sockaddr *sa, socklen_t len)
{
    struct ms_http_instance *t = owner;

    atomic_store(&t->last_one, ms_now());
    atomic_fetch_add(&t->coming, 1);
    if (MHD_add_connection(t->daemon, fd, sa, len) == MHD_YES) /* else it has closed fd */
        return true;
    atomic_fetch_sub(&t->coming, 1);
    return false;
}

static int run_fd(void *owner)
{
    struct ms_http_instance *t = owner;

    return MHD_get_daemon_info(t->daemon, MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd;
}

/* Has the library more to do at once? Of its deadlines, which are seconds, the front reminds it. */
static bool run(void *owner, int to_see)
{
    struct ms_http_instance *t = owner;
    MHD_UNSIGNED_LONG_LONG ms;

    (void)to_see;
    return MHD_run(t->daemon) == MHD_YES && MHD_get_timeout(t->daemon, &ms) == MHD_YES && ms == 0;
}

static void end(void *owner)
{
    struct ms_http_instance *t = owner;

    if (t->daemon)
        MHD_stop_daemon(t->daemon);
    t->daemon = NULL;
}

#define PROTOCOL                                                                                   \
    .name = "http", .stats = 1, .answers_first = true, .init = init_guard, .client = from_client,  \
    .server = from_server, .late = never_late, .last_words = last_words, .attach = attach,         \
    .end = end

static const struct ms_front_protocol beside = {PROTOCOL};
static const struct ms_front_protocol within = {PROTOCOL, .run = run, .run_fd = run_fd};

static void stop(struct ms_transport *opaque);

static ms_code bind_all(struct ms_http_instance *t, const char *const *addr, int n,
                        struct ms_err *err)
{
    if (n > (int)(sizeof t->listening / sizeof *t->listening))
        return ms_fail(err, MS_INVALID_ARGUMENT, "http: %d addresses are too many", n);
    t->address = ms_calloc((size_t)n + 1, sizeof *t->address);
    if (!t->address)
        return ms_fail_oom(err, "http", sizeof *t);
    for (; t->n < n; t->n++)
        if (ms_listen_tcp(addr[t->n], t->srv->opts.insecure, &t->listening[t->n], t->address[t->n],
                          err) != MS_OK)
            return ms_err_prefix(err, "http");
    return MS_OK;
}

static ms_code open_all(struct ms_http_instance *t, struct ms_err *err)
{
    int threads = t->srv->opts.http_threads;

    if (threads <= 0)
        threads = (ms_cpu()->usable + CPUS_PER_THREAD - 1) / CPUS_PER_THREAD;
    if (threads > MAX_THREADS)
        threads = MAX_THREADS;
    t->within = threads == 1;
    t->daemon = start_daemon(t, (unsigned)threads);
    if (!t->daemon)
        return ms_fail(err, MS_UNAVAILABLE, "http: cannot start on '%.100s'", t->address[0]);
    t->has_reaper = pthread_create(&t->reaper, NULL, reaper, t) == 0;
    return t->has_reaper ? MS_OK : ms_fail(err, MS_UNAVAILABLE, "http: cannot start a thread");
}

static ms_code listen_on(struct ms_server *srv, const char *const *addr, int n,
                         struct ms_transport **out, struct ms_err *err)
{
    struct ms_http_instance *t = ms_calloc(1, sizeof *t);
    pthread_condattr_t attr;

    if (!t)
        return ms_fail_oom(err, "http", sizeof *t);
    t->srv = srv;
    ms_busy_poll_init(&t->poll, srv->opts.busy_poll);
    pthread_mutex_init(&t->lock, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&t->changed, &attr);
    pthread_cond_init(&t->stopped, &attr);
    pthread_condattr_destroy(&attr);
    *out = (struct ms_transport *)t;
    ms_code code = bind_all(t, addr, n, err);
    if (code == MS_OK)
        code = open_all(t, err);
    if (code == MS_OK) {
        code = ms_front_start(srv, t->within ? &within : &beside, t, &t->poll, t->listening, n,
                              &t->front, err);
    } else {
        for (int i = 0; i < t->n; i++)
            close(t->listening[i]);
    }
    if (code != MS_OK)
        stop(*out);
    return code;
}

static const char *address(const struct ms_transport *opaque, int i)
{
    const struct ms_http_instance *t = (const void *)opaque;

    return i < t->n ? t->address[i] : "";
}

/* Is there a connection so young that its first request may be on its way? */
static bool expecting(const struct ms_http_instance *t)
{
    int64_t now = ms_now();

    if (atomic_load(&t->coming) > 0 && now - atomic_load(&t->last_one) < FIRST_REQUEST)
        return true;
    for (const struct ms_http_conn *c = t->conns; c; c = c->next)
        if (c->phase == MS_HTTP_HEAD && !c->used && now - c->since < FIRST_REQUEST)
            return true;
    return false;
}

static void drain(struct ms_transport *opaque, int64_t deadline)
{
    struct ms_http_instance *t = (void *)opaque;

    if (!atomic_exchange(&t->closing, true))
        ms_front_quiesce(t->front);
    pthread_mutex_lock(&t->lock);
    while ((atomic_load(&t->live) > 0 || expecting(t)) && ms_now() < deadline) {
        int64_t until = ms_now() + 20 * MS_MS;
        struct timespec at = {.tv_sec = until / MS_SEC, .tv_nsec = until % MS_SEC};
        pthread_cond_timedwait(&t->changed, &t->lock, &at);
    }
    pthread_mutex_unlock(&t->lock);
}

/* Cancels what still runs. A daemon must not be stopped while one of its connections is suspended:
 * waits until none is. */
static void cut_off(struct ms_http_instance *t)
{
    do {
        struct ms_http_call *busy[64];
        int n = 0;

        pthread_mutex_lock(&t->lock);
        for (struct ms_http_conn *c = t->conns; c && n < 64; c = c->next)
            if (c->phase == MS_HTTP_WORK && c->call) {
                ms_call_ref(&c->call->base);
                busy[n++] = c->call;
            }
        pthread_mutex_unlock(&t->lock);
        while (n > 0) {
            ms_http_interrupt(busy[--n]);
            ms_call_unref(&busy[n]->base);
        }
        usleep(2000);
    } while (atomic_load(&t->parked) > 0);
}

static void stop(struct ms_transport *opaque)
{
    struct ms_http_instance *t = (void *)opaque;

    if (!t)
        return;
    atomic_store(&t->closing, true);
    atomic_store(&t->stopping, true);
    if (t->has_reaper) {
        pthread_mutex_lock(&t->lock);
        pthread_cond_broadcast(&t->stopped);
        pthread_mutex_unlock(&t->lock);
        pthread_join(t->reaper, NULL);
    }
    cut_off(t);
    ms_front_stop(t->front);
    end(t); /* if there was no front to do it */
    pthread_mutex_lock(&t->lock);
    while (atomic_load(&t->live) > 0)
        pthread_cond_wait(&t->changed, &t->lock);
    pthread_mutex_unlock(&t->lock);
    ms_free(t->address);
    pthread_cond_destroy(&t->changed);
    pthread_cond_destroy(&t->stopped);
    pthread_mutex_destroy(&t->lock);
    ms_free(t);
}

const struct ms_transport_ops ms_transport_http = {
    .name = "http",
    .listen = listen_on,
    .address = address,
    .drain = drain,
    .stop = stop,
};
