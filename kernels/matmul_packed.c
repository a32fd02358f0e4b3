/* SPDX-License-Identifier: Apache-2.0 */
/* matmul_packed.c - MatMul in f32 with panels of B: packed once at load when B is a constant, panel
 * by panel while running when it is not (attention).
 *
 * A single constant B meets all rows of all batches of A as one tall matrix. */
#include "base/mem.h"
#include "kernels/gemm/gemm.h"
#include "kernels/matmul.h"

/* ---- constant B ---- */

bool ms_matmul_const_applicable(const struct ms_prep *p)
{
    return p->in[1].value != NULL;
}

/* The k and n of B alone, whatever A is. */
static void sizes_of_b(struct ms_matmul *mm, const struct ms_node *n, const struct ms_shape *b,
                       size_t *count)
{
    bool t = b->rank > 1 && ms_attr_int(n, "transB") != 0;
    size_t rows = b->rank > 1 ? (size_t)b->dim[b->rank - 2] : (size_t)b->dim[0];
    size_t cols = b->rank > 1 ? (size_t)b->dim[b->rank - 1] : 1;

    mm->k = t ? cols : rows;
    mm->n = t ? rows : cols;
    mm->b_ks = t ? 1 : mm->n;
    mm->b_ns = t ? mm->k : 1;
    mm->b_size = mm->k * mm->n;
    *count = b->rank > 2 ? ms_shape_span(b, 0, b->rank - 2) : 1;
}

ms_code ms_matmul_const_prepare(const struct ms_prep *p, const void **state, struct ms_err *err)
{
    const struct ms_tensor *b = p->in[1].value;
    struct ms_matmul mm = {0};
    size_t count, bytes, all;

    sizes_of_b(&mm, p->node, &b->shape, &count);
    if (!ms_gemm_packed_bytes(mm.k, mm.n, &bytes) || !ms_mul(bytes, count, &all))
        return ms_fail(err, MS_RESOURCE_EXHAUSTED, "the packed weights are too large");
    float *packed = p->alloc(p, all ? all : 1);
    if (!packed)
        return ms_fail_oom(err, "packed weights", all);
    for (size_t i = 0; i < count; i++)
        ms_gemm_pack(packed + i * (bytes / sizeof *packed), (const float *)b->data + i * mm.b_size,
                     mm.k, mm.n, mm.b_ks, mm.b_ns);
    *state = packed;
    return MS_OK;
}

/* All products as one, where B is a single matrix and A's rows lie one behind the other. */
static void merge_rows(struct ms_matmul *mm, const struct ms_shape *b)
{
    size_t matrices = b->rank > 2 ? ms_shape_span(b, 0, b->rank - 2) : 1;

    if (matrices != 1 || mm->a_ks != 1)
        return;
    mm->m *= mm->count;
    mm->a_rs = mm->k; /* also for transposed A of one row */
    mm->count = 1;
}

size_t ms_matmul_const_units(const struct ms_task *t)
{
    struct ms_matmul mm;

    ms_matmul_of(&mm, t->node, &t->in[0]->shape, &t->in[1]->shape);
    merge_rows(&mm, &t->in[1]->shape);
    return mm.count * ms_gemm_units(mm.m, mm.n);
}

static void tail_of(struct ms_gemm_tail *tail, const struct ms_task *t, size_t n, enum ms_isa isa)
{
    ms_gemm_tail_of(tail, t->node, isa);
    tail->col = t->n_in > 2 && t->in[2] ? t->in[2]->data : NULL;
    tail->res = t->n_in > 3 && t->in[3] ? t->in[3]->data : NULL;
    tail->ldr = n;
    tail->none = !tail->col && !tail->res && !tail->act.fn;
}

static void run_const(const struct ms_task *t, enum ms_isa isa)
{
    struct ms_gemm_tail tail;
    struct ms_matmul mm;
    size_t ia, ib, bytes;

    ms_matmul_of(&mm, t->node, &t->in[0]->shape, &t->in[1]->shape);
    merge_rows(&mm, &t->in[1]->shape);
    tail_of(&tail, t, mm.n, isa);
    if (!ms_gemm_packed_bytes(mm.k, mm.n, &bytes))
        return;
    size_t each = ms_gemm_units(mm.m, mm.n);
    for (size_t u = t->first; u < t->last && !ms_task_stopped(t);) {
        size_t p = u / each, end = (p + 1) * each < t->last ? (p + 1) * each : t->last;
        if (end - u > 16) /* to hear of a stop */
            end = u + 16;
        ms_matmul_pair(&mm, p, &ia, &ib);
        struct ms_gemm g = {ms_gemm_panel(isa),
                            mm.m,
                            mm.n,
                            mm.k,
                            mm.a_rs,
                            mm.a_ks,
                            mm.n,
                            (const float *)t->in[0]->data + ia * mm.a_size,
                            (const float *)t->state + ib * (bytes / sizeof(float)),
                            (float *)t->out[0]->data + p * mm.m * mm.n,
                            &tail,
                            p * mm.m};
        ms_gemm_run(&g, u - p * each, end - p * each);
        u = end;
    }
}

void ms_matmul_const_avx512(const struct ms_task *t)
{
    run_const(t, MS_ISA_AVX512);
}

void ms_matmul_const_avx2(const struct ms_task *t)
{
    run_const(t, MS_ISA_AVX2);
}

void ms_matmul_const_plain(const struct ms_task *t)
{
    run_const(t, MS_ISA_ANY);
}

/* ---- any B: units are (product, panel); each packs its own panel ---- */

static size_t panels(size_t n)
{
    return (n + MS_GEMM_NR - 1) / MS_GEMM_NR;
}

size_t ms_matmul_any_units(const struct ms_task *t)
{
    struct ms_matmul mm;

    ms_matmul_of(&mm, t->node, &t->in[0]->shape, &t->in[1]->shape);
    merge_rows(&mm, &t->in[1]->shape);
    return mm.count * panels(mm.n);
}

size_t ms_matmul_any_scratch(const struct ms_task *t)
{
    struct ms_matmul mm;
    size_t bytes;

    ms_matmul_of(&mm, t->node, &t->in[0]->shape, &t->in[1]->shape);
    return ms_gemm_packed_bytes(mm.k, mm.n < MS_GEMM_NR ? mm.n : MS_GEMM_NR, &bytes) ? bytes
                                                                                     : SIZE_MAX;
}

static void run_any(const struct ms_task *t, enum ms_isa isa)
{
    ms_gemm_panel_fn panel = ms_gemm_panel(isa);
    struct ms_gemm_tail tail;
    struct ms_matmul mm;
    size_t ia, ib;

    ms_matmul_of(&mm, t->node, &t->in[0]->shape, &t->in[1]->shape);
    merge_rows(&mm, &t->in[1]->shape);
    tail_of(&tail, t, mm.n, isa);
    for (size_t u = t->first; u < t->last && !ms_task_stopped(t); u++) {
        size_t p = u / panels(mm.n), j = u % panels(mm.n) * MS_GEMM_NR;
        size_t n = mm.n - j < MS_GEMM_NR ? mm.n - j : MS_GEMM_NR;
        ms_matmul_pair(&mm, p, &ia, &ib);
        ms_gemm_pack(t->scratch, (const float *)t->in[1]->data + ib * mm.b_size + j * mm.b_ns, mm.k,
                     n, mm.b_ks, mm.b_ns);
        panel(mm.m, n, mm.k, (const float *)t->in[0]->data + ia * mm.a_size, mm.a_rs, mm.a_ks,
              t->scratch, (float *)t->out[0]->data + p * mm.m * mm.n + j, mm.n, &tail, p * mm.m, j);
    }
}

void ms_matmul_any_avx512(const struct ms_task *t)
{
    run_any(t, MS_ISA_AVX512);
}

void ms_matmul_any_avx2(const struct ms_task *t)
{
    run_any(t, MS_ISA_AVX2);
}

void ms_matmul_any_plain(const struct ms_task *t)
{
    run_any(t, MS_ISA_ANY);
}
