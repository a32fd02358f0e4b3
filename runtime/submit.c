/* SPDX-License-Identifier: Apache-2.0 */
/* submit.c - a request checked against its model and put into the queue, or run at once.
 *
 * Runs on transport threads and never waits: all it allocates comes from the call's arena, all it
 * locks is the model's own queue, for a few instructions. */
#include <string.h>

#include "base/clock.h"
#include "base/map.h"
#include "base/mem.h"
#include "runtime/model_impl.h"

#define QUEUE_PATIENCE (30 * MS_SEC)

/* ---- the request and the ports ---- */

static int find_port(const struct ms_port *p, int n, const char *name)
{
    for (int i = 0; i < n; i++)
        if (strcmp(p[i].name, name) == 0)
            return i;
    return -1;
}

static ms_code map_inputs(struct ms_item *it, struct ms_err *err)
{
    struct ms_model *m = it->model;
    struct ms_request *r = it->req;
    char name[128];

    it->in = ms_arena_array(r->arena, (size_t)m->n_in, sizeof(struct ms_tensor *));
    if (!it->in)
        return ms_fail_oom(err, "request", 0);
    if (r->n_in != m->n_in)
        return ms_fail(err, MS_INVALID_ARGUMENT,
                       "expected %d inputs but got %d inputs for model '%s'", m->n_in, r->n_in,
                       m->name);
    for (int i = 0; i < r->n_in; i++) {
        const char *n = r->in[i].name;
        int at = n ? find_port(m->in, m->n_in, n) : i;
        if (at < 0)
            return ms_fail(err, MS_INVALID_ARGUMENT,
                           "unexpected inference input '%s' for model '%s'",
                           ms_escape(name, sizeof name, n, strlen(n)), m->name);
        if (it->in[at])
            return ms_fail(err, MS_INVALID_ARGUMENT, "input '%s' is given twice", m->in[at].name);
        it->in[at] = &r->in[i].tensor;
    }
    return ms_model_check_inputs(m, it->in, err);
}

static ms_code map_outputs(struct ms_item *it, struct ms_err *err)
{
    struct ms_model *m = it->model;
    struct ms_request *r = it->req;
    char name[128];

    it->n_want = r->n_want ? r->n_want : m->n_out;
    it->want = ms_arena_array(r->arena, (size_t)it->n_want, sizeof *it->want);
    r->out = ms_arena_array(r->arena, (size_t)it->n_want, sizeof *r->out);
    r->n_out = 0;
    if (!it->want || !r->out)
        return ms_fail_oom(err, "request", 0);
    for (int i = 0; i < it->n_want; i++) {
        it->want[i] = r->n_want ? find_port(m->out, m->n_out, r->want[i].name) : i;
        if (it->want[i] < 0)
            return ms_fail(
                err, MS_INVALID_ARGUMENT, "unexpected inference output '%s' for model '%s'",
                ms_escape(name, sizeof name, r->want[i].name, strlen(r->want[i].name)), m->name);
    }
    return MS_OK;
}

/* Kernels rely on the alignment of elements, and on bools of 0 and 1. */
static bool readable(const struct ms_tensor *t)
{
    size_t size = ms_dtype_size(t->dtype);

    if (t->dtype == MS_BOOL) {
        uint8_t any = 0;
        for (size_t i = 0; i < t->bytes; i++)
            any |= ((const uint8_t *)t->data)[i];
        return any <= 1;
    }
    return (uintptr_t)t->data % (size > 8 ? 8 : size) == 0;
}

static void measure(struct ms_item *it)
{
    struct ms_model *m = it->model;
    uint64_t h = 0;

    for (int i = 0; i < m->n_in; i++) {
        const struct ms_shape *s = &it->in[i]->shape;
        it->bytes += it->in[i]->bytes;
        it->copy_in |= !readable(it->in[i]);
        for (int d = m->batchable ? 1 : 0; d < s->rank; d++)
            h = (h ^ (uint64_t)s->dim[d]) * 0x9e3779b97f4a7c15u + (uint64_t)d;
    }
    it->key = h;
    it->rows = m->batchable ? it->in[0]->shape.dim[0] : 0;
}

/* ---- admission ---- */

static ms_code reject(struct ms_model *m, enum ms_reject why, struct ms_err *err, ms_code code,
                      const char *text)
{
    atomic_fetch_add_explicit(&m->stats.rejected[why], 1, memory_order_relaxed);
    return ms_fail(err, code, "model '%s': %s", m->name, text);
}

/* With the lock held. */
static ms_code admit(struct ms_model *m, const struct ms_item *it, struct ms_err *err)
{
    struct ms_queue *q = &m->queue;
    const struct ms_batching *b = &m->batching;

    if (q->n >= b->max_queue)
        return reject(m, MS_REJECT_QUEUE_FULL, err, MS_UNAVAILABLE, "exceeds maximum queue size");
    if (q->bytes > b->max_queue_bytes || it->bytes > b->max_queue_bytes - q->bytes)
        return reject(m, MS_REJECT_QUEUE_FULL, err, MS_UNAVAILABLE, "exceeds maximum queue bytes");
    if (it->deadline == MS_NEVER)
        return MS_OK;
    if (it->queued >= it->deadline)
        return reject(m, MS_REJECT_LATE, err, MS_DEADLINE_EXCEEDED,
                      "the request's deadline had passed when it came");
    int64_t wait =
        q->n * atomic_load_explicit(&q->service, memory_order_relaxed) / m->engine->opts.threads;
    if (wait > it->deadline - it->queued)
        return reject(m, MS_REJECT_LATE, err, MS_DEADLINE_EXCEEDED,
                      "the predicted wait is beyond the request's deadline");
    return MS_OK;
}

/* Waking a worker takes longer than a small model's run. So a request that meets no other one of
 * its model is run by the thread that brought it, if that thread allows it so long and batches are
 * not to be waited for. What comes in the meantime queues, and batches form as ever. With the lock
 * held. True: the pool waits for ms_pool_leave. */
static bool runs_here(struct ms_model *m, const struct ms_item *it)
{
    if (!it->req->here || atomic_load(&m->queue.pending) > 0 ||
        (m->batching.enabled && m->batching.max_delay_ns > 0))
        return false;
    int64_t ns = ms_program_foresee(&m->program, it->in);
    return ns > 0 && ns <= it->req->here && ms_pool_enter(m->engine->pool);
}

static ms_code enqueue(struct ms_item *it, struct ms_err *err)
{
    struct ms_model *m = it->model;
    struct ms_engine *e = m->engine;
    struct ms_queue *q = &m->queue;
    int64_t deadline = it->deadline;

    pthread_mutex_lock(&q->lock);
    ms_code code = admit(m, it, err);
    if (code != MS_OK) {
        pthread_mutex_unlock(&q->lock);
        return code;
    }
    bool here = runs_here(m, it);
    ms_model_ref(m);
    atomic_fetch_add(&q->pending, 1);
    if (here) {
        pthread_mutex_unlock(&q->lock);
        ms_batch_alone(it);
        ms_pool_leave(e->pool);
        return MS_OK;
    }
    ms_queue_insert(q, it);
    bool notify = ms_queue_announce(m);
    pthread_mutex_unlock(&q->lock);
    /* from here on the request may be done and gone, and with it our last hold on the model */
    if (notify)
        ms_pool_notify(e->pool);
    if (deadline != MS_NEVER)
        ms_watch_kick(e->watch, deadline);
    return MS_OK;
}

ms_code ms_submit(struct ms_model *m, struct ms_request *r, ms_done_fn done, void *arg,
                  struct ms_err *err)
{
    struct ms_item *it = ms_arena_alloc(r->arena, sizeof *it);
    const struct ms_batching *b = &m->batching;

    if (!it)
        return ms_fail_oom(err, "request", sizeof *it);
    *it =
        (struct ms_item){.req = r, .model = m, .done = done, .arg = arg, .watch = m->engine->watch};
    atomic_init(&it->cancel, false);
    MS_TRY(map_inputs(it, err));
    MS_TRY(map_outputs(it, err));
    measure(it);
    it->queued = ms_now();
    it->deadline = r->deadline;
    if (it->deadline == MS_NEVER && b->timeout_ns > 0)
        it->deadline = it->queued + b->timeout_ns;
    it->rank = it->queued + QUEUE_PATIENCE;
    if (it->deadline < it->rank)
        it->rank = it->deadline;
    r->times.queued = it->queued;
    r->runtime = it;
    return enqueue(it, err);
}

void ms_cancel(struct ms_request *r)
{
    struct ms_item *it = r->runtime;

    if (!it)
        return;
    atomic_store(&it->cancel, true);
    ms_watch_kick(it->watch, ms_now());
}

int ms_model_pending(const struct ms_model *m)
{
    return atomic_load(&m->queue.pending);
}
