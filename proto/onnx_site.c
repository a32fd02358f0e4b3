/* SPDX-License-Identifier: Apache-2.0 */
/* onnx_site.c - one node of the file on its way into the graph.
 *
 * A site starts as what the file says (operands looked up, attribute references followed), is
 * repaired by rules and lowerings, and ends as one or more nodes whose outputs answer to the file's
 * names. Dtypes and shapes are inferred as nodes are made, because lowering an old operator often
 * hangs on a rank; what cannot be inferred yet is left to ms_graph_infer. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "proto/onnx_read.h"

ms_code onnx_site_fail(struct onnx_site *s, ms_code code, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    ms_vfail(s->scope->r->err, code, fmt, ap);
    va_end(ap);
    return onnx_node_prefix(s->scope->r, s->node, s->number);
}

ms_code onnx_site_oom(struct onnx_site *s)
{
    return ms_fail_oom(s->scope->r->err, "graph", s->scope->g->arena->used);
}

/* ---- opening ---- */

static ms_code open_inputs(struct onnx_site *s)
{
    const struct onnx_node *n = s->node;
    size_t count = n->in.n;

    while (count > 0 && n->in.v[count - 1].len == 0)
        count--; /* left out at the end: not there */
    if (count > INT32_MAX / 2)
        return onnx_site_fail(s, MS_INVALID_ARGUMENT, "%zu inputs", count);
    s->n_in = (int)count;
    s->cap_in = s->n_in + ONNX_MAX_SPARE;
    s->in = ms_arena_array(s->scope->r->tmp, (size_t)s->cap_in, sizeof(struct ms_value *));
    if (!s->in)
        return onnx_site_oom(s);
    for (size_t i = 0; i < count; i++)
        if (n->in.v[i].len > 0 && onnx_lookup(s->scope, n->in.v[i], &s->in[i]) != MS_OK)
            return onnx_node_prefix(s->scope->r, n, s->number);
    return MS_OK;
}

static const struct onnx_attr *find_attr(const struct onnx_attr *v, size_t n, struct ms_bytes name)
{
    for (size_t i = 0; i < n; i++)
        if (v[i].name.len == name.len &&
            (name.len == 0 || memcmp(v[i].name.data, name.data, name.len) == 0))
            return &v[i];
    return NULL;
}

/* The attribute that a reference stands for: of the call, or of the call's call..., or the
 * function's default. NULL: not given, so the operator's own default holds. */
static const struct onnx_attr *resolve(const struct onnx_call *c, const struct onnx_attr *a)
{
    while (a && a->ref.len > 0 && c) {
        const struct onnx_attr *given = find_attr(c->node->attrs.v, c->node->attrs.n, a->ref);

        if (!given)
            return find_attr(c->f->defaults.v, c->f->defaults.n, a->ref);
        a = given;
        c = c->outer;
    }
    return a && a->ref.len > 0 ? NULL : a;
}

static ms_code open_attrs(struct onnx_site *s)
{
    const struct onnx_node *n = s->node;

    if (n->attrs.n > ONNX_MAX_ATTRS)
        return onnx_site_fail(s, MS_INVALID_ARGUMENT, "%zu attributes, at most %d are supported",
                              n->attrs.n, ONNX_MAX_ATTRS);
    for (size_t i = 0; i < n->attrs.n; i++) {
        const struct onnx_attr *a = &n->attrs.v[i];
        char text[124];

        if (find_attr(n->attrs.v, i, a->name))
            return onnx_site_fail(s, MS_INVALID_ARGUMENT, "attribute '%s' is given twice",
                                  ms_escape(text, sizeof text, a->name.data, a->name.len));
        s->attr_name[s->n_attrs] = a->name;
        s->attr[s->n_attrs++] = resolve(s->scope->call, a);
        if (a->ref.len > 0 && s->attr[i] && s->attr[i]->g)
            return onnx_site_fail(s, MS_UNIMPLEMENTED,
                                  "attribute '%s': a graph given by reference is not supported",
                                  ms_escape(text, sizeof text, a->name.data, a->name.len));
    }
    return MS_OK;
}

ms_code onnx_site_open(struct onnx_scope *scope, const struct onnx_node *n, size_t number,
                       struct onnx_site *s)
{
    *s = (struct onnx_site){.scope = scope, .node = n, .number = number, .opset = scope->opset};
    s->n_out = (int)n->out.n;
    if (n->out.n > INT32_MAX / 2)
        return onnx_site_fail(s, MS_INVALID_ARGUMENT, "%zu outputs", n->out.n);
    while (s->n_out > 0 && n->out.v[s->n_out - 1].len == 0)
        s->n_out--;
    s->op = ms_arena_strndup(scope->r->tmp, n->op.data, n->op.len);
    if (!s->op)
        return onnx_site_oom(s);
    MS_TRY(open_inputs(s));
    return open_attrs(s);
}

/* ---- operands and nodes ---- */

struct ms_value *onnx_site_in(const struct onnx_site *s, int i)
{
    return i < s->n_in ? s->in[i] : NULL;
}

ms_code onnx_site_set_in(struct onnx_site *s, int i, struct ms_value *v)
{
    if (i >= s->cap_in)
        return onnx_site_fail(s, MS_INVALID_ARGUMENT, "too many inputs");
    while (s->n_in <= i)
        s->in[s->n_in++] = NULL;
    s->in[i] = v;
    return MS_OK;
}

/* What is known of an output, as far as the file claims nothing else. */
static void settle(struct ms_value *v, const struct ms_fact *f)
{
    if (v->dtype == MS_DTYPE_NONE)
        v->dtype = f->dtype;
    if (v->shape.rank < 0)
        v->shape = f->shape;
    v->sym = f->sym;
    v->n_sym = f->n_sym;
}

void onnx_site_facts(struct ms_node *n)
{
    enum { FEW = 12 };
    const size_t count = (size_t)n->n_in + (size_t)n->n_out;
    struct ms_fact few[FEW], *facts = few;

    if (!n->op->infer || n->op->traits & MS_SUBGRAPHS)
        return; /* sub-graphs would be gone through once for each level */
    for (int i = 0; i < n->n_in; i++)
        if (n->in[i].value && n->in[i].value->dtype == MS_DTYPE_NONE)
            return; /* to a rule it would look left out */
    if (ms_node_check(n, NULL) != MS_OK)
        return; /* ms_graph_check will say why */
    if (count > FEW && !(facts = ms_calloc(count, sizeof *facts)))
        return;
    for (int i = 0; i < n->n_in; i++)
        facts[i] = ms_value_fact(n->in[i].value);
    if (ms_node_infer(n, facts, facts + n->n_in, n->graph->syms, n->graph->arena, NULL) == MS_OK)
        for (int i = 0; i < n->n_out; i++)
            settle(n->out[i], &facts[n->n_in + i]);
    if (facts != few)
        ms_free(facts);
}

struct ms_node *onnx_site_node(struct onnx_site *s, const char *op, struct ms_value *const *in,
                               int n_in, int n_out)
{
    const struct ms_op *record = ms_op_find(op);
    struct onnx_reader *r = s->scope->r;
    struct ms_node *n;
    char *name;

    if (!record) {
        onnx_site_fail(s, MS_UNIMPLEMENTED, "operator %s is not supported", op);
        return NULL;
    }
    if (r->nodes_left == 0) {
        onnx_site_fail(s, MS_RESOURCE_EXHAUSTED, "the model grows beyond the nodes allowed");
        return NULL;
    }
    r->nodes_left--;
    name = ms_arena_printf(r->arena, "%s%.*s", s->scope->prefix, (int)s->node->name.len,
                           s->node->name.len ? (const char *)s->node->name.data : "");
    n = name ? ms_graph_node(s->scope->g, NULL, record, NULL, in, n_in, n_out) : NULL;
    if (!n) {
        onnx_site_oom(s);
        return NULL;
    }
    n->name = name;
    n->number = (int)(s->number < INT32_MAX ? s->number : INT32_MAX);
    if (!ms_bytes_eq(s->node->op, op))
        n->origin = ms_arena_strndup(r->arena, s->node->op.data, s->node->op.len);
    return n;
}

ms_code onnx_site_op(struct onnx_site *s, const char *op, struct ms_value *const *in, int n_in,
                     struct ms_value **out)
{
    struct ms_node *n = onnx_site_node(s, op, in, n_in, 1);

    if (!n)
        return s->scope->r->err->code;
    onnx_site_facts(n);
    *out = n->out[0];
    return MS_OK;
}

ms_code onnx_site_ints(struct onnx_site *s, const int64_t *v, int n, struct ms_value **out)
{
    *out = ms_graph_const_ints(s->scope->g, NULL, v, n);
    return *out ? MS_OK : onnx_site_oom(s);
}

ms_code onnx_site_scalar(struct onnx_site *s, enum ms_dtype t, double v, struct ms_value **out)
{
    const struct ms_shape scalar = ms_shape_scalar();
    union {
        float f32;
        double f64;
        uint16_t u16;
        int64_t i64; /* narrower integers: its first bytes, little endian */
    } u = {0};

    if (t == MS_DTYPE_NONE || t == MS_F32) {
        t = MS_F32;
        u.f32 = (float)v;
    } else if (t == MS_F64) {
        u.f64 = v;
    } else if (t == MS_F16) {
        u.u16 = ms_f32_to_f16((float)v);
    } else if (t == MS_BF16) {
        u.u16 = ms_f32_to_bf16((float)v);
    } else if (t == MS_STRING || isnan(v) || v < -0x1p63 || v >= 0x1p63) {
        return onnx_site_fail(s, MS_INVALID_ARGUMENT, "%g is no number of type %s", v,
                              ms_dtype_name(t));
    } else {
        u.i64 = (int64_t)v;
    }
    *out = ms_graph_const_copy(s->scope->g, NULL, t, &scalar, &u);
    return *out ? MS_OK : onnx_site_oom(s);
}

ms_code onnx_site_out(struct onnx_site *s, int i, struct ms_value *v)
{
    if ((size_t)i >= s->node->out.n || s->node->out.v[i].len == 0)
        return MS_OK;
    if (onnx_bind(s->scope, s->node->out.v[i], v) != MS_OK)
        return onnx_node_prefix(s->scope->r, s->node, s->number);
    return MS_OK;
}

ms_code onnx_site_make(struct onnx_site *s)
{
    const struct ms_op *op = ms_op_find(s->op);
    struct ms_graph *subs[ONNX_MAX_ATTRS] = {0};
    struct ms_node *n;
    int n_out;

    if (!op)
        return onnx_site_fail(s, MS_UNIMPLEMENTED, "operator %s is not supported", s->op);
    if (op->traits & MS_SUBGRAPHS)
        MS_TRY(onnx_site_read_graphs(s, op, subs));
    n_out = s->n_out > op->min_out ? s->n_out : op->min_out;
    n = onnx_site_node(s, s->op, s->in, s->n_in, n_out);
    if (!n)
        return s->scope->r->err->code;
    MS_TRY(onnx_site_set_graphs(s, n, subs));
    MS_TRY(onnx_site_set_attrs(s, n));
    onnx_site_facts(n);
    for (int i = 0; i < s->n_out; i++)
        MS_TRY(onnx_site_out(s, i, n->out[i]));
    return MS_OK;
}
