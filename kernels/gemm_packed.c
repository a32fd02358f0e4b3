/* SPDX-License-Identifier: Apache-2.0 */
/* gemm_packed.c - Gemm in f32 with panels of B: packed once at load when B is a constant, panel by
 * panel while running when it is not. */
#include "kernels/gemm_packed.h"

#include "base/mem.h"
#include "kernels/gemm/gemm.h"

struct sizes {
    size_t m, n, k, rs, ks, b_ks, b_ns;
};

static void sizes_of(struct sizes *z, const struct ms_node *node, const struct ms_shape *a,
                     const struct ms_shape *b)
{
    bool ta = ms_attr_int(node, "transA") != 0, tb = ms_attr_int(node, "transB") != 0;

    z->k = (size_t)b->dim[tb];
    z->n = (size_t)b->dim[!tb];
    z->b_ks = tb ? 1 : z->n;
    z->b_ns = tb ? z->k : 1;
    z->m = a ? (size_t)a->dim[ta] : 0;
    z->rs = ta ? 1 : z->k;
    z->ks = ta ? z->m : 1;
}

bool ms_gemm_const_applicable(const struct ms_prep *p)
{
    return p->in[1].value != NULL;
}

ms_code ms_gemm_const_prepare(const struct ms_prep *p, const void **state, struct ms_err *err)
{
    const struct ms_tensor *b = p->in[1].value;
    struct sizes z;
    size_t bytes;

    sizes_of(&z, p->node, NULL, &b->shape);
    if (!ms_gemm_packed_bytes(z.k, z.n, &bytes))
        return ms_fail(err, MS_RESOURCE_EXHAUSTED, "the packed weights are too large");
    float *packed = p->alloc(p, bytes ? bytes : 1);
    if (!packed)
        return ms_fail_oom(err, "packed weights", bytes);
    ms_gemm_pack(packed, b->data, z.k, z.n, z.b_ks, z.b_ns);
    *state = packed;
    return MS_OK;
}

/* C as a column of numbers, a row of them, one number, or a matrix. */
static void tail_of(struct ms_gemm_tail *tail, const struct ms_task *t, const struct sizes *z,
                    enum ms_isa isa)
{
    const struct ms_tensor *c = t->n_in > 2 ? t->in[2] : NULL;

    ms_gemm_tail_of(tail, t->node, isa);
    tail->alpha = (float)ms_attr_float(t->node, "alpha");
    tail->beta = (float)ms_attr_float(t->node, "beta");
    if (c) {
        int rank = c->shape.rank;
        size_t cols = rank > 0 ? (size_t)c->shape.dim[rank - 1] : 1;
        size_t rows = rank > 1 ? (size_t)c->shape.dim[0] : 1;
        const float *v = c->data;
        if (rows == 1 && cols == 1 && z->m > 0 && z->n > 0)
            tail->one = v[0];
        else if (rows == 1)
            tail->col = v;
        else if (cols == 1)
            tail->row = v;
        else
            tail->res = v;
        tail->ldr = z->n;
    }
    tail->none = !c && tail->alpha == 1.0f && !tail->act.fn;
}

size_t ms_gemm_const_units(const struct ms_task *t)
{
    struct sizes z;

    sizes_of(&z, t->node, &t->in[0]->shape, &t->in[1]->shape);
    return ms_gemm_units(z.m, z.n);
}

static void run_const(const struct ms_task *t, enum ms_isa isa)
{
    struct ms_gemm_tail tail;
    struct sizes z;

    sizes_of(&z, t->node, &t->in[0]->shape, &t->in[1]->shape);
    tail_of(&tail, t, &z, isa);
    struct ms_gemm g = {
        ms_gemm_panel(isa), z.m,   z.n, z.k, z.rs, z.ks, z.n, t->in[0]->data, t->state,
        t->out[0]->data,    &tail, 0};
    for (size_t u = t->first; u < t->last && !ms_task_stopped(t); u += 16)
        ms_gemm_run(&g, u, u + 16 < t->last ? u + 16 : t->last);
}

void ms_gemm_const_avx512(const struct ms_task *t)
{
    run_const(t, MS_ISA_AVX512);
}

void ms_gemm_const_avx2(const struct ms_task *t)
{
    run_const(t, MS_ISA_AVX2);
}

void ms_gemm_const_plain(const struct ms_task *t)
{
    run_const(t, MS_ISA_ANY);
}

/* ---- any B: units are panels ---- */

size_t ms_gemm_any_units(const struct ms_task *t)
{
    return ((size_t)t->out[0]->shape.dim[1] + MS_GEMM_NR - 1) / MS_GEMM_NR;
}

size_t ms_gemm_any_scratch(const struct ms_task *t)
{
    struct sizes z;
    size_t bytes;

    sizes_of(&z, t->node, &t->in[0]->shape, &t->in[1]->shape);
    return ms_gemm_packed_bytes(z.k, z.n < MS_GEMM_NR ? z.n : MS_GEMM_NR, &bytes) ? bytes
                                                                                  : SIZE_MAX;
}

static void run_any(const struct ms_task *t, enum ms_isa isa)
{
    struct ms_gemm_tail tail;
    struct sizes z;

    sizes_of(&z, t->node, &t->in[0]->shape, &t->in[1]->shape);
    tail_of(&tail, t, &z, isa);
    for (size_t u = t->first; u < t->last && !ms_task_stopped(t); u++) {
        size_t j = u * MS_GEMM_NR, n = z.n - j < MS_GEMM_NR ? z.n - j : MS_GEMM_NR;
        ms_gemm_pack(t->scratch, (const float *)t->in[1]->data + j * z.b_ns, z.k, n, z.b_ks,
                     z.b_ns);
        ms_gemm_panel(isa)(z.m, n, z.k, t->in[0]->data, z.rs, z.ks, t->scratch,
                           (float *)t->out[0]->data + j, z.n, &tail, 0, j);
    }
}

void ms_gemm_any_avx512(const struct ms_task *t)
{
    run_any(t, MS_ISA_AVX512);
}

void ms_gemm_any_avx2(const struct ms_task *t)
{
    run_any(t, MS_ISA_AVX2);
}

void ms_gemm_any_plain(const struct ms_task *t)
{
    run_any(t, MS_ISA_ANY);
}
