/* SPDX-License-Identifier: Apache-2.0 */
/* infer.c - dtypes and shapes of every value, by the operators' own rules.
 *
 * The same rules serve at load (symbols), when a plan is made and while running (sizes). What a
 * file records is a claim: it is compared with what the rules give, never used instead. */
#include <stdio.h>
#include <string.h>

#include "ir/op.h"

struct ms_fact ms_value_fact(const struct ms_value *v)
{
    if (!v)
        return (struct ms_fact){.dtype = MS_DTYPE_NONE};
    return (struct ms_fact){.dtype = v->dtype,
                            .shape = v->shape,
                            .value = v->constant,
                            .sym = v->sym,
                            .n_sym = v->n_sym};
}

/* ---- helpers for the rules ---- */

ms_code ms_infer_same(struct ms_infer *c)
{
    for (int i = 0; i < c->node->n_out; i++) {
        c->out[i].dtype = c->in[0].dtype;
        c->out[i].shape = c->in[0].shape;
    }
    return MS_OK;
}

static bool value_ints(const struct ms_tensor *t, int64_t *out, int *n)
{
    enum ms_dtype_kind k = ms_dtype_kind(t->dtype);
    size_t count;

    if ((k != MS_KIND_INT && k != MS_KIND_UINT && k != MS_KIND_BOOL) ||
        !ms_shape_count(&t->shape, &count) || count > MS_MAX_SYM_CONTENT)
        return false;
    for (size_t i = 0; i < count; i++) {
        int64_t v = ms_tensor_i64(t, i);
        out[i] = v < MS_INT_FLOOR ? MS_INT_FLOOR : v;
    }
    *n = (int)count;
    return true;
}

bool ms_infer_ints(const struct ms_infer *c, int i, int64_t *out, int *n)
{
    if (!ms_infer_has(c, i))
        return false;
    const struct ms_fact *f = &c->in[i];
    if (f->value)
        return value_ints(f->value, out, n);
    if (!f->sym || f->n_sym > MS_MAX_SYM_CONTENT)
        return false;
    for (int k = 0; k < f->n_sym; k++)
        out[k] = f->sym[k];
    *n = f->n_sym;
    return true;
}

bool ms_infer_const_ints(const struct ms_infer *c, int i, int64_t *out, int *n)
{
    if (!ms_infer_ints(c, i, out, n))
        return false;
    for (int k = 0; k < *n; k++)
        if (ms_is_sym(out[k]))
            return false;
    return true;
}

void ms_infer_set_ints(struct ms_infer *c, int i, const int64_t *v, int n)
{
    int64_t *copy =
        n <= MS_MAX_SYM_CONTENT ? ms_arena_array(c->arena, (size_t)n, sizeof *copy) : NULL;

    if (!copy) /* only less is known */
        return;
    if (n)
        memcpy(copy, v, (size_t)n * sizeof *copy);
    c->out[i].sym = copy;
    c->out[i].n_sym = n;
}

/* ---- one node ---- */

static ms_code check_dtypes(const struct ms_node *n, const struct ms_fact *in, struct ms_err *err)
{
    for (int i = 0; i < n->n_in; i++) {
        ms_dtypes allowed = ms_op_in_dtypes(n->op, i);
        if (in[i].dtype == MS_DTYPE_NONE || !allowed || (allowed >> in[i].dtype & 1))
            continue;
        return ms_node_fail(n, err, MS_INVALID_ARGUMENT, "input %d may not be %s", i,
                            ms_dtype_name(in[i].dtype));
    }
    return MS_OK;
}

/* The first dim beyond MS_MAX_DIM; -1 if there is none. */
static int oversized(const struct ms_shape *s)
{
    for (int d = 0; d < s->rank && d < MS_MAX_RANK; d++)
        if (s->dim[d] > MS_MAX_DIM)
            return d;
    return -1;
}

static ms_code check_operand(const struct ms_node *n, int i, const struct ms_fact *f,
                             struct ms_err *err)
{
    const int d = oversized(&f->shape);
    size_t count;

    if (d >= 0)
        return ms_node_fail(n, err, MS_INVALID_ARGUMENT, "input %d: dim %d is %lld, too large", i,
                            d, (long long)f->shape.dim[d]);
    if (i < 32 && (n->op->scalars >> i & 1) && ms_shape_count(&f->shape, &count) && count != 1)
        return ms_node_fail(n, err, MS_INVALID_ARGUMENT, "input %d must be one number, not %zu", i,
                            count);
    return MS_OK;
}

ms_code ms_node_check_operands(const struct ms_node *n, const struct ms_fact *in,
                               struct ms_err *err)
{
    MS_TRY(check_dtypes(n, in, err));
    for (int i = 0; i < n->n_in; i++)
        if (in[i].dtype != MS_DTYPE_NONE)
            MS_TRY(check_operand(n, i, &in[i], err));
    return MS_OK;
}

static ms_code check_result(const struct ms_node *n, int i, const struct ms_fact *f,
                            struct ms_err *err)
{
    if (f->dtype == MS_DTYPE_NONE)
        return ms_node_fail(n, err, MS_INTERNAL, "output %d has no dtype", i);
    if (f->shape.rank > MS_MAX_RANK)
        return ms_node_fail(n, err, MS_INVALID_ARGUMENT,
                            "output %d has rank %d, at most %d is supported", i, f->shape.rank,
                            MS_MAX_RANK);
    for (int d = 0; d < f->shape.rank; d++)
        if (f->shape.dim[d] < 0 && !ms_is_sym(f->shape.dim[d]))
            return ms_node_fail(n, err, MS_INVALID_ARGUMENT, "output %d: dim %d would be %lld", i,
                                d, (long long)f->shape.dim[d]);
    if (oversized(&f->shape) >= 0)
        return ms_node_fail(n, err, MS_INVALID_ARGUMENT, "output %d is too large", i);
    size_t bytes;
    if (ms_shape_static(&f->shape) && !ms_shape_bytes(&f->shape, f->dtype, &bytes))
        return ms_node_fail(n, err, MS_INVALID_ARGUMENT, "output %d is too large", i);
    return MS_OK;
}

ms_code ms_node_infer(const struct ms_node *n, const struct ms_fact *in, struct ms_fact *out,
                      struct ms_syms *syms, struct ms_arena *scratch, struct ms_err *err)
{
    struct ms_err own;
    struct ms_infer c = {
        .node = n, .in = in, .out = out, .syms = syms, .arena = scratch, .err = &own};
    char label[256];

    MS_TRY(ms_node_check_operands(n, in, err));
    for (int i = 0; i < n->n_out; i++)
        out[i] = (struct ms_fact){.shape = ms_shape_unknown()};
    ms_code code = n->op->infer(&c);
    if (code != MS_OK) {
        if (err) {
            *err = own;
            ms_err_prefix(err, "%s", ms_node_label(n, label, sizeof label));
        }
        return code;
    }
    for (int i = 0; i < n->n_out; i++)
        MS_TRY(check_result(n, i, &out[i], err));
    return MS_OK;
}

/* ---- the graph ---- */

static bool contradicts(const struct ms_shape *claim, const struct ms_shape *found)
{
    if (claim->rank < 0 || found->rank < 0)
        return false;
    if (claim->rank != found->rank)
        return true;
    for (int i = 0; i < claim->rank; i++)
        if (claim->dim[i] >= 0 && found->dim[i] >= 0 && claim->dim[i] != found->dim[i])
            return true;
    return false;
}

static ms_code settle(const struct ms_node *n, int i, const struct ms_fact *f, struct ms_err *err)
{
    struct ms_value *v = n->out[i];
    char a[128], b[128];

    if (v->dtype != MS_DTYPE_NONE && v->dtype != f->dtype)
        return ms_node_fail(n, err, MS_INVALID_ARGUMENT,
                            "output %d is recorded as %s, but it is %s", i, ms_dtype_name(v->dtype),
                            ms_dtype_name(f->dtype));
    if (contradicts(&v->shape, &f->shape))
        return ms_node_fail(n, err, MS_INVALID_ARGUMENT,
                            "output %d is recorded with shape %s, but it is %s", i,
                            ms_shape_text(a, sizeof a, &v->shape, n->graph->syms),
                            ms_shape_text(b, sizeof b, &f->shape, n->graph->syms));
    v->dtype = f->dtype;
    v->shape = f->shape;
    v->sym = f->sym;
    v->n_sym = f->n_sym;
    return MS_OK;
}

static ms_code infer_node(struct ms_node *n, struct ms_arena *scratch, struct ms_err *err)
{
    struct ms_fact *in = ms_arena_array(scratch, (size_t)n->n_in, sizeof *in);
    struct ms_fact *out = ms_arena_array(scratch, (size_t)n->n_out, sizeof *out);

    if (!in || !out)
        return ms_fail_oom(err, "shape inference", (size_t)(n->n_in + n->n_out) * sizeof *in);
    for (int i = 0; i < n->n_in; i++)
        in[i] = ms_value_fact(n->in[i].value);
    MS_TRY(ms_node_infer(n, in, out, n->graph->syms, n->graph->arena, err));
    for (int i = 0; i < n->n_out; i++)
        MS_TRY(settle(n, i, &out[i], err));
    return MS_OK;
}

ms_code ms_graph_infer(struct ms_graph *g, struct ms_err *err)
{
    struct ms_arena scratch;
    ms_code code = MS_OK;

    for (int i = 0; i < g->n_in; i++)
        if (g->in[i]->dtype == MS_DTYPE_NONE)
            return ms_fail(err, MS_INVALID_ARGUMENT, "input '%s' has no dtype", g->in[i]->name);
    ms_arena_init(&scratch, (size_t)64 << 20);
    for (struct ms_node *n = g->first; n && code == MS_OK; n = n->next) {
        code = infer_node(n, &scratch, err);
        if (scratch.used > (size_t)1 << 20)
            ms_arena_done(&scratch);
    }
    ms_arena_done(&scratch);
    return code;
}
