/* SPDX-License-Identifier: Apache-2.0 */
/* affine.c - per-channel scale and shift, and convolutions that absorb them. */
#include "passes/affine.h"

#include <math.h>
#include <string.h>

#include "base/mem.h"

enum { RECIPE_FROM = 16 << 10 }; /* bytes */

void ms_affine_done(struct ms_affine *a)
{
    ms_free(a->scale);
    *a = (struct ms_affine){0};
}

bool ms_affine_init(struct ms_affine *a, int64_t n)
{
    size_t count;

    *a = (struct ms_affine){0};
    if (n < 1 || !ms_mul((size_t)n, 2, &count))
        return false;
    a->scale = ms_calloc(count, sizeof *a->scale);
    if (!a->scale)
        return false;
    a->shift = a->scale + n;
    a->n = n;
    for (int64_t i = 0; i < n; i++)
        a->scale[i] = 1;
    return true;
}

static bool is_vector(const struct ms_tensor *t, int64_t n)
{
    return t && t->dtype == MS_F32 && t->shape.rank == 1 && t->shape.dim[0] == n;
}

bool ms_affine_of_batchnorm(const struct ms_node *bn, struct ms_affine *a)
{
    const struct ms_tensor *p[4];
    const struct ms_tensor *scale = ms_in_const(bn, 1);

    if (!ms_node_is(bn, "BatchNormalization") || ms_attr_int(bn, "training_mode") || !scale ||
        scale->shape.rank != 1)
        return false;
    int64_t n = scale->shape.dim[0];
    for (int i = 0; i < 4; i++) {
        p[i] = ms_in_const(bn, i + 1);
        if (!is_vector(p[i], n))
            return false;
    }
    for (int i = 1; i < bn->n_out; i++)
        if (bn->out[i]->n_uses)
            return false;
    if (!ms_affine_init(a, n))
        return false;
    double epsilon = ms_attr_float(bn, "epsilon");
    for (int64_t i = 0; i < n; i++) {
        size_t k = (size_t)i;
        a->scale[i] = ms_const_at(p[0], k) / sqrt(ms_const_at(p[3], k) + epsilon);
        a->shift[i] = ms_const_at(p[1], k) - ms_const_at(p[2], k) * a->scale[i];
    }
    return true;
}

bool ms_conv_is_foldable(const struct ms_node *conv)
{
    const struct ms_tensor *w = conv ? ms_in_const(conv, 1) : NULL;

    if (!ms_node_is(conv, "Conv") || !w || w->dtype != MS_F32 || w->shape.rank < 3)
        return false;
    if (ms_in(conv, 2) && !is_vector(ms_in_const(conv, 2), w->shape.dim[0]))
        return false;
    return !ms_in(conv, 3) && !*ms_attr_str(conv, "activation");
}

static bool set_weights(struct ms_node *conv, struct ms_value *w, struct ms_value *b)
{
    if (!w || !b)
        return false;
    ms_node_set_in(conv, 1, w);
    if (conv->n_in > 2)
        ms_node_set_in(conv, 2, b);
    else if (ms_node_add_in(conv, b, NULL) != MS_OK)
        return false;
    return true;
}

/* w's rows times scale, as a recipe: a copy of all weights would be memory that packing them takes
 * once more. */
static struct ms_value *scaled_later(struct ms_node *conv, struct ms_pass_ctx *c,
                                     const struct ms_tensor *w, const double *scale)
{
    const size_t n = (size_t)w->shape.dim[0];
    struct ms_recipe *r = ms_arena_alloc(conv->graph->arena, sizeof *r);
    double *by = ms_arena_array(conv->graph->arena, n, sizeof *by);

    if (!r || !by)
        return NULL;
    for (size_t i = 0; i < n; i++)
        by[i] = scale[i] * (w->recipe ? w->recipe->scale[i] : 1.0);
    *r = (struct ms_recipe){w->recipe ? w->recipe->from : w, by,
                            ms_shape_span(&w->shape, 1, w->shape.rank)};
    return ms_pass_made(conv->graph, c, "weight", &w->shape, r);
}

static struct ms_value *scaled_now(struct ms_node *conv, struct ms_pass_ctx *c,
                                   const struct ms_tensor *w, const double *scale)
{
    const size_t per = ms_shape_span(&w->shape, 1, w->shape.rank);
    struct ms_tensor *t;
    struct ms_value *v = ms_pass_constant(conv->graph, c, "weight", MS_F32, &w->shape, &t);

    for (size_t m = 0; v && m < (size_t)w->shape.dim[0]; m++)
        for (size_t i = m * per; i < (m + 1) * per; i++)
            ((float *)t->data)[i] = (float)(ms_const_at(w, i) * scale[m]);
    return v;
}

bool ms_conv_fold_output(struct ms_node *conv, struct ms_pass_ctx *c, const struct ms_affine *a)
{
    const struct ms_tensor *w = ms_in_const(conv, 1), *b = ms_in_const(conv, 2);
    const bool later = c->recipes && w->bytes >= RECIPE_FROM;
    struct ms_shape bias_shape = ms_shape_make(a->n);
    struct ms_tensor *b2;
    struct ms_value *vw = (later ? scaled_later : scaled_now)(conv, c, w, a->scale);
    struct ms_value *vb = ms_pass_constant(conv->graph, c, "bias", MS_F32, &bias_shape, &b2);

    if (!vw || !vb)
        return false;
    float *bo = b2->data;
    for (int64_t m = 0; m < a->n; m++)
        bo[m] = (float)((b ? ms_const_at(b, (size_t)m) : 0) * a->scale[m] + a->shift[m]);
    return set_weights(conv, vw, vb);
}

bool ms_conv_fold_input(struct ms_node *conv, struct ms_pass_ctx *c, const struct ms_affine *a)
{
    const struct ms_tensor *w = ms_in_const(conv, 1), *b = ms_in_const(conv, 2);
    int64_t out = w->shape.dim[0], in = w->shape.dim[1], group = a->n / in;
    size_t taps = ms_shape_span(&w->shape, 2, w->shape.rank);
    struct ms_shape bias_shape = ms_shape_make(out);
    struct ms_tensor *w2, *b2;
    struct ms_value *vw = ms_pass_constant(conv->graph, c, "weight", MS_F32, &w->shape, &w2);
    struct ms_value *vb = ms_pass_constant(conv->graph, c, "bias", MS_F32, &bias_shape, &b2);

    if (!vw || !vb)
        return false;
    float *wo = w2->data, *bo = b2->data;
    for (int64_t m = 0; m < out; m++) {
        const int64_t first = m / (out / group) * in; /* channel where m's group starts */
        double shift = b ? ms_const_at(b, (size_t)m) : 0;
        for (int64_t k = 0; k < in; k++)
            for (size_t t = 0; t < taps; t++) {
                size_t i = (size_t)(m * in + k) * taps + t;
                wo[i] = (float)(ms_const_at(w, i) * a->scale[first + k]);
                shift += ms_const_at(w, i) * a->shift[first + k];
            }
        bo[m] = (float)shift;
    }
    return set_weights(conv, vw, vb);
}
