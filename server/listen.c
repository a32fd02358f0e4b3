/* SPDX-License-Identifier: Apache-2.0 */
/* listen.c - address text to a bound socket. */
#include <stdbool.h>

#include "server/listen.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "server/transport.h"

enum { BACKLOG = 1024 };

static ms_code resolve(const char *addr, struct addrinfo **out, struct ms_err *err)
{
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM,
                                   .ai_flags = AI_PASSIVE | AI_NUMERICSERV};
    const char *colon = strrchr(addr, ':');
    char host[128];

    if (!colon || (size_t)(colon - addr) >= sizeof host)
        return ms_fail(err, MS_INVALID_ARGUMENT, "'%.100s' is no HOST:PORT", addr);
    snprintf(host, sizeof host, "%.*s", (int)(colon - addr), addr);
    size_t n = strlen(host);
    char *name = host;
    if (n >= 2 && host[0] == '[' && host[n - 1] == ']') {
        host[n - 1] = '\0';
        name++;
    }
    int rc = getaddrinfo(*name ? name : NULL, colon + 1, &hints, out);
    if (rc != 0)
        return ms_fail(err, MS_INVALID_ARGUMENT, "'%.100s': %s", addr, gai_strerror(rc));
    return MS_OK;
}

static ms_code bound_text(int fd, char bound[128], struct ms_err *err)
{
    struct sockaddr_storage sa;
    socklen_t len = sizeof sa;
    char host[64], port[16];

    if (getsockname(fd, (struct sockaddr *)&sa, &len) != 0 ||
        getnameinfo((struct sockaddr *)&sa, len, host, sizeof host, port, sizeof port,
                    NI_NUMERICHOST | NI_NUMERICSERV) != 0)
        return ms_fail(err, MS_UNAVAILABLE, "cannot tell the bound address");
    snprintf(bound, 128, strchr(host, ':') ? "[%s]:%s" : "%s:%s", host, port);
    return MS_OK;
}

ms_code ms_listen_tcp(const char *addr, bool insecure, int *fd, char bound[128], struct ms_err *err)
{
    struct addrinfo *ai;
    const int on = 1;

    if (!ms_address_local(addr) && !insecure)
        return ms_fail(err, MS_PERMISSION_DENIED,
                       "'%.100s' is not loopback: refused without TLS and tokens", addr);
    MS_TRY(resolve(addr, &ai, err));
    int s = socket(ai->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (s >= 0) {
        setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
        setsockopt(s, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on); /* inherited by connections */
    }
    bool ok = s >= 0 && bind(s, ai->ai_addr, ai->ai_addrlen) == 0 && listen(s, BACKLOG) == 0;
    int why = errno;
    freeaddrinfo(ai);
    ms_code code =
        ok ? bound_text(s, bound, err)
           : ms_fail(err, MS_UNAVAILABLE, "cannot bind '%.100s': %s", addr, strerror(why));
    if (code != MS_OK && s >= 0)
        close(s);
    *fd = s;
    return code;
}

/* Nobody can connect before listen(), which comes after the mode. */
ms_code ms_listen_unix(const char *addr, int *fd, char bound[128], struct ms_err *err)
{
    struct sockaddr_un sa = {.sun_family = AF_UNIX};
    const char *path = addr + strlen("unix:");
    struct stat st;

    *fd = -1;
    if (strlen(path) >= sizeof sa.sun_path)
        return ms_fail(err, MS_INVALID_ARGUMENT, "'%.100s' is too long for a socket", path);
    memcpy(sa.sun_path, path, strlen(path));
    if (lstat(path, &st) == 0 && S_ISSOCK(st.st_mode))
        (void)unlink(path);
    int s = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (s < 0 || bind(s, (struct sockaddr *)&sa, sizeof sa) != 0 || chmod(path, 0660) != 0 ||
        listen(s, BACKLOG) != 0) {
        ms_fail(err, MS_UNAVAILABLE, "cannot bind '%.100s': %s", addr, strerror(errno));
        if (s >= 0)
            close(s);
        return MS_UNAVAILABLE;
    }
    snprintf(bound, 128, "%s", addr);
    *fd = s;
    return MS_OK;
}
