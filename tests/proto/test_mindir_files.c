/* SPDX-License-Identifier: Apache-2.0 */
/* test_mindir_files.c - files that MindSpore wrote, 1.1 to 2.10, where they are at hand: all are
 * read, checked and inferred; those whose values are known are run. */
#include <dirent.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/vfs.h"
#include "runtime/model.h"
#include "tests/proto/pb.h"
#include "tests/proto/suites.h"

static bool map(const char *path, struct ms_mapping *m)
{
    struct ms_err err;

    return ms_map_file(AT_FDCWD, path, false, m, &err) == MS_OK;
}

static bool read_one(const char *path)
{
    struct ms_mapping m;

    if (!map(path, &m))
        return false;
    struct ms_buf b = {.data = (char *)(uintptr_t)m.data, .len = m.len};
    struct loaded r = load_model(&b, NULL, true);
    ck_assert_msg(r.code == MS_OK, "%s: %s", path, r.err.text);
    loaded_done(&r);
    ms_unmap(&m);
    return true;
}

/* DIR/NAME/NAME.mindir for every NAME; how many were read. */
static int read_folder(const char *dir, const char *sub)
{
    char parent[400], path[900];
    struct dirent *e;
    int n = 0;

    snprintf(parent, sizeof parent, "%s/%s", dir, sub);
    DIR *d = opendir(parent);
    while (d && (e = readdir(d))) {
        if (e->d_name[0] == '.')
            continue;
        snprintf(path, sizeof path, "%s/%.200s/%.200s.mindir", parent, e->d_name, e->d_name);
        n += read_one(path);
    }
    if (d)
        closedir(d);
    else
        printf("SKIP test_mindspore_files: no %s\n", parent);
    return n;
}

START_TEST(test_mindspore_files)
{
    const char *dir = models_dir("test_mindspore_files");

    if (!dir)
        return;
    const int n = read_folder(dir, "mindspore") + read_folder(dir, "mindspore/ops") +
                  read_folder(dir, "mindspore/ops_noref");
    printf("test_mindspore_files: %d models read\n", n);
}
END_TEST

/* ---- values ---- */

/* Runs a file on f32 inputs of the shapes that it has; the first output, to be unref'd. */
static struct ms_tensor *run_file(const char *dir, const char *file, int n,
                                  const float *const *data)
{
    struct ms_engine_opts eo;
    struct ms_model_opts mo;
    struct ms_engine *e;
    struct ms_model *model;
    struct ms_mapping m;
    struct ms_err err;
    struct ms_tensor *in[4], *out[4];
    char path[600];
    int n_in, n_out;

    snprintf(path, sizeof path, "%s/mindir/%s", dir, file);
    if (!map(path, &m)) {
        printf("SKIP %s: not there\n", file);
        return NULL;
    }
    struct ms_source src = {.main = ms_bytes(m.data, m.len)};
    ms_engine_opts_init(&eo);
    eo.threads = 1;
    ck_assert_msg(ms_engine_new(&eo, &e, &err) == MS_OK, "%s", err.text);
    ms_model_opts_init(&mo);
    mo.name = "m";
    mo.version = "1";
    ck_assert_msg(ms_model_load(e, &src, NULL, &mo, &model, &err) == MS_OK, "%s", err.text);
    const struct ms_port *ports = ms_model_inputs(model, &n_in);
    ms_model_outputs(model, &n_out);
    ck_assert_int_eq(n_in, n);
    ck_assert_int_eq(n_out, 1);
    for (int i = 0; i < n; i++) {
        in[i] = ms_tensor_new(MS_F32, &ports[i].shape);
        ck_assert_ptr_nonnull(in[i]);
        memcpy(in[i]->data, data[i], in[i]->bytes);
    }
    ck_assert_msg(ms_model_run(model, in, out, 1, MS_NEVER, NULL, NULL, &err) == MS_OK, "%s",
                  err.text);
    for (int i = 0; i < n; i++)
        ms_tensor_unref(in[i]);
    ms_model_unref(model);
    ms_engine_free(e);
    ms_unmap(&m);
    return out[0];
}

static void expect(struct ms_tensor *t, const float *want, size_t n)
{
    if (!t)
        return;
    ck_assert_uint_eq(ms_tensor_count(t), n);
    for (size_t i = 0; i < n; i++)
        ck_assert_double_le(fabs(ms_tensor_f64(t, i) - (double)want[i]), 2e-6);
    ms_tensor_unref(t);
}

/* x[k] = (k mod 17) / 17; MindSpore 2.10's own outputs. */
START_TEST(test_mnist)
{
    static const float want[] = {-0.051484f, 0.149875f,  -0.611840f, 1.105739f, -1.341661f,
                                 1.458639f,  -0.448284f, 0.128357f,  0.062456f, 0.000930f};
    static float x[1024];
    const char *dir = models_dir("test_mnist");

    for (int k = 0; k < 1024; k++)
        x[k] = (float)(k % 17) / 17.0f;
    if (dir)
        expect(run_file(dir, "mnist.mindir", 1, (const float *const[]){x}), want, 10);
}
END_TEST

START_TEST(test_old_dialect)
{
    static const float x[] = {-2, -1, 0, 3}, relu[] = {0, 0, 0, 3};
    static const float a[] = {1, 2, 3, 4}, b[] = {10, 20, 30, 40}, sum[] = {11, 22, 33, 44};
    const char *dir = models_dir("test_old_dialect");

    if (!dir)
        return;
    expect(run_file(dir, "relu_v1.5rc1.mindir", 1, (const float *const[]){x}), relu, 4);
    expect(run_file(dir, "add_no_encrypt_v1.1.mindir", 2, (const float *const[]){a, b}), sum, 4);
}
END_TEST

/* Four outputs from int32 inputs; every result's shape is compared with the file's record. */
START_TEST(test_tbnet)
{
    const char *dir = models_dir("test_tbnet");
    char path[600];

    if (!dir)
        return;
    snprintf(path, sizeof path, "%s/mindir/tbnet.mindir", dir);
    if (!read_one(path))
        printf("SKIP test_tbnet: not there\n");
}
END_TEST

Suite *suite_mindir_files(void)
{
    Suite *s = suite_create("mindir_files");
    TCase *t = tcase_create("files");

    tcase_set_timeout(t, 120);
    tcase_add_test(t, test_mindspore_files);
    tcase_add_test(t, test_mnist);
    tcase_add_test(t, test_old_dialect);
    tcase_add_test(t, test_tbnet);
    suite_add_tcase(s, t);
    return s;
}
