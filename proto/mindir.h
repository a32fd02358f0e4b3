/* SPDX-License-Identifier: Apache-2.0 */
/* mindir.h - the MindIR reader inside: how a file's graphs are walked, and how its primitives are
 * lowered to canonical operators.
 *
 *     mindir.c            the format: header, forms on disk, names at the model's edge
 *     mindir_walk.c       names and graphs; runs a graph node by node over mir_values
 *     mindir_control.c    Switch and a call -> If; captures of outer values
 *     mindir_loop.c       recursion -> Loop
 *     mindir_call.c       arguments of one node, and helpers that build canonical nodes
 *     mindir_lower.c      the table of primitives, found by name
 *     mindir_lower_*.c    rows and lowering functions, a family each
 *
 * The walk is an abstract execution: tuples, scalars, monads and function values are computed while
 * loading and leave no trace; only what needs tensors becomes nodes. A sub-graph is executed where
 * it is called: inlined, or into a graph of its own for If and Loop. Values are imported where they
 * are used, so free variables are lifted by themselves. Every new node is inferred at once, and the
 * shape that the file records for a result is compared with it. */
#ifndef MS_PROTO_MINDIR_H
#define MS_PROTO_MINDIR_H

#include "base/map.h"
#include "ir/format.h"
#include "ir/op.h"
#include <string.h>

#include "proto/mindir_value.h"

enum {
    MIR_MAX_VERSION = 3,
    MIR_MAX_ARGS = 16,
    MIR_MAX_CALLS = 32,
    MIR_MAX_ITEMS = 4096,
    MIR_MAX_NESTING = 64
};

/* ---- the walk ---- */

/* What a name of the file means. */
struct mir_name {
    enum mir_name_kind {
        MIR_A_PRIMITIVE,
        MIR_A_GRAPH,
        MIR_A_NODE,
        MIR_AN_INPUT,
        MIR_A_CONSTANT
    } kind;
    const struct mir_value *now; /* of values: NULL before it was computed */
    const struct mir_pb_primitive *primitive;
    struct mir_graph *graph;        /* of MIR_A_GRAPH, or the one it lies in */
    const struct mir_pb_node *node; /* of MIR_A_NODE, MIR_A_CONSTANT */
    int number;                     /* of the node in the file */
};

/* A graph of the file. */
struct mir_graph {
    const struct mir_pb_graph *pb;
    const struct mir_value *value;     /* itself as a function */
    struct mir_name **inputs, **nodes; /* as in pb */
    struct mir_graph **callees;        /* graphs that its nodes name */
    size_t n_callees;
    unsigned seen; /* stamp of the last search */
    bool looping;  /* a loop over it is being built */
};

/* A canonical graph being built, and how outer values come into it. */
struct mir_level {
    struct ms_graph *g;
    struct mir_level *up;
    struct ms_map inner; /* outer ms_value * -> ms_value * of this graph */
    struct mir_capture {
        struct ms_value *outer, *inner; /* outer: of up's graph */
        struct mir_capture *next;
    } * captures, **captures_end;
};

struct mir {
    const struct ms_source *src;
    const struct ms_read_limits *lim;
    struct ms_arena *arena, *scratch;
    struct ms_err *err;
    struct ms_buf *missing; /* may be NULL */
    const struct mir_pb_model *pb;
    struct mir_decoder decoder;
    struct ms_map names;      /* -> struct mir_name */
    struct ms_map rows;       /* -> struct mir_row */
    struct mir_graph *graphs; /* 0 is the main one */
    size_t n_graphs;
    struct mir_level *level;
    const struct mir_name *at; /* node being walked; NULL at the model's edge */
    int calls;                 /* depth of calls */
    unsigned stamp;            /* of searches */
    size_t steps, max_steps;   /* nodes walked and made */
    size_t searched;           /* edges followed while looking for recursion */
    bool too_deep;             /* a tuple was nested beyond MIR_MAX_NESTING */
};

/* Makes the name table and the graphs of the file. */
ms_code mir_index(struct mir *m);
/* The value that an operand names. */
ms_code mir_lookup(struct mir *m, struct ms_bytes name, const struct mir_value **out);
/* Walks a graph with arguments. tail: a call at its end comes back as the function value (with the
 * arguments bound) instead of being made. */
ms_code mir_walk(struct mir *m, struct mir_graph *g, const struct mir_value *const *args, size_t n,
                 bool tail, const struct mir_value **out);
/* Calls a function value (MIR_FUNC or MIR_CHOICE). */
ms_code mir_apply(struct mir *m, const struct mir_value *fn, const struct mir_value *const *args,
                  size_t n, const struct mir_value **out);
/* The value in the graph being built: itself, a capture, or its constant again. */
ms_code mir_import(struct mir *m, struct mir_level *level, struct ms_value *v,
                   struct ms_value **out);
/* A function value with more arguments bound. */
ms_code mir_bind_call(struct mir *m, const struct mir_value *fn,
                      const struct mir_value *const *args, size_t n, const struct mir_value **out);
/* What its author called a node: its name without the graph's; "" for NULL. In scratch. */
const char *mir_spoken_name(struct mir *m, const struct mir_name *n);
/* Sets dtypes and shapes of a new node's results. */
ms_code mir_infer_node(struct mir *m, struct ms_node *n);
ms_code mir_step(struct mir *m); /* charges one node to the budget */

/* Values in scratch; NULL when memory is out. */
struct mir_value *mir_new(struct mir *m, enum mir_kind kind);
struct mir_value *mir_new_tuple(struct mir *m, const struct mir_value *const *items, size_t n);
struct mir_value *mir_new_int(struct mir *m, int64_t i);
struct mir_value *mir_new_tensor(struct mir *m, struct ms_value *v);
ms_code mir_no_memory(struct mir *m);

/* ---- one node being lowered ---- */

struct mir_row;

struct mir_call {
    struct mir *m;
    const struct mir_row *row;
    const char *op;                  /* name of the primitive */
    const struct mir_name *name;     /* of the node */
    const struct mir_pb_attr *attrs; /* of the primitive, or of the node in dialect A */
    size_t n_attrs;
    const struct mir_value *arg[MIR_MAX_ARGS]; /* one for each word of the row's args */
    size_t n_args;
    const struct mir_value *const *raw; /* operands as they stand, for rows without args */
    size_t n_raw;
    enum ms_dtype recorded; /* dtype of the result as the file has it; NONE: not one tensor */
    const struct mir_value *result; /* to be set */
    ms_code code;                   /* first failure; helpers do nothing from then on */
};

/* One primitive. args names its arguments in order, with defaults for what may be missing:
 *
 *     "x axis=-1 keep_dims=false"       a word each: name or name=default
 *
 * Trailing arguments come as operands (2.3 and newer) or as attributes of that name (older ones,
 * "a|b" gives two spellings). Defaults: numbers, true, false, none, () or a 'text'. Monads are
 * dropped before. args NULL: `lower` reads the operands from `raw`. */
struct mir_row {
    const char *name, *args;
    ms_code (*lower)(struct mir_call *c);
    const char *op;              /* canonical operator, for functions that serve several rows */
    const struct ms_attr *attrs; /* of that operator */
};

const struct mir_row *mir_row_find(const struct mir *m, struct ms_bytes name);
bool mir_rows_init(struct mir *m); /* false: out of memory */
/* Fills c->arg from the operands, the attributes and the defaults. */
ms_code mir_bind(struct mir_call *c);

/* INVALID_ARGUMENT and UNIMPLEMENTED with the node in front; sets c->code. */
ms_code mir_bad(struct mir_call *c, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
ms_code mir_unsupported(struct mir_call *c, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* ---- reading arguments; after a failure (c->code) they give NULL, 0 or false ---- */
struct ms_value *mir_tensor(struct mir_call *c, size_t i);     /* numbers become 0-d constants */
struct ms_value *mir_tensor_opt(struct mir_call *c, size_t i); /* NULL for None */
struct ms_value *mir_as_tensor(struct mir_call *c, const struct mir_value *v);
struct ms_value *mir_dims_value(struct mir_call *c,
                                size_t i); /* int64 [n], from numbers or a tensor */
struct ms_value *mir_number(struct mir_call *c, const struct mir_value *v,
                            enum ms_dtype t); /* [1] */
bool mir_is_none(const struct mir_call *c, size_t i);
bool mir_is_number(const struct mir_value *v); /* scalar known now or when running */
int64_t mir_int(struct mir_call *c, size_t i);
bool mir_bool(struct mir_call *c, size_t i);
double mir_float(struct mir_call *c, size_t i);
enum ms_dtype mir_type(struct mir_call *c, size_t i); /* a type value or a type id */
/* Known integers, from a number, a tuple or a constant tensor; at most max. Returns how many. */
int mir_ints(struct mir_call *c, size_t i, int64_t *out, int max);
bool mir_known_ints(struct mir_call *c, const struct mir_value *v); /* would mir_ints succeed? */
int mir_ints_of(struct mir_call *c, const char *what, const struct mir_value *v, int64_t *out,
                int max);
/* Operands of a list argument (tuple of tensors), or the one tensor. Returns how many. */
size_t mir_list(struct mir_call *c, size_t i, struct ms_value ***out);

/* Attributes; NULL or the default if absent. */
const struct mir_value *mir_attr(struct mir_call *c, const char *name);
int64_t mir_attr_int(struct mir_call *c, const char *name, int64_t def);
double mir_attr_float(struct mir_call *c, const char *name, double def);
bool mir_attr_bool(struct mir_call *c, const char *name, bool def);
int mir_attr_ints(struct mir_call *c, const char *name, int64_t *out, int max); /* -1: absent */
/* Text in lower case ("" if absent), or the number that stands for it: index into names, which ends
 * with NULL; -1 if it is none of them. */
int mir_choice(struct mir_call *c, const struct mir_value *v, const char *const *names);

/* ---- building; NULL after a failure ---- */
#define MIR_IN(...)                                                                                \
    (struct ms_value *[]){__VA_ARGS__},                                                            \
        (int)(sizeof((struct ms_value *[]){__VA_ARGS__}) / sizeof(struct ms_value *))
#define MIR_ATTRS(...)                                                                             \
    (const struct ms_attr[])                                                                       \
    {                                                                                              \
        __VA_ARGS__,                                                                               \
        {                                                                                          \
            .name = NULL                                                                           \
        }                                                                                          \
    }
#define MIR_A_INT(name_, v_)                                                                       \
    {                                                                                              \
        .name = (name_), .type = MS_ATTR_INT, .i = (v_)                                            \
    }
#define MIR_A_FLOAT(name_, v_)                                                                     \
    {                                                                                              \
        .name = (name_), .type = MS_ATTR_FLOAT, .f = (v_)                                          \
    }
#define MIR_A_TEXT(name_, v_)                                                                      \
    {                                                                                              \
        .name = (name_), .type = MS_ATTR_STRING, .s = {(const uint8_t *)(v_), sizeof(v_) - 1 }     \
    }
#define MIR_A_STR(name_, v_)                                                                       \
    {                                                                                              \
        .name = (name_), .type = MS_ATTR_STRING, .s = {(const uint8_t *)(v_), strlen(v_) }         \
    }
#define MIR_A_INTS(name_, v_, n_)                                                                  \
    {                                                                                              \
        .name = (name_), .type = MS_ATTR_INTS, .n = (n_), .ints = (v_)                             \
    }

struct ms_node *mir_node(struct mir_call *c, const char *op, struct ms_value *const *in, int n_in,
                         int n_out, const struct ms_attr *attrs);
struct ms_value *mir_op(struct mir_call *c, const char *op, struct ms_value *const *in, int n_in,
                        const struct ms_attr *attrs);
struct ms_value *mir_const_ints(struct mir_call *c, const int64_t *v, int n);
struct ms_value *mir_const(struct mir_call *c, double v, enum ms_dtype t); /* 0-d */
struct ms_value *mir_const_int(struct mir_call *c, int64_t v);             /* 0-d int64 */
struct ms_value *mir_cast(struct mir_call *c, struct ms_value *v, enum ms_dtype t);
struct ms_value *mir_reshape(struct mir_call *c, struct ms_value *v, const int64_t *dims, int n);
struct ms_value *mir_squeeze(struct mir_call *c, struct ms_value *v, int64_t axis);
struct ms_value *mir_unsqueeze(struct mir_call *c, struct ms_value *v, int64_t axis);
struct ms_value *mir_slice(struct mir_call *c, struct ms_value *v, int64_t axis, int64_t from,
                           int64_t to, int64_t step);
/* Dtype that arithmetic on both has: MindSpore's promotion of mixed operands. */
enum ms_dtype mir_promote(enum ms_dtype a, enum ms_dtype b);
/* Arguments i and j as tensors of one dtype; a plain number takes the other's unless it is a
 * fraction beside integers. */
bool mir_pair(struct mir_call *c, size_t i, size_t j, struct ms_value **a, struct ms_value **b);

/* ---- ending ---- */
ms_code mir_give(struct mir_call *c, struct ms_value *v);
/* v shares the memory of argument `of`: a later change in place of one is one of both. */
ms_code mir_give_view(struct mir_call *c, struct ms_value *v, size_t of);
ms_code mir_give_all(struct mir_call *c, struct ms_value *const *v, size_t n); /* a tuple */
/* A tuple whose first result is v and whose others are refused when they are used. */
ms_code mir_give_first(struct mir_call *c, struct ms_value *v, size_t n, const char *why);

/* Data rows: every argument is a tensor (absent ones left out), attributes as in the row. */
ms_code mir_lower_direct(struct mir_call *c);

/* Families of rows; each ends with name NULL. */
extern const struct mir_row mir_rows_flow[], mir_rows_math[], mir_rows_reduce[], mir_rows_array[],
    mir_rows_gather[], mir_rows_nn[], mir_rows_pool[], mir_rows_vision[], mir_rows_scalar[];

/* mindir_control.c: a call of a Switch's result; a call of a graph that is reached from itself. */
ms_code mir_choose(struct mir *m, const struct mir_value *choice, const struct mir_value **out);
ms_code mir_loop(struct mir *m, const struct mir_value *fn, const struct mir_value **out);
/* Is g reached from itself, but not through loops that are being built? */
ms_code mir_recursive(struct mir *m, struct mir_graph *g, bool *yes);

/* mindir_record.c: the file's record of a result against what was made. */
ms_code mir_check_record(struct mir *m, const struct mir_pb_node *n, const struct mir_value *v);
enum ms_dtype mir_recorded_dtype(const struct mir_pb_node *n);
enum ms_dtype mir_recorded_item(const struct mir_pb_node *n, size_t i, enum ms_dtype otherwise);

#endif
