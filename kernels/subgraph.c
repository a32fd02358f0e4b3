/* SPDX-License-Identifier: Apache-2.0 */
/* subgraph.c - see subgraph.h. */
#include "kernels/subgraph.h"

ms_code ms_sub_bind(const struct ms_infer *c, struct ms_graph *g, int i, const struct ms_fact *f,
                    bool contents)
{
    if (i >= g->n_in)
        return ms_fail(c->err, MS_INVALID_ARGUMENT, "graph '%s' has %d inputs, %d are given",
                       g->name, g->n_in, i + 1);
    struct ms_value *v = g->in[i];

    if (f->dtype == MS_DTYPE_NONE)
        return ms_fail(c->err, MS_INVALID_ARGUMENT, "input %d of graph '%s' is missing", i,
                       g->name);
    if (v->dtype != MS_DTYPE_NONE && v->dtype != f->dtype)
        return ms_fail(c->err, MS_INVALID_ARGUMENT, "input %d of graph '%s' is %s, given is %s", i,
                       g->name, ms_dtype_name(v->dtype), ms_dtype_name(f->dtype));
    v->dtype = f->dtype;
    v->shape = f->shape;
    v->sym = contents ? f->sym : NULL;
    v->n_sym = contents ? f->n_sym : 0;
    return MS_OK;
}

struct ms_shape ms_sub_shape(const struct ms_infer *c, const struct ms_value *v)
{
    struct ms_shape s = v->shape;

    for (int d = 0; d < s.rank; d++)
        if (ms_is_sym(s.dim[d]))
            s.dim[d] = ms_syms_fresh(c->syms);
    return s;
}

struct ms_shape ms_sub_common(const struct ms_infer *c, const struct ms_shape *a,
                              const struct ms_shape *b)
{
    struct ms_shape s = *a;

    if (a->rank != b->rank)
        return ms_shape_unknown();
    for (int d = 0; d < s.rank; d++)
        if (a->dim[d] != b->dim[d])
            s.dim[d] = ms_syms_fresh(c->syms);
    return s;
}
