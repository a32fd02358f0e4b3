/* SPDX-License-Identifier: Apache-2.0 */
/* test_onnx_files.c - models and tensors that others wrote: Debian's ONNX test data, and the real
 * models beside the project where they are. */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/vfs.h"
#include "proto/tensor_pb.h"
#include "tests/proto/pb.h"
#include "tests/proto/suites.h"

#define TESTDATA "/usr/share/libonnx-testdata/data"

/* Calls each(path) for PARENT/NAME/file of every folder NAME; the number of calls. */
static int walk(const char *parent, const char *file, void (*each)(const char *path))
{
    DIR *d = opendir(parent);
    struct dirent *e;
    char path[1024];
    int n = 0;

    while (d && (e = readdir(d))) {
        if (e->d_name[0] == '.')
            continue;
        snprintf(path, sizeof path, "%s/%s/%s", parent, e->d_name, file);
        if (access(path, R_OK) != 0)
            continue;
        each(path);
        n++;
    }
    if (d)
        closedir(d);
    return n;
}

static int read_ok, read_refused;

/* A file of the standard's own tests is never wrong, only beyond us. */
static void read_model(const char *path)
{
    struct ms_mapping m;
    struct ms_err err;

    ck_assert_int_eq(ms_map_file(AT_FDCWD, path, false, &m, &err), MS_OK);
    struct ms_buf b = {.data = (char *)(uintptr_t)m.data, .len = m.len};
    struct loaded r = load_model(&b, NULL, false);
    ck_assert_msg(r.code == MS_OK || r.code == MS_UNIMPLEMENTED, "%s: %s", path, r.err.text);
    if (r.code == MS_OK)
        ck_assert_msg(ms_graph_check(r.g, &r.err) == MS_OK || r.err.code == MS_INVALID_ARGUMENT,
                      "%s: %s", path, r.err.text);
    read_ok += r.code == MS_OK;
    read_refused += r.code != MS_OK;
    loaded_done(&r);
    ms_unmap(&m);
}

START_TEST(test_libonnx)
{
    static const char *const parts[] = {"node", "pytorch-converted", "pytorch-operator", "simple"};
    int n = 0;

    if (access(TESTDATA, R_OK) != 0) {
        printf("SKIP test_libonnx: no " TESTDATA " (package libonnx-testdata)\n");
        return;
    }
    for (int i = 0; i < 4; i++) {
        char dir[256];

        snprintf(dir, sizeof dir, "%s/%s", TESTDATA, parts[i]);
        n += walk(dir, "model.onnx", read_model);
    }
    ck_assert_int_eq(n, 1072);
    ck_assert_int_eq(read_ok + read_refused, n);
    printf("libonnx-testdata: %d of %d models read, the others name what is missing\n", read_ok, n);
}
END_TEST

/* Reads, writes, reads again: the same tensor. */
static void round_trip(const char *path)
{
    struct ms_tensor *t, *again;
    struct ms_mapping m;
    struct ms_arena a;
    struct ms_buf b = pb_new();
    struct ms_err err = {0};

    ms_arena_init(&a, (size_t)64 << 20);
    ck_assert_int_eq(ms_map_file(AT_FDCWD, path, false, &m, &err), MS_OK);
    if (ms_tensor_pb_read(ms_bytes(m.data, m.len), MS_DTYPE_NONE, &a, &t, NULL, &err) == MS_OK) {
        ck_assert(ms_tensor_pb_write(t, NULL, &b));
        ck_assert_int_eq(
            ms_tensor_pb_read(ms_bytes(b.data, b.len), MS_DTYPE_NONE, &a, &again, NULL, &err),
            MS_OK);
        ck_assert(ms_tensor_eq(t, again));
        ms_tensor_unref(t);
        ms_tensor_unref(again);
        read_ok++;
    } else {
        ck_assert_msg(err.code == MS_UNIMPLEMENTED || err.code == MS_INVALID_ARGUMENT, "%s: %s",
                      path, err.text);
        read_refused++;
    }
    ms_buf_done(&b);
    ms_arena_done(&a);
    ms_unmap(&m);
}

START_TEST(test_tensor_files)
{
    int n;

    if (access(TESTDATA, R_OK) != 0) {
        printf("SKIP test_tensor_files: no " TESTDATA " (package libonnx-testdata)\n");
        return;
    }
    n = walk(TESTDATA "/node", "test_data_set_0/output_0.pb", round_trip);
    ck_assert_int_gt(n, 900);
    ck_assert_int_lt(read_refused, 40); /* sequences and optionals */
    printf("output_0.pb of node: %d tensors, %d sequences or optionals refused\n", read_ok,
           read_refused);
}
END_TEST

START_TEST(test_real_models)
{
    static const char *const names[] = {"mnist_8", "magika", "silero_vad_v5",
                                        "ch_ppocr_mobile_v2.0_cls_infer", "ch_PP-OCRv4_rec_infer"};
    const char *dir = models_dir("test_real_models");
    char path[512];

    for (int i = 0; dir && i < 5; i++) {
        const int64_t start = ms_now();

        snprintf(path, sizeof path, "%s/onnx/%s/%s.onnx", dir, names[i], names[i]);
        if (access(path, R_OK) != 0) {
            printf("SKIP test_real_models: no %s\n", names[i]);
            continue;
        }
        read_model(path);
        ck_assert_int_lt(ms_now() - start, MS_SEC);
    }
}
END_TEST

Suite *suite_onnx_files(void)
{
    Suite *s = suite_create("onnx_files");
    TCase *t = tcase_create("files");

    tcase_set_timeout(t, 120);
    tcase_add_test(t, test_libonnx);
    tcase_add_test(t, test_tensor_files);
    tcase_add_test(t, test_real_models);
    suite_add_tcase(s, t);
    return s;
}
