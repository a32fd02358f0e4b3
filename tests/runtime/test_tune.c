/* SPDX-License-Identifier: Apache-2.0 */
/* test_tune.c - how a layer's algorithm is chosen: in order, by price, by trial; and the file. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/cpu.h"
#include "runtime/engine_impl.h"
#include "tests/runtime/suites.h"
#include "tests/runtime/util.h"

/* A layer that Winograd's algorithm is priced for, with a batch of any size. */
static const char layer[] = "graph \"g\" (%x: f32[N,64,28,28]) {\n"
                            "  %w = const f32[64,64,3,3] fill 0.01\n"
                            "  %y = Conv(%x, %w) {pads=[1,1,1,1]}\n"
                            "  return %y\n}\n";

static char folder[64], file[128];

static void enter(void)
{
    snprintf(folder, sizeof folder, "/tmp/mindserve-tune-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(folder));
    snprintf(file, sizeof file, "%s/tuning", folder);
}

static void leave(void)
{
    (void)unlink(file);
    ck_assert_int_eq(rmdir(folder), 0); /* nothing was left aside */
}

/* Loads a layer with an engine of that tuning, runs x, and tells the kernel that it got. */
static void chosen_for(const char *text, struct ms_tensor *x, enum ms_tuning tuning,
                       const char *path, char name[64], struct ms_tuner_stats *stats)
{
    struct ms_engine_opts o;
    struct ms_model_opts mo;
    struct ms_engine *e;
    struct ms_profile profile = {0};
    struct ms_tensor *y[1] = {0};
    struct ms_err err = {0};

    ms_engine_opts_init(&o);
    o.threads = 1;
    o.tuning = tuning;
    o.tuning_path = path;
    ck_assert_msg(ms_engine_new(&o, &e, &err) == MS_OK, "%s", err.text);
    ms_model_opts_init(&mo);
    mo.name = "m";
    mo.version = "1";
    struct ms_model *m = load_text(e, text, &mo, &err);
    ck_assert_msg(m != NULL, "%s", err.text);
    ck_assert_int_eq(ms_model_run(m, &x, y, 1, MS_NEVER, NULL, &profile, &err), MS_OK);
    name[0] = '\0';
    for (int i = 0; i < profile.n; i++)
        if (ms_node_is(profile.steps[i].node, "Conv"))
            snprintf(name, 64, "%s", profile.steps[i].kernel);
    if (stats)
        ms_tuner_stats(e->tuner, stats);
    ms_profile_done(&profile);
    ms_tensor_unref(y[0]);
    ms_tensor_unref(x);
    ms_model_unref(m);
    ms_engine_free(e);
}

static void chosen(enum ms_tuning tuning, const char *path, char name[64],
                   struct ms_tuner_stats *stats)
{
    chosen_for(layer, random_of(3, 2, 64, 28, 28), tuning, path, name, stats);
}

static char *slurp(void)
{
    static char text[8192];
    FILE *f = fopen(file, "re");

    ck_assert_ptr_nonnull(f);
    text[fread(text, 1, sizeof text - 1, f)] = '\0';
    fclose(f);
    return text;
}

static void spit(const char *text)
{
    FILE *f = fopen(file, "we");

    ck_assert_ptr_nonnull(f);
    ck_assert_int_ge(fputs(text, f), 0);
    ck_assert_int_eq(fclose(f), 0);
}

START_TEST(order_and_price)
{
    char name[64];

    if (ms_cpu()->isa == MS_ISA_ANY)
        return; /* one algorithm */
    chosen(MS_TUNE_OFF, NULL, name, NULL);
    ck_assert_str_eq(name,
                     ms_cpu()->isa == MS_ISA_AVX512 ? "conv_direct_avx512" : "conv_direct_avx2");
    chosen(MS_TUNE_MODEL, NULL, name, NULL);
    ck_assert_msg(strncmp(name, "conv_winograd", 13) == 0, "%s", name);
}
END_TEST

/* A batch that the model fixes is counted, one that may vary is not. */
START_TEST(fixed_batch_is_priced)
{
    static const char *const batch[] = {"1", "N", "32"};
    char text[256], name[3][64];

    if (ms_cpu()->isa == MS_ISA_ANY)
        return;
    for (int i = 0; i < 3; i++) {
        snprintf(text, sizeof text,
                 "graph \"g\" (%%x: f32[%s,128,7,7]) {\n"
                 "  %%w = const f32[128,128,3,3] fill 0.01\n"
                 "  %%y = Conv(%%x, %%w) {pads=[1,1,1,1]}\n"
                 "  return %%y\n}\n",
                 batch[i]);
        chosen_for(text, random_of(3, i ? 32 : 1, 128, 7, 7), MS_TUNE_MODEL, NULL, name[i], NULL);
    }
    ck_assert_str_eq(name[0], name[1]);
    ck_assert_msg(strncmp(name[1], "conv_winograd4", 14) != 0, "%s", name[1]);
    ck_assert_msg(strncmp(name[2], "conv_winograd4", 14) == 0, "%s", name[2]);
}
END_TEST

START_TEST(tried_once_and_kept)
{
    struct ms_tuner_stats stats;
    char first[64], again[64], wanted[64];

    if (ms_cpu()->isa == MS_ISA_ANY)
        return;
    enter();
    chosen(MS_TUNE_MEASURE, file, first, &stats);
    ck_assert_int_eq(stats.tried, 1);
    ck_assert_int_eq(stats.remembered, 0);
    ck_assert_int_gt(stats.ns, 0);
    ck_assert_msg(strstr(slurp(), first), "%s", slurp());
    chosen(MS_TUNE_MEASURE, file, again, &stats);
    ck_assert_str_eq(again, first);
    ck_assert_int_eq(stats.tried, 0);
    ck_assert_int_eq(stats.remembered, 1);

    /* what the file says is what is taken: another kernel is named there by hand */
    snprintf(wanted, sizeof wanted, "conv_winograd2_%s", ms_isa_name(ms_cpu()->isa));
    if (strcmp(first, wanted) == 0)
        snprintf(wanted, sizeof wanted, "conv_direct_%s", ms_isa_name(ms_cpu()->isa));
    char *text = slurp(), *line = strchr(text, '\n') + 1, edited[8192];
    snprintf(edited, sizeof edited, "%.*s%s%s", (int)(line - text), text, wanted,
             strchr(line, '\t'));
    spit(edited);
    chosen(MS_TUNE_MEASURE, file, again, &stats);
    ck_assert_str_eq(again, wanted);
    ck_assert_int_eq(stats.remembered, 1);
    leave();
}
END_TEST

/* Another host's file, another version's, one that was cut off, one that is no text at all: tried
 * again, and written anew. */
START_TEST(files_that_do_not_count)
{
    struct ms_tuner_stats stats;
    char name[64], good[8192], bad[8192];

    if (ms_cpu()->isa == MS_ISA_ANY)
        return;
    enter();
    chosen(MS_TUNE_MEASURE, file, name, &stats);
    snprintf(good, sizeof good, "%s", slurp());
    char *line = strchr(good, '\n') + 1;
    for (int i = 0; i < 6; i++) {
        switch (i) {
        case 0: /* of another host */
            snprintf(bad, sizeof bad, "mindserve-tuning 1 0.0 avx9 1.2.3 None\n%s", line);
            break;
        case 1: /* no end of line */
            snprintf(bad, sizeof bad, "%.*s", (int)strlen(good) - 1, good);
            break;
        case 2: /* a kernel that this operator does not have */
            snprintf(bad, sizeof bad, "%.*sgemm_packed%s", (int)(line - good), good,
                     strchr(line, '\t'));
            break;
        case 3: /* no number, no layer */
            snprintf(bad, sizeof bad, "%.*s%s\n%s\t\n\t\t\n", (int)(line - good), good, name, name);
            break;
        case 4:
            snprintf(bad, sizeof bad, "%s", "\xff\xfe\x7f");
            break;
        default:
            bad[0] = '\0';
        }
        spit(bad);
        chosen(MS_TUNE_MEASURE, file, name, &stats);
        ck_assert_msg(stats.tried == 1 && stats.remembered == 0, "file %d counted", i);
        ck_assert_msg(strstr(slurp(), name), "file %d was not replaced", i);
    }
    leave();
}
END_TEST

/* Where the file cannot be written the model is served all the same. */
START_TEST(nowhere_to_write)
{
    struct ms_tuner_stats stats;
    char name[64];

    if (ms_cpu()->isa == MS_ISA_ANY)
        return;
    chosen(MS_TUNE_MEASURE, "/nonexistent/mindserve/tuning", name, &stats);
    ck_assert_int_eq(stats.tried, 1);
    chosen(MS_TUNE_MEASURE, NULL, name, &stats);
    ck_assert_int_eq(stats.tried, 1);
}
END_TEST

TCase *tune_tests(void)
{
    TCase *t = tcase_create("tune");

    tcase_set_timeout(t, 120);
    tcase_add_test(t, order_and_price);
    tcase_add_test(t, fixed_batch_is_priced);
    tcase_add_test(t, tried_once_and_kept);
    tcase_add_test(t, files_that_do_not_count);
    tcase_add_test(t, nowhere_to_write);
    return t;
}
