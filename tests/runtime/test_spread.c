/* SPDX-License-Identifier: Apache-2.0 */
/* test_spread.c - the chunks of a step: each run once, neighbours one after the other; layers of a
 * network, whatever the number of workers. */
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "runtime/model_impl.h"
#include "runtime/pool.h"
#include "tests/runtime/suites.h"
#include "tests/runtime/util.h"

enum { MOST = 70 };

struct count {
    struct ms_spread spread; /* first */
    atomic_int times[MOST];
    int last, up; /* of the caller: chunks that lie right behind those before */
    int calls;    /* its own */
    pthread_t owner;
};

static bool no_work(void *arg, struct ms_worker *w)
{
    (void)arg;
    (void)w;
    return false;
}

static void note(struct ms_spread *s, int from, int end, void *scratch, size_t *memo)
{
    struct count *c = (struct count *)s;

    (void)scratch;
    (void)memo;
    for (int chunk = from; chunk < end; chunk++)
        atomic_fetch_add(&c->times[chunk], 1);
    if (pthread_equal(pthread_self(), c->owner)) {
        c->up += from == c->last + 1 ? end - from : 0;
        c->calls++;
        c->last = end - 1;
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
    ck_assert_int_eq(c.calls, 7); /* 32, 16, 8, 4, 2, 1, 1 */
    dismiss(&crew);
}
END_TEST

/* Convolutions that are shared by rows, by output channels, and with bands of unequal height, what
 * lies between them, and a pool. */
static char *layers_text(int side)
{
    static const int oc[] = {72, 72, 136, 40}, ic[] = {24, 72, 72, 136}, k[] = {1, 3, 3, 1};
    static const char *const attrs[] = {"group=1", "group=72, pads=[1,1,1,1]",
                                        "pads=[1,0,2,1], strides=[2,1]", "group=1"};
    char *text = malloc(2 << 20), *p = text;

    p += sprintf(p, "graph \"g\" (%%x0: f32[N,24,%d,%d]) {\n", side, side);
    for (int i = 0; i < 4; i++) {
        const int depth = i == 1 ? 1 : ic[i], n = oc[i] * depth * k[i] * k[i];
        p += sprintf(p, "  %%w%d = const f32[%d,%d,%d,%d] {", i, oc[i], depth, k[i], k[i]);
        for (int e = 0; e < n; e++)
            p += sprintf(p, "%s%.3f", e ? ", " : "", (double)(e * 7919 % 2003) / 5000 - 0.2);
        p += sprintf(p, "}\n  %%c%d = Conv(%%x%d, %%w%d) {%s}\n  %%x%d = Relu(%%c%d)\n", i, i, i,
                     attrs[i], i + 1, i);
    }
    sprintf(p, "  %%y = MaxPool(%%x4) {kernel_shape=[3,2], strides=[1,2]}\n  return %%y\n}\n");
    return text;
}

START_TEST(layers_give_the_same_bits)
{
    for (int side = 9; side <= 33; side += 4) {
        char *text = layers_text(side);
        struct ms_tensor *x = random_of((uint64_t)side, 2, 24, side, side), *want = NULL, *y;
        for (int threads = 1; threads <= 5; threads++) {
            struct ms_engine *e = must_engine(threads);
            struct ms_model *m = must_load(e, text);
            for (int n = 1; n <= 2; n++) {
                struct ms_tensor *rows = f32_of(x->data, n, 24, side, side);
                ck_assert_int_eq(ms_model_run(m, &rows, &y, threads, MS_NEVER, NULL, NULL, NULL),
                                 MS_OK);
                if (!want)
                    want = ms_tensor_ref(y);
                ck_assert_mem_eq(y->data, want->data, want->bytes);
                ms_tensor_unref(y);
                ms_tensor_unref(rows);
            }
            ms_model_unref(m);
            ms_engine_free(e);
        }
        ms_tensor_unref(want);
        ms_tensor_unref(x);
        free(text);
    }
}
END_TEST

/* A run of tens of microseconds is one worker's, even where a step of it could be shared. */
START_TEST(short_runs_wake_nobody)
{
    static const int64_t rows[] = {1, 2000};
    struct ms_engine *e = must_engine(4);
    struct ms_model *m = must_load(e, "graph \"g\" (%x: f32[N,128]) {\n"
                                      "  %w = const f32[128,256] fill 0.25\n"
                                      "  %y = MatMul(%x, %w)\n"
                                      "  return %y\n"
                                      "}\n");

    for (int i = 0; i < 2; i++) {
        struct ms_tensor *x = random_of(3, rows[i], 128), *y = NULL;
        struct ms_err err = {0};
        ck_assert_int_eq(ms_model_run(m, &x, &y, 4, MS_NEVER, NULL, NULL, &err), MS_OK);
        const struct ms_plan *p = m->program.parts[0].plans;
        ck_assert_int_eq(p->n_steps, 1);
        ck_assert_int_gt(p->step[0].chunks, 1);
        ck_assert_int_eq(p->alone, rows[i] == 1);
        ms_tensor_unref(x);
        ms_tensor_unref(y);
    }
    ms_model_unref(m);
    ms_engine_free(e);
}
END_TEST

TCase *spread_tests(void)
{
    TCase *tc = tcase_create("spread");

    tcase_add_test(tc, each_piece_runs_once);
    tcase_add_test(tc, more_workers_than_ranges);
    tcase_add_test(tc, alone_the_caller_goes_up);
    tcase_add_test(tc, layers_give_the_same_bits);
    tcase_add_test(tc, short_runs_wake_nobody);
    return tc;
}
