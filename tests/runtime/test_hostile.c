/* SPDX-License-Identifier: Apache-2.0 */
/* test_hostile.c - operands that only data decides: what shape inference could not see is refused
 * or cut short by the run itself, whatever the dims of empty tensors or the number of taps. */
#include <check.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "tests/runtime/suites.h"
#include "tests/runtime/util.h"

static struct ms_model *untested(struct ms_engine *e, const char *text)
{
    struct ms_model_opts o;
    struct ms_err err = {0};

    ms_model_opts_init(&o);
    o.passes = "none";
    o.self_test_ns = 0;
    struct ms_model *m = load_text(e, text, &o, &err);
    ck_assert_msg(m != NULL, "%s", err.text);
    return m;
}

static struct ms_tensor *i64_of(int rank, const int64_t *dim, int64_t fill)
{
    const struct ms_shape s = ms_shape_of(rank, dim);
    struct ms_tensor *t = ms_tensor_new(MS_I64, &s);

    ck_assert_ptr_nonnull(t);
    for (size_t i = 0; i < ms_tensor_count(t); i++)
        ((int64_t *)t->data)[i] = fill;
    return t;
}
#define I64(fill_, ...)                                                                            \
    i64_of((int)(sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t)), (int64_t[]){__VA_ARGS__},    \
           (fill_))

/* One run; the tensors are given away. */
static ms_code run_once(struct ms_model *m, struct ms_tensor **in, int n, int64_t deadline,
                        struct ms_err *err)
{
    struct ms_tensor *y = NULL;
    const ms_code code = ms_model_run(m, in, &y, 0, deadline, NULL, NULL, err);

    ms_tensor_unref(y);
    for (int i = 0; i < n; i++)
        ms_tensor_unref(in[i]);
    return code;
}

static void refuse(const char *text, struct ms_tensor **in, int n, const char *say)
{
    struct ms_engine *e = must_engine(1);
    struct ms_model *m = untested(e, text);
    struct ms_err err = {0};

    ck_assert_int_eq(run_once(m, in, n, ms_now() + 5 * MS_SEC, &err), MS_INVALID_ARGUMENT);
    ck_assert_msg(strstr(err.text, say) != NULL, "%s", err.text);
    ms_model_unref(m);
    ms_engine_free(e);
}

/* A tensor of rank 0 has one shape, so these outputs are planned before the cuts are known. */
START_TEST(cuts_of_a_scalar)
{
    struct ms_tensor *slice[] = {random_of(1, 1), I64(0, 1), I64(0, 1), I64(0, 1)};
    struct ms_tensor *pad[] = {random_of(1, 1), I64(1, 40)};

    slice[0]->shape.rank = 0;
    pad[0]->shape.rank = 0;
    refuse("graph \"g\" (%x: f32[], %s: i64[N], %e: i64[N], %t: i64[N]) {\n"
           "  %y = Slice(%x, %s, %e, _, %t)\n  return %y\n}\n",
           slice, 4, "rank 0");
    refuse("graph \"g\" (%x: f32[], %p: i64[N]) {\n  %y = Pad(%x, %p)\n  return %y\n}\n", pad, 2,
           "rank 0");
}
END_TEST

START_TEST(scalars_hold_one_number)
{
    struct ms_tensor *tri[] = {random_of(1, 3, 3), I64(0, 0)};
    struct ms_tensor *cum[] = {random_of(1, 3), I64(0, 0)};
    struct ms_tensor *late[] = {random_of(1, 1, 4, 4), random_of(2, 1, 1, 4), I64(0, 3)};

    refuse("graph \"g\" (%x: f32[3,3], %k: i64[N]) {\n  %y = Trilu(%x, %k)\n  return %y\n}\n", tri,
           2, "input 1 must be one number, not 0");
    refuse("graph \"g\" (%x: f32[3], %k: i64[N]) {\n  %y = CumSum(%x, %k)\n  return %y\n}\n", cum,
           2, "input 1 must be one number, not 0");
    /* the limit appears while running, and the kernel makes its output itself */
    refuse("graph \"g\" (%b: f32[1,4,4], %s: f32[1,1,4], %i: i64[N]) {\n"
           "  %n = NonZero(%i)\n  %y = NonMaxSuppression(%b, %s, %n)\n  return %y\n}\n",
           late, 3, "input 2 must be one number, not 0");
}
END_TEST

/* 2^40 rows of nothing: nothing to do, also where the kernel makes its output. */
START_TEST(empty_tensors_with_large_dims)
{
    static const char *const op[] = {"LogSoftmax(%x)", "Softmax(%x)", "Relu(%x)",
                                     "Unique(%x) {axis=1}"};

    for (size_t i = 0; i < sizeof op / sizeof *op; i++) {
        struct ms_engine *e = must_engine(1);
        struct ms_tensor *x = random_of(1, INT64_C(1) << 40, 2, 0);
        char text[200];
        struct ms_err err = {0};

        snprintf(text, sizeof text,
                 "graph \"g\" (%%x: f32[N,2,M]) {\n  %%y = %s\n  return %%y\n}\n", op[i]);
        struct ms_model *m = untested(e, text);
        const int64_t start = ms_now();
        const ms_code code = run_once(m, &x, 1, start + 5 * MS_SEC, &err);
        ck_assert_msg(code == MS_OK, "%s: %s", op[i], err.text);
        ck_assert_int_lt(ms_now() - start, MS_SEC);
        ms_model_unref(m);
        ms_engine_free(e);
    }
}
END_TEST

/* So many classes of no boxes: nothing is found, and the deadline holds between classes. */
START_TEST(many_classes_of_no_boxes)
{
    struct ms_engine *e = must_engine(1);
    struct ms_model *m = untested(e, "graph \"g\" (%b: f32[1,B,4], %s: f32[1,C,B]) {\n"
                                     "  %y = NonMaxSuppression(%b, %s)\n  return %y\n}\n");
    struct ms_tensor *in[] = {random_of(1, 1, 0, 4), random_of(2, 1, INT64_C(1) << 40, 0)};
    const int64_t start = ms_now();
    struct ms_err err = {0};

    ck_assert_int_eq(run_once(m, in, 2, start + 50 * MS_MS, &err), MS_DEADLINE_EXCEEDED);
    ck_assert_int_lt(ms_now() - start, 2 * MS_SEC);
    ms_model_unref(m);
    ms_engine_free(e);
}
END_TEST

/* Every output of a transposed convolution may meet millions of taps: the deadline holds inside. */
START_TEST(many_taps_end_at_the_deadline)
{
    struct ms_engine *e = must_engine(1);
    struct ms_model *m = untested(e, "graph \"g\" (%x: f32[1,1,N], %w: f32[1,1,K]) {\n"
                                     "  %y = ConvTranspose(%x, %w)\n  return %y\n}\n");
    struct ms_tensor *in[] = {random_of(1, 1, 1, 100000), random_of(2, 1, 1, 100000)};
    const int64_t start = ms_now();
    struct ms_err err = {0};

    ck_assert_int_eq(run_once(m, in, 2, start + 50 * MS_MS, &err), MS_DEADLINE_EXCEEDED);
    ck_assert_int_lt(ms_now() - start, 2 * MS_SEC);
    ms_model_unref(m);
    ms_engine_free(e);
}
END_TEST

/* Matrices without rows are packed to no bytes at all. */
START_TEST(products_over_nothing)
{
    struct ms_engine *e = must_engine(1);
    struct ms_model *m = untested(e, "graph \"g\" (%x: f32[N,K], %w: f32[K,5]) {\n"
                                     "  %y = MatMul(%x, %w)\n  return %y\n}\n");
    struct ms_tensor *in[] = {random_of(1, 2, 0), random_of(2, 0, 5)}, *y = NULL;
    struct ms_err err = {0};

    ck_assert_msg(ms_model_run(m, in, &y, 0, ms_now() + 5 * MS_SEC, NULL, NULL, &err) == MS_OK,
                  "%s", err.text);
    ck_assert_uint_eq(ms_tensor_count(y), 10);
    for (int i = 0; i < 10; i++)
        ck_assert(((const float *)y->data)[i] == 0);
    ms_tensor_unref(y);
    ms_tensor_unref(in[0]);
    ms_tensor_unref(in[1]);
    ms_model_unref(m);
    ms_engine_free(e);
}
END_TEST

START_TEST(slices_of_nothing_are_equal)
{
    struct ms_engine *e = must_engine(1);
    struct ms_model *m =
        untested(e, "graph \"g\" (%x: f32[N,3000]) {\n  %y, %first, %which, %count = Unique(%x) "
                    "{axis=1}\n  return %y, %count\n}\n");
    struct ms_tensor *x = random_of(1, 0, 3000), *y[2];
    struct ms_err err = {0};

    ck_assert_int_eq(ms_model_run(m, &x, y, 0, ms_now() + 5 * MS_SEC, NULL, NULL, &err), MS_OK);
    ck_assert_int_eq(y[0]->shape.dim[1], 1);
    ck_assert_int_eq(*(int64_t *)y[1]->data, 3000);
    ms_tensor_unref(y[0]);
    ms_tensor_unref(y[1]);
    ms_tensor_unref(x);
    ms_model_unref(m);
    ms_engine_free(e);
}
END_TEST

TCase *hostile_tests(void)
{
    TCase *c = tcase_create("hostile");

    tcase_add_test(c, cuts_of_a_scalar);
    tcase_add_test(c, scalars_hold_one_number);
    tcase_add_test(c, empty_tensors_with_large_dims);
    tcase_add_test(c, products_over_nothing);
    tcase_add_test(c, slices_of_nothing_are_equal);
    tcase_add_test(c, many_classes_of_no_boxes);
    tcase_add_test(c, many_taps_end_at_the_deadline);
    return c;
}
