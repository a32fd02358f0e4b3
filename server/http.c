/* SPDX-License-Identifier: Apache-2.0 */
/* http.c - libmicrohttpd daemons, one an address, and the reaper.
 *
 * The library's own timeout only sees idleness: a byte every few seconds keeps a connection for
 * ever. The reaper looks once a second at every connection and shuts down those whose head takes
 * longer than its limit or whose body comes slower than the least rate; and it cancels the work for
 * callers that have closed their connection while they wait. */
#include <linux/filter.h>
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cpu.h"
#include "base/log.h"
#include "base/mem.h"
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
    char host[INET6_ADDRSTRLEN] = "", text[80] = "";

    if (info && info->client_addr->sa_family == AF_INET) {
        const struct sockaddr_in *in = (const void *)info->client_addr;
        inet_ntop(AF_INET, &in->sin_addr, host, sizeof host);
        snprintf(text, sizeof text, "%s:0", host);
    } else if (info && info->client_addr->sa_family == AF_INET6) {
        const struct sockaddr_in6 *in = (const void *)info->client_addr;
        inet_ntop(AF_INET6, &in->sin6_addr, host, sizeof host);
        snprintf(text, sizeof text, "[%s]:0", host);
    }
    ms_peer_init(&c->peer, text, insecure);
}

static void opened(struct ms_http_instance *t, struct MHD_Connection *mhd, void **context)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CONNECTION_FD);
    struct ms_http_conn *c = ms_calloc(1, sizeof *c);

    *context = c;
    if (!c)
        return;
    c->t = t;
    c->mhd = mhd;
    c->fd = info ? (int)info->connect_fd : -1;
    c->since = ms_now();
    c->head_limit = t->srv->opts.header_timeout;
    /* What the peer does not take is held by the kernel and by us: it watches for progress. */
    unsigned stall = (unsigned)(t->srv->opts.stall_timeout / MS_MS);
    (void)setsockopt(c->fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &stall, sizeof stall);
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
        pthread_cond_timedwait(&t->changed, &t->lock, &at);
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

static struct MHD_Daemon *start_daemon(struct ms_http_instance *t, int fd, unsigned threads)
{
    const struct ms_server_opts *o = &t->srv->opts;
    struct MHD_OptionItem pool[] = {
        {threads > 1 ? MHD_OPTION_THREAD_POOL_SIZE : MHD_OPTION_END, (intptr_t)threads, NULL},
        {MHD_OPTION_END, 0, NULL},
    };

    return MHD_start_daemon(
        MHD_USE_EPOLL_INTERNALLY | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG, 0, NULL, NULL,
        ms_http_access, t, MHD_OPTION_EXTERNAL_LOGGER, log_library, NULL, MHD_OPTION_LISTEN_SOCKET,
        fd, MHD_OPTION_CONNECTION_LIMIT, (unsigned)o->max_connections,
        MHD_OPTION_PER_IP_CONNECTION_LIMIT, (unsigned)o->max_per_address,
        MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)((o->idle_timeout + MS_SEC - 1) / MS_SEC),
        MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)MS_HTTP_POOL, MHD_OPTION_STRICT_FOR_CLIENT, 1,
        MHD_OPTION_UNESCAPE_CALLBACK, keep_escapes, NULL, MHD_OPTION_URI_LOG_CALLBACK, ms_http_uri,
        t, MHD_OPTION_NOTIFY_COMPLETED, ms_http_completed, t, MHD_OPTION_NOTIFY_CONNECTION, notify,
        t, MHD_OPTION_ARRAY, pool, MHD_OPTION_END);
}

static void stop(struct ms_transport *opaque);

static ms_code open_all(struct ms_http_instance *t, const char *const *addr, int n,
                        struct ms_err *err)
{
    int threads = t->srv->opts.http_threads;

    if (threads <= 0)
        threads = (ms_cpu()->usable + CPUS_PER_THREAD - 1) / CPUS_PER_THREAD;
    if (threads > MAX_THREADS)
        threads = MAX_THREADS;
    t->daemon = ms_calloc((size_t)n + 1, sizeof *t->daemon);
    t->address = ms_calloc((size_t)n + 1, sizeof *t->address);
    if (!t->daemon || !t->address)
        return ms_fail_oom(err, "http", sizeof *t);
    for (; t->n < n; t->n++) {
        int fd;
        if (ms_listen_tcp(addr[t->n], t->srv->opts.insecure, &fd, t->address[t->n], err) != MS_OK)
            return ms_err_prefix(err, "http");
        t->daemon[t->n] = start_daemon(t, fd, (unsigned)threads);
        if (!t->daemon[t->n]) {
            close(fd);
            return ms_fail(err, MS_UNAVAILABLE, "http: cannot start on '%.100s'", addr[t->n]);
        }
    }
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
    pthread_mutex_init(&t->lock, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&t->changed, &attr);
    pthread_condattr_destroy(&attr);
    *out = (struct ms_transport *)t;
    ms_code code = open_all(t, addr, n, err);
    if (code != MS_OK)
        stop(*out);
    return code;
}

static const char *address(const struct ms_transport *opaque, int i)
{
    const struct ms_http_instance *t = (const void *)opaque;

    return i < t->n ? t->address[i] : "";
}

/* From here on the kernel takes no new connection on a listening socket: a filter drops what
 * arrives (the caller's next attempt, a second later, is refused). Without it one could slip in
 * between the last accept and the close. An old kernel's refusal leaves just that gap. */
static void refuse_new(MHD_socket listening)
{
    struct sock_filter drop = BPF_STMT(BPF_RET | BPF_K, 0);
    struct sock_fprog all = {.len = 1, .filter = &drop};

    (void)setsockopt(listening, SOL_SOCKET, SO_ATTACH_FILTER, &all, sizeof all);
}

/* Connections that the kernel has taken but nobody has accepted would be reset with their listening
 * socket: they are served too. */
static void take_backlog(struct ms_http_instance *t)
{
    for (int i = 0; i < t->n; i++) {
        MHD_socket listening = MHD_quiesce_daemon(t->daemon[i]);
        struct sockaddr_storage sa;
        socklen_t len = sizeof sa;
        int fd;

        if (listening == MHD_INVALID_SOCKET)
            continue;
        refuse_new(listening);
        while ((fd = accept4(listening, (struct sockaddr *)&sa, &len,
                             SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
            MHD_add_connection(t->daemon[i], fd, (struct sockaddr *)&sa, len);
            len = sizeof sa;
        }
        close(listening);
    }
}

/* Is there a connection so young that its first request may be on its way? */
static bool expecting(const struct ms_http_instance *t)
{
    int64_t now = ms_now();

    for (const struct ms_http_conn *c = t->conns; c; c = c->next)
        if (c->phase == MS_HTTP_HEAD && !c->used && now - c->since < FIRST_REQUEST)
            return true;
    return false;
}

static void drain(struct ms_transport *opaque, int64_t deadline)
{
    struct ms_http_instance *t = (void *)opaque;

    if (!atomic_exchange(&t->closing, true))
        take_backlog(t);
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
        pthread_cond_broadcast(&t->changed);
        pthread_mutex_unlock(&t->lock);
        pthread_join(t->reaper, NULL);
    }
    cut_off(t);
    for (int i = 0; i < t->n; i++)
        MHD_stop_daemon(t->daemon[i]);
    pthread_mutex_lock(&t->lock);
    while (atomic_load(&t->live) > 0)
        pthread_cond_wait(&t->changed, &t->lock);
    pthread_mutex_unlock(&t->lock);
    ms_free(t->daemon);
    ms_free(t->address);
    pthread_cond_destroy(&t->changed);
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
