/* SPDX-License-Identifier: Apache-2.0 */
/* test_plan.c - memory plans, plans by shape, graphs with branches, late shapes and sub-graphs. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "runtime/memplan.h"
#include "runtime/model_impl.h"
#include "tests/runtime/suites.h"
#include "tests/runtime/util.h"

/* ---- memplan ---- */

static uint64_t rnd(uint64_t *seed)
{
    *seed = *seed * 6364136223846793005u + 1442695040888963407u;
    return *seed >> 33;
}

static void check_plan(const struct ms_buffer *b, int n, size_t size, size_t bound)
{
    for (int i = 0; i < n; i++) {
        ck_assert_uint_eq(b[i].offset % 64, 0);
        ck_assert_uint_le(b[i].offset + b[i].bytes, size);
        for (int k = 0; k < i; k++) {
            bool alive = b[i].first <= b[k].last && b[k].first <= b[i].last;
            bool apart =
                b[i].offset + b[i].bytes <= b[k].offset || b[k].offset + b[k].bytes <= b[i].offset;
            ck_assert(!alive || apart);
        }
    }
    ck_assert_uint_ge(size, bound);
}

START_TEST(memplan_never_overlaps)
{
    uint64_t seed = 42;

    for (int round = 0; round < 200; round++) {
        struct ms_buffer b[120];
        int n = 1 + (int)(rnd(&seed) % 120);
        size_t size, bound;
        for (int i = 0; i < n; i++) {
            int first = (int)(rnd(&seed) % 60);
            b[i] = (struct ms_buffer){.bytes = rnd(&seed) % (rnd(&seed) % 3 ? 5000 : 100000),
                                      .first = first,
                                      .last = first + (int)(rnd(&seed) % 10)};
        }
        ck_assert(ms_memplan(b, n, &size, &bound));
        check_plan(b, n, size, bound);
        ck_assert_uint_le(size, 2 * bound + 64); /* greedy stays close to the bound */
    }
}
END_TEST

START_TEST(memplan_of_a_chain_is_two_buffers)
{
    struct ms_buffer b[50];
    size_t size, bound;

    for (int i = 0; i < 50; i++)
        b[i] = (struct ms_buffer){.bytes = 1000, .first = i, .last = i + 1};
    ck_assert(ms_memplan(b, 50, &size, &bound));
    ck_assert_uint_eq(size, 2048);
    ck_assert_uint_eq(bound, 2048);
}
END_TEST

START_TEST(memplan_of_many_is_linear)
{
    enum { N = 200000 };
    struct ms_buffer *b = ms_calloc(N, sizeof *b);
    size_t size, bound;
    int64_t start = ms_now();

    for (int i = 0; i < N; i++)
        b[i] = (struct ms_buffer){.bytes = 100 + (size_t)i % 7, .first = i, .last = i + 2};
    ck_assert(ms_memplan(b, N, &size, &bound));
    ck_assert_int_lt(ms_now() - start, 5 * MS_SEC);
    ck_assert_uint_le(size, 4096);
    ms_free(b);
}
END_TEST

START_TEST(memplan_refuses_overflow)
{
    struct ms_buffer b[2] = {{.bytes = SIZE_MAX / 2, .last = 1},
                             {.bytes = SIZE_MAX / 2, .last = 1}};
    size_t size, bound;

    ck_assert(!ms_memplan(b, 2, &size, &bound));
}
END_TEST

/* ---- plans ---- */

static struct ms_tensor *run1(struct ms_model *m, struct ms_tensor *x, int width)
{
    struct ms_tensor *y;
    struct ms_err err = {0};
    ms_code code = ms_model_run(m, &x, &y, width, MS_NEVER, NULL, NULL, &err);

    ck_assert_msg(code == MS_OK, "%s", err.text);
    return y;
}

START_TEST(plans_are_cached_and_bounded)
{
    struct ms_engine *e = must_engine(1);
    struct ms_model *m = must_load(e, "graph \"g\" (%x: f32[N,8]) {\n"
                                      "  %a = Relu(%x)\n  %b = Exp(%a)\n  return %b\n}\n");
    struct ms_part *part = &m->program.parts[0];

    for (int round = 0; round < 2; round++)
        for (int n = 1; n <= 40; n++) {
            struct ms_tensor *x = random_of((uint64_t)n, n, 8), *y = run1(m, x, 1);
            ck_assert_int_eq(y->shape.dim[0], n);
            ms_tensor_unref(x);
            ms_tensor_unref(y);
            ck_assert_int_le(part->n_plans, 16);
        }
    ck_assert_int_eq(part->n_plans, 16);
    ck_assert_int_eq(part->plans->in_shape[0].dim[0], 40); /* the newest is first */
    struct ms_model_memory mem;
    ms_model_memory(m, &mem);
    ck_assert_uint_gt(mem.plans, 0);
    ck_assert_uint_gt(ms_program_shrink(&m->program), 0);
    ms_model_memory(m, &mem);
    ck_assert_uint_eq(mem.plans, 0);
    ms_model_unref(m);
    ms_engine_free(e);
}
END_TEST

/* Shape chains leave no steps, chains of element-wise operators share one buffer. */
START_TEST(plans_are_lean)
{
    struct ms_engine *e = must_engine(1);
    struct ms_model *m = must_load(e, "graph \"g\" (%x: f32[N,6,4]) {\n"
                                      "  %s = Shape(%x)\n"
                                      "  %zero = const i64[1] {0}\n"
                                      "  %m1 = const i64[1] {-1}\n"
                                      "  %n = Gather(%s, %zero)\n"
                                      "  %t = Concat(%n, %m1) {axis=0}\n"
                                      "  %a = Abs(%x)\n"
                                      "  %r = Reshape(%a, %t)\n"
                                      "  %b = Neg(%r)\n"
                                      "  %c = Abs(%b)\n"
                                      "  return %c\n"
                                      "}\n");
    struct ms_tensor *x = random_of(3, 2, 6, 4), *y = run1(m, x, 1);
    struct ms_plan *p = m->program.parts[0].plans;

    ck_assert_int_eq(p->n_steps, 3); /* Abs, Neg, Abs */
    ck_assert_uint_eq(p->slab, 0);   /* all in the output's own memory */
    ck_assert_int_eq(y->shape.rank, 2);
    ck_assert_int_eq(y->shape.dim[1], 24);
    for (int i = 0; i < 48; i++)
        ck_assert_float_eq(((float *)y->data)[i], fabsf(((float *)x->data)[i]));
    ms_tensor_unref(x);
    ms_tensor_unref(y);
    ms_model_unref(m);
    ms_engine_free(e);
}
END_TEST

/* Outputs may be inputs, constants, each other, and views of each other. */
START_TEST(odd_outputs)
{
    struct ms_engine *e = must_engine(1);
    struct ms_model *m = must_load(e, "graph \"g\" (%x: f32[4]) {\n"
                                      "  %k = const f32[2] {5, 6}\n"
                                      "  %two = const i64[2] {2, 2}\n"
                                      "  %a = Neg(%x)\n"
                                      "  %v = Reshape(%a, %two)\n"
                                      "  return %x, %k, %a, %a, %v\n"
                                      "}\n");
    struct ms_tensor *x = random_of(3, 4), *y[5];

    ck_assert_int_eq(ms_model_run(m, &x, y, 1, MS_NEVER, NULL, NULL, NULL), MS_OK);
    ck_assert(ms_tensor_eq(x, y[0]));
    ck_assert_ptr_ne(x->data, y[0]->data);
    ck_assert_float_eq(((float *)y[1]->data)[1], 6);
    ck_assert(ms_tensor_eq(y[2], y[3]));
    ck_assert_int_eq(y[4]->shape.rank, 2);
    ck_assert_float_eq(((float *)y[4]->data)[3], -((float *)x->data)[3]);
    ms_model_unref(m); /* outputs outlive the model */
    ck_assert_mem_eq(y[4]->data, y[2]->data, 16);
    for (int i = 0; i < 5; i++)
        ms_tensor_unref(y[i]);
    ms_tensor_unref(x);
    struct ms_engine_memory mem;
    ms_engine_memory(e, &mem);
    ck_assert_uint_eq(mem.runs, 0);
    ms_engine_free(e);
}
END_TEST

/* ---- branches ---- */

/* Text of a random graph of element-wise steps with many readers. */
static char *random_graph(uint64_t seed, int steps)
{
    static const char *const one[] = {"Neg", "Abs", "Tanh", "Sigmoid", "Sin", "Relu"};
    static const char *const two[] = {"Add", "Sub", "Mul", "Max"};
    struct ms_buf b;

    ms_buf_init(&b, 1 << 20);
    ms_buf_puts(&b, "graph \"r\" (%v0: f32[N,20000]) {\n");
    for (int i = 1; i <= steps; i++) {
        int from = i > 8 ? i - 8 : 0;
        int a = from + (int)(rnd(&seed) % (uint64_t)(i - from));
        int c = from + (int)(rnd(&seed) % (uint64_t)(i - from));
        if (rnd(&seed) % 2)
            ms_buf_printf(&b, "  %%v%d = %s(%%v%d)\n", i, one[rnd(&seed) % 6], a);
        else
            ms_buf_printf(&b, "  %%v%d = %s(%%v%d, %%v%d)\n", i, two[rnd(&seed) % 4], a, c);
    }
    ms_buf_printf(&b, "  return %%v%d, %%v%d, %%v%d\n}\n", steps, steps - 1, steps - 3);
    return ms_buf_take(&b, &(size_t){0});
}

START_TEST(branches_give_the_same_bits)
{
    struct ms_engine *e = must_engine(4);
    int branchy = 0;

    for (uint64_t seed = 1; seed <= 25; seed++) {
        char *text = random_graph(seed, 40);
        struct ms_model *m = must_load(e, text);
        struct ms_tensor *x = random_of(seed, 2, 20000), *one[3], *many[3];
        ck_assert_int_eq(ms_model_run(m, &x, one, 1, MS_NEVER, NULL, NULL, NULL), MS_OK);
        branchy += m->program.parts[0].plans->branches;
        for (int k = 0; k < 4; k++) {
            ck_assert_int_eq(ms_model_run(m, &x, many, 4, MS_NEVER, NULL, NULL, NULL), MS_OK);
            for (int i = 0; i < 3; i++) {
                ck_assert(ms_tensor_eq(one[i], many[i]));
                ms_tensor_unref(many[i]);
            }
        }
        for (int i = 0; i < 3; i++)
            ms_tensor_unref(one[i]);
        ms_tensor_unref(x);
        ms_model_unref(m);
        ms_free(text);
    }
    ck_assert_int_gt(branchy, 15); /* the actors were at work */
    ms_engine_free(e);
}
END_TEST

/* ---- slices ---- */

enum { CHANNELS_MAX = 300, ROW = 800 };

/* A step that joins some of the last values, which may be joined already, and the same twice. */
static int put_concat(struct ms_buf *b, uint64_t *seed, int i, const int *channels)
{
    int n = 1 + (int)(rnd(seed) % 4), from = i > 5 ? i - 5 : 0, sum = 0;

    ms_buf_printf(b, "  %%v%d = Concat(", i);
    for (int k = 0; k < n; k++) {
        int a = from + (int)(rnd(seed) % (uint64_t)(i - from));
        if (sum + channels[a] > CHANNELS_MAX && k > 0)
            break;
        ms_buf_printf(b, k ? ", %%v%d" : "%%v%d", a);
        sum += channels[a];
    }
    ms_buf_puts(b, ") {axis=1}\n");
    return sum;
}

/* Random steps in place, joined, and read again. */
static char *random_joins(uint64_t seed, int steps)
{
    static const char *const one[] = {"Neg", "Abs", "Tanh", "Sin", "Relu"};
    static const char *const two[] = {"Add", "Sub", "Mul", "Max"};
    int channels[64] = {4};
    struct ms_buf b;

    ms_buf_init(&b, 1 << 20);
    ms_buf_printf(&b, "graph \"r\" (%%v0: f32[N,4,%d]) {\n", ROW);
    for (int i = 1; i <= steps; i++) {
        int from = i > 7 ? i - 7 : 0;
        int a = from + (int)(rnd(&seed) % (uint64_t)(i - from)), c = i - 1;
        channels[i] = channels[a];
        while (c > from && channels[c] != channels[a])
            c--;
        if (rnd(&seed) % 3 == 0)
            channels[i] = put_concat(&b, &seed, i, channels);
        else if (rnd(&seed) % 3 == 0 && channels[c] == channels[a])
            ms_buf_printf(&b, "  %%v%d = %s(%%v%d, %%v%d)\n", i, two[rnd(&seed) % 4], a, c);
        else
            ms_buf_printf(&b, "  %%v%d = %s(%%v%d)\n", i, one[rnd(&seed) % 5], a);
    }
    ms_buf_printf(&b, "  return %%v%d, %%v%d, %%v%d\n}\n", steps, steps - 1, steps - 3);
    return ms_buf_take(&b, &(size_t){0});
}

static int joins_of(struct ms_model *m, struct ms_tensor *x)
{
    struct ms_plan *plan;
    struct ms_err err = {0};
    int n = 0;

    ck_assert_msg(ms_part_plan(&m->program.parts[0], &x, &plan, &err) == MS_OK, "%s", err.text);
    for (int s = 0; s < plan->n_steps; s++)
        n += strcmp(plan->step[s].node->op->name, "Concat") == 0;
    ms_plan_unref(plan);
    return n;
}

/* Row `row` of three outputs of a run for two rows against the outputs for that row alone. */
static void same_row(struct ms_tensor **both, struct ms_tensor **alone, size_t row)
{
    for (int i = 0; i < 3; i++) {
        ck_assert_uint_eq(both[i]->bytes, 2 * alone[i]->bytes);
        ck_assert_mem_eq((char *)both[i]->data + row * alone[i]->bytes, alone[i]->data,
                         alone[i]->bytes);
        ms_tensor_unref(alone[i]);
    }
}

#if defined(__SANITIZE_THREAD__) /* ten times as slow */
enum { JOINS = 100 };
#else
enum { JOINS = 300 };
#endif

/* With two rows every Concat copies, with one few do. */
START_TEST(slices_give_the_same_bits)
{
    struct ms_engine *e = must_engine(4);
    int copied = 0, left = 0, branchy = 0;

    for (uint64_t seed = 1; seed <= JOINS; seed++) {
        char *text = random_joins(seed, 12 + (int)(seed % 30));
        struct ms_model *m = must_load(e, text);
        struct ms_tensor *x = random_of(seed, 2, 4, ROW), *y[3], *z[3];
        ck_assert_int_eq(ms_model_run(m, &x, y, 1, MS_NEVER, NULL, NULL, NULL), MS_OK);
        copied += joins_of(m, x);
        for (int k = 0; k < 6; k++) {
            struct ms_tensor *row = f32_of((float *)x->data + k % 2 * 4 * ROW, 1, 4, ROW);
            left += k == 0 ? joins_of(m, row) : 0;
            ck_assert_int_eq(ms_model_run(m, &row, z, 1 + k / 2, MS_NEVER, NULL, NULL, NULL),
                             MS_OK);
            branchy += m->program.parts[0].plans->branches;
            same_row(y, z, (size_t)(k % 2));
            ms_tensor_unref(row);
        }
        for (int i = 0; i < 3; i++)
            ms_tensor_unref(y[i]);
        ms_tensor_unref(x);
        ms_model_unref(m);
        ms_free(text);
    }
    ck_assert_int_lt(left, copied * 2 / 3);
    ck_assert_int_gt(branchy, JOINS);
    ms_engine_free(e);
}
END_TEST

/* What comes before is seen by all that follows: one buffer, and no copy. */
START_TEST(slices_nest)
{
    struct ms_engine *e = must_engine(1);
    struct ms_model *m = must_load(e, "graph \"g\" (%x: f32[N,16,4]) {\n"
                                      "  %a = Abs(%x)\n"
                                      "  %b = Neg(%a)\n"
                                      "  %ab = Concat(%a, %b) {axis=1}\n"
                                      "  %c = ReduceSum(%ab) {keepdims=1}\n"
                                      "  %d = Mul(%a, %c)\n"
                                      "  %abd = Concat(%a, %b, %d) {axis=1}\n"
                                      "  %e = Exp(%d)\n"
                                      "  %all = Concat(%abd, %e) {axis=1}\n"
                                      "  %y = Neg(%all)\n"
                                      "  return %y\n"
                                      "}\n");
    struct ms_tensor *one = random_of(3, 1, 16, 4), *two = random_of(3, 2, 16, 4);
    struct ms_tensor *y = run1(m, one, 1);

    ck_assert_int_eq(joins_of(m, two), 3);
    ck_assert_int_eq(joins_of(m, one), 0);
    ck_assert_uint_eq(m->program.parts[0].plans->slab, 4 * 256 + 64); /* all of it, the sum */
    for (int i = 0; i < 64; i++)
        ck_assert_float_eq(((float *)y->data)[i], -fabsf(((float *)one->data)[i]));
    ms_tensor_unref(one);
    ms_tensor_unref(two);
    ms_tensor_unref(y);
    ms_model_unref(m);
    ms_engine_free(e);
}
END_TEST

/* An operator whose pieces wait for company: how many threads were in it at once, over all nodes,
 * and how many nodes saw two. */
static struct {
    atomic_bool on;
    atomic_int inside, most, met;
    _Atomic(const struct ms_node *) node[3];
    _Atomic(const char *) who[3]; /* was there first; `both` once a second one came */
} company;

static size_t eight(const struct ms_task *t)
{
    (void)t;
    return 8;
}

static double long_work(const struct ms_node *n, const struct ms_fact *in,
                        const struct ms_fact *out)
{
    (void)n, (void)in, (void)out;
    return 1e9;
}

/* The node's place in the table. */
static int place_of(const struct ms_node *n)
{
    for (int i = 0; i < 3; i++) {
        const struct ms_node *none = NULL;
        if (atomic_compare_exchange_strong(&company.node[i], &none, n) || none == n)
            return i;
    }
    return 0;
}

static void enter(void)
{
    int n = atomic_fetch_add(&company.inside, 1) + 1, most = atomic_load(&company.most);

    while (n > most && !atomic_compare_exchange_weak(&company.most, &most, n))
        ;
}

static void wait_for_company(const struct ms_task *t)
{
    static _Thread_local char me;
    static const char both;

    memset(t->out[0]->data, 0, t->last == 8 ? t->out[0]->bytes : 0);
    for (size_t u = t->first; u < t->last && atomic_load(&company.on); u++) {
        _Atomic(const char *) *who = &company.who[place_of(t->node)];
        const char *first = NULL;
        enter();
        if (!atomic_compare_exchange_strong(who, &first, &me) && first != &me && first != &both &&
            atomic_compare_exchange_strong(who, &first, &both))
            atomic_fetch_add(&company.met, 1);
        for (int ms = 0; ms < 2000 && (ms < 10 || atomic_load(who) != &both); ms++)
            usleep(1000);
        atomic_fetch_sub(&company.inside, 1);
    }
}

MS_OP(test_company) = {
    .name = "TestCompany",
    .min_in = 1,
    .max_in = 1,
    .min_out = 1,
    .max_out = 1,
    .in = {MS_BIT(F32)},
    .infer = ms_infer_same,
    .cost = long_work,
    .kernels = (const struct ms_kernel[]){{"company", MS_BIT(F32), MS_ISA_ANY, .units = eight,
                                           .run = wait_for_company},
                                          {0}},
};

/* Three steps are ready at once. Each is wide enough for both workers and must get both; no more
 * than the run's width may be at work. */
START_TEST(wide_steps_get_every_worker)
{
    struct ms_engine *e = must_engine(2);
    struct ms_model *m = must_load(e, "graph \"g\" (%x: f32[N,64]) {\n"
                                      "  %z = Sub(%x, %x)\n"
                                      "  %a = TestCompany(%z)\n"
                                      "  %b = TestCompany(%z)\n"
                                      "  %c = TestCompany(%z)\n"
                                      "  %y = Sum(%a, %b, %c)\n"
                                      "  return %y\n}\n");
    struct ms_tensor *x = random_of(1, 4, 64), *y;

    atomic_store(&company.on, true);
    ck_assert_int_eq(ms_model_run(m, &x, &y, 2, MS_NEVER, NULL, NULL, NULL), MS_OK);
    atomic_store(&company.on, false);
    ck_assert(m->program.parts[0].plans->branches);
    ck_assert_int_eq(atomic_load(&company.met), 3);
    ck_assert_int_eq(atomic_load(&company.most), 2);
    ms_tensor_unref(x);
    ms_tensor_unref(y);
    ms_model_unref(m);
    ms_engine_free(e);
}
END_TEST

/* ---- late shapes and sub-graphs ---- */

START_TEST(shapes_that_data_decides)
{
    struct ms_engine *e = must_engine(2);
    struct ms_model *m = must_load(e, "graph \"g\" (%x: f32[N]) {\n"
                                      "  %z = NonZero(%x)\n"
                                      "  %t = Transpose(%z)\n"
                                      "  %m1 = const i64[1] {-1}\n"
                                      "  %i = Reshape(%t, %m1)\n"
                                      "  %v = Gather(%x, %i)\n"
                                      "  %y = Neg(%v)\n"
                                      "  return %y\n"
                                      "}\n");
    const float v[6] = {0, 3, 0, -4, 5, 0}, want[3] = {-3, 4, -5};
    const float none[6] = {0};

    ck_assert(!ms_model_batchable(m));
    for (int k = 0; k < 3; k++) {
        struct ms_tensor *x = f32_of(k == 1 ? none : v, 6), *y = run1(m, x, 2);
        ck_assert_int_eq(y->shape.dim[0], k == 1 ? 0 : 3);
        if (k != 1)
            ck_assert_mem_eq(y->data, want, sizeof want);
        ms_tensor_unref(x);
        ms_tensor_unref(y);
    }
    ms_model_unref(m);
    ms_engine_free(e);
}
END_TEST

START_TEST(if_and_loop)
{
    struct ms_engine *e = must_engine(2);
    struct ms_model *m = must_load(
        e, "graph \"g\" (%x: f32[4], %n: i64[]) {\n"
           "  %two = const i64[] {2}\n"
           "  %big = Greater(%n, %two)\n"
           "  %t = const bool[] {1}\n"
           "  %w = If(%big, %x) {captures=1, then_branch=graph \"then\" (%p: f32[4]) {\n"
           "      %q = Neg(%p)\n      return %q\n"
           "    }, else_branch=graph \"else\" (%p: f32[4]) {\n      return %p\n    }}\n"
           "  %y, %s = Loop(%n, %t, %w, %x) {captures=1, body=graph \"body\" (%i: i64[], %c: "
           "bool[], %v: f32[4], %k: f32[4]) {\n"
           "      %d = Identity(%c)\n"
           "      %o = Add(%v, %k)\n"
           "      return %d, %o, %o\n"
           "    }}\n"
           "  return %y, %s\n"
           "}\n");
    struct ms_tensor *in[2], *out[2];
    struct ms_shape scalar = ms_shape_scalar();
    struct ms_err err = {0};

    in[0] = random_of(7, 4);
    in[1] = ms_tensor_new(MS_I64, &scalar);
    for (int64_t n = 0; n < 6; n++) {
        *(int64_t *)in[1]->data = n;
        ms_code code = ms_model_run(m, in, out, 2, MS_NEVER, NULL, NULL, &err);
        ck_assert_msg(code == MS_OK, "%s", err.text);
        const float *x = in[0]->data;
        float v[4];
        ck_assert_int_eq(out[1]->shape.dim[0], n);
        for (int i = 0; i < 4; i++)
            v[i] = n > 2 ? -x[i] : x[i];
        for (int64_t k = 0; k < n; k++)
            for (int i = 0; i < 4; i++) {
                v[i] += x[i];
                ck_assert_float_eq(((float *)out[1]->data)[k * 4 + i], v[i]);
            }
        ck_assert_mem_eq(out[0]->data, v, sizeof v);
        ms_tensor_unref(out[0]);
        ms_tensor_unref(out[1]);
    }
    ms_tensor_unref(in[0]);
    ms_tensor_unref(in[1]);
    ms_model_unref(m);
    struct ms_engine_memory mem;
    ms_engine_memory(e, &mem);
    ck_assert_uint_eq(mem.plans + mem.graphs, 0);
    ms_engine_free(e);
}
END_TEST

/* ---- budgets ---- */

START_TEST(a_run_keeps_to_its_budget)
{
    struct ms_engine_opts o;
    struct ms_engine *e;
    struct ms_tensor *y;
    struct ms_err err;

    ms_engine_opts_init(&o);
    o.threads = 1;
    o.run_budget = 1 << 20;
    ck_assert_int_eq(ms_engine_new(&o, &e, NULL), MS_OK);
    struct ms_model *m = must_load(e, "graph \"g\" (%x: f32[N,1024]) {\n"
                                      "  %a = Relu(%x)\n  return %a\n}\n");
    struct ms_tensor *x = random_of(1, 1024, 1024);
    ck_assert_int_eq(ms_model_run(m, &x, &y, 1, MS_NEVER, NULL, NULL, &err), MS_RESOURCE_EXHAUSTED);
    ck_assert_ptr_nonnull(strstr(err.text, "budget"));
    ck_assert_int_eq(err.reason, MS_REASON_TOO_LARGE);
    ms_tensor_unref(x);
    ms_model_unref(m);
    /* sizes from data: an If whose plan promises nothing */
    m = must_load(e, "graph \"g\" (%n: i64[1]) {\n"
                     "  %y = ConstantOfShape(%n)\n  return %y\n}\n");
    struct ms_shape one = ms_shape_make(1);
    struct ms_tensor *n = ms_tensor_new(MS_I64, &one);
    *(int64_t *)n->data = INT64_C(1) << 40;
    ck_assert_int_eq(ms_model_run(m, &n, &y, 1, MS_NEVER, NULL, NULL, &err), MS_RESOURCE_EXHAUSTED);
    *(int64_t *)n->data = 100;
    ck_assert_int_eq(ms_model_run(m, &n, &y, 1, MS_NEVER, NULL, NULL, &err), MS_OK);
    ms_tensor_unref(y);
    ms_tensor_unref(n);
    ms_model_unref(m);
    ms_engine_free(e);
}
END_TEST

START_TEST(a_model_keeps_to_its_budget)
{
    struct ms_engine *e = must_engine(1);
    struct ms_model_opts o;
    struct ms_err err;

    ms_model_opts_init(&o);
    o.memory_budget = 2048;
    ck_assert_ptr_null(
        load_text(e, "graph \"g\" (%x: f32[N,8]) {\n  %a = Relu(%x)\n  return %a\n}\n", &o, &err));
    ck_assert_int_eq(err.code, MS_RESOURCE_EXHAUSTED);
    ms_engine_free(e);
}
END_TEST

/* Rows that see each other must not be batched. */
START_TEST(batch_axis_must_be_proven)
{
    struct ms_engine *e = must_engine(1);
    struct ms_model *m = must_load(e, "graph \"g\" (%x: f32[N,8]) {\n"
                                      "  %s = Softmax(%x) {axis=0}\n  return %s\n}\n");

    ck_assert(!ms_model_batchable(m));
    ck_assert(!ms_model_batching(m)->enabled);
    ms_model_unref(m);
    ms_engine_free(e);
}
END_TEST

TCase *plan_tests(void)
{
    TCase *c = tcase_create("plan");

    tcase_set_timeout(c, 120);
    tcase_add_test(c, memplan_never_overlaps);
    tcase_add_test(c, memplan_of_a_chain_is_two_buffers);
    tcase_add_test(c, memplan_of_many_is_linear);
    tcase_add_test(c, memplan_refuses_overflow);
    tcase_add_test(c, plans_are_cached_and_bounded);
    tcase_add_test(c, plans_are_lean);
    tcase_add_test(c, odd_outputs);
    tcase_add_test(c, branches_give_the_same_bits);
    tcase_add_test(c, slices_give_the_same_bits);
    tcase_add_test(c, slices_nest);
    tcase_add_test(c, wide_steps_get_every_worker);
    tcase_add_test(c, shapes_that_data_decides);
    tcase_add_test(c, if_and_loop);
    tcase_add_test(c, a_run_keeps_to_its_budget);
    tcase_add_test(c, a_model_keeps_to_its_budget);
    tcase_add_test(c, batch_axis_must_be_proven);
    return c;
}
