/* SPDX-License-Identifier: Apache-2.0 */
/* test_pair.c - steps that run at once: the result is that of the steps one by one, to the bit. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/cpu.h"
#include "runtime/model_impl.h"
#include "tests/runtime/suites.h"
#include "tests/runtime/util.h"

enum { IN = 20, WIDE = 140 }; /* channels, no multiples of a block */

static char *add_const(char *p, const char *name, const char *shape, int n)
{
    p += sprintf(p, "  %%%s = const f32[%s] {", name, shape);
    for (int i = 0; i < n; i++)
        p += sprintf(p, "%s%.4f", i ? ", " : "", (double)(i * 7919 % 2003) / 5000 - 0.2);
    return p + sprintf(p, "}\n");
}

/* A convolution of some groups that widens, `between`, and a depthwise one of k x k. The tensor
 * between them is some megabytes: no cache of one core keeps it. */
static char *pair_text(int groups, int k, const char *attrs, const char *between,
                       const char *returned)
{
    char *text = malloc((size_t)WIDE * (IN + 2 + (size_t)k * (size_t)k) * 16 + 2000), *p = text;
    char shape[64];

    p += sprintf(p, "graph \"g\" (%%x: f32[N,%d,90,70]) {\n", IN);
    snprintf(shape, sizeof shape, "%d,%d,1,1", WIDE, IN / groups);
    p = add_const(p, "w", shape, WIDE * IN / groups);
    snprintf(shape, sizeof shape, "%d,1,%d,%d", WIDE, k, k);
    p = add_const(p, "v", shape, WIDE * k * k);
    snprintf(shape, sizeof shape, "%d", WIDE);
    p = add_const(p, "b", shape, WIDE);
    p += sprintf(p, "  %%c = Conv(%%x, %%w, %%b) {group=%d}\n  %%a = %s(%%c)\n", groups, between);
    sprintf(p, "  %%d = Conv(%%a, %%v, %%b) {group=%d, %s}\n  %%y = Relu(%%d)\n  return %s\n}\n",
            WIDE, attrs, returned);
    return text;
}

static struct ms_model *load_pair(struct ms_engine *e, char *text)
{
    struct ms_model_opts o;
    struct ms_err err = {0};

    ms_model_opts_init(&o);
    o.name = "pair";
    o.version = "1";
    struct ms_model *m = load_text(e, text, &o, &err);
    ck_assert_msg(m != NULL, "%s", err.text);
    free(text);
    return m;
}

static int pairs_of(struct ms_model *m, struct ms_tensor *x)
{
    struct ms_plan *plan;
    struct ms_err err = {0};
    int n = 0;

    ck_assert_msg(ms_part_plan(&m->program.parts[0], &x, &plan, &err) == MS_OK, "%s", err.text);
    for (int s = 0; s < plan->n_steps; s++)
        n += plan->step[s].pairing != NULL;
    ms_plan_unref(plan);
    return n;
}

/* A run with a profile does steps one by one. */
static void compare(struct ms_model *m, struct ms_tensor *x, int width)
{
    struct ms_profile profile = {0};
    struct ms_tensor *want[2], *y[2];
    struct ms_err err = {0};

    ck_assert_int_eq(ms_model_run(m, &x, want, 1, MS_NEVER, NULL, &profile, &err), MS_OK);
    ck_assert_int_eq(ms_model_run(m, &x, y, width, MS_NEVER, NULL, NULL, &err), MS_OK);
    ms_profile_done(&profile);
    for (int i = 0; i < m->n_out; i++) {
        ck_assert_uint_eq(y[i]->bytes, want[i]->bytes);
        ck_assert_mem_eq(y[i]->data, want[i]->data, want[i]->bytes);
        ms_tensor_unref(want[i]);
        ms_tensor_unref(y[i]);
    }
}

START_TEST(pairs_give_the_same_bits)
{
    static const struct {
        int groups, k;
        const char *attrs, *between;
    } cases[] = {{1, 3, "pads=[1,1,1,1]", "Relu"},
                 {4, 3, "pads=[1,1,1,1], strides=[2,2]", "Relu"},
                 {2, 5, "pads=[2,2,2,2]", "Sigmoid"},
                 {1, 3, "pads=[0,2,3,1], dilations=[2,2]", "Relu"},
                 {1, 3, "pads=[7,0,9,0]", "Relu"}, /* rows of padding alone at both ends */
                 {1, 1, "strides=[3,2]", "Relu"},
                 {1, 3, "strides=[5,1]", "Sigmoid"}}; /* bands that share no rows */

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        for (int threads = 1; threads <= 3; threads++) {
            struct ms_engine *e = must_engine(threads);
            struct ms_model *m = load_pair(
                e, pair_text(cases[i].groups, cases[i].k, cases[i].attrs, cases[i].between, "%y"));
            for (int n = 1; n <= 3; n += 2) {
                struct ms_tensor *x = random_of((uint64_t)n, n, IN, 90, 70);
                ck_assert_int_eq(pairs_of(m, x), ms_cpu()->isa > MS_ISA_ANY);
                compare(m, x, threads);
                ms_tensor_unref(x);
            }
            ms_model_unref(m);
            ms_engine_free(e);
        }
}
END_TEST

/* The head of a network: a convolution at stride 2 of plain or blocked channels, then a pool. */
static char *head_text(int in, const char *act, const char *pool)
{
    char *text = malloc((size_t)WIDE * ((size_t)in * 9 + 1) * 16 + 2000), *p = text;
    char shape[64];

    p += sprintf(p, "graph \"g\" (%%x: f32[N,%d,181,140]) {\n", in);
    snprintf(shape, sizeof shape, "%d,%d,3,3", WIDE, in);
    p = add_const(p, "w", shape, WIDE * in * 9);
    snprintf(shape, sizeof shape, "%d", WIDE);
    p = add_const(p, "b", shape, WIDE);
    sprintf(p,
            "  %%c = Conv(%%x, %%w, %%b) {strides=[2,2], pads=[1,0,1,1]}\n  %%a = %s(%%c)\n"
            "  %%y = MaxPool(%%a) {%s}\n  return %%y\n}\n",
            act, pool);
    return text;
}

START_TEST(pools_make_pairs)
{
    static const struct {
        int in;
        const char *act, *pool;
    } cases[] = {{3, "Relu", "kernel_shape=[3,3], strides=[2,2], pads=[1,1,1,1]"},
                 {20, "Sigmoid", "kernel_shape=[3,3], strides=[2,2], ceil_mode=1"},
                 {3, "Neg", "kernel_shape=[2,5], dilations=[3,1]"},
                 {20, "Relu", "kernel_shape=[1,2], strides=[4,1]"}};

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        for (int threads = 1; threads <= 3; threads++) {
            struct ms_engine *e = must_engine(threads);
            struct ms_model *m = load_pair(e, head_text(cases[i].in, cases[i].act, cases[i].pool));
            const bool fused = strcmp(cases[i].act, "Neg") != 0; /* that one stands between */
            for (int n = 1; n <= 3; n += 2) {
                struct ms_tensor *x = random_of((uint64_t)n, n, cases[i].in, 181, 140);
                ck_assert_int_eq(pairs_of(m, x), fused && ms_cpu()->isa > MS_ISA_ANY);
                compare(m, x, threads);
                ms_tensor_unref(x);
            }
            ms_model_unref(m);
            ms_engine_free(e);
        }
}
END_TEST

/* What lies between is needed: no pair. */
START_TEST(pairs_need_a_tensor_of_their_own)
{
    struct ms_engine *e = must_engine(2);
    struct ms_model *m = load_pair(e, pair_text(1, 3, "pads=[1,1,1,1]", "Relu", "%y, %a"));
    struct ms_tensor *x = random_of(1, 1, IN, 90, 70);

    ck_assert_int_eq(pairs_of(m, x), 0);
    compare(m, x, 2);
    ms_tensor_unref(x);
    ms_model_unref(m);
    ms_engine_free(e);
}
END_TEST

TCase *pair_tests(void)
{
    TCase *c = tcase_create("pair");

    tcase_add_test(c, pairs_give_the_same_bits);
    tcase_add_test(c, pools_make_pairs);
    tcase_add_test(c, pairs_need_a_tensor_of_their_own);
    tcase_set_timeout(c, 60);
    return c;
}
