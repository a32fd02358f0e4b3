/* SPDX-License-Identifier: Apache-2.0 */
/* onnx_lower.c - operators that a rule cannot repair: they become a few nodes, or none.
 *
 * The table at the end says which, for files of which opsets, and what they are made of. Semantics
 * of the old forms: onnx/onnx docs/Changelog.md. */
#include <ctype.h>
#include <string.h>

#include "proto/onnx_read.h"

static int rank_of(const struct ms_value *v)
{
    return v ? v->shape.rank : -1;
}

/* op(in...) with one int attribute; one output. */
static ms_code op_with_int(struct onnx_site *s, const char *op, struct ms_value *const *in,
                           int n_in, const char *attr, int64_t value, struct ms_value **out)
{
    struct ms_node *n = onnx_site_node(s, op, in, n_in, 1);

    if (!n)
        return s->scope->r->err->code;
    if (!ms_attr_set_int(n, attr, value))
        return onnx_site_oom(s);
    onnx_site_facts(n);
    *out = n->out[0];
    return MS_OK;
}

static ms_code need_inputs(struct onnx_site *s, int n)
{
    for (int i = 0; i < n; i++)
        if (!onnx_site_in(s, i))
            return onnx_site_fail(s, MS_INVALID_ARGUMENT, "input %d is missing", i);
    return MS_OK;
}

/* ---- Softmax, LogSoftmax, Hardmax before opset 13 ---- */

/* The old ones see a matrix: dims before `axis` are rows, the rest columns. Where axis is the last
 * dim, that is the new form; otherwise it is Flatten, the new form, and the old shape again. */
static ms_code lower_coerced(struct onnx_site *s)
{
    struct ms_value *x, *flat, *y, *shape, *in[2];
    int64_t axis;

    MS_TRY(need_inputs(s, 1));
    x = onnx_site_in(s, 0);
    MS_TRY(onnx_site_take_int(s, "axis", 1, &axis));
    if (axis == -1 || (rank_of(x) > 0 && axis == rank_of(x) - 1)) {
        onnx_site_set_int(s, "axis", -1);
        return onnx_site_make(s);
    }
    MS_TRY(op_with_int(s, "Flatten", &x, 1, "axis", axis, &flat));
    MS_TRY(op_with_int(s, s->op, &flat, 1, "axis", -1, &y));
    MS_TRY(onnx_site_op(s, "Shape", &x, 1, &shape));
    in[0] = y;
    in[1] = shape;
    MS_TRY(onnx_site_op(s, "Reshape", in, 2, &y));
    return onnx_site_out(s, 0, y);
}

/* ---- Dropout ---- */

static bool is_false(const struct ms_value *v)
{
    return v->constant && ms_tensor_count(v->constant) == 1 && ms_tensor_i64(v->constant, 0) == 0;
}

/* All ones (opset < 10: of x's type, taken as f32) or all true, in the shape of x. */
static ms_code dropout_mask(struct onnx_site *s, struct ms_value *x, struct ms_value **mask)
{
    const bool as_float = s->opset < 10;
    const int64_t one_dim = 1;
    const struct ms_shape one = ms_shape_of(1, &one_dim);
    const float f = 1;
    const uint8_t b = 1;
    struct ms_value *data, *shape;
    struct ms_node *n;

    data = as_float ? ms_graph_const_copy(s->scope->g, NULL, MS_F32, &one, &f)
                    : ms_graph_const_copy(s->scope->g, NULL, MS_BOOL, &one, &b);
    if (!data)
        return onnx_site_oom(s);
    MS_TRY(onnx_site_op(s, "Shape", &x, 1, &shape));
    n = onnx_site_node(s, "ConstantOfShape", &shape, 1, 1);
    if (!n)
        return s->scope->r->err->code;
    if (!ms_attr_set(n, &(struct ms_attr){
                            .name = "value", .type = MS_ATTR_TENSOR, .tensor = data->constant}))
        return onnx_site_oom(s);
    onnx_site_facts(n);
    *mask = n->out[0];
    return MS_OK;
}

/* Nothing is dropped in inference. */
static ms_code lower_dropout(struct onnx_site *s)
{
    const struct ms_value *training = onnx_site_in(s, 2);
    struct ms_value *x, *y;

    MS_TRY(need_inputs(s, 1));
    if (training && !is_false(training))
        return onnx_site_fail(s, MS_UNIMPLEMENTED, "training mode is not supported");
    x = onnx_site_in(s, 0);
    MS_TRY(onnx_site_op(s, "Identity", &x, 1, &y));
    MS_TRY(onnx_site_out(s, 0, y));
    if (s->n_out < 2)
        return MS_OK;
    MS_TRY(dropout_mask(s, x, &y));
    return onnx_site_out(s, 1, y);
}

/* ---- Upsample and Resize ---- */

/* Both were asymmetric and took the pixel below until opset 10. */
static void old_resize_attrs(struct onnx_site *s)
{
    onnx_site_set_str(s, "coordinate_transformation_mode", "asymmetric");
    onnx_site_set_str(s, "nearest_mode", "floor");
}

static ms_code float_list(struct onnx_site *s, const float *v, size_t n, struct ms_value **out)
{
    const int64_t dim = (int64_t)n;
    const struct ms_shape shape = ms_shape_of(1, &dim);

    *out = ms_graph_const_copy(s->scope->g, NULL, MS_F32, &shape, v);
    return *out ? MS_OK : onnx_site_oom(s);
}

static ms_code upsample_scales(struct onnx_site *s, struct ms_value **scales)
{
    const struct onnx_attr *list = onnx_site_attr(s, "scales", true);
    const struct onnx_attr *h = onnx_site_attr(s, "height_scale", true);
    const struct onnx_attr *w = onnx_site_attr(s, "width_scale", true);

    if (list)
        return float_list(s, list->floats.v, list->floats.n, scales);
    if (h && w)
        return float_list(s, (const float[]){1, 1, h->f, w->f}, 4, scales);
    *scales = onnx_site_in(s, 1);
    return *scales ? MS_OK : onnx_site_fail(s, MS_INVALID_ARGUMENT, "has no scales");
}

/* (X, scales) -> Resize(X, no roi, scales) */
static ms_code lower_old_resize(struct onnx_site *s)
{
    struct ms_value *scales;

    MS_TRY(need_inputs(s, 1));
    MS_TRY(upsample_scales(s, &scales));
    s->op = "Resize";
    MS_TRY(onnx_site_set_in(s, 1, NULL));
    MS_TRY(onnx_site_set_in(s, 2, scales));
    old_resize_attrs(s);
    return onnx_site_make(s);
}

static bool is_empty(const struct ms_value *v)
{
    return v && v->shape.rank == 1 && v->shape.dim[0] == 0;
}

/* Empty tensors stand for operands left out; roi serves one coordinate mode only. */
static ms_code lower_resize(struct onnx_site *s)
{
    const struct onnx_attr *mode = onnx_site_attr(s, "coordinate_transformation_mode", false);

    for (int i = 1; i < 4 && i < s->n_in; i++)
        if (is_empty(s->in[i]))
            s->in[i] = NULL;
    if (s->n_in > 1 && !(mode && ms_bytes_eq(mode->s, "tf_crop_and_resize")))
        s->in[1] = NULL;
    return onnx_site_make(s);
}

/* ---- the rest ---- */

/* Without sizes: as many equal parts as there are outputs (since 18 an attribute says how many). */
static ms_code lower_split(struct onnx_site *s)
{
    if (!onnx_site_in(s, 1) && !onnx_site_attr(s, "num_outputs", false)) {
        s->n_in = s->n_in > 1 ? 1 : s->n_in;
        s->n_out = (int)s->node->out.n;
        onnx_site_set_int(s, "num_outputs", s->n_out);
    }
    return onnx_site_make(s);
}

/* Outputs beyond the first are of training. */
static ms_code lower_batch_norm(struct onnx_site *s)
{
    const struct onnx_attr *training = onnx_site_attr(s, "training_mode", true);

    if (training && training->i != 0)
        return onnx_site_fail(s, MS_UNIMPLEMENTED, "training mode is not supported");
    if (s->n_out > 1)
        s->n_out = 1;
    return onnx_site_make(s);
}

/* Outputs that nobody wants are there all the same: as many as the graph gives, less `own`. */
static void all_outputs(struct onnx_site *s, const char *attr, size_t own)
{
    const struct onnx_attr *a = onnx_site_attr(s, attr, false);
    const size_t n = a && a->g && a->g->out.n > own ? a->g->out.n - own : 0;

    if (n > (size_t)s->n_out && n < INT32_MAX / 2)
        s->n_out = (int)n;
}

static ms_code lower_if(struct onnx_site *s)
{
    all_outputs(s, "then_branch", 0);
    return onnx_site_make(s);
}

/* M and cond may be left out, but captured values come behind them. */
static ms_code lower_loop(struct onnx_site *s)
{
    all_outputs(s, "body", 1); /* the condition */
    while (s->n_in < 2)
        MS_TRY(onnx_site_set_in(s, s->n_in, NULL));
    return onnx_site_make(s);
}

/* Before opset 7, B was laid over A from dim `axis` on, if `broadcast` said so. */
static ms_code lower_old_binary(struct onnx_site *s)
{
    const bool has_axis = onnx_site_attr(s, "axis", false) != NULL;
    int64_t broadcast, axis, axes[MS_MAX_RANK];
    struct ms_value *in[2], *b;
    int n;

    MS_TRY(need_inputs(s, 2));
    MS_TRY(onnx_site_take_int(s, "broadcast", 0, &broadcast));
    MS_TRY(onnx_site_take_int(s, "axis", 0, &axis));
    if (!broadcast || !has_axis)
        return onnx_site_make(s);
    if (rank_of(s->in[0]) < 0 || rank_of(s->in[1]) < 0)
        return onnx_site_fail(s, MS_UNIMPLEMENTED, "attribute 'axis' needs known ranks");
    if (axis < 0)
        axis += rank_of(s->in[0]);
    if (axis < 0 || axis > rank_of(s->in[0]) - rank_of(s->in[1]))
        return onnx_site_fail(s, MS_INVALID_ARGUMENT, "attribute 'axis' is outside");
    n = rank_of(s->in[0]) - rank_of(s->in[1]) - (int)axis;
    for (int i = 0; i < n; i++)
        axes[i] = rank_of(s->in[1]) + i;
    if (n > 0) {
        in[0] = s->in[1];
        MS_TRY(onnx_site_ints(s, axes, n, &in[1]));
        MS_TRY(onnx_site_op(s, "Unsqueeze", in, 2, &b));
        s->in[1] = b;
    }
    return onnx_site_make(s);
}

/* Before opset 7 a list of slopes was one for each channel. */
static ms_code lower_old_prelu(struct onnx_site *s)
{
    const int rank = rank_of(onnx_site_in(s, 0));
    int64_t axes[MS_MAX_RANK];
    struct ms_value *in[2];

    MS_TRY(need_inputs(s, 2));
    if (rank < 3 || rank_of(s->in[1]) != 1 || s->in[1]->shape.dim[0] == 1)
        return onnx_site_make(s);
    for (int i = 0; i < rank - 2; i++)
        axes[i] = i + 1;
    in[0] = s->in[1];
    MS_TRY(onnx_site_ints(s, axes, rank - 2, &in[1]));
    MS_TRY(onnx_site_op(s, "Unsqueeze", in, 2, &s->in[1]));
    return onnx_site_make(s);
}

/* Before opset 6 the type was a word ("FLOAT"). */
static ms_code lower_old_cast(struct onnx_site *s)
{
    const struct onnx_attr *to = onnx_site_attr(s, "to", true);

    if (!to || onnx_attr_type(to) != ONNX_STRING)
        return onnx_site_fail(s, MS_INVALID_ARGUMENT, "attribute 'to' must be a string");
    for (int t = 1; t < MS_N_DTYPES; t++) {
        const char *name = onnx_dtype_name(onnx_dtype_code((enum ms_dtype)t));
        size_t i = 0;

        while (i < to->s.len && name[i] && tolower(to->s.data[i]) == name[i])
            i++;
        if (i == to->s.len && !name[i]) {
            onnx_site_set_str(s, "to", ms_dtype_name((enum ms_dtype)t));
            return onnx_site_make(s);
        }
    }
    return onnx_site_fail(s, MS_UNIMPLEMENTED, "attribute 'to' names a type that is not supported");
}

/* One number for each group, repeated for each of the group's channels. */
static ms_code spread_groups(struct onnx_site *s, int i, int64_t groups, int64_t each)
{
    const int64_t column = 1, wide[2] = {groups, each}, flat = groups * each;
    struct ms_value *in[2] = {s->in[i], NULL};

    MS_TRY(onnx_site_ints(s, &column, 1, &in[1]));
    MS_TRY(onnx_site_op(s, "Unsqueeze", in, 2, &in[0]));
    MS_TRY(onnx_site_ints(s, wide, 2, &in[1]));
    MS_TRY(onnx_site_op(s, "Expand", in, 2, &in[0]));
    MS_TRY(onnx_site_ints(s, &flat, 1, &in[1]));
    return onnx_site_op(s, "Reshape", in, 2, &s->in[i]);
}

/* Before opset 21 scale and bias were given by group, since then by channel. */
static ms_code lower_old_group_norm(struct onnx_site *s)
{
    const struct onnx_attr *groups = onnx_site_attr(s, "num_groups", false);
    int64_t channels;

    MS_TRY(need_inputs(s, 3));
    channels = rank_of(s->in[0]) > 1 ? s->in[0]->shape.dim[1] : -1;
    if (!groups || groups->i <= 0 || channels < 0 || channels % groups->i != 0)
        return onnx_site_fail(s, MS_UNIMPLEMENTED,
                              "needs a known number of channels in equal groups");
    for (int i = 1; i < 3; i++)
        MS_TRY(spread_groups(s, i, groups->i, channels / groups->i));
    return onnx_site_make(s);
}

static const struct onnx_lowering lowerings[] = {
    {"Constant", 1, 99, "", onnx_lower_constant},
    {"Softmax", 1, 12, "Softmax Flatten Shape Reshape", lower_coerced},
    {"LogSoftmax", 1, 12, "LogSoftmax Flatten Shape Reshape", lower_coerced},
    {"Hardmax", 1, 12, "Hardmax Flatten Shape Reshape", lower_coerced},
    {"Dropout", 1, 99, "Identity", lower_dropout},
    {"Upsample", 1, 9, "Resize", lower_old_resize},
    {"Resize", 10, 10, "Resize", lower_old_resize},
    {"Resize", 11, 99, "Resize", lower_resize},
    {"Split", 1, 99, "Split", lower_split},
    {"BatchNormalization", 1, 99, "BatchNormalization", lower_batch_norm},
    {"If", 1, 99, "If", lower_if},
    {"Loop", 1, 99, "Loop", lower_loop},
    {"PRelu", 1, 6, "PRelu Unsqueeze", lower_old_prelu},
    {"Cast", 1, 5, "Cast", lower_old_cast},
    {"GroupNormalization", 18, 20, "GroupNormalization Unsqueeze Expand Reshape",
     lower_old_group_norm},
    {"Add", 1, 6, "Add Unsqueeze", lower_old_binary},
    {"Sub", 1, 6, "Sub Unsqueeze", lower_old_binary},
    {"Mul", 1, 6, "Mul Unsqueeze", lower_old_binary},
    {"Div", 1, 6, "Div Unsqueeze", lower_old_binary},
    {"Pow", 1, 6, "Pow Unsqueeze", lower_old_binary},
    {"And", 1, 6, "And Unsqueeze", lower_old_binary},
    {"Or", 1, 6, "Or Unsqueeze", lower_old_binary},
    {"Xor", 1, 6, "Xor Unsqueeze", lower_old_binary},
    {"Equal", 1, 6, "Equal Unsqueeze", lower_old_binary},
    {"Less", 1, 6, "Less Unsqueeze", lower_old_binary},
    {"Greater", 1, 6, "Greater Unsqueeze", lower_old_binary},
};

const struct onnx_lowering *onnx_lowering_find(struct ms_bytes op, int64_t opset)
{
    for (size_t i = 0; i < sizeof lowerings / sizeof *lowerings; i++)
        if (opset >= lowerings[i].from && opset <= lowerings[i].to &&
            ms_bytes_eq(op, lowerings[i].op))
            return &lowerings[i];
    return NULL;
}

static bool all_exist(const char *names)
{
    char one[64];

    while (*names) {
        const size_t n = strcspn(names, " ");

        if (n >= sizeof one)
            return false;
        memcpy(one, names, n);
        one[n] = '\0';
        if (!ms_op_find(one))
            return false;
        names += n + (names[n] == ' ');
    }
    return true;
}

bool onnx_op_exists(struct ms_bytes op, int64_t opset)
{
    const struct onnx_lowering *row = onnx_lowering_find(op, opset);
    const char *renamed = onnx_renamed(op, opset);
    char name[64];

    if (row)
        return all_exist(row->makes);
    if (renamed)
        return ms_op_find(renamed) != NULL;
    if (op.len == 0 || op.len >= sizeof name)
        return false;
    memcpy(name, op.data, op.len);
    name[op.len] = '\0';
    return ms_op_find(name) != NULL;
}
