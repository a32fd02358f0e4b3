/* SPDX-License-Identifier: Apache-2.0 */
/* pbjson.h - protobuf-c messages as JSON and back, by their descriptors.
 *
 * One handler serves gRPC and REST with the same message struct. Names are the proto's, enums are
 * names, 64-bit integers are JSON numbers (as clients of this protocol expect, unlike protobuf's
 * own mapping), bytes are base64, maps are objects. Fields without presence are always written,
 * absent sub-messages and oneof members never. */
#ifndef MS_PROTO_PBJSON_H
#define MS_PROTO_PBJSON_H

#include <protobuf-c/protobuf-c.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/bytes.h"
#include "base/err.h"

/* Appends the message as an object. */
void ms_pbjson_write(const ProtobufCMessage *m, struct ms_buf *out);

/* Reads an object into a new message in the arena; empty text is an empty message. Unknown keys are
 * refused. Integers are also taken from strings ("16"), as protobuf's mapping writes them. depth:
 * the nesting that is taken, at most MS_JSCAN_DEPTH. */
ms_code ms_pbjson_read(struct ms_bytes text, const ProtobufCMessageDescriptor *d, int depth,
                       struct ms_arena *a, ProtobufCMessage **out, struct ms_err *err);

/* Sets a scalar or string field of a message in the arena from text (a path parameter); a field
 * that the message has not got is left alone. */
ms_code ms_pbjson_set(ProtobufCMessage *m, const char *field, const char *text, struct ms_arena *a,
                      struct ms_err *err);

#endif
