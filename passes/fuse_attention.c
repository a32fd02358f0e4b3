/* SPDX-License-Identifier: Apache-2.0 */
/* fuse_attention.c - the arithmetic that exporters write for attention, as one operator.
 *
 *     MatMul(Softmax(MatMul(q, k') * c + mask), v)   ->   Attention(q, k, v, mask) {scale=c}
 *
 * c is a constant that multiplies or divides the scores, q or k; it and the mask may be missing.
 * Where q, k and v are Transposes of [batch, rows, heads, width] and the result is turned back, the
 * operator reads and writes them as [batch, rows, heads width], and the Transposes go:
 *
 *     Transpose(MatMul(.., Transpose(v, [0,2,1,3])), [0,2,1,3])
 *         ->  Reshape(Attention(.., Reshape(v, [0,0,-1])), [0,0,heads,-1])  */
#include <math.h>
#include <string.h>

#include "passes/rewrite.h"

struct match {
    struct ms_node *last; /* what is replaced: the second product, or the Transpose after it */
    struct ms_value *q, *k, *v, *mask;
    double scale;
    bool rows_first; /* operands are [batch, rows, heads, width], not [batch, heads, rows, width] */
};

static bool has_perm(const struct ms_node *t, int c0, int c1, int c2, int c3)
{
    const struct ms_attr *p = ms_attr_get(t, "perm");

    return p && p->n == 4 && p->ints[0] == c0 && p->ints[1] == c1 && p->ints[2] == c2 &&
           p->ints[3] == c3;
}

/* What v is a constant multiple of: the factor goes into *scale. Only f32. */
static struct ms_value *without_factor(struct ms_value *v, double *scale)
{
    struct ms_node *mul = ms_made_by(v, "Mul"), *div = ms_made_by(v, "Div");
    struct ms_value *x = div ? ms_in(div, 0) : NULL;
    double c;

    if (div && ms_const_scalar(ms_in(div, 1), &c) && isfinite(c) && c != 0)
        c = 1 / c;
    else if (!mul || !ms_const_scalar(ms_const_operand(mul, &x), &c) || !isfinite(c))
        return v;
    if (!x || !ms_same_shape(x, v))
        return v;
    *scale *= c;
    return x;
}

/* The scores: a product of two activations without anything in its store. */
static struct ms_node *product(const struct ms_value *v)
{
    struct ms_node *n = ms_made_by(v, "MatMul");

    return n && n->n_in == 2 && v->dtype == MS_F32 && v->shape.rank == 4 &&
                   ms_in(n, 0)->shape.rank == 4 && ms_in(n, 1)->shape.rank == 4 &&
                   !ms_in(n, 0)->constant && !ms_in(n, 1)->constant && !ms_attr_int(n, "transA") &&
                   !*ms_attr_str(n, "activation")
               ? n
               : NULL;
}

/* From the input of Softmax down to the product; fills scale and mask. */
static struct ms_node *scores_of(struct ms_value *v, struct match *m)
{
    struct ms_node *add = ms_made_by(v, "Add");

    m->scale = 1;
    for (int i = 0; add && i < 2; i++) {
        double scale = 1;
        struct ms_value *x = ms_in(add, i), *mask = ms_in(add, 1 - i);
        struct ms_node *p = product(without_factor(x, &scale));
        if (!p || mask == x || mask->dtype != MS_F32 || mask->shape.rank < 0 ||
            mask->shape.rank > 4 || !ms_same_shape(add->out[0], x))
            continue;
        m->mask = mask;
        m->scale = scale;
        return p;
    }
    return add ? NULL : product(without_factor(v, &m->scale));
}

/* Does dim i of a equal dim j of b, as a number or as a symbol? */
static bool same_dim(const struct ms_value *a, int i, const struct ms_value *b, int j)
{
    return a->shape.dim[i] == b->shape.dim[j];
}

/* x of v = Transpose(x, [0,2,1,3]). */
static struct ms_value *rows_first(const struct ms_value *v)
{
    struct ms_node *t = ms_producer(v, "Transpose");

    return t && has_perm(t, 0, 2, 1, 3) ? ms_in(t, 0) : NULL;
}

/* Operands as [batch, rows, heads, width], if the result is wanted so too. */
static bool match_rows_first(struct match *m, const struct ms_node *first, const struct ms_node *pv)
{
    struct ms_node *back = ms_value_sole_user(pv->out[0]);
    struct ms_value *k = m->k;

    if (!ms_node_is(back, "Transpose") || !has_perm(back, 0, 2, 1, 3))
        return false;
    if (ms_attr_int(first, "transB")) {
        k = rows_first(k);
    } else {
        struct ms_node *t = ms_producer(k, "Transpose");
        k = t && has_perm(t, 0, 2, 3, 1) ? ms_in(t, 0) : NULL;
    }
    struct ms_value *q = rows_first(m->q), *v = rows_first(m->v);
    if (!q || !k || !v || !same_dim(q, 0, k, 0) || !same_dim(q, 0, v, 0) || !same_dim(q, 2, k, 2) ||
        !same_dim(q, 2, v, 2) || ms_is_sym(q->shape.dim[2]) || q->shape.dim[2] < 1 ||
        ms_is_sym(q->shape.dim[3]) || ms_is_sym(v->shape.dim[3]) || q->shape.dim[3] < 1 ||
        v->shape.dim[3] < 1)
        return false;
    m->q = q;
    m->k = k;
    m->v = v;
    m->last = back;
    m->rows_first = true;
    return true;
}

static bool match(struct ms_node *pv, struct match *m)
{
    *m = (struct match){0};
    if (!ms_node_is(pv, "MatMul") || pv->n_in != 2 || ms_attr_int(pv, "transA") ||
        ms_attr_int(pv, "transB") || *ms_attr_str(pv, "activation") || !ms_in(pv, 0) ||
        !ms_in(pv, 1) || ms_in(pv, 1)->constant || ms_in(pv, 1)->shape.rank != 4)
        return false;
    struct ms_node *soft = ms_made_by(ms_in(pv, 0), "Softmax");
    int axis;
    if (!soft || ms_in(soft, 0)->shape.rank != 4 || !ms_axis(ms_attr_int(soft, "axis"), 4, &axis) ||
        axis != 3)
        return false;
    struct ms_node *first = scores_of(ms_in(soft, 0), m);
    if (!first)
        return false;
    m->q = without_factor(ms_in(first, 0), &m->scale);
    m->k = without_factor(ms_in(first, 1), &m->scale);
    m->v = ms_in(pv, 1);
    m->last = pv;
    if (match_rows_first(m, first, pv))
        return true;
    return ms_attr_int(first, "transB") && same_dim(m->q, 0, m->k, 0) &&
           same_dim(m->q, 0, m->v, 0) && same_dim(m->q, 1, m->k, 1) && same_dim(m->q, 1, m->v, 1);
}

/* [batch, rows, heads, width] as [batch, rows, heads width], before node n. */
static struct ms_value *joined(struct ms_graph *g, struct ms_node *n, struct ms_value *v)
{
    int64_t shape[3] = {0, 0, v->shape.dim[2] * v->shape.dim[3]};
    struct ms_value *in[2] = {v, ms_graph_const_ints(g, "shape", shape, 3)};

    return in[1] ? ms_graph_op(g, n, "Reshape", in, 2) : NULL;
}

static struct ms_value *split(struct ms_graph *g, struct ms_node *n, struct ms_value *y,
                              const struct ms_value *v)
{
    int64_t shape[4] = {0, 0, v->shape.dim[2], v->shape.dim[3]};
    struct ms_value *in[2] = {y, ms_graph_const_ints(g, "shape", shape, 4)};

    return in[1] ? ms_graph_op(g, n, "Reshape", in, 2) : NULL;
}

static bool fuse(struct ms_graph *g, const struct match *m)
{
    struct ms_value *in[4] = {m->q, m->k, m->v, m->mask};
    int64_t heads = m->q->shape.dim[2];

    for (int i = 0; m->rows_first && i < 3; i++)
        if (!(in[i] = joined(g, m->last, in[i])))
            return false;
    struct ms_value *y = ms_graph_op(g, m->last, "Attention", in, m->mask ? 4 : 3);
    if (!y || !ms_attr_set_float(y->producer, "scale", m->scale))
        return false;
    if (m->rows_first &&
        (!ms_attr_set_int(y->producer, "q_num_heads", heads) ||
         !ms_attr_set_int(y->producer, "kv_num_heads", heads) || !(y = split(g, m->last, y, m->v))))
        return false;
    ms_take_over(m->last, y);
    return true;
}

static ms_code run(struct ms_graph *g, struct ms_pass_ctx *c, int *changed, struct ms_err *err)
{
    ms_graph_each (g, n) {
        struct match m;
        if (!match(n, &m))
            continue;
        if (!ms_pass_spend(c))
            break;
        if (!fuse(g, &m))
            return ms_fail_oom(err, "Attention", 0);
        ++*changed;
    }
    return MS_OK;
}

const struct ms_pass ms_pass_fuse_attention = {
    .name = "fuse-attention",
    .help = "two products with a softmax between them become Attention",
    .run = run,
};
