/* SPDX-License-Identifier: Apache-2.0 */
/* eval.h - one node computed on its own, by its reference kernel: folding at load, and contents of
 * shape tensors when a plan is made. The reference, so that every host folds to the same bytes. */
#ifndef MS_RUNTIME_EVAL_H
#define MS_RUNTIME_EVAL_H

#include "passes/pass.h"

struct ms_engine;

struct ms_eval_opts {
    struct ms_engine *engine; /* its watch ends long kernels; may be NULL */
    int64_t deadline;
    const atomic_bool *cancel; /* may be NULL */
};

/* An ms_eval_fn; arg points to struct ms_eval_opts. */
ms_code ms_eval(void *arg, const struct ms_node *n, const struct ms_tensor *const *in,
                struct ms_tensor **out, size_t max_bytes, struct ms_err *err);

#endif
