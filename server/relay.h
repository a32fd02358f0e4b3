/* SPDX-License-Identifier: Apache-2.0 */
/* relay.h - one connection of a front: two sockets, two directions, a guard.
 *
 * Bytes are read into the thread's one buffer, judged and written at once; only what the other side
 * does not take is kept, and then nothing more is read for it. */
#ifndef MS_SERVER_RELAY_H
#define MS_SERVER_RELAY_H

#include "server/front.h"

enum { MS_RELAY_BUFFER = 64 << 10 };
enum { MS_CLIENT, MS_SERVER_SIDE };

struct ms_relay_side {
    int fd;
    bool readable, writable; /* as far as edges have told */
    bool hung_up;            /* the end of what it sends may already be there: read until it is */
    bool ended;              /* it sends no more */
    bool shut;               /* it has been told that nothing more comes */
    bool waits;              /* the server's side: registered for being writable */
    uint8_t *held;           /* what it has not taken yet */
    size_t n_held, at;
    int64_t stuck; /* since when it takes nothing; 0: nothing is held */
};

struct ms_relay {
    struct ms_relay *prev, *next; /* all of the front */
    struct ms_relay *turn;        /* those with more to do */
    struct ms_relay *same;        /* chain of the address table */
    const struct ms_front_protocol *protocol;
    int epoll; /* of the front: it names this connection to the kernel */
    struct ms_relay_side side[2];
    enum ms_guard refused;
    bool local;     /* over a unix socket: its file's mode says who may */
    bool told;      /* the last words were sent */
    bool dead;      /* sockets are closed; freed after the round */
    bool queued;    /* in the list of turns */
    bool fed;       /* the server has been given bytes, or their end; the front clears it */
    int nudges;     /* how often the server was told again that no more comes */
    int64_t linger; /* when a refused peer is cut off */
    size_t dropped; /* bytes of it that were thrown away */
    size_t moved;   /* bytes passed on; the front clears it */
    uint8_t address[16];
    uint16_t port;
    union ms_guard_state guard;
};

/* What happened to the connection in a turn. */
enum ms_relay_end {
    MS_RELAY_GOES_ON,
    MS_RELAY_MORE,    /* there is more to do at once */
    MS_RELAY_REFUSED, /* for the verdict in *why: to be counted, then ms_relay_refuse() */
    MS_RELAY_OVER
};

/* Moves bytes both ways as far as it goes. buffer has MS_RELAY_BUFFER bytes. */
enum ms_relay_end ms_relay_turn(struct ms_relay *r, uint8_t *buffer, int64_t now,
                                enum ms_guard *why);
/* Closes a side's socket, if it is open. */
void ms_relay_close(struct ms_relay *r, struct ms_relay_side *side);
/* Refuses: last words, no more bytes to the server. To be followed by a turn. */
void ms_relay_refuse(struct ms_relay *r, enum ms_guard why, int64_t now);

#endif
