/* SPDX-License-Identifier: Apache-2.0 */
/* test_spare.c - pages of large outputs: used again, booked, and given back. */
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/mem.h"
#include "runtime/account.h"
#include "runtime/spare.h"
#include "tests/runtime/suites.h"
#include "tests/runtime/util.h"

enum { BIG = 5 << 20, WIDE = BIG / 4 };

static const char RELU[] = "graph \"g\" (%x: f32[N,1310720]) {\n  %y = Relu(%x)\n  return %y\n}\n";

static struct ms_tensor *output(struct ms_model *m, struct ms_tensor *x)
{
    struct ms_err err = {0};
    struct ms_tensor *y;
    ms_code code = ms_model_run(m, &x, &y, 1, MS_NEVER, NULL, NULL, &err);

    ck_assert_msg(code == MS_OK, "%s", err.text);
    return y;
}

static size_t runs_of(struct ms_engine *e)
{
    struct ms_engine_memory mem;

    ms_engine_memory(e, &mem);
    return mem.runs;
}

START_TEST(a_large_output_gets_the_pages_of_the_last)
{
    struct ms_engine *e = must_engine(1);
    struct ms_model *m = must_load(e, RELU);
    struct ms_tensor *x = random_of(1, 1, WIDE), *y = output(m, x);
    void *pages = y->data;

    size_t before = runs_of(e);
    ms_tensor_unref(y);
    ck_assert_uint_ge(runs_of(e) + (2 << 20), before); /* still booked */
    for (int i = 0; i < 3; i++) {
        y = output(m, x);
        ck_assert_ptr_eq(y->data, pages);
        ck_assert_uint_eq(runs_of(e), before);
        ms_tensor_unref(y);
    }
    ms_model_unref(m);
    ck_assert_uint_eq(runs_of(e), 0);
    ms_tensor_unref(x);
    ms_engine_free(e);
}
END_TEST

START_TEST(kept_pages_go_when_nobody_wants_them)
{
    struct ms_engine *e = must_engine(1);
    struct ms_model *m = must_load(e, RELU);
    struct ms_tensor *x = random_of(1, 1, WIDE);
    const struct timespec nap = {.tv_nsec = 20 * MS_MS};
    int64_t until = ms_now() + 20 * MS_SEC;

    ms_tensor_unref(output(m, x));
    size_t kept = runs_of(e);
    while (runs_of(e) > kept - BIG && ms_now() < until)
        nanosleep(&nap, NULL);
    ck_assert_uint_le(runs_of(e), kept - BIG);
    ms_model_unref(m);
    ms_tensor_unref(x);
    ms_engine_free(e);
}
END_TEST

START_TEST(an_output_may_outlive_its_engine)
{
    struct ms_engine *e = must_engine(1);
    struct ms_model *m = must_load(e, RELU);
    struct ms_tensor *x = random_of(1, 1, WIDE), *y = output(m, x);

    ms_model_unref(m);
    ms_engine_free(e);
    ck_assert(((float *)y->data)[WIDE - 1] >= 0);
    ms_tensor_unref(y); /* nobody is left to keep it for: a leak would be reported */
    ms_tensor_unref(x);
}
END_TEST

START_TEST(kept_pages_make_room_for_a_run)
{
    struct ms_engine_opts o;
    struct ms_engine *e;
    struct ms_err err = {0};

    ms_engine_opts_init(&o);
    o.threads = 1;
    o.memory_budget = (size_t)100 << 20; /* a sixteenth of it holds one of BIG */
    ck_assert_int_eq(ms_engine_new(&o, &e, &err), MS_OK);
    struct ms_model *m = must_load(e, RELU);
    struct ms_tensor *x = random_of(1, 1, WIDE), *many = random_of(1, 19, WIDE);
    ms_tensor_unref(output(m, x));
    size_t kept = runs_of(e);
    ck_assert_uint_ge(kept, BIG);
    ms_tensor_unref(output(m, many)); /* 95 MiB */
    ck_assert_uint_lt(runs_of(e), BIG);
    ms_model_unref(m);
    ms_tensor_unref(x);
    ms_tensor_unref(many);
    ms_engine_free(e);
}
END_TEST

START_TEST(only_a_share_of_the_budget_is_kept)
{
    struct ms_account *a = ms_account_new((size_t)16 * 20 << 20, NULL);
    struct ms_spares *s = a->spares = ms_spares_new(a);
    void *p[4];

    for (int i = 0; i < 4; i++)
        ck_assert_ptr_nonnull(p[i] = ms_spares_alloc(s, BIG));
    for (int i = 0; i < 4; i++)
        ms_spares_give(s, p[i], BIG);
    ck_assert_uint_eq(ms_account_held(a, MS_ACCOUNT_RUNS), 3 * (6 << 20));
    ck_assert_ptr_eq(p[0] = ms_spares_alloc(s, BIG + 1), p[2]); /* the same multiple, the newest */
    ck_assert_ptr_ne(p[1] = ms_spares_alloc(s, BIG + (2 << 20)), p[0]);
    memset(p[1], 1, BIG + (2 << 20));
    ms_spares_give(s, p[1], BIG + (2 << 20)); /* 8 MiB beside 12: fits */
    ck_assert_uint_eq(ms_account_held(a, MS_ACCOUNT_RUNS), 20 << 20);
    ms_spares_close(s);
    ms_spares_give(s, p[0], BIG + 1);
    ck_assert_uint_eq(ms_account_held(a, MS_ACCOUNT_RUNS), 0);
    ck_assert_int_eq(ms_spares_age(s, ms_now()), MS_NEVER);
    ms_account_unref(a);
}
END_TEST

TCase *spare_tests(void)
{
    TCase *c = tcase_create("spare");

    tcase_set_timeout(c, 60);
    tcase_add_test(c, a_large_output_gets_the_pages_of_the_last);
    tcase_add_test(c, kept_pages_go_when_nobody_wants_them);
    tcase_add_test(c, an_output_may_outlive_its_engine);
    tcase_add_test(c, kept_pages_make_room_for_a_run);
    tcase_add_test(c, only_a_share_of_the_budget_is_kept);
    return c;
}
