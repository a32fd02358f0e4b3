/* SPDX-License-Identifier: Apache-2.0 */
/* relay.c - moves the bytes of one connection.
 *
 * Edge triggered: a short read has emptied the socket, so it is not read again until the next edge;
 * unless the peer has hung up, whose end must be read too. */
#include "server/relay.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"

enum { READS_A_TURN = 8, DROP_MAX = 1 << 20 };
#define LINGER (1 * MS_SEC)
#define ANSWERS (10 * MS_SEC) /* for the answers to requests before the refused one */

/* A socket that is closed here may still be open elsewhere: in a child process between its birth
 * and its exec. Until that is over it would go on to report events, for a connection that has been
 * freed. So it is taken off the list by name. */
void ms_relay_close(struct ms_relay *r, struct ms_relay_side *side)
{
    if (side->fd < 0)
        return;
    (void)epoll_ctl(r->epoll, EPOLL_CTL_DEL, side->fd, NULL);
    close(side->fd);
    side->fd = -1;
}

/* ---- writing ---- */

/* Bytes taken; -1: the side is gone. */
static ssize_t push(struct ms_relay_side *to, const uint8_t *p, size_t n)
{
    size_t done = 0;

    while (done < n) {
        ssize_t k = send(to->fd, p + done, n - done, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (k > 0) {
            done += (size_t)k;
        } else if (k < 0 && errno == EINTR) {
            continue;
        } else if (k < 0 && (errno == EAGAIN || errno == ENOBUFS || errno == ENOMEM)) {
            to->writable = false;
            break;
        } else {
            return -1;
        }
    }
    return (ssize_t)done;
}

static bool flush(struct ms_relay_side *to, int64_t now)
{
    if (!to->n_held)
        return true;
    if (!to->writable)
        return true;
    ssize_t k = push(to, to->held + to->at, to->n_held - to->at);
    if (k < 0)
        return false;
    if (k > 0)
        to->stuck = now;
    to->at += (size_t)k;
    if (to->at == to->n_held) {
        ms_free(to->held);
        to->held = NULL;
        to->n_held = to->at = 0;
        to->stuck = 0;
    }
    return true;
}

/* Sends, and keeps what is not taken. Nothing is held before. */
static bool forward(struct ms_relay_side *to, const uint8_t *p, size_t n, int64_t now)
{
    ssize_t k = push(to, p, n);

    if (k < 0)
        return false;
    if ((size_t)k == n)
        return true;
    to->held = ms_malloc(n - (size_t)k);
    if (!to->held)
        return false;
    memcpy(to->held, p + k, n - (size_t)k);
    to->n_held = n - (size_t)k;
    to->at = 0;
    to->stuck = now;
    return true;
}

/* ---- refusing ---- */

static void last_words(struct ms_relay *r, int64_t now)
{
    uint8_t words[512];
    struct ms_relay_side *client = &r->side[MS_CLIENT];

    if (r->told)
        return;
    r->told = true;
    r->linger = now + LINGER;
    if (!client->n_held) { /* else it is in the middle of something, and does not read */
        size_t n = r->protocol->last_words(&r->guard, r->refused, words);
        if (n)
            (void)push(client, words, n);
    }
    (void)shutdown(client->fd, SHUT_WR);
    client->shut = true;
}

void ms_relay_refuse(struct ms_relay *r, enum ms_guard why, int64_t now)
{
    struct ms_relay_side *server = &r->side[MS_SERVER_SIDE];

    r->refused = why;
    r->linger = now + ANSWERS;
    if (r->protocol->answers_first)
        return;
    last_words(r, now);
    ms_relay_close(r, server);
    server->ended = server->shut = true;
}

/* ---- reading ---- */

/* Bytes read; 0: nothing there; -1: broken. Sets the side's state. */
static ssize_t take(struct ms_relay_side *from, uint8_t *buffer)
{
    ssize_t n;

    do
        n = recv(from->fd, buffer, MS_RELAY_BUFFER, MSG_DONTWAIT);
    while (n < 0 && errno == EINTR);
    if (n > 0) {
        if (n < MS_RELAY_BUFFER && !from->hung_up)
            from->readable = false;
        return n;
    }
    from->readable = false;
    if (n == 0)
        from->ended = true;
    else if (errno != EAGAIN)
        return -1;
    return 0;
}

/* Throws away what a refused peer sends, so that it finds the time to read its last words. */
static bool drop(struct ms_relay *r, uint8_t *buffer)
{
    struct ms_relay_side *client = &r->side[MS_CLIENT];

    while (client->readable && !client->ended) {
        ssize_t n = take(client, buffer);
        if (n < 0)
            return false;
        r->dropped += (size_t)n;
        if (r->dropped > DROP_MAX)
            return false;
    }
    return true;
}

/* One direction. */
static enum ms_relay_end pump(struct ms_relay *r, int direction, uint8_t *buffer, int64_t now,
                              enum ms_guard *why)
{
    struct ms_relay_side *from = &r->side[direction], *to = &r->side[!direction];

    for (int i = 0; i < READS_A_TURN; i++) {
        if (!flush(to, now))
            return MS_RELAY_OVER;
        if (to->n_held || !from->readable || from->ended)
            return MS_RELAY_GOES_ON;
        ssize_t n = take(from, buffer);
        if (n <= 0)
            return n < 0 ? MS_RELAY_OVER : MS_RELAY_GOES_ON;
        size_t good = (size_t)n;
        *why = direction == MS_CLIENT
                   ? r->protocol->client(&r->guard, buffer, (size_t)n, now, &good)
                   : r->protocol->server(&r->guard, buffer, (size_t)n, now);
        if (*why == MS_GUARD_OK)
            good = (size_t)n;
        if (good && !forward(to, buffer, good, now))
            return MS_RELAY_OVER;
        r->fed |= direction == MS_CLIENT;
        r->moved += good;
        if (*why != MS_GUARD_OK && !r->refused)
            return MS_RELAY_REFUSED;
    }
    return MS_RELAY_MORE;
}

/* Passes an end on once everything before it has gone. */
static void pass_end(struct ms_relay *r, int direction)
{
    struct ms_relay_side *from = &r->side[direction], *to = &r->side[!direction];
    bool over = from->ended || (direction == MS_CLIENT && r->refused);

    if (!over || to->shut || to->n_held || to->fd < 0)
        return;
    (void)shutdown(to->fd, SHUT_WR);
    to->shut = true;
    r->fed |= direction == MS_CLIENT;
}

/* The server's side is over, and the peer has all that came from it. */
static enum ms_relay_end finish(struct ms_relay *r, uint8_t *buffer, int64_t now)
{
    if (!r->refused) {
        pass_end(r, MS_SERVER_SIDE);
        (void)take(&r->side[MS_CLIENT], buffer); /* unread, it would turn the close into a reset */
        return MS_RELAY_OVER;
    }
    last_words(r, now);
    return !drop(r, buffer) || r->side[MS_CLIENT].ended ? MS_RELAY_OVER : MS_RELAY_GOES_ON;
}

enum ms_relay_end ms_relay_turn(struct ms_relay *r, uint8_t *buffer, int64_t now,
                                enum ms_guard *why)
{
    struct ms_relay_side *client = &r->side[MS_CLIENT], *server = &r->side[MS_SERVER_SIDE];
    enum ms_relay_end up = MS_RELAY_GOES_ON, down = MS_RELAY_GOES_ON;

    if (!r->refused)
        up = pump(r, MS_CLIENT, buffer, now, why);
    else if (!drop(r, buffer) || (server->fd >= 0 && !flush(server, now)))
        up = MS_RELAY_OVER;
    if (up >= MS_RELAY_REFUSED)
        return up;
    if (server->fd >= 0) {
        pass_end(r, MS_CLIENT);
        down = pump(r, MS_SERVER_SIDE, buffer, now, why);
        if (down >= MS_RELAY_REFUSED)
            return down;
    }
    if (server->ended && !client->n_held)
        return finish(r, buffer, now);
    return up == MS_RELAY_MORE ? up : down;
}
