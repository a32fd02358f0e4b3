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

static ms_code oom(struct onnx_site *s)
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
        return oom(s);
    for (size_t i = 0; i < count; i++)
        if (n->in.v[i].len > 0 && onnx_lookup(s->scope, n->in.v[i], &s->in[i]) != MS_OK)
            return onnx_node_prefix(s->scope->r, n, s->number);
    return MS_OK;
}

static const struct onnx_attr *find_attr(const struct onnx_attr *v, size_t n, struct ms_bytes name)
{
    for (size_t i = 0; i < n; i++)
        if (v[i].name.len == name.len && memcmp(v[i].name.data, name.data, name.len) == 0)
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
        return oom(s);
    MS_TRY(open_inputs(s));
    return open_attrs(s);
}

/* ---- attributes ---- */

int64_t onnx_attr_type(const struct onnx_attr *a)
{
    if (a->type != 0)
        return a->type;
    if (a->t) /* IR version 1 has no types */
        return ONNX_TENSOR;
    if (a->g)
        return ONNX_GRAPH;
    if (a->floats.n)
        return ONNX_FLOATS;
    if (a->ints.n)
        return ONNX_INTS;
    if (a->strings.n)
        return ONNX_STRINGS;
    if (ms_wire_has(&a->head, 4))
        return ONNX_STRING;
    return ms_wire_has(&a->head, 2) ? ONNX_FLOAT : ONNX_INT;
}

const struct onnx_attr *onnx_site_attr(struct onnx_site *s, const char *name, bool take)
{
    for (int i = 0; i < s->n_attrs; i++) {
        const struct onnx_attr *a = s->attr[i];

        if (!a || !ms_bytes_eq(s->attr_name[i], name))
            continue;
        if (take)
            s->attr[i] = NULL;
        return a;
    }
    return NULL;
}

ms_code onnx_site_take_int(struct onnx_site *s, const char *name, int64_t def, int64_t *v)
{
    const struct onnx_attr *a = onnx_site_attr(s, name, true);

    *v = def;
    if (!a)
        return MS_OK;
    if (onnx_attr_type(a) != ONNX_INT)
        return onnx_site_fail(s, MS_INVALID_ARGUMENT, "attribute '%s' must be an int", name);
    *v = a->i;
    return MS_OK;
}

static struct ms_attr *own_attr(struct onnx_site *s, const char *name)
{
    for (int i = 0; i < s->n_own; i++)
        if (strcmp(s->own[i].name, name) == 0)
            return &s->own[i];
    if (s->n_own == (int)(sizeof s->own / sizeof *s->own))
        return &s->own[0]; /* no lowering sets that many */
    return &s->own[s->n_own++];
}

void onnx_site_set_int(struct onnx_site *s, const char *name, int64_t v)
{
    *own_attr(s, name) = (struct ms_attr){.name = name, .type = MS_ATTR_INT, .i = v};
}

void onnx_site_set_str(struct onnx_site *s, const char *name, const char *v)
{
    *own_attr(s, name) =
        (struct ms_attr){.name = name, .type = MS_ATTR_STRING, .s = ms_bytes(v, strlen(v))};
}

/* "a|b|c" holds the word. */
static bool is_choice(const char *choices, const char *word)
{
    const size_t len = strlen(word);

    for (const char *p = choices; *p; p += *p == '|') {
        const size_t n = strcspn(p, "|");

        if (n == len && memcmp(p, word, n) == 0)
            return true;
        p += n;
    }
    return false;
}

/* A dtype that the file gives as a number, and the operator's record wants by name. */
static ms_code convert_dtype(struct onnx_site *s, const struct ms_attr_spec *spec, int64_t code,
                             struct ms_attr *to)
{
    const enum ms_dtype t = onnx_dtype(code);

    if (t == MS_DTYPE_NONE || (spec->choices && !is_choice(spec->choices, ms_dtype_name(t))))
        return onnx_site_fail(s, MS_UNIMPLEMENTED,
                              "attribute %s: element type %lld (%s) is not supported", spec->name,
                              (long long)code, onnx_dtype_name(code));
    to->type = MS_ATTR_STRING;
    to->s = ms_bytes(ms_dtype_name(t), strlen(ms_dtype_name(t)));
    return MS_OK;
}

static ms_code convert_floats(struct onnx_site *s, const struct onnx_attr *a, struct ms_attr *to)
{
    double *v = ms_arena_array(s->scope->r->tmp, a->floats.n, sizeof *v);

    if (!v)
        return oom(s);
    for (size_t i = 0; i < a->floats.n; i++)
        v[i] = (double)a->floats.v[i];
    to->type = MS_ATTR_FLOATS;
    to->n = (int)a->floats.n;
    to->floats = v;
    return MS_OK;
}

static ms_code convert_tensor(struct onnx_site *s, const struct onnx_attr *a, struct ms_attr *to)
{
    struct onnx_reader *r = s->scope->r;

    if (!a->t)
        return onnx_site_fail(s, MS_INVALID_ARGUMENT, "attribute '%s' has no tensor", to->name);
    to->type = MS_ATTR_TENSOR;
    if (onnx_tensor_make(a->t, &r->files, r->arena, &to->tensor, r->err) == MS_OK)
        return MS_OK;
    ms_err_prefix(r->err, "attribute %s", to->name);
    return onnx_node_prefix(r, s->node, s->number);
}

/* The file's attribute as one of ours, for a row of the operator's table. Graphs come elsewhere. */
static ms_code convert(struct onnx_site *s, const struct onnx_attr *a,
                       const struct ms_attr_spec *spec, struct ms_attr *to)
{
    const int64_t type = onnx_attr_type(a);

    *to = (struct ms_attr){.name = spec->name};
    if (a->floats.n > INT32_MAX || a->ints.n > INT32_MAX || a->strings.n > INT32_MAX)
        return onnx_site_fail(s, MS_INVALID_ARGUMENT, "attribute %s is too long", spec->name);
    switch (type) {
    case ONNX_INT:
        if (spec->type == MS_ATTR_STRING)
            return convert_dtype(s, spec, a->i, to);
        to->type = MS_ATTR_INT;
        to->i = a->i;
        return MS_OK;
    case ONNX_FLOAT:
        to->type = MS_ATTR_FLOAT;
        to->f = (double)a->f;
        return MS_OK;
    case ONNX_STRING:
        to->type = MS_ATTR_STRING;
        to->s = a->s;
        return MS_OK;
    case ONNX_INTS:
        to->type = MS_ATTR_INTS;
        to->n = (int)a->ints.n;
        to->ints = a->ints.v;
        return MS_OK;
    case ONNX_FLOATS:
        return convert_floats(s, a, to);
    case ONNX_STRINGS:
        to->type = MS_ATTR_STRINGS;
        to->n = (int)a->strings.n;
        to->strings = a->strings.v;
        return MS_OK;
    case ONNX_TENSOR:
        return convert_tensor(s, a, to);
    default:
        return onnx_site_fail(s, MS_UNIMPLEMENTED,
                              "attribute %s has type %lld, which is not supported", spec->name,
                              (long long)type);
    }
}

static const struct ms_attr_spec *find_spec(const struct ms_op *op, struct ms_bytes name)
{
    for (const struct ms_attr_spec *spec = op->attrs; spec && spec->name; spec++)
        if (ms_bytes_eq(name, spec->name))
            return spec;
    return NULL;
}

static ms_code set_attrs(struct onnx_site *s, struct ms_node *n)
{
    for (int i = 0; i < s->n_attrs; i++) {
        const struct ms_attr_spec *spec;
        struct ms_attr a;
        char text[124];

        if (!s->attr[i] || onnx_attr_type(s->attr[i]) == ONNX_GRAPH)
            continue;
        spec = find_spec(n->op, s->attr_name[i]);
        if (!spec)
            return onnx_site_fail(
                s, MS_UNIMPLEMENTED, "attribute '%s' is not supported",
                ms_escape(text, sizeof text, s->attr_name[i].data, s->attr_name[i].len));
        if (spec->type == MS_ATTR_STRING && onnx_attr_type(s->attr[i]) == ONNX_INT &&
            s->attr[i]->i == 0)
            continue; /* an element type of 0 says nothing */
        MS_TRY(convert(s, s->attr[i], spec, &a));
        if (!ms_attr_set(n, &a))
            return oom(s);
    }
    for (int i = 0; i < s->n_own; i++)
        if (!ms_attr_set(n, &s->own[i]))
            return oom(s);
    return MS_OK;
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
        oom(s);
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
    return *out ? MS_OK : oom(s);
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
    return *out ? MS_OK : oom(s);
}

ms_code onnx_site_out(struct onnx_site *s, int i, struct ms_value *v)
{
    if ((size_t)i >= s->node->out.n || s->node->out.v[i].len == 0)
        return MS_OK;
    if (onnx_bind(s->scope, s->node->out.v[i], v) != MS_OK)
        return onnx_node_prefix(s->scope->r, s->node, s->number);
    return MS_OK;
}

/* ---- sub-graphs ---- */

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
        return oom(s);
    for (int i = 0; i < s->n_attrs && code == MS_OK; i++) {
        const struct onnx_graph *g = s->attr[i] ? s->attr[i]->g : NULL;

        for (size_t k = 0; g && k < g->n_free && code == MS_OK; k++) {
            const struct ms_bytes b = g->free[k];

            if (ms_map_get(&met, (const char *)b.data, b.len))
                continue;
            (*names)[(*n)++] = b;
            if (!ms_map_put(&met, (const char *)b.data, b.len, *names))
                code = oom(s);
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
        return oom(s);
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

static ms_code read_graphs(struct onnx_site *s, const struct ms_op *op, struct ms_graph **subs)
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
        spec = find_spec(op, s->attr_name[i]);
        if (!spec || !s->attr[i]->g)
            return onnx_site_fail(s, MS_INVALID_ARGUMENT, "a graph attribute that %s does not take",
                                  op->name);
        MS_TRY(onnx_read_sub(s->scope, s->attr[i]->g, spec->name, captured, n_captured, &subs[i]));
    }
    return MS_OK;
}

static ms_code set_graphs(struct onnx_site *s, struct ms_node *n, struct ms_graph *const *subs)
{
    for (int i = 0; i < s->n_attrs; i++)
        if (subs[i] && !ms_attr_set_graph(n, find_spec(n->op, s->attr_name[i])->name, subs[i]))
            return oom(s);
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
        MS_TRY(read_graphs(s, op, subs));
    n_out = s->n_out > op->min_out ? s->n_out : op->min_out;
    n = onnx_site_node(s, s->op, s->in, s->n_in, n_out);
    if (!n)
        return s->scope->r->err->code;
    MS_TRY(set_graphs(s, n, subs));
    MS_TRY(set_attrs(s, n));
    onnx_site_facts(n);
    for (int i = 0; i < s->n_out; i++)
        MS_TRY(onnx_site_out(s, i, n->out[i]));
    return MS_OK;
}
