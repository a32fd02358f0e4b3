/* SPDX-License-Identifier: Apache-2.0 */
/* engine.h - the worker pool, the memory account and the defaults that all models share. */
#ifndef MS_RUNTIME_ENGINE_H
#define MS_RUNTIME_ENGINE_H

#include "base/cpu.h"
#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

struct ms_engine;

/* How a layer's algorithm is chosen among those that have prices. */
enum ms_tuning {
    MS_TUNE_MODEL,   /* the cheapest by its price */
    MS_TUNE_OFF,     /* the first of the operator's record */
    MS_TUNE_MEASURE, /* the fastest when run; see tune.h */
};

struct ms_engine_opts {
    int threads;          /* workers; 0 = ms_cpu()->usable */
    size_t memory_budget; /* bytes for all models together; 0 = 90 % of what the cgroup or machine
                             has */
    size_t model_budget;  /* packed weights, plans and graph of one model; default 4 GiB */
    size_t run_budget;    /* live tensors, scratch and outputs of one run; default 1 GiB */
    size_t max_workspace_bytes; /* scratch of one kernel; 0 = no bound but run_budget */
    int max_plans;              /* plans cached by a model (LRU); default 16 */
    bool exact;                 /* no algorithm that changes results (numerics: exact) */
    enum ms_tuning tuning;
    const char *tuning_path; /* file that keeps what was measured; copied; NULL = nothing is kept */
};

/* The defaults above. */
void ms_engine_opts_init(struct ms_engine_opts *o);
/* Starts the workers. */
ms_code ms_engine_new(const struct ms_engine_opts *o, struct ms_engine **out, struct ms_err *err);
/* All models must have been unref'd. Joins the workers. */
void ms_engine_free(struct ms_engine *e);

int ms_engine_threads(const struct ms_engine *e);

struct ms_engine_memory {
    size_t weights, packed, plans, graphs, runs; /* bytes now */
    size_t budget;
};
void ms_engine_memory(const struct ms_engine *e, struct ms_engine_memory *out);
/* A counter that grows while workers make progress or idle: the watchdog's heartbeat. */
unsigned long ms_engine_beat(const struct ms_engine *e);

#endif
