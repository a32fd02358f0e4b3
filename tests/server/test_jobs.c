/* SPDX-License-Identifier: Apache-2.0 */
/* test_jobs.c - a thread that does one thing after another, and the pace of a push. */
#include <stdatomic.h>
#include <time.h>

#include "base/clock.h"
#include "server/pace.h"
#include "server/server.h"
#include "tests/server/suites.h"

struct note {
    struct ms_job job;
    char letter;
    int64_t ran;
    char *text; /* of all, in the order they ran */
    atomic_int *n;
};

static void run(struct ms_job *j)
{
    struct note *n = (struct note *)(void *)j;

    n->ran = ms_now();
    n->text[atomic_load(n->n)] = n->letter;
    atomic_fetch_add(n->n, 1);
}

static struct ms_jobs *jobs(void)
{
    struct ms_jobs *q;
    struct ms_err err;

    ck_assert_int_eq(ms_jobs_new("test", NULL, 0, 0, NULL, NULL, &q, &err), MS_OK);
    return q;
}

START_TEST(later_jobs_wait_for_their_moment)
{
    char text[8] = "";
    atomic_int ran = 0;
    struct note a = {.job.run = run, .letter = 'a', .text = text, .n = &ran};
    struct note b = a, c = a;
    struct ms_jobs *q = jobs();
    int64_t begin = ms_now();

    b.letter = 'b';
    c.letter = 'c';
    ms_jobs_post_at(q, &a.job, begin + 60 * MS_MS);
    ms_jobs_post_at(q, &b.job, begin + 30 * MS_MS);
    ms_jobs_post(q, &c.job);
    for (int i = 0; i < 5000 && atomic_load(&ran) < 3; i++)
        nanosleep(&(struct timespec){0, MS_MS}, NULL);
    ck_assert_str_eq(text, "cba");
    ck_assert_int_ge(b.ran - begin, 30 * MS_MS);
    ck_assert_int_ge(a.ran - begin, 60 * MS_MS);
    ms_jobs_free(q);
}
END_TEST

START_TEST(an_end_does_not_wait)
{
    char text[8] = "";
    atomic_int ran = 0;
    struct note a = {.job.run = run, .letter = 'a', .text = text, .n = &ran};
    struct ms_jobs *q = jobs();
    int64_t begin = ms_now();

    ms_jobs_post_at(q, &a.job, begin + 60 * MS_SEC);
    ms_jobs_free(q);
    ck_assert_str_eq(text, "a");
    ck_assert_int_lt(ms_now() - begin, 30 * MS_SEC);
}
END_TEST

struct piece {
    struct ms_pace pace;
    atomic_bool asked;
};

static void ask(struct ms_job *j)
{
    struct piece *p = (struct piece *)(void *)j;

    atomic_store(&p->asked, true);
}

/* Was the next piece to be asked for at once, when this one was asked for and had come that many
 * milliseconds ago, and somebody else that many? */
static bool at_once(int asked, int arrived, int served, int64_t *paused)
{
    struct ms_server srv = {0};
    struct piece p = {.pace.job.run = ask};
    struct ms_jobs *q = jobs();
    int64_t now = ms_now();

    ms_pace_serving(&srv, now - served * MS_MS);
    p.pace.asked = now - asked * MS_MS;
    p.pace.arrived = now - arrived * MS_MS;
    bool yes = ms_pace_next(&p.pace, &srv, q);
    for (int i = 0; i < 5000 && !yes && !atomic_load(&p.asked); i++)
        nanosleep(&(struct timespec){0, MS_MS / 10}, NULL);
    *paused = ms_now() - now;
    ck_assert(yes || atomic_load(&p.asked));
    ms_jobs_free(q);
    return yes;
}

START_TEST(a_push_makes_room)
{
    int64_t paused;

    ck_assert_msg(at_once(4, 4, 1000, &paused), "nobody is served");
    ck_assert_msg(!at_once(4, 4, 0, &paused), "somebody is");
    ck_assert_int_ge(paused, 4 * MS_MS); /* what the piece took */
    ck_assert_msg(at_once(12, 4, 0, &paused), "the network was slower than the pause");
    ck_assert_msg(!at_once(4000, 4000, 0, &paused), "a slow disk");
    ck_assert_msg(paused < 500 * MS_MS, "but no pause is long");
}
END_TEST

Suite *suite_jobs(void)
{
    Suite *s = suite_create("jobs");
    TCase *t = tcase_create("jobs");

    tcase_add_test(t, later_jobs_wait_for_their_moment);
    tcase_add_test(t, an_end_does_not_wait);
    tcase_add_test(t, a_push_makes_room);
    suite_add_tcase(s, t);
    return s;
}
