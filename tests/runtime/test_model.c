/* SPDX-License-Identifier: Apache-2.0 */
/* test_model.c - models loaded from text and run at once. */
#include <check.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "tests/runtime/suites.h"
#include "tests/runtime/util.h"

START_TEST(small_graph)
{
    struct ms_engine *e = must_engine(1);
    struct ms_model *m = must_load(e, "graph \"g\" (%x: f32[N,4]) {\n"
                                      "  %c = const f32[4] {1, 2, 3, 4}\n"
                                      "  %a = Add(%x, %c)\n"
                                      "  %r = Relu(%a)\n"
                                      "  return %r\n"
                                      "}\n");
    const float v[8] = {-10, 0, 1, -3, 5, -2.5f, 0, 100};
    const float want[8] = {0, 2, 4, 1, 6, 0, 3, 104};
    struct ms_tensor *x = f32_of(v, 2, 4), *y;
    struct ms_err err;

    for (int i = 0; i < 3; i++) { /* cold, then pooled */
        ck_assert_int_eq(ms_model_run(m, &x, &y, 0, MS_NEVER, NULL, NULL, &err), MS_OK);
        ck_assert_int_eq(y->shape.rank, 2);
        ck_assert_mem_eq(y->data, want, sizeof want);
        ms_tensor_unref(y);
    }
    ck_assert(ms_model_batchable(m));
    ms_tensor_unref(x);
    ms_model_unref(m);
    ck_assert_int_eq(atomic_load(&releases), 1);
    struct ms_engine_memory mem;
    ms_engine_memory(e, &mem);
    ck_assert_uint_eq(mem.weights + mem.packed + mem.plans + mem.graphs + mem.runs, 0);
    ms_engine_free(e);
}
END_TEST

START_TEST(bad_inputs)
{
    struct ms_engine *e = must_engine(1);
    struct ms_model *m = must_load(e, "graph \"g\" (%x: f32[N,4], %z: f32[N]) {\n"
                                      "  %r = Relu(%x)\n"
                                      "  %s = Relu(%z)\n"
                                      "  return %r, %s\n"
                                      "}\n");
    struct ms_tensor *in[2], *y[2];
    struct ms_err err;

    in[0] = random_of(1, 2, 4);
    in[1] = random_of(1, 3);
    ck_assert_int_eq(ms_model_run(m, in, y, 0, MS_NEVER, NULL, NULL, &err), MS_INVALID_ARGUMENT);
    ck_assert_ptr_nonnull(strstr(err.text, "same dimension"));
    ms_tensor_unref(in[1]);
    in[1] = random_of(1, 2, 2);
    ck_assert_int_eq(ms_model_run(m, in, y, 0, MS_NEVER, NULL, NULL, &err), MS_INVALID_ARGUMENT);
    ck_assert_str_eq(err.text, "input 'z' has shape [2,2], the model expects [N]");
    ms_tensor_unref(in[1]);
    in[1] = NULL;
    ck_assert_int_eq(ms_model_run(m, in, y, 0, MS_NEVER, NULL, NULL, &err), MS_INVALID_ARGUMENT);
    ms_tensor_unref(in[0]);
    ms_model_unref(m);
    ms_engine_free(e);
}
END_TEST

TCase *model_tests(void)
{
    TCase *c = tcase_create("model");

    tcase_add_test(c, small_graph);
    tcase_add_test(c, bad_inputs);
    return c;
}
