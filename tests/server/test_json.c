/* SPDX-License-Identifier: Apache-2.0 */
/* test_json.c - the strict JSON reader, infer bodies, and control messages as JSON. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "proto/jscan.h"
#include "proto/json.h"
#include "proto/oip.pb-c.h"
#include "proto/pbjson.h"
#include "tests/server/suites.h"

/* Reads a value strictly from a buffer of exactly its size, so that a sanitizer sees any over-read.
 */
static ms_code whole(const void *text, size_t len)
{
    struct ms_jscan s;
    struct ms_arena a;
    struct ms_err err;
    uint8_t *copy = malloc(len ? len : 1);

    memcpy(copy, text, len);
    ms_arena_init(&a, 1 << 20);
    ms_jscan_init(&s, ms_bytes(copy, len), &a, &err);
    ms_code code = ms_jscan_skip(&s);
    if (code == MS_OK)
        code = ms_jscan_end(&s);
    ms_arena_done(&a);
    free(copy);
    return code;
}

static const char *const good[] = {
    "0",
    "-0",
    "1",
    "-1.5e+10",
    "1E400",
    "true",
    "false",
    "null",
    "\"\"",
    "\"a\\u00e4\\n\\/\"",
    "\"\\ud83d\\ude00\"",
    "[]",
    "[[],{}]",
    "{}",
    "{\"a\":1,\"b\":[1,2,{\"a\":null}]}",
    " [ 1 , 2 ] ",
    "\t\r\n1",
    "\"\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80\"",
    "{\"\":0}",
    "123456789012345678901234567890",
};

static const char *const bad[] = {
    "",
    " ",
    "01",
    "-",
    "+1",
    "1.",
    ".5",
    "1e",
    "1e+",
    "0x1",
    "NaN",
    "Infinity",
    "-Infinity",
    "nul",
    "tru",
    "True",
    "\"",
    "\"\\\"",
    "\"\\x\"",
    "\"\\u12\"",
    "\"\\u0000\"",
    "\"\\ud800\"",
    "\"\\ud800\\u0041\"",
    "\"\\udc00\"",
    "\"a\nb\"",
    "\"\xff\"",
    "\"\xc0\x80\"",
    "\"\xed\xa0\x80\"",
    "\"\xf5\x80\x80\x80\"",
    "\"\xe2\x82\"",
    "[",
    "]",
    "[1",
    "[1,",
    "[1,]",
    "[,1]",
    "[1 2]",
    "[1,,2]",
    "{",
    "}",
    "{\"a\"",
    "{\"a\":",
    "{\"a\":1",
    "{\"a\":1,",
    "{\"a\":1,}",
    "{a:1}",
    "{'a':1}",
    "{\"a\" 1}",
    "{1:1}",
    "{\"a\":1 \"b\":2}",
    "{\"a\":1,\"a\":2}",
    "{\"a\":1,\"\\u0061\":2}",
    "[{\"a\":{\"b\":1,\"b\":1}}]",
    "1 2",
    "[]]",
    "{}{}",
    "\357\273\2771", /* a byte order mark */
    "// c\n1",
    "/**/1",
    "\x01",
    "[1}",
    "{]",
    "\"a\"b",
    "1a",
    "[true1]",
};

START_TEST(grammar)
{
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        ck_assert_msg(whole(good[i], strlen(good[i])) == MS_OK, "refused: %s", good[i]);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        ck_assert_msg(whole(bad[i], strlen(bad[i])) == MS_INVALID_ARGUMENT, "taken: %s", bad[i]);
    ck_assert_int_eq(whole("[\0]", 3), MS_INVALID_ARGUMENT);
    ck_assert_int_eq(whole("\"a\0b\"", 5), MS_INVALID_ARGUMENT);
}
END_TEST

START_TEST(depth)
{
    char text[4096];

    for (size_t n = 1; n < 2000; n++) {
        memset(text, '[', n);
        memset(text + n, ']', n);
        ck_assert_int_eq(whole(text, 2 * n) == MS_OK, n <= MS_JSCAN_DEPTH);
        ck_assert_int_ne(whole(text, n), MS_OK);
    }
}
END_TEST

START_TEST(many_keys)
{
    for (int n = 250; n <= 260; n++) {
        char text[8192];
        size_t at = 0;
        for (int i = 0; i < n; i++)
            at += (size_t)sprintf(text + at, "%s\"k%d\":0", i ? "," : "{", i);
        text[at++] = '}';
        ck_assert_int_eq(whole(text, at) == MS_OK, n <= MS_JSCAN_KEYS);
    }
}
END_TEST

static ms_code f64(const char *text, double *d, float *f)
{
    struct ms_jscan s;
    struct ms_err err;

    ms_jscan_init(&s, ms_bytes(text, strlen(text)), NULL, &err);
    ms_code a = ms_jscan_f64(&s, true, d);
    ms_jscan_init(&s, ms_bytes(text, strlen(text)), NULL, &err);
    ms_code b = ms_jscan_f32(&s, true, f);
    return a != MS_OK ? a : b;
}

START_TEST(numbers_are_exact)
{
    static const char *const named[] = {
        "0.1",
        "1e22",
        "1e23",
        "9007199254740993",
        "9007199254740992.5",
        "4.9e-324",
        "2.2250738585072011e-308",
        "1.00000005960464477539",
        "1.000000059604644775390625",
        "1.000000059604644775390626",
        "0.30000001192092896",
        "16777217",
        "16777219",
        "1.401298464324817e-45",
        "7.006492321624085e-46",
        "1.1754943508222875e-38",
        "123456789012345678901234567890",
        "0.000000000000000000000000000000000000012345678",
        "3.4028235677973362e38",
    };
    double d;
    float f;
    char text[64];

    for (size_t i = 0; i < sizeof named / sizeof *named; i++) {
        ck_assert_int_eq(f64(named[i], &d, &f), MS_OK);
        ck_assert_msg(d == strtod(named[i], NULL), "%s", named[i]);
        ck_assert_msg(f == strtof(named[i], NULL), "%s", named[i]);
    }
    srand(1);
    for (int i = 0; i < 300000; i++) {
        snprintf(text, sizeof text, "%s%d.%0*de%d", i & 1 ? "-" : "", rand() % 1000, 1 + rand() % 9,
                 rand() % 1000000000, rand() % 60 - 30);
        ck_assert_int_eq(f64(text, &d, &f), MS_OK);
        ck_assert_msg(d == strtod(text, NULL) && f == strtof(text, NULL), "%s", text);
    }
    ck_assert_int_ne(f64("1e39", &d, &f), MS_OK);
    ck_assert_int_ne(f64("1e309", &d, &f), MS_OK);
    ck_assert(f64("\"NaN\"", &d, &f) == MS_OK && isnan(d) && isnan(f));
    ck_assert(f64("-Infinity", &d, &f) == MS_OK && d == -INFINITY && f == -INFINITY);
}
END_TEST

START_TEST(integers_are_exact)
{
    static const struct {
        const char *text;
        bool i_ok, u_ok;
    } cases[] = {
        {"9223372036854775807", true, true},
        {"9223372036854775808", false, true},
        {"-9223372036854775808", true, false},
        {"-9223372036854775809", false, false},
        {"18446744073709551615", false, true},
        {"18446744073709551616", false, false},
        {"-0", true, true},
        {"1.0", false, false},
        {"1e3", false, false},
        {"99999999999999999999999", false, false},
        {"\"1\"", false, false},
        {"true", false, false},
    };
    struct ms_jscan s;
    struct ms_err err;

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct ms_bytes b = ms_bytes(cases[i].text, strlen(cases[i].text));
        int64_t v;
        uint64_t u;
        ms_jscan_init(&s, b, NULL, &err);
        ck_assert_msg((ms_jscan_i64(&s, &v) == MS_OK) == cases[i].i_ok, "%s", cases[i].text);
        if (cases[i].i_ok)
            ck_assert_int_eq(v, strtoll(cases[i].text, NULL, 10));
        ms_jscan_init(&s, b, NULL, &err);
        ck_assert_msg((ms_jscan_u64(&s, &u) == MS_OK) == cases[i].u_ok, "%s", cases[i].text);
        if (cases[i].u_ok)
            ck_assert_uint_eq(u, strtoull(cases[i].text, NULL, 10));
    }
}
END_TEST

/* ---- infer bodies ---- */

struct call {
    struct ms_arena arena;
    struct ms_predict predict;
    struct ms_request req;
    struct ms_err err;
    uint8_t *body;
};

static ms_code decode(struct call *c, const void *body, size_t len, size_t header)
{
    memset(c, 0, sizeof *c);
    ms_arena_init(&c->arena, 8 << 20);
    ms_predict_init(&c->predict, &c->arena);
    c->req.deadline = MS_NEVER;
    c->req.model = "m";
    c->req.version = "";
    c->body = malloc(len ? len : 1);
    memcpy(c->body, body, len);
    return ms_json_decode(&c->predict, ms_bytes(c->body, len), header, &c->req, &c->err);
}

static void drop(struct call *c)
{
    ms_predict_done(&c->predict);
    ms_arena_done(&c->arena);
    free(c->body);
}

static const char body[] =
    "{\"id\":\"x\",\"parameters\":{\"timeout\":5,\"a\":[1,{\"b\":null}]},\"inputs\":["
    "{\"name\":\"A\",\"shape\":[2,2],\"datatype\":\"FP32\",\"data\":[[1,2.5],[-3e1,4]]},"
    "{\"data\":[\"p\",\"q\\n\"],\"datatype\":\"BYTES\",\"shape\":[2],\"name\":\"B\"},"
    "{\"name\":\"C\",\"shape\":[1],\"datatype\":\"INT8\",\"data\":[-128]}],"
    "\"outputs\":[{\"name\":\"Y\",\"parameters\":{\"binary_data\":true,\"classification\":3}}]}";

START_TEST(body_decodes)
{
    struct call c;

    ck_assert_msg(decode(&c, body, sizeof body - 1, sizeof body - 1) == MS_OK, "%s", c.err.text);
    ck_assert_int_eq(c.req.n_in, 3);
    const float *a = c.req.in[0].tensor.data;
    ck_assert(a[0] == 1 && a[1] == 2.5f && a[2] == -30 && a[3] == 4);
    const struct ms_bytes *b = c.req.in[1].tensor.data;
    ck_assert(ms_bytes_eq(b[0], "p") && ms_bytes_eq(b[1], "q\n"));
    ck_assert_int_eq(*(int8_t *)c.req.in[2].tensor.data, -128);
    ck_assert_str_eq(c.req.want[0].name, "Y");
    ck_assert(c.req.want[0].binary && c.req.want[0].classes == 3);
    ck_assert(c.req.deadline == 5 * MS_US);
    drop(&c);
}
END_TEST

START_TEST(body_survives_mutation)
{
    uint8_t text[sizeof body + 8];
    struct call c;
    int taken = 0;

    for (size_t n = 0; n < sizeof body - 1; n++) {
        ck_assert_int_ne(decode(&c, body, n, n), MS_OK);
        ck_assert_uint_gt(strlen(c.err.text), 0);
        drop(&c);
    }
    srand(2);
    for (int i = 0; i < 200000; i++) {
        size_t len = sizeof body - 1;
        memcpy(text, body, len);
        for (int k = 1 + rand() % 3; k > 0; k--) {
            size_t at = (size_t)rand() % len;
            switch (rand() % 3) {
            case 0:
                text[at] = (uint8_t)("{}[]\":,\\0129-.eEtfnNI x\xff"[rand() % 24]);
                break;
            case 1:
                memmove(text + at, text + at + 1, len - at - 1);
                len--;
                break;
            default:
                text[at] ^= (uint8_t)(1 << rand() % 8);
                break;
            }
        }
        taken += decode(&c, text, len, len) == MS_OK;
        drop(&c);
    }
    ck_assert_int_gt(taken, 100);
}
END_TEST

START_TEST(body_survives_oom)
{
    struct call c;

    for (uint64_t n = 1;; n++) {
        ms_mem_fail_after(n, true);
        ms_code code = decode(&c, body, sizeof body - 1, sizeof body - 1);
        ms_mem_fail_after(0, false);
        drop(&c);
        if (code == MS_OK)
            break;
        ck_assert_int_eq(code, MS_RESOURCE_EXHAUSTED);
        ck_assert_uint_lt(n, 1000);
    }
}
END_TEST

/* Encodes one tensor as a reply and gives back the JSON text (in the call's arena). */
static struct ms_bytes reply(struct call *c, struct ms_tensor *t)
{
    struct ms_req_result *out = ms_arena_alloc(&c->arena, sizeof *out);
    struct ms_bytes *part;
    size_t header;
    int n;

    *out = (struct ms_req_result){.name = "Y", .tensor = t};
    c->req.out = out;
    c->req.n_out = 1;
    c->req.model = c->req.version = "m";
    c->req.id = "";
    ck_assert_msg(ms_json_encode(&c->predict, &c->req, &part, &n, &header, &c->err) == MS_OK, "%s",
                  c->err.text);
    ck_assert_int_eq(n, 1);
    return part[0];
}

START_TEST(floats_read_back)
{
    enum { N = 4096 };
    static float x[N];
    const struct ms_shape shape = ms_shape_make(N);
    struct ms_tensor t;

    srand(3);
    for (int round = 0; round < 60; round++) {
        struct call c;
        for (int i = 0; i < N; i++) {
            uint32_t u = (uint32_t)rand() << 16 ^ (uint32_t)rand();
            memcpy(&x[i], &u, 4);
            if (round & 1)
                x[i] = (float)((double)(rand() % 200001 - 100000) / (1 + rand() % 1000));
        }
        memset(&c, 0, sizeof c);
        ms_arena_init(&c.arena, 16 << 20);
        ms_predict_init(&c.predict, &c.arena);
        ck_assert(ms_tensor_borrow(&t, MS_F32, &shape, x));
        struct ms_bytes json = reply(&c, &t);
        const char *p = strstr((const char *)json.data, "\"data\":[") + 8;
        for (int i = 0; i < N; i++) {
            char *end;
            bool quoted = *p == '"';
            float f = strtof(p + quoted, &end);
            ck_assert_msg(isnan(f) ? isnan(x[i]) : memcmp(&f, &x[i], 4) == 0, "%.9g as %.20s",
                          (double)x[i], p);
            p = end + quoted + 1;
        }
        drop(&c);
    }
}
END_TEST

START_TEST(messages)
{
    static const char *const refused[] = {
        "[]",
        "{\"name\":1}",
        "{\"nope\":1}",
        "{\"max_batch_size\":3000000000}",
        "{\"max_batch_size\":1.5}",
        "{\"input\":{}}",
        "{\"input\":[{\"data_type\":\"TYPE_WRONG\"}]}",
        "{\"name\":\"a\",\"name\":\"b\"}",
        "{\"version_policy\":{\"latest\":{},\"all\":{}}}",
        "{\"name\":\"\\u0000\"}",
        "{} x",
    };
    const char *text =
        "{\"name\":\"n\",\"max_batch_size\":\"16\",\"input\":[{\"name\":\"i\",\"data_type\":"
        "\"TYPE_FP32\",\"dims\":[-1,\"3\"]}],\"version_policy\":{\"latest\":{\"num_versions\":2}},"
        "\"parameters\":{\"k\":{\"string_value\":\"v\"}}}";
    ProtobufCMessage *m;
    struct ms_arena a;
    struct ms_err err;
    struct ms_buf b;

    ms_arena_init(&a, 1 << 20);
    ck_assert_msg(ms_pbjson_read(ms_bytes(text, strlen(text)), &inference__model_config__descriptor,
                                 MS_JSCAN_DEPTH, &a, &m, &err) == MS_OK,
                  "%s", err.text);
    Inference__ModelConfig *c = (Inference__ModelConfig *)m;
    ck_assert_int_eq(c->max_batch_size, 16);
    ck_assert(c->n_input == 1 && c->input[0]->n_dims == 2 && c->input[0]->dims[1] == 3);
    ck_assert_str_eq(c->parameters[0]->value->string_value, "v");
    ms_buf_init(&b, 1 << 20);
    ms_pbjson_write(m, &b);
    ck_assert(strstr(ms_buf_str(&b), "\"parameters\":{\"k\":{\"string_value\":\"v\"}}"));
    ck_assert(strstr(ms_buf_str(&b), "\"data_type\":\"TYPE_FP32\""));
    ck_assert(whole(b.data, b.len) == MS_OK);
    ms_buf_done(&b);
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++)
        ck_assert_msg(ms_pbjson_read(ms_bytes(refused[i], strlen(refused[i])),
                                     &inference__model_config__descriptor, MS_JSCAN_DEPTH, &a, &m,
                                     &err) != MS_OK,
                      "taken: %s", refused[i]);
    ms_arena_done(&a);
}
END_TEST

Suite *suite_json(void)
{
    Suite *s = suite_create("json");
    TCase *t = tcase_create("json");

    tcase_set_timeout(t, 120);
    tcase_add_test(t, grammar);
    tcase_add_test(t, depth);
    tcase_add_test(t, many_keys);
    tcase_add_test(t, numbers_are_exact);
    tcase_add_test(t, integers_are_exact);
    tcase_add_test(t, body_decodes);
    tcase_add_test(t, body_survives_mutation);
    tcase_add_test(t, body_survives_oom);
    tcase_add_test(t, floats_read_back);
    tcase_add_test(t, messages);
    suite_add_tcase(s, t);
    return s;
}
