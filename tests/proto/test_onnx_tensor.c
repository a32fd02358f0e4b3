/* SPDX-License-Identifier: Apache-2.0 */
/* test_onnx_tensor.c - every way of storing elements, what must not be believed, and TensorProto
 * files written and read back. */
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "proto/onnx_tensor.h"
#include "proto/tensor_pb.h"
#include "tests/proto/pb.h"
#include "tests/proto/suites.h"

static const struct ms_wire_limits usual = {
    .max_depth = 4, .max_name = 1024, .max_heap = (size_t)64 << 20};

struct made {
    ms_code code;
    struct ms_err err;
    struct ms_arena arena;
    const struct ms_tensor *t;
};

static struct made make(const struct ms_buf *b, const struct ms_source *src)
{
    const struct ms_bytes in = ms_bytes(b->data, b->len);
    struct onnx_files files = {.src = src};
    struct made m = {0};
    struct onnx_tensor t;

    ms_arena_init(&m.arena, (size_t)64 << 20);
    m.code = ms_wire_scan(in, &onnx_tensor_msg, &usual, NULL, &m.err);
    if (m.code == MS_OK)
        m.code = ms_wire_decode(in, &onnx_tensor_msg, &m.arena, &t, &m.err);
    if (m.code == MS_OK)
        m.code = onnx_tensor_make(&t, &files, &m.arena, &m.t, &m.err);
    onnx_files_done(&files);
    return m;
}

static struct ms_buf header(int type, int rank, const int64_t *dims)
{
    struct ms_buf t = pb_new();

    for (int i = 0; i < rank; i++)
        pb_int(&t, 1, dims[i]);
    pb_int(&t, 2, type);
    pb_str(&t, 8, "w");
    return t;
}

static void expect(struct ms_buf *b, const struct ms_source *src, ms_code code, const char *text)
{
    struct made m = make(b, src);

    ck_assert_msg(m.code == code, "%d: %s", m.code, m.err.text);
    if (text)
        ck_assert_msg(strstr(m.err.text, text), "'%s' lacks '%s'", m.err.text, text);
    ms_arena_done(&m.arena);
    ms_buf_done(b);
}

/* Elements 1, 2, 3 through the typed list, against the same through raw_data. */
START_TEST(test_lists)
{
    static const struct {
        int type;
        unsigned field;
        int size; /* bytes of an element */
    } cases[] = {{2, 5, 1}, {3, 5, 1},  {4, 5, 2},  {5, 5, 2},   {6, 5, 4},  {7, 7, 8},
                 {9, 5, 1}, {10, 5, 2}, {16, 5, 2}, {12, 11, 4}, {13, 11, 8}};

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const int64_t v[3] = {1, cases[i].type == 9 ? 0 : 2, 1};
        uint8_t raw[24] = {0};
        struct ms_buf list = header(cases[i].type, DIMS(3)), r, packed = pb_new();

        for (int k = 0; k < 3; k++)
            memcpy(raw + k * cases[i].size, &v[k], (size_t)cases[i].size);
        pb_int(&list, cases[i].field, v[0]); /* one alone, two packed */
        pb_varint(&packed, (uint64_t)v[1]);
        pb_varint(&packed, (uint64_t)v[2]);
        pb_msg(&list, cases[i].field, &packed);
        r = onnx_raw("w", cases[i].type, DIMS(3), raw, (size_t)cases[i].size * 3);

        struct made a = make(&list, NULL), b = make(&r, NULL);
        ck_assert_msg(a.code == MS_OK && b.code == MS_OK, "%d: %s%s", cases[i].type, a.err.text,
                      b.err.text);
        ck_assert(ms_tensor_eq(a.t, b.t));
        ck_assert_int_eq(ms_dtype_size(a.t->dtype), cases[i].size);
        ms_arena_done(&a.arena);
        ms_arena_done(&b.arena);
        ms_buf_done(&list);
        ms_buf_done(&r);
    }
}
END_TEST

START_TEST(test_floats)
{
    const float f[3] = {1.5f, -0.0f, INFINITY};
    const double d[2] = {1e300, -2};
    struct ms_buf one = header(1, DIMS(3)), split = header(1, DIMS(3)), dbl = header(11, DIMS(2));
    struct made a, b, c;

    pb_bytes(&one, 4, f, sizeof f);
    pb_bytes(&split, 4, f, 4);
    pb_float(&split, 4, f[1]);
    pb_bytes(&split, 4, f + 2, 4);
    pb_bytes(&dbl, 10, d, sizeof d);
    a = make(&one, NULL);
    b = make(&split, NULL);
    c = make(&dbl, NULL);
    ck_assert(a.code == MS_OK && b.code == MS_OK && c.code == MS_OK);
    ck_assert(ms_tensor_eq(a.t, b.t));
    ck_assert(memcmp(a.t->data, f, sizeof f) == 0);
    ck_assert(memcmp(c.t->data, d, sizeof d) == 0);
    ms_arena_done(&a.arena);
    ms_arena_done(&b.arena);
    ms_arena_done(&c.arena);
    ms_buf_done(&one);
    ms_buf_done(&split);
    ms_buf_done(&dbl);
}
END_TEST

START_TEST(test_ranges)
{
    static const struct {
        int type;
        unsigned field;
        int64_t v;
    } bad[] = {{2, 5, 256},    {2, 5, -1},         {3, 5, 128},         {3, 5, -129},
               {4, 5, 65536},  {5, 5, 32768},      {10, 5, 65536},      {10, 5, -1},
               {16, 5, 65536}, {6, 5, 2147483648}, {12, 11, 4294967296}};

    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct ms_buf t = header(bad[i].type, DIMS(1));

        pb_int(&t, bad[i].field, bad[i].v);
        expect(&t, NULL, MS_INVALID_ARGUMENT, "tensor 'w': element 0 is");
    }
}
END_TEST

START_TEST(test_small_shapes)
{
    const float f = 3;
    struct ms_buf scalar = onnx_raw("s", 1, 0, NULL, &f, 4);
    struct ms_buf none = onnx_raw("z", 1, DIMS(2, 0, 3), "", 0);
    struct ms_buf bare = header(7, DIMS(0));
    struct made a = make(&scalar, NULL), b = make(&none, NULL), c = make(&bare, NULL);

    ck_assert(a.code == MS_OK && a.t->shape.rank == 0 && a.t->bytes == 4);
    ck_assert(b.code == MS_OK && b.t->shape.rank == 3 && b.t->bytes == 0);
    ck_assert(c.code == MS_OK && c.t->shape.rank == 1 && c.t->bytes == 0);
    ms_arena_done(&a.arena);
    ms_arena_done(&b.arena);
    ms_arena_done(&c.arena);
    ms_buf_done(&scalar);
    ms_buf_done(&none);
    ms_buf_done(&bare);
}
END_TEST

START_TEST(test_shapes_not_believed)
{
    static const int64_t edges[] = {-1,        INT64_MIN,  INT64_MAX,  INT64_MAX / 4 + 1,
                                    INT32_MAX, 2147483648, 4294967296, INT64_C(1) << 62};
    const float f[4] = {0};

    for (size_t i = 0; i < sizeof edges / sizeof *edges; i++) {
        struct ms_buf one = onnx_raw("w", 1, DIMS(edges[i]), f, sizeof f);
        struct ms_buf wraps = onnx_raw("w", 1, DIMS(edges[i], 4, 2), f, sizeof f);
        struct ms_buf list = header(1, DIMS(edges[i]));
        struct ms_buf strings = header(8, DIMS(edges[i]));

        expect(&one, NULL, MS_INVALID_ARGUMENT, "tensor 'w'");
        expect(&wraps, NULL, MS_INVALID_ARGUMENT, "tensor 'w'");
        expect(&list, NULL, MS_INVALID_ARGUMENT, "tensor 'w'");
        expect(&strings, NULL, MS_INVALID_ARGUMENT, "tensor 'w'");
    }
    struct ms_buf nine = onnx_raw("w", 1, DIMS(1, 1, 1, 1, 1, 1, 1, 1, 1), f, 4);
    struct ms_buf wrap64 = onnx_raw("w", 1, DIMS(INT64_C(1) << 32, INT64_C(1) << 32), f, 0);
    struct ms_buf more = onnx_raw("w", 1, DIMS(3), f, 16), less = onnx_raw("w", 1, DIMS(5), f, 16);
    expect(&nine, NULL, MS_INVALID_ARGUMENT, "rank 9, at most 8");
    expect(&wrap64, NULL, MS_INVALID_ARGUMENT, "overflows");
    expect(&more, NULL, MS_INVALID_ARGUMENT, "16 bytes of raw_data, but f32[3] needs 12");
    expect(&less, NULL, MS_INVALID_ARGUMENT, "16 bytes of raw_data, but f32[5] needs 20");
}
END_TEST

START_TEST(test_refusals)
{
    const float f[2] = {1, 2};
    struct ms_buf twice = onnx_raw("w", 1, DIMS(2), f, 8), wrong = header(1, DIMS(2)), t;

    pb_bytes(&twice, 4, f, 8);
    expect(&twice, NULL, MS_INVALID_ARGUMENT, "given more than once");
    pb_int(&wrong, 7, 1);
    pb_int(&wrong, 7, 1);
    expect(&wrong, NULL, MS_INVALID_ARGUMENT, "in a list of another type");
    t = header(17, DIMS(1));
    expect(&t, NULL, MS_UNIMPLEMENTED, "float8e4m3fn");
    t = header(99, DIMS(1));
    expect(&t, NULL, MS_UNIMPLEMENTED, "99");
    t = header(0, DIMS(1));
    expect(&t, NULL, MS_UNIMPLEMENTED, "element type 0");
    t = header(1, DIMS(1));
    pb_bytes(&t, 3, "", 0);
    expect(&t, NULL, MS_UNIMPLEMENTED, "segments");
    t = onnx_raw("w", 8, DIMS(1), f, 8);
    expect(&t, NULL, MS_INVALID_ARGUMENT, "strings cannot be raw_data");
    t = header(1, DIMS(2));
    pb_int(&t, 14, 7);
    expect(&t, NULL, MS_INVALID_ARGUMENT, "data_location 7");
}
END_TEST

START_TEST(test_bools_are_normal)
{
    struct ms_buf t = onnx_raw("w", 9, DIMS(4), "\x00\x01\x02\xff", 4);
    struct made m = make(&t, NULL);

    ck_assert_int_eq(m.code, MS_OK);
    ck_assert(memcmp(m.t->data, "\x00\x01\x01\x01", 4) == 0);
    ms_arena_done(&m.arena);
    ms_buf_done(&t);
}
END_TEST

static bool inside(const void *p, const struct ms_buf *b)
{
    return (const char *)p >= b->data && (const char *)p < b->data + b->len;
}

/* Weights are never copied; small tensors are only where their address would not do. */
START_TEST(test_weights_are_references)
{
    const size_t n = 100 * 1000;
    float *w = calloc(n, sizeof *w);

    ck_assert_ptr_nonnull(w);
    for (int pad = 0; pad < 8; pad++) {
        struct ms_buf big = pb_new(), small = pb_new(), list, t;
        struct made a, b, c;

        pb_bytes(&big, 12, "........", (size_t)pad); /* doc_string: shifts what follows */
        pb_bytes(&small, 12, "........", (size_t)pad);
        t = onnx_raw("w", 1, DIMS((int64_t)n), w, n * sizeof *w);
        ms_buf_add(&big, t.data, t.len);
        ms_buf_done(&t);
        t = onnx_raw("w", 1, DIMS(16), w, 64);
        ms_buf_add(&small, t.data, t.len);
        ms_buf_done(&t);
        list = header(1, DIMS((int64_t)n));
        pb_bytes(&list, 4, w, n * sizeof *w);
        a = make(&big, NULL);
        b = make(&small, NULL);
        c = make(&list, NULL);
        ck_assert(a.code == MS_OK && b.code == MS_OK && c.code == MS_OK);
        ck_assert(inside(a.t->data, &big));
        ck_assert(inside(c.t->data, &list));
        ck_assert_uint_lt(a.arena.used, 16 << 10);
        ck_assert_uint_eq((uintptr_t)b.t->data % 4, 0);
        ms_arena_done(&a.arena);
        ms_arena_done(&b.arena);
        ms_arena_done(&c.arena);
        ms_buf_done(&big);
        ms_buf_done(&small);
        ms_buf_done(&list);
    }
    free(w);
}
END_TEST

/* ---- external data ---- */

struct folder {
    const char *name;
    uint8_t bytes[64];
    int opened;
};

static ms_code open_file(void *arg, const char *location, struct ms_bytes *out, struct ms_err *err)
{
    struct folder *f = arg;

    if (strcmp(location, f->name) != 0)
        return ms_fail(err, MS_NOT_FOUND, "no such file: '%s'", location);
    f->opened++;
    *out = ms_bytes(f->bytes, sizeof f->bytes);
    return MS_OK;
}

static struct ms_buf external(int64_t n, const char *location, const char *offset,
                              const char *length)
{
    const char *const kv[][2] = {{"location", location}, {"offset", offset}, {"length", length}};
    struct ms_buf t = header(1, DIMS(n));

    pb_int(&t, 14, 1);
    for (int i = 0; i < 3; i++) {
        struct ms_buf e = pb_new();

        if (!kv[i][1])
            continue;
        pb_str(&e, 1, kv[i][0]);
        pb_str(&e, 2, kv[i][1]);
        pb_msg(&t, 13, &e);
    }
    return t;
}

START_TEST(test_external)
{
    static struct folder f = {.name = "weights.bin"};
    const struct ms_source src = {.open = open_file, .arg = &f};
    static const struct {
        int64_t n;
        const char *location, *offset, *length;
        ms_code code;
        const char *says;
    } cases[] = {
        {16, "weights.bin", NULL, NULL, MS_OK, NULL},
        {8, "weights.bin", "32", "32", MS_OK, NULL},
        {0, "weights.bin", "64", "0", MS_OK, NULL},
        {8, "weights.bin", "33", "32", MS_INVALID_ARGUMENT,
         "bytes 33 to 65 are beyond the file's 64"},
        {17, "weights.bin", NULL, NULL, MS_INVALID_ARGUMENT, "beyond the file's 64"},
        {8, "weights.bin", "9223372036854775807", "32", MS_INVALID_ARGUMENT, "beyond"},
        {8, "weights.bin", "18446744073709551615", "32", MS_INVALID_ARGUMENT, "is not a size"},
        {8, "weights.bin", "-1", "32", MS_INVALID_ARGUMENT, "is not a size"},
        {8, "weights.bin", "0", "31", MS_INVALID_ARGUMENT, "31 bytes of external data"},
        {8, "weights.bin", "0", "x", MS_INVALID_ARGUMENT, "is not a size"},
        {8, "other.bin", "0", "32", MS_NOT_FOUND, "other.bin"},
        {8, "", "0", "32", MS_INVALID_ARGUMENT, "no file is named"},
        {8, NULL, "0", "32", MS_INVALID_ARGUMENT, "no file is named"},
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct ms_buf t = external(cases[i].n, cases[i].location, cases[i].offset, cases[i].length);

        expect(&t, &src, cases[i].code, cases[i].says);
    }
    struct ms_buf t = external(8, "weights.bin", "0", "32");
    expect(&t, NULL, MS_FAILED_PRECONDITION, "no files beside the model");
}
END_TEST

/* ---- files ---- */

START_TEST(test_pb_round_trip)
{
    for (int d = 1; d < MS_N_DTYPES; d++) {
        const struct ms_shape s = ms_shape_make(2, 3);
        struct ms_tensor *x = ms_tensor_new((enum ms_dtype)d, &s), *y;
        struct ms_buf b = pb_new();
        const char *name;
        struct ms_arena a;
        struct ms_err err = {0};

        ms_arena_init(&a, 1 << 20);
        for (size_t i = 0; i < x->bytes && d != MS_STRING; i++)
            ((uint8_t *)x->data)[i] = (uint8_t)(d == MS_BOOL ? i & 1 : i * 7);
        for (size_t i = 0; d == MS_STRING && i < 6; i++)
            ((struct ms_bytes *)x->data)[i] = ms_bytes("abcdef", i);
        ck_assert(ms_tensor_pb_write(x, "x", &b));
        ck_assert_msg(
            ms_tensor_pb_read(ms_bytes(b.data, b.len), MS_DTYPE_NONE, &a, &y, &name, &err) == MS_OK,
            "%s", err.text);
        ck_assert(ms_tensor_eq(x, y));
        ck_assert_str_eq(name, "x");
        ms_tensor_unref(x);
        ms_tensor_unref(y);
        ms_arena_done(&a);
        ms_buf_done(&b);
    }
}
END_TEST

START_TEST(test_pb_dtypes)
{
    const uint16_t bits[2] = {0x3f80, 0xc000};
    struct ms_buf b = onnx_raw("", 4, DIMS(2), bits, sizeof bits), seq = pb_new(), inner;
    struct ms_tensor *t;
    struct ms_arena a;
    struct ms_err err;

    ms_arena_init(&a, 1 << 20);
    ck_assert_int_eq(ms_tensor_pb_read(ms_bytes(b.data, b.len), MS_BF16, &a, &t, NULL, &err),
                     MS_OK);
    ck_assert_int_eq(t->dtype, MS_BF16);
    ck_assert(ms_tensor_f64(t, 0) == 1 && ms_tensor_f64(t, 1) == -2);
    ms_tensor_unref(t);
    ck_assert_int_eq(ms_tensor_pb_read(ms_bytes(b.data, b.len), MS_F32, &a, &t, NULL, &err),
                     MS_INVALID_ARGUMENT);
    ck_assert_ptr_nonnull(strstr(err.text, "the tensor is u16, but f32 is wanted"));

    inner = onnx_raw("", 4, DIMS(2), bits,
                     sizeof bits); /* SequenceProto { elem_type, tensor_values } */
    pb_int(&seq, 2, 1);
    pb_msg(&seq, 3, &inner);
    ck_assert_int_eq(
        ms_tensor_pb_read(ms_bytes(seq.data, seq.len), MS_DTYPE_NONE, &a, &t, NULL, &err),
        MS_UNIMPLEMENTED);
    ck_assert_ptr_nonnull(strstr(err.text, "sequence"));
    ms_arena_done(&a);
    ms_buf_done(&b);
    ms_buf_done(&seq);
}
END_TEST

Suite *suite_onnx_tensor(void)
{
    Suite *s = suite_create("onnx_tensor");
    TCase *t = tcase_create("tensor");

    tcase_set_timeout(t, 60);
    tcase_add_test(t, test_lists);
    tcase_add_test(t, test_floats);
    tcase_add_test(t, test_ranges);
    tcase_add_test(t, test_small_shapes);
    tcase_add_test(t, test_shapes_not_believed);
    tcase_add_test(t, test_refusals);
    tcase_add_test(t, test_bools_are_normal);
    tcase_add_test(t, test_weights_are_references);
    tcase_add_test(t, test_external);
    tcase_add_test(t, test_pb_round_trip);
    tcase_add_test(t, test_pb_dtypes);
    suite_add_tcase(s, t);
    return s;
}
