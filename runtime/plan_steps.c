/* SPDX-License-Identifier: Apache-2.0 */
/* plan_steps.c - what each step is called with, what it costs, and how it is cut for the pool. */
#include <limits.h>
#include <string.h>

#include "base/mem.h"
#include "runtime/program.h"

/* ---- operands ---- */

static bool skips(const struct ms_maker *m, const struct ms_node *n, int i)
{
    return i > 0 && !m->read[n->out[i]->id]; /* output 0 is always given: kernels size by it */
}

static ms_code fill_operands(struct ms_maker *m)
{
    struct ms_plan *p = m->plan;
    size_t total = 0;

    for (int s = 0; s < p->n_steps; s++)
        total += (size_t)p->step[s].node->n_in + (size_t)p->step[s].node->n_out;
    p->operand = ms_arena_array(&p->arena, total, sizeof *p->operand);
    if (!p->operand || total > INT_MAX)
        return ms_fail_oom(m->err, "plan", total * sizeof *p->operand);
    for (int s = 0; s < p->n_steps; s++) {
        struct ms_step *st = &p->step[s];
        const struct ms_node *n = st->node;
        st->args = p->n_operands;
        st->n_in = n->n_in;
        st->n_out = n->n_out;
        for (int i = 0; i < n->n_in; i++)
            p->operand[p->n_operands++] = n->in[i].value ? n->in[i].value->id : -1;
        for (int i = 0; i < n->n_out; i++)
            p->operand[p->n_operands++] = skips(m, n, i) ? -1 : n->out[i]->id;
    }
    return MS_OK;
}

/* ---- late tensors: when to let go of them ---- */

static void classify(struct ms_maker *m, struct ms_step *st)
{
    const struct ms_node *n = st->node;
    const struct ms_choice *c = &m->part->choice[n->id];

    st->kernel = c->kernel;
    st->state = c->state;
    st->by_kernel = n->op->traits & MS_OUT_BY_KERNEL;
    st->infer = !st->by_kernel && m->late[n->out[0]->id];
    st->dynamic = st->by_kernel || st->infer;
    for (int i = 0; i < n->n_in; i++)
        if (n->in[i].value && m->plan->slot[n->in[i].value->id].where == MS_AT_RUN)
            st->dynamic = true;
}

static ms_code fill_drops(struct ms_maker *m)
{
    struct ms_plan *p = m->plan;
    int *last = ms_arena_array(&m->scratch, (size_t)p->n_slots, sizeof *last);

    for (int id = 0; id < p->n_slots; id++)
        p->n_late += p->slot[id].where == MS_AT_RUN;
    p->late = ms_arena_array(&p->arena, (size_t)p->n_late, sizeof *p->late);
    p->list = ms_arena_array(&p->arena, (size_t)p->n_late, sizeof *p->list);
    if (!last || !p->late || !p->list)
        return ms_fail_oom(m->err, "plan", (size_t)p->n_slots * sizeof *last);
    int k = 0, used = 0;
    for (int id = 0; id < p->n_slots; id++) {
        last[id] = -1;
        if (p->slot[id].where == MS_AT_RUN)
            p->late[k++] = id;
    }
    for (int s = 0; s < p->n_steps; s++)
        for (int i = 0; i < p->step[s].n_in + p->step[s].n_out; i++)
            if (p->operand[p->step[s].args + i] >= 0)
                last[p->operand[p->step[s].args + i]] = s;
    for (int i = 0; i < p->n_out; i++)
        last[p->out[i].slot] = INT_MAX;
    for (int s = 0; s < p->n_steps; s++) {
        struct ms_step *st = &p->step[s];
        st->drops = used;
        for (int i = 0; i < st->n_in + st->n_out; i++) {
            int id = p->operand[st->args + i];
            if (id < 0 || p->slot[id].where != MS_AT_RUN || last[id] != s)
                continue;
            last[id] = -2; /* once, also when it is read twice */
            p->list[used++] = id;
        }
        st->n_drops = used - st->drops;
    }
    return MS_OK;
}

/* ---- cost and cut ---- */

void ms_plan_args(const struct ms_plan *p, const struct ms_step *s, struct ms_tensor **args)
{
    for (int i = 0; i < s->n_in + s->n_out; i++) {
        int id = p->operand[s->args + i];
        args[i] = id < 0 ? NULL : (struct ms_tensor *)(uintptr_t)&p->slot[id].proto;
    }
}

/* At most: a core does at least 20 GFLOP/s where a kernel knows no better, and moves at least 8
 * GB/s. */
static double longest_ns(const struct ms_kernel *k, double flops, size_t bytes)
{
    const double rate = k->rate > 0 ? k->rate : 20;

    return flops / rate > (double)bytes / 8.0 ? flops / rate : (double)bytes / 8.0;
}

int ms_step_chunks(const struct ms_kernel *k, size_t units, double flops, size_t bytes, int threads)
{
    /* A neighbour who is awake costs less than a microsecond, and what one alone would write, both
     * read in the next step. Workers take many chunks at a time: they may be short. */
    const double least_ns = 12e3, chunk_ns = 3e3, ns = longest_ns(k, flops, bytes);

    if (units < 2 || threads < 2 || ns < least_ns)
        return 1;
    double most = ns / chunk_ns;
    size_t chunks = (size_t)threads * 16;
    if (most < (double)chunks)
        chunks = (size_t)most;
    return (int)(chunks < units ? chunks : units);
}

static double flops_of(struct ms_maker *m, const struct ms_node *n)
{
    struct ms_fact *f;
    double flops = 0;

    if (!n->op->cost) {
        size_t count;
        return ms_shape_count(&m->fact[n->out[0]->id].shape, &count) ? (double)count : 0;
    }
    f = ms_arena_array(&m->scratch, (size_t)(n->n_in + n->n_out), sizeof *f);
    for (int i = 0; f && i < n->n_in; i++)
        if (n->in[i].value)
            f[i] = m->fact[n->in[i].value->id];
    for (int i = 0; f && i < n->n_out; i++)
        f[n->n_in + i] = m->fact[n->out[i]->id];
    if (f)
        flops = n->op->cost(n, f, f + n->n_in);
    return flops > 0 ? flops : 0;
}

static struct ms_task task_of(const struct ms_step *st, struct ms_tensor **args)
{
    return (struct ms_task){.node = st->node,
                            .state = st->state,
                            .in = args,
                            .out = args + st->n_in,
                            .n_in = st->n_in,
                            .n_out = st->n_out};
}

static bool has_workspace(const struct ms_maker *m, size_t scratch)
{
    size_t most = m->part->program->max_workspace;

    return most == 0 || scratch <= most;
}

static bool is_settled(const struct ms_step *st)
{
    return st->kernel && !st->infer && !st->by_kernel && !st->dynamic;
}

static ms_code measure(struct ms_maker *m, struct ms_step *st)
{
    struct ms_plan *p = m->plan;
    struct ms_program *prog = m->part->program;
    struct ms_tensor **args;

    st->chunks = 1;
    if (!is_settled(st))
        return MS_OK;
    args = ms_arena_array(&m->scratch, (size_t)(st->n_in + st->n_out), sizeof *args);
    if (!args)
        return ms_fail_oom(m->err, "plan", 0);
    ms_plan_args(p, st, args);
    struct ms_task t = task_of(st, args);
    st->units = ms_kernel_units(st->kernel, &t);
    t.last = st->units;
    st->scratch = st->kernel->scratch ? st->kernel->scratch(&t) : 0;
    if (!has_workspace(m, st->scratch))
        return ms_node_fail(st->node, m->err, MS_RESOURCE_EXHAUSTED,
                            "its kernel needs %zu bytes of scratch, %zu are allowed", st->scratch,
                            prog->max_workspace);
    if (st->scratch > p->scratch)
        p->scratch = st->scratch;
    for (int i = 0; i < st->n_in + st->n_out; i++)
        if (args[i])
            st->bytes += args[i]->bytes;
    st->flops = flops_of(m, st->node);
    p->flops += st->flops;
    st->chunks = ms_step_chunks(st->kernel, st->units, st->flops, st->bytes, prog->threads);
    return MS_OK;
}

/* Steps s - 1 and s at once, where their kernels can and it pays with these shapes. */
static ms_code measure_pair(struct ms_maker *m, int s)
{
    const struct ms_pairing *pairing = ms_plan_pairing(m, s);
    struct ms_plan *p = m->plan;
    struct ms_step *st = &p->step[s], *first = st - 1;

    if (!pairing || !is_settled(st) || !is_settled(first) || first->pairing)
        return MS_OK;
    size_t n = (size_t)(first->n_in + first->n_out);
    struct ms_tensor **args =
        ms_arena_array(&m->scratch, n + (size_t)(st->n_in + st->n_out), sizeof *args);
    if (!args)
        return ms_fail_oom(m->err, "plan", 0);
    ms_plan_args(p, first, args);
    ms_plan_args(p, st, args + n);
    const struct ms_task a = task_of(first, args), b = task_of(st, args + n);
    st->pair_units = pairing->units(&a, &b);
    st->pair_scratch = st->pair_units ? pairing->scratch(&a, &b) : 0;
    if (!st->pair_units || !has_workspace(m, st->pair_scratch))
        return MS_OK;
    st->pairing = pairing;
    st->pair_chunks = ms_step_chunks(first->kernel, st->pair_units, first->flops + st->flops,
                                     first->bytes + st->bytes, m->part->program->threads);
    if (st->pair_scratch > p->scratch)
        p->scratch = st->pair_scratch;
    return MS_OK;
}

static ms_code fill_fresh(struct ms_maker *m)
{
    struct ms_plan *p = m->plan;

    p->fresh = ms_arena_array(&p->arena, (size_t)p->n_slots, sizeof *p->fresh);
    if (!p->fresh)
        return ms_fail_oom(m->err, "plan", (size_t)p->n_slots * sizeof *p->fresh);
    for (int id = 0; id < p->n_slots; id++)
        if (p->slot[id].where == MS_AT_INPUT || p->slot[id].where == MS_AT_OUTPUT)
            p->fresh[p->n_fresh++] = id;
    return MS_OK;
}

/* A short run wakes nobody: a neighbour who sleeps costs 5 to 50 us, more than his half of it. */
static bool is_short(const struct ms_plan *p)
{
    const double most = 400e3; /* in truth about a fifth of that */
    double ns = 0;

    for (int s = 0; s < p->n_steps; s++) {
        const struct ms_step *st = &p->step[s];
        if (st->infer || st->by_kernel || st->dynamic)
            return false; /* who knows */
        ns += st->kernel ? longest_ns(st->kernel, st->flops, st->bytes) : 0;
    }
    return ns < most;
}

ms_code ms_plan_steps(struct ms_maker *m)
{
    MS_TRY(fill_operands(m));
    MS_TRY(fill_fresh(m));
    for (int s = 0; s < m->plan->n_steps; s++)
        classify(m, &m->plan->step[s]);
    MS_TRY(fill_drops(m));
    for (int s = 0; s < m->plan->n_steps; s++) {
        MS_TRY(measure(m, &m->plan->step[s]));
        MS_TRY(measure_pair(m, s));
    }
    m->plan->alone = is_short(m->plan);
    return MS_OK;
}
