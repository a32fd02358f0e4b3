/* SPDX-License-Identifier: Apache-2.0 */
/* test_onnx.c - graphs from hand-written ONNX bytes: structure, older opsets, sub-graphs,
 * functions, and everything that has to be refused. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "ir/op.h"
#include "tests/proto/pb.h"
#include "tests/proto/suites.h"

/* A graph with input x: f32[2,3,4] and output y of unknown shape, to which nodes are added. */
static struct ms_buf graph(void)
{
    struct ms_buf g = pb_new();

    onnx_value(&g, 11, "x", DIMS(2, 3, 4));
    onnx_value_typed(&g, 12, "y", 0, -1, NULL);
    return g;
}

static struct ms_buf with_int(const char *name, int64_t v)
{
    struct ms_buf a = pb_new();

    onnx_attr_int(&a, name, v);
    return a;
}

static struct ms_buf with_ints(const char *name, int n, const int64_t *v)
{
    struct ms_buf a = pb_new();

    onnx_attr_ints(&a, name, v, n);
    return a;
}

/* Reads, expects success and these operators in order; returns what was read. */
static struct loaded good(int64_t opset, struct ms_buf *g, struct ms_buf *rest, const char *ops)
{
    struct ms_buf m = onnx_model(opset, g, rest);
    struct loaded r = load_model(&m, NULL, true);
    char text[512];

    ck_assert_msg(r.code == MS_OK, "%s", r.err.text);
    if (ops)
        ck_assert_str_eq(ops_of(r.g, text, sizeof text), ops);
    ms_buf_done(&m); /* no weight of these tests is large: none points into the file */
    return r;
}

static void bad(int64_t opset, struct ms_buf *g, struct ms_buf *rest, ms_code code,
                const char *says)
{
    struct ms_buf m = onnx_model(opset, g, rest);
    struct loaded r = load_model(&m, NULL, true);

    ck_assert_msg(r.code == code, "%d: %s", r.code, r.err.text);
    ck_assert_msg(strstr(r.err.text, says), "'%s' lacks '%s'", r.err.text, says);
    loaded_done(&r);
    ms_buf_done(&m);
}

static struct ms_node *node_at(const struct loaded *r, int i)
{
    struct ms_node *n = r->g->first;

    while (n && i-- > 0)
        n = n->next;
    ck_assert_ptr_nonnull(n);
    return n;
}

static void expect_ints(const struct ms_node *n, int in, int count, const int64_t *v)
{
    const struct ms_tensor *t = ms_in_const(n, in);

    ck_assert_ptr_nonnull(t);
    ck_assert_int_eq(t->dtype, MS_I64);
    ck_assert_uint_eq(ms_tensor_count(t), (size_t)count);
    for (int i = 0; i < count; i++)
        ck_assert_int_eq(ms_tensor_i64(t, (size_t)i), v[i]);
}

/* ---- structure ---- */

START_TEST(test_plain)
{
    struct ms_buf g = graph();
    struct loaded r;

    onnx_node_full(&g, 1, "", "first", "Relu", "x", "h", NULL);
    onnx_node_full(&g, 1, "ai.onnx", "second", "Sigmoid", "h", "y", NULL);
    r = good(13, &g, NULL, "Relu Sigmoid");
    ck_assert_int_eq(r.g->n_in, 1);
    ck_assert_str_eq(r.g->in[0]->name, "x");
    ck_assert_str_eq(r.g->out[0]->name, "y");
    ck_assert_str_eq(node_at(&r, 1)->name, "second");
    ck_assert_int_eq(node_at(&r, 1)->number, 1);
    ck_assert(r.g->out[0]->dtype == MS_F32 && r.g->out[0]->shape.rank == 3);
    loaded_done(&r);
}
END_TEST

START_TEST(test_order)
{
    struct ms_buf g = graph();
    struct loaded r;

    onnx_node_add(&g, "Sigmoid", "b", "y", NULL);
    onnx_node_add(&g, "Tanh", "a", "b", NULL);
    onnx_node_add(&g, "Relu", "x", "a", NULL);
    r = good(13, &g, NULL, "Relu Tanh Sigmoid");
    loaded_done(&r);
    g = graph();
    onnx_node_add(&g, "Relu", "y", "b", NULL);
    onnx_node_full(&g, 1, "", "turn", "Relu", "b", "y", NULL);
    bad(13, &g, NULL, MS_INVALID_ARGUMENT, "cycle");
    g = graph();
    onnx_node_full(&g, 1, "", "self", "Relu", "y", "y", NULL);
    bad(13, &g, NULL, MS_INVALID_ARGUMENT, "node 0 'self' (Relu): is part of a cycle");
}
END_TEST

START_TEST(test_order_of_many)
{
    enum { N = 25000 };
    struct ms_buf g = graph();
    const int64_t start = ms_now();
    char in[16], out[16];
    struct loaded r;

    for (int i = N; i > 0; i--) { /* last first */
        snprintf(in, sizeof in, "v%d", i - 1);
        snprintf(out, sizeof out, "v%d", i);
        onnx_node_add(&g, "Relu", i == 1 ? "x" : in, i == N ? "y" : out, NULL);
    }
    r = good(13, &g, NULL, NULL);
    ck_assert_int_eq(r.g->n_nodes, N);
    ck_assert_int_lt(ms_now() - start, 10 * MS_SEC);
    loaded_done(&r);
}
END_TEST

START_TEST(test_names)
{
    struct ms_buf g = graph();

    onnx_node_full(&g, 1, "", "n", "Relu", "nowhere", "y", NULL);
    bad(13, &g, NULL, MS_INVALID_ARGUMENT,
        "node 0 'n' (Relu): 'nowhere' is read, but nothing gives it");
    g = graph();
    onnx_node_add(&g, "Relu", "x", "y", NULL);
    onnx_node_full(&g, 1, "", "again", "Tanh", "x", "y", NULL);
    bad(13, &g, NULL, MS_INVALID_ARGUMENT, "node 1 'again' (Tanh): its output 'y' is already made");
    g = graph();
    onnx_value(&g, 11, "b", DIMS(1));
    onnx_node_full(&g, 1, "", "n", "Relu", "x", "b", NULL);
    onnx_node_add(&g, "Relu", "b", "y", NULL);
    bad(13, &g, NULL, MS_INVALID_ARGUMENT, "node 0 'n' (Relu): 'b' is made twice");
    g = graph();
    bad(13, &g, NULL, MS_INVALID_ARGUMENT, "'y' is read, but nothing gives it");
    g = graph();
    onnx_value(&g, 11, "x", DIMS(1));
    onnx_node_add(&g, "Relu", "x", "y", NULL);
    bad(13, &g, NULL, MS_INVALID_ARGUMENT, "'x' is made twice");
    g = graph();
    onnx_node_add(&g, "Relu", "x", "y", NULL);
    onnx_node_full(&g, 1, "", "\033[31mred", "Relu", "\xe2\x80\xae", "z", NULL);
    bad(13, &g, NULL, MS_INVALID_ARGUMENT, "node 1 '\\x1b[31mred'");
}
END_TEST

START_TEST(test_weights)
{
    const float w[3] = {1, 2, 3};
    struct ms_buf g = graph(), t = onnx_raw("w", 1, DIMS(3), w, sizeof w);
    struct loaded r;

    if (!have_ops("test_weights", "PRelu Add")) {
        ms_buf_done(&g);
        ms_buf_done(&t);
        return;
    }
    onnx_value(&g, 11, "w", DIMS(3)); /* old files list initializers as inputs */
    pb_msg(&g, 5, &t);
    onnx_value(&g, 11, "b", DIMS(2, 3, 1));
    onnx_node_add(&g, "Add", "x,b", "y", NULL);
    r = good(13, &g, NULL, "Add");
    ck_assert_int_eq(r.g->n_in, 2);
    ck_assert_str_eq(r.g->in[1]->name, "b");
    loaded_done(&r);

    g = graph();
    t = onnx_raw("w", 1, DIMS(3), w, sizeof w);
    onnx_value(&g, 11, "w", DIMS(4));
    pb_msg(&g, 5, &t);
    onnx_node_add(&g, "Relu", "x", "y", NULL);
    bad(13, &g, NULL, MS_INVALID_ARGUMENT, "'w' is recorded with another dtype or shape");

    g = graph();
    for (int i = 0; i < 2; i++) {
        t = onnx_raw("w", 1, DIMS(3), w, sizeof w);
        pb_msg(&g, 5, &t);
    }
    onnx_node_add(&g, "Relu", "x", "y", NULL);
    bad(13, &g, NULL, MS_INVALID_ARGUMENT, "'w' is made twice");
}
END_TEST

START_TEST(test_claims)
{
    struct ms_buf g = graph();

    onnx_value(&g, 13, "h", DIMS(2, 3, 5));
    onnx_node_full(&g, 1, "", "liar", "Relu", "x", "h", NULL);
    onnx_node_add(&g, "Relu", "h", "y", NULL);
    bad(13, &g, NULL, MS_INVALID_ARGUMENT, "node 0 'liar' (Relu): output 0 is recorded");
    g = graph();
    onnx_value_typed(&g, 13, "h", 7, DIMS(2, 3, 4));
    onnx_node_full(&g, 1, "", "liar", "Relu", "x", "h", NULL);
    onnx_node_add(&g, "Sigmoid", "x", "y", NULL);
    bad(13, &g, NULL, MS_INVALID_ARGUMENT, "recorded as i64, but it is f32");
    g = graph();
    onnx_value(&g, 13, "h", DIMS(1, 1, 1, 1, 1, 1, 1, 1, 1));
    onnx_node_add(&g, "Relu", "x", "h", NULL);
    onnx_node_add(&g, "Relu", "h", "y", NULL);
    bad(13, &g, NULL, MS_INVALID_ARGUMENT, "'h': rank 9");
    g = pb_new();
    onnx_value_typed(&g, 11, "x", 17, DIMS(2));
    bad(13, &g, NULL, MS_UNIMPLEMENTED, "'x' has element type 17 (float8e4m3fn)");
    struct ms_buf type = pb_new(), info = pb_new();
    pb_bytes(&type, 4, "", 0);
    pb_str(&info, 1, "s");
    pb_msg(&info, 2, &type);
    g = graph();
    pb_msg(&g, 11, &info);
    onnx_node_add(&g, "Relu", "x", "y", NULL);
    bad(13, &g, NULL, MS_UNIMPLEMENTED, "'s' is a sequence, which is not supported");
}
END_TEST

START_TEST(test_dims)
{
    struct ms_buf g = pb_new(), info = pb_new(), type = pb_new(), tensor = pb_new(),
                  shape = pb_new();
    struct loaded r;

    for (int i = 0; i < 4; i++) { /* N, N, M, and one without a name */
        struct ms_buf dim = pb_new();

        if (i < 3)
            pb_str(&dim, 2, i < 2 ? "N" : "M");
        pb_msg(&shape, 1, &dim);
    }
    pb_int(&tensor, 1, 1);
    pb_msg(&tensor, 2, &shape);
    pb_msg(&type, 1, &tensor);
    pb_str(&info, 1, "x");
    pb_msg(&info, 2, &type);
    pb_msg(&g, 11, &info);
    onnx_value_typed(&g, 12, "y", 0, -1, NULL);
    onnx_node_add(&g, "Relu", "x", "y", NULL);
    r = good(13, &g, NULL, "Relu");
    const struct ms_shape *s = &r.g->in[0]->shape;
    ck_assert(ms_is_sym(s->dim[0]) && s->dim[0] == s->dim[1]);
    ck_assert(s->dim[2] != s->dim[0] && s->dim[3] != s->dim[2] && ms_is_sym(s->dim[3]));
    ck_assert_str_eq(r.g->syms->name[ms_sym_index(s->dim[2])], "M");
    loaded_done(&r);
}
END_TEST

START_TEST(test_missing)
{
    struct ms_buf g = graph(), sub = pb_new(), attrs = pb_new(), m;
    struct loaded r;

    onnx_value_typed(&sub, 12, "s", 0, -1, NULL);
    onnx_node_full(&sub, 1, "", "deep", "Nope", "x", "s", NULL);
    onnx_attr_graph(&attrs, "then_branch", &sub);
    onnx_node_full(&g, 1, "", "a", "Foo", "x", "u", NULL);
    onnx_node_full(&g, 1, "com.example", "b", "Foo", "u", "v", NULL);
    onnx_node_full(&g, 1, "", "c", "Foo", "v", "w", NULL);
    onnx_node_full(&g, 1, "", "d", "Bar", "w", "y", &attrs);
    m = onnx_model(13, &g, NULL);
    r = load_model(&m, NULL, false);
    ck_assert_int_eq(r.code, MS_UNIMPLEMENTED);
    ck_assert_str_eq(ms_buf_str(&r.missing),
                     "node 0 'a': operator Foo is not supported\n"
                     "node 1 'b': operator com.example.Foo is not supported\n"
                     "node 2 'c': operator Foo is not supported\n"
                     "node 3 'd': operator Bar is not supported\n"
                     "node 0 'deep': operator Nope is not supported\n");
    ck_assert_str_eq(r.err.text,
                     "4 operators are not supported, in 5 nodes: Foo (node 0 'a'), "
                     "com.example.Foo (node 1 'b'), Bar (node 3 'd'), Nope (node 0 'deep')");
    loaded_done(&r);
    ms_buf_done(&m);
}
END_TEST

START_TEST(test_versions)
{
    static const char *const domains[] = {"ai.onnx.ml", "com.microsoft", "ai.onnx.training", "x.y"};
    struct ms_buf g = graph(), rest = pb_new(), m = pb_new(), o;
    struct loaded r;

    onnx_node_add(&g, "Relu", "x", "y", NULL);
    for (int i = 0; i < 4; i++) {
        o = pb_new();
        pb_str(&o, 1, domains[i]);
        pb_int(&o, 2, 1000);
        pb_msg(&rest, 8, &o);
    }
    r = good(13, &g, &rest, "Relu"); /* imports are no reason to refuse */
    loaded_done(&r);
    g = graph();
    onnx_node_full(&g, 1, "", "n", "Relu", "x", "y", NULL);
    bad(28, &g, NULL, MS_UNIMPLEMENTED, "node 0 'n' (Relu): opset 28 of ai.onnx is newer than 27");
    g = graph();
    onnx_node_add(&g, "Relu", "x", "y", NULL);
    bad(0, &g, NULL, MS_INVALID_ARGUMENT, "no opset_import");
    pb_int(&m, 1, 14);
    pb_bytes(&m, 7, "", 0);
    r = load_model(&m, NULL, false);
    ck_assert_int_eq(r.code, MS_UNIMPLEMENTED);
    ck_assert_ptr_nonnull(strstr(r.err.text, "IR version 14"));
    loaded_done(&r);
    ms_buf_clear(&m);
    pb_int(&m, 1, 8);
    r = load_model(&m, NULL, false);
    ck_assert_ptr_nonnull(strstr(r.err.text, "the file holds no graph"));
    loaded_done(&r);
    ms_buf_done(&m);
}
END_TEST

START_TEST(test_attributes)
{
    struct ms_buf g = graph(), a = with_int("alpha", 1);

    onnx_node_full(&g, 1, "", "n", "LeakyRelu", "x", "y", &a);
    bad(13, &g, NULL, MS_INVALID_ARGUMENT, "attribute alpha must be a float, not an int");
    g = graph();
    a = with_int("beta", 1);
    onnx_node_full(&g, 1, "", "n", "LeakyRelu", "x", "y", &a);
    bad(13, &g, NULL, MS_UNIMPLEMENTED,
        "node 0 'n' (LeakyRelu): attribute 'beta' is not supported");
    g = graph();
    a = pb_new();
    onnx_attr_float(&a, "alpha", 1);
    onnx_attr_float(&a, "alpha", 2);
    onnx_node_add(&g, "LeakyRelu", "x", "y", &a);
    bad(13, &g, NULL, MS_INVALID_ARGUMENT, "attribute 'alpha' is given twice");
    g = graph();
    a = pb_new();
    for (int i = 0; i < 65; i++)
        onnx_attr_int(&a, "z", i);
    onnx_node_add(&g, "LeakyRelu", "x", "y", &a);
    bad(13, &g, NULL, MS_INVALID_ARGUMENT, "65 attributes, at most 64");
}
END_TEST

/* ---- older opsets ---- */

START_TEST(test_axes_become_inputs)
{
    static const struct {
        const char *op;
        int64_t opset;
    } cases[] = {{"ReduceMean", 13}, {"ReduceSum", 11}, {"ReduceMax", 17},
                 {"ReduceL2", 7},    {"Squeeze", 11},   {"Unsqueeze", 1}};

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct ms_buf g = pb_new(), a = with_ints("axes", DIMS(1));
        struct loaded r;

        if (!have_ops("test_axes_become_inputs", cases[i].op)) {
            ms_buf_done(&g);
            ms_buf_done(&a);
            continue;
        }
        onnx_value(&g, 11, "x", DIMS(2, 1, 4));
        onnx_value_typed(&g, 12, "y", 0, -1, NULL);
        onnx_node_add(&g, cases[i].op, "x", "y", &a);
        r = good(cases[i].opset, &g, NULL, cases[i].op);
        expect_ints(r.g->first, 1, DIMS(1));
        ck_assert_ptr_null(ms_attr_get(r.g->first, "axes"));
        loaded_done(&r);
    }
}
END_TEST

START_TEST(test_old_slice_pad_topk)
{
    struct ms_buf g = graph(), a = pb_new();
    struct loaded r;

    if (!have_ops("test_old_slice_pad_topk", "Slice Pad TopK")) {
        ms_buf_done(&g);
        ms_buf_done(&a);
        return;
    }
    onnx_attr_ints(&a, "starts", (int64_t[]){1, 0}, 2);
    onnx_attr_ints(&a, "ends", (int64_t[]){3, INT64_MAX}, 2);
    onnx_attr_ints(&a, "axes", (int64_t[]){1, 2}, 2);
    onnx_node_add(&g, "Slice", "x", "y", &a);
    r = good(9, &g, NULL, "Slice");
    expect_ints(r.g->first, 2, DIMS(3, INT64_MAX));
    expect_ints(r.g->first, 3, DIMS(1, 2));
    ck_assert_int_eq(r.g->out[0]->shape.dim[1], 2);
    loaded_done(&r);

    g = graph();
    a = pb_new();
    onnx_attr_ints(&a, "pads", (int64_t[]){0, 0, 1, 0, 0, 2}, 6);
    onnx_attr_float(&a, "value", 2.5f);
    onnx_node_add(&g, "Pad", "x", "y", &a);
    r = good(2, &g, NULL, "Pad");
    expect_ints(r.g->first, 1, DIMS(0, 0, 1, 0, 0, 2));
    ck_assert(ms_tensor_f64(ms_in_const(r.g->first, 2), 0) == 2.5);
    loaded_done(&r);

    g = graph();
    a = with_int("k", 2);
    onnx_node_add(&g, "TopK", "x", "y,i", &a);
    r = good(9, &g, NULL, "TopK");
    expect_ints(r.g->first, 1, DIMS(2));
    loaded_done(&r);
}
END_TEST

START_TEST(test_old_clip)
{
    struct ms_buf g = graph(), a = pb_new();
    struct loaded r;

    if (!have_ops("test_old_clip", "Clip")) {
        ms_buf_done(&g);
        ms_buf_done(&a);
        return;
    }
    onnx_attr_float(&a, "max", 6);
    onnx_node_add(&g, "Clip", "x", "y", &a);
    r = good(6, &g, NULL, "Clip");
    ck_assert_ptr_null(ms_in(r.g->first, 1));
    ck_assert(ms_in_const(r.g->first, 2)->dtype == MS_F32);
    ck_assert(ms_tensor_f64(ms_in_const(r.g->first, 2), 0) == 6);
    loaded_done(&r);
    g = pb_new(); /* the bound has x's dtype */
    a = pb_new();
    onnx_value_typed(&g, 11, "x", 10, DIMS(4));
    onnx_value_typed(&g, 12, "y", 0, -1, NULL);
    onnx_attr_float(&a, "min", 0.5f);
    onnx_node_add(&g, "Relu", "x", "h", NULL);
    onnx_node_add(&g, "Clip", "h", "y", &a);
    r = good(6, &g, NULL, "Relu Clip");
    ck_assert(ms_in_const(r.g->last, 1)->dtype == MS_F16);
    ck_assert(ms_tensor_f64(ms_in_const(r.g->last, 1), 0) == 0.5);
    loaded_done(&r);
}
END_TEST

START_TEST(test_old_softmax)
{
    static const char *const names[] = {"Softmax", "LogSoftmax", "Hardmax"};

    for (int i = 0; i < 3; i++) {
        struct ms_buf g = graph(), a = with_int("axis", 2);
        struct loaded r;
        char want[80];

        if (!have_ops("test_old_softmax", names[i]) ||
            !have_ops("test_old_softmax", "Flatten Shape Reshape"))
            return;
        onnx_node_add(&g, names[i], "x", "y", &a); /* the last axis: the new form */
        r = good(11, &g, NULL, names[i]);
        ck_assert_int_eq(ms_attr_int(r.g->first, "axis"), -1);
        loaded_done(&r);

        g = graph();
        onnx_node_add(&g, names[i], "x", "y", NULL); /* axis 1 by default: a matrix of [2, 12] */
        snprintf(want, sizeof want, "Flatten %s Shape Reshape", names[i]);
        r = good(11, &g, NULL, want);
        ck_assert_int_eq(ms_attr_int(r.g->first, "axis"), 1);
        ck_assert_int_eq(r.g->out[0]->shape.dim[2], 4);
        ck_assert_str_eq(r.g->out[0]->name, "y");
        loaded_done(&r);

        g = graph();
        onnx_node_add(&g, names[i], "x", "y", NULL);
        r = good(13, &g, NULL, names[i]);
        ck_assert_int_eq(ms_attr_int(r.g->first, "axis"), -1);
        loaded_done(&r);
    }
}
END_TEST

START_TEST(test_dropout)
{
    const uint8_t yes = 1;
    struct ms_buf g = graph(), t = onnx_raw("train", 9, 0, NULL, &yes, 1);
    struct loaded r;

    if (!have_ops("test_dropout", "Identity Shape ConstantOfShape")) {
        ms_buf_done(&g);
        ms_buf_done(&t);
        return;
    }
    onnx_node_add(&g, "Dropout", "x", "y", NULL);
    r = good(7, &g, NULL, "Identity");
    ck_assert_str_eq(r.g->first->origin, "Dropout");
    loaded_done(&r);
    g = graph();
    onnx_value_typed(&g, 12, "m", 9, DIMS(2, 3, 4));
    onnx_node_add(&g, "Dropout", "x", "y,m", NULL);
    r = good(13, &g, NULL, "Identity Shape ConstantOfShape");
    ck_assert_int_eq(r.g->out[1]->dtype, MS_BOOL);
    loaded_done(&r);
    g = graph();
    pb_msg(&g, 5, &t);
    onnx_node_add(&g, "Dropout", "x,,train", "y", NULL);
    bad(13, &g, NULL, MS_UNIMPLEMENTED, "training mode is not supported");
}
END_TEST

START_TEST(test_upsample_and_resize)
{
    const float scales[3] = {1, 1, 2};
    struct ms_buf g = graph(), t = onnx_raw("s", 1, DIMS(3), scales, sizeof scales);
    struct ms_buf none = onnx_raw("none", 1, DIMS(0), "", 0);
    struct loaded r;

    if (!have_ops("test_upsample_and_resize", "Resize")) {
        ms_buf_done(&g);
        ms_buf_done(&t);
        ms_buf_done(&none);
        return;
    }
    pb_msg(&g, 5, &t);
    onnx_node_add(&g, "Upsample", "x,s", "y", NULL);
    r = good(9, &g, NULL, "Resize");
    ck_assert_str_eq(ms_attr_str(r.g->first, "coordinate_transformation_mode"), "asymmetric");
    ck_assert_str_eq(ms_attr_str(r.g->first, "nearest_mode"), "floor");
    ck_assert_ptr_null(ms_in(r.g->first, 1));
    ck_assert_int_eq(r.g->out[0]->shape.dim[2], 8);
    loaded_done(&r);
    g = graph();
    t = onnx_raw("s", 1, DIMS(3), scales, sizeof scales);
    pb_msg(&g, 5, &t);
    pb_msg(&g, 5, &none);
    onnx_node_add(&g, "Resize", "x,none,s", "y", NULL);
    r = good(11, &g, NULL, "Resize");
    ck_assert_ptr_null(ms_in(r.g->first, 1));
    loaded_done(&r);
}
END_TEST

START_TEST(test_split)
{
    struct ms_buf g = graph(), a = with_int("axis", 2);
    struct loaded r;

    if (!have_ops("test_split", "Split")) {
        ms_buf_done(&g);
        ms_buf_done(&a);
        return;
    }
    onnx_node_add(&g, "Split", "x", "y,z", &a);
    r = good(13, &g, NULL, "Split");
    ck_assert_int_eq(r.g->out[0]->shape.dim[2], 2);
    loaded_done(&r);
    g = graph();
    a = pb_new();
    onnx_attr_int(&a, "axis", 2);
    onnx_attr_ints(&a, "split", (int64_t[]){1, 3}, 2);
    onnx_node_add(&g, "Split", "x", "z,y", &a);
    r = good(11, &g, NULL, "Split");
    ck_assert_int_eq(r.g->out[0]->shape.dim[2], 3);
    loaded_done(&r);
}
END_TEST

START_TEST(test_old_broadcast)
{
    struct ms_buf g = pb_new(), a = pb_new();
    struct loaded r;

    if (!have_ops("test_old_broadcast", "Add Unsqueeze")) {
        ms_buf_done(&g);
        ms_buf_done(&a);
        return;
    }
    onnx_value(&g, 11, "x", DIMS(2, 3, 4));
    onnx_value(&g, 11, "b", DIMS(3));
    onnx_value_typed(&g, 12, "y", 0, -1, NULL);
    onnx_attr_int(&a, "broadcast", 1);
    onnx_attr_int(&a, "axis", 1);
    onnx_node_add(&g, "Add", "x,b", "y", &a);
    r = good(6, &g, NULL, "Unsqueeze Add");
    ck_assert(r.g->last->in[1].value->shape.rank == 2);
    loaded_done(&r);
}
END_TEST

START_TEST(test_old_prelu)
{
    const float w[3] = {1, 2, 3};
    struct ms_buf g, t;
    struct loaded r;

    if (!have_ops("test_old_prelu", "PRelu Unsqueeze"))
        return;
    g = graph();
    t = onnx_raw("w", 1, DIMS(3), w, sizeof w);
    pb_msg(&g, 5, &t);
    onnx_node_add(&g, "PRelu", "x,w", "y", NULL);
    r = good(6, &g, NULL, "Unsqueeze PRelu"); /* [3] for channels of [2,3,4] */
    ck_assert_int_eq(r.g->last->in[1].value->shape.rank, 2);
    loaded_done(&r);
}
END_TEST

START_TEST(test_old_group_norm)
{
    const float w[2] = {1, 2};
    struct ms_buf g = pb_new(), t, a;
    struct loaded r;

    if (!have_ops("test_old_group_norm", "GroupNormalization Unsqueeze Expand Reshape"))
        return;
    for (int i = 0; i < 2; i++) {
        t = onnx_raw(i ? "b" : "s", 1, DIMS(2), w, sizeof w);
        pb_msg(&g, 5, &t);
    }
    onnx_value(&g, 11, "x", DIMS(1, 6, 4));
    onnx_value_typed(&g, 12, "y", 0, -1, NULL);
    a = with_int("num_groups", 2);
    onnx_node_add(&g, "GroupNormalization", "x,s,b", "y", &a);
    r = good(18, &g, NULL, "Unsqueeze Expand Reshape Unsqueeze Expand Reshape GroupNormalization");
    ck_assert_int_eq(r.g->last->in[1].value->shape.dim[0], 6);
    loaded_done(&r);
}
END_TEST

START_TEST(test_batch_norm)
{
    struct ms_buf g = graph(), a = pb_new();
    struct loaded r;

    if (!have_ops("test_batch_norm", "BatchNormalization")) {
        ms_buf_done(&g);
        ms_buf_done(&a);
        return;
    }
    for (int i = 0; i < 4; i++)
        onnx_value(&g, 11, ((const char *[]){"s", "b", "m", "v"})[i], DIMS(3));
    onnx_attr_int(&a, "spatial", 1);
    onnx_attr_float(&a, "momentum", 0.5f);
    onnx_attr_float(&a, "epsilon", 0.25f);
    onnx_node_add(&g, "BatchNormalization", "x,s,b,m,v", "y,m2,v2", &a);
    r = good(7, &g, NULL, "BatchNormalization");
    ck_assert(ms_attr_float(r.g->first, "epsilon") == 0.25);
    loaded_done(&r);
    g = graph();
    a = with_int("spatial", 0);
    for (int i = 0; i < 4; i++)
        onnx_value(&g, 11, ((const char *[]){"s", "b", "m", "v"})[i], DIMS(3));
    onnx_node_add(&g, "BatchNormalization", "x,s,b,m,v", "y", &a);
    bad(7, &g, NULL, MS_UNIMPLEMENTED, "'spatial' is 0, only 1 is supported");
}
END_TEST

START_TEST(test_cast)
{
    struct ms_buf g = graph(), a = with_int("to", 10);
    struct loaded r;

    if (!have_ops("test_cast", "Cast")) {
        ms_buf_done(&g);
        ms_buf_done(&a);
        return;
    }
    onnx_node_add(&g, "Cast", "x", "y", &a);
    r = good(13, &g, NULL, "Cast");
    ck_assert_int_eq(r.g->out[0]->dtype, MS_F16);
    loaded_done(&r);
    g = graph();
    a = pb_new();
    onnx_attr_str(&a, "to", "INT64");
    onnx_node_add(&g, "Cast", "x", "y", &a);
    r = good(5, &g, NULL, "Cast");
    ck_assert_int_eq(r.g->out[0]->dtype, MS_I64);
    loaded_done(&r);
    g = graph();
    a = with_int("to", 20);
    onnx_node_full(&g, 1, "", "n", "Cast", "x", "y", &a);
    bad(13, &g, NULL, MS_UNIMPLEMENTED, "node 0 'n' (Cast): attribute to: element type 20");
}
END_TEST

START_TEST(test_constants)
{
    const float f[2] = {1, 2};
    struct ms_buf g = pb_new(), a, t = onnx_raw("", 1, DIMS(2), f, sizeof f);
    struct loaded r;
    static const struct {
        const char *name;
        enum ms_dtype dtype;
        int rank;
    } want[] = {{"c0", MS_F32, 1}, {"c1", MS_F32, 0}, {"c2", MS_F32, 1},
                {"c3", MS_I64, 0}, {"c4", MS_I64, 1}, {"c5", MS_STRING, 0}};

    for (int i = 0; i < 6; i++) {
        a = pb_new();
        if (i == 0)
            onnx_attr_tensor(&a, "value", &t);
        else if (i == 1)
            onnx_attr_float(&a, "value_float", 2.5f);
        else if (i == 2) {
            struct ms_buf fs = pb_new();
            pb_str(&fs, 1, "value_floats");
            pb_int(&fs, 20, 6);
            pb_float(&fs, 7, 1.5f);
            pb_float(&fs, 7, 3.5f);
            pb_msg(&a, 5, &fs);
        } else if (i == 3)
            onnx_attr_int(&a, "value_int", -7);
        else if (i == 4)
            onnx_attr_ints(&a, "value_ints", (int64_t[]){3, 4, 5}, 3);
        else
            onnx_attr_str(&a, "value_string", "text");
        onnx_node_add(&g, "Constant", "", want[i].name, &a);
        onnx_value_typed(&g, 12, want[i].name, 0, -1, NULL);
    }
    r = good(13, &g, NULL, "");
    for (int i = 0; i < 6; i++) {
        ck_assert_str_eq(r.g->out[i]->name, want[i].name);
        ck_assert_int_eq(r.g->out[i]->dtype, want[i].dtype);
        ck_assert_int_eq(r.g->out[i]->shape.rank, want[i].rank);
        ck_assert_ptr_nonnull(r.g->out[i]->constant);
    }
    ck_assert(ms_tensor_f64(r.g->out[2]->constant, 1) == 3.5);
    ck_assert_int_eq(ms_tensor_i64(r.g->out[3]->constant, 0), -7);
    loaded_done(&r);
    g = graph();
    onnx_node_full(&g, 1, "", "n", "Constant", "", "y", NULL);
    bad(13, &g, NULL, MS_INVALID_ARGUMENT, "node 0 'n' (Constant): must have one value");
}
END_TEST

/* ---- sub-graphs ---- */

/* A branch: out = op(in) */
static struct ms_buf branch(const char *op, const char *in, const char *out)
{
    struct ms_buf g = pb_new();

    onnx_value_typed(&g, 12, out, 0, -1, NULL);
    onnx_node_add(&g, op, in, out, NULL);
    return g;
}

START_TEST(test_if)
{
    const float f = 2;
    struct ms_buf g = graph(), a = pb_new(), then, other, w = onnx_raw("w", 1, DIMS(1), &f, 4);
    struct loaded r;

    if (!have_ops("test_if", "If PRelu")) {
        ms_buf_done(&g);
        ms_buf_done(&a);
        ms_buf_done(&w);
        return;
    }
    pb_msg(&g, 5, &w);
    onnx_value_typed(&g, 11, "c", 9, 0, NULL);
    onnx_node_add(&g, "Relu", "x", "h", NULL);
    then = branch("Tanh", "h", "t");
    other = branch("PRelu", "x,w", "e");
    onnx_attr_graph(&a, "then_branch", &then);
    onnx_attr_graph(&a, "else_branch", &other);
    onnx_node_add(&g, "If", "c", "y", &a);
    r = good(13, &g, NULL, "Relu If");
    struct ms_node *n = r.g->last;
    ck_assert_int_eq(n->n_in, 3); /* cond, h, x; the weight is no capture */
    ck_assert_int_eq(ms_attr_int(n, "captures"), 2);
    const struct ms_graph *t = ms_attr_graph(n, "then_branch"),
                          *e = ms_attr_graph(n, "else_branch");
    ck_assert(t->n_in == 2 && e->n_in == 2 && t->depth == 1);
    ck_assert_str_eq(t->in[0]->name, "h");
    ck_assert_str_eq(e->in[1]->name, "x");
    ck_assert_ptr_eq(e->first->in[0].value, e->in[1]);
    ck_assert_ptr_nonnull(e->first->in[1].value->constant);
    loaded_done(&r);
}
END_TEST

START_TEST(test_nested_if)
{
    struct ms_buf g = graph(), a = pb_new(), inner = pb_new(), then, other;
    struct loaded r;

    if (!have_ops("test_nested_if", "If Identity")) {
        ms_buf_done(&g);
        ms_buf_done(&a);
        ms_buf_done(&inner);
        return;
    }
    onnx_value_typed(&g, 11, "c", 9, 0, NULL);
    then = branch("Tanh", "x", "t1"); /* two levels down, x is read */
    other = branch("Sigmoid", "x", "e1");
    onnx_attr_graph(&a, "then_branch", &then);
    onnx_attr_graph(&a, "else_branch", &other);
    onnx_value_typed(&inner, 12, "t", 0, -1, NULL);
    onnx_node_add(&inner, "If", "c", "t", &a);
    a = pb_new();
    other = branch("Relu", "x", "e");
    onnx_attr_graph(&a, "then_branch", &inner);
    onnx_attr_graph(&a, "else_branch", &other);
    onnx_node_add(&g, "If", "c", "y", &a);
    r = good(13, &g, NULL, "If");
    const struct ms_graph *t = ms_attr_graph(r.g->first, "then_branch");
    ck_assert_int_eq(ms_attr_int(r.g->first, "captures"), 2); /* c and x */
    ck_assert_int_eq(ms_attr_int(t->first, "captures"), 1);
    ck_assert_int_eq(ms_attr_graph(t->first, "then_branch")->depth, 2);
    loaded_done(&r);
}
END_TEST

/* Graphs inside each other: 16 are read, 17 are refused. */
START_TEST(test_graph_depth)
{
    if (!have_ops("test_graph_depth", "If"))
        return;
    for (int depth = 16; depth <= 17; depth++) {
        struct ms_buf g = branch("Relu", "x", "r"), a, other;
        char out[16] = "r";

        for (int i = 0; i < depth; i++) {
            a = pb_new();
            other = branch("Relu", "x", "e");
            onnx_attr_graph(&a, "then_branch", &g);
            onnx_attr_graph(&a, "else_branch", &other);
            snprintf(out, sizeof out, i == depth - 1 ? "y" : "y%d", i);
            g = pb_new();
            if (i == depth - 1) {
                onnx_value(&g, 11, "x", DIMS(2, 3));
                onnx_value_typed(&g, 11, "c", 9, 0, NULL);
            }
            onnx_value_typed(&g, 12, out, 0, -1, NULL);
            onnx_node_add(&g, "If", "c", out, &a);
        }
        if (depth == 16) {
            struct loaded r = good(13, &g, NULL, "If");
            loaded_done(&r);
        } else {
            bad(13, &g, NULL, MS_INVALID_ARGUMENT, "more than 16 graphs inside each other");
        }
    }
}
END_TEST

START_TEST(test_loop)
{
    struct ms_buf g = graph(), body = pb_new(), a = pb_new();
    struct loaded r;

    if (!have_ops("test_loop", "Loop Add Identity")) {
        ms_buf_done(&g);
        ms_buf_done(&body);
        ms_buf_done(&a);
        return;
    }
    onnx_value_typed(&body, 11, "i", 7, 0, NULL);
    onnx_value_typed(&body, 11, "go", 9, 0, NULL);
    onnx_value(&body, 11, "v", DIMS(2, 3, 4));
    onnx_value_typed(&body, 12, "go2", 9, 0, NULL);
    onnx_value(&body, 12, "v2", DIMS(2, 3, 4));
    onnx_node_add(&body, "Identity", "go", "go2", NULL);
    onnx_node_add(&body, "Add", "v,x", "v2", NULL);
    onnx_attr_graph(&a, "body", &body);
    onnx_value_typed(&g, 11, "m", 7, 0, NULL);
    onnx_node_add(&g, "Relu", "x", "h", NULL);
    onnx_node_add(&g, "Loop", "m,,h", "y", &a);
    r = good(13, &g, NULL, "Relu Loop");
    ck_assert_int_eq(r.g->last->n_in, 4); /* M, no cond, v, captured x */
    ck_assert_ptr_null(ms_in(r.g->last, 1));
    ck_assert_int_eq(ms_attr_int(r.g->last, "captures"), 1);
    ck_assert_int_eq(ms_attr_graph(r.g->last, "body")->n_in, 4);
    loaded_done(&r);
}
END_TEST

/* ---- functions ---- */

static struct ms_buf function(const char *name, const char *in, const char *out)
{
    struct ms_buf f = pb_new(), o = pb_new();

    pb_str(&f, 1, name);
    pb_str(&f, 10, "local");
    for (const char *p = in; *p; p += strcspn(p, ",") + (p[strcspn(p, ",")] == ','))
        pb_bytes(&f, 4, p, strcspn(p, ","));
    pb_str(&f, 5, out);
    pb_int(&o, 2, 13);
    pb_msg(&f, 9, &o);
    return f;
}

static struct ms_buf refer(const char *name, const char *ref)
{
    struct ms_buf a = pb_new(), b = pb_new();

    pb_str(&a, 1, name);
    pb_str(&a, 21, ref);
    pb_int(&a, 20, 1);
    pb_msg(&b, 5, &a);
    return b;
}

START_TEST(test_functions)
{
    struct ms_buf rest = pb_new(), f = function("Leak", "a", "b"), outer, g = graph(), a;
    struct loaded r;

    a = refer("alpha", "slope");
    onnx_node_full(&f, 7, "", "leaky", "LeakyRelu", "a", "b", &a);
    pb_msg(&rest, 25, &f);
    outer = function("Twice", "p,unused", "q");
    a = refer("slope", "s");
    onnx_node_full(&outer, 7, "local", "one", "Leak", "p", "h", &a);
    onnx_node_full(&outer, 7, "local", "two", "Leak", "h", "q", NULL);
    pb_msg(&rest, 25, &outer);
    a = pb_new();
    onnx_attr_float(&a, "s", 0.5f);
    onnx_node_full(&g, 1, "local", "call", "Twice", "x", "y", &a);
    r = good(13, &g, &rest, "LeakyRelu LeakyRelu");
    ck_assert(ms_attr_float(node_at(&r, 0), "alpha") == 0.5);
    ck_assert_ptr_null(ms_attr_get(node_at(&r, 1), "alpha")); /* the operator's own default */
    ck_assert_str_eq(r.g->out[0]->name, "y");
    ck_assert_ptr_nonnull(strstr(node_at(&r, 0)->name, "call#"));
    loaded_done(&r);
}
END_TEST

START_TEST(test_function_refusals)
{
    struct ms_buf rest = pb_new(), f = function("Self", "a", "b"), g = graph();

    onnx_node_full(&f, 7, "local", "again", "Self", "a", "b", NULL);
    pb_msg(&rest, 25, &f);
    onnx_node_full(&g, 1, "local", "call", "Self", "x", "y", NULL);
    bad(13, &g, &rest, MS_INVALID_ARGUMENT,
        "node 0 'call' (Self): in the function: node 0 'again' (Self): the function calls itself");

    rest = pb_new();
    g = graph();
    f = function("F", "a", "b");
    onnx_node_full(&f, 7, "", "inner", "Foo", "a", "b", NULL);
    pb_msg(&rest, 25, &f);
    onnx_node_full(&g, 1, "local", "call", "F", "x", "y", NULL);
    bad(13, &g, &rest, MS_UNIMPLEMENTED,
        "1 operator is not supported, in 1 node: Foo (node 0 'inner')");

    rest = pb_new();
    g = graph();
    f = function("F", "a", "b");
    onnx_node_full(&f, 7, "", "", "Relu", "a", "b", NULL);
    pb_msg(&rest, 25, &f);
    onnx_node_full(&g, 1, "local", "call", "F", "x,x", "y", NULL);
    bad(13, &g, &rest, MS_INVALID_ARGUMENT, "more inputs or outputs than the function has");
}
END_TEST

/* Each function calls the one below twice: 2^28 nodes from a file of two kilobytes. */
START_TEST(test_function_bomb)
{
    struct ms_buf rest = pb_new(), g = graph();
    const int64_t start = ms_now();
    char name[16], below[16];

    for (int i = 0; i < 28; i++) {
        snprintf(name, sizeof name, "F%d", i);
        snprintf(below, sizeof below, "F%d", i - 1);
        struct ms_buf f = function(name, "a", "b");

        onnx_node_full(&f, 7, i ? "local" : "", "l", i ? below : "Relu", "a", "h", NULL);
        onnx_node_full(&f, 7, i ? "local" : "", "r", i ? below : "Relu", "h", "b", NULL);
        pb_msg(&rest, 25, &f);
    }
    onnx_node_full(&g, 1, "local", "call", "F27", "x", "y", NULL);
    bad(13, &g, &rest, MS_RESOURCE_EXHAUSTED, "grows beyond the nodes allowed");
    ck_assert_int_lt(ms_now() - start, 5 * MS_SEC);
}
END_TEST

START_TEST(test_function_depth)
{
    struct ms_buf rest = pb_new(), g = graph();
    char name[16], below[16];

    for (int i = 0; i < 40; i++) {
        snprintf(name, sizeof name, "F%d", i);
        snprintf(below, sizeof below, "F%d", i - 1);
        struct ms_buf f = function(name, "a", "b");

        onnx_node_full(&f, 7, i ? "local" : "", "n", i ? below : "Relu", "a", "b", NULL);
        pb_msg(&rest, 25, &f);
    }
    onnx_node_full(&g, 1, "local", "call", "F39", "x", "y", NULL);
    bad(13, &g, &rest, MS_INVALID_ARGUMENT, "more than 32");
}
END_TEST

/* ---- hostile bytes ---- */

/* Something of everything, in few bytes. */
static struct ms_buf rich(void)
{
    const float f[2] = {1, 2};
    struct ms_buf g = graph(), rest = pb_new(), fn = function("F", "a", "b"), a = pb_new();
    struct ms_buf w = onnx_raw("w", 1, DIMS(2), f, 8), then, other;

    pb_msg(&g, 5, &w);
    onnx_value(&g, 13, "h", DIMS(2, 3, 4));
    onnx_node_full(&g, 1, "", "n0", "Relu", "x", "h", NULL);
    onnx_attr_int(&a, "value_int", 5);
    onnx_node_add(&g, "Constant", "", "k", &a);
    onnx_node_full(&g, 1, "local", "call", "F", "h", "f", NULL);
    if (ms_op_find("If")) {
        onnx_value_typed(&g, 11, "c", 9, 0, NULL);
        a = pb_new();
        then = branch("Tanh", "f", "t");
        other = branch("Sigmoid", "h", "e");
        onnx_attr_graph(&a, "then_branch", &then);
        onnx_attr_graph(&a, "else_branch", &other);
        onnx_node_add(&g, "If", "c", "y", &a);
    } else {
        onnx_node_add(&g, "Tanh", "f", "y", NULL);
    }
    a = pb_new();
    onnx_attr_float(&a, "alpha", 0.5f);
    onnx_node_full(&fn, 7, "", "l", "LeakyRelu", "a", "b", &a);
    pb_msg(&rest, 25, &fn);
    return onnx_model(13, &g, &rest);
}

START_TEST(test_every_prefix_and_bit)
{
    struct ms_buf m = rich();
    int ok = 0;

    for (size_t bit = 0; bit < m.len * 8; bit++) {
        const size_t len = bit % 8 == 0 ? bit / 8 : m.len;
        struct ms_buf b = {.data = malloc(len ? len : 1), .len = len};
        const int64_t start = ms_now();
        struct loaded r;

        ck_assert_ptr_nonnull(b.data);
        memcpy(b.data, m.data, len);
        if (bit % 8)
            b.data[bit / 8] ^= (char)(1 << bit % 8);
        r = load_model(&b, NULL, true);
        ok += r.code == MS_OK;
        ck_assert(r.code == MS_OK || r.code == MS_INVALID_ARGUMENT || r.code == MS_UNIMPLEMENTED ||
                  r.code == MS_RESOURCE_EXHAUSTED);
        ck_assert_int_lt(ms_now() - start, MS_SEC);
        loaded_done(&r);
        free(b.data);
    }
    ck_assert_int_gt(ok, 10); /* turned names and numbers that still make sense */
    ms_buf_done(&m);
}
END_TEST

START_TEST(test_every_malloc_fails_once)
{
    struct ms_buf m = rich();
    bool done = false;

    for (uint64_t k = 1; !done; k++) {
        struct loaded r;

        ms_mem_fail_after(k, false);
        r = load_model(&m, NULL, true);
        ms_mem_fail_after(0, false);
        done = r.code == MS_OK;
        if (!done)
            ck_assert_msg(r.code == MS_RESOURCE_EXHAUSTED, "%llu: %s", (unsigned long long)k,
                          r.err.text);
        loaded_done(&r);
        ck_assert_uint_lt(k, 10000);
    }
    ms_buf_done(&m);
}
END_TEST

START_TEST(test_many_outputs)
{
    struct ms_buf g = graph(), n = pb_new();
    const int64_t start = ms_now();
    char name[16];

    for (int i = 0; i < 300 * 1000; i++) { /* in one node, all different */
        snprintf(name, sizeof name, "%x", i);
        pb_str(&n, 2, name);
    }
    pb_str(&n, 4, "Relu");
    pb_msg(&g, 1, &n);
    bad(13, &g, NULL, MS_RESOURCE_EXHAUSTED, "300000 outputs of nodes need more than");
    ck_assert_int_lt(ms_now() - start, 2 * MS_SEC);
}
END_TEST

START_TEST(test_many_symbols)
{
    struct ms_buf g = pb_new();
    const int64_t start = ms_now();
    char name[24];

    for (int i = 0; i < 20000; i++) { /* as many dim_params, one an input */
        struct ms_buf info = pb_new(), type = pb_new(), tensor = pb_new(), shape = pb_new(),
                      dim = pb_new();

        snprintf(name, sizeof name, "d%d", i);
        pb_str(&dim, 2, name);
        pb_msg(&shape, 1, &dim);
        pb_int(&tensor, 1, 1);
        pb_msg(&tensor, 2, &shape);
        pb_msg(&type, 1, &tensor);
        pb_str(&info, 1, name);
        pb_msg(&info, 2, &type);
        pb_msg(&g, 11, &info);
    }
    onnx_value_typed(&g, 12, "y", 0, -1, NULL);
    onnx_node_add(&g, "Relu", "d7", "y", NULL);
    struct loaded r = good(13, &g, NULL, "Relu");
    ck_assert_int_lt(ms_now() - start, 5 * MS_SEC);
    loaded_done(&r);
}
END_TEST

static void add_structure(TCase *t)
{
    tcase_add_test(t, test_plain);
    tcase_add_test(t, test_order);
    tcase_add_test(t, test_order_of_many);
    tcase_add_test(t, test_names);
    tcase_add_test(t, test_weights);
    tcase_add_test(t, test_claims);
    tcase_add_test(t, test_dims);
    tcase_add_test(t, test_missing);
    tcase_add_test(t, test_versions);
    tcase_add_test(t, test_attributes);
}

static void add_opsets(TCase *t)
{
    tcase_add_test(t, test_axes_become_inputs);
    tcase_add_test(t, test_old_slice_pad_topk);
    tcase_add_test(t, test_old_clip);
    tcase_add_test(t, test_old_softmax);
    tcase_add_test(t, test_dropout);
    tcase_add_test(t, test_upsample_and_resize);
    tcase_add_test(t, test_split);
    tcase_add_test(t, test_old_broadcast);
    tcase_add_test(t, test_old_prelu);
    tcase_add_test(t, test_old_group_norm);
    tcase_add_test(t, test_batch_norm);
    tcase_add_test(t, test_cast);
    tcase_add_test(t, test_constants);
}

Suite *suite_onnx(void)
{
    Suite *s = suite_create("onnx");
    TCase *t = tcase_create("reader");

    tcase_set_timeout(t, 120);
    add_structure(t);
    add_opsets(t);
    tcase_add_test(t, test_if);
    tcase_add_test(t, test_nested_if);
    tcase_add_test(t, test_graph_depth);
    tcase_add_test(t, test_loop);
    tcase_add_test(t, test_functions);
    tcase_add_test(t, test_function_refusals);
    tcase_add_test(t, test_function_bomb);
    tcase_add_test(t, test_function_depth);
    tcase_add_test(t, test_every_prefix_and_bit);
    tcase_add_test(t, test_every_malloc_fails_once);
    tcase_add_test(t, test_many_symbols);
    tcase_add_test(t, test_many_outputs);
    suite_add_tcase(s, t);
    return s;
}
