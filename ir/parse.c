/* SPDX-License-Identifier: Apache-2.0 */
/* parse.c - the text form of a graph read back, for tests of passes and of the runtime.
 *
 * Takes what ir/print.c writes, and shorter: types behind nodes and digests of constants may be
 * left out. A constant needs its values, or `fill V` for any number of equal ones:
 *     %w = const f32[64,3,3,3] fill 0.5 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/map.h"
#include "base/mem.h"
#include "ir/op.h"

struct parser {
    const char *at, *end, *start;
    struct ms_arena *arena;
    struct ms_err *err;
};

/* Names of one graph. */
struct scope {
    struct ms_graph *g;
    struct ms_map values;
};

static ms_code bad(struct parser *p, const char *what)
{
    int line = 1;

    for (const char *c = p->start; c < p->at; c++)
        line += *c == '\n';
    return ms_fail(p->err, MS_INVALID_ARGUMENT, "line %d: %s", line, what);
}

/* ---- tokens ---- */

static void skip(struct parser *p)
{
    while (p->at < p->end) {
        if (*p->at == '#') {
            while (p->at < p->end && *p->at != '\n')
                p->at++;
        } else if (strchr(" \t\r\n", *p->at)) {
            p->at++;
        } else {
            return;
        }
    }
}

static bool take(struct parser *p, const char *token)
{
    size_t n = strlen(token);

    skip(p);
    if ((size_t)(p->end - p->at) < n || memcmp(p->at, token, n) != 0)
        return false;
    p->at += n;
    return true;
}

static char peek(struct parser *p)
{
    skip(p);
    return p->at < p->end ? *p->at : '\0';
}

static bool word_char(char c)
{
    return c && (strchr("._/#-", c) || (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') ||
                 (c >= 'A' && c <= 'Z') || c == '_');
}

/* A run of word characters or a quoted text; NULL if there is none. */
static const char *word(struct parser *p, const char *stop)
{
    skip(p);
    const char *from = p->at;
    if (from < p->end && *from == '"') {
        const char *close = memchr(from + 1, '"', (size_t)(p->end - from - 1));
        if (!close)
            return NULL;
        p->at = close + 1;
        return ms_arena_strndup(p->arena, from + 1, (size_t)(close - from - 1));
    }
    while (p->at < p->end && word_char(*p->at) && !strchr(stop, *p->at))
        p->at++;
    return p->at > from ? ms_arena_strndup(p->arena, from, (size_t)(p->at - from)) : NULL;
}

static bool number(struct parser *p, double *f, int64_t *i, bool *is_float)
{
    char text[64];
    size_t n = 0;
    char *end;

    skip(p);
    while (p->at < p->end && n < sizeof text - 1 && (strchr("+-.", *p->at) || word_char(*p->at)))
        text[n++] = *p->at++;
    text[n] = '\0';
    errno = 0;
    *i = strtoll(text, &end, 10);
    *is_float = *end != '\0' || errno == ERANGE;
    if (!*is_float) {
        *f = (double)*i;
        return n > 0;
    }
    *f = strtod(text, &end);
    return n > 0 && *end == '\0';
}

/* ---- types ---- */

static ms_code dims(struct parser *p, struct ms_syms *syms, struct ms_shape *s)
{
    *s = ms_shape_scalar();
    if (!take(p, "["))
        return bad(p, "expected '['");
    if (take(p, "?]")) {
        *s = ms_shape_unknown();
        return MS_OK;
    }
    while (!take(p, "]")) {
        if (s->rank == MS_MAX_RANK)
            return bad(p, "too many dims");
        take(p, ",");
        char c = peek(p);
        if (c >= '0' && c <= '9') {
            double f;
            bool is_float;
            if (!number(p, &f, &s->dim[s->rank], &is_float) || is_float)
                return bad(p, "bad dim");
        } else {
            bool fresh = take(p, "?");
            const char *name = word(p, "");
            if (!name && !fresh)
                return bad(p, "bad dim");
            s->dim[s->rank] = ms_syms_get(syms, fresh ? NULL : name);
        }
        s->rank++;
    }
    if (peek(p) == '@') /* a layout: assigned again by the pass */
        while (p->at < p->end && !strchr(",) \n", *p->at))
            p->at++;
    return MS_OK;
}

static ms_code type(struct parser *p, struct ms_syms *syms, enum ms_dtype *t, struct ms_shape *s)
{
    const char *name = word(p, "");

    *t = name ? ms_dtype_from_name(name) : MS_DTYPE_NONE;
    if (*t == MS_DTYPE_NONE)
        return bad(p, "expected a dtype");
    return dims(p, syms, s);
}

/* ---- constants ---- */

static void store_element(struct ms_tensor *t, size_t i, double f, int64_t n, bool is_float)
{
    char *at = (char *)t->data + i * ms_dtype_size(t->dtype);
    float f32 = (float)f;
    uint16_t half = t->dtype == MS_F16 ? ms_f32_to_f16(f32) : ms_f32_to_bf16(f32);

    if (t->dtype == MS_F32)
        memcpy(at, &f32, sizeof f32);
    else if (t->dtype == MS_F64)
        memcpy(at, &f, sizeof f);
    else if (t->dtype == MS_F16 || t->dtype == MS_BF16)
        memcpy(at, &half, sizeof half);
    else {
        int64_t v = is_float ? (int64_t)f : n;
        memcpy(at, &v, ms_dtype_size(t->dtype)); /* little endian */
    }
}

static ms_code elements(struct parser *p, struct ms_tensor *t)
{
    size_t n = ms_tensor_count(t);
    bool fill = take(p, "fill");
    double f = 0;
    int64_t v = 0;
    bool is_float = false;

    if (!fill && !take(p, "{"))
        return bad(p, "a constant needs { values } or fill");
    for (size_t i = 0; i < n; i++) {
        if (!fill && i)
            take(p, ",");
        if ((!fill || i == 0) && !number(p, &f, &v, &is_float))
            return bad(p, "bad number in a constant");
        store_element(t, i, f, v, is_float);
    }
    return fill || take(p, "}") ? MS_OK : bad(p, "expected '}'");
}

static ms_code tensor(struct parser *p, struct ms_syms *syms, struct ms_tensor **out)
{
    struct ms_shape s;
    enum ms_dtype t;

    MS_TRY(type(p, syms, &t, &s));
    if (take(p, "sha256:"))
        (void)word(p, "");
    struct ms_tensor *x = ms_arena_alloc(p->arena, sizeof *x);
    if (!x || t == MS_STRING || !ms_tensor_borrow(x, t, &s, NULL))
        return bad(p, "bad constant");
    x->data = ms_arena_alloc(p->arena, x->bytes);
    if (!x->data)
        return ms_fail_oom(p->err, "constant", x->bytes);
    *out = x;
    return elements(p, x);
}

/* ---- attributes ---- */

static ms_code graph(struct parser *p, struct ms_graph *parent, struct ms_graph **out);

static ms_code attr_list(struct parser *p, struct ms_node *n, const char *name,
                         const struct ms_attr_spec *spec)
{
    int64_t ints[256];
    double floats[256];
    int count = 0;
    bool any_float = spec && spec->type == MS_ATTR_FLOATS;

    while (!take(p, "]")) {
        bool is_float;
        if (count == 256)
            return bad(p, "list too long");
        take(p, ",");
        if (!number(p, &floats[count], &ints[count], &is_float))
            return bad(p, "bad list");
        any_float |= is_float;
        count++;
    }
    bool ok = any_float ? ms_attr_set_floats(n, name, floats, count)
                        : ms_attr_set_ints(n, name, ints, count);
    return ok ? MS_OK : ms_fail_oom(p->err, name, 0);
}

static ms_code attr_number(struct parser *p, struct ms_node *n, const char *name,
                           const struct ms_attr_spec *spec)
{
    double f;
    int64_t i;
    bool is_float, ok;

    if (!number(p, &f, &i, &is_float))
        return bad(p, "bad attribute");
    if (is_float || (spec && spec->type == MS_ATTR_FLOAT))
        ok = ms_attr_set_float(n, name, f);
    else
        ok = ms_attr_set_int(n, name, i);
    return ok ? MS_OK : ms_fail_oom(p->err, name, 0);
}

static ms_code attr(struct parser *p, struct ms_node *n)
{
    const char *name = word(p, "");

    if (!name || !take(p, "="))
        return bad(p, "expected NAME=");
    const struct ms_attr_spec *spec = ms_op_attr(n->op, name);
    if (peek(p) == '"') {
        const char *text = word(p, "");
        return text && ms_attr_set_str(n, name, text) ? MS_OK : bad(p, "bad string");
    }
    if (take(p, "["))
        return attr_list(p, n, name, spec);
    if (spec && spec->type == MS_ATTR_GRAPH) {
        struct ms_graph *g;
        MS_TRY(graph(p, n->graph, &g));
        return ms_attr_set_graph(n, name, g) ? MS_OK : ms_fail_oom(p->err, name, 0);
    }
    if (spec && spec->type == MS_ATTR_TENSOR) {
        struct ms_tensor *t;
        MS_TRY(tensor(p, n->graph->syms, &t));
        struct ms_attr a = {.name = name, .type = MS_ATTR_TENSOR, .tensor = t};
        return ms_attr_set(n, &a) ? MS_OK : ms_fail_oom(p->err, name, 0);
    }
    return attr_number(p, n, name, spec);
}

/* ---- statements ---- */

static ms_code define(struct parser *p, struct scope *s, const char *name, struct ms_value *v)
{
    if (ms_map_gets(&s->values, name))
        return bad(p, "a name is defined twice");
    if (!ms_map_put(&s->values, name, strlen(name), v))
        return ms_fail_oom(p->err, "names", 0);
    ms_value_rename(v, name);
    return MS_OK;
}

static ms_code operand(struct parser *p, struct scope *s, struct ms_value **out)
{
    *out = NULL;
    if (take(p, "_"))
        return MS_OK;
    if (!take(p, "%"))
        return bad(p, "expected %name");
    const char *name = word(p, "");
    *out = name ? ms_map_gets(&s->values, name) : NULL;
    return *out ? MS_OK : bad(p, "a name is used before it is defined");
}

enum { MAX_OPERANDS = 256 };

static ms_code node(struct parser *p, struct scope *s, const char *const *names, int n_out)
{
    struct ms_value *in[MAX_OPERANDS];
    int n_in = 0;
    const char *kind = word(p, "");
    const struct ms_op *op = kind ? ms_op_find(kind) : NULL;

    if (!op)
        return ms_fail(p->err, MS_UNIMPLEMENTED, "operator %s is not supported", kind ? kind : "?");
    if (!take(p, "("))
        return bad(p, "expected '('");
    while (!take(p, ")")) {
        if (n_in == MAX_OPERANDS)
            return bad(p, "too many operands");
        take(p, ",");
        MS_TRY(operand(p, s, &in[n_in++]));
    }
    struct ms_node *n = ms_graph_node(s->g, NULL, op, NULL, in, n_in, n_out);
    if (!n)
        return ms_fail_oom(p->err, "node", 0);
    n->number = s->g->n_nodes - 1;
    for (int i = 0; i < n_out; i++)
        MS_TRY(define(p, s, names[i], n->out[i]));
    if (take(p, "{"))
        while (!take(p, "}")) {
            take(p, ",");
            MS_TRY(attr(p, n));
        }
    for (int i = 0; take(p, i ? "," : ":"); i++) {
        if (i >= n_out)
            return bad(p, "more types than outputs");
        MS_TRY(type(p, s->g->syms, &n->out[i]->dtype, &n->out[i]->shape));
    }
    return MS_OK;
}

static ms_code statement(struct parser *p, struct scope *s)
{
    const char *names[64];
    int n = 0;

    do {
        if (n == 64 || !take(p, "%"))
            return bad(p, "expected %name");
        names[n] = word(p, "");
        if (!names[n++])
            return bad(p, "expected a name");
    } while (take(p, ","));
    if (!take(p, "="))
        return bad(p, "expected '='");
    if (!take(p, "const "))
        return node(p, s, names, n);
    struct ms_tensor *t;
    MS_TRY(tensor(p, s->g->syms, &t));
    struct ms_value *v = ms_graph_constant(s->g, names[0], t);
    return v ? define(p, s, names[0], v) : ms_fail_oom(p->err, "constant", 0);
}

static ms_code inputs(struct parser *p, struct scope *s)
{
    if (!take(p, "("))
        return bad(p, "expected '('");
    while (!take(p, ")")) {
        struct ms_shape shape;
        enum ms_dtype t;
        take(p, ",");
        if (!take(p, "%"))
            return bad(p, "expected %name");
        const char *name = word(p, ":");
        if (!name || !take(p, ":"))
            return bad(p, "expected %name: type");
        MS_TRY(type(p, s->g->syms, &t, &shape));
        struct ms_value *v = ms_graph_input(s->g, name, t, &shape);
        if (!v)
            return ms_fail_oom(p->err, "input", 0);
        MS_TRY(define(p, s, name, v));
    }
    return MS_OK;
}

static ms_code body(struct parser *p, struct scope *s)
{
    const char *name;

    if (!take(p, "graph") || !(name = word(p, "")))
        return bad(p, "expected graph \"name\"");
    s->g->name = name;
    MS_TRY(inputs(p, s));
    if (!take(p, "{"))
        return bad(p, "expected '{'");
    while (!take(p, "return"))
        MS_TRY(statement(p, s));
    do {
        struct ms_value *v;
        MS_TRY(operand(p, s, &v));
        if (!v)
            return bad(p, "an output cannot be left out");
        MS_TRY(ms_graph_add_output(s->g, v, p->err));
    } while (take(p, ","));
    return take(p, "}") ? MS_OK : bad(p, "expected '}'");
}

static ms_code graph(struct parser *p, struct ms_graph *parent, struct ms_graph **out)
{
    struct scope s = {.g = ms_graph_new(p->arena, parent, "")};

    if (!s.g)
        return ms_fail_oom(p->err, "graph", sizeof *s.g);
    if (s.g->depth > 16)
        return bad(p, "sub-graphs nest too deep");
    ms_code code = body(p, &s);
    ms_map_done(&s.values);
    *out = s.g;
    return code;
}

ms_code ms_graph_parse_text(const char *text, size_t len, struct ms_arena *a, struct ms_graph **g,
                            struct ms_err *err)
{
    struct parser p = {.at = text, .end = text + len, .start = text, .arena = a, .err = err};

    MS_TRY(graph(&p, NULL, g));
    return peek(&p) == '\0' ? MS_OK : bad(&p, "text behind the graph");
}
