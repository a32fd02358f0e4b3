/* SPDX-License-Identifier: Apache-2.0 */
/* check.c - the verifier, run on what was read and after every pass.
 *
 * After it kernels and passes may rely on: arity, attribute types and bounds, operators' own
 * conditions, topological order, unique names, sound links, sub-graphs no deeper than 16. What it
 * finds is either a bad file (INVALID_ARGUMENT) or, in the links, a bug of ours (INTERNAL). */
#include <stdio.h>
#include <string.h>

#include "base/map.h"
#include "ir/op.h"

enum { MAX_GRAPH_DEPTH = 16 };

static ms_code check_arity(const struct ms_node *n, struct ms_err *err)
{
    const struct ms_op *op = n->op;

    if (n->n_in < op->min_in || (op->max_in >= 0 && n->n_in > op->max_in))
        return ms_node_fail(n, err, MS_INVALID_ARGUMENT, "has %d inputs, %d to %d are allowed",
                            n->n_in, op->min_in, op->max_in);
    if (n->n_out < op->min_out || (op->max_out >= 0 && n->n_out > op->max_out))
        return ms_node_fail(n, err, MS_INVALID_ARGUMENT, "has %d outputs, %d to %d are allowed",
                            n->n_out, op->min_out, op->max_out);
    for (int i = 0; i < op->min_in; i++)
        if (!n->in[i].value)
            return ms_node_fail(n, err, MS_INVALID_ARGUMENT, "input %d is missing", i);
    return MS_OK;
}

static const char *attr_type_name(enum ms_attr_type t)
{
    static const char *const names[] = {"?",      "an int",  "a float",  "a string", "ints",
                                        "floats", "strings", "a tensor", "a graph"};

    return names[(unsigned)t <= MS_ATTR_GRAPH ? (int)t : 0];
}

static bool is_choice(const char *choices, const char *s)
{
    size_t len = strlen(s);

    for (const char *p = choices;; p++) {
        size_t n = strcspn(p, "|");
        if (n == len && memcmp(p, s, n) == 0)
            return true;
        p += n;
        if (!*p)
            return false;
    }
}

static bool in_bounds(const struct ms_attr_spec *s, int64_t v)
{
    return s->min >= s->max || (v >= s->min && v <= s->max);
}

static ms_code check_list(const struct ms_node *n, const struct ms_attr_spec *s,
                          const struct ms_attr *a, struct ms_err *err)
{
    int max = s->max_len ? s->max_len : MS_MAX_RANK * 2;

    if (a->n > max)
        return ms_node_fail(n, err, MS_INVALID_ARGUMENT, "attribute %s has %d elements, at most %d",
                            s->name, a->n, max);
    for (int i = 0; a->type == MS_ATTR_INTS && i < a->n; i++)
        if (!in_bounds(s, a->ints[i]))
            return ms_node_fail(n, err, MS_INVALID_ARGUMENT,
                                "attribute %s: %lld is not allowed (%lld to %lld)", s->name,
                                (long long)a->ints[i], (long long)s->min, (long long)s->max);
    return MS_OK;
}

static ms_code check_attr(const struct ms_node *n, const struct ms_attr *a, struct ms_err *err)
{
    const struct ms_attr_spec *s = ms_op_attr(n->op, a->name);

    if (!s)
        return ms_node_fail(n, err, MS_INVALID_ARGUMENT, "attribute %s is not known", a->name);
    if (s->type != a->type)
        return ms_node_fail(n, err, MS_INVALID_ARGUMENT, "attribute %s must be %s, not %s", a->name,
                            attr_type_name(s->type), attr_type_name(a->type));
    if (a->type == MS_ATTR_INT && !in_bounds(s, a->i))
        return ms_node_fail(n, err, MS_INVALID_ARGUMENT,
                            "attribute %s: %lld is not allowed (%lld to %lld)", a->name,
                            (long long)a->i, (long long)s->min, (long long)s->max);
    if (a->type == MS_ATTR_STRING && s->choices && !is_choice(s->choices, (const char *)a->s.data))
        return ms_node_fail(n, err, MS_INVALID_ARGUMENT, "attribute %s: '%s' is not one of %s",
                            a->name, (const char *)a->s.data, s->choices);
    if (a->type == MS_ATTR_INTS || a->type == MS_ATTR_FLOATS || a->type == MS_ATTR_STRINGS)
        return check_list(n, s, a, err);
    return MS_OK;
}

static ms_code check_attrs(const struct ms_node *n, struct ms_err *err)
{
    for (int i = 0; i < n->n_attrs; i++)
        MS_TRY(check_attr(n, &n->attrs[i], err));
    for (const struct ms_attr_spec *s = n->op->attrs; s && s->name; s++)
        if (s->required && !ms_attr_get(n, s->name))
            return ms_node_fail(n, err, MS_INVALID_ARGUMENT, "attribute %s is missing", s->name);
    return MS_OK;
}

/* Links: each operand is of this graph, stands in its value's list, and was produced before. */
static ms_code check_links(const struct ms_node *n, int position, struct ms_err *err)
{
    for (int i = 0; i < n->n_in; i++) {
        const struct ms_value *v = n->in[i].value;
        if (!v)
            continue;
        if (v->graph != n->graph || n->in[i].node != n || n->in[i].index != i)
            return ms_node_fail(n, err, MS_INTERNAL, "input %d is linked wrongly", i);
        if (v->producer &&
            (v->producer->gone || v->producer->id < 0 || v->producer->id >= position))
            return ms_node_fail(n, err, MS_INTERNAL, "input %d ('%s') is used before it is made", i,
                                v->name);
    }
    for (int i = 0; i < n->n_out; i++)
        if (n->out[i]->producer != n || n->out[i]->out_index != i)
            return ms_node_fail(n, err, MS_INTERNAL, "output %d is linked wrongly", i);
    return MS_OK;
}

static ms_code check_constant(const struct ms_value *v, struct ms_err *err)
{
    size_t bytes;

    if (!v->constant)
        return MS_OK;
    if (v->producer || v->constant->dtype != v->dtype ||
        !ms_shape_eq(&v->constant->shape, &v->shape))
        return ms_fail(err, MS_INTERNAL, "constant '%s' is not what its value says", v->name);
    if (!ms_shape_bytes(&v->shape, v->dtype, &bytes) || bytes != v->constant->bytes)
        return ms_fail(err, MS_INVALID_ARGUMENT, "constant '%s': %zu bytes do not fill its shape",
                       v->name, v->constant->bytes);
    return MS_OK;
}

static ms_code check_name(struct ms_map *names, const struct ms_value *v, struct ms_err *err)
{
    const struct ms_value *other = ms_map_gets(names, v->name);

    if (other == v)
        return MS_OK;
    if (other)
        return ms_fail(err, MS_INVALID_ARGUMENT, "the name '%s' is used twice", v->name);
    if (!ms_map_put(names, v->name, strlen(v->name), (void *)(uintptr_t)v))
        return ms_fail_oom(err, "names", 0);
    return check_constant(v, err);
}

static ms_code check_names(const struct ms_graph *g, struct ms_map *names, struct ms_err *err)
{
    for (int i = 0; i < g->n_in; i++)
        MS_TRY(check_name(names, g->in[i], err));
    for (const struct ms_node *n = g->first; n; n = n->next) {
        for (int i = 0; i < n->n_in; i++)
            if (n->in[i].value)
                MS_TRY(check_name(names, n->in[i].value, err));
        for (int i = 0; i < n->n_out; i++)
            MS_TRY(check_name(names, n->out[i], err));
    }
    for (int i = 0; i < g->n_out; i++)
        MS_TRY(check_name(names, g->out[i], err));
    return MS_OK;
}

ms_code ms_node_check(const struct ms_node *n, struct ms_err *err)
{
    struct ms_err own;
    ms_code code;

    MS_TRY(check_arity(n, err));
    MS_TRY(check_attrs(n, err));
    if (!n->op->check || (code = n->op->check(n, &own)) == MS_OK)
        return MS_OK;
    return ms_node_fail(n, err, code, "%s", own.text);
}

static ms_code check_node(struct ms_node *n, int position, struct ms_err *err)
{
    MS_TRY(check_links(n, position, err));
    for (int i = 0; i < n->n_attrs; i++)
        if (n->attrs[i].type == MS_ATTR_GRAPH) {
            ms_code code = ms_graph_check(n->attrs[i].graph, err);
            if (code != MS_OK) {
                char label[256];
                ms_err_prefix(err, "%s: %s", ms_node_label(n, label, sizeof label),
                              n->attrs[i].name);
                return code;
            }
        }
    return ms_node_check(n, err);
}

ms_code ms_graph_check(const struct ms_graph *g, struct ms_err *err)
{
    struct ms_map names = {0};
    int position = 0;

    if (g->depth > MAX_GRAPH_DEPTH)
        return ms_fail(err, MS_INVALID_ARGUMENT, "sub-graphs nest deeper than %d", MAX_GRAPH_DEPTH);
    if (g->n_out == 0)
        return ms_fail(err, MS_INVALID_ARGUMENT, "the graph has no outputs");
    for (struct ms_node *n = g->first; n; n = n->next)
        n->id = -1;
    for (struct ms_node *n = g->first; n; n = n->next) {
        MS_TRY(check_node(n, position, err));
        n->id = position++;
    }
    for (int i = 0; i < g->n_out; i++) {
        const struct ms_node *p = g->out[i]->producer;
        if (g->out[i]->graph != g || (p && (p->gone || p->graph != g)))
            return ms_fail(err, MS_INTERNAL, "output '%s' is not made in its graph",
                           g->out[i]->name);
    }
    ms_code code = check_names(g, &names, err);
    ms_map_done(&names);
    return code;
}
