/* SPDX-License-Identifier: Apache-2.0 */
/* onnx_pb.c - tables of onnx.proto's messages.
 *
 * What no table names (doc strings, metadata, training, device configurations) is skipped. Prices
 * are what the reader makes of a message besides its struct: nodes, values, tensors, map slots. */
#include "proto/onnx_pb.h"

#include "base/map.h"
#include "ir/graph.h"

#define ROW(number_, kind_, flags_, type_, member_, name_, msg_)                                   \
    {                                                                                              \
        number_, kind_, flags_, offsetof(struct type_, member_), name_, msg_, 0                    \
    }
#define MSG(id_, name_, price_)                                                                    \
    const struct ms_wire_msg id_##_msg = {name_, sizeof(struct id_), price_, id_##_fields,         \
                                          sizeof id_##_fields / sizeof *id_##_fields}

enum { MANY = MS_WIRE_MANY, SKIP = MS_WIRE_SKIP };

/* A message of which only the presence counts. */
static const struct ms_wire_msg any_msg = {"any", 0, 0, NULL, 0};

static const struct ms_wire_field onnx_entry_fields[] = {
    ROW(1, MS_WIRE_BYTES, 0, onnx_entry, key, "key", NULL),
    ROW(2, MS_WIRE_BYTES, 0, onnx_entry, value, "value", NULL),
};
static MSG(onnx_entry, "StringStringEntryProto", 0);

static const struct ms_wire_field onnx_tensor_fields[] = {
    ROW(1, MS_WIRE_INT, MANY, onnx_tensor, dims, "dims", NULL),
    ROW(2, MS_WIRE_INT, 0, onnx_tensor, data_type, "data_type", NULL),
    {ONNX_TENSOR_SEGMENT, MS_WIRE_MSG, SKIP, 0, "segment", &any_msg, 0},
    {ONNX_TENSOR_FLOATS, MS_WIRE_F32, MANY | SKIP, 0, "float_data", NULL, 0},
    {ONNX_TENSOR_INT32S, MS_WIRE_INT, MANY | SKIP, 0, "int32_data", NULL, 0},
    ROW(ONNX_TENSOR_STRINGS, MS_WIRE_BYTES, MANY, onnx_tensor, strings, "string_data", NULL),
    {ONNX_TENSOR_INT64S, MS_WIRE_INT, MANY | SKIP, 0, "int64_data", NULL, 0},
    ROW(8, MS_WIRE_TEXT, 0, onnx_tensor, name, "name", NULL),
    ROW(ONNX_TENSOR_RAW, MS_WIRE_BYTES, 0, onnx_tensor, raw, "raw_data", NULL),
    {ONNX_TENSOR_DOUBLES, MS_WIRE_F64, MANY | SKIP, 0, "double_data", NULL, 0},
    {ONNX_TENSOR_UINT64S, MS_WIRE_INT, MANY | SKIP, 0, "uint64_data", NULL, 0},
    ROW(13, MS_WIRE_MSG, MANY, onnx_tensor, external, "external_data", &onnx_entry_msg),
    ROW(14, MS_WIRE_INT, 0, onnx_tensor, location, "data_location", NULL),
};
MSG(onnx_tensor, "TensorProto", sizeof(struct ms_tensor) + sizeof(struct ms_value));

static const struct ms_wire_field onnx_dim_fields[] = {
    ROW(ONNX_DIM_VALUE, MS_WIRE_INT, 0, onnx_dim, value, "dim_value", NULL),
    ROW(2, MS_WIRE_TEXT, 0, onnx_dim, param, "dim_param", NULL),
};
static MSG(onnx_dim, "Dimension", 0);

static const struct ms_wire_field onnx_shape_fields[] = {
    ROW(1, MS_WIRE_MSG, MANY, onnx_shape, dims, "dim", &onnx_dim_msg),
};
static MSG(onnx_shape, "TensorShapeProto", 0);

static const struct ms_wire_field onnx_tensor_type_fields[] = {
    ROW(1, MS_WIRE_INT, 0, onnx_tensor_type, elem_type, "elem_type", NULL),
    ROW(2, MS_WIRE_MSG, 0, onnx_tensor_type, shape, "shape", &onnx_shape_msg),
};
static MSG(onnx_tensor_type, "Tensor", 0);

static const struct ms_wire_field onnx_type_fields[] = {
    ROW(1, MS_WIRE_MSG, 0, onnx_type, tensor, "tensor_type", &onnx_tensor_type_msg),
    {ONNX_TYPE_SEQUENCE, MS_WIRE_MSG, SKIP, 0, "sequence_type", &any_msg, 0},
    {ONNX_TYPE_MAP, MS_WIRE_MSG, SKIP, 0, "map_type", &any_msg, 0},
    {ONNX_TYPE_SPARSE, MS_WIRE_MSG, SKIP, 0, "sparse_tensor_type", &any_msg, 0},
    {ONNX_TYPE_OPTIONAL, MS_WIRE_MSG, SKIP, 0, "optional_type", &any_msg, 0},
};
static MSG(onnx_type, "TypeProto", 0);

static const struct ms_wire_field onnx_value_info_fields[] = {
    ROW(1, MS_WIRE_TEXT, 0, onnx_value_info, name, "name", NULL),
    ROW(2, MS_WIRE_MSG, 0, onnx_value_info, type, "type", &onnx_type_msg),
};
static MSG(onnx_value_info, "ValueInfoProto", sizeof(struct ms_map_slot) * 2);

/* An attribute holds graphs, whose nodes hold attributes. */
static const struct ms_wire_msg onnx_graph_msg;

static const struct ms_wire_field onnx_attr_fields[] = {
    ROW(1, MS_WIRE_TEXT, 0, onnx_attr, name, "name", NULL),
    ROW(2, MS_WIRE_F32, 0, onnx_attr, f, "f", NULL),
    ROW(3, MS_WIRE_INT, 0, onnx_attr, i, "i", NULL),
    ROW(4, MS_WIRE_BYTES, 0, onnx_attr, s, "s", NULL),
    ROW(5, MS_WIRE_MSG, 0, onnx_attr, t, "t", &onnx_tensor_msg),
    ROW(6, MS_WIRE_MSG, 0, onnx_attr, g, "g", &onnx_graph_msg),
    ROW(7, MS_WIRE_F32, MANY, onnx_attr, floats, "floats", NULL),
    ROW(8, MS_WIRE_INT, MANY, onnx_attr, ints, "ints", NULL),
    ROW(9, MS_WIRE_BYTES, MANY, onnx_attr, strings, "strings", NULL),
    ROW(20, MS_WIRE_INT, 0, onnx_attr, type, "type", NULL),
    ROW(21, MS_WIRE_TEXT, 0, onnx_attr, ref, "ref_attr_name", NULL),
};
static MSG(onnx_attr, "AttributeProto", sizeof(struct ms_attr));

static const struct ms_wire_field onnx_node_fields[] = {
    ROW(1, MS_WIRE_TEXT, MANY, onnx_node, in, "input", NULL),
    {2, MS_WIRE_TEXT, MANY, offsetof(struct onnx_node, out), "output", NULL, ONNX_TALLY_OUTPUTS},
    ROW(3, MS_WIRE_TEXT, 0, onnx_node, name, "name", NULL),
    ROW(4, MS_WIRE_TEXT, 0, onnx_node, op, "op_type", NULL),
    ROW(5, MS_WIRE_MSG, MANY, onnx_node, attrs, "attribute", &onnx_attr_msg),
    ROW(7, MS_WIRE_TEXT, 0, onnx_node, domain, "domain", NULL),
    ROW(8, MS_WIRE_TEXT, 0, onnx_node, overload, "overload", NULL),
};
static MSG(onnx_node, "NodeProto", sizeof(struct ms_node));

static const struct ms_wire_field onnx_graph_fields[] = {
    {1, MS_WIRE_MSG, MANY, offsetof(struct onnx_graph, nodes), "node", &onnx_node_msg,
     ONNX_TALLY_NODES},
    ROW(2, MS_WIRE_TEXT, 0, onnx_graph, name, "name", NULL),
    ROW(5, MS_WIRE_MSG, MANY, onnx_graph, weights, "initializer", &onnx_tensor_msg),
    ROW(11, MS_WIRE_MSG, MANY, onnx_graph, in, "input", &onnx_value_info_msg),
    ROW(12, MS_WIRE_MSG, MANY, onnx_graph, out, "output", &onnx_value_info_msg),
    ROW(13, MS_WIRE_MSG, MANY, onnx_graph, info, "value_info", &onnx_value_info_msg),
    {ONNX_GRAPH_SPARSE, MS_WIRE_MSG, MANY | SKIP, 0, "sparse_initializer", &any_msg, 0},
};
static MSG(onnx_graph, "GraphProto", sizeof(struct ms_graph));

static const struct ms_wire_field onnx_opset_fields[] = {
    ROW(1, MS_WIRE_TEXT, 0, onnx_opset, domain, "domain", NULL),
    ROW(2, MS_WIRE_INT, 0, onnx_opset, version, "version", NULL),
};
static MSG(onnx_opset, "OperatorSetIdProto", 0);

static const struct ms_wire_field onnx_function_fields[] = {
    ROW(1, MS_WIRE_TEXT, 0, onnx_function, name, "name", NULL),
    ROW(4, MS_WIRE_TEXT, MANY, onnx_function, in, "input", NULL),
    ROW(5, MS_WIRE_TEXT, MANY, onnx_function, out, "output", NULL),
    {7, MS_WIRE_MSG, MANY, offsetof(struct onnx_function, nodes), "node", &onnx_node_msg,
     ONNX_TALLY_NODES},
    ROW(9, MS_WIRE_MSG, MANY, onnx_function, opsets, "opset_import", &onnx_opset_msg),
    ROW(10, MS_WIRE_TEXT, 0, onnx_function, domain, "domain", NULL),
    ROW(11, MS_WIRE_MSG, MANY, onnx_function, defaults, "attribute_proto", &onnx_attr_msg),
    ROW(13, MS_WIRE_TEXT, 0, onnx_function, overload, "overload", NULL),
};
static MSG(onnx_function, "FunctionProto", 0);

static const struct ms_wire_field onnx_model_fields[] = {
    ROW(1, MS_WIRE_INT, 0, onnx_model, ir_version, "ir_version", NULL),
    ROW(7, MS_WIRE_MSG, 0, onnx_model, graph, "graph", &onnx_graph_msg),
    ROW(8, MS_WIRE_MSG, MANY, onnx_model, opsets, "opset_import", &onnx_opset_msg),
    ROW(25, MS_WIRE_MSG, MANY, onnx_model, functions, "functions", &onnx_function_msg),
};
MSG(onnx_model, "ModelProto", 0);
