/* SPDX-License-Identifier: Apache-2.0 */
/* load.c - bytes to a model that can serve: read, check, optimise, pack, first plan, self-test.
 *
 * Runs on a loader's thread. Weights stay in the mapped file; where a kernel has made its own
 * packed copy, the file's pages are let go as soon as the node is done (shed.c), so that a load
 * never holds two copies of all weights. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "runtime/eval.h"
#include "runtime/model_impl.h"
#include "runtime/shed.h"

#if defined(__SANITIZE_ADDRESS__)
enum { REALIGN_ALL = true }; /* sanitizers take an unaligned read for an error */
#else
enum { REALIGN_ALL = false };
#endif
enum { REALIGN_MAX = 1 << 20 };

struct loader {
    struct ms_model *m;
    const struct ms_source *src;
    const struct ms_model_opts *o;
    struct ms_shed shed;
    void *room; /* of room_bytes */
    size_t room_bytes;
    struct ms_tensor *in_room; /* whose data it is at present */
    struct ms_err *err;
};

static void progress(const struct loader *l, const char *step, uint64_t done, uint64_t total)
{
    if (l->o->progress)
        l->o->progress(l->o->progress_arg, step, done, total);
}

static ms_code check_time(const struct loader *l)
{
    if (l->o->cancel && atomic_load_explicit(l->o->cancel, memory_order_relaxed))
        return ms_fail(l->err, MS_CANCELLED, "the load was cancelled");
    if (l->o->load_deadline != MS_NEVER && ms_now() > l->o->load_deadline)
        return ms_fail(l->err, MS_DEADLINE_EXCEEDED, "the load's deadline has passed");
    return MS_OK;
}

/* ---- read ---- */

struct ms_read_limits ms_model_read_limits(const struct ms_model_opts *o, size_t file,
                                           size_t max_heap)
{
    struct ms_read_limits lim = ms_read_limits_default(file);

    if (lim.max_heap > max_heap)
        lim.max_heap = max_heap;
    if (o->max_depth && o->max_depth < lim.max_depth)
        lim.max_depth = o->max_depth;
    if (o->max_graph_depth && o->max_graph_depth < lim.max_graph_depth)
        lim.max_graph_depth = o->max_graph_depth;
    return lim;
}

static ms_code read_graph(struct loader *l)
{
    struct ms_model *m = l->m;
    struct ms_read_limits lim = ms_model_read_limits(l->o, l->src->main.len, m->account->budget);

    progress(l, "read", 0, l->src->main.len);
    m->format = ms_format_sniff(l->src->main);
    if (!m->format)
        return ms_fail(l->err, MS_INVALID_ARGUMENT, "the file is in no model format known here");
    ms_arena_init(&m->arena, lim.max_heap);
    MS_TRY(m->format->read(l->src, &lim, &m->arena, &m->graph, l->o->missing, l->err));
    progress(l, "read", l->src->main.len, l->src->main.len);
    MS_TRY(check_time(l));
    MS_TRY(ms_graph_check(m->graph, l->err));
    return ms_graph_infer(m->graph, l->err);
}

/* ---- constants ---- */

/* Calls fn for each constant of a graph and the graphs below. */
static ms_code each_constant(struct ms_graph *g,
                             ms_code (*fn)(struct loader *l, struct ms_value *v), struct loader *l)
{
    ms_graph_each (g, n) {
        for (int i = 0; i < n->n_in; i++) {
            struct ms_value *v = n->in[i].value;
            if (v && v->constant && v->uses == &n->in[i]) /* once, at one of its uses */
                MS_TRY(fn(l, v));
        }
        for (int i = 0; i < n->n_attrs; i++)
            if (n->attrs[i].type == MS_ATTR_GRAPH)
                MS_TRY(each_constant(n->attrs[i].graph, fn, l));
    }
    return MS_OK;
}

static ms_code count_weight(struct loader *l, struct ms_value *v)
{
    l->m->weight_bytes += v->constant->bytes;
    return MS_OK;
}

static bool takes_packed(const struct ms_value *v)
{
    for (const struct ms_use *u = v->uses; u; u = u->next) {
        bool packs = false;
        for (const struct ms_kernel *k = u->node->op->kernels; k && k->name; k++)
            packs |= k->prepare != NULL;
        if (!packs)
            return false;
    }
    return true;
}

/* Files put tensors at any address; kernels may rely on that of their element. Small ones, and
 * those that kernels read in place, are copied to a good address; big ones that go through prepare
 * are not, since packing reads them once. */
static ms_code realign(struct loader *l, struct ms_value *v)
{
    const struct ms_tensor *t = v->constant;
    size_t size = ms_dtype_size(t->dtype);
    struct ms_tensor *c;

    if (t->dtype == MS_STRING || size < 2 || (uintptr_t)t->data % size == 0 ||
        (t->bytes > REALIGN_MAX && !REALIGN_ALL && takes_packed(v)))
        return MS_OK;
    c = ms_arena_alloc(&l->m->arena, sizeof *c);
    if (!c || !ms_tensor_borrow(c, t->dtype, &t->shape, NULL))
        return ms_fail_oom(l->err, "constant", t->bytes);
    c->layout = t->layout;
    c->data = ms_arena_alloc(&l->m->arena, t->bytes);
    if (!c->data)
        return ms_fail_oom(l->err, "constant", t->bytes);
    memcpy(c->data, t->data, t->bytes);
    ms_shed_now(&l->shed, t->data, t->bytes);
    v->constant = c;
    return MS_OK;
}

/* ---- optimise ---- */

static bool keep_tensor(void *arg, struct ms_tensor *t)
{
    struct ms_model *m = arg;
    struct ms_kept *k = ms_calloc(1, sizeof *k);

    if (!k)
        return false;
    size_t bytes = t->data ? t->bytes : 0;
    if (!ms_account_take(m->account, MS_ACCOUNT_GRAPHS, bytes)) {
        ms_free(k);
        return false;
    }
    m->graph_bytes += bytes;
    k->tensor = t; /* takes the reference of the pass that made it */
    k->next = m->kept;
    m->kept = k;
    return true;
}

static ms_code optimise(struct loader *l)
{
    struct ms_model *m = l->m;
    struct ms_eval_opts eval = {
        .engine = m->engine, .deadline = l->o->load_deadline, .cancel = l->o->cancel};
    struct ms_pass_ctx c;

    progress(l, "optimise", 0, 1);
    ms_pass_ctx_init(&c, m->graph, l->src->main.len);
    c.eval = ms_eval;
    c.eval_arg = &eval;
    c.keep = keep_tensor;
    c.keep_arg = m;
    c.recipes = true;
    c.deadline = l->o->load_deadline;
    MS_TRY(ms_passes_run(m->graph, l->o->passes ? l->o->passes : "all", &c, m->passes, &m->n_passes,
                         l->err));
    MS_TRY(ms_graph_infer(m->graph, l->err));
    progress(l, "optimise", 1, 1);
    return check_time(l);
}

/* ---- pack ---- */

/* The tensor whose file pages an input is, or is made of; NULL if it is none. */
static const struct ms_tensor *in_file(const struct ms_tensor *t)
{
    if (t && t->recipe)
        t = t->recipe->from;
    return t && !t->release ? t : NULL;
}

/* Constants without data are the loader's to fill: for the time of packing in a room that they
 * share, for good where nobody packs them. */
static struct ms_tensor *unmade(const struct ms_node *n, int i)
{
    const struct ms_tensor *t = ms_in_const(n, i);

    return t && t->recipe && !t->data ? (struct ms_tensor *)(uintptr_t)t : NULL;
}

static ms_code make_for_good(struct loader *l, struct ms_tensor *t, struct ms_err *err)
{
    struct ms_model *m = l->m;

    if (!ms_account_take(m->account, MS_ACCOUNT_GRAPHS, t->bytes))
        return ms_fail_because(err, MS_RESOURCE_EXHAUSTED, MS_REASON_TOO_LARGE,
                               "a constant of %zu bytes does not fit the model's budget of %zu",
                               t->bytes, m->account->budget);
    m->graph_bytes += t->bytes;
    t->data = ms_aligned_alloc(t->bytes);
    if (!t->data)
        return ms_fail_oom(err, "constant", t->bytes);
    ms_tensor_make(t, t->data);
    return MS_OK;
}

/* Room for the largest constant that packing alone reads. */
static ms_code find_room(struct loader *l, struct ms_value *v)
{
    const struct ms_tensor *t = v->constant;

    if (t->recipe && !t->data && t->bytes > l->room_bytes)
        l->room_bytes = t->bytes;
    return MS_OK;
}

static ms_code pack_begin(void *arg, const struct ms_node *n, struct ms_err *err)
{
    struct loader *l = arg;

    for (int i = 0; i < n->n_in; i++) {
        struct ms_tensor *t = unmade(n, i);
        if (t && (l->in_room || !(n->op->packs >> i & 1))) {
            MS_TRY(make_for_good(l, t, err));
        } else if (t) {
            ms_tensor_make(t, l->room);
            t->data = l->room;
            l->in_room = t;
        }
        const struct ms_tensor *f = in_file(ms_in_const(n, i));
        if (f)
            ms_shed_begin(&l->shed, f->data, f->bytes);
    }
    return MS_OK;
}

static ms_code pack_end(void *arg, const struct ms_node *n, bool packed, int done, int total,
                        struct ms_err *err)
{
    struct loader *l = arg;
    struct ms_tensor *t = l->in_room;

    progress(l, "pack", (uint64_t)done, (uint64_t)total);
    ms_shed_end(&l->shed);
    if (t)
        t->data = NULL;
    l->in_room = NULL;
    if (t && !packed)
        MS_TRY(make_for_good(l, t, err));
    for (int i = 0; packed && i < n->n_in; i++) {
        const struct ms_tensor *f = in_file(ms_in_const(n, i));
        if (f)
            ms_shed_now(&l->shed, f->data, f->bytes);
    }
    return MS_OK;
}

/* Lets the program choose and pack, with that room for the time of it. */
static ms_code make_program(struct loader *l, const struct ms_program_opts *o)
{
    struct ms_model *m = l->m;

    MS_TRY(each_constant(m->graph, find_room, l));
    if (!ms_account_take(m->account, MS_ACCOUNT_GRAPHS, l->room_bytes))
        return ms_fail_because(l->err, MS_RESOURCE_EXHAUSTED, MS_REASON_TOO_LARGE,
                               "a constant of %zu bytes does not fit the model's budget of %zu",
                               l->room_bytes, m->account->budget);
    if (l->room_bytes)
        l->room = ms_aligned_alloc(l->room_bytes);
    ms_code code = l->room || !l->room_bytes ? ms_program_init(&m->program, m->graph, o, l->err)
                                             : ms_fail_oom(l->err, "constant", l->room_bytes);
    if (l->in_room) /* the node failed before its end */
        l->in_room->data = NULL;
    ms_aligned_free(l->room, l->room_bytes);
    ms_account_give(m->account, MS_ACCOUNT_GRAPHS, l->room_bytes);
    return code;
}

static ms_code pack(struct loader *l)
{
    struct ms_model *m = l->m;
    const struct ms_engine_opts *e = &m->engine->opts;
    struct ms_program_opts o = {
        .engine = m->engine,
        .account = m->account,
        .run_budget = e->run_budget,
        .max_workspace = e->max_workspace_bytes,
        .packed_budget = m->account->budget,
        .max_plans = e->max_plans,
        .threads = e->threads,
        .exact = e->exact,
        .in_order = e->tuning == MS_TUNE_OFF,
        .tuner = m->engine->tuner,
        .deadline = l->o->load_deadline,
        .cancel = l->o->cancel,
        .pack_begin = pack_begin,
        .pack_end = pack_end,
        .arg = l,
    };

    ms_shed_init(&l->shed, l->src->main.data, l->src->main.len);
    ms_shed_now(&l->shed, l->src->main.data, l->src->main.len); /* reader and passes touched it */
    MS_TRY(each_constant(m->graph, realign, l));
    MS_TRY(each_constant(m->graph, count_weight, l));
    if (ms_account_take(m->account, MS_ACCOUNT_WEIGHTS, m->weight_bytes))
        m->weight_booked = m->weight_bytes;
    ms_code code = make_program(l, &o);
    if (o.tuner)
        ms_tuner_save(o.tuner);
    MS_TRY(code);
    size_t bytes = m->arena.used + m->program.arena.used + sizeof *m;
    if (!ms_account_take(m->account, MS_ACCOUNT_GRAPHS, bytes))
        return ms_fail_because(l->err, MS_RESOURCE_EXHAUSTED, MS_REASON_TOO_LARGE,
                               "the model's graph takes %zu bytes, its memory budget is %zu", bytes,
                               m->account->budget);
    m->graph_bytes += bytes;
    return MS_OK;
}

/* ---- ports ---- */

static ms_code make_ports(struct loader *l, struct ms_value *const *v, int n,
                          const char *const *names, int n_names, const char *what,
                          struct ms_port **out)
{
    struct ms_arena *a = &l->m->arena;
    struct ms_port *p = ms_arena_array(a, (size_t)n, sizeof *p);

    if (n_names && n_names != n)
        return ms_fail(l->err, MS_INVALID_ARGUMENT, "%d %s names are given, the model has %d",
                       n_names, what, n);
    if (!p)
        return ms_fail_oom(l->err, "ports", (size_t)n * sizeof *p);
    for (int i = 0; i < n; i++) {
        p[i].name = ms_arena_strdup(a, n_names ? names[i] : v[i]->name);
        p[i].dtype = v[i]->dtype;
        p[i].shape = v[i]->shape;
        if (!p[i].name)
            return ms_fail_oom(l->err, "ports", 0);
    }
    *out = p;
    return MS_OK;
}

static ms_code name_ports(struct loader *l)
{
    struct ms_model *m = l->m;
    const struct ms_model_opts *o = l->o;

    MS_TRY(make_ports(l, m->graph->in, m->graph->n_in, o->input_names,
                      o->input_names ? o->n_input_names : 0, "input", &m->in));
    MS_TRY(make_ports(l, m->graph->out, m->graph->n_out, o->output_names,
                      o->output_names ? o->n_output_names : 0, "output", &m->out));
    m->n_in = m->graph->n_in;
    m->n_out = m->graph->n_out;
    return MS_OK;
}

/* ---- all of it ---- */

static void init_stats(struct ms_model_stats *s)
{
    ms_hist_init_time(&s->queue_time);
    ms_hist_init_time(&s->compute_time);
    ms_hist_init_size(&s->batch_size);
}

static void settle_batching(struct ms_batching *b)
{
    if (b->max_size <= 0)
        b->max_size = 32;
    if (b->max_queue <= 0)
        b->max_queue = 1024;
    if (!b->max_queue_bytes)
        b->max_queue_bytes = (size_t)256 << 20;
}

static ms_code copy_labels(struct loader *l)
{
    const struct ms_model_opts *o = l->o;
    struct ms_arena *a = &l->m->arena;
    const char **to = ms_arena_array(a, (size_t)o->n_labels + 1, sizeof *to);

    for (int i = 0; to && i < o->n_labels; i++)
        if (!(to[i] = ms_arena_strdup(a, o->labels[i])))
            to = NULL;
    if (!to)
        return ms_fail_oom(l->err, "labels", 0);
    l->m->labels = to;
    l->m->n_labels = o->n_labels;
    return MS_OK;
}

static ms_code new_model(struct ms_engine *e, const struct ms_model_opts *o, struct ms_model **out,
                         struct ms_err *err)
{
    size_t budget = o->memory_budget ? o->memory_budget : e->opts.model_budget;
    struct ms_model *m = ms_calloc(1, sizeof *m);

    *out = m;
    if (!m)
        return ms_fail_oom(err, "model", sizeof *m);
    atomic_init(&m->refs, 1);
    m->engine = e;
    m->account = ms_account_new(budget, e->account);
    m->name = ms_strdup(o->name ? o->name : "");
    m->version = ms_strdup(o->version ? o->version : "");
    snprintf(m->digest, sizeof m->digest, "%s", o->digest ? o->digest : "");
    m->batching = o->batching;
    settle_batching(&m->batching);
    init_stats(&m->stats);
    ms_queue_init(&m->queue);
    return m->account && m->name && m->version ? MS_OK : ms_fail_oom(err, "model", sizeof *m);
}

/* The engine's watch sees to the queues of listed models. */
static ms_code publish(struct loader *l)
{
    struct ms_engine *e = l->m->engine;

    pthread_mutex_lock(&e->models_lock);
    bool room = e->n_models < MS_ENGINE_MODELS;
    if (room) {
        l->m->next = e->models;
        if (e->models)
            e->models->prev = l->m;
        e->models = l->m;
        e->n_models++;
        l->m->listed = true;
    }
    pthread_mutex_unlock(&e->models_lock);
    return room ? MS_OK
                : ms_fail(l->err, MS_RESOURCE_EXHAUSTED, "more than %d models are loaded",
                          (int)MS_ENGINE_MODELS);
}

static ms_code load(struct loader *l)
{
    MS_TRY(check_time(l));
    MS_TRY(read_graph(l));
    MS_TRY(optimise(l));
    MS_TRY(name_ports(l));
    MS_TRY(copy_labels(l));
    MS_TRY(pack(l));
    MS_TRY(ms_model_self_test(l->m, l->o, l->err));
    return publish(l);
}

void ms_model_opts_init(struct ms_model_opts *o)
{
    *o = (struct ms_model_opts){
        .batching.enabled = true, .load_deadline = MS_NEVER, .self_test_ns = 10 * MS_SEC};
}

ms_code ms_model_load(struct ms_engine *e, const struct ms_source *src, void (*release)(void *arg),
                      const struct ms_model_opts *o, struct ms_model **out, struct ms_err *err)
{
    struct ms_model_opts defaults;
    struct ms_model *m;

    ms_model_opts_init(&defaults);
    *out = NULL;
    ms_code code = new_model(e, o ? o : &defaults, &m, err);
    if (m) {
        m->release = release;
        m->release_arg = src->arg;
    } else if (release) {
        release(src->arg);
    }
    if (code == MS_OK) {
        struct loader l = {.m = m, .src = src, .o = o ? o : &defaults, .err = err};
        code = load(&l);
    }
    if (code == MS_OK)
        *out = m;
    else
        ms_model_unref(m);
    return code;
}
