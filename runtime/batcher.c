/* SPDX-License-Identifier: Apache-2.0 */
/* batcher.c - a free worker takes the next model in the ring and forms a batch of what waits there.
 *
 *     queue:  a[2,x]  b[1,x]  c[1,y]  d[1,x]         x, y: the dims behind the first
 *     batch:  a b d -> inputs [4,x] -> one run -> outputs [4,z] -> views [2,z] [1,z] [1,z]
 *
 * It takes what is there and goes; it waits only when the model's configuration asks for a delay.
 * Sizes follow a ladder, so that a handful of plans serves every load. A model is in the ring once
 * at most and goes to its end after each batch, so models take turns. */
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "runtime/model_impl.h"
#include "runtime/spare.h"

enum { BATCH_MAX = 256 }; /* requests in a batch */

struct batch {
    struct ms_model *m;
    struct ms_item *item[BATCH_MAX];
    int n;
    int64_t rows;
    struct ms_slab staging;
    struct ms_tensor *in;       /* joined inputs */
    struct ms_tensor **in_list; /* what the run reads */
    struct ms_tensor **out;
};

/* ---- taking ---- */

static bool compatible(const struct ms_item *a, const struct ms_item *b)
{
    if (a->key != b->key)
        return false;
    for (int i = 0; i < a->model->n_in; i++) {
        struct ms_shape s = b->in[i]->shape;
        if (s.rank > 0)
            s.dim[0] = a->in[i]->shape.dim[0];
        if (!ms_shape_eq(&a->in[i]->shape, &s))
            return false;
    }
    return true;
}

/* The largest size of 1 2 3 4 6 8 12 16 24 32 ... that is at most n. */
static int64_t ladder(int64_t n)
{
    int64_t step = 1;

    while (step * 2 <= n)
        step *= 2;
    return step > 1 && step + step / 2 <= n ? step + step / 2 : step;
}

/* Fills b from the queue; the lock is held. The items stay in the queue. */
static void choose(struct batch *b)
{
    struct ms_model *m = b->m;
    struct ms_item *head = m->queue.first;
    int64_t most = m->batching.max_size;

    b->item[0] = head;
    b->n = 1;
    b->rows = head->rows;
    if (!m->batching.enabled || head->rows < 1)
        return;
    for (struct ms_item *it = head->next; it && b->n < BATCH_MAX && b->rows < most; it = it->next)
        if (it->rows >= 1 && it->rows <= most - b->rows && compatible(head, it)) {
            b->item[b->n++] = it;
            b->rows += it->rows;
        }
    int64_t size = ladder(b->rows);
    while (b->n > 1 && b->rows - b->item[b->n - 1]->rows >= size)
        b->rows -= b->item[--b->n]->rows;
}

/* Should the batch wait to fill? Then m->queue.due says until when. The lock is held. */
static bool waits(const struct batch *b, int64_t now)
{
    struct ms_queue *q = &b->m->queue;
    const struct ms_batching *c = &b->m->batching;

    q->due = MS_NEVER;
    if (!c->enabled || c->max_delay_ns <= 0 || b->rows >= c->max_size)
        return false;
    int64_t oldest = now;
    for (int i = 0; i < b->n; i++)
        if (b->item[i]->queued < oldest)
            oldest = b->item[i]->queued;
    if (oldest + c->max_delay_ns <= now)
        return false;
    q->due = oldest + c->max_delay_ns;
    return true;
}

bool ms_queue_announce(struct ms_model *m)
{
    if (m->queue.token)
        return false;
    /* The ring has room for every model the engine admits. */
    m->queue.token = ms_ring_push(&m->engine->ready, ms_model_ref(m));
    if (!m->queue.token)
        ms_model_unref(m); /* the caller holds another */
    return m->queue.token;
}

/* Takes a batch out of the model's queue; false if there is none to run now. Puts the model back
 * into the ring if more is waiting. */
static bool take(struct batch *b, struct ms_item **dead)
{
    struct ms_queue *q = &b->m->queue;
    int64_t now = ms_now(), alarm = MS_NEVER;
    bool more = false, got = false;

    pthread_mutex_lock(&q->lock);
    q->token = false;
    ms_queue_sweep(q, now, dead);
    if (q->first) {
        choose(b);
        got = !waits(b, now);
        alarm = q->due;
        for (int i = 0; got && i < b->n; i++)
            ms_queue_remove(q, b->item[i]);
        if (got && q->first)
            more = ms_queue_announce(b->m);
    }
    pthread_mutex_unlock(&q->lock);
    if (more || !ms_ring_empty(&b->m->engine->ready))
        ms_pool_notify(b->m->engine->pool);
    if (alarm != MS_NEVER)
        ms_watch_kick(b->m->engine->watch, alarm);
    return got;
}

/* ---- gathering ---- */

static void copy_bool(uint8_t *to, const uint8_t *from, size_t n)
{
    for (size_t i = 0; i < n; i++)
        to[i] = from[i] != 0;
}

static void append(struct ms_tensor *to, size_t at, const struct ms_tensor *from)
{
    if (!from->bytes)
        return;
    if (from->dtype == MS_BOOL)
        copy_bool((uint8_t *)to->data + at, from->data, from->bytes);
    else
        memcpy((char *)to->data + at, from->data, from->bytes);
}

/* Inputs where they lie, if there is one request and kernels can read it; else joined in staging
 * memory from the model's slabs. */
static ms_code gather(struct batch *b, struct ms_err *err)
{
    struct ms_model *m = b->m;
    size_t total = 0, head;

    b->in_list = b->item[0]->in;
    if (b->n == 1 && !b->item[0]->copy_in)
        return MS_OK;
    head = ms_align64((size_t)m->n_in * (sizeof *b->in + sizeof(struct ms_tensor *)));
    for (int k = 0; k < b->n; k++)
        for (int i = 0; i < m->n_in; i++)
            total += ms_align64(b->item[k]->in[i]->bytes);
    if (!ms_slabs_take(&m->program.slabs, head + total, &b->staging))
        return ms_fail(err, MS_RESOURCE_EXHAUSTED, "no memory to join a batch (%zu bytes)", total);
    b->in = b->staging.data;
    b->in_list = (struct ms_tensor **)(void *)(b->in + m->n_in);
    char *at = (char *)b->staging.data + head;
    for (int i = 0; i < m->n_in; i++) {
        struct ms_tensor *t = &b->in[i], *first = b->item[0]->in[i];
        struct ms_shape s = first->shape;
        if (b->n > 1)
            s.dim[0] = b->rows;
        if (!ms_tensor_borrow(t, first->dtype, &s, at))
            return ms_fail(err, MS_INTERNAL, "a batch is too large");
        b->in_list[i] = t;
        size_t done = 0;
        for (int k = 0; k < b->n; k++) {
            append(t, done, b->item[k]->in[i]);
            done += b->item[k]->in[i]->bytes;
        }
        at += ms_align64(done);
    }
    return MS_OK;
}

/* ---- scattering ---- */

static void release_part(struct ms_tensor *t)
{
    ms_tensor_unref(t->owner); /* the struct is the call arena's */
}

/* Rows [from, from + rows) of a batch's output, as a view in the call's arena. */
static struct ms_tensor *part(struct ms_arena *a, struct ms_tensor *all, int64_t total,
                              int64_t from, int64_t rows)
{
    struct ms_tensor *t = ms_arena_alloc(a, sizeof *t);
    size_t row = all->bytes / (size_t)total;

    if (!t)
        return NULL;
    *t = (struct ms_tensor){.dtype = all->dtype,
                            .shape = all->shape,
                            .bytes = row * (size_t)rows,
                            .data = (char *)all->data + row * (size_t)from,
                            .release = release_part,
                            .owner = ms_tensor_ref(all)};
    t->shape.dim[0] = rows;
    atomic_init(&t->refs, 1);
    return t;
}

static ms_code fill_result(const struct batch *b, struct ms_item *it, int64_t from,
                           struct ms_err *err)
{
    struct ms_request *r = it->req;
    struct ms_model *m = b->m;

    for (int i = 0; i < it->n_want; i++) {
        struct ms_tensor *all = b->out[it->want[i]], *t;
        t = b->n == 1 ? ms_tensor_ref(all) : part(r->arena, all, b->rows, from, it->rows);
        if (!t)
            return ms_fail_oom(err, "result", 0);
        r->out[i].name = m->out[it->want[i]].name;
        r->out[i].tensor = t;
        r->out[i].labels = m->labels;
        r->out[i].n_labels = m->n_labels;
        r->n_out = i + 1;
    }
    size_t n = strnlen(m->version, sizeof r->out_version - 1);
    memcpy(r->out_version, m->version, n);
    r->out_version[n] = '\0';
    memcpy(r->out_digest, m->digest, sizeof r->out_digest);
    return MS_OK;
}

/* ---- running ---- */

static int64_t latest_deadline(const struct batch *b)
{
    int64_t latest = 0;

    for (int i = 0; i < b->n; i++)
        if (b->item[i]->deadline > latest)
            latest = b->item[i]->deadline;
    return latest;
}

static void add(struct ms_stat *s, int64_t count, int64_t ns)
{
    atomic_fetch_add_explicit(&s->count, (unsigned long long)count, memory_order_relaxed);
    atomic_fetch_add_explicit(&s->ns, (unsigned long long)ns, memory_order_relaxed);
}

static void note_size(struct ms_model_stats *s, int64_t items, int64_t input, int64_t infer,
                      int64_t output)
{
    if (items > MS_BATCH_STATS)
        return;
    add(&s->batch[items - 1].input, 1, input);
    add(&s->batch[items - 1].infer, 1, infer);
    add(&s->batch[items - 1].output, 1, output);
}

static void note(struct batch *b, int64_t started, int64_t begun, int64_t ended)
{
    struct ms_model_stats *s = &b->m->stats;
    struct ms_queue *q = &b->m->queue;
    int64_t items = b->rows > 0 ? b->rows : 1, now = ms_now();
    long long each = (ended - started) / b->n, old;

    for (int i = 0; i < b->n; i++) {
        struct ms_req_times *t = &b->item[i]->req->times;
        t->started = started;
        t->compute_start = begun;
        t->compute_end = ended;
        t->batch = (int)items;
        add(&s->queue, 1, started - b->item[i]->queued);
        ms_hist_add(&s->queue_time, started - b->item[i]->queued);
    }
    add(&s->compute_input, b->n, (begun - started) * b->n);
    add(&s->compute_infer, b->n, (ended - begun) * b->n);
    add(&s->compute_output, b->n, (now - ended) * b->n);
    atomic_fetch_add_explicit(&s->inferences, (unsigned long long)items, memory_order_relaxed);
    atomic_fetch_add_explicit(&s->executions, 1, memory_order_relaxed);
    atomic_store_explicit(&s->last_ms, ms_wall() / MS_MS, memory_order_relaxed);
    ms_hist_add(&s->compute_time, ended - begun);
    ms_hist_add(&s->batch_size, items);
    note_size(s, items, begun - started, ended - begun, now - ended);
    old = atomic_load_explicit(&q->service, memory_order_relaxed);
    atomic_store_explicit(&q->service, old ? old + (each - old) / 8 : each, memory_order_relaxed);
}

static void finish_all(struct batch *b, const struct ms_err *err)
{
    for (int i = 0; i < b->n; i++)
        ms_item_finish(b->item[i], err);
}

/* Gives each request its rows. The batch's outputs are let go before the first done: a request may
 * then be all that holds them. */
static void scatter(struct batch *b)
{
    struct ms_err err;
    int64_t from = 0;
    bool failed[BATCH_MAX];

    for (int i = 0; i < b->n; i++) {
        failed[i] = fill_result(b, b->item[i], from, &err) != MS_OK;
        from += b->item[i]->rows;
    }
    for (int i = 0; i < b->m->n_out; i++)
        ms_tensor_unref(b->out[i]);
    int64_t now = ms_now();
    for (int i = 0; i < b->n; i++) {
        if (failed[i])
            ms_item_fail(b->item[i], MS_RESOURCE_EXHAUSTED, "out of memory for the result");
        else if (now >= b->item[i]->deadline)
            ms_item_fail(b->item[i], MS_DEADLINE_EXCEEDED, "the request's deadline has passed");
        else
            ms_item_finish(b->item[i], NULL);
    }
}

static ms_code run_batch(struct batch *b, struct ms_err *err)
{
    struct ms_model *m = b->m;
    struct ms_run_opts o = {.width = m->engine->opts.threads,
                            .deadline = latest_deadline(b),
                            .cancel = b->n == 1 ? &b->item[0]->cancel : NULL};
    int64_t started = ms_now();
    ms_code code = gather(b, err);
    int64_t begun = ms_now();

    if (code == MS_OK)
        code = ms_model_execute(m, b->in_list, b->out, &o, err);
    ms_slabs_give(&m->program.slabs, &b->staging);
    if (code == MS_OK)
        note(b, started, begun, ms_now());
    return code;
}

/* One request's bad data must not fail its neighbours: they are run again, each alone. */
static void run_alone(struct batch *b)
{
    struct batch one = {.m = b->m, .n = 1, .out = b->out};
    struct ms_err err;

    for (int i = 0; i < b->n; i++) {
        one.item[0] = b->item[i];
        one.rows = b->item[i]->rows;
        if (run_batch(&one, &err) == MS_OK)
            scatter(&one);
        else
            finish_all(&one, &err);
    }
}

static void reject_memory(struct batch *b, ms_code code)
{
    if (code == MS_RESOURCE_EXHAUSTED)
        atomic_fetch_add_explicit(&b->m->stats.rejected[MS_REJECT_MEMORY], (unsigned)b->n,
                                  memory_order_relaxed);
}

static void serve(struct batch *b)
{
    struct ms_tensor *few[16], **out = few;
    struct ms_err err;

    if (b->m->n_out > 16 && !(out = ms_calloc((size_t)b->m->n_out, sizeof(struct ms_tensor *)))) {
        ms_fail_oom(&err, "outputs", 0);
        finish_all(b, &err);
        return;
    }
    b->out = out;
    ms_code code = run_batch(b, &err);
    if (code == MS_OK) {
        scatter(b);
    } else if (b->n > 1 && code != MS_DEADLINE_EXCEEDED) {
        run_alone(b);
    } else {
        reject_memory(b, code);
        finish_all(b, &err);
    }
    if (out != few)
        ms_free(out);
}

bool ms_batch_work(void *engine, struct ms_worker *w)
{
    struct ms_engine *e = engine;
    struct batch b;
    struct ms_item *dead = NULL;

    (void)w;
    b.m = ms_ring_pop(&e->ready); /* with a reference */
    if (!b.m)
        return false;
    b.staging = (struct ms_slab){0};
    b.in = NULL;
    bool got = take(&b, &dead);
    ms_items_drop(dead);
    if (got)
        serve(&b);
    ms_model_unref(b.m);
    return true;
}

void ms_batch_alone(struct ms_item *it)
{
    struct batch b = {.m = it->model, .n = 1, .rows = it->rows};

    b.item[0] = it;
    serve(&b);
}

/* ---- what time brings (on the watch's thread) ---- */

/* Expired and cancelled requests go, delays that are over announce their model. */
int64_t ms_engine_tick(void *engine, int64_t now)
{
    struct ms_engine *e = engine;
    struct ms_item *dead = NULL;
    int64_t next = MS_NEVER;
    bool notify = false;

    pthread_mutex_lock(&e->models_lock);
    for (struct ms_model *m = e->models; m; m = m->next) {
        struct ms_queue *q = &m->queue;
        pthread_mutex_lock(&q->lock);
        int64_t at = ms_queue_sweep(q, now, &dead);
        if (q->first && q->due <= now)
            notify |= ms_queue_announce(m);
        else if (q->first && q->due < at)
            at = q->due;
        pthread_mutex_unlock(&q->lock);
        if (at < next)
            next = at;
    }
    pthread_mutex_unlock(&e->models_lock);
    if (notify)
        ms_pool_notify(e->pool);
    ms_items_drop(dead);
    int64_t age = ms_spares_age(e->account->spares, now);
    next = age < next ? age : next;
    return next < now + MS_MS ? now + MS_MS : next;
}
