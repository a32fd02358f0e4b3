/* SPDX-License-Identifier: Apache-2.0 */
/* test_relay.c - the front's thread with real sockets, before a server that the test plays. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "server/front.h"
#include "server/metrics.h"
#include "server/server.h"
#include "tests/server/suites.h"

static void init(union ms_guard_state *s, int64_t now)
{
    (void)s;
    (void)now;
}

static enum ms_guard client(union ms_guard_state *s, const uint8_t *p, size_t n, int64_t now,
                            size_t *good)
{
    (void)s;
    (void)p;
    (void)n;
    (void)now;
    (void)good;
    return MS_GUARD_OK;
}

static enum ms_guard server(union ms_guard_state *s, const uint8_t *p, size_t n, int64_t now)
{
    (void)s;
    (void)p;
    (void)n;
    (void)now;
    return MS_GUARD_OK;
}

static enum ms_guard late(const union ms_guard_state *s, int64_t now, int64_t limit)
{
    (void)s;
    (void)now;
    (void)limit;
    return MS_GUARD_OK;
}

static size_t last_words(const union ms_guard_state *s, enum ms_guard why, uint8_t out[512])
{
    (void)s;
    (void)why;
    (void)out;
    return 0;
}

static bool attach(void *owner, int fd, const struct sockaddr *peer, socklen_t len)
{
    (void)peer;
    (void)len;
    atomic_store((atomic_int *)owner, fd);
    return true;
}

static const struct ms_front_protocol plain = {
    .name = "http",
    .stats = 1,
    .init = init,
    .client = client,
    .server = server,
    .late = late,
    .last_words = last_words,
    .attach = attach,
};

struct scene {
    struct ms_server srv;
    struct ms_front *front;
    struct ms_busy_poll poll;
    struct sockaddr_in at;
    atomic_int attached; /* the server's end of the newest connection; -1: none */
};

static void begin(struct scene *s, const struct ms_front_protocol *protocol, void *owner)
{
    struct ms_server_opts o;
    struct ms_err err = {0};
    socklen_t len = sizeof s->at;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    ms_server_opts_init(&o);
    memset(s, 0, sizeof *s);
    atomic_store(&s->attached, -1);
    s->at.sin_family = AF_INET;
    s->at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    ck_assert_int_eq(bind(fd, (struct sockaddr *)&s->at, len), 0);
    ck_assert_int_eq(listen(fd, 8), 0);
    ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&s->at, &len), 0);
    ck_assert_int_eq(ms_server_init(&s->srv, &o, &err), MS_OK);
    ms_busy_poll_init(&s->poll, true);
    ck_assert_int_eq(ms_front_start(&s->srv, protocol, owner, &s->poll, &fd, 1, &s->front, &err),
                     MS_OK);
}

static void finish(struct scene *s)
{
    ms_front_stop(s->front);
    ms_server_done(&s->srv);
}

/* A client's socket; *behind: the server's end of the same connection. */
static int join(struct scene *s, int *behind)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int64_t end = ms_now() + 10 * MS_SEC;

    ck_assert_int_eq(connect(fd, (struct sockaddr *)&s->at, sizeof s->at), 0);
    while ((*behind = atomic_exchange(&s->attached, -1)) < 0 && ms_now() < end)
        usleep(1000);
    ck_assert_int_ge(*behind, 0);
    return fd;
}

static void until_closed(struct scene *s)
{
    int64_t end = ms_now() + 10 * MS_SEC;

    while (atomic_load(&s->srv.stats->connections[plain.stats]) > 0 && ms_now() < end)
        usleep(1000);
    ck_assert_int_eq(atomic_load(&s->srv.stats->connections[plain.stats]), 0);
}

static void echo(int from, int to)
{
    struct pollfd p = {.fd = to, .events = POLLIN};
    char got[6] = "";

    ck_assert_int_eq(send(from, "hello", 5, MSG_NOSIGNAL), 5);
    ck_assert_int_eq(poll(&p, 1, 10000), 1);
    ck_assert_int_eq(recv(to, got, 5, 0), 5);
    ck_assert_str_eq(got, "hello");
}

/* A child process between its birth and its exec has every socket open as well: when the front has
 * closed one, its last event is still to come, and must not reach a connection that was freed. */
START_TEST(sockets_open_in_a_child)
{
    struct scene s;
    int behind, go[2];
    char c = 0;

    begin(&s, &plain, &s.attached);
    int fd = join(&s, &behind);
    echo(fd, behind);
    ck_assert_int_eq(pipe(go), 0);
    pid_t child = fork();
    ck_assert_int_ge(child, 0);
    if (child == 0) {
        close(fd);
        close(go[1]);
        (void)!read(go[0], &c, 1);
        close(behind); /* the other end of the pair, which the front has closed, hears of it */
        (void)!read(go[0], &c, 1);
        _exit(0);
    }
    ck_assert_int_eq(shutdown(behind, SHUT_WR), 0);
    close(behind);
    ck_assert_int_eq(recv(fd, &c, 1, 0), 0);
    close(fd);
    until_closed(&s);
    for (int i = 0; i < 2; i++) { /* and has been freed: a round of the thread is over */
        fd = join(&s, &behind);
        echo(fd, behind);
        ck_assert_int_eq(write(go[1], "", 1), 1);
        usleep(20000);
        echo(behind, fd);
        close(behind);
        close(fd);
        until_closed(&s);
    }
    ck_assert_int_eq(waitpid(child, NULL, 0), child);
    close(go[0]);
    close(go[1]);
    finish(&s);
}
END_TEST

/* ---- a server that works on the front's thread ---- */

struct echo {
    int epoll, fd;
    pthread_t by;
};

static bool echo_attach(void *owner, int fd, const struct sockaddr *peer, socklen_t len)
{
    struct echo *e = owner;
    struct epoll_event all = {.events = EPOLLIN};

    (void)peer;
    (void)len;
    e->fd = fd;
    e->by = pthread_self();
    return epoll_ctl(e->epoll, EPOLL_CTL_ADD, fd, &all) == 0;
}

/* One byte at a time: the front has to come again. */
static bool echo_run(void *owner, int to_see)
{
    struct echo *e = owner;
    char c;

    (void)to_see;
    if (e->fd < 0 || recv(e->fd, &c, 1, MSG_DONTWAIT) != 1)
        return false;
    ck_assert(pthread_equal(e->by, pthread_self()));
    ck_assert_int_eq(send(e->fd, &c, 1, MSG_NOSIGNAL), 1);
    return true;
}

static int echo_fd(void *owner)
{
    return ((struct echo *)owner)->epoll;
}

static void echo_end(void *owner)
{
    struct echo *e = owner;

    (void)send(e->fd, "bye", 3, MSG_NOSIGNAL);
    close(e->fd);
    e->fd = -1;
}

START_TEST(server_on_the_fronts_thread)
{
    struct ms_front_protocol within = plain;
    struct echo e = {.epoll = epoll_create1(EPOLL_CLOEXEC), .fd = -1};
    struct scene s;
    char got[6] = "";

    within.attach = echo_attach;
    within.run = echo_run;
    within.run_fd = echo_fd;
    within.end = echo_end;
    begin(&s, &within, &e);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_eq(connect(fd, (struct sockaddr *)&s.at, sizeof s.at), 0);
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(send(fd, "hello", 5, MSG_NOSIGNAL), 5);
        ck_assert_int_eq(recv(fd, got, 5, MSG_WAITALL), 5);
        ck_assert_str_eq(got, "hello");
    }
    ms_front_stop(s.front); /* its last bytes still leave */
    ck_assert_int_eq(recv(fd, got, 6, MSG_WAITALL), 3);
    ck_assert_int_eq(memcmp(got, "bye", 3), 0);
    close(fd);
    close(e.epoll);
    ms_server_done(&s.srv);
}
END_TEST

/* ---- one whose other threads tell nobody what they have done ---- */

struct silent {
    int fd;
    atomic_int asked, most, done;
};

static bool silent_attach(void *owner, int fd, const struct sockaddr *peer, socklen_t len)
{
    (void)peer;
    (void)len;
    ((struct silent *)owner)->fd = fd;
    return true;
}

static bool silent_run(void *owner, int to_see)
{
    struct silent *e = owner;

    atomic_fetch_add(&e->asked, 1);
    if (to_see > atomic_load(&e->most))
        atomic_store(&e->most, to_see);
    if (atomic_exchange(&e->done, 0))
        ck_assert_int_eq(send(e->fd, "done", 4, MSG_NOSIGNAL), 4);
    return false;
}

START_TEST(asked_soon_and_then_seldom)
{
    struct ms_front_protocol within = plain;
    struct silent e = {.fd = -1};
    struct scene s;
    char got[4];

    within.attach = silent_attach;
    within.run = silent_run;
    begin(&s, &within, &e);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_eq(connect(fd, (struct sockaddr *)&s.at, sizeof s.at), 0);
    for (int i = 0; i < 20; i++) {
        int64_t before = ms_now();
        ck_assert_int_eq(send(fd, "work", 4, MSG_NOSIGNAL), 4);
        usleep(3000);
        atomic_store(&e.done, 1);
        ck_assert_int_eq(recv(fd, got, 4, MSG_WAITALL), 4);
        ck_assert_int_lt(ms_now() - before, 500 * MS_MS);
    }
    ck_assert_int_ge(atomic_load(&e.most), 1);
    usleep(200000);
    int asked = atomic_load(&e.asked);
    usleep(500000);
    ck_assert_int_le(atomic_load(&e.asked) - asked, 3);
    ms_front_stop(s.front);
    close(fd);
    close(e.fd);
    ms_server_done(&s.srv);
}
END_TEST

Suite *suite_relay(void)
{
    Suite *s = suite_create("relay");
    TCase *t = tcase_create("relay");

    tcase_set_timeout(t, 60);
    tcase_add_test(t, sockets_open_in_a_child);
    tcase_add_test(t, server_on_the_fronts_thread);
    tcase_add_test(t, asked_soon_and_then_seldom);
    suite_add_tcase(s, t);
    return s;
}
