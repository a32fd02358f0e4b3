/* SPDX-License-Identifier: Apache-2.0 */
/* inflate.h - compressed request bodies, within the message limit and the receive budget. */
#ifndef MS_SERVER_INFLATE_H
#define MS_SERVER_INFLATE_H

#include "server/rpc.h"

/* gzip or zlib data (told apart by its head) inflated into the call's arena, charged to the call.
 * RESOURCE_EXHAUSTED (too large) beyond the configured message limit, INVALID_ARGUMENT for damaged
 * data or bytes behind its end. */
ms_code ms_inflate(struct ms_call *c, struct ms_bytes in, struct ms_bytes *out);

#endif
