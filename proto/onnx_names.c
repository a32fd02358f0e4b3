/* SPDX-License-Identifier: Apache-2.0 */
/* onnx_names.c - what a body reads from outside, and in which order its nodes can be made.
 *
 * The IR's sub-graphs have no free variables, so before a node with sub-graphs is made, it must be
 * known which outer names they (and what is inside them) read. The standard asks for sorted nodes;
 * files that are not are put in order here, since lowering looks at what stands before a node. */
#include <string.h>

#include "base/mem.h"
#include "proto/onnx_read.h"

static const char none; /* what a set holds for a key: only that it is there counts */

static bool has(const struct ms_map *m, struct ms_bytes name)
{
    return ms_map_get(m, (const char *)name.data, name.len) != NULL;
}

static ms_code put(struct onnx_reader *r, struct ms_map *m, struct ms_bytes name, void *value)
{
    if (!ms_map_put(m, (const char *)name.data, name.len, value))
        return ms_fail_oom(r->err, "names", m->used * sizeof(struct ms_map_slot));
    return MS_OK;
}

/* ---- names read but not made ---- */

struct names {
    struct onnx_reader *r;
    struct ms_map made, met; /* met: already in the list */
    struct ms_bytes *list;   /* in r->tmp */
    size_t n, cap;
};

static ms_code note_read(struct names *s, struct ms_bytes name)
{
    if (name.len == 0 || has(&s->made, name) || has(&s->met, name))
        return MS_OK;
    if (s->n == s->cap) {
        const size_t cap = s->cap ? s->cap * 2 : 8;
        struct ms_bytes *grown = ms_arena_array(s->r->tmp, cap, sizeof *grown);

        if (!grown)
            return ms_fail_oom(s->r->err, "names", cap * sizeof *grown);
        if (s->n)
            memcpy(grown, s->list, s->n * sizeof *grown);
        s->list = grown;
        s->cap = cap;
    }
    s->list[s->n++] = name;
    return put(s->r, &s->met, name, (void *)(uintptr_t)&none);
}

static ms_code note_made(struct names *s, const struct onnx_graph *g)
{
    for (size_t i = 0; i < g->in.n; i++)
        MS_TRY(put(s->r, &s->made, g->in.v[i].name, (void *)(uintptr_t)&none));
    for (size_t i = 0; i < g->weights.n; i++)
        MS_TRY(put(s->r, &s->made, g->weights.v[i].name, (void *)(uintptr_t)&none));
    for (size_t i = 0; i < g->nodes.n; i++)
        for (size_t k = 0; k < g->nodes.v[i].out.n; k++)
            MS_TRY(put(s->r, &s->made, g->nodes.v[i].out.v[k], (void *)(uintptr_t)&none));
    return MS_OK;
}

static ms_code note_node(struct names *s, const struct onnx_node *n)
{
    for (size_t i = 0; i < n->in.n; i++)
        MS_TRY(note_read(s, n->in.v[i]));
    for (size_t i = 0; i < n->attrs.n; i++) {
        const struct onnx_graph *sub = n->attrs.v[i].g;

        for (size_t k = 0; sub && k < sub->n_free; k++)
            MS_TRY(note_read(s, sub->free[k]));
    }
    return MS_OK;
}

static ms_code note_graph(struct names *s, const struct onnx_graph *g)
{
    MS_TRY(note_made(s, g));
    for (size_t i = 0; i < g->nodes.n; i++)
        MS_TRY(note_node(s, &g->nodes.v[i]));
    for (size_t i = 0; i < g->out.n; i++)
        MS_TRY(note_read(s, g->out.v[i].name));
    return MS_OK;
}

ms_code onnx_free_names_in(struct onnx_reader *r, const struct onnx_node *nodes, size_t n)
{
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < nodes[i].attrs.n; k++)
            if (nodes[i].attrs.v[k].g)
                MS_TRY(onnx_free_names(r, nodes[i].attrs.v[k].g));
    return MS_OK;
}

/* Recursion is bounded: the scan has refused more than max_depth messages inside each other. */
ms_code onnx_free_names(struct onnx_reader *r, struct onnx_graph *g)
{
    struct names s = {.r = r};
    ms_code code = onnx_free_names_in(r, g->nodes.v, g->nodes.n);

    if (code == MS_OK)
        code = note_graph(&s, g);
    ms_map_done(&s.made);
    ms_map_done(&s.met);
    g->free = s.list;
    g->n_free = s.n;
    return code;
}

/* ---- order ---- */

struct sorter {
    struct onnx_reader *r;
    const struct onnx_node *nodes;
    size_t n;
    struct ms_map maker;     /* name -> &nodes[i] */
    uint32_t *order, *stack; /* stack: nodes whose sources are being put first */
    uint32_t *next_read;     /* of each node, which name comes next */
    uint8_t *state;
    size_t n_order, depth;
};

enum { UNSEEN, OPEN, PLACED };

static ms_code find_makers(struct sorter *s)
{
    for (size_t i = 0; i < s->n; i++)
        for (size_t k = 0; k < s->nodes[i].out.n; k++) {
            const struct ms_bytes name = s->nodes[i].out.v[k];
            char text[124];

            if (name.len == 0)
                continue;
            if (has(&s->maker, name))
                return onnx_node_fail(s->r, &s->nodes[i], i, MS_INVALID_ARGUMENT,
                                      "its output '%s' is already made by another node",
                                      ms_escape(text, sizeof text, name.data, name.len));
            MS_TRY(put(s->r, &s->maker, name, (void *)(uintptr_t)&s->nodes[i]));
        }
    return MS_OK;
}

/* The k-th name a node reads, those of its sub-graphs behind its own; false beyond the last. */
static bool read_at(const struct onnx_node *n, size_t k, struct ms_bytes *name)
{
    if (k < n->in.n) {
        *name = n->in.v[k];
        return true;
    }
    k -= n->in.n;
    for (size_t i = 0; i < n->attrs.n; i++) {
        const struct onnx_graph *sub = n->attrs.v[i].g;

        if (!sub)
            continue;
        if (k < sub->n_free) {
            *name = sub->free[k];
            return true;
        }
        k -= sub->n_free;
    }
    return false;
}

static const struct onnx_node *maker_of(const struct sorter *s, struct ms_bytes name)
{
    return name.len ? ms_map_get(&s->maker, (const char *)name.data, name.len) : NULL;
}

static bool is_sorted(const struct sorter *s)
{
    struct ms_bytes name;

    for (size_t i = 0; i < s->n; i++)
        for (size_t k = 0; read_at(&s->nodes[i], k, &name); k++) {
            const struct onnx_node *m = maker_of(s, name);

            if (m && m >= &s->nodes[i])
                return false;
        }
    return true;
}

/* Goes on with the node on top of the stack: opens one source that is not placed yet, or places it.
 */
static ms_code sort_step(struct sorter *s)
{
    const uint32_t i = s->stack[s->depth - 1];
    struct ms_bytes name;

    while (read_at(&s->nodes[i], s->next_read[i], &name)) {
        const struct onnx_node *m = maker_of(s, name);
        const size_t k = m ? (size_t)(m - s->nodes) : 0;

        s->next_read[i]++;
        if (!m || s->state[k] == PLACED)
            continue;
        if (s->state[k] == OPEN)
            return onnx_node_fail(s->r, &s->nodes[k], k, MS_INVALID_ARGUMENT, "is part of a cycle");
        s->state[k] = OPEN;
        s->stack[s->depth++] = (uint32_t)k;
        return MS_OK;
    }
    s->state[i] = PLACED;
    s->order[s->n_order++] = i;
    s->depth--;
    return MS_OK;
}

static ms_code sort(struct sorter *s)
{
    for (size_t i = 0; i < s->n; i++) {
        if (s->state[i] != UNSEEN)
            continue;
        s->state[i] = OPEN;
        s->stack[s->depth++] = (uint32_t)i;
        while (s->depth > 0)
            MS_TRY(sort_step(s));
    }
    return MS_OK;
}

ms_code onnx_order(struct onnx_reader *r, const struct onnx_node *nodes, size_t n,
                   const uint32_t **order)
{
    struct sorter s = {.r = r, .nodes = nodes, .n = n};
    ms_code code;

    if (n >= UINT32_MAX)
        return ms_fail(r->err, MS_RESOURCE_EXHAUSTED, "%zu nodes are too many", n);
    s.order = ms_arena_array(r->tmp, n, sizeof *s.order);
    s.stack = ms_arena_array(r->tmp, n, sizeof *s.stack);
    s.next_read = ms_arena_array(r->tmp, n, sizeof *s.next_read);
    s.state = ms_arena_array(r->tmp, n, sizeof *s.state);
    if (!s.order || !s.stack || !s.next_read || !s.state)
        return ms_fail_oom(r->err, "sorting nodes", n * 13);
    code = find_makers(&s);
    if (code == MS_OK && is_sorted(&s))
        for (uint32_t i = 0; i < n; i++)
            s.order[i] = i;
    else if (code == MS_OK)
        code = sort(&s);
    ms_map_done(&s.maker);
    *order = s.order;
    return code;
}
