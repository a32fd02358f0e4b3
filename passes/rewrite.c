/* SPDX-License-Identifier: Apache-2.0 */
/* rewrite.c - what several passes need when they match and replace. */
#include "passes/rewrite.h"

#include <string.h>

#include "base/clock.h"

bool ms_pass_spend(struct ms_pass_ctx *c)
{
    if (c->fuel <= 0)
        return false;
    c->fuel--;
    return (c->fuel & 63) || ms_now() < c->deadline;
}

struct ms_tensor *ms_pass_tensor(struct ms_pass_ctx *c, enum ms_dtype t, const struct ms_shape *s)
{
    struct ms_tensor *x = c->keep ? ms_tensor_new(t, s) : NULL;

    if (x && !c->keep(c->keep_arg, x)) {
        ms_tensor_unref(x);
        return NULL;
    }
    return x;
}

struct ms_value *ms_pass_made(struct ms_graph *g, struct ms_pass_ctx *c, const char *hint,
                              const struct ms_shape *s, const struct ms_recipe *r)
{
    struct ms_tensor *t = c->keep ? ms_tensor_new_made(s, r) : NULL;

    if (t && !c->keep(c->keep_arg, t)) {
        ms_tensor_unref(t);
        return NULL;
    }
    struct ms_value *v = t ? ms_graph_value(g, NULL, hint) : NULL;
    if (!v)
        return NULL;
    v->constant = t;
    v->dtype = MS_F32;
    v->shape = *s;
    return v;
}

struct ms_value *ms_pass_constant(struct ms_graph *g, struct ms_pass_ctx *c, const char *hint,
                                  enum ms_dtype t, const struct ms_shape *s, struct ms_tensor **out)
{
    *out = ms_pass_tensor(c, t, s);
    if (!*out)
        return NULL;
    struct ms_value *v = ms_graph_value(g, NULL, hint);
    if (!v)
        return NULL;
    v->constant = *out;
    v->dtype = t;
    v->shape = *s;
    return v;
}

bool ms_const_scalar(const struct ms_value *v, double *out)
{
    if (!v || !v->constant || ms_dtype_kind(v->dtype) != MS_KIND_FLOAT ||
        ms_tensor_count(v->constant) != 1)
        return false;
    *out = ms_tensor_f64(v->constant, 0);
    return true;
}

/* Weights in a mapped file need not be aligned. */
double ms_const_at(const struct ms_tensor *t, size_t i)
{
    const struct ms_recipe *r = t->recipe;
    float f;

    memcpy(&f, (const char *)(r ? r->from : t)->data + i * sizeof f, sizeof f);
    return (double)(r ? (float)((double)f * r->scale[i / r->per]) : f);
}

/* Does t, broadcast to `rank` dims, vary along `axis` alone (or not at all), with n there? */
static bool varies_along(const struct ms_tensor *t, int rank, int axis, int64_t n)
{
    int shift = rank - t->shape.rank;

    if (shift < 0)
        return false;
    for (int i = 0; i < t->shape.rank; i++) {
        int64_t d = t->shape.dim[i];
        if (d != 1 && (i + shift != axis || d != n))
            return false;
    }
    return true;
}

static bool spread(const struct ms_value *v, int rank, int axis, int64_t n, float *out)
{
    if (!v || !v->constant || v->dtype != MS_F32 || !varies_along(v->constant, rank, axis, n))
        return false;
    bool one = ms_tensor_count(v->constant) == 1;
    for (int64_t i = 0; i < n; i++)
        out[i] = (float)ms_const_at(v->constant, one ? 0 : (size_t)i);
    return true;
}

bool ms_const_channels(const struct ms_value *v, int rank, int64_t channels, float *out)
{
    return rank >= 2 && spread(v, rank, 1, channels, out);
}

bool ms_const_last_axis(const struct ms_value *v, int64_t n, float *out)
{
    int rank = v ? v->shape.rank : 0;

    return spread(v, rank > 0 ? rank : 1, rank > 0 ? rank - 1 : 0, n, out);
}

struct ms_value *ms_other(const struct ms_node *n, const struct ms_value *v)
{
    if (n->n_in != 2)
        return NULL;
    if (n->in[0].value == v)
        return n->in[1].value;
    return n->in[1].value == v ? n->in[0].value : NULL;
}

struct ms_value *ms_const_operand(const struct ms_node *n, struct ms_value **rest)
{
    if (n->n_in != 2 || !ms_in(n, 0) || !ms_in(n, 1))
        return NULL;
    for (int i = 0; i < 2; i++)
        if (ms_in(n, i)->constant && !ms_in(n, 1 - i)->constant) {
            *rest = ms_in(n, 1 - i);
            return ms_in(n, i);
        }
    return NULL;
}

struct ms_node *ms_producer(const struct ms_value *v, const char *op)
{
    return v && v->producer && ms_node_is(v->producer, op) ? v->producer : NULL;
}

struct ms_node *ms_made_by(const struct ms_value *v, const char *op)
{
    struct ms_node *p = ms_producer(v, op);

    return p && v->n_uses == 1 && v->n_outputs == 0 ? p : NULL;
}

void ms_replace_node(struct ms_node *n, struct ms_value *v)
{
    ms_value_replace(n->out[0], v);
    for (int i = 1; i < n->n_out; i++)
        if (n->out[i]->n_uses)
            return; /* another output is read: dead-code decides later */
    ms_node_remove(n);
}

void ms_take_over(struct ms_node *from, struct ms_value *to)
{
    struct ms_value *old = from->out[0];
    const char *name = old->name;

    ms_value_rename(old, to->name);
    ms_value_rename(to, name);
    ms_replace_node(from, to);
}

bool ms_same_shape(const struct ms_value *a, const struct ms_value *b)
{
    return a->shape.rank >= 0 && ms_shape_eq(&a->shape, &b->shape);
}

size_t ms_graph_const_bytes(const struct ms_graph *g)
{
    size_t total = 0;

    for (const struct ms_node *n = g->first; n; n = n->next)
        for (int i = 0; i < n->n_in; i++) {
            const struct ms_value *v = n->in[i].value;
            if (v && v->constant && v->uses == &n->in[i]) /* counted at its newest use only */
                total += v->constant->bytes;
        }
    return total;
}
