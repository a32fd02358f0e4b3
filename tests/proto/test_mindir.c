/* SPDX-License-Identifier: Apache-2.0 */
/* test_mindir.c - graphs from hand-written MindIR: the three dialects, tuples, control flow, split
 * models, and everything that has to be refused in one line that names the place. */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "ir/op.h"
#include "tests/proto/mindir_writer.h"
#include "tests/proto/suites.h"

static char ops[512];

/* Reads, checks and infers; asserts success. model is freed. */
static struct loaded accept(struct ms_buf *model)
{
    struct loaded r = load_model(model, NULL, true);

    ck_assert_msg(r.code == MS_OK, "%s", r.err.text);
    ms_buf_done(model);
    return r;
}

/* Asserts that a model is refused with a code and a text that holds `part`. model is freed. */
static void refuse(struct ms_buf *model, ms_code code, const char *part)
{
    const int64_t start = ms_now();
    struct loaded r = load_model(model, NULL, true);

    ck_assert_msg(r.code == code, "code %d, expected %d: %s", r.code, code, r.err.text);
    ck_assert_msg(strstr(r.err.text, part), "'%s' is not in: %s", part, r.err.text);
    ck_assert_ptr_null(strchr(r.err.text, '\n'));
    ck_assert_int_lt(ms_now() - start, 5 * MS_SEC);
    loaded_done(&r);
    ms_buf_done(model);
}

static void expect_ops(const struct loaded *r, const char *expected)
{
    ck_assert_str_eq(ops_of(r->g, ops, sizeof ops), expected);
}

/* A graph "g" with input g:x: f32[2,3]. */
static struct ms_buf graph(void)
{
    struct ms_buf g = mw_graph("g");

    mw_input(&g, "g:x", MW_F32, DIMS(2, 3));
    return g;
}

static struct ms_buf finish(struct ms_buf *g, const char *output)
{
    mw_output(g, output);
    return mw_model(0, g);
}

/* ---- dialects: y = Softmax(ReduceSum(Transpose(x), axis 0, keep_dims), axis -1) : f32[1,2] ----
 */

static const char three_ops[] = "Transpose ReduceSum Softmax";

static void check_dialect(struct ms_buf *model)
{
    struct loaded r = accept(model);

    expect_ops(&r, three_ops);
    ck_assert_int_eq(r.g->n_in, 1);
    ck_assert_str_eq(r.g->in[0]->name, "x");
    ck_assert_int_eq(r.g->n_out, 1);
    ck_assert_str_eq(r.g->out[0]->name, "output_0");
    ck_assert_int_eq(r.g->out[0]->shape.rank, 2);
    ck_assert_int_eq(r.g->out[0]->shape.dim[0], 1);
    ck_assert_int_eq(r.g->out[0]->shape.dim[1], 2);
    ck_assert_int_eq(ms_attr_int(r.g->first->next, "keepdims"), 1);
    ck_assert_int_eq(ms_attr_int(r.g->last, "axis"), -1);
    ck_assert_str_eq(r.g->last->origin, "Softmax");
    loaded_done(&r);
}

START_TEST(test_dialect_a)
{
    struct ms_buf g = graph(), perm = pb_new(), axis = pb_new(), t = pb_new(), s = pb_new(),
                  m = pb_new();
    const int64_t keep = 1;

    mw_old(&perm, "value", "scalar:Tuple[value1,value2,],", MW_I64, DIMS(1, 0));
    mw_constant(&g, "perm", &perm);
    mw_old_shape(&t, MW_F32, DIMS(3, 2));
    mw_node(&g, "g:t:1", "Transpose", "g:x,perm", &t);
    mw_old(&axis, "value", "scalar:value0", MW_I64, 1, (const int64_t[]){0});
    mw_constant(&g, "axis", &axis);
    mw_old(&s, "keep_dims", "scalar:value0", MW_BOOL, 1, &keep);
    mw_node(&g, "g:s:2", "S-Prim-ReduceSum", "g:t:1,axis", &s);
    mw_old(&m, "axis", "scalar:Tuple[value1,]", MW_I64, DIMS(-1));
    mw_node(&g, "g:y:3", "Softmax", "g:s:2", &m);
    struct ms_buf model = finish(&g, "g:y:3");
    check_dialect(&model);
}
END_TEST

START_TEST(test_dialect_b)
{
    struct ms_buf g = graph(), sum = pb_new(), soft = pb_new();

    mw_const_tuple(&g, "perm", DIMS(1, 0));
    mw_node(&g, "g:t:1", "REF::Transpose:1", "g:x,perm", NULL);
    mw_const_int(&g, "axis", 0);
    mw_node(&g, "g:s:2", "REF::ReduceSum:2", "g:t:1,axis", NULL);
    mw_node(&g, "g:y:3", "REF::Softmax:3", "g:s:2", NULL);
    mw_output(&g, "g:y:3");
    struct ms_buf model = mw_model(1, &g);
    mw_bool(&sum, "keep_dims", true);
    mw_tuple(&soft, "axis", DIMS(-1));
    mw_primitive(&model, "Transpose:1", NULL);
    mw_primitive(&model, "ReduceSum:2", &sum);
    mw_primitive(&model, "Softmax:3", &soft);
    check_dialect(&model);
}
END_TEST

static struct ms_buf dialect_c(void)
{
    struct ms_buf g = graph(), shape = pb_new();

    mw_const_tuple(&g, "perm", DIMS(1, 0));
    mw_shape(&shape, MW_F32, DIMS(3, -1));
    mw_node(&g, "g:t:1", "REF::Transpose:1", "g:x,perm", &shape);
    mw_const_int(&g, "axis", 0);
    mw_const_bool(&g, "keep", true);
    mw_const_bool(&g, "skip", false);
    mw_node(&g, "g:s:2", "REF::ReduceSum:2", "g:t:1,axis,keep,skip", NULL);
    mw_const_tuple(&g, "last", DIMS(-1));
    mw_node(&g, "g:y:3", "REF::Softmax:3", "g:s:2,last", NULL);
    mw_output(&g, "g:y:3");
    struct ms_buf model = mw_model(3, &g);
    mw_primitive(&model, "Transpose:1", NULL);
    mw_primitive(&model, "ReduceSum:2", NULL);
    mw_primitive(&model, "Softmax:3", NULL);
    return model;
}

START_TEST(test_dialect_c)
{
    struct ms_buf model = dialect_c();

    check_dialect(&model);
}
END_TEST

/* ---- tuples and effects ---- */

START_TEST(test_tuples)
{
    struct ms_buf g = graph();

    mw_const_int(&g, "one", 1);
    mw_node(&g, "g:a:1", "ReLU", "g:x", NULL);
    mw_node(&g, "g:in:2", "MakeTuple", "g:a:1,one", NULL);
    mw_node(&g, "g:out:3", "MakeTuple", "g:x,g:in:2,g:a:1", NULL);
    mw_node(&g, "g:i:4", "TupleGetItem", "g:out:3,one", NULL);
    mw_node(&g, "g:r:5", "MakeTuple", "g:i:4,g:out:3", NULL);
    struct ms_buf model = finish(&g, "g:r:5");
    struct loaded r = accept(&model);

    /* (relu, 1), (x, (relu, 1), relu): inputs, constants and repeated values get an Identity */
    ck_assert_int_eq(r.g->n_out, 6);
    ck_assert_str_eq(r.g->out[5]->name, "output_5");
    ck_assert_int_eq(r.g->out[1]->dtype, MS_I64);
    ck_assert_int_eq(r.g->out[1]->shape.rank, 0);
    expect_ops(&r, "Relu Identity Identity Identity Identity Identity");
    loaded_done(&r);
}
END_TEST

START_TEST(test_effects_leave_nothing)
{
    static const float w[60000]; /* big enough never to be copied */
    struct ms_buf g = graph(), u = pb_new();

    mw_parameter(&g, "g:w", DIMS(20000, 1, 3), w);
    mw_type(&u, "value", 23);
    mw_constant(&g, "U", &u);
    mw_node(&g, "g:l:1", "Load", "g:w,U", NULL);
    mw_node(&g, "g:y:2", "Add", "g:x,g:l:1", NULL);
    mw_node(&g, "g:m:3", "MakeTuple", "g:l:1", NULL);
    mw_node(&g, "g:s:4", "UpdateState", "U,g:m:3", NULL);
    mw_node(&g, "g:d:5", "Depend", "g:y:2,g:s:4", NULL);
    struct ms_buf model = finish(&g, "g:d:5");
    struct loaded r = load_model(&model, NULL, true);

    ck_assert_msg(r.code == MS_OK, "%s", r.err.text);
    expect_ops(&r, "Add");
    const struct ms_value *weight = ms_in(r.g->first, 1);
    ck_assert_str_eq(weight->name, "w");
    ck_assert(weight->constant->data > (void *)model.data &&
              weight->constant->data < (void *)(model.data + model.len));
    loaded_done(&r);
    ms_buf_done(&model);
}
END_TEST

START_TEST(test_in_place)
{
    struct ms_buf g = graph();

    mw_const_int(&g, "alpha", 2);
    mw_node(&g, "g:a:1", "ReLU", "g:x", NULL);
    mw_node(&g, "g:b:2", "InplaceAddExt", "g:a:1,g:x,alpha", NULL);
    mw_node(&g, "g:y:3", "Neg", "g:b:2", NULL);
    struct ms_buf model = finish(&g, "g:y:3");
    struct loaded r = accept(&model);

    expect_ops(&r, "Relu Mul Add Neg");
    loaded_done(&r);
}
END_TEST

START_TEST(test_in_place_refusals)
{
    static const float w[] = {1, 2, 3};
    struct ms_buf g = graph();

    mw_const_int(&g, "alpha", 1);
    mw_node(&g, "g:a:1", "ReLU", "g:x", NULL);
    mw_node(&g, "g:b:2", "InplaceAddExt", "g:a:1,g:x,alpha", NULL);
    mw_node(&g, "g:y:3", "Add", "g:b:2,g:a:1", NULL);
    struct ms_buf model = finish(&g, "g:y:3");
    refuse(&model, MS_UNIMPLEMENTED, "node 3 'y:3' (Add): argument 1: reads a tensor after");

    g = graph();
    mw_const_int(&g, "zero", 0);
    mw_const_int(&g, "alpha", 1);
    mw_node(&g, "g:v:1", "ExpandDimsView", "g:x,zero", NULL);
    mw_node(&g, "g:b:2", "InplaceAddExt", "g:v:1,g:x,alpha", NULL); /* through a view */
    mw_node(&g, "g:y:3", "Add", "g:b:2,g:x", NULL);
    model = finish(&g, "g:y:3");
    refuse(&model, MS_UNIMPLEMENTED, "after it was changed in place");

    g = graph();
    mw_parameter(&g, "g:w", DIMS(3), w);
    mw_const_int(&g, "alpha", 1);
    mw_node(&g, "g:y:1", "InplaceAddExt", "g:w,g:w,alpha", NULL);
    model = finish(&g, "g:y:1");
    refuse(&model, MS_UNIMPLEMENTED, "node 1 'y:1' (InplaceAddExt): changes a weight");

    g = graph();
    mw_parameter(&g, "g:w", DIMS(3), w);
    mw_node(&g, "g:y:1", "Assign", "g:w,g:w", NULL);
    model = finish(&g, "g:y:1");
    refuse(&model, MS_UNIMPLEMENTED, "writes to a parameter");
}
END_TEST

/* ---- shapes as numbers ---- */

START_TEST(test_dynamic_reshape)
{
    struct ms_buf g = mw_graph("g");

    mw_input(&g, "g:x", MW_F32, DIMS(-1, 4, -1));
    mw_const_int(&g, "0", 0);
    mw_const_int(&g, "1", 1);
    mw_const_int(&g, "2", 2);
    mw_const_int(&g, "minus", -1);
    mw_node(&g, "g:s:1", "Shape", "g:x", NULL);
    mw_node(&g, "g:n:2", "TupleGetItem", "g:s:1,0", NULL);
    mw_node(&g, "g:c:3", "TupleGetItem", "g:s:1,1", NULL);
    mw_node(&g, "g:h:4", "ScalarFloorDiv", "g:c:3,2", NULL); /* known: 2 */
    mw_node(&g, "g:d:5", "ScalarMul", "g:n:2,2", NULL);
    mw_node(&g, "g:t:6", "MakeTuple", "g:d:5,g:h:4,minus", NULL);
    mw_node(&g, "g:y:7", "Reshape", "g:x,g:t:6", NULL);
    struct ms_buf model = finish(&g, "g:y:7");
    struct loaded r = accept(&model);

    ck_assert_int_eq(r.g->out[0]->shape.rank, 3);
    ck_assert_int_eq(r.g->out[0]->shape.dim[1], 2);
    ck_assert(ms_is_sym(r.g->out[0]->shape.dim[0]));
    loaded_done(&r);
}
END_TEST

/* ---- control flow ---- */

/* cond = x < 0-d; Switch(cond, yes, no) called with x, as 2.0 writes it. */
static struct ms_buf with_switch(const char *switch_inputs)
{
    struct ms_buf g = graph();

    mw_const_f32(&g, "zero", 0);
    mw_node(&g, "g:m:1", "ReduceMax", "g:x", NULL);
    mw_node(&g, "g:c:2", "Less", "g:m:1,zero", NULL);
    mw_node(&g, "g:k:3", "Exp", "g:x", NULL);
    mw_node(&g, "g:f:4", "Switch", switch_inputs, NULL);
    mw_node(&g, "g:y:5", "REF::g:f:4", "g:x", NULL);
    return finish(&g, "g:y:5");
}

static struct ms_buf branch(const char *name, const char *op, const char *in)
{
    struct ms_buf b = mw_graph(name);
    char v[64];

    snprintf(v, sizeof v, "%s:v", name);
    mw_input(&b, v, MW_F32, DIMS(2, 3));
    snprintf(v, sizeof v, "%s:r:1", name);
    mw_node(&b, v, op, in, NULL);
    mw_output(&b, v);
    return b;
}

START_TEST(test_if_with_free_variables)
{
    struct ms_buf model = with_switch("g:c:2,yes,no");
    struct ms_buf yes = branch("yes", "Neg", "yes:v"), no = branch("no", "Add", "no:v,g:k:3");

    mw_function(&model, &yes);
    mw_function(&model, &no);
    struct loaded r = accept(&model);
    const struct ms_node *n = r.g->last;

    ck_assert(ms_node_is(n, "If"));
    ck_assert_str_eq(n->name, "y:5");
    ck_assert_int_eq(n->n_in, 3); /* condition, x, and k that only one branch reads */
    ck_assert_int_eq(ms_attr_int(n, "captures"), 2);
    ck_assert_int_eq(ms_attr_graph(n, "then_branch")->n_in, 2);
    ck_assert_int_eq(ms_attr_graph(n, "else_branch")->n_in, 2);
    ck_assert_int_eq(r.g->out[0]->shape.dim[1], 3);
    loaded_done(&r);
}
END_TEST

START_TEST(test_switch_refusals)
{
    struct ms_buf model = with_switch("g:c:2,yes");
    struct ms_buf yes = branch("yes", "Neg", "yes:v"), no;

    mw_function(&model, &yes);
    refuse(&model, MS_INVALID_ARGUMENT, "node 4 'f:4' (Switch): 2 operands, but it needs 3");
    model = with_switch("g:c:2,yes,g:x");
    yes = branch("yes", "Neg", "yes:v");
    mw_function(&model, &yes);
    refuse(&model, MS_UNIMPLEMENTED, "that are no functions");
    model = with_switch("g:c:2,yes,no");
    yes = branch("yes", "Neg", "yes:v");
    no = branch("no", "MakeTuple", "no:v,no:v");
    mw_function(&model, &yes);
    mw_function(&model, &no);
    refuse(&model, MS_UNIMPLEMENTED, "different structure");
    /* a value of one branch, read in the other */
    model = with_switch("g:c:2,yes,no");
    yes = branch("yes", "Neg", "yes:v");
    no = branch("no", "Add", "no:v,yes:r:1");
    mw_function(&model, &yes);
    mw_function(&model, &no);
    refuse(&model, MS_INVALID_ARGUMENT, "not around it");
}
END_TEST

/* header(i, x, n): if i < n then body(i, x, n) else x; body calls header(i + 1, x + x, n). */
static struct ms_buf while_model(const char *again)
{
    struct ms_buf g = graph(), h = mw_graph("h"), b = mw_graph("b"), a = mw_graph("a");

    mw_input(&g, "g:n", MW_F32, 0, NULL);
    mw_const_f32(&g, "start", 0);
    mw_node(&g, "g:y:1", "REF::h", "start,g:x,g:n", NULL);
    mw_input(&h, "h:i", MW_F32, 0, NULL);
    mw_input(&h, "h:x", MW_F32, DIMS(2, 3));
    mw_input(&h, "h:n", MW_F32, 0, NULL);
    mw_node(&h, "h:c:1", "Less", "h:i,h:n", NULL);
    mw_node(&h, "h:p:2", "Partial", "b,h:i,h:x,h:n", NULL);
    mw_node(&h, "h:q:3", "Partial", "a,h:x", NULL);
    mw_node(&h, "h:s:4", "Switch", "h:c:1,h:p:2,h:q:3", NULL);
    mw_node(&h, "h:r:5", "REF::h:s:4", "", NULL);
    mw_output(&h, "h:r:5");
    mw_input(&b, "b:i", MW_F32, 0, NULL);
    mw_input(&b, "b:x", MW_F32, DIMS(2, 3));
    mw_input(&b, "b:n", MW_F32, 0, NULL);
    mw_const_f32(&b, "step", 1);
    mw_node(&b, "b:j:1", "Add", "b:i,step", NULL);
    mw_node(&b, "b:z:2", "Add", "b:x,b:x", NULL);
    mw_node(&b, "b:r:3", "REF::h", again, NULL);
    mw_output(&b, "b:r:3");
    mw_input(&a, "a:x", MW_F32, DIMS(2, 3));
    mw_node(&a, "a:y:1", "Neg", "a:x", NULL);
    mw_output(&a, "a:y:1");
    struct ms_buf model = finish(&g, "g:y:1");
    mw_function(&model, &h);
    mw_function(&model, &b);
    mw_function(&model, &a);
    return model;
}

START_TEST(test_loop)
{
    struct ms_buf model = while_model("b:j:1,b:z:2,b:n");
    struct loaded r = accept(&model);
    const struct ms_node *loop = NULL;

    ms_graph_each (r.g, n)
        if (ms_node_is(n, "Loop"))
            loop = n;
    ck_assert_ptr_nonnull(loop);
    ck_assert_int_eq(loop->n_out, 2);                   /* i and x vary */
    ck_assert_int_eq(ms_attr_int(loop, "captures"), 1); /* n does not */
    ck_assert_int_eq(loop->n_in, 5);
    ck_assert(ms_node_is(r.g->last, "Neg")); /* what comes after it */
    loaded_done(&r);
}
END_TEST

START_TEST(test_recursion_refusals)
{
    struct ms_buf model = while_model("b:i,b:x,b:n"), g, f;

    refuse(&model, MS_INVALID_ARGUMENT, "a loop that changes nothing");
    model = while_model("b:j:1,b:z:2");
    refuse(&model, MS_INVALID_ARGUMENT, "another structure");

    g = graph(); /* f calls itself without a condition */
    mw_node(&g, "g:y:1", "REF::f", "g:x", NULL);
    f = branch("f", "REF::f", "f:v");
    model = finish(&g, "g:y:1");
    mw_function(&model, &f);
    refuse(&model, MS_UNIMPLEMENTED, "calls itself");

    g = graph(); /* the main graph calls itself */
    mw_node(&g, "g:y:1", "REF::g", "g:x", NULL);
    model = finish(&g, "g:y:1");
    refuse(&model, MS_UNIMPLEMENTED, "calls itself");
}
END_TEST

/* A function that uses the result of its recursion. */
START_TEST(test_recursion_that_is_no_loop)
{
    struct ms_buf model = with_switch("g:c:2,yes,no"), yes = mw_graph("yes"), no;

    mw_input(&yes, "yes:v", MW_F32, DIMS(2, 3));
    mw_const_f32(&yes, "limit", 9);
    mw_node(&yes, "yes:m:1", "ReduceMax", "yes:v", NULL);
    mw_node(&yes, "yes:c:2", "Less", "yes:m:1,limit", NULL);
    mw_node(&yes, "yes:f:3", "Switch", "yes:c:2,deep,no", NULL);
    mw_node(&yes, "yes:r:4", "REF::yes:f:3", "yes:v", NULL);
    mw_output(&yes, "yes:r:4");
    no = branch("no", "Neg", "no:v");
    struct ms_buf deep = mw_graph("deep");
    mw_input(&deep, "deep:v", MW_F32, DIMS(2, 3));
    mw_node(&deep, "deep:r:1", "REF::yes", "deep:v", NULL);
    mw_node(&deep, "deep:s:2", "Neg", "deep:r:1", NULL);
    mw_output(&deep, "deep:s:2");
    mw_function(&model, &yes);
    mw_function(&model, &no);
    mw_function(&model, &deep);
    refuse(&model, MS_UNIMPLEMENTED, "no while loop");
}
END_TEST

/* g0 calls g1 twice, g1 calls g2 twice ...: 2^levels walks. */
START_TEST(test_doubling_calls)
{
    struct ms_buf g = graph(), model;
    char name[32], next[32], in[64], a[32], b[32];

    mw_node(&g, "g:y:1", "REF::f0", "g:x", NULL);
    model = finish(&g, "g:y:1");
    for (int i = 0; i < 30; i++) {
        struct ms_buf f;

        snprintf(name, sizeof name, "f%d", i);
        snprintf(next, sizeof next, i < 29 ? "REF::f%d" : "Neg", i + 1);
        f = mw_graph(name);
        snprintf(in, sizeof in, "f%d:v", i);
        snprintf(a, sizeof a, "f%d:a:1", i);
        snprintf(b, sizeof b, "f%d:b:2", i);
        mw_input(&f, in, MW_F32, DIMS(2, 3));
        mw_node(&f, a, next, in, NULL);
        mw_node(&f, b, next, a, NULL);
        mw_output(&f, b);
        mw_function(&model, &f);
    }
    refuse(&model, MS_RESOURCE_EXHAUSTED, "when their calls are inlined");
}
END_TEST

START_TEST(test_deep_calls)
{
    struct ms_buf g = graph(), model;
    char name[32], next[32], in[64], a[32];

    mw_node(&g, "g:y:1", "REF::f0", "g:x", NULL);
    model = finish(&g, "g:y:1");
    for (int i = 0; i < 40; i++) {
        struct ms_buf f;

        snprintf(name, sizeof name, "f%d", i);
        snprintf(next, sizeof next, i < 39 ? "REF::f%d" : "Neg", i + 1);
        f = mw_graph(name);
        snprintf(in, sizeof in, "f%d:v", i);
        snprintf(a, sizeof a, "f%d:a:1", i);
        mw_input(&f, in, MW_F32, DIMS(2, 3));
        mw_node(&f, a, next, in, NULL);
        mw_output(&f, a);
        mw_function(&model, &f);
    }
    refuse(&model, MS_INVALID_ARGUMENT, "more than 32 deep");
}
END_TEST

/* t1 = (x, x), t2 = (t1, t1) ...: shared, but 2^n values when flattened; and (((x))). */
START_TEST(test_tuple_bombs)
{
    struct ms_buf g = graph(), model;
    char name[32], in[64], last[32] = "g:x";

    for (int i = 0; i < 40; i++) {
        snprintf(name, sizeof name, "g:t:%d", i);
        snprintf(in, sizeof in, "%s,%s", last, last);
        mw_node(&g, name, "MakeTuple", in, NULL);
        memcpy(last, name, sizeof last);
    }
    model = finish(&g, last);
    refuse(&model, MS_RESOURCE_EXHAUSTED, "more than 4096 outputs");

    g = graph();
    memcpy(last, "g:x", 4);
    for (int i = 0; i < 200; i++) {
        snprintf(name, sizeof name, "g:t:%d", i);
        mw_node(&g, name, "MakeTuple", last, NULL);
        memcpy(last, name, sizeof last);
    }
    model = finish(&g, last);
    refuse(&model, MS_INVALID_ARGUMENT, "more than 64 tuples inside each other");
}
END_TEST

/* ---- split models ---- */

struct beside {
    uint8_t bytes[64 + 64];
    size_t len;
};

static ms_code open_beside(void *arg, const char *location, struct ms_bytes *out,
                           struct ms_err *err)
{
    struct beside *b = arg;

    if (strcmp(location, "net_variables/data_0") != 0)
        return ms_fail(err, MS_NOT_FOUND, "no file '%s'", location);
    *out = ms_bytes(b->bytes, b->len);
    return MS_OK;
}

static struct ms_buf split_model(const char *location, int64_t offset, int64_t length)
{
    struct ms_buf g = graph(), t = pb_new(), e = pb_new();

    pb_str(&e, 1, location);
    pb_int(&e, 2, offset);
    pb_int(&e, 3, length);
    pb_int(&t, 1, 3);
    pb_int(&t, 2, MW_F32);
    pb_str(&t, 7, "g:w");
    pb_msg(&t, 12, &e);
    pb_msg(&g, 3, &t);
    mw_node(&g, "g:y:1", "Add", "g:x,g:w", NULL);
    return finish(&g, "g:y:1");
}

static struct loaded load_split(struct beside *b, const char *location, int64_t offset,
                                int64_t length)
{
    struct ms_source src = {.open = open_beside, .arg = b};
    struct ms_buf model = split_model(location, offset, length);
    struct loaded r = load_model(&model, &src, true);

    ms_buf_done(&model);
    return r;
}

START_TEST(test_split)
{
    static const struct {
        const char *location;
        int64_t offset, length;
        const char *text;
    } bad[] = {
        {"net_variables/data_0", 64, 16, "16 bytes of data for a constant that needs 12"},
        {"net_variables/data_0", 120, 12, "12 bytes at 120 are beyond the end"},
        {"net_variables/data_0", -1, 12, "beyond the end"},
        {"net_variables/data_0", 64, -12, "beyond the end"},
        {"net_variables/data_0", INT64_MAX, 12, "beyond the end"},
        {"../secret", 64, 12, "no file '../secret'"},
    };
    struct beside b = {.bytes = {1}, .len = 128};
    const float third = 7.0f;

    memcpy(b.bytes + 64 + 8, &third, sizeof third);
    struct loaded r = load_split(&b, "net_variables/data_0", 64, 12);

    ck_assert_msg(r.code == MS_OK, "%s", r.err.text);
    ck_assert_float_eq(((const float *)ms_in_const(r.g->first, 1)->data)[2], 7.0f);
    loaded_done(&r);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        r = load_split(&b, bad[i].location, bad[i].offset, bad[i].length);
        ck_assert_msg(r.code != MS_OK && strstr(r.err.text, bad[i].text), "%s", r.err.text);
        ck_assert_msg(strstr(r.err.text, "parameter 'w'"), "%s", r.err.text);
        loaded_done(&r);
    }
    b.bytes[0] = 0; /* written by a big-endian machine */
    r = load_split(&b, "net_variables/data_0", 64, 12);
    ck_assert(r.code == MS_INVALID_ARGUMENT);
    loaded_done(&r);
    struct ms_buf model = split_model("net_variables/data_0", 64, 12);
    refuse(&model, MS_FAILED_PRECONDITION, "which was not given");
}
END_TEST

/* ---- refusals ---- */

START_TEST(test_header)
{
    static const uint8_t encrypted[] = {0xD8, 0x5E, 0x3A, 0x7F, 16, 0, 0, 0};
    struct ms_buf g = graph(), m = pb_new();

    ms_buf_add(&m, encrypted, sizeof encrypted);
    refuse(&m, MS_UNIMPLEMENTED, "encrypted (AES-GCM)");

    mw_output(&g, "g:x");
    m = mw_model(4, &g);
    refuse(&m, MS_UNIMPLEMENTED, "mind_ir_version 4");

    g = graph();
    m = finish(&g, "g:x");
    pb_int(&m, 10, 0);
    refuse(&m, MS_UNIMPLEMENTED, "big-endian");

    m = pb_new();
    pb_str(&m, 1, "1.1");
    pb_str(&m, 2, "MindSpore");
    pb_str(&m, 5, "2.10.0");
    refuse(&m, MS_INVALID_ARGUMENT, "no graph");

    g = graph();
    mw_input(&g, "g:y_append", MW_I32, DIMS(1));
    m = finish(&g, "g:x");
    refuse(&m, MS_UNIMPLEMENTED, "obfuscated");

    m = pb_new();
    pb_str(&m, 1, "1.1");
    pb_str(&m, 2, "SomebodyElse");
    ck_assert_ptr_null(ms_format_sniff(ms_bytes(m.data, m.len)));
    ms_buf_done(&m);
}
END_TEST

START_TEST(test_structure)
{
    struct ms_buf g = graph(), m;

    mw_node(&g, "c", "Constant", "", NULL);
    m = finish(&g, "c");
    refuse(&m, MS_INVALID_ARGUMENT, "constant 'c' has 0 values, not one");

    g = graph();
    mw_node(&g, "", "ReLU", "g:x", NULL);
    m = finish(&g, "g:x");
    refuse(&m, MS_INVALID_ARGUMENT, "node 0 of graph 'g' has 0 outputs");

    g = graph();
    mw_node(&g, "g:a,g:b", "ReLU", "g:x", NULL);
    m = finish(&g, "g:x");
    refuse(&m, MS_INVALID_ARGUMENT, "node 0 of graph 'g' has 2 outputs");

    g = graph();
    mw_node(&g, "g:x", "ReLU", "g:x", NULL);
    m = finish(&g, "g:x");
    refuse(&m, MS_INVALID_ARGUMENT, "the name 'g:x' is used twice");

    g = graph(); /* two nodes that read each other */
    mw_node(&g, "g:a:1", "ReLU", "g:b:2", NULL);
    mw_node(&g, "g:b:2", "ReLU", "g:a:1", NULL);
    m = finish(&g, "g:b:2");
    refuse(&m, MS_INVALID_ARGUMENT, "node 0 'a:1' (ReLU): reads 'g:b:2' before it is computed");

    g = graph();
    mw_node(&g, "g:a:1", "ReLU", "g:nowhere", NULL);
    m = finish(&g, "g:a:1");
    refuse(&m, MS_INVALID_ARGUMENT, "node 0 'a:1' (ReLU): reads 'g:nowhere', which is nowhere");

    g = graph();
    m = mw_model(3, &g);
    refuse(&m, MS_INVALID_ARGUMENT, "graph 'g' has no output");

    g = graph();
    mw_node(&g, "g:a:1", "REF::f", "g:x,g:x", NULL);
    m = finish(&g, "g:a:1");
    struct ms_buf f = branch("f", "Neg", "f:v");
    mw_function(&m, &f);
    refuse(&m, MS_INVALID_ARGUMENT, "graph 'f' has 1 inputs but is called with 2");

    g = graph();
    mw_node(&g, "g:a:1", "REF::g:x", "g:x", NULL);
    m = finish(&g, "g:a:1");
    refuse(&m, MS_INVALID_ARGUMENT, "node 0 'a:1' (call): calls something that is no function");
}
END_TEST

START_TEST(test_values)
{
    static const float two[] = {1, 2};
    static const int64_t dims[] = {-1, 3}, huge[] = {INT64_MAX, 2}, axis[] = {0};
    struct ms_buf g = graph(), a, m;

    mw_tensor(&g, 3, "g:w", MW_F32, DIMS(3), two, sizeof two);
    m = finish(&g, "g:x");
    refuse(&m, MS_INVALID_ARGUMENT, "parameter 'w': 8 bytes of data for a constant that needs 12");

    g = graph();
    mw_tensor(&g, 3, "g:w", MW_F32, 2, dims, two, sizeof two);
    m = finish(&g, "g:x");
    refuse(&m, MS_INVALID_ARGUMENT, "parameter 'w': dim 0 of a constant is -1");

    g = graph();
    mw_tensor(&g, 3, "g:w", MW_F32, 2, huge, two, sizeof two);
    m = finish(&g, "g:x");
    refuse(&m, MS_INVALID_ARGUMENT, "too large");

    g = graph();
    mw_tensor(&g, 3, "g:w", MW_STRING, 1, axis, "", 0);
    m = finish(&g, "g:x");
    refuse(&m, MS_UNIMPLEMENTED, "data type 8");

    g = graph();
    a = pb_new();
    mw_old(&a, "value", "scalar:Tuple[value1,value9,],", MW_I64, 1, axis);
    mw_constant(&g, "c", &a);
    m = finish(&g, "g:x");
    refuse(&m, MS_INVALID_ARGUMENT, "constant 'c': value 9 of 1 is asked for");

    g = graph();
    a = pb_new();
    mw_old(&a, "value", "scalar:Sequence[value1,],", MW_I64, 1, axis);
    mw_constant(&g, "c", &a);
    m = finish(&g, "g:x");
    refuse(&m, MS_INVALID_ARGUMENT, "cannot be read");

    g = graph();
    a = pb_new();
    mw_type(&a, "value", 22);
    mw_constant(&g, "c", &a);
    m = finish(&g, "g:x");
    refuse(&m, MS_UNIMPLEMENTED, "attribute type 22");
}
END_TEST

START_TEST(test_arguments)
{
    struct ms_buf g = graph(), m, shape = pb_new();

    mw_const_int(&g, "seven", 7);
    mw_node(&g, "g:t:1", "MakeTuple", "g:x,g:x", NULL);
    mw_node(&g, "g:y:2", "TupleGetItem", "g:t:1,seven", NULL);
    m = finish(&g, "g:y:2");
    refuse(&m, MS_INVALID_ARGUMENT, "node 2 'y:2' (TupleGetItem): element 7 of a tuple of 2");

    g = graph();
    mw_node(&g, "g:t:1", "MakeTuple", "g:x,g:x", NULL);
    mw_node(&g, "g:y:2", "TupleGetItem", "g:t:1,g:x", NULL);
    m = finish(&g, "g:y:2");
    refuse(&m, MS_INVALID_ARGUMENT, "argument 1 is a tensor, not a known integer");

    g = graph();
    mw_node(&g, "g:y:1", "Add", "g:x", NULL);
    m = finish(&g, "g:y:1");
    refuse(&m, MS_INVALID_ARGUMENT, "node 0 'y:1' (Add): argument 1 (y) is missing");

    g = graph();
    mw_node(&g, "g:y:1", "ReLU", "g:x,g:x", NULL);
    m = finish(&g, "g:y:1");
    refuse(&m, MS_INVALID_ARGUMENT, "node 0 'y:1' (ReLU): 2 arguments, but at most 1");

    g = graph();
    mw_shape(&shape, MW_F32, DIMS(2, 4));
    mw_node(&g, "g:y:1", "ReLU", "g:x", &shape);
    m = finish(&g, "g:y:1");
    refuse(&m, MS_INVALID_ARGUMENT,
           "node 0 'y:1' (ReLU): the file records its result as f32[2,4], but it is f32[2,3]");

    g = graph();
    mw_node(&g, "g:y:1", "Frobnicate", "g:x", NULL);
    mw_node(&g, "g:z:2", "Defenestrate", "g:y:1", NULL);
    m = finish(&g, "g:z:2");
    refuse(&m, MS_UNIMPLEMENTED,
           "2 nodes use operators that are not supported: node 0 'g:y:1' (Frobnicate), "
           "node 1 'g:z:2' (Defenestrate)");
}
END_TEST

/* ---- hostile bytes and no memory ---- */

/* Every byte changed, and every cut: an answer, never a crash. */
START_TEST(test_mutations)
{
    struct ms_buf models[] = {dialect_c(), while_model("b:j:1,b:z:2,b:n"),
                              split_model("net_variables/data_0", 64, 12)};

    for (size_t k = 0; k < sizeof models / sizeof *models; k++) {
        struct ms_buf *m = &models[k];

        for (size_t i = 0; i < m->len; i++)
            for (int bit = 0; bit < 8; bit++) {
                m->data[i] = (char)(m->data[i] ^ 1 << bit);
                if (ms_format_sniff(ms_bytes(m->data, m->len))) {
                    struct loaded r = load_model(m, NULL, true);
                    loaded_done(&r);
                }
                m->data[i] = (char)(m->data[i] ^ 1 << bit);
            }
        for (size_t len = m->len; len > 16; len--) {
            struct ms_buf cut = *m;

            cut.len = len;
            struct loaded r = load_model(&cut, NULL, true);
            loaded_done(&r);
        }
        ms_buf_done(m);
    }
}
END_TEST

/* The n-th allocation fails, for every n. */
START_TEST(test_no_memory)
{
    struct ms_buf m = while_model("b:j:1,b:z:2,b:n");

    for (uint64_t n = 1; n < 10000; n++) {
        ms_mem_fail_after(n, true);
        struct loaded r = load_model(&m, NULL, true);
        ms_mem_fail_after(0, false);
        const bool ok = r.code == MS_OK;

        if (!ok)
            ck_assert_msg(r.code == MS_RESOURCE_EXHAUSTED, "%s", r.err.text);
        loaded_done(&r);
        if (ok)
            break;
    }
    ms_buf_done(&m);
}
END_TEST

Suite *suite_mindir(void)
{
    Suite *s = suite_create("mindir");
    TCase *t = tcase_create("graphs");
    TCase *bad = tcase_create("refusals");

    tcase_add_test(t, test_dialect_a);
    tcase_add_test(t, test_dialect_b);
    tcase_add_test(t, test_dialect_c);
    tcase_add_test(t, test_tuples);
    tcase_add_test(t, test_effects_leave_nothing);
    tcase_add_test(t, test_in_place);
    tcase_add_test(t, test_dynamic_reshape);
    tcase_add_test(t, test_if_with_free_variables);
    tcase_add_test(t, test_loop);
    tcase_add_test(t, test_split);
    suite_add_tcase(s, t);
    tcase_set_timeout(bad, 120);
    tcase_add_test(bad, test_in_place_refusals);
    tcase_add_test(bad, test_switch_refusals);
    tcase_add_test(bad, test_recursion_refusals);
    tcase_add_test(bad, test_recursion_that_is_no_loop);
    tcase_add_test(bad, test_doubling_calls);
    tcase_add_test(bad, test_deep_calls);
    tcase_add_test(bad, test_tuple_bombs);
    tcase_add_test(bad, test_header);
    tcase_add_test(bad, test_structure);
    tcase_add_test(bad, test_values);
    tcase_add_test(bad, test_arguments);
    tcase_add_test(bad, test_mutations);
    tcase_add_test(bad, test_no_memory);
    suite_add_tcase(s, bad);
    return s;
}
