/* SPDX-License-Identifier: Apache-2.0 */
/* plan_place.c - where each value of a plan lies.
 *
 * Values that share bytes form one group with a root: views (Reshape) and results written over an
 * input that nobody reads again. A group is a buffer of the slab, or, when a graph output is among
 * its members, a tensor of its own that outlives the run. */
#include <limits.h>

#include "runtime/program.h"

int ms_plan_root(const struct ms_maker *m, int id)
{
    while (m->root[id] != id) {
        m->root[id] = m->root[m->root[id]];
        id = m->root[id];
    }
    return id;
}

static bool proto(struct ms_slot *s, const struct ms_value *v, const struct ms_fact *f)
{
    s->proto = (struct ms_tensor){
        .dtype = f->dtype, .layout = ms_layout_host(v->layout), .shape = f->shape};
    atomic_init(&s->proto.refs, 1);
    return ms_tensor_size(f->dtype, s->proto.layout, &f->shape, &s->proto.bytes);
}

static void constant(struct ms_slot *s, const struct ms_tensor *t)
{
    s->where = MS_AT_CONST;
    s->proto.dtype = t->dtype;
    s->proto.layout = t->layout;
    s->proto.shape = t->shape;
    s->proto.bytes = t->bytes;
    s->proto.data = t->data;
}

/* Roots and kinds before memory is shared: constants, inputs, what appears while running. */
static ms_code settle_value(struct ms_maker *m, struct ms_value *v)
{
    struct ms_slot *s = &m->plan->slot[v->id];
    const struct ms_fact *f = &m->fact[v->id];

    if (s->where != MS_AT_NONE || f->dtype == MS_DTYPE_NONE)
        return MS_OK;
    m->root[v->id] = v->id;
    m->first[v->id] = -1;
    m->last[v->id] = -1;
    m->buffer_of[v->id] = -1;
    if (f->value) {
        constant(s, f->value);
    } else if (m->late[v->id]) {
        s->where = MS_AT_RUN;
        s->proto = (struct ms_tensor){
            .dtype = f->dtype, .layout = ms_layout_host(v->layout), .shape = f->shape};
    } else {
        s->where = MS_AT_SLAB;
        if (!proto(s, v, f))
            return ms_fail(m->err, MS_RESOURCE_EXHAUSTED, "value '%s' is too large", v->name);
    }
    return MS_OK;
}

static ms_code settle(struct ms_maker *m)
{
    struct ms_graph *g = m->g;

    for (int i = 0; i < g->n_in; i++) {
        MS_TRY(settle_value(m, g->in[i]));
        m->plan->slot[g->in[i]->id].where = MS_AT_INPUT;
        m->plan->slot[g->in[i]->id].index = i;
    }
    ms_graph_each (g, n) {
        for (int i = 0; i < n->n_in; i++)
            if (n->in[i].value)
                MS_TRY(settle_value(m, n->in[i].value));
        for (int i = 0; i < n->n_out; i++)
            MS_TRY(settle_value(m, n->out[i]));
    }
    for (int i = 0; i < g->n_out; i++)
        MS_TRY(settle_value(m, g->out[i]));
    return MS_OK;
}

/* Is the step a view that costs nothing because its input lies still? */
static bool still_view(const struct ms_maker *m, const struct ms_node *n)
{
    const struct ms_value *x = ms_in(n, 0);

    return (n->op->traits & MS_VIEW) && x && !m->late[n->out[0]->id] && !m->late[x->id];
}

static ms_code join_view(struct ms_maker *m, const struct ms_node *n)
{
    struct ms_slot *out = &m->plan->slot[n->out[0]->id];
    const struct ms_slot *in = &m->plan->slot[n->in[0].value->id];

    if (in->proto.bytes != out->proto.bytes)
        return ms_node_fail(n, m->err, MS_INTERNAL, "a view changes the number of bytes");
    out->where = in->where;
    out->index = in->index;
    out->proto.data = in->proto.data;
    m->root[n->out[0]->id] = ms_plan_root(m, n->in[0].value->id);
    return MS_OK;
}

/* Drops the views from the steps; their outputs join their inputs. */
static ms_code join_views(struct ms_maker *m)
{
    struct ms_plan *p = m->plan;
    int kept = 0;

    for (int s = 0; s < p->n_steps; s++) {
        if (still_view(m, p->step[s].node))
            MS_TRY(join_view(m, p->step[s].node));
        else
            p->step[kept++].node = p->step[s].node;
    }
    p->n_steps = kept;
    return MS_OK;
}

const struct ms_pairing *ms_plan_pairing(const struct ms_maker *m, int s)
{
    if (s < 1)
        return NULL;
    const struct ms_node *n = m->plan->step[s].node, *first = m->plan->step[s - 1].node;
    const struct ms_kernel *k = m->part->choice[n->id].kernel;
    const struct ms_kernel *maker = m->part->choice[first->id].kernel;
    const struct ms_value *x = ms_in(n, 0);

    if (!k || !k->pairing || !maker || maker->run != k->pairing->after)
        return NULL;
    return x == first->out[0] && x->n_uses == 1 ? k->pairing : NULL;
}

/* What the first of a pair reads is still read when the second writes. */
static void lengthen_lives(struct ms_maker *m, int s)
{
    const struct ms_node *n = m->plan->step[s].node, *first = m->plan->step[s - 1].node;

    for (int i = 0; i < first->n_in; i++) {
        if (!first->in[i].value)
            continue;
        int r = ms_plan_root(m, first->in[i].value->id);
        m->last[r] = m->last[r] < s ? s : m->last[r];
    }
    for (int i = 0; i < n->n_out; i++)
        m->first[ms_plan_root(m, n->out[i]->id)] = s - 1;
}

static void find_lives(struct ms_maker *m)
{
    struct ms_plan *p = m->plan;

    for (int s = 0; s < p->n_steps; s++) {
        const struct ms_node *n = p->step[s].node;
        for (int i = 0; i < n->n_in; i++)
            if (n->in[i].value)
                m->last[ms_plan_root(m, n->in[i].value->id)] = s;
        for (int i = 0; i < n->n_out; i++) {
            int r = ms_plan_root(m, n->out[i]->id);
            m->first[r] = s;
            if (m->last[r] < s)
                m->last[r] = s;
        }
    }
    for (int s = 1; s < p->n_steps; s++)
        if (ms_plan_pairing(m, s))
            lengthen_lives(m, s);
    for (int i = 0; i < m->g->n_out; i++)
        m->last[ms_plan_root(m, m->g->out[i]->id)] = INT_MAX;
}

/* Does anybody but x itself read bytes of its cell at step s or later? */
static bool read_by_others(const struct ms_maker *m, const struct ms_node *n, int s)
{
    const struct ms_value *x = ms_in(n, 0);
    int cell = ms_plan_root(m, x->id);

    for (int i = 1; i < n->n_in; i++) { /* the same bytes under another shape would be torn */
        const struct ms_value *o = n->in[i].value;
        if (o && o != x && ms_plan_overlap(m, ms_plan_root(m, o->id), cell))
            return true;
    }
    for (int c = m->top[cell]; c >= 0; c = m->next[c])
        if (m->last[c] > s && ms_plan_overlap(m, c, cell))
            return true;
    return m->last[cell] != s;
}

/* May step s write its output 0 over its input 0? */
static bool fits_in_place(const struct ms_maker *m, const struct ms_node *n, int s)
{
    const struct ms_value *x = ms_in(n, 0), *y = n->out[0];
    const struct ms_slot *a, *b = &m->plan->slot[y->id];

    if (!(n->op->traits & MS_INPLACE) || !x)
        return false;
    a = &m->plan->slot[x->id];
    if (a->where != MS_AT_SLAB || b->where != MS_AT_SLAB || a->proto.dtype != b->proto.dtype ||
        a->proto.layout != b->proto.layout || !ms_shape_eq(&a->proto.shape, &b->proto.shape))
        return false;
    return !read_by_others(m, n, s);
}

static bool is_shared(const struct ms_maker *m, int cell)
{
    return m->cells[m->top[cell]] > 1;
}

/* One cell for both: where the one lies that has its place among slices. Until y is written, nobody
 * misses the bytes of its slice. */
static void share(struct ms_maker *m, int x, int y)
{
    if (!is_shared(m, y)) {
        if (m->is_output[y] && is_shared(m, x))
            return;
        m->root[y] = x;
        m->last[x] = m->last[y];
        m->is_output[x] = m->is_output[y];
    } else if (!is_shared(m, x)) {
        m->root[x] = y;
        m->first[y] = m->first[x];
    }
}

static void share_in_place(struct ms_maker *m)
{
    struct ms_plan *p = m->plan;

    for (int s = 0; s < p->n_steps; s++) {
        const struct ms_node *n = p->step[s].node;
        if (fits_in_place(m, n, s))
            share(m, ms_plan_root(m, n->in[0].value->id), ms_plan_root(m, n->out[0]->id));
    }
}

/* Own tensors for groups that hold a graph output. */
static void give_outputs(struct ms_maker *m)
{
    struct ms_plan *p = m->plan;

    for (int i = 0; i < m->g->n_out; i++) {
        int id = m->g->out[i]->id, r = ms_plan_root(m, id);
        struct ms_slot *root = &p->slot[r], *s = &p->slot[id];
        p->out[i] = (struct ms_plan_out){.slot = id, .own = -1};
        if (s->where != MS_AT_SLAB && s->where != MS_AT_OUTPUT)
            continue;
        bool shared = root->where == MS_AT_OUTPUT;
        if (!shared) {
            root->where = MS_AT_OUTPUT;
            root->index = p->n_own;
            p->own_bytes[p->n_own++] = root->proto.bytes;
        }
        p->out[i].own = root->index;
        p->out[i].view = shared;
    }
}

static bool has_memory(const struct ms_slot *s)
{
    return s->where == MS_AT_SLAB || s->where == MS_AT_OUTPUT;
}

/* Buffers of the slab for tops that steps write into. */
static void add_buffer(struct ms_maker *m, int id)
{
    struct ms_slot *s = &m->plan->slot[id];
    struct ms_buffer b = {.bytes = s->proto.bytes, .first = INT_MAX, .last = -1};

    if (s->where != MS_AT_SLAB || m->root[id] != id || m->top[id] != id)
        return;
    for (int c = id; c >= 0; c = m->next[c]) {
        if (m->root[c] != c)
            continue;
        if (m->first[c] >= 0 && m->first[c] < b.first)
            b.first = m->first[c];
        if (m->last[c] > b.last)
            b.last = m->last[c];
    }
    if (b.first == INT_MAX)
        return;
    m->buffer_of[id] = m->n_buffers;
    m->buffer[m->n_buffers++] = b;
}

static ms_code place_buffers(struct ms_maker *m)
{
    struct ms_plan *p = m->plan;

    for (int id = 0; id < p->n_slots; id++)
        add_buffer(m, id);
    if (m->n_buffers && !ms_memplan(m->buffer, m->n_buffers, &p->slab, &p->bound))
        return ms_fail_oom(m->err, "memory plan", 0);
    for (int id = 0; id < p->n_slots; id++) {
        struct ms_slot *s = &p->slot[id];
        if (!has_memory(s))
            continue;
        int r = ms_plan_root(m, id);
        s->where = p->slot[r].where;
        s->index = p->slot[r].index;
        int b = m->buffer_of[m->top[r]];
        if (s->where == MS_AT_SLAB)
            s->offset = b >= 0 ? m->buffer[b].offset + m->shift[r] : 0;
    }
    return MS_OK;
}

ms_code ms_plan_place(struct ms_maker *m)
{
    MS_TRY(settle(m));
    MS_TRY(join_views(m));
    ms_plan_slices(m);
    find_lives(m);
    share_in_place(m);
    give_outputs(m);
    return place_buffers(m);
}
