/* SPDX-License-Identifier: Apache-2.0 */
/* run.c - a plan executed: bind memory, do the steps, hand out the outputs.
 *
 * A linear graph on one worker is a plain loop over steps. Run objects are pooled by their plan and
 * keep their tables, so that a warm run allocates nothing but its outputs. */
#include "runtime/run.h"

#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "runtime/actor.h"
#include "runtime/engine_impl.h"
#include "runtime/program.h"

enum { IDLE_MAX = 16, SHORT_NS = 1000000 };

/* ---- run objects ---- */

/* Bytes of a run's tables, booked with the plan's. */
static size_t tables(const struct ms_plan *p)
{
    return sizeof(struct ms_run) +
           (size_t)p->n_slots * (sizeof(struct ms_tensor) + sizeof(struct ms_tensor *)) +
           (size_t)(p->n_operands + p->n_own) * sizeof(struct ms_tensor *) +
           (p->branches ? (size_t)p->n_steps * 2 * sizeof(int) : 0);
}

static void run_free(struct ms_run *r)
{
    if (!r)
        return;
    ms_account_give(r->plan->part->program->account, MS_ACCOUNT_PLANS, tables(r->plan));
    ms_free(r->store);
    ms_free(r->table);
    ms_free(r->args);
    ms_free(r->own);
    ms_free(r->pending);
    ms_free(r->ready);
    ms_free(r);
}

static void bind_args(struct ms_run *r)
{
    struct ms_plan *p = r->plan;

    for (int i = 0; i < p->n_slots; i++) {
        struct ms_slot *s = &p->slot[i];
        r->store[i] = s->proto;
        atomic_init(&r->store[i].refs, 1);
        if (s->where == MS_AT_CONST)
            r->table[i] = &s->proto;
        else if (s->where != MS_AT_NONE && s->where != MS_AT_RUN)
            r->table[i] = &r->store[i];
    }
    for (int i = 0; i < p->n_operands; i++)
        r->args[i] = p->operand[i] < 0 ? NULL : r->table[p->operand[i]];
}

static struct ms_run *run_new(struct ms_plan *p)
{
    struct ms_account *account = p->part->program->account;
    struct ms_run *r = NULL;

    if (!ms_account_take(account, MS_ACCOUNT_PLANS, tables(p)))
        return NULL;
    r = ms_calloc(1, sizeof *r);
    if (!r) {
        ms_account_give(account, MS_ACCOUNT_PLANS, tables(p));
        return NULL;
    }
    r->plan = p;
    r->store = ms_calloc((size_t)p->n_slots, sizeof *r->store);
    r->table = ms_calloc((size_t)p->n_slots, sizeof *r->table);
    r->args = ms_calloc((size_t)p->n_operands, sizeof *r->args);
    r->own = ms_calloc((size_t)p->n_own, sizeof *r->own);
    r->pending = p->branches ? ms_calloc((size_t)p->n_steps, sizeof *r->pending) : NULL;
    r->ready = p->branches ? ms_calloc((size_t)p->n_steps, sizeof *r->ready) : NULL;
    if (!r->store || !r->table || !r->args || !r->own ||
        (p->branches && (!r->pending || !r->ready))) {
        run_free(r);
        return NULL;
    }
    ms_run_ctl(&r->ctl);
    bind_args(r);
    return r;
}

static struct ms_run *take_run(struct ms_plan *p)
{
    pthread_mutex_lock(&p->lock);
    struct ms_run *r = p->idle;
    if (r) {
        p->idle = r->next;
        p->n_idle--;
    }
    pthread_mutex_unlock(&p->lock);
    return r ? r : run_new(p);
}

static void give_run(struct ms_plan *p, struct ms_run *r)
{
    pthread_mutex_lock(&p->lock);
    bool room = p->n_idle < IDLE_MAX;
    if (room) {
        r->next = p->idle;
        p->idle = r;
        p->n_idle++;
    }
    pthread_mutex_unlock(&p->lock);
    if (!room)
        run_free(r);
}

void ms_run_drop_idle(struct ms_plan *p)
{
    for (struct ms_run *r = p->idle, *next; r; r = next) {
        next = r->next;
        run_free(r);
    }
    p->idle = NULL;
    p->n_idle = 0;
}

/* ---- beginning ---- */

static void bind_slab(struct ms_run *r)
{
    struct ms_plan *p = r->plan;

    r->scratch = r->slab.data ? (char *)r->slab.data + p->slab : NULL;
    if (r->bound_slab == r->slab.data)
        return;
    for (int i = 0; i < p->n_slots; i++)
        if (p->slot[i].where == MS_AT_SLAB)
            r->store[i].data = (char *)r->slab.data + p->slot[i].offset;
    r->bound_slab = r->slab.data;
}

static ms_code make_own(struct ms_run *r, struct ms_err *err)
{
    struct ms_plan *p = r->plan;

    for (int i = 0; i < p->n_out; i++) {
        const struct ms_plan_out *o = &p->out[i];
        const struct ms_tensor *proto = &p->slot[o->slot].proto;
        if (o->own < 0 || o->view)
            continue;
        r->own[o->own] = ms_run_tensor(r, proto->dtype, proto->layout, &proto->shape);
        if (!r->own[o->own])
            return ms_fail_oom(err, "output", proto->bytes);
    }
    return MS_OK;
}

static ms_code begin(struct ms_run *r, struct ms_tensor *const *in, const struct ms_run_opts *o,
                     struct ms_err *err)
{
    struct ms_plan *p = r->plan;
    struct ms_program *prog = p->part->program;

    r->root = o->root ? o->root : r;
    r->profile = o->root ? NULL : o->profile;
    r->width = p->alone ? 1 : o->width;
    if (!o->root) {
        atomic_store(&r->failed, 0);
        atomic_store(&r->budget.used, 0);
        atomic_store(&r->budget.over, false);
        r->budget.limit = prog->run_budget;
        ms_watched_init(&r->watched, prog->engine, o->deadline, o->work, o->cancel);
    }
    r->ctl.stop = &r->root->watched.stop;
    size_t bytes = p->slab + p->scratch;
    if (!ms_budget_take(&r->root->budget, bytes))
        return ms_fail(err, MS_RESOURCE_EXHAUSTED, "%zu bytes do not fit the run's memory budget",
                       bytes);
    if (!ms_slabs_take(&prog->slabs, bytes, &r->slab) &&
        !(ms_engine_shrink(prog->engine) && ms_slabs_take(&prog->slabs, bytes, &r->slab))) {
        ms_budget_give(&r->root->budget, bytes);
        return ms_fail(err, MS_RESOURCE_EXHAUSTED, "no memory for a run (%zu bytes)", bytes);
    }
    bind_slab(r);
    ms_code code = make_own(r, err);
    for (int k = 0; code == MS_OK && k < p->n_fresh; k++) {
        const struct ms_slot *s = &p->slot[p->fresh[k]];
        r->store[p->fresh[k]].data =
            s->where == MS_AT_INPUT ? in[s->index]->data : r->own[s->index]->data;
    }
    return code;
}

/* ---- the end ---- */

static struct ms_tensor *take_output(struct ms_run *r, struct ms_tensor *const *in, int i)
{
    const struct ms_plan_out *o = &r->plan->out[i];
    const struct ms_slot *s = &r->plan->slot[o->slot];
    struct ms_tensor *t = r->table[o->slot];

    if (o->own >= 0)
        return o->view
                   ? ms_run_view(r->own[o->own], s->proto.dtype, &s->proto.shape, 0, s->proto.bytes)
                   : ms_tensor_ref(r->own[o->own]);
    if (t && t->release)
        return ms_tensor_ref(t);
    /* A body that hands its input on: the caller's tensor itself, if it is a counted one. */
    if (s->where == MS_AT_INPUT && r != r->root && in[s->index]->release &&
        ms_shape_eq(&in[s->index]->shape, &s->proto.shape))
        return ms_tensor_ref(in[s->index]);
    return t ? ms_run_copy(r, t) : NULL;
}

static ms_code collect(struct ms_run *r, struct ms_tensor *const *in, struct ms_tensor **out,
                       struct ms_err *err)
{
    for (int i = 0; i < r->plan->n_out; i++) {
        out[i] = take_output(r, in, i);
        if (!out[i])
            return ms_fail(err, MS_RESOURCE_EXHAUSTED, "output %d does not fit the memory budget",
                           i);
    }
    for (int i = 0; r == r->root && i < r->plan->n_out; i++)
        ms_run_detach(out[i]);
    return MS_OK;
}

static void end(struct ms_run *r)
{
    struct ms_plan *p = r->plan;
    size_t bytes = p->slab + p->scratch;

    for (int i = 0; i < p->n_own; i++) {
        ms_tensor_unref(r->own[i]);
        r->own[i] = NULL;
    }
    for (int i = 0; i < p->n_late; i++) {
        ms_tensor_unref(r->table[p->late[i]]);
        r->table[p->late[i]] = NULL;
    }
    if (r->slab.data) {
        ms_slabs_give(&p->part->program->slabs, &r->slab);
        ms_budget_give(&r->root->budget, bytes);
    }
}

/* ---- between ---- */

bool ms_run_stopped(struct ms_run *r)
{
    struct ms_run *root = r->root;

    return atomic_load_explicit(&root->watched.stop, memory_order_relaxed) ||
           ms_watched_check(&root->watched) != MS_OK;
}

/* Why the run stopped: its own error, or the watch's. */
static ms_code verdict(struct ms_run *r, struct ms_err *err)
{
    struct ms_run *root = r->root;

    if (!atomic_load(&root->watched.stop))
        return MS_OK;
    if (atomic_load(&root->failed) == 2) {
        if (err)
            *err = root->err;
        return root->err.code;
    }
    ms_code why = (ms_code)atomic_load(&root->watched.why);
    if (why == MS_OK)
        why = ms_watched_check(&root->watched);
    if (why == MS_OK)
        why = MS_CANCELLED; /* the caller took its wish back in between */
    return ms_fail(err, why,
                   why == MS_CANCELLED ? "the run was cancelled" : "the run's deadline has passed");
}

/* Pairs at once; a profile times steps one by one. */
static void steps_in_order(struct ms_run *r)
{
    struct ms_plan *p = r->plan;

    for (int s = 0; s < p->n_steps; s++) {
        if (ms_run_stopped(r))
            return;
        if (s + 1 < p->n_steps && p->step[s + 1].pairing && !r->profile)
            ms_run_pair(r, &p->step[++s], r->width, r->scratch);
        else
            ms_run_step(r, &p->step[s], r->width, r->scratch);
    }
}

static void note_time(struct ms_plan *p, int64_t ns)
{
    long long old = atomic_load_explicit(&p->ewma_ns, memory_order_relaxed);

    atomic_store_explicit(&p->ewma_ns, old ? old + (ns - old) / 8 : ns, memory_order_relaxed);
}

/* Does somebody have to look at the clock while a step runs? */
static bool needs_watch(const struct ms_run *r)
{
    long long ns = atomic_load_explicit(&r->plan->ewma_ns, memory_order_relaxed);

    return r == r->root && (r->plan->n_late || ns == 0 || ns > SHORT_NS);
}

ms_code ms_plan_run(struct ms_plan *p, struct ms_tensor *const *in, struct ms_tensor **out,
                    const struct ms_run_opts *o, struct ms_err *err)
{
    for (int i = 0; i < p->n_out; i++)
        out[i] = NULL;
    struct ms_run *r = take_run(p);
    if (!r)
        return ms_fail_oom(err, "run", sizeof *r);
    ms_code code = begin(r, in, o, err);
    if (code == MS_OK) {
        bool watch = needs_watch(r);
        int64_t start = ms_now();
        if (watch)
            ms_watch_begin(&r->watched);
        if (p->branches && r->width > 1 && !r->profile && p->part->program->engine)
            ms_actors_run(r);
        else
            steps_in_order(r);
        if (watch)
            ms_watch_end(&r->watched);
        code = verdict(r, err);
        if (code == MS_OK) {
            note_time(p, ms_now() - start);
            code = collect(r, in, out, err);
        }
    }
    /* What its own budget refuses is too large; what the others' memory leaves no room for may
     * fit later. */
    if (code == MS_RESOURCE_EXHAUSTED && err && atomic_load(&r->root->budget.over))
        err->reason = MS_REASON_TOO_LARGE;
    end(r);
    for (int i = 0; code != MS_OK && i < p->n_out; i++) {
        ms_tensor_unref(out[i]);
        out[i] = NULL;
    }
    give_run(p, r);
    return code;
}
