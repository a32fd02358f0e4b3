/* SPDX-License-Identifier: Apache-2.0 */
/* roi_align.c - regions of a feature map brought to one size.
 *
 * A region is cut into output_height x output_width cells, each sampled at a grid of points by
 * bilinear interpolation, and the samples are averaged; mode max takes the largest weighted corner,
 * as the standard's reference does. sampling_ratio 0: as many points as the cell is wide, rounded
 * up, at most MAX_GRID. half_pixel shifts the region by half a pixel; output_half_pixel does not
 * and makes regions at least one pixel large. A unit is one region and channel. */
#include <inttypes.h>
#include <math.h>

#include "kernels/facts.h"
#include "kernels/half.h"

enum { MAX_GRID = 1024 }; /* points along one side of a cell: regions come from outside */

struct region {
    double y, x, cell_h, cell_w; /* corner and size of a cell, in pixels */
    int grid_h, grid_w;
};

static int grid_of(const struct ms_task *t, double cell)
{
    const int64_t ratio = ms_attr_int(t->node, "sampling_ratio");

    if (ratio > 0)
        return (int)ratio;
    return cell > MAX_GRID ? MAX_GRID : cell > 0.0 ? (int)ceil(cell) : 0;
}

static struct region region_of(const struct ms_task *t, size_t r)
{
    const double scale = ms_attr_float(t->node, "spatial_scale");
    const bool half = ms_attr_str(t->node, "coordinate_transformation_mode")[0] == 'h';
    const double shift = half ? 0.5 : 0.0;
    double v[4];
    struct region g;

    for (int i = 0; i < 4; i++)
        v[i] = ms_tensor_f64(t->in[1], r * 4 + (size_t)i) * scale - shift;
    double w = v[2] - v[0], h = v[3] - v[1];
    if (!half) {
        w = fmax(w, 1.0);
        h = fmax(h, 1.0);
    }
    g.x = v[0];
    g.y = v[1];
    g.cell_h = h / (double)ms_attr_int(t->node, "output_height");
    g.cell_w = w / (double)ms_attr_int(t->node, "output_width");
    g.grid_h = grid_of(t, g.cell_h);
    g.grid_w = grid_of(t, g.cell_w);
    return g;
}

/* Corner below and distance to it along one axis of n places; false outside. */
static bool corner(double v, int64_t n, int64_t *low, int64_t *high, double *d)
{
    if (!(v >= -1.0 && v <= (double)n))
        return false;
    v = v < 0.0 ? 0.0 : v;
    *low = (int64_t)v;
    if (*low >= n - 1) {
        *low = n - 1;
        v = (double)*low;
    }
    *high = *low + 1 < n ? *low + 1 : *low;
    *d = v - (double)*low;
    return true;
}

/* The sample at (y, x): weighted corners summed, or the largest of them. */
static double sample(const struct ms_tensor *t, size_t plane, int64_t h, int64_t w, double y,
                     double x, bool max)
{
    int64_t y0, y1, x0, x1;
    double dy, dx;

    if (!corner(y, h, &y0, &y1, &dy) || !corner(x, w, &x0, &x1, &dx))
        return 0.0;
    const double a = (1.0 - dy) * (1.0 - dx) * ms_tensor_f64(t, plane + (size_t)(y0 * w + x0));
    const double b = (1.0 - dy) * dx * ms_tensor_f64(t, plane + (size_t)(y0 * w + x1));
    const double c = dy * (1.0 - dx) * ms_tensor_f64(t, plane + (size_t)(y1 * w + x0));
    const double d = dy * dx * ms_tensor_f64(t, plane + (size_t)(y1 * w + x1));

    return max ? fmax(fmax(a, b), fmax(c, d)) : a + b + c + d;
}

static double cell(const struct ms_task *t, const struct region *g, size_t plane, int64_t i,
                   int64_t j, bool max)
{
    const struct ms_shape *x = &t->in[0]->shape;
    double result = 0.0;
    bool first = true;

    for (int a = 0; a < g->grid_h; a++)
        for (int b = 0; b < g->grid_w; b++) {
            const double y = g->y + g->cell_h * ((double)i + ((double)a + 0.5) / g->grid_h);
            const double at = g->x + g->cell_w * ((double)j + ((double)b + 0.5) / g->grid_w);
            const double v = sample(t->in[0], plane, x->dim[2], x->dim[3], y, at, max);

            result = !max ? result + v : first ? v : fmax(result, v);
            first = false;
        }
    const double n = (double)g->grid_h * g->grid_w;
    return max ? result : result / (n > 1.0 ? n : 1.0);
}

static size_t units(const struct ms_task *t)
{
    return ms_shape_span(&t->out[0]->shape, 0, 2);
}

static void run(const struct ms_task *t)
{
    const struct ms_shape *x = &t->in[0]->shape;
    struct ms_tensor *y = t->out[0];
    const int64_t rows = y->shape.dim[2], cols = y->shape.dim[3];
    const size_t channels = (size_t)x->dim[1], plane = (size_t)(x->dim[2] * x->dim[3]);
    const bool max = ms_attr_str(t->node, "mode")[0] == 'm';

    for (size_t u = t->first; u < t->last; u++) {
        const size_t r = u / channels;
        const struct region g = region_of(t, r);
        int64_t image;

        if (!ms_index_wrap(t->in[2], r, x->dim[0], &image)) {
            ms_index_fail(t, 2, r, x->dim[0]);
            return;
        }
        const size_t from = ((size_t)image * channels + u % channels) * plane;
        for (int64_t i = 0; i < rows; i++) {
            if (ms_task_stopped(t))
                return;
            for (int64_t j = 0; j < cols; j++) {
                const double v = plane ? cell(t, &g, from, i, j, max) : 0.0;
                const size_t to = u * (size_t)(rows * cols) + (size_t)(i * cols + j);
                const float f = (float)v;

                if (y->dtype == MS_F64)
                    ((double *)y->data)[to] = v;
                else if (y->dtype == MS_F32)
                    ((float *)y->data)[to] = f;
                else
                    ms_half_narrow(y->dtype, (uint16_t *)y->data + to, &f, 1);
            }
        }
    }
}

static ms_code infer(struct ms_infer *c)
{
    const struct ms_shape *x = &c->in[0].shape, *r = &c->in[1].shape, *b = &c->in[2].shape;
    struct ms_shape *y = &c->out[0].shape;

    MS_TRY(ms_fact_rank(c, 0, 4));
    MS_TRY(ms_fact_rank(c, 1, 2));
    MS_TRY(ms_fact_rank(c, 2, 1));
    MS_TRY(ms_fact_same_dtype(c, 1, 0));
    ms_fact_fresh(c, 0, c->in[0].dtype, 4);
    if (r->rank == 2) {
        if (!ms_is_sym(r->dim[1]) && r->dim[1] != 4)
            return ms_fail(c->err, MS_INVALID_ARGUMENT, "regions of %" PRId64 " numbers",
                           r->dim[1]);
        y->dim[0] = r->dim[0];
        if (b->rank == 1 && !ms_fact_agree(r->dim[0], b->dim[0], &y->dim[0]))
            return ms_fail(c->err, MS_INVALID_ARGUMENT, "%" PRId64 " regions, %" PRId64 " images",
                           r->dim[0], b->dim[0]);
    }
    if (x->rank == 4)
        y->dim[1] = x->dim[1];
    y->dim[2] = ms_attr_int(c->node, "output_height");
    y->dim[3] = ms_attr_int(c->node, "output_width");
    return MS_OK;
}

static double cost(const struct ms_node *n, const struct ms_fact *in, const struct ms_fact *out)
{
    (void)n;
    (void)in;
    return 100.0 * (double)ms_shape_span(&out->shape, 0, out->shape.rank);
}

static const struct ms_attr_spec attrs[] = {
    {.name = "coordinate_transformation_mode",
     .type = MS_ATTR_STRING,
     .s = "half_pixel",
     .choices = "half_pixel|output_half_pixel",
     .doc = "whether regions are shifted by half a pixel"},
    {.name = "mode", .type = MS_ATTR_STRING, .s = "avg", .choices = "avg|max", .doc = "of samples"},
    {.name = "output_height", .type = MS_ATTR_INT, .i = 1, .min = 1, .max = 65536, .doc = "cells"},
    {.name = "output_width", .type = MS_ATTR_INT, .i = 1, .min = 1, .max = 65536, .doc = "cells"},
    {.name = "sampling_ratio",
     .type = MS_ATTR_INT,
     .min = 0,
     .max = MAX_GRID,
     .doc = "points along a side of a cell; 0: by its size"},
    {.name = "spatial_scale", .type = MS_ATTR_FLOAT, .f = 1.0, .doc = "of regions to pixels"},
    {0},
};

MS_OP(roi_align) = {
    .name = "RoiAlign",
    .doc = "regions of a feature map brought to one size",
    .min_in = 3,
    .max_in = 3,
    .min_out = 1,
    .max_out = 1,
    .in = {MS_FLOATS, MS_FLOATS, MS_INDEX_TYPES},
    .attrs = attrs,
    .infer = infer,
    .cost = cost,
    .kernels = (const struct ms_kernel[]){{"roi_align", MS_FLOATS, MS_ISA_ANY, .units = units,
                                           .run = run},
                                          {0}},
};
