/* SPDX-License-Identifier: Apache-2.0 */
/* cases_array.c - random cases of the operators that move, choose and reduce elements. */
#include <string.h>

#include "tests/kernels/harness.h"

static struct ms_shape some_shape(struct kt_case *c, int lo, int hi)
{
    struct ms_shape s = kt_shape(c, (int)kt_int(c, lo, hi), 1, 9);

    if (s.rank > 0 && kt_flip(c))
        s.dim[kt_int(c, 0, s.rank - 1)] = kt_int(c, 1, 150);
    return s;
}

static struct ms_tensor *data(struct kt_case *c, ms_dtypes set, const struct ms_shape *s)
{
    return kt_random(c, kt_flip(c) ? MS_F32 : kt_dtype(c, set), s, -4, 4);
}

/* A 1-d i64 constant. */
static void in_ints(struct kt_case *c, const int64_t *v, int n)
{
    kt_in(c, kt_ints(MS_I64, v, n), KT_CONST);
}

static void in_axis(struct kt_case *c, int rank)
{
    ms_attr_set_int(c->node, "axis", kt_int(c, -rank, rank - 1));
}

/* Indices below n, some of them negative. */
static struct ms_tensor *indices(struct kt_case *c, const struct ms_shape *s, int64_t n)
{
    return kt_random(c, kt_flip(c) ? MS_I64 : MS_I32, s, (double)-n, (double)(n - 1));
}

static void gen_transpose(struct kt_case *c)
{
    struct ms_shape s = some_shape(c, 0, 5);
    int64_t perm[MS_MAX_RANK];

    kt_in(c, data(c, MS_FIXED, &s), KT_VALUE);
    for (int i = 0; i < s.rank; i++) {
        const int k = (int)kt_int(c, 0, i);

        perm[i] = perm[k];
        perm[k] = i;
    }
    if (kt_int(c, 0, 4))
        ms_attr_set_ints(c->node, "perm", perm, s.rank);
}

static void gen_concat(struct kt_case *c)
{
    struct ms_shape s = some_shape(c, 1, 4);
    const enum ms_dtype t = kt_dtype(c, MS_FIXED);
    const int axis = (int)kt_int(c, 0, s.rank - 1), n = (int)kt_int(c, 1, 5);

    if (kt_int(c, 0, 2) == 0) { /* activations by channel, in whole blocks at times */
        const bool whole = kt_flip(c);
        s = kt_shape(c, (int)kt_int(c, 3, 4), 1, 7);
        for (int i = 0; i < n; i++) {
            s.dim[1] = whole ? 16 * kt_int(c, 1, 3) : kt_int(c, 1, 40);
            struct ms_tensor *again = i > 0 && kt_int(c, 0, 5) == 0 ? c->in[i - 1] : NULL;
            kt_in(c, again ? ms_tensor_ref(again) : kt_random(c, MS_F32, &s, -4, 4), KT_BATCHED);
        }
        ms_attr_set_int(c->node, "axis", kt_flip(c) ? 1 : 1 - s.rank);
        return;
    }
    for (int i = 0; i < n; i++) {
        s.dim[axis] = kt_int(c, 0, 20);
        kt_in(c, kt_random(c, t, &s, -4, 4), KT_VALUE);
    }
    ms_attr_set_int(c->node, "axis", kt_flip(c) ? axis : axis - s.rank);
}

static void gen_channel_shuffle(struct kt_case *c)
{
    struct ms_shape s = some_shape(c, 2, 4);
    const int64_t g = kt_int(c, 1, 6);

    s.dim[1] = g * kt_int(c, 1, 20);
    kt_in(c, kt_random(c, kt_int(c, 0, 2) ? MS_F32 : kt_dtype(c, MS_FIXED), &s, -4, 4), KT_BATCHED);
    ms_attr_set_int(c->node, "group", g);
}

static void gen_split(struct kt_case *c)
{
    struct ms_shape s = some_shape(c, 1, 4);

    if (kt_flip(c) && s.rank > 2) { /* channels, for the blocked form */
        s.dim[1] = kt_int(c, 3, 70);
        kt_in(c, data(c, MS_BIT(F32), &s), KT_VALUE);
        ms_attr_set_int(c->node, "axis", 1);
        return;
    }
    kt_in(c, data(c, MS_FIXED, &s), KT_VALUE);
    in_axis(c, s.rank);
}

/* Cuts of channels, and perhaps of space, that the blocked form has. */
static void gen_slice_blocked(struct kt_case *c)
{
    struct ms_shape s = kt_shape(c, (int)kt_int(c, 3, 5), 1, 7);
    const bool space = kt_flip(c);
    const int n = space ? s.rank : 2;
    int64_t start[MS_MAX_RANK], end[MS_MAX_RANK], axis[MS_MAX_RANK], step[MS_MAX_RANK];

    s.dim[1] = kt_int(c, 2, 70);
    for (int i = 0; i < n; i++) {
        axis[i] = i;
        step[i] = i > 1 && kt_flip(c) ? -1 : i > 1 ? kt_int(c, 1, 2) : 1;
        start[i] = i == 0 || kt_flip(c) ? 0 : kt_int(c, 0, s.dim[i] / 2);
        end[i] = kt_flip(c) || i == 0 ? INT64_MAX : kt_int(c, s.dim[i] / 2 + 1, s.dim[i]);
        if (step[i] < 0) {
            start[i] = INT64_MAX;
            end[i] = INT64_MIN + 1;
        }
    }
    if (space)
        start[1] = s.dim[1] > 20 && kt_flip(c) ? 16 : 0,
        end[1] = kt_flip(c) ? INT64_MAX : start[1] + 16;
    kt_in(c, data(c, MS_BIT(F32), &s), KT_VALUE);
    in_ints(c, start + !space, n - !space);
    in_ints(c, end + !space, n - !space);
    in_ints(c, axis + !space, n - !space);
    in_ints(c, step + !space, n - !space);
}

static void gen_slice(struct kt_case *c)
{
    struct ms_shape s = some_shape(c, 1, 5);
    int64_t start[MS_MAX_RANK], end[MS_MAX_RANK], axis[MS_MAX_RANK], step[MS_MAX_RANK];
    const int n = (int)kt_int(c, 1, s.rank);

    if (kt_flip(c)) {
        gen_slice_blocked(c);
        return;
    }
    kt_in(c, data(c, MS_FIXED, &s), KT_VALUE);
    for (int i = 0; i < n; i++) {
        axis[i] = kt_flip(c) ? i : i - s.rank;
        step[i] = kt_int(c, 1, 3) * (kt_flip(c) ? 1 : -1);
        start[i] = step[i] > 0 ? kt_int(c, -12, 4) : kt_int(c, 0, 12);
        end[i] = step[i] > 0 ? kt_int(c, 2, 12) : kt_int(c, -12, -1);
        if (kt_int(c, 0, 3) == 0)
            end[i] = step[i] > 0 ? INT64_MAX : INT64_MIN + 1;
    }
    in_ints(c, start, n);
    in_ints(c, end, n);
    in_ints(c, axis, n);
    in_ints(c, step, n);
}

static void gen_gather(struct kt_case *c)
{
    struct ms_shape s = some_shape(c, 1, 4), i = kt_shape(c, (int)kt_int(c, 0, 2), 1, 9);
    const int axis = (int)kt_int(c, 0, s.rank - 1);

    kt_in(c, data(c, MS_FIXED, &s), KT_VALUE);
    kt_in(c, indices(c, &i, s.dim[axis]), KT_VALUE);
    ms_attr_set_int(c->node, "axis", axis);
}

/* Indices of the data's shape, at most; the size along the axis is free. */
static int elements_shape(struct kt_case *c, const struct ms_shape *s, struct ms_shape *i)
{
    const int axis = (int)kt_int(c, 0, s->rank - 1);

    *i = *s;
    for (int d = 0; d < s->rank; d++)
        i->dim[d] = d == axis ? kt_int(c, 1, 20) : kt_int(c, 1, s->dim[d]);
    ms_attr_set_int(c->node, "axis", axis);
    return axis;
}

static void gen_gather_elements(struct kt_case *c)
{
    struct ms_shape s = some_shape(c, 1, 4), i;
    const int axis = elements_shape(c, &s, &i);

    kt_in(c, data(c, MS_FIXED, &s), KT_VALUE);
    kt_in(c, indices(c, &i, s.dim[axis]), KT_VALUE);
}

static void set_reduction(struct kt_case *c)
{
    static const char *const names[] = {"none", "add", "mul", "max", "min"};

    ms_attr_set_str(c->node, "reduction", names[kt_int(c, 0, 4)]);
}

static void gen_scatter_elements(struct kt_case *c)
{
    struct ms_shape s = some_shape(c, 1, 4), i;
    const int axis = elements_shape(c, &s, &i);
    const enum ms_dtype t = kt_dtype(c, MS_NUMERIC);

    kt_in(c, kt_random(c, t, &s, -4, 4), KT_VALUE);
    kt_in(c, indices(c, &i, s.dim[axis]), KT_VALUE);
    kt_in(c, kt_random(c, t, &i, -4, 4), KT_VALUE);
    set_reduction(c);
}

/* Tuples of k indices, each valid in the smallest of the dims they go into. */
static struct ms_tensor *tuples(struct kt_case *c, const struct ms_shape *s, int k, int64_t n)
{
    int64_t least = INT64_MAX;
    struct ms_shape i = ms_shape_make(n, k);

    for (int d = 0; d < k; d++)
        least = s->dim[d] < least ? s->dim[d] : least;
    return indices(c, &i, least);
}

static void gen_gather_nd(struct kt_case *c)
{
    struct ms_shape s = some_shape(c, 1, 4);

    kt_in(c, data(c, MS_FIXED, &s), KT_VALUE);
    kt_in(c, tuples(c, &s, (int)kt_int(c, 1, s.rank), kt_int(c, 1, 30)), KT_VALUE);
}

static void gen_scatter_nd(struct kt_case *c)
{
    struct ms_shape s = some_shape(c, 1, 4), u = {0};
    const int k = (int)kt_int(c, 1, s.rank);
    const enum ms_dtype t = kt_dtype(c, MS_NUMERIC);
    const int64_t n = kt_int(c, 1, 30);

    kt_in(c, kt_random(c, t, &s, -4, 4), KT_VALUE);
    kt_in(c, tuples(c, &s, k, n), KT_VALUE);
    u.dim[u.rank++] = n;
    for (int d = k; d < s.rank; d++)
        u.dim[u.rank++] = s.dim[d];
    kt_in(c, kt_random(c, t, &u, -4, 4), KT_VALUE);
    set_reduction(c);
}

static void gen_pad(struct kt_case *c)
{
    static const char *const modes[] = {"constant", "reflect", "edge", "wrap", "symmetric"};
    struct ms_shape s = some_shape(c, 1, 4);
    const bool image = s.rank > 2 && kt_flip(c); /* only space is padded: there is a blocked form */
    int64_t pads[2 * MS_MAX_RANK];

    if (image)
        s.dim[1] = kt_int(c, 1, 40);
    struct ms_tensor *x = data(c, image ? MS_BIT(F32) : MS_FIXED, &s);
    kt_in(c, x, KT_VALUE);
    for (int i = 0; i < 2 * s.rank; i++)
        pads[i] = kt_flip(c) || (image && i % s.rank < 2) ? 0 : kt_int(c, -1, 6);
    in_ints(c, pads, 2 * s.rank);
    if (kt_flip(c))
        kt_in(c, kt_scalar(x->dtype, image ? 0 : 1), KT_CONST);
    ms_attr_set_str(c->node, "mode", modes[kt_int(c, 0, 4)]);
}

static void gen_tile(struct kt_case *c)
{
    struct ms_shape s = kt_shape(c, (int)kt_int(c, 1, 4), 1, 9);
    int64_t n[MS_MAX_RANK];

    kt_in(c, data(c, MS_FIXED, &s), KT_VALUE);
    for (int d = 0; d < s.rank; d++)
        n[d] = kt_int(c, 0, 3);
    in_ints(c, n, s.rank);
}

static void gen_expand(struct kt_case *c)
{
    struct ms_shape s = some_shape(c, 0, 3);
    int64_t to[MS_MAX_RANK];
    const int more = (int)kt_int(c, 0, 2);

    for (int d = 0; d < more; d++)
        to[d] = kt_int(c, 1, 4);
    for (int d = 0; d < s.rank; d++) {
        to[more + d] = s.dim[d];
        if (kt_flip(c))
            s.dim[d] = 1;
    }
    kt_in(c, data(c, MS_FIXED, &s), KT_VALUE);
    in_ints(c, to, more + s.rank);
}

/* Half of the cases keep dim 0, as a batch. */
static void gen_reduce(struct kt_case *c)
{
    struct ms_shape s = some_shape(c, 1, 5);
    const bool batched = kt_flip(c);
    int64_t axes[MS_MAX_RANK];
    int n = 0;

    kt_in(c, data(c, c->node->op->in[0], &s), batched ? KT_BATCHED : KT_VALUE);
    for (int d = batched; d < s.rank; d++)
        if (kt_flip(c))
            axes[n++] = kt_flip(c) ? d : d - s.rank;
    if (n > 0 || !batched)
        in_ints(c, axes, n);
    ms_attr_set_int(c->node, "keepdims", batched || kt_flip(c));
    ms_attr_set_int(c->node, "noop_with_empty_axes", batched || kt_flip(c));
}

static void gen_arg(struct kt_case *c)
{
    struct ms_shape s = some_shape(c, 1, 4);

    kt_in(c, data(c, MS_NUMERIC, &s), KT_VALUE);
    in_axis(c, s.rank);
    ms_attr_set_int(c->node, "keepdims", kt_flip(c));
    ms_attr_set_int(c->node, "select_last_index", kt_flip(c));
}

static void gen_cumsum(struct kt_case *c)
{
    struct ms_shape s = some_shape(c, 1, 4);

    kt_in(c, data(c, c->node->op->in[0], &s), KT_VALUE);
    kt_in(c, kt_scalar(MS_I64, (double)kt_int(c, -s.rank, s.rank - 1)), KT_CONST);
    ms_attr_set_int(c->node, "exclusive", kt_flip(c));
    ms_attr_set_int(c->node, "reverse", kt_flip(c));
}

static void gen_topk(struct kt_case *c)
{
    struct ms_shape s = some_shape(c, 1, 4);
    const int axis = (int)kt_int(c, 0, s.rank - 1);
    const int64_t k = kt_int(c, 0, s.dim[axis]);

    kt_in(c, data(c, MS_NUMERIC, &s), KT_VALUE);
    in_ints(c, &k, 1);
    ms_attr_set_int(c->node, "axis", axis);
    ms_attr_set_int(c->node, "largest", kt_flip(c));
}

static void gen_resize(struct kt_case *c)
{
    static const char *const modes[] = {"nearest", "linear", "cubic"};
    static const char *const coords[] = {"half_pixel",         "half_pixel_symmetric",
                                         "pytorch_half_pixel", "align_corners",
                                         "asymmetric",         "tf_half_pixel_for_nn"};
    static const char *const nearest[] = {"round_prefer_floor", "round_prefer_ceil", "floor",
                                          "ceil"};
    const bool image = kt_flip(c); /* items and channels stay: there is a blocked form */
    struct ms_shape s = kt_shape(c, image ? (int)kt_int(c, 3, 5) : (int)kt_int(c, 1, 4), 1, 12);
    int64_t size[MS_MAX_RANK];

    if (image)
        s.dim[1] = kt_int(c, 1, 40);
    kt_in(c, data(c, image ? MS_BIT(F32) : MS_NUMERIC, &s), KT_VALUE);
    kt_in(c, NULL, KT_VALUE);
    kt_in(c, NULL, KT_VALUE);
    for (int d = 0; d < s.rank; d++)
        size[d] = kt_flip(c) || (image && d < 2) ? s.dim[d] : kt_int(c, 1, 30);
    if (image && kt_flip(c))
        size[s.rank - 1] = 2 * s.dim[s.rank - 1];
    in_ints(c, size, s.rank);
    ms_attr_set_str(c->node, "mode", modes[kt_int(c, 0, 2)]);
    ms_attr_set_str(c->node, "coordinate_transformation_mode", coords[kt_int(c, 0, 5)]);
    ms_attr_set_str(c->node, "nearest_mode", nearest[kt_int(c, 0, 3)]);
    ms_attr_set_int(c->node, "antialias", kt_int(c, 0, 3) == 0);
    ms_attr_set_int(c->node, "exclude_outside", kt_int(c, 0, 3) == 0);
}

static void gen_grid_sample(struct kt_case *c)
{
    static const char *const modes[] = {"linear", "nearest", "cubic"};
    static const char *const pads[] = {"zeros", "border", "reflection"};
    struct ms_shape s = kt_shape(c, (int)kt_int(c, 3, 5), 1, 7), g = s;

    g.dim[g.rank - 1] = s.rank - 2;
    for (int d = 1; d < g.rank - 1; d++)
        g.dim[d] = kt_int(c, 1, 6);
    kt_in(c, kt_random(c, MS_F32, &s, -1, 1), KT_BATCHED);
    kt_in(c, kt_random(c, MS_F32, &g, -2, 2), KT_BATCHED);
    ms_attr_set_str(c->node, "mode", modes[kt_int(c, 0, 2)]);
    ms_attr_set_str(c->node, "padding_mode", pads[kt_int(c, 0, 2)]);
    ms_attr_set_int(c->node, "align_corners", kt_flip(c));
}

static void gen_one_hot(struct kt_case *c)
{
    struct ms_shape s = kt_shape(c, (int)kt_int(c, 0, 3), 1, 9), two = ms_shape_make(2);

    kt_in(c, kt_random(c, MS_I64, &s, -9, 9), KT_VALUE);
    kt_in(c, kt_scalar(MS_I64, (double)kt_int(c, 1, 12)), KT_CONST);
    kt_in(c, data(c, MS_FIXED, &two), KT_VALUE);
    ms_attr_set_int(c->node, "axis", kt_int(c, -s.rank - 1, s.rank));
}

static void gen_trilu(struct kt_case *c)
{
    struct ms_shape s = some_shape(c, 2, 4);

    kt_in(c, data(c, MS_FIXED, &s), KT_VALUE);
    if (kt_flip(c))
        kt_in(c, kt_scalar(MS_I64, (double)kt_int(c, -12, 12)), KT_CONST);
    ms_attr_set_int(c->node, "upper", kt_flip(c));
}

static void gen_eye_like(struct kt_case *c)
{
    struct ms_shape s = some_shape(c, 2, 2);

    kt_in(c, data(c, MS_FIXED, &s), KT_VALUE);
    ms_attr_set_int(c->node, "k", kt_int(c, -12, 12));
}

static void gen_reverse_sequence(struct kt_case *c)
{
    struct ms_shape s = some_shape(c, 2, 4);
    const int batch = (int)kt_int(c, 0, 1);
    struct ms_shape n = ms_shape_make(s.dim[batch]);

    kt_in(c, data(c, MS_FIXED, &s), KT_VALUE);
    kt_in(c, kt_random(c, MS_I64, &n, 0, (double)s.dim[1 - batch]), KT_VALUE);
    ms_attr_set_int(c->node, "batch_axis", batch);
    ms_attr_set_int(c->node, "time_axis", 1 - batch);
}

static void gen_depth_to_space(struct kt_case *c)
{
    struct ms_shape s = kt_shape(c, 4, 1, 6);
    const int64_t b = kt_int(c, 1, 3);

    s.dim[1] *= b * b;
    kt_in(c, data(c, MS_FIXED, &s), KT_BATCHED);
    ms_attr_set_int(c->node, "blocksize", b);
    ms_attr_set_str(c->node, "mode", kt_flip(c) ? "DCR" : "CRD");
}

static void gen_space_to_depth(struct kt_case *c)
{
    struct ms_shape s = kt_shape(c, 4, 1, 6);
    const int64_t b = kt_int(c, 1, 3);

    s.dim[2] *= b;
    s.dim[3] *= b;
    kt_in(c, data(c, MS_FIXED, &s), KT_BATCHED);
    ms_attr_set_int(c->node, "blocksize", b);
}

static void gen_cast(struct kt_case *c)
{
    struct ms_shape s = some_shape(c, 0, 3);

    kt_in(c, kt_random(c, kt_dtype(c, MS_FIXED), &s, -300, 300), KT_VALUE);
    ms_attr_set_str(c->node, "to", ms_dtype_name(kt_dtype(c, MS_FIXED)));
}

static void gen_cast_like(struct kt_case *c)
{
    struct ms_shape s = some_shape(c, 0, 3);

    kt_in(c, kt_random(c, kt_dtype(c, MS_FIXED), &s, -300, 300), KT_VALUE);
    kt_in(c, kt_scalar(kt_dtype(c, MS_FIXED), 1), KT_VALUE);
}

static void gen_bitshift(struct kt_case *c)
{
    struct ms_shape s = some_shape(c, 0, 3);
    const enum ms_dtype t = kt_dtype(c, c->node->op->in[0]);

    kt_in(c, kt_random(c, t, &s, 0, 200), KT_VALUE);
    kt_in(c, kt_random(c, t, &s, 0, 70), KT_VALUE);
    ms_attr_set_str(c->node, "direction", kt_flip(c) ? "LEFT" : "RIGHT");
}

static void gen_data(struct kt_case *c)
{
    struct ms_shape s = some_shape(c, 0, 4);

    kt_in(c, data(c, MS_FIXED, &s), KT_VALUE);
}

static void gen_unique(struct kt_case *c)
{
    struct ms_shape s = some_shape(c, 1, 3);

    kt_in(c, kt_random(c, kt_dtype(c, MS_INTS), &s, 0, 3), KT_VALUE);
    if (kt_flip(c))
        in_axis(c, s.rank);
    ms_attr_set_int(c->node, "sorted", kt_flip(c));
}

static void gen_compress(struct kt_case *c)
{
    struct ms_shape s = some_shape(c, 1, 3), n;
    const int axis = (int)kt_int(c, 0, s.rank - 1);

    n = ms_shape_make(kt_int(c, 0, s.dim[axis]));
    kt_in(c, data(c, MS_FIXED, &s), KT_VALUE);
    kt_in(c, kt_random(c, MS_BOOL, &n, 0, 1), KT_VALUE);
    ms_attr_set_int(c->node, "axis", axis);
}

static void gen_constant_of_shape(struct kt_case *c)
{
    int64_t dims[4];
    const int n = (int)kt_int(c, 0, 4);

    for (int d = 0; d < n; d++)
        dims[d] = kt_int(c, 0, 9);
    in_ints(c, dims, n);
}

static void gen_range(struct kt_case *c)
{
    const enum ms_dtype t = kt_dtype(c, c->node->op->in[0]);

    kt_in(c, kt_scalar(t, (double)kt_int(c, -20, 20)), KT_CONST);
    kt_in(c, kt_scalar(t, (double)kt_int(c, -20, 60)), KT_CONST);
    kt_in(c, kt_scalar(t, (double)kt_int(c, 1, 5) * (kt_flip(c) ? 1 : -1)), KT_CONST);
}

static void gen_det(struct kt_case *c)
{
    struct ms_shape s = kt_shape(c, (int)kt_int(c, 2, 4), 1, 6);

    s.dim[s.rank - 1] = s.dim[s.rank - 2];
    kt_in(c, kt_random(c, MS_F32, &s, -1, 1), KT_VALUE);
}

/* One letter a dim: the same letter has the same size wherever it stands, or now and then 1. */
static void einsum_operand(struct kt_case *c, const char *letters, const int64_t size[26])
{
    struct ms_shape s = {.rank = (int)strlen(letters)};

    for (int i = 0; i < s.rank; i++)
        s.dim[i] = kt_int(c, 0, 40) == 0 && strlen(letters) > 1 ? 1 : size[letters[i] - 'a'];
    for (int i = 0; i < s.rank; i++) /* a diagonal is square */
        for (int k = 0; k < i; k++)
            if (letters[i] == letters[k])
                s.dim[i] = s.dim[k];
    kt_in(c, kt_random(c, MS_F32, &s, -1, 1), KT_VALUE);
}

static void gen_einsum(struct kt_case *c)
{
    static const struct {
        const char *text, *in[3];
    } equations[] = {
        {"bij,bjk->bik", {"bij", "bjk"}},
        {"bij,bjk", {"bij", "bjk"}},
        {"bij,bkj->b", {"bij", "bkj"}},
        {"...ij,...jk", {"aij", "ajk"}},
        {"bhqd,bhkd->bhqk", {"bhqd", "bhkd"}},
        {"bhqk,bkhd->bqhd", {"bhqk", "bkhd"}},
        {"ij,j->i", {"ij", "j"}},
        {"i,j->ij", {"i", "j"}},
        {"ij,kj->ki", {"ij", "kj"}},
        {"ij,ij->", {"ij", "ij"}},
        {"ii,ij->j", {"ii", "ij"}},
        {"abcd,dcef->aebf", {"abcd", "dcef"}},
        {"ibjc,jdk->ckbid", {"ibjc", "jdk"}},
        {"ij,jk,kl->il", {"ij", "jk", "kl"}},
        {"bij->bji", {"bij"}},
    };
    const int n = (int)(sizeof equations / sizeof *equations);
    const int which = (int)kt_int(c, 0, n - 1);
    const bool wide = kt_int(c, 0, 7) == 0;
    int64_t size[26];

    for (int i = 0; i < 26; i++)
        size[i] = kt_int(c, 1, 6);
    if (wide) /* more than a panel of columns, more than a block of rows */
        size[(equations[which].in[0][0] - 'a')] = kt_int(c, 60, 130);
    for (int k = 0; k < 3 && equations[which].in[k]; k++)
        einsum_operand(c, equations[which].in[k], size);
    ms_attr_set_str(c->node, "equation", equations[which].text);
    /* each product added rounds a sum that may be larger than what is left of it in the end */
    c->tol_floor = (wide ? 130.0 * 6 : 36.0) * 0x1p-24;
}

static void gen_roi_align(struct kt_case *c)
{
    struct ms_shape s = kt_shape(c, 4, 1, 9), r = ms_shape_make(kt_int(c, 1, 5), 4);
    struct ms_shape n = ms_shape_make(r.dim[0]);

    kt_in(c, kt_random(c, MS_F32, &s, -1, 1), KT_VALUE);
    kt_in(c, kt_random(c, MS_F32, &r, -1, 10), KT_VALUE);
    kt_in(c, kt_random(c, MS_I64, &n, 0, (double)(s.dim[0] - 1)), KT_VALUE);
    ms_attr_set_int(c->node, "output_height", kt_int(c, 1, 5));
    ms_attr_set_int(c->node, "output_width", kt_int(c, 1, 5));
    ms_attr_set_int(c->node, "sampling_ratio", kt_int(c, 0, 3));
    ms_attr_set_str(c->node, "mode", kt_flip(c) ? "avg" : "max");
}

static void gen_nms(struct kt_case *c)
{
    const int64_t n = kt_int(c, 1, 40);
    struct ms_shape b = ms_shape_make(kt_int(c, 1, 2), n, 4);
    struct ms_shape s = ms_shape_make(b.dim[0], kt_int(c, 1, 3), n);

    kt_in(c, kt_random(c, MS_F32, &b, 0, 1), KT_VALUE);
    kt_in(c, kt_random(c, MS_F32, &s, 0, 1), KT_VALUE);
    kt_in(c, kt_scalar(MS_I64, (double)kt_int(c, 0, 10)), KT_VALUE);
    kt_in(c, kt_scalar(MS_F32, kt_real(c, 0, 1)), KT_VALUE);
    kt_in(c, kt_scalar(MS_F32, kt_real(c, 0, 1)), KT_VALUE);
    ms_attr_set_int(c->node, "center_point_box", kt_flip(c));
}

KT_ROWS(array) = {
    {.op = "Transpose", .gen = gen_transpose},
    {.op = "Concat", .gen = gen_concat},
    {.op = "Split", .gen = gen_split},
    {.op = "Slice", .gen = gen_slice},
    {.op = "Gather", .gen = gen_gather},
    {.op = "GatherElements", .gen = gen_gather_elements},
    {.op = "GatherND", .gen = gen_gather_nd},
    {.op = "ScatterElements", .gen = gen_scatter_elements},
    {.op = "ScatterND", .gen = gen_scatter_nd},
    {.op = "Pad", .gen = gen_pad},
    {.op = "Tile", .gen = gen_tile},
    {.op = "Expand", .gen = gen_expand},
    {.op = "ReduceSum", .gen = gen_reduce},
    {.op = "ReduceMean", .gen = gen_reduce},
    {.op = "ReduceMax", .gen = gen_reduce},
    {.op = "ReduceMin", .gen = gen_reduce},
    {.op = "ReduceProd", .gen = gen_reduce},
    {.op = "ReduceL1", .gen = gen_reduce},
    {.op = "ReduceL2", .gen = gen_reduce},
    {.op = "ReduceLogSum", .gen = gen_reduce},
    {.op = "ReduceLogSumExp", .gen = gen_reduce},
    {.op = "ReduceSumSquare", .gen = gen_reduce},
    {.op = "ArgMax", .gen = gen_arg},
    {.op = "ArgMin", .gen = gen_arg},
    {.op = "CumSum", .gen = gen_cumsum},
    {.op = "TopK", .gen = gen_topk},
    {.op = "Resize", .gen = gen_resize},
    {.op = "GridSample", .gen = gen_grid_sample, .rel = 1e-6, .abs = 1e-6},
    {.op = "OneHot", .gen = gen_one_hot},
    {.op = "Trilu", .gen = gen_trilu},
    {.op = "EyeLike", .gen = gen_eye_like},
    {.op = "ReverseSequence", .gen = gen_reverse_sequence},
    {.op = "ChannelShuffle", .gen = gen_channel_shuffle},
    {.op = "DepthToSpace", .gen = gen_depth_to_space},
    {.op = "SpaceToDepth", .gen = gen_space_to_depth},
    {.op = "Cast", .gen = gen_cast},
    {.op = "CastLike", .gen = gen_cast_like},
    {.op = "BitShift", .gen = gen_bitshift},
    {.op = "Shape", .gen = gen_data},
    {.op = "Size", .gen = gen_data},
    {.op = "Identity", .gen = gen_data},
    {.op = "Flatten", .gen = gen_data},
    {.op = "Squeeze", .gen = gen_data},
    {.op = "NonZero", .gen = gen_data},
    {.op = "Unique", .gen = gen_unique},
    {.op = "Compress", .gen = gen_compress},
    {.op = "ConstantOfShape", .gen = gen_constant_of_shape},
    {.op = "Range", .gen = gen_range},
    {.op = "Det", .gen = gen_det},
    {.op = "Einsum", .gen = gen_einsum, .rel = 2e-6, .abs = 2e-6}, /* as MatMul */
    {.op = "RoiAlign", .gen = gen_roi_align},
    {.op = "NonMaxSuppression", .gen = gen_nms},
    {0},
};
