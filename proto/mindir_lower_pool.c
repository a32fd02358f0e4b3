/* SPDX-License-Identifier: Apache-2.0 */
/* mindir_lower_pool.c - pooling, whose attributes come in as many shapes as there are primitives.
 */
#include "proto/mindir.h"

struct window {
    int n; /* axes */
    int64_t kernel[3], strides[3], pads[6], dilations[3];
    bool same, ceil, include_pad;
};

/* n numbers of a list of 1, n or n + 2 (N and C in front). */
static void take(struct mir_call *c, const char *what, const int64_t *v, int count, int n,
                 int64_t *out)
{
    if (c->code == MS_OK && count != 1 && count != n && count != n + 2)
        mir_bad(c, "%s has %d elements", what, count);
    for (int i = 0; i < n && c->code == MS_OK; i++)
        out[i] = count == 1 ? v[0] : v[count - n + i];
}

static void take_attr(struct mir_call *c, const char *name, int n, int64_t *out)
{
    int64_t v[5];
    const int count = mir_attr_ints(c, name, v, 5);

    if (c->code == MS_OK && count < 0)
        mir_bad(c, "attribute %s is missing", name);
    take(c, name, v, count, n, out);
}

static void take_arg(struct mir_call *c, size_t i, int n, int64_t *out)
{
    int64_t v[5];
    const int count = mir_ints(c, i, v, 5);

    take(c, "an argument", v, count, n, out);
}

static struct window plain(int n)
{
    return (struct window){.n = n, .dilations = {1, 1, 1}};
}

static void pad_mode(struct mir_call *c, const struct mir_value *v, struct window *w)
{
    static const char *const names[] = {"pad", "same", "valid", "calculated", NULL};

    w->same = v && mir_choice(c, v, names) == 1;
}

static struct ms_value *pool(struct mir_call *c, const char *op, struct ms_value *x,
                             const struct window *w)
{
    const bool average = op[0] == 'A';

    return mir_op(c, op, MIR_IN(x),
                  (const struct ms_attr[]){
                      MIR_A_INTS("kernel_shape", w->kernel, w->n),
                      MIR_A_INTS("strides", w->strides, w->n),
                      MIR_A_INT("ceil_mode", w->ceil),
                      w->same ? (struct ms_attr)MIR_A_TEXT("auto_pad", "SAME_UPPER")
                              : (struct ms_attr)MIR_A_INTS("pads", w->pads, 2 * w->n),
                      average ? (struct ms_attr)MIR_A_INT("count_include_pad", w->include_pad)
                              : (struct ms_attr)MIR_A_INTS("dilations", w->dilations, w->n),
                      {.name = NULL}});
}

static void need_nchw(struct mir_call *c, const struct mir_value *v)
{
    static const char *const names[] = {"nchw", "nhwc", NULL};

    if (v && v->kind == MIR_TEXT && v->text.len == 5)
        return; /* NCDHW */
    if (v && c->code == MS_OK && mir_choice(c, v, names) == 1)
        mir_unsupported(c, "format NHWC is not supported");
}

static ms_code max_pool(struct mir_call *c)
{
    struct window w = plain(2);

    take_attr(c, "kernel_size", 2, w.kernel);
    take_attr(c, "strides", 2, w.strides);
    pad_mode(c, mir_attr(c, "pad_mode"), &w);
    need_nchw(c, mir_attr(c, "format"));
    return mir_give(c, pool(c, "MaxPool", mir_tensor(c, 0), &w));
}

/* AvgPool(x, kernel_size, strides, pad_mode, data_format): padding is never counted. */
static ms_code avg_pool(struct mir_call *c)
{
    struct window w = plain(2);

    take_arg(c, 1, 2, w.kernel);
    take_arg(c, 2, 2, w.strides);
    if (c->code == MS_OK)
        pad_mode(c, c->arg[3], &w);
    if (c->code == MS_OK)
        need_nchw(c, c->arg[4]);
    return mir_give(c, pool(c, "AveragePool", mir_tensor(c, 0), &w));
}

/* b, e pairs of three axes in an attribute. */
static void pad_pairs(struct mir_call *c, struct window *w)
{
    int64_t v[6];
    const int count = mir_attr_ints(c, "pad_list", v, 6);

    if (c->code == MS_OK && count != 6 && !w->same)
        mir_bad(c, "attribute pad_list has %d elements", count);
    for (int i = 0; i < 3 && c->code == MS_OK && !w->same; i++) {
        w->pads[i] = v[2 * i] > 0 ? v[2 * i] : 0;
        w->pads[3 + i] = v[2 * i + 1] > 0 ? v[2 * i + 1] : 0;
    }
}

static ms_code pool_3d(struct mir_call *c)
{
    struct window w = plain(3);

    take_attr(c, "kernel_size", 3, w.kernel);
    take_attr(c, "strides", 3, w.strides);
    pad_mode(c, mir_attr(c, "pad_mode"), &w);
    pad_pairs(c, &w);
    w.ceil = mir_attr_int(c, "ceil_mode", 0) == 1;
    w.include_pad = mir_attr_bool(c, "count_include_pad", true);
    if (c->code == MS_OK && mir_attr_int(c, "divisor_override", 0) != 0)
        return mir_unsupported(c, "divisor_override is not supported");
    return mir_give(c, pool(c, c->row->op, mir_tensor(c, 0), &w));
}

static void same_pads(struct window *w)
{
    for (int i = 0; i < w->n; i++)
        w->pads[w->n + i] = w->pads[i];
}

static const char no_positions[] = "positions of MaxPool are not supported";

/* MaxPool3DWithArgmax(x; ksize, strides, pads, dilation, ceil_mode) */
static ms_code max_pool_3d_positions(struct mir_call *c)
{
    struct window w = plain(3);

    take_attr(c, "ksize", 3, w.kernel);
    take_attr(c, "strides", 3, w.strides);
    take_attr(c, "pads", 3, w.pads);
    take_attr(c, "dilation", 3, w.dilations);
    w.ceil = mir_attr_bool(c, "ceil_mode", false);
    same_pads(&w);
    return mir_give_first(c, pool(c, "MaxPool", mir_tensor(c, 0), &w), 2, no_positions);
}

/* MaxPoolWithMask(x, kernel, strides, pads, dilation, ceil_mode, argmax_type) */
static ms_code max_pool_positions(struct mir_call *c)
{
    struct window w = plain(2);

    take_arg(c, 1, 2, w.kernel);
    if (mir_is_none(c, 2))
        take_arg(c, 1, 2, w.strides);
    else
        take_arg(c, 2, 2, w.strides);
    take_arg(c, 3, 2, w.pads);
    take_arg(c, 4, 2, w.dilations);
    w.ceil = mir_bool(c, 5);
    same_pads(&w);
    return mir_give_first(c, pool(c, "MaxPool", mir_tensor(c, 0), &w), 2, no_positions);
}

/* AvgPool2D(x, kernel, stride, padding, ceil_mode, count_include_pad, divisor) */
static ms_code avg_pool_ext(struct mir_call *c)
{
    struct window w = plain(2);

    take_arg(c, 1, 2, w.kernel);
    take_arg(c, mir_is_none(c, 2) ? 1 : 2, 2, w.strides);
    take_arg(c, 3, 2, w.pads);
    w.ceil = mir_bool(c, 4);
    w.include_pad = mir_bool(c, 5);
    same_pads(&w);
    if (!mir_is_none(c, 6))
        return mir_unsupported(c, "divisor_override is not supported");
    return mir_give(c, pool(c, "AveragePool", mir_tensor(c, 0), &w));
}

/* To a given size; -1 keeps an axis. */
static ms_code adaptive_avg_pool(struct mir_call *c)
{
    struct ms_value *x = mir_tensor(c, 0);
    const struct mir_value *v = c->arg[1];
    int64_t size[2] = {-1, -1};

    if (c->code == MS_OK && v->kind == MIR_TUPLE && v->n == 2) {
        for (int i = 0; i < 2; i++)
            if (v->items[i]->kind == MIR_INT)
                size[i] = v->items[i]->i;
    } else if (mir_ints(c, 1, size, 2) == 1) {
        size[1] = size[0];
    }
    if (c->code != MS_OK)
        return c->code;
    for (int i = 0; i < 2; i++) {
        if (size[i] >= 0)
            continue;
        if (x->shape.rank < 2 || x->shape.dim[x->shape.rank - 2 + i] < 0)
            return mir_unsupported(c, "keeps an axis whose size is not known");
        size[i] = x->shape.dim[x->shape.rank - 2 + i];
    }
    if (size[0] == 1 && size[1] == 1 && x->shape.rank == 4)
        return mir_give(c, mir_op(c, "GlobalAveragePool", MIR_IN(x), NULL));
    return mir_give(c, mir_op(c, "AdaptiveAveragePool", MIR_IN(x),
                              MIR_ATTRS(MIR_A_INTS("output_size", size, 2))));
}

const struct mir_row mir_rows_pool[] = {
    {"MaxPool", "x", max_pool, NULL, NULL},
    {"AvgPool", "x kernel_size|ksize strides pad_mode|padding='VALID' data_format|format='NCHW'",
     avg_pool, NULL, NULL},
    {"MaxPool3D", "x", pool_3d, "MaxPool", NULL},
    {"AvgPool3D", "x", pool_3d, "AveragePool", NULL},
    {"MaxPool3DWithArgmax", "x", max_pool_3d_positions, NULL, NULL},
    {"MaxPoolWithMask", "x kernel strides=none pads=0 dilation=1 ceil_mode=false type=35",
     max_pool_positions, NULL, NULL},
    {"MaxPoolWithIndices", "x kernel strides=none pads=0 dilation=1 ceil_mode=false type=35",
     max_pool_positions, NULL, NULL},
    {"AvgPool2D", "x kernel stride=none padding=0 ceil_mode=false include_pad=true divisor=none",
     avg_pool_ext, NULL, NULL},
    {"AdaptiveAvgPool2D", "x output_size", adaptive_avg_pool, NULL, NULL},
    {"AdaptiveAvgPool2DExt", "x output_size", adaptive_avg_pool, NULL, NULL},
    {0},
};
