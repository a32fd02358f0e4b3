/* SPDX-License-Identifier: Apache-2.0 */
/* plan_edges.c - which steps wait for which, for plans whose steps may run side by side.
 *
 * A reader waits for the maker of what it reads. A maker waits for everybody who touched the bytes
 * that it is going to write: in its own cell (in place), in cells that overlap it (slices and what
 * they are slices of), or in buffers that held those addresses of the slab before. For that each
 * cell keeps its touches since its last write (all earlier ones are ordered before that write
 * already), and a list of address ranges tells the cell that held each last. Plans with late
 * tensors, and giant ones, run in order and have no edges. */
#include <limits.h>
#include <string.h>

#include "base/mem.h"
#include "runtime/program.h"

enum { STEPS_MAX = 20000, WORTH_NS = 60000 };

struct edges {
    int *from, *to;
    int n, cap;
    bool ok;
};

static void add_edge(struct edges *e, int from, int to)
{
    if (from < 0 || from == to || !e->ok)
        return;
    if (e->n == e->cap) {
        int cap = e->cap ? e->cap * 2 : 256;
        int *f = ms_reallocarray(e->from, (size_t)cap, sizeof *f);
        e->from = f ? f : e->from;
        int *t = ms_reallocarray(e->to, (size_t)cap, sizeof *t);
        e->to = t ? t : e->to;
        e->ok = f && t;
        if (!e->ok)
            return;
        e->cap = cap;
    }
    e->from[e->n] = from;
    e->to[e->n++] = to;
}

struct touch {
    int step, next;
};

struct range {
    size_t from, to;
    int cell;
};

struct finder {
    struct ms_maker *m;
    struct edges *e;
    int *maker_of; /* by value id */
    int *head;     /* by cell: touches since the last write; -1 */
    struct touch *touch;
    int n_touches;
    struct range *range, *spare;
    int n_ranges;
};

static bool in_memory(const struct ms_slot *s)
{
    return s->where == MS_AT_SLAB || s->where == MS_AT_OUTPUT;
}

static void touch(struct finder *f, int cell, int step)
{
    f->touch[f->n_touches] = (struct touch){step, f->head[cell]};
    f->head[cell] = f->n_touches++;
}

/* For all who touched bytes of the cell. */
static void wait_for_bytes(struct finder *f, int cell, int step)
{
    const struct ms_maker *m = f->m;

    for (int c = m->top[cell]; c >= 0; c = m->next[c])
        for (int t = ms_plan_overlap(m, c, cell) ? f->head[c] : -1; t >= 0; t = f->touch[t].next)
            add_edge(f->e, f->touch[t].step, step);
}

/* The cell takes its addresses: its first writer waits for whoever was there before. */
static void take_range(struct finder *f, int cell, int step)
{
    const struct ms_slot *s = &f->m->plan->slot[cell];
    size_t from = s->offset, to = from + ms_align64(s->proto.bytes);
    int n = 0;

    for (int i = 0; i < f->n_ranges; i++) {
        struct range r = f->range[i];
        if (r.to <= from || r.from >= to) {
            f->spare[n++] = r;
            continue;
        }
        wait_for_bytes(f, r.cell, step);
        if (r.from < from)
            f->spare[n++] = (struct range){r.from, from, r.cell};
        if (r.to > to)
            f->spare[n++] = (struct range){to, r.to, r.cell};
    }
    f->spare[n++] = (struct range){from, to, cell};
    struct range *t = f->range;
    f->range = f->spare;
    f->spare = t;
    f->n_ranges = n;
}

static void read_value(struct finder *f, int id, int step)
{
    const struct ms_maker *m = f->m;
    int cell = ms_plan_root(m, id);

    for (int c = m->top[cell]; c >= 0; c = m->next[c])
        if (ms_plan_overlap(m, c, cell))
            add_edge(f->e, f->maker_of[c], step);
    touch(f, cell, step);
}

static void write_value(struct finder *f, int id, int step)
{
    const struct ms_plan *p = f->m->plan;
    int cell = ms_plan_root(f->m, id);

    if (in_memory(&p->slot[id])) {
        if (f->m->first[cell] == step && p->slot[id].where == MS_AT_SLAB)
            take_range(f, cell, step);
        wait_for_bytes(f, cell, step);
        f->head[cell] = -1;
        touch(f, cell, step);
    }
    f->maker_of[cell] = step; /* in place: the latest writer */
}

static void visit(struct finder *f, int s)
{
    const struct ms_plan *p = f->m->plan;
    const struct ms_step *st = &p->step[s];
    const int *id = p->operand + st->args;

    for (int i = 0; i < st->n_in; i++)
        if (id[i] >= 0 && in_memory(&p->slot[id[i]]))
            read_value(f, id[i], s);
    for (int i = st->n_in; i < st->n_in + st->n_out; i++)
        if (id[i] >= 0)
            write_value(f, id[i], s);
}

static bool finder_init(struct finder *f, struct ms_maker *m, struct edges *e)
{
    size_t values = (size_t)m->plan->n_slots, ops = (size_t)m->plan->n_operands;

    *f = (struct finder){.m = m, .e = e};
    f->maker_of = ms_arena_array(&m->scratch, values, sizeof *f->maker_of);
    f->head = ms_arena_array(&m->scratch, values, sizeof *f->head);
    f->touch = ms_arena_array(&m->scratch, ops, sizeof *f->touch);
    /* a buffer adds at most two ranges to the list */
    f->range = ms_arena_array(&m->scratch, 2 * values + 2, sizeof *f->range);
    f->spare = ms_arena_array(&m->scratch, 2 * values + 2, sizeof *f->spare);
    if (!f->maker_of || !f->head || !f->touch || !f->range || !f->spare)
        return false;
    for (size_t i = 0; i < values; i++)
        f->maker_of[i] = f->head[i] = -1;
    return true;
}

/* Lists of successors in the plan, duplicates removed. Edges of one target lie side by side. */
static bool store(struct ms_maker *m, struct edges *e)
{
    struct ms_plan *p = m->plan;
    int *mark = ms_arena_array(&m->scratch, (size_t)p->n_steps, sizeof *mark);
    int kept = 0;

    if (!mark)
        return false;
    for (int s = 0; s < p->n_steps; s++)
        mark[s] = -1;
    for (int i = 0; i < e->n; i++) {
        if (mark[e->from[i]] == e->to[i])
            continue;
        mark[e->from[i]] = e->to[i];
        e->from[kept] = e->from[i];
        e->to[kept++] = e->to[i];
    }
    e->n = kept;
    p->list = ms_arena_array(&p->arena, (size_t)kept, sizeof *p->list);
    if (!p->list)
        return false;
    for (int i = 0; i < kept; i++) {
        p->step[e->from[i]].n_succs++;
        p->step[e->to[i]].needs++;
    }
    for (int s = 0, at = 0; s < p->n_steps; s++) {
        p->step[s].succs = at;
        at += p->step[s].n_succs;
        p->step[s].n_succs = 0;
    }
    for (int i = 0; i < kept; i++) {
        struct ms_step *from = &p->step[e->from[i]];
        p->list[from->succs + from->n_succs++] = e->to[i];
    }
    return true;
}

/* Would anything ever run side by side? Not if each step waits for the one before. Nor in a plan
 * with pairs, which run in order only, if all that takes time gives every worker pieces anyway. */
static bool branches(const struct ms_plan *p, const struct edges *e, int threads)
{
    int chained = 0, pairs = 0;
    double ns = 0, narrow = 0;

    for (int i = 0; i < e->n; i++)
        chained += e->to[i] == e->from[i] + 1;
    for (int s = 0; s < p->n_steps; s++) {
        ns += p->step[s].flops / 20.0;
        narrow += p->step[s].chunks < 2 * threads ? p->step[s].flops / 20.0 : 0;
        pairs += p->step[s].pairing != NULL;
    }
    return chained < p->n_steps - 1 && (pairs ? narrow : ns) > WORTH_NS;
}

ms_code ms_plan_edges(struct ms_maker *m)
{
    struct ms_plan *p = m->plan;
    struct edges e = {.ok = true};
    struct finder f;

    if (m->part->program->threads < 2 || p->n_steps > STEPS_MAX || p->n_late || p->n_steps < 3)
        return MS_OK;
    for (int s = 0; s < p->n_steps; s++)
        if (p->step[s].dynamic)
            return MS_OK;
    bool ok = finder_init(&f, m, &e);
    for (int s = 0; ok && s < p->n_steps; s++)
        visit(&f, s);
    ok = ok && e.ok && store(m, &e);
    p->branches = ok && branches(p, &e, m->part->program->threads);
    ms_free(e.from);
    ms_free(e.to);
    return ok ? MS_OK : ms_fail_oom(m->err, "plan", 0);
}
