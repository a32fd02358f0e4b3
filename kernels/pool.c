/* SPDX-License-Identifier: Apache-2.0 */
/* pool.c - rules that the pooling operators share. */
#include "kernels/pool.h"

ms_code ms_pool_check(const struct ms_node *n, struct ms_err *err)
{
    if (!ms_attr_get(n, "kernel_shape"))
        return ms_fail(err, MS_INVALID_ARGUMENT, "attribute kernel_shape is missing");
    return MS_OK;
}

static void kernel_of(const struct ms_node *n, int64_t k[3])
{
    for (int i = 0; i < 3; i++)
        k[i] = ms_attr_ints_at(n, "kernel_shape", i, 1);
}

ms_code ms_pool_infer(struct ms_infer *c)
{
    const struct ms_shape *x = &c->in[0].shape;
    struct ms_window w;
    int64_t k[3];

    c->out[0].dtype = c->in[0].dtype;
    if (x->rank < 0)
        return MS_OK;
    if (x->rank < 3 || x->rank > 5)
        return ms_fail(c->err, MS_INVALID_ARGUMENT, "input of rank %d, 3 to 5 are supported",
                       x->rank);
    kernel_of(c->node, k);
    MS_TRY(ms_window_init(&w, c->node, x->rank - 2, k, x->dim + 2,
                          ms_attr_int(c->node, "ceil_mode") != 0, c->syms, c->err));
    struct ms_shape y = *x;
    for (int i = 2; i < x->rank; i++)
        y.dim[i] = w.out[i + 1 - w.rank];
    for (int i = 0; i < c->node->n_out; i++)
        c->out[i].shape = y;
    return MS_OK;
}

ms_code ms_pool_infer_global(struct ms_infer *c)
{
    const struct ms_shape *x = &c->in[0].shape;

    c->out[0].dtype = c->in[0].dtype;
    if (x->rank < 0)
        return MS_OK;
    if (x->rank < 3)
        return ms_fail(c->err, MS_INVALID_ARGUMENT, "input of rank %d, at least 3 is needed",
                       x->rank);
    c->out[0].shape = *x;
    for (int i = 2; i < x->rank; i++)
        c->out[0].shape.dim[i] = 1;
    return MS_OK;
}

void ms_pool_window(struct ms_window *w, const struct ms_task *t)
{
    int64_t k[3];

    kernel_of(t->node, k);
    ms_window_of(w, t->node, &t->in[0]->shape, k, ms_attr_int(t->node, "ceil_mode") != 0);
}

double ms_pool_cost(const struct ms_node *n, const struct ms_fact *in, const struct ms_fact *out)
{
    double taps = 1;

    for (int i = 0; i < in[0].shape.rank - 2; i++)
        taps *= (double)ms_attr_ints_at(n, "kernel_shape", i, 1);
    return taps * (double)ms_shape_span(&out[0].shape, 0, out[0].shape.rank);
}

double ms_pool_cost_global(const struct ms_node *n, const struct ms_fact *in,
                           const struct ms_fact *out)
{
    (void)n, (void)out;
    return (double)ms_shape_span(&in[0].shape, 0, in[0].shape.rank);
}

size_t ms_pool_units(const struct ms_task *t)
{
    return ms_shape_span(&t->in[0]->shape, 0, 2);
}

double ms_pool_count(const struct ms_window *w, const int64_t o[3], bool pads)
{
    double n = 1;

    for (int a = 0; a < 3; a++) {
        int64_t from, to;
        ms_window_taps(w, a, o[a], &from, &to);
        if (pads) { /* what ceil_mode adds beyond the padding is not counted */
            int64_t room = w->in[a] + w->pe[a] - (o[a] * w->s[a] - w->pb[a]);
            int64_t fit = (room + w->d[a] - 1) / w->d[a];
            n *= (double)(fit < w->k[a] ? fit : w->k[a]);
        } else {
            n *= (double)(to - from);
        }
    }
    return n;
}
