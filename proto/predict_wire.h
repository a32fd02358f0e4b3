/* SPDX-License-Identifier: Apache-2.0 */
/* predict_wire.h - a reader of protobuf wire format over bytes that lie in pieces.
 *
 * ms_wire_next (wirescan.h) reads one run of bytes; this one reads a gRPC message as it arrived, a
 * list of slices, without joining them. A failed reader has no bytes left, so loops end. */
#ifndef MS_PROTO_PREDICT_WIRE_H
#define MS_PROTO_PREDICT_WIRE_H

#include "base/arena.h"
#include "base/bytes.h"
#include "proto/predict.h"

enum { MS_TAG_VARINT = 0, MS_TAG_FIXED64 = 1, MS_TAG_BYTES = 2, MS_TAG_FIXED32 = 5 };

struct ms_wire_reader {
    const struct ms_bytes *part; /* the piece being read */
    size_t at;                   /* position in it */
    size_t left;                 /* bytes of this (sub-)message not yet read, over all pieces */
    bool failed;
};

struct ms_wire_tag {
    uint32_t field;
    int type;
};

struct ms_wire_reader ms_wire_reader(const struct ms_bytes *part, int n);
/* The next field's number and type; false at the end or when malformed (then failed is set). */
bool ms_wire_tag(struct ms_wire_reader *r, struct ms_wire_tag *t);
uint64_t ms_wire_read_varint(struct ms_wire_reader *r);
/* Copies len bytes and steps over them. */
bool ms_wire_copy(struct ms_wire_reader *r, void *to, size_t len);
bool ms_wire_forward(struct ms_wire_reader *r, uint64_t len);
/* Steps over a field's value. */
bool ms_wire_skip(struct ms_wire_reader *r, const struct ms_wire_tag *t);
/* A reader over the bytes of a length-delimited field, which r steps over. False (and r failed) if
 * the field is of another type or too long. */
bool ms_wire_sub(struct ms_wire_reader *r, const struct ms_wire_tag *t, struct ms_wire_reader *sub);
/* len bytes where they lie, if they lie in one piece at an address that is a multiple of align. */
const void *ms_wire_borrow(const struct ms_wire_reader *r, size_t len, size_t align);
/* A text field as NUL terminated copy in the arena: UTF-8, no NUL, at most 1024 bytes. */
ms_code ms_wire_text(struct ms_wire_reader *r, struct ms_arena *a, const char *what,
                     struct ms_bytes *out, struct ms_err *err);

/* predict_typed.c: InferTensorContents into the tensor's memory. */
ms_code ms_predict_typed(struct ms_predict *p, struct ms_req_tensor *t,
                         struct ms_wire_reader contents, struct ms_err *err);

#endif
