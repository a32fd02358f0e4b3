/* SPDX-License-Identifier: Apache-2.0 */
/* mindir_loop.c - recursion into Loop.
 *
 * A while loop is a graph that calls itself:
 *
 *     header(s): if cond(s) then body(s) else after(s)         body(s): ... header(s')
 *
 * and becomes  Loop(cond(s0), s0) { s' = body(s); cond(s') }; after(s_end).  Which parts of s
 * change is found by trying: first nothing is taken to change, then whatever the body was seen to
 * replace, until that is all. So weights and limits that are handed round stay captures. */
#include "proto/mindir_control.h"

struct loop {
    const struct mir_name *at; /* the call */
    struct mir_graph *header;
    const struct mir_value *start; /* tuple of the header's arguments */
    struct mir_leaves first;       /* its leaves */
    bool *varies;                  /* one for each leaf */
    bool *loose;                   /* its shape is not that of the start */
    struct ms_value **state;       /* the body's input, where it varies */
    struct mir_leaves next;        /* leaves after the body */
    struct mir_level level;
};

static bool is_value(const struct mir_value *v)
{
    return v->kind == MIR_TENSOR || v->kind == MIR_SCALAR;
}

/* Runs the header up to its Switch. into: 1 or 2, which of its functions goes on with the loop. */
static ms_code run_header(struct mir *m, struct loop *l, const struct mir_leaves *state,
                          const struct mir_value **choice, int *into)
{
    const struct mir_value *args;
    size_t k = 0;
    bool round[3] = {false};

    MS_TRY(mir_rebuild(m, l->start, state, &k, &args));
    MS_TRY(mir_walk(m, l->header, args->items, args->n, true, choice));
    if ((*choice)->kind != MIR_CHOICE)
        return ms_fail(m->err, MS_UNIMPLEMENTED,
                       "a graph that calls itself without ending in a Switch is not supported");
    for (int i = 1; i <= 2; i++) {
        const struct mir_value *fn = (*choice)->items[i];

        if (fn->kind == MIR_FUNC)
            MS_TRY(mir_reaches(m, fn->graph, l->header, &round[i]));
        if (fn->kind == MIR_FUNC && fn->graph == l->header)
            round[i] = true;
    }
    if (round[1] == round[2])
        return ms_fail(m->err, MS_UNIMPLEMENTED,
                       "a recursion whose condition does not end it is not supported");
    *into = round[1] ? 1 : 2;
    return MS_OK;
}

/* Inputs of the body's graph: iteration, condition and whatever varies. */
static ms_code body_inputs(struct mir *m, struct loop *l, struct mir_leaves *state)
{
    struct ms_graph *g = l->level.g;
    const struct ms_shape scalar = ms_shape_scalar();

    if (!ms_graph_input(g, NULL, MS_I64, &scalar) || !ms_graph_input(g, NULL, MS_BOOL, &scalar))
        return mir_no_memory(m);
    state->n = state->cap = l->first.n;
    state->at = ms_arena_array(m->scratch, l->first.n, sizeof *state->at);
    if (!state->at)
        return mir_no_memory(m);
    for (size_t k = 0; k < l->first.n; k++) {
        const struct mir_value *v = l->first.at[k];

        state->at[k] = v;
        if (!l->varies[k])
            continue;
        struct ms_shape shape = is_value(v) ? v->v->shape : ms_shape_make(1);
        for (int d = 0; l->loose[k] && d < shape.rank; d++)
            shape.dim[d] = ms_syms_fresh(g->syms);
        l->state[k] = ms_graph_input(g, NULL, is_value(v) ? v->v->dtype : v->dtype, &shape);
        if (!l->state[k] || !(state->at[k] = mir_leaf_like(m, v, l->state[k])))
            return mir_no_memory(m);
    }
    return MS_OK;
}

/* What the body replaced although it was taken to stay, or in a shape it was not taken to have. */
static ms_code note_changes(struct mir *m, struct loop *l, bool *changed)
{
    *changed = false;
    for (size_t k = 0; k < l->first.n; k++) {
        const struct mir_value *was = l->first.at[k], *now = l->next.at[k];

        if (!l->varies[k]) {
            if (mir_same_leaf(was, now))
                continue;
            if (!(is_value(was) || mir_is_number(was)))
                return ms_fail(m->err, MS_UNIMPLEMENTED,
                               "a loop that changes a value that is %s is not supported",
                               mir_kind_name(was));
            l->varies[k] = *changed = true;
        } else if (!l->loose[k] && now->kind == MIR_TENSOR &&
                   !ms_shape_eq(&now->v->shape, &l->state[k]->shape)) {
            l->loose[k] = *changed = true;
        }
    }
    return MS_OK;
}

/* One try: the body walked into a new graph. */
static ms_code try_body(struct mir *m, struct loop *l, bool *changed)
{
    const struct mir_value *choice, *again;
    struct mir_value tuple;
    struct mir_leaves state;
    int into;

    MS_TRY(body_inputs(m, l, &state));
    MS_TRY(run_header(m, l, &state, &choice, &into));
    MS_TRY(mir_apply(m, choice->items[into], NULL, 0, &again));
    if (again->kind != MIR_AGAIN || again->graph != l->header)
        return ms_fail(m->err, MS_UNIMPLEMENTED,
                       "a recursion that is no while loop is not supported");
    tuple = *again;
    tuple.kind = MIR_TUPLE;
    tuple.graph = NULL;
    l->next = (struct mir_leaves){0};
    MS_TRY(mir_flatten(m, &tuple, &l->next));
    if (!mir_same_structure(l->start, &tuple) || l->next.n != l->first.n)
        return ms_fail(m->err, MS_INVALID_ARGUMENT,
                       "a loop goes on with values of another structure than it began with");
    return note_changes(m, l, changed);
}

/* The condition for the next round and the state, as outputs of the body. */
static ms_code body_outputs(struct mir *m, struct loop *l)
{
    const struct mir_value *choice;
    struct ms_value *v;
    int into;

    MS_TRY(run_header(m, l, &l->next, &choice, &into));
    MS_TRY(mir_condition(m, choice->items[0], into == 2, &v));
    MS_TRY(mir_own_value(m, v, &v));
    MS_TRY(ms_graph_add_output(l->level.g, v, m->err));
    for (size_t k = 0; k < l->first.n; k++) {
        if (!l->varies[k])
            continue;
        MS_TRY(mir_leaf_value(m, l->next.at[k], &v));
        MS_TRY(ms_graph_add_output(l->level.g, v, m->err));
    }
    return MS_OK;
}

/* Operands: no trip count, condition, state, captures that are used. */
static ms_code loop_operands(struct mir *m, struct loop *l, struct ms_value *cond,
                             struct ms_value ***in, int *n, int *captures)
{
    struct ms_graph *g = l->level.g;
    size_t count = 2 + l->first.n;
    int kept = g->n_in;

    for (struct mir_capture *c = l->level.captures; c; c = c->next)
        count++;
    struct ms_value **v = ms_arena_array(m->scratch, count, sizeof *v);
    if (!v)
        return mir_no_memory(m);
    v[1] = cond;
    *n = 2;
    for (size_t k = 0; k < l->first.n; k++)
        if (l->varies[k])
            MS_TRY(mir_leaf_tensor(m, l->first.at[k], &v[(*n)++]));
    kept = *n; /* body: iteration, condition, state; then captures in the order they were made */
    *captures = 0;
    for (struct mir_capture *c = l->level.captures; c; c = c->next) {
        if (!c->inner->n_uses)
            continue;
        g->in[kept++] = c->inner;
        v[(*n)++] = c->outer;
        ++*captures;
    }
    g->n_in = kept;
    *in = v;
    return MS_OK;
}

static ms_code make_loop(struct mir *m, struct loop *l, struct ms_value *cond,
                         const struct mir_value **out)
{
    const struct mir_value *choice;
    struct mir_leaves last = l->first;
    struct ms_value **in = NULL;
    struct ms_node *node;
    int n_in = 0, captures = 0, n_out = 0, into, o = 0;

    for (size_t k = 0; k < l->first.n; k++)
        n_out += l->varies[k];
    if (n_out == 0)
        return ms_fail(m->err, MS_INVALID_ARGUMENT, "a loop that changes nothing");
    MS_TRY(loop_operands(m, l, cond, &in, &n_in, &captures));
    MS_TRY(mir_add_node(m, l->at, "Loop", in, n_in, n_out, &node));
    if (!ms_attr_set_graph(node, "body", l->level.g) ||
        !ms_attr_set_int(node, "captures", captures))
        return mir_no_memory(m);
    MS_TRY(mir_infer_node(m, node));
    for (size_t k = 0; k < last.n; k++)
        if (l->varies[k] && !(last.at[k] = mir_leaf_like(m, last.at[k], node->out[o++])))
            return mir_no_memory(m);
    MS_TRY(run_header(m, l, &last, &choice, &into));
    l->header->looping = false;
    return mir_apply(m, choice->items[3 - into], NULL, 0, out);
}

/* Tries until nothing new is seen to change, then finishes the body. */
static ms_code settle_body(struct mir *m, struct loop *l)
{
    bool changed = true;
    ms_code code = MS_OK;

    while (changed) {
        struct ms_graph *g = mir_new_graph(m, "body");

        if (!g)
            return m->err ? m->err->code : MS_INVALID_ARGUMENT;
        mir_level_open(m, &l->level, g);
        code = try_body(m, l, &changed);
        if (code == MS_OK && !changed)
            code = body_outputs(m, l);
        mir_level_close(m, &l->level);
        if (code != MS_OK)
            return code;
    }
    return code;
}

ms_code mir_loop(struct mir *m, const struct mir_value *fn, const struct mir_value **out)
{
    struct loop l = {.at = m->at, .header = fn->graph};
    const struct mir_value *choice;
    struct ms_value *cond;
    ms_code code;
    int into;

    l.start = mir_new_tuple(m, fn->items, fn->n);
    if (!l.start)
        return mir_no_memory(m);
    MS_TRY(mir_flatten(m, l.start, &l.first));
    l.varies = ms_arena_array(m->scratch, l.first.n, sizeof *l.varies);
    l.loose = ms_arena_array(m->scratch, l.first.n, sizeof *l.loose);
    l.state = ms_arena_array(m->scratch, l.first.n, sizeof(struct ms_value *));
    if (!l.varies || !l.loose || !l.state)
        return mir_no_memory(m);
    l.header->looping = true;
    code = run_header(m, &l, &l.first, &choice, &into);
    if (code == MS_OK)
        code = mir_condition(m, choice->items[0], into == 2, &cond);
    if (code == MS_OK)
        code = settle_body(m, &l);
    if (code == MS_OK)
        code = make_loop(m, &l, cond, out);
    l.header->looping = false;
    return code;
}
