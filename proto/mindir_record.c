/* SPDX-License-Identifier: Apache-2.0 */
/* mindir_record.c - what the file records about a node's result, against what came out.
 *
 * The record ("abstract") is a claim. Static dims and dtypes are compared, nothing is taken over:
 * a mistake in a lowering or in the file shows at the node where it begins. */
#include "proto/mindir.h"

static const struct mir_pb_attr *record_of(const struct mir_pb_node *n)
{
    for (size_t i = 0; i < n->attrs.n; i++) {
        const struct mir_pb_attr *a = &n->attrs.v[i];

        if (ms_bytes_eq(a->name, "shape") && a->ref_attr_name.len == 0)
            return a;
        if (a->name.len == 0 && a->ref_attr_name.len > 6) /* "shape:..." */
            return a;
    }
    return NULL;
}

/* The one tensor that a record describes; NULL if it is something else. */
static const struct mir_pb_tensor *one_tensor(const struct mir_pb_attr *a)
{
    const bool tensors = a && (a->ref_attr_name.len > 0 || a->type == MIR_PB_TENSORS);

    return tensors && a->tensors.n == 1 ? &a->tensors.v[0] : NULL;
}

enum ms_dtype mir_recorded_dtype(const struct mir_pb_node *n)
{
    const struct mir_pb_tensor *t = one_tensor(record_of(n));

    return t ? mir_dtype(t->data_type) : MS_DTYPE_NONE;
}

enum ms_dtype mir_recorded_item(const struct mir_pb_node *n, size_t i, enum ms_dtype otherwise)
{
    const struct mir_pb_attr *a = record_of(n);
    const struct mir_pb_tensor *t = NULL;
    enum ms_dtype dtype;

    if (a && a->ref_attr_name.len > 0 && i < a->tensors.n)
        t = &a->tensors.v[i];
    else if (a && (a->type == MIR_PB_TUPLE || a->type == MIR_PB_LIST) && i < a->values.n)
        t = one_tensor(&a->values.v[i]);
    dtype = t ? mir_dtype(t->data_type) : MS_DTYPE_NONE;
    return dtype ? dtype : otherwise;
}

static bool agrees(const struct mir_pb_tensor *t, const struct ms_value *v)
{
    const bool dynamic_rank = t->dims.n == 1 && t->dims.v[0] == -2;

    if (mir_dtype(t->data_type) != MS_DTYPE_NONE && mir_dtype(t->data_type) != v->dtype)
        return false;
    if (v->shape.rank < 0 || dynamic_rank)
        return true;
    if ((size_t)v->shape.rank != t->dims.n)
        return false;
    for (int i = 0; i < v->shape.rank; i++)
        if (t->dims.v[i] >= 0 && v->shape.dim[i] >= 0 && t->dims.v[i] != v->shape.dim[i])
            return false;
    return true;
}

static ms_code check_tensor(struct mir *m, const struct mir_pb_tensor *t, const struct ms_value *v)
{
    struct ms_shape claim = {.rank = (int)(t->dims.n < MS_MAX_RANK ? t->dims.n : MS_MAX_RANK)};
    char a[128], b[128];

    if (agrees(t, v))
        return MS_OK;
    for (int i = 0; i < claim.rank; i++)
        claim.dim[i] = t->dims.v[i];
    return ms_fail(m->err, MS_INVALID_ARGUMENT,
                   "the file records its result as %s%s, but it is %s%s",
                   mir_dtype(t->data_type) ? ms_dtype_name(mir_dtype(t->data_type)) : "?",
                   ms_shape_text(a, sizeof a, &claim, NULL), ms_dtype_name(v->dtype),
                   ms_shape_text(b, sizeof b, &v->shape, m->level->g->syms));
}

static ms_code check_tree(struct mir *m, const struct mir_pb_attr *a, const struct mir_value *v)
{
    if (a->type == MIR_PB_TENSORS && a->tensors.n == 1 && v->kind == MIR_TENSOR)
        return check_tensor(m, &a->tensors.v[0], v->v);
    if ((a->type != MIR_PB_TUPLE && a->type != MIR_PB_LIST) || v->kind != MIR_TUPLE)
        return MS_OK;
    if (a->values.n != v->n)
        return ms_fail(m->err, MS_INVALID_ARGUMENT,
                       "the file records %zu results, but there are %zu", a->values.n, v->n);
    for (size_t i = 0; i < v->n; i++)
        MS_TRY(check_tree(m, &a->values.v[i], v->items[i]));
    return MS_OK;
}

ms_code mir_check_record(struct mir *m, const struct mir_pb_node *n, const struct mir_value *v)
{
    const struct mir_pb_attr *a = record_of(n);
    const struct mir_pb_tensor *t = one_tensor(a);

    if (!a)
        return MS_OK;
    if (a->ref_attr_name.len == 0)
        return check_tree(m, a, v);
    if (v->kind == MIR_TENSOR && t)
        return check_tensor(m, t, v->v);
    if (v->kind != MIR_TUPLE || a->tensors.n != v->n)
        return MS_OK; /* the old notation: nested tuples are left unchecked */
    for (size_t i = 0; i < v->n; i++)
        if (v->items[i]->kind == MIR_TENSOR)
            MS_TRY(check_tensor(m, &a->tensors.v[i], v->items[i]->v));
    return MS_OK;
}
