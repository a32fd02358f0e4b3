/* SPDX-License-Identifier: Apache-2.0 */
/* mindir_pb.h - the messages of mind_ir.proto, as far as inference reads them.
 *
 * Filled by ms_wire_decode: names and weights point into the file. Field numbers are those of
 * MindSpore's mindspore/core/proto/mind_ir.proto (v2.6.0, which 2.10 writes too). Left out on
 * purpose: seq_info (18), whose number meant something else in 1.5, and preprocessor (9), which was
 * text there; nothing of inference reads them. */
#ifndef MS_PROTO_MINDIR_PB_H
#define MS_PROTO_MINDIR_PB_H

#include "proto/wirescan.h"

/* AttributeProto.AttributeType. 1 to 16 are element types (mir_dtype). */
enum {
    MIR_PB_STRING = 8,
    MIR_PB_TENSOR = 17,
    MIR_PB_TENSORS = 19,
    MIR_PB_TUPLE = 20,
    MIR_PB_LIST = 21,
    MIR_PB_DICT = 22,
    MIR_PB_UMONAD = 23,
    MIR_PB_IOMONAD = 24,
    MIR_PB_NONE = 25,
    MIR_PB_TYPE_NULL = 36,
    MIR_PB_SCALAR = 39,
};

/* Field numbers that are asked for by number: was it given? */
enum { MIR_PB_TENSOR_RAW = 9, MIR_PB_MODEL_LITTLE_ENDIAN = 10 };

struct mir_pb_external {
    struct ms_wire_head head;
    struct ms_bytes location;
    int64_t offset, length;
};

struct mir_pb_tensor {
    struct ms_wire_head head;
    MS_WIRE_LIST(int64_t) dims;
    int64_t data_type;
    struct ms_bytes name, raw;
    const struct mir_pb_external *external;
    struct ms_bytes ref_key;
    int64_t compression;
};

struct mir_pb_attr {
    struct ms_wire_head head;
    struct ms_bytes name;
    float f;
    int64_t i;
    double d;
    struct ms_bytes s;
    const struct mir_pb_tensor *t;
    MS_WIRE_LIST(float) floats;
    MS_WIRE_LIST(double) doubles;
    MS_WIRE_LIST(int64_t) ints;
    MS_WIRE_LIST(struct ms_bytes) strings;
    MS_WIRE_LIST(struct mir_pb_tensor) tensors;
    struct ms_bytes ref_attr_name; /* dialect A: how the value is put together */
    int64_t type;
    MS_WIRE_LIST(struct mir_pb_attr) values;
};

struct mir_pb_node {
    struct ms_wire_head head;
    MS_WIRE_LIST(struct ms_bytes) input;
    MS_WIRE_LIST(struct ms_bytes) output;
    struct ms_bytes name, op_type;
    MS_WIRE_LIST(struct mir_pb_attr) attrs;
};

struct mir_pb_input { /* ValueInfoProto, of inputs and outputs */
    struct ms_wire_head head;
    struct ms_bytes name;
    MS_WIRE_LIST(struct mir_pb_tensor) tensor;
    struct ms_bytes denotation;
    const struct mir_pb_attr *info;
};

struct mir_pb_graph {
    struct ms_wire_head head;
    MS_WIRE_LIST(struct mir_pb_node) node;
    struct ms_bytes name;
    MS_WIRE_LIST(struct mir_pb_tensor) parameter;
    MS_WIRE_LIST(struct mir_pb_input) input;
    MS_WIRE_LIST(struct mir_pb_input) output;
    MS_WIRE_LIST(struct mir_pb_attr) attrs;
};

struct mir_pb_primitive {
    struct ms_wire_head head;
    struct ms_bytes name, op_type;
    MS_WIRE_LIST(struct mir_pb_attr) attrs;
    int64_t type; /* 1 primitive, 2 primitive function */
};

struct mir_pb_model {
    struct ms_wire_head head;
    struct ms_bytes ir_version, producer_name, model_version;
    const struct mir_pb_graph *graph;
    MS_WIRE_LIST(struct mir_pb_graph) functions;
    int64_t little_endian;
    MS_WIRE_LIST(struct mir_pb_primitive) primitives;
    int64_t mind_ir_version;
};

extern const struct ms_wire_msg mir_pb_model_msg, mir_pb_graph_msg;

#endif
