/* SPDX-License-Identifier: Apache-2.0 */
/* test_guard.c - the byte checkers before gRPC core and libmicrohttpd: verdicts on sequences, and
 * the same verdict however the bytes are cut. MS_GUARD_ROUNDS sets how many mutants are tried,
 * MS_GUARD_SEED which. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "server/guard.h"
#include "tests/server/suites.h"

enum { MAX = 64 << 10 };
#define NOW (100 * MS_SEC)

/* ---- bytes to try ---- */

struct bytes {
    uint8_t at[MAX];
    size_t n;
};

static void put(struct bytes *b, const void *p, size_t n)
{
    ck_assert_uint_le(b->n + n, MAX);
    memcpy(b->at + b->n, p, n);
    b->n += n;
}

static void text(struct bytes *b, const char *s)
{
    put(b, s, strlen(s));
}

static void frame(struct bytes *b, int type, int flags, uint32_t stream, const void *p, size_t n)
{
    const uint8_t head[9] = {
        (uint8_t)(n >> 16),      (uint8_t)(n >> 8),      (uint8_t)n,
        (uint8_t)type,           (uint8_t)flags,         (uint8_t)(stream >> 24),
        (uint8_t)(stream >> 16), (uint8_t)(stream >> 8), (uint8_t)stream};
    static const uint8_t zero[32 << 10];

    put(b, head, sizeof head);
    put(b, p ? p : zero, n);
}

/* Preface and first SETTINGS. */
static void hello(struct bytes *b)
{
    b->n = 0;
    text(b, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
    frame(b, 4, 0, 0, "\0\3\0\0\0\144\0\4\0\1\0\0", 12);
}

enum { DATA, HEADERS, PRIORITY, RST, SETTINGS, PROMISE, PING, GOAWAY, UPDATE, CONTINUATION };
enum { ENDS = 1, ACK = 1, BLOCK_ENDS = 4, PADDED = 8, WITH_PRIORITY = 32 };

static enum ms_guard h2(const struct bytes *b, size_t step)
{
    struct ms_h2_guard g;
    enum ms_guard why = MS_GUARD_OK;

    ms_h2_init(&g, NOW);
    for (size_t i = 0; i < b->n && why == MS_GUARD_OK; i += step)
        why = ms_h2_client(&g, b->at + i, b->n - i < step ? b->n - i : step, NOW);
    return why;
}

static enum ms_guard http1(const struct bytes *b, size_t step)
{
    struct ms_http1_guard g;
    enum ms_guard why = MS_GUARD_OK;
    size_t good;

    ms_http1_init(&g, NOW);
    for (size_t i = 0; i < b->n && why == MS_GUARD_OK; i += step)
        why = ms_http1_client(&g, b->at + i, b->n - i < step ? b->n - i : step, NOW, &good);
    return why;
}

static void expect_h2(const struct bytes *b, enum ms_guard want)
{
    static const size_t steps[] = {MAX, 1, 2, 7, 9, 10, 1000};

    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
        enum ms_guard got = h2(b, steps[i]);
        ck_assert_msg(got == want, "in steps of %zu: '%s', not '%s'", steps[i],
                      ms_guard_reasons[got].label, ms_guard_reasons[want].label);
    }
}

static void expect_http1(const char *s, enum ms_guard want)
{
    static const size_t steps[] = {MAX, 1, 2, 3, 11};
    struct bytes b = {.n = 0};

    text(&b, s);
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
        enum ms_guard got = http1(&b, steps[i]);
        ck_assert_msg(got == want, "%s\nin steps of %zu: '%s', not '%s'", s, steps[i],
                      ms_guard_reasons[got].label, ms_guard_reasons[want].label);
    }
}

/* ---- HTTP/2 ---- */

START_TEST(h2_ordinary)
{
    struct bytes b;

    hello(&b);
    frame(&b, SETTINGS, ACK, 0, NULL, 0);
    frame(&b, UPDATE, 0, 0, "\0\1\0\0", 4);
    frame(&b, HEADERS, 0, 1, NULL, 50);
    frame(&b, CONTINUATION, BLOCK_ENDS, 1, NULL, 50);
    frame(&b, DATA, 0, 1, NULL, 5);
    frame(&b, PING, 0, 0, NULL, 8);
    frame(&b, DATA, ENDS, 1, NULL, 1000);
    frame(&b, HEADERS, BLOCK_ENDS | PADDED | WITH_PRIORITY, 3, "\3\0\0\0\1\20xyz\0\0\0", 12);
    frame(&b, DATA, PADDED, 3, "\2a\0\0", 4);
    frame(&b, HEADERS, BLOCK_ENDS | ENDS, 3, NULL, 10); /* trailers */
    frame(&b, PRIORITY, 0, 5, "\0\0\0\3\1", 5);
    frame(&b, RST, 0, 3, "\0\0\0\10", 4);
    frame(&b, 0xee, 0xff, 77, NULL, 100);
    frame(&b, GOAWAY, 0, 0, NULL, 8);
    expect_h2(&b, MS_GUARD_OK);
}
END_TEST

/* One frame each, after the hello and a request on stream 1 that has not ended. */
static const struct {
    int type, flags;
    uint32_t stream;
    const char *payload;
    size_t n;
    enum ms_guard want;
} wrong[] = {
    {DATA, 0, 0, NULL, 1, MS_GUARD_PROTOCOL},
    {DATA, 0, 2, NULL, 1, MS_GUARD_PROTOCOL},
    {DATA, 0, 3, NULL, 1, MS_GUARD_PROTOCOL}, /* never opened */
    {DATA, PADDED, 1, NULL, 0, MS_GUARD_FRAME_SIZE},
    {DATA, PADDED, 1, "\4abc", 4, MS_GUARD_PROTOCOL}, /* more padding than frame */
    {DATA, 0, 1, NULL, 16385, MS_GUARD_FRAME_SIZE},
    {HEADERS, BLOCK_ENDS, 0, NULL, 1, MS_GUARD_PROTOCOL},
    {HEADERS, BLOCK_ENDS, 2, NULL, 1, MS_GUARD_PROTOCOL},
    {HEADERS, BLOCK_ENDS, 1, NULL, 1, MS_GUARD_PROTOCOL}, /* trailers that do not end */
    {HEADERS, BLOCK_ENDS, 3, NULL, 16385, MS_GUARD_HEADER_BLOCK},
    {HEADERS, BLOCK_ENDS | WITH_PRIORITY, 3, NULL, 4, MS_GUARD_FRAME_SIZE},
    {HEADERS, BLOCK_ENDS | WITH_PRIORITY, 3, "\0\0\0\3\1", 5, MS_GUARD_PROTOCOL}, /* on itself */
    {HEADERS, BLOCK_ENDS | PADDED | WITH_PRIORITY, 3, "\5\0\0\0\1\1abcd", 10, MS_GUARD_PROTOCOL},
    {PRIORITY, 0, 0, NULL, 5, MS_GUARD_PROTOCOL},
    {PRIORITY, 0, 5, NULL, 4, MS_GUARD_FRAME_SIZE},
    {PRIORITY, 0, 5, "\0\0\0\5\1", 5, MS_GUARD_PROTOCOL},
    {RST, 0, 0, NULL, 4, MS_GUARD_PROTOCOL},
    {RST, 0, 3, NULL, 4, MS_GUARD_PROTOCOL},
    {RST, 0, 1, NULL, 5, MS_GUARD_FRAME_SIZE},
    {SETTINGS, 0, 1, NULL, 0, MS_GUARD_PROTOCOL},
    {SETTINGS, 0, 0, NULL, 5, MS_GUARD_FRAME_SIZE},
    {SETTINGS, ACK, 0, NULL, 6, MS_GUARD_FRAME_SIZE},
    {SETTINGS, 0, 0, NULL, 65 * 6, MS_GUARD_FRAME_SIZE},
    {SETTINGS, 0, 0, "\0\1\0\0\0\0\0\2\0\0\0\2", 12, MS_GUARD_PROTOCOL}, /* ENABLE_PUSH 2 */
    {SETTINGS, 0, 0, "\0\4\200\0\0\0", 6, MS_GUARD_PROTOCOL},            /* window 2^31 */
    {SETTINGS, 0, 0, "\0\5\0\0\0\1", 6, MS_GUARD_PROTOCOL},              /* frames of a byte */
    {PROMISE, BLOCK_ENDS, 1, NULL, 10, MS_GUARD_PROTOCOL},
    {PING, 0, 1, NULL, 8, MS_GUARD_PROTOCOL},
    {PING, 0, 0, NULL, 7, MS_GUARD_FRAME_SIZE},
    {UPDATE, 0, 0, "\0\0\0\0", 4, MS_GUARD_PROTOCOL},
    {UPDATE, 0, 1, "\200\0\0\0", 4, MS_GUARD_PROTOCOL},
    {UPDATE, 0, 3, "\0\0\0\1", 4, MS_GUARD_PROTOCOL},
    {UPDATE, 0, 1, NULL, 3, MS_GUARD_FRAME_SIZE},
    {CONTINUATION, BLOCK_ENDS, 1, NULL, 1, MS_GUARD_PROTOCOL},
    {0xee, 0, 0, NULL, 16385, MS_GUARD_FRAME_SIZE},
};

START_TEST(h2_frames_that_are_wrong)
{
    struct bytes b;

    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        hello(&b);
        frame(&b, HEADERS, BLOCK_ENDS, 1, NULL, 20);
        frame(&b, wrong[i].type, wrong[i].flags, wrong[i].stream, wrong[i].payload, wrong[i].n);
        enum ms_guard got = h2(&b, MAX);
        ck_assert_msg(got == wrong[i].want, "case %zu (type %d): '%s', not '%s'", i, wrong[i].type,
                      ms_guard_reasons[got].label, ms_guard_reasons[wrong[i].want].label);
        expect_h2(&b, wrong[i].want);
    }
}
END_TEST

START_TEST(h2_prefaces)
{
    struct bytes b = {.n = 0};

    text(&b, "GET / HTTP/1.1\r\n\r\n");
    expect_h2(&b, MS_GUARD_PREFACE);
    hello(&b);
    b.at[23] = ' ';
    expect_h2(&b, MS_GUARD_PREFACE);
    hello(&b);
    b.n = 24;
    frame(&b, PING, 0, 0, NULL, 8); /* SETTINGS come first */
    expect_h2(&b, MS_GUARD_PREFACE);
    b.n = 24;
    frame(&b, SETTINGS, ACK, 0, NULL, 0);
    expect_h2(&b, MS_GUARD_PREFACE);
}
END_TEST

START_TEST(h2_after_the_end_of_a_stream)
{
    static const int after[][2] = {{DATA, 0}, {DATA, ENDS}, {HEADERS, BLOCK_ENDS | ENDS}};
    struct bytes b;

    for (size_t i = 0; i < 3; i++) {
        hello(&b);
        frame(&b, HEADERS, BLOCK_ENDS | ENDS, 1, NULL, 20);
        frame(&b, after[i][0], after[i][1], 1, NULL, 10);
        expect_h2(&b, MS_GUARD_PROTOCOL);
    }
}
END_TEST

START_TEST(h2_header_blocks)
{
    struct bytes b;

    hello(&b);
    frame(&b, HEADERS, 0, 1, NULL, 16384);
    frame(&b, CONTINUATION, BLOCK_ENDS, 1, NULL, 0);
    expect_h2(&b, MS_GUARD_OK);
    hello(&b);
    frame(&b, HEADERS, 0, 1, NULL, 16000);
    frame(&b, CONTINUATION, BLOCK_ENDS, 1, NULL, 385);
    expect_h2(&b, MS_GUARD_HEADER_BLOCK);
    hello(&b);
    frame(&b, HEADERS, 0, 1, NULL, 10);
    for (int i = 0; i < 9; i++)
        frame(&b, CONTINUATION, 0, 1, NULL, 0);
    expect_h2(&b, MS_GUARD_HEADER_BLOCK);
    hello(&b); /* nothing may come between */
    frame(&b, HEADERS, 0, 1, NULL, 10);
    frame(&b, PING, 0, 0, NULL, 8);
    expect_h2(&b, MS_GUARD_PROTOCOL);
    hello(&b);
    frame(&b, HEADERS, 0, 1, NULL, 10);
    frame(&b, CONTINUATION, BLOCK_ENDS, 3, NULL, 10);
    expect_h2(&b, MS_GUARD_PROTOCOL);
}
END_TEST

START_TEST(h2_floods)
{
    static const struct {
        int type, flags;
        uint32_t stream;
        const char *payload;
        size_t n;
        int calm, flood;
        enum ms_guard want;
    } floods[] = {
        {PING, 0, 0, NULL, 8, 100, 101, MS_GUARD_PINGS},
        {PING, ACK, 0, NULL, 8, 100, 101, MS_GUARD_PINGS}, /* nobody asked */
        {SETTINGS, 0, 0, NULL, 0, 99, 100, MS_GUARD_SETTINGS},
        {SETTINGS, ACK, 0, NULL, 0, 99, 100, MS_GUARD_SETTINGS},
        {UPDATE, 0, 0, "\0\0\0\1", 4, 2000, 2001, MS_GUARD_WINDOW_UPDATES},
        {DATA, 0, 1, NULL, 0, 2000, 2001, MS_GUARD_SMALL_DATA},
        {DATA, 0, 1, NULL, 1, 2000, 2001, MS_GUARD_SMALL_DATA},
        {DATA, PADDED, 1, "\10", 9, 2000, 2001, MS_GUARD_SMALL_DATA},
        {PRIORITY, 0, 9, NULL, 5, 200, 201, MS_GUARD_OTHER_FRAMES},
        {0xee, 0, 0, NULL, 0, 200, 201, MS_GUARD_OTHER_FRAMES},
    };
    struct bytes b;

    for (size_t i = 0; i < sizeof floods / sizeof *floods; i++)
        for (int flood = 0; flood < 2; flood++) {
            hello(&b);
            frame(&b, HEADERS, BLOCK_ENDS, 1, NULL, 20);
            for (int k = 0; k < (flood ? floods[i].flood : floods[i].calm); k++) {
                uint8_t copy[16] = {0};
                if (floods[i].payload)
                    memcpy(copy, floods[i].payload, strnlen(floods[i].payload, 1) ? 1 : 4);
                frame(&b, floods[i].type, floods[i].flags, floods[i].stream,
                      floods[i].payload ? copy : NULL, floods[i].n);
            }
            expect_h2(&b, flood ? floods[i].want : MS_GUARD_OK);
        }
}
END_TEST

static enum ms_guard client_sends(struct ms_h2_guard *g, int type, int flags, uint32_t stream,
                                  size_t n, int64_t now)
{
    struct bytes b = {.n = 0};

    frame(&b, type, flags, stream, type == UPDATE ? "\0\0\0\1" : NULL, n);
    return ms_h2_client(g, b.at, b.n, now);
}

static enum ms_guard server_sends(struct ms_h2_guard *g, int type, int flags, uint32_t stream,
                                  const void *p, size_t n, int64_t now)
{
    struct bytes b = {.n = 0};
    enum ms_guard why = MS_GUARD_OK;

    frame(&b, type, flags, stream, p, n);
    for (size_t i = 0; i < b.n; i++) /* byte by byte: its parser must bear that too */
        if (why == MS_GUARD_OK)
            why = ms_h2_server(g, b.at + i, 1, now);
    return why;
}

static void greet(struct ms_h2_guard *g)
{
    struct bytes b;

    hello(&b);
    ms_h2_init(g, NOW);
    ck_assert_int_eq(ms_h2_client(g, b.at, b.n, NOW), MS_GUARD_OK);
}

START_TEST(h2_resets_by_the_peer)
{
    struct ms_h2_guard g;
    uint32_t id = 1;
    enum ms_guard why = MS_GUARD_OK;

    greet(&g);
    for (; id < 2000 && why == MS_GUARD_OK; id += 2) {
        ck_assert_int_eq(client_sends(&g, HEADERS, BLOCK_ENDS | ENDS, id, 20, NOW), MS_GUARD_OK);
        why = client_sends(&g, RST, 0, id, 4, NOW);
    }
    ck_assert_int_eq(why, MS_GUARD_RESETS);
    ck_assert_uint_le(id / 2, 501);
    /* one that lets every other call end may go on for ever */
    greet(&g);
    for (id = 1; id < 20000; id += 4) {
        ck_assert_int_eq(client_sends(&g, HEADERS, BLOCK_ENDS | ENDS, id, 20, NOW), MS_GUARD_OK);
        ck_assert_int_eq(client_sends(&g, RST, 0, id, 4, NOW), MS_GUARD_OK);
        ck_assert_int_eq(client_sends(&g, HEADERS, BLOCK_ENDS | ENDS, id + 2, 20, NOW),
                         MS_GUARD_OK);
        ck_assert_int_eq(server_sends(&g, HEADERS, BLOCK_ENDS | ENDS, id + 2, NULL, 9, NOW),
                         MS_GUARD_OK);
    }
}
END_TEST

START_TEST(h2_resets_by_the_server)
{
    struct ms_h2_guard g;
    enum ms_guard why = MS_GUARD_OK;
    uint32_t id;

    greet(&g);
    for (id = 1; id < 2000 && why == MS_GUARD_OK; id += 2) {
        ck_assert_int_eq(client_sends(&g, HEADERS, BLOCK_ENDS, id, 20, NOW), MS_GUARD_OK);
        why = server_sends(&g, RST, 0, id, "\0\0\0\1", 4, NOW);
    }
    ck_assert_int_eq(why, MS_GUARD_RESETS);
    ck_assert_uint_le(id / 2, 501);
    /* an answer before the request's end, and NO_ERROR behind it, is no attack */
    greet(&g);
    for (id = 1; id < 20000; id += 2) {
        ck_assert_int_eq(client_sends(&g, HEADERS, BLOCK_ENDS, id, 20, NOW), MS_GUARD_OK);
        ck_assert_int_eq(server_sends(&g, HEADERS, BLOCK_ENDS | ENDS, id, NULL, 9, NOW),
                         MS_GUARD_OK);
        ck_assert_int_eq(server_sends(&g, RST, 0, id, "\0\0\0\0", 4, NOW), MS_GUARD_OK);
    }
}
END_TEST

START_TEST(h2_streams_at_once)
{
    struct ms_h2_guard g;
    enum ms_guard why = MS_GUARD_OK;
    uint32_t n = 0;

    greet(&g);
    while (n < 1000 && why == MS_GUARD_OK)
        why = client_sends(&g, HEADERS, BLOCK_ENDS, 2 * n++ + 1, 20, NOW);
    ck_assert_int_eq(why, MS_GUARD_STREAMS);
    ck_assert_uint_eq(n, MS_H2_TRACKED + 1);
    greet(&g); /* ended either way round, they make room */
    for (uint32_t id = 1; id < 2000; id += 2) {
        ck_assert_int_eq(client_sends(&g, HEADERS, BLOCK_ENDS, id, 20, NOW), MS_GUARD_OK);
        if (id & 2) {
            server_sends(&g, HEADERS, BLOCK_ENDS | ENDS, id, NULL, 9, NOW);
            ck_assert_int_eq(client_sends(&g, DATA, ENDS, id, 100, NOW), MS_GUARD_OK);
        } else {
            ck_assert_int_eq(client_sends(&g, DATA, ENDS, id, 100, NOW), MS_GUARD_OK);
            server_sends(&g, DATA, ENDS, id, NULL, 9, NOW);
        }
    }
    ck_assert_uint_eq(g.n_open, 0);
}
END_TEST

START_TEST(h2_budgets_fill)
{
    struct ms_h2_guard g;
    int64_t now = NOW;

    greet(&g);
    for (int i = 0; i < 100; i++)
        ck_assert_int_eq(client_sends(&g, PING, 0, 0, 8, now), MS_GUARD_OK);
    for (int i = 0; i < 100; i++) { /* with time */
        now += 100 * MS_MS;
        ck_assert_int_eq(client_sends(&g, PING, 0, 0, 8, now), MS_GUARD_OK);
    }
    ck_assert_int_eq(client_sends(&g, HEADERS, BLOCK_ENDS, 1, 20, now), MS_GUARD_OK);
    for (int i = 0; i < 5000; i++) { /* and with what the server has sent */
        ck_assert_int_eq(server_sends(&g, DATA, 0, 1, NULL, 9, now), MS_GUARD_OK);
        ck_assert_int_eq(client_sends(&g, PING, 0, 0, 8, now), MS_GUARD_OK);
        for (int k = 0; k < 4; k++)
            ck_assert_int_eq(client_sends(&g, UPDATE, 0, 0, 4, now), MS_GUARD_OK);
    }
    for (int i = 0; i < 500; i++) { /* answers to the server's own pings cost nothing */
        ck_assert_int_eq(server_sends(&g, PING, 0, 0, NULL, 8, now), MS_GUARD_OK);
        ck_assert_int_eq(client_sends(&g, PING, ACK, 0, 8, now), MS_GUARD_OK);
    }
}
END_TEST

START_TEST(h2_frames_as_large_as_the_server_says)
{
    struct ms_h2_guard g;

    greet(&g);
    ck_assert_int_eq(client_sends(&g, HEADERS, BLOCK_ENDS, 1, 20, NOW), MS_GUARD_OK);
    ck_assert_int_eq(server_sends(&g, SETTINGS, 0, 0, "\0\3\0\0\0\1\0\5\0\0\177\0", 12, NOW),
                     MS_GUARD_OK);
    ck_assert_int_eq(client_sends(&g, DATA, 0, 1, 0x4f00, NOW), MS_GUARD_OK);
    greet(&g);
    ck_assert_int_eq(client_sends(&g, HEADERS, BLOCK_ENDS, 1, 20, NOW), MS_GUARD_OK);
    ck_assert_int_eq(client_sends(&g, DATA, 0, 1, 0x4f00, NOW), MS_GUARD_FRAME_SIZE);
}
END_TEST

START_TEST(h2_lateness_and_last_words)
{
    struct ms_h2_guard g;
    uint8_t words[MS_H2_LAST_WORDS];
    struct bytes b;

    ms_h2_init(&g, NOW);
    ck_assert_int_eq(ms_h2_late(&g, NOW + 9, 10), MS_GUARD_OK);
    ck_assert_int_eq(ms_h2_late(&g, NOW + 10, 10), MS_GUARD_HANDSHAKE);
    ck_assert_uint_eq(ms_h2_last_words(&g, MS_GUARD_PREFACE, words), 0);
    hello(&b);
    ck_assert_int_eq(ms_h2_client(&g, b.at, b.n, NOW), MS_GUARD_OK);
    ck_assert_int_eq(ms_h2_late(&g, NOW + 10, 10), MS_GUARD_OK);
    ck_assert_int_eq(client_sends(&g, HEADERS, 0, 5, 20, NOW + 20), MS_GUARD_OK);
    ck_assert_int_eq(ms_h2_late(&g, NOW + 29, 10), MS_GUARD_OK);
    ck_assert_int_eq(ms_h2_late(&g, NOW + 30, 10), MS_GUARD_HEADERS_LATE);
    size_t n = ms_h2_last_words(&g, MS_GUARD_PINGS, words);
    ck_assert_uint_eq(n, 17 + strlen(ms_guard_reasons[MS_GUARD_PINGS].text));
    ck_assert_uint_eq(words[2], n - 9);
    ck_assert_uint_eq(words[3], GOAWAY);
    ck_assert_uint_eq(words[12], 5);
    ck_assert_uint_eq(words[16], 0xb);
    ck_assert_int_eq(ms_h2_server(&g, (const uint8_t *)"\0\0\4", 3, NOW), MS_GUARD_OK);
    ck_assert_uint_eq(ms_h2_last_words(&g, MS_GUARD_PINGS, words), 0); /* inside a frame */
    for (int why = MS_GUARD_OK + 1; why < MS_N_GUARD; why++)
        ck_assert_uint_lt(17 + strlen(ms_guard_reasons[why].text), MS_H2_LAST_WORDS);
}
END_TEST

/* ---- HTTP/1 ---- */

#define GET "GET /v2 HTTP/1.1\r\nHost: x\r\n"
#define CHUNKED "POST /v2 HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"

START_TEST(http1_ordinary)
{
    expect_http1(GET "\r\n", MS_GUARD_OK);
    expect_http1(GET "\r\n" GET "\r\n" GET "\r\n", MS_GUARD_OK);
    expect_http1("\r\n\r\n" GET "\r\n\r\n" GET "\r\n", MS_GUARD_OK);
    expect_http1(GET "Content-Length: 3\r\n\r\na\nb" GET "\r\n", MS_GUARD_OK);
    expect_http1(GET "content-LENGTH:\t 003 \t\r\n\r\n\r\n\r" GET "\r\n", MS_GUARD_OK);
    expect_http1(GET "Content-Length: 0\r\n\r\n" GET "\r\n", MS_GUARD_OK);
    expect_http1(CHUNKED "1\r\na\r\n1A;x=\"y\"\r\nabcdefghijklmnopqrstuvwxyz\r\n0\r\n\r\n" GET
                         "\r\n",
                 MS_GUARD_OK);
    expect_http1(GET "transfer-encoding:Chunked\r\n\r\n0000;a\r\n\r\n" GET "\r\n", MS_GUARD_OK);
    expect_http1(GET "Expect: 100-continue\r\nContent-Length: 1\r\n\r\na", MS_GUARD_OK);
    expect_http1(GET "Upgrade: h2c\r\nA:\r\nContent-Lengthy: x\r\nContent-Lengt: y\r\n\r\n",
                 MS_GUARD_OK);
    expect_http1("GET /v2 HTTP/1.0\r\n\r\n" GET "\r\n", MS_GUARD_OK);
}
END_TEST

START_TEST(http1_bytes)
{
    struct bytes b = {.n = 0};

    expect_http1("GET /v2 HTTP/1.1\nHost: x\n\n", MS_GUARD_BYTES);
    expect_http1(GET "\n", MS_GUARD_BYTES);
    expect_http1(GET "A: b\rc\r\n\r\n", MS_GUARD_BYTES);
    expect_http1(GET "A: b\r\r\n\r\n", MS_GUARD_BYTES);
    expect_http1(GET "A: b\1c\r\n\r\n", MS_GUARD_BYTES);
    expect_http1(GET "A: b\177c\r\n\r\n", MS_GUARD_BYTES);
    expect_http1("\x16\x03\x01", MS_GUARD_BYTES);
    put(&b, "GET /\0 HTTP/1.1\r\n\r\n", 19);
    ck_assert_int_eq(http1(&b, MAX), MS_GUARD_BYTES);
    ck_assert_int_eq(http1(&b, 1), MS_GUARD_BYTES);
}
END_TEST

START_TEST(http1_heads)
{
    struct bytes b = {.n = 0};

    expect_http1(GET "A b: c\r\n\r\n", MS_GUARD_HEAD);
    expect_http1(GET "A : c\r\n\r\n", MS_GUARD_HEAD);
    expect_http1(GET " folded\r\n\r\n", MS_GUARD_HEAD);
    expect_http1(GET "\tfolded\r\n\r\n", MS_GUARD_HEAD);
    expect_http1(GET ": c\r\n\r\n", MS_GUARD_HEAD);
    expect_http1(GET "abc\r\n\r\n", MS_GUARD_HEAD);
    expect_http1(GET "\xc3\xa4: c\r\n\r\n", MS_GUARD_HEAD);
    for (int n = 99; n <= 100; n++) { /* with Host: 100, 101 */
        b.n = 0;
        text(&b, GET);
        for (int i = 0; i < n; i++)
            text(&b, "A: b\r\n");
        text(&b, "\r\n");
        ck_assert_int_eq(http1(&b, MAX), n == 99 ? MS_GUARD_OK : MS_GUARD_HEAD_SIZE);
    }
    for (size_t n = (16 << 10) - 3; n <= (16 << 10) - 2; n++) { /* with "A: ": 16 384, 16 385 */
        b.n = 0;
        text(&b, GET "A: ");
        memset(b.at + b.n, 'b', n);
        b.n += n;
        text(&b, "\r\n\r\n");
        ck_assert_int_eq(http1(&b, MAX), n == (16 << 10) - 3 ? MS_GUARD_OK : MS_GUARD_HEAD_SIZE);
    }
    b.n = 0;
    text(&b, GET);
    while (b.n < (60 << 10)) {
        text(&b, "A: ");
        memset(b.at + b.n, 'b', 1000);
        b.n += 1000;
        text(&b, "\r\n");
    }
    ck_assert_int_eq(http1(&b, MAX), MS_GUARD_OK);
    struct ms_http1_guard g;
    size_t good;
    ms_http1_init(&g, NOW);
    ck_assert_int_eq(ms_http1_client(&g, b.at, b.n, NOW, &good), MS_GUARD_OK);
    ck_assert_int_eq(ms_http1_client(&g, (const uint8_t *)"B: ", 3, NOW, &good), MS_GUARD_OK);
    memset(b.at, 'b', 6000);
    ck_assert_int_eq(ms_http1_client(&g, b.at, 6000, NOW, &good), MS_GUARD_HEAD_SIZE);
}
END_TEST

START_TEST(http1_lengths)
{
    static const char *const bad[] = {
        "Content-Length: 1\r\nContent-Length: 1\r\n\r\n",
        "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\n",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n",
        "Transfer-Encoding: gzip, chunked\r\n\r\n",
        "Transfer-Encoding: chunke\r\n\r\n",
        "Transfer-Encoding: chunkedd\r\n\r\n",
        "Transfer-Encoding:\r\n\r\n",
        "Content-Length:\r\n\r\n",
        "Content-Length: +1\r\n\r\n",
        "Content-Length: 1 1\r\n\r\n",
        "Content-Length: 1, 1\r\n\r\n",
        "Content-Length: 0x1\r\n\r\n",
        "Content-Length: 1234567890123456789\r\n\r\n",
        "Content-Length: 100000000000000000000000000000000000000\r\n\r\n",
    };
    char s[256];

    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        snprintf(s, sizeof s, GET "%s", bad[i]);
        expect_http1(s, MS_GUARD_FRAMING);
    }
    expect_http1("GET / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", MS_GUARD_FRAMING);
}
END_TEST

START_TEST(http1_chunks)
{
    char s[600];

    expect_http1(CHUNKED "0x1\r\n", MS_GUARD_CHUNK);
    expect_http1(CHUNKED "\r\n", MS_GUARD_CHUNK);
    expect_http1(CHUNKED "-1\r\n", MS_GUARD_CHUNK);
    expect_http1(CHUNKED " 1\r\n", MS_GUARD_CHUNK);
    expect_http1(CHUNKED "1\na\n", MS_GUARD_CHUNK);
    expect_http1(CHUNKED "1\r\nab\r\n", MS_GUARD_CHUNK);
    expect_http1(CHUNKED "1\r\na\n", MS_GUARD_CHUNK);
    expect_http1(CHUNKED "1;a\rb\r\n", MS_GUARD_CHUNK);
    expect_http1(CHUNKED "fffffffffffffffff\r\n", MS_GUARD_CHUNK);
    expect_http1(CHUNKED "0\r\nA: b\r\n\r\n", MS_GUARD_TRAILERS);
    expect_http1(CHUNKED "0\r\n\n", MS_GUARD_CHUNK);
    for (int n = 256; n <= 257; n++) {
        snprintf(s, sizeof s, CHUNKED "1;%0*d\r\na\r\n0\r\n\r\n", n, 0);
        expect_http1(s, n == 256 ? MS_GUARD_OK : MS_GUARD_CHUNK_EXTENSION);
    }
}
END_TEST

START_TEST(http1_chunk_rate)
{
    struct ms_http1_guard g;
    size_t good;
    enum ms_guard why = MS_GUARD_OK;
    uint8_t big[6 + 1024 + 2] = "400\r\n";
    int n = 0;

    ms_http1_init(&g, NOW);
    ck_assert_int_eq(ms_http1_client(&g, (const uint8_t *)CHUNKED, strlen(CHUNKED), NOW, &good), 0);
    while (n < 10000 && why == MS_GUARD_OK) {
        n++;
        why = ms_http1_client(&g, (const uint8_t *)"1\r\na\r\n", 6, NOW, &good);
    }
    ck_assert_int_eq(why, MS_GUARD_CHUNK_RATE);
    ck_assert_int_eq(n, 4097);
    ms_http1_init(&g, NOW);
    ck_assert_int_eq(ms_http1_client(&g, (const uint8_t *)CHUNKED, strlen(CHUNKED), NOW, &good), 0);
    for (int i = 0; i < 20000; i++) /* 4 000 a second, for five */
        ck_assert_int_eq(
            ms_http1_client(&g, (const uint8_t *)"1\r\na\r\n", 6, NOW + i * MS_SEC / 4000, &good),
            MS_GUARD_OK);
    memcpy(big + 5 + 1024, "\r\n", 2);
    for (int i = 0; i < 20000; i++) /* large ones do not count */
        ck_assert_int_eq(ms_http1_client(&g, big, 5 + 1024 + 2, NOW + 6 * MS_SEC, &good),
                         MS_GUARD_OK);
}
END_TEST

START_TEST(http1_what_may_go_on)
{
    static const char first[] = GET "Content-Length: 2\r\n\r\nab";
    struct ms_http1_guard g;
    struct bytes b = {.n = 0};
    uint8_t words[MS_HTTP1_LAST_WORDS + 1];
    size_t good = 99;

    text(&b, first);
    text(&b, GET "A\r\n\r\n");
    ms_http1_init(&g, NOW);
    ck_assert_int_eq(ms_http1_client(&g, b.at, b.n, NOW, &good), MS_GUARD_HEAD);
    ck_assert_uint_eq(good, sizeof first - 1); /* the request before the bad one */
    ms_http1_init(&g, NOW);
    ck_assert_int_eq(ms_http1_client(&g, b.at, sizeof first + 5, NOW, &good), MS_GUARD_OK);
    ck_assert_int_eq(
        ms_http1_client(&g, b.at + sizeof first + 5, b.n - sizeof first - 5, NOW, &good),
        MS_GUARD_HEAD);
    ck_assert_uint_eq(good, 0); /* it began earlier: nothing of it completes it */
    size_t n = ms_http1_last_words(&g, MS_GUARD_HEAD_SIZE, words);
    words[n] = '\0';
    ck_assert_uint_gt(n, 0);
    ck_assert_int_eq(strncmp((char *)words, "HTTP/1.1 431 ", 13), 0);
    ck_assert_ptr_nonnull(strstr((char *)words, "Connection: close\r\n"));
    g.answered = true;
    ck_assert_uint_eq(ms_http1_last_words(&g, MS_GUARD_HEAD, words), 0);
}
END_TEST

/* ---- mutants: cut anywhere, the verdict is the same ---- */

static uint64_t seed = 88172645463325252u;

static uint32_t roll(uint32_t n)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return (uint32_t)(seed >> 32) % n;
}

static void h2_seed(struct bytes *b)
{
    static const int flags[] = {0, 1, 4, 5, 8, 12, 32, 36, 37};
    uint32_t id = 1;

    hello(b);
    for (uint32_t i = roll(40); i > 0; i--) {
        int type = (int)roll(11);
        uint32_t stream = roll(4) ? (id += type == HEADERS ? 2 : 0) : roll(8);
        uint8_t payload[64];
        size_t n = type == PING                                        ? 8
                   : type == PRIORITY                                  ? 5
                   : type == RST || type == UPDATE || type == SETTINGS ? 4
                                                                       : roll(64);
        if (type == PING || type == SETTINGS)
            stream = 0;
        if (type == SETTINGS)
            n = 6 * roll(4);
        for (size_t k = 0; k < n; k++)
            payload[k] = (uint8_t)(roll(3) ? roll(8) : roll(256));
        frame(b, type, roll(8) ? flags[roll(9)] : (int)roll(256), stream, payload, n);
    }
}

static void http1_seed(struct bytes *b)
{
    static const char *const parts[] = {
        GET "\r\n",
        GET "Content-Length: 3\r\n\r\nabc",
        CHUNKED,
        "3\r\nabc\r\n",
        "0\r\n\r\n",
        "1;ext\r\na\r\n",
        "\r\n",
        "GET / HTTP/1.0\r\n\r\n",
        GET "Transfer-Encoding: \t chunked \r\n\r\n1\r\na\r\n0\r\n\r\n",
        GET "Expect: 100-continue\r\nCONTENT-length:0\r\n\r\n",
        "0\r\nA: b\r\n\r\n",
    };

    b->n = 0;
    for (uint32_t i = 1 + roll(6); i > 0; i--)
        text(b, parts[roll(sizeof parts / sizeof *parts)]);
}

static void mutate(struct bytes *b)
{
    static const uint8_t liked[] = "\r\n\0 :;\tA0f\xff\x7f";

    for (uint32_t i = roll(4); i > 0 && b->n > 1; i--) {
        size_t at = roll((uint32_t)b->n);
        size_t n = 1 + roll(8);
        switch (roll(4)) {
        case 0:
            b->at[at] = (uint8_t)roll(256);
            break;
        case 1:
            b->at[at] = liked[roll(sizeof liked - 1)];
            break;
        case 2: /* a hole */
            n = n < b->n - at ? n : b->n - at;
            memmove(b->at + at, b->at + at + n, b->n - at - n);
            b->n -= n;
            break;
        default: /* twice */
            n = n < b->n - at ? n : b->n - at;
            memmove(b->at + at + n, b->at + at, b->n - at);
            b->n += n;
        }
    }
}

static void same_however_cut(const struct bytes *b, bool two)
{
    struct ms_h2_guard g2;
    struct ms_http1_guard g1;
    enum ms_guard whole = two ? h2(b, MAX) : http1(b, MAX), why = MS_GUARD_OK;
    size_t good;

    ms_h2_init(&g2, NOW);
    ms_http1_init(&g1, NOW);
    for (size_t i = 0, n; i < b->n && why == MS_GUARD_OK; i += n) {
        n = 1 + roll(roll(2) ? 3 : 40);
        n = n < b->n - i ? n : b->n - i;
        uint8_t *piece = malloc(n); /* its own bytes: a sanitizer sees a step too far */
        memcpy(piece, b->at + i, n);
        why = two ? ms_h2_client(&g2, piece, n, NOW) : ms_http1_client(&g1, piece, n, NOW, &good);
        if (!two)
            ck_assert_uint_le(good, n);
        free(piece);
    }
    ck_assert_msg(why == whole, "seed %llu: '%s' in pieces, '%s' whole", (unsigned long long)seed,
                  ms_guard_reasons[why].label, ms_guard_reasons[whole].label);
}

static long rounds(void)
{
    const char *s = getenv("MS_GUARD_ROUNDS"), *first = getenv("MS_GUARD_SEED");

    if (first)
        seed ^= strtoull(first, NULL, 10);
    return s ? strtol(s, NULL, 10) : 30000;
}

START_TEST(h2_mutants)
{
    struct bytes b;
    int seen[MS_N_GUARD] = {0}, kinds = 0;

    for (long i = rounds(); i > 0; i--) {
        h2_seed(&b);
        mutate(&b);
        seen[h2(&b, MAX)]++;
        same_however_cut(&b, true);
        struct ms_h2_guard g; /* and the server's side bears anything */
        ms_h2_init(&g, NOW);
        (void)ms_h2_server(&g, b.at, b.n, NOW);
    }
    for (int i = 0; i < MS_N_GUARD; i++)
        kinds += seen[i] > 0;
    ck_assert_int_ge(kinds, 4); /* the mutants are worth their while */
    ck_assert_int_gt(seen[MS_GUARD_OK], 0);
}
END_TEST

START_TEST(http1_mutants)
{
    struct bytes b;
    int seen[MS_N_GUARD] = {0}, kinds = 0;

    for (long i = rounds(); i > 0; i--) {
        http1_seed(&b);
        mutate(&b);
        seen[http1(&b, MAX)]++;
        same_however_cut(&b, false);
    }
    for (int i = 0; i < MS_N_GUARD; i++)
        kinds += seen[i] > 0;
    ck_assert_int_ge(kinds, 6);
    ck_assert_int_gt(seen[MS_GUARD_OK], 0);
}
END_TEST

Suite *suite_guard(void)
{
    Suite *s = suite_create("guard");
    TCase *t = tcase_create("guard");

    tcase_add_test(t, h2_ordinary);
    tcase_add_test(t, h2_frames_that_are_wrong);
    tcase_add_test(t, h2_prefaces);
    tcase_add_test(t, h2_after_the_end_of_a_stream);
    tcase_add_test(t, h2_header_blocks);
    tcase_add_test(t, h2_floods);
    tcase_add_test(t, h2_resets_by_the_peer);
    tcase_add_test(t, h2_resets_by_the_server);
    tcase_add_test(t, h2_streams_at_once);
    tcase_add_test(t, h2_budgets_fill);
    tcase_add_test(t, h2_frames_as_large_as_the_server_says);
    tcase_add_test(t, h2_lateness_and_last_words);
    tcase_add_test(t, h2_mutants);
    tcase_add_test(t, http1_ordinary);
    tcase_add_test(t, http1_bytes);
    tcase_add_test(t, http1_heads);
    tcase_add_test(t, http1_lengths);
    tcase_add_test(t, http1_chunks);
    tcase_add_test(t, http1_chunk_rate);
    tcase_add_test(t, http1_what_may_go_on);
    tcase_add_test(t, http1_mutants);
    suite_add_tcase(s, t);
    return s;
}
