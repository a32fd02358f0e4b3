/* SPDX-License-Identifier: Apache-2.0 */
/* onnx_rules.c - what changed between opsets, where one small repair makes the newest form of it.
 *
 * A row says: for this operator, in files of these opsets, do this. Rows of an operator are applied
 * in order. What needs nodes of its own is in onnx_lower.c. Source: the change log of onnx/onnx
 * (docs/Changelog.md), opset 1 to 27. */
#include <string.h>

#include "proto/onnx_read.h"

enum action {
    INPUT_INTS = 1, /* attribute (ints) becomes input `at`, i64[n] */
    INPUT_INT1,     /* attribute (int) becomes input `at`, i64[1] */
    INPUT_INT0,     /* attribute (int, default i) becomes input `at`, i64[] */
    INPUT_LIKE,     /* attribute (float) becomes input `at`, 0-d, of the dtype of input 0 */
    DROP,           /* the attribute means nothing to inference */
    ONLY_INT,       /* only the value i is supported; then dropped unless our operator has it */
    ONLY_STR,       /* likewise, text s */
    RENAME,         /* the operator is called s since */
    RENAME_ATTR,    /* the attribute is called s since */
    RENAME_VALUE,   /* attribute (string): value s becomes s2 */
    DEFAULT_INT,    /* the default was i */
    DEFAULT_STR,    /* the default was s */
};

static const struct rule {
    const char *op; /* NULL: any */
    int from, to;   /* opsets of the file */
    enum action action;
    const char *attr;
    int at;
    int64_t i;
    const char *s, *s2;
} rules[] = {
    /* attributes that became inputs */
    {"Squeeze", 1, 12, INPUT_INTS, "axes", 1, 0, NULL, NULL},
    {"Unsqueeze", 1, 12, INPUT_INTS, "axes", 1, 0, NULL, NULL},
    {"ReduceSum", 1, 12, INPUT_INTS, "axes", 1, 0, NULL, NULL},
    {"ReduceL1", 1, 17, INPUT_INTS, "axes", 1, 0, NULL, NULL},
    {"ReduceL2", 1, 17, INPUT_INTS, "axes", 1, 0, NULL, NULL},
    {"ReduceLogSum", 1, 17, INPUT_INTS, "axes", 1, 0, NULL, NULL},
    {"ReduceLogSumExp", 1, 17, INPUT_INTS, "axes", 1, 0, NULL, NULL},
    {"ReduceMax", 1, 17, INPUT_INTS, "axes", 1, 0, NULL, NULL},
    {"ReduceMean", 1, 17, INPUT_INTS, "axes", 1, 0, NULL, NULL},
    {"ReduceMin", 1, 17, INPUT_INTS, "axes", 1, 0, NULL, NULL},
    {"ReduceProd", 1, 17, INPUT_INTS, "axes", 1, 0, NULL, NULL},
    {"ReduceSumSquare", 1, 17, INPUT_INTS, "axes", 1, 0, NULL, NULL},
    {"Split", 1, 12, INPUT_INTS, "split", 1, 0, NULL, NULL},
    {"Slice", 1, 9, INPUT_INTS, "starts", 1, 0, NULL, NULL},
    {"Slice", 1, 9, INPUT_INTS, "ends", 2, 0, NULL, NULL},
    {"Slice", 1, 9, INPUT_INTS, "axes", 3, 0, NULL, NULL},
    {"TopK", 1, 9, INPUT_INT1, "k", 1, 0, NULL, NULL},
    {"Reshape", 1, 4, INPUT_INTS, "shape", 1, 0, NULL, NULL},
    {"Pad", 1, 1, RENAME_ATTR, "paddings", 0, 0, "pads", NULL},
    {"Pad", 1, 10, INPUT_INTS, "pads", 1, 0, NULL, NULL},
    {"Pad", 1, 10, INPUT_LIKE, "value", 2, 0, NULL, NULL},
    {"Clip", 1, 10, INPUT_LIKE, "min", 1, 0, NULL, NULL},
    {"Clip", 1, 10, INPUT_LIKE, "max", 2, 0, NULL, NULL},
    {"DFT", 17, 19, INPUT_INT0, "axis", 2, 1, NULL, NULL},

    /* attributes of training, or of hints to memory planning */
    {NULL, 1, 5, DROP, "consumed_inputs", 0, 0, NULL, NULL},
    {"BatchNormalization", 1, 99, DROP, "momentum", 0, 0, NULL, NULL},
    {"BatchNormalization", 1, 6, ONLY_INT, "is_test", 0, 1, NULL, NULL},
    {"BatchNormalization", 1, 8, ONLY_INT, "spatial", 0, 1, NULL, NULL},
    {"Cast", 19, 99, DROP, "saturate", 0, 0, NULL, NULL},     /* float8 only */
    {"Cast", 24, 99, DROP, "round_mode", 0, 0, NULL, NULL},   /* float8e8m0 only */
    {"CastLike", 19, 99, DROP, "saturate", 0, 0, NULL, NULL}, /* float8 only */
    {"CastLike", 24, 99, DROP, "round_mode", 0, 0, NULL, NULL},
    {"QuantizeLinear", 19, 99, DROP, "saturate", 0, 0, NULL, NULL},
    {"Gemm", 1, 6, DROP, "broadcast", 0, 0, NULL, NULL}, /* C may broadcast since */

    /* values that are the only ones our operators know, and say so by leaving the attribute out */
    {"MaxPool", 8, 99, ONLY_INT, "storage_order", 0, 0, NULL, NULL},
    {"LSTM", 14, 99, ONLY_INT, "layout", 0, 0, NULL, NULL},
    {"GRU", 14, 99, ONLY_INT, "layout", 0, 0, NULL, NULL},
    {"RNN", 14, 99, ONLY_INT, "layout", 0, 0, NULL, NULL},
    {"LSTM", 7, 99, ONLY_INT, "input_forget", 0, 0, NULL, NULL},
    {"LSTM", 1, 6, DROP, "output_sequence", 0, 0, NULL, NULL},
    {"GRU", 1, 6, DROP, "output_sequence", 0, 0, NULL, NULL},
    {"RNN", 1, 6, DROP, "output_sequence", 0, 0, NULL, NULL},
    {"LayerNormalization", 17, 99, ONLY_INT, "stash_type", 0, 1, NULL, NULL},
    {"RMSNormalization", 23, 99, ONLY_INT, "stash_type", 0, 1, NULL, NULL},
    {"GroupNormalization", 21, 99, ONLY_INT, "stash_type", 0, 1, NULL, NULL},
    {"Reshape", 14, 99, ONLY_INT, "allowzero", 0, 0, NULL, NULL},
    {"ReduceSum", 13, 99, ONLY_INT, "noop_with_empty_axes", 0, 0, NULL, NULL},
    {"ArgMax", 12, 99, ONLY_INT, "select_last_index", 0, 0, NULL, NULL},
    {"ArgMin", 12, 99, ONLY_INT, "select_last_index", 0, 0, NULL, NULL},
    {"Resize", 18, 99, ONLY_INT, "antialias", 0, 0, NULL, NULL},
    {"Resize", 18, 99, ONLY_STR, "keep_aspect_ratio_policy", 0, 0, "stretch", NULL},
    {"DequantizeLinear", 21, 99, ONLY_INT, "block_size", 0, 0, NULL, NULL},
    {"QuantizeLinear", 21, 99, ONLY_INT, "block_size", 0, 0, NULL, NULL},

    /* other words */
    {"Scatter", 9, 99, RENAME, NULL, 0, 0, "ScatterElements", NULL},
    {"GridSample", 16, 19, RENAME_VALUE, "mode", 0, 0, "bilinear", "linear"},
    {"GridSample", 16, 19, RENAME_VALUE, "mode", 0, 0, "bicubic", "cubic"},
    {"GridSample", 16, 19, DEFAULT_STR, "mode", 0, 0, "linear", NULL},
    {"LpPool", 1, 1, DEFAULT_INT, "p", 0, 2, NULL, NULL},
    {"Concat", 1, 3, DEFAULT_INT, "axis", 0, 1, NULL, NULL},
};

/* ---- the actions ---- */

static ms_code wrong_type(struct onnx_site *s, const struct rule *rule, const char *wanted)
{
    return onnx_site_fail(s, MS_INVALID_ARGUMENT, "attribute '%s' must be %s", rule->attr, wanted);
}

/* The attribute is taken away and given as an operand, unless there is one already. */
static ms_code give_input(struct onnx_site *s, const struct rule *rule, struct ms_value *v)
{
    if (onnx_site_in(s, rule->at))
        return onnx_site_fail(s, MS_INVALID_ARGUMENT,
                              "'%s' is given both as attribute and as input %d", rule->attr,
                              rule->at);
    return onnx_site_set_in(s, rule->at, v);
}

static ms_code input_ints(struct onnx_site *s, const struct rule *rule)
{
    const struct onnx_attr *a = onnx_site_attr(s, rule->attr, true);
    struct ms_value *v;

    if (!a)
        return MS_OK;
    if (onnx_attr_type(a) != ONNX_INTS)
        return a->ints.n == 0 && a->type == 0 ? MS_OK : wrong_type(s, rule, "ints");
    if (a->ints.n > INT32_MAX)
        return onnx_site_fail(s, MS_INVALID_ARGUMENT, "attribute '%s' is too long", rule->attr);
    MS_TRY(onnx_site_ints(s, a->ints.v, (int)a->ints.n, &v));
    return give_input(s, rule, v);
}

static ms_code input_int(struct onnx_site *s, const struct rule *rule)
{
    const bool given = onnx_site_attr(s, rule->attr, false) != NULL;
    struct ms_value *v;
    int64_t i;

    MS_TRY(onnx_site_take_int(s, rule->attr, rule->i, &i));
    if (!given && rule->action == INPUT_INT1)
        return MS_OK;
    if (rule->action == INPUT_INT1)
        MS_TRY(onnx_site_ints(s, &i, 1, &v));
    else
        MS_TRY(onnx_site_scalar(s, MS_I64, (double)i, &v));
    return give_input(s, rule, v);
}

static ms_code input_like(struct onnx_site *s, const struct rule *rule)
{
    const struct onnx_attr *a = onnx_site_attr(s, rule->attr, true);
    const struct ms_value *x = onnx_site_in(s, 0);
    struct ms_value *v;

    if (!a)
        return MS_OK;
    if (onnx_attr_type(a) != ONNX_FLOAT)
        return wrong_type(s, rule, "a float");
    MS_TRY(onnx_site_scalar(s, x ? x->dtype : MS_DTYPE_NONE, (double)a->f, &v));
    return give_input(s, rule, v);
}

/* Keeps an attribute that our operator has too; else it must hold the one supported value. */
static ms_code only(struct onnx_site *s, const struct rule *rule)
{
    const struct ms_op *op = ms_op_find(s->op);
    const struct onnx_attr *a;
    int64_t i;

    if (op && ms_op_attr(op, rule->attr))
        return MS_OK;
    if (rule->action == ONLY_STR) {
        a = onnx_site_attr(s, rule->attr, true);
        return !a || ms_bytes_eq(a->s, rule->s)
                   ? MS_OK
                   : onnx_site_fail(s, MS_UNIMPLEMENTED, "attribute '%s': only '%s' is supported",
                                    rule->attr, rule->s);
    }
    MS_TRY(onnx_site_take_int(s, rule->attr, rule->i, &i));
    if (i != rule->i)
        return onnx_site_fail(s, MS_UNIMPLEMENTED, "attribute '%s' is %lld, only %lld is supported",
                              rule->attr, (long long)i, (long long)rule->i);
    return MS_OK;
}

static void rename_attr(struct onnx_site *s, const struct rule *rule)
{
    for (int i = 0; i < s->n_attrs; i++)
        if (s->attr[i] && ms_bytes_eq(s->attr_name[i], rule->attr))
            s->attr_name[i] = ms_bytes(rule->s, strlen(rule->s));
}

static void rename_value(struct onnx_site *s, const struct rule *rule)
{
    const struct onnx_attr *a = onnx_site_attr(s, rule->attr, false);

    if (!a || !ms_bytes_eq(a->s, rule->s))
        return;
    (void)onnx_site_attr(s, rule->attr, true);
    onnx_site_set_str(s, rule->attr, rule->s2);
}

static bool attr_is_set(struct onnx_site *s, const char *name)
{
    for (int i = 0; i < s->n_own; i++)
        if (strcmp(s->own[i].name, name) == 0)
            return true;
    return onnx_site_attr(s, name, false) != NULL;
}

static ms_code apply(struct onnx_site *s, const struct rule *rule)
{
    switch (rule->action) {
    case INPUT_INTS:
        return input_ints(s, rule);
    case INPUT_INT1:
    case INPUT_INT0:
        return input_int(s, rule);
    case INPUT_LIKE:
        return input_like(s, rule);
    case DROP:
        (void)onnx_site_attr(s, rule->attr, true);
        return MS_OK;
    case ONLY_INT:
    case ONLY_STR:
        return only(s, rule);
    case RENAME:
        s->op = rule->s;
        return MS_OK;
    case RENAME_ATTR:
        rename_attr(s, rule);
        return MS_OK;
    case RENAME_VALUE:
        rename_value(s, rule);
        return MS_OK;
    case DEFAULT_INT:
        if (!attr_is_set(s, rule->attr))
            onnx_site_set_int(s, rule->attr, rule->i);
        return MS_OK;
    case DEFAULT_STR:
        if (!attr_is_set(s, rule->attr))
            onnx_site_set_str(s, rule->attr, rule->s);
        return MS_OK;
    }
    return MS_OK;
}

static bool serves(const struct rule *rule, struct ms_bytes op, int64_t opset)
{
    return opset >= rule->from && opset <= rule->to && (!rule->op || ms_bytes_eq(op, rule->op));
}

ms_code onnx_apply_rules(struct onnx_site *s)
{
    for (size_t i = 0; i < sizeof rules / sizeof *rules; i++)
        if (serves(&rules[i], s->node->op, s->opset))
            MS_TRY(apply(s, &rules[i]));
    return MS_OK;
}

const char *onnx_renamed(struct ms_bytes op, int64_t opset)
{
    for (size_t i = 0; i < sizeof rules / sizeof *rules; i++)
        if (rules[i].action == RENAME && serves(&rules[i], op, opset))
            return rules[i].s;
    return NULL;
}
