/* SPDX-License-Identifier: Apache-2.0 */
/* model.h - an optimised graph with packed weights and a cache of plans; immutable once loaded. */
#ifndef MS_RUNTIME_MODEL_H
#define MS_RUNTIME_MODEL_H

#include "base/buf.h"
#include "ir/format.h"
#include "ir/request.h"
#include "passes/pass.h"
#include "runtime/engine.h"
#include "runtime/stats.h"

struct ms_model;

struct ms_batching {
    bool enabled;           /* only done where the batch axis is proven (ms_model_batchable) */
    int max_size;           /* items along the batch axis; 0 = 32 */
    int64_t max_delay_ns;   /* how long a batch may wait to fill; 0 = never waits */
    int max_queue;          /* requests; 0 = 1024 */
    size_t max_queue_bytes; /* 0 = 256 MiB */
    int64_t timeout_ns;     /* deadline of requests that bring none; 0 = none */
};

struct ms_model_opts {
    const char *name, *version; /* copied */
    const char *digest;         /* what identifies the version's content, for answers; copied;
                                   NULL = "" */
    const char *const *labels;  /* of a classifier, by index; copied */
    int n_labels;
    const char *passes;             /* "all" when NULL */
    size_t memory_budget;           /* 0 = the engine's */
    int max_depth, max_graph_depth; /* nesting of messages and of sub-graphs in the file; 0 = the
                                       reader's own, which it never exceeds */
    struct ms_batching batching;
    const char *const *input_names;  /* new names in order; NULL = the model's */
    const char *const *output_names; /* their counts must agree with the model's */
    int n_input_names, n_output_names;
    int64_t load_deadline; /* monotonic; MS_NEVER */
    int64_t self_test_ns;  /* processor time for warm-up and self-test; default 10 s; 0 = skip */
    const atomic_bool *cancel; /* may be NULL */
    void (*progress)(void *arg, const char *step, uint64_t done, uint64_t total);
    void *progress_arg;
    struct ms_buf *missing; /* see ms_format.read; may be NULL */
};
void ms_model_opts_init(struct ms_model_opts *o);

/* Reads, checks, optimises, chooses kernels, packs, makes a first plan, warms up and self-tests.
 * Takes src->main and what src->open hands out until `release(arg)` is called, once, when the model
 * is freed (also when loading fails). Runs on the calling thread (a loader, never a transport). */
ms_code ms_model_load(struct ms_engine *e, const struct ms_source *src, void (*release)(void *arg),
                      const struct ms_model_opts *o, struct ms_model **out, struct ms_err *err);
/* Only reads, checks and optimises, without an engine, and forgets it all: what a process of its
 * own does with bytes from strangers before they come near the daemon. Uses passes, load_deadline,
 * nesting and cancel of o; max_heap bounds messages, graph and folded constants. */
ms_code ms_model_check(const struct ms_source *src, const struct ms_model_opts *o, size_t max_heap,
                       struct ms_err *err);
struct ms_model *ms_model_ref(struct ms_model *m);
/* The last one frees everything and gives pages back. Never from a worker's own run. */
void ms_model_unref(struct ms_model *m);

/* ---- what it is ---- */
struct ms_port {
    const char *name;
    enum ms_dtype dtype;
    struct ms_shape shape; /* symbols where variable */
};
const char *ms_model_name(const struct ms_model *m);
const char *ms_model_version(const struct ms_model *m);
const struct ms_format *ms_model_format(const struct ms_model *m);
const struct ms_graph *ms_model_graph(const struct ms_model *m);
const struct ms_port *ms_model_inputs(const struct ms_model *m, int *n);
const struct ms_port *ms_model_outputs(const struct ms_model *m, int *n);
/* Batch axis is dim 0 of every input and output and proven independent: see docs. */
bool ms_model_batchable(const struct ms_model *m);
const struct ms_batching *ms_model_batching(const struct ms_model *m); /* effective */
const struct ms_pass_report *ms_model_passes(const struct ms_model *m, int *n);
struct ms_model_memory {
    size_t weights;              /* referenced in the mapped files */
    size_t packed, plans, graph; /* bytes allocated */
    size_t run_peak;             /* slab of the largest plan made so far */
};
void ms_model_memory(const struct ms_model *m, struct ms_model_memory *out);
struct ms_model_stats *ms_model_stats(struct ms_model *m); /* counters, see stats.h */

/* ---- running ---- */

/* One step of a plan, timed; see ms_model_run. */
struct ms_profile_step {
    const struct ms_node *node;
    const char *kernel; /* name of the record; "" for views */
    int64_t ns;         /* total over runs */
    int64_t runs;
    double flops; /* of one run */
    size_t bytes; /* read and written by one run */
};
struct ms_profile {
    struct ms_profile_step *steps; /* ms_malloc'd; free with ms_profile_done */
    int n, cap;
};
void ms_profile_done(struct ms_profile *p);

/* Runs at once on the calling thread with the pool's help, past the queue (offline tools, tests).
 * in: one for each model input, checked against the ports; out: new references, one for each model
 * output. width: workers to use, 0 = adaptive. profile may be NULL. */
ms_code ms_model_run(struct ms_model *m, struct ms_tensor *const *in, struct ms_tensor **out,
                     int width, int64_t deadline, const atomic_bool *cancel,
                     struct ms_profile *profile, struct ms_err *err);

/* Called exactly once for each request that ms_submit accepted, on a worker; or, where the request
 * allows it (`here`), on the submitting thread before ms_submit returns. err NULL = done. */
typedef void (*ms_done_fn)(struct ms_request *r, const struct ms_err *err, void *arg);

/* Checks the request against the model's ports (names, dtypes, shapes, byte lengths), queues it and
 * returns. Takes its own reference to the model. After MS_OK the request may already be done. On an
 * error done is not called: NOT_FOUND never, INVALID_ARGUMENT for a bad request, UNAVAILABLE for a
 * full queue, DEADLINE_EXCEEDED when the predicted wait is beyond the deadline. */
ms_code ms_submit(struct ms_model *m, struct ms_request *r, ms_done_fn done, void *arg,
                  struct ms_err *err);
/* Asks a queued or running request to stop; its done is still called, with CANCELLED (or its result
 * if it was faster). Harmless after done as long as r's memory lives. */
void ms_cancel(struct ms_request *r);
/* Requests waiting now, for metrics and drain. */
int ms_model_pending(const struct ms_model *m);

#endif
