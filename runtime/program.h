/* SPDX-License-Identifier: Apache-2.0 */
/* program.h - a graph that can run: kernels chosen, weights packed, plans by input shapes.
 *
 *     program ── part 0: the model's graph ── plan [1,3,224,224] ── run, run
 *             │                            └─ plan [8,3,224,224] ── run
 *             ├─ part 1: body of a Loop ───── plan ...
 *             └─ slabs: memory of runs, handed from one to the next
 *
 * Immutable once made, but for the caches, which have locks of their own. */
#ifndef MS_RUNTIME_PROGRAM_H
#define MS_RUNTIME_PROGRAM_H

#include <pthread.h>

#include "runtime/kernel.h"
#include "runtime/plan.h"
#include "runtime/slab.h"

struct ms_engine;

/* One graph of the model and its plans, most recently used first. */
struct ms_part {
    struct ms_program *program;
    struct ms_graph *graph;
    struct ms_choice *choice; /* by node id */
    pthread_mutex_t lock;     /* of the list of plans */
    struct ms_plan *plans;
    int n_plans;
};

struct ms_program {
    struct ms_engine *engine;   /* NULL: every run is serial */
    struct ms_account *account; /* of the model; borrowed */
    struct ms_packed packed;
    struct ms_arena arena;
    struct ms_part *parts; /* 0 is the main graph */
    int n_parts;
    struct ms_slabs slabs;
    size_t run_budget, max_workspace;
    int max_plans, threads;
    atomic_size_t run_peak; /* of the largest plan made */
};

struct ms_program_opts {
    struct ms_engine *engine;
    struct ms_account *account;
    size_t run_budget, max_workspace, packed_budget;
    int max_plans, threads;
    bool exact;             /* no kernel that is marked inexact */
    bool in_order;          /* see struct ms_choose */
    struct ms_tuner *tuner; /* the same */
    int64_t deadline;
    const atomic_bool *cancel;
    /* Around the preparation of a node's kernel; packed: the kernel keeps state of its own. Both
     * are called for every node up to the first failure, and may be NULL. */
    ms_code (*pack_begin)(void *arg, const struct ms_node *n, struct ms_err *err);
    ms_code (*pack_end)(void *arg, const struct ms_node *n, bool packed, int done, int total,
                        struct ms_err *err);
    void *arg;
};

/* Numbers the graphs, chooses and prepares the kernel of each node. The graph and what o points to
 * must live as long as the program. ms_program_done after failures too. */
ms_code ms_program_init(struct ms_program *p, struct ms_graph *g, const struct ms_program_opts *o,
                        struct ms_err *err);
/* No run may be under way. */
void ms_program_done(struct ms_program *p);

/* The part of a graph; NULL if it is none of this program's. */
struct ms_part *ms_program_part(struct ms_program *p, const struct ms_graph *g);

/* The plan for input tensors of these shapes (cached or made now); a reference. */
ms_code ms_part_plan(struct ms_part *p, struct ms_tensor *const *in, struct ms_plan **out,
                     struct ms_err *err);
/* How long a run for input tensors of these shapes takes, ns; 0: not known, or it depends on more
 * than shapes. */
int64_t ms_program_foresee(struct ms_program *p, struct ms_tensor *const *in);
/* Drops plans that nobody uses; how many bytes came free. */
size_t ms_program_shrink(struct ms_program *p);

#endif
