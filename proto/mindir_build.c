/* SPDX-License-Identifier: Apache-2.0 */
/* mindir_build.c - canonical nodes for a MindIR node: import, make, infer; and small idioms.
 *
 * After the first failure of a call every helper returns NULL at once, so lowering functions read
 * like formulas and check nothing in between. */
#include "proto/mindir.h"

#include <math.h>
#include <string.h>

/* ---- nodes ---- */

ms_code mir_infer_node(struct mir *m, struct ms_node *n)
{
    struct ms_fact *in = ms_arena_array(m->scratch, (size_t)n->n_in, sizeof *in);
    struct ms_fact *out = ms_arena_array(m->scratch, (size_t)n->n_out, sizeof *out);

    if (!in || !out)
        return mir_no_memory(m);
    for (int i = 0; i < n->n_in; i++)
        in[i] = ms_value_fact(ms_in(n, i));
    MS_TRY(ms_node_check(n, m->err)); /* inference relies on attributes within their bounds */
    MS_TRY(ms_node_infer(n, in, out, n->graph->syms, n->graph->arena, m->err));
    for (int i = 0; i < n->n_out; i++) {
        n->out[i]->dtype = out[i].dtype;
        n->out[i]->shape = out[i].shape;
        n->out[i]->sym = out[i].sym;
        n->out[i]->n_sym = out[i].n_sym;
    }
    return MS_OK;
}

const char *mir_spoken_name(struct mir *m, const struct mir_name *n)
{
    struct ms_bytes s = n ? n->node->output.v[0] : ms_bytes("", 0);
    const uint8_t *colon = s.len ? memchr(s.data, ':', s.len) : NULL;

    if (colon)
        s = ms_bytes(colon + 1, (size_t)(s.data + s.len - colon - 1));
    return ms_arena_strndup(m->scratch, s.data, s.len);
}

static ms_code make_node(struct mir_call *c, const char *op, struct ms_value *const *in, int n_in,
                         int n_out, const struct ms_attr *attrs, struct ms_node **out)
{
    struct mir *m = c->m;
    const struct ms_op *record = ms_op_find(op);
    struct ms_value **own = ms_arena_array(m->scratch, (size_t)n_in, sizeof *own);
    const char *name = mir_spoken_name(m, c->name);

    if (!record)
        return ms_fail(m->err, MS_UNIMPLEMENTED, "operator %s is not supported (it needs %s)",
                       c->op, op);
    if (!own || !name)
        return mir_no_memory(m);
    MS_TRY(mir_step(m));
    for (int i = 0; i < n_in; i++)
        if (in[i])
            MS_TRY(mir_import(m, m->level, in[i], &own[i]));
    struct ms_node *n = ms_graph_node(m->level->g, NULL, record, name, own, n_in, n_out);
    if (!n)
        return mir_no_memory(m);
    n->number = c->name ? c->name->number : -1;
    n->origin = c->row ? c->row->name : NULL;
    for (; attrs && attrs->name; attrs++)
        if (!ms_attr_set(n, attrs))
            return mir_no_memory(m);
    MS_TRY(mir_infer_node(m, n));
    *out = n;
    return MS_OK;
}

struct ms_node *mir_node(struct mir_call *c, const char *op, struct ms_value *const *in, int n_in,
                         int n_out, const struct ms_attr *attrs)
{
    struct ms_node *n = NULL;

    if (c->code == MS_OK)
        c->code = make_node(c, op, in, n_in, n_out, attrs, &n);
    return c->code == MS_OK ? n : NULL;
}

struct ms_value *mir_op(struct mir_call *c, const char *op, struct ms_value *const *in, int n_in,
                        const struct ms_attr *attrs)
{
    struct ms_node *n = mir_node(c, op, in, n_in, 1, attrs);

    return n ? n->out[0] : NULL;
}

/* ---- constants ---- */

static struct ms_value *made(struct mir_call *c, struct ms_value *v)
{
    if (!v && c->code == MS_OK)
        c->code = mir_no_memory(c->m);
    return v;
}

/* One element of dtype t. */
static struct ms_value *const_one(struct mir_call *c, int rank, enum ms_dtype t, int64_t i,
                                  double f)
{
    const struct ms_shape s = rank ? ms_shape_make(1) : ms_shape_scalar();
    union {
        uint8_t bytes[8];
        int64_t i64;
        float f32;
        double f64;
        uint16_t half;
    } u = {.i64 = 0};

    if (c->code != MS_OK)
        return NULL;
    if (t == MS_F32)
        u.f32 = (float)f;
    else if (t == MS_F64)
        u.f64 = f;
    else if (t == MS_F16)
        u.half = ms_f32_to_f16((float)f);
    else if (t == MS_BF16)
        u.half = ms_f32_to_bf16((float)f);
    else if (t == MS_BOOL)
        u.bytes[0] = i != 0 || f != 0.0;
    else
        u.i64 = i; /* little endian: the low bytes are the narrower integers */
    return made(c, ms_graph_const_copy(c->m->level->g, c->op, t, &s, u.bytes));
}

struct ms_value *mir_const(struct mir_call *c, double v, enum ms_dtype t)
{
    return const_one(c, 0, t, v > -9e18 && v < 9e18 ? (int64_t)v : 0, v);
}

struct ms_value *mir_const_int(struct mir_call *c, int64_t v)
{
    return const_one(c, 0, MS_I64, v, 0.0);
}

struct ms_value *mir_const_ints(struct mir_call *c, const int64_t *v, int n)
{
    if (c->code != MS_OK)
        return NULL;
    return made(c, ms_graph_const_ints(c->m->level->g, c->op, v, n));
}

/* ---- values as tensors ---- */

static struct ms_value *known(struct mir_call *c, const struct mir_value *v, int rank,
                              enum ms_dtype t)
{
    if (v->kind == MIR_FLOAT) {
        const bool fits = v->f > -9e18 && v->f < 9e18;
        return const_one(c, rank, t, fits ? (int64_t)v->f : 0, v->f);
    }
    return const_one(c, rank, t, v->i, (double)v->i);
}

struct ms_value *mir_number(struct mir_call *c, const struct mir_value *v, enum ms_dtype t)
{
    if (v->kind == MIR_SCALAR)
        return mir_cast(c, v->v, t);
    if (mir_is_number(v))
        return known(c, v, 1, t);
    if (v->kind == MIR_TENSOR) {
        const int64_t one = 1;
        return mir_cast(c, mir_reshape(c, mir_as_tensor(c, v), &one, 1), t);
    }
    mir_bad(c, "%s where a number is expected", mir_kind_name(v));
    return NULL;
}

/* Numbers side by side as one int64 tensor; runs of known ones become one constant. */
static struct ms_value *join_numbers(struct mir_call *c, const struct mir_value *v)
{
    int64_t run[MS_MAX_SYM_CONTENT];
    struct ms_value *parts[MS_MAX_SYM_CONTENT];
    int n_run = 0, n_parts = 0;

    if (v->n > MS_MAX_SYM_CONTENT) {
        mir_bad(c, "a tuple of %zu numbers", v->n);
        return NULL;
    }
    for (size_t i = 0; i <= v->n; i++) {
        const struct mir_value *x = i < v->n ? v->items[i] : NULL;

        if (x && (x->kind == MIR_INT || x->kind == MIR_BOOL)) {
            run[n_run++] = x->i;
            continue;
        }
        if (n_run > 0 || v->n == 0)
            parts[n_parts++] = mir_const_ints(c, run, n_run);
        n_run = 0;
        if (x)
            parts[n_parts++] = mir_number(c, x, MS_I64);
    }
    if (n_parts == 1)
        return parts[0];
    return mir_op(c, "Concat", parts, n_parts, MIR_ATTRS(MIR_A_INT("axis", 0)));
}

struct ms_value *mir_as_tensor(struct mir_call *c, const struct mir_value *v)
{
    if (c->code != MS_OK)
        return NULL;
    switch (v->kind) {
    case MIR_TENSOR:
        if (v->storage && v->storage->stale)
            mir_unsupported(c, "reads a tensor after it was changed in place");
        return c->code == MS_OK ? v->v : NULL;
    case MIR_SCALAR:
        return mir_reshape(c, v->v, NULL, 0);
    case MIR_INT:
    case MIR_BOOL:
    case MIR_FLOAT:
        return known(c, v, 0, v->dtype);
    case MIR_TUPLE:
        return join_numbers(c, v);
    case MIR_REFUSED:
        mir_unsupported(c, "%s", v->why);
        return NULL;
    case MIR_AGAIN:
        mir_unsupported(c, "a recursion that is no while loop is not supported");
        return NULL;
    default:
        mir_bad(c, "%s where a tensor is expected", mir_kind_name(v));
        return NULL;
    }
}

struct ms_value *mir_dims_value(struct mir_call *c, size_t i)
{
    struct ms_value *v;

    if (c->code == MS_OK && i < c->n_args && mir_is_number(c->arg[i]))
        return mir_number(c, c->arg[i], MS_I64);
    v = mir_cast(c, mir_tensor(c, i), MS_I64);
    if (v && v->shape.rank == 0)
        v = mir_reshape(c, v, (const int64_t[]){1}, 1);
    return v;
}

/* ---- idioms ---- */

struct ms_value *mir_cast(struct mir_call *c, struct ms_value *v, enum ms_dtype t)
{
    const char *name = ms_dtype_name(t);

    if (c->code != MS_OK || v->dtype == t)
        return v;
    return mir_op(c, "Cast", MIR_IN(v), MIR_ATTRS(MIR_A_STR("to", name)));
}

struct ms_value *mir_reshape(struct mir_call *c, struct ms_value *v, const int64_t *dims, int n)
{
    struct ms_value *shape = mir_const_ints(c, dims, n);

    return mir_op(c, "Reshape", MIR_IN(v, shape), MIR_ATTRS(MIR_A_INT("allowzero", 1)));
}

struct ms_value *mir_squeeze(struct mir_call *c, struct ms_value *v, int64_t axis)
{
    struct ms_value *axes = mir_const_ints(c, &axis, 1);

    return mir_op(c, "Squeeze", MIR_IN(v, axes), NULL);
}

struct ms_value *mir_unsqueeze(struct mir_call *c, struct ms_value *v, int64_t axis)
{
    struct ms_value *axes = mir_const_ints(c, &axis, 1);

    return mir_op(c, "Unsqueeze", MIR_IN(v, axes), NULL);
}

struct ms_value *mir_slice(struct mir_call *c, struct ms_value *v, int64_t axis, int64_t from,
                           int64_t to, int64_t step)
{
    struct ms_value *begin = mir_const_ints(c, &from, 1), *end = mir_const_ints(c, &to, 1);
    struct ms_value *axes = mir_const_ints(c, &axis, 1), *steps = mir_const_ints(c, &step, 1);

    return mir_op(c, "Slice", MIR_IN(v, begin, end, axes, steps), NULL);
}

enum ms_dtype mir_promote(enum ms_dtype a, enum ms_dtype b)
{
    const enum ms_dtype_kind ka = ms_dtype_kind(a), kb = ms_dtype_kind(b);
    const size_t sa = ms_dtype_size(a), sb = ms_dtype_size(b);
    static const enum ms_dtype signed_of[] = {
        [1] = MS_I16, [2] = MS_I32, [4] = MS_I64, [8] = MS_I64};

    if (a == b || kb == MS_KIND_BOOL)
        return a;
    if (ka == MS_KIND_BOOL)
        return b;
    if (ka == MS_KIND_FLOAT && kb == MS_KIND_FLOAT)
        return sa == sb ? MS_F32 /* f16 and bf16 */ : sa > sb ? a : b;
    if (ka == MS_KIND_FLOAT || kb == MS_KIND_FLOAT)
        return ka == MS_KIND_FLOAT ? a : b;
    if (ka == kb)
        return sa > sb ? a : b;
    /* signed and unsigned: the signed one if it is wider, else one wide enough for both */
    if (ka == MS_KIND_INT)
        return sa > sb ? a : signed_of[sb];
    return sb > sa ? b : signed_of[sa];
}

/* The dtype a plain number takes beside a tensor of dtype t. */
static enum ms_dtype beside(const struct mir_value *v, enum ms_dtype t)
{
    const enum ms_dtype_kind k = ms_dtype_kind(v->kind == MIR_SCALAR ? v->v->dtype : v->dtype);

    if (k == MS_KIND_FLOAT && ms_dtype_kind(t) != MS_KIND_FLOAT)
        return MS_F32;
    if (k != MS_KIND_BOOL && ms_dtype_kind(t) == MS_KIND_BOOL)
        return MS_I64;
    return t;
}

bool mir_pair(struct mir_call *c, size_t i, size_t j, struct ms_value **a, struct ms_value **b)
{
    enum ms_dtype t;

    *a = mir_tensor(c, i);
    *b = mir_tensor(c, j);
    if (c->code != MS_OK)
        return false;
    if (mir_is_number(c->arg[j]) && !mir_is_number(c->arg[i]))
        t = beside(c->arg[j], (*a)->dtype);
    else if (mir_is_number(c->arg[i]) && !mir_is_number(c->arg[j]))
        t = beside(c->arg[i], (*b)->dtype);
    else
        t = mir_promote((*a)->dtype, (*b)->dtype);
    *a = mir_cast(c, *a, t);
    *b = mir_cast(c, *b, t);
    return c->code == MS_OK;
}

/* ---- results ---- */

ms_code mir_give(struct mir_call *c, struct ms_value *v)
{
    if (c->code != MS_OK)
        return c->code;
    c->result = mir_new_tensor(c->m, v);
    return c->result ? MS_OK : mir_no_memory(c->m);
}

ms_code mir_give_view(struct mir_call *c, struct ms_value *v, size_t of)
{
    struct mir_value *view = c->code == MS_OK ? mir_new_tensor(c->m, v) : NULL;

    if (c->code != MS_OK)
        return c->code;
    if (!view)
        return mir_no_memory(c->m);
    view->storage = c->arg[of]->storage;
    c->result = view;
    return MS_OK;
}

ms_code mir_give_all(struct mir_call *c, struct ms_value *const *v, size_t n)
{
    const struct mir_value **items;

    if (c->code != MS_OK)
        return c->code;
    items = ms_arena_array(c->m->scratch, n, sizeof *items);
    if (!items)
        return mir_no_memory(c->m);
    for (size_t i = 0; i < n; i++)
        if (!(items[i] = mir_new_tensor(c->m, v[i])))
            return mir_no_memory(c->m);
    c->result = mir_new_tuple(c->m, items, n);
    return c->result ? MS_OK : mir_no_memory(c->m);
}

ms_code mir_give_first(struct mir_call *c, struct ms_value *v, size_t n, const char *why)
{
    const struct mir_value **items;
    struct mir_value *refused = mir_new(c->m, MIR_REFUSED);

    MS_TRY(mir_give(c, v));
    items = ms_arena_array(c->m->scratch, n, sizeof *items);
    if (!items || !refused)
        return mir_no_memory(c->m);
    refused->why = why;
    items[0] = c->result;
    for (size_t i = 1; i < n; i++)
        items[i] = refused;
    c->result = mir_new_tuple(c->m, items, n);
    return c->result ? MS_OK : mir_no_memory(c->m);
}

ms_code mir_lower_direct(struct mir_call *c)
{
    struct ms_value *in[MIR_MAX_ARGS];

    for (size_t i = 0; i < c->n_args; i++)
        in[i] = mir_tensor_opt(c, i);
    return mir_give(c, mir_op(c, c->row->op, in, (int)c->n_args, c->row->attrs));
}
