/* SPDX-License-Identifier: Apache-2.0 */
/* test_passes.c - every text in tests/passes: a graph before, a pass, the graph after.
 *
 *     # what it shows
 *     pass: fuse-activation
 *     before:
 *     graph "g" (...) {...}
 *     after:
 *     graph "g" (...) {...}
 *
 * The graph after must be printed byte for byte; `after: same` means that nothing may change. Also
 * every pass must have a text. Folding needs an evaluator: the runtime's own. */
#include <check.h>
#include <dirent.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "ir/op.h"
#include "passes/pass.h"
#include "base/clock.h"
#include "runtime/eval.h"
#include "tests/runtime/util.h"

enum { MAX_TEXTS = 256 };

static char *texts[MAX_TEXTS];
static int n_texts;

static char folder[512];

static char *slurp(const char *name)
{
    char path[1024];
    char *text = NULL;

    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *f = fopen(path, "r");
    ck_assert_msg(f != NULL, "%s", path);
    size_t cap = 1 << 16;
    text = malloc(cap);
    size_t n = fread(text, 1, cap - 1, f);
    text[n] = '\0';
    fclose(f);
    return text;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void list_texts(void)
{
    const char *src = getenv("srcdir");

    snprintf(folder, sizeof folder, "%s/tests/passes", src ? src : ".");
    DIR *d = opendir(folder);
    if (!d)
        return;
    for (struct dirent *e; (e = readdir(d)) && n_texts < MAX_TEXTS;) {
        size_t len = strlen(e->d_name);
        if (len > 4 && strcmp(e->d_name + len - 4, ".txt") == 0)
            texts[n_texts++] = strdup(e->d_name);
    }
    closedir(d);
    qsort(texts, (size_t)n_texts, sizeof *texts, by_name);
}

static bool keep(void *arg, struct ms_tensor *t)
{
    struct ms_tensor **kept = arg;

    for (int i = 0; i < 64; i++)
        if (!kept[i]) {
            kept[i] = t;
            return true;
        }
    return false;
}

static struct ms_graph *parse(struct ms_arena *a, const char *text, size_t len, const char *name)
{
    struct ms_graph *g;
    struct ms_err err;

    ck_assert_msg(ms_graph_parse_text(text, len, a, &g, &err) == MS_OK, "%s: %s", name, err.text);
    ck_assert_msg(ms_graph_check(g, &err) == MS_OK, "%s: %s", name, err.text);
    ck_assert_msg(ms_graph_infer(g, &err) == MS_OK, "%s: %s", name, err.text);
    return g;
}

static char *print(const struct ms_graph *g)
{
    struct ms_buf b;

    ms_buf_init(&b, 1 << 20);
    ms_graph_print_text(g, &b);
    ck_assert(ms_buf_ok(&b));
    return ms_buf_take(&b, NULL);
}

START_TEST(before_and_after)
{
    const char *name = texts[_i];
    char *text = slurp(name), pass[64] = "";
    char *before = strstr(text, "\nbefore:\n"), *after = strstr(text, "\nafter:");
    struct ms_tensor *kept[64] = {0};
    struct ms_pass_ctx c;
    struct ms_arena a;
    struct ms_err err;
    int n;

    ck_assert_msg(before && after, "%s: no before: or no after:", name);
    ck_assert_int_eq(sscanf(strstr(text, "pass: "), "pass: %63s", pass), 1);
    before += strlen("\nbefore:\n");
    after += strlen("\nafter:");
    ms_arena_init(&a, 16 << 20);
    struct ms_graph *g = parse(&a, before, (size_t)(after - strlen("\nafter:") - before), name);
    char *unchanged = print(g);
    ms_pass_ctx_init(&c, g, 1000);
    c.keep = keep;
    c.keep_arg = kept;
    struct ms_eval_opts eval = {.deadline = MS_NEVER};
    c.eval = ms_eval;
    c.eval_arg = &eval;
    ck_assert_msg(ms_passes_run(g, pass, &c, NULL, &n, &err) == MS_OK, "%s: %s", name, err.text);
    ck_assert_int_ge(n, 1);
    char *got = print(g);
    const char *want = strncmp(after, " same", 5) == 0 ? unchanged : after + 1;
    if (strcmp(got, want) != 0)
        ck_abort_msg("%s\n--- wanted ---\n%s--- got ---\n%s", name, want, got);
    ms_free(got);
    ms_free(unchanged);
    for (int i = 0; i < 64; i++)
        ms_tensor_unref(kept[i]);
    ms_arena_done(&a);
    free(text);
}
END_TEST

/* One random tensor for each input; a variable dim is its number in the model plus 2. */
static void random_inputs(const struct ms_model *m, struct ms_tensor **in)
{
    int n;
    const struct ms_port *ports = ms_model_inputs(m, &n);

    for (int i = 0; i < n; i++) {
        struct ms_shape s = ports[i].shape;
        for (int d = 0; d < s.rank; d++)
            if (ms_is_sym(s.dim[d]))
                s.dim[d] = 2 + ms_sym_index(s.dim[d]) % 3;
        in[i] = ms_tensor_new(ports[i].dtype, &s);
        ck_assert_ptr_nonnull(in[i]);
        for (size_t k = 0; k < ms_tensor_count(in[i]); k++) {
            float f = (float)((k * 7919 + (size_t)i * 104729) % 2003) / 500.0f - 2.0f;
            uint16_t half = ms_f32_to_f16(f);
            if (in[i]->dtype == MS_F32)
                ((float *)in[i]->data)[k] = f;
            else if (in[i]->dtype == MS_F16)
                ((uint16_t *)in[i]->data)[k] = half;
            else
                ((uint8_t *)in[i]->data)[k * ms_dtype_size(in[i]->dtype)] = 1;
        }
    }
}

static int outputs_of(struct ms_engine *e, const char *text, const char *passes,
                      struct ms_tensor **out)
{
    struct ms_model_opts o;
    struct ms_tensor *in[8] = {0};
    struct ms_err err = {0};
    int n;

    ms_model_opts_init(&o);
    o.name = "m";
    o.version = "1";
    o.passes = passes;
    struct ms_model *m = load_text(e, text, &o, &err);
    ck_assert_msg(m != NULL, "%s: %s", passes, err.text);
    random_inputs(m, in);
    ck_assert_msg(ms_model_run(m, in, out, 1, MS_NEVER, NULL, NULL, &err) == MS_OK, "%s: %s",
                  passes, err.text);
    ms_model_outputs(m, &n);
    for (int i = 0; i < 8; i++)
        ms_tensor_unref(in[i]);
    ms_model_unref(m);
    return n;
}

static void assert_close(const char *name, int i, const struct ms_tensor *a,
                         const struct ms_tensor *b)
{
    double largest = 0;

    ck_assert_msg(a->dtype == b->dtype && ms_shape_eq(&a->shape, &b->shape), "%s: output %d", name,
                  i);
    for (size_t k = 0; k < ms_tensor_count(a); k++)
        largest = fmax(largest, fabs(ms_tensor_f64(a, k)));
    for (size_t k = 0; k < ms_tensor_count(a); k++) {
        double x = ms_tensor_f64(a, k), y = ms_tensor_f64(b, k);
        ck_assert_msg(fabs(x - y) <= 1e-5 * largest, "%s: output %d, element %zu: %g became %g",
                      name, i, k, x, y);
    }
}

/* The graph before, run with nothing, with this pass, and with all but this pass: equal outputs. */
START_TEST(results_stay_the_same)
{
    const char *name = texts[_i];
    char *text = slurp(name), pass[64] = "", without[80];
    struct ms_engine *e = must_engine(1);
    struct ms_tensor *plain[8], *with[8], *others[8];

    ck_assert_int_eq(sscanf(strstr(text, "pass: "), "pass: %63s", pass), 1);
    snprintf(without, sizeof without, "all,-%s", pass);
    char *before = strstr(text, "\nbefore:\n") + strlen("\nbefore:\n");
    *strstr(before, "\nafter:") = '\0';
    int n = outputs_of(e, before, "none", plain);
    ck_assert_int_eq(outputs_of(e, before, pass, with), n);
    ck_assert_int_eq(outputs_of(e, before, without, others), n);
    for (int i = 0; i < n; i++) {
        assert_close(name, i, plain[i], with[i]);
        assert_close(name, i, plain[i], others[i]);
        ms_tensor_unref(plain[i]);
        ms_tensor_unref(with[i]);
        ms_tensor_unref(others[i]);
    }
    ms_engine_free(e);
    free(text);
}
END_TEST

START_TEST(every_pass_has_a_text)
{
    for (int i = 0; ms_pass_at(i); i++) {
        bool found = false;
        for (int k = 0; k < n_texts && !found; k++) {
            char *text = slurp(texts[k]), pass[64] = "", *at = strstr(text, "pass: ");
            found =
                at && sscanf(at, "pass: %63s", pass) == 1 && strcmp(pass, ms_pass_at(i)->name) == 0;
            free(text);
        }
        ck_assert_msg(found, "no text in tests/passes for %s", ms_pass_at(i)->name);
    }
}
END_TEST

START_TEST(unknown_pass_is_refused)
{
    struct ms_pass_ctx c;
    struct ms_arena a;
    struct ms_err err;
    int n;
    const char *text = "graph \"g\" (%x: f32[2]) {\n %y = Relu(%x)\n return %y\n}\n";

    ms_arena_init(&a, 1 << 20);
    struct ms_graph *g = parse(&a, text, strlen(text), "g");
    ms_pass_ctx_init(&c, g, 0);
    ck_assert_int_eq(ms_passes_run(g, "all,-fuse-nothing", &c, NULL, &n, &err),
                     MS_INVALID_ARGUMENT);
    ck_assert_ptr_nonnull(strstr(err.text, "fuse-nothing"));
    ms_arena_done(&a);
}
END_TEST

int main(void)
{
    list_texts();
    if (n_texts == 0) {
        puts("no texts found: set srcdir");
        return 77;
    }
    Suite *s = suite_create("passes");
    TCase *t = tcase_create("texts");
    tcase_add_loop_test(t, before_and_after, 0, n_texts);
    tcase_add_loop_test(t, results_stay_the_same, 0, n_texts);
    tcase_add_test(t, every_pass_has_a_text);
    tcase_add_test(t, unknown_pass_is_refused);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? 1 : 0;
}
