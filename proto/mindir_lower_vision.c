/* SPDX-License-Identifier: Apache-2.0 */
/* mindir_lower_vision.c - resizing, boxes and pixels.
 *
 * Coordinates as measured against MindSpore 2.10: nearest rounds down, with half pixels or aligned
 * corners it rounds half up; linear clamps coordinates that fall outside. */
#include "proto/mindir.h"

#include <math.h>

/* ---- resize ---- */

/* The full output size: N and C as they are, then the two given. */
static struct ms_value *resize(struct mir_call *c, struct ms_value *x, struct ms_value *size,
                               bool nearest, bool align, bool half)
{
    const char *mode = nearest ? "nearest" : "linear";
    const char *where = align ? "align_corners" : half ? "half_pixel" : "asymmetric";
    const char *round = align || half ? "round_prefer_ceil" : "floor";
    struct ms_value *outer =
        mir_op(c, "Shape", MIR_IN(x), MIR_ATTRS(MIR_A_INT("start", 0), MIR_A_INT("end", 2)));
    struct ms_value *sizes =
        mir_op(c, "Concat", MIR_IN(outer, size), MIR_ATTRS(MIR_A_INT("axis", 0)));

    return mir_op(c, "Resize", MIR_IN(x, NULL, NULL, sizes),
                  MIR_ATTRS(MIR_A_STR("mode", mode),
                            MIR_A_STR("coordinate_transformation_mode", where),
                            MIR_A_STR("nearest_mode", round)));
}

/* op(x, size, align_corners, half_pixel_centers); row->op is the mode. */
static ms_code resize_v2(struct mir_call *c)
{
    struct ms_value *x = mir_tensor(c, 0), *size = mir_dims_value(c, 1);
    const bool align = mir_bool(c, 2), half = mir_bool(c, 3);

    return mir_give(c, resize(c, x, size, c->row->op[0] == 'n', align, half));
}

/* The output size from a size, or from scales where the input's is known. */
static struct ms_value *size_or_scales(struct mir_call *c, const struct ms_value *x, size_t size,
                                       size_t scales)
{
    int64_t out[2];

    if (c->code != MS_OK || !mir_is_none(c, size))
        return mir_dims_value(c, size);
    const struct mir_value *v = c->arg[scales];
    if (v->kind != MIR_TUPLE || v->n != 2 || x->shape.rank != 4) {
        mir_unsupported(c, "neither a size nor two scales are given");
        return NULL;
    }
    for (int i = 0; i < 2; i++) {
        const double scale = v->items[i]->kind == MIR_FLOAT ? v->items[i]->f : 0.0;

        if (x->shape.dim[2 + i] < 0 || x->shape.dim[2 + i] > INT32_MAX ||
            !(scale > 0.0 && scale < 4096.0)) {
            mir_unsupported(c, "scales need a known size");
            return NULL;
        }
        out[i] = (int64_t)floor((double)x->shape.dim[2 + i] * scale);
    }
    return mir_const_ints(c, out, 2);
}

static ms_code upsample_nearest(struct mir_call *c)
{
    struct ms_value *x = mir_tensor(c, 0);

    return mir_give(c, resize(c, x, size_or_scales(c, x, 1, 2), true, false, false));
}

static ms_code upsample_bilinear(struct mir_call *c)
{
    struct ms_value *x = mir_tensor(c, 0);
    const bool align = mir_bool(c, 3);

    return mir_give(c, resize(c, x, size_or_scales(c, x, 1, 2), false, align, !align));
}

/* GridSampler2D(x, grid, interpolation, padding, align_corners) */
static ms_code grid_sample(struct mir_call *c)
{
    static const char *const modes[] = {"bilinear", "nearest", NULL};
    static const char *const pads[] = {"zeros", "border", "reflection", NULL};
    const int mode = mir_choice(c, c->arg[2], modes);
    const int pad = c->code == MS_OK ? mir_choice(c, c->arg[3], pads) : 0;
    const bool align = mir_bool(c, 4);

    if (c->code != MS_OK)
        return c->code;
    return mir_give(c, mir_op(c, "GridSample", MIR_IN(mir_tensor(c, 0), mir_tensor(c, 1)),
                              MIR_ATTRS(MIR_A_STR("mode", mode == 0 ? "linear" : "nearest"),
                                        MIR_A_STR("padding_mode", pads[pad]),
                                        MIR_A_INT("align_corners", align))));
}

/* ---- regions ---- */

/* ROIAlign(x, rois [n, batch index and x1, y1, x2, y2]) */
static ms_code roi_align(struct mir_call *c)
{
    struct ms_value *x = mir_tensor(c, 0), *rois = mir_tensor(c, 1);
    const int64_t h = mir_attr_int(c, "pooled_height", 1), w = mir_attr_int(c, "pooled_width", 1);
    const int64_t samples = mir_attr_int(c, "sample_num", 2);
    const double scale = mir_attr_float(c, "spatial_scale", 1.0);

    struct ms_value *batch = mir_squeeze(c, mir_slice(c, rois, 1, 0, 1, 1), 1);
    struct ms_value *boxes = mir_slice(c, rois, 1, 1, 5, 1);
    if (mir_attr_int(c, "roi_end_mode", 1) == 1) { /* x2 and y2 are the last pixel, not the edge */
        static const float ends[] = {0, 0, 1, 1};
        const struct ms_shape s = ms_shape_make(4);
        struct ms_value *end =
            c->code == MS_OK ? ms_graph_const_copy(c->m->level->g, c->op, MS_F32, &s, ends) : NULL;
        if (c->code == MS_OK && !end)
            return mir_no_memory(c->m);
        if (end)
            boxes = mir_op(c, "Add", MIR_IN(boxes, mir_cast(c, end, rois->dtype)), NULL);
    }
    return mir_give(
        c, mir_op(c, "RoiAlign", MIR_IN(x, boxes, mir_cast(c, batch, MS_I64)),
                  MIR_ATTRS(MIR_A_TEXT("coordinate_transformation_mode", "output_half_pixel"),
                            MIR_A_TEXT("mode", "avg"), MIR_A_INT("output_height", h),
                            MIR_A_INT("output_width", w), MIR_A_INT("sampling_ratio", samples),
                            MIR_A_FLOAT("spatial_scale", scale))));
}

/* Positions of n samples between two box edges [boxes,1], in [-1, 1] over the picture:
 * 2 (a + i (b - a) / (n - 1)) - 1, or the middle for n = 1. Gives [boxes, n]. */
static struct ms_value *crop_axis(struct mir_call *c, struct ms_value *a, struct ms_value *b,
                                  int64_t n)
{
    struct ms_value *gap = mir_op(c, "Sub", MIR_IN(b, a), NULL);
    float *at = ms_arena_array(c->m->scratch, (size_t)n, sizeof *at);
    const struct ms_shape s = ms_shape_make(1, n);

    if (c->code != MS_OK)
        return NULL;
    for (int64_t i = 0; at && i < n; i++)
        at[i] = n > 1 ? (float)i / (float)(n - 1) : 0.5f;
    struct ms_value *steps = at ? ms_graph_const_copy(c->m->level->g, c->op, MS_F32, &s, at) : NULL;
    if (!steps) {
        c->code = mir_no_memory(c->m);
        return NULL;
    }
    struct ms_value *p =
        mir_op(c, "Add", MIR_IN(a, mir_op(c, "Mul", MIR_IN(steps, gap), NULL)), NULL);
    p = mir_op(c, "Mul", MIR_IN(p, mir_const(c, 2.0, MS_F32)), NULL);
    return mir_op(c, "Sub", MIR_IN(p, mir_const(c, 1.0, MS_F32)), NULL);
}

/* CropAndResize(x [N,H,W,C], boxes [n, y1 x1 y2 x2 in 0..1], picture [n], size): a grid sampled
 * with aligned corners; points outside of the picture get the extrapolation value. */
static ms_code crop_and_resize(struct mir_call *c)
{
    static const char *const methods[] = {"bilinear", "nearest", NULL};
    static const int64_t to_nchw[] = {0, 3, 1, 2}, to_nhwc[] = {0, 2, 3, 1};
    struct ms_value *x = mir_cast(c, mir_tensor(c, 0), MS_F32), *boxes = mir_tensor(c, 1), *edge[4];
    const struct mir_value *method = mir_attr(c, "method");
    const double fill = mir_attr_float(c, "extrapolation_value", 0.0);
    int64_t size[2] = {0, 0};

    if (method && mir_choice(c, method, methods) != 0)
        return mir_unsupported(c, "only method bilinear is supported");
    if (mir_ints(c, 3, size, 2) != 2 || size[0] < 1 || size[1] < 1 || size[0] > 65536 ||
        size[1] > 65536)
        return mir_bad(c, "a crop of %lld x %lld", (long long)size[0], (long long)size[1]);
    x = mir_op(c, "Gather", MIR_IN(x, mir_tensor(c, 2)), NULL);
    x = mir_op(c, "Transpose", MIR_IN(x), MIR_ATTRS(MIR_A_INTS("perm", to_nchw, 4)));
    for (int i = 0; i < 4; i++)
        edge[i] = mir_slice(c, boxes, 1, i, i + 1, 1);
    struct ms_value *y = mir_unsqueeze(c, crop_axis(c, edge[0], edge[2], size[0]), 2);
    struct ms_value *h = mir_unsqueeze(c, crop_axis(c, edge[1], edge[3], size[1]), 1);
    struct ms_value *zero = mir_const(c, 0.0, MS_F32), *one = mir_const(c, 1.0, MS_F32);
    struct ms_value *none_y = mir_op(c, "Mul", MIR_IN(y, zero), NULL);
    struct ms_value *none_h = mir_op(c, "Mul", MIR_IN(h, zero), NULL);
    y = mir_unsqueeze(c, mir_op(c, "Add", MIR_IN(y, none_h), NULL), 3);
    h = mir_unsqueeze(c, mir_op(c, "Add", MIR_IN(h, none_y), NULL), 3);
    struct ms_value *grid = mir_op(c, "Concat", MIR_IN(h, y), MIR_ATTRS(MIR_A_INT("axis", 3)));
    struct ms_value *crop =
        mir_op(c, "GridSample", MIR_IN(x, grid),
               MIR_ATTRS(MIR_A_TEXT("mode", "linear"), MIR_A_TEXT("padding_mode", "border"),
                         MIR_A_INT("align_corners", 1)));
    crop = mir_op(c, "Transpose", MIR_IN(crop), MIR_ATTRS(MIR_A_INTS("perm", to_nhwc, 4)));
    struct ms_value *out_y =
        mir_op(c, "Greater", MIR_IN(mir_op(c, "Abs", MIR_IN(y), NULL), one), NULL);
    struct ms_value *out_h =
        mir_op(c, "Greater", MIR_IN(mir_op(c, "Abs", MIR_IN(h), NULL), one), NULL);
    struct ms_value *outside = mir_op(c, "Or", MIR_IN(out_y, out_h), NULL);
    return mir_give(c, mir_op(c, "Where", MIR_IN(outside, mir_const(c, fill, MS_F32), crop), NULL));
}

/* NonMaxSuppressionV3(boxes [n,4], scores [n], most, iou, score): one picture, one class. */
static ms_code non_max_suppression(struct mir_call *c)
{
    struct ms_value *boxes = mir_unsqueeze(c, mir_tensor(c, 0), 0);
    struct ms_value *scores = mir_unsqueeze(c, mir_unsqueeze(c, mir_tensor(c, 1), 0), 0);
    struct ms_value *limits[3];

    for (size_t i = 0; i < 3; i++) {
        limits[i] = mir_reshape(c, mir_tensor(c, 2 + i), (const int64_t[]){1}, 1);
        limits[i] = mir_cast(c, limits[i], i == 0 ? MS_I64 : MS_F32);
    }
    struct ms_value *picked = mir_op(c, "NonMaxSuppression",
                                     MIR_IN(boxes, scores, limits[0], limits[1], limits[2]), NULL);
    picked = mir_squeeze(c, mir_slice(c, picked, 1, 2, 3, 1), 1);
    return mir_give(c, mir_cast(c, picked, MS_I32));
}

/* ---- pixels and channels ---- */

static ms_code block(struct mir_call *c)
{
    const int64_t size = mir_attr_int(c, "block_size", 0);

    return mir_give(c, mir_op(c, c->row->op, MIR_IN(mir_tensor(c, 0)),
                              MIR_ATTRS(MIR_A_INT("blocksize", size))));
}

const struct mir_row mir_rows_vision[] = {
    {"ResizeBilinearV2", "x size align_corners=false half_pixel_centers=false", resize_v2, "linear",
     NULL},
    {"ResizeBilinear", "x size align_corners=false half_pixel_centers=false", resize_v2, "linear",
     NULL},
    {"ResizeNearestNeighbor", "x size align_corners=false half_pixel_centers=false", resize_v2,
     "nearest", NULL},
    {"ResizeNearestNeighborV2", "x size align_corners=false half_pixel_centers=false", resize_v2,
     "nearest", NULL},
    {"UpsampleNearest2D", "x size=none scales=none", upsample_nearest, NULL, NULL},
    {"UpsampleBilinear2D", "x size=none scales=none align_corners=false", upsample_bilinear, NULL,
     NULL},
    {"GridSampler2D", "x grid mode='bilinear' padding='zeros' align_corners=false", grid_sample,
     NULL, NULL},
    {"ROIAlign", "x rois", roi_align, NULL, NULL},
    {"CropAndResize", "x boxes index size", crop_and_resize, NULL, NULL},
    {"NonMaxSuppressionV3", "boxes scores most iou score", non_max_suppression, NULL, NULL},
    {"DepthToSpace", "x", block, "DepthToSpace", NULL},
    {"SpaceToDepth", "x", block, "SpaceToDepth", NULL},
    {0},
};
