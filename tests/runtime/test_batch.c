/* SPDX-License-Identifier: Apache-2.0 */
/* test_batch.c - the queue and the batcher: same bits in any company, done exactly once, limits. */
#include <pthread.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "runtime/engine_impl.h"
#include "runtime/watch.h"
#include "tests/runtime/suites.h"
#include "tests/runtime/util.h"

static const char mlp[] = "graph \"mlp\" (%x: f32[N,16]) {\n"
                          "  %b = const f32[16] fill 0.25\n"
                          "  %a = Mul(%x, %x)\n"
                          "  %c = Add(%a, %b)\n"
                          "  %d = Tanh(%c)\n"
                          "  %e = Sigmoid(%x)\n"
                          "  %y = Mul(%d, %e)\n"
                          "  return %y, %e\n"
                          "}\n";

struct call {
    struct ms_arena arena;
    struct ms_request req;
    struct ms_req_tensor in;
    struct ms_tensor *x;
    atomic_int done;
    pthread_t by; /* who answered */
    ms_code code;
    struct ms_tensor *y[2];
};

static void on_done(struct ms_request *r, const struct ms_err *err, void *arg)
{
    struct call *c = arg;

    c->code = err ? err->code : MS_OK;
    c->by = pthread_self();
    for (int i = 0; i < r->n_out; i++)
        c->y[i] = ms_tensor_ref(r->out[i].tensor);
    ms_request_done(r);
    atomic_fetch_add(&c->done, 1);
}

static void call_init(struct call *c, struct ms_tensor *x)
{
    memset(c, 0, sizeof *c);
    ms_arena_init(&c->arena, 1 << 20);
    c->x = x;
    c->in.name = "x";
    ck_assert(ms_tensor_borrow(&c->in.tensor, x->dtype, &x->shape, x->data));
    c->req = (struct ms_request){.model = "mlp",
                                 .version = "",
                                 .id = "",
                                 .in = &c->in,
                                 .n_in = 1,
                                 .deadline = MS_NEVER,
                                 .arena = &c->arena};
}

static void call_free(struct call *c)
{
    ms_tensor_unref(c->y[0]);
    ms_tensor_unref(c->y[1]);
    ms_tensor_unref(c->x);
    ms_arena_done(&c->arena);
}

static void wait_done(struct call *c)
{
    int64_t end = ms_now() + 20 * MS_SEC;

    while (!atomic_load(&c->done) && ms_now() < end)
        usleep(100);
    ck_assert_int_eq(atomic_load(&c->done), 1);
}

/* ---- same bits ---- */

enum { THREADS = 4, CALLS = 150 };

struct load {
    struct ms_model *m;
    uint64_t seed;
    int refused;
};

static void check_call(struct ms_model *m, struct call *c)
{
    struct ms_tensor *want[2];

    ck_assert_int_eq(c->code, MS_OK);
    ck_assert_int_eq(ms_model_run(m, &c->x, want, 1, MS_NEVER, NULL, NULL, NULL), MS_OK);
    for (int k = 0; k < 2; k++) {
        ck_assert_ptr_nonnull(c->y[k]);
        ck_assert(ms_tensor_eq(want[k], c->y[k]));
        ms_tensor_unref(want[k]);
    }
    ck_assert_int_ge(c->req.times.batch, (int)c->x->shape.dim[0]);
}

static void *fire(void *arg)
{
    struct load *l = arg;
    struct call *calls = ms_calloc(CALLS, sizeof *calls);

    for (int i = 0; i < CALLS; i++) {
        call_init(&calls[i], random_of(l->seed + (uint64_t)i, 1 + i % 3, 16));
        calls[i].req.here = i % 2 * MS_SEC;
        if (ms_submit(l->m, &calls[i].req, on_done, &calls[i], NULL) != MS_OK)
            l->refused++;
        if (i % 40 == 39)
            usleep(300);
    }
    for (int i = 0; i < CALLS; i++) {
        wait_done(&calls[i]);
        check_call(l->m, &calls[i]);
        call_free(&calls[i]);
    }
    ms_free(calls);
    return NULL;
}

START_TEST(same_bits_in_any_company)
{
    struct ms_engine *e = must_engine(3);
    struct ms_model *m = must_load(e, mlp);
    struct load l[THREADS];
    pthread_t t[THREADS];

    ck_assert(ms_model_batchable(m));
    for (int i = 0; i < THREADS; i++) {
        l[i] = (struct load){.m = m, .seed = (uint64_t)i * 1000};
        ck_assert_int_eq(pthread_create(&t[i], NULL, fire, &l[i]), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(t[i], NULL);
        ck_assert_int_eq(l[i].refused, 0);
    }
    struct ms_model_stats *s = ms_model_stats(m);
    ck_assert_uint_eq(atomic_load(&s->success.count), THREADS * CALLS);
    ck_assert_uint_le(atomic_load(&s->executions), THREADS * CALLS);
    ck_assert_uint_eq(atomic_load(&s->inferences), THREADS * CALLS * 2);
    int64_t end = ms_now() + 5 * MS_SEC;
    while (ms_model_pending(m) && ms_now() < end)
        usleep(100); /* counted down behind done */
    ck_assert_int_eq(ms_model_pending(m), 0);
    ms_model_unref(m);
    ms_engine_free(e);
}
END_TEST

/* ---- waiting for a batch to fill ---- */

START_TEST(delay_fills_a_batch)
{
    struct ms_engine *e = must_engine(2);
    struct ms_model_opts o;
    struct call c[4];

    ms_model_opts_init(&o);
    o.passes = "none";
    o.batching.max_size = 4;
    o.batching.max_delay_ns = 200 * MS_MS;
    struct ms_model *m = load_text(e, mlp, &o, NULL);
    ck_assert_ptr_nonnull(m);
    int64_t start = ms_now();
    for (int i = 0; i < 4; i++) {
        call_init(&c[i], random_of((uint64_t)i, 1, 16));
        ck_assert_int_eq(ms_submit(m, &c[i].req, on_done, &c[i], NULL), MS_OK);
    }
    for (int i = 0; i < 4; i++) {
        wait_done(&c[i]);
        ck_assert_int_eq(c[i].req.times.batch, 4);
        check_call(m, &c[i]);
        call_free(&c[i]);
    }
    ck_assert_int_lt(ms_now() - start, 150 * MS_MS); /* full: it did not wait to the end */
    call_init(&c[0], random_of(9, 1, 16));
    start = ms_now();
    ck_assert_int_eq(ms_submit(m, &c[0].req, on_done, &c[0], NULL), MS_OK);
    wait_done(&c[0]);
    ck_assert_int_ge(ms_now() - start, 190 * MS_MS); /* alone: it waited, then went */
    ck_assert_int_eq(c[0].req.times.batch, 1);
    call_free(&c[0]);
    ms_model_unref(m);
    ms_engine_free(e);
}
END_TEST

/* ---- deadlines, cancellation, limits ---- */

/* Runs until its deadline: an endless loop. */
static const char endless[] =
    "graph \"endless\" (%x: f32[4]) {\n"
    "  %m = const i64[] {4611686018427387904}\n"
    "  %t = const bool[] {1}\n"
    "  %y = Loop(%m, %t, %x) {body=graph \"body\" (%i: i64[], %c: bool[], "
    "%v: f32[4]) {\n"
    "    %d = Identity(%c)\n"
    "    %w = Neg(%v)\n"
    "    return %d, %w\n"
    "  }}\n"
    "  return %y\n"
    "}\n";

static struct ms_model *load_endless(struct ms_engine *e, int max_queue)
{
    struct ms_model_opts o;
    struct ms_err err = {0};

    ms_model_opts_init(&o);
    o.passes = "none";
    o.name = "endless";
    o.self_test_ns = 0;
    o.batching.max_queue = max_queue;
    struct ms_model *m = load_text(e, endless, &o, &err);
    ck_assert_msg(m != NULL, "%s", err.text);
    return m;
}

START_TEST(endless_loop_ends_at_its_deadline)
{
    struct ms_engine *e = must_engine(1);
    struct ms_model *m = load_endless(e, 0);
    struct ms_tensor *x = random_of(1, 4), *y;
    struct ms_err err;
    int64_t start = ms_now();

    ck_assert_int_eq(ms_model_run(m, &x, &y, 0, start + 50 * MS_MS, NULL, NULL, &err),
                     MS_DEADLINE_EXCEEDED);
    ck_assert_int_ge(ms_now() - start, 50 * MS_MS);
    ck_assert_int_lt(ms_now() - start, 2 * MS_SEC);
    ms_tensor_unref(x);
    ms_model_unref(m);

    struct ms_model_opts o;
    ms_model_opts_init(&o);
    o.self_test_ns = 50 * MS_MS;
    ck_assert_ptr_null(load_text(e, endless, &o, &err)); /* the self-test stops it too */
    ck_assert_int_eq(err.code, MS_DEADLINE_EXCEEDED);
    ms_engine_free(e);
}
END_TEST

static void *stop_of(struct ms_watched *w, int64_t for_ns, bool at_work)
{
    for (int64_t end = ms_now() + for_ns; ms_now() < end && !atomic_load(&w->stop);)
        if (!at_work)
            usleep(1000);
    return atomic_load(&w->stop) ? w : NULL;
}

/* Background work that waits for its turn is not late; what it does itself counts, and so does a
 * clock on the wall that is set for later. */
START_TEST(work_is_late_by_its_own_clock)
{
    struct ms_engine *e = must_engine(1);
    struct ms_work work = {.until = ms_cpu_time() + 40 * MS_MS, .latest = MS_NEVER};
    struct ms_watched w;

    ck_assert_int_eq(pthread_getcpuclockid(pthread_self(), &work.clock), 0);
    ms_watched_init(&w, e, ms_now() + 10 * MS_MS, &work, NULL);
    ms_watch_begin(&w);
    ck_assert_ptr_null(stop_of(&w, 100 * MS_MS, false));
    ck_assert_int_eq(ms_watched_check(&w), MS_OK);
    ck_assert_ptr_nonnull(stop_of(&w, 10 * MS_SEC, true));
    ck_assert_int_ge(ms_cpu_time(), work.until);
    ck_assert_int_eq(ms_watched_check(&w), MS_DEADLINE_EXCEEDED);
    ms_watch_end(&w);

    work.until = INT64_MAX;
    work.latest = ms_now() + 50 * MS_MS;
    ms_watched_init(&w, e, ms_now() + 10 * MS_MS, &work, NULL);
    ms_watch_begin(&w);
    ck_assert_ptr_nonnull(stop_of(&w, 10 * MS_SEC, false));
    ck_assert_int_ge(ms_now(), work.latest);
    ms_watch_end(&w);
    ms_engine_free(e);
}
END_TEST

START_TEST(queue_limits_and_cancel)
{
    struct ms_engine *e = must_engine(1);
    struct ms_model *m = load_endless(e, 2);
    struct call c[4];
    struct ms_err err;

    for (int i = 0; i < 4; i++)
        call_init(&c[i], random_of((uint64_t)i, 4));
    ck_assert_int_eq(ms_submit(m, &c[0].req, on_done, &c[0], &err), MS_OK);
    usleep(50000); /* the worker holds the first now */
    c[1].req.deadline = ms_now() + 30 * MS_MS;
    ck_assert_int_eq(ms_submit(m, &c[1].req, on_done, &c[1], &err), MS_OK);
    ck_assert_int_eq(ms_submit(m, &c[2].req, on_done, &c[2], &err), MS_OK);
    ck_assert_int_eq(ms_submit(m, &c[3].req, on_done, &c[3], &err), MS_UNAVAILABLE);
    ck_assert_ptr_nonnull(strstr(err.text, "maximum queue size"));
    wait_done(&c[1]); /* while the only worker is busy */
    ck_assert_int_eq(c[1].code, MS_DEADLINE_EXCEEDED);
    ck_assert_int_eq(atomic_load(&ms_model_stats(m)->rejected[MS_REJECT_LATE]), 1);
    ms_cancel(&c[2].req);
    wait_done(&c[2]);
    ck_assert_int_eq(c[2].code, MS_CANCELLED);
    ms_cancel(&c[0].req); /* runs, inside its loop */
    wait_done(&c[0]);
    ck_assert_int_eq(c[0].code, MS_CANCELLED);
    ms_cancel(&c[0].req); /* harmless afterwards */
    for (int i = 0; i < 4; i++)
        call_free(&c[i]);
    ms_model_unref(m);
    ms_engine_free(e);
}
END_TEST

START_TEST(bad_requests)
{
    struct ms_engine *e = must_engine(1);
    struct ms_model *m = must_load(e, mlp);
    struct ms_req_output want = {.name = "nope"};
    struct call c;
    struct ms_err err;

    call_init(&c, random_of(1, 1, 16));
    c.in.name = "other";
    ck_assert_int_eq(ms_submit(m, &c.req, on_done, &c, &err), MS_INVALID_ARGUMENT);
    ck_assert_str_eq(err.text, "unexpected inference input 'other' for model 'test'");
    c.in.name = NULL; /* by position */
    c.req.want = &want;
    c.req.n_want = 1;
    ck_assert_int_eq(ms_submit(m, &c.req, on_done, &c, &err), MS_INVALID_ARGUMENT);
    c.req.n_want = 0;
    c.req.n_in = 0;
    ck_assert_int_eq(ms_submit(m, &c.req, on_done, &c, &err), MS_INVALID_ARGUMENT);
    c.req.n_in = 1;
    c.req.deadline = ms_now() - 1;
    ck_assert_int_eq(ms_submit(m, &c.req, on_done, &c, &err), MS_DEADLINE_EXCEEDED);
    c.req.deadline = MS_NEVER;
    ck_assert_int_eq(ms_submit(m, &c.req, on_done, &c, &err), MS_OK);
    wait_done(&c);
    check_call(m, &c);
    call_free(&c);
    ms_model_unref(m);
    ms_engine_free(e);
}
END_TEST

/* Inputs at odd addresses, as messages bring them. */
START_TEST(unaligned_input)
{
    struct ms_engine *e = must_engine(1);
    struct ms_model *m = must_load(e, mlp);
    char raw[16 * 4 + 1];
    struct call c;

    call_init(&c, random_of(5, 1, 16));
    memcpy(raw + 1, c.x->data, 64);
    c.in.tensor.data = raw + 1;
    ck_assert_int_eq(ms_submit(m, &c.req, on_done, &c, NULL), MS_OK);
    wait_done(&c);
    check_call(m, &c);
    call_free(&c);
    ms_model_unref(m);
    ms_engine_free(e);
}
END_TEST

/* ---- on the submitting thread ---- */

/* Submits x, which may be run here; was it? */
static bool runs_here(struct ms_model *m, struct call *c, struct ms_tensor *x)
{
    call_init(c, x);
    c->req.here = MS_SEC;
    ck_assert_int_eq(ms_submit(m, &c->req, on_done, c, NULL), MS_OK);
    bool at_once = atomic_load(&c->done);
    wait_done(c);
    check_call(m, c);
    bool here = pthread_equal(c->by, pthread_self());
    ck_assert(at_once || !here);
    call_free(c);
    return here;
}

START_TEST(short_runs_need_no_worker)
{
    struct ms_engine *e = must_engine(2);
    struct ms_model *m = must_load(e, mlp);
    struct ms_model_stats *s = ms_model_stats(m);
    struct call c;

    usleep(50000);                                     /* the workers are asleep */
    ck_assert(!runs_here(m, &c, random_of(1, 5, 16))); /* nobody knows how long it takes */
    for (int64_t end = ms_now() + 5 * MS_SEC; ms_model_pending(m) && ms_now() < end;)
        usleep(100);
    usleep(50000);
    ck_assert(runs_here(m, &c, random_of(2, 5, 16)));
    ck_assert_int_eq(ms_model_pending(m), 0);
    call_init(&c, random_of(2, 5, 16));
    c.req.here = 1; /* ns */
    ck_assert_int_eq(ms_submit(m, &c.req, on_done, &c, NULL), MS_OK);
    wait_done(&c);
    ck_assert(!pthread_equal(c.by, pthread_self()));
    call_free(&c);
    ck_assert_uint_eq(atomic_load(&s->success.count), 3);
    ck_assert_uint_eq(atomic_load(&s->queue.count), 3);
    ck_assert_uint_eq(atomic_load(&s->executions), 3);
    ck_assert_uint_eq(atomic_load(&s->inferences), 15);
    call_init(&c, random_of(3, 5, 16));
    c.req.here = MS_SEC;
    c.req.deadline = ms_now() - 1;
    ck_assert_int_eq(ms_submit(m, &c.req, on_done, &c, NULL), MS_DEADLINE_EXCEEDED);
    call_free(&c);
    ms_model_unref(m);
    ms_engine_free(e);
}
END_TEST

/* A loop's time is a matter of data; and who computes here takes the place of an idle worker. */
START_TEST(loops_and_busy_workers)
{
    struct ms_engine *e = must_engine(1);
    struct ms_model *m = must_load(e, mlp), *loop = load_endless(e, 0);
    struct ms_tensor *x = random_of(1, 1, 16), *y[2];
    struct call c[2];

    ck_assert_int_eq(ms_model_run(m, &x, y, 1, MS_NEVER, NULL, NULL, NULL), MS_OK);
    ms_tensor_unref(y[0]);
    ms_tensor_unref(y[1]);
    call_init(&c[0], random_of(2, 4));
    c[0].req.here = MS_SEC;
    ck_assert_int_eq(ms_submit(loop, &c[0].req, on_done, &c[0], NULL), MS_OK);
    usleep(50000); /* the worker holds it now */
    call_init(&c[1], x);
    c[1].req.here = MS_SEC;
    ck_assert_int_eq(ms_submit(m, &c[1].req, on_done, &c[1], NULL), MS_OK);
    ck_assert_int_eq(atomic_load(&c[1].done), 0);
    ms_cancel(&c[0].req);
    for (int i = 0; i < 2; i++) {
        wait_done(&c[i]);
        ck_assert(!pthread_equal(c[i].by, pthread_self()));
        call_free(&c[i]);
    }
    ms_model_unref(loop);
    ms_model_unref(m);
    ms_engine_free(e);
}
END_TEST

START_TEST(guests_take_idle_places)
{
    struct ms_engine *e = must_engine(2);
    struct ms_pool *p = ms_engine_pool(e);

    usleep(50000);
    ck_assert(ms_pool_enter(p));
    ck_assert(ms_pool_enter(p));
    ck_assert(!ms_pool_enter(p)); /* two workers are idle, no third */
    ms_pool_leave(p);
    ck_assert(ms_pool_enter(p));
    ms_pool_leave(p);
    ms_pool_leave(p);
    ms_engine_free(e);
}
END_TEST

/* ---- chaos: random deadlines and cancels on two models; each accepted request ends once ---- */

struct chaos {
    struct ms_model *m[2];
    atomic_int accepted, ended;
};

static void *wreak(void *arg)
{
    struct chaos *k = arg;
    struct call *calls = ms_calloc(CALLS, sizeof *calls);
    bool accepted[CALLS];
    uint64_t r = atomic_fetch_add(&k->accepted, 0) + (uint64_t)(uintptr_t)calls;

    for (int i = 0; i < CALLS; i++) {
        r = r * 6364136223846793005u + 1442695040888963407u;
        call_init(&calls[i], random_of(r, 1 + (int64_t)(r >> 60), 16));
        if (r >> 40 & 1)
            calls[i].req.deadline = ms_now() + (int64_t)(r >> 33 & 0xfffff);
        accepted[i] =
            ms_submit(k->m[r >> 35 & 1], &calls[i].req, on_done, &calls[i], NULL) == MS_OK;
        atomic_fetch_add(&k->accepted, accepted[i]);
        if (accepted[i] && (r >> 37 & 3) == 0)
            ms_cancel(&calls[i].req);
    }
    for (int i = 0; i < CALLS; i++) {
        if (accepted[i]) {
            wait_done(&calls[i]);
            ms_code c = calls[i].code;
            ck_assert(c == MS_OK || c == MS_CANCELLED || c == MS_DEADLINE_EXCEEDED);
            atomic_fetch_add(&k->ended, 1);
            if (c == MS_OK)
                check_call(k->m[0], &calls[i]);
            else
                ck_assert_ptr_null(calls[i].y[0]);
        }
    }
    usleep(20000); /* a second done would show now */
    for (int i = 0; i < CALLS; i++) {
        ck_assert_int_eq(atomic_load(&calls[i].done), accepted[i]);
        call_free(&calls[i]);
    }
    ms_free(calls);
    return NULL;
}

START_TEST(each_request_ends_once)
{
    struct ms_engine *e = must_engine(3);
    struct chaos k = {.m = {must_load(e, mlp), must_load(e, mlp)}};
    pthread_t t[THREADS];

    for (int i = 0; i < THREADS; i++)
        ck_assert_int_eq(pthread_create(&t[i], NULL, wreak, &k), 0);
    for (int i = 0; i < THREADS; i++)
        pthread_join(t[i], NULL);
    ck_assert_int_gt(atomic_load(&k.ended), 0);
    ck_assert_int_eq(atomic_load(&k.ended), atomic_load(&k.accepted));
    int64_t end = ms_now() + 5 * MS_SEC;
    while (ms_model_pending(k.m[0]) + ms_model_pending(k.m[1]) && ms_now() < end)
        usleep(100); /* counted down behind done */
    ck_assert_int_eq(ms_model_pending(k.m[0]) + ms_model_pending(k.m[1]), 0);
    ms_model_unref(k.m[0]);
    ms_model_unref(k.m[1]);
    ms_engine_free(e);
}
END_TEST

TCase *batch_tests(void)
{
    TCase *c = tcase_create("batch");

    tcase_set_timeout(c, 120);
    tcase_add_test(c, same_bits_in_any_company);
    tcase_add_test(c, each_request_ends_once);
    tcase_add_test(c, delay_fills_a_batch);
    tcase_add_test(c, endless_loop_ends_at_its_deadline);
    tcase_add_test(c, work_is_late_by_its_own_clock);
    tcase_add_test(c, queue_limits_and_cancel);
    tcase_add_test(c, bad_requests);
    tcase_add_test(c, unaligned_input);
    tcase_add_test(c, short_runs_need_no_worker);
    tcase_add_test(c, loops_and_busy_workers);
    tcase_add_test(c, guests_take_idle_places);
    return c;
}
