/* SPDX-License-Identifier: Apache-2.0 */
/* onnx_call.c - local functions: what a node calls, and the function's nodes put in its place.
 *
 * The nodes go into the caller's graph under names with the call's own prefix, in a scope of their
 * own. Calls are bounded in depth (ONNX_MAX_CALLS) and, since functions that call functions can
 * double at each step, in nodes altogether. */
#include <string.h>

#include "proto/onnx_read.h"

bool onnx_is_standard(struct ms_bytes domain)
{
    return domain.len == 0 || ms_bytes_eq(domain, "ai.onnx");
}

int64_t onnx_standard_opset(const struct onnx_opset *v, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (onnx_is_standard(v[i].domain))
            return v[i].version;
    return 0;
}

size_t onnx_function_key(char *dst, size_t size, struct ms_bytes domain, struct ms_bytes name,
                         struct ms_bytes overload)
{
    const struct ms_bytes part[] = {onnx_is_standard(domain) ? ms_bytes(NULL, 0) : domain, name,
                                    overload};
    size_t at = 0;

    for (int i = 0; i < 3; i++) {
        if (part[i].len >= size - at)
            return 0;
        if (part[i].len > 0)
            memcpy(dst + at, part[i].data, part[i].len);
        at += part[i].len;
        dst[at++] = '\0';
    }
    return at;
}

const struct onnx_function *onnx_function_of(const struct onnx_reader *r, const struct onnx_node *n)
{
    char key[ONNX_MAX_KEY];
    size_t len;

    if (r->model->functions.n == 0)
        return NULL;
    len = onnx_function_key(key, sizeof key, n->domain, n->op, n->overload);
    return len > 0 ? ms_map_get(&r->functions, key, len) : NULL;
}

/* Formal inputs answer to the call's values. */
static ms_code bind_arguments(struct onnx_scope *in, struct onnx_scope *outer,
                              const struct onnx_call *c)
{
    if (c->node->in.n > c->f->in.n || c->node->out.n > c->f->out.n)
        return ms_fail(in->r->err, MS_INVALID_ARGUMENT,
                       "more inputs or outputs than the function has");
    for (size_t i = 0; i < c->f->in.n; i++) {
        struct ms_value *v = NULL;

        if (i < c->node->in.n && c->node->in.v[i].len > 0)
            MS_TRY(onnx_lookup(outer, c->node->in.v[i], &v));
        MS_TRY(onnx_put_name(in, c->f->in.v[i], v));
    }
    return MS_OK;
}

/* The function's results answer to the call's names. A value that is not the function's own, or was
 * given a name already, is passed on through Identity, so that every name has a value. */
static ms_code bind_results(struct onnx_scope *in, struct onnx_scope *outer,
                            const struct onnx_call *c)
{
    for (size_t i = 0; i < c->node->out.n; i++) {
        struct ms_value *v;

        if (c->node->out.v[i].len == 0)
            continue;
        MS_TRY(onnx_lookup_present(in, c->f->out.v[i], &v));
        if (!v->producer || strncmp(v->name, in->prefix, strlen(in->prefix)) != 0) {
            v = ms_graph_op(in->g, NULL, "Identity", &v, 1);
            if (!v)
                return ms_fail(in->r->err, MS_UNIMPLEMENTED, "operator Identity is not supported");
            onnx_site_facts(v->producer);
        }
        MS_TRY(onnx_bind(outer, c->node->out.v[i], v));
    }
    return MS_OK;
}

static ms_code fill_call(struct onnx_scope *in, struct onnx_scope *outer, const struct onnx_call *c)
{
    MS_TRY(bind_arguments(in, outer, c));
    MS_TRY(onnx_read_nodes(in, c->f->nodes.v, c->f->nodes.n));
    return bind_results(in, outer, c);
}

ms_code onnx_read_call(struct onnx_scope *outer, const struct onnx_node *n, size_t number,
                       const struct onnx_function *f)
{
    struct onnx_reader *r = outer->r;
    const struct onnx_call call = {
        .outer = outer->call, .f = f, .node = n, .depth = outer->call ? outer->call->depth + 1 : 1};
    struct onnx_scope in = {.r = r,
                            .g = outer->g,
                            .call = &call,
                            .opset = onnx_standard_opset(f->opsets.v, f->opsets.n)};
    ms_code code;

    for (const struct onnx_call *c = outer->call; c; c = c->outer)
        if (c->f == f)
            return onnx_node_fail(r, n, number, MS_INVALID_ARGUMENT, "the function calls itself");
    if (call.depth > ONNX_MAX_CALLS)
        return onnx_node_fail(r, n, number, MS_INVALID_ARGUMENT,
                              "more than %d calls inside each other", ONNX_MAX_CALLS);
    in.prefix = ms_arena_printf(r->arena, "%s%.*s#%u/", outer->prefix,
                                (int)(n->name.len < 64 ? n->name.len : 64),
                                n->name.len ? (const char *)n->name.data : "", r->calls++);
    code = in.prefix ? fill_call(&in, outer, &call) : ms_fail_oom(r->err, "graph", r->arena->used);
    onnx_scope_done(&in);
    if (code != MS_OK &&
        !outer->call) { /* the call in the model's own graph is enough of a place */
        ms_err_prefix(r->err, "in the function");
        onnx_node_prefix(r, n, number);
    }
    return code;
}
