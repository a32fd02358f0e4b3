/* SPDX-License-Identifier: Apache-2.0 */
/* conv_transpose_gemm.c - ConvTranspose as one ordinary convolution for each phase of the output.
 *
 * Along an axis of stride s, output o belongs to phase r and step q with o + pad = q s + r. Its sum
 * takes the taps k for which k dilation = r + m s, and of those input q - m. So the outputs of one
 * phase are a convolution of stride 1 with a part of the kernel, and all phases have the same grid
 * of steps:
 *
 *     s = 2, 4 taps:     o + pad   0   1   2   3   4   5
 *                        phase     0   1   0   1   0   1     phase 0: taps 0 and 2, inputs q, q-1
 *                        step q    0   0   1   1   2   2     phase 1: taps 1 and 3, inputs q, q-1
 *
 * Rows of a product are output channels, columns steps, k runs over (channel, tap). Patches are
 * gathered into panels as in conv_gemm.c, once for all phases that read the same inputs, as here;
 * the phases of the last axis are then woven into rows of the output. */
#include <string.h>

#include "base/mem.h"
#include "kernels/conv_patch.h"
#include "kernels/conv_transpose.h"

enum {
    MAX_PHASES = 64,
    BLOCK_BYTES = 384 * 1024, /* of patches: well inside a 1 MiB L2 */
    MAX_PANELS = 8,
    OC_BLOCK = 64
};

/* The phases of an axis. Those that read the same inputs are one set; sets are numbered in order.
 */
struct axis {
    int64_t s;
    int64_t q0, steps;      /* the first step and how many */
    int64_t n[MAX_PHASES];  /* taps of a phase */
    int64_t k0[MAX_PHASES]; /* its first tap; the next ones are `every` apart */
    int64_t every;
    int64_t m0[MAX_PHASES]; /* m of the first tap; of the next ones `reach` apart */
    int64_t reach;
    int set[MAX_PHASES], sets;
    int64_t taps; /* of all sets */
};

static int64_t gcd(int64_t a, int64_t b)
{
    while (b) {
        int64_t r = a % b;
        a = b;
        b = r;
    }
    return a;
}

/* Phases of k taps at stride s and dilation d; the steps are left to the caller. */
static void axis_of(struct axis *x, int64_t k, int64_t s, int64_t d)
{
    int64_t g = gcd(s, d);

    *x = (struct axis){.s = s, .every = s / g, .reach = d / g};
    for (int64_t r = 0; r < s; r++) {
        int64_t first = 0;
        while (first < x->every && first * d % s != r)
            first++;
        if (first < x->every && first < k) {
            x->k0[r] = first;
            x->n[r] = (k - 1 - first) / x->every + 1;
            x->m0[r] = (first * d - r) / s;
        }
        bool as_last = r > 0 && x->n[r] == x->n[r - 1] && x->m0[r] == x->m0[r - 1];
        if (!as_last)
            x->taps += x->n[r];
        x->sets += !as_last;
        x->set[r] = x->sets - 1;
    }
}

struct plan {
    struct ms_conv_t c;
    struct axis x[3];
    int64_t steps;            /* of the grid */
    size_t k;                 /* rows of the patches of all sets */
    size_t panels, blocks;    /* panels of a block, blocks of the grid */
    size_t oc_blocks;         /* of a group */
    size_t pack, list, woven; /* bytes of scratch */
};

static bool plan_of(struct plan *p, const struct ms_task *t)
{
    size_t a, taps = 1;

    ms_conv_t_of(&p->c, t);
    for (int i = 0; i < 3; i++) {
        struct axis *x = &p->x[i];
        const struct ms_window *w = &p->c.w;
        axis_of(x, w->k[i], w->s[i], w->d[i]);
        x->q0 = w->pb[i] / x->s;
        x->steps = w->out[i] > 0 ? (w->out[i] - 1 + w->pb[i]) / x->s - x->q0 + 1 : 0;
        taps *= (size_t)x->taps;
    }
    p->steps = p->x[0].steps * p->x[1].steps * p->x[2].steps;
    if (!ms_mul((size_t)p->c.icg, taps, &p->k) ||
        !ms_mul(p->k, MS_GEMM_NR * sizeof(float), &p->pack) ||
        !ms_mul((size_t)p->c.taps, MS_GEMM_NR * sizeof(struct ms_patch), &p->list))
        return false;
    p->panels = p->pack ? BLOCK_BYTES / p->pack : 1;
    p->panels = p->panels < 1 ? 1 : p->panels > MAX_PANELS ? MAX_PANELS : p->panels;
    size_t px = p->panels * MS_GEMM_NR;
    p->blocks = ((size_t)p->steps + px - 1) / px;
    p->oc_blocks = ((size_t)p->c.ocg + OC_BLOCK - 1) / OC_BLOCK;
    p->woven = (size_t)p->x[2].s * OC_BLOCK * MS_GEMM_NR * sizeof(float);
    return ms_mul(p->pack, p->panels, &p->pack) && ms_add(p->list, 63, &a) &&
           ms_add(p->pack, 63, &a);
}

bool ms_conv_t_gemm_applicable(const struct ms_prep *p)
{
    int64_t phases = 1;

    if (!p->in[1].value)
        return false;
    for (int i = 0; i + 2 < p->in[1].shape.rank; i++) {
        int64_t s = ms_attr_ints_at(p->node, "strides", i, 1);
        if (s > MAX_PHASES / phases)
            return false;
        phases *= s;
    }
    return true;
}

/* Walks the phases of all axes in the order in which their weights are packed. */
#define EACH_PHASE(p_, r_)                                                                         \
    for ((r_)[0] = 0; (r_)[0] < (p_)[0].s; (r_)[0]++)                                              \
        for ((r_)[1] = 0; (r_)[1] < (p_)[1].s; (r_)[1]++)                                          \
            for ((r_)[2] = 0; (r_)[2] < (p_)[2].s; (r_)[2]++)

static size_t phase_taps(const struct axis *x, const int64_t r[3])
{
    return (size_t)(x[0].n[r[0]] * x[1].n[r[1]] * x[2].n[r[2]]);
}

/* One output channel of one input channel: the taps of a phase, the last ones first, so that the
 * inputs they meet ascend. w: [k0][k1][k2]. */
static float *pack_taps(float *to, const float *w, const struct axis *x, const int64_t r[3],
                        const int64_t k[3])
{
    for (int64_t a = x[0].n[r[0]] - 1; a >= 0; a--)
        for (int64_t b = x[1].n[r[1]] - 1; b >= 0; b--)
            for (int64_t c = x[2].n[r[2]] - 1; c >= 0; c--) {
                int64_t d = x[0].k0[r[0]] + a * x[0].every;
                int64_t h = x[1].k0[r[1]] + b * x[1].every;
                int64_t v = x[2].k0[r[2]] + c * x[2].every;
                *to++ = w[(d * k[1] + h) * k[2] + v];
            }
    return to;
}

/* Weights are [group][phase][output channel][input channel][tap]. */
ms_code ms_conv_t_gemm_prepare(const struct ms_prep *p, const void **state, struct ms_err *err)
{
    const struct ms_tensor *wt = p->in[1].value;
    size_t groups = (size_t)ms_attr_int(p->node, "group"), ocg = (size_t)wt->shape.dim[1];
    size_t icg = (size_t)wt->shape.dim[0] / groups, taps, bytes;
    int rank = wt->shape.rank - 2;
    int64_t k[3], r[3];
    struct axis x[3];

    if (!ms_mul(ms_tensor_count(wt), sizeof(float), &bytes))
        return ms_fail(err, MS_RESOURCE_EXHAUSTED, "the packed weights are too large");
    float *packed = p->alloc(p, bytes ? bytes : 1), *to = packed;
    if (!packed)
        return ms_fail_oom(err, "packed weights", bytes);
    for (int a = 0; a < 3; a++) {
        int i = a - (3 - rank);
        k[a] = i < 0 ? 1 : wt->shape.dim[i + 2];
        axis_of(&x[a], k[a], i < 0 ? 1 : ms_attr_ints_at(p->node, "strides", i, 1),
                i < 0 ? 1 : ms_attr_ints_at(p->node, "dilations", i, 1));
    }
    taps = (size_t)ms_window_volume(k);
    for (size_t g = 0; g < groups; g++)
        EACH_PHASE(x, r)
    for (size_t o = 0; o < ocg; o++)
        for (size_t i = 0; i < icg; i++)
            to = pack_taps(to, (const float *)wt->data + ((g * icg + i) * ocg + o) * taps, x, r, k);
    *state = packed;
    return MS_OK;
}

size_t ms_conv_t_gemm_units(const struct ms_task *t)
{
    struct plan p;

    return plan_of(&p, t) ? (size_t)(p.c.n * p.c.groups) * p.blocks * p.oc_blocks : 1;
}

size_t ms_conv_t_gemm_scratch(const struct ms_task *t)
{
    struct plan p;
    size_t sum;

    return plan_of(&p, t) && ms_add(ms_align64(p.pack), ms_align64(p.list), &sum) &&
                   ms_add(sum, p.woven, &sum)
               ? sum
               : SIZE_MAX;
}

/* The convolution that the phases r are. */
static struct ms_window phase_window(const struct plan *p, const int64_t r[3])
{
    struct ms_window w = {.rank = 3};

    for (int i = 0; i < 3; i++) {
        const struct axis *x = &p->x[i];
        w.k[i] = x->n[r[i]];
        w.s[i] = 1;
        w.d[i] = x->reach;
        w.pb[i] = x->m0[r[i]] + (w.k[i] - 1) * x->reach - x->q0;
        w.in[i] = p->c.w.in[i];
        w.out[i] = x->steps;
    }
    return w;
}

static bool new_set(const struct axis *x, int64_t r)
{
    return r == 0 || x->set[r] != x->set[r - 1];
}

/* Patches of block b, panel by panel, in a panel set by set in the order of phases. */
static void pack_block(const struct plan *p, const float *x, size_t b, float *packed,
                       struct ms_patch *list, ms_patch_fn gather)
{
    int64_t px = (int64_t)(b * p->panels * MS_GEMM_NR), r[3];
    int64_t end = px + (int64_t)p->panels * MS_GEMM_NR;

    for (end = end < p->steps ? end : p->steps; px < end; px += MS_GEMM_NR) {
        size_t n = (size_t)(end - px < MS_GEMM_NR ? end - px : MS_GEMM_NR);
        size_t width = ms_gemm_width(n);
        EACH_PHASE(p->x, r)
        {
            if (!new_set(&p->x[0], r[0]) || !new_set(&p->x[1], r[1]) || !new_set(&p->x[2], r[2]))
                continue;
            struct ms_window w = phase_window(p, r);
            size_t taps = phase_taps(p->x, r);
            size_t pieces = ms_patch_list(list, &w, px, (uint32_t)n, (uint32_t)width);
            gather(list, pieces, x, packed, (size_t)p->c.icg, (size_t)p->c.in_px, taps * width, 1);
            packed += (size_t)p->c.icg * taps * width;
        }
    }
}

/* Rows of patches before the set of phases r. */
static size_t set_at(const struct plan *p, const int64_t r[3])
{
    size_t at = 0;
    int64_t q[3];

    EACH_PHASE(p->x, q)
    {
        if (p->x[0].set[q[0]] == p->x[0].set[r[0]] && p->x[1].set[q[1]] == p->x[1].set[r[1]] &&
            p->x[2].set[q[2]] == p->x[2].set[r[2]])
            return at;
        if (new_set(&p->x[0], q[0]) && new_set(&p->x[1], q[1]) && new_set(&p->x[2], q[2]))
            at += (size_t)p->c.icg * phase_taps(p->x, q);
    }
    return at;
}

/* y[2 i] = a[i], y[2 i + 1] = b[i] */
MS_TARGET_AVX2 static size_t weave_two(const float *a, const float *b, size_t n, float *y)
{
    size_t i = 0;

    for (; i + 8 <= n; i += 8) {
        __m256 va = _mm256_loadu_ps(a + i), vb = _mm256_loadu_ps(b + i);
        __m256 lo = _mm256_unpacklo_ps(va, vb), hi = _mm256_unpackhi_ps(va, vb);
        _mm256_storeu_ps(y + 2 * i, _mm256_permute2f128_ps(lo, hi, 0x20));
        _mm256_storeu_ps(y + 2 * i + 8, _mm256_permute2f128_ps(lo, hi, 0x31));
    }
    return i;
}

/* n steps of s phases, whose sums lie `apart`, side by side: those that lie in [0, out) of the row;
 * at is the place of the first step's phase 0. */
static void weave(const float *v, size_t apart, int64_t s, int64_t n, float *row, int64_t at,
                  int64_t out, bool vectors)
{
    int64_t from = at < 0 ? (-at + s - 1) / s : 0; /* whole steps: [from, to) */
    int64_t to = at + n * s > out ? (out - at) / s : n;

    for (int64_t r = 0; r < s; r++) {
        for (int64_t i = 0; i < from && i < n; i++)
            if (at + i * s + r >= 0 && at + i * s + r < out)
                row[at + i * s + r] = v[(size_t)r * apart + (size_t)i];
        for (int64_t i = to > from ? to : from; i < n; i++)
            if (at + i * s + r < out)
                row[at + i * s + r] = v[(size_t)r * apart + (size_t)i];
    }
    if (from >= to)
        return;
    v += from;
    row += at + from * s;
    if (s == 1) {
        memcpy(row, v, (size_t)(to - from) * sizeof *row);
        return;
    }
    size_t count = (size_t)(to - from), i = 0;
    if (s == 2 && vectors)
        i = weave_two(v, v + apart, count, row);
    for (; i < count; i++)
        for (size_t r = 0; r < (size_t)s; r++)
            row[i * (size_t)s + r] = v[r * apart + i];
}

/* The sums of m channels and n steps from px on, of all phases of the last axis, to their rows. y:
 * the first channel's plane. */
static void store(const struct plan *p, const float *v, size_t m, int64_t px, int64_t n,
                  const int64_t r[3], float *y, bool vectors)
{
    const struct axis *x = p->x;
    const int64_t *out = p->c.w.out, *pad = p->c.w.pb;

    for (int64_t lane = 0; lane < n;) {
        int64_t q = px + lane, qw = q % x[2].steps, run = x[2].steps - qw;
        int64_t d = (q / x[2].steps / x[1].steps + x[0].q0) * x[0].s + r[0] - pad[0];
        int64_t h = (q / x[2].steps % x[1].steps + x[1].q0) * x[1].s + r[1] - pad[1];
        run = run < n - lane ? run : n - lane;
        if (d >= 0 && d < out[0] && h >= 0 && h < out[1])
            for (size_t o = 0; o < m; o++)
                weave(v + o * MS_GEMM_NR + lane, (size_t)OC_BLOCK * MS_GEMM_NR, x[2].s, run,
                      y + (int64_t)o * p->c.out_px + (d * out[1] + h) * out[2],
                      (qw + x[2].q0) * x[2].s - pad[2], out[2], vectors);
        lane += run;
    }
}

/* All phases of one panel: n steps from px on, m channels. w: weights of the group's first phase,
 * o: the first of the channels in it. */
static void multiply_panel(const struct plan *p, const float *w, size_t o, size_t m, int64_t px,
                           size_t n, const float *packed, float *sums, float *y,
                           const struct ms_gemm_tail *tail, enum ms_isa isa)
{
    size_t width = ms_gemm_width(n);
    int64_t r[3];

    EACH_PHASE(p->x, r)
    {
        size_t k = (size_t)p->c.icg * phase_taps(p->x, r);
        ms_gemm_panel(isa)(m, n, k, w + o * k, k, 1, packed + set_at(p, r) * width,
                           sums + (size_t)r[2] * OC_BLOCK * MS_GEMM_NR, MS_GEMM_NR, tail, 0, 0);
        w += (size_t)p->c.ocg * k;
        if (r[2] == p->x[2].s - 1)
            store(p, sums, m, px, (int64_t)n, r, y, isa != MS_ISA_ANY);
    }
}

static void multiply_block(const struct plan *p, const struct ms_task *t, size_t ng, size_t b,
                           size_t ob, const float *packed, float *sums, enum ms_isa isa)
{
    size_t ocg = (size_t)p->c.ocg, o = ob * OC_BLOCK, m = ocg - o < OC_BLOCK ? ocg - o : OC_BLOCK;
    size_t group = ng % (size_t)p->c.groups;
    int64_t px = (int64_t)(b * p->panels * MS_GEMM_NR);
    int64_t end = px + (int64_t)p->panels * MS_GEMM_NR;
    const float *w = (const float *)t->state + group * ocg * (size_t)(p->c.icg * p->c.taps);
    float *y = (float *)t->out[0]->data + (ng * ocg + o) * (size_t)p->c.out_px;
    const float *bias = t->n_in > 2 && t->in[2] ? t->in[2]->data : NULL;
    struct ms_gemm_tail tail;

    ms_gemm_tail_of(&tail, t->node, isa);
    tail.row = bias ? bias + group * ocg + o : NULL;
    tail.none = !bias && !tail.act.fn;
    for (end = end < p->steps ? end : p->steps; px < end; px += MS_GEMM_NR) {
        size_t n = (size_t)(end - px < MS_GEMM_NR ? end - px : MS_GEMM_NR);
        multiply_panel(p, w, o, m, px, n, packed, sums, y, &tail, isa);
        packed += p->k * ms_gemm_width(n);
    }
}

static void run(const struct ms_task *t, enum ms_isa isa)
{
    size_t have = SIZE_MAX; /* the block that is packed */
    struct plan p;

    if (!plan_of(&p, t))
        return;
    float *packed = t->scratch;
    struct ms_patch *list = (struct ms_patch *)((uint8_t *)t->scratch + ms_align64(p.pack));
    float *sums = (float *)((uint8_t *)list + ms_align64(p.list));
    for (size_t u = t->first; u < t->last && !ms_task_stopped(t); u++) {
        size_t block = u / p.oc_blocks, ng = block / p.blocks, b = block % p.blocks;
        size_t n = ng / (size_t)p.c.groups, g = ng % (size_t)p.c.groups;
        if (block != have) {
            const float *x = t->in[0]->data;
            x += (n * (size_t)p.c.ic + g * (size_t)p.c.icg) * (size_t)p.c.in_px;
            pack_block(&p, x, b, packed, list, ms_patch_gather(isa));
            have = block;
        }
        multiply_block(&p, t, ng, b, u % p.oc_blocks, packed, sums, isa);
    }
}

void ms_conv_t_gemm_avx512(const struct ms_task *t)
{
    run(t, MS_ISA_AVX512);
}

void ms_conv_t_gemm_avx2(const struct ms_task *t)
{
    run(t, MS_ISA_AVX2);
}

void ms_conv_t_gemm_plain(const struct ms_task *t)
{
    run(t, MS_ISA_ANY);
}
