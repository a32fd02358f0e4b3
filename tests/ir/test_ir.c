/* SPDX-License-Identifier: Apache-2.0 */
/* test_ir.c - shapes, half precision, graphs, inference, the verifier, printing and reading back.
 */
#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "ir/op.h"

static struct ms_arena arena;
static struct ms_err err;

static void up(void)
{
    ms_arena_init(&arena, 32 << 20);
}

static void down(void)
{
    ms_arena_done(&arena);
}

static ms_code load(const char *text, struct ms_graph **g)
{
    MS_TRY(ms_graph_parse_text(text, strlen(text), &arena, g, &err));
    MS_TRY(ms_graph_check(*g, &err));
    return ms_graph_infer(*g, &err);
}

static char *print(const struct ms_graph *g)
{
    struct ms_buf b;

    ms_buf_init(&b, 4 << 20);
    ms_graph_print_text(g, &b);
    ck_assert(ms_buf_ok(&b));
    return ms_buf_take(&b, NULL);
}

START_TEST(recipes_are_printed_as_what_they_make)
{
    float w[6] = {1, 2, 3, -4, 5, 6}, made[6];
    const double scale[2] = {0.5, 3};
    const struct ms_shape shape = ms_shape_make(2, 3);
    struct ms_tensor from;
    struct ms_graph *g;

    ck_assert(ms_tensor_borrow(&from, MS_F32, &shape, w));
    const struct ms_recipe r = {&from, scale, 3};
    struct ms_tensor *t = ms_tensor_new_made(&shape, &r);
    ck_assert_ptr_nonnull(t);
    ms_tensor_make(t, made);
    for (int i = 0; i < 6; i++)
        ck_assert_float_eq(made[i], w[i] * (i < 3 ? 0.5f : 3.0f));
    ck_assert_int_eq(load("graph \"g\" (%x: f32[2,3]) {\n"
                          "  %w = const f32[2,3] {0.5, 1, 1.5, -12, 15, 18}\n"
                          "  %y = Add(%x, %w)\n  return %y\n}\n",
                          &g),
                     MS_OK);
    char *plain = print(g), hex[72];
    snprintf(hex, sizeof hex, "%s", strstr(plain, "sha256:"));
    g->first->in[1].value->constant = t;
    char *text = print(g);
    ck_assert_ptr_nonnull(strstr(text, hex));
    ms_free(text);
    ms_free(plain);
    ms_tensor_unref(t);
}
END_TEST

START_TEST(f16_round_trip)
{
    for (uint32_t h = 0; h < 65536; h++) {
        float f = ms_f16_to_f32((uint16_t)h);
        if (isnan(f))
            ck_assert(isnan(ms_f16_to_f32(ms_f32_to_f16(f))));
        else
            ck_assert_uint_eq(ms_f32_to_f16(f), h);
    }
}
END_TEST

START_TEST(f16_rounds_to_even)
{
    ck_assert_uint_eq(ms_f32_to_f16(1.0f + 0x1p-11f), 0x3c00);     /* half way, even below */
    ck_assert_uint_eq(ms_f32_to_f16(1.0f + 3 * 0x1p-11f), 0x3c02); /* half way, even above */
    ck_assert_uint_eq(ms_f32_to_f16(65519.0f), 0x7bff);            /* largest that stays finite */
    ck_assert_uint_eq(ms_f32_to_f16(65520.0f), 0x7c00);
    ck_assert_uint_eq(ms_f32_to_f16(-0x1p-25f), 0x8000); /* half of the least: to even */
    ck_assert_uint_eq(ms_f32_to_bf16(1.0f + 0x1p-8f), 0x3f80);
}
END_TEST

START_TEST(hostile_shapes)
{
    static const int64_t d[] = {INT64_C(1) << 31, (INT64_C(1) << 31) - 1, (INT64_C(1) << 31) + 1,
                                INT64_MAX,        INT64_C(1) << 33,       -1};
    size_t n;

    for (size_t i = 0; i < sizeof d / sizeof *d; i++)
        for (size_t k = 0; k < sizeof d / sizeof *d; k++) {
            struct ms_shape s = ms_shape_make(d[i], d[k], 16);
            bool fits = ms_shape_bytes(&s, MS_F32, &n);
            if (fits)
                ck_assert_uint_le(n, (size_t)PTRDIFF_MAX);
            else
                ck_assert(d[i] < 0 || d[k] < 0 || (double)d[i] * (double)d[k] * 64 > 9e18);
        }
    struct ms_shape empty = ms_shape_make(INT64_MAX, 0, INT64_MAX);
    ck_assert(ms_shape_bytes(&empty, MS_F64, &n) && n == 0);
}
END_TEST

START_TEST(broadcast_with_symbols)
{
    struct ms_syms syms = {.arena = &arena};
    int64_t n = ms_syms_get(&syms, "N"), m = ms_syms_get(&syms, "M");
    struct ms_shape a = ms_shape_make(n, 1, 4), b = ms_shape_make(3, 1), out;

    ck_assert(ms_shape_broadcast(&a, &b, &syms, &out));
    ck_assert_int_eq(out.rank, 3);
    ck_assert(out.dim[0] == n && out.dim[1] == 3 && out.dim[2] == 4);
    struct ms_shape c = ms_shape_make(n), d = ms_shape_make(m);
    ck_assert(ms_shape_broadcast(&c, &d, &syms, &out) && ms_is_sym(out.dim[0]) && out.dim[0] != n);
    struct ms_shape e = ms_shape_make(2), f = ms_shape_make(3);
    ck_assert(!ms_shape_broadcast(&e, &f, &syms, &out));
    ck_assert_int_eq(ms_syms_get(&syms, "N"), n);
}
END_TEST

START_TEST(text_round_trip)
{
    struct ms_graph *g;
    const char *text = "graph \"g\" (%x: f32[N,4], %\"odd name\": i64[]) {\n"
                       "  %k = const f32[2,2] {1, -2.5, inf, nan}\n"
                       "  %i = const i64[3] {0, -1, 9223372036854775807}\n"
                       "  %a = Relu(%x)\n"
                       "  %b = LeakyRelu(%a) {alpha=0.25}\n"
                       "  %y = Add(%b, %x)\n"
                       "  return %y, %k, %i, %\"odd name\"\n}\n";

    ck_assert_msg(load(text, &g) == MS_OK, "%s", err.text);
    char *once = print(g);
    ck_assert_msg(load(once, &g) == MS_OK, "%s\n%s", err.text, once);
    char *twice = print(g);
    ck_assert_str_eq(once, twice);
    ck_assert_ptr_nonnull(strstr(once, "%y = Add(%b, %x) : f32[N,4]"));
    ck_assert_ptr_nonnull(strstr(once, "{1, -2.5, inf, nan}"));
    ms_free(once);
    ms_free(twice);
}
END_TEST

/* Texts that must be refused, and a word that the refusal must hold. */
static const struct {
    const char *text, *word;
} refused[] = {
    {"graph \"g\" (%x: f32[2]) {\n %y = Nope(%x)\n return %y\n}", "Nope"},
    {"graph \"g\" (%x: f32[2]) {\n %y = Relu(%z)\n return %y\n}", "before it is defined"},
    {"graph \"g\" (%x: f32[2]) {\n %y = Relu(%x, %x)\n return %y\n}", "inputs"},
    {"graph \"g\" (%x: f32[2]) {\n %y = Relu(_)\n return %y\n}", "input 0 is missing"},
    {"graph \"g\" (%x: f32[2]) {\n %y = Relu(%x) {beta=1}\n return %y\n}", "beta"},
    {"graph \"g\" (%x: f32[2]) {\n %y = LeakyRelu(%x) {alpha=\"a\"}\n return %y\n}", "alpha"},
    {"graph \"g\" (%x: bool[2]) {\n %y = Relu(%x)\n return %y\n}", "bool"},
    {"graph \"g\" (%x: f32[2], %z: f32[3]) {\n %y = Add(%x, %z)\n return %y\n}", "Add"},
    {"graph \"g\" (%x: f32[2]) {\n %y = Relu(%x) : f32[3]\n return %y\n}", "recorded"},
    {"graph \"g\" (%x: f32[2]) {\n %x = Relu(%x)\n return %x\n}", "twice"},
    {"graph \"g\" (%x: f32[9223372036854775807]) {\n %p = const i64[2] {1, 0}\n"
     " %y = Pad(%x, %p)\n return %y\n}",
     "too large"},
    {"graph \"g\" (%x: f32[1,1,1,1,1,1,1,1,1]) {\n return %x\n}", "too many dims"},
};

START_TEST(refusals_name_the_thing)
{
    struct ms_graph *g;

    ck_assert_int_ne(load(refused[_i].text, &g), MS_OK);
    ck_assert_msg(strstr(err.text, refused[_i].word) != NULL, "'%s' does not say '%s'", err.text,
                  refused[_i].word);
}
END_TEST

START_TEST(uses_follow_replacement)
{
    struct ms_graph *g;

    ck_assert_int_eq(
        load("graph \"g\" (%x: f32[2]) {\n %a = Relu(%x)\n %b = Neg(%a)\n %c = Add(%a, %b)\n"
             " return %c, %a\n}",
             &g),
        MS_OK);
    struct ms_node *relu = g->first;
    struct ms_value *a = relu->out[0], *x = g->in[0];
    ck_assert_int_eq(a->n_uses, 3);
    ck_assert_int_eq(a->n_outputs, 1);
    ms_value_replace(a, x);
    ck_assert_int_eq(a->n_uses, 0);
    ck_assert_int_eq(x->n_uses, 4);
    ck_assert_ptr_eq(g->out[1], x);
    ms_node_remove(relu);
    ck_assert_int_eq(x->n_uses, 3);
    ck_assert_msg(ms_graph_check(g, &err) == MS_OK, "%s", err.text);
}
END_TEST

START_TEST(sorting)
{
    struct ms_graph *g;

    ck_assert_int_eq(
        load("graph \"g\" (%x: f32[2]) {\n %a = Relu(%x)\n %b = Neg(%a)\n %c = Abs(%b)\n"
             " return %c\n}",
             &g),
        MS_OK);
    ms_node_move(g->first, NULL); /* a behind its reader */
    ck_assert_int_eq(ms_graph_check(g, &err), MS_INTERNAL);
    ck_assert_msg(ms_graph_sort(g, &err) == MS_OK, "%s", err.text);
    ck_assert_msg(ms_graph_check(g, &err) == MS_OK, "%s", err.text);
    ck_assert_str_eq(g->first->out[0]->name, "a");
    struct ms_node *a = g->first, *c = g->last;
    ms_node_set_in(a, 0, c->out[0]); /* a reads c, c reads a */
    ck_assert_int_eq(ms_graph_sort(g, &err), MS_INVALID_ARGUMENT);
    ck_assert_ptr_nonnull(strstr(err.text, "cycle"));
}
END_TEST

START_TEST(deep_sub_graphs_are_refused)
{
    struct ms_buf b;
    struct ms_graph *g;

    ms_buf_init(&b, 1 << 20);
    ms_buf_puts(&b, "graph \"g\" (%c: bool[]) {\n");
    for (int i = 0; i < 20; i++)
        ms_buf_puts(&b, "%y = If(%c, %c) {captures=1, then_branch=graph \"t\" (%c: bool[]) {\n");
    ms_buf_puts(&b, "return %c }");
    ck_assert_int_ne(load(ms_buf_str(&b), &g), MS_OK);
    ms_buf_done(&b);
}
END_TEST

START_TEST(far_ends_are_no_symbols)
{
    struct ms_graph *g;

    ck_assert_msg(load("graph \"g\" (%x: f32[4]) {\n %s = const i64[1] {-1}\n"
                       " %e = const i64[1] {-9223372036854775807}\n %a = const i64[1] {0}\n"
                       " %y = Slice(%x, %s, %e, %a, %s)\n return %y\n}",
                       &g) == MS_OK,
                  "%s", err.text);
    ck_assert_int_eq(g->out[0]->shape.dim[0], 4);
}
END_TEST

START_TEST(allocation_failures_are_survived)
{
    const char *text =
        "graph \"g\" (%x: f32[N,4]) {\n %k = const f32[4] {1, 2, 3, 4}\n %a = Add(%x, %k)\n"
        " %y = LeakyRelu(%a) {alpha=0.5}\n return %y\n}";
    struct ms_graph *g;
    int failures = 0;

    for (uint64_t n = 1;; n++) {
        ms_mem_fail_after(n, true);
        ms_code code = load(text, &g);
        ms_mem_fail_after(0, false);
        ms_arena_done(&arena);
        if (code == MS_OK)
            break;
        failures++;
        ck_assert_int_lt(failures, 100);
    }
    ck_assert_int_ge(failures, 2);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("ir");
    TCase *t = tcase_create("ir");

    tcase_add_checked_fixture(t, up, down);
    tcase_add_test(t, f16_round_trip);
    tcase_add_test(t, f16_rounds_to_even);
    tcase_add_test(t, hostile_shapes);
    tcase_add_test(t, broadcast_with_symbols);
    tcase_add_test(t, text_round_trip);
    tcase_add_loop_test(t, refusals_name_the_thing, 0, (int)(sizeof refused / sizeof *refused));
    tcase_add_test(t, uses_follow_replacement);
    tcase_add_test(t, sorting);
    tcase_add_test(t, deep_sub_graphs_are_refused);
    tcase_add_test(t, far_ends_are_no_symbols);
    tcase_add_test(t, recipes_are_printed_as_what_they_make);
    tcase_add_test(t, allocation_failures_are_survived);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? 1 : 0;
}
