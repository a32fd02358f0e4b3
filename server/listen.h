/* SPDX-License-Identifier: Apache-2.0 */
/* listen.h - listening sockets, from the text of an address. */
#ifndef MS_SERVER_LISTEN_H
#define MS_SERVER_LISTEN_H

#include <stdbool.h>

#include "base/err.h"

/* Binds "127.0.0.1:8000", "[::1]:0" or "localhost:8000"; other than loopback only with insecure.
 * bound gets what it became. UNAVAILABLE when it cannot be bound. */
ms_code ms_listen_tcp(const char *addr, bool insecure, int *fd, char bound[128],
                      struct ms_err *err);
/* Binds "unix:PATH", for the owner and the group of the file; a socket that lies there from before
 * goes. bound gets addr. */
ms_code ms_listen_unix(const char *addr, int *fd, char bound[128], struct ms_err *err);

#endif
