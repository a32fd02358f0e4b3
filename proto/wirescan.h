/* SPDX-License-Identifier: Apache-2.0 */
/* wirescan.h - protobuf bytes from strangers: looked through, priced, and only then decoded.
 *
 * A message is described once, as a static table of its fields. Two readers use the table:
 *
 *     ms_wire_scan     walks the bytes with a stack of its own (no recursion), allocates nothing,
 *                      and refuses what would hurt a decoder: deep nesting, lengths beyond their
 *                      message, a singular sub-message given twice (merging is quadratic), names
 * that are too long or hold NUL, more heap than the budget. Linear in the bytes. ms_wire_decode
 * fills plain C structs in an arena. Text, weights and other bytes are never copied: a struct
 * ms_bytes points into the input.
 *
 * Fields that the table does not name are skipped, whatever they hold. A named field of another
 * wire type is refused. Example:
 *
 *     struct point { struct ms_wire_head head; struct ms_bytes name; MS_WIRE_LIST(int64_t) dims; };
 *     static const struct ms_wire_field point_fields[] = {
 *         {1, MS_WIRE_TEXT, 0, offsetof(struct point, name), "name", NULL},
 *         {2, MS_WIRE_INT, MS_WIRE_MANY, offsetof(struct point, dims), "dims", NULL},
 *     };
 *     static const struct ms_wire_msg point_msg = {"Point", sizeof(struct point), 0, point_fields,
 * 2};
 */
#ifndef MS_PROTO_WIRESCAN_H
#define MS_PROTO_WIRESCAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/bytes.h"
#include "base/err.h"

/* What a field holds, and the member of the C struct that decoding fills: single, or with
 * MS_WIRE_MANY. Repeated numbers are accepted packed and unpacked. */
enum ms_wire_kind {
    MS_WIRE_INT = 1, /* int32, int64, uint64, bool, enum (varint): int64_t MS_WIRE_LIST(int64_t) */
    MS_WIRE_F32, /* float:                                     float         MS_WIRE_LIST(float) */
    MS_WIRE_F64, /* double:                                    double        MS_WIRE_LIST(double) */
    MS_WIRE_TEXT,  /* a name: capped, no NUL inside:       struct ms_bytes     MS_WIRE_LIST(struct
                      ms_bytes) */
    MS_WIRE_BYTES, /* anything of any length:              struct ms_bytes     MS_WIRE_LIST(struct
                      ms_bytes) */
    MS_WIRE_MSG, /* a message:                    const struct x * or NULL   MS_WIRE_LIST(struct x)
                  */
};

enum ms_wire_flags {
    MS_WIRE_MANY = 1, /* repeated */
    MS_WIRE_SKIP =
        2, /* scanned (and not priced), but not decoded: read it from head.self by hand */
};

struct ms_wire_msg;

struct ms_wire_field {
    uint32_t number;
    uint8_t kind;  /* enum ms_wire_kind */
    uint8_t flags; /* enum ms_wire_flags */
    uint16_t at;   /* offset of the member; unused with MS_WIRE_SKIP or without decoding */
    const char *name;
    const struct ms_wire_msg *msg; /* of MS_WIRE_MSG */
    uint8_t tally;                 /* k > 0: occurrences are counted in ms_wire_report.tally[k] */
};

struct ms_wire_msg {
    const char *name;
    size_t size;  /* of the C struct */
    size_t price; /* heap bytes one such message costs its reader beyond size */
    const struct ms_wire_field *fields;
    int n; /* <= MS_WIRE_MAX_FIELDS */
};

#define MS_WIRE_MAX_FIELDS 40
#define MS_WIRE_MAX_DEPTH 128 /* bound on ms_wire_limits.max_depth */
#define MS_WIRE_TALLIES 8

/* First member of every decoded struct. */
struct ms_wire_head {
    struct ms_bytes self; /* the message's own bytes */
    uint64_t seen;        /* bit k: field number k (< 64) was given */
};
static inline bool ms_wire_has(const struct ms_wire_head *h, unsigned number)
{
    return h->seen >> number & 1;
}

#define MS_WIRE_LIST(type_)                                                                        \
    struct {                                                                                       \
        const type_ *v;                                                                            \
        size_t n;                                                                                  \
    }

struct ms_wire_limits {
    int max_depth;        /* messages inside each other, the outermost counted */
    size_t max_name;      /* bytes of an MS_WIRE_TEXT */
    size_t max_heap;      /* bound on the price */
    size_t unknown_price; /* of a field that the table does not name (a decoder that keeps them) */
};

struct ms_wire_report {
    size_t price; /* structs, list elements and the tables' prices */
    int depth;
    size_t tally[MS_WIRE_TALLIES];
};

/* Looks through a message. report may be NULL. INVALID_ARGUMENT (malformed) or RESOURCE_EXHAUSTED
 * (price); the text names the place: "graph.node[17].attribute[2] at byte 1234: ...". */
ms_code ms_wire_scan(struct ms_bytes in, const struct ms_wire_msg *m,
                     const struct ms_wire_limits *lim, struct ms_wire_report *report,
                     struct ms_err *err) MS_WARN_UNUSED;

/* Decodes a message that ms_wire_scan accepted with the same table into *out (m->size bytes, zeroed
 * here). Lists and sub-messages live in the arena, text and bytes point into the input. A singular
 * field given twice: the last one counts. Fails only when the arena is full. Unscanned bytes are
 * never read out of bounds, but may give half a message and any depth of recursion. */
ms_code ms_wire_decode(struct ms_bytes in, const struct ms_wire_msg *m, struct ms_arena *a,
                       void *out, struct ms_err *err) MS_WARN_UNUSED;

/* ---- a cursor over one message, for what the tables skip ---- */

enum { MS_WIRE_VARINT = 0, MS_WIRE_FIXED64 = 1, MS_WIRE_LENGTH = 2, MS_WIRE_FIXED32 = 5 };

struct ms_wire_item {
    uint32_t number;
    int type;              /* as above */
    uint64_t value;        /* of VARINT, FIXED32, FIXED64 */
    struct ms_bytes bytes; /* of LENGTH */
};
/* Takes the next field off the front of *in; false at the end or where the bytes are malformed. */
bool ms_wire_next(struct ms_bytes *in, struct ms_wire_item *item);
/* Takes a varint off the front; false at the end or if it is longer than 10 bytes or cut short. */
bool ms_wire_varint(struct ms_bytes *in, uint64_t *v);

#endif
