/* SPDX-License-Identifier: Apache-2.0 */
/* mindir_lower_gather.c - primitives that pick, cut out, pad, sort and scatter. */
#include "proto/mindir.h"

/* Far beyond any axis, yet no symbol (see ir/shape.h). */
#define TO_THE_END INT64_MAX
#define TO_THE_FRONT (-(INT64_C(1) << 62))

/* ---- slices ---- */

/* What StridedSlice(x, begin, end, strides, five masks) does to one axis. */
struct cut {
    const struct mir_value *begin, *end;
    int64_t axis, step;
};

struct slicing {
    struct cut cut[MS_MAX_RANK];
    int n;
    struct { /* axes that go, with the index they had */
        int64_t axis;
        const struct mir_value *index;
    } shrink[MS_MAX_RANK];
    int n_shrink;
    int64_t added[MS_MAX_RANK * 2]; /* new axes, as positions in the result */
    int n_added;
};

static const struct mir_value *at(const struct mir_value *list, int i)
{
    return list->items[i];
}

/* begin, end or strides as a tuple of numbers. */
static const struct mir_value *as_tuple(struct mir_call *c, size_t i)
{
    const struct mir_value *v = c->arg[i], *items[MS_MAX_RANK * 2];
    int64_t known[MS_MAX_RANK * 2];

    if (v->kind == MIR_TUPLE || c->code != MS_OK)
        return v;
    const int n = mir_ints(c, i, known, MS_MAX_RANK * 2);
    for (int k = 0; k < n; k++)
        if (!(items[k] = mir_new_int(c->m, known[k])))
            c->code = mir_no_memory(c->m);
    if (c->code != MS_OK)
        return NULL;
    v = mir_new_tuple(c->m, items, (size_t)n);
    if (!v)
        c->code = mir_no_memory(c->m);
    return v;
}

static const struct mir_value *number(struct mir_call *c, int64_t i)
{
    const struct mir_value *v = mir_new_int(c->m, i);

    if (!v && c->code == MS_OK)
        c->code = mir_no_memory(c->m);
    return v;
}

static void add_cut(struct slicing *s, const struct mir_value *begin, const struct mir_value *end,
                    int64_t axis, int64_t step)
{
    s->cut[s->n++] = (struct cut){begin, end, axis, step};
}

/* Index i of an axis that goes: a cut of one, or later a Gather when i is not known yet. */
static void add_shrink(struct mir_call *c, struct slicing *s, const struct mir_value *i,
                       int64_t axis)
{
    if (i->kind == MIR_INT && (i->i < -INT32_MAX || i->i > INT32_MAX))
        mir_bad(c, "index %lld", (long long)i->i);
    else if (i->kind == MIR_INT)
        add_cut(s, i, number(c, i->i == -1 ? TO_THE_END : i->i + 1), axis, 1);
    s->shrink[s->n_shrink].axis = axis;
    s->shrink[s->n_shrink++].index = i;
}

static ms_code read_slicing(struct mir_call *c, struct slicing *s, int rank)
{
    const struct mir_value *begin = as_tuple(c, 1), *end = as_tuple(c, 2), *step = as_tuple(c, 3);
    const int64_t begin_mask = mir_int(c, 4), end_mask = mir_int(c, 5), ellipsis = mir_int(c, 6);
    const int64_t new_axis = mir_int(c, 7), shrink = mir_int(c, 8);
    int taken = 0, axis = 0, result = 0;

    if (c->code != MS_OK)
        return c->code;
    const int n = (int)(begin->n < 32 ? begin->n : 32);
    if (end->n != begin->n || step->n != begin->n || n > MS_MAX_RANK * 2)
        return mir_bad(c, "begin, end and strides have %zu, %zu and %zu elements", begin->n, end->n,
                       step->n);
    for (int i = 0; i < n; i++)
        taken += !(ellipsis >> i & 1) && !(new_axis >> i & 1);
    for (int i = 0; i < n; i++) {
        if (ellipsis >> i & 1) {
            const int skip = rank - taken > 0 ? rank - taken : 0;
            axis += skip;
            result += skip;
            taken = rank; /* a second one covers nothing */
        } else if (new_axis >> i & 1) {
            s->added[s->n_added++] = result++;
        } else if (axis >= rank) {
            return mir_bad(c, "slices %d axes of a tensor of rank %d", axis + 1, rank);
        } else if (shrink >> i & 1) {
            add_shrink(c, s, at(begin, i), axis++);
        } else {
            const struct mir_value *st = at(step, i);
            const int64_t by = st->kind == MIR_INT ? st->i : 0;

            if (by == 0)
                return mir_bad(c, "stride %d is zero or not known", i);
            add_cut(s, begin_mask >> i & 1 ? number(c, by > 0 ? 0 : TO_THE_END) : at(begin, i),
                    end_mask >> i & 1 ? number(c, by > 0 ? TO_THE_END : TO_THE_FRONT) : at(end, i),
                    axis++, by);
            result++;
        }
    }
    return c->code;
}

static struct ms_value *apply_cuts(struct mir_call *c, const struct slicing *s, struct ms_value *x)
{
    const struct mir_value *begin[MS_MAX_RANK], *end[MS_MAX_RANK];
    int64_t axes[MS_MAX_RANK], steps[MS_MAX_RANK];

    if (s->n == 0 || c->code != MS_OK)
        return x;
    for (int i = 0; i < s->n; i++) {
        begin[i] = s->cut[i].begin;
        end[i] = s->cut[i].end;
        axes[i] = s->cut[i].axis;
        steps[i] = s->cut[i].step;
    }
    const struct mir_value *from = mir_new_tuple(c->m, begin, (size_t)s->n);
    const struct mir_value *to = mir_new_tuple(c->m, end, (size_t)s->n);
    if (!from || !to) {
        c->code = mir_no_memory(c->m);
        return NULL;
    }
    struct ms_value *starts = mir_as_tensor(c, from), *ends = mir_as_tensor(c, to);
    return mir_op(
        c, "Slice",
        MIR_IN(x, starts, ends, mir_const_ints(c, axes, s->n), mir_const_ints(c, steps, s->n)),
        NULL);
}

static ms_code strided_slice(struct mir_call *c)
{
    struct ms_value *x = mir_tensor(c, 0);
    struct slicing s = {.n = 0};

    if (c->code == MS_OK && x->shape.rank < 0)
        return mir_unsupported(c, "the rank of its operand is not known");
    if (c->code != MS_OK || read_slicing(c, &s, x->shape.rank) != MS_OK)
        return c->code;
    x = apply_cuts(c, &s, x);
    for (int i = s.n_shrink - 1; i >= 0; i--) {
        const int64_t axis = s.shrink[i].axis;

        if (s.shrink[i].index->kind == MIR_INT)
            x = mir_squeeze(c, x, axis);
        else
            x = mir_op(c, "Gather", MIR_IN(x, mir_as_tensor(c, s.shrink[i].index)),
                       MIR_ATTRS(MIR_A_INT("axis", axis)));
    }
    for (int i = 0; i < s.n_added; i++)
        x = mir_unsqueeze(c, x, s.added[i]);
    return mir_give(c, x);
}

/* Slice(x, begin, size): size -1 is to the end. */
static ms_code lower_slice(struct mir_call *c)
{
    struct ms_value *x = mir_tensor(c, 0);
    const struct mir_value *begin = as_tuple(c, 1), *size = as_tuple(c, 2);
    struct slicing s = {.n = 0};

    if (c->code != MS_OK)
        return c->code;
    if (begin->n != size->n || begin->n > MS_MAX_RANK)
        return mir_bad(c, "begin has %zu elements, size has %zu", begin->n, size->n);
    for (size_t i = 0; i < begin->n; i++) {
        const struct mir_value *b = begin->items[i], *n = size->items[i];

        if (b->kind != MIR_INT || n->kind != MIR_INT)
            return mir_unsupported(c, "begin and size must be known");
        if (b->i < 0 || n->i < -1 || b->i > INT32_MAX || n->i > INT64_MAX / 2)
            return mir_bad(c, "begin %lld and size %lld", (long long)b->i, (long long)n->i);
        add_cut(&s, b, number(c, n->i < 0 ? TO_THE_END : b->i + n->i), (int64_t)i, 1);
    }
    return mir_give(c, apply_cuts(c, &s, x));
}

/* NarrowView(x, dim, start, length) */
static ms_code narrow(struct mir_call *c)
{
    struct ms_value *x = mir_tensor(c, 0);
    const int64_t axis = mir_int(c, 1), from = mir_int(c, 2), n = mir_int(c, 3);

    if (c->code == MS_OK && (n < 0 || from < -INT32_MAX || from > INT32_MAX || n > INT32_MAX))
        return mir_bad(c, "%lld elements from %lld", (long long)n, (long long)from);
    const int64_t to = from < 0 && from + n >= 0 ? TO_THE_END : from + n;
    return mir_give_view(c, mir_slice(c, x, axis, from, to, 1), 0);
}

static ms_code reverse(struct mir_call *c)
{
    struct ms_value *x = mir_tensor(c, 0);
    int64_t axes[MS_MAX_RANK];
    const int n = mir_ints(c, 1, axes, MS_MAX_RANK);

    for (int i = 0; i < n; i++)
        x = mir_slice(c, x, axes[i], TO_THE_END, TO_THE_FRONT, -1);
    return mir_give(c, x);
}

static ms_code reverse_sequence(struct mir_call *c)
{
    const int64_t batch = mir_attr_int(c, "batch_dim", 0), seq = mir_attr_int(c, "seq_dim", 1);
    struct ms_value *x = mir_tensor(c, 0), *n = mir_cast(c, mir_tensor(c, 1), MS_I64);

    return mir_give(c,
                    mir_op(c, "ReverseSequence", MIR_IN(x, n),
                           MIR_ATTRS(MIR_A_INT("batch_axis", batch), MIR_A_INT("time_axis", seq))));
}

/* ---- padding ---- */

/* pads: begins of all axes, then ends. */
static struct ms_value *pad(struct mir_call *c, struct ms_value *x, const int64_t *pads, int rank,
                            const char *mode, struct ms_value *fill)
{
    return mir_op(c, "Pad", MIR_IN(x, mir_const_ints(c, pads, 2 * rank), fill),
                  MIR_ATTRS(MIR_A_STR("mode", mode)));
}

static bool rank_fits(struct mir_call *c, const struct ms_value *x, size_t axes)
{
    if (c->code == MS_OK && (x->shape.rank < 0 || (size_t)x->shape.rank < axes))
        mir_bad(c, "pads %zu axes of a tensor of rank %d", axes, x->shape.rank);
    return c->code == MS_OK;
}

/* Pad(x; paddings ((b, e), ...)) */
static ms_code pad_zero(struct mir_call *c)
{
    struct ms_value *x = mir_tensor(c, 0);
    const struct mir_value *v = mir_attr(c, "paddings");
    int64_t pads[2 * MS_MAX_RANK] = {0}, pair[2];

    if (c->code == MS_OK && (!v || v->kind != MIR_TUPLE))
        return mir_bad(c, "attribute paddings is missing");
    if (c->code != MS_OK || !rank_fits(c, x, v->n))
        return c->code;
    for (size_t i = 0; i < v->n; i++) {
        if (mir_ints_of(c, "attribute paddings", v->items[i], pair, 2) != 2)
            return mir_bad(c, "attribute paddings is not made of pairs");
        pads[i] = pair[0];
        pads[x->shape.rank + (int)i] = pair[1];
    }
    return mir_give(c, pad(c, x, pads, x->shape.rank, "constant", NULL));
}

/* Pairs of argument 1, the last axis first. */
static bool pads_from_last(struct mir_call *c, const struct ms_value *x, int64_t *pads)
{
    int64_t v[2 * MS_MAX_RANK];
    const int n = mir_ints(c, 1, v, 2 * MS_MAX_RANK);

    if (!rank_fits(c, x, (size_t)n / 2))
        return false;
    if (n % 2)
        return mir_bad(c, "%d numbers are no pairs", n), false;
    for (int i = 0; i < n / 2; i++) {
        const int axis = x->shape.rank - 1 - i;
        pads[axis] = v[2 * i];
        pads[x->shape.rank + axis] = v[2 * i + 1];
    }
    return true;
}

/* PadV3(x, paddings, value; mode) */
static ms_code pad_v3(struct mir_call *c)
{
    static const char *const names[] = {"constant", "reflect", "edge", "circular", NULL};
    static const char *const modes[] = {"constant", "reflect", "edge", "wrap"};
    struct ms_value *x = mir_tensor(c, 0), *fill = mir_tensor_opt(c, 2);
    const struct mir_value *mode = mir_attr(c, "mode");
    const int k = mode ? mir_choice(c, mode, names) : 0;
    int64_t pads[2 * MS_MAX_RANK] = {0};

    if (!mir_attr_bool(c, "paddings_contiguous", true))
        return mir_unsupported(c, "paddings_contiguous=false is not supported");
    if (c->code != MS_OK || !pads_from_last(c, x, pads))
        return c->code;
    if (fill)
        fill = mir_reshape(c, mir_cast(c, fill, x->dtype), NULL, 0);
    return mir_give(c, pad(c, x, pads, x->shape.rank, modes[k], k == 0 ? fill : NULL));
}

static ms_code pad_constant_nd(struct mir_call *c)
{
    struct ms_value *x = mir_tensor(c, 0);
    int64_t pads[2 * MS_MAX_RANK] = {0};

    if (c->code != MS_OK || !pads_from_last(c, x, pads))
        return c->code;
    struct ms_value *fill = mir_cast(c, mir_tensor(c, 2), x->dtype);
    return mir_give(c, pad(c, x, pads, x->shape.rank, "constant", fill));
}

/* SYMMETRIC repeats the edge itself too: each axis gets its mirrored ends. */
static struct ms_value *pad_symmetric(struct mir_call *c, struct ms_value *x, const int64_t *pads,
                                      int rank)
{
    for (int i = 0; i < rank; i++) {
        struct ms_value *parts[3];
        int n = 0;

        if (pads[i] > 0)
            parts[n++] = mir_slice(c, x, i, pads[i] - 1, TO_THE_FRONT, -1);
        parts[n++] = x;
        if (pads[rank + i] > 0)
            parts[n++] = mir_slice(c, x, i, TO_THE_END, -1 - pads[rank + i], -1);
        if (n > 1)
            x = mir_op(c, "Concat", parts, n, MIR_ATTRS(MIR_A_INT("axis", i)));
    }
    return x;
}

/* MirrorPad(x, paddings [n,2]; mode) */
static ms_code mirror_pad(struct mir_call *c)
{
    static const char *const names[] = {"reflect", "symmetric", NULL};
    struct ms_value *x = mir_tensor(c, 0), *list = mir_tensor(c, 1);
    const int mode = mir_choice(c, mir_attr(c, "mode"), names);
    const struct ms_tensor *t = c->code == MS_OK ? list->constant : NULL;
    int64_t pads[2 * MS_MAX_RANK] = {0};

    if (c->code != MS_OK)
        return c->code;
    if (!t || t->shape.rank != 2 || t->shape.dim[1] != 2 || t->shape.dim[0] != x->shape.rank)
        return mir_unsupported(c, "paddings must be known, a pair for each axis");
    for (int i = 0; i < x->shape.rank; i++) {
        pads[i] = ms_tensor_i64(t, (size_t)(2 * i));
        pads[x->shape.rank + i] = ms_tensor_i64(t, (size_t)(2 * i + 1));
        if (pads[i] < 0 || pads[x->shape.rank + i] < 0 || pads[i] > INT32_MAX ||
            pads[x->shape.rank + i] > INT32_MAX)
            return mir_bad(c, "paddings that are negative or beyond all reason");
    }
    return mir_give(c, mode == 0 ? pad(c, x, pads, x->shape.rank, "reflect", NULL)
                                 : pad_symmetric(c, x, pads, x->shape.rank));
}

/* ---- gathering ---- */

static struct ms_value *gather(struct mir_call *c, struct ms_value *x, struct ms_value *i,
                               int64_t axis)
{
    return mir_op(c, "Gather", MIR_IN(x, i), MIR_ATTRS(MIR_A_INT("axis", axis)));
}

static ms_code lower_gather(struct mir_call *c)
{
    if (mir_int(c, 3) != 0)
        return mir_unsupported(c, "batch_dims other than 0 is not supported");
    return mir_give(c, gather(c, mir_tensor(c, 0), mir_tensor(c, 1), mir_int(c, 2)));
}

static ms_code index_select(struct mir_call *c)
{
    return mir_give(c, gather(c, mir_tensor(c, 0), mir_tensor(c, 2), mir_int(c, 1)));
}

/* GatherD(x, dim, index) */
static ms_code gather_elements(struct mir_call *c)
{
    const int64_t axis = mir_int(c, 1);

    return mir_give(c, mir_op(c, "GatherElements", MIR_IN(mir_tensor(c, 0), mir_tensor(c, 2)),
                              MIR_ATTRS(MIR_A_INT("axis", axis))));
}

static ms_code gather_nd(struct mir_call *c)
{
    struct ms_value *i = mir_cast(c, mir_tensor(c, 1), MS_I64);

    return mir_give(c, mir_op(c, "GatherND", MIR_IN(mir_tensor(c, 0), i), NULL));
}

/* EmbeddingLookup(table, indices, offset) */
static ms_code embedding_lookup(struct mir_call *c)
{
    struct ms_value *x = mir_tensor(c, 0), *i = mir_tensor(c, 1);
    const int64_t offset = mir_int(c, 2);

    if (c->code == MS_OK && offset != 0)
        i = mir_op(c, "Sub", MIR_IN(i, mir_const(c, (double)offset, i->dtype)), NULL);
    return mir_give(c, gather(c, x, i, 0));
}

/* Embedding(indices, table, padding_idx, max_norm, norm_type, scale_grad_by_freq) */
static ms_code embedding(struct mir_call *c)
{
    if (!mir_is_none(c, 3))
        return mir_unsupported(c, "max_norm is not supported");
    return mir_give(c, gather(c, mir_tensor(c, 1), mir_tensor(c, 0), 0));
}

/* OneHot(i, depth, on, off, axis): any index outside [0, depth) gives all off; ONNX would count
 * negative ones from the end. */
static ms_code one_hot(struct mir_call *c)
{
    struct ms_value *i = mir_cast(c, mir_tensor(c, 0), MS_I64);
    struct ms_value *depth = mir_cast(c, mir_tensor(c, 1), MS_I64), *on, *off;
    const int64_t axis = mir_int(c, 4);

    if (!mir_pair(c, 2, 3, &on, &off))
        return c->code;
    on = mir_reshape(c, on, (const int64_t[]){1}, 1);
    off = mir_reshape(c, off, (const int64_t[]){1}, 1);
    struct ms_value *negative = mir_op(c, "Less", MIR_IN(i, mir_const(c, 0, MS_I64)), NULL);
    depth = mir_reshape(c, depth, NULL, 0);
    i = mir_op(c, "Where", MIR_IN(negative, depth, i), NULL);
    struct ms_value *values = mir_op(c, "Concat", MIR_IN(off, on), MIR_ATTRS(MIR_A_INT("axis", 0)));
    return mir_give(
        c, mir_op(c, "OneHot", MIR_IN(i, depth, values), MIR_ATTRS(MIR_A_INT("axis", axis))));
}

static ms_code non_zero(struct mir_call *c)
{
    static const int64_t perm[] = {1, 0};
    struct ms_value *i = mir_op(c, "NonZero", MIR_IN(mir_tensor(c, 0)), NULL);

    return mir_give(c, mir_op(c, "Transpose", MIR_IN(i), MIR_ATTRS(MIR_A_INTS("perm", perm, 2))));
}

/* ---- order ---- */

static ms_code give_top(struct mir_call *c, struct ms_value *x, struct ms_value *k, int64_t axis,
                        bool largest, bool sorted, enum ms_dtype index)
{
    struct ms_node *n = mir_node(c, "TopK", MIR_IN(x, k), 2,
                                 MIR_ATTRS(MIR_A_INT("axis", axis), MIR_A_INT("largest", largest),
                                           MIR_A_INT("sorted", sorted)));
    struct ms_value *out[2] = {NULL, NULL};

    if (n) {
        out[0] = n->out[0];
        out[1] = mir_cast(c, n->out[1], index);
    }
    return mir_give_all(c, out, 2);
}

static ms_code top_k(struct mir_call *c)
{
    struct ms_value *x = mir_tensor(c, 0), *k = mir_dims_value(c, 1);

    return give_top(c, x, k, -1, true, mir_attr_bool(c, "sorted", true), MS_I32);
}

/* TopkExt(x, k, dim, largest, sorted) */
static ms_code top_k_ext(struct mir_call *c)
{
    struct ms_value *x = mir_tensor(c, 0), *k = mir_dims_value(c, 1);
    const int64_t axis = mir_int(c, 2);
    const bool largest = mir_bool(c, 3), sorted = mir_bool(c, 4);

    return give_top(c, x, k, axis, largest, sorted, MS_I64);
}

static ms_code sort(struct mir_call *c)
{
    struct ms_value *x = mir_tensor(c, 0);
    const int64_t axis = mir_attr_int(c, "axis", -1);
    const bool descending = mir_attr_bool(c, "descending", false);
    int at;

    if (c->code != MS_OK)
        return c->code;
    if (!ms_axis(axis, x->shape.rank, &at))
        return mir_bad(c, "axis %lld of a tensor of rank %d", (long long)axis, x->shape.rank);
    struct ms_value *k =
        mir_op(c, "Shape", MIR_IN(x), MIR_ATTRS(MIR_A_INT("start", at), MIR_A_INT("end", at + 1)));
    return give_top(c, x, k, axis, descending, true, MS_I32);
}

/* ---- scattering ---- */

/* row->op: the reduction of ScatterND. */
static ms_code scatter_update(struct mir_call *c)
{
    struct ms_value *i = mir_cast(c, mir_tensor(c, 1), MS_I64);

    return mir_give(c, mir_op(c, "ScatterND", MIR_IN(mir_tensor(c, 0), i, mir_tensor(c, 2)),
                              MIR_ATTRS(MIR_A_STR("reduction", c->row->op))));
}

/* ScatterNd(indices, updates, shape): sums into zeros. */
static ms_code scatter_nd(struct mir_call *c)
{
    struct ms_value *i = mir_cast(c, mir_tensor(c, 0), MS_I64), *updates = mir_tensor(c, 1);
    struct ms_value *dims = mir_dims_value(c, 2);

    if (c->code != MS_OK)
        return c->code;
    struct ms_value *zeros =
        mir_op(c, "Expand", MIR_IN(mir_const(c, 0.0, updates->dtype), dims), NULL);
    return mir_give(c, mir_op(c, "ScatterND", MIR_IN(zeros, i, updates),
                              MIR_ATTRS(MIR_A_TEXT("reduction", "add"))));
}

#define MASKS "begin_mask=0 end_mask=0 ellipsis_mask=0 new_axis_mask=0 shrink_axis_mask=0"

const struct mir_row mir_rows_gather[] = {
    {"StridedSlice", "x begin end strides " MASKS, strided_slice, NULL, NULL},
    {"Slice", "x begin size", lower_slice, NULL, NULL},
    {"Narrow", "x dim start length", narrow, NULL, NULL},
    {"NarrowView", "x dim start length", narrow, NULL, NULL},
    {"ReverseV2", "x axis", reverse, NULL, NULL},
    {"ReverseSequence", "x lengths", reverse_sequence, NULL, NULL},
    {"Pad", "x", pad_zero, NULL, NULL},
    {"PadV3", "x paddings value=none", pad_v3, NULL, NULL},
    {"ConstantPadND", "x paddings value=0.0", pad_constant_nd, NULL, NULL},
    {"MirrorPad", "x paddings", mirror_pad, NULL, NULL},
    {"Gather", "x indices axis batch_dims=0", lower_gather, NULL, NULL},
    {"GatherV2", "x indices axis batch_dims=0", lower_gather, NULL, NULL},
    {"IndexSelect", "x axis indices", index_select, NULL, NULL},
    {"GatherD", "x dim index", gather_elements, NULL, NULL},
    {"GatherNd", "x indices", gather_nd, NULL, NULL},
    {"EmbeddingLookup", "x indices offset=0", embedding_lookup, NULL, NULL},
    {"Embedding", "indices x padding_idx=none max_norm=none norm_type=2.0 scale_grad=false",
     embedding, NULL, NULL},
    {"OneHot", "indices depth on_value off_value axis=-1", one_hot, NULL, NULL},
    {"OneHotExt", "indices depth on_value off_value axis=-1", one_hot, NULL, NULL},
    {"NonZero", "x", non_zero, NULL, NULL},
    {"TopK", "x k", top_k, NULL, NULL},
    {"TopkExt", "x k dim=-1 largest=true sorted=true", top_k_ext, NULL, NULL},
    {"Sort", "x", sort, NULL, NULL},
    {"TensorScatterUpdate", "x indices updates", scatter_update, "none", NULL},
    {"TensorScatterAdd", "x indices updates", scatter_update, "add", NULL},
    {"TensorScatterMul", "x indices updates", scatter_update, "mul", NULL},
    {"TensorScatterMax", "x indices updates", scatter_update, "max", NULL},
    {"TensorScatterMin", "x indices updates", scatter_update, "min", NULL},
    {"ScatterNd", "indices updates shape", scatter_nd, NULL, NULL},
    {0},
};
