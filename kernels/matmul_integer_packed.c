/* SPDX-License-Identifier: Apache-2.0 */
/* matmul_integer_packed.c - MatMulInteger by panels of B: packed once at load when B is a constant,
 * else while running. A unit is (product, panel, 64 rows). Units that follow each other share the
 * rows, or the panel where that has to be packed. */
#include "kernels/matmul_integer.h"

#include "base/mem.h"
#include "kernels/gemm/gemm_int.h"
#include "kernels/matmul.h"
#include "kernels/qlinear.h"
#include "kernels/quant.h"

enum { NR = MS_GEMM_NR, MB = MS_GEMM_MB };

struct job {
    const struct ms_int_form *f;
    struct ms_matmul mm;
    const uint8_t *packed; /* NULL: B is packed by units */
    size_t panels, blocks;
    size_t panel_bytes, rows_bytes; /* room of a full panel, of 64 rows */
};

static bool job_of(struct job *j, const struct ms_int_form *f, const struct ms_task *t)
{
    j->f = f;
    ms_matmul_of(&j->mm, t->node, &t->in[0]->shape, &t->in[1]->shape);
    j->packed = t->state;
    j->panels = (j->mm.n + NR - 1) / NR;
    j->blocks = (j->mm.m + MB - 1) / MB;
    return ms_int_panel_bytes(f, j->mm.k, NR, &j->panel_bytes) &&
           ms_int_rows_bytes(f, j->mm.k, &j->rows_bytes);
}

size_t ms_matmul_integer_units(const struct ms_task *t)
{
    struct job j;
    size_t units;

    (void)job_of(&j, &ms_int_plain, t);
    return __builtin_mul_overflow(j.mm.count, j.panels * j.blocks, &units) ? SIZE_MAX : units;
}

static size_t scratch(const struct ms_task *t, const struct ms_int_form *f)
{
    struct job j;

    return job_of(&j, f, t) ? j.rows_bytes + ms_align64(j.panel_bytes) : SIZE_MAX;
}

/* ---- at load ---- */

/* bi: which input B is. */
static ms_code prepare(const struct ms_prep *p, const struct ms_int_form *f, int bi,
                       const void **state, struct ms_err *err)
{
    const struct ms_tensor *b = p->in[bi].value;
    const struct ms_shape *s = &p->in[bi].shape;

    *state = NULL;
    if (!b || s->rank < 2 || b->bytes == 0)
        return MS_OK;
    const size_t k = (size_t)s->dim[s->rank - 2], n = (size_t)s->dim[s->rank - 1];
    const size_t matrices = b->bytes / k / n, panels = (n + NR - 1) / NR;
    size_t each, bytes;
    if (!ms_int_panel_bytes(f, k, NR, &each) ||
        __builtin_mul_overflow(ms_align64(each), panels, &bytes) ||
        __builtin_mul_overflow(bytes, matrices, &bytes))
        return ms_fail(err, MS_RESOURCE_EXHAUSTED, "the packed weights are too large");
    uint8_t *to = p->alloc(p, bytes);
    if (!to)
        return ms_fail_oom(err, "packed weights", bytes);
    *state = to;
    for (size_t i = 0; i < matrices * panels; i++, to += ms_align64(each)) {
        const size_t j = i % panels * NR;
        ms_int_pack_panel(f, to, (const uint8_t *)b->data + i / panels * k * n + j, b->dtype, k,
                          n - j < NR ? n - j : NR, n);
    }
    return MS_OK;
}

/* ---- while running ---- */

static struct ms_int_panel panel_of(const struct job *j, const struct ms_task *t, size_t matrix,
                                    size_t panel, size_t n)
{
    const uint8_t *b = t->in[1]->data;
    uint8_t *own = (uint8_t *)t->scratch + j->rows_bytes;

    if (j->packed)
        return ms_int_panel_at(
            j->f, j->packed + (matrix * j->panels + panel) * ms_align64(j->panel_bytes), j->mm.k,
            n);
    return ms_int_pack_panel(j->f, own, b + matrix * j->mm.b_size + panel * NR, t->in[1]->dtype,
                             j->mm.k, n, j->mm.n);
}

/* Zero points [first, first + n) of an operand, or its only one. Returns whether there are many. */
static bool zeros(const struct ms_task *t, int i, size_t first, size_t n, int32_t *out)
{
    const struct ms_tensor *z = t->n_in > i ? t->in[i] : NULL;
    const bool each = z && ms_tensor_count(z) > 1;

    for (size_t k = 0; k < (each ? n : 1); k++)
        out[k] = ms_quant_at(z, each ? first + k : 0);
    return each;
}

/* What a unit works on; rows and panel are the last unit's when they are the same. */
struct place {
    size_t product, block, panel;
};

static struct place place_of(const struct job *j, size_t u)
{
    const size_t inner = j->packed ? j->panels : j->blocks,
                 outer = j->packed ? j->blocks : j->panels;
    const size_t i = u % inner, o = u / inner % outer, product = u / inner / outer;

    return j->packed ? (struct place){product, o, i} : (struct place){product, i, o};
}

/* q: results are bytes; NULL: the sums. */
static void run(const struct ms_task *t, const struct ms_int_form *f, const struct ms_qlinear *q)
{
    int32_t sums[MB * NR];
    struct place at, last = {SIZE_MAX, 0, 0};
    struct ms_int_panel panel = {0};
    struct ms_int_rows rows = {0};
    int32_t za[MB], zb[NR];
    size_t ia, ib;
    struct job j;

    if (!job_of(&j, f, t))
        return;
    for (size_t u = t->first; u < t->last && !ms_task_stopped(t); u++, last = at) {
        at = place_of(&j, u);
        const size_t i = at.block * MB, c = at.panel * NR;
        const size_t m = j.mm.m - i < MB ? j.mm.m - i : MB, n = j.mm.n - c < NR ? j.mm.n - c : NR;
        ms_matmul_pair(&j.mm, at.product, &ia, &ib);
        if (at.product != last.product || at.panel != last.panel)
            panel = panel_of(&j, t, ib, at.panel, n);
        if (at.product != last.product || at.block != last.block) {
            const bool each = zeros(t, 2, i, m, za);
            const uint8_t *a = (const uint8_t *)t->in[0]->data + ia * j.mm.a_size + i * j.mm.k;
            rows = ms_int_pack_rows(f, t->scratch, a, t->in[0]->dtype, m, j.mm.k, za, each);
        }
        const bool each = zeros(t, 3, c, n, zb);
        const size_t to = (at.product * j.mm.m + i) * j.mm.n + c;
        ms_int_product(f, m, n, j.mm.k, &rows, &panel, t->in[1]->dtype, zb, each,
                       q ? sums : (int32_t *)t->out[0]->data + to, q ? NR : j.mm.n);
        if (q)
            ms_qlinear_put(q, sums, NR, m, n, i, c, (uint8_t *)t->out[0]->data + to, j.mm.n);
    }
}

size_t ms_qlinear_matmul_units(const struct ms_task *t)
{
    struct ms_qlinear q;

    ms_qlinear_of(&q, t, false, MS_ISA_ANY);
    return ms_matmul_integer_units(&q.t);
}

bool ms_matmul_integer_vnni_applicable(const struct ms_prep *p)
{
    (void)p;
    return ms_cpu()->vnni;
}

bool ms_matmul_integer_avxvnni_applicable(const struct ms_prep *p)
{
    (void)p;
    return ms_cpu()->avxvnni;
}

#define FORM(s_, isa_)                                                                             \
    ms_code ms_matmul_integer_prepare_##s_(const struct ms_prep *p, const void **state,            \
                                           struct ms_err *err)                                     \
    {                                                                                              \
        return prepare(p, &ms_int_##s_, 1, state, err);                                            \
    }                                                                                              \
    size_t ms_matmul_integer_scratch_##s_(const struct ms_task *t)                                 \
    {                                                                                              \
        return scratch(t, &ms_int_##s_);                                                           \
    }                                                                                              \
    void ms_matmul_integer_##s_(const struct ms_task *t)                                           \
    {                                                                                              \
        run(t, &ms_int_##s_, NULL);                                                                \
    }                                                                                              \
    ms_code ms_qlinear_matmul_prepare_##s_(const struct ms_prep *p, const void **state,            \
                                           struct ms_err *err)                                     \
    {                                                                                              \
        return prepare(p, &ms_int_##s_, MS_QL_W, state, err);                                      \
    }                                                                                              \
    size_t ms_qlinear_matmul_scratch_##s_(const struct ms_task *t)                                 \
    {                                                                                              \
        struct ms_qlinear q;                                                                       \
        ms_qlinear_of(&q, t, false, isa_);                                                         \
        return scratch(&q.t, &ms_int_##s_);                                                        \
    }                                                                                              \
    void ms_qlinear_matmul_##s_(const struct ms_task *t)                                           \
    {                                                                                              \
        struct ms_qlinear q;                                                                       \
        ms_qlinear_of(&q, t, false, isa_);                                                         \
        run(&q.t, &ms_int_##s_, &q);                                                               \
    }
FORM(vnni, MS_ISA_AVX512)
FORM(avxvnni, MS_ISA_AVX2)
FORM(avx2, MS_ISA_AVX2)
FORM(plain, MS_ISA_ANY)
