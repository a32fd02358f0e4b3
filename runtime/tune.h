/* SPDX-License-Identifier: Apache-2.0 */
/* tune.h - which algorithm of a layer is the fastest on this host: tried once, and remembered.
 *
 * Prices (see struct ms_kernel) rank algorithms by what they should cost; a tuner runs them on the
 * layer's own shapes. What it found is kept in a text file, for the CPU and the version of the
 * kernels that it was found with, so that the next load of such a layer takes no longer than
 * without. */
#ifndef MS_RUNTIME_TUNE_H
#define MS_RUNTIME_TUNE_H

#include "ir/op.h"

struct ms_tuner;

struct ms_tune_limits {
    size_t weights; /* of the whole model, bytes: what passes through the caches between two runs of
                       a layer */
    size_t room;    /* bytes that trying may take */
    const atomic_bool *cancel; /* may be NULL */
    int64_t deadline;          /* monotonic ns; MS_NEVER */
};

/* path: the file, read at the first question and written by ms_tuner_save; NULL = nothing is kept.
 * Copied. NULL when memory is out. */
struct ms_tuner *ms_tuner_new(const char *path);
void ms_tuner_free(struct ms_tuner *t); /* takes NULL; saves nothing */

/* The fastest of k[0..n) for the node of p, whose kernels must have run's usual form (outputs of
 * known shapes); a first dim without a size counts as 1. NULL when it cannot be tried: other sizes
 * are not known yet, the layer is too large, no room, cancelled. p->alloc is not used. One layer is
 * tried at a time, whoever asks. */
const struct ms_kernel *ms_tune(struct ms_tuner *t, const struct ms_prep *p,
                                const struct ms_kernel *const *k, int n,
                                const struct ms_tune_limits *lim);

/* To be called after a load: writes what is new, and gives back memory used for trying. A file that
 * cannot be written is logged once and costs only that the next start tries again. */
void ms_tuner_save(struct ms_tuner *t);

struct ms_tuner_stats {
    int tried, remembered; /* layers since it was made */
    int64_t ns;            /* spent on trying */
};
void ms_tuner_stats(struct ms_tuner *t, struct ms_tuner_stats *out);

#endif
