/* SPDX-License-Identifier: Apache-2.0 */
/* mindir_pb.c - field tables of mind_ir.proto for wirescan. */
#include "proto/mindir_pb.h"

#define COUNT(a_) ((int)(sizeof(a_) / sizeof *(a_)))
#define AT(struct_, member_) offsetof(struct struct_, member_)

static const struct ms_wire_field external_fields[] = {
    {1, MS_WIRE_TEXT, 0, AT(mir_pb_external, location), "location", NULL, 0},
    {2, MS_WIRE_INT, 0, AT(mir_pb_external, offset), "offset", NULL, 0},
    {3, MS_WIRE_INT, 0, AT(mir_pb_external, length), "length", NULL, 0},
};
static const struct ms_wire_msg external_msg = {"ExternalDataProto", sizeof(struct mir_pb_external),
                                                0, external_fields, COUNT(external_fields)};

static const struct ms_wire_field tensor_fields[] = {
    {1, MS_WIRE_INT, MS_WIRE_MANY, AT(mir_pb_tensor, dims), "dims", NULL, 0},
    {2, MS_WIRE_INT, 0, AT(mir_pb_tensor, data_type), "data_type", NULL, 0},
    {7, MS_WIRE_TEXT, 0, AT(mir_pb_tensor, name), "name", NULL, 0},
    {9, MS_WIRE_BYTES, 0, AT(mir_pb_tensor, raw), "raw_data", NULL, 0},
    {12, MS_WIRE_MSG, 0, AT(mir_pb_tensor, external), "external_data", &external_msg, 0},
    {13, MS_WIRE_TEXT, 0, AT(mir_pb_tensor, ref_key), "ref_key", NULL, 0},
    {16, MS_WIRE_INT, 0, AT(mir_pb_tensor, compression), "compression_type", NULL, 0},
};
static const struct ms_wire_msg tensor_msg = {"TensorProto", sizeof(struct mir_pb_tensor), 0,
                                              tensor_fields, COUNT(tensor_fields)};

static const struct ms_wire_msg attr_msg;

static const struct ms_wire_field attr_fields[] = {
    {1, MS_WIRE_TEXT, 0, AT(mir_pb_attr, name), "name", NULL, 0},
    {2, MS_WIRE_F32, 0, AT(mir_pb_attr, f), "f", NULL, 0},
    {3, MS_WIRE_INT, 0, AT(mir_pb_attr, i), "i", NULL, 0},
    {4, MS_WIRE_F64, 0, AT(mir_pb_attr, d), "d", NULL, 0},
    {5, MS_WIRE_BYTES, 0, AT(mir_pb_attr, s), "s", NULL, 0},
    {6, MS_WIRE_MSG, 0, AT(mir_pb_attr, t), "t", &tensor_msg, 0},
    {8, MS_WIRE_F32, MS_WIRE_MANY, AT(mir_pb_attr, floats), "floats", NULL, 0},
    {9, MS_WIRE_F64, MS_WIRE_MANY, AT(mir_pb_attr, doubles), "doubles", NULL, 0},
    {10, MS_WIRE_INT, MS_WIRE_MANY, AT(mir_pb_attr, ints), "ints", NULL, 0},
    {11, MS_WIRE_BYTES, MS_WIRE_MANY, AT(mir_pb_attr, strings), "strings", NULL, 0},
    {12, MS_WIRE_MSG, MS_WIRE_MANY, AT(mir_pb_attr, tensors), "tensors", &tensor_msg, 0},
    {15, MS_WIRE_BYTES, 0, AT(mir_pb_attr, ref_attr_name), "ref_attr_name", NULL, 0},
    {16, MS_WIRE_INT, 0, AT(mir_pb_attr, type), "type", NULL, 0},
    {17, MS_WIRE_MSG, MS_WIRE_MANY, AT(mir_pb_attr, values), "values", &attr_msg, 0},
};
static const struct ms_wire_msg attr_msg = {"AttributeProto", sizeof(struct mir_pb_attr), 0,
                                            attr_fields, COUNT(attr_fields)};

/* What a node costs beyond its struct: name-table entry, result, and the nodes it is lowered to. */
#define NODE_PRICE 512

static const struct ms_wire_field node_fields[] = {
    {1, MS_WIRE_TEXT, MS_WIRE_MANY, AT(mir_pb_node, input), "input", NULL, 0},
    {2, MS_WIRE_TEXT, MS_WIRE_MANY, AT(mir_pb_node, output), "output", NULL, 0},
    {3, MS_WIRE_TEXT, 0, AT(mir_pb_node, name), "name", NULL, 0},
    {4, MS_WIRE_TEXT, 0, AT(mir_pb_node, op_type), "op_type", NULL, 0},
    {5, MS_WIRE_MSG, MS_WIRE_MANY, AT(mir_pb_node, attrs), "attribute", &attr_msg, 0},
};
static const struct ms_wire_msg node_msg = {"NodeProto", sizeof(struct mir_pb_node), NODE_PRICE,
                                            node_fields, COUNT(node_fields)};

static const struct ms_wire_field input_fields[] = {
    {1, MS_WIRE_TEXT, 0, AT(mir_pb_input, name), "name", NULL, 0},
    {2, MS_WIRE_MSG, MS_WIRE_MANY, AT(mir_pb_input, tensor), "tensor", &tensor_msg, 0},
    {4, MS_WIRE_TEXT, 0, AT(mir_pb_input, denotation), "denotation", NULL, 0},
    {5, MS_WIRE_MSG, 0, AT(mir_pb_input, info), "attr_info", &attr_msg, 0},
};
static const struct ms_wire_msg input_msg = {"ValueInfoProto", sizeof(struct mir_pb_input), 128,
                                             input_fields, COUNT(input_fields)};

static const struct ms_wire_field graph_fields[] = {
    {1, MS_WIRE_MSG, MS_WIRE_MANY, AT(mir_pb_graph, node), "node", &node_msg, 0},
    {2, MS_WIRE_TEXT, 0, AT(mir_pb_graph, name), "name", NULL, 0},
    {3, MS_WIRE_MSG, MS_WIRE_MANY, AT(mir_pb_graph, parameter), "parameter", &tensor_msg, 0},
    {5, MS_WIRE_MSG, MS_WIRE_MANY, AT(mir_pb_graph, input), "input", &input_msg, 0},
    {6, MS_WIRE_MSG, MS_WIRE_MANY, AT(mir_pb_graph, output), "output", &input_msg, 0},
    {8, MS_WIRE_MSG, MS_WIRE_MANY, AT(mir_pb_graph, attrs), "attribute", &attr_msg, 0},
};
const struct ms_wire_msg mir_pb_graph_msg = {"GraphProto", sizeof(struct mir_pb_graph), 256,
                                             graph_fields, COUNT(graph_fields)};

static const struct ms_wire_field primitive_fields[] = {
    {1, MS_WIRE_TEXT, 0, AT(mir_pb_primitive, name), "name", NULL, 0},
    {2, MS_WIRE_TEXT, 0, AT(mir_pb_primitive, op_type), "op_type", NULL, 0},
    {3, MS_WIRE_MSG, MS_WIRE_MANY, AT(mir_pb_primitive, attrs), "attribute", &attr_msg, 0},
    {5, MS_WIRE_INT, 0, AT(mir_pb_primitive, type), "prim_type", NULL, 0},
};
static const struct ms_wire_msg primitive_msg = {"PrimitiveProto", sizeof(struct mir_pb_primitive),
                                                 128, primitive_fields, COUNT(primitive_fields)};

static const struct ms_wire_field model_fields[] = {
    {1, MS_WIRE_TEXT, 0, AT(mir_pb_model, ir_version), "ir_version", NULL, 0},
    {2, MS_WIRE_TEXT, 0, AT(mir_pb_model, producer_name), "producer_name", NULL, 0},
    {5, MS_WIRE_TEXT, 0, AT(mir_pb_model, model_version), "model_version", NULL, 0},
    {7, MS_WIRE_MSG, 0, AT(mir_pb_model, graph), "graph", &mir_pb_graph_msg, 0},
    {8, MS_WIRE_MSG, MS_WIRE_MANY, AT(mir_pb_model, functions), "functions", &mir_pb_graph_msg, 0},
    {10, MS_WIRE_INT, 0, AT(mir_pb_model, little_endian), "little_endian", NULL, 0},
    {12, MS_WIRE_MSG, MS_WIRE_MANY, AT(mir_pb_model, primitives), "primitives", &primitive_msg, 0},
    {13, MS_WIRE_INT, 0, AT(mir_pb_model, mind_ir_version), "mind_ir_version", NULL, 0},
};
const struct ms_wire_msg mir_pb_model_msg = {"ModelProto", sizeof(struct mir_pb_model), 0,
                                             model_fields, COUNT(model_fields)};
