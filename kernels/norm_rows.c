/* SPDX-License-Identifier: Apache-2.0 */
/* norm_rows.c - see norm_rows.h. */
#include "kernels/norm_rows.h"

#include "kernels/act.h"
#include "kernels/vec_avx2.h"
#include "kernels/norm_rows.inc"
#include "kernels/vec_avx512.h"
#include "kernels/norm_rows.inc"

const struct ms_row_fns *ms_row_fns(enum ms_isa isa)
{
    static const struct ms_row_fns avx2 = {
        v8_row_sum,   v8_row_mean,   v8_row_squares, v8_row_max, v8_row_exp, v8_row_exp_sum,
        v8_row_score, v8_row_affine, v8_stripe,      v8_lrn,     8};
    static const struct ms_row_fns avx512 = {
        v16_row_sum,   v16_row_mean,   v16_row_squares, v16_row_max, v16_row_exp, v16_row_exp_sum,
        v16_row_score, v16_row_affine, v16_stripe,      v16_lrn,     16};

    return isa == MS_ISA_AVX512 ? &avx512 : &avx2;
}

size_t ms_softmax_units(const struct ms_task *t)
{
    struct ms_norm_rows r = ms_norm_rows(t->node, &t->in[0]->shape);

    return r.outer * (r.inner == 1 ? 1 : (r.inner + 15) / 16);
}

void ms_softmax_stripes(const struct ms_task *t, const struct ms_row_fns *f, struct ms_norm_rows r,
                        bool log)
{
    size_t each = (r.inner + 15) / 16;

    for (size_t u = t->first; u < t->last; u++) {
        size_t k = u % each * 16, cols = r.inner - k < 16 ? r.inner - k : 16;
        size_t at = u / each * r.n * r.inner + k;
        for (size_t c = 0; c < cols; c += f->lanes)
            f->stripe((const float *)t->in[0]->data + at + c, (float *)t->out[0]->data + at + c,
                      r.n, r.inner, cols - c < f->lanes ? cols - c : f->lanes, log);
    }
}
