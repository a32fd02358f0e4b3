/* SPDX-License-Identifier: Apache-2.0 */
/* test_registry.c - names, versions, live ones, and a swap under readers. */
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "tests/runtime/suites.h"
#include "tests/runtime/util.h"

static const char net[] = "graph \"g\" (%x: f32[4]) {\n  %y = Neg(%x)\n  return %y\n}\n";

static void list(void *arg, const struct ms_registry_entry *e)
{
    char *text = arg;
    size_t n = strlen(text);

    snprintf(text + n, 200 - n, "%s/%s %s%s\n", e->name, e->version, ms_state_name(e->state),
             e->live ? " live" : "");
}

START_TEST(names_and_versions)
{
    struct ms_engine *e = must_engine(1);
    struct ms_registry *r = ms_registry_new();
    struct ms_model *m = must_load(e, net), *got;
    struct ms_err err;
    char text[200] = "";

    ck_assert_int_eq(ms_registry_get(r, "a", "", &got, &err), MS_NOT_FOUND);
    ck_assert_str_eq(err.text, "Request for unknown model: 'a' is not found");
    ck_assert_int_eq(ms_registry_put(r, "b", "10", MS_STATE_READY, NULL, m, true, &err), MS_OK);
    ck_assert_int_eq(ms_registry_put(r, "b", "9", MS_STATE_READY, NULL, m, false, &err), MS_OK);
    ck_assert_int_eq(
        ms_registry_put(r, "a", "1", MS_STATE_UNAVAILABLE, "blob is corrupt", NULL, false, &err),
        MS_OK);
    ms_registry_each(r, list, text);
    ck_assert_str_eq(text, "a/1 UNAVAILABLE\nb/9 READY\nb/10 READY live\n");
    ck_assert_int_eq(ms_registry_get(r, "a", "1", &got, &err), MS_UNAVAILABLE);
    ck_assert_ptr_nonnull(strstr(err.text, "blob is corrupt"));
    ck_assert_int_eq(ms_registry_get(r, "b", "", &got, &err), MS_OK);
    ms_model_unref(got);
    ck_assert_int_eq(ms_registry_set_live(r, "a", "1", &err), MS_FAILED_PRECONDITION);
    ck_assert_int_eq(ms_registry_set_live(r, "b", "9", &err), MS_OK);
    ms_registry_remove(r, "b", "9");
    ck_assert_int_eq(ms_registry_get(r, "b", "", &got, &err), MS_UNAVAILABLE); /* none is live */
    ms_registry_remove(r, "b", NULL);
    ck_assert_int_eq(ms_registry_get(r, "b", "10", &got, &err), MS_NOT_FOUND);
    ck_assert_int_eq(ms_registry_pending(r), 0);
    ms_model_unref(m);
    ms_registry_free(r);
    ms_engine_free(e);
}
END_TEST

struct reader {
    struct ms_registry *r;
    atomic_bool stop;
    atomic_int failed, runs;
};

static void *read_it(void *arg)
{
    struct reader *s = arg;

    while (!atomic_load(&s->stop)) {
        struct ms_model *m;
        struct ms_tensor *x = random_of(1, 4), *y;
        if (ms_registry_get(s->r, "net", "", &m, NULL) != MS_OK) {
            atomic_fetch_add(&s->failed, 1);
        } else {
            if (ms_model_run(m, &x, &y, 1, MS_NEVER, NULL, NULL, NULL) != MS_OK)
                atomic_fetch_add(&s->failed, 1);
            ms_tensor_unref(y);
            ms_model_unref(m);
        }
        ms_tensor_unref(x);
        atomic_fetch_add(&s->runs, 1);
    }
    return NULL;
}

START_TEST(swap_under_readers)
{
    struct ms_engine *e = must_engine(1);
    struct reader s = {.r = ms_registry_new()};
    pthread_t t[2];

    for (int i = 0; i < 30; i++) {
        struct ms_model *m = must_load(e, net);
        ck_assert_int_eq(
            ms_registry_put(s.r, "net", i % 2 ? "1" : "2", MS_STATE_READY, NULL, m, true, NULL),
            MS_OK);
        ms_model_unref(m);
        if (i == 0)
            for (int k = 0; k < 2; k++)
                ck_assert_int_eq(pthread_create(&t[k], NULL, read_it, &s), 0);
    }
    atomic_store(&s.stop, true);
    for (int k = 0; k < 2; k++)
        pthread_join(t[k], NULL);
    ck_assert_int_eq(atomic_load(&s.failed), 0);
    ms_registry_free(s.r);
    struct ms_engine_memory mem;
    ms_engine_memory(e, &mem);
    ck_assert_uint_eq(mem.packed + mem.plans + mem.graphs + mem.runs, 0);
    ms_engine_free(e);
}
END_TEST

TCase *registry_tests(void)
{
    TCase *c = tcase_create("registry");

    tcase_set_timeout(c, 120);
    tcase_add_test(c, names_and_versions);
    tcase_add_test(c, swap_under_readers);
    return c;
}
