/* SPDX-License-Identifier: Apache-2.0 */
/* op.h - what an operator is, as data: one record serves server, command line and exporters.
 *
 * Operators have ONNX names and semantics at the latest opset; other spellings are lowered to them
 * in proto/. Each record lives beside its kernels in kernels/NAME.c:
 *
 *     MS_OP(relu) = {
 *         .name = "Relu", .doc = "y = max(x, 0)",
 *         .min_in = 1, .max_in = 1, .min_out = 1, .max_out = 1,
 *         .in = {MS_FLOATS}, .traits = MS_ELEMENTWISE | MS_INPLACE,
 *         .infer = ms_infer_same,
 *         .kernels = (const struct ms_kernel[]){            // best first
 *             {"relu_avx512", MS_BIT(F32), MS_ISA_AVX512, .run = relu_avx512},
 *             {"relu", MS_FLOATS, MS_ISA_ANY, .run = relu}, // the reference
 *             {0},
 *         },
 *     };
 */
#ifndef MS_IR_OP_H
#define MS_IR_OP_H

#include "base/cpu.h"
#include "ir/graph.h"
#include "ir/section.h"
#include "ir/tensor.h"

/* ---- attributes ---- */

/* One row of an operator's attribute table: type, default and bounds. ir/check refuses a node whose
 * attribute is unknown, of another type, or outside; kernels may then rely on it. */
struct ms_attr_spec {
    const char *name;
    enum ms_attr_type type;
    bool required;
    int64_t i;     /* default of MS_ATTR_INT */
    double f;      /* default of MS_ATTR_FLOAT */
    const char *s; /* default of MS_ATTR_STRING; allowed values as "a|b|c" in `choices` */
    const char *choices;
    int64_t min, max; /* bounds of INT and of each of INTS, when min < max */
    int max_len;      /* of INTS, FLOATS, STRINGS; 0 = MS_MAX_RANK * 2 */
    const char *doc;
};

/* ---- shape inference ---- */

/* What is known of a value: at load (symbols), when a plan is made (sizes), or while running. */
struct ms_fact {
    enum ms_dtype dtype; /* MS_DTYPE_NONE: input left out */
    struct ms_shape shape;
    const struct ms_tensor *value; /* contents, if known now; plain layout */
    const int64_t *sym;            /* contents of a small integer tensor with symbols, or NULL */
    int n_sym;
};

#define MS_MAX_SYM_CONTENT 64

struct ms_infer {
    const struct ms_node *node;
    const struct ms_fact *in; /* node->n_in */
    struct ms_fact *out;      /* node->n_out; dtype and shape to be set, sym if it can be told */
    struct ms_syms *syms;
    struct ms_arena *arena; /* for sym contents */
    struct ms_err *err;
};

/* y like x: dtype, shape and sym contents of input 0 for every output. */
ms_code ms_infer_same(struct ms_infer *c);
/* Contents of input i as numbers, symbols included: its value or sym contents, at most
 * MS_MAX_SYM_CONTENT of them. False if unknown, absent, longer, or not integers. */
bool ms_infer_ints(const struct ms_infer *c, int i, int64_t *out, int *n);
/* Every content is a number. */
bool ms_infer_const_ints(const struct ms_infer *c, int i, int64_t *out, int *n);
/* Sets the symbolic contents of output i (n <= MS_MAX_SYM_CONTENT). */
void ms_infer_set_ints(struct ms_infer *c, int i, const int64_t *v, int n);
static inline bool ms_infer_has(const struct ms_infer *c, int i)
{
    return i < c->node->n_in && c->in[i].dtype != MS_DTYPE_NONE;
}

/* ---- kernels ---- */

struct ms_ctl;

/* What a kernel is called with: whole tensors and a range of units to do. */
struct ms_task {
    const struct ms_node *node;
    const void *state;           /* what prepare made, or NULL */
    struct ms_tensor *const *in; /* NULL = left out */
    struct ms_tensor **out;      /* NULL = nobody reads it; see MS_OUT_BY_KERNEL */
    int n_in, n_out;
    size_t first, last; /* units [first, last) of units(task); [0, 1) without units */
    void *scratch;      /* scratch(task) bytes for this call alone, 64-byte aligned */
    /* A word of the worker for this call, SIZE_MAX in its first piece: a kernel may note here what
     * its scratch holds, which the worker's next piece of the same call finds as it was left. NULL:
     * there is no next piece. */
    size_t *memo;
    struct ms_ctl *ctl;
};

/* The run around a task: given by runtime, so that kernels stay ignorant of it. */
struct ms_ctl {
    const atomic_bool *stop; /* set when the run is cancelled, late or failed */
    /* Records the first error of the run and sets stop. */
    void (*fail)(struct ms_ctl *c, const struct ms_node *n, ms_code code, const char *text);
    /* A tensor for output i of an MS_OUT_BY_KERNEL operator, charged to the run's budget; NULL (and
     * the run failed) when over it. It is placed in t->out[i]. */
    struct ms_tensor *(*output)(const struct ms_task *t, int i, enum ms_dtype dtype,
                                const struct ms_shape *shape);
    /* Places an existing tensor (takes a reference) as output i. */
    void (*give)(const struct ms_task *t, int i, struct ms_tensor *tensor);
    /* Runs a sub-graph of t->node on the calling worker. in: one tensor for each graph input; out:
     * one new reference for each graph output, to be unref'd. False: the run has failed. */
    bool (*call)(const struct ms_task *t, const struct ms_graph *g, struct ms_tensor *const *in,
                 struct ms_tensor **out);
};

void ms_task_fail(const struct ms_task *t, ms_code code, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* To be asked about once a millisecond inside long ranges; true = leave. */
static inline bool ms_task_stopped(const struct ms_task *t)
{
    return atomic_load_explicit(t->ctl->stop, memory_order_relaxed);
}

/* What kernel choice and prepare see, at load: facts may hold symbols; constants have values. */
struct ms_prep {
    const struct ms_node *node;
    const struct ms_fact *in, *out;
    /* Bytes that live as long as the model and count against its budget, 64-byte aligned, not
     * zeroed; NULL when over the budget. Nothing to free by hand. */
    void *(*alloc)(const struct ms_prep *p, size_t bytes);
    /* Bytes that alloc would still give; NULL = no bound. */
    size_t (*room)(const struct ms_prep *p);
    void *arg;        /* of alloc and room */
    size_t workspace; /* most bytes of scratch a call may ask for; 0 = no bound */
    int threads;      /* workers of the pool, for blocking decisions that do not change results */
};

/* Two steps at once. Where a node's input 0 is made by a node whose kernel is `after` and read by
 * nobody else, `run` does both a band at a time: what passes between them stays in the worker's
 * cache and is never written to the output of `first`, the maker's task. The node's own output is
 * that of the two kernels one after the other, to the bit. */
struct ms_pairing {
    void (*after)(const struct ms_task *t); /* `run` of the maker's kernel */
    /* As those of a kernel; no units: not worth it with these shapes. */
    size_t (*units)(const struct ms_task *first, const struct ms_task *t);
    size_t (*scratch)(const struct ms_task *first, const struct ms_task *t);
    void (*run)(const struct ms_task *first, const struct ms_task *t);
};

struct ms_kernel {
    const char *name; /* "conv_im2col_avx512"; NULL ends the list */
    ms_dtypes dtypes; /* of the first present input (of output 0 when there is none) */
    enum ms_isa isa;
    /* For nodes whose activations are blocked by the width of this isa; the others are for plain
     * ones. Kernels of MS_ANY_LAYOUT operators serve both. */
    bool blocked;
    /* Rounds otherwise than sums of products do (Winograd): left out with numerics: exact; tests
     * hold it to 1e-5 of the result's norm. */
    bool inexact;
    /* Extra conditions; NULL = always. Must not depend on the batch: the choice is made once. */
    bool (*applicable)(const struct ms_prep *p);
    /* Estimated cost of a call (any unit, the same for all kernels of the operator), or NULL. When
     * the first kernel that fits has a price, the cheapest of those that fit and have one is taken.
     * Must not depend on a batch that may vary either. */
    double (*price)(const struct ms_prep *p);
    /* Packs weights and digests attributes into *state (from p->alloc); NULL = none needed. When it
     * fails with RESOURCE_EXHAUSTED or UNIMPLEMENTED the next best kernel is tried. */
    ms_code (*prepare)(const struct ms_prep *p, const void **state, struct ms_err *err);
    /* Independent units of a call with these shapes (in and out shapes set, data may be NULL);
     * NULL = 1, or the elements of output 0 for MS_ELEMENTWISE. Results never depend on the split.
     */
    size_t (*units)(const struct ms_task *t);
    double rate; /* GFLOP/s of op.cost that a core reaches, roughly, to size pieces; 0 = 20 */
    /* Bytes of scratch one call of run needs, whatever its range; NULL = 0. */
    size_t (*scratch)(const struct ms_task *t);
    void (*run)(const struct ms_task *t);
    const struct ms_pairing *pairing; /* with the node that makes input 0; NULL = none */
};

/* ---- operators ---- */

enum ms_trait {
    MS_ELEMENTWISE =
        1 << 0,          /* unit = element of output 0; all inputs its shape or broadcast to it */
    MS_INPLACE = 1 << 1, /* output 0 may share input 0's memory if shape and dtype agree */
    MS_VIEW =
        1 << 2, /* output 0 is input 0's bytes under another shape (Reshape): no kernel runs */
    MS_OUT_BY_KERNEL =
        1 << 3,             /* output shapes depend on data: the kernel makes them (ctl->output) */
    MS_NO_FOLD = 1 << 4,    /* not to be evaluated at load (random) */
    MS_IMPURE = 1 << 5,     /* two equal nodes are not the same value (random) */
    MS_COMMUTES = 1 << 6,   /* inputs 0 and 1 may be swapped */
    MS_SUBGRAPHS = 1 << 7,  /* has graph attributes (If, Loop) */
    MS_ANY_LAYOUT = 1 << 8, /* its kernels take blocked activations as well as plain ones */
    MS_BLOCKED = 1 << 9,    /* worth converting to blocked for: see passes/assign_layout.c */
};

/* What `blocked` of an operator answers: which operands of a node are blocked in its blocked form.
 */
#define MS_BLOCKED_OUT 1u
#define MS_BLOCKED_IN(i_) (2u << (i_))
#define MS_BLOCKED_IN_MAX 30 /* operands it can speak of */

#define MS_OP_MAX_IN 9 /* rows in .in; variadic inputs use the last row given */

struct ms_op {
    const char *name, *doc;
    int min_in, max_in;         /* max_in -1: any number */
    int min_out, max_out;       /* max_out -1: any number */
    ms_dtypes in[MS_OP_MAX_IN]; /* dtypes each input may have; 0 = as the last row given */
    unsigned traits;
    unsigned scalars; /* bit i: input i, if given, holds exactly one element */
    unsigned packs;   /* bit i: no kernel that has a state reads a constant input i when it runs */
    const struct ms_attr_spec *attrs; /* ends with name NULL; NULL = none */
    /* Conditions beyond the attribute table (lengths that must agree...); NULL = none. */
    ms_code (*check)(const struct ms_node *n, struct ms_err *err);
    ms_code (*infer)(struct ms_infer *c);
    /* The blocked form of a node: bits as above, 0 if there is none. Looks at inputs, attributes
     * and constants alone, never at the host. Kernels keep the channels of the padding zero and may
     * count on it. NULL: none, or ms_blocked_same for unary MS_ANY_LAYOUT operators. */
    unsigned (*blocked)(const struct ms_node *n);
    /* Floating point operations of a call with these facts (all sizes known); NULL = output
     * elements. */
    double (*cost)(const struct ms_node *n, const struct ms_fact *in, const struct ms_fact *out);
    /* Where inputs lie in output 0, which is they and nothing else: offset[i] in bytes. Layouts and
     * shapes are set, data is missing. False: not as they are. NULL: never. */
    bool (*slices)(const struct ms_node *n, const struct ms_tensor *const *in,
                   const struct ms_tensor *out, size_t *offset);
    const struct ms_kernel *kernels; /* best first; the last one is the MS_ISA_ANY reference */
};

#define MS_OP(id_)                                                                                 \
    static const struct ms_op ms_op_##id_;                                                         \
    MS_SECTION_ADD(ms_ops, ms_op_##id_);                                                           \
    static const struct ms_op ms_op_##id_

/* The operator of that name; NULL if there is none. */
const struct ms_op *ms_op_find(const char *name);
/* Walks all operators in name order: i from 0 until NULL. */
const struct ms_op *ms_op_at(size_t i);
/* The attribute's row; NULL if the operator has none of that name. */
const struct ms_attr_spec *ms_op_attr(const struct ms_op *op, const char *name);
ms_dtypes ms_op_in_dtypes(const struct ms_op *op, int i);

/* Can a value be blocked: f32, no constant, rank 3 or more, known number of channels. */
bool ms_blockable(const struct ms_value *v);
/* The node's blocked form, 0 if it has none. */
unsigned ms_node_blocked(const struct ms_node *n);
/* Rules for op.blocked: input 0 and output, of a function that keeps zero zero... */
unsigned ms_blocked_same(const struct ms_node *n);
/* ...or of any: then there may be no padding, whatever the width. */
unsigned ms_blocked_whole(const struct ms_node *n);
static inline bool ms_no_padding(int64_t channels)
{
    return channels > 0 && channels % MS_BLOCKED_LAYOUT == 0;
}

/* Units of a call: kernel->units, elements, or 1; 0 when every output is empty, however large the
 * other dims of operands are. */
size_t ms_kernel_units(const struct ms_kernel *k, const struct ms_task *t);

#endif
