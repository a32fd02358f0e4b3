/* SPDX-License-Identifier: Apache-2.0 */
/* graph.h - the one graph IR: nodes in topological order, values in SSA form.
 *
 *     values:   x ─┐              ┌─> y
 *                  ├─ Conv (node) ┤
 *     constant w ──┘              (one producer, many uses)
 *
 * Everything lives in the model's arena; nothing is freed one by one. A constant is a value with
 * `constant` set and no producer: weights, and whatever folding makes. Sub-graphs (If, Loop) have
 * no free variables: what they read from outside are inputs, appended behind the operator's own.
 *   If(cond, c...)                      then/else graphs take (c...)
 *   Loop(M, cond, v..., c...)           body takes (iteration, cond, v..., c...), gives (cond,
 * v..., scans...) with the number of trailing c in the attribute "captures". Constants are not
 * captured: each graph has its own value for them, sharing the tensor. Mutable while loading (one
 * thread); immutable once a model is published. */
#ifndef MS_IR_GRAPH_H
#define MS_IR_GRAPH_H

#include "base/arena.h"
#include "base/bytes.h"
#include "base/err.h"
#include "ir/shape.h"
#include "ir/tensor.h"

struct ms_op;
struct ms_graph;
struct ms_node;

enum ms_attr_type {
    MS_ATTR_INT = 1,
    MS_ATTR_FLOAT,
    MS_ATTR_STRING,
    MS_ATTR_INTS,
    MS_ATTR_FLOATS,
    MS_ATTR_STRINGS,
    MS_ATTR_TENSOR,
    MS_ATTR_GRAPH,
};

struct ms_attr {
    const char *name;
    enum ms_attr_type type;
    int n; /* of lists */
    union {
        int64_t i;
        double f;
        struct ms_bytes s; /* NUL terminated too */
        const int64_t *ints;
        const double *floats;
        const struct ms_bytes *strings;
        const struct ms_tensor *tensor;
        struct ms_graph *graph;
    };
};

/* One operand slot: links the node into the value's list of uses. */
struct ms_use {
    struct ms_value *value; /* NULL: optional input left out */
    struct ms_node *node;
    int index;
    struct ms_use *prev, *next; /* other uses of the same value */
};

struct ms_value {
    const char *name; /* unique in its graph */
    enum ms_dtype dtype;
    enum ms_layout layout;
    struct ms_shape shape; /* symbols allowed */
    const int64_t *sym;    /* contents with symbols, see ms_fact; NULL */
    int n_sym;
    const struct ms_tensor *constant; /* contents, when a constant */
    struct ms_node *producer;         /* NULL: graph input or constant */
    int out_index;                    /* which output of the producer */
    struct ms_use *uses;              /* by nodes of the same graph */
    int n_uses;                       /* uses by nodes + times it is a graph output */
    int n_outputs;                    /* times it is a graph output */
    int id;                           /* dense after ms_graph_number */
    struct ms_graph *graph;
};

struct ms_node {
    const struct ms_op *op;
    const char *name;   /* as in the file; may be "" */
    const char *origin; /* operator name in the file, if it was lowered from another; else NULL */
    int number;         /* position in the file, for messages; new nodes take that of their cause */
    struct ms_use *in;
    int n_in;
    struct ms_value **out; /* never NULL; unwanted ones have no uses */
    int n_out;
    struct ms_attr *attrs;
    int n_attrs, cap_attrs;
    struct ms_graph *graph;
    struct ms_node *prev, *next; /* topological order */
    bool gone;                   /* unlinked; `next` stays readable for walkers */
    int id;                      /* dense after ms_graph_number */
};

struct ms_graph {
    const char *name;
    struct ms_arena *arena; /* shared by all graphs of a model */
    struct ms_syms *syms;   /* likewise */
    struct ms_node *first, *last;
    struct ms_value **in, **out;
    int n_in, n_out, cap_in, cap_out;
    int n_nodes;
    int n_values;       /* after ms_graph_number; every value met: inputs, constants, outputs */
    int depth;          /* 0 for the model's main graph */
    unsigned next_name; /* for names of new values */
};

/* ---- building; NULL or an error when the arena is full ---- */

/* A main graph in an arena (parent NULL) or a sub-graph that shares its parent's. */
struct ms_graph *ms_graph_new(struct ms_arena *a, struct ms_graph *parent, const char *name);
/* name NULL or "": a new one is made from hint ("hint_1"). dtype/shape may be unknown yet. */
struct ms_value *ms_graph_value(struct ms_graph *g, const char *name, const char *hint);
struct ms_value *ms_graph_input(struct ms_graph *g, const char *name, enum ms_dtype t,
                                const struct ms_shape *s);
/* Points to the tensor: it must live as long as the graph (arena, mapped file, or a reference
 * kept). */
struct ms_value *ms_graph_constant(struct ms_graph *g, const char *name, const struct ms_tensor *t);
/* A constant made in the arena; data copied (count elements of dtype t). */
struct ms_value *ms_graph_const_copy(struct ms_graph *g, const char *hint, enum ms_dtype t,
                                     const struct ms_shape *s, const void *data);
struct ms_value *ms_graph_const_ints(struct ms_graph *g, const char *hint, const int64_t *v, int n);
struct ms_value *ms_graph_const_f32(struct ms_graph *g, const char *hint, float v); /* 0-d */
ms_code ms_graph_add_output(struct ms_graph *g, struct ms_value *v, struct ms_err *err);
void ms_graph_set_output(struct ms_graph *g, int i, struct ms_value *v);

/* A node at the end (before NULL) or before another; inputs may hold NULL; n_out fresh outputs are
 * made (named by ms_value.name later or automatically). */
struct ms_node *ms_graph_node(struct ms_graph *g, struct ms_node *before, const struct ms_op *op,
                              const char *name, struct ms_value *const *in, int n_in, int n_out);
/* Sugar: one output, operator by name, before `before`; NULL on failure. */
struct ms_value *ms_graph_op(struct ms_graph *g, struct ms_node *before, const char *op,
                             struct ms_value *const *in, int n_in);
void ms_value_rename(struct ms_value *v, const char *name); /* name must live in the arena */

/* ---- changing ---- */
void ms_node_set_in(struct ms_node *n, int i, struct ms_value *v); /* v may be NULL; i < n_in */
ms_code ms_node_add_in(struct ms_node *n, struct ms_value *v, struct ms_err *err);
void ms_node_drop_in(struct ms_node *n, int from); /* inputs from..end go */
/* All uses of a (graph outputs too) become uses of b. If a is a graph output and b has not got a
 * name of the model's interface, names are kept by the graph's output list (ms_graph_out_name). */
void ms_value_replace(struct ms_value *a, struct ms_value *b);
/* Unlinks a node whose outputs have no uses (asserted). */
void ms_node_remove(struct ms_node *n);
/* Moves n before `before` (NULL: to the end). */
void ms_node_move(struct ms_node *n, struct ms_node *before);
/* Repairs topological order after edits; INTERNAL and the node's name if there is a cycle. Also the
 * check for files whose nodes come unsorted. */
ms_code ms_graph_sort(struct ms_graph *g, struct ms_err *err);
/* Numbers nodes and values densely (n_nodes, n_values, ids), of this graph only. */
void ms_graph_number(struct ms_graph *g);

#define ms_graph_each(g_, n_)                                                                      \
    for (struct ms_node *n_ = (g_)->first; n_; n_ = n_->next)                                      \
        if (!n_->gone)

/* ---- attributes ---- */
const struct ms_attr *ms_attr_get(const struct ms_node *n, const char *name); /* NULL if not set */
/* Set value or the operator's default. */
int64_t ms_attr_int(const struct ms_node *n, const char *name);
double ms_attr_float(const struct ms_node *n, const char *name);
const char *ms_attr_str(const struct ms_node *n, const char *name); /* "" without default */
/* Element i of an INTS attribute, or def if the attribute is absent or shorter. */
int64_t ms_attr_ints_at(const struct ms_node *n, const char *name, int i, int64_t def);
struct ms_graph *ms_attr_graph(const struct ms_node *n, const char *name); /* NULL if absent */

/* Setters copy names and values into the arena; false when it is full. An attribute set twice is
 * replaced. */
bool ms_attr_set(struct ms_node *n, const struct ms_attr *a);
bool ms_attr_set_int(struct ms_node *n, const char *name, int64_t v);
bool ms_attr_set_float(struct ms_node *n, const char *name, double v);
bool ms_attr_set_str(struct ms_node *n, const char *name, const char *v);
bool ms_attr_set_ints(struct ms_node *n, const char *name, const int64_t *v, int count);
bool ms_attr_set_floats(struct ms_node *n, const char *name, const double *v, int count);
bool ms_attr_set_graph(struct ms_node *n, const char *name, struct ms_graph *g);
bool ms_attr_copy(struct ms_node *to, const struct ms_node *from); /* all of them */
void ms_attr_del(struct ms_node *n, const char *name);

/* ---- asking ---- */
bool ms_node_is(const struct ms_node *n, const char *op);
/* Input i as a value; NULL if absent or beyond n_in. */
static inline struct ms_value *ms_in(const struct ms_node *n, int i)
{
    return i < n->n_in ? n->in[i].value : NULL;
}
/* The constant of input i; NULL if absent or not constant. */
const struct ms_tensor *ms_in_const(const struct ms_node *n, int i);
/* The only reader of a value that is no graph output; NULL otherwise. */
struct ms_node *ms_value_sole_user(const struct ms_value *v);
/* "node 17 'conv2' (Conv)" into dst, escaped; returns dst. */
char *ms_node_label(const struct ms_node *n, char *dst, size_t size);
/* ms_fail with the node's label in front. */
ms_code ms_node_fail(const struct ms_node *n, struct ms_err *err, ms_code code, const char *fmt,
                     ...) __attribute__((format(printf, 4, 5)));

/* ---- whole graph ---- */

/* ir/infer.c: shapes and dtypes of every value, sub-graphs included; refuses what an operator's
 * infer refuses, and shapes recorded in the file that contradict (static dims only). */
ms_code ms_graph_infer(struct ms_graph *g, struct ms_err *err);
/* One node with given facts (a plan being made, or while running). Checks operands first. */
struct ms_fact;
ms_code ms_node_infer(const struct ms_node *n, const struct ms_fact *in, struct ms_fact *out,
                      struct ms_syms *syms, struct ms_arena *scratch, struct ms_err *err);
/* Dtypes against the record, dims against MS_MAX_DIM, one element where the record wants that. */
ms_code ms_node_check_operands(const struct ms_node *n, const struct ms_fact *in,
                               struct ms_err *err);
struct ms_fact ms_value_fact(const struct ms_value *v); /* NULL gives an absent fact */

/* ir/check.c: the verifier, run after reading and after every pass. Names node and attribute. */
ms_code ms_graph_check(const struct ms_graph *g, struct ms_err *err);
/* What of it concerns one node alone: arity, attributes, the operator's own conditions. Inference
 * of a node relies on it. */
ms_code ms_node_check(const struct ms_node *n, struct ms_err *err);

/* ir/print.c. Deterministic: the same graph gives the same bytes on every host. */
struct ms_buf;
void ms_graph_print_text(const struct ms_graph *g, struct ms_buf *out);
void ms_graph_print_dot(const struct ms_graph *g, struct ms_buf *out);
void ms_graph_print_json(const struct ms_graph *g, struct ms_buf *out);
/* ir/parse.c: the text form read back (passes' tests write graphs this way). Constants as
 * `f32[2] = {1, 2}`; ones printed by digest only cannot be read. */
ms_code ms_graph_parse_text(const char *text, size_t len, struct ms_arena *a, struct ms_graph **g,
                            struct ms_err *err);

#endif
