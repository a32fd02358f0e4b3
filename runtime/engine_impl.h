/* SPDX-License-Identifier: Apache-2.0 */
/* engine_impl.h - what runtime/ alone sees of the engine. */
#ifndef MS_RUNTIME_ENGINE_IMPL_H
#define MS_RUNTIME_ENGINE_IMPL_H

#include "runtime/account.h"
#include "runtime/engine.h"
#include "runtime/pool.h"
#include "runtime/ring.h"
#include "runtime/tune.h"
#include "runtime/watch.h"

struct ms_engine {
    struct ms_engine_opts opts; /* resolved: no zeros left but max_workspace_bytes */
    struct ms_account *account;
    struct ms_watch *watch;
    struct ms_pool *pool;
    struct ms_tuner *tuner; /* NULL unless tuning is MS_TUNE_MEASURE */
    struct ms_ring ready;   /* models with waiting requests; each holds a reference */
    pthread_mutex_t models_lock;
    struct ms_model *models; /* loaded ones, linked by next */
    int n_models;
};

/* Most models an engine holds: the ring has room for each. */
enum { MS_ENGINE_MODELS = 1 << 14 };

/* batcher.c: what the watch calls at alarms. */
int64_t ms_engine_tick(void *engine, int64_t now);

/* Frees what models only keep for later (idle slabs, unused plans); how many bytes. e may be NULL.
 */
size_t ms_engine_shrink(struct ms_engine *e);
struct ms_watch *ms_engine_watch(struct ms_engine *e);
struct ms_pool *ms_engine_pool(struct ms_engine *e);

#endif
