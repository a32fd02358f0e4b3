/* SPDX-License-Identifier: Apache-2.0 */
/* loop.c - a sub-graph run again and again, carrying values from turn to turn.
 *
 *     Loop(M, cond, v..., c...)     body takes (i, cond, v..., c...), gives (cond, v..., scans...)
 *     outputs: v... after the last turn, then each scan's values of all turns, stacked
 *
 * At most M turns (if given), and none after cond is false (if given). The stop flag is looked at
 * in every turn, so an endless loop ends with its run's deadline. */
#include <inttypes.h>
#include <string.h>

#include "base/mem.h"
#include "kernels/subgraph.h"

static int captures_of(const struct ms_node *n)
{
    return (int)ms_attr_int(n, "captures");
}
static int carried_of(const struct ms_node *n)
{
    return n->n_in - 2 - captures_of(n);
}

struct loop {
    const struct ms_task *t;
    const struct ms_graph *body;
    int carried, captures, scans;
    struct ms_tensor **in, **out; /* of the body */
    struct ms_tensor **stack;     /* scans of turn 0, of turn 1, ... */
    size_t turns, cap;
    int64_t i;
    uint8_t cond;
    struct ms_tensor i_tensor, cond_tensor;
};

/* A scalar, or [1] where the body declares that. */
static void borrow_scalar(struct ms_tensor *t, const struct ms_value *like, enum ms_dtype type,
                          const void *data)
{
    const struct ms_shape s = like->shape.rank == 1 ? ms_shape_make(1) : ms_shape_scalar();

    (void)ms_tensor_borrow(t, type, &s, data);
}

static bool keep_scans(struct loop *l)
{
    if (l->scans == 0)
        return true;
    if (l->turns == l->cap) {
        const size_t cap = l->cap ? l->cap * 2 : 16;
        void *grown = ms_reallocarray(l->stack, cap * (size_t)l->scans, sizeof *l->stack);

        if (!grown) {
            ms_task_fail(l->t, MS_RESOURCE_EXHAUSTED, "out of memory after %zu turns", l->turns);
            return false;
        }
        l->stack = grown;
        l->cap = cap;
    }
    memcpy(l->stack + l->turns * (size_t)l->scans, l->out + 1 + l->carried,
           (size_t)l->scans * sizeof *l->stack);
    return true;
}

/* One turn; false when the run has failed. The carried values are ours: references are held. */
static bool turn(struct loop *l)
{
    if (ms_task_stopped(l->t) || !l->t->ctl->call(l->t, l->body, l->in, l->out))
        return false;
    const bool kept = keep_scans(l);

    if (!kept)
        for (int k = 0; k < l->scans; k++)
            ms_tensor_unref(l->out[1 + l->carried + k]);
    else
        l->turns++;
    l->cond = l->out[0]->bytes > 0 && *(const uint8_t *)l->out[0]->data;
    ms_tensor_unref(l->out[0]);
    for (int k = 0; k < l->carried; k++) {
        ms_tensor_unref(l->in[2 + k]);
        l->in[2 + k] = l->out[1 + k];
    }
    l->i++;
    return kept;
}

/* Scan k of all turns as one tensor [turns, ...]. */
static void stack_scan(struct loop *l, int k)
{
    const struct ms_value *v = l->body->out[1 + l->carried + k];
    const struct ms_tensor *one = l->turns ? l->stack[k] : NULL;
    struct ms_shape s = one ? one->shape : v->shape;

    if (s.rank < 0 || s.rank == MS_MAX_RANK) {
        ms_task_fail(l->t, MS_INVALID_ARGUMENT, "scan output %d cannot be stacked", k);
        return;
    }
    memmove(s.dim + 1, s.dim, (size_t)s.rank * sizeof *s.dim);
    s.dim[0] = (int64_t)l->turns;
    s.rank++;
    for (int d = 1; d < s.rank; d++) /* of no turns: what is unknown is empty */
        if (ms_is_sym(s.dim[d]))
            s.dim[d] = 0;
    struct ms_tensor *y = l->t->ctl->output(l->t, l->carried + k, one ? one->dtype : v->dtype, &s);

    for (size_t i = 0; y && i < l->turns; i++) {
        const struct ms_tensor *x = l->stack[i * (size_t)l->scans + (size_t)k];

        if (!ms_shape_eq(&x->shape, &one->shape)) {
            ms_task_fail(l->t, MS_INVALID_ARGUMENT, "scan output %d changes its shape in turn %zu",
                         k, i);
            return;
        }
        if (x->bytes)
            memcpy((uint8_t *)y->data + i * x->bytes, x->data, x->bytes);
    }
}

static size_t scratch(const struct ms_task *t)
{
    const struct ms_graph *g = ms_attr_graph(t->node, "body");

    return (size_t)(g->n_in + g->n_out) * sizeof(struct ms_tensor *);
}

static void run(const struct ms_task *t)
{
    const struct ms_graph *g = ms_attr_graph(t->node, "body");
    struct loop l = {.t = t,
                     .body = g,
                     .carried = carried_of(t->node),
                     .captures = captures_of(t->node),
                     .cond = 1};
    const int64_t most = t->in[0] ? ms_tensor_i64(t->in[0], 0) : INT64_MAX;
    bool ok = true;

    l.scans = g->n_out - 1 - l.carried;
    l.in = t->scratch;
    l.out = l.in + g->n_in;
    if (t->in[1])
        l.cond = *(const uint8_t *)t->in[1]->data != 0;
    borrow_scalar(&l.i_tensor, g->in[0], MS_I64, &l.i);
    borrow_scalar(&l.cond_tensor, g->in[1], MS_BOOL, &l.cond);
    l.in[0] = &l.i_tensor;
    l.in[1] = &l.cond_tensor;
    for (int k = 0; k < l.carried + l.captures; k++)
        l.in[2 + k] = t->in[2 + k];
    for (int k = 0; k < l.carried; k++)
        (void)ms_tensor_ref(l.in[2 + k]);
    while (ok && l.i < most && l.cond)
        ok = turn(&l);
    for (int k = 0; k < l.carried; k++) {
        if (ok)
            t->ctl->give(t, k, l.in[2 + k]);
        ms_tensor_unref(l.in[2 + k]);
    }
    for (int k = 0; ok && k < l.scans; k++)
        stack_scan(&l, k);
    for (size_t i = 0; i < l.turns * (size_t)l.scans; i++)
        ms_tensor_unref(l.stack[i]);
    ms_free(l.stack);
}

/* ---- shapes ---- */

/* Carried values may change their shape: what the body gives is joined with what it was given until
 * nothing changes any more; then whatever still does is unknown. */
static ms_code settle(struct ms_infer *c, struct ms_graph *g, int carried)
{
    for (int round = 0;; round++) {
        bool same = true;

        MS_TRY(ms_graph_infer(g, c->err));
        for (int k = 0; k < carried; k++) {
            struct ms_value *in = g->in[2 + k];
            const struct ms_value *out = g->out[1 + k];

            if (out->dtype != in->dtype)
                return ms_fail(c->err, MS_INVALID_ARGUMENT, "carried value %d is %s and becomes %s",
                               k, ms_dtype_name(in->dtype), ms_dtype_name(out->dtype));
            struct ms_shape s = in->shape;
            if (s.rank >= 0 && out->shape.rank != s.rank)
                s = ms_shape_unknown();
            for (int d = 0; d < s.rank; d++)
                if (in->shape.dim[d] != out->shape.dim[d] &&
                    (round == 0 || !ms_is_sym(in->shape.dim[d])))
                    s.dim[d] = ms_syms_fresh(c->syms);
            if (ms_shape_eq(&s, &in->shape))
                continue;
            in->shape = round < 2 ? s : ms_shape_unknown();
            same = false;
        }
        if (same)
            return MS_OK;
    }
}

static ms_code bind(struct ms_infer *c, struct ms_graph *g, int carried)
{
    const struct ms_node *n = c->node;
    const struct ms_fact i = {
        .dtype = MS_I64,
        .shape = g->n_in > 0 && g->in[0]->shape.rank == 1 ? ms_shape_make(1) : ms_shape_scalar()};
    const struct ms_fact cond = {
        .dtype = MS_BOOL,
        .shape = g->n_in > 1 && g->in[1]->shape.rank == 1 ? ms_shape_make(1) : ms_shape_scalar()};

    MS_TRY(ms_sub_bind(c, g, 0, &i, false));
    MS_TRY(ms_sub_bind(c, g, 1, &cond, false));
    for (int k = 2; k < n->n_in; k++)
        MS_TRY(ms_sub_bind(c, g, k, &c->in[k], k >= 2 + carried));
    return settle(c, g, carried);
}

static ms_code check_arity(const struct ms_infer *c, const struct ms_graph *g, int carried)
{
    const struct ms_node *n = c->node;

    if (carried < 0)
        return ms_fail(c->err, MS_INVALID_ARGUMENT, "%d captures of %d inputs", captures_of(n),
                       n->n_in);
    if (g->n_in != n->n_in || g->n_out < 1 + carried || g->n_out - 1 != n->n_out)
        return ms_fail(c->err, MS_INVALID_ARGUMENT,
                       "the body has %d inputs and %d outputs for a node with %d and %d", g->n_in,
                       g->n_out, n->n_in, n->n_out);
    for (int i = 0; i < 2; i++)
        if (c->in[i].value && ms_tensor_count(c->in[i].value) != 1)
            return ms_fail(c->err, MS_INVALID_ARGUMENT, "input %d is not one element", i);
    return MS_OK;
}

static ms_code infer(struct ms_infer *c)
{
    struct ms_graph *g = ms_attr_graph(c->node, "body");
    const int carried = carried_of(c->node);

    MS_TRY(check_arity(c, g, carried));
    if (ms_sub_loading(c))
        MS_TRY(bind(c, g, carried));
    for (int i = 0; i < c->node->n_out; i++) {
        const struct ms_value *v = g->out[1 + i];
        struct ms_shape s = ms_sub_shape(c, v);

        if (i < carried) { /* of no turns, the initial value comes out */
            const struct ms_shape first = ms_sub_shape(c, g->in[2 + i]);

            s = ms_sub_common(c, &first, &s);
        } else if (s.rank >= 0) {
            if (s.rank == MS_MAX_RANK)
                return ms_fail(c->err, MS_INVALID_ARGUMENT, "scan output %d has rank %d already",
                               i - carried, s.rank);
            memmove(s.dim + 1, s.dim, (size_t)s.rank * sizeof *s.dim);
            s.dim[0] = ms_syms_fresh(c->syms);
            s.rank++;
        }
        c->out[i].dtype = v->dtype;
        c->out[i].shape = s;
    }
    return MS_OK;
}

static const struct ms_attr_spec attrs[] = {
    {.name = "body", .type = MS_ATTR_GRAPH, .required = true, .doc = "one turn"},
    {.name = "captures",
     .type = MS_ATTR_INT,
     .min = 0,
     .max = INT32_MAX,
     .doc = "trailing inputs: what the body reads from outside"},
    {0},
};

MS_OP(loop) = {
    .name = "Loop",
    .doc = "a sub-graph run repeatedly",
    .min_in = 0, /* trip count and condition may both be left out; check_arity looks at the rest */
    .max_in = -1,
    .min_out = 1,
    .max_out = -1,
    .in = {MS_BIT(I64), MS_BIT(BOOL), MS_FIXED | MS_BIT(STRING)},
    .scalars = 1 << 0 | 1 << 1,
    .traits = MS_OUT_BY_KERNEL | MS_SUBGRAPHS | MS_NO_FOLD,
    .attrs = attrs,
    .infer = infer,
    .kernels =
        (const struct ms_kernel[]){
            {"loop", MS_FIXED | MS_BIT(STRING), MS_ISA_ANY, .scratch = scratch, .run = run},
            {0},
        },
};
