/* SPDX-License-Identifier: Apache-2.0 */
/* mindir_lower_nn.c - convolution, matrix products, normalisation, LSTM. */
#include "proto/mindir.h"

/* The last `n` entries of an attribute of n or 2 + n (N, C in front) or 1 elements. */
static void spatial(struct mir_call *c, const char *name, const char *other, int n, int64_t *out)
{
    int64_t v[2 + 3];
    int count = mir_attr_ints(c, name, v, 5);

    if (count < 0 && other)
        count = mir_attr_ints(c, name = other, v, 5);
    for (int i = 0; i < n; i++)
        out[i] = count < 0 ? 1 : count == 1 ? v[0] : v[(count - n + i) > 0 ? count - n + i : 0];
    if (c->code == MS_OK && count >= 0 && count != 1 && count != n && count != n + 2)
        mir_bad(c, "attribute %s has %d elements", name, count);
}

/* b, e pairs of each axis into ONNX's order: all begins, all ends. */
static void pads_of_pairs(const int64_t *pairs, int n, int64_t *pads)
{
    for (int i = 0; i < n; i++) {
        pads[i] = pairs[2 * i];
        pads[n + i] = pairs[2 * i + 1];
    }
}

enum { PAD_LIST, PAD_SAME, PAD_VALID };

/* pad_mode, pad_list, pad -> pads, or SAME to be worked out from the input's size. */
static int padding(struct mir_call *c, int n, int64_t *pads)
{
    static const char *const names[] = {"pad", "same", "valid", "full", "calculated", NULL};
    const struct mir_value *mode = mir_attr(c, "pad_mode");
    const int k = mode ? mir_choice(c, mode, names) : 0;
    int64_t v[6];
    int count = mir_attr_ints(c, "pad_list", v, 6);

    for (int i = 0; i < 2 * n; i++)
        pads[i] = 0;
    if (c->code == MS_OK && k == 3)
        mir_unsupported(c, "pad_mode full is not supported");
    if (k == 2 || c->code != MS_OK)
        return PAD_VALID;
    for (int i = 0; i < count; i++)
        if (v[i] < 0)
            count = -1; /* not worked out when it was exported */
    if (count < 0 && k == 1)
        return PAD_SAME;
    if (count < 0)
        count = mir_attr_ints(c, "pad", v, 6);
    if (count == 1)
        for (int i = 1; i < 2 * n; i++)
            v[i] = v[0];
    if (c->code == MS_OK && count != 1 && count != 2 * n)
        mir_bad(c, "%d paddings for %d axes", count, n);
    if (c->code == MS_OK)
        pads_of_pairs(v, n, pads);
    return PAD_LIST;
}

static void need_nchw(struct mir_call *c)
{
    static const char *const names[] = {"nchw", "nhwc", "ncdhw", NULL};
    const struct mir_value *v = mir_attr(c, "format");

    if (!v)
        v = mir_attr(c, "data_format");
    if (c->code == MS_OK && v && v->kind == MIR_INT && v->i == 14)
        return; /* NCDHW as a number */
    if (c->code == MS_OK && v && mir_choice(c, v, names) == 1)
        mir_unsupported(c, "format NHWC is not supported");
}

static int64_t groups(struct mir_call *c)
{
    return mir_attr_int(c, "group", mir_attr_int(c, "groups", 1));
}

/* Convolution over n axes; bias may be NULL. */
static struct ms_value *conv(struct mir_call *c, int n, struct ms_value *x, struct ms_value *w,
                             struct ms_value *bias)
{
    int64_t strides[3], dilations[3], pads[6];
    const int64_t group = groups(c);
    int mode;

    spatial(c, n == 3 ? "strides" : "stride", n == 3 ? "stride" : "strides", n, strides);
    spatial(c, n == 3 ? "dilations" : "dilation", n == 3 ? "dilation" : "dilations", n, dilations);
    mode = padding(c, n, pads);
    need_nchw(c);
    if (mode == PAD_SAME)
        return mir_op(c, "Conv", MIR_IN(x, w, bias),
                      MIR_ATTRS(MIR_A_TEXT("auto_pad", "SAME_UPPER"), MIR_A_INT("group", group),
                                MIR_A_INTS("strides", strides, n),
                                MIR_A_INTS("dilations", dilations, n)));
    return mir_op(c, "Conv", MIR_IN(x, w, bias),
                  MIR_ATTRS(MIR_A_INTS("pads", pads, 2 * n), MIR_A_INT("group", group),
                            MIR_A_INTS("strides", strides, n),
                            MIR_A_INTS("dilations", dilations, n)));
}

static ms_code conv_2d(struct mir_call *c)
{
    return mir_give(c, conv(c, 2, mir_tensor(c, 0), mir_tensor(c, 1), NULL));
}

static ms_code conv_3d(struct mir_call *c)
{
    return mir_give(c, conv(c, 3, mir_tensor(c, 0), mir_tensor(c, 1), NULL));
}

/* Up to 1.1: weight [m, C, kh, kw] for m outputs a channel. */
static ms_code conv_depthwise(struct mir_call *c)
{
    static const int64_t perm[] = {1, 0, 2, 3};
    struct ms_value *x = mir_tensor(c, 0), *w = mir_tensor(c, 1);
    int64_t strides[2], dilations[2], pads[4];

    if (c->code == MS_OK && (w->shape.rank != 4 || !ms_shape_static(&w->shape)))
        return mir_unsupported(c, "a weight that is not [m,C,h,w]");
    if (c->code != MS_OK)
        return c->code;
    const int64_t channels = w->shape.dim[1];
    const int64_t dims[] = {channels * w->shape.dim[0], 1, w->shape.dim[2], w->shape.dim[3]};
    w = mir_op(c, "Transpose", MIR_IN(w), MIR_ATTRS(MIR_A_INTS("perm", perm, 4)));
    w = mir_reshape(c, w, dims, 4);
    spatial(c, "stride", "strides", 2, strides);
    spatial(c, "dilation", "dilations", 2, dilations);
    if (padding(c, 2, pads) == PAD_SAME)
        return mir_unsupported(c, "pad_mode same without pad_list is not supported");
    return mir_give(c, mir_op(c, "Conv", MIR_IN(x, w),
                              MIR_ATTRS(MIR_A_INTS("pads", pads, 4), MIR_A_INT("group", channels),
                                        MIR_A_INTS("strides", strides, 2),
                                        MIR_A_INTS("dilations", dilations, 2))));
}

/* Conv2DExt(x, w, bias, stride, padding, dilation, groups) */
static ms_code conv_ext(struct mir_call *c)
{
    struct ms_value *x = mir_tensor(c, 0), *w = mir_tensor(c, 1), *bias = mir_tensor_opt(c, 2);
    int64_t v[3][3], pads[6];
    int n = 2;

    if (c->code == MS_OK)
        n = x->shape.rank - 2;
    if (n < 1 || n > 3)
        return mir_unsupported(c, "an operand of rank %d is not supported", n + 2);
    for (size_t k = 0; k < 3; k++) {
        const int count = mir_ints(c, 3 + k, v[k], n);

        for (int i = 1; count == 1 && i < n; i++)
            v[k][i] = v[k][0];
        if (c->code == MS_OK && count != 1 && count != n)
            mir_bad(c, "argument %zu has %d elements", 3 + k, count);
    }
    for (int i = 0; i < n && c->code == MS_OK; i++)
        pads[i] = pads[n + i] = v[1][i];
    const int64_t group = mir_int(c, 6);
    if (c->code != MS_OK)
        return c->code;
    return mir_give(
        c, mir_op(c, "Conv", MIR_IN(x, w, bias),
                  MIR_ATTRS(MIR_A_INTS("pads", pads, 2 * n), MIR_A_INT("group", group),
                            MIR_A_INTS("strides", v[0], n), MIR_A_INTS("dilations", v[2], n))));
}

/* Sizes that can be multiplied in pairs without care. */
#define SANE (INT64_C(1) << 30)
static bool is_sane(int64_t n)
{
    return n >= 0 && n <= SANE;
}

/* Conv2DTranspose(dy, w, output size): the output's size decides how much is added at the end, or
 * with SAME how much is cut at both. */
static ms_code conv_transpose(struct mir_call *c)
{
    struct ms_value *x = mir_tensor(c, 0), *w = mir_tensor(c, 1);
    int64_t strides[2], dilations[2], pads[4], size[4], extra[2] = {0, 0};
    const int64_t group = groups(c);
    int mode;

    spatial(c, "stride", "strides", 2, strides);
    spatial(c, "dilation", "dilations", 2, dilations);
    mode = padding(c, 2, pads);
    need_nchw(c);
    if (c->code != MS_OK)
        return c->code;
    const bool known = mir_known_ints(c, c->arg[2]) && ms_shape_static(&w->shape) &&
                       w->shape.rank == 4 && x->shape.rank == 4 && x->shape.dim[2] >= 0 &&
                       x->shape.dim[3] >= 0;
    if (known && mir_ints(c, 2, size, 4) != 4)
        return mir_bad(c, "an output size that is not [N,C,H,W]");
    for (int i = 0; i < 2 && known; i++) {
        if (!is_sane(w->shape.dim[2 + i]) || !is_sane(x->shape.dim[2 + i]) ||
            !is_sane(size[2 + i]) || !is_sane(strides[i]) || !is_sane(dilations[i]) ||
            !is_sane(pads[i]) || !is_sane(pads[2 + i]))
            return mir_bad(c, "sizes beyond %lld", (long long)SANE);
        const int64_t reach = (w->shape.dim[2 + i] - 1) * dilations[i] + 1;
        const int64_t full = (x->shape.dim[2 + i] - 1) * strides[i] + reach;

        if (mode == PAD_SAME) {
            const int64_t cut = full > size[2 + i] ? full - size[2 + i] : 0;
            pads[i] = cut / 2;
            pads[2 + i] = cut - cut / 2;
        }
        extra[i] = size[2 + i] - (full - pads[i] - pads[2 + i]);
        if (extra[i] < 0 || extra[i] > INT32_MAX)
            return mir_bad(c, "output size %lld cannot be reached", (long long)size[2 + i]);
    }
    if (!known && mode == PAD_SAME)
        return mir_unsupported(c, "pad_mode same with an unknown size is not supported");
    return mir_give(c, mir_op(c, "ConvTranspose", MIR_IN(x, w),
                              MIR_ATTRS(MIR_A_INTS("pads", pads, 4), MIR_A_INT("group", group),
                                        MIR_A_INTS("strides", strides, 2),
                                        MIR_A_INTS("dilations", dilations, 2),
                                        MIR_A_INTS("output_padding", extra, 2))));
}

/* BiasAdd(x, b, format): b belongs to axis 1, with NHWC to the last one. */
static ms_code bias_add(struct mir_call *c)
{
    static const char *const names[] = {"nchw", "nhwc", "ncdhw", NULL};
    struct ms_value *x = mir_tensor(c, 0), *b = mir_tensor(c, 1);
    const bool last = c->code == MS_OK && mir_choice(c, c->arg[2], names) == 1;
    int64_t dims[MS_MAX_RANK];

    if (c->code != MS_OK)
        return c->code;
    if (x->shape.rank < 2)
        return mir_unsupported(c, "an operand of unknown rank or of rank below 2");
    for (int i = 0; i < x->shape.rank - 1; i++)
        dims[i] = i == 0 ? -1 : 1;
    if (!last && x->shape.rank > 2)
        b = mir_reshape(c, b, dims, x->shape.rank - 1);
    return mir_give(c, mir_op(c, "Add", MIR_IN(x, b), NULL));
}

/* ---- matrix products ---- */

static ms_code mat_mul(struct mir_call *c)
{
    const bool ta = mir_bool(c, 2), tb = mir_bool(c, 3);

    return mir_give(c, mir_op(c, "MatMul", MIR_IN(mir_tensor(c, 0), mir_tensor(c, 1)),
                              MIR_ATTRS(MIR_A_INT("transA", ta), MIR_A_INT("transB", tb))));
}

/* Dense(x, w [out, in], bias) */
static ms_code dense(struct mir_call *c)
{
    struct ms_value *bias = mir_tensor_opt(c, 2);
    struct ms_value *y = mir_op(c, "MatMul", MIR_IN(mir_tensor(c, 0), mir_tensor(c, 1)),
                                MIR_ATTRS(MIR_A_INT("transB", 1)));

    return mir_give(c, bias ? mir_op(c, "Add", MIR_IN(y, bias), NULL) : y);
}

/* ---- normalisation ---- */

static ms_code give_batch_norm(struct mir_call *c, bool training, double epsilon)
{
    if (training)
        return mir_unsupported(c, "is_training=true is not supported");
    struct ms_value *y = mir_op(c, "BatchNormalization",
                                MIR_IN(mir_tensor(c, 0), mir_tensor(c, 1), mir_tensor(c, 2),
                                       mir_tensor(c, 3), mir_tensor(c, 4)),
                                MIR_ATTRS(MIR_A_FLOAT("epsilon", epsilon)));
    return mir_give_first(c, y, 5, "statistics of BatchNorm are not supported");
}

static ms_code batch_norm(struct mir_call *c)
{
    need_nchw(c);
    return give_batch_norm(c, mir_bool(c, 5), mir_float(c, 6));
}

/* Training comes before momentum and epsilon here, and there are three results. */
static ms_code batch_norm_ext(struct mir_call *c)
{
    MS_TRY(give_batch_norm(c, mir_bool(c, 5), mir_float(c, 7)));
    c->result = mir_new_tuple(c->m, c->result->items, 3);
    return c->result ? MS_OK : mir_no_memory(c->m);
}

static ms_code give_layer_norm(struct mir_call *c, int64_t axis, size_t scale, size_t bias,
                               double epsilon)
{
    struct ms_value *y =
        mir_op(c, "LayerNormalization",
               MIR_IN(mir_tensor(c, 0), mir_tensor_opt(c, scale), mir_tensor_opt(c, bias)),
               MIR_ATTRS(MIR_A_INT("axis", axis), MIR_A_FLOAT("epsilon", epsilon)));
    return mir_give_first(c, y, 3, "mean and variance of LayerNorm are not supported");
}

static ms_code layer_norm(struct mir_call *c)
{
    struct ms_value *x = mir_tensor(c, 0);
    int from, params;

    if (c->code != MS_OK)
        return c->code;
    if (x->shape.rank < 0)
        return mir_unsupported(c, "the rank of its operand is not known");
    if (!ms_axis(mir_int(c, 3), x->shape.rank, &from) ||
        !ms_axis(mir_int(c, 4), x->shape.rank, &params))
        return mir_bad(c, "an axis beyond rank %d", x->shape.rank);
    if (from != params)
        return mir_unsupported(c, "begin_norm_axis and begin_params_axis differ");
    return give_layer_norm(c, from, 1, 2, mir_float(c, 5));
}

/* LayerNormExt(x, normalized_shape, weight, bias, epsilon) */
static ms_code layer_norm_ext(struct mir_call *c)
{
    int64_t dims[MS_MAX_RANK];
    const int n = mir_ints(c, 1, dims, MS_MAX_RANK);

    return c->code == MS_OK ? give_layer_norm(c, -n, 2, 3, mir_float(c, 4)) : c->code;
}

/* GroupNorm(x, groups, weight, bias, epsilon) -> (y, mean, rstd) */
static ms_code group_norm(struct mir_call *c)
{
    const int64_t n = mir_int(c, 1);
    const double epsilon = mir_float(c, 4);
    struct ms_value *y = mir_op(
        c, "GroupNormalization", MIR_IN(mir_tensor(c, 0), mir_tensor(c, 2), mir_tensor(c, 3)),
        MIR_ATTRS(MIR_A_INT("num_groups", n), MIR_A_FLOAT("epsilon", epsilon)));

    return mir_give_first(c, y, 3, "mean and deviation of GroupNorm are not supported");
}

/* InstanceNorm(x, gamma, beta, mean, variance) normalises by the instance's own statistics. */
static ms_code instance_norm(struct mir_call *c)
{
    const double epsilon = mir_attr_float(c, "epsilon", 1e-5);
    struct ms_value *y = mir_op(c, "InstanceNormalization",
                                MIR_IN(mir_tensor(c, 0), mir_tensor(c, 1), mir_tensor(c, 2)),
                                MIR_ATTRS(MIR_A_FLOAT("epsilon", epsilon)));

    return mir_give_first(c, y, 3, "statistics of InstanceNorm are not supported");
}

/* RmsNorm(x, gamma, epsilon) -> (y, rstd): x / sqrt(mean x^2 + epsilon) * gamma over gamma's axes.
 */
static ms_code rms_norm(struct mir_call *c)
{
    struct ms_value *x = mir_tensor(c, 0), *gamma = mir_tensor(c, 1);
    int64_t axes[MS_MAX_RANK];

    if (c->code != MS_OK)
        return c->code;
    if (gamma->shape.rank < 1)
        return mir_unsupported(c, "a weight of rank %d", gamma->shape.rank);
    for (int i = 0; i < gamma->shape.rank; i++)
        axes[i] = i - gamma->shape.rank;
    struct ms_value *sq = mir_op(c, "Mul", MIR_IN(x, x), NULL);
    struct ms_value *mean =
        mir_op(c, "ReduceMean", MIR_IN(sq, mir_const_ints(c, axes, gamma->shape.rank)),
               MIR_ATTRS(MIR_A_INT("keepdims", 1)));
    mean = mir_op(c, "Add", MIR_IN(mean, mir_const(c, mir_float(c, 2), x->dtype)), NULL);
    struct ms_value *y = mir_op(c, "Div", MIR_IN(x, mir_op(c, "Sqrt", MIR_IN(mean), NULL)), NULL);
    y = mir_op(c, "Mul", MIR_IN(y, gamma), NULL);
    return mir_give_first(c, y, 2, "the deviation of RmsNorm is not supported");
}

/* row->op over one axis, given as int or tuple of one. */
static ms_code soft_max(struct mir_call *c)
{
    int64_t axis = -1;
    const bool given = !mir_is_none(c, 1);

    if (given && mir_ints(c, 1, &axis, 1) != 1)
        return mir_bad(c, "needs one axis");
    struct ms_value *x = mir_tensor(c, 0);
    if (x && c->n_args > 2 && !mir_is_none(c, 2))
        x = mir_cast(c, x, mir_type(c, 2));
    return mir_give(c, mir_op(c, c->row->op, MIR_IN(x), MIR_ATTRS(MIR_A_INT("axis", axis))));
}

/* ---- others ---- */

static ms_code dropout(struct mir_call *c)
{
    return mir_give_first(c, mir_op(c, "Identity", MIR_IN(mir_tensor(c, 0)), NULL), 2,
                          "the mask of Dropout is not supported");
}

/* Swiglu(x, axis): halves a, b; a sigmoid(a) b */
static ms_code swiglu(struct mir_call *c)
{
    const int64_t axis = mir_int(c, 1);
    struct ms_node *n = mir_node(c, "Split", MIR_IN(mir_tensor(c, 0)), 2,
                                 MIR_ATTRS(MIR_A_INT("axis", axis), MIR_A_INT("num_outputs", 2)));

    if (!n)
        return c->code;
    struct ms_value *gate = mir_op(c, "Swish", MIR_IN(n->out[0]), NULL);
    return mir_give(c, mir_op(c, "Mul", MIR_IN(gate, n->out[1]), NULL));
}

/* ---- LSTM ---- */

/* 4 blocks of rows in MindSpore's order i, f, g, o, from `from` on in the flat weights, as ONNX's
 * [1, 4 H, columns] in the order i, o, f, g. columns 0: a bias [1, 4 H]. */
static struct ms_value *gates(struct mir_call *c, struct ms_value *flat, int64_t from, int64_t h,
                              int64_t columns)
{
    static const int64_t order[] = {0, 3, 1, 2};
    const int64_t width = columns ? columns : 1;
    const int64_t blocks[] = {4, h * width}, dims[] = {1, 4 * h, columns};
    struct ms_value *w = mir_slice(c, flat, 0, from, from + 4 * h * width, 1);

    w = mir_reshape(c, w, blocks, 2);
    w = mir_op(c, "Gather", MIR_IN(w, mir_const_ints(c, order, 4)), NULL);
    return mir_reshape(c, w, dims, columns ? 3 : 2);
}

/* LSTM(x [T,B,I], h, c [1,B,H], w flat): W_ih [4H,I], W_hh [4H,H], then one bias [4H] in one
 * tensor; since 2.x one LSTM a layer and direction. Results: y, h, c and two of no use. */
static ms_code lstm(struct mir_call *c)
{
    const int64_t in = mir_attr_int(c, "input_size", 0), h = mir_attr_int(c, "hidden_size", 0);
    const bool bias = mir_attr_bool(c, "has_bias", true);
    struct ms_value *x = mir_tensor(c, 0), *h0 = mir_tensor(c, 1), *c0 = mir_tensor(c, 2);

    if (mir_attr_int(c, "num_layers", 1) != 1 || mir_attr_bool(c, "bidirectional", false) ||
        mir_attr_int(c, "proj_size", 0) != 0)
        return mir_unsupported(c,
                               "only one layer in one direction without projection is supported");
    if (c->code == MS_OK && (in < 1 || h < 1 || in > INT32_MAX / 8 || h > INT32_MAX / 8))
        return mir_bad(c, "input_size %lld, hidden_size %lld", (long long)in, (long long)h);
    struct ms_value *flat = mir_reshape(c, mir_tensor(c, 3), (const int64_t[]){-1}, 1);
    struct ms_value *w = gates(c, flat, 0, h, in), *r = gates(c, flat, 4 * h * in, h, h), *b = NULL;
    if (bias) {
        b = gates(c, flat, 4 * h * (in + h), h, 0);
        if (c->code != MS_OK)
            return c->code;
        struct ms_value *none = mir_op(
            c, "Expand",
            MIR_IN(mir_const(c, 0.0, b->dtype), mir_const_ints(c, (const int64_t[]){1, 4 * h}, 2)),
            NULL);
        b = mir_op(c, "Concat", MIR_IN(b, none), MIR_ATTRS(MIR_A_INT("axis", 1)));
    }
    struct ms_node *n = mir_node(c, "LSTM", MIR_IN(x, w, r, b, NULL, h0, c0), 3,
                                 MIR_ATTRS(MIR_A_INT("hidden_size", h)));
    if (!n)
        return c->code;
    MS_TRY(
        mir_give_first(c, mir_squeeze(c, n->out[0], 1), 5, "this result of LSTM is not supported"));
    const struct mir_value *items[5] = {c->result->items[0], mir_new_tensor(c->m, n->out[1]),
                                        mir_new_tensor(c->m, n->out[2]), c->result->items[3],
                                        c->result->items[4]};
    if (!items[1] || !items[2])
        return mir_no_memory(c->m);
    c->result = mir_new_tuple(c->m, items, 5);
    return c->result ? MS_OK : mir_no_memory(c->m);
}

#define TRANSPOSE " transpose_a|transpose_x1=false transpose_b|transpose_x2=false"

const struct mir_row mir_rows_nn[] = {
    {"Conv2D", "x w", conv_2d, NULL, NULL},
    {"Conv3D", "x w", conv_3d, NULL, NULL},
    {"DepthwiseConv2dNative", "x w", conv_depthwise, NULL, NULL},
    {"Conv1DExt", "x w bias=none stride=1 padding=0 dilation=1 groups=1", conv_ext, NULL, NULL},
    {"Conv2DExt", "x w bias=none stride=1 padding=0 dilation=1 groups=1", conv_ext, NULL, NULL},
    {"Conv3DExt", "x w bias=none stride=1 padding=0 dilation=1 groups=1", conv_ext, NULL, NULL},
    {"Conv2DTranspose", "x w size", conv_transpose, NULL, NULL},
    {"Conv2DBackpropInput", "x w size", conv_transpose, NULL, NULL},
    {"BiasAdd", "x bias data_format|format='NCHW'", bias_add, NULL, NULL},
    {"MatMul", "x y" TRANSPOSE, mat_mul, NULL, NULL},
    {"BatchMatMul", "x y" TRANSPOSE, mat_mul, NULL, NULL},
    {"MatMulExt", "x y", mir_lower_direct, "MatMul", NULL},
    {"BatchMatMulExt", "x y", mir_lower_direct, "MatMul", NULL},
    {"Dense", "x w bias=none", dense, NULL, NULL},
    {"BatchNorm",
     "x scale bias mean variance is_training=false epsilon=1e-5 momentum=0.1 data_format|format=0",
     batch_norm, NULL, NULL},
    {"BatchNormExt", "x scale bias mean variance training=false momentum=0.1 epsilon=1e-5",
     batch_norm_ext, NULL, NULL},
    {"LayerNorm", "x gamma beta begin_norm_axis=1 begin_params_axis=1 epsilon=1e-7", layer_norm,
     NULL, NULL},
    {"LayerNormExt", "x shape weight=none bias=none epsilon=1e-5", layer_norm_ext, NULL, NULL},
    {"GroupNorm", "x groups weight bias epsilon=1e-5", group_norm, NULL, NULL},
    {"InstanceNorm", "x gamma beta mean variance", instance_norm, NULL, NULL},
    {"RmsNorm", "x gamma epsilon=1e-6", rms_norm, NULL, NULL},
    {"Softmax", "x axis=-1", soft_max, "Softmax", NULL},
    {"LogSoftmax", "x axis=-1", soft_max, "LogSoftmax", NULL},
    {"LogSoftmaxExt", "x dim=none dtype=none", soft_max, "LogSoftmax", NULL},
    {"Dropout", "x keep_prob=0.5 seed0=0 seed1=0", dropout, NULL, NULL},
    {"Swiglu", "x dim=-1", swiglu, NULL, NULL},
    {"LSTM", "x h c w", lstm, NULL, NULL},
    {0},
};
