/* SPDX-License-Identifier: Apache-2.0 */
/* test_busy_poll.c - looking again before sleeping: only while it is measured to pay. */
#include "base/clock.h"
#include "base/cpu.h"
#include "server/busy_poll.h"
#include "tests/server/suites.h"

struct flow {
    struct ms_busy_poll poll;
    int64_t now;
    uint64_t moved;
};

static bool is_on(const struct flow *f)
{
    return atomic_load(&f->poll.on);
}

/* Turns for ns nanoseconds of the clock that the test keeps, a hundred bytes each, so far apart.
 * Returns the part of them with polling on. */
static double run(struct flow *f, int64_t ns, int64_t off, int64_t on)
{
    int64_t end = f->now + ns;
    int n = 0, with = 0;

    for (; f->now < end; n++) {
        with += is_on(f);
        f->now += is_on(f) ? on : off;
        f->moved += 100;
        ms_busy_poll_turn(&f->poll, f->now, f->moved);
    }
    return (double)with / n;
}

static void begin(struct flow *f, bool allowed)
{
    *f = (struct flow){.now = 1000 * MS_SEC};
    ms_busy_poll_init(&f->poll, allowed);
    if (allowed)
        f->poll.fixed = false; /* also on a machine with one processor */
}

START_TEST(what_pays_stays_on)
{
    struct flow f;

    begin(&f, true);
    run(&f, 2 * MS_SEC, 200 * MS_US, 100 * MS_US);
    ck_assert(is_on(&f));
    ck_assert_double_gt(run(&f, 10 * MS_SEC, 200 * MS_US, 100 * MS_US), 0.95);
}
END_TEST

START_TEST(what_does_not_is_seldom_tried)
{
    struct flow f;

    begin(&f, true);
    run(&f, 20 * MS_SEC, 100 * MS_US, 100 * MS_US);
    ck_assert_double_lt(run(&f, 100 * MS_SEC, 100 * MS_US, 100 * MS_US), 0.01);
    ck_assert_double_lt(run(&f, 100 * MS_SEC, 100 * MS_US, 150 * MS_US), 0.01);
    /* the host or the clients have changed */
    run(&f, 10 * MS_SEC, 100 * MS_US, 50 * MS_US);
    ck_assert(is_on(&f));
    run(&f, 2 * MS_SEC, 50 * MS_US, 100 * MS_US);
    ck_assert(!is_on(&f));
}
END_TEST

START_TEST(few_requests_are_no_reason)
{
    struct flow f;

    begin(&f, true);
    ck_assert_double_lt(run(&f, 100 * MS_SEC, 1500 * MS_US, 1400 * MS_US),
                        0.01);                                            /* few in a phase */
    ck_assert_double_eq(run(&f, 100 * MS_SEC, 10 * MS_MS, 5 * MS_MS), 0); /* pauses between them */
    begin(&f, false);
    ck_assert_double_eq(run(&f, 10 * MS_SEC, 200 * MS_US, 100 * MS_US), 0);
}
END_TEST

/* Who computes wants the processor: the next trial decides again. */
START_TEST(a_crowd_ends_it)
{
    struct flow f;

    begin(&f, true);
    run(&f, 2 * MS_SEC, 200 * MS_US, 100 * MS_US);
    ck_assert(is_on(&f));
    atomic_store(&f.poll.crowded, true);
    run(&f, 200 * MS_US, 200 * MS_US, 100 * MS_US);
    ck_assert(!is_on(&f));
    run(&f, 2 * MS_SEC, 200 * MS_US, 100 * MS_US);
    ck_assert(is_on(&f));
}
END_TEST

/* One long yield is the host's, two in a row are somebody's who computes. */
START_TEST(one_delay_is_no_crowd)
{
    struct flow f;

    begin(&f, true);
    run(&f, 2 * MS_SEC, 200 * MS_US, 100 * MS_US);
    ck_assert(is_on(&f));
    for (int i = 0; i < 3; i++) {
        ms_busy_poll_yielded(&f.poll, f.now, f.now + 5 * MS_MS);
        f.now += 50 * MS_MS;
        ck_assert(is_on(&f));
    }
    ms_busy_poll_yielded(&f.poll, f.now, f.now + 5 * MS_MS);
    ck_assert(is_on(&f));
    ms_busy_poll_yielded(&f.poll, f.now + 6 * MS_MS, f.now + 9 * MS_MS);
    ck_assert(!is_on(&f));
    run(&f, 200 * MS_US, 200 * MS_US, 100 * MS_US);
    ck_assert(!is_on(&f));
    run(&f, 2 * MS_SEC, 200 * MS_US, 100 * MS_US);
    ck_assert(is_on(&f));
}
END_TEST

static bool found_at(void *arg)
{
    int *left = arg;

    return (*left)-- == 0;
}

START_TEST(looks_only_when_on_and_not_for_long)
{
    struct ms_busy_poll b;
    int left = 3, none = -1;
    long waits = ms_busy_poll_waits();

    ms_busy_poll_init(&b, true);
    ck_assert(!ms_busy_poll(&b, found_at, &left));
    ck_assert_int_eq(left, 3);
    atomic_store(&b.on, true);
    ck_assert(ms_busy_poll(&b, found_at, &left));
    ck_assert_int_eq(left, -1);
    ck_assert_int_eq(ms_busy_poll_waits() - waits, 3);
    int64_t before = ms_now();
    ck_assert(!ms_busy_poll(&b, found_at, &none));
    ck_assert_int_ge(ms_now() - before, 100 * MS_US);
}
END_TEST

Suite *suite_busy_poll(void)
{
    Suite *s = suite_create("busy_poll");
    TCase *t = tcase_create("busy_poll");

    tcase_add_test(t, what_pays_stays_on);
    tcase_add_test(t, what_does_not_is_seldom_tried);
    tcase_add_test(t, few_requests_are_no_reason);
    tcase_add_test(t, a_crowd_ends_it);
    tcase_add_test(t, one_delay_is_no_crowd);
    tcase_add_test(t, looks_only_when_on_and_not_for_long);
    suite_add_tcase(s, t);
    return s;
}
