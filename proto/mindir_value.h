/* SPDX-License-Identifier: Apache-2.0 */
/* mindir_value.h - what a name in a MindIR file can stand for, and how constants are decoded.
 *
 * MindIR's values are richer than a graph of tensors: tuples, scalars, types, None, monads, and
 * function values. The reader computes with these, so that only tensors reach the graph. Values are
 * immutable and live in the reader's scratch arena. */
#ifndef MS_PROTO_MINDIR_VALUE_H
#define MS_PROTO_MINDIR_VALUE_H

#include "ir/graph.h"
#include "proto/mindir_pb.h"

enum mir_kind {
    MIR_TENSOR = 1, /* v */
    MIR_SCALAR, /* a number known only when running: v, an int64 (or other) tensor of shape [1] */
    MIR_INT,    /* i */
    MIR_FLOAT,  /* f */
    MIR_BOOL,   /* i */
    MIR_TEXT,   /* text */
    MIR_DTYPE,  /* dtype */
    MIR_NONE,
    MIR_MONAD,   /* orders side effects; means nothing here */
    MIR_TUPLE,   /* items; lists too */
    MIR_FUNC,    /* graph with leading arguments bound (items) */
    MIR_CHOICE,  /* items: condition, function if true, function if false */
    MIR_AGAIN,   /* the loop around starts over with items */
    MIR_REFUSED, /* a result that we cannot compute: why */
};

/* Memory that in-place operators may have written to since; see mir_lower_inplace. */
struct mir_storage {
    bool stale;
};

struct mir_graph;

struct mir_value {
    enum mir_kind kind;
    enum ms_dtype dtype; /* of numbers: as the file types them; of MIR_DTYPE: the value */
    union {
        int64_t i;
        double f;
        struct ms_bytes text;
        struct ms_value *v;
        const char *why;
        struct {
            const struct mir_value *const *items;
            size_t n;
        };
    };
    struct mir_graph *graph;     /* of MIR_FUNC, MIR_AGAIN */
    struct mir_storage *storage; /* of MIR_TENSOR; NULL: never written */
    unsigned weight;             /* of MIR_TUPLE: how deep it nests; of MIR_CHOICE: its functions */
};

/* "a tensor", "a tuple" ... for messages. */
const char *mir_kind_name(const struct mir_value *v);

/* TensorProto.DataType to ours; NONE for those without counterpart. */
enum ms_dtype mir_dtype(int64_t data_type);
/* The type ids of dtype arguments (Int32 = 34 ...), MindSpore 2.3 and newer. */
enum ms_dtype mir_dtype_of_id(int64_t type_id);

/* Reads dims of a weight or constant: each >= 0, at most MS_MAX_RANK of them. */
ms_code mir_dims(const struct mir_pb_tensor *t, struct ms_shape *s, struct ms_err *err);

/* Where constants go: tensors become values of the main graph, the rest lives in scratch. */
struct mir_decoder {
    struct ms_graph *graph;
    struct ms_arena *scratch;
    /* Bytes of a tensor kept in another file. */
    ms_code (*external)(void *arg, const struct mir_pb_external *e, struct ms_bytes *out,
                        struct ms_err *err);
    void *arg;
};

/* A weight or constant tensor, pointing into the file. */
ms_code mir_decode_tensor(const struct mir_decoder *d, const struct mir_pb_tensor *t,
                          const struct mir_value **out, struct ms_err *err);

/* The value of an attribute, in whichever of the two notations it is written. */
ms_code mir_decode_attr(const struct mir_decoder *d, const struct mir_pb_attr *a,
                        const struct mir_value **out, struct ms_err *err);

#endif
