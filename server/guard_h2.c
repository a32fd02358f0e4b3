/* SPDX-License-Identifier: Apache-2.0 */
/* guard_h2.c - HTTP/2 frame by frame (RFC 9113), before gRPC core sees it.
 *
 * The library answers cheap frames with dear work: a stream opened and reset, a header block
 * without end, pings. So each kind of frame that brings the server no request draws on a budget of
 * its connection. Budgets fill with time, and with work: an answered stream earns resets, a data
 * frame earns window updates. A peer that does what it came for never sees them; one that floods
 * runs out within its burst. Resets count in both directions, since a peer can also provoke the
 * server's (an update that overflows a window, say).
 *
 * What the state of a stream does not allow ends the connection at once, where no race between the
 * two peers can explain it. Frames for streams that have ended can be explained: they draw on a
 * budget. Header compression is not undone here: a block has 16 KiB at most, what it becomes is
 * bounded by the library. */
#include "server/guard.h"

#include <string.h>

#include "base/clock.h"

enum {
    DATA,
    HEADERS,
    PRIORITY,
    RST_STREAM,
    SETTINGS,
    PUSH_PROMISE,
    PING,
    GOAWAY,
    WINDOW_UPDATE,
    CONTINUATION
};
enum { ACK = 0x1, END_STREAM = 0x1, END_HEADERS = 0x4, PADDED = 0x8, HAS_PRIORITY = 0x20 };
enum {
    DEFAULT_FRAME = 16384,
    BLOCK_MAX = 16384,
    CONTINUATIONS_MAX = 8,
    SETTINGS_MAX = 64 * 6,
    OTHER_MAX = 16384,
    SMALL = 32,
    OWED_MAX = 1000
};
enum { SET_PUSH = 2, SET_WINDOW = 4, SET_FRAME = 5 };

enum budget { RESET, PINGED, SET, UPDATE, TINY, STALE, OTHER };

static const struct {
    int32_t burst, per_second;
    enum ms_guard why;
} budgets[MS_H2_BUDGETS] = {
    [RESET] = {500, 100, MS_GUARD_RESETS},
    [PINGED] = {100, 10, MS_GUARD_PINGS},
    [SET] = {100, 10, MS_GUARD_SETTINGS},
    [UPDATE] = {2000, 200, MS_GUARD_WINDOW_UPDATES},
    [TINY] = {2000, 200, MS_GUARD_SMALL_DATA},
    [STALE] = {2000, 200, MS_GUARD_OTHER_FRAMES}, /* for streams that have ended */
    [OTHER] = {200, 20, MS_GUARD_OTHER_FRAMES},   /* PRIORITY, GOAWAY, unknown kinds */
};

static const char preface[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
enum { PREFACE = sizeof preface - 1 };

const struct ms_guard_reason ms_guard_reasons[MS_N_GUARD] = {
    [MS_GUARD_OK] = {"", "", 0, 0},
#define MS_GUARD(id_, label_, h2_, http_, text_) [MS_GUARD_##id_] = {label_, text_, h2_, http_},
#include "server/guard.def"
#undef MS_GUARD
};

/* ---- budgets ---- */

static void earn(struct ms_h2_guard *g, enum budget b, int32_t n)
{
    g->left[b] = n < budgets[b].burst - g->left[b] ? g->left[b] + n : budgets[b].burst;
}

static enum ms_guard spend(struct ms_h2_guard *g, enum budget b)
{
    return --g->left[b] < 0 ? budgets[b].why : MS_GUARD_OK;
}

static void refill(struct ms_h2_guard *g, int64_t now)
{
    int64_t tenths = (now - g->refilled) / (100 * MS_MS);

    if (tenths <= 0)
        return;
    g->refilled += tenths * 100 * MS_MS;
    if (tenths > 1000)
        tenths = 1000;
    for (int b = 0; b < MS_H2_BUDGETS; b++)
        earn(g, (enum budget)b, (int32_t)tenths * budgets[b].per_second / 10);
}

void ms_h2_init(struct ms_h2_guard *g, int64_t now)
{
    memset(g, 0, sizeof *g);
    g->max_frame = DEFAULT_FRAME;
    g->since = g->refilled = now;
    for (int b = 0; b < MS_H2_BUDGETS; b++)
        g->left[b] = budgets[b].burst;
}

/* ---- streams ---- */

static int find(const struct ms_h2_guard *g, uint32_t id)
{
    for (int i = g->n_open - 1; i >= 0; i--)
        if (g->open[i].id == id)
            return i;
    return -1;
}

static void forget(struct ms_h2_guard *g, int i)
{
    g->open[i] = g->open[--g->n_open];
}

static enum ms_guard open_stream(struct ms_h2_guard *g, uint32_t id, bool ends)
{
    if (g->n_open == MS_H2_TRACKED)
        return MS_GUARD_STREAMS;
    g->last = id;
    g->open[g->n_open].id = id;
    g->open[g->n_open].in_done = ends;
    g->open[g->n_open++].out_done = false;
    earn(g, UPDATE, 2);
    return MS_GUARD_OK;
}

static void client_ends(struct ms_h2_guard *g, int i)
{
    g->open[i].in_done = true;
    if (g->open[i].out_done)
        forget(g, i);
}

static uint32_t big_endian(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

/* ---- the client's frames: what can be said once the head is there ---- */

static enum ms_guard on_headers(struct ms_h2_guard *g, const struct ms_h2_frames *f)
{
    bool ends = f->flags & END_STREAM;
    int i = find(g, f->stream);

    g->block_stream = f->flags & END_HEADERS ? 0 : f->stream;
    g->block = f->length;
    g->continuations = 0;
    g->since = g->now;
    if (f->length > BLOCK_MAX)
        return MS_GUARD_HEADER_BLOCK;
    if (!(f->stream & 1))
        return MS_GUARD_PROTOCOL;
    if (f->length < (f->flags & PADDED ? 1u : 0u) + (f->flags & HAS_PRIORITY ? 5u : 0u))
        return MS_GUARD_FRAME_SIZE;
    if (i < 0)
        return f->stream > g->last ? open_stream(g, f->stream, ends) : spend(g, STALE);
    if (g->open[i].in_done || !ends) /* trailers end the stream */
        return MS_GUARD_PROTOCOL;
    client_ends(g, i);
    return MS_GUARD_OK;
}

static enum ms_guard on_continuation(struct ms_h2_guard *g, const struct ms_h2_frames *f)
{
    if (f->stream != g->block_stream)
        return MS_GUARD_PROTOCOL;
    if (++g->continuations > CONTINUATIONS_MAX || f->length > BLOCK_MAX - g->block)
        return MS_GUARD_HEADER_BLOCK;
    g->block += f->length;
    if (f->flags & END_HEADERS)
        g->block_stream = 0;
    return MS_GUARD_OK;
}

static enum ms_guard on_data(struct ms_h2_guard *g, const struct ms_h2_frames *f)
{
    bool ends = f->flags & END_STREAM;
    int i = find(g, f->stream);

    if (!(f->stream & 1) || f->stream > g->last)
        return MS_GUARD_PROTOCOL;
    if (f->flags & PADDED && f->length == 0)
        return MS_GUARD_FRAME_SIZE;
    if (i < 0) /* the server has ended it while these were on their way */
        return spend(g, STALE);
    if (g->open[i].in_done)
        return MS_GUARD_PROTOCOL;
    if (ends)
        client_ends(g, i);
    if (f->length >= SMALL && !(f->flags & PADDED))
        earn(g, TINY, 1);
    else if (!ends)
        return spend(g, TINY);
    return MS_GUARD_OK;
}

static enum ms_guard on_reset(struct ms_h2_guard *g, const struct ms_h2_frames *f)
{
    int i = find(g, f->stream);

    if (f->length != 4)
        return MS_GUARD_FRAME_SIZE;
    if (!(f->stream & 1) || f->stream > g->last)
        return MS_GUARD_PROTOCOL;
    if (i < 0)
        return spend(g, STALE);
    bool answered = g->open[i].out_done;
    forget(g, i);
    return spend(g, answered ? STALE : RESET);
}

static enum ms_guard on_settings(struct ms_h2_guard *g, const struct ms_h2_frames *f)
{
    if (f->stream)
        return MS_GUARD_PROTOCOL;
    if (f->flags & ACK) {
        if (f->length)
            return MS_GUARD_FRAME_SIZE;
        return g->settings_owed > 0 ? (g->settings_owed--, MS_GUARD_OK) : spend(g, SET);
    }
    if (f->length % 6 || f->length > SETTINGS_MAX)
        return MS_GUARD_FRAME_SIZE;
    g->settled = true;
    return spend(g, SET);
}

static enum ms_guard on_ping(struct ms_h2_guard *g, const struct ms_h2_frames *f)
{
    if (f->stream)
        return MS_GUARD_PROTOCOL;
    if (f->length != 8)
        return MS_GUARD_FRAME_SIZE;
    if (f->flags & ACK && g->pings_owed > 0) {
        g->pings_owed--;
        return MS_GUARD_OK;
    }
    return spend(g, PINGED);
}

static enum ms_guard on_update(struct ms_h2_guard *g, const struct ms_h2_frames *f)
{
    if (f->length != 4)
        return MS_GUARD_FRAME_SIZE;
    if (f->stream && (!(f->stream & 1) || f->stream > g->last))
        return MS_GUARD_PROTOCOL;
    return spend(g, UPDATE);
}

static enum ms_guard on_other(struct ms_h2_guard *g, const struct ms_h2_frames *f)
{
    if (f->type == PUSH_PROMISE || f->type == CONTINUATION)
        return MS_GUARD_PROTOCOL;
    if (f->type == PRIORITY && !f->stream)
        return MS_GUARD_PROTOCOL;
    if (f->type == PRIORITY ? f->length != 5 : f->length > OTHER_MAX)
        return MS_GUARD_FRAME_SIZE;
    return spend(g, OTHER);
}

static enum ms_guard client_head(struct ms_h2_guard *g)
{
    const struct ms_h2_frames *f = &g->in;

    if (!g->settled && (f->type != SETTINGS || f->flags & ACK))
        return MS_GUARD_PREFACE;
    if (f->length > g->max_frame)
        return f->type == HEADERS || f->type == CONTINUATION ? MS_GUARD_HEADER_BLOCK
                                                             : MS_GUARD_FRAME_SIZE;
    if (g->block_stream)
        return f->type == CONTINUATION ? on_continuation(g, f) : MS_GUARD_PROTOCOL;
    switch (f->type) {
    case DATA:
        return on_data(g, f);
    case HEADERS:
        return on_headers(g, f);
    case RST_STREAM:
        return on_reset(g, f);
    case SETTINGS:
        return on_settings(g, f);
    case PING:
        return on_ping(g, f);
    case WINDOW_UPDATE:
        return on_update(g, f);
    default:
        return on_other(g, f);
    }
}

/* ---- the client's frames: what the first bytes of the payload say ---- */

static enum ms_guard setting(const uint8_t entry[6])
{
    unsigned key = (unsigned)entry[0] << 8 | entry[1];
    uint32_t v = big_endian(entry + 2);

    if ((key == SET_PUSH && v > 1) || (key == SET_WINDOW && v > 0x7fffffff) ||
        (key == SET_FRAME && (v < DEFAULT_FRAME || v > 0xffffff)))
        return MS_GUARD_PROTOCOL;
    return MS_GUARD_OK;
}

/* Padding and priority of HEADERS: up to six bytes before the block. */
static enum ms_guard padding(const struct ms_h2_frames *f)
{
    uint32_t pad = f->flags & PADDED ? f->small[0] + 1u : 0;
    bool priority = f->type == HEADERS && f->flags & HAS_PRIORITY;
    const uint8_t *on = f->small + (f->flags & PADDED ? 1 : 0);

    if (pad + (priority ? 5u : 0u) > f->length)
        return MS_GUARD_PROTOCOL;
    if (priority && (big_endian(on) & 0x7fffffff) == f->stream)
        return MS_GUARD_PROTOCOL;
    return MS_GUARD_OK;
}

static enum ms_guard client_payload(struct ms_h2_guard *g)
{
    const struct ms_h2_frames *f = &g->in;

    if (f->type == SETTINGS)
        return setting(f->small);
    if (f->type == WINDOW_UPDATE)
        return big_endian(f->small) & 0x7fffffff ? MS_GUARD_OK : MS_GUARD_PROTOCOL;
    if (f->type == PRIORITY)
        return (big_endian(f->small) & 0x7fffffff) == f->stream ? MS_GUARD_PROTOCOL : MS_GUARD_OK;
    return f->type == RST_STREAM ? MS_GUARD_OK : padding(f);
}

/* How many of the payload's first bytes matter. */
static uint8_t wanted(const struct ms_h2_frames *f)
{
    switch (f->type) {
    case DATA:
        return f->flags & PADDED ? 1 : 0;
    case HEADERS:
        return (uint8_t)((f->flags & PADDED ? 1 : 0) + (f->flags & HAS_PRIORITY ? 5 : 0));
    case SETTINGS:
        return f->length ? 6 : 0;
    case WINDOW_UPDATE:
    case PRIORITY:
    case RST_STREAM:
        return 4;
    default:
        return 0;
    }
}

/* ---- the server's frames ---- */

/* The stream was answered: that is the work that earns. */
static void server_ends(struct ms_h2_guard *g, uint32_t id)
{
    int i = find(g, id);

    if (i < 0)
        return;
    earn(g, RESET, 1);
    earn(g, STALE, 2);
    g->open[i].out_done = true;
    if (g->open[i].in_done)
        forget(g, i);
}

static enum ms_guard server_head(struct ms_h2_guard *g)
{
    const struct ms_h2_frames *f = &g->out;

    if (f->type == DATA || f->type == HEADERS) {
        earn(g, UPDATE, 4);
        earn(g, PINGED, 1);
        if (f->flags & END_STREAM)
            server_ends(g, f->stream);
    } else if (f->type == PING && !(f->flags & ACK) && g->pings_owed < OWED_MAX) {
        g->pings_owed++;
    } else if (f->type == SETTINGS && !(f->flags & ACK) && g->settings_owed < OWED_MAX) {
        g->settings_owed++;
    }
    return MS_GUARD_OK;
}

static enum ms_guard server_payload(struct ms_h2_guard *g)
{
    const struct ms_h2_frames *f = &g->out;

    if (f->type == SETTINGS && f->small[0] == 0 && f->small[1] == SET_FRAME) {
        uint32_t v = big_endian(f->small + 2); /* until the peer has heard of less, more is right */
        if (v > g->max_frame && v <= 0xffffff)
            g->max_frame = v;
    }
    if (f->type != RST_STREAM)
        return MS_GUARD_OK;
    int i = find(g, f->stream);
    if (i >= 0)
        forget(g, i);
    return big_endian(f->small) ? spend(g, RESET) : MS_GUARD_OK; /* NO_ERROR follows an answer */
}

/* ---- both directions ---- */

static void read_head(struct ms_h2_frames *f)
{
    f->length = f->left = (uint32_t)f->head[0] << 16 | (uint32_t)f->head[1] << 8 | f->head[2];
    f->type = f->head[3];
    f->flags = f->head[4];
    f->stream = big_endian(f->head + 5) & 0x7fffffff;
    f->n_small = 0;
}

/* Walks frames; calls at each head, and when the wanted bytes of a payload are there. */
static enum ms_guard walk(struct ms_h2_guard *g, struct ms_h2_frames *f, const uint8_t *p, size_t n,
                          enum ms_guard (*on_head)(struct ms_h2_guard *),
                          enum ms_guard (*on_payload)(struct ms_h2_guard *))
{
    enum ms_guard why = MS_GUARD_OK;

    while (n > 0 && why == MS_GUARD_OK) {
        if (f->have < sizeof f->head) {
            size_t take = sizeof f->head - f->have < n ? sizeof f->head - f->have : n;
            memcpy(f->head + f->have, p, take);
            f->have = (uint8_t)(f->have + take);
            p += take;
            n -= take;
            if (f->have < sizeof f->head)
                break;
            read_head(f);
            why = on_head(g);
        } else if (f->n_small < wanted(f)) {
            f->small[f->n_small++] = *p++;
            n--;
            f->left--;
            if (f->n_small == wanted(f)) {
                why = on_payload(g);
                if (f->type == SETTINGS)
                    f->n_small = 0; /* the next entry */
            }
        } else {
            uint32_t take = f->left < n ? f->left : (uint32_t)n;
            p += take;
            n -= take;
            f->left -= take;
        }
        if (f->have == sizeof f->head && f->left == 0)
            f->have = 0;
    }
    return why;
}

enum ms_guard ms_h2_client(struct ms_h2_guard *g, const uint8_t *p, size_t n, int64_t now)
{
    refill(g, now);
    g->now = now;
    while (g->preface < PREFACE && n > 0) {
        if (*p != (uint8_t)preface[g->preface])
            return MS_GUARD_PREFACE;
        g->preface++;
        p++;
        n--;
    }
    return walk(g, &g->in, p, n, client_head, client_payload);
}

enum ms_guard ms_h2_server(struct ms_h2_guard *g, const uint8_t *p, size_t n, int64_t now)
{
    refill(g, now);
    return walk(g, &g->out, p, n, server_head, server_payload);
}

enum ms_guard ms_h2_late(const struct ms_h2_guard *g, int64_t now, int64_t limit)
{
    if (now - g->since < limit)
        return MS_GUARD_OK;
    if (!g->settled)
        return MS_GUARD_HANDSHAKE;
    return g->block_stream ? MS_GUARD_HEADERS_LATE : MS_GUARD_OK;
}

size_t ms_h2_last_words(const struct ms_h2_guard *g, enum ms_guard why,
                        uint8_t out[MS_H2_LAST_WORDS])
{
    const char *text = ms_guard_reasons[why].text;
    size_t len = strlen(text);

    if (g->out.have || g->preface < PREFACE)
        return 0;
    memset(out, 0, 17);
    out[2] = (uint8_t)(8 + len);
    out[3] = GOAWAY;
    for (int i = 0; i < 4; i++)
        out[9 + i] = (uint8_t)(g->last >> (24 - 8 * i));
    out[16] = ms_guard_reasons[why].h2;
    memcpy(out + 17, text, len);
    return 17 + len;
}
