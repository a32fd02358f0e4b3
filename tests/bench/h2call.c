/* SPDX-License-Identifier: Apache-2.0 */
/* h2call.c - frames of RFC 9113 out and in, headers in HPACK (RFC 7541) without Huffman codes.
 * What comes back is counted and not decoded: an answer with a message is one that worked. */
#include "h2call.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

enum { DATA, HEADERS, RST_STREAM = 3, SETTINGS, PING = 6, GOAWAY, WINDOW_UPDATE }; /* 6 */
enum { END_STREAM = 1, ACK = 1, END_HEADERS = 4 };
enum { FRAME = 9, PREFIX = 5, LARGEST = 16384, WINDOW = 65535 };

static void die(const char *what)
{
    fprintf(stderr, "h2call: %s\n", what);
    exit(1);
}

static void send_all(int fd, const uint8_t *bytes, size_t len)
{
    while (len) {
        const ssize_t n = send(fd, bytes, len, MSG_NOSIGNAL);
        if (n <= 0)
            die("the server ended the connection");
        bytes += n;
        len -= (size_t)n;
    }
}

static uint32_t be32(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static uint8_t *put32(uint8_t *p, uint32_t x)
{
    for (int i = 0; i < 4; i++)
        *p++ = (uint8_t)(x >> (24 - 8 * i));
    return p;
}

static uint8_t *put_frame(uint8_t *p, size_t len, int type, int flags, uint32_t stream)
{
    put32(p, (uint32_t)len << 8 | (uint32_t)type);
    p[4] = (uint8_t)flags;
    return put32(p + 5, stream);
}

/* A header that the server is to remember (RFC 7541, 6.2.1); index: of the name in the static
 * table, 0: the name is written. */
static uint8_t *put_header(uint8_t *p, int index, const char *name, const char *value)
{
    *p++ = (uint8_t)(0x40 | index);
    for (const char *text = index ? value : name;; text = value) {
        const size_t len = strlen(text);
        if (len > 126)
            die("a header is longer than a byte tells");
        *p++ = (uint8_t)len;
        memcpy(p, text, len);
        p += len;
        if (text == value)
            return p;
    }
}

static uint8_t *put_headers(uint8_t *p, const struct h2 *h, const char *path)
{
    *p++ = 0x80 | 3; /* :method POST */
    *p++ = 0x80 | 6; /* :scheme http */
    if (h->stream == 1) {
        p = put_header(p, 4, NULL, path);
        p = put_header(p, 1, NULL, "localhost"); /* :authority */
        p = put_header(p, 0, "te", "trailers");
        return put_header(p, 31, NULL, "application/grpc");
    }
    for (int i = 65; i >= 62; i--) /* the four above; the newest has the first index after 61 */
        *p++ = (uint8_t)(0x80 | i);
    return p;
}

void h2_open(struct h2 *h, int fd)
{
    static const char preface[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    uint8_t *p = h->out;

    *h = (struct h2){.fd = fd, .stream = (uint32_t)-1, .window = WINDOW};
    memcpy(p, preface, sizeof preface - 1);
    p = put_frame(p + sizeof preface - 1, 0, SETTINGS, 0, 0);
    p = put_frame(p, 4, WINDOW_UPDATE, 0, 0);
    p = put32(p, INT32_MAX - WINDOW); /* this end never stops the server */
    send_all(fd, h->out, (size_t)(p - h->out));
}

/* returns the next frame, whole: its header and what follows. */
static const uint8_t *frame(struct h2 *h, size_t *len)
{
    for (;;) {
        const size_t have = h->end - h->begin;
        const uint8_t *f = h->in + h->begin;
        *len = have >= FRAME ? be32(f) >> 8 : 0;
        if (have >= FRAME && *len > LARGEST)
            die("a frame is longer than agreed");
        if (have >= FRAME && have >= FRAME + *len) {
            h->begin += FRAME + *len;
            return f;
        }
        memmove(h->in, f, have);
        h->begin = 0;
        h->end = have;
        const ssize_t n = recv(h->fd, h->in + have, sizeof h->in - have, 0);
        if (n <= 0)
            die("the server ended the connection");
        h->end += (size_t)n;
    }
}

/* What concerns the connection. */
static void housekeeping(struct h2 *h, const uint8_t *f, size_t len)
{
    uint8_t answer[FRAME + 8];
    const int type = f[3], flags = f[4];

    if (type == GOAWAY)
        die("the server says goodbye");
    if (type == WINDOW_UPDATE && be32(f + 5) == 0)
        h->window += be32(f + FRAME) & INT32_MAX;
    if ((type != SETTINGS && type != PING) || (flags & ACK))
        return;
    uint8_t *p = put_frame(answer, type == PING ? 8 : 0, type, ACK, 0);
    if (type == PING && len == 8) {
        memcpy(p, f + FRAME, 8);
        p += 8;
    }
    send_all(h->fd, answer, (size_t)(p - answer));
}

static void ask(struct h2 *h, const char *path, const void *message, size_t len)
{
    uint8_t *p = put_headers(h->out + FRAME, h, path);
    size_t room;

    put_frame(h->out, (size_t)(p - h->out) - FRAME, HEADERS, END_HEADERS, h->stream);
    p = put_frame(p, PREFIX + len, DATA, END_STREAM, h->stream);
    *p++ = 0; /* not compressed */
    p = put32(p, (uint32_t)len);
    memcpy(p, message, len);
    while (h->window < (int64_t)(PREFIX + len))
        housekeeping(h, frame(h, &room), room);
    h->window -= (int64_t)(PREFIX + len);
    send_all(h->fd, h->out, (size_t)(p + len - h->out));
}

size_t h2_call(struct h2 *h, const char *path, const void *message, size_t len)
{
    size_t bytes = 0, n;

    if (len > LARGEST - PREFIX)
        die("a message of more than 16379 bytes does not fit one frame");
    h->stream += 2;
    ask(h, path, message, len);
    for (;;) {
        const uint8_t *f = frame(h, &n);
        housekeeping(h, f, n);
        if (be32(f + 5) != h->stream)
            continue;
        if (f[3] == RST_STREAM)
            return 0;
        bytes += f[3] == DATA ? n : 0;
        if ((f[3] == DATA || f[3] == HEADERS) && (f[4] & END_STREAM))
            return bytes > PREFIX ? bytes - PREFIX : 0;
    }
}
