/* SPDX-License-Identifier: Apache-2.0 */
/* authz.c - addresses to peers, and the decision. */
#include "server/authz.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "server/transport.h"

/* The host of "HOST:PORT" or "[HOST]:PORT" or a bare host. */
static void host_of(const char *addr, char host[64])
{
    const char *colon = strrchr(addr, ':');
    size_t n = colon ? (size_t)(colon - addr) : strlen(addr);

    if (addr[0] == '[') {
        addr++;
        n = strcspn(addr, "]");
    }
    snprintf(host, 64, "%.*s", (int)(n < 63 ? n : 63), addr);
}

bool ms_address_local(const char *addr)
{
    struct in_addr v4;
    struct in6_addr v6;
    char host[64];

    if (strncmp(addr, "unix:", 5) == 0)
        return true;
    host_of(addr, host);
    if (strcmp(host, "localhost") == 0)
        return true;
    if (inet_pton(AF_INET, host, &v4) == 1)
        return ntohl(v4.s_addr) >> 24 == 127;
    if (inet_pton(AF_INET6, host, &v6) != 1)
        return false;
    return IN6_IS_ADDR_LOOPBACK(&v6) || (IN6_IS_ADDR_V4MAPPED(&v6) && v6.s6_addr[12] == 127);
}

/* "ipv6:%5B::1%5D:4711" and "ipv6:[::1]:4711" name the same peer: brackets as they are. */
static void unbracket(char *dst, size_t size, const char *src)
{
    size_t n = 0;

    for (; *src && n + 1 < size; src++) {
        if (strncmp(src, "%5B", 3) == 0 || strncmp(src, "%5D", 3) == 0) {
            dst[n++] = src[2] == 'B' ? '[' : ']';
            src += 2;
        } else {
            dst[n++] = *src;
        }
    }
    dst[n] = '\0';
}

void ms_peer_init(struct ms_peer *p, const char *address, bool insecure)
{
    char text[128];

    *p = (struct ms_peer){.local = false};
    if (strncmp(address, "ipv4:", 5) == 0 || strncmp(address, "ipv6:", 5) == 0)
        address += 5;
    unbracket(text, sizeof text, address);
    p->local = ms_address_local(text);
    if (strncmp(text, "unix:", 5) == 0) {
        snprintf(p->addr, sizeof p->addr, "unix");
    } else {
        char *colon = strrchr(text, ':');
        if (colon)
            *colon = '\0';
        snprintf(p->addr, sizeof p->addr, "%.63s", text);
    }
    p->roles = p->local || insecure ? MS_ROLES_ALL : 0;
}

ms_code ms_authz(const struct ms_peer *p, enum ms_role role, const char *model, struct ms_err *err)
{
    (void)model; /* every role holds for all models until tokens have scopes */
    if (role == MS_ROLE_ANY || (p->roles & role) == (unsigned)role)
        return MS_OK;
    return ms_fail(err, MS_PERMISSION_DENIED, "not allowed for this peer");
}
