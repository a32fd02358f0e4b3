/* SPDX-License-Identifier: Apache-2.0 */
/* base64.h - RFC 4648 base64, either alphabet, padding optional. */
#ifndef MS_PROTO_BASE64_H
#define MS_PROTO_BASE64_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/bytes.h"
#include "base/err.h"

/* Decodes into the arena. INVALID_ARGUMENT for anything that is not base64. */
ms_code ms_base64_decode(struct ms_arena *a, struct ms_bytes text, struct ms_bytes *out,
                         struct ms_err *err);
/* Appends data in the standard alphabet, padded, without quotes. */
void ms_base64_encode(struct ms_buf *out, struct ms_bytes data);

#endif
