/* SPDX-License-Identifier: Apache-2.0 */
/* mindir_walk.c - names, graphs, and the walk over a graph's nodes.
 *
 * All names of a model are one flat table. A graph is walked each time it is called; its nodes'
 * values are those of the latest walk, which is what a free variable of a sub-graph means. A name
 * that a walk has not reached yet has no value, so unsorted nodes and cycles are found here. */
#include "proto/mindir.h"

#include <string.h>

ms_code mir_no_memory(struct mir *m)
{
    if (m->too_deep)
        return ms_fail(m->err, MS_INVALID_ARGUMENT, "more than %d tuples inside each other",
                       MIR_MAX_NESTING);
    return ms_fail_oom(m->err, "reading MindIR", sizeof(struct mir_value));
}

ms_code mir_step(struct mir *m)
{
    if (++m->steps > m->max_steps)
        return ms_fail(m->err, MS_RESOURCE_EXHAUSTED,
                       "the graphs grow beyond %zu nodes when their calls are inlined",
                       m->max_steps);
    return MS_OK;
}

struct mir_value *mir_new(struct mir *m, enum mir_kind kind)
{
    struct mir_value *v = ms_arena_alloc(m->scratch, sizeof *v);

    if (v)
        v->kind = kind;
    return v;
}

struct mir_value *mir_new_tuple(struct mir *m, const struct mir_value *const *items, size_t n)
{
    struct mir_value *v = mir_new(m, MIR_TUPLE);
    const struct mir_value **copy = ms_arena_array(m->scratch, n, sizeof *copy);

    if (!v || !copy)
        return NULL;
    if (n)
        memcpy(copy, items, n * sizeof *copy);
    for (size_t i = 0; i < n; i++)
        if (copy[i]->kind == MIR_TUPLE && copy[i]->weight > v->weight)
            v->weight = copy[i]->weight;
    if (++v->weight > MIR_MAX_NESTING) {
        m->too_deep = true;
        return NULL;
    }
    v->items = copy;
    v->n = n;
    return v;
}

struct mir_value *mir_new_int(struct mir *m, int64_t i)
{
    struct mir_value *v = mir_new(m, MIR_INT);

    if (v) {
        v->i = i;
        v->dtype = MS_I64;
    }
    return v;
}

struct mir_value *mir_new_tensor(struct mir *m, struct ms_value *tensor)
{
    struct mir_value *v = mir_new(m, MIR_TENSOR);

    if (!v || !(v->storage = ms_arena_alloc(m->scratch, sizeof *v->storage)))
        return NULL;
    v->v = tensor;
    v->dtype = tensor->dtype;
    return v;
}

/* ---- names ---- */

static ms_code add_name(struct mir *m, struct ms_bytes name, enum mir_name_kind kind,
                        struct mir_graph *g, struct mir_name **out)
{
    struct mir_name *n = ms_arena_alloc(m->scratch, sizeof *n);

    if (!n)
        return mir_no_memory(m);
    if (name.len == 0)
        return ms_fail(m->err, MS_INVALID_ARGUMENT, "something without a name");
    if (ms_map_get(&m->names, (const char *)name.data, name.len))
        return ms_fail(m->err, MS_INVALID_ARGUMENT, "the name '%.*s' is used twice", (int)name.len,
                       (const char *)name.data);
    if (!ms_map_put(&m->names, (const char *)name.data, name.len, n))
        return mir_no_memory(m);
    n->kind = kind;
    n->graph = g;
    *out = n;
    return MS_OK;
}

/* Text after the first ':'; the whole where there is none. */
static struct ms_bytes short_name(struct ms_bytes name)
{
    const uint8_t *colon = name.len ? memchr(name.data, ':', name.len) : NULL;

    if (!colon || colon + 1 == name.data + name.len)
        return name;
    return ms_bytes(colon + 1, (size_t)(name.data + name.len - colon - 1));
}

static ms_code index_parameters(struct mir *m, struct mir_graph *g)
{
    for (size_t i = 0; i < g->pb->parameter.n; i++) {
        const struct mir_pb_tensor *t = &g->pb->parameter.v[i];
        const struct ms_bytes s = short_name(t->name);
        const char *name = ms_arena_strndup(m->scratch, s.data, s.len);
        struct mir_name *n;

        if (!name)
            return mir_no_memory(m);
        MS_TRY(add_name(m, t->name, MIR_A_CONSTANT, g, &n));
        if (mir_decode_tensor(&m->decoder, t, &n->now, m->err) != MS_OK)
            return ms_err_prefix(m->err, "parameter '%s'", name);
    }
    return MS_OK;
}

static ms_code index_constant(struct mir *m, struct mir_name *n)
{
    const struct mir_pb_node *pb = n->node;
    const struct ms_bytes name = pb->output.v[0];

    if (pb->attrs.n != 1)
        return ms_fail(m->err, MS_INVALID_ARGUMENT, "constant '%.*s' has %zu values, not one",
                       (int)name.len, (const char *)name.data, pb->attrs.n);
    if (mir_decode_attr(&m->decoder, &pb->attrs.v[0], &n->now, m->err) != MS_OK)
        return ms_err_prefix(m->err, "constant '%.*s'", (int)name.len, (const char *)name.data);
    return MS_OK;
}

static ms_code index_nodes(struct mir *m, struct mir_graph *g)
{
    for (size_t i = 0; i < g->pb->node.n; i++) {
        const struct mir_pb_node *pb = &g->pb->node.v[i];
        const bool constant = ms_bytes_eq(pb->op_type, "Constant");

        if (pb->output.n != 1)
            return ms_fail(m->err, MS_INVALID_ARGUMENT, "node %zu of graph '%.*s' has %zu outputs",
                           i, (int)g->pb->name.len, (const char *)g->pb->name.data, pb->output.n);
        MS_TRY(
            add_name(m, pb->output.v[0], constant ? MIR_A_CONSTANT : MIR_A_NODE, g, &g->nodes[i]));
        g->nodes[i]->node = pb;
        g->nodes[i]->number = (int)i;
        if (constant)
            MS_TRY(index_constant(m, g->nodes[i]));
    }
    return MS_OK;
}

static ms_code index_graph(struct mir *m, struct mir_graph *g)
{
    g->inputs = ms_arena_array(m->scratch, g->pb->input.n, sizeof *g->inputs);
    g->nodes = ms_arena_array(m->scratch, g->pb->node.n, sizeof *g->nodes);
    if (!g->inputs || !g->nodes)
        return mir_no_memory(m);
    for (size_t i = 0; i < g->pb->input.n; i++)
        MS_TRY(add_name(m, g->pb->input.v[i].name, MIR_AN_INPUT, g, &g->inputs[i]));
    MS_TRY(index_parameters(m, g));
    return index_nodes(m, g);
}

static struct mir_name *find(const struct mir *m, struct ms_bytes name)
{
    return ms_map_get(&m->names, (const char *)name.data, name.len);
}

/* The part behind "REF::"; empty if the text is none. */
static struct ms_bytes reference(struct ms_bytes op_type)
{
    if (op_type.len <= 5 || memcmp(op_type.data, "REF::", 5) != 0)
        return ms_bytes(NULL, 0);
    return ms_bytes(op_type.data + 5, op_type.len - 5);
}

/* Which graphs a graph's nodes name: as callees of a call, Partial or Switch. */
static ms_code index_callees(struct mir *m, struct mir_graph *g)
{
    size_t cap = 0;

    for (int fill = 0; fill < 2; fill++) {
        for (size_t i = 0; i < g->pb->node.n; i++) {
            const struct mir_pb_node *pb = &g->pb->node.v[i];

            for (size_t k = 0; k <= pb->input.n; k++) {
                const struct ms_bytes s = k < pb->input.n ? pb->input.v[k] : reference(pb->op_type);
                const struct mir_name *n = s.len ? find(m, s) : NULL;

                if (!n || n->kind != MIR_A_GRAPH)
                    continue;
                if (fill)
                    g->callees[g->n_callees++] = n->graph;
                cap++;
            }
        }
        if (!fill && !(g->callees = ms_arena_array(m->scratch, cap, sizeof *g->callees)))
            return mir_no_memory(m);
    }
    return MS_OK;
}

static ms_code index_primitives(struct mir *m)
{
    for (size_t i = 0; i < m->pb->primitives.n; i++) {
        struct mir_name *n;

        MS_TRY(add_name(m, m->pb->primitives.v[i].name, MIR_A_PRIMITIVE, NULL, &n));
        n->primitive = &m->pb->primitives.v[i];
    }
    return MS_OK;
}

ms_code mir_index(struct mir *m)
{
    MS_TRY(index_primitives(m));
    m->n_graphs = 1 + m->pb->functions.n;
    m->graphs = ms_arena_array(m->scratch, m->n_graphs, sizeof *m->graphs);
    if (!m->graphs)
        return mir_no_memory(m);
    for (size_t i = 0; i < m->n_graphs; i++) {
        struct mir_graph *g = &m->graphs[i];
        struct mir_value *self = mir_new(m, MIR_FUNC);
        struct mir_name *n;

        if (!self)
            return mir_no_memory(m);
        self->graph = g;
        g->value = self;
        g->pb = i == 0 ? m->pb->graph : &m->pb->functions.v[i - 1];
        MS_TRY(add_name(m, g->pb->name, MIR_A_GRAPH, g, &n));
        n->now = self;
    }
    for (size_t i = 0; i < m->n_graphs; i++)
        MS_TRY(index_graph(m, &m->graphs[i]));
    for (size_t i = 0; i < m->n_graphs; i++)
        MS_TRY(index_callees(m, &m->graphs[i]));
    return MS_OK;
}

ms_code mir_lookup(struct mir *m, struct ms_bytes name, const struct mir_value **out)
{
    const struct mir_name *n = find(m, name);

    if (!n || n->kind == MIR_A_PRIMITIVE)
        return ms_fail(m->err, MS_INVALID_ARGUMENT, "reads '%.*s', which is nowhere", (int)name.len,
                       (const char *)name.data);
    if (!n->now)
        return ms_fail(m->err, MS_INVALID_ARGUMENT, "reads '%.*s' before it is computed",
                       (int)name.len, (const char *)name.data);
    *out = n->now;
    return MS_OK;
}

/* ---- one node ---- */

static ms_code operands(struct mir *m, const struct mir_pb_node *pb,
                        const struct mir_value *const **out)
{
    const struct mir_value **v = ms_arena_array(m->scratch, pb->input.n, sizeof *v);

    if (!v)
        return mir_no_memory(m);
    for (size_t i = 0; i < pb->input.n; i++)
        MS_TRY(mir_lookup(m, pb->input.v[i], &v[i]));
    *out = v;
    return MS_OK;
}

static ms_code run_primitive(struct mir *m, struct mir_name *n, struct ms_bytes op,
                             const struct mir_pb_attr *attrs, size_t n_attrs,
                             const struct mir_value *const *in)
{
    struct mir_call *c = ms_arena_alloc(m->scratch, sizeof *c);
    ms_code code;

    if (!c)
        return mir_no_memory(m);
    c->m = m;
    c->row = mir_row_find(m, op);
    c->op = c->row ? c->row->name : ms_arena_strndup(m->scratch, op.data, op.len);
    if (!c->row)
        return ms_fail(m->err, MS_UNIMPLEMENTED, "operator %s is not supported",
                       c->op ? c->op : "");
    c->name = n;
    c->attrs = attrs;
    c->n_attrs = n_attrs;
    c->raw = in;
    c->n_raw = n->node->input.n;
    c->recorded = mir_recorded_dtype(n->node);
    code = c->row->args ? mir_bind(c) : MS_OK;
    if (code == MS_OK)
        code = c->row->lower(c);
    if (code != MS_OK)
        return code;
    n->now = c->result;
    return mir_check_record(m, n->node, c->result);
}

/* What a node's op_type says. */
static ms_code resolve(struct mir *m, const struct mir_pb_node *pb, struct ms_bytes *op,
                       const struct mir_name **target)
{
    const struct ms_bytes ref = reference(pb->op_type);

    *op = pb->op_type;
    *target = NULL;
    if (!ref.len)
        return MS_OK;
    *target = find(m, ref);
    if (!*target)
        return ms_fail(m->err, MS_UNIMPLEMENTED, "operator '%.*s' is not supported",
                       (int)(ref.len < 120 ? ref.len : 120), (const char *)ref.data);
    if ((*target)->kind == MIR_A_PRIMITIVE)
        *op = (*target)->primitive->op_type;
    return MS_OK;
}

ms_code mir_bind_call(struct mir *m, const struct mir_value *fn,
                      const struct mir_value *const *args, size_t n, const struct mir_value **out)
{
    const struct mir_value **items;
    struct mir_value *v;

    if (n == 0) {
        *out = fn;
        return MS_OK;
    }
    v = mir_new(m, fn->kind);
    items = ms_arena_array(m->scratch, fn->n + n, sizeof *items);
    if (!v || !items)
        return mir_no_memory(m);
    v->graph = fn->graph;
    v->weight = fn->weight;
    if (fn->kind == MIR_CHOICE) {
        items[0] = fn->items[0];
        MS_TRY(mir_bind_call(m, fn->items[1], args, n, &items[1]));
        MS_TRY(mir_bind_call(m, fn->items[2], args, n, &items[2]));
        v->n = 3;
    } else {
        if (fn->n)
            memcpy(items, fn->items, fn->n * sizeof *items);
        memcpy(items + fn->n, args, n * sizeof *items);
        v->n = fn->n + n;
    }
    v->items = items;
    *out = v;
    return MS_OK;
}

static ms_code run_node(struct mir *m, struct mir_name *n, bool tail)
{
    const struct mir_pb_node *pb = n->node;
    const struct mir_value *const *in = NULL;
    const struct mir_name *target;
    struct ms_bytes op;

    m->at = n;
    MS_TRY(resolve(m, pb, &op, &target));
    MS_TRY(operands(m, pb, &in));
    if (!target)
        return run_primitive(m, n, op, pb->attrs.v, pb->attrs.n, in);
    if (target->kind == MIR_A_PRIMITIVE)
        return run_primitive(m, n, op, target->primitive->attrs.v, target->primitive->attrs.n, in);
    if (!target->now || (target->now->kind != MIR_FUNC && target->now->kind != MIR_CHOICE))
        return ms_fail(m->err, MS_INVALID_ARGUMENT, "calls something that is no function");
    if (tail)
        return mir_bind_call(m, target->now, in, pb->input.n, &n->now);
    MS_TRY(mir_apply(m, target->now, in, pb->input.n, &n->now));
    return mir_check_record(m, pb, n->now);
}

/* The error of a node, with the node in front unless an inner one is there already. */
static ms_code blame(struct mir *m, const struct mir_name *n, ms_code code)
{
    const struct ms_bytes name = short_name(n->node->output.v[0]);
    const struct mir_name *target;
    struct ms_bytes op;
    struct ms_err ignored, *err = m->err;
    char text[160], kind[80];

    if (!err || strncmp(err->text, "node ", 5) == 0)
        return code;
    m->err = &ignored;
    if (resolve(m, n->node, &op, &target) != MS_OK)
        op = n->node->op_type;
    m->err = err;
    ms_err_prefix(err, "node %d '%s' (%s)", n->number, ms_escape(text, 128, name.data, name.len),
                  target && target->kind != MIR_A_PRIMITIVE
                      ? "call"
                      : ms_escape(kind, sizeof kind, op.data, op.len));
    return code;
}

/* ---- one graph ---- */

/* The node that a graph ends with, seen through Depend; NULL if that is none of its own. */
static const struct mir_name *last_node(const struct mir *m, const struct mir_graph *g)
{
    struct ms_bytes name = g->pb->output.v[0].name;

    for (size_t i = 0; i <= g->pb->node.n; i++) {
        const struct mir_name *n = find(m, name);
        const struct mir_name *target;
        struct ms_bytes op, ref;

        if (!n || n->kind != MIR_A_NODE || n->graph != g)
            return NULL;
        ref = reference(n->node->op_type);
        target = ref.len ? find(m, ref) : NULL;
        op = target && target->kind == MIR_A_PRIMITIVE ? target->primitive->op_type
                                                       : n->node->op_type;
        if (!ms_bytes_eq(op, "Depend") || n->node->input.n == 0)
            return n;
        name = n->node->input.v[0];
    }
    return NULL;
}

static ms_code results(struct mir *m, const struct mir_graph *g, const struct mir_value **out)
{
    const size_t n = g->pb->output.n;
    const struct mir_value **items;

    if (n == 1)
        return mir_lookup(m, g->pb->output.v[0].name, out);
    items = ms_arena_array(m->scratch, n, sizeof *items);
    if (!items)
        return mir_no_memory(m);
    for (size_t i = 0; i < n; i++)
        MS_TRY(mir_lookup(m, g->pb->output.v[i].name, &items[i]));
    *out = mir_new_tuple(m, items, n);
    return *out ? MS_OK : mir_no_memory(m);
}

ms_code mir_walk(struct mir *m, struct mir_graph *g, const struct mir_value *const *args, size_t n,
                 bool tail, const struct mir_value **out)
{
    const char *name = (const char *)g->pb->name.data;
    const int len = (int)g->pb->name.len;
    const struct mir_name *last;

    if (g->pb->output.n == 0)
        return ms_fail(m->err, MS_INVALID_ARGUMENT, "graph '%.*s' has no output", len, name);
    if (n != g->pb->input.n)
        return ms_fail(m->err, MS_INVALID_ARGUMENT,
                       "graph '%.*s' has %zu inputs but is called with %zu", len, name,
                       g->pb->input.n, n);
    for (size_t i = 0; i < g->pb->node.n; i++)
        if (g->nodes[i]->kind == MIR_A_NODE)
            g->nodes[i]->now = NULL;
    for (size_t i = 0; i < n; i++)
        g->inputs[i]->now = args[i];
    last = tail ? last_node(m, g) : NULL;
    for (size_t i = 0; i < g->pb->node.n; i++) {
        ms_code code;

        MS_TRY(mir_step(m)); /* constants too: they cost a look */
        if (g->nodes[i]->kind != MIR_A_NODE)
            continue;
        code = run_node(m, g->nodes[i], g->nodes[i] == last);
        if (code != MS_OK)
            return blame(m, g->nodes[i], code);
    }
    if (results(m, g, out) != MS_OK)
        return ms_err_prefix(m->err, "graph '%.*s'", len, name);
    return MS_OK;
}

ms_code mir_apply(struct mir *m, const struct mir_value *fn, const struct mir_value *const *args,
                  size_t n, const struct mir_value **out)
{
    const struct mir_value *bound;
    bool recursive;
    ms_code code;

    MS_TRY(mir_bind_call(m, fn, args, n, &bound));
    if (bound->kind == MIR_CHOICE)
        return mir_choose(m, bound, out);
    if (m->calls >= MIR_MAX_CALLS)
        return ms_fail(m->err, MS_INVALID_ARGUMENT, "graphs call each other more than %d deep",
                       MIR_MAX_CALLS);
    if (bound->graph->looping) {
        struct mir_value *again = mir_new(m, MIR_AGAIN);

        if (!again)
            return mir_no_memory(m);
        *again = *bound;
        again->kind = MIR_AGAIN;
        *out = again;
        return MS_OK;
    }
    MS_TRY(mir_step(m));
    MS_TRY(mir_recursive(m, bound->graph, &recursive));
    m->calls++;
    code = recursive ? mir_loop(m, bound, out)
                     : mir_walk(m, bound->graph, bound->items, bound->n, false, out);
    m->calls--;
    return code;
}
