/* SPDX-License-Identifier: Apache-2.0 */
/* attention.c - Attention: softmax(scale Q K' + mask) V for each head.
 *
 * Operands are [batch, heads, rows, width] or [batch, rows, heads width]; the latter is how linear
 * layers leave and take them, and nothing is turned for it. Key heads may be fewer than query
 * heads: then neighbours share one. A bool mask says which keys take part, a float one is added.
 * Past keys and values, softcap and the outputs other than the result are not supported.
 *
 * The record, its rules and the reference. */
#include "kernels/attention.h"

#include <math.h>
#include <string.h>

#include "kernels/facts.h"
#include "kernels/wide.h"

static const struct ms_attr_spec attrs[] = {
    {.name = "scale", .type = MS_ATTR_FLOAT, .doc = "factor of Q K', 1 / sqrt(width) if not set"},
    {.name = "is_causal", .type = MS_ATTR_INT, .min = 0, .max = 1, .doc = "row i sees keys 0..i"},
    {.name = "q_num_heads", .type = MS_ATTR_INT, .min = 0, .max = 1 << 20, .doc = "of 3-d Q"},
    {.name = "kv_num_heads", .type = MS_ATTR_INT, .min = 0, .max = 1 << 20, .doc = "of 3-d K, V"},
    {.name = "softcap", .type = MS_ATTR_FLOAT, .doc = "must be 0"},
    {.name = "softmax_precision", .type = MS_ATTR_INT, .max = 16, .doc = "f32 or better is used"},
    {.name = "qk_matmul_output_mode", .type = MS_ATTR_INT, .max = 3, .doc = "has no output"},
    {0},
};

static ms_code check(const struct ms_node *n, struct ms_err *err)
{
    if (ms_attr_float(n, "softcap") != 0)
        return ms_fail(err, MS_UNIMPLEMENTED, "attribute softcap: only 0 is supported");
    return MS_OK;
}

/* Dims as [batch, heads, rows, width], whatever the rank. */
static ms_code split(struct ms_infer *c, int i, const char *heads, int64_t *dim)
{
    const struct ms_shape *s = &c->in[i].shape;

    if (s->rank == 4) {
        memcpy(dim, s->dim, 4 * sizeof *dim);
        return MS_OK;
    }
    int64_t h = ms_attr_int(c->node, heads);
    dim[0] = s->dim[0];
    dim[1] = h;
    dim[2] = s->dim[1];
    if (h < 1)
        return ms_fail(c->err, MS_INVALID_ARGUMENT, "attribute %s: input %d of rank 3 needs it",
                       heads, i);
    if (!ms_is_sym(s->dim[2]) && s->dim[2] % h)
        return ms_fail(c->err, MS_INVALID_ARGUMENT, "input %d is %lld wide, for %lld heads", i,
                       (long long)s->dim[2], (long long)h);
    dim[3] = ms_is_sym(s->dim[2]) ? ms_syms_fresh(c->syms) : s->dim[2] / h;
    return MS_OK;
}

static bool agree(int64_t a, int64_t b)
{
    int64_t either;

    return ms_fact_agree(a, b, &either);
}

static ms_code check_mask(struct ms_infer *c, const int64_t *scores)
{
    const struct ms_shape *m = &c->in[3].shape;
    bool fits = m->rank <= 4;

    if (c->in[3].dtype != MS_BOOL && c->in[3].dtype != c->in[0].dtype)
        return ms_fail(c->err, MS_INVALID_ARGUMENT, "the mask is %s, Q is %s",
                       ms_dtype_name(c->in[3].dtype), ms_dtype_name(c->in[0].dtype));
    for (int i = 0; fits && i < m->rank; i++)
        fits = m->dim[i] == 1 || agree(m->dim[i], scores[4 - m->rank + i]);
    return fits ? MS_OK
                : ms_fail(c->err, MS_INVALID_ARGUMENT,
                          "the mask does not broadcast to [batch, heads, rows, keys]");
}

static ms_code infer(struct ms_infer *c)
{
    int64_t q[4], k[4], v[4];
    int rank = c->in[0].shape.rank;

    MS_TRY(ms_infer_one_dtype(c, 3));
    if (rank < 0 || c->in[1].shape.rank < 0 || c->in[2].shape.rank < 0)
        return ms_fact_unknown(c, 0, c->in[0].dtype);
    if ((rank != 3 && rank != 4) || c->in[1].shape.rank != rank || c->in[2].shape.rank != rank)
        return ms_fail(c->err, MS_INVALID_ARGUMENT, "Q, K and V must all be of rank 3 or 4");
    MS_TRY(split(c, 0, "q_num_heads", q));
    MS_TRY(split(c, 1, "kv_num_heads", k));
    MS_TRY(split(c, 2, "kv_num_heads", v));
    if (!agree(q[0], k[0]) || !agree(q[0], v[0]) || !agree(q[3], k[3]) || !agree(k[1], v[1]) ||
        !agree(k[2], v[2]))
        return ms_fail(c->err, MS_INVALID_ARGUMENT, "Q, K and V do not fit together");
    if (!ms_is_sym(q[1]) && !ms_is_sym(k[1]) && (k[1] < 1 ? q[1] > 0 : q[1] % k[1] != 0))
        return ms_fail(c->err, MS_INVALID_ARGUMENT, "%lld query heads cannot share %lld key heads",
                       (long long)q[1], (long long)k[1]);
    if (ms_infer_has(c, 3) && c->in[3].shape.rank >= 0)
        MS_TRY(check_mask(c, (int64_t[]){q[0], q[1], q[2], k[2]}));
    c->out[0].dtype = c->in[0].dtype;
    int64_t width;
    struct ms_shape both = ms_shape_make(q[1], v[3]);
    MS_TRY(ms_fact_product(c, &both, 0, 2, &width));
    c->out[0].shape =
        rank == 4 ? ms_shape_make(q[0], q[1], q[2], v[3]) : ms_shape_make(q[0], q[2], width);
    return MS_OK;
}

/* ---- sizes ---- */

/* Of an operand of known shape; heads: what a 3-d one consists of. */
static struct ms_heads strides(const struct ms_shape *s, size_t heads, size_t *rows, size_t *width)
{
    if (s->rank == 4) {
        *rows = (size_t)s->dim[2];
        *width = (size_t)s->dim[3];
        return (struct ms_heads){(size_t)s->dim[1] * *rows * *width, *rows * *width, *width};
    }
    *rows = (size_t)s->dim[1];
    *width = (size_t)s->dim[2] / heads;
    return (struct ms_heads){*rows * (size_t)s->dim[2], *width, (size_t)s->dim[2]};
}

static void mask_strides(struct ms_attention *a, const struct ms_shape *s)
{
    size_t step = 1, at[4] = {0};

    for (int d = s->rank - 1; d >= 0; d--) {
        at[4 - s->rank + d] = s->dim[d] == 1 ? 0 : step;
        step *= (size_t)s->dim[d];
    }
    a->m = (struct ms_heads){at[0], at[1], at[2]};
    a->m_col = at[3];
}

void ms_attention_of(struct ms_attention *a, const struct ms_task *t)
{
    const struct ms_shape *q = &t->in[0]->shape, *k = &t->in[1]->shape, *v = &t->in[2]->shape;
    bool four = q->rank == 4;
    size_t kv_heads = (size_t)(four ? k->dim[1] : ms_attr_int(t->node, "kv_num_heads"));

    *a = (struct ms_attention){.batch = (size_t)q->dim[0],
                               .causal = ms_attr_int(t->node, "is_causal") != 0};
    a->heads = (size_t)(four ? q->dim[1] : ms_attr_int(t->node, "q_num_heads"));
    a->group = kv_heads ? a->heads / kv_heads : 1;
    a->q = strides(q, a->heads, &a->s, &a->d);
    a->k = strides(k, kv_heads, &a->t, &a->d);
    a->v = strides(v, kv_heads, &a->t, &a->dv);
    a->y = strides(&t->out[0]->shape, a->heads, &a->s, &a->dv);
    a->scale = ms_attr_get(t->node, "scale") ? ms_attr_float(t->node, "scale")
                                             : 1 / sqrt(a->d ? (double)a->d : 1);
    if (t->n_in > 3 && t->in[3])
        mask_strides(a, &t->in[3]->shape);
}

static double cost(const struct ms_node *n, const struct ms_fact *in, const struct ms_fact *out)
{
    const struct ms_shape *q = &in[0].shape, *k = &in[1].shape;
    double keys = (double)k->dim[k->rank - 2];
    double elements = (double)ms_shape_span(q, 0, q->rank) +
                      (double)ms_shape_span(&out[0].shape, 0, out[0].shape.rank);

    (void)n;
    return 2.0 * keys * elements;
}

/* ---- reference ---- */

/* What the mask adds to a score: 0 or -inf for bool. */
static double mask_at(const struct ms_tensor *m, size_t i)
{
    if (!m)
        return 0;
    return m->dtype == MS_BOOL ? (((const uint8_t *)m->data)[i] ? 0 : -HUGE_VAL)
                               : ((const double *)m->data)[i];
}

static double score(const struct ms_attention *a, const double *q, const double *k)
{
    double sum = 0;

    for (size_t i = 0; i < a->d; i++)
        sum += q[i] * k[i];
    return sum * a->scale;
}

/* One row of one head, twice through the scores: for the sum, then for the values. */
static void one_row(const struct ms_attention *a, const double *q, const double *k, const double *v,
                    const struct ms_tensor *m, size_t at, size_t keys, double *y)
{
    double top = -HUGE_VAL, sum = 0;

    for (size_t j = 0; j < keys; j++) {
        double e = score(a, q, k + j * a->k.row) + mask_at(m, at + j * a->m_col);
        top = e > top ? e : top;
    }
    for (size_t i = 0; i < a->dv; i++)
        y[i] = 0;
    for (size_t j = 0; j < keys; j++) {
        double e = exp(score(a, q, k + j * a->k.row) + mask_at(m, at + j * a->m_col) - top);
        sum += e;
        for (size_t i = 0; i < a->dv; i++)
            y[i] += e * v[j * a->v.row + i];
    }
    for (size_t i = 0; i < a->dv; i++)
        y[i] /= sum;
}

static void attention(const struct ms_task *t)
{
    const struct ms_tensor *m = t->n_in > 3 ? t->in[3] : NULL;
    struct ms_attention a;

    ms_attention_of(&a, t);
    for (size_t b = 0; b < a.batch; b++)
        for (size_t h = 0; h < a.heads; h++)
            for (size_t i = 0; i < a.s && !ms_task_stopped(t); i++) {
                size_t g = h / a.group;
                one_row(
                    &a, (const double *)t->in[0]->data + b * a.q.batch + h * a.q.head + i * a.q.row,
                    (const double *)t->in[1]->data + b * a.k.batch + g * a.k.head,
                    (const double *)t->in[2]->data + b * a.v.batch + g * a.v.head, m,
                    b * a.m.batch + h * a.m.head + i * a.m.row, a.causal && i < a.t ? i + 1 : a.t,
                    (double *)t->out[0]->data + b * a.y.batch + h * a.y.head + i * a.y.row);
            }
}

static void run(const struct ms_task *t)
{
    ms_wide_run(t, attention);
}

MS_OP(attention) = {
    .name = "Attention",
    .doc = "softmax(scale Q K' + mask) V for each head",
    .min_in = 3,
    .max_in = 4,
    .min_out = 1,
    .max_out = 1,
    .in = {MS_FLOATS, MS_FLOATS, MS_FLOATS, MS_FLOATS | MS_BIT(BOOL)},
    .attrs = attrs,
    .check = check,
    .infer = infer,
    .cost = cost,
    .kernels =
        (const struct ms_kernel[]){
            {.name = "attention_avx512",
             .dtypes = MS_BIT(F32),
             .isa = MS_ISA_AVX512,
             .units = ms_attention_units,
             .scratch = ms_attention_scratch,
             .run = ms_attention_avx512},
            {.name = "attention_avx2",
             .dtypes = MS_BIT(F32),
             .isa = MS_ISA_AVX2,
             .units = ms_attention_units,
             .scratch = ms_attention_scratch,
             .run = ms_attention_avx2},
            {.name = "attention", .dtypes = MS_FLOATS, .scratch = ms_wide_scratch, .run = run},
            {0},
        },
};
