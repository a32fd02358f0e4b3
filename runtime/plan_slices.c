/* SPDX-License-Identifier: Apache-2.0 */
/* plan_slices.c - inputs of a Concat that are made where its output lies, so that no step joins
 * them.
 *
 * Values that share all their bytes are a cell (plan_place.c: root). Here cells become slices of
 * another one, their top: where the operator says at which offsets its inputs lie in its output,
 * and every input is made by a step of this plan, nobody copies anything. Slices nest: the output
 * of a Concat may be the first input of the next, or several neighbours among its inputs, as in
 * networks whose layers see all that came before them.
 *
 * That a slice is written over while its top is still read, or the other way round, could only come
 * from results written in place, which plan_place.c decides afterwards and checks for overlaps. */
#include "runtime/program.h"

enum {
    CELLS = 256, /* of a top: the lists are walked for each touch */
    INPUTS = 256,
};

static size_t bytes_of(const struct ms_maker *m, int cell)
{
    return m->plan->slot[cell].proto.bytes;
}

bool ms_plan_overlap(const struct ms_maker *m, int a, int b)
{
    if (m->top[a] != m->top[b])
        return false;
    return m->shift[a] < m->shift[b] + bytes_of(m, b) && m->shift[b] < m->shift[a] + bytes_of(m, a);
}

/* May the cell become part of another one: memory of a run that a step writes? */
static bool movable(const struct ms_maker *m, int cell)
{
    const struct ms_slot *s = &m->plan->slot[cell];

    return s->where == MS_AT_SLAB && !m->is_output[cell];
}

/* The tops of the inputs must lie side by side in the output, each at one place, whole, and once.
 * base[i]: where the top of input i comes to lie. */
static bool fits(const struct ms_maker *m, const struct ms_node *n, const size_t *offset,
                 size_t *base)
{
    size_t end = 0; /* of the tops so far */
    int before = -1, cells = 1;

    for (int i = 0; i < n->n_in; i++) {
        int cell = ms_plan_root(m, n->in[i].value->id), top = m->top[cell];
        if (!movable(m, cell) || !movable(m, top) || m->shift[cell] > offset[i])
            return false;
        base[i] = offset[i] - m->shift[cell];
        if (top == before && base[i] != base[i - 1])
            return false;
        if (top == before)
            continue;
        if (base[i] != end || base[i] % 64 != 0 || m->met[top] == n->out[0])
            return false;
        m->met[top] = n->out[0];
        end = base[i] + bytes_of(m, top);
        cells += m->cells[top];
        before = top;
    }
    return cells <= CELLS && end == bytes_of(m, n->out[0]->id);
}

static void move(struct ms_maker *m, int top, int to, size_t base)
{
    int last = top;

    for (int c = top; c >= 0; c = m->next[c]) {
        m->top[c] = to;
        m->shift[c] += base;
        last = c;
    }
    m->next[last] = m->next[to];
    m->next[to] = top;
    m->cells[to] += m->cells[top];
}

/* True: the step is not needed any more. */
static bool slice(struct ms_maker *m, const struct ms_node *n)
{
    const struct ms_tensor *in[INPUTS];
    size_t offset[INPUTS], base[INPUTS];
    int out = n->out[0]->id;

    if (!n->op->slices || n->n_in > INPUTS || ms_plan_root(m, out) != out || !movable(m, out) ||
        m->cells[out] != 1)
        return false;
    for (int i = 0; i < n->n_in; i++) {
        if (!n->in[i].value || m->late[n->in[i].value->id])
            return false;
        in[i] = &m->plan->slot[n->in[i].value->id].proto;
    }
    if (!n->op->slices(n, in, &m->plan->slot[out].proto, offset) || !fits(m, n, offset, base))
        return false;
    for (int i = 0; i < n->n_in; i++) {
        int top = m->top[ms_plan_root(m, n->in[i].value->id)];
        if (top != out)
            move(m, top, out, base[i]);
    }
    return true;
}

void ms_plan_slices(struct ms_maker *m)
{
    struct ms_plan *p = m->plan;
    int kept = 0;

    for (int i = 0; i < m->g->n_out; i++)
        m->is_output[ms_plan_root(m, m->g->out[i]->id)] = true;
    for (int id = 0; id < p->n_slots; id++) {
        m->top[id] = id;
        m->shift[id] = 0;
        m->next[id] = -1;
        m->cells[id] = 1;
    }
    for (int s = 0; s < p->n_steps; s++)
        if (!slice(m, p->step[s].node))
            p->step[kept++].node = p->step[s].node;
    p->n_steps = kept;
}
