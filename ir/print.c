/* SPDX-License-Identifier: Apache-2.0 */
/* print.c - a graph as text, as a drawing (dot) and as JSON.
 *
 *     graph "main" (%x: f32[N,3,8,8]) {
 *       %w = const f32[4,3,3,3] sha256:9f86d081884c7d65...
 *       %shape = const i64[2] sha256:... {0, -1}
 *       %y = Conv(%x, %w, _) {pads=[1,1,1,1]} : f32[N,4,8,8]  # 'conv1'
 *       return %y
 *     }
 *
 * Deterministic: the same graph gives the same bytes on every host. Constants of up to 16 elements
 * show their values, which ir/parse.c reads back. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/sha256.h"
#include "ir/op.h"

enum { SHOWN_ELEMENTS = 16 };

/* ---- pieces ---- */

static bool plain_name(const char *s)
{
    for (; *s; s++)
        if (!((*s >= '0' && *s <= '9') || (*s >= 'a' && *s <= 'z') || (*s >= 'A' && *s <= 'Z') ||
              strchr("._/#-", *s)))
            return false;
    return true;
}

static void put_name(struct ms_buf *b, const struct ms_value *v)
{
    char safe[4200];

    if (!v)
        ms_buf_putc(b, '_');
    else if (plain_name(v->name) && *v->name)
        ms_buf_printf(b, "%%%s", v->name);
    else
        ms_buf_printf(b, "%%\"%s\"", ms_escape(safe, sizeof safe, v->name, strlen(v->name)));
}

static void put_type(struct ms_buf *b, const struct ms_value *v)
{
    char text[MS_MAX_RANK * 90];

    ms_buf_printf(b, "%s%s", ms_dtype_name(v->dtype),
                  ms_shape_text(text, sizeof text, &v->shape, v->graph->syms));
    if (v->layout != MS_PLAIN)
        ms_buf_printf(b, "@%dc", (int)v->layout);
}

static void put_float(struct ms_buf *b, double v, int digits)
{
    if (isnan(v))
        ms_buf_puts(b, "nan");
    else if (isinf(v))
        ms_buf_puts(b, v > 0 ? "inf" : "-inf");
    else
        ms_buf_printf(b, "%.*g", digits, v);
}

static void put_text(struct ms_buf *b, struct ms_bytes s)
{
    char safe[256];

    ms_buf_printf(b, "\"%s\"", ms_escape(safe, sizeof safe, s.data, s.len));
}

static void put_element(struct ms_buf *b, const struct ms_tensor *t, size_t i)
{
    if (t->dtype == MS_STRING)
        put_text(b, ((const struct ms_bytes *)t->data)[i]);
    else if (t->dtype == MS_U64)
        ms_buf_printf(b, "%llu", (unsigned long long)ms_tensor_i64(t, i));
    else if (ms_dtype_kind(t->dtype) != MS_KIND_FLOAT)
        ms_buf_printf(b, "%lld", (long long)ms_tensor_i64(t, i));
    else
        put_float(b, ms_tensor_f64(t, i), t->dtype == MS_F64 ? 17 : 9);
}

static void put_digest(struct ms_buf *b, const struct ms_tensor *t)
{
    char hex[MS_SHA256_HEX] = "?";

    if (t->dtype == MS_STRING) {
        struct ms_sha256 *s = ms_sha256_new();
        uint8_t digest[MS_SHA256_LEN];
        const struct ms_bytes *e = t->data;
        for (size_t i = 0; s && i < ms_tensor_count(t); i++) {
            uint64_t len = e[i].len;
            ms_sha256_add(s, &len, sizeof len);
            ms_sha256_add(s, e[i].data, e[i].len);
        }
        if (s && ms_sha256_get(s, digest))
            ms_hex(hex, digest, sizeof digest);
        ms_sha256_free(s);
    } else if (!t->data && t->recipe) {
        void *made = ms_aligned_alloc(t->bytes);
        if (made) {
            ms_tensor_make(t, made);
            ms_sha256_hex(made, t->bytes, hex);
        }
        ms_aligned_free(made, t->bytes);
    } else {
        ms_sha256_hex(t->data, t->bytes, hex);
    }
    ms_buf_printf(b, "sha256:%s", hex);
}

static void put_tensor(struct ms_buf *b, const struct ms_tensor *t)
{
    char text[MS_MAX_RANK * 24];
    size_t n = ms_tensor_count(t);

    ms_buf_printf(b, "%s%s ", ms_dtype_name(t->dtype),
                  ms_shape_text(text, sizeof text, &t->shape, NULL));
    put_digest(b, t);
    if (n > SHOWN_ELEMENTS || (n && !t->data))
        return;
    ms_buf_puts(b, " {");
    for (size_t i = 0; i < n; i++) {
        ms_buf_puts(b, i ? ", " : "");
        put_element(b, t, i);
    }
    ms_buf_putc(b, '}');
}

static void put_list(struct ms_buf *b, const struct ms_attr *a)
{
    ms_buf_putc(b, '[');
    for (int i = 0; i < a->n; i++) {
        if (i)
            ms_buf_putc(b, ',');
        if (a->type == MS_ATTR_INTS)
            ms_buf_printf(b, "%lld", (long long)a->ints[i]);
        else if (a->type == MS_ATTR_FLOATS)
            put_float(b, a->floats[i], 17);
        else
            put_text(b, a->strings[i]);
    }
    ms_buf_putc(b, ']');
}

static void indent(struct ms_buf *b, int depth)
{
    for (int i = 0; i < depth; i++)
        ms_buf_puts(b, "  ");
}

static void print_graph(const struct ms_graph *g, struct ms_buf *b, int depth);

/* The fewest digits that give the number back, as an f32 where it is one; with a point or exponent,
 * so that reading it gives a float again. */
static void put_float_attr(struct ms_buf *b, double v)
{
    char text[40];
    float narrow = (float)v;

    for (int digits = 6; digits <= 17; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, v);
        if (strtod(text, NULL) == v || ((double)narrow == v && strtof(text, NULL) == narrow))
            break;
    }
    if (isnan(v) || isinf(v)) {
        put_float(b, v, 17);
        return;
    }
    ms_buf_puts(b, text);
    if (!strpbrk(text, ".e"))
        ms_buf_puts(b, ".0");
}

static void put_attr(struct ms_buf *b, const struct ms_attr *a, int depth)
{
    ms_buf_printf(b, "%s=", a->name);
    if (a->type == MS_ATTR_INT)
        ms_buf_printf(b, "%lld", (long long)a->i);
    else if (a->type == MS_ATTR_FLOAT)
        put_float_attr(b, a->f);
    else if (a->type == MS_ATTR_STRING)
        put_text(b, a->s);
    else if (a->type == MS_ATTR_TENSOR)
        put_tensor(b, a->tensor);
    else if (a->type == MS_ATTR_GRAPH)
        print_graph(a->graph, b, depth + 1);
    else
        put_list(b, a);
}

/* ---- text ---- */

/* One constant on a line of its own, the first time it is met. `seen` holds the names that were. */
static void put_constant(struct ms_buf *b, const struct ms_value *v, struct ms_map *seen, int depth)
{
    if (!v || !v->constant || ms_map_gets(seen, v->name))
        return;
    if (!ms_map_put(seen, v->name, strlen(v->name), (void *)(uintptr_t)v)) {
        b->failed = true;
        return;
    }
    indent(b, depth + 1);
    put_name(b, v);
    ms_buf_puts(b, " = const ");
    put_tensor(b, v->constant);
    ms_buf_putc(b, '\n');
}

static void put_node(struct ms_buf *b, const struct ms_node *n, int depth)
{
    char safe[128];

    indent(b, depth + 1);
    for (int i = 0; i < n->n_out; i++) {
        ms_buf_puts(b, i ? ", " : "");
        put_name(b, n->out[i]);
    }
    ms_buf_printf(b, " = %s(", n->op->name);
    for (int i = 0; i < n->n_in; i++) {
        ms_buf_puts(b, i ? ", " : "");
        put_name(b, n->in[i].value);
    }
    ms_buf_putc(b, ')');
    for (int i = 0; i < n->n_attrs; i++) {
        ms_buf_puts(b, i ? ", " : " {");
        put_attr(b, &n->attrs[i], depth);
    }
    ms_buf_puts(b, n->n_attrs ? "} : " : " : ");
    for (int i = 0; i < n->n_out; i++) {
        ms_buf_puts(b, i ? ", " : "");
        put_type(b, n->out[i]);
    }
    if (*n->name)
        ms_buf_printf(b, "  # '%s'", ms_escape(safe, sizeof safe, n->name, strlen(n->name)));
    ms_buf_putc(b, '\n');
}

static void print_graph(const struct ms_graph *g, struct ms_buf *b, int depth)
{
    struct ms_map seen = {0};
    char safe[256];

    ms_buf_printf(b, "graph \"%s\" (", ms_escape(safe, sizeof safe, g->name, strlen(g->name)));
    for (int i = 0; i < g->n_in; i++) {
        ms_buf_puts(b, i ? ", " : "");
        put_name(b, g->in[i]);
        ms_buf_puts(b, ": ");
        put_type(b, g->in[i]);
    }
    ms_buf_puts(b, ") {\n");
    for (const struct ms_node *n = g->first; n; n = n->next) {
        for (int i = 0; i < n->n_in; i++)
            put_constant(b, n->in[i].value, &seen, depth);
        put_node(b, n, depth);
    }
    for (int i = 0; i < g->n_out; i++)
        put_constant(b, g->out[i], &seen, depth);
    ms_map_done(&seen);
    indent(b, depth + 1);
    ms_buf_puts(b, "return ");
    for (int i = 0; i < g->n_out; i++) {
        ms_buf_puts(b, i ? ", " : "");
        put_name(b, g->out[i]);
    }
    ms_buf_putc(b, '\n');
    indent(b, depth);
    ms_buf_puts(b, depth ? "}" : "}\n");
}

void ms_graph_print_text(const struct ms_graph *g, struct ms_buf *out)
{
    print_graph(g, out, 0);
}

/* ---- dot ---- */

/* A drawing's node is called by the value it makes (names are unique in a graph). */
static void dot_id(struct ms_buf *b, const char *prefix, const struct ms_value *v)
{
    char safe[300];

    ms_escape(safe, sizeof safe, v->producer ? v->producer->out[0]->name : v->name,
              strlen(v->producer ? v->producer->out[0]->name : v->name));
    for (char *p = safe; *p; p++)
        if (*p == '"' || *p == '\\')
            *p = '_';
    ms_buf_printf(b, "\"%s%s\"", prefix, safe);
}

static void dot_graph(const struct ms_graph *g, struct ms_buf *b, const char *prefix);

static void dot_sub_graphs(const struct ms_node *n, struct ms_buf *b, const char *prefix,
                           int position)
{
    for (int i = 0; i < n->n_attrs; i++) {
        char inner[64];
        if (n->attrs[i].type != MS_ATTR_GRAPH)
            continue;
        snprintf(inner, sizeof inner, "%.24s%d_%d.", prefix, position, i);
        ms_buf_printf(b, "  subgraph \"cluster_%s\" { label=\"%s\";\n", inner, n->attrs[i].name);
        dot_graph(n->attrs[i].graph, b, inner);
        ms_buf_puts(b, "  }\n");
    }
}

static void dot_node(const struct ms_node *n, struct ms_buf *b, const char *prefix)
{
    ms_buf_puts(b, "  ");
    dot_id(b, prefix, n->out[0]);
    ms_buf_printf(b, " [label=\"%s\"];\n", n->op->name);
    for (int i = 0; i < n->n_in; i++) {
        const struct ms_value *v = n->in[i].value;
        if (!v || v->constant)
            continue;
        ms_buf_puts(b, "  ");
        dot_id(b, prefix, v);
        ms_buf_puts(b, " -> ");
        dot_id(b, prefix, n->out[0]);
        ms_buf_puts(b, " [label=\"");
        put_type(b, v);
        ms_buf_puts(b, "\"];\n");
    }
}

static void dot_graph(const struct ms_graph *g, struct ms_buf *b, const char *prefix)
{
    int position = 0;

    for (int i = 0; i < g->n_in; i++) {
        ms_buf_puts(b, "  ");
        dot_id(b, prefix, g->in[i]);
        ms_buf_puts(b, " [shape=ellipse];\n");
    }
    for (const struct ms_node *n = g->first; n; n = n->next) {
        if (n->n_out)
            dot_node(n, b, prefix);
        dot_sub_graphs(n, b, prefix, position++);
    }
}

void ms_graph_print_dot(const struct ms_graph *g, struct ms_buf *out)
{
    char safe[128];

    ms_buf_printf(out, "digraph \"%s\" {\n  node [shape=box,fontname=Helvetica];\n",
                  ms_escape(safe, sizeof safe, g->name, strlen(g->name)));
    dot_graph(g, out, "");
    ms_buf_puts(out, "}\n");
}

/* ---- JSON ---- */

static void json_value(const struct ms_value *v, struct ms_buf *b)
{
    if (!v) {
        ms_buf_puts(b, "null");
        return;
    }
    struct ms_buf type;
    ms_buf_init(&type, 4096);
    put_type(&type, v);
    ms_buf_puts(b, "{\"name\":");
    ms_buf_json(b, v->name, strlen(v->name));
    ms_buf_puts(b, ",\"type\":");
    ms_buf_json(b, ms_buf_str(&type), type.len);
    if (v->constant) {
        ms_buf_puts(b, ",\"constant\":\"");
        put_digest(b, v->constant);
        ms_buf_putc(b, '"');
    }
    ms_buf_putc(b, '}');
    ms_buf_done(&type);
}

static void json_values(struct ms_value *const *v, int n, struct ms_buf *b)
{
    ms_buf_putc(b, '[');
    for (int i = 0; i < n; i++) {
        if (i)
            ms_buf_putc(b, ',');
        json_value(v[i], b);
    }
    ms_buf_putc(b, ']');
}

static void json_attrs(const struct ms_node *n, struct ms_buf *b)
{
    for (int i = 0; i < n->n_attrs; i++) {
        const struct ms_attr *a = &n->attrs[i];
        struct ms_buf text;
        ms_buf_puts(b, i ? "," : "");
        ms_buf_json(b, a->name, strlen(a->name));
        ms_buf_putc(b, ':');
        if (a->type == MS_ATTR_GRAPH) {
            ms_graph_print_json(a->graph, b);
            continue;
        }
        ms_buf_init(&text, 1 << 20);
        put_attr(&text, a, 0);
        size_t skip = strlen(a->name) + 1;
        ms_buf_json(b, text.len > skip ? text.data + skip : "",
                    text.len > skip ? text.len - skip : 0);
        ms_buf_done(&text);
    }
}

void ms_graph_print_json(const struct ms_graph *g, struct ms_buf *b)
{
    ms_buf_puts(b, "{\"graph\":");
    ms_buf_json(b, g->name, strlen(g->name));
    ms_buf_puts(b, ",\"inputs\":");
    json_values(g->in, g->n_in, b);
    ms_buf_puts(b, ",\"nodes\":[");
    for (const struct ms_node *n = g->first; n; n = n->next) {
        ms_buf_puts(b, n == g->first ? "" : ",");
        ms_buf_printf(b, "{\"op\":\"%s\",\"name\":", n->op->name);
        ms_buf_json(b, n->name, strlen(n->name));
        ms_buf_puts(b, ",\"inputs\":[");
        for (int i = 0; i < n->n_in; i++) {
            ms_buf_puts(b, i ? "," : "");
            json_value(n->in[i].value, b);
        }
        ms_buf_puts(b, "],\"outputs\":");
        json_values(n->out, n->n_out, b);
        ms_buf_puts(b, ",\"attributes\":{");
        json_attrs(n, b);
        ms_buf_puts(b, "}}");
    }
    ms_buf_puts(b, "],\"outputs\":");
    json_values(g->out, g->n_out, b);
    ms_buf_puts(b, g->depth ? "}" : "}\n");
}
