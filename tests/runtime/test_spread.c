/* SPDX-License-Identifier: Apache-2.0 */
/* test_spread.c - the pieces of a step: each run once, neighbours one after the other. */
#include <pthread.h>
#include <sched.h>

#include "runtime/pool.h"
#include "tests/runtime/suites.h"
#include "tests/runtime/util.h"

enum { MOST = 70 };

struct count {
    struct ms_spread spread; /* first */
    atomic_int times[MOST];
    int last, up; /* of the caller: pieces that lie right behind the one before */
    pthread_t owner;
};

static bool no_work(void *arg, struct ms_worker *w)
{
    (void)arg;
    (void)w;
    return false;
}

static void note(struct ms_spread *s, int chunk, void *scratch, size_t *memo)
{
    struct count *c = (struct count *)s;

    (void)scratch;
    (void)memo;
    atomic_fetch_add(&c->times[chunk], 1);
    if (pthread_equal(pthread_self(), c->owner)) {
        c->up += chunk == c->last + 1;
        c->last = chunk;
    } else {
        sched_yield();
    }
}

struct crew {
    struct ms_account *account;
    struct ms_pool *pool;
};

static struct crew must_crew(int n)
{
    struct crew c = {.account = ms_account_new(1 << 20, NULL)};
    struct ms_err err = {0};

    ck_assert_ptr_nonnull(c.account);
    ck_assert_msg(ms_pool_new(n, no_work, NULL, c.account, &c.pool, &err) == MS_OK, "%s", err.text);
    return c;
}

static void dismiss(struct crew *c)
{
    ms_pool_free(c->pool);
    ms_account_unref(c->account);
}

static void spread(struct ms_pool *p, struct count *c, int chunks, int width)
{
    *c = (struct count){.last = -1, .owner = pthread_self()};
    c->spread.chunks = chunks;
    c->spread.width = width;
    c->spread.run = note;
    ms_pool_spread(p, &c->spread);
    for (int i = 0; i < MOST; i++)
        ck_assert_int_eq(atomic_load(&c->times[i]), i < chunks);
}

START_TEST(each_piece_runs_once)
{
    struct crew crew = must_crew(5);
    struct count c;

    for (int round = 0; round < 20; round++)
        for (int width = 1; width <= 6; width++)
            for (int chunks = 1; chunks <= MOST; chunks += 1 + round % 3)
                spread(crew.pool, &c, chunks, width);
    dismiss(&crew);
}
END_TEST

START_TEST(more_workers_than_ranges)
{
    struct crew crew = must_crew(MS_SPREAD_RANGES + 8);
    struct count c;

    for (int round = 0; round < 50; round++)
        spread(crew.pool, &c, MOST, MS_SPREAD_RANGES + 9);
    dismiss(&crew);
}
END_TEST

START_TEST(alone_the_caller_goes_up)
{
    struct crew crew = must_crew(1);
    struct count c;

    spread(crew.pool, &c, 64, 1);
    ck_assert_int_eq(c.up, 64);
    dismiss(&crew);
}
END_TEST

TCase *spread_tests(void)
{
    TCase *tc = tcase_create("spread");

    tcase_add_test(tc, each_piece_runs_once);
    tcase_add_test(tc, more_workers_than_ranges);
    tcase_add_test(tc, alone_the_caller_goes_up);
    return tc;
}
