/* SPDX-License-Identifier: Apache-2.0 */
/* graph.c - building and changing graphs.
 *
 * Operands are links in their value's list of uses, so replacing a value touches just its readers.
 * Nothing is freed: what a pass drops stays in the arena until the model goes. */
#include "ir/graph.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "ir/op.h"

/* ---- building ---- */

struct ms_graph *ms_graph_new(struct ms_arena *a, struct ms_graph *parent, const char *name)
{
    struct ms_graph *g = ms_arena_alloc(a, sizeof *g);

    if (!g)
        return NULL;
    g->arena = a;
    g->name = ms_arena_strdup(a, name ? name : "");
    g->depth = parent ? parent->depth + 1 : 0;
    g->syms = parent ? parent->syms : ms_arena_alloc(a, sizeof *g->syms);
    if (!g->name || !g->syms)
        return NULL;
    g->syms->arena = a;
    return g;
}

struct ms_value *ms_graph_value(struct ms_graph *g, const char *name, const char *hint)
{
    struct ms_value *v = ms_arena_alloc(g->arena, sizeof *v);

    if (!v)
        return NULL;
    v->graph = g;
    v->shape = ms_shape_unknown();
    v->id = -1;
    if (name && *name)
        v->name = ms_arena_strdup(g->arena, name);
    else
        v->name = ms_arena_printf(g->arena, "%s#%u", hint ? hint : "t", g->next_name++);
    return v->name ? v : NULL;
}

/* Appends to an array of values that doubles in the arena. */
static bool push(struct ms_graph *g, struct ms_value ***list, int *n, int *cap, struct ms_value *v)
{
    if (*n == *cap) {
        int grown_cap = *cap ? *cap * 2 : 4;
        struct ms_value **grown = ms_arena_array(g->arena, (size_t)grown_cap, sizeof *grown);
        if (!grown)
            return false;
        if (*n)
            memcpy(grown, *list, (size_t)*n * sizeof *grown);
        *list = grown;
        *cap = grown_cap;
    }
    (*list)[(*n)++] = v;
    return true;
}

struct ms_value *ms_graph_input(struct ms_graph *g, const char *name, enum ms_dtype t,
                                const struct ms_shape *s)
{
    struct ms_value *v = ms_graph_value(g, name, "in");

    if (!v || !push(g, &g->in, &g->n_in, &g->cap_in, v))
        return NULL;
    v->dtype = t;
    if (s)
        v->shape = *s;
    return v;
}

struct ms_value *ms_graph_constant(struct ms_graph *g, const char *name, const struct ms_tensor *t)
{
    struct ms_value *v = ms_graph_value(g, name, "c");

    if (!v)
        return NULL;
    v->constant = t;
    v->dtype = t->dtype;
    v->shape = t->shape;
    return v;
}

struct ms_value *ms_graph_const_copy(struct ms_graph *g, const char *hint, enum ms_dtype t,
                                     const struct ms_shape *s, const void *data)
{
    struct ms_tensor *tensor = ms_arena_alloc(g->arena, sizeof *tensor);
    struct ms_value *v = ms_graph_value(g, NULL, hint ? hint : "c");

    if (!tensor || !v || !ms_tensor_borrow(tensor, t, s, NULL))
        return NULL;
    tensor->data = ms_arena_alloc(g->arena, tensor->bytes);
    if (!tensor->data)
        return NULL;
    if (tensor->bytes)
        memcpy(tensor->data, data, tensor->bytes);
    v->constant = tensor;
    v->dtype = t;
    v->shape = *s;
    return v;
}

struct ms_value *ms_graph_const_ints(struct ms_graph *g, const char *hint, const int64_t *v, int n)
{
    struct ms_shape s = ms_shape_make(n);

    return ms_graph_const_copy(g, hint, MS_I64, &s, v);
}

struct ms_value *ms_graph_const_f32(struct ms_graph *g, const char *hint, float v)
{
    struct ms_shape s = ms_shape_scalar();

    return ms_graph_const_copy(g, hint, MS_F32, &s, &v);
}

ms_code ms_graph_add_output(struct ms_graph *g, struct ms_value *v, struct ms_err *err)
{
    if (!push(g, &g->out, &g->n_out, &g->cap_out, v))
        return ms_fail_oom(err, "graph outputs", (size_t)g->cap_out * 2 * sizeof v);
    v->n_uses++;
    v->n_outputs++;
    return MS_OK;
}

void ms_graph_set_output(struct ms_graph *g, int i, struct ms_value *v)
{
    g->out[i]->n_uses--;
    g->out[i]->n_outputs--;
    g->out[i] = v;
    v->n_uses++;
    v->n_outputs++;
}

/* ---- uses ---- */

static void link_use(struct ms_use *u, struct ms_value *v)
{
    u->value = v;
    u->prev = NULL;
    u->next = NULL;
    if (!v)
        return;
    u->next = v->uses;
    if (v->uses)
        v->uses->prev = u;
    v->uses = u;
    v->n_uses++;
}

static void unlink_use(struct ms_use *u)
{
    if (!u->value)
        return;
    if (u->prev)
        u->prev->next = u->next;
    else
        u->value->uses = u->next;
    if (u->next)
        u->next->prev = u->prev;
    u->value->n_uses--;
    u->value = NULL;
}

static void insert(struct ms_graph *g, struct ms_node *n, struct ms_node *before)
{
    n->next = before;
    n->prev = before ? before->prev : g->last;
    if (n->prev)
        n->prev->next = n;
    else
        g->first = n;
    if (before)
        before->prev = n;
    else
        g->last = n;
}

static void detach(struct ms_graph *g, struct ms_node *n)
{
    if (n->prev)
        n->prev->next = n->next;
    else
        g->first = n->next;
    if (n->next)
        n->next->prev = n->prev;
    else
        g->last = n->prev;
}

/* ---- nodes ---- */

struct ms_node *ms_graph_node(struct ms_graph *g, struct ms_node *before, const struct ms_op *op,
                              const char *name, struct ms_value *const *in, int n_in, int n_out)
{
    struct ms_node *n = ms_arena_alloc(g->arena, sizeof *n);

    if (!n)
        return NULL;
    n->op = op;
    n->graph = g;
    n->number = before ? before->number : -1;
    n->name = ms_arena_strdup(g->arena, name ? name : "");
    n->in = ms_arena_array(g->arena, (size_t)n_in, sizeof *n->in);
    n->out = ms_arena_array(g->arena, (size_t)n_out, sizeof(struct ms_value *));
    if (!n->name || !n->in || !n->out)
        return NULL;
    for (int i = 0; i < n_out; i++) {
        n->out[i] = ms_graph_value(g, NULL, op->name);
        if (!n->out[i])
            return NULL;
        n->out[i]->producer = n;
        n->out[i]->out_index = i;
    }
    for (int i = 0; i < n_in; i++) {
        n->in[i].node = n;
        n->in[i].index = i;
        link_use(&n->in[i], in[i]);
    }
    n->n_in = n_in;
    n->n_out = n_out;
    insert(g, n, before);
    g->n_nodes++;
    return n;
}

struct ms_value *ms_graph_op(struct ms_graph *g, struct ms_node *before, const char *op,
                             struct ms_value *const *in, int n_in)
{
    const struct ms_op *record = ms_op_find(op);
    struct ms_node *n = record ? ms_graph_node(g, before, record, NULL, in, n_in, 1) : NULL;

    return n ? n->out[0] : NULL;
}

void ms_value_rename(struct ms_value *v, const char *name)
{
    v->name = name;
}

void ms_node_set_in(struct ms_node *n, int i, struct ms_value *v)
{
    unlink_use(&n->in[i]);
    link_use(&n->in[i], v);
}

ms_code ms_node_add_in(struct ms_node *n, struct ms_value *v, struct ms_err *err)
{
    size_t count = (size_t)n->n_in + 1;
    struct ms_use *in = ms_arena_array(n->graph->arena, count, sizeof *in);

    if (!in)
        return ms_fail_oom(err, "operands", count * sizeof *in);
    for (int i = 0; i <= n->n_in; i++) {
        struct ms_value *old = i < n->n_in ? n->in[i].value : v;
        if (i < n->n_in)
            unlink_use(&n->in[i]);
        in[i].node = n;
        in[i].index = i;
        link_use(&in[i], old);
    }
    n->in = in;
    n->n_in++;
    return MS_OK;
}

void ms_node_drop_in(struct ms_node *n, int from)
{
    for (int i = from; i < n->n_in; i++)
        unlink_use(&n->in[i]);
    if (from < n->n_in)
        n->n_in = from;
}

void ms_value_replace(struct ms_value *a, struct ms_value *b)
{
    struct ms_graph *g = a->graph;

    if (a == b)
        return;
    while (a->uses) {
        struct ms_use *u = a->uses;
        unlink_use(u);
        link_use(u, b);
    }
    for (int i = 0; a->n_outputs && i < g->n_out; i++)
        if (g->out[i] == a)
            ms_graph_set_output(g, i, b);
}

void ms_node_remove(struct ms_node *n)
{
    for (int i = 0; i < n->n_out; i++)
        assert(n->out[i]->n_uses == 0);
    for (int i = 0; i < n->n_in; i++)
        unlink_use(&n->in[i]);
    detach(n->graph, n);
    n->graph->n_nodes--;
    n->gone = true; /* n->next stays for walkers */
}

void ms_node_move(struct ms_node *n, struct ms_node *before)
{
    detach(n->graph, n);
    insert(n->graph, n, before);
}

/* ---- order ---- */

/* Kahn's algorithm; among ready nodes the one that stood first goes first, so a sorted graph stays
 * as it is. `id` counts the producers still to come; the ready list is a heap by position. */
struct heap {
    struct ms_node **at;
    int n;
};

static void heap_push(struct heap *h, struct ms_node *x)
{
    int i = h->n++;

    for (; i && h->at[(i - 1) / 2]->number > x->number; i = (i - 1) / 2)
        h->at[i] = h->at[(i - 1) / 2];
    h->at[i] = x;
}

static struct ms_node *heap_pop(struct heap *h)
{
    struct ms_node *top = h->at[0], *x = h->at[--h->n];
    int i = 0;

    for (int c; (c = 2 * i + 1) < h->n; i = c) {
        if (c + 1 < h->n && h->at[c + 1]->number < h->at[c]->number)
            c++;
        if (h->at[c]->number >= x->number)
            break;
        h->at[i] = h->at[c];
    }
    h->at[i] = x;
    return top;
}

static int pending_producers(const struct ms_node *n)
{
    int pending = 0;

    for (int i = 0; i < n->n_in; i++)
        pending += n->in[i].value && n->in[i].value->producer;
    return pending;
}

static void release_readers(struct heap *ready, struct ms_node *n)
{
    for (int o = 0; o < n->n_out; o++)
        for (struct ms_use *u = n->out[o]->uses; u; u = u->next)
            if (--u->node->id == 0)
                heap_push(ready, u->node);
}

ms_code ms_graph_sort(struct ms_graph *g, struct ms_err *err)
{
    struct heap ready = {ms_arena_array(g->arena, (size_t)g->n_nodes, sizeof(struct ms_node *)), 0};
    int *number = ms_arena_array(g->arena, (size_t)g->n_nodes, sizeof *number);
    int total = 0, sorted = 0;

    if (!ready.at || !number)
        return ms_fail_oom(err, "sorting the graph", (size_t)g->n_nodes * sizeof(void *));
    for (struct ms_node *n = g->first; n; n = n->next) {
        number[total] = n->number; /* the position serves as key meanwhile */
        n->number = total++;
        n->id = pending_producers(n);
        if (n->id == 0)
            heap_push(&ready, n);
    }
    struct ms_node *last = NULL, *all = g->first;
    while (ready.n) {
        struct ms_node *n = heap_pop(&ready);
        release_readers(&ready, n);
        n->prev = last; /* threads the sorted chain through prev; next stays for the failure case */
        last = n;
        sorted++;
    }
    if (sorted < total) {
        for (struct ms_node *n = all; n; n = n->next)
            if (n->id > 0) {
                n->number = number[n->number];
                return ms_node_fail(n, err, MS_INVALID_ARGUMENT, "is part of a cycle");
            }
    }
    g->last = last;
    for (struct ms_node *n = last, *next = NULL; n; next = n, n = n->prev) {
        n->next = next;
        n->number = number[n->number];
        g->first = n;
    }
    return MS_OK;
}

static void number_value(struct ms_graph *g, struct ms_value *v)
{
    if (v && v->id < 0)
        v->id = g->n_values++;
}

static void unnumber(struct ms_value *v)
{
    if (v)
        v->id = -1;
}

void ms_graph_number(struct ms_graph *g)
{
    for (struct ms_node *n = g->first; n; n = n->next) {
        for (int i = 0; i < n->n_in; i++)
            unnumber(n->in[i].value);
        for (int i = 0; i < n->n_out; i++)
            unnumber(n->out[i]);
    }
    for (int i = 0; i < g->n_in; i++)
        unnumber(g->in[i]);
    for (int i = 0; i < g->n_out; i++)
        unnumber(g->out[i]);
    g->n_values = 0;
    g->n_nodes = 0;
    for (int i = 0; i < g->n_in; i++)
        number_value(g, g->in[i]);
    for (struct ms_node *n = g->first; n; n = n->next) {
        n->id = g->n_nodes++;
        for (int i = 0; i < n->n_in; i++)
            number_value(g, n->in[i].value);
        for (int i = 0; i < n->n_out; i++)
            number_value(g, n->out[i]);
    }
    for (int i = 0; i < g->n_out; i++)
        number_value(g, g->out[i]);
}

/* ---- asking ---- */

bool ms_node_is(const struct ms_node *n, const char *op)
{
    return n && strcmp(n->op->name, op) == 0;
}

const struct ms_tensor *ms_in_const(const struct ms_node *n, int i)
{
    const struct ms_value *v = ms_in(n, i);

    return v ? v->constant : NULL;
}

struct ms_node *ms_value_sole_user(const struct ms_value *v)
{
    return v->n_uses == 1 && v->n_outputs == 0 ? v->uses->node : NULL;
}

char *ms_node_label(const struct ms_node *n, char *dst, size_t size)
{
    char name[128], op[72];
    const char *kind = n->origin ? n->origin : n->op->name;

    ms_escape(op, sizeof op, kind, strlen(kind));
    ms_escape(name, sizeof name, n->name, strlen(n->name));
    if (n->number >= 0)
        snprintf(dst, size, "node %d '%s' (%s)", n->number, name, op);
    else
        snprintf(dst, size, "node '%s' (%s)", name, op);
    return dst;
}

ms_code ms_node_fail(const struct ms_node *n, struct ms_err *err, ms_code code, const char *fmt,
                     ...)
{
    char label[256];
    va_list ap;

    va_start(ap, fmt);
    ms_vfail(err, code, fmt, ap);
    va_end(ap);
    if (err)
        ms_err_prefix(err, "%s", ms_node_label(n, label, sizeof label));
    return code;
}
