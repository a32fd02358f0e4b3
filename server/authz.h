/* SPDX-License-Identifier: Apache-2.0 */
/* authz.h - who is calling, and the one place that decides what they may do.
 *
 * Until TLS and tokens are configured every loopback and unix-socket peer holds every role
 * (other addresses are not even bound unless `insecure` is set). */
#ifndef MS_SERVER_AUTHZ_H
#define MS_SERVER_AUTHZ_H

#include <stdbool.h>

#include "base/err.h"

enum ms_role {
    MS_ROLE_ANY = 0, /* health: no role needed */
    MS_ROLE_OBSERVE = 1,
    MS_ROLE_INFER = 2,
    MS_ROLE_DEPLOY = 4,
    MS_ROLE_ADMIN = 8,
    MS_ROLES_ALL = 15,
};

struct ms_peer {
    char addr[64];  /* without port: "127.0.0.1", "::1", "unix"; for logs and per-address limits */
    bool local;     /* loopback or unix socket */
    unsigned roles; /* of enum ms_role */
};

/* Fills peer from a transport's address text: "ipv4:127.0.0.1:4711", "ipv6:%5B::1%5D:4711",
 * "unix:...", "127.0.0.1:4711". insecure: remote peers get every role too. */
void ms_peer_init(struct ms_peer *p, const char *address, bool insecure);

/* May the peer use a call of that role? PERMISSION_DENIED if not. Deny is the default. model may be
 * NULL. */
ms_code ms_authz(const struct ms_peer *p, enum ms_role role, const char *model, struct ms_err *err);

#endif
