/* SPDX-License-Identifier: Apache-2.0 */
/* onnx_pb.h - the messages of onnx.proto, as far as an inference engine reads them.
 *
 * Filled by ms_wire_decode: names, weights and text point into the file. Field numbers are those of
 * onnx/onnx.proto (IR version 13). Of what is only asked for presence (sparse tensors, types that
 * are no tensors) nothing is decoded; ms_wire_has tells. */
#ifndef MS_PROTO_ONNX_PB_H
#define MS_PROTO_ONNX_PB_H

#include "proto/wirescan.h"

/* AttributeProto.AttributeType */
enum {
    ONNX_FLOAT = 1,
    ONNX_INT = 2,
    ONNX_STRING = 3,
    ONNX_TENSOR = 4,
    ONNX_GRAPH = 5,
    ONNX_FLOATS = 6,
    ONNX_INTS = 7,
    ONNX_STRINGS = 8,
};

/* Field numbers that are asked for by number. */
enum {
    ONNX_TENSOR_SEGMENT = 3,
    ONNX_TENSOR_FLOATS = 4,
    ONNX_TENSOR_INT32S = 5,
    ONNX_TENSOR_STRINGS = 6,
    ONNX_TENSOR_INT64S = 7,
    ONNX_TENSOR_RAW = 9,
    ONNX_TENSOR_DOUBLES = 10,
    ONNX_TENSOR_UINT64S = 11,
    ONNX_TYPE_SEQUENCE = 4,
    ONNX_TYPE_MAP = 5,
    ONNX_TYPE_SPARSE = 8,
    ONNX_TYPE_OPTIONAL = 9,
    ONNX_DIM_VALUE = 1,
    ONNX_GRAPH_SPARSE = 15,
};

struct onnx_entry { /* StringStringEntryProto */
    struct ms_wire_head head;
    struct ms_bytes key, value;
};

struct onnx_tensor { /* float_data and its like are read from head.self */
    struct ms_wire_head head;
    MS_WIRE_LIST(int64_t) dims;
    int64_t data_type;
    struct ms_bytes name, raw;
    MS_WIRE_LIST(struct ms_bytes) strings;
    MS_WIRE_LIST(struct onnx_entry) external;
    int64_t location; /* 1 = external */
};

struct onnx_dim {
    struct ms_wire_head head;
    int64_t value;
    struct ms_bytes param;
};

struct onnx_shape {
    struct ms_wire_head head;
    MS_WIRE_LIST(struct onnx_dim) dims;
};

struct onnx_tensor_type {
    struct ms_wire_head head;
    int64_t elem_type;
    const struct onnx_shape *shape; /* NULL: not even the rank is known */
};

struct onnx_type {
    struct ms_wire_head head;
    const struct onnx_tensor_type *tensor; /* NULL: something else, see head */
};

struct onnx_value_info {
    struct ms_wire_head head;
    struct ms_bytes name;
    const struct onnx_type *type;
};

struct onnx_attr {
    struct ms_wire_head head;
    struct ms_bytes name, ref; /* ref: the calling node's attribute of that name */
    int64_t type, i;
    float f;
    struct ms_bytes s;
    const struct onnx_tensor *t;
    struct onnx_graph *g;
    MS_WIRE_LIST(float) floats;
    MS_WIRE_LIST(int64_t) ints;
    MS_WIRE_LIST(struct ms_bytes) strings;
};

struct onnx_node {
    struct ms_wire_head head;
    MS_WIRE_LIST(struct ms_bytes) in;
    MS_WIRE_LIST(struct ms_bytes) out;
    struct ms_bytes name, op, domain, overload;
    MS_WIRE_LIST(struct onnx_attr) attrs;
};

struct onnx_graph {
    struct ms_wire_head head;
    MS_WIRE_LIST(struct onnx_node) nodes;
    struct ms_bytes name;
    MS_WIRE_LIST(struct onnx_tensor) weights; /* initializer */
    MS_WIRE_LIST(struct onnx_value_info) in;
    MS_WIRE_LIST(struct onnx_value_info) out;
    MS_WIRE_LIST(struct onnx_value_info) info;
    /* Not on the wire: names that are read here but made outside; see onnx_free_names. */
    const struct ms_bytes *free;
    size_t n_free;
};

struct onnx_opset {
    struct ms_wire_head head;
    struct ms_bytes domain;
    int64_t version;
};

struct onnx_function {
    struct ms_wire_head head;
    struct ms_bytes name, domain, overload;
    MS_WIRE_LIST(struct ms_bytes) in;
    MS_WIRE_LIST(struct ms_bytes) out;
    MS_WIRE_LIST(struct onnx_attr) defaults; /* attribute_proto */
    MS_WIRE_LIST(struct onnx_node) nodes;
    MS_WIRE_LIST(struct onnx_opset) opsets;
};

struct onnx_model {
    struct ms_wire_head head;
    int64_t ir_version;
    MS_WIRE_LIST(struct onnx_opset) opsets;
    struct onnx_graph *graph;
    MS_WIRE_LIST(struct onnx_function) functions;
};

extern const struct ms_wire_msg onnx_model_msg, onnx_tensor_msg;

/* Tallies of a scan with onnx_model_msg. */
enum { ONNX_TALLY_NODES = 1, ONNX_TALLY_OUTPUTS = 2 };

#endif
