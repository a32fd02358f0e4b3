/* SPDX-License-Identifier: Apache-2.0 */
/* onnx_attr.c - attributes of a site: asked for, used up, replaced, and at last given to the node.
 *
 * What an attribute may be is the operator's record's business; a name that the record has not is
 * refused here, by name. */
#include <string.h>

#include "proto/onnx_read.h"

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
        return onnx_site_oom(s);
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

const struct ms_attr_spec *onnx_find_spec(const struct ms_op *op, struct ms_bytes name)
{
    for (const struct ms_attr_spec *spec = op->attrs; spec && spec->name; spec++)
        if (ms_bytes_eq(name, spec->name))
            return spec;
    return NULL;
}

ms_code onnx_site_set_attrs(struct onnx_site *s, struct ms_node *n)
{
    for (int i = 0; i < s->n_attrs; i++) {
        const struct ms_attr_spec *spec;
        struct ms_attr a;
        char text[124];

        if (!s->attr[i] || onnx_attr_type(s->attr[i]) == ONNX_GRAPH)
            continue;
        spec = onnx_find_spec(n->op, s->attr_name[i]);
        if (!spec)
            return onnx_site_fail(
                s, MS_UNIMPLEMENTED, "attribute '%s' is not supported",
                ms_escape(text, sizeof text, s->attr_name[i].data, s->attr_name[i].len));
        if (spec->type == MS_ATTR_STRING && onnx_attr_type(s->attr[i]) == ONNX_INT &&
            s->attr[i]->i == 0)
            continue; /* an element type of 0 says nothing */
        MS_TRY(convert(s, s->attr[i], spec, &a));
        if (!ms_attr_set(n, &a))
            return onnx_site_oom(s);
    }
    for (int i = 0; i < s->n_own; i++)
        if (!ms_attr_set(n, &s->own[i]))
            return onnx_site_oom(s);
    return MS_OK;
}
