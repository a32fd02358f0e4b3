/* SPDX-License-Identifier: Apache-2.0 */
/* program.c - kernels for every node of every graph, and the plans made so far. */
#include "runtime/program.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/map.h"
#include "base/mem.h"

/* ---- parts ---- */

/* Calls fn for a graph and all graphs below it. */
static bool each_graph(struct ms_graph *g, bool (*fn)(void *arg, struct ms_graph *g), void *arg)
{
    if (!fn(arg, g))
        return false;
    ms_graph_each (g, n) {
        if (!(n->op->traits & MS_SUBGRAPHS))
            continue;
        for (int i = 0; i < n->n_attrs; i++)
            if (n->attrs[i].type == MS_ATTR_GRAPH && !each_graph(n->attrs[i].graph, fn, arg))
                return false;
    }
    return true;
}

static bool count_graph(void *arg, struct ms_graph *g)
{
    (void)g;
    ++*(int *)arg;
    return true;
}

static bool add_part(void *arg, struct ms_graph *g)
{
    struct ms_program *p = arg;
    struct ms_part *part = &p->parts[p->n_parts++];

    ms_graph_number(g);
    part->program = p;
    part->graph = g;
    pthread_mutex_init(&part->lock, NULL);
    part->choice = ms_arena_array(&p->arena, (size_t)g->n_nodes, sizeof *part->choice);
    return part->choice != NULL;
}

struct ms_part *ms_program_part(struct ms_program *p, const struct ms_graph *g)
{
    for (int i = 0; i < p->n_parts; i++)
        if (p->parts[i].graph == g)
            return &p->parts[i];
    return NULL;
}

/* ---- kernels ---- */

static ms_code choose(struct ms_part *part, struct ms_node *n, const struct ms_program_opts *o,
                      struct ms_err *err)
{
    struct ms_program *p = part->program;
    struct ms_arena a;

    ms_arena_init(&a, (size_t)16 << 20);
    struct ms_fact *fact = ms_arena_array(&a, (size_t)(n->n_in + n->n_out), sizeof *fact);
    ms_code code = fact ? MS_OK : ms_fail_oom(err, "kernel choice", 0);
    for (int i = 0; fact && i < n->n_in; i++)
        fact[i] = ms_value_fact(n->in[i].value);
    for (int i = 0; fact && i < n->n_out; i++)
        fact[n->n_in + i] = ms_value_fact(n->out[i]);
    if (code == MS_OK)
        code = ms_kernel_choose(n, fact, fact + n->n_in,
                                &(struct ms_choose){.threads = o->threads,
                                                    .workspace = o->max_workspace,
                                                    .exact = o->exact,
                                                    .in_order = o->in_order,
                                                    .tuner = o->tuner,
                                                    .cancel = o->cancel,
                                                    .deadline = o->deadline},
                                &p->packed, &part->choice[n->id], err);
    ms_arena_done(&a);
    return code;
}

static ms_code check_time(const struct ms_program_opts *o, struct ms_err *err)
{
    if (o->cancel && atomic_load_explicit(o->cancel, memory_order_relaxed))
        return ms_fail(err, MS_CANCELLED, "the load was cancelled");
    if (o->deadline != MS_NEVER && ms_now() > o->deadline)
        return ms_fail(err, MS_DEADLINE_EXCEEDED, "the load's deadline has passed");
    return MS_OK;
}

static ms_code choose_all(struct ms_program *p, const struct ms_program_opts *o, struct ms_err *err)
{
    int total = 0, done = 0;

    for (int i = 0; i < p->n_parts; i++)
        total += p->parts[i].graph->n_nodes;
    for (int i = 0; i < p->n_parts; i++)
        ms_graph_each (p->parts[i].graph, n) {
            MS_TRY(check_time(o, err));
            if (o->pack_begin)
                MS_TRY(o->pack_begin(o->arg, n, err));
            ms_code code = choose(&p->parts[i], n, o, err);
            bool packed = code == MS_OK && p->parts[i].choice[n->id].state;
            done++;
            if (o->pack_end) {
                ms_code end = o->pack_end(o->arg, n, packed, done, total, code ? NULL : err);
                code = code == MS_OK ? end : code;
            }
            if (code != MS_OK)
                return code;
        }
    return MS_OK;
}

ms_code ms_program_init(struct ms_program *p, struct ms_graph *g, const struct ms_program_opts *o,
                        struct ms_err *err)
{
    int n = 0;

    *p = (struct ms_program){.engine = o->engine,
                             .account = o->account,
                             .run_budget = o->run_budget,
                             .max_workspace = o->max_workspace,
                             .max_plans = o->max_plans,
                             .threads = o->threads};
    struct ms_account *runs = o->account->parent ? o->account->parent : o->account;
    ms_slabs_init(&p->slabs, runs, o->threads);
    ms_packed_init(&p->packed, o->account, o->packed_budget);
    ms_arena_init(&p->arena, (size_t)1 << 30);
    each_graph(g, count_graph, &n);
    p->parts = ms_arena_array(&p->arena, (size_t)n, sizeof *p->parts);
    if (!p->parts || !each_graph(g, add_part, p))
        return ms_fail_oom(err, "program", (size_t)n * sizeof *p->parts);
    return choose_all(p, o, err);
}

void ms_program_done(struct ms_program *p)
{
    if (!p->account)
        return;
    for (int i = 0; i < p->n_parts; i++) {
        for (struct ms_plan *q = p->parts[i].plans, *next; q; q = next) {
            next = q->next;
            ms_plan_unref(q);
        }
        pthread_mutex_destroy(&p->parts[i].lock);
    }
    ms_slabs_done(&p->slabs);
    ms_packed_done(&p->packed);
    ms_arena_done(&p->arena);
    *p = (struct ms_program){0};
}

/* ---- plans ---- */

static uint64_t hash_shapes(struct ms_tensor *const *in, int n)
{
    uint64_t h = 0x9e3779b97f4a7c15u;

    for (int i = 0; i < n; i++) {
        const struct ms_shape *s = &in[i]->shape;
        h = (h ^ (uint64_t)s->rank) * 0xff51afd7ed558ccdu;
        for (int d = 0; d < s->rank; d++)
            h = ((h << 23 | h >> 41) ^ (uint64_t)s->dim[d]) * 0xff51afd7ed558ccdu;
    }
    return h;
}

static bool same_shapes(const struct ms_plan *p, struct ms_tensor *const *in)
{
    for (int i = 0; i < p->n_in; i++)
        if (!ms_shape_eq(&p->in_shape[i], &in[i]->shape))
            return false;
    return true;
}

/* A cached plan, moved to the front; the lock is held. */
static struct ms_plan *lookup(struct ms_part *p, struct ms_tensor *const *in, uint64_t hash)
{
    for (struct ms_plan **at = &p->plans; *at; at = &(*at)->next) {
        struct ms_plan *q = *at;
        if (q->hash != hash || !same_shapes(q, in))
            continue;
        *at = q->next;
        q->next = p->plans;
        p->plans = q;
        return ms_plan_ref(q);
    }
    return NULL;
}

/* Puts a plan in front; gives back the one that falls off the end, or NULL. The lock is held. */
static struct ms_plan *insert(struct ms_part *p, struct ms_plan *plan)
{
    struct ms_plan **at = &p->plans, *oldest;

    plan->next = p->plans;
    p->plans = ms_plan_ref(plan);
    if (++p->n_plans <= p->program->max_plans)
        return NULL;
    while ((*at)->next)
        at = &(*at)->next;
    oldest = *at;
    *at = NULL;
    p->n_plans--;
    return oldest;
}

ms_code ms_part_plan(struct ms_part *p, struct ms_tensor *const *in, struct ms_plan **out,
                     struct ms_err *err)
{
    uint64_t hash = hash_shapes(in, p->graph->n_in);
    struct ms_shape few[8], *shape = few;
    int n = p->graph->n_in;

    *out = NULL;
    for (int i = 0; i < n; i++)
        if (!in[i] || in[i]->dtype != p->graph->in[i]->dtype)
            return ms_fail(err, MS_INVALID_ARGUMENT, "input '%s' is %s, not %s",
                           p->graph->in[i]->name, in[i] ? ms_dtype_name(in[i]->dtype) : "missing",
                           ms_dtype_name(p->graph->in[i]->dtype));
    pthread_mutex_lock(&p->lock);
    *out = lookup(p, in, hash);
    pthread_mutex_unlock(&p->lock);
    if (*out)
        return MS_OK;
    if (n > 8 && !(shape = ms_calloc((size_t)n, sizeof *shape)))
        return ms_fail_oom(err, "plan", (size_t)n * sizeof *shape);
    for (int i = 0; i < n; i++)
        shape[i] = in[i]->shape;
    ms_code code =
        ms_plan_new(p, shape, out, err); /* two threads may make the same one: harmless */
    if (shape != few)
        ms_free(shape);
    if (code != MS_OK)
        return code;
    (*out)->hash = hash;
    pthread_mutex_lock(&p->lock);
    struct ms_plan *twin = lookup(p, in, hash);
    struct ms_plan *gone = twin ? *out : insert(p, *out);
    if (twin)
        *out = twin;
    pthread_mutex_unlock(&p->lock);
    ms_plan_unref(gone);
    return MS_OK;
}

/* The time of loops and branches is a matter of data, as is that of steps behind a shape that only
 * appears while running, or of text. */
int64_t ms_program_foresee(struct ms_program *p, struct ms_tensor *const *in)
{
    struct ms_part *main = &p->parts[0];
    int64_t ns = 0;

    if (p->n_parts > 1)
        return 0;
    for (int i = 0; i < main->graph->n_in; i++)
        if (in[i]->dtype == MS_STRING)
            return 0;
    uint64_t hash = hash_shapes(in, main->graph->n_in);
    pthread_mutex_lock(&main->lock);
    for (const struct ms_plan *q = main->plans; q && !ns; q = q->next)
        if (q->hash == hash && same_shapes(q, in) && !q->n_late)
            ns = atomic_load_explicit(&q->ewma_ns, memory_order_relaxed);
    pthread_mutex_unlock(&main->lock);
    return ns;
}

static size_t shrink_part(struct ms_part *p)
{
    struct ms_plan *gone = NULL;
    size_t freed = 0;

    pthread_mutex_lock(&p->lock);
    for (struct ms_plan **at = &p->plans; *at;) {
        struct ms_plan *q = *at;
        if (atomic_load(&q->refs) > 1) {
            at = &q->next;
            continue;
        }
        *at = q->next;
        q->next = gone;
        gone = q;
        p->n_plans--;
    }
    pthread_mutex_unlock(&p->lock);
    for (struct ms_plan *next; gone; gone = next) {
        next = gone->next;
        freed += gone->charged;
        ms_plan_unref(gone);
    }
    return freed;
}

size_t ms_program_shrink(struct ms_program *p)
{
    size_t freed = 0;

    for (int i = 0; i < p->n_parts; i++)
        freed += shrink_part(&p->parts[i]);
    return freed;
}
