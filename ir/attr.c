/* SPDX-License-Identifier: Apache-2.0 */
/* attr.c - attributes of nodes: setting copies into the arena, reading falls back to the record. */
#include <string.h>

#include "ir/graph.h"
#include "ir/op.h"

/* Kernels ask in every call: most names differ in their first letter. */
const struct ms_attr *ms_attr_get(const struct ms_node *n, const char *name)
{
    for (int i = 0; i < n->n_attrs; i++)
        if (n->attrs[i].name[0] == name[0] && strcmp(n->attrs[i].name, name) == 0)
            return &n->attrs[i];
    return NULL;
}

int64_t ms_attr_int(const struct ms_node *n, const char *name)
{
    const struct ms_attr *a = ms_attr_get(n, name);
    const struct ms_attr_spec *spec = a ? NULL : ms_op_attr(n->op, name);

    if (a)
        return a->type == MS_ATTR_INT ? a->i : 0;
    return spec ? spec->i : 0;
}

double ms_attr_float(const struct ms_node *n, const char *name)
{
    const struct ms_attr *a = ms_attr_get(n, name);
    const struct ms_attr_spec *spec = a ? NULL : ms_op_attr(n->op, name);

    if (a)
        return a->type == MS_ATTR_FLOAT ? a->f : 0;
    return spec ? spec->f : 0;
}

const char *ms_attr_str(const struct ms_node *n, const char *name)
{
    const struct ms_attr *a = ms_attr_get(n, name);
    const struct ms_attr_spec *spec = a ? NULL : ms_op_attr(n->op, name);

    if (a)
        return a->type == MS_ATTR_STRING ? (const char *)a->s.data : "";
    return spec && spec->s ? spec->s : "";
}

int64_t ms_attr_ints_at(const struct ms_node *n, const char *name, int i, int64_t def)
{
    const struct ms_attr *a = ms_attr_get(n, name);

    return a && a->type == MS_ATTR_INTS && i < a->n ? a->ints[i] : def;
}

struct ms_graph *ms_attr_graph(const struct ms_node *n, const char *name)
{
    const struct ms_attr *a = ms_attr_get(n, name);

    return a && a->type == MS_ATTR_GRAPH ? a->graph : NULL;
}

static const void *copy_list(struct ms_arena *arena, const void *v, int n, size_t size)
{
    void *copy = ms_arena_array(arena, (size_t)n, size);

    if (copy && n)
        memcpy(copy, v, (size_t)n * size);
    return copy;
}

static bool copy_text(struct ms_arena *arena, struct ms_bytes *s)
{
    char *copy = ms_arena_strndup(arena, s->data, s->len);

    s->data = (const uint8_t *)copy;
    return copy != NULL;
}

static bool copy_texts(struct ms_arena *arena, struct ms_attr *a)
{
    struct ms_bytes *list = ms_arena_array(arena, (size_t)a->n, sizeof *list);

    for (int i = 0; list && i < a->n; i++) {
        list[i] = a->strings[i];
        if (!copy_text(arena, &list[i]))
            return false;
    }
    a->strings = list;
    return list != NULL;
}

/* Makes the payload of a copied attribute its own. Tensors and graphs stay shared. */
static bool own_payload(struct ms_arena *arena, struct ms_attr *a)
{
    if (a->type == MS_ATTR_STRING)
        return copy_text(arena, &a->s);
    if (a->type == MS_ATTR_STRINGS)
        return copy_texts(arena, a);
    if (a->type == MS_ATTR_INTS)
        return (a->ints = copy_list(arena, a->ints, a->n, sizeof *a->ints)) != NULL;
    if (a->type == MS_ATTR_FLOATS)
        return (a->floats = copy_list(arena, a->floats, a->n, sizeof *a->floats)) != NULL;
    return true;
}

static bool reserve(struct ms_node *n)
{
    if (n->n_attrs < n->cap_attrs)
        return true;
    int cap = n->cap_attrs ? n->cap_attrs * 2 : 4;
    struct ms_attr *grown = ms_arena_array(n->graph->arena, (size_t)cap, sizeof *grown);
    if (!grown)
        return false;
    if (n->n_attrs)
        memcpy(grown, n->attrs, (size_t)n->n_attrs * sizeof *grown);
    n->attrs = grown;
    n->cap_attrs = cap;
    return true;
}

bool ms_attr_set(struct ms_node *n, const struct ms_attr *a)
{
    struct ms_arena *arena = n->graph->arena;
    struct ms_attr copy = *a;
    struct ms_attr *old = (struct ms_attr *)(uintptr_t)ms_attr_get(n, a->name);

    copy.name = old ? old->name : ms_arena_strdup(arena, a->name);
    if (!copy.name || !own_payload(arena, &copy))
        return false;
    if (old) {
        *old = copy;
        return true;
    }
    if (!reserve(n))
        return false;
    n->attrs[n->n_attrs++] = copy;
    return true;
}

bool ms_attr_set_int(struct ms_node *n, const char *name, int64_t v)
{
    return ms_attr_set(n, &(struct ms_attr){.name = name, .type = MS_ATTR_INT, .i = v});
}

bool ms_attr_set_float(struct ms_node *n, const char *name, double v)
{
    return ms_attr_set(n, &(struct ms_attr){.name = name, .type = MS_ATTR_FLOAT, .f = v});
}

bool ms_attr_set_str(struct ms_node *n, const char *name, const char *v)
{
    return ms_attr_set(
        n, &(struct ms_attr){.name = name, .type = MS_ATTR_STRING, .s = ms_bytes(v, strlen(v))});
}

bool ms_attr_set_ints(struct ms_node *n, const char *name, const int64_t *v, int count)
{
    return ms_attr_set(
        n, &(struct ms_attr){.name = name, .type = MS_ATTR_INTS, .n = count, .ints = v});
}

bool ms_attr_set_floats(struct ms_node *n, const char *name, const double *v, int count)
{
    return ms_attr_set(
        n, &(struct ms_attr){.name = name, .type = MS_ATTR_FLOATS, .n = count, .floats = v});
}

bool ms_attr_set_graph(struct ms_node *n, const char *name, struct ms_graph *g)
{
    return ms_attr_set(n, &(struct ms_attr){.name = name, .type = MS_ATTR_GRAPH, .graph = g});
}

bool ms_attr_copy(struct ms_node *to, const struct ms_node *from)
{
    for (int i = 0; i < from->n_attrs; i++)
        if (!ms_attr_set(to, &from->attrs[i]))
            return false;
    return true;
}

void ms_attr_del(struct ms_node *n, const char *name)
{
    for (int i = 0; i < n->n_attrs; i++) {
        if (strcmp(n->attrs[i].name, name) != 0)
            continue;
        memmove(&n->attrs[i], &n->attrs[i + 1], (size_t)(n->n_attrs - i - 1) * sizeof *n->attrs);
        n->n_attrs--;
        return;
    }
}
