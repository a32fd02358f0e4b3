/* SPDX-License-Identifier: Apache-2.0 */
/* run.h - one execution of a plan: slab, tensor table, error, and what kernels may ask for. */
#ifndef MS_RUNTIME_RUN_H
#define MS_RUNTIME_RUN_H

#include "runtime/account.h"
#include "runtime/model.h"
#include "runtime/plan.h"
#include "runtime/slab.h"
#include "runtime/watch.h"

struct ms_run {
    struct ms_ctl ctl; /* first: kernels hand it back */
    struct ms_plan *plan;
    struct ms_run *root;       /* the run that this one's sub-graph belongs to, or itself */
    struct ms_watched watched; /* root: stop flag, deadline, cancel */
    struct ms_budget budget;   /* root */
    atomic_int failed;         /* root: 0, 1 while the error is written, 2 after */
    struct ms_err err;         /* root */
    struct ms_tensor *store;   /* by slot; AT_SLAB, INPUT, OUTPUT: with data of this run */
    struct ms_tensor **table;  /* by slot: store, a constant, or a late tensor */
    struct ms_tensor **args;   /* by operand */
    struct ms_tensor **own;    /* own tensors of outputs */
    struct ms_slab slab;
    void *bound_slab; /* whose addresses are in store */
    void *scratch;
    int width; /* workers that may take part; 1 = alone */
    struct ms_profile *profile;
    atomic_int *pending; /* by step: steps it still waits for (actor.c) */
    int *ready;          /* by step: the next one in the stack of ready steps */
    struct ms_run *next; /* in the plan's idle list */
};

struct ms_run_opts {
    int width;
    int64_t deadline;
    const struct ms_work *work; /* outlives the run; NULL */
    const atomic_bool *cancel;
    struct ms_profile *profile;
    struct ms_run *root; /* of a sub-graph's run; the fields above are the root's then */
};

/* Runs a plan on the calling thread, with the pool's help for big steps. in: tensors of the shapes
 * the plan was made for. out: one new reference for each output (all NULL after a failure). */
ms_code ms_plan_run(struct ms_plan *p, struct ms_tensor *const *in, struct ms_tensor **out,
                    const struct ms_run_opts *o, struct ms_err *err);

/* Does one step (step.c), with up to width workers; scratch: plan->scratch bytes of this thread's
 * own. A failure is the run's (ms_run_fail). */
void ms_run_step(struct ms_run *r, const struct ms_step *s, int width, void *scratch);
/* Step s, which has a pairing, and the one before it at once. */
void ms_run_pair(struct ms_run *r, const struct ms_step *s, int width, void *scratch);
bool ms_run_stopped(struct ms_run *r);
void ms_run_fail(struct ms_run *r, const struct ms_node *n, ms_code code, const char *text);
/* A counted tensor booked on the run's budget and the engine's account. NULL: over one of them. */
struct ms_tensor *ms_run_tensor(struct ms_run *r, enum ms_dtype t, enum ms_layout layout,
                                const struct ms_shape *s);
/* Another shape of a counted tensor; holds a reference on it. */
struct ms_tensor *ms_run_view(struct ms_tensor *of, enum ms_dtype t, const struct ms_shape *s,
                              size_t offset, size_t bytes);
/* A counted copy; NULL as above. */
struct ms_tensor *ms_run_copy(struct ms_run *r, const struct ms_tensor *t);
/* An output leaves: what it holds is no longer on the run's budget. */
void ms_run_detach(struct ms_tensor *t);
/* Sets the callbacks (not stop). */
void ms_run_ctl(struct ms_ctl *c);
/* Frees pooled runs; for ms_plan_unref. */
void ms_run_drop_idle(struct ms_plan *p);

#endif
