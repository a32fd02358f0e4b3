/* SPDX-License-Identifier: Apache-2.0 */
/* onnx.c - the ONNX format: scan, decode, see that every operator is here, then read the graph.
 *
 * Nothing is refused for the domains a file imports, only for nodes: exporters import more than
 * they use. All nodes are looked at before the first one is read, so that one answer lists
 * everything that is missing. */
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "proto/onnx_read.h"

/* A ModelProto has an int as its first field; MindIR's has text there. */
static bool sniff(struct ms_bytes file)
{
    struct ms_wire_item item;
    int known = 0;

    for (int i = 0; i < 64 && ms_wire_next(&file, &item); i++) {
        if (item.number == 1)
            return item.type == MS_WIRE_VARINT && item.value < 1000;
        if (item.number > 32)
            return false;
        known += item.type == MS_WIRE_LENGTH && (item.number == 7 || item.number == 8);
    }
    return known > 1; /* no version, but a graph and opsets */
}

/* ---- what is missing ---- */

struct census {
    struct onnx_reader *r;
    struct ms_buf *missing; /* may be NULL */
    struct ms_buf text;     /* for the error: distinct operators with their first node */
    struct ms_map named;    /* operators in text */
    size_t nodes, operators;
    int64_t opset;         /* of the body being looked at */
    struct ms_map visited; /* functions */
    int calls;
};

static ms_code visit_nodes(struct census *c, const struct onnx_node *nodes, size_t n);

static ms_code note_missing(struct census *c, const struct onnx_node *n, size_t number,
                            const char *why)
{
    char name[124], op[124], key[160];

    ms_escape(name, sizeof name, n->name.data, n->name.len);
    ms_escape(op, sizeof op, n->op.data, n->op.len);
    if (n->domain.len > 0 && !onnx_is_standard(n->domain)) {
        char domain[60], bare[60];

        snprintf(op, sizeof op, "%s.%s",
                 ms_escape(domain, sizeof domain, n->domain.data, n->domain.len),
                 ms_escape(bare, sizeof bare, n->op.data, n->op.len));
    }
    c->nodes++;
    if (c->missing && c->missing->len < c->missing->max / 2)
        ms_buf_printf(c->missing, "node %zu '%s': operator %s %s\n", number, name, op, why);
    snprintf(key, sizeof key, "%s", op);
    if (ms_map_gets(&c->named, key))
        return MS_OK;
    c->operators++;
    char *kept = ms_arena_strdup(c->r->tmp, key);
    if (!kept || !ms_map_put(&c->named, kept, strlen(kept), kept))
        return ms_fail_oom(c->r->err, "names", sizeof key);
    ms_buf_printf(&c->text, "%s%s (node %zu '%s')", c->text.len ? ", " : "", op, number, name);
    return MS_OK;
}

static ms_code visit_function(struct census *c, const struct onnx_function *f)
{
    const int64_t opset = c->opset;
    ms_code code;

    if (ms_map_get(&c->visited, (const char *)&f, sizeof f))
        return MS_OK;
    const struct onnx_function **key = ms_arena_alloc(c->r->tmp, sizeof *key);
    if (!key)
        return ms_fail_oom(c->r->err, "functions", sizeof *key);
    *key = f;
    if (!ms_map_put(&c->visited, (const char *)key, sizeof *key, key))
        return ms_fail_oom(c->r->err, "functions", sizeof *key);
    if (++c->calls > ONNX_MAX_CALLS)
        return ms_fail(c->r->err, MS_INVALID_ARGUMENT,
                       "more than %d function calls inside each other", ONNX_MAX_CALLS);
    c->opset = onnx_standard_opset(f->opsets.v, f->opsets.n);
    code = visit_nodes(c, f->nodes.v, f->nodes.n);
    c->opset = opset;
    c->calls--;
    return code == MS_OK ? onnx_free_names_in(c->r, f->nodes.v, f->nodes.n) : code;
}

static ms_code visit_operator(struct census *c, const struct onnx_node *n, size_t number)
{
    if (n->op.len == 0)
        return onnx_node_fail(c->r, n, number, MS_INVALID_ARGUMENT, "names no operator");
    if (!onnx_is_standard(n->domain))
        return note_missing(c, n, number, "is not supported");
    if (c->opset <= 0)
        return onnx_node_fail(c->r, n, number, MS_INVALID_ARGUMENT,
                              "no opset_import says which version of ai.onnx it means");
    if (c->opset > ONNX_MAX_OPSET)
        return onnx_node_fail(c->r, n, number, MS_UNIMPLEMENTED,
                              "opset %lld of ai.onnx is newer than %d, the newest supported",
                              (long long)c->opset, ONNX_MAX_OPSET);
    return onnx_op_exists(n->op, c->opset) ? MS_OK : note_missing(c, n, number, "is not supported");
}

/* Recursion: sub-graphs are bounded by the scan, functions by ONNX_MAX_CALLS. */
static ms_code visit_nodes(struct census *c, const struct onnx_node *nodes, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const struct onnx_function *f = onnx_function_of(c->r, &nodes[i]);

        if (nodes[i].attrs.n > ONNX_MAX_ATTRS)
            return onnx_node_fail(c->r, &nodes[i], i, MS_INVALID_ARGUMENT,
                                  "%zu attributes, at most %d are supported", nodes[i].attrs.n,
                                  ONNX_MAX_ATTRS);
        MS_TRY(f ? visit_function(c, f) : visit_operator(c, &nodes[i], i));
        for (size_t k = 0; k < nodes[i].attrs.n; k++)
            if (nodes[i].attrs.v[k].g)
                MS_TRY(
                    visit_nodes(c, nodes[i].attrs.v[k].g->nodes.v, nodes[i].attrs.v[k].g->nodes.n));
    }
    return MS_OK;
}

static ms_code look_for_missing(struct onnx_reader *r, struct ms_buf *missing)
{
    const struct onnx_model *m = r->model;
    struct census c = {.r = r, .missing = missing};
    ms_code code;

    ms_buf_init(&c.text, 4096);
    c.opset = onnx_standard_opset(m->opsets.v, m->opsets.n);
    if (c.opset == 0 && m->ir_version < 3)
        c.opset = 1;
    code = visit_nodes(&c, m->graph->nodes.v, m->graph->nodes.n);
    if (code == MS_OK && c.nodes > 0)
        code = ms_fail(r->err, MS_UNIMPLEMENTED, "%zu operator%s not supported, in %zu node%s: %s",
                       c.operators, c.operators == 1 ? " is" : "s are", c.nodes,
                       c.nodes == 1 ? "" : "s", ms_buf_str(&c.text));
    ms_buf_done(&c.text);
    ms_map_done(&c.named);
    ms_map_done(&c.visited);
    return code;
}

/* ---- reading ---- */

static ms_code list_functions(struct onnx_reader *r)
{
    for (size_t i = 0; i < r->model->functions.n; i++) {
        const struct onnx_function *f = &r->model->functions.v[i];
        char key[ONNX_MAX_KEY], name[124];
        const size_t len = onnx_function_key(key, sizeof key, f->domain, f->name, f->overload);
        char *kept = ms_arena_strndup(r->tmp, key, len);

        if (len > 0 && ms_map_get(&r->functions, key, len))
            return ms_fail(r->err, MS_INVALID_ARGUMENT, "function '%s' is given twice",
                           ms_escape(name, sizeof name, f->name.data, f->name.len));
        if (!kept || (len > 0 && !ms_map_put(&r->functions, kept, len, (void *)(uintptr_t)f)))
            return ms_fail_oom(r->err, "functions", len);
    }
    return MS_OK;
}

static ms_code read_decoded(struct onnx_reader *r, struct ms_graph **g, struct ms_buf *missing)
{
    const struct onnx_model *m = r->model;

    if (!m->graph)
        return ms_fail(r->err, MS_INVALID_ARGUMENT, "the file holds no graph");
    if (m->ir_version > 13)
        return ms_fail(r->err, MS_UNIMPLEMENTED,
                       "IR version %lld is newer than 13, the newest supported",
                       (long long)m->ir_version);
    MS_TRY(list_functions(r));
    MS_TRY(look_for_missing(r, missing));
    MS_TRY(onnx_free_names_in(r, m->graph->nodes.v, m->graph->nodes.n));
    return onnx_read_main(r, g);
}

/* Nodes that may come of a file's nodes by putting functions in place (TRUST: 64 for one, and
 * some). */
static size_t node_budget(const struct ms_read_limits *lim, size_t nodes)
{
    size_t most;

    if (!ms_mul(nodes, 64, &most) || !ms_add(most, 10000, &most) || most > lim->max_nodes)
        most = lim->max_nodes;
    return most;
}

/* Every output becomes a value with a name that is kept in a map, which is at worst a quarter full.
 */
static ms_code check_outputs(const struct ms_wire_report *report, const struct ms_read_limits *lim,
                             struct ms_err *err)
{
    const size_t each = sizeof(struct ms_value) + 4 * sizeof(struct ms_map_slot);
    size_t sum;

    if (ms_mul(report->tally[ONNX_TALLY_OUTPUTS], each, &sum) && ms_add(sum, report->price, &sum) &&
        sum <= lim->max_heap)
        return MS_OK;
    return ms_fail(err, MS_RESOURCE_EXHAUSTED,
                   "%zu outputs of nodes need more than the %zu bytes allowed",
                   report->tally[ONNX_TALLY_OUTPUTS], lim->max_heap);
}

static ms_code read_onnx(const struct ms_source *src, const struct ms_read_limits *lim,
                         struct ms_arena *a, struct ms_graph **g, struct ms_buf *missing,
                         struct ms_err *err)
{
    const struct ms_wire_limits wire = {
        .max_depth = lim->max_depth, .max_name = lim->max_name, .max_heap = lim->max_heap};
    struct onnx_reader r = {.lim = lim, .arena = a, .files = {.src = src}};
    struct ms_wire_report report;
    struct onnx_model model;
    struct ms_arena tmp;
    struct ms_err own;
    ms_code code;

    r.err = err ? err : &own;
    MS_TRY(ms_wire_scan(src->main, &onnx_model_msg, &wire, &report, r.err));
    MS_TRY(check_outputs(&report, lim, r.err));
    r.nodes_left = node_budget(lim, report.tally[ONNX_TALLY_NODES]);
    ms_arena_init(&tmp, lim->max_heap);
    r.tmp = &tmp;
    r.model = &model;
    code = ms_wire_decode(src->main, &onnx_model_msg, &tmp, &model, r.err);
    if (code == MS_OK)
        code = read_decoded(&r, g, missing);
    onnx_files_done(&r.files);
    ms_map_done(&r.functions);
    ms_map_done(&r.symbols);
    ms_arena_done(&tmp);
    return code;
}

MS_FORMAT(onnx) = {
    .name = "onnx",
    .platform = "onnx_onnxv1",
    .suffix = ".onnx",
    .sniff = sniff,
    .read = read_onnx,
};
