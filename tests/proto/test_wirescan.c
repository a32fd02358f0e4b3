/* SPDX-License-Identifier: Apache-2.0 */
/* test_wirescan.c - the scan against what hurts decoders, and the decoder against the scan's word.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "proto/onnx_pb.h"
#include "tests/proto/pb.h"
#include "tests/proto/suites.h"

static const struct ms_wire_limits usual = {
    .max_depth = 64, .max_name = 1024, .max_heap = (size_t)16 << 20};

static ms_code scan(const struct ms_buf *b, const struct ms_wire_limits *lim,
                    struct ms_wire_report *report, struct ms_err *err)
{
    return ms_wire_scan(ms_bytes(b->data, b->len), &onnx_model_msg, lim, report, err);
}

static void expect(struct ms_buf *b, ms_code code, const char *text)
{
    struct ms_err err = {0};

    ck_assert_msg(scan(b, &usual, NULL, &err) == code, "%s", err.text);
    if (text)
        ck_assert_msg(strstr(err.text, text), "'%s' lacks '%s'", err.text, text);
    ms_buf_done(b);
}

START_TEST(test_accepts)
{
    struct ms_wire_report report;
    struct ms_buf g = pb_new(), m;
    struct ms_err err;

    onnx_node_add(&g, "Relu", "x", "y", NULL);
    onnx_node_add(&g, "Relu", "y", "z", NULL);
    m = onnx_model(13, &g, NULL);
    ck_assert_int_eq(scan(&m, &usual, &report, &err), MS_OK);
    ck_assert_uint_eq(report.tally[ONNX_TALLY_NODES], 2);
    ck_assert_int_eq(report.depth, 3);
    ck_assert_uint_gt(report.price, sizeof(struct onnx_model) + 2 * sizeof(struct onnx_node));
    ms_buf_done(&m);
}
END_TEST

/* Graph in attribute in node in graph, `levels` times, written from the inside out. */
static struct ms_bytes nested(uint8_t *buf, size_t size, int levels)
{
    static const unsigned char tag[] = {1 << 3 | 2, 5 << 3 | 2,
                                        6 << 3 | 2}; /* node, attribute, g */
    uint8_t *p = buf + size;
    size_t len = 0;

    for (int i = levels * 3 - 1; i >= -1; i--) {
        uint8_t head[12];
        size_t n = 0;

        head[n++] = i < 0 ? 7 << 3 | 2 : tag[i % 3];
        for (size_t v = len;; v >>= 7) {
            head[n++] = (uint8_t)(v >= 0x80 ? v | 0x80 : v);
            if (v < 0x80)
                break;
        }
        p -= n;
        memcpy(p, head, n);
        len += n;
    }
    return ms_bytes(p, len);
}

START_TEST(test_deep)
{
    static const int levels[] = {1, 10, 20, 21, 22, 100, 1000, 10000, 100000};
    const size_t size = (size_t)4 << 20;
    uint8_t *buf = malloc(size);

    ck_assert_ptr_nonnull(buf);
    for (size_t i = 0; i < sizeof levels / sizeof *levels; i++) {
        const struct ms_bytes in = nested(buf, size, levels[i]);
        const int64_t start = ms_now();
        struct ms_err err = {0};
        const ms_code code = ms_wire_scan(in, &onnx_model_msg, &usual, NULL, &err);

        /* the model, its graph, and three messages a level */
        ck_assert_msg(code == (levels[i] * 3 + 2 <= 64 ? MS_OK : MS_INVALID_ARGUMENT), "%d: %s",
                      levels[i], err.text);
        ck_assert_int_lt(ms_now() - start, 500 * MS_MS);
        if (code != MS_OK)
            ck_assert_ptr_nonnull(strstr(err.text, "graph.node[0].attribute[0].g.node[0]"));
    }
    free(buf);
}
END_TEST

START_TEST(test_wide)
{
    struct ms_buf g = pb_new(), m = pb_new();
    struct ms_err err;

    for (int i = 0; i < 5 * 1000 * 1000; i++) /* empty nodes, two bytes each */
        ms_buf_add(&g, "\x0a\x00", 2);
    pb_msg(&m, 7, &g);
    ck_assert_int_eq(scan(&m, &usual, NULL, &err), MS_RESOURCE_EXHAUSTED);
    ck_assert_ptr_nonnull(strstr(err.text, "graph.node["));
    ms_buf_done(&m);
}
END_TEST

START_TEST(test_unknown_fields)
{
    struct ms_wire_limits priced = usual;
    struct ms_wire_report report;
    struct ms_buf m = pb_new();
    struct ms_err err;

    pb_int(&m, 1, 8);
    for (int i = 0; i < 1000 * 1000; i++)
        pb_int(&m, 900, i);
    ck_assert_int_eq(scan(&m, &usual, &report, &err), MS_OK);
    ck_assert_uint_lt(report.price, 1000); /* skipped ones cost nothing */
    priced.unknown_price = 48;
    ck_assert_int_eq(scan(&m, &priced, NULL, &err), MS_RESOURCE_EXHAUSTED);
    ms_buf_done(&m);
}
END_TEST

START_TEST(test_duplicates)
{
    struct ms_buf m = pb_new(), a = pb_new(), n = pb_new(), g = pb_new();

    for (int i = 0; i < 3; i++)
        pb_bytes(&m, 7, "", 0);
    expect(&m, MS_INVALID_ARGUMENT, "graph at byte 2: given twice");

    m = pb_new();
    pb_bytes(&a, 5, "", 0);
    pb_bytes(&a, 5, "", 0);
    pb_bytes(&n, 5, "", 0);
    pb_msg(&n, 5, &a);
    pb_bytes(&g, 1, "", 0);
    pb_bytes(&g, 1, "", 0);
    pb_msg(&g, 1, &n);
    pb_msg(&m, 7, &g);
    expect(&m, MS_INVALID_ARGUMENT, "graph.node[2].attribute[1].t at byte");
}
END_TEST

START_TEST(test_merge_bomb)
{
    struct ms_buf m = pb_new();
    const int64_t start = ms_now();

    for (int i = 0; i < 1000 * 1000; i++)
        pb_bytes(&m, 7, "", 0);
    expect(&m, MS_INVALID_ARGUMENT, "given twice");
    ck_assert_int_lt(ms_now() - start, 2 * MS_SEC);
}
END_TEST

static struct ms_buf of(const void *bytes, size_t len)
{
    struct ms_buf b = pb_new();

    ms_buf_add(&b, bytes, len);
    return b;
}

START_TEST(test_malformed)
{
    static const struct {
        const char *bytes;
        size_t len;
        const char *says;
    } cases[] = {
        {"\x00\x01", 2, "byte 0: not a protobuf field"},
        {"\x80", 1, "not a protobuf field"},
        {"\xff\xff\xff\xff\xff\x0f\x00", 7, "not a protobuf field"},
        {"\x08", 1, "ir_version at byte 0: field 1 is cut short"},
        {"\x08\x80\x80", 3, "cut short"},
        {"\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 12, "cut short"},
        {"\x3a\x05\x01", 3,
         "graph at byte 0: field 7 declares 5 bytes, but its message has only 1"},
        {"\x3a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 11, "declares 18446744073709551615"},
        {"\x0b\x0c", 2, "wire type 3"},
        {"\x0c", 1, "wire type 4"},
        {"\x0e", 1, "wire type 6"},
        {"\x0f", 1, "wire type 7"},
        {"\x0a\x01\x31", 3, "ir_version at byte 0: wire type 2 where type 0 is expected"},
        {"\x38\x01", 2, "graph at byte 0: wire type 0 where type 2 is expected"},
        {"\x3d\x01\x02", 3, "cut short"},
        {"\x39\x01\x02\x03\x04\x05\x06\x07", 8, "cut short"},
        {"\x3a\x03\x0a\x05\x01", 5, "graph.node[0] at byte 2: field 1 declares 5 bytes"},
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct ms_buf b = of(cases[i].bytes, cases[i].len);

        expect(&b, MS_INVALID_ARGUMENT, cases[i].says);
    }
}
END_TEST

START_TEST(test_packed)
{
    /* initializer with float_data of 6 bytes; int64_data ending inside a varint; one of 11 bytes */
    static const char *const lists[] = {"\x22\x06zzzzzz", "\x3a\x02\x01\x80",
                                        "\x3a\x0b\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"};
    static const size_t lens[] = {8, 4, 13};

    for (int i = 0; i < 3; i++) {
        struct ms_buf t = of(lists[i], lens[i]), g = pb_new(), m = pb_new();

        pb_msg(&g, 5, &t);
        pb_msg(&m, 7, &g);
        expect(&m, MS_INVALID_ARGUMENT, "graph.initializer[0].");
    }
}
END_TEST

START_TEST(test_names)
{
    char long_name[1026];
    struct ms_buf g = pb_new(), m;

    memset(long_name, 'n', sizeof long_name);
    pb_bytes(&g, 2, "a\0b", 3);
    m = onnx_model(13, &g, NULL);
    expect(&m, MS_INVALID_ARGUMENT, "graph.name at byte 4: a name with a NUL byte inside");
    g = pb_new();
    pb_bytes(&g, 2, long_name, 1025);
    m = onnx_model(13, &g, NULL);
    expect(&m, MS_INVALID_ARGUMENT, "a name of 1025 bytes, at most 1024");
    g = pb_new();
    pb_bytes(&g, 2, long_name, 1024);
    m = onnx_model(13, &g, NULL);
    expect(&m, MS_OK, NULL);
}
END_TEST

/* ---- decoding ---- */

struct inner {
    struct ms_wire_head head;
    int64_t v;
};
static const struct ms_wire_field inner_fields[] = {
    {1, MS_WIRE_INT, 0, offsetof(struct inner, v), "v", NULL, 0}};
static const struct ms_wire_msg inner_msg = {"Inner", sizeof(struct inner), 0, inner_fields, 1};

struct outer {
    struct ms_wire_head head;
    int64_t i;
    float f;
    double d;
    struct ms_bytes text;
    const struct inner *one;
    MS_WIRE_LIST(int64_t) ints;
    MS_WIRE_LIST(float) floats;
    MS_WIRE_LIST(double) doubles;
    MS_WIRE_LIST(struct ms_bytes) texts;
    MS_WIRE_LIST(struct inner) many;
};
#define ROW(n_, kind_, flags_, m_, msg_)                                                           \
    {                                                                                              \
        n_, kind_, flags_, offsetof(struct outer, m_), #m_, msg_, 0                                \
    }
static const struct ms_wire_field outer_fields[] = {
    ROW(1, MS_WIRE_INT, 0, i, NULL),
    ROW(2, MS_WIRE_F32, 0, f, NULL),
    ROW(3, MS_WIRE_F64, 0, d, NULL),
    ROW(4, MS_WIRE_TEXT, 0, text, NULL),
    ROW(5, MS_WIRE_MSG, 0, one, &inner_msg),
    ROW(6, MS_WIRE_INT, MS_WIRE_MANY, ints, NULL),
    ROW(7, MS_WIRE_F32, MS_WIRE_MANY, floats, NULL),
    ROW(8, MS_WIRE_F64, MS_WIRE_MANY, doubles, NULL),
    ROW(9, MS_WIRE_TEXT, MS_WIRE_MANY, texts, NULL),
    ROW(10, MS_WIRE_MSG, MS_WIRE_MANY, many, &inner_msg),
};
static const struct ms_wire_msg outer_msg = {"Outer", sizeof(struct outer), 0, outer_fields, 10};

static struct ms_buf sample(void)
{
    const float floats[] = {1.5f, -2.5f};
    const double d = 0.25;
    struct ms_buf b = pb_new(), in = pb_new();

    pb_int(&b, 1, 7);
    pb_int(&b, 1, -3); /* the last one counts */
    pb_float(&b, 2, 2.5f);
    pb_varint(&b, 3 << 3 | 1);
    ms_buf_add(&b, &d, sizeof d);
    pb_str(&b, 4, "name");
    pb_int(&in, 1, 11);
    pb_msg(&b, 5, &in);
    pb_int(&b, 6, 1);                   /* single, */
    pb_bytes(&b, 6, "\x02\xac\x02", 3); /* packed: 2, 300, */
    pb_int(&b, 6, -1);                  /* single again */
    pb_bytes(&b, 7, floats, sizeof floats);
    pb_float(&b, 7, 3.5f);
    pb_bytes(&b, 7, "", 0);
    pb_bytes(&b, 8, &d, sizeof d);
    pb_str(&b, 9, "a");
    pb_int(&b, 77, 5); /* unknown */
    pb_str(&b, 9, "");
    for (int i = 0; i < 3; i++) {
        in = pb_new();
        pb_int(&in, 1, i);
        pb_msg(&b, 10, &in);
    }
    return b;
}

static void check_sample(const struct outer *o, const struct ms_buf *b)
{
    ck_assert_int_eq(o->i, -3);
    ck_assert(o->f == 2.5f && o->d == 0.25);
    ck_assert(ms_bytes_eq(o->text, "name"));
    ck_assert(o->text.data > (const uint8_t *)b->data &&
              o->text.data < (const uint8_t *)b->data + b->len);
    ck_assert_int_eq(o->one->v, 11);
    ck_assert_uint_eq(o->ints.n, 4);
    ck_assert(o->ints.v[0] == 1 && o->ints.v[1] == 2 && o->ints.v[2] == 300 && o->ints.v[3] == -1);
    ck_assert_uint_eq(o->floats.n, 3);
    ck_assert(o->floats.v[0] == 1.5f && o->floats.v[1] == -2.5f && o->floats.v[2] == 3.5f);
    ck_assert(o->doubles.n == 1 && o->doubles.v[0] == 0.25);
    ck_assert_uint_eq(o->texts.n, 2);
    ck_assert(ms_bytes_eq(o->texts.v[0], "a") && o->texts.v[1].len == 0);
    ck_assert_uint_eq(o->many.n, 3);
    ck_assert(o->many.v[0].v == 0 && o->many.v[1].v == 1 && o->many.v[2].v == 2);
    ck_assert(ms_wire_has(&o->head, 1) && ms_wire_has(&o->head, 10) && !ms_wire_has(&o->head, 11));
    ck_assert_uint_eq(o->head.self.len, b->len);
}

START_TEST(test_decode)
{
    struct ms_wire_report report;
    struct ms_buf b = sample();
    struct ms_arena a;
    struct outer o;
    struct ms_err err;
    const struct ms_bytes in = ms_bytes(b.data, b.len);

    ms_arena_init(&a, 1 << 20);
    ck_assert_int_eq(ms_wire_scan(in, &outer_msg, &usual, &report, &err), MS_OK);
    ck_assert_uint_eq(report.price, sizeof(struct outer) + 4 * sizeof(struct inner) + 4 * 8 +
                                        3 * 4 + 8 + 2 * sizeof(struct ms_bytes));
    ck_assert_int_eq(ms_wire_decode(in, &outer_msg, &a, &o, &err), MS_OK);
    check_sample(&o, &b);
    ms_arena_done(&a);
    ms_buf_done(&b);
}
END_TEST

/* The scan accepts exactly what the decoder takes in whole; both stay inside of any prefix. */
START_TEST(test_every_prefix_and_bit)
{
    struct ms_buf b = sample();
    int accepted = 0;

    for (size_t bit = 0; bit <= b.len * 8; bit++) {
        const size_t len = bit % 8 == 0 ? bit / 8 : b.len; /* a prefix, or one bit turned */
        uint8_t *copy = malloc(len ? len : 1);             /* exact: ASan sees a byte too far */
        struct ms_arena a;
        struct outer o;
        struct ms_err err = {0};

        ck_assert_ptr_nonnull(copy);
        memcpy(copy, b.data, len);
        if (bit % 8)
            copy[bit / 8] ^= (uint8_t)(1 << bit % 8);
        ms_arena_init(&a, 1 << 20);
        const ms_code code = ms_wire_scan(ms_bytes(copy, len), &outer_msg, &usual, NULL, &err);
        ck_assert(code == MS_OK || (code == MS_INVALID_ARGUMENT && strstr(err.text, "byte ")));
        accepted += code == MS_OK;
        ck_assert_int_eq(ms_wire_decode(ms_bytes(copy, len), &outer_msg, &a, &o, &err), MS_OK);
        ms_arena_done(&a);
        free(copy);
    }
    ck_assert_int_gt(accepted, 10);
    ms_buf_done(&b);
}
END_TEST

START_TEST(test_decode_out_of_memory)
{
    struct ms_buf b = sample();
    struct ms_arena a;
    struct outer o;
    struct ms_err err;

    ms_arena_init(&a, 64);
    ck_assert_int_eq(ms_wire_decode(ms_bytes(b.data, b.len), &outer_msg, &a, &o, &err),
                     MS_RESOURCE_EXHAUSTED);
    ms_arena_done(&a);
    ms_buf_done(&b);
}
END_TEST

Suite *suite_wirescan(void)
{
    Suite *s = suite_create("wirescan");
    TCase *t = tcase_create("scan");

    tcase_set_timeout(t, 60);
    tcase_add_test(t, test_accepts);
    tcase_add_test(t, test_deep);
    tcase_add_test(t, test_wide);
    tcase_add_test(t, test_unknown_fields);
    tcase_add_test(t, test_duplicates);
    tcase_add_test(t, test_merge_bomb);
    tcase_add_test(t, test_malformed);
    tcase_add_test(t, test_packed);
    tcase_add_test(t, test_names);
    tcase_add_test(t, test_decode);
    tcase_add_test(t, test_every_prefix_and_bit);
    tcase_add_test(t, test_decode_out_of_memory);
    suite_add_tcase(s, t);
    return s;
}
