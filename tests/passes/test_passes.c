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
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "ir/op.h"
#include "passes/pass.h"
#include "runtime/eval.h"

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
    c.eval = ms_eval;
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
    tcase_add_test(t, every_pass_has_a_text);
    tcase_add_test(t, unknown_pass_is_refused);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? 1 : 0;
}
