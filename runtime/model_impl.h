/* SPDX-License-Identifier: Apache-2.0 */
/* model_impl.h - what runtime/ alone sees of a model. */
#ifndef MS_RUNTIME_MODEL_IMPL_H
#define MS_RUNTIME_MODEL_IMPL_H

#include "runtime/engine_impl.h"
#include "runtime/model.h"
#include "runtime/program.h"
#include "runtime/queue.h"
#include "runtime/run.h"

struct ms_kept { /* a tensor that folding made */
    struct ms_tensor *tensor;
    struct ms_kept *next;
};

/* What a reader may take for a file of that many bytes. load.c */
struct ms_read_limits ms_model_read_limits(const struct ms_model_opts *o, size_t file,
                                           size_t max_heap);

struct ms_model {
    atomic_int refs;
    struct ms_engine *engine;
    struct ms_account *account; /* inside the engine's */
    char *name, *version;
    char digest[sizeof((struct ms_request *)0)->out_digest];
    const char *const *labels; /* in the arena */
    int n_labels;
    const struct ms_format *format;
    void (*release)(void *arg); /* of the source */
    void *release_arg;
    struct ms_arena arena; /* graph, ports */
    struct ms_kept *kept;
    size_t graph_bytes;                 /* booked for arena and kept tensors */
    size_t weight_bytes, weight_booked; /* in mapped files */
    struct ms_graph *graph;
    struct ms_port *in, *out;
    int n_in, n_out;
    struct ms_program program;
    bool batchable; /* proven */
    struct ms_batching batching;
    struct ms_pass_report passes[MS_MAX_PASSES];
    int n_passes;
    struct ms_model_stats stats;
    struct ms_queue queue;
    bool listed; /* in the engine's list */
    struct ms_model *prev, *next;
};

/* Checks tensors against the ports: count, dtype, static dims, equal symbols equal sizes, bytes.
 * INVALID_ARGUMENT in the words of model and input. */
ms_code ms_model_check_inputs(const struct ms_model *m, struct ms_tensor *const *in,
                              struct ms_err *err);
/* The main graph run once: inputs checked and made addressable, plan, run. */
ms_code ms_model_execute(struct ms_model *m, struct ms_tensor *const *in, struct ms_tensor **out,
                         const struct ms_run_opts *o, struct ms_err *err);

/* selftest.c: warm-up, one run on made-up inputs, proof of the batch axis. */
ms_code ms_model_self_test(struct ms_model *m, const struct ms_model_opts *o, struct ms_err *err);

#endif
