/* SPDX-License-Identifier: Apache-2.0 */
/* mindir_control.c - Switch into If, and outer values into sub-graphs.
 *
 * A branch is walked into a graph of its own. What it reads from outside is captured when it is
 * used: an input at the end of the branch's graph, or the constant again. What both branches give
 * alike stays outside the If; the rest are its outputs. */
#include "proto/mindir_control.h"

#include <string.h>

/* ---- captures ---- */

void mir_level_open(struct mir *m, struct mir_level *l, struct ms_graph *g)
{
    memset(l, 0, sizeof *l);
    l->g = g;
    l->up = m->level;
    l->captures_end = &l->captures;
    m->level = l;
}

void mir_level_close(struct mir *m, struct mir_level *l)
{
    ms_map_done(&l->inner);
    m->level = l->up;
}

struct ms_graph *mir_new_graph(struct mir *m, const char *name)
{
    struct ms_graph *g = NULL;

    if (m->level->g->depth + 1 > m->lim->max_graph_depth)
        ms_fail(m->err, MS_INVALID_ARGUMENT, "more than %d sub-graphs inside each other",
                m->lim->max_graph_depth);
    else if (!(g = ms_graph_new(m->arena, m->level->g, name)))
        mir_no_memory(m);
    return g;
}

/* A new input that stands for an outer value. */
static ms_code capture(struct mir *m, struct mir_level *l, struct ms_value *outer,
                       struct ms_value **out)
{
    struct mir_capture *c = ms_arena_alloc(m->scratch, sizeof *c);
    struct ms_value *inner = ms_graph_input(l->g, NULL, outer->dtype, &outer->shape);

    if (!c || !inner)
        return mir_no_memory(m);
    inner->sym = outer->sym;
    inner->n_sym = outer->n_sym;
    c->outer = outer;
    c->inner = inner;
    if (!ms_map_put(&l->inner, (const char *)&c->outer, sizeof c->outer, inner))
        return mir_no_memory(m);
    *l->captures_end = c;
    l->captures_end = &c->next;
    *out = inner;
    return MS_OK;
}

static ms_code import_constant(struct mir *m, struct mir_level *l, struct ms_value *v,
                               struct ms_value **out)
{
    struct mir_capture *key = ms_arena_alloc(m->scratch, sizeof *key);
    struct ms_value *inner = ms_graph_constant(l->g, NULL, v->constant);

    if (!key || !inner)
        return mir_no_memory(m);
    key->outer = v;
    if (!ms_map_put(&l->inner, (const char *)&key->outer, sizeof key->outer, inner))
        return mir_no_memory(m);
    *out = inner;
    return MS_OK;
}

ms_code mir_import(struct mir *m, struct mir_level *l, struct ms_value *v, struct ms_value **out)
{
    struct ms_value *outer;

    if (v->graph == l->g) {
        *out = v;
        return MS_OK;
    }
    *out = ms_map_get(&l->inner, (const char *)&v, sizeof v);
    if (*out)
        return MS_OK;
    if (v->constant)
        return import_constant(m, l, v, out);
    if (!l->up)
        return ms_fail(m->err, MS_INVALID_ARGUMENT,
                       "reads a value of a sub-graph that is not around it");
    MS_TRY(mir_import(m, l->up, v, &outer));
    *out = ms_map_get(&l->inner, (const char *)&outer, sizeof outer);
    return *out ? MS_OK : capture(m, l, outer, out);
}

/* ---- nodes with sub-graphs ---- */

/* Adds a node to the graph being built, and infers it. */
ms_code mir_add_node(struct mir *m, const struct mir_name *at, const char *op, struct ms_value **in,
                     int n_in, int n_out, struct ms_node **out)
{
    const struct ms_op *record = ms_op_find(op);

    MS_TRY(mir_step(m));
    if (!record)
        return ms_fail(m->err, MS_UNIMPLEMENTED, "operator %s is not supported", op);
    *out = ms_graph_node(m->level->g, NULL, record, mir_spoken_name(m, at), in, n_in, n_out);
    if (!*out)
        return mir_no_memory(m);
    (*out)->number = at ? at->number : -1;
    return MS_OK;
}

/* v through an Identity of the graph being built, so that an output is never an input or shared. */
ms_code mir_own_value(struct mir *m, struct ms_value *v, struct ms_value **out)
{
    struct ms_node *n;

    MS_TRY(mir_import(m, m->level, v, &v));
    MS_TRY(mir_add_node(m, m->at, "Identity", &v, 1, 1, &n));
    MS_TRY(mir_infer_node(m, n));
    *out = n->out[0];
    return MS_OK;
}

/* The condition as a 0-d bool of the graph being built, negated if asked. */
ms_code mir_condition(struct mir *m, const struct mir_value *v, bool negate, struct ms_value **out)
{
    struct mir_call c = {.m = m, .op = "Switch"};
    struct ms_value *x = mir_as_tensor(&c, v);

    if (x && x->dtype != MS_BOOL)
        x = mir_cast(&c, x, MS_BOOL);
    if (x && x->shape.rank > 0)
        x = mir_reshape(&c, x, NULL, 0);
    if (x && negate)
        x = mir_op(&c, "Not", MIR_IN(x), NULL);
    *out = x;
    return c.code;
}

/* ---- leaves: a value's tensors and numbers in order ---- */

ms_code mir_flatten(struct mir *m, const struct mir_value *v, struct mir_leaves *l)
{
    if (v->kind == MIR_TUPLE) {
        for (size_t i = 0; i < v->n; i++)
            MS_TRY(mir_flatten(m, v->items[i], l));
        return MS_OK;
    }
    if (l->n >= MIR_MAX_ITEMS)
        return ms_fail(m->err, MS_RESOURCE_EXHAUSTED, "more than %d values in one tuple",
                       MIR_MAX_ITEMS);
    if (l->n == l->cap) {
        const size_t cap = l->cap ? l->cap * 2 : 16;
        const struct mir_value **at = ms_arena_array(m->scratch, cap, sizeof *at);

        if (!at)
            return mir_no_memory(m);
        if (l->n)
            memcpy(at, l->at, l->n * sizeof *at);
        l->at = at;
        l->cap = cap;
    }
    l->at[l->n++] = v;
    return MS_OK;
}

/* The value with other leaves, taken from l at *k on. */
ms_code mir_rebuild(struct mir *m, const struct mir_value *v, const struct mir_leaves *l, size_t *k,
                    const struct mir_value **out)
{
    const struct mir_value **items;

    if (v->kind != MIR_TUPLE) {
        *out = l->at[(*k)++];
        return MS_OK;
    }
    items = ms_arena_array(m->scratch, v->n, sizeof *items);
    if (!items)
        return mir_no_memory(m);
    for (size_t i = 0; i < v->n; i++)
        MS_TRY(mir_rebuild(m, v->items[i], l, k, &items[i]));
    *out = mir_new_tuple(m, items, v->n);
    return *out ? MS_OK : mir_no_memory(m);
}

bool mir_same_leaf(const struct mir_value *a, const struct mir_value *b)
{
    if (a == b)
        return true;
    if (a->kind != b->kind)
        return false;
    switch (a->kind) {
    case MIR_TENSOR:
    case MIR_SCALAR:
        return a->v == b->v;
    case MIR_INT:
    case MIR_BOOL:
        return a->i == b->i && a->dtype == b->dtype;
    case MIR_FLOAT:
        return memcmp(&a->f, &b->f, sizeof a->f) == 0 && a->dtype == b->dtype;
    case MIR_DTYPE:
        return a->dtype == b->dtype;
    case MIR_NONE:
    case MIR_MONAD:
        return true;
    default:
        return false;
    }
}

/* A leaf as a tensor; numbers become [1] and stay numbers. */
ms_code mir_leaf_tensor(struct mir *m, const struct mir_value *v, struct ms_value **out)
{
    struct mir_call c = {.m = m, .op = "call"};

    if (v->kind == MIR_TENSOR)
        *out = v->v;
    else if (mir_is_number(v))
        *out = mir_number(&c, v, v->kind == MIR_SCALAR ? v->v->dtype : v->dtype);
    else
        return ms_fail(m->err, MS_UNIMPLEMENTED,
                       "a result that is %s and depends on a condition is not supported",
                       mir_kind_name(v));
    return c.code != MS_OK ? c.code : mir_import(m, m->level, *out, out);
}

/* The same as a value that nothing else is. */
ms_code mir_leaf_value(struct mir *m, const struct mir_value *v, struct ms_value **out)
{
    MS_TRY(mir_leaf_tensor(m, v, out));
    return mir_own_value(m, *out, out);
}

struct mir_value *mir_leaf_like(struct mir *m, const struct mir_value *v, struct ms_value *x)
{
    struct mir_value *leaf;

    if (v->kind == MIR_TENSOR)
        return mir_new_tensor(m, x);
    leaf = mir_new(m, MIR_SCALAR);
    if (leaf) {
        leaf->v = x;
        leaf->dtype = x->dtype;
    }
    return leaf;
}

/* ---- If ---- */

struct branch {
    struct mir_level level;
    const struct mir_value *result;
    struct mir_leaves leaves;
};

static ms_code walk_branch(struct mir *m, const struct mir_value *fn, struct branch *b)
{
    struct mir_value tuple;
    ms_code code;

    if (m->calls >= MIR_MAX_CALLS)
        return ms_fail(m->err, MS_INVALID_ARGUMENT, "graphs call each other more than %d deep",
                       MIR_MAX_CALLS);
    m->calls++;
    code = mir_apply(m, fn, NULL, 0, &b->result);
    m->calls--;
    if (code != MS_OK)
        return code;
    if (b->result->kind != MIR_AGAIN)
        return mir_flatten(m, b->result, &b->leaves);
    tuple = *b->result;
    tuple.kind = MIR_TUPLE; /* what the loop goes on with, as a tuple */
    return mir_flatten(m, &tuple, &b->leaves);
}

/* Both branches' captures, in one order, as the inputs of both graphs. Those that neither uses go.
 */
static ms_code join_captures(struct mir *m, struct branch b[2], struct ms_value ***in, int *n)
{
    size_t count = 1;

    for (int i = 0; i < 2; i++)
        for (struct mir_capture *c = b[i].level.captures; c; c = c->next)
            count++;
    struct ms_value **outer = ms_arena_array(m->arena, count, sizeof *outer);
    struct ms_value **own[2] = {ms_arena_array(m->arena, count, sizeof *outer),
                                ms_arena_array(m->arena, count, sizeof *outer)};
    if (!outer || !own[0] || !own[1])
        return mir_no_memory(m);
    *n = 1; /* the condition goes to 0 */
    for (int i = 0; i < 2; i++)
        for (struct mir_capture *c = b[i].level.captures; c; c = c->next) {
            struct mir_level *other = &b[1 - i].level;
            struct ms_value *twin =
                ms_map_get(&other->inner, (const char *)&c->outer, sizeof c->outer);

            if (i == 1 && twin && (c->inner->n_uses || twin->n_uses))
                continue; /* came with the first branch */
            if (!c->inner->n_uses && !(twin && twin->n_uses))
                continue;
            if (!twin)
                MS_TRY(capture(m, other, c->outer, &twin));
            own[i][*n - 1] = c->inner;
            own[1 - i][*n - 1] = twin;
            outer[(*n)++] = c->outer;
        }
    for (int i = 0; i < 2; i++) {
        b[i].level.g->in = own[i];
        b[i].level.g->n_in = *n - 1;
        b[i].level.g->cap_in = (int)count;
    }
    *in = outer;
    return MS_OK;
}

/* Outputs for the leaves in which the branches differ; picked: those. */
static ms_code branch_outputs(struct mir *m, struct branch b[2], bool *picked, int *n)
{
    *n = 0;
    for (size_t k = 0; k < b[0].leaves.n; k++) {
        const struct mir_value *yes = b[0].leaves.at[k], *no = b[1].leaves.at[k];

        picked[k] =
            !mir_same_leaf(yes, no) ||
            ((yes->kind == MIR_TENSOR || yes->kind == MIR_SCALAR) && yes->v->graph == b[0].level.g);
        if (!picked[k])
            continue;
        if ((yes->kind == MIR_TENSOR) != (no->kind == MIR_TENSOR))
            return ms_fail(m->err, MS_UNIMPLEMENTED,
                           "a result that is %s in one branch and %s in the other",
                           mir_kind_name(yes), mir_kind_name(no));
        ++*n;
        for (int i = 0; i < 2; i++) {
            struct mir_level *was = m->level;
            struct ms_value *v;
            ms_code code;

            m->level = &b[i].level;
            code = mir_leaf_value(m, b[i].leaves.at[k], &v);
            if (code == MS_OK)
                code = ms_graph_add_output(b[i].level.g, v, m->err);
            m->level = was;
            if (code != MS_OK)
                return code;
        }
    }
    return MS_OK;
}

bool mir_same_structure(const struct mir_value *a, const struct mir_value *b)
{
    const bool list = a->kind == MIR_TUPLE || a->kind == MIR_AGAIN;

    if (!list)
        return b->kind != MIR_TUPLE && b->kind != MIR_AGAIN;
    if (b->kind != a->kind || a->n != b->n || a->graph != b->graph)
        return false;
    for (size_t i = 0; i < a->n; i++)
        if (!mir_same_structure(a->items[i], b->items[i]))
            return false;
    return true;
}

static ms_code make_if(struct mir *m, const struct mir_name *at, struct ms_value *cond,
                       struct branch b[2], const struct mir_value **out)
{
    bool *picked = ms_arena_array(m->scratch, b[0].leaves.n, sizeof *picked);
    struct mir_value tuple = *b[0].result;
    struct ms_value **in = NULL;
    struct ms_node *node;
    size_t k = 0;
    int n_in = 0, n_out, o = 0;

    if (!picked)
        return mir_no_memory(m);
    MS_TRY(branch_outputs(m, b, picked, &n_out));
    if (n_out > 0) {
        MS_TRY(join_captures(m, b, &in, &n_in));
        in[0] = cond;
        MS_TRY(mir_add_node(m, at, "If", in, n_in, n_out, &node));
        if (!ms_attr_set_graph(node, "then_branch", b[0].level.g) ||
            !ms_attr_set_graph(node, "else_branch", b[1].level.g) ||
            !ms_attr_set_int(node, "captures", n_in - 1))
            return mir_no_memory(m);
        MS_TRY(mir_infer_node(m, node));
        for (size_t i = 0; i < b[0].leaves.n; i++)
            if (picked[i] &&
                !(b[0].leaves.at[i] = mir_leaf_like(m, b[0].leaves.at[i], node->out[o++])))
                return mir_no_memory(m);
    }
    if (tuple.kind != MIR_AGAIN)
        return mir_rebuild(m, &tuple, &b[0].leaves, &k, out);
    tuple.kind = MIR_TUPLE;
    MS_TRY(mir_rebuild(m, &tuple, &b[0].leaves, &k, out));
    struct mir_value *again = mir_new(m, MIR_AGAIN);
    if (!again)
        return mir_no_memory(m);
    *again = **out;
    again->kind = MIR_AGAIN;
    again->graph = b[0].result->graph;
    *out = again;
    return MS_OK;
}

ms_code mir_choose(struct mir *m, const struct mir_value *choice, const struct mir_value **out)
{
    const struct mir_name *at = m->at;
    struct branch b[2] = {0};
    struct ms_value *cond;
    ms_code code;

    MS_TRY(mir_condition(m, choice->items[0], false, &cond));
    if (cond->constant) /* decided already */
        return mir_apply(m, choice->items[ms_tensor_i64(cond->constant, 0) ? 1 : 2], NULL, 0, out);
    for (int i = 0; i < 2; i++) {
        struct ms_graph *g = mir_new_graph(m, i == 0 ? "then" : "else");

        if (!g)
            return m->err ? m->err->code : MS_INVALID_ARGUMENT;
        mir_level_open(m, &b[i].level, g);
        code = walk_branch(m, choice->items[1 + i], &b[i]);
        m->level = b[i].level.up;
        if (code != MS_OK)
            goto out;
    }
    if (!mir_same_structure(b[0].result, b[1].result))
        code = ms_fail(m->err, MS_UNIMPLEMENTED,
                       b[0].result->kind == MIR_AGAIN || b[1].result->kind == MIR_AGAIN
                           ? "a loop that is left from within its body is not supported"
                           : "the two branches of a Switch give results of different structure");
    else
        code = make_if(m, at, cond, b, out);
out:
    for (int i = 0; i < 2; i++)
        ms_map_done(&b[i].level.inner);
    return code;
}

/* ---- recursion ---- */

/* Does a search from g along calls come to target? Loops being built block the way. */
ms_code mir_reaches(struct mir *m, struct mir_graph *g, const struct mir_graph *target, bool *yes)
{
    struct mir_graph **stack = ms_arena_array(m->scratch, m->n_graphs, sizeof *stack);
    size_t n = 0;

    if (!stack)
        return mir_no_memory(m);
    *yes = false;
    m->stamp++;
    stack[n++] = g;
    g->seen = m->stamp;
    while (n > 0) {
        struct mir_graph *at = stack[--n];

        m->searched += at->n_callees + 1;
        if (m->searched > 64u * 1000 * 1000)
            return ms_fail(m->err, MS_RESOURCE_EXHAUSTED, "too many calls between graphs");
        for (size_t i = 0; i < at->n_callees; i++) {
            struct mir_graph *next = at->callees[i];

            if (next == target)
                *yes = true;
            if (next->seen == m->stamp || next->looping)
                continue;
            next->seen = m->stamp;
            stack[n++] = next;
        }
    }
    return MS_OK;
}

ms_code mir_recursive(struct mir *m, struct mir_graph *g, bool *yes)
{
    *yes = false;
    return g->n_callees > 0 ? mir_reaches(m, g, g, yes) : MS_OK;
}
