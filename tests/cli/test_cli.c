/* SPDX-License-Identifier: Apache-2.0 */
/* test_cli.c - files in and out of msctl, and the judge of `msctl test`. */
#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "cli/compare.h"
#include "cli/input.h"
#include "cli/npy.h"

static struct mindserve_tensor *tensor(enum mindserve_dtype t, int rank, const int64_t *dim)
{
    struct mindserve_tensor *made = mindserve_tensor_new(t, rank, dim);

    ck_assert_ptr_nonnull(made);
    return made;
}

/* ---- npy ---- */

START_TEST(npy_every_dtype_comes_back)
{
    const int64_t dim[] = {2, 3};

    for (int d = MINDSERVE_F32; d <= MINDSERVE_STRING; d++) {
        struct mindserve_tensor *t = tensor((enum mindserve_dtype)d, 2, dim), *back = NULL;
        struct ms_cli_bounds exact = {0};
        struct ms_buf file, why;
        struct ms_err err;

        for (size_t i = 0; i < 6; i++) {
            char text[16];
            int n = snprintf(text, sizeof text, "\xc3\xa4%zu", i * i * i * i);
            if (d == MINDSERVE_STRING)
                ck_assert(mindserve_tensor_set_string(t, i, text, (size_t)n));
            else
                ck_assert(mindserve_tensor_set_integer(t, i, (int64_t)i & 1));
        }
        ms_buf_init(&file, 1 << 20);
        ms_buf_init(&why, 4096);
        ck_assert_int_eq(ms_npy_write(t, &file, &err), MS_OK);
        ck_assert_uint_eq(file.len > 128 ? 0 : 1, 0);
        ck_assert_msg(ms_npy_read(file.data, file.len, &back, &err) == MS_OK, "%s", err.text);
        ck_assert_msg(ms_cli_compare(back, t, &exact, &why), "%s: %s",
                      mindserve_dtype_name((enum mindserve_dtype)d), ms_buf_str(&why));
        ms_buf_done(&why);
        ms_buf_done(&file);
        mindserve_tensor_free(back);
        mindserve_tensor_free(t);
    }
}
END_TEST

/* A version 1 file of a header and bytes. */
static void make_npy(struct ms_buf *b, const char *header, const void *data, size_t len)
{
    size_t n = strlen(header);
    const uint8_t head[10] = {0x93, 'N', 'U', 'M', 'P', 'Y', 1, 0, (uint8_t)n, (uint8_t)(n >> 8)};

    ms_buf_init(b, 1 << 20);
    ms_buf_add(b, head, sizeof head);
    ms_buf_add(b, header, n);
    ms_buf_add(b, data, len);
}

START_TEST(npy_orders)
{
    static const uint8_t big[] = {0, 1, 0, 2, 0, 3, 0, 4, 0, 5, 0, 6};
    const double want[] = {1, 3, 5, 2, 4, 6}; /* columns first: (2,3) of 1..6 */
    struct mindserve_tensor *t = NULL;
    struct ms_err err;
    struct ms_buf b;

    make_npy(&b, "{'shape': (2, 3), 'descr': '>i2', 'fortran_order': True}\n", big, sizeof big);
    ck_assert_msg(ms_npy_read(b.data, b.len, &t, &err) == MS_OK, "%s", err.text);
    ck_assert_int_eq(mindserve_tensor_dtype(t), MINDSERVE_I16);
    for (size_t i = 0; i < 6; i++)
        ck_assert_double_eq(mindserve_tensor_number(t, i), want[i]);
    mindserve_tensor_free(t);
    ms_buf_done(&b);
}
END_TEST

static const struct {
    const char *header;
    size_t data;
    const char *says;
} hostile[] = {
    {"{'descr': '<f4', 'fortran_order': False, 'shape': (2,)}", 4, "promises 8 bytes"},
    {"{'descr': '<f4', 'fortran_order': False, 'shape': (2,)}", 12, "promises 8 bytes"},
    {"{'descr': '|O', 'fortran_order': False, 'shape': (1,)}", 8, "'|O' is not taken"},
    {"{'descr': '<c8', 'fortran_order': False, 'shape': (1,)}", 8, "'<c8' is not taken"},
    {"{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': ()}", 4, "structured"},
    {"{'descr': '<f4', 'fortran_order': False, 'shape': (-1,)}", 4, "not a number"},
    {"{'descr': '<f4', 'fortran_order': False, 'shape': (4611686018427387904, 4)}", 4, "too large"},
    {"{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999999999,)}", 4,
     "not a number"},
    {"{'descr': '<f4', 'fortran_order': False, 'shape': (1,1,1,1,1,1,1,1,1)}", 4, "more than 8"},
    {"{'descr': '<f4', 'fortran_order': 0, 'shape': ()}", 4, "not True or False"},
    {"{'descr': '<f4', 'shape': ()}", 4, "missing"},
    {"{'descr': '<f4', 'descr': '<f4', 'fortran_order': False, 'shape': ()}", 4, "twice"},
    {"{'descr': '<f4', 'fortran_order': False, 'shape': (), 'x': 1}", 4, "unknown key 'x'"},
    {"{'descr': '<f4', 'fortran_order': False, 'shape': ()} + 1", 4, "behind the dict"},
    {"{'descr': '<f4", 4, "not a simple dtype"},
    {"{'descr': '<U99999999', 'fortran_order': False, 'shape': ()}", 4, "not taken"},
    {"", 0, "not a dict"},
};

START_TEST(npy_hostile)
{
    static const char zeros[16];
    struct mindserve_tensor *t = NULL;
    struct ms_err err;
    struct ms_buf b;

    make_npy(&b, hostile[_i].header, zeros, hostile[_i].data);
    ck_assert_int_ne(ms_npy_read(b.data, b.len, &t, &err), MS_OK);
    ck_assert_ptr_null(t);
    ck_assert_msg(strstr(err.text, hostile[_i].says) != NULL, "%s", err.text);
    ms_buf_done(&b);
}
END_TEST

/* Every prefix of a good file is refused, and none of them is read beyond its end. */
START_TEST(npy_cut_short)
{
    const int64_t dim[] = {3};
    struct mindserve_tensor *t = tensor(MINDSERVE_F64, 1, dim), *back = NULL;
    struct ms_buf file;
    struct ms_err err;

    ms_buf_init(&file, 1 << 20);
    ck_assert_int_eq(ms_npy_write(t, &file, &err), MS_OK);
    for (size_t n = 0; n < file.len; n++) {
        char *exact = malloc(n ? n : 1);
        memcpy(exact, file.data, n);
        ck_assert_int_ne(ms_npy_read(exact, n, &back, &err), MS_OK);
        free(exact);
    }
    ms_buf_done(&file);
    mindserve_tensor_free(t);
}
END_TEST

/* ---- compare ---- */

static bool same(enum mindserve_dtype t, double got, double want, double others,
                 const struct ms_cli_bounds *b)
{
    const int64_t dim[] = {2};
    struct mindserve_tensor *x = tensor(t, 1, dim), *y = tensor(t, 1, dim);
    struct ms_buf why;
    bool result;

    mindserve_tensor_set_number(x, 0, got);
    mindserve_tensor_set_number(y, 0, want);
    mindserve_tensor_set_number(x, 1, others);
    mindserve_tensor_set_number(y, 1, others);
    ms_buf_init(&why, 4096);
    result = ms_cli_compare(x, y, b, &why);
    ck_assert_int_eq(result, why.len == 0);
    ms_buf_done(&why);
    mindserve_tensor_free(x);
    mindserve_tensor_free(y);
    return result;
}

START_TEST(compare_bounds)
{
    const struct ms_cli_bounds b = MS_CLI_BOUNDS, quantised = {1e-3, 1e-7, .quantised = true};
    const struct ms_cli_bounds network = {1e-3, 1e-7, .network = true, .of_largest = 1e-4};

    ck_assert(same(MINDSERVE_F32, 1.0009, 1, 0, &b));
    ck_assert(!same(MINDSERVE_F32, 1.0012, 1, 0, &b));
    ck_assert(same(MINDSERVE_F32, 9e-4, 0, 100, &b)); /* 1e-5 of the largest */
    ck_assert(!same(MINDSERVE_F32, 1.1e-3, 0, 100, &b));
    ck_assert(same(MINDSERVE_F64, NAN, NAN, 0, &b));
    ck_assert(!same(MINDSERVE_F64, 1, NAN, 0, &b));
    ck_assert(!same(MINDSERVE_F32, INFINITY, -INFINITY, 0, &b));
    ck_assert(!same(MINDSERVE_F32, 3e38, INFINITY, 0, &b));
    ck_assert(same(MINDSERVE_F16, 1 + 2 * 0x1p-10, 1, 0, &b));
    ck_assert(!same(MINDSERVE_F16, 1 + 3 * 0x1p-10, 1, 0, &b));
    ck_assert(same(MINDSERVE_BF16, 1 + 2 * 0x1p-7, 1, 0, &b));
    ck_assert(!same(MINDSERVE_BF16, 1 + 3 * 0x1p-7, 1, 0, &b));
    ck_assert(!same(MINDSERVE_U8, 7, 8, 0, &b));
    ck_assert(same(MINDSERVE_U8, 7, 8, 0, &quantised));
    ck_assert(!same(MINDSERVE_U8, 6, 8, 0, &quantised));
    ck_assert(!same(MINDSERVE_I32, 7, 8, 0, &quantised));
    ck_assert(same(MINDSERVE_F32, 9e-3, 0, 100, &network)); /* 1e-4 of the largest */
    ck_assert(!same(MINDSERVE_F32, 1.1e-2, 0, 100, &network));
    ck_assert(!same(MINDSERVE_F32, 99.98, 100, 1, &network)); /* large elements as well */
    const struct ms_cli_bounds wide = {1e-3, 1e-7, .network = true, .of_largest = 5e-4};
    ck_assert(same(MINDSERVE_F32, 4.9e-2, 0, 100, &wide)); /* of the list */
    ck_assert(!same(MINDSERVE_F32, 5.1e-2, 0, 100, &wide));
    ck_assert(same(MINDSERVE_F32, 99.98, 100, 1, &b));
    ck_assert(!same(MINDSERVE_F32, NAN, 1, 0, &network));
    ck_assert(!same(MINDSERVE_U8, 7, 8, 0, &network));
}
END_TEST

/* Each element within the bound, and yet another answer. */
START_TEST(compare_largest_of_a_row)
{
    static const double want[] = {100.001, 99.99, 1, 100.001, 99.9999, 1},
                        got[] = {100.0005, 99.9905, 1, 99.9985, 100.001, 1},
                        swapped[] = {99.9925, 99.9985, 1, 100.001, 99.9999, 1};
    const struct ms_cli_bounds b = MS_CLI_BOUNDS,
                               network = {1e-3, 1e-7, .network = true, .of_largest = 1e-4};
    const int64_t dim[] = {2, 3};
    struct mindserve_tensor *x = tensor(MINDSERVE_F64, 2, dim), *y = tensor(MINDSERVE_F64, 2, dim);
    struct ms_buf why;

    ms_buf_init(&why, 4096);
    for (size_t i = 0; i < 6; i++) {
        mindserve_tensor_set_number(x, i, got[i]);
        mindserve_tensor_set_number(y, i, want[i]);
    }
    /* the second row's two largest are nearer than the bound: either may win */
    ck_assert_msg(ms_cli_compare(x, y, &network, &why), "%s", ms_buf_str(&why));
    for (size_t i = 0; i < 6; i++)
        mindserve_tensor_set_number(x, i, swapped[i]);
    ck_assert(ms_cli_compare(x, y, &b, &why));
    ck_assert(!ms_cli_compare(x, y, &network, &why));
    ck_assert(strstr(ms_buf_str(&why), "is [0,1], expected [0,0]"));
    ms_buf_done(&why);
    mindserve_tensor_free(x);
    mindserve_tensor_free(y);
}
END_TEST

/* 2^53 and 2^53 + 1 are the same double, and not the same int64. */
START_TEST(compare_wide_integers)
{
    const struct ms_cli_bounds b = MS_CLI_BOUNDS;
    struct mindserve_tensor *x = tensor(MINDSERVE_I64, 0, NULL),
                            *y = tensor(MINDSERVE_I64, 0, NULL);
    struct ms_buf why;

    ck_assert(mindserve_tensor_set_integer(x, 0, INT64_C(1) << 53));
    ck_assert(mindserve_tensor_set_integer(y, 0, (INT64_C(1) << 53) + 1));
    ms_buf_init(&why, 4096);
    ck_assert(!ms_cli_compare(x, y, &b, &why));
    ms_buf_done(&why);
    mindserve_tensor_free(x);
    mindserve_tensor_free(y);
}
END_TEST

/* ---- json ---- */

static const struct {
    const char *text;
    enum mindserve_dtype dtype;
    const char *form; /* NULL: refused */
} jsons[] = {
    {"[[1, 2], [3, 4]]", MINDSERVE_I32, "i32[2,2]"},
    {"5", MINDSERVE_F32, "f32[]"},
    {"[]", MINDSERVE_F32, "f32[0]"},
    {"[\"NaN\", \"-Infinity\", 1e3]", MINDSERVE_F16, "f16[3]"},
    {"[\"a\", \"b\"]", MINDSERVE_STRING, "string[2]"},
    {"[true, false]", MINDSERVE_BOOL, "bool[2]"},
    {"{\"shape\": [2, 1], \"datatype\": \"UINT8\", \"data\": [0, 255]}", MINDSERVE_F32, "u8[2,1]"},
    {"{\"shape\": [2, 2], \"data\": [[1, 2], [3, 4]]}", MINDSERVE_F32, "f32[2,2]"},
    {"[[1, 2], [3]]", MINDSERVE_F32, NULL},
    {"[[1, 2], 3]", MINDSERVE_F32, NULL},
    {"[1, [2]]", MINDSERVE_F32, NULL},
    {"[256]", MINDSERVE_U8, NULL},
    {"[-1]", MINDSERVE_U64, NULL},
    {"[1.5]", MINDSERVE_I32, NULL},
    {"[\"one\"]", MINDSERVE_F32, NULL},
    {"[null]", MINDSERVE_F32, NULL},
    {"{\"shape\": [3], \"data\": [1, 2]}", MINDSERVE_F32, NULL},
    {"{\"shape\": [-1], \"data\": [1]}", MINDSERVE_F32, NULL},
    {"{\"shape\": [1], \"datatype\": \"FP99\", \"data\": [1]}", MINDSERVE_F32, NULL},
    {"{\"shape\": [4294967296, 4294967296], \"data\": []}", MINDSERVE_F32, NULL},
    {"[[[[[[[[[1]]]]]]]]]", MINDSERVE_F32, NULL},
    {"[1, 2", MINDSERVE_F32, NULL},
};

START_TEST(json_forms)
{
    const struct mindserve_port port = {.name = "x", .dtype = jsons[_i].dtype, .rank = -1};
    struct mindserve_tensor *t = NULL;
    struct ms_err err;
    ms_code code =
        ms_cli_json_read((const uint8_t *)jsons[_i].text, strlen(jsons[_i].text), &port, &t, &err);

    if (!jsons[_i].form) {
        ck_assert_int_ne(code, MS_OK);
        ck_assert_ptr_null(t);
        return;
    }
    ck_assert_msg(code == MS_OK, "%s", err.text);
    ck_assert_str_eq(ms_cli_tensor_form(t).text, jsons[_i].form);
    mindserve_tensor_free(t);
}
END_TEST

/* ---- names and pictures ---- */

START_TEST(output_names)
{
    char name[300];

    ck_assert_str_eq(ms_cli_output_file(0, "y").text, "0_y.npy");
    ck_assert_str_eq(ms_cli_output_file(12, "a/b:c d\xc3\xa4.0-x").text, "12_a_b_c_d__.0-x.npy");
    memset(name, 'n', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    ck_assert_str_eq(strrchr(ms_cli_output_file(1, name).text, '.'), ".npy");
    ck_assert_uint_le(strlen(ms_cli_name("\x1b[31m").text), 120);
    ck_assert_ptr_null(strchr(ms_cli_name("\x1b[31m").text, '\x1b'));
}
END_TEST

START_TEST(pictures_refused)
{
    const int64_t dim[] = {1, 1, 2, 2};
    const struct mindserve_port port = {
        .name = "x", .dtype = MINDSERVE_F32, .rank = 4, .dim = dim, .shape = "[1,1,2,2]"};
    static const uint8_t png[] =
        "\x89PNG\r\n\x1a\n\0\0\0\rIHDR\x7f\xff\xff\xff\x7f\xff\xff\xff\x08";
    static const uint8_t jpeg[] = "\xff\xd8\xff\xe0\0\x10JFIF";
    struct mindserve_tensor *t = NULL;
    struct ms_err err;

    ck_assert_int_ne(ms_cli_picture_read(png, sizeof png, &port, NULL, &t, &err), MS_OK);
    ck_assert_int_ne(ms_cli_picture_read(jpeg, sizeof jpeg, &port, NULL, &t, &err), MS_OK);
    ck_assert_int_ne(ms_cli_picture_read(jpeg, 0, &port, NULL, &t, &err), MS_OK);
    ck_assert_ptr_null(t);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("cli");
    TCase *tc = tcase_create("files");

    tcase_add_test(tc, npy_every_dtype_comes_back);
    tcase_add_test(tc, npy_orders);
    tcase_add_loop_test(tc, npy_hostile, 0, (int)(sizeof hostile / sizeof *hostile));
    tcase_add_test(tc, npy_cut_short);
    tcase_add_test(tc, compare_bounds);
    tcase_add_test(tc, compare_largest_of_a_row);
    tcase_add_test(tc, compare_wide_integers);
    tcase_add_loop_test(tc, json_forms, 0, (int)(sizeof jsons / sizeof *jsons));
    tcase_add_test(tc, output_names);
    tcase_add_test(tc, pictures_refused);
    suite_add_tcase(s, tc);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
