/* SPDX-License-Identifier: Apache-2.0 */
/* test_client.c - the library in this process: a model's life, and every allocation failing once.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "mindserve/mindserve.h"

static const char *example(char *path, size_t size, const char *file)
{
    const char *srcdir = getenv("srcdir");

    (void)snprintf(path, size, "%s/examples/fashion_cnn/%s", srcdir ? srcdir : ".", file);
    return path;
}

static struct mindserve *open_here(void)
{
    struct mindserve_options o = MINDSERVE_OPTIONS_INIT;
    struct mindserve_error err;
    struct mindserve *ms;

    o.threads = 1;
    ck_assert_msg(mindserve_open(&o, &ms, &err) == MINDSERVE_OK, "%s", err.text);
    return ms;
}

static struct mindserve_tensor *picture(void)
{
    const int64_t shape[] = {1, 1, 28, 28};
    struct mindserve_tensor *x = mindserve_tensor_new(MINDSERVE_F32, 4, shape);

    ck_assert_ptr_nonnull(x);
    for (size_t i = 0; i < 28 * 28; i++)
        ck_assert(mindserve_tensor_set_number(x, i, (double)(i % 7) / 7));
    return x;
}

START_TEST(versions)
{
    char onnx[512], mindir[512];
    struct mindserve *ms = open_here();
    struct mindserve_deploy_options o = MINDSERVE_DEPLOY_INIT;
    struct mindserve_versions *gone;
    struct mindserve_models *m;
    struct mindserve_error err;
    uint64_t now, from;

    o.name = "f";
    example(onnx, sizeof onnx, "fashion_cnn.onnx");
    example(mindir, sizeof mindir, "fashion_cnn.mindir");
    ck_assert_msg(!mindserve_deploy(ms, onnx, &o, NULL, &err), "%s", err.text);
    ck_assert_msg(!mindserve_deploy(ms, mindir, &o, NULL, &err), "%s", err.text);
    ck_assert_int_eq(mindserve_list(ms, &m, &err), MINDSERVE_OK);
    ck_assert_int_eq(m->n, 2);
    ck_assert(m->model[0].previous && !m->model[0].live && m->model[1].live);
    mindserve_models_free(m);
    ck_assert_int_eq(mindserve_rollback(ms, "f", &now, &from, &err), MINDSERVE_OK);
    ck_assert(now == 1 && from == 2);
    o.version = 2;
    ck_assert_int_eq(mindserve_deploy(ms, onnx, &o, NULL, &err), MINDSERVE_ALREADY_EXISTS);
    ck_assert_int_eq(mindserve_undeploy(ms, "f", 3, NULL, &err), MINDSERVE_NOT_FOUND);
    ck_assert_int_eq(mindserve_undeploy(ms, "f", 0, &gone, &err), MINDSERVE_OK);
    ck_assert_int_eq(gone->n, 2);
    mindserve_versions_free(gone);
    ck_assert_int_eq(mindserve_rollback(ms, "f", NULL, NULL, &err), MINDSERVE_NOT_FOUND);
    mindserve_close(ms);
}
END_TEST

START_TEST(bad_calls)
{
    char path[512];
    struct mindserve *ms = open_here();
    struct mindserve_deploy_options unset = {0};
    struct mindserve_tensor *x = picture();
    struct mindserve_named two[] = {{NULL, x}, {NULL, x}}, wrong[] = {{"nonsense", x}},
                           twice[] = {{"x", x}, {"x", x}}, mixed[] = {{"x", x}, {NULL, x}};
    struct mindserve_outputs *out;
    struct mindserve_error err;

    example(path, sizeof path, "fashion_cnn.mindir");
    ck_assert_int_eq(mindserve_deploy(ms, path, &unset, NULL, &err), MINDSERVE_INVALID_ARGUMENT);
    ck_assert_int_eq(mindserve_deploy(ms, "/nowhere/x.onnx", NULL, NULL, &err),
                     MINDSERVE_NOT_FOUND);
    ck_assert_int_eq(mindserve_infer(ms, "fashion_cnn", 0, two, 1, NULL, &out, &err),
                     MINDSERVE_NOT_FOUND);
    ck_assert_int_eq(mindserve_deploy(ms, path, NULL, NULL, &err), MINDSERVE_OK);
    ck_assert_int_eq(mindserve_infer(ms, "../x", 0, two, 1, NULL, &out, &err),
                     MINDSERVE_INVALID_ARGUMENT);
    ck_assert_int_ne(mindserve_infer(ms, "fashion_cnn", 0, two, 0, NULL, &out, &err), MINDSERVE_OK);
    ck_assert_int_ne(mindserve_infer(ms, "fashion_cnn", 0, two, 2, NULL, &out, &err), MINDSERVE_OK);
    ck_assert_int_ne(mindserve_infer(ms, "fashion_cnn", 0, wrong, 1, NULL, &out, &err),
                     MINDSERVE_OK);
    ck_assert_int_ne(mindserve_infer(ms, "fashion_cnn", 0, twice, 2, NULL, &out, &err),
                     MINDSERVE_OK);
    ck_assert_int_ne(mindserve_infer(ms, "fashion_cnn", 0, mixed, 2, NULL, &out, &err),
                     MINDSERVE_OK);
    mindserve_tensor_free(x);
    mindserve_close(ms);
}
END_TEST

/* Everything a caller does with one model. The n-th allocation fails; each call either works or
 * says so, and nothing is lost (the sanitizers' build looks). */
static bool life(struct mindserve *ms, const char *path, struct mindserve_tensor *x)
{
    struct mindserve_named in = {NULL, x};
    struct mindserve_deploy_options o = MINDSERVE_DEPLOY_INIT;
    struct mindserve_deployed *d = NULL;
    struct mindserve_outputs *out = NULL;
    struct mindserve_info *info = NULL;
    struct mindserve_models *models = NULL;
    bool done;

    o.name = "f";
    o.report = true;
    o.no_self_test = true;
    done = mindserve_deploy(ms, path, &o, &d, NULL) == MINDSERVE_OK &&
           mindserve_infer(ms, "f", 0, &in, 1, NULL, &out, NULL) == MINDSERVE_OK &&
           mindserve_show(ms, "f", 0, true, &info, NULL) == MINDSERVE_OK &&
           mindserve_list(ms, &models, NULL) == MINDSERVE_OK;
    mindserve_models_free(models);
    mindserve_info_free(info);
    mindserve_outputs_free(out);
    mindserve_deployed_free(d);
    return done;
}

START_TEST(allocations_fail)
{
    char path[512];
    struct mindserve *ms = open_here();
    struct mindserve_tensor *x = picture();
    uint64_t n = 0, refused = 0;
    bool done = false;

    example(path, sizeof path, "fashion_cnn.onnx");
    while (!done && n < 20000) {
        ms_mem_fail_after(++n, true); /* this one and all that follow */
        done = life(ms, path, x);
        ms_mem_fail_after(0, false);
        refused += !done;
        (void)mindserve_undeploy(ms, "f", 0, NULL, NULL);
    }
    ck_assert(done);
    ck_assert_uint_gt(refused, 10);
    mindserve_tensor_free(x);
    mindserve_close(ms);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("client");
    TCase *tc = tcase_create("here");

    tcase_set_timeout(tc, 120);
    tcase_add_test(tc, versions);
    tcase_add_test(tc, bad_calls);
    tcase_add_test(tc, allocations_fail);
    suite_add_tcase(s, tc);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
