/* SPDX-License-Identifier: Apache-2.0 */
/* plan.h - a graph specialised to one set of input shapes.
 *
 * Everything that the shapes decide is decided here, once: contents of shape tensors, which values
 * share memory, offsets, how steps are cut for the pool. What data decides (NonZero and whatever
 * reads it) is left to the run. Immutable; runs share it by reference. */
#ifndef MS_RUNTIME_PLAN_H
#define MS_RUNTIME_PLAN_H

#include <pthread.h>

#include "ir/op.h"
#include "runtime/memplan.h"

struct ms_part;
struct ms_run;

enum ms_where {
    MS_AT_NONE,   /* nobody reads it */
    MS_AT_CONST,  /* constant of the model or of the plan */
    MS_AT_INPUT,  /* the caller's tensor number `index` */
    MS_AT_SLAB,   /* at `offset` */
    MS_AT_OUTPUT, /* in own tensor number `index`, which outlives the run */
    MS_AT_RUN,    /* a counted tensor that appears while running */
};

/* A value of the graph, by its id. */
struct ms_slot {
    enum ms_where where;
    int index;
    size_t offset;
    struct ms_tensor proto; /* dtype, layout, shape, bytes; data of constants. AT_RUN: the
                               shape as far as it is known */
};

struct ms_step {
    const struct ms_node *node;
    const struct ms_kernel *kernel; /* NULL: a view of a tensor that appears while running */
    const void *state;
    bool infer;     /* output shapes are found when it runs */
    bool by_kernel; /* and the kernel allocates them */
    bool dynamic;   /* reads or writes AT_RUN slots */
    int args;       /* first of n_in + n_out places in ms_plan.operand */
    int n_in, n_out;
    size_t units, scratch;
    /* Run at once with the step before, unless steps run side by side; then the numbers of both. */
    const struct ms_pairing *pairing;
    size_t pair_units, pair_scratch;
    int pair_chunks;
    int chunks;         /* pieces worth spreading over workers; 1 = stay on one */
    double flops;       /* of a call; 0 when infer is set */
    size_t bytes;       /* read and written */
    int drops, n_drops; /* AT_RUN slots that nobody reads after this step, in ms_plan.list */
    int succs, n_succs; /* steps that wait for this one, in ms_plan.list */
    int needs;          /* steps that this one waits for */
};

/* One output of the graph. */
struct ms_plan_out {
    int slot;
    int own;   /* AT_OUTPUT: which own tensor; -1: copied or referenced */
    bool view; /* not the first on its own tensor, or of another shape */
};

struct ms_plan {
    atomic_int refs;
    struct ms_part *part;
    struct ms_arena arena;
    size_t charged;
    uint64_t hash;
    int n_in, n_out;
    struct ms_shape *in_shape;
    struct ms_slot *slot;
    int n_slots;
    struct ms_step *step;
    int n_steps;
    int *operand; /* slots; -1 = none */
    int n_operands;
    int *list;
    struct ms_plan_out *out;
    size_t *own_bytes; /* of own tensors */
    int n_own;
    int *late; /* all AT_RUN slots */
    int n_late;
    int *fresh; /* slots whose address changes with each run: AT_INPUT, AT_OUTPUT */
    int n_fresh;
    bool branches;      /* some steps could run side by side */
    bool alone;         /* too short to be shared */
    size_t slab, bound; /* bytes of the slab's buffers; the least any plan would need */
    size_t scratch;     /* of the hungriest step; lies behind the buffers */
    size_t peak;        /* slab, scratch and outputs */
    double flops;
    atomic_llong ewma_ns; /* how long runs take */
    struct ms_plan *next; /* in the part's list */
    pthread_mutex_t lock; /* of idle */
    struct ms_run *idle;  /* pooled runs */
    int n_idle;
};

/* Makes a plan for input shapes (static, one for each graph input); one reference.
 * INVALID_ARGUMENT when the shapes do not fit the graph, RESOURCE_EXHAUSTED when the plan would
 * pass the run's or the model's budget. */
ms_code ms_plan_new(struct ms_part *p, const struct ms_shape *in, struct ms_plan **out,
                    struct ms_err *err);
struct ms_plan *ms_plan_ref(struct ms_plan *p);
void ms_plan_unref(struct ms_plan *p);

/* plan_place.c, plan_slices.c: where values lie. plan_steps.c: operands, costs, cuts. plan_edges.c:
 * who waits for whom. Used by plan.c alone. */
struct ms_maker {
    struct ms_plan *plan;
    struct ms_part *part;
    struct ms_graph *g;
    struct ms_arena scratch;
    struct ms_syms syms;
    struct ms_fact *fact; /* by value id */
    bool *late;           /* by value id: appears while running */
    bool *read;           /* by value id */
    bool *known;          /* by node id: evaluated, no step */
    int *root;            /* by value id: whose memory it lies in, all of it; roots are cells */
    int *last;            /* by value id, of roots: last step that touches it; INT_MAX: outputs */
    int *first;           /* by value id, of roots: step that makes it; -1 before all */
    int *top;             /* by value id, of roots: the cell that it is a slice of, or itself */
    size_t *shift;        /* by value id, of roots: bytes from where the top begins */
    int *next;            /* by value id, of roots: the next cell of the same top; -1 */
    int *cells;           /* by value id, of tops: how many there are */
    const struct ms_value **met; /* by value id, of tops: the last output it was tried for */
    bool *is_output;             /* by value id, of roots: a graph output is in it */
    struct ms_buffer *buffer;
    int *buffer_of; /* by value id, of roots; -1 */
    int n_buffers;
    struct ms_err *err;
};
ms_code ms_plan_place(struct ms_maker *m);
/* The cell of a value, by their ids: all values of a cell lie on the same bytes. */
int ms_plan_root(const struct ms_maker *m, int id);
/* Makes inputs slices of their output where that is possible (op.slices), and leaves out the steps
 * that would have copied them. After views have joined their inputs, before lives are known. */
void ms_plan_slices(struct ms_maker *m);
/* Do two cells share bytes? A cell overlaps itself, its slices, and what it is a slice of. */
bool ms_plan_overlap(const struct ms_maker *m, int a, int b);
ms_code ms_plan_steps(struct ms_maker *m);
ms_code ms_plan_edges(struct ms_maker *m);
/* A static slot's tensor with its data missing, for units() and scratch(). */
void ms_plan_args(const struct ms_plan *p, const struct ms_step *s, struct ms_tensor **args);
/* Could step s run at once with the one before? That is settled when shapes are known; both keep
 * their memory as long as either runs. NULL: no. */
const struct ms_pairing *ms_plan_pairing(const struct ms_maker *m, int s);
/* How many pieces of a step are worth spreading. */
int ms_step_chunks(const struct ms_kernel *k, size_t units, double flops, size_t bytes,
                   int threads);

#endif
