/* SPDX-License-Identifier: Apache-2.0 */
/* onnx_graph.c - bodies of the file into graphs: names, what the file claims of them, sub-graphs.
 */
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "proto/onnx_read.h"

static ms_code oom(struct onnx_reader *r)
{
    return ms_fail_oom(r->err, "graph", r->arena->used);
}

/* ---- messages ---- */

ms_code onnx_node_prefix(struct onnx_reader *r, const struct onnx_node *n, size_t number)
{
    char name[124], op[72];

    return ms_err_prefix(r->err, "node %zu '%s' (%s)", number,
                         ms_escape(name, sizeof name, n->name.data, n->name.len),
                         ms_escape(op, sizeof op, n->op.data, n->op.len));
}

ms_code onnx_node_fail(struct onnx_reader *r, const struct onnx_node *n, size_t number,
                       ms_code code, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    ms_vfail(r->err, code, fmt, ap);
    va_end(ap);
    return onnx_node_prefix(r, n, number);
}

static ms_code fail_name(struct onnx_reader *r, struct ms_bytes name, const char *what)
{
    char text[124];

    return ms_fail(r->err, MS_INVALID_ARGUMENT, "'%s' %s",
                   ms_escape(text, sizeof text, name.data, name.len), what);
}

/* ---- types ---- */

/* A symbol for a dim_param. The file's names are kept in a map: there may be many. */
static int64_t symbol(struct onnx_reader *r, struct ms_syms *syms, struct ms_bytes name)
{
    const void *known = ms_map_get(&r->symbols, (const char *)name.data, name.len);
    int64_t fresh;
    char *copy;

    if (name.len == 0)
        return ms_syms_fresh(syms);
    if (known)
        return ms_sym((uint32_t)((uintptr_t)known - 1));
    fresh = ms_syms_fresh(syms);
    copy = ms_arena_strndup(r->arena, name.data, name.len);
    if (copy && ms_map_put(&r->symbols, copy, name.len,
                           (void *)(uintptr_t)((size_t)ms_sym_index(fresh) + 1)))
        syms->name[ms_sym_index(fresh)] = copy;
    return fresh; /* out of memory: only less is known */
}

static ms_code read_dims(struct onnx_reader *r, struct ms_syms *syms, const struct onnx_shape *os,
                         struct ms_shape *s)
{
    if (os->dims.n > MS_MAX_RANK)
        return ms_fail(r->err, MS_INVALID_ARGUMENT, "rank %zu, at most %d is supported", os->dims.n,
                       MS_MAX_RANK);
    s->rank = (int)os->dims.n;
    for (size_t i = 0; i < os->dims.n; i++) {
        const struct onnx_dim *d = &os->dims.v[i];

        s->dim[i] = d->value;
        if (!ms_wire_has(&d->head, ONNX_DIM_VALUE) ||
            d->value == -1) /* -1: as some exporters say */
            s->dim[i] = symbol(r, syms, d->param);
        else if (d->value < 0)
            return ms_fail(r->err, MS_INVALID_ARGUMENT, "dim %zu is %lld", i, (long long)d->value);
    }
    return MS_OK;
}

static const char *type_name(const struct onnx_type *t)
{
    if (ms_wire_has(&t->head, ONNX_TYPE_SEQUENCE))
        return "a sequence";
    if (ms_wire_has(&t->head, ONNX_TYPE_MAP))
        return "a map";
    if (ms_wire_has(&t->head, ONNX_TYPE_OPTIONAL))
        return "an optional";
    return ms_wire_has(&t->head, ONNX_TYPE_SPARSE) ? "a sparse tensor" : "of no type";
}

/* What a ValueInfoProto says; *t NONE and unknown rank where it says nothing. */
static ms_code read_type(struct onnx_reader *r, struct ms_syms *syms,
                         const struct onnx_value_info *vi, enum ms_dtype *t, struct ms_shape *s)
{
    const struct onnx_type *type = vi->type;
    char text[124];

    *t = MS_DTYPE_NONE;
    *s = ms_shape_unknown();
    if (!type)
        return MS_OK;
    ms_escape(text, sizeof text, vi->name.data, vi->name.len);
    if (!type->tensor)
        return ms_fail(r->err, MS_UNIMPLEMENTED, "'%s' is %s, which is not supported", text,
                       type_name(type));
    *t = onnx_dtype(type->tensor->elem_type);
    if (*t == MS_DTYPE_NONE && type->tensor->elem_type != 0)
        return ms_fail(
            r->err, MS_UNIMPLEMENTED, "'%s' has element type %lld (%s), which is not supported",
            text, (long long)type->tensor->elem_type, onnx_dtype_name(type->tensor->elem_type));
    if (type->tensor->shape && read_dims(r, syms, type->tensor->shape, s) != MS_OK)
        return ms_err_prefix(r->err, "'%s'", text);
    return MS_OK;
}

/* ---- names ---- */

/* What a function's input maps to when the call leaves it out. */
static const struct ms_value absent;

ms_code onnx_lookup(struct onnx_scope *s, struct ms_bytes name, struct ms_value **out)
{
    *out = ms_map_get(&s->names, (const char *)name.data, name.len);
    if (!*out)
        return fail_name(s->r, name, "is read, but nothing gives it");
    if (*out == &absent)
        *out = NULL;
    return MS_OK;
}

ms_code onnx_lookup_present(struct onnx_scope *s, struct ms_bytes name, struct ms_value **out)
{
    MS_TRY(onnx_lookup(s, name, out));
    return *out ? MS_OK : fail_name(s->r, name, "is left out, but something must give it");
}

static bool contradicts(const struct ms_shape *a, const struct ms_shape *b)
{
    if (a->rank < 0 || b->rank < 0)
        return false;
    for (int i = 0; i < a->rank && i < b->rank; i++)
        if (a->dim[i] >= 0 && b->dim[i] >= 0 && a->dim[i] != b->dim[i])
            return true;
    return a->rank != b->rank;
}

/* Notes on v what the file records of it. A claim stands until ms_graph_infer has checked it; where
 * it leaves a dim open, what inference found already is better. */
static ms_code claim(struct onnx_scope *s, const struct onnx_value_info *vi, struct ms_value *v)
{
    struct ms_shape shape;
    enum ms_dtype t;

    MS_TRY(read_type(s->r, s->g->syms, vi, &t, &shape));
    if (v->constant) {
        if ((t != MS_DTYPE_NONE && t != v->dtype) || contradicts(&shape, &v->shape))
            return fail_name(s->r, vi->name,
                             "is recorded with another dtype or shape than its data");
        return MS_OK;
    }
    if (t != MS_DTYPE_NONE)
        v->dtype = t;
    if (shape.rank < 0)
        return MS_OK;
    for (int i = 0; i < shape.rank && shape.rank == v->shape.rank; i++)
        if (shape.dim[i] < 0)
            shape.dim[i] = v->shape.dim[i];
    v->shape = shape;
    return MS_OK;
}

ms_code onnx_put_name(struct onnx_scope *s, struct ms_bytes name, struct ms_value *v)
{
    if (!v)
        v = (struct ms_value *)(uintptr_t)&absent;
    if (name.len == 0)
        return ms_fail(s->r->err, MS_INVALID_ARGUMENT, "a value has no name");
    if (ms_map_get(&s->names, (const char *)name.data, name.len))
        return fail_name(s->r, name, "is made twice");
    if (!ms_map_put(&s->names, (const char *)name.data, name.len, v))
        return oom(s->r);
    return MS_OK;
}

ms_code onnx_bind(struct onnx_scope *s, struct ms_bytes name, struct ms_value *v)
{
    const struct onnx_value_info *vi = ms_map_get(&s->claims, (const char *)name.data, name.len);
    char *full =
        ms_arena_printf(s->r->arena, "%s%.*s", s->prefix, (int)name.len, (const char *)name.data);

    if (!full)
        return oom(s->r);
    ms_value_rename(v, full);
    MS_TRY(onnx_put_name(s, name, v));
    return vi ? claim(s, vi, v) : MS_OK;
}

static ms_code add_claims(struct onnx_scope *s, const struct onnx_value_info *v, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (v[i].type && v[i].type->tensor && v[i].name.len > 0 &&
            !ms_map_put(&s->claims, (const char *)v[i].name.data, v[i].name.len,
                        (void *)(uintptr_t)&v[i]))
            return oom(s->r);
    return MS_OK;
}

void onnx_scope_done(struct onnx_scope *s)
{
    ms_map_done(&s->names);
    ms_map_done(&s->claims);
}

/* ---- nodes ---- */

static ms_code read_operator(struct onnx_scope *s, const struct onnx_node *n, size_t number)
{
    const struct onnx_lowering *row = onnx_lowering_find(n->op, s->opset);
    struct onnx_site site;

    MS_TRY(onnx_site_open(s, n, number, &site));
    MS_TRY(onnx_apply_rules(&site));
    return row ? row->lower(&site) : onnx_site_make(&site);
}

ms_code onnx_read_nodes(struct onnx_scope *s, const struct onnx_node *nodes, size_t n)
{
    const uint32_t *order;

    MS_TRY(onnx_order(s->r, nodes, n, &order));
    for (size_t k = 0; k < n; k++) {
        const struct onnx_node *node = &nodes[order[k]];
        const struct onnx_function *f = onnx_function_of(s->r, node);

        if (s->r->nodes_left == 0) /* functions that call functions can double at each step */
            return onnx_node_fail(s->r, node, order[k], MS_RESOURCE_EXHAUSTED,
                                  "the model grows beyond the nodes allowed");
        s->r->nodes_left--;
        MS_TRY(f ? onnx_read_call(s, node, order[k], f) : read_operator(s, node, order[k]));
    }
    return MS_OK;
}

/* ---- graphs ---- */

static ms_code read_weights(struct onnx_scope *s, const struct onnx_graph *og)
{
    struct onnx_reader *r = s->r;

    for (size_t i = 0; i < og->weights.n; i++) {
        const struct onnx_tensor *t = &og->weights.v[i];
        const struct ms_tensor *m;
        struct ms_value *v;

        MS_TRY(onnx_tensor_make(t, &r->files, r->arena, &m, r->err));
        v = ms_graph_constant(s->g, NULL, m);
        if (!v)
            return oom(r);
        MS_TRY(onnx_bind(s, t->name, v));
    }
    return MS_OK;
}

/* Inputs that are also initializers have a default, which is what serves. */
static ms_code read_inputs(struct onnx_scope *s, const struct onnx_graph *og)
{
    for (size_t i = 0; i < og->in.n; i++) {
        const struct onnx_value_info *vi = &og->in.v[i];
        struct ms_value *known = ms_map_get(&s->names, (const char *)vi->name.data, vi->name.len);
        struct ms_value *v;

        if (known && known->constant) {
            MS_TRY(claim(s, vi, known));
            continue;
        }
        if (vi->type && !vi->type->tensor) /* says what it is */
            MS_TRY(claim(s, vi, &(struct ms_value){0}));
        v = ms_graph_input(s->g, NULL, MS_DTYPE_NONE, NULL);
        if (!v)
            return oom(s->r);
        MS_TRY(onnx_bind(s, vi->name, v));
    }
    return MS_OK;
}

static ms_code read_outputs(struct onnx_scope *s, const struct onnx_graph *og)
{
    for (size_t i = 0; i < og->out.n; i++) {
        struct ms_value *v;

        MS_TRY(onnx_lookup_present(s, og->out.v[i].name, &v));
        MS_TRY(ms_graph_add_output(s->g, v, s->r->err));
    }
    return MS_OK;
}

/* What a graph brings along before its nodes. */
static ms_code read_head(struct onnx_scope *s, const struct onnx_graph *og)
{
    if (ms_wire_has(&og->head, ONNX_GRAPH_SPARSE))
        return ms_fail(s->r->err, MS_UNIMPLEMENTED, "sparse initializers are not supported");
    MS_TRY(add_claims(s, og->info.v, og->info.n));
    MS_TRY(add_claims(s, og->out.v, og->out.n));
    MS_TRY(read_weights(s, og));
    MS_TRY(add_claims(s, og->in.v, og->in.n));
    return read_inputs(s, og);
}

ms_code onnx_read_main(struct onnx_reader *r, struct ms_graph **out)
{
    const struct onnx_graph *og = r->model->graph;
    struct onnx_scope s = {.r = r, .prefix = ""};
    char *name = ms_arena_strndup(r->tmp, og->name.data, og->name.len);
    ms_code code;

    s.opset = onnx_standard_opset(r->model->opsets.v, r->model->opsets.n);
    if (s.opset == 0 && r->model->ir_version < 3)
        s.opset = 1; /* opsets came with IR version 3 */
    s.g = name ? ms_graph_new(r->arena, NULL, name) : NULL;
    if (!s.g)
        return oom(r);
    code = read_head(&s, og);
    if (code == MS_OK)
        code = onnx_read_nodes(&s, og->nodes.v, og->nodes.n);
    if (code == MS_OK)
        code = read_outputs(&s, og);
    onnx_scope_done(&s);
    *out = s.g;
    return code;
}

/* Outer names as the sub-graph's own: constants by sharing the tensor, others as inputs. */
static ms_code bind_captured(struct onnx_scope *s, struct onnx_scope *outer,
                             const struct ms_bytes *names, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        struct ms_value *from, *v;

        MS_TRY(onnx_lookup(outer, names[i], &from));
        if (!from) {
            MS_TRY(onnx_put_name(s, names[i], NULL));
            continue;
        }
        v = from->constant ? ms_graph_constant(s->g, NULL, from->constant)
                           : ms_graph_input(s->g, NULL, from->dtype, &from->shape);
        if (!v)
            return oom(s->r);
        MS_TRY(onnx_bind(s, names[i], v));
    }
    return MS_OK;
}

static ms_code fill_sub(struct onnx_scope *s, struct onnx_scope *outer, const struct onnx_graph *og,
                        const struct ms_bytes *captured, size_t n_captured)
{
    MS_TRY(read_head(s, og));
    MS_TRY(bind_captured(s, outer, captured, n_captured));
    MS_TRY(onnx_read_nodes(s, og->nodes.v, og->nodes.n));
    return read_outputs(s, og);
}

ms_code onnx_read_sub(struct onnx_scope *outer, const struct onnx_graph *og, const char *name,
                      const struct ms_bytes *captured, size_t n_captured, struct ms_graph **out)
{
    struct onnx_scope s = {
        .r = outer->r, .call = outer->call, .prefix = outer->prefix, .opset = outer->opset};
    ms_code code;

    s.g = ms_graph_new(s.r->arena, outer->g, name);
    if (!s.g)
        return oom(s.r);
    if (s.g->depth > s.r->lim->max_graph_depth)
        return ms_fail(s.r->err, MS_INVALID_ARGUMENT, "more than %d graphs inside each other",
                       s.r->lim->max_graph_depth);
    code = fill_sub(&s, outer, og, captured, n_captured);
    onnx_scope_done(&s);
    *out = s.g;
    return code;
}
