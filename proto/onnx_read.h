/* SPDX-License-Identifier: Apache-2.0 */
/* onnx_read.h - the parts of the ONNX reader among themselves (onnx.c, onnx_*.c).
 *
 *     onnx.c         sniff, scan, decode, what is missing, the format's record
 *     onnx_names.c   which names a body reads from outside; order of its nodes
 *     onnx_graph.c   bodies -> ms_graph: names, claims, sub-graphs
 *     onnx_call.c    local functions, put in place of the nodes that call them
 *     onnx_site.c    one node being read: its operands and outputs (onnx_attr.c: its attributes,
 *                    onnx_capture.c: its graphs)
 *     onnx_rules.c   older opsets, as a table of small repairs
 *     onnx_lower.c   older opsets and other operators that need a few nodes of their own
 *                    (onnx_constant.c: or none)
 *
 * "Body" is what main graph, sub-graphs and functions have in common: a run of nodes. */
#ifndef MS_PROTO_ONNX_READ_H
#define MS_PROTO_ONNX_READ_H

#include "base/map.h"
#include "ir/op.h"
#include "proto/onnx_pb.h"
#include "proto/onnx_tensor.h"

#define ONNX_MAX_OPSET 27
#define ONNX_MAX_CALLS 32 /* functions inside each other */
#define ONNX_MAX_KEY 4096 /* bytes that name a function */
#define ONNX_MAX_ATTRS 64 /* of one node; the standard's largest has 12 */

/* A call of a local function that is being put in place of its node. */
struct onnx_call {
    const struct onnx_call *outer; /* where the call itself stands */
    const struct onnx_function *f;
    const struct onnx_node *node; /* the call; attributes that are references look here */
    int depth;
};

struct onnx_reader {
    const struct onnx_model *model;
    const struct ms_read_limits *lim;
    struct ms_arena *arena; /* the graph's */
    struct ms_arena *tmp;   /* of decoding; gone when reading ends */
    struct onnx_files files;
    struct ms_map functions; /* onnx_function_key -> onnx_function */
    struct ms_map symbols;   /* dim_param -> index of its symbol + 1 */
    size_t nodes_left;       /* that may still be made */
    unsigned calls;          /* functions put in place so far, for names */
    struct ms_err *err;
};

/* Names of one graph while it is being filled; a function in it has a scope of its own. */
struct onnx_scope {
    struct onnx_reader *r;
    struct ms_graph *g;
    const struct onnx_call *call; /* NULL outside of functions */
    const char *prefix;           /* of names of values and nodes: "call#1/" or "" */
    int64_t opset;                /* of ai.onnx; 0 = not imported */
    struct ms_map names;          /* ONNX name -> struct ms_value */
    struct ms_map claims;         /* ONNX name -> struct onnx_value_info */
};

/* ---- onnx_names.c ---- */

/* Fills g->free and that of every graph inside it: names that are read but not made there. */
ms_code onnx_free_names(struct onnx_reader *r, struct onnx_graph *g) MS_WARN_UNUSED;
/* The same for the graphs in a function's nodes. */
ms_code onnx_free_names_in(struct onnx_reader *r, const struct onnx_node *nodes,
                           size_t n) MS_WARN_UNUSED;
/* An order in which every node comes behind those it reads from (as it is, if that will do).
 * Refuses cycles and names that are made twice. *order is in r->tmp. */
ms_code onnx_order(struct onnx_reader *r, const struct onnx_node *nodes, size_t n,
                   const uint32_t **order) MS_WARN_UNUSED;

/* ---- onnx_graph.c ---- */

/* Reads the model's graph with everything in it. */
ms_code onnx_read_main(struct onnx_reader *r, struct ms_graph **out) MS_WARN_UNUSED;
/* A sub-graph of node n: own inputs, then one for each of the captured outer values. */
ms_code onnx_read_sub(struct onnx_scope *outer, const struct onnx_graph *og, const char *name,
                      const struct ms_bytes *captured, size_t n_captured,
                      struct ms_graph **out) MS_WARN_UNUSED;
/* The value of a name; NULL for a function's input that the call leaves out. An error if nothing of
 * that name has been made. */
ms_code onnx_lookup(struct onnx_scope *s, struct ms_bytes name,
                    struct ms_value **out) MS_WARN_UNUSED;
/* Makes v answer to a name from now on, renames it, and notes the file's claim about it. */
ms_code onnx_bind(struct onnx_scope *s, struct ms_bytes name, struct ms_value *v) MS_WARN_UNUSED;
/* The same where something must be there: an error for what is left out. */
ms_code onnx_lookup_present(struct onnx_scope *s, struct ms_bytes name,
                            struct ms_value **out) MS_WARN_UNUSED;
/* Makes v (NULL: nothing, left out) answer to a name in this scope; refused if there is one. */
ms_code onnx_put_name(struct onnx_scope *s, struct ms_bytes name,
                      struct ms_value *v) MS_WARN_UNUSED;
/* Nodes of a body, in an order that works. */
ms_code onnx_read_nodes(struct onnx_scope *s, const struct onnx_node *nodes,
                        size_t n) MS_WARN_UNUSED;
void onnx_scope_done(struct onnx_scope *s);
/* "node 17 'conv2' (Conv)" of a node that is not in the graph yet. */
ms_code onnx_node_fail(struct onnx_reader *r, const struct onnx_node *n, size_t number,
                       ms_code code, const char *fmt, ...) __attribute__((format(printf, 5, 6)));
/* Puts the node's label in front of r->err and returns its code. */
ms_code onnx_node_prefix(struct onnx_reader *r, const struct onnx_node *n, size_t number);

/* ---- onnx_call.c ---- */

/* Is the domain that of the standard's operators? */
bool onnx_is_standard(struct ms_bytes domain);
/* The local function that a node calls; NULL if it is an operator. */
const struct onnx_function *onnx_function_of(const struct onnx_reader *r,
                                             const struct onnx_node *n);
/* What identifies a function, as a key for r->functions: domain, name and overload with NULs
 * between. Its length; 0 if it does not fit. */
size_t onnx_function_key(char *dst, size_t size, struct ms_bytes domain, struct ms_bytes name,
                         struct ms_bytes overload);
int64_t onnx_standard_opset(const struct onnx_opset *v, size_t n); /* 0: ai.onnx is not imported */
/* Reads function f in place of node n. */
ms_code onnx_read_call(struct onnx_scope *outer, const struct onnx_node *n, size_t number,
                       const struct onnx_function *f) MS_WARN_UNUSED;

/* ---- onnx_site.c, onnx_attr.c, onnx_capture.c ---- */

#define ONNX_MAX_SPARE 8 /* operands that lowering may add behind those of the file */

/* A node being read: first as the file has it, then repaired by rules, then made. */
struct onnx_site {
    struct onnx_scope *scope;
    const struct onnx_node *node;
    size_t number; /* position in its body */
    int64_t opset;
    const char *op; /* operator to be made */
    struct ms_value **in;
    int n_in, cap_in;
    int n_out; /* outputs of the file, trailing left-out ones not counted */
    struct ms_bytes attr_name[ONNX_MAX_ATTRS];
    const struct onnx_attr *attr[ONNX_MAX_ATTRS]; /* references resolved; NULL: used up */
    int n_attrs;
    struct ms_attr own[8]; /* set by rules; they win over the file's */
    int n_own;
};

ms_code onnx_site_open(struct onnx_scope *scope, const struct onnx_node *n, size_t number,
                       struct onnx_site *out) MS_WARN_UNUSED;
ms_code onnx_site_fail(struct onnx_site *s, ms_code code, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

ms_code onnx_site_oom(struct onnx_site *s); /* fails with "out of memory" */

/* The file's attribute, NULL if absent or used up; take: it is used up. */
const struct onnx_attr *onnx_site_attr(struct onnx_site *s, const char *name, bool take);
int64_t onnx_attr_type(const struct onnx_attr *a); /* also where old files leave the type out */
/* Value of an INT attribute (def if absent), used up; refused if it has another type. */
ms_code onnx_site_take_int(struct onnx_site *s, const char *name, int64_t def,
                           int64_t *v) MS_WARN_UNUSED;
/* Attribute of the node to be made. */
void onnx_site_set_int(struct onnx_site *s, const char *name, int64_t v);
void onnx_site_set_str(struct onnx_site *s, const char *name, const char *v);

/* The record's row for an attribute of the file; NULL if the operator has none of that name. */
const struct ms_attr_spec *onnx_find_spec(const struct ms_op *op, struct ms_bytes name);
/* Gives the node all attributes that are not used up, and those that were set. */
ms_code onnx_site_set_attrs(struct onnx_site *s, struct ms_node *n) MS_WARN_UNUSED;
/* Reads the graphs among the attributes (subs: one slot for each attribute) and appends what they
 * capture to the inputs; then gives them to the node. */
ms_code onnx_site_read_graphs(struct onnx_site *s, const struct ms_op *op,
                              struct ms_graph **subs) MS_WARN_UNUSED;
ms_code onnx_site_set_graphs(struct onnx_site *s, struct ms_node *n,
                             struct ms_graph *const *subs) MS_WARN_UNUSED;

struct ms_value *onnx_site_in(const struct onnx_site *s, int i); /* NULL if left out */
ms_code onnx_site_set_in(struct onnx_site *s, int i, struct ms_value *v) MS_WARN_UNUSED;

/* Makes a node named after the site's; NULL with the error set. Outputs get facts at once. */
struct ms_node *onnx_site_node(struct onnx_site *s, const char *op, struct ms_value *const *in,
                               int n_in, int n_out);
/* Infers dtype and shape of a new node's outputs as far as that is possible now. */
void onnx_site_facts(struct ms_node *n);
/* One output from one operator with given inputs. */
ms_code onnx_site_op(struct onnx_site *s, const char *op, struct ms_value *const *in, int n_in,
                     struct ms_value **out) MS_WARN_UNUSED;
ms_code onnx_site_ints(struct onnx_site *s, const int64_t *v, int n,
                       struct ms_value **out) MS_WARN_UNUSED; /* a constant i64[n] */
/* A 0-d constant of dtype t (f32 if NONE) made from a number. */
ms_code onnx_site_scalar(struct onnx_site *s, enum ms_dtype t, double v,
                         struct ms_value **out) MS_WARN_UNUSED;
/* Binds output i of the file to a value; a no-op if the file left it out. */
ms_code onnx_site_out(struct onnx_site *s, int i, struct ms_value *v) MS_WARN_UNUSED;
/* The node as it now stands: operator, inputs, remaining attributes, sub-graphs; outputs bound. */
ms_code onnx_site_make(struct onnx_site *s) MS_WARN_UNUSED;

/* ---- onnx_rules.c, onnx_lower.c ---- */

/* Applies the table of small repairs. */
ms_code onnx_apply_rules(struct onnx_site *s) MS_WARN_UNUSED;

struct onnx_lowering {
    const char *op;
    int from, to;      /* opsets of the file */
    const char *makes; /* operators that must exist, separated by spaces; "" = none */
    ms_code (*lower)(struct onnx_site *s);
};
ms_code onnx_lower_constant(struct onnx_site *s) MS_WARN_UNUSED; /* onnx_constant.c */
/* The row for a standard operator at an opset; NULL: it is made as it is. */
const struct onnx_lowering *onnx_lowering_find(struct ms_bytes op, int64_t opset);
/* The name that an operator of that opset has today; NULL: the same. */
const char *onnx_renamed(struct ms_bytes op, int64_t opset);
/* Can a standard operator of that opset be made with the operators linked in? */
bool onnx_op_exists(struct ms_bytes op, int64_t opset);

#endif
