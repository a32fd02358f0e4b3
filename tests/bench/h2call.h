/* SPDX-License-Identifier: Apache-2.0 */
/* h2call.h - a unary gRPC call over a TCP socket with nothing of a library between: the least that
 * RFC 9113 and gRPC's protocol (PROTOCOL-HTTP2) ask of a client. A benchmark that waits for its
 * own client measures that; the library's client takes 30 to 60 us of a round trip. */
#ifndef TESTS_BENCH_H2CALL_H
#define TESTS_BENCH_H2CALL_H

#include <stddef.h>
#include <stdint.h>

struct h2 {
    int fd;
    uint32_t stream;   /* of the last call; 1, 3, 5 ... */
    int64_t window;    /* bytes of DATA that the server takes on this connection */
    size_t begin, end; /* of what was read and not yet looked at */
    uint8_t in[32768]; /* one frame fits: SETTINGS_MAX_FRAME_SIZE stays 16384 */
    uint8_t out[32768];
};

/* On fd, which is connected and stays the caller's; path such as "/package.Service/Method".
 * Exits with a line when the server ends it. */
void h2_open(struct h2 *h, int fd);

/* One call with message of len <= 16379 bytes (one frame); returns when its stream has ended. The
 * first call of a connection names its headers, later ones index them, as every client does.
 * returns the bytes of the answer's message, 0 when there was none: the call failed. */
size_t h2_call(struct h2 *h, const char *path, const void *message, size_t len);

#endif
