/* SPDX-License-Identifier: Apache-2.0 */
/* test_front.c - routing, peers and roles, admission, base64. */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base64.h"
#include "server/server.h"
#include "server/transport.h"
#include "tests/server/suites.h"

static const char *none(struct ms_call *c, const char *name)
{
    (void)c;
    (void)name;
    return NULL;
}

static const struct ms_call_ops ops = {.protocol = "test", .header = none};

static ms_code route(struct ms_server *srv, struct ms_call *c, const char *verb, const char *path)
{
    const char *allow = NULL;

    memset(c, 0, sizeof *c);
    ms_call_init(c, srv, &ops, MS_WIRE_JSON);
    return ms_route_rest(c, verb, ms_bytes(path, strlen(path)), &allow);
}

START_TEST(routes)
{
    static const struct {
        const char *verb, *path, *grpc, *name;
    } found[] = {
        {"GET", "/v2", "ServerMetadata", ""},
        {"GET", "/v2/models/stats", "ModelStatistics", ""},
        {"GET", "/v2/models/stats/ready", "ModelReady", "stats"},
        {"GET", "/v2/models/a%20b", "ModelMetadata", "a b"},
        {"GET", "/v2/models/m/versions/3/stats", "ModelStatistics", "m"},
        {"POST", "/v2/repository/index", "RepositoryIndex", ""},
        {"POST", "/v2/repository/any/index", "RepositoryIndex", ""},
    };
    static const struct {
        const char *verb, *path;
        ms_code code;
    } refused[] = {
        {"GET", "", MS_INVALID_ARGUMENT},
        {"GET", "v2", MS_INVALID_ARGUMENT},
        {"GET", "/v2/", MS_NOT_FOUND},
        {"GET", "/v2/models/", MS_NOT_FOUND},
        {"GET", "/v2/models/a%2Fb", MS_INVALID_ARGUMENT},
        {"GET", "/v2/models/%00", MS_INVALID_ARGUMENT},
        {"GET", "/v2/models/%", MS_INVALID_ARGUMENT},
        {"GET", "/v2/models/%4", MS_INVALID_ARGUMENT},
        {"GET", "/v2/models/%4g", MS_INVALID_ARGUMENT},
        {"GET", "/v2/models/%c3", MS_INVALID_ARGUMENT},
        {"GET", "/v2/models/a b", MS_INVALID_ARGUMENT},
        {"PUT", "/v2", MS_INVALID_ARGUMENT},
        {"get", "/v2", MS_INVALID_ARGUMENT},
        {"GET", "/a/b/c/d/e/f/g/h/i/j/k/l/m/n", MS_NOT_FOUND},
    };
    struct ms_server srv;
    struct ms_server_opts o;
    struct ms_err err;
    struct ms_call c;

    ms_server_opts_init(&o);
    ck_assert_int_eq(ms_server_init(&srv, &o, &err), MS_OK);
    for (size_t i = 0; i < sizeof found / sizeof *found; i++) {
        ck_assert_msg(route(&srv, &c, found[i].verb, found[i].path) == MS_OK, "%s", found[i].path);
        ck_assert_msg(strstr(c.rpc->grpc, found[i].grpc), "%s: %s", found[i].path, c.rpc->grpc);
        ck_assert_str_eq(ms_call_param(&c, "name"), found[i].name);
        ms_arena_done(&c.arena);
    }
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        ck_assert_msg(route(&srv, &c, refused[i].verb, refused[i].path) == refused[i].code,
                      "%s %s: %s", refused[i].verb, refused[i].path, c.err.text);
        ms_arena_done(&c.arena);
    }
    for (int i = 0; ms_rpcs[i]; i++) /* every record can be reached and says who may use it */
        ck_assert(ms_rpcs[i]->help && ms_rpcs[i]->handle &&
                  (ms_rpcs[i]->grpc || ms_rpcs[i]->rest[0]));
    ms_server_done(&srv);
}
END_TEST

START_TEST(peers)
{
    static const struct {
        const char *text, *addr;
        bool local;
    } cases[] = {
        {"ipv4:127.0.0.1:4711", "127.0.0.1", true},
        {"ipv6:%5B::1%5D:4711", "[::1]", true},
        {"ipv6:[::1]:1", "[::1]", true},
        {"unix:/run/x.sock", "unix", true},
        {"unix:", "unix", true},
        {"ipv4:10.0.0.1:1", "10.0.0.1", false},
        {"ipv6:[::1:2]:1", "[::1:2]", false},
        {"", "", false},
        {"127.evil.example:1", "127.evil.example", false},
    };
    struct ms_peer p;
    struct ms_err err;

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        ms_peer_init(&p, cases[i].text, false);
        ck_assert_str_eq(p.addr, cases[i].addr);
        ck_assert_msg(p.local == cases[i].local, "%s", cases[i].text);
        ck_assert_int_eq(ms_authz(&p, MS_ROLE_DEPLOY, NULL, &err) == MS_OK, cases[i].local);
        ck_assert_int_eq(ms_authz(&p, MS_ROLE_ANY, NULL, &err), MS_OK);
    }
    ms_peer_init(&p, "ipv4:10.0.0.1:1", true);
    ck_assert_int_eq(ms_authz(&p, MS_ROLE_ADMIN, NULL, &err), MS_OK);
}
END_TEST

struct waiter {
    struct ms_admission_wait w;
    atomic_int served;
};

static void served(struct ms_admission_wait *w)
{
    atomic_fetch_add(&((struct waiter *)(void *)w)->served, 1);
}

enum { UNIT = 2 << 20 };

START_TEST(admission_in_line)
{
    struct ms_admission a;
    struct waiter w[3] = {{.w.ready = served}, {.w.ready = served}, {.w.ready = served}};

    ms_admission_init(&a, 100 * UNIT);
    ck_assert(ms_admission_try(&a, 60 * UNIT));
    ck_assert(!ms_admission_try(&a, 60 * UNIT));
    ck_assert(!ms_admission_wait(&a, &w[0].w, 60 * UNIT));
    ck_assert(!ms_admission_wait(&a, &w[1].w, 10 * UNIT));
    ck_assert(!ms_admission_wait(&a, &w[2].w, 10 * UNIT));
    ck_assert(!ms_admission_try(&a, 1 * UNIT)); /* nobody overtakes */
    ck_assert(ms_admission_leave(&a, &w[1].w));
    ck_assert(!ms_admission_leave(&a, &w[1].w));
    ms_admission_give(&a, 60 * UNIT);
    ck_assert(w[0].served == 1 && w[1].served == 0 && w[2].served == 1);
    ms_admission_give(&a, 70 * UNIT);
    ck_assert_uint_eq(a.used, 0);
    ck_assert(ms_admission_try(&a, 1000 * UNIT)); /* larger than all there is: alone */
    ck_assert(!ms_admission_try(&a, 1 * UNIT));
    ms_admission_give(&a, 1000 * UNIT);
    ck_assert(ms_admission_try(&a, 100 * UNIT)); /* full: what is small has a reserve */
    ck_assert(ms_admission_try(&a, 1000));
    ms_admission_give(&a, 100 * UNIT + 1000);
    ms_admission_done(&a);
}
END_TEST

static struct ms_admission crowd;

static void *press(void *arg)
{
    (void)arg;
    for (int i = 0; i < 20000; i++) {
        struct waiter w = {.w.ready = served};
        if (!ms_admission_wait(&crowd, &w.w, 40))
            while (!atomic_load(&w.served))
                sched_yield();
        ms_admission_give(&crowd, 40);
    }
    return NULL;
}

START_TEST(admission_under_threads)
{
    pthread_t t[4];

    ms_admission_init(&crowd, 100);
    for (int i = 0; i < 4; i++)
        pthread_create(&t[i], NULL, press, NULL);
    for (int i = 0; i < 4; i++)
        pthread_join(t[i], NULL);
    ck_assert_uint_eq(crowd.used, 0);
    ck_assert_int_eq(crowd.waiting, 0);
    ms_admission_done(&crowd);
}
END_TEST

START_TEST(base64)
{
    static const char *const bad[] = {"A", "AAAAA", "A=AA", "AA A", "====", "\xff\xff"};
    struct ms_arena a;
    struct ms_err err;
    struct ms_bytes out;

    ms_arena_init(&a, 1 << 20);
    for (size_t n = 0; n < 100; n++) {
        uint8_t data[100];
        struct ms_buf b;
        for (size_t i = 0; i < n; i++)
            data[i] = (uint8_t)(i * 37 + n);
        ms_buf_init(&b, 1024);
        ms_base64_encode(&b, ms_bytes(data, n));
        ck_assert_uint_eq(b.len, (n + 2) / 3 * 4);
        ck_assert_int_eq(ms_base64_decode(&a, ms_bytes(b.data, b.len), &out, &err), MS_OK);
        ck_assert(out.len == n && (n == 0 || memcmp(out.data, data, n) == 0));
        ms_buf_done(&b);
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        ck_assert_msg(ms_base64_decode(&a, ms_bytes(bad[i], strlen(bad[i])), &out, &err) ==
                          MS_INVALID_ARGUMENT,
                      "%s", bad[i]);
    ms_arena_done(&a);
}
END_TEST

Suite *suite_front(void)
{
    Suite *s = suite_create("front");
    TCase *t = tcase_create("front");

    tcase_set_timeout(t, 60);
    tcase_add_test(t, routes);
    tcase_add_test(t, peers);
    tcase_add_test(t, admission_in_line);
    tcase_add_test(t, admission_under_threads);
    tcase_add_test(t, base64);
    suite_add_tcase(s, t);
    return s;
}
