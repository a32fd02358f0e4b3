/* SPDX-License-Identifier: Apache-2.0 */
/* guard.h - byte checkers that stand before gRPC core and libmicrohttpd. Bytes in, verdict out.
 *
 * They do no I/O and allocate nothing: front.c feeds them what it has read and forwards only what
 * they passed. A stream of bytes gets the same verdict however it is cut into pieces. Not thread
 * safe; one an open connection. */
#ifndef MS_SERVER_GUARD_H
#define MS_SERVER_GUARD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum ms_guard {
    MS_GUARD_OK,
#define MS_GUARD(id_, label_, h2_, http_, text_) MS_GUARD_##id_,
#include "server/guard.def"
#undef MS_GUARD
    MS_N_GUARD
};

struct ms_guard_reason {
    const char *label, *text;
    uint8_t h2;    /* error code of HTTP/2; 0: not a reason there */
    uint16_t http; /* status; 0: not a reason there */
};
extern const struct ms_guard_reason ms_guard_reasons[MS_N_GUARD];

/* ---- HTTP/2: guard_h2.c ---- */

enum {
    MS_H2_STREAMS = 100,   /* what the server allows at once, and tells its peers */
    MS_H2_TRACKED = 128,   /* with those opened before a peer has heard of that */
    MS_H2_BUDGETS = 7,     /* see guard_h2.c */
    MS_H2_LAST_WORDS = 256 /* bytes of a GOAWAY at most */
};

struct ms_h2_frames { /* where one direction stands */
    uint8_t head[9];  /* of the frame, as far as it came */
    uint8_t have;     /* bytes of head */
    uint8_t type, flags;
    uint8_t small[6]; /* first bytes of the payload, or one entry of SETTINGS */
    uint8_t n_small;
    uint32_t stream, length, left; /* bytes of the payload: all, still to come */
};

struct ms_h2_guard {
    struct ms_h2_frames in, out;
    uint8_t preface; /* bytes of it that have come */
    bool settled;    /* the first SETTINGS came */
    uint32_t max_frame;
    uint32_t last;         /* highest stream opened */
    uint32_t block_stream; /* 0: no header block under way */
    uint32_t block;        /* bytes of it */
    uint8_t continuations;
    bool block_ends; /* it carries END_STREAM */
    int64_t since;   /* when the connection, or the last header block, began; ns */
    int64_t now;     /* of the bytes being looked at */
    int64_t refilled;
    int32_t pings_owed, settings_owed; /* acknowledgements that the server waits for */
    int32_t left[MS_H2_BUDGETS];
    uint8_t n_open;
    struct {
        uint32_t id;
        bool in_done, out_done; /* END_STREAM has passed */
    } open[MS_H2_TRACKED];
};

void ms_h2_init(struct ms_h2_guard *g, int64_t now);
/* Bytes of the client. Not MS_GUARD_OK: none of them may go on, and the connection ends. */
enum ms_guard ms_h2_client(struct ms_h2_guard *g, const uint8_t *p, size_t n, int64_t now);
/* Bytes of the server, which is trusted: what counts is what the client made it send. */
enum ms_guard ms_h2_server(struct ms_h2_guard *g, const uint8_t *p, size_t n, int64_t now);
/* Has the preface, or a header block, been under way for longer than limit (ns)? */
enum ms_guard ms_h2_late(const struct ms_h2_guard *g, int64_t now, int64_t limit);
/* A GOAWAY frame; returns its bytes, 0 when the server is in the middle of a frame. */
size_t ms_h2_last_words(const struct ms_h2_guard *g, enum ms_guard why,
                        uint8_t out[MS_H2_LAST_WORDS]);

/* ---- HTTP/1: guard_http1.c ---- */

enum { MS_HTTP1_LAST_WORDS = 512 };

struct ms_http1_guard {
    uint8_t state;
    bool cr;                              /* waits for its LF */
    bool old, length_seen, chunked_seen;  /* of this request; old: HTTP/1.0 */
    uint8_t match_length, match_encoding; /* letters of the name that agree so far */
    uint8_t n_value;                      /* bytes kept of a value that matters */
    char value[20];
    uint16_t headers;
    uint32_t line, head; /* bytes so far */
    uint64_t body;       /* bytes still to come of the body, or of the chunk */
    uint16_t extension;  /* bytes of it */
    uint8_t digits;      /* of the chunk's size */
    int64_t second;      /* when the count of small chunks began, ns */
    uint32_t small_chunks;
    bool answered; /* the server has sent something since this request began */
};

void ms_http1_init(struct ms_http1_guard *g, int64_t now);
/* Bytes of the client. Not MS_GUARD_OK: only the first *good of them, whole requests, may go on. */
enum ms_guard ms_http1_client(struct ms_http1_guard *g, const uint8_t *p, size_t n, int64_t now,
                              size_t *good);
/* The answer to a refused request; returns its bytes, 0 when something was sent for it already. */
size_t ms_http1_last_words(const struct ms_http1_guard *g, enum ms_guard why,
                           uint8_t out[MS_HTTP1_LAST_WORDS]);

#endif
