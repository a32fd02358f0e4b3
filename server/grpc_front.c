/* SPDX-License-Identifier: Apache-2.0 */
/* grpc_front.c - gRPC's listeners behind the front: sockets for gRPC core, and who is behind
 * one.
 *
 * A channel made of a descriptor has the server's arguments, but the library names its peer "fd:N".
 * So each descriptor gets a number of its own choosing, the lowest free one behind the last, and a
 * table keeps the peer of each number. A number comes again only when thousands of connections have
 * come after it: no call of the connection that had it before is left to be mistaken. */
#include "server/grpc_call.h"

#include <fcntl.h>
#include <grpc/grpc_posix.h>
#include <grpc/grpc_security.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/mem.h"
#include "server/authz.h"
#include "server/front.h"
#include "server/listen.h"

enum { NUMBERS = 16384, LISTENERS = 4, KNOWN = 64 };

struct ms_grpc_front {
    struct ms_front *front;
    int listening[LISTENERS], n_listening;
    grpc_server_credentials *creds;
    pthread_mutex_t lock; /* peer, known */
    int first, count;     /* numbers of descriptors */
    int next;             /* where to look for the next one */
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
    } peer[NUMBERS];
    /* Of those who ask now: every call wants to know. */
    struct {
        int number; /* 0: none */
        struct ms_peer peer;
    } known[KNOWN];
};

/* ---- numbers ---- */

/* The upper half of what the process may open, at most NUMBERS. */
static void choose_numbers(struct ms_grpc_front *f)
{
    struct rlimit r;
    int limit = 1024;

    if (getrlimit(RLIMIT_NOFILE, &r) == 0)
        limit = r.rlim_cur > 1 << 20 ? 1 << 20 : (int)r.rlim_cur;
    f->count = limit / 2 < NUMBERS ? limit / 2 : NUMBERS;
    f->first = f->next = limit / 2 < NUMBERS ? limit / 2 : NUMBERS;
}

/* Takes fd; -1 when all numbers are in use. */
static int renumber(struct ms_grpc_front *f, int fd)
{
    int n = fcntl(fd, F_DUPFD_CLOEXEC, f->next);

    if (n < 0 || n >= f->first + f->count) {
        if (n >= 0)
            close(n);
        n = fcntl(fd, F_DUPFD_CLOEXEC, f->first);
    }
    close(fd);
    if (n >= f->first + f->count) {
        close(n);
        return -1;
    }
    f->next = n + 1 < f->first + f->count ? n + 1 : f->first;
    return n;
}

static bool attach(void *owner, int fd, const struct sockaddr *sa, socklen_t len)
{
    struct ms_grpc_instance *t = owner;
    struct ms_grpc_front *f = t->front;
    int n = renumber(f, fd);

    if (n < 0)
        return false;
    if (len > sizeof f->peer[0]) /* the path of a unix socket: nobody asks */
        len = sizeof f->peer[0];
    pthread_mutex_lock(&f->lock);
    memcpy(&f->peer[n - f->first], sa, len);
    if (f->known[n % KNOWN].number == n)
        f->known[n % KNOWN].number = 0;
    pthread_mutex_unlock(&f->lock);
    grpc_server_add_channel_from_fd(t->server, n, f->creds);
    return true;
}

/* With the lock held. */
static void know(struct ms_grpc_front *f, int n, bool insecure)
{
    const struct sockaddr *sa = &f->peer[n - f->first].any;
    char text[80] = "unix:";

    if (sa->sa_family != AF_UNIX)
        ms_sockaddr_text(sa, text);
    f->known[n % KNOWN].number = n;
    ms_peer_init(&f->known[n % KNOWN].peer, text, insecure);
}

void ms_grpc_peer(struct ms_grpc_instance *t, const char *name, struct ms_peer *out)
{
    struct ms_grpc_front *f = t->front;
    uint64_t n;

    if (strncmp(name, "fd:", 3) != 0 || !ms_parse_u64(name + 3, strlen(name + 3), INT32_MAX, &n) ||
        (int)n < f->first || (int)n >= f->first + f->count) {
        ms_peer_init(out, "", t->srv->opts.insecure);
        return;
    }
    pthread_mutex_lock(&f->lock);
    if (f->known[n % KNOWN].number != (int)n)
        know(f, (int)n, t->srv->opts.insecure);
    *out = f->known[n % KNOWN].peer;
    pthread_mutex_unlock(&f->lock);
}

/* ---- the guard ---- */

static void init(union ms_guard_state *s, int64_t now)
{
    ms_h2_init(&s->h2, now);
}

static enum ms_guard client(union ms_guard_state *s, const uint8_t *p, size_t n, int64_t now,
                            size_t *good)
{
    *good = 0;
    return ms_h2_client(&s->h2, p, n, now);
}

static enum ms_guard server(union ms_guard_state *s, const uint8_t *p, size_t n, int64_t now)
{
    return ms_h2_server(&s->h2, p, n, now);
}

static enum ms_guard late(const union ms_guard_state *s, int64_t now, int64_t limit)
{
    return ms_h2_late(&s->h2, now, limit);
}

/* gRPC core waits long for an idle peer to say that it has heard of the end. */
static bool idle(const union ms_guard_state *s)
{
    return s->h2.n_open == 0;
}

static size_t last_words(const union ms_guard_state *s, enum ms_guard why, uint8_t out[512])
{
    return ms_h2_last_words(&s->h2, why, out);
}

static bool run(void *owner, int to_see)
{
    return ms_grpc_run(owner, to_see);
}

#define PROTOCOL                                                                                   \
    .name = "grpc", .stats = 0, .init = init, .client = client, .server = server, .late = late,    \
    .idle = idle, .last_words = last_words, .attach = attach

static const struct ms_front_protocol beside = {PROTOCOL};
static const struct ms_front_protocol within = {PROTOCOL, .run = run};

/* ---- start and stop ---- */

ms_code ms_grpc_front_bind(struct ms_grpc_instance *t, const char *addr, char bound[128],
                           struct ms_err *err)
{
    struct ms_grpc_front *f = t->front;

    if (!f) {
        f = t->front = ms_calloc(1, sizeof *f);
        if (!f)
            return ms_fail_oom(err, "grpc", sizeof *f);
        pthread_mutex_init(&f->lock, NULL);
        f->creds = grpc_insecure_server_credentials_create();
        choose_numbers(f);
    }
    if (f->n_listening == LISTENERS)
        return ms_fail(err, MS_INVALID_ARGUMENT, "grpc: more than %d addresses", LISTENERS);
    int *fd = &f->listening[f->n_listening];
    if ((strncmp(addr, "unix:", 5) == 0
             ? ms_listen_unix(addr, fd, bound, err)
             : ms_listen_tcp(addr, t->srv->opts.insecure, fd, bound, err)) != MS_OK)
        return ms_err_prefix(err, "grpc");
    f->n_listening++;
    return MS_OK;
}

ms_code ms_grpc_front_start(struct ms_grpc_instance *t, struct ms_err *err)
{
    struct ms_grpc_front *f = t->front;
    int n = f ? f->n_listening : 0;

    if (!n)
        return MS_OK;
    f->n_listening = 0;
    return ms_front_start(t->srv, t->within ? &within : &beside, t, &t->poll, f->listening, n,
                          &f->front, err);
}

bool ms_grpc_front_wake(struct ms_grpc_instance *t)
{
    if (!t->front || !t->front->front)
        return false;
    ms_front_wake(t->front->front);
    return true;
}

void ms_grpc_front_quiesce(struct ms_grpc_instance *t)
{
    if (t->front && t->front->front)
        ms_front_quiesce(t->front->front);
}

void ms_grpc_front_stop(struct ms_grpc_instance *t)
{
    struct ms_grpc_front *f = t->front;

    if (!f)
        return;
    t->front = NULL;
    ms_front_stop(f->front);
    while (f->n_listening > 0)
        close(f->listening[--f->n_listening]);
    grpc_server_credentials_release(f->creds);
    pthread_mutex_destroy(&f->lock);
    ms_free(f);
}
