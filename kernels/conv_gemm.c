/* SPDX-License-Identifier: Apache-2.0 */
/* conv_gemm.c - convolution as a product of weights with patches, without a matrix of patches.
 *
 * Rows are output channels, columns output pixels, k runs over (channel, tap). For a block of
 * pixels the patches are gathered straight into B panels (implicit im2col); all output channels
 * then meet the block while it is in L2. Weights are A, read in place: OIHW is row-major already,
 * so nothing is packed at load. Serves any kernel, stride, dilation, padding, group count and 1 to
 * 3 axes.
 */
#include "base/mem.h"
#include "kernels/conv.h"
#include "kernels/conv_patch.h"
#include "kernels/gemm/gemm.h"

enum {
    BLOCK_BYTES = 384 * 1024, /* of packed patches: well inside a 1 MiB L2 */
    MAX_PANELS = 8,
    OC_BLOCK = 64
};

struct plan {
    struct ms_conv c;
    size_t k;         /* products of an output */
    size_t panels;    /* of a block */
    size_t blocks;    /* of pixels */
    size_t oc_blocks; /* of a group */
};

static void plan_of(struct plan *p, const struct ms_task *t)
{
    ms_conv_of(&p->c, t);
    p->k = (size_t)(p->c.icg * p->c.taps);
    size_t panel = p->k * MS_GEMM_NR * sizeof(float);
    p->panels = panel ? BLOCK_BYTES / panel : 1;
    p->panels = p->panels < 1 ? 1 : p->panels > MAX_PANELS ? MAX_PANELS : p->panels;
    size_t px = p->panels * MS_GEMM_NR;
    p->blocks = ((size_t)p->c.out_px + px - 1) / px;
    p->oc_blocks = ((size_t)p->c.ocg + OC_BLOCK - 1) / OC_BLOCK;
}

size_t ms_conv_gemm_units(const struct ms_task *t)
{
    struct plan p;

    plan_of(&p, t);
    return (size_t)(p.c.n * p.c.groups) * p.blocks * p.oc_blocks;
}

static size_t pack_bytes(const struct plan *p)
{
    return p->k * p->panels * MS_GEMM_NR * sizeof(float);
}

size_t ms_conv_gemm_scratch(const struct ms_task *t)
{
    struct plan p;
    size_t list, sum;

    plan_of(&p, t);
    if (!ms_mul((size_t)p.c.taps, MS_GEMM_NR * sizeof(struct ms_patch), &list) ||
        !ms_add(list, ms_align64(pack_bytes(&p)), &sum))
        return SIZE_MAX;
    return sum;
}

static size_t channel_of(const struct plan *p, size_t c)
{
    return (size_t)ms_conv_channel((int64_t)c, p->c.ic, p->c.shuffle);
}

/* Packs block b of pixels for group g of the item x. Lanes beyond the last pixel hold old numbers:
 * what they make is not stored. */
static void pack_block(const struct plan *p, const float *x, size_t g, size_t b, float *packed,
                       struct ms_patch *list, ms_patch_fn gather)
{
    const size_t icg = (size_t)p->c.icg, in_px = (size_t)p->c.in_px;
    const size_t once = p->c.shuffle == 1 ? icg : 1; /* channels that lie one after the other */
    size_t px = b * p->panels * MS_GEMM_NR, end = px + p->panels * MS_GEMM_NR;

    if (end > (size_t)p->c.out_px)
        end = (size_t)p->c.out_px;
    for (; px < end; px += MS_GEMM_NR) {
        size_t n = end - px < MS_GEMM_NR ? end - px : MS_GEMM_NR, w = ms_gemm_width(n);
        size_t pieces = ms_patch_list(list, &p->c.w, (int64_t)px, (uint32_t)n, (uint32_t)w);
        size_t row = (size_t)p->c.taps * w;
        for (size_t c = 0; c < icg; c += once)
            gather(list, pieces, x + channel_of(p, g * icg + c) * in_px, packed + c * row, once,
                   in_px, row, p->c.w.s[2]);
        packed += p->k * w;
    }
}

static void multiply_block(const struct plan *p, size_t ng, size_t b, size_t ob,
                           const float *packed, const struct ms_gemm_tail *tail,
                           ms_gemm_panel_fn panel)
{
    size_t out_px = (size_t)p->c.out_px, ocg = (size_t)p->c.ocg, o = ob * OC_BLOCK;
    size_t m = ocg - o < OC_BLOCK ? ocg - o : OC_BLOCK;
    size_t group = ng % (size_t)p->c.groups, row = ng * ocg + o; /* of the output's channels */
    size_t px = b * p->panels * MS_GEMM_NR, end = px + p->panels * MS_GEMM_NR;
    const float *w = (const float *)p->c.wt + (group * ocg + o) * p->k;
    struct ms_gemm_tail t = *tail;

    if (t.row)
        t.row += group * ocg + o;
    if (t.res)
        t.res += row * out_px;
    if (end > out_px)
        end = out_px;
    for (; px < end; px += MS_GEMM_NR) {
        size_t n = end - px < MS_GEMM_NR ? end - px : MS_GEMM_NR;
        panel(m, n, p->k, w, p->k, 1, packed, (float *)p->c.y + row * out_px + px, out_px, &t, 0,
              px);
        packed += p->k * ms_gemm_width(n);
    }
}

static void run(const struct ms_task *t, enum ms_isa isa)
{
    struct ms_gemm_tail tail;
    struct plan p;

    plan_of(&p, t);
    float *packed = t->scratch;
    struct ms_patch *list = (struct ms_patch *)((uint8_t *)t->scratch + ms_align64(pack_bytes(&p)));
    size_t have = SIZE_MAX; /* the block that is packed */
    ms_gemm_tail_of(&tail, t->node, isa);
    tail.row = p.c.bias;
    tail.res = p.c.res;
    tail.ldr = (size_t)p.c.out_px;
    tail.none = !p.c.bias && !p.c.res && !tail.act.fn;
    for (size_t u = t->first; u < t->last && !ms_task_stopped(t); u++) {
        size_t block = u / p.oc_blocks, ng = block / p.blocks;
        size_t n = ng / (size_t)p.c.groups, g = ng % (size_t)p.c.groups;
        if (block != have) {
            const float *x = p.c.x;
            x += n * (size_t)p.c.ic * (size_t)p.c.in_px;
            pack_block(&p, x, g, block % p.blocks, packed, list, ms_patch_gather(isa));
            have = block;
        }
        multiply_block(&p, ng, block % p.blocks, u % p.oc_blocks, packed, &tail,
                       ms_gemm_panel(isa));
    }
}

void ms_conv_gemm_avx512(const struct ms_task *t)
{
    run(t, MS_ISA_AVX512);
}

void ms_conv_gemm_avx2(const struct ms_task *t)
{
    run(t, MS_ISA_AVX2);
}

void ms_conv_gemm_plain(const struct ms_task *t)
{
    run(t, MS_ISA_ANY);
}
