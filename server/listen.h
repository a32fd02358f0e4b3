/* SPDX-License-Identifier: Apache-2.0 */
/* listen.h - a listening TCP socket for the HTTP listeners. */
#ifndef MS_SERVER_LISTEN_H
#define MS_SERVER_LISTEN_H

#include <stdbool.h>

#include "base/err.h"

/* Binds "127.0.0.1:8000", "[::1]:0" or "localhost:8000"; other than loopback only with insecure.
 * bound gets what it became. UNAVAILABLE when it cannot be bound. */
ms_code ms_listen_tcp(const char *addr, bool insecure, int *fd, char bound[128],
                      struct ms_err *err);

#endif
