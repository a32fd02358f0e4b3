/* SPDX-License-Identifier: Apache-2.0 */
/* resize.c - dims made larger or smaller by interpolation: nearest, linear or cubic.
 *
 * Interpolation is separable. For each axis a table says which input places make up output place i
 * and with what weights ("taps"). An output row is made in two steps: the input rows that its outer
 * coordinates ask for are added up with their weights, then the last axis is interpolated within
 * the sum. An axis that keeps its size has one tap, itself.
 *
 * Coordinates are computed in f32, as the common frameworks do: 3 / 0.6f must be 5 when it is
 * floored. Interpolation is in f32 (f64 for f64); integers are cut towards zero and saturated.
 * Places outside the input repeat its edge; only tf_crop_and_resize gives extrapolation_value
 * there. A unit is an output row.
 *
 * On channel-blocked tensors the axis of channels is one of blocks, and an element of a row is a
 * vector of channels: the same steps with `lanes` floats in place of one. */
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "kernels/blocked.h"
#include "kernels/convert.h"
#include "kernels/copy.h"
#include "kernels/elementwise.h"
#include "kernels/facts.h"
#include "kernels/raw.h"

enum { ROI = 1, SCALES = 2, SIZES = 3 };

static bool given(const struct ms_task *t, int i)
{
    return i < t->n_in && t->in[i] && ms_tensor_count(t->in[i]) > 0;
}

/* ---- sizes and scales ---- */

static int64_t scaled(int64_t n, double scale)
{
    return (int64_t)floor((double)n * scale);
}

/* The one scale of keep_aspect_ratio_policy, or the axis' own. */
static double kept_scale(const char *policy, double own, double smallest, double largest)
{
    if (strcmp(policy, "not_larger") == 0)
        return smallest;
    return strcmp(policy, "not_smaller") == 0 ? largest : own;
}

/* Output sizes of the axes named: from sizes, with the policy applied. dim and size of each. */
static void apply_policy(const char *policy, const int64_t *dim, int64_t *size, double *scale,
                         int n)
{
    double smallest = INFINITY, largest = 0.0;

    for (int i = 0; i < n; i++) {
        scale[i] = dim[i] ? (double)size[i] / (double)dim[i] : 1.0;
        smallest = scale[i] < smallest ? scale[i] : smallest;
        largest = scale[i] > largest ? scale[i] : largest;
    }
    for (int i = 0; i < n; i++) {
        const double s = kept_scale(policy, scale[i], smallest, largest);

        if (strcmp(policy, "stretch") != 0)
            size[i] = (int64_t)floor(s * (double)dim[i] + 0.5);
        scale[i] = s;
    }
}

/* ---- one axis ---- */

struct axis {
    int taps;
    size_t n_in, n_out;
    double scale;
    float start, end; /* region of interest */
    int32_t *index;   /* [tap][n_out] */
    float *weight;
    uint8_t *outside; /* extrapolated; NULL: none are */
};

struct modes {
    char kind; /* n, l, c: nearest, linear, cubic */
    const char *coord, *nearest;
    float a; /* of cubic */
    bool antialias, exclude;
};

static struct modes modes_of(const struct ms_node *n)
{
    return (struct modes){
        .kind = ms_attr_str(n, "mode")[0],
        .coord = ms_attr_str(n, "coordinate_transformation_mode"),
        .nearest = ms_attr_str(n, "nearest_mode"),
        .a = (float)ms_attr_float(n, "cubic_coeff_a"),
        .antialias = ms_attr_int(n, "antialias"),
        .exclude = ms_attr_int(n, "exclude_outside"),
    };
}

/* Where output place i lies in the input. */
static float coordinate(const struct modes *m, const struct axis *x, size_t i)
{
    const float scale = (float)x->scale, n = (float)x->n_in, len = scale * n, p = (float)i;

    if (strcmp(m->coord, "align_corners") == 0)
        return len == 1.0f ? 0.0f : p * (n - 1.0f) / (len - 1.0f);
    if (strcmp(m->coord, "asymmetric") == 0)
        return p / scale;
    if (strcmp(m->coord, "tf_half_pixel_for_nn") == 0)
        return (p + 0.5f) / scale;
    if (strcmp(m->coord, "tf_crop_and_resize") == 0)
        return x->start * (n - 1.0f) + (x->n_out == 1
                                            ? (x->end - x->start) * (n - 1.0f) / 2.0f
                                            : p * (x->end - x->start) * (n - 1.0f) / (len - 1.0f));
    if (strcmp(m->coord, "pytorch_half_pixel") == 0 && x->n_out == 1)
        return -0.5f;
    float at = (p + 0.5f) / scale - 0.5f;
    if (strcmp(m->coord, "half_pixel_symmetric") == 0)
        at += n / 2.0f * (1.0f - (float)x->n_out / len);
    return at;
}

static double cubic(double x, double a)
{
    x = fabs(x);
    if (x <= 1.0)
        return ((a + 2.0) * x - (a + 3.0)) * x * x + 1.0;
    return x < 2.0 ? ((a * x - 5.0 * a) * x + 8.0 * a) * x - 4.0 * a : 0.0;
}

/* Nearest: 0 = the place below, 1 = the one above; ratio is how far above, in (0, 1]. */
static int nearest_of(const char *mode, float ratio)
{
    if (ratio == 1.0f || strcmp(mode, "ceil") == 0)
        return 1;
    if (strcmp(mode, "floor") == 0)
        return 0;
    return strcmp(mode, "round_prefer_floor") == 0 ? ratio > 0.5f : ratio >= 0.5f;
}

/* Half the number of taps: linear 1, cubic 2, more when shrinking with antialias. */
static int half_taps(const struct modes *m, double scale)
{
    const double reach = m->kind == 'c' ? 2.0 : 1.0;
    const double s = m->antialias && scale < 1.0 ? scale : 1.0;

    return (int)ceil(reach / s);
}

static int32_t clamp_index(int64_t i, size_t n)
{
    return (int32_t)(i < 0 ? 0 : i >= (int64_t)n ? (int64_t)n - 1 : i);
}

static void make_place(const struct modes *m, struct axis *x, size_t i)
{
    const float at = coordinate(m, x, i), low = floorf(at);
    const float ratio = at == low ? 1.0f : at - low;
    const int64_t below = (int64_t)(at == low ? low - 1.0f : low);
    const int half = x->taps / 2;
    const double s = m->antialias && x->scale < 1.0 ? x->scale : 1.0;
    double sum = 0.0;

    if (x->outside)
        x->outside[i] = at < 0.0f || at > (float)(x->n_in - 1);
    if (x->taps == 1) {
        x->index[i] = clamp_index(below + nearest_of(m->nearest, ratio), x->n_in);
        x->weight[i] = 1.0f;
        return;
    }
    for (int k = 0; k < x->taps; k++) {
        const int64_t j = below + 1 - half + k;
        const double d = ((double)(k + 1 - half) - (double)ratio) * s;
        double w = m->kind == 'c' ? cubic(d, (double)m->a) : fabs(d) < 1.0 ? 1.0 - fabs(d) : 0.0;

        if (m->exclude && (j < 0 || j >= (int64_t)x->n_in))
            w = 0.0;
        x->index[(size_t)k * x->n_out + i] = clamp_index(j, x->n_in);
        x->weight[(size_t)k * x->n_out + i] = (float)w;
        sum += w;
    }
    if ((m->exclude || m->antialias) && sum != 0.0)
        for (int k = 0; k < x->taps; k++)
            x->weight[(size_t)k * x->n_out + i] /= (float)sum;
}

/* ---- the plan of a call ---- */

struct plan {
    struct modes mode;
    int rank;
    bool twice;   /* nearest: the last axis is doubled */
    size_t lanes; /* values of an element: 1, or those of a block of channels */
    struct axis axis[MS_MAX_RANK];
    size_t in_step[MS_MAX_RANK]; /* in rows: strides of the outer axes */
};

/* Scales of all axes; false (and failed) if the inputs are not those the shape came from. */
static bool find_scales(const struct ms_task *t, struct plan *p)
{
    const struct ms_shape *x = &t->in[0]->shape, *y = &t->out[0]->shape;
    const struct ms_attr *axes = ms_attr_get(t->node, "axes");
    const int n = axes ? axes->n : x->rank;
    int64_t dim[MS_MAX_RANK], size[MS_MAX_RANK];
    double scale[MS_MAX_RANK];
    int which[MS_MAX_RANK];

    for (int d = 0; d < x->rank; d++)
        p->axis[d] = (struct axis){
            .n_in = (size_t)x->dim[d], .n_out = (size_t)y->dim[d], .scale = 1.0, .end = 1.0f};
    for (int i = 0; i < n; i++) {
        which[i] = i;
        if (axes)
            (void)ms_axis(axes->ints[i], x->rank, &which[i]);
        dim[i] = x->dim[which[i]];
        size[i] = given(t, SIZES) ? ms_index_at(t->in[SIZES], (size_t)i) : 0;
        scale[i] = given(t, SCALES) ? ms_tensor_f64(t->in[SCALES], (size_t)i) : 1.0;
    }
    if (given(t, SIZES))
        apply_policy(ms_attr_str(t->node, "keep_aspect_ratio_policy"), dim, size, scale, n);
    for (int i = 0; i < n; i++) {
        struct axis *a = &p->axis[which[i]];
        const int64_t want = given(t, SIZES) ? size[i] : scaled(dim[i], scale[i]);

        if (want != (int64_t)a->n_out || !(scale[i] > 0.0)) {
            ms_task_fail(t, MS_INVALID_ARGUMENT, "axis %d: scale %g does not make %zu of %" PRId64,
                         which[i], scale[i], a->n_out, dim[i]);
            return false;
        }
        a->scale = scale[i];
        if (given(t, ROI) && ms_tensor_count(t->in[ROI]) == (size_t)(2 * n)) {
            a->start = (float)ms_tensor_f64(t->in[ROI], (size_t)i);
            a->end = (float)ms_tensor_f64(t->in[ROI], (size_t)(n + i));
        }
    }
    return true;
}

static bool stays(const struct modes *m, const struct axis *a)
{
    return a->scale == 1.0 && a->n_in == a->n_out && strcmp(m->coord, "tf_crop_and_resize") != 0;
}

/* Upper bound of taps from sizes alone: what scratch is measured with. */
static size_t most_taps(const struct modes *m, const struct axis *a)
{
    const double least = ((double)a->n_out - 0.5) / (double)a->n_in;

    return m->kind == 'n' ? 1 : 2 * (size_t)half_taps(m, a->n_out ? least : 1.0);
}

static size_t lanes_of(const struct ms_task *t)
{
    return t->out[0]->layout == MS_PLAIN ? 1 : (size_t)t->out[0]->layout;
}

static size_t scratch(const struct ms_task *t)
{
    const struct ms_shape *x = &t->in[0]->shape, *y = &t->out[0]->shape;
    const struct modes m = modes_of(t->node);
    size_t bytes = 0;

    for (int d = 0; d < x->rank; d++) {
        const struct axis a = {.n_in = (size_t)x->dim[d], .n_out = (size_t)y->dim[d]};
        const size_t places = most_taps(&m, &a) * a.n_out;

        bytes += ms_align64(places * sizeof(int32_t)) + ms_align64(places * sizeof(float)) +
                 ms_align64(a.n_out);
    }
    if (x->rank > 0) /* an input row as found and as added up, and an output row */
        bytes += (ms_align64((size_t)x->dim[x->rank - 1] * sizeof(double)) * 2 +
                  ms_align64((size_t)y->dim[y->rank - 1] * sizeof(double))) *
                 lanes_of(t);
    return bytes;
}

static void *carve(uint8_t **room, size_t bytes)
{
    void *p = *room;

    *room += ms_align64(bytes);
    return p;
}

static void make_axes(struct plan *p, uint8_t **room)
{
    const bool crop = strcmp(p->mode.coord, "tf_crop_and_resize") == 0;

    for (int d = 0; d < p->rank; d++) {
        struct axis *a = &p->axis[d];

        a->taps = p->mode.kind == 'n' || stays(&p->mode, a) ? 1 : 2 * half_taps(&p->mode, a->scale);
        a->index = carve(room, (size_t)a->taps * a->n_out * sizeof *a->index);
        a->weight = carve(room, (size_t)a->taps * a->n_out * sizeof *a->weight);
        a->outside = crop ? carve(room, a->n_out) : NULL;
        for (size_t i = 0; i < a->n_out; i++) {
            if (stays(&p->mode, a)) {
                a->index[i] = (int32_t)i;
                a->weight[i] = 1.0f;
            } else {
                make_place(&p->mode, a, i);
            }
        }
    }
    for (int d = p->rank - 2; d >= 0; d--)
        p->in_step[d] = d == p->rank - 2 ? 1 : p->in_step[d + 1] * p->axis[d + 1].n_in;
}

/* ---- rows ---- */

#define ADD_ROW(name_, T_)                                                                         \
    MS_VECTORISE static void name_(T_ *sum, const T_ *x, T_ w, size_t n, bool first)               \
    {                                                                                              \
        if (first) {                                                                               \
            MS_IVDEP                                                                               \
            for (size_t i = 0; i < n; i++)                                                         \
                sum[i] = w * x[i];                                                                 \
        } else {                                                                                   \
            MS_IVDEP                                                                               \
            for (size_t i = 0; i < n; i++)                                                         \
                sum[i] += w * x[i];                                                                \
        }                                                                                          \
    }
#define TAP_ROW(name_, T_)                                                                         \
    MS_VECTORISE static void name_(T_ *y, const T_ *x, const struct axis *a)                       \
    {                                                                                              \
        const size_t n = a->n_out;                                                                 \
        for (int k = 0; k < a->taps; k++) {                                                        \
            const int32_t *at = a->index + (size_t)k * n;                                          \
            const float *w = a->weight + (size_t)k * n;                                            \
            MS_IVDEP                                                                               \
            for (size_t i = 0; i < n; i++)                                                         \
                y[i] = (k ? y[i] : (T_)0) + (T_)w[i] * x[at[i]];                                   \
        }                                                                                          \
    }
/* TAP_ROW for elements of `lanes` floats. */
#define TAP_LANES(lanes_)                                                                          \
    MS_VECTORISE static void tap_##lanes_(float *y, const float *x, const struct axis *a)          \
    {                                                                                              \
        for (size_t i = 0; i < a->n_out; i++, y += (lanes_)) {                                     \
            float sum[lanes_] = {0};                                                               \
            for (int k = 0; k < a->taps; k++) {                                                    \
                const float w = a->weight[(size_t)k * a->n_out + i];                               \
                const float *v = x + (size_t)a->index[(size_t)k * a->n_out + i] * (lanes_);        \
                for (int l = 0; l < (lanes_); l++)                                                 \
                    sum[l] += w * v[l];                                                            \
            }                                                                                      \
            memcpy(y, sum, sizeof sum);                                                            \
        }                                                                                          \
    }
#define PICK_LANES(lanes_)                                                                         \
    static void pick_##lanes_(float *y, const float *x, const struct axis *a)                      \
    {                                                                                              \
        for (size_t i = 0; i < a->n_out; i++)                                                      \
            memcpy(y + i * (lanes_), x + (size_t)a->index[i] * (lanes_), sizeof *y * (lanes_));    \
    }
ADD_ROW(add_f32, float)
ADD_ROW(add_f64, double)
TAP_ROW(tap_f32, float)
TAP_ROW(tap_f64, double)
TAP_LANES(8)
TAP_LANES(16)
PICK_LANES(8)
PICK_LANES(16)

/* Coordinates of output row u; true if one of them is outside. */
static bool place_row(const struct plan *p, size_t u, size_t *at)
{
    bool outside = false;

    for (int d = p->rank - 2; d >= 0; d--) {
        at[d] = u % p->axis[d].n_out;
        u /= p->axis[d].n_out;
        outside |= p->axis[d].outside && p->axis[d].outside[at[d]];
    }
    return outside;
}

/* Row and weight of the current choice of taps. */
static size_t tap_row(const struct plan *p, const size_t *at, const int *tap, float *weight)
{
    size_t row = 0;

    *weight = 1.0f;
    for (int d = 0; d < p->rank - 1; d++) {
        const struct axis *a = &p->axis[d];
        const size_t i = (size_t)tap[d] * a->n_out + at[d];

        row += (size_t)a->index[i] * p->in_step[d];
        *weight *= a->weight[i];
    }
    return row;
}

static bool next_tap(const struct plan *p, int *tap)
{
    for (int d = p->rank - 2; d >= 0; d--) {
        if (++tap[d] < p->axis[d].taps)
            return true;
        tap[d] = 0;
    }
    return false;
}

struct rows {
    void *found, *sum, *result;
    enum ms_dtype compute;
};

static void interpolate_row(const struct ms_task *t, const struct plan *p, const struct rows *r,
                            const size_t *at, void *y)
{
    const struct ms_tensor *x = t->in[0];
    const struct axis *last = &p->axis[p->rank - 1];
    const size_t n = last->n_in * p->lanes, bytes = n * ms_dtype_size(x->dtype);
    const bool direct = x->dtype == r->compute;
    void *out = direct ? y : r->result;
    int tap[MS_MAX_RANK] = {0};
    bool first = true;

    do {
        float w;
        const void *row = (const uint8_t *)x->data + tap_row(p, at, tap, &w) * bytes;

        if (w == 0.0f && !first)
            continue;
        if (!direct) {
            ms_convert(r->found, r->compute, row, x->dtype, n);
            row = r->found;
        }
        if (r->compute == MS_F64)
            add_f64(r->sum, row, (double)w, n, first);
        else
            add_f32(r->sum, row, w, n, first);
        first = false;
    } while (next_tap(p, tap));
    if (r->compute == MS_F64)
        tap_f64(out, r->sum, last);
    else
        (p->lanes == 16 ? tap_16 : p->lanes == 8 ? tap_8 : tap_f32)(out, r->sum, last);
    if (!direct)
        ms_convert(y, x->dtype, out, r->compute, last->n_out);
}

static void extrapolate(const struct ms_task *t, const struct axis *a, bool all, void *y)
{
    const double value = ms_attr_float(t->node, "extrapolation_value");
    const enum ms_dtype type = t->out[0]->dtype;
    const size_t size = ms_dtype_size(type);

    for (size_t i = 0; i < a->n_out; i++)
        if (all || a->outside[i])
            ms_convert((uint8_t *)y + i * size, type, &value, MS_F64, 1);
}

#define PICK(type_)                                                                                \
    do {                                                                                           \
        type_ *q = y;                                                                              \
        const type_ *x = row;                                                                      \
        for (size_t i = 0; i < last->n_out; i++)                                                   \
            q[i] = x[last->index[i]];                                                              \
    } while (0)

/* y[2 i] = y[2 i + 1] = x[i] */
MS_VECTORISE static void double_row(ms_raw32 *restrict y, const ms_raw32 *restrict x, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        y[2 * i] = x[i];
        y[2 * i + 1] = x[i];
    }
}

/* Every element of a row goes to two neighbours, as when images are doubled. */
static bool doubles(const struct axis *a)
{
    bool twice = a->n_out == 2 * a->n_in;

    for (size_t i = 0; twice && i < a->n_out; i++)
        twice = (size_t)a->index[i] == i / 2;
    return twice;
}

/* A row of the input, its last axis as the output wants it. */
static void pick_row(const struct ms_task *t, const struct plan *p, const void *row, void *y)
{
    const struct axis *last = &p->axis[p->rank - 1];
    const size_t size = ms_dtype_size(t->in[0]->dtype);

    if (stays(&p->mode, last))
        memcpy(y, row, last->n_out * p->lanes * size);
    else if (p->lanes > 1)
        (p->lanes == 16 ? pick_16 : pick_8)(y, row, last);
    else if (p->twice && size == 4)
        double_row(y, row, last->n_in);
    else
        MS_BY_SIZE(size, PICK);
}

/* The output row after the one at `at`. */
static void next_place(const struct plan *p, size_t *at)
{
    for (int d = p->rank - 2; d >= 0 && ++at[d] == p->axis[d].n_out; d--)
        at[d] = 0;
}

/* The input row that an output row is picked from; is the output row outside? */
static size_t picked_row(const struct plan *p, const size_t *at, bool *outside)
{
    size_t row = 0;

    *outside = false;
    for (int d = 0; d < p->rank - 1; d++) {
        const struct axis *a = &p->axis[d];
        row += (size_t)a->index[at[d]] * p->in_step[d];
        *outside |= a->outside && a->outside[at[d]];
    }
    return row;
}

/* Nearest: rows picked from input rows; one that is the same as the row before is copied. */
static void pick_rows(const struct ms_task *t, struct plan *p)
{
    const struct axis *last = &p->axis[p->rank - 1];
    const size_t size = ms_dtype_size(t->in[0]->dtype) * p->lanes, bytes = last->n_out * size;
    const uint8_t *before = NULL;
    size_t at[MS_MAX_RANK];
    bool outside;

    p->twice = doubles(last);
    place_row(p, t->first, at);
    for (size_t u = t->first; u < t->last && !ms_task_stopped(t); u++, next_place(p, at)) {
        uint8_t *to = (uint8_t *)t->out[0]->data + u * bytes;
        const uint8_t *row =
            (const uint8_t *)t->in[0]->data + picked_row(p, at, &outside) * last->n_in * size;

        if (row == before && !last->outside)
            memcpy(to, to - bytes, bytes);
        else
            pick_row(t, p, row, to);
        before = row;
        if (last->outside)
            extrapolate(t, last, outside, to);
    }
}

static size_t units(const struct ms_task *t)
{
    const struct ms_tensor *y = t->out[0];

    if (y->layout != MS_PLAIN)
        return (size_t)y->shape.dim[0] * ms_blocks(y) *
               ms_shape_span(&y->shape, 2, y->shape.rank - 1);
    return ms_shape_span(&y->shape, 0, y->shape.rank - 1);
}

static void interpolate_rows(const struct ms_task *t, const struct plan *p, uint8_t *room)
{
    const struct axis *last = &p->axis[p->rank - 1];
    const enum ms_dtype type = t->out[0]->dtype;
    const size_t bytes = last->n_out * p->lanes * ms_dtype_size(type);
    struct rows r = {.compute = type == MS_F64 ? MS_F64 : MS_F32};

    r.found = carve(&room, last->n_in * p->lanes * sizeof(double));
    r.sum = carve(&room, last->n_in * p->lanes * sizeof(double));
    r.result = room;
    for (size_t u = t->first; u < t->last && !ms_task_stopped(t); u++) {
        uint8_t *to = (uint8_t *)t->out[0]->data + u * bytes;
        size_t at[MS_MAX_RANK];
        const bool outside = place_row(p, u, at);

        interpolate_row(t, p, &r, at, to);
        if (last->outside)
            extrapolate(t, last, outside, to);
    }
}

static void run(const struct ms_task *t)
{
    const struct ms_tensor *y = t->out[0];
    struct plan p = {.mode = modes_of(t->node), .rank = y->shape.rank, .lanes = lanes_of(t)};
    uint8_t *room = t->scratch;

    if (ms_tensor_count(y) == 0 || !find_scales(t, &p))
        return;
    if (p.lanes > 1)
        p.axis[1].n_in = p.axis[1].n_out = ms_blocks(y);
    make_axes(&p, &room);
    if (p.mode.kind == 'n')
        pick_rows(t, &p);
    else
        interpolate_rows(t, &p, room);
}

/* ---- channel-blocked ---- */

/* Items and channels stay, whatever the sizes will be. */
static bool space_alone(const struct ms_node *n)
{
    const struct ms_attr *axes = ms_attr_get(n, "axes");
    const struct ms_shape *x = &ms_in(n, 0)->shape, *y = &n->out[0]->shape;
    const struct ms_tensor *scales = ms_in_const(n, SCALES), *sizes = ms_in_const(n, SIZES);
    int d;

    for (int i = 0; axes && i < axes->n; i++)
        if (!ms_axis(axes->ints[i], x->rank, &d) || d < 2)
            return false;
    if (axes)
        return true;
    if (scales && ms_tensor_count(scales) == (size_t)x->rank)
        return ms_tensor_f64(scales, 0) == 1.0 && ms_tensor_f64(scales, 1) == 1.0;
    if (!ms_in(n, SIZES) || strcmp(ms_attr_str(n, "keep_aspect_ratio_policy"), "stretch") != 0)
        return false;
    if (sizes && ms_tensor_count(sizes) == (size_t)x->rank)
        return ms_index_at(sizes, 0) == x->dim[0] && ms_index_at(sizes, 1) == x->dim[1];
    return y->rank == x->rank && y->dim[0] == x->dim[0] && y->dim[1] == x->dim[1];
}

static unsigned blocked(const struct ms_node *n)
{
    return ms_blockable(ms_in(n, 0)) && space_alone(n) &&
                   strcmp(ms_attr_str(n, "coordinate_transformation_mode"), "tf_crop_and_resize") !=
                       0
               ? MS_BLOCKED_OUT | MS_BLOCKED_IN(0)
               : 0;
}

/* ---- shapes ---- */

static ms_code check(const struct ms_node *n, struct ms_err *err)
{
    const struct ms_attr *a = ms_attr_get(n, "axes");

    for (int i = 0; a && i < a->n; i++)
        for (int k = 0; k < i; k++)
            if (a->ints[i] == a->ints[k])
                return ms_fail(err, MS_INVALID_ARGUMENT, "axis %" PRId64 " is named twice",
                               a->ints[i]);
    return MS_OK;
}

static ms_code from_sizes(struct ms_infer *c, const int *which, int n, struct ms_shape *y)
{
    int64_t v[MS_MAX_SYM_CONTENT], dim[MS_MAX_RANK];
    double scale[MS_MAX_RANK];
    bool all = true;
    int m;

    if (!ms_infer_ints(c, SIZES, v, &m)) {
        for (int i = 0; i < n; i++)
            y->dim[which[i]] = ms_syms_fresh(c->syms);
        return MS_OK;
    }
    if (m != n)
        return ms_fail(c->err, MS_INVALID_ARGUMENT, "%d sizes for %d axes", m, n);
    for (int i = 0; i < n; i++) {
        dim[i] = y->dim[which[i]];
        all = all && !ms_is_sym(v[i]) && !ms_is_sym(dim[i]);
        if (!ms_is_sym(v[i]) && (v[i] < 0 || v[i] > INT32_MAX))
            return ms_fail(c->err, MS_INVALID_ARGUMENT, "size %d is %" PRId64, i, v[i]);
    }
    const char *policy = ms_attr_str(c->node, "keep_aspect_ratio_policy");
    if (all)
        apply_policy(policy, dim, v, scale, n);
    for (int i = 0; i < n; i++)
        y->dim[which[i]] = all || strcmp(policy, "stretch") == 0 ? v[i] : ms_syms_fresh(c->syms);
    return MS_OK;
}

static ms_code from_scales(struct ms_infer *c, const int *which, int n, struct ms_shape *y)
{
    const struct ms_tensor *s = c->in[SCALES].value;

    if (s && ms_tensor_count(s) != (size_t)n)
        return ms_fail(c->err, MS_INVALID_ARGUMENT, "%zu scales for %d axes", ms_tensor_count(s),
                       n);
    for (int i = 0; i < n; i++) {
        int64_t *d = &y->dim[which[i]];
        const double scale = s ? ms_tensor_f64(s, (size_t)i) : 0.0;

        if (s && !(scale > 0.0 && scale < 1e9))
            return ms_fail(c->err, MS_INVALID_ARGUMENT, "scale %d is %g", i, scale);
        if (s && scale == 1.0)
            continue;
        if (s && !ms_is_sym(*d) && (double)*d * scale > INT32_MAX)
            return ms_fail(c->err, MS_INVALID_ARGUMENT, "axis %d becomes too large", which[i]);
        *d = s && !ms_is_sym(*d) ? scaled(*d, scale) : ms_syms_fresh(c->syms);
    }
    return MS_OK;
}

static ms_code infer(struct ms_infer *c)
{
    const struct ms_shape *x = &c->in[0].shape;
    const struct ms_attr *axes = ms_attr_get(c->node, "axes");
    const bool sizes =
        ms_infer_has(c, SIZES) && !(c->in[SIZES].shape.rank == 1 && c->in[SIZES].shape.dim[0] == 0);
    const bool scales = ms_infer_has(c, SCALES) &&
                        !(c->in[SCALES].shape.rank == 1 && c->in[SCALES].shape.dim[0] == 0);
    int which[MS_MAX_RANK], n = axes ? axes->n : x->rank;

    if (sizes == scales)
        return ms_fail(c->err, MS_INVALID_ARGUMENT, "exactly one of scales and sizes is needed");
    if (x->rank < 0)
        return ms_fact_unknown(c, 0, c->in[0].dtype);
    if (x->rank < 1)
        return ms_fail(c->err, MS_INVALID_ARGUMENT, "a scalar has no size");
    for (int i = 0; i < n; i++) {
        which[i] = i;
        if (axes)
            MS_TRY(ms_fact_axis(c, axes->ints[i], x->rank, &which[i]));
    }
    for (int d = 0; d < x->rank; d++)
        if (!ms_is_sym(x->dim[d]) && x->dim[d] > INT32_MAX)
            return ms_fail(c->err, MS_INVALID_ARGUMENT, "axis %d is too large", d);
    c->out[0].dtype = c->in[0].dtype;
    c->out[0].shape = *x;
    MS_TRY(sizes ? from_sizes(c, which, n, &c->out[0].shape)
                 : from_scales(c, which, n, &c->out[0].shape));
    for (int d = 0; d < x->rank; d++)
        if (x->dim[d] == 0 && c->out[0].shape.dim[d] > 0)
            return ms_fail(c->err, MS_INVALID_ARGUMENT, "axis %d has no elements", d);
    return MS_OK;
}

static double cost(const struct ms_node *n, const struct ms_fact *in, const struct ms_fact *out)
{
    (void)in;
    return (ms_attr_str(n, "mode")[0] == 'n' ? 2.0 : 8.0) *
           (double)ms_shape_span(&out->shape, 0, out->shape.rank);
}

static const struct ms_attr_spec attrs[] = {
    {.name = "mode",
     .type = MS_ATTR_STRING,
     .s = "nearest",
     .choices = "nearest|linear|cubic",
     .doc = "interpolation"},
    {.name = "coordinate_transformation_mode",
     .type = MS_ATTR_STRING,
     .s = "half_pixel",
     .choices = "half_pixel|half_pixel_symmetric|pytorch_half_pixel|align_corners|asymmetric|"
                "tf_crop_and_resize|tf_half_pixel_for_nn",
     .doc = "where output places lie in the input"},
    {.name = "nearest_mode",
     .type = MS_ATTR_STRING,
     .s = "round_prefer_floor",
     .choices = "round_prefer_floor|round_prefer_ceil|floor|ceil",
     .doc = "which neighbour nearest takes"},
    {.name = "cubic_coeff_a", .type = MS_ATTR_FLOAT, .f = -0.75, .doc = "shape of the cubic"},
    {.name = "exclude_outside",
     .type = MS_ATTR_INT,
     .min = 0,
     .max = 1,
     .doc = "1: places outside the input weigh nothing"},
    {.name = "extrapolation_value", .type = MS_ATTR_FLOAT, .doc = "of tf_crop_and_resize"},
    {.name = "antialias",
     .type = MS_ATTR_INT,
     .min = 0,
     .max = 1,
     .doc = "1: when shrinking, average over the places that fall together"},
    {.name = "axes",
     .type = MS_ATTR_INTS,
     .min = -MS_MAX_RANK,
     .max = MS_MAX_RANK - 1,
     .max_len = MS_MAX_RANK,
     .doc = "axes that scales and sizes are about; all by default"},
    {.name = "keep_aspect_ratio_policy",
     .type = MS_ATTR_STRING,
     .s = "stretch",
     .choices = "stretch|not_larger|not_smaller",
     .doc = "whether sizes are a bound on a common scale"},
    {0},
};

#define BLOCKED(name_, isa_)                                                                       \
    {                                                                                              \
        .name = name_, .dtypes = MS_BIT(F32), .isa = isa_, .blocked = true, .units = units,        \
        .scratch = scratch, .run = run                                                             \
    }

MS_OP(resize) = {
    .name = "Resize",
    .doc = "dims made larger or smaller by interpolation",
    .min_in = 1,
    .max_in = 4,
    .min_out = 1,
    .max_out = 1,
    .in = {MS_NUMERIC, MS_FLOATS, MS_BIT(F32), MS_BIT(I64)},
    .attrs = attrs,
    .check = check,
    .infer = infer,
    .cost = cost,
    .blocked = blocked,
    .kernels = (const struct ms_kernel[]){BLOCKED("resize_blocked_avx512", MS_ISA_AVX512),
                                          BLOCKED("resize_blocked_avx2", MS_ISA_AVX2),
                                          {"resize", MS_NUMERIC, MS_ISA_ANY, .units = units,
                                           .scratch = scratch, .run = run},
                                          {0}},
};
