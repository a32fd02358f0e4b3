/* SPDX-License-Identifier: Apache-2.0 */
/* onnx_capture.c - nodes with graphs inside: what these read from outside becomes operands.
 *
 * All graphs of a node get the same captured values, in the same order (see ir/graph.h). */
#include <string.h>

#include "proto/onnx_read.h"

/* Outer names that the node's graphs read, each once. Constants too: the sub-graph takes its own.
 */
static ms_code collect_captures(struct onnx_site *s, struct ms_bytes **names, size_t *n)
{
    struct ms_map met = {0};
    size_t most = 0;
    ms_code code = MS_OK;

    for (int i = 0; i < s->n_attrs; i++)
        most += s->attr[i] && s->attr[i]->g ? s->attr[i]->g->n_free : 0;
    *n = 0;
    *names = ms_arena_array(s->scope->r->tmp, most, sizeof **names);
    if (!*names)
        return onnx_site_oom(s);
    for (int i = 0; i < s->n_attrs && code == MS_OK; i++) {
        const struct onnx_graph *g = s->attr[i] ? s->attr[i]->g : NULL;

        for (size_t k = 0; g && k < g->n_free && code == MS_OK; k++) {
            const struct ms_bytes b = g->free[k];

            if (ms_map_get(&met, (const char *)b.data, b.len))
                continue;
            (*names)[(*n)++] = b;
            if (!ms_map_put(&met, (const char *)b.data, b.len, *names))
                code = onnx_site_oom(s);
        }
    }
    ms_map_done(&met);
    return code;
}

/* Appends the captured values that are no constants to the site's inputs. */
static ms_code add_captures(struct onnx_site *s, const struct ms_bytes *names, size_t n)
{
    struct ms_value **in;
    int64_t count = 0;

    if (n > INT32_MAX / 2 || (size_t)s->n_in + n > INT32_MAX / 2)
        return onnx_site_fail(s, MS_INVALID_ARGUMENT, "too many inputs");
    in = ms_arena_array(s->scope->r->tmp, (size_t)s->n_in + n, sizeof *in);
    if (!in)
        return onnx_site_oom(s);
    if (s->n_in > 0)
        memcpy(in, s->in, (size_t)s->n_in * sizeof *in);
    for (size_t i = 0; i < n; i++) {
        struct ms_value *v;

        if (onnx_lookup(s->scope, names[i], &v) != MS_OK)
            return onnx_node_prefix(s->scope->r, s->node, s->number);
        if (v && !v->constant)
            in[s->n_in + count++] = v;
    }
    s->in = in;
    s->n_in += (int)count;
    s->cap_in = s->n_in;
    onnx_site_set_int(s, "captures", count);
    return MS_OK;
}

ms_code onnx_site_read_graphs(struct onnx_site *s, const struct ms_op *op, struct ms_graph **subs)
{
    struct ms_bytes *captured;
    size_t n_captured;

    MS_TRY(collect_captures(s, &captured, &n_captured));
    while (s->n_in < op->min_in) /* captures come behind all of the operator's own */
        MS_TRY(onnx_site_set_in(s, s->n_in, NULL));
    MS_TRY(add_captures(s, captured, n_captured));
    for (int i = 0; i < s->n_attrs; i++) {
        const struct ms_attr_spec *spec;

        if (!s->attr[i] || onnx_attr_type(s->attr[i]) != ONNX_GRAPH)
            continue;
        spec = onnx_find_spec(op, s->attr_name[i]);
        if (!spec || !s->attr[i]->g)
            return onnx_site_fail(s, MS_INVALID_ARGUMENT, "a graph attribute that %s does not take",
                                  op->name);
        MS_TRY(onnx_read_sub(s->scope, s->attr[i]->g, spec->name, captured, n_captured, &subs[i]));
    }
    return MS_OK;
}

ms_code onnx_site_set_graphs(struct onnx_site *s, struct ms_node *n, struct ms_graph *const *subs)
{
    for (int i = 0; i < s->n_attrs; i++)
        if (subs[i] && !ms_attr_set_graph(n, onnx_find_spec(n->op, s->attr_name[i])->name, subs[i]))
            return onnx_site_oom(s);
    return MS_OK;
}
