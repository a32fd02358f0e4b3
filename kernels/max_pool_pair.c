/* SPDX-License-Identifier: Apache-2.0 */
/* max_pool_pair.c - MaxPool at once with the convolution before it, as at the head of many
 * networks, where the tensor between the two is the largest of all (conv_band.h). */
#include "kernels/blocked.h"
#include "kernels/conv.h"
#include "kernels/conv_band.h"
#include "kernels/pool.h"

static bool band_of(struct ms_conv_band *b, const struct ms_task *first, const struct ms_task *t)
{
    struct ms_window w;

    ms_pool_window(&w, t);
    return ms_conv_band_init(b, first, t, &w);
}

static size_t units(const struct ms_task *first, const struct ms_task *t)
{
    struct ms_conv_band b;

    return band_of(&b, first, t) ? ms_conv_band_units(&b, t) : 0;
}

static size_t scratch(const struct ms_task *first, const struct ms_task *t)
{
    struct ms_conv_band b;
    size_t bytes;

    return band_of(&b, first, t) && ms_conv_band_scratch(&b, &bytes) ? bytes : SIZE_MAX;
}

/* Output rows [r, end) of an item, from a band whose first row is `from`. */
static void pool_rows(const struct ms_conv_band *b, const struct ms_tensor *y,
                      const struct ms_blocked_fns *f, size_t item, size_t r, size_t end,
                      const float *band, size_t from)
{
    const size_t oh = (size_t)b->w.out[1], ow = (size_t)b->w.out[2];
    int64_t inside[2];

    ms_window_inside(&b->w, 2, &inside[0], &inside[1]);
    for (size_t k = 0; k < b->blocks; k++)
        for (size_t i = r; i < end; i++) {
            float *to = (float *)y->data + ((item * b->blocks + k) * oh + i) * ow * f->lanes;
            f->max_row(band + k * b->plane - from * b->row, &b->w, inside, (int64_t)i, to);
            ms_block_clean(to, ow, f->lanes, ms_block_lanes(y, k));
        }
}

static void run(const struct ms_task *first, const struct ms_task *t,
                const struct ms_blocked_fns *f)
{
    const size_t before = t->memo ? *t->memo : SIZE_MAX; /* the unit whose rows are in scratch */
    struct ms_conv_rows have = {0}, need;
    struct ms_conv_band b;

    if (!band_of(&b, first, t))
        return;
    if (before != SIZE_MAX)
        have = ms_conv_band_rows(&b, before);
    for (size_t u = t->first; u < t->last && !ms_task_stopped(t); u++, have = need) {
        const size_t r = ms_conv_band_row(&b, u % b.bands);
        const size_t end = ms_conv_band_row(&b, u % b.bands + 1);
        need = ms_conv_band_rows(&b, u);
        const float *band = ms_conv_band_fill(&b, first, &have, &need, t->scratch);
        pool_rows(&b, t->out[0], f, need.item, r, end, band, need.from);
        if (t->memo)
            *t->memo = u;
    }
}

static void run_avx512(const struct ms_task *first, const struct ms_task *t)
{
    run(first, t, ms_blocked_fns(MS_ISA_AVX512));
}

static void run_avx2(const struct ms_task *first, const struct ms_task *t)
{
    run(first, t, ms_blocked_fns(MS_ISA_AVX2));
}

const struct ms_pairing ms_max_pool_pairing_avx512 = {
    .after = ms_conv_direct_avx512, .units = units, .scratch = scratch, .run = run_avx512};
const struct ms_pairing ms_max_pool_pairing_avx2 = {
    .after = ms_conv_direct_avx2, .units = units, .scratch = scratch, .run = run_avx2};
