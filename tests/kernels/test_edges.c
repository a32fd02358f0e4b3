/* SPDX-License-Identifier: Apache-2.0 */
/* test_edges.c - cases at the edge of what operators are defined for, with results worked out by
 * hand: division by zero and wrapping for integers, the comments of each operator for the rest. */
#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "kernels/blocked.h"
#include "kernels/gemm/gemm.h"
#include "tests/kernels/harness.h"

/* One call: tensors of numbers in, the numbers of output 0 out. */
struct call {
    struct kt_case c;
    struct ms_tensor *out[KT_MAX];
    struct ms_err err;
};

static void begin(struct call *x, const char *op)
{
    memset(x, 0, sizeof *x);
    kt_begin(&x->c, op, 1, 1);
}

static void in(struct call *x, enum ms_dtype t, const double *v, int64_t n)
{
    const struct ms_shape s = ms_shape_make(n);
    struct ms_tensor *a = ms_tensor_new(t, &s);

    ck_assert_ptr_nonnull(a);
    for (int64_t i = 0; i < n; i++)
        kt_set(a, (size_t)i, v[i]);
    kt_in(&x->c, a, KT_CONST);
}
#define IN(x_, t_, ...)                                                                            \
    in((x_), (t_), (const double[]){__VA_ARGS__}, sizeof((const double[]){__VA_ARGS__}) / 8)

/* Runs every kernel that takes the case; each must give these numbers. */
static void expect(struct call *x, const double *want, int n)
{
    const struct ms_kernel *list[16];

    ck_assert_msg(kt_infer(&x->c, &x->err) == MS_OK, "%s", x->err.text);
    const int k = kt_kernels(&x->c, list, 16);
    ck_assert_int_gt(k, 0);
    for (int i = 0; i < k; i++) {
        ck_assert_msg(kt_run(&x->c, list[i], 0, x->out, &x->err), "%s", x->err.text);
        ck_assert_uint_eq(ms_tensor_count(x->out[0]), (size_t)n);
        for (int e = 0; e < n; e++) {
            const double v = ms_tensor_f64(x->out[0], (size_t)e);

            ck_assert_msg(v == want[e] || (isnan(v) && isnan(want[e])),
                          "%s: element %d is %g, not %g", list[i]->name, e, v, want[e]);
        }
        kt_drop(x->out, 1);
    }
    kt_end(&x->c);
}
#define EXPECT(x_, ...)                                                                            \
    expect((x_), (const double[]){__VA_ARGS__}, sizeof((const double[]){__VA_ARGS__}) / 8)

/* Fails while running, or already when shapes are inferred, with these words. */
static void expect_refused(struct call *x, const char *words)
{
    const struct ms_kernel *list[16];

    if (kt_infer(&x->c, &x->err) == MS_OK) {
        ck_assert_int_gt(kt_kernels(&x->c, list, 16), 0);
        ck_assert(!kt_run(&x->c, list[0], 0, x->out, &x->err));
    }
    ck_assert_msg(strstr(x->err.text, words) != NULL, "'%s' lacks '%s'", x->err.text, words);
    kt_end(&x->c);
}

START_TEST(integer_division)
{
    struct call x;

    begin(&x, "Div");
    IN(&x, MS_I32, -7, 7, -7, INT32_MIN);
    IN(&x, MS_I32, 2, -2, -2, -1);
    EXPECT(&x, -3, -3, 3, INT32_MIN);
    begin(&x, "FloorDiv");
    IN(&x, MS_I32, -7, 7, -7, INT32_MIN);
    IN(&x, MS_I32, 2, -2, -2, -1);
    EXPECT(&x, -4, -4, 3, INT32_MIN);
    begin(&x, "Mod");
    IN(&x, MS_I8, -7, 7, -128, 5);
    IN(&x, MS_I8, 3, -3, -1, 5);
    EXPECT(&x, 2, -2, 0, 0);
    begin(&x, "Div");
    IN(&x, MS_I64, 1, 2);
    IN(&x, MS_I64, 1, 0);
    expect_refused(&x, "division by zero");
    begin(&x, "Mod");
    IN(&x, MS_U8, 1);
    IN(&x, MS_U8, 0);
    expect_refused(&x, "division by zero");
}
END_TEST

START_TEST(shifts)
{
    struct call x;

    begin(&x, "BitShift");
    IN(&x, MS_U8, 1, 255, 255);
    IN(&x, MS_U8, 7, 8, 200);
    ms_attr_set_str(x.c.node, "direction", "LEFT");
    EXPECT(&x, 128, 0, 0);
    begin(&x, "BitShift");
    IN(&x, MS_U32, 4294967295.0, 8);
    IN(&x, MS_U32, 32, 3);
    ms_attr_set_str(x.c.node, "direction", "RIGHT");
    EXPECT(&x, 0, 1);
}
END_TEST

START_TEST(nan_wins_max_and_min)
{
    struct call x;

    begin(&x, "Max");
    IN(&x, MS_F32, NAN, 1, 2, -INFINITY);
    IN(&x, MS_F32, 1, NAN, 3, INFINITY);
    EXPECT(&x, NAN, NAN, 3, INFINITY);
    begin(&x, "Min");
    IN(&x, MS_F16, NAN, 1, 2, -INFINITY);
    IN(&x, MS_F16, 1, NAN, 3, INFINITY);
    EXPECT(&x, NAN, NAN, 2, -INFINITY);
    begin(&x, "ReduceMax");
    IN(&x, MS_F32, 1, NAN, 3);
    EXPECT(&x, NAN);
    begin(&x, "ArgMax");
    IN(&x, MS_F32, 1, NAN, 3, NAN);
    EXPECT(&x, 1);
}
END_TEST

START_TEST(casts_saturate)
{
    struct call x;

    begin(&x, "Cast");
    IN(&x, MS_F32, NAN, 1e9, -1e9, -0.9, 127.9, -128.9);
    ms_attr_set_str(x.c.node, "to", "i8");
    EXPECT(&x, 0, 127, -128, 0, 127, -128);
    begin(&x, "Cast");
    IN(&x, MS_F64, -1, INFINITY, 255.5, -INFINITY);
    ms_attr_set_str(x.c.node, "to", "u8");
    EXPECT(&x, 0, 255, 255, 0);
    begin(&x, "Cast");
    IN(&x, MS_I32, 300, -1, 128);
    ms_attr_set_str(x.c.node, "to", "u8");
    EXPECT(&x, 44, 255, 128);
    begin(&x, "Cast");
    IN(&x, MS_F32, 0, -0.0, NAN, 0.1);
    ms_attr_set_str(x.c.node, "to", "bool");
    EXPECT(&x, 0, 0, 1, 1);
}
END_TEST

START_TEST(powers)
{
    struct call x;

    begin(&x, "Pow");
    IN(&x, MS_F32, -0.0, -INFINITY, 4, -4);
    IN(&x, MS_F32, 0.5);
    EXPECT(&x, 0, INFINITY, 2, NAN);
    begin(&x, "Pow");
    IN(&x, MS_I32, 2, -1, 3, 0);
    IN(&x, MS_I64, 31, -3, -1, -1);
    EXPECT(&x, INT32_MIN, -1, 0, 0);
}
END_TEST

START_TEST(pads)
{
    struct call x;

    begin(&x, "Pad");
    IN(&x, MS_I32, 1, 2, 3);
    IN(&x, MS_I64, 2, 4);
    ms_attr_set_str(x.c.node, "mode", "symmetric");
    EXPECT(&x, 2, 1, 1, 2, 3, 3, 2, 1, 1);
    begin(&x, "Pad");
    IN(&x, MS_I32, 1, 2, 3);
    IN(&x, MS_I64, 3, 1);
    ms_attr_set_str(x.c.node, "mode", "reflect");
    EXPECT(&x, 2, 3, 2, 1, 2, 3, 2);
    begin(&x, "Pad");
    IN(&x, MS_I32, 1, 2, 3);
    IN(&x, MS_I64, -1, 2);
    EXPECT(&x, 2, 3, 0, 0);
    begin(&x, "Pad");
    IN(&x, MS_I32, 1, 2, 3);
    IN(&x, MS_I64, -2, -2);
    expect_refused(&x, "loses more");
}
END_TEST

START_TEST(ties_and_order)
{
    struct call x;

    begin(&x, "TopK");
    IN(&x, MS_F32, 1, 3, -0.0, 3, 0, NAN);
    IN(&x, MS_I64, 5);
    EXPECT(&x, NAN, 3, 3, 1, 0);
    begin(&x, "ArgMin");
    IN(&x, MS_I64, 4, 1, 1, 2);
    ms_attr_set_int(x.c.node, "select_last_index", 1);
    EXPECT(&x, 2);
}
END_TEST

START_TEST(data_is_bounds_checked)
{
    struct call x;

    begin(&x, "Gather");
    IN(&x, MS_F32, 1, 2, 3);
    IN(&x, MS_I64, 0, -3, 3);
    expect_refused(&x, "index 3");
    begin(&x, "GatherElements");
    IN(&x, MS_F32, 1, 2, 3);
    IN(&x, MS_I32, -4);
    expect_refused(&x, "index -4");
    begin(&x, "ScatterElements");
    IN(&x, MS_F32, 1, 2, 3);
    IN(&x, MS_I64, 7);
    IN(&x, MS_F32, 1);
    expect_refused(&x, "index 7");
    begin(&x, "Slice");
    IN(&x, MS_F32, 1, 2, 3);
    IN(&x, MS_I64, 0);
    IN(&x, MS_I64, 3);
    IN(&x, MS_I64, 0);
    IN(&x, MS_I64, 0);
    expect_refused(&x, "step 0 is 0");
    begin(&x, "Reshape");
    IN(&x, MS_F32, 1, 2, 3);
    IN(&x, MS_I64, 2, -1);
    expect_refused(&x, "cannot become");
    begin(&x, "Range");
    IN(&x, MS_I64, 0);
    IN(&x, MS_I64, 1e18);
    IN(&x, MS_I64, 1);
    expect_refused(&x, "elements");
    begin(&x, "ConstantOfShape");
    IN(&x, MS_I64, 2, -2);
    expect_refused(&x, "dim 1 is -2");
}
END_TEST

START_TEST(slices_at_the_ends)
{
    struct call x;

    begin(&x, "Slice");
    IN(&x, MS_I32, 0, 1, 2, 3, 4);
    IN(&x, MS_I64, 10);
    IN(&x, MS_I64, -9e18);
    IN(&x, MS_I64, 0);
    IN(&x, MS_I64, -2);
    EXPECT(&x, 4, 2, 0);
    begin(&x, "ReduceSum");
    IN(&x, MS_F32, 1e8, 1, -1e8);
    EXPECT(&x, 1);
}
END_TEST

/* x in another layout by the operator's own kernel, the output filled with NaN before. */
static struct ms_tensor *reorder(struct ms_tensor *x, enum ms_layout l)
{
    const struct ms_kernel *k = ms_op_find("Reorder")->kernels;
    struct ms_tensor *y = ms_tensor_new_as(MS_F32, l, &x->shape);
    atomic_bool stop = false;
    struct ms_ctl ctl = {.stop = &stop};
    struct kt_case c;

    kt_begin(&c, "Reorder", 1, 1);
    struct ms_task t = {.node = c.node, .in = &x, .out = &y, .n_in = 1, .n_out = 1, .ctl = &ctl};
    memset(y->data, 0xff, y->bytes);
    t.last = ms_kernel_units(k, &t);
    k->run(&t);
    kt_end(&c);
    return y;
}

/* To blocks and back, at all remainders of channels and pixels; the padding is zero. */
START_TEST(reorders)
{
    static const struct {
        enum ms_layout layout;
        enum ms_isa isa;
    } widths[] = {{MS_NCHW8C, MS_ISA_AVX2}, {MS_NCHW16C, MS_ISA_AVX512}};
    struct kt_case c;

    kt_begin(&c, "Reorder", 1, 7);
    for (int64_t i = 0; i < 2 * 40; i++) {
        const struct ms_shape s = ms_shape_make(2, 1 + i / 2, 1 + i % 3, 1 + i % 23);
        struct ms_tensor *x = kt_random(&c, MS_F32, &s, -1, 1);
        if (widths[i % 2].isa <= ms_cpu()->isa) {
            struct ms_tensor *want = kt_convert(x, widths[i % 2].layout);
            struct ms_tensor *y = reorder(x, widths[i % 2].layout), *z = reorder(y, MS_PLAIN);
            ck_assert_uint_eq(y->bytes, want->bytes);
            ck_assert_mem_eq(y->data, want->data, want->bytes);
            ck_assert_mem_eq(z->data, x->data, x->bytes);
            ms_tensor_unref(want);
            ms_tensor_unref(y);
            ms_tensor_unref(z);
        }
        struct ms_tensor *same = reorder(x, MS_PLAIN); /* a host without vectors */
        ck_assert_mem_eq(same->data, x->data, x->bytes);
        ms_tensor_unref(same);
        ms_tensor_unref(x);
    }
    kt_end(&c);
}
END_TEST

static float *numbers(size_t n)
{
    float *x = malloc(n * sizeof *x);

    ck_assert_ptr_nonnull(x);
    for (size_t i = 0; i < n; i++)
        x[i] = (float)((i * 7919 + n) % 2003) / 1001 - 1;
    return x;
}

/* Seven products for eight: the norm of the error against sums in double. */
START_TEST(strassen)
{
    enum { M = 70, N = 132, K = 94 };
    static float a[M * K], b[K * N], c[M * N];
    size_t packed = 0, scratch = 0;

    ck_assert(!ms_gemm_strassen_bytes(M + 1, N, K, &packed, &scratch));
    ck_assert(!ms_gemm_strassen_bytes(SIZE_MAX / 2 - 1, N, K, &packed, &scratch));
    ck_assert(ms_gemm_strassen_bytes(M, N, K, &packed, &scratch));
    for (size_t i = 0; i < M * K; i++)
        a[i] = (float)(i * 7919 % 2003) / 1001 - 1;
    for (size_t i = 0; i < K * N; i++)
        b[i] = (float)(i * 104729 % 1999) / 999 - 1;
    float *p = ms_aligned_alloc(packed), *s = ms_aligned_alloc(scratch);
    ck_assert(p && s);
    for (int isa = MS_ISA_ANY; isa <= (int)ms_cpu()->isa; isa++) {
        double error = 0, norm = 0;
        memset(c, 0xff, sizeof c);
        ms_gemm_strassen_pack(p, b, K, N, s);
        ms_gemm_strassen((enum ms_isa)isa, M, N, K, a, p, c, s);
        for (size_t i = 0; i < M; i++)
            for (size_t j = 0; j < N; j++) {
                double want = 0;
                for (size_t k = 0; k < K; k++)
                    want += (double)a[i * K + k] * (double)b[k * N + j];
                error += (c[i * N + j] - want) * (c[i * N + j] - want);
                norm += want * want;
            }
        ck_assert_double_le(sqrt(error), 1e-6 * sqrt(norm));
    }
    ms_aligned_free(p, packed);
    ms_aligned_free(s, scratch);
}
END_TEST

/* A long k is cut where many rows meet a panel, and units are shared out anyhow: each row has the
 * bits that one panel after another gives it alone. */
START_TEST(products_in_pieces)
{
    enum { M = 150, N = 70, K = 9001, UNITS = 6, SOME = 17 };
    float *a = numbers(M * K), *b = numbers(K * N), *res = numbers(M * N), *col = numbers(N);
    float *c = numbers(M * N), *alone = numbers(M * N), *p;
    size_t bytes = 0;

    ck_assert(ms_gemm_packed_bytes(K, N, &bytes) && (p = ms_aligned_alloc(bytes)));
    ms_gemm_pack(p, b, K, N, N, 1);
    ck_assert_uint_eq(ms_gemm_units(M, N), UNITS);
    for (int isa = MS_ISA_ANY; isa <= (int)ms_cpu()->isa; isa++) {
        const struct ms_act act = {.lo = -40, .hi = HUGE_VALF};
        const struct ms_gemm_tail tail = {
            .alpha = 1, .beta = 1, .col = col, .res = res, .ldr = N, .act = act};
        const ms_gemm_panel_fn panel = ms_gemm_panel((enum ms_isa)isa);
        const struct ms_gemm g = {panel, M, N, K, K, 1, N, a, p, c, &tail, 0};
        for (size_t i = 0; i < M; i++)
            for (size_t j = 0; j < N; j += MS_GEMM_NR)
                panel(1, j ? N - j : MS_GEMM_NR, K, a + i * K, K, 1, p + j * K, alone + i * N + j,
                      N, &tail, i, j);
        for (size_t cut = 0; cut <= UNITS; cut++) {
            memset(c, 0xff, M * N * sizeof *c);
            ms_gemm_run(&g, 0, cut);
            ms_gemm_run(&g, cut, UNITS);
            ck_assert_mem_eq(c, alone, M * N * sizeof *c);
        }
        for (size_t i = 0; i < M; i += SOME)
            for (size_t j = 0; j < N; j++) {
                double want = (double)col[j] + (double)res[i * N + j];
                for (size_t k = 0; k < K; k++)
                    want += (double)a[i * K + k] * (double)b[k * N + j];
                ck_assert_double_eq_tol(c[i * N + j], fmax(want, -40), 2e-3);
            }
    }
    ms_aligned_free(p, bytes);
    free(a), free(b), free(c), free(res), free(col), free(alone);
}
END_TEST

/* A blocked operand of one element is a vector with a padding, not a number for all lanes. */
START_TEST(one_element_in_blocks)
{
    static const char *const ops[] = {"Add", "Sub", "Min", "Max", "Sum"};
    const struct ms_shape row = ms_shape_make(1, 1, 38), one = ms_shape_make(1, 1, 1);

    for (size_t i = 0; i < sizeof ops / sizeof *ops; i++)
        for (int order = 0; order < 2; order++) {
            const struct ms_kernel *list[16];
            struct call x;

            begin(&x, ops[i]);
            kt_in(&x.c, kt_random(&x.c, MS_F32, order ? &one : &row, 1, 2), KT_VALUE);
            kt_in(&x.c, kt_random(&x.c, MS_F32, order ? &row : &one, -2, -1), KT_VALUE);
            ck_assert_int_eq(kt_infer(&x.c, &x.err), MS_OK);
            const int n = kt_kernels(&x.c, list, 16);
            x.c.blocked = true;
            ck_assert_uint_ne(ms_node_blocked(x.c.node), 0);
            for (int k = 0; k < n; k++) /* kt_run looks at the padding */
                if (list[k]->isa != MS_ISA_ANY) {
                    ck_assert_msg(kt_run(&x.c, list[k], 0, x.out, &x.err), "%s", x.err.text);
                    kt_drop(x.out, 1);
                }
            kt_end(&x.c);
        }
}
END_TEST

/* Sums of nothing are the bias, and panels of nothing have no memory. */
START_TEST(products_over_nothing)
{
    static const char *const op[] = {"Gemm", "MatMul"};

    for (size_t i = 0; i < 2; i++) {
        const struct ms_shape a = ms_shape_make(2, 0), b = ms_shape_make(0, 3),
                              c = ms_shape_make(3);
        struct call x;

        begin(&x, op[i]);
        kt_in(&x.c, ms_tensor_new(MS_F32, &a), KT_VALUE);
        kt_in(&x.c, ms_tensor_new(MS_F32, &b), KT_CONST);
        struct ms_tensor *bias = ms_tensor_new(MS_F32, &c);
        for (size_t k = 0; k < 3; k++)
            kt_set(bias, k, (double)k);
        kt_in(&x.c, bias, KT_CONST);
        EXPECT(&x, 0, 1, 2, 0, 1, 2);
    }
}
END_TEST

/* Row units, cut anywhere: parts are rectangles that meet each row of each block once. */
static void check_parts(const struct ms_tensor *y, size_t rows, bool by_rows)
{
    const size_t blocks = ms_blocks(y), all = (size_t)y->shape.dim[0] * blocks * rows;
    uint8_t met[4096] = {0};
    size_t row = 0;

    ck_assert_uint_le(all, sizeof met);
    for (size_t u = 0, end; u < all; u = end) {
        struct ms_block_part p;
        end = u + 1 + u * 7 % 23 < all ? u + 1 + u * 7 % 23 : all;
        for (size_t at = u; ms_block_part(y, &at, end, &p);) {
            ck_assert_uint_le(at, end);
            ck_assert(!by_rows || p.item * rows + p.row >= row); /* upwards */
            row = p.item * rows + p.row;
            for (size_t b = p.block; b < p.block + p.blocks; b++)
                for (size_t r = p.row; r < p.row + p.rows; r++)
                    met[(p.item * blocks + b) * rows + r]++;
        }
    }
    for (size_t i = 0; i < all; i++)
        ck_assert_uint_eq(met[i], 1);
}

START_TEST(parts_of_row_units)
{
    const struct {
        struct ms_shape shape;
        size_t rows;
        bool by_rows;
    } cases[] = {{ms_shape_make(3, 40, 17, 19), 17, true},
                 {ms_shape_make(2, 70, 7, 7), 7, false},
                 {ms_shape_make(1, 16, 300, 1), 300, true},
                 {ms_shape_make(2, 33, 200), 1, true}};

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        for (int lanes = 8; lanes <= 16; lanes += 8) {
            struct ms_tensor y = {.dtype = MS_F32, .layout = (enum ms_layout)lanes};
            y.shape = cases[i].shape;
            check_parts(&y, cases[i].rows, cases[i].by_rows);
        }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("kernels");
    TCase *t = tcase_create("edges");

    tcase_add_test(t, integer_division);
    tcase_add_test(t, shifts);
    tcase_add_test(t, nan_wins_max_and_min);
    tcase_add_test(t, casts_saturate);
    tcase_add_test(t, powers);
    tcase_add_test(t, pads);
    tcase_add_test(t, ties_and_order);
    tcase_add_test(t, data_is_bounds_checked);
    tcase_add_test(t, slices_at_the_ends);
    tcase_add_test(t, one_element_in_blocks);
    tcase_add_test(t, strassen);
    tcase_add_test(t, products_in_pieces);
    tcase_add_test(t, products_over_nothing);
    tcase_add_test(t, reorders);
    tcase_add_test(t, parts_of_row_units);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    const int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
