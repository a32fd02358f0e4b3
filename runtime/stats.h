/* SPDX-License-Identifier: Apache-2.0 */
/* stats.h - the counters of a model: what metrics, statistics and `msctl models` show. */
#ifndef MS_RUNTIME_STATS_H
#define MS_RUNTIME_STATS_H

#include <stdatomic.h>

#include "base/hist.h"

enum ms_reject { /* why a request was not run */
                 MS_REJECT_QUEUE_FULL,
                 MS_REJECT_LATE, /* predicted wait beyond the deadline, or expired in the queue */
                 MS_REJECT_CANCELLED,
                 MS_REJECT_MEMORY,
                 MS_N_REJECTS
};

struct ms_stat { /* count and total ns */
    atomic_ullong count, ns;
};

/* Runs of one size: times of whole runs. */
struct ms_batch_stat {
    struct ms_stat input, infer, output;
};
enum { MS_BATCH_STATS = 64 }; /* sizes 1 to this are told apart, larger ones are not listed */

struct ms_model_stats {
    struct ms_stat success, fail, queue, compute_input, compute_infer, compute_output;
    atomic_ullong inferences; /* batch items */
    atomic_ullong executions; /* runs */
    atomic_ullong rejected[MS_N_REJECTS];
    atomic_llong last_ms;                    /* wall clock of the last inference */
    struct ms_hist queue_time, compute_time; /* ns */
    struct ms_hist batch_size;               /* items */
    struct ms_batch_stat batch[MS_BATCH_STATS];
};

#endif
