/* SPDX-License-Identifier: Apache-2.0 */
/* addr.c - addresses of listeners, as far as the configuration has to understand them. */
#include <arpa/inet.h>
#include <string.h>

#include "base/bytes.h"
#include "config/config.h"

bool ms_addr_split(const char *addr, char *host, size_t size, int *port)
{
    const char *colon = strrchr(addr, ':');
    const char *from = addr, *to = colon;
    uint64_t number;

    if (!colon || !ms_parse_u64(colon + 1, strlen(colon + 1), 65535, &number))
        return false;
    if (*addr == '[') {
        from++;
        if (to == from || to[-1] != ']')
            return false;
        to--;
    } else if (memchr(addr, ':', (size_t)(colon - addr))) {
        return false; /* an IPv6 address needs brackets */
    }
    if (to <= from || (size_t)(to - from) >= size)
        return false;
    for (const char *p = from; p < to; p++)
        if ((unsigned char)*p <= ' ' || (unsigned char)*p >= 0x7f || *p == '/')
            return false;
    memcpy(host, from, (size_t)(to - from));
    host[to - from] = '\0';
    *port = (int)number;
    return true;
}

bool ms_host_loopback(const char *host)
{
    struct in_addr v4;
    struct in6_addr v6;

    if (strcmp(host, "localhost") == 0)
        return true;
    if (inet_pton(AF_INET, host, &v4) == 1)
        return (ntohl(v4.s_addr) >> 24) == 127;
    return inet_pton(AF_INET6, host, &v6) == 1 && IN6_IS_ADDR_LOOPBACK(&v6);
}
