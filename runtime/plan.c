/* SPDX-License-Identifier: Apache-2.0 */
/* plan.c - shapes in, plan out.
 *
 * 1. walk the nodes with sizes instead of symbols; contents of small shape tensors are computed on
 *    the way (by inference, or by the reference kernel), so that Shape -> Gather -> Concat ->
 *    Reshape leaves no step behind;
 * 2. walk back from the outputs: what nobody needs is left out;
 * 3. place values in memory (plan_place.c, plan_slices.c); 4. put steps in order with their costs
 * and edges (plan_steps.c, plan_edges.c). Bounded work: each node is seen once, and only tensors of
 * at most EVAL_MAX bytes are computed. */
#include "runtime/plan.h"

#include <limits.h>
#include <string.h>

#include "base/clock.h"
#include "base/map.h"
#include "base/mem.h"
#include "runtime/eval.h"
#include "runtime/program.h"
#include "runtime/run.h"

enum { EVAL_MAX = 4096, EVAL_READ_MAX = 64 << 10 };

/* ---- contents known now ---- */

/* A tensor in the plan's arena with n elements given as integers. */
static struct ms_tensor *from_ints(struct ms_maker *m, const struct ms_fact *f)
{
    struct ms_tensor *t = ms_arena_alloc(&m->plan->arena, sizeof *t);
    size_t count, size = ms_dtype_size(f->dtype);

    if (!t || !ms_tensor_borrow(t, f->dtype, &f->shape, NULL) ||
        !ms_shape_count(&f->shape, &count) || count != (size_t)f->n_sym)
        return NULL;
    t->data = ms_arena_alloc(&m->plan->arena, t->bytes + 1);
    for (size_t i = 0; t->data && i < count; i++)
        memcpy((char *)t->data + i * size, &f->sym[i], size); /* little endian */
    return t->data ? t : NULL;
}

/* Inference may have told the contents: as numbers, they are a constant of the plan. */
static void adopt_contents(struct ms_maker *m, struct ms_fact *f)
{
    enum ms_dtype_kind k = ms_dtype_kind(f->dtype);

    if (f->value || !f->sym || (k != MS_KIND_INT && k != MS_KIND_UINT))
        return;
    for (int i = 0; i < f->n_sym; i++)
        if (ms_is_sym(f->sym[i]))
            return;
    if (ms_shape_static(&f->shape))
        f->value = from_ints(m, f);
}

static bool small_enough(const struct ms_node *n, const struct ms_fact *in,
                         const struct ms_fact *out)
{
    size_t reads = 0, writes = 0, bytes;

    if (n->op->traits & (MS_NO_FOLD | MS_IMPURE | MS_SUBGRAPHS | MS_OUT_BY_KERNEL))
        return false;
    if (n->n_in == 0)
        return false;
    for (int i = 0; i < n->n_in; i++) {
        if (in[i].dtype == MS_DTYPE_NONE)
            continue;
        if (!in[i].value || in[i].dtype == MS_STRING || in[i].value->layout != MS_PLAIN)
            return false;
        reads += in[i].value->bytes;
    }
    for (int i = 0; i < n->n_out; i++) {
        if (out[i].dtype == MS_STRING || n->out[i]->layout != MS_PLAIN ||
            !ms_shape_bytes(&out[i].shape, out[i].dtype, &bytes) || bytes > EVAL_MAX)
            return false;
        writes += bytes;
    }
    return reads <= EVAL_READ_MAX && writes <= EVAL_MAX;
}

/* Moves an evaluated tensor into the plan. */
static const struct ms_tensor *keep(struct ms_maker *m, struct ms_tensor *t)
{
    struct ms_tensor *k = ms_arena_alloc(&m->plan->arena, sizeof *k);

    if (k && ms_tensor_borrow(k, t->dtype, &t->shape, NULL)) {
        k->data = ms_arena_alloc(&m->plan->arena, t->bytes + 1);
        if (k->data && t->bytes)
            memcpy(k->data, t->data, t->bytes);
    }
    ms_tensor_unref(t);
    return k && k->data ? k : NULL;
}

/* Computes a node whose inputs are known. What the kernel refuses (a bad index, say) is left to be
 * refused by the run, with the same text. */
static bool evaluate(struct ms_maker *m, const struct ms_node *n, const struct ms_fact *in,
                     struct ms_fact *out)
{
    struct ms_eval_opts o = {.engine = NULL, .deadline = MS_NEVER};
    const struct ms_tensor **values = ms_arena_array(&m->scratch, (size_t)n->n_in, sizeof *values);
    struct ms_tensor **made = ms_arena_array(&m->scratch, (size_t)n->n_out, sizeof *made);
    struct ms_err ignored;
    bool ok = true;

    if (!values || !made)
        return false;
    for (int i = 0; i < n->n_in; i++)
        values[i] = in[i].value;
    if (ms_eval(&o, n, values, made, (size_t)1 << 20, &ignored) != MS_OK)
        return false;
    for (int i = 0; i < n->n_out; i++) {
        out[i].value = keep(m, made[i]);
        ok = ok && out[i].value;
    }
    return ok;
}

/* ---- 1. forward ---- */

static bool all_static(const struct ms_fact *f, int n)
{
    for (int i = 0; i < n; i++)
        if (f[i].dtype != MS_DTYPE_NONE && !ms_shape_static(&f[i].shape))
            return false;
    return true;
}

static bool all_known(const struct ms_fact *f, int n)
{
    for (int i = 0; i < n; i++)
        if (!f[i].value)
            return false;
    return true;
}

static ms_code forward_node(struct ms_maker *m, const struct ms_node *n)
{
    struct ms_fact *in = ms_arena_array(&m->scratch, (size_t)n->n_in, sizeof *in);
    struct ms_fact *out = ms_arena_array(&m->scratch, (size_t)n->n_out, sizeof *out);

    if (!in || !out)
        return ms_fail_oom(m->err, "plan", 0);
    for (int i = 0; i < n->n_in; i++)
        if (n->in[i].value)
            in[i] = m->fact[n->in[i].value->id];
    MS_TRY(ms_node_infer(n, in, out, &m->syms, &m->scratch, m->err));
    bool late = (n->op->traits & (MS_OUT_BY_KERNEL | MS_SUBGRAPHS)) || !all_static(in, n->n_in) ||
                !all_static(out, n->n_out);
    if (!late) {
        for (int i = 0; i < n->n_out; i++)
            adopt_contents(m, &out[i]);
        m->known[n->id] =
            all_known(out, n->n_out) || (small_enough(n, in, out) && evaluate(m, n, in, out));
    }
    for (int i = 0; i < n->n_out; i++) {
        m->fact[n->out[i]->id] = out[i];
        m->late[n->out[i]->id] = late;
        if (late)
            m->fact[n->out[i]->id].value = NULL;
    }
    return MS_OK;
}

static ms_code forward(struct ms_maker *m, const struct ms_shape *in)
{
    struct ms_graph *g = m->g;

    ms_graph_each (g, n)
        for (int i = 0; i < n->n_in; i++)
            if (n->in[i].value && n->in[i].value->constant)
                m->fact[n->in[i].value->id] = ms_value_fact(n->in[i].value);
    for (int i = 0; i < g->n_out; i++)
        if (g->out[i]->constant)
            m->fact[g->out[i]->id] = ms_value_fact(g->out[i]);
    for (int i = 0; i < g->n_in; i++) {
        m->fact[g->in[i]->id] = (struct ms_fact){.dtype = g->in[i]->dtype, .shape = in[i]};
        m->plan->in_shape[i] = in[i];
    }
    ms_graph_each (g, n)
        MS_TRY(forward_node(m, n));
    return MS_OK;
}

/* ---- 2. backward ---- */

static bool is_read(const struct ms_maker *m, const struct ms_node *n)
{
    for (int i = 0; i < n->n_out; i++)
        if (m->read[n->out[i]->id])
            return true;
    return false;
}

static int backward(struct ms_maker *m)
{
    int steps = 0;

    for (int i = 0; i < m->g->n_out; i++)
        m->read[m->g->out[i]->id] = true;
    for (struct ms_node *n = m->g->last; n; n = n->prev) {
        if (m->known[n->id] || !is_read(m, n))
            continue;
        for (int i = 0; i < n->n_in; i++)
            if (n->in[i].value)
                m->read[n->in[i].value->id] = true;
        steps++;
    }
    return steps;
}

/* ---- all of it ---- */

static ms_code maker_init(struct ms_maker *m, struct ms_part *part, struct ms_err *err)
{
    struct ms_graph *g = part->graph;
    size_t values = (size_t)g->n_values, nodes = (size_t)g->n_nodes;
    struct ms_plan *p = m->plan;

    m->part = part;
    m->g = g;
    m->err = err;
    ms_arena_init(&m->scratch, (size_t)1 << 30);
    m->syms.arena = &m->scratch;
    m->fact = ms_arena_array(&m->scratch, values, sizeof *m->fact);
    m->late = ms_arena_array(&m->scratch, values, sizeof *m->late);
    m->read = ms_arena_array(&m->scratch, values, sizeof *m->read);
    m->known = ms_arena_array(&m->scratch, nodes, sizeof *m->known);
    m->root = ms_arena_array(&m->scratch, values, sizeof *m->root);
    m->last = ms_arena_array(&m->scratch, values, sizeof *m->last);
    m->first = ms_arena_array(&m->scratch, values, sizeof *m->first);
    m->top = ms_arena_array(&m->scratch, values, sizeof *m->top);
    m->shift = ms_arena_array(&m->scratch, values, sizeof *m->shift);
    m->next = ms_arena_array(&m->scratch, values, sizeof *m->next);
    m->cells = ms_arena_array(&m->scratch, values, sizeof *m->cells);
    m->met = ms_arena_array(&m->scratch, values, sizeof *m->met);
    m->is_output = ms_arena_array(&m->scratch, values, sizeof *m->is_output);
    m->buffer = ms_arena_array(&m->scratch, values, sizeof *m->buffer);
    m->buffer_of = ms_arena_array(&m->scratch, values, sizeof *m->buffer_of);
    p->slot = ms_arena_array(&p->arena, values, sizeof *p->slot);
    p->in_shape = ms_arena_array(&p->arena, (size_t)g->n_in, sizeof *p->in_shape);
    p->out = ms_arena_array(&p->arena, (size_t)g->n_out, sizeof *p->out);
    p->own_bytes = ms_arena_array(&p->arena, (size_t)g->n_out, sizeof *p->own_bytes);
    if (!m->fact || !m->late || !m->read || !m->known || !m->root || !m->last || !m->first ||
        !m->top || !m->shift || !m->next || !m->cells || !m->met || !m->is_output || !m->buffer ||
        !m->buffer_of || !p->slot || !p->in_shape || !p->out || !p->own_bytes)
        return ms_fail_oom(err, "plan", values * sizeof *m->fact);
    p->n_slots = g->n_values;
    p->n_in = g->n_in;
    p->n_out = g->n_out;
    return MS_OK;
}

static ms_code check_budget(struct ms_maker *m)
{
    struct ms_plan *p = m->plan;
    struct ms_program *prog = m->part->program;

    p->peak = p->slab;
    bool ok = ms_add(p->peak, p->scratch, &p->peak);
    for (int i = 0; i < p->n_own; i++)
        ok = ok && ms_add(p->peak, p->own_bytes[i], &p->peak);
    if (!ok || p->peak > prog->run_budget)
        return ms_fail_because(m->err, MS_RESOURCE_EXHAUSTED, MS_REASON_TOO_LARGE,
                               "a run with these shapes needs %zu bytes, its budget is %zu",
                               p->peak, prog->run_budget);
    size_t bytes = p->arena.used + sizeof *p;
    if (!ms_account_take(prog->account, MS_ACCOUNT_PLANS, bytes) &&
        (ms_program_shrink(prog) == 0 || !ms_account_take(prog->account, MS_ACCOUNT_PLANS, bytes)))
        return ms_fail(m->err, MS_RESOURCE_EXHAUSTED,
                       "the model's memory budget has no room for a "
                       "plan of %zu bytes",
                       bytes);
    p->charged = bytes;
    return MS_OK;
}

static ms_code make(struct ms_maker *m, struct ms_part *part, const struct ms_shape *in,
                    struct ms_err *err)
{
    struct ms_plan *p = m->plan;

    MS_TRY(maker_init(m, part, err));
    MS_TRY(forward(m, in));
    p->n_steps = backward(m);
    p->step = ms_arena_array(&p->arena, (size_t)p->n_steps, sizeof *p->step);
    if (!p->step)
        return ms_fail_oom(err, "plan", (size_t)p->n_steps * sizeof *p->step);
    int s = 0;
    ms_graph_each (m->g, n)
        if (!m->known[n->id] && is_read(m, n))
            p->step[s++].node = n;
    MS_TRY(ms_plan_place(m));
    MS_TRY(ms_plan_steps(m));
    MS_TRY(ms_plan_edges(m));
    return check_budget(m);
}

ms_code ms_plan_new(struct ms_part *part, const struct ms_shape *in, struct ms_plan **out,
                    struct ms_err *err)
{
    struct ms_maker m = {0};

    *out = NULL;
    m.plan = ms_calloc(1, sizeof *m.plan);
    if (!m.plan)
        return ms_fail_oom(err, "plan", sizeof *m.plan);
    atomic_init(&m.plan->refs, 1);
    m.plan->part = part;
    ms_arena_init(&m.plan->arena, (size_t)4 << 30);
    pthread_mutex_init(&m.plan->lock, NULL);
    ms_code code = make(&m, part, in, err);
    ms_arena_done(&m.scratch);
    if (code != MS_OK) {
        ms_plan_unref(m.plan);
        return code;
    }
    struct ms_program *prog = part->program;
    size_t peak = atomic_load(&prog->run_peak);
    while (m.plan->peak > peak &&
           !atomic_compare_exchange_weak(&prog->run_peak, &peak, m.plan->peak))
        ;
    *out = m.plan;
    return MS_OK;
}

struct ms_plan *ms_plan_ref(struct ms_plan *p)
{
    atomic_fetch_add_explicit(&p->refs, 1, memory_order_relaxed);
    return p;
}

void ms_plan_unref(struct ms_plan *p)
{
    if (!p || atomic_fetch_sub_explicit(&p->refs, 1, memory_order_acq_rel) != 1)
        return;
    ms_run_drop_idle(p);
    if (p->charged)
        ms_account_give(p->part->program->account, MS_ACCOUNT_PLANS, p->charged);
    pthread_mutex_destroy(&p->lock);
    ms_arena_done(&p->arena);
    ms_free(p);
}
