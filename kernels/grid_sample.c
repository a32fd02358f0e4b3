/* SPDX-License-Identifier: Apache-2.0 */
/* grid_sample.c - the input read at the places a grid names: [N, C, D...] by [N, Do..., k].
 *
 * The grid's last dim is a point (x, y, ...), x along the input's last axis, in [-1, 1] from edge
 * to edge (align_corners: from centre to centre of the outer elements). Beyond the edge: zeros, the
 * nearest element (border), or the reflected place. A NaN coordinate counts as the low edge. For
 * each point the places and weights are found once, then applied to all channels. A unit is one
 * point. */
#include "kernels/grid_sample.h"

#include <inttypes.h>
#include <math.h>

#include "kernels/facts.h"
#include "kernels/half.h"

enum { MAX_TAPS = 64 };

void ms_sampler_of(const struct ms_task *t, struct ms_sampler *s)
{
    const struct ms_shape *x = &t->in[0]->shape;

    s->mode = ms_attr_str(t->node, "mode")[0];
    s->padding = ms_attr_str(t->node, "padding_mode")[0];
    s->corners = ms_attr_int(t->node, "align_corners");
    s->dims = x->rank - 2;
    for (int d = 0; d < s->dims; d++) {
        s->size[d] = x->dim[2 + d];
        s->low[d] = s->corners ? 0.0 : -0.5;
        s->high[d] = (double)s->size[d] - (s->corners ? 1.0 : 0.5);
    }
}

/* x brought into [low, high] by turning back at both ends. */
static double reflect(double x, double low, double high)
{
    const double span = high - low;

    if (span <= 0.0)
        return low;
    x = fmod(fabs(x - low), 2.0 * span);
    return x > span ? high - (x - span) : low + x;
}

double ms_sampler_place(const struct ms_sampler *s, int d, double v)
{
    const double n = (double)s->size[d], far = 1e9;
    double x = s->corners ? (v + 1.0) / 2.0 * (n - 1.0) : ((v + 1.0) * n - 1.0) / 2.0;

    if (isnan(x))
        x = s->low[d];
    if (s->mode == 'n')
        x = rint(x);
    if (x < s->low[d] || x > s->high[d]) {
        if (s->padding == 'b')
            x = x < 0.0 ? 0.0 : n - 1.0;
        else if (s->padding == 'r')
            x = reflect(isinf(x) ? s->low[d] : x, s->low[d], s->high[d]);
    }
    return x < -far ? -far : x > far ? far : x;
}

int64_t ms_sampler_element(const struct ms_sampler *s, int d, int64_t i)
{
    const int64_t n = s->size[d];

    if (i >= 0 && i < n)
        return i;
    if (s->padding == 'z')
        return -1;
    if (s->padding == 'r')
        i = (int64_t)reflect((double)i, s->low[d], s->high[d]);
    return i < 0 ? 0 : i >= n ? n - 1 : i;
}

static double cubic(double x)
{
    const double a = -0.75;

    x = fabs(x);
    if (x <= 1.0)
        return ((a + 2.0) * x - (a + 3.0)) * x * x + 1.0;
    return x < 2.0 ? ((a * x - 5.0 * a) * x + 8.0 * a) * x - 4.0 * a : 0.0;
}

/* Offsets in a plane and weights of all taps of one point; returns how many there are. */
static int find_taps(const struct ms_sampler *s, const double *at, int64_t *offset, double *weight)
{
    const int width = s->mode == 'n' ? 1 : s->mode == 'l' ? 2 : 4;
    int n = 1;

    offset[0] = 0;
    weight[0] = 1.0;
    for (int d = 0; d < s->dims; d++) {
        const double low = floor(at[d]);
        const int64_t first = (int64_t)low - (width == 4 ? 1 : 0);

        /* From the back, so that tap 0 is overwritten last. */
        for (int j = n - 1; j >= 0; j--)
            for (int k = width - 1; k >= 0; k--) {
                const int64_t e = ms_sampler_element(s, d, first + k), o = offset[j];
                const double far = fabs(at[d] - (double)(first + k));
                const double w = width == 1 ? 1.0 : width == 2 ? 1.0 - far : cubic(far);

                weight[j * width + k] = e < 0 ? 0.0 : weight[j] * w;
                offset[j * width + k] = e < 0 || o < 0 ? -1 : o * s->size[d] + e;
            }
        n *= width;
    }
    return n;
}

static void store(struct ms_tensor *y, size_t i, double v)
{
    const float f = (float)v;

    if (y->dtype == MS_F32)
        ((float *)y->data)[i] = f;
    else if (y->dtype == MS_F64)
        ((double *)y->data)[i] = v;
    else
        ms_half_narrow(y->dtype, (uint16_t *)y->data + i, &f, 1);
}

static size_t points_of(const struct ms_task *t)
{
    return ms_shape_span(&t->in[1]->shape, 1, t->in[1]->shape.rank - 1);
}

size_t ms_grid_sample_units(const struct ms_task *t)
{
    return (size_t)t->in[0]->shape.dim[0] * points_of(t);
}

static void run(const struct ms_task *t)
{
    const struct ms_tensor *x = t->in[0], *grid = t->in[1];
    const size_t channels = (size_t)x->shape.dim[1], points = points_of(t);
    const size_t plane = ms_shape_span(&x->shape, 2, x->shape.rank);
    int64_t offset[MAX_TAPS];
    double weight[MAX_TAPS], at[MS_SAMPLER_DIMS];
    struct ms_sampler s;

    ms_sampler_of(t, &s);
    for (size_t u = t->first; u < t->last && !ms_task_stopped(t); u++) {
        for (int d = 0; d < s.dims; d++)
            at[d] = ms_sampler_place(
                &s, d, ms_tensor_f64(grid, u * (size_t)s.dims + (size_t)(s.dims - 1 - d)));
        const int n = find_taps(&s, at, offset, weight);

        for (size_t c = 0; c < channels; c++) {
            const size_t from = (u / points * channels + c) * plane;
            double sum = 0.0;

            for (int k = 0; k < n; k++)
                if (offset[k] >= 0)
                    sum += weight[k] *
                           (x->dtype == MS_F32
                                ? (double)((const float *)x->data)[from + (size_t)offset[k]]
                                : ms_tensor_f64(x, from + (size_t)offset[k]));
            store(t->out[0], (u / points * channels + c) * points + u % points, sum);
        }
    }
}

static ms_code infer(struct ms_infer *c)
{
    const struct ms_shape *x = &c->in[0].shape, *g = &c->in[1].shape;
    struct ms_shape *y = &c->out[0].shape;
    const bool cubic_mode = ms_attr_str(c->node, "mode")[0] == 'c';

    if (x->rank < 0 || g->rank < 0)
        return ms_fact_unknown(c, 0, c->in[0].dtype);
    if (x->rank < 3 || x->rank > 2 + MS_SAMPLER_DIMS || g->rank != x->rank ||
        (cubic_mode && x->rank > 5))
        return ms_fail(c->err, MS_INVALID_ARGUMENT, "an input of rank %d with a grid of rank %d",
                       x->rank, g->rank);
    if (!ms_is_sym(g->dim[g->rank - 1]) && g->dim[g->rank - 1] != x->rank - 2)
        return ms_fail(c->err, MS_INVALID_ARGUMENT, "points have %" PRId64 " coordinates, not %d",
                       g->dim[g->rank - 1], x->rank - 2);
    c->out[0].dtype = c->in[0].dtype;
    y->rank = x->rank;
    if (!ms_fact_agree(x->dim[0], g->dim[0], &y->dim[0]))
        return ms_fail(c->err, MS_INVALID_ARGUMENT, "a batch of %" PRId64 ", grids for %" PRId64,
                       x->dim[0], g->dim[0]);
    y->dim[1] = x->dim[1];
    for (int d = 2; d < x->rank; d++) {
        if (x->dim[d] == 0)
            return ms_fail(c->err, MS_INVALID_ARGUMENT, "axis %d has no elements", d);
        y->dim[d] = g->dim[d - 1];
    }
    return MS_OK;
}

static double cost(const struct ms_node *n, const struct ms_fact *in, const struct ms_fact *out)
{
    (void)n;
    (void)in;
    return 20.0 * (double)ms_shape_span(&out->shape, 0, out->shape.rank);
}

static const struct ms_attr_spec attrs[] = {
    {.name = "mode",
     .type = MS_ATTR_STRING,
     .s = "linear",
     .choices = "linear|nearest|cubic",
     .doc = "interpolation"},
    {.name = "padding_mode",
     .type = MS_ATTR_STRING,
     .s = "zeros",
     .choices = "zeros|border|reflection",
     .doc = "beyond the edge"},
    {.name = "align_corners",
     .type = MS_ATTR_INT,
     .min = 0,
     .max = 1,
     .doc = "1: -1 and 1 are centres of the outer elements, not their outer edges"},
    {0},
};

#define LINEAR(suffix_, isa_)                                                                      \
    {                                                                                              \
        .name = "grid_sample_linear_" #suffix_, .dtypes = MS_BIT(F32), .isa = isa_,                \
        .applicable = ms_grid_sample_linear_applicable, .units = ms_grid_sample_units,             \
        .scratch = ms_grid_sample_linear_scratch, .run = ms_grid_sample_linear_##suffix_           \
    }

MS_OP(grid_sample) = {
    .name = "GridSample",
    .doc = "the input read at the places a grid names",
    .min_in = 2,
    .max_in = 2,
    .min_out = 1,
    .max_out = 1,
    .in = {MS_FLOATS, MS_FLOATS},
    .attrs = attrs,
    .infer = infer,
    .cost = cost,
    .kernels = (const struct ms_kernel[]){LINEAR(avx512, MS_ISA_AVX512),
                                          LINEAR(avx2, MS_ISA_AVX2),
                                          {"grid_sample", MS_FLOATS, MS_ISA_ANY,
                                           .units = ms_grid_sample_units, .run = run},
                                          {0}},
};
