/* SPDX-License-Identifier: Apache-2.0 */
/* pass.h - a rewrite of the graph that leaves its results as they are.
 *
 * One pass a file; the order is the array in pipeline.c. The same passes run in the daemon and in
 * msctl, and give the same bytes on every host: nothing here may ask for the CPU. */
#ifndef MS_PASSES_PASS_H
#define MS_PASSES_PASS_H

#include "base/err.h"
#include "ir/graph.h"

/* Evaluates a node whose inputs are all known (given by runtime, so that passes/ knows no kernels).
 * in: one for each input, NULL where left out; out: new references. UNIMPLEMENTED or
 * RESOURCE_EXHAUSTED mean "leave it as it is". max_bytes bounds the outputs together. */
typedef ms_code (*ms_eval_fn)(void *arg, const struct ms_node *n, const struct ms_tensor *const *in,
                              struct ms_tensor **out, size_t max_bytes, struct ms_err *err);

struct ms_pass_ctx {
    ms_eval_fn eval; /* NULL: no folding */
    void *eval_arg;
    size_t fold_node_bytes;  /* largest result of folding one node: 16 MiB */
    size_t fold_total_bytes; /* all results: 2 x the model */
    int64_t deadline;        /* monotonic; DEADLINE_EXCEEDED beyond */
    long fuel; /* rewrites left, over all passes: 64 x nodes; at 0 passes stop quietly */
    /* Takes the reference on a tensor that a pass made and holds it as long as the graph; false
     * when memory is out (then the reference is still the caller's). */
    bool (*keep)(void *arg, struct ms_tensor *t);
    void *keep_arg;
    bool
        recipes; /* large weights may be left as recipes (ir/tensor.h): who packs them makes them */
};

struct ms_pass {
    const char *name; /* "fuse-activation" */
    const char *help; /* one line */
    /* Rewrites g (not its sub-graphs: the pipeline visits each). *changed counts rewrites. */
    ms_code (*run)(struct ms_graph *g, struct ms_pass_ctx *c, int *changed, struct ms_err *err);
};

struct ms_pass_report {
    const char *name;
    int changed; /* rewrites */
    int nodes_before, nodes_after;
    size_t const_bytes_before, const_bytes_after;
    int64_t ns;
};

#define MS_MAX_PASSES 64

/* Runs passes over g and its sub-graphs, checking the graph after each one. which: "all", "none" or
 * names separated by commas ("-name" after "all" leaves one out: "all,-fold"). report: array of
 * MS_MAX_PASSES or NULL. *n_report is set. */
ms_code ms_passes_run(struct ms_graph *g, const char *which, struct ms_pass_ctx *c,
                      struct ms_pass_report *report, int *n_report, struct ms_err *err);

/* Fills a context with the defaults above for a graph; eval and keep are left NULL. */
void ms_pass_ctx_init(struct ms_pass_ctx *c, const struct ms_graph *g, size_t model_bytes);

/* The i-th pass in pipeline order; NULL beyond the last. */
const struct ms_pass *ms_pass_at(int i);

#endif
