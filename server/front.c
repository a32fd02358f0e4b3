/* SPDX-License-Identifier: Apache-2.0 */
/* front.c - the accept loop and its thread: limits, connections, deadlines, the end.
 *
 * A wake-up costs more than everything else on a request's way, so sockets are registered edge
 * triggered and the server's end (a unix socket, which tells of room after every read) only says
 * that it is writable while something waits for it. */
#include <linux/filter.h>

#include "server/front.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/log.h"
#include "base/map.h"
#include "base/mem.h"
#include "server/metrics.h"
#include "server/relay.h"

enum { EVENTS = 64, LISTENERS = 4, BUCKETS = 1024, ACCEPTS_A_ROUND = 64, NUDGES = 10 };
enum { LONG_SILENCE = 1000 }; /* ms */
#define WHOLE (1 * MS_MS)
#define LAST_BYTES (1 * MS_SEC)
#define LEAVE_WITHIN (1 * MS_SEC) /* of a drain, for peers that wait for nothing */
#define NUDGE_AFTER (20 * MS_MS)

enum order { SERVE, QUIESCE, STOP };
enum { LISTENING, ORDERS, BEHIND }; /* who an event is from, if not a connection's address */

struct ms_front {
    struct ms_server *srv;
    const struct ms_front_protocol *protocol;
    void *owner;
    struct ms_busy_poll *poll;
    int epoll, wake, listening[LISTENERS], n_listening;
    pthread_t thread;
    bool has_thread;
    pthread_mutex_t lock; /* order and quiet */
    pthread_cond_t changed;
    enum order order;
    bool quiet;        /* no longer accepts */
    atomic_bool woken; /* for the server, and not yet seen */

    /* of the thread */
    struct ms_relay *all, *turns, *dead;
    struct ms_relay *bucket[BUCKETS];
    int n;
    int64_t next_look, until, quiet_since; /* ns; 0: not yet */
    bool crowd;                            /* more connections wait to be accepted */
    bool hurry;                            /* some connection has to be nudged */
    bool fed;                              /* the server has something to do */
    bool ended;                            /* it was stopped */
    int touched;                           /* pairs, since its last turn */
    int churn;                             /* connections come and gone since... */
    int64_t whole;                         /* ... it last looked at all; ns */
    int silence; /* ms: how long to wait for events before it is asked unasked */
    uint8_t *buffer;
    uint64_t moved; /* bytes, in all */
    struct epoll_event event[EVENTS];
    int n_event;
};

/* ---- addresses ---- */

void ms_sockaddr_text(const struct sockaddr *sa, char out[80])
{
    char host[INET6_ADDRSTRLEN] = "";

    *out = '\0';
    if (sa->sa_family == AF_INET) {
        const struct sockaddr_in *in = (const void *)sa;
        inet_ntop(AF_INET, &in->sin_addr, host, sizeof host);
        snprintf(out, 80, "%s:%u", host, ntohs(in->sin_port));
    } else if (sa->sa_family == AF_INET6) {
        const struct sockaddr_in6 *in = (const void *)sa;
        inet_ntop(AF_INET6, &in->sin6_addr, host, sizeof host);
        snprintf(out, 80, "[%s]:%u", host, ntohs(in->sin6_port));
    }
}

/* One form for both families: IPv4 as ::ffff:a.b.c.d. */
static const uint8_t mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

static void remember_address(struct ms_relay *r, const struct sockaddr *sa)
{
    if (sa->sa_family == AF_INET) {
        memcpy(r->address, mapped, 12);
        memcpy(r->address + 12, &((const struct sockaddr_in *)(const void *)sa)->sin_addr, 4);
        r->port = ntohs(((const struct sockaddr_in *)(const void *)sa)->sin_port);
    } else if (sa->sa_family == AF_INET6) {
        memcpy(r->address, &((const struct sockaddr_in6 *)(const void *)sa)->sin6_addr, 16);
        r->port = ntohs(((const struct sockaddr_in6 *)(const void *)sa)->sin6_port);
    } else {
        r->local = true;
    }
}

static struct ms_relay **bucket_of(struct ms_front *f, const struct ms_relay *r)
{
    return &f->bucket[ms_hash(r->address, sizeof r->address) % BUCKETS];
}

static int of_address(struct ms_front *f, const struct ms_relay *r)
{
    int n = 0;

    for (const struct ms_relay *o = *bucket_of(f, r); o; o = o->same)
        n += memcmp(o->address, r->address, sizeof r->address) == 0;
    return n;
}

/* ---- telling ---- */

static void tell(struct ms_front *f, const struct ms_relay *r, enum ms_guard why)
{
    char host[INET6_ADDRSTRLEN] = "";

    atomic_fetch_add_explicit(&f->srv->stats->guard[f->protocol->stats][why], 1,
                              memory_order_relaxed);
    if (r->local)
        snprintf(host, sizeof host, "unix");
    else if (memcmp(r->address, mapped, sizeof mapped) == 0)
        inet_ntop(AF_INET, r->address + sizeof mapped, host, sizeof host);
    else
        inet_ntop(AF_INET6, r->address, host, sizeof host);
    ms_log(MS_LOG_WARN, "guard",
           ms_log_fields(MS_LOG_TEXT("protocol", f->protocol->name), MS_LOG_TEXT("peer", host),
                         MS_LOG_NUM("port", r->port),
                         MS_LOG_TEXT("reason", ms_guard_reasons[why].label)),
           "closed a connection: %s", ms_guard_reasons[why].text);
}

/* ---- connections ---- */

static void close_one(struct ms_front *f, struct ms_relay *r)
{
    struct ms_relay **at = bucket_of(f, r);

    if (r->dead)
        return;
    r->dead = true;
    f->fed = true; /* the server's end hangs up */
    f->churn++;
    for (int i = 0; i < 2; i++) {
        ms_relay_close(r, &r->side[i]);
        ms_free(r->side[i].held);
    }
    while (*at != r)
        at = &(*at)->same;
    *at = r->same;
    if (r->prev)
        r->prev->next = r->next;
    else
        f->all = r->next;
    if (r->next)
        r->next->prev = r->prev;
    r->next = f->dead; /* events of this round may still name it */
    f->dead = r;
    atomic_store(&f->srv->stats->connections[f->protocol->stats], --f->n);
}

/* Counted before the peer can know. */
static void refuse(struct ms_front *f, struct ms_relay *r, enum ms_guard why, int64_t now)
{
    tell(f, r, why);
    ms_relay_refuse(r, why, now);
}

static void turn(struct ms_front *f, struct ms_relay *r, int64_t now)
{
    struct ms_relay_side *server = &r->side[MS_SERVER_SIDE];
    enum ms_guard why = MS_GUARD_OK;
    enum ms_relay_end end = ms_relay_turn(r, f->buffer, now, &why);

    f->touched++;
    if (end == MS_RELAY_REFUSED) {
        refuse(f, r, why, now);
        end = ms_relay_turn(r, f->buffer, now, &why);
    }
    f->fed |= r->fed;
    r->fed = false;
    f->moved += r->moved;
    r->moved = 0;
    if (end == MS_RELAY_OVER) {
        close_one(f, r);
        return;
    }
    if (server->shut && !server->ended && r->nudges < NUDGES && !f->hurry) {
        f->hurry = true;
        f->next_look = now + NUDGE_AFTER;
    }
    bool wait = server->fd >= 0 && server->n_held;
    if (wait != server->waits && server->fd >= 0) {
        struct epoll_event e = {.events = EPOLLIN | EPOLLRDHUP | EPOLLET | (wait ? EPOLLOUT : 0u),
                                .data.u64 = (uintptr_t)r | MS_SERVER_SIDE};
        (void)epoll_ctl(f->epoll, EPOLL_CTL_MOD, server->fd, &e);
        server->waits = wait;
    }
    if (end == MS_RELAY_MORE && !r->queued) {
        r->queued = true;
        r->turn = f->turns;
        f->turns = r;
    }
}

static bool watch(struct ms_front *f, struct ms_relay *r)
{
    for (unsigned i = 0; i < 2; i++) {
        struct epoll_event e = {.events = EPOLLIN | EPOLLRDHUP | EPOLLET |
                                          (i == MS_CLIENT ? EPOLLOUT : 0u),
                                .data.u64 = (uintptr_t)r | i};
        if (epoll_ctl(f->epoll, EPOLL_CTL_ADD, r->side[i].fd, &e) != 0)
            return false;
        r->side[i].writable = true;
    }
    return true;
}

static enum ms_guard limits(struct ms_front *f, const struct ms_relay *r)
{
    const struct ms_server_opts *o = &f->srv->opts;

    if (r->local) /* the way in when all others are taken */
        return MS_GUARD_OK;
    if (f->n >= o->max_connections)
        return MS_GUARD_CONNECTIONS;
    return of_address(f, r) >= o->max_per_address ? MS_GUARD_ADDRESS : MS_GUARD_OK;
}

/* By itself, for race detectors: they do not see the libraries close the other end's number. */
static bool new_pair(int pair[2])
{
    return socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair) == 0;
}

/* Pairs the connection with the server behind. Takes fd. */
static void join(struct ms_front *f, int fd, const struct sockaddr *sa, socklen_t len)
{
    unsigned stall = (unsigned)(f->srv->opts.stall_timeout / MS_MS);
    struct ms_relay *r = ms_calloc(1, sizeof *r);
    int pair[2] = {-1, -1};
    enum ms_guard why = MS_GUARD_MEMORY;

    if (!r) {
        close(fd);
        return;
    }
    remember_address(r, sa);
    r->protocol = f->protocol;
    r->epoll = f->epoll;
    r->side[MS_CLIENT].fd = fd;
    r->side[MS_SERVER_SIDE].fd = -1;
    f->protocol->init(&r->guard, ms_now());
    r->next = f->all;
    if (r->next)
        r->next->prev = r;
    why = limits(f, r);
    f->all = r;
    r->same = *bucket_of(f, r);
    *bucket_of(f, r) = r;
    f->n++;
    if (why == MS_GUARD_OK) {
        /* What the peer does not take is also held by the kernel, which watches for progress. */
        (void)setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &stall, sizeof stall);
        why = MS_GUARD_MEMORY;
        if (new_pair(pair)) {
            r->side[MS_SERVER_SIDE].fd = pair[0];
            if (watch(f, r) && f->protocol->attach(f->owner, pair[1], sa, len)) {
                atomic_store(&f->srv->stats->connections[f->protocol->stats], f->n);
                f->fed = true;
                f->churn++;
                return;
            }
        }
    }
    tell(f, r, why);
    close_one(f, r);
}

/* ---- accepting ---- */

static bool accept_one(struct ms_front *f, int listening)
{
    struct sockaddr_storage sa;
    socklen_t len = sizeof sa;
    int fd = accept4(listening, (struct sockaddr *)&sa, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);

    if (fd < 0)
        return errno == EINTR || errno == ECONNABORTED;
    join(f, fd, (struct sockaddr *)&sa, len);
    return true;
}

/* From here on the kernel takes no new connection on a listening socket: a filter drops what
 * arrives (the caller's next attempt, a second later, is refused). Without it one could slip in
 * between the last accept and the close. An old kernel's refusal leaves just that gap. */
static void refuse_new(int listening)
{
    struct sock_filter drop = BPF_STMT(BPF_RET | BPF_K, 0);
    struct sock_fprog all = {.len = 1, .filter = &drop};

    (void)setsockopt(listening, SOL_SOCKET, SO_ATTACH_FILTER, &all, sizeof all);
}

/* Connections that the kernel has taken but nobody has accepted would be reset with their listening
 * socket: they are served too. */
static void quiesce(struct ms_front *f)
{
    while (f->n_listening > 0) {
        int fd = f->listening[--f->n_listening];
        refuse_new(fd);
        while (accept_one(f, fd))
            ;
        close(fd);
    }
}

/* ---- the thread ---- */

/* libmicrohttpd does not see an end that came together with the last bytes: it has had that edge
 * and waits for another. Telling it once more makes one. */
static void nudge(struct ms_front *f, struct ms_relay *r)
{
    struct ms_relay_side *server = &r->side[MS_SERVER_SIDE];

    if (server->fd < 0 || !server->shut || server->ended)
        return;
    (void)shutdown(server->fd, SHUT_WR);
    f->fed = true;
    if (++r->nudges < NUDGES)
        f->hurry = true;
}

/* Deadlines of all connections; called a few times a second. */
static void look(struct ms_front *f, int64_t now)
{
    const struct ms_server_opts *o = &f->srv->opts;
    struct ms_relay *next;

    f->hurry = false;
    for (struct ms_relay *r = f->all; r; r = next) {
        int64_t stuck = r->side[MS_CLIENT].stuck;
        next = r->next;
        nudge(f, r);
        enum ms_guard why = f->protocol->late(&r->guard, now, o->header_timeout);
        if (r->refused) {
            if (now > r->linger)
                close_one(f, r);
        } else if (stuck && now - stuck > o->stall_timeout) {
            tell(f, r, MS_GUARD_STALL);
            close_one(f, r);
        } else if (f->quiet_since && now - f->quiet_since > LEAVE_WITHIN && f->protocol->idle &&
                   f->protocol->idle(&r->guard)) {
            close_one(f, r);
        } else if (why != MS_GUARD_OK) {
            refuse(f, r, why, now);
        }
    }
}

static int64_t look_every(const struct ms_front *f)
{
    const struct ms_server_opts *o = &f->srv->opts;
    int64_t least = o->stall_timeout < o->header_timeout ? o->stall_timeout : o->header_timeout;

    return least / 4 < 10 * MS_MS ? 10 * MS_MS : least / 4 < MS_SEC ? least / 4 : MS_SEC;
}

/* A listener may be readable and yet not give (descriptors are out): level triggered, it would
 * spin; edge triggered, it is asked again with the next look. */
static void accept_some(struct ms_front *f)
{
    f->crowd = false;
    for (int i = 0; i < f->n_listening; i++) {
        int k = 0;
        while (k < ACCEPTS_A_ROUND && accept_one(f, f->listening[i]))
            k++;
        f->crowd = f->crowd || k == ACCEPTS_A_ROUND;
    }
}

static void event(struct ms_front *f, const struct epoll_event *e, int64_t now)
{
    struct ms_relay *r = (struct ms_relay *)(uintptr_t)(e->data.u64 & ~(uint64_t)1);
    struct ms_relay_side *side = &r->side[e->data.u64 & 1];

    if (r->dead)
        return;
    if (e->events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR))
        side->hung_up = true;
    if (e->events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR))
        side->readable = true;
    if (e->events & (EPOLLOUT | EPOLLHUP | EPOLLERR))
        side->writable = true;
    turn(f, r, now);
}

static void take_turns(struct ms_front *f, int64_t now)
{
    struct ms_relay *r = f->turns, *next;

    f->turns = NULL;
    for (; r; r = next) {
        next = r->turn;
        r->queued = false;
        if (!r->dead)
            turn(f, r, now);
    }
}

static void bury(struct ms_front *f)
{
    struct ms_relay *r = f->dead, *next, **at = &f->dead;

    *at = NULL;
    for (; r; r = next) {
        next = r->next;
        if (r->queued) { /* still named by the list of turns */
            r->next = f->dead;
            f->dead = r;
        } else {
            ms_free(r);
        }
    }
}

/* The descriptor behind is edge triggered, and so need not be read. */
static enum order orders(struct ms_front *f, int64_t now)
{
    f->fed |= atomic_exchange(&f->woken, false);
    pthread_mutex_lock(&f->lock);
    enum order o = f->order;
    pthread_mutex_unlock(&f->lock);
    if (o == SERVE)
        return o;
    quiesce(f);
    if (!f->quiet_since)
        f->quiet_since = now;
    if (o == STOP && !f->until)
        f->until = now + LAST_BYTES;
    pthread_mutex_lock(&f->lock);
    f->quiet = true;
    pthread_cond_broadcast(&f->changed);
    pthread_mutex_unlock(&f->lock);
    return o;
}

/* What a server with no descriptor to tell has to look at. It makes work for itself, too, above all
 * when connections end; so now and then that is everything. */
static int to_look_at(struct ms_front *f, int64_t now)
{
    int n = f->touched;

    f->touched = 0;
    if (now - f->whole < WHOLE)
        return n;
    n += 2 * (f->n + f->churn);
    f->churn = 0;
    f->whole = now;
    return n;
}

/* The server's turn, after everything that has come was handed to it: it sees a crowd as one. */
static void run_server(struct ms_front *f, enum order order, int64_t now)
{
    if (order == STOP && !f->ended) {
        f->ended = true;
        if (f->protocol->run_fd)
            (void)epoll_ctl(f->epoll, EPOLL_CTL_DEL, f->protocol->run_fd(f->owner), NULL);
        if (f->protocol->end)
            f->protocol->end(f->owner);
    } else if (f->protocol->run && f->fed && !f->ended) {
        f->fed = f->protocol->run(f->owner, to_look_at(f, now));
    }
}

static int wait_for(const struct ms_front *f, enum order order, int64_t every)
{
    if (f->turns || f->crowd || (f->fed && f->protocol->run && !f->ended))
        return 0;
    int64_t most = order == STOP || f->hurry ? 20 * MS_MS : every;
    most = most < every ? most : every;
    return (int)(most / MS_MS < f->silence ? most / MS_MS : f->silence);
}

/* Whoever leaves something for a server whose descriptors say nothing does so while bytes flow, or
 * soon after. */
static void ask_unasked(struct ms_front *f)
{
    if (!f->protocol->run || f->protocol->run_fd)
        return;
    f->silence = f->n_event > 0 ? 1 : f->silence < LONG_SILENCE ? 2 * f->silence : LONG_SILENCE;
    f->fed = true;
}

static _Thread_local long lone = -1;

long ms_front_lone(void)
{
    return lone;
}

/* A peer that waits for each answer shows up alone, also where the thread had no time to wait for
 * it; what came beside others, or before an answer has left, is a crowd. */
static void count_lone(const struct ms_front *f)
{
    int asked = 0, answered = 0;

    for (int i = 0; i < f->n_event; i++)
        if (f->event[i].data.u64 > BEHIND) {
            const bool client = (f->event[i].data.u64 & 1) == MS_CLIENT;
            asked += client && (f->event[i].events & EPOLLIN);
            answered += !client;
        }
    lone += asked == 1 && answered == 0;
}

static bool look_once(void *arg)
{
    struct ms_front *f = arg;

    return (f->n_event = epoll_wait(f->epoll, f->event, EVENTS, 0)) != 0;
}

static void wait_events(struct ms_front *f, int ms)
{
    if (ms == 0 || !ms_busy_poll(f->poll, look_once, f))
        f->n_event = epoll_wait(f->epoll, f->event, EVENTS, ms);
}

static void *serve(void *arg)
{
    struct ms_front *f = arg;
    int64_t every = look_every(f);
    enum order order = SERVE;

    lone = 0;
    while (order != STOP || (f->all && ms_now() < f->until)) {
        wait_events(f, wait_for(f, order, every));
        ask_unasked(f);
        count_lone(f);
        int64_t now = ms_now();
        for (int i = 0; i < f->n_event; i++) {
            const struct epoll_event *e = &f->event[i];
            if (e->data.u64 == LISTENING)
                accept_some(f);
            else if (e->data.u64 == ORDERS)
                order = orders(f, now);
            else if (e->data.u64 == BEHIND)
                f->fed = true;
            else
                event(f, e, now);
        }
        take_turns(f, now);
        if (f->crowd)
            accept_some(f);
        if (now >= f->next_look) {
            accept_some(f);
            look(f, now);
            f->fed = true; /* the server has deadlines too */
            f->next_look = now + (f->hurry ? NUDGE_AFTER : every);
        }
        run_server(f, order, now);
        bury(f);
        ms_busy_poll_turn(f->poll, now, f->moved);
    }
    return NULL;
}

/* ---- start and stop ---- */

static ms_code prepare(struct ms_front *f, struct ms_err *err)
{
    struct epoll_event e = {.events = EPOLLIN | EPOLLET, .data.u64 = LISTENING};
    struct epoll_event behind = {.events = EPOLLIN, .data.u64 = BEHIND};

    f->buffer = ms_malloc(MS_RELAY_BUFFER);
    if (!f->buffer)
        return ms_fail_oom(err, "front", MS_RELAY_BUFFER);
    f->epoll = epoll_create1(EPOLL_CLOEXEC);
    f->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    bool ok = f->epoll >= 0 && f->wake >= 0;
    for (int i = 0; ok && i < f->n_listening; i++)
        ok = epoll_ctl(f->epoll, EPOLL_CTL_ADD, f->listening[i], &e) == 0;
    e.data.u64 = ORDERS;
    ok = ok && epoll_ctl(f->epoll, EPOLL_CTL_ADD, f->wake, &e) == 0;
    if (f->protocol->run_fd)
        ok = ok && epoll_ctl(f->epoll, EPOLL_CTL_ADD, f->protocol->run_fd(f->owner), &behind) == 0;
    f->has_thread = ok && pthread_create(&f->thread, NULL, serve, f) == 0;
    if (f->has_thread)
        pthread_setname_np(f->thread, "ms-front");
    return f->has_thread ? MS_OK
                         : ms_fail(err, MS_UNAVAILABLE, "cannot start the thread of a listener");
}

ms_code ms_front_start(struct ms_server *srv, const struct ms_front_protocol *protocol, void *owner,
                       struct ms_busy_poll *poll, const int *listening, int n,
                       struct ms_front **out, struct ms_err *err)
{
    struct ms_front *f = ms_calloc(1, sizeof *f);

    *out = NULL;
    if (!f || n > LISTENERS) {
        for (int i = 0; i < n; i++)
            close(listening[i]);
        ms_free(f);
        return ms_fail(err, MS_UNAVAILABLE, "%s: cannot serve %d addresses", protocol->name, n);
    }
    f->srv = srv;
    f->protocol = protocol;
    f->owner = owner;
    f->poll = poll;
    f->epoll = f->wake = -1;
    f->silence = LONG_SILENCE;
    memcpy(f->listening, listening, (size_t)n * sizeof *listening);
    f->n_listening = n;
    pthread_mutex_init(&f->lock, NULL);
    pthread_cond_init(&f->changed, NULL);
    *out = f;
    ms_code code = prepare(f, err);
    if (code == MS_OK)
        return MS_OK;
    *out = NULL;
    ms_front_stop(f);
    return code;
}

static void ring(struct ms_front *f)
{
    const uint64_t one = 1;

    (void)!write(f->wake, &one, sizeof one);
}

static void command(struct ms_front *f, enum order order)
{
    pthread_mutex_lock(&f->lock);
    if (order > f->order)
        f->order = order;
    pthread_mutex_unlock(&f->lock);
    ring(f);
}

void ms_front_wake(struct ms_front *f)
{
    if (!atomic_exchange(&f->woken, true))
        ring(f);
}

void ms_front_quiesce(struct ms_front *f)
{
    command(f, QUIESCE);
    pthread_mutex_lock(&f->lock);
    while (!f->quiet)
        pthread_cond_wait(&f->changed, &f->lock);
    pthread_mutex_unlock(&f->lock);
}

void ms_front_stop(struct ms_front *f)
{
    if (!f)
        return;
    if (f->has_thread) {
        command(f, STOP);
        pthread_join(f->thread, NULL);
    }
    while (f->all)
        close_one(f, f->all);
    while (f->n_listening > 0)
        close(f->listening[--f->n_listening]);
    f->turns = NULL;
    for (struct ms_relay *r = f->dead, *next; r; r = next) {
        next = r->next;
        ms_free(r);
    }
    if (f->epoll >= 0)
        close(f->epoll);
    if (f->wake >= 0)
        close(f->wake);
    ms_free(f->buffer);
    pthread_cond_destroy(&f->changed);
    pthread_mutex_destroy(&f->lock);
    ms_free(f);
}
