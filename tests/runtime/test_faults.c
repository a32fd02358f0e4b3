/* SPDX-License-Identifier: Apache-2.0 */
/* test_faults.c - every allocation of load, run and serve fails once: an error, no crash, no leak.
 */
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "tests/runtime/suites.h"
#include "tests/runtime/util.h"

static const char net[] =
    "graph \"net\" (%x: f32[N,8]) {\n"
    "  %w = const f32[8,8] fill 0.125\n"
    "  %m = MatMul(%x, %w)\n"
    "  %s = Shape(%m)\n"
    "  %r = Reshape(%m, %s)\n"
    "  %b = const bool[] {1}\n"
    "  %i = If(%b, %r) {captures=1, then_branch=graph \"t\" (%p: f32[N,8]) {\n"
    "    %q = Tanh(%p)\n    return %q\n"
    "  }, else_branch=graph \"e\" (%p: f32[N,8]) {\n    return %p\n  }}\n"
    "  %z = NonZero(%i)\n"
    "  return %i, %z\n"
    "}\n";

struct reply {
    atomic_int done;
    ms_code code;
};

static void on_done(struct ms_request *r, const struct ms_err *err, void *arg)
{
    struct reply *p = arg;

    p->code = err ? err->code : MS_OK;
    ms_request_done(r);
    atomic_fetch_add(&p->done, 1);
}

/* Loads, runs and serves once; true if nothing failed. */
static bool cycle(struct ms_engine *e, struct ms_tensor *x)
{
    struct ms_err err = {0};
    struct ms_model *m = load_text(e, net, NULL, &err);
    struct ms_tensor *y[2];
    bool ok = m != NULL;

    if (!m) {
        ck_assert_int_ne(err.code, MS_OK);
        ck_assert_int_gt((int)strlen(err.text), 0);
        return false;
    }
    if (ms_model_run(m, &x, y, 1, MS_NEVER, NULL, NULL, &err) == MS_OK) {
        ms_tensor_unref(y[0]);
        ms_tensor_unref(y[1]);
    } else {
        ok = false;
    }
    struct ms_arena a;
    struct ms_req_tensor in = {.name = "x"};
    struct reply reply = {0};
    ms_arena_init(&a, 1 << 20);
    ck_assert(ms_tensor_borrow(&in.tensor, x->dtype, &x->shape, x->data));
    struct ms_request req = {.model = "net",
                             .version = "",
                             .id = "",
                             .in = &in,
                             .n_in = 1,
                             .deadline = MS_NEVER,
                             .arena = &a};
    if (ms_submit(m, &req, on_done, &reply, &err) == MS_OK) {
        int64_t end = ms_now() + 10 * MS_SEC;
        while (!atomic_load(&reply.done) && ms_now() < end)
            usleep(20);
        ck_assert_int_eq(atomic_load(&reply.done), 1);
        ok = ok && reply.code == MS_OK;
        while (ms_model_pending(m) && ms_now() < end) /* the worker's last touch */
            usleep(20);
    } else {
        ok = false;
    }
    ms_arena_done(&a);
    ms_model_unref(m);
    return ok;
}

START_TEST(every_allocation_fails_once)
{
    struct ms_engine *e = must_engine(1);
    struct ms_tensor *x = random_of(1, 2, 8);
    int failures = 0;

    atomic_store(&releases, 0);
    ck_assert(cycle(e, x));
    uint64_t before = ms_mem_count();
    ck_assert(cycle(e, x));
    uint64_t count = ms_mem_count() - before;
    for (uint64_t n = 1; n <= count; n++) {
        ms_mem_fail_after(n, false);
        failures += !cycle(e, x);
        ms_mem_fail_after(0, false);
    }
    ck_assert_int_gt(failures,
                     (int)count / 4); /* some are made good: a plan less, a smaller pool */
    ck_assert(cycle(e, x));           /* and everything still works */
    ck_assert_int_eq(atomic_load(&releases), (int)count + 3);
    ms_tensor_unref(x);
    int64_t end = ms_now() + 5 * MS_SEC;
    struct ms_engine_memory mem;
    do { /* the worker may be dropping its last reference */
        usleep(1000);
        ms_engine_memory(e, &mem);
    } while (mem.packed + mem.plans + mem.graphs + mem.runs && ms_now() < end);
    ck_assert_uint_eq(mem.packed + mem.plans + mem.graphs + mem.runs, 0);
    ms_engine_free(e);
}
END_TEST

TCase *fault_tests(void)
{
    TCase *c = tcase_create("faults");

    tcase_set_timeout(c, 300);
    tcase_add_test(c, every_allocation_fails_once);
    return c;
}
