/* SPDX-License-Identifier: Apache-2.0 */
/* mindir_lower_array.c - primitives that move elements without changing them, and those that make
 * tensors of one value or of a range.
 *
 * Names that end in View share memory with their operand in MindSpore; mir_give_view remembers it.
 */
#include "proto/mindir.h"

/* ---- shapes ---- */

static ms_code lower_reshape(struct mir_call *c)
{
    struct ms_value *x = mir_tensor(c, 0), *dims = mir_dims_value(c, 1);

    return mir_give_view(
        c, mir_op(c, "Reshape", MIR_IN(x, dims), MIR_ATTRS(MIR_A_INT("allowzero", 1))), 0);
}

/* The shape with axes [from, to) replaced by one dim. */
static struct ms_value *merged(struct mir_call *c, struct ms_value *x, int from, int to)
{
    struct ms_value *parts[3];
    int n = 0;

    if (c->code != MS_OK)
        return NULL;
    if (from > 0)
        parts[n++] =
            mir_op(c, "Shape", MIR_IN(x), MIR_ATTRS(MIR_A_INT("start", 0), MIR_A_INT("end", from)));
    parts[n++] = mir_const_ints(c, (const int64_t[]){-1}, 1);
    if (to < x->shape.rank)
        parts[n++] = mir_op(c, "Shape", MIR_IN(x), MIR_ATTRS(MIR_A_INT("start", to)));
    return n == 1 ? parts[0] : mir_op(c, "Concat", parts, n, MIR_ATTRS(MIR_A_INT("axis", 0)));
}

static bool known_rank(struct mir_call *c, const struct ms_value *x)
{
    if (c->code == MS_OK && x->shape.rank < 0)
        mir_unsupported(c, "the rank of its operand is not known");
    return c->code == MS_OK;
}

/* An axis in [-rank, rank) made positive; -1 and an error if it is outside. */
static int axis_of(struct mir_call *c, int64_t axis, int rank)
{
    int out = -1;

    if (c->code == MS_OK && !ms_axis(axis, rank, &out))
        mir_bad(c, "axis %lld of a tensor of rank %d", (long long)axis, rank);
    return c->code == MS_OK ? out : -1;
}

static ms_code flatten_ext(struct mir_call *c)
{
    struct ms_value *x = mir_tensor(c, 0);
    const int64_t start = mir_int(c, 1), end = mir_int(c, 2);

    if (!known_rank(c, x))
        return c->code;
    if (x->shape.rank == 0)
        return mir_give(c, mir_reshape(c, x, (const int64_t[]){1}, 1));
    const int from = axis_of(c, start, x->shape.rank), to = axis_of(c, end, x->shape.rank);
    if (c->code == MS_OK && from > to)
        return mir_bad(c, "axes %d to %d", from, to);
    return mir_give(c, mir_op(c, "Reshape", MIR_IN(x, merged(c, x, from, to + 1)), NULL));
}

static ms_code give_transposed(struct mir_call *c, struct ms_value *x, const int64_t *perm, int n)
{
    return mir_give_view(
        c, mir_op(c, "Transpose", MIR_IN(x), MIR_ATTRS(MIR_A_INTS("perm", perm, n))), 0);
}

static ms_code transpose(struct mir_call *c)
{
    struct ms_value *x = mir_tensor(c, 0);
    int64_t perm[MS_MAX_RANK];
    const int n = mir_ints(c, 1, perm, MS_MAX_RANK);

    for (int i = 0; i < n; i++)
        perm[i] = axis_of(c, perm[i], n);
    return give_transposed(c, x, perm, n);
}

/* Two axes change places. */
static ms_code swap_axes(struct mir_call *c)
{
    struct ms_value *x = mir_tensor(c, 0);
    int64_t perm[MS_MAX_RANK];

    if (!known_rank(c, x))
        return c->code;
    const int a = axis_of(c, mir_int(c, 1), x->shape.rank);
    const int b = axis_of(c, mir_int(c, 2), x->shape.rank);
    if (c->code != MS_OK)
        return c->code;
    for (int i = 0; i < x->shape.rank; i++)
        perm[i] = i == a ? b : i == b ? a : i;
    return give_transposed(c, x, perm, x->shape.rank);
}

static ms_code expand_dims(struct mir_call *c)
{
    struct ms_value *x = mir_tensor(c, 0);

    return mir_give_view(c, mir_unsqueeze(c, x, mir_int(c, 1)), 0);
}

/* Squeeze(x, axis): () means every dim of size 1. */
static ms_code squeeze(struct mir_call *c)
{
    struct ms_value *x = mir_tensor(c, 0), *axes = NULL;
    int64_t v[MS_MAX_RANK];

    if (c->code == MS_OK && !mir_is_none(c, 1)) {
        const int n = mir_ints(c, 1, v, MS_MAX_RANK);
        axes = n > 0 ? mir_const_ints(c, v, n) : NULL;
    }
    return mir_give_view(c, mir_op(c, "Squeeze", MIR_IN(x, axes), NULL), 0);
}

/* ---- joining and splitting ---- */

static ms_code join(struct mir_call *c, bool new_axis)
{
    struct ms_value **in;
    const size_t n = mir_list(c, 0, &in);
    const int64_t axis = mir_int(c, 1);
    enum ms_dtype t = MS_DTYPE_NONE;

    for (size_t i = 0; i < n; i++)
        t = i ? mir_promote(t, in[i]->dtype) : in[i]->dtype;
    for (size_t i = 0; i < n; i++) {
        in[i] = mir_cast(c, in[i], t);
        if (new_axis)
            in[i] = mir_unsqueeze(c, in[i], axis);
    }
    return mir_give(c, mir_op(c, "Concat", in, (int)n, MIR_ATTRS(MIR_A_INT("axis", axis))));
}

static ms_code concat(struct mir_call *c)
{
    return join(c, false);
}

static ms_code stack(struct mir_call *c)
{
    return join(c, true);
}

/* Parts along an axis; sizes NULL: n equal ones. */
static ms_code give_parts(struct mir_call *c, struct ms_value *x, int64_t axis, int64_t n,
                          const int64_t *sizes, bool drop_axis)
{
    struct ms_value *split = NULL;
    struct ms_node *node;

    if (c->code == MS_OK && (n < 1 || n > MIR_MAX_ITEMS))
        return mir_bad(c, "a split into %lld parts", (long long)n);
    if (sizes)
        split = mir_const_ints(c, sizes, (int)n);
    node = mir_node(c, "Split", MIR_IN(x, split), (int)n,
                    sizes ? MIR_ATTRS(MIR_A_INT("axis", axis))
                          : MIR_ATTRS(MIR_A_INT("axis", axis), MIR_A_INT("num_outputs", n)));
    if (!node || !drop_axis)
        return node ? mir_give_all(c, node->out, (size_t)n) : c->code;
    struct ms_value **out = ms_arena_array(c->m->scratch, (size_t)n, sizeof *out);
    if (!out)
        return mir_no_memory(c->m);
    for (int64_t i = 0; i < n; i++)
        out[i] = mir_squeeze(c, node->out[i], axis);
    return mir_give_all(c, out, (size_t)n);
}

static ms_code split(struct mir_call *c)
{
    return give_parts(c, mir_tensor(c, 0), mir_int(c, 1), mir_int(c, 2), NULL, false);
}

/* Size of an axis that must be known. */
static int64_t dim_of(struct mir_call *c, const struct ms_value *x, int64_t axis)
{
    if (!known_rank(c, x))
        return 0;
    const int at = axis_of(c, axis, x->shape.rank);
    if (c->code == MS_OK && x->shape.dim[at] < 0)
        mir_unsupported(c, "the size of axis %d is not known", at);
    return c->code == MS_OK ? x->shape.dim[at] : 0;
}

static ms_code unstack(struct mir_call *c)
{
    struct ms_value *x = mir_tensor(c, 0);
    const int64_t axis = mir_int(c, 1);
    int64_t n = mir_attr_int(c, "num", 0);

    if (n == 0)
        n = dim_of(c, x, axis);
    return give_parts(c, x, axis, n, NULL, true);
}

/* Parts of a given size, the last one perhaps smaller. */
static ms_code split_by_size(struct mir_call *c)
{
    struct ms_value *x = mir_tensor(c, 0);
    const int64_t size = mir_int(c, 1), axis = mir_int(c, 2), dim = dim_of(c, x, axis);
    int64_t *sizes;

    if (c->code == MS_OK && (size < 1 || dim / size >= MIR_MAX_ITEMS))
        return mir_bad(c, "parts of %lld along an axis of %lld", (long long)size, (long long)dim);
    if (c->code != MS_OK)
        return c->code;
    const int64_t n = dim == 0 ? 1 : (dim - 1) / size + 1;
    sizes = ms_arena_array(c->m->scratch, (size_t)n, sizeof *sizes);
    if (!sizes)
        return mir_no_memory(c->m);
    for (int64_t i = 0; i < n; i++)
        sizes[i] = i + 1 < n ? size : dim - i * size;
    return give_parts(c, x, axis, n, sizes, false);
}

static ms_code split_with_sizes(struct mir_call *c)
{
    int64_t sizes[MS_MAX_SYM_CONTENT];
    const int n = mir_ints(c, 1, sizes, MS_MAX_SYM_CONTENT);

    return give_parts(c, mir_tensor(c, 0), mir_int(c, 2), n, sizes, false);
}

/* ---- repeating ---- */

/* Tile: the shorter of shape and repeats is filled with ones in front. */
static ms_code tile(struct mir_call *c)
{
    struct ms_value *x = mir_tensor(c, 0), *repeats = mir_dims_value(c, 1);
    const int64_t ones[MS_MAX_RANK] = {1, 1, 1, 1, 1, 1, 1, 1};

    if (c->code != MS_OK)
        return c->code;
    const int64_t n = repeats->shape.rank == 1 ? repeats->shape.dim[0] : -1;
    if (!known_rank(c, x) || n < 0 || n > MS_MAX_RANK)
        return mir_unsupported(c, "the number of repeats is not known");
    if (n < x->shape.rank) {
        struct ms_value *front = mir_const_ints(c, ones, (int)(x->shape.rank - n));
        repeats = mir_op(c, "Concat", MIR_IN(front, repeats), MIR_ATTRS(MIR_A_INT("axis", 0)));
    }
    for (int64_t i = x->shape.rank; i < n; i++)
        x = mir_unsqueeze(c, x, 0);
    return mir_give(c, mir_op(c, "Tile", MIR_IN(x, repeats), NULL));
}

/* BroadcastTo(x, shape): -1 keeps the dim, as a 1 does in Expand. */
static ms_code broadcast_to(struct mir_call *c)
{
    struct ms_value *x = mir_tensor(c, 0), *dims = mir_dims_value(c, 1);

    if (c->code != MS_OK)
        return c->code;
    int64_t v[MS_MAX_RANK];
    if (mir_known_ints(c, c->arg[1])) {
        const int n = mir_ints(c, 1, v, MS_MAX_RANK);
        for (int i = 0; i < n; i++)
            v[i] = v[i] < 0 ? 1 : v[i];
        dims = mir_const_ints(c, v, n);
    } else {
        struct ms_value *kept = mir_op(c, "Less", MIR_IN(dims, mir_const(c, 0.0, MS_I64)), NULL);
        dims = mir_op(c, "Where", MIR_IN(kept, mir_const(c, 1.0, MS_I64), dims), NULL);
    }
    return mir_give_view(c, mir_op(c, "Expand", MIR_IN(x, dims), NULL), 0);
}

/* RepeatInterleaveInt(x, repeats, dim): each element n times in a row. */
static ms_code repeat_interleave(struct mir_call *c)
{
    struct ms_value *x = mir_tensor(c, 0);
    const int64_t times = mir_int(c, 1);
    int64_t repeats[MS_MAX_RANK + 1];

    if (mir_is_none(c, 2))
        x = mir_reshape(c, x, (const int64_t[]){-1}, 1);
    if (!known_rank(c, x))
        return c->code;
    if (times < 0 || x->shape.rank >= MS_MAX_RANK)
        return mir_bad(c, "%lld repeats", (long long)times);
    const int axis = axis_of(c, mir_is_none(c, 2) ? 0 : mir_int(c, 2), x->shape.rank);
    if (c->code != MS_OK)
        return c->code;
    for (int i = 0; i <= x->shape.rank; i++)
        repeats[i] = i == axis + 1 ? times : 1;
    struct ms_value *dims = merged(c, x, axis, axis + 1);
    struct ms_value *y = mir_op(
        c, "Tile",
        MIR_IN(mir_unsqueeze(c, x, axis + 1), mir_const_ints(c, repeats, x->shape.rank + 1)), NULL);
    return mir_give(c, mir_op(c, "Reshape", MIR_IN(y, dims), NULL));
}

/* Meshgrid((x...), indexing): 'ij' (0) in the order given, 'xy' (1) with the first two axes
 * swapped. */
static ms_code meshgrid(struct mir_call *c)
{
    static const char *const names[] = {"ij", "xy", NULL};
    struct ms_value **in, *sizes[MS_MAX_RANK], *shape;
    const size_t n = mir_list(c, 0, &in);
    const bool swap = mir_choice(c, c->arg[1], names) == 1 && n > 1;
    int64_t dims[MS_MAX_RANK];

    if (c->code == MS_OK && (n < 1 || n > MS_MAX_RANK))
        return mir_bad(c, "a grid of %zu axes", n);
    for (size_t i = 0; i < n; i++)
        sizes[swap && i < 2 ? 1 - i : i] = mir_op(c, "Shape", MIR_IN(in[i]), NULL);
    shape = mir_op(c, "Concat", sizes, (int)n, MIR_ATTRS(MIR_A_INT("axis", 0)));
    for (size_t i = 0; i < n; i++) {
        for (size_t k = 0; k < n; k++)
            dims[k] = k == (swap && i < 2 ? 1 - i : i) ? -1 : 1;
        in[i] = mir_op(c, "Expand", MIR_IN(mir_reshape(c, in[i], dims, (int)n), shape), NULL);
    }
    return mir_give_all(c, in, n);
}

/* ---- making ---- */

static ms_code fill(struct mir_call *c, struct ms_value *dims, struct ms_value *value)
{
    return mir_give(c, mir_op(c, "Expand", MIR_IN(value, dims), NULL));
}

static ms_code fill_v2(struct mir_call *c)
{
    struct ms_value *dims = mir_dims_value(c, 0);

    return fill(c, dims, mir_tensor(c, 1));
}

/* Fill(dtype, shape, value) */
static ms_code fill_v1(struct mir_call *c)
{
    const enum ms_dtype t = mir_type(c, 0);
    struct ms_value *dims = mir_dims_value(c, 1);

    return fill(c, dims, mir_cast(c, mir_tensor(c, 2), t));
}

/* Zeros, Ones (size, dtype); row->op is "0" or "1". */
static ms_code filled(struct mir_call *c)
{
    struct ms_value *dims = mir_dims_value(c, 0);
    const enum ms_dtype t = mir_is_none(c, 1) ? MS_F32 : mir_type(c, 1);

    return fill(c, dims, mir_const(c, c->row->op[0] - '0', t));
}

static ms_code filled_like(struct mir_call *c)
{
    struct ms_value *x = mir_tensor(c, 0), *dims = mir_op(c, "Shape", MIR_IN(x), NULL);

    if (c->code != MS_OK)
        return c->code;
    const enum ms_dtype t = mir_is_none(c, 1) ? x->dtype : mir_type(c, 1);
    return fill(c, dims, mir_const(c, c->row->op[0] - '0', t));
}

static ms_code full_like(struct mir_call *c)
{
    struct ms_value *x = mir_tensor(c, 0), *dims = mir_op(c, "Shape", MIR_IN(x), NULL);

    if (c->code != MS_OK)
        return c->code;
    const enum ms_dtype t = mir_is_none(c, 2) ? x->dtype : mir_type(c, 2);
    return fill(c, dims, mir_cast(c, mir_tensor(c, 1), t));
}

static ms_code range(struct mir_call *c)
{
    struct ms_value *v[3];
    enum ms_dtype t = MS_BOOL;

    for (size_t i = 0; i < 3; i++) {
        v[i] = mir_tensor(c, i);
        if (c->code != MS_OK)
            return c->code;
        t = mir_promote(t, v[i]->dtype);
        if (v[i]->shape.rank != 0)
            v[i] = mir_reshape(c, v[i], NULL, 0);
    }
    for (size_t i = 0; i < 3; i++)
        v[i] = mir_cast(c, v[i], t);
    return mir_give(c, mir_op(c, "Range", v, 3, NULL));
}

/* LinSpace(start, stop, num) of 0-d operands: start + i (stop - start) / (num - 1) */
static ms_code lin_space(struct mir_call *c)
{
    struct ms_value *a, *b;
    const int64_t num = mir_int(c, 2);

    if (!mir_pair(c, 0, 1, &a, &b))
        return c->code;
    if (num < 1 || num > 1 << 24 || a->shape.rank != 0 || b->shape.rank != 0)
        return mir_unsupported(c, "%lld steps between tensors of rank %d and %d", (long long)num,
                               a->shape.rank, b->shape.rank);
    if (ms_dtype_kind(a->dtype) != MS_KIND_FLOAT) {
        a = mir_cast(c, a, MS_F32);
        b = mir_cast(c, b, MS_F32);
    }
    struct ms_value *i = mir_op(
        c, "Range",
        MIR_IN(mir_const(c, 0, MS_I64), mir_const(c, (double)num, MS_I64), mir_const(c, 1, MS_I64)),
        NULL);
    if (c->code != MS_OK)
        return c->code;
    struct ms_value *gap = mir_op(c, "Sub", MIR_IN(b, a), NULL);
    gap = mir_op(c, "Div", MIR_IN(gap, mir_const(c, num > 1 ? (double)(num - 1) : 1.0, a->dtype)),
                 NULL);
    gap = mir_op(c, "Mul", MIR_IN(mir_cast(c, i, a->dtype), gap), NULL);
    return mir_give(c, mir_op(c, "Add", MIR_IN(a, gap), NULL));
}

/* Tril, Triu (x, diagonal): row->attrs says which. */
static ms_code triangle(struct mir_call *c)
{
    struct ms_value *x = mir_tensor(c, 0), *k = mir_const_int(c, mir_int(c, 1));

    return mir_give(c, mir_op(c, "Trilu", MIR_IN(x, k), c->row->attrs));
}

static const struct ms_attr lower_attrs[] = {MIR_A_INT("upper", 0), {.name = NULL}};
static const struct ms_attr upper_attrs[] = {MIR_A_INT("upper", 1), {.name = NULL}};

const struct mir_row mir_rows_array[] = {
    {"Reshape", "x shape", lower_reshape, NULL, NULL},
    {"View", "x shape", lower_reshape, NULL, NULL},
    {"Flatten", "x", mir_lower_direct, "Flatten", NULL},
    {"FlattenExt", "x start_dim=0 end_dim=-1", flatten_ext, NULL, NULL},
    {"Transpose", "x perm", transpose, NULL, NULL},
    {"TransposeView", "x perm", transpose, NULL, NULL},
    {"TransposeExt", "x dim0 dim1", swap_axes, NULL, NULL},
    {"TransposeExtView", "x dim0 dim1", swap_axes, NULL, NULL},
    {"ExpandDims", "x axis", expand_dims, NULL, NULL},
    {"ExpandDimsView", "x axis", expand_dims, NULL, NULL},
    {"Squeeze", "x axis=()", squeeze, NULL, NULL},
    {"Concat", "x axis=0", concat, NULL, NULL},
    {"Stack", "x axis=0", stack, NULL, NULL},
    {"StackExt", "x axis=0", stack, NULL, NULL},
    {"Pack", "x axis=0", stack, NULL, NULL},
    {"Unstack", "x axis=0", unstack, NULL, NULL},
    {"Unpack", "x axis=0", unstack, NULL, NULL},
    {"Split", "x axis=0 output_num=1", split, NULL, NULL},
    {"SplitTensor", "x size axis=0", split_by_size, NULL, NULL},
    {"SplitTensorView", "x size axis=0", split_by_size, NULL, NULL},
    {"SplitWithSize", "x sizes axis=0", split_with_sizes, NULL, NULL},
    {"SplitWithSizeView", "x sizes axis=0", split_with_sizes, NULL, NULL},
    {"Tile", "x multiples", tile, NULL, NULL},
    {"BroadcastTo", "x shape", broadcast_to, NULL, NULL},
    {"BroadcastToView", "x shape", broadcast_to, NULL, NULL},
    {"RepeatInterleaveInt", "x repeats dim=none output_size=none", repeat_interleave, NULL, NULL},
    {"Meshgrid", "x indexing='xy'", meshgrid, NULL, NULL},
    {"FillV2", "shape value", fill_v2, NULL, NULL},
    {"Fill", "dtype shape value", fill_v1, NULL, NULL},
    {"Zeros", "size dtype=none", filled, "0", NULL},
    {"Ones", "size dtype=none", filled, "1", NULL},
    {"ZerosLike", "x", filled_like, "0", NULL},
    {"OnesLike", "x", filled_like, "1", NULL},
    {"ZerosLikeExt", "x dtype=none", filled_like, "0", NULL},
    {"OnesLikeExt", "x dtype=none", filled_like, "1", NULL},
    {"FullLike", "x value dtype=none", full_like, NULL, NULL},
    {"Range", "start limit delta maxlen=1000000", range, NULL, NULL},
    {"LinSpace", "start stop num", lin_space, NULL, NULL},
    {"Tril", "x diagonal=0", triangle, NULL, lower_attrs},
    {"TrilExt", "x diagonal=0", triangle, NULL, lower_attrs},
    {"Triu", "x diagonal=0", triangle, NULL, upper_attrs},
    {0},
};
