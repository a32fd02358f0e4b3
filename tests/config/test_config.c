/* SPDX-License-Identifier: Apache-2.0 */
/* test_config.c - the option table, the YAML reader's messages and --set. */
#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "config/config.h"

static struct ms_config *new_config(void)
{
    struct ms_config *c = NULL;
    struct ms_err err;

    ck_assert_msg(ms_config_new(&c, &err) == MS_OK, "%s", err.text);
    return c;
}

/* Reads text and gives the message, "" when it was accepted. */
static const char *read_text(struct ms_config *c, const char *text)
{
    static struct ms_err err;

    err = (struct ms_err){0};
    if (ms_config_read(c, "f.yaml", text, strlen(text), &err) == MS_OK)
        return "";
    ck_assert_int_eq(err.code, MS_INVALID_ARGUMENT);
    return err.text;
}

static char *source_path(const char *name, char *dst, size_t size)
{
    const char *dir = getenv("srcdir");

    snprintf(dst, size, "%s/%s", dir ? dir : ".", name);
    return dst;
}

static char *slurp(const char *name)
{
    char path[4096];
    FILE *f = fopen(source_path(name, path, sizeof path), "r");
    char *text = calloc(1, 300000);

    ck_assert_msg(f != NULL, "%s", path);
    ck_assert(text != NULL);
    ck_assert(fread(text, 1, 299999, f) > 0);
    fclose(f);
    return text;
}

START_TEST(defaults_are_as_written)
{
    struct ms_config *c = new_config();

    ck_assert_str_eq(c->listen_http, "127.0.0.1:8000");
    ck_assert_str_eq(c->listen_grpc, "127.0.0.1:8001");
    ck_assert_int_eq(c->limits_message, 64 << 20);
    ck_assert_int_eq(c->store_push_idle, INT64_C(60000000000));
    ck_assert_int_eq(c->batching_enabled, MS_AUTO);
    ck_assert(c->metrics_triton_names && !c->listen_insecure && !c->has_listen_http);
    ck_assert_int_eq(ms_config_check(c, NULL), MS_OK);
    ms_config_free(c);
}
END_TEST

/* Every option of the table stands in the default file, and with the default's value. */
START_TEST(default_file_equals_defaults)
{
    char path[4096];
    struct ms_config *d = new_config(), *c = new_config();
    struct ms_err err;
    int n;
    const struct ms_option *o = ms_options(&n);

    ck_assert_msg(ms_config_read_file(c, source_path("config/mindserved.yaml", path, sizeof path),
                                      &err) == MS_OK,
                  "%s", err.text);
    for (int i = 0; i < n; i++) {
        const char *a = (char *)c + o[i].offset, *b = (char *)d + o[i].offset;
        ck_assert_msg(*(const bool *)((char *)c + o[i].has_offset), "%s is missing", o[i].key);
        switch (o[i].type) {
        case MS_OPT_TEXT:
        case MS_OPT_ADDR:
            ck_assert_str_eq(*(char *const *)a, *(char *const *)b);
            break;
        case MS_OPT_BOOL:
            ck_assert_int_eq(*(const bool *)a, *(const bool *)b);
            break;
        case MS_OPT_CHOICE:
            ck_assert_int_eq(*(const int *)a, *(const int *)b);
            break;
        default:
            ck_assert_int_eq(*(const int64_t *)a, *(const int64_t *)b);
        }
    }
    ck_assert_int_eq(c->n_models, 0);
    ms_config_free(c);
    ms_config_free(d);
}
END_TEST

/* Leaves the text of the table in the working folder when it is another one. */
static void same_document(struct ms_buf *b, const char *path, const char *fresh)
{
    char *text = slurp(path);
    bool same = strcmp(ms_buf_str(b), text) == 0;

    free(text);
    if (!same) {
        FILE *f = fopen(fresh, "w");
        ck_assert_ptr_nonnull(f);
        fputs(ms_buf_str(b), f);
        fclose(f);
    }
    ck_assert_msg(same, "%s differs from config/options.def; %s has the new text", path, fresh);
    ms_buf_clear(b);
}

START_TEST(committed_documents_match_the_table)
{
    struct ms_buf b;

    ms_buf_init(&b, 1 << 20);
    ms_config_yaml(&b);
    same_document(&b, "config/mindserved.yaml", "mindserved.yaml.new");
    ms_config_markdown(&b);
    same_document(&b, "docs/options.md", "options.md.new");
    ms_config_help(&b);
    ck_assert(ms_buf_ok(&b));
    ck_assert(strstr(ms_buf_str(&b), "limits.receive_budget = 512MiB") != NULL);
    ms_buf_done(&b);
}
END_TEST

/* The commented example of one model is valid once its comment signs are gone. */
START_TEST(example_of_a_model_is_valid)
{
    char *text = slurp("config/mindserved.yaml"), *at = strstr(text, "\nmodels:\n");
    struct ms_config *c = new_config();

    ck_assert(at != NULL);
    for (char *p = at; (p = strstr(p, "\n  # ")) != NULL; p += 3)
        memcpy(p, "\n    ", 5);
    ck_assert_str_eq(read_text(c, at + 1), "");
    ck_assert_int_eq(c->n_models, 1);
    ck_assert_str_eq(c->models[0].name, "resnet50");
    ck_assert_int_eq(c->models[0].memory, 64 << 20);
    ms_config_free(c);
    free(text);
}
END_TEST

static const struct {
    const char *text, *message;
} refusals[] = {
    {"listen:\n  htp: \"127.0.0.1:1\"\n",
     "f.yaml:2:3: unknown key 'listen.htp'; did you mean 'listen.http'?"},
    {"lisen: {}\n", "f.yaml:1:1: unknown key 'lisen'; --help lists all"},
    {"limits: {max_queue: 3}\n",
     "f.yaml:1:10: unknown key 'limits.max_queue'; did you mean 'batching.max_queue'?"},
    {"limits:\n  requests: 3\n  requests: 4\n", "f.yaml:3:3: key 'limits.requests' stands twice"},
    {"log: {level: info}\nlimits:\nlog: {format: json}\n", "f.yaml:3:1: key 'log' stands twice"},
    {"limits:\n  requests: many\n", "f.yaml:2:13: limits.requests: 'many' is not a whole number"},
    {"limits:\n  requests: \"3\"\n", "f.yaml:2:13: limits.requests: '3' is not a whole number"},
    {"limits:\n  requests: 0\n", "f.yaml:2:13: limits.requests: 0 is not between 1 and 1000000"},
    {"limits:\n  requests: 99999999999999999999\n",
     "f.yaml:2:13: limits.requests: 99999999999999999999 is not between 1 and 1000000"},
    {"limits:\n  message: 64MB\n",
     "f.yaml:2:12: limits.message: '64MB' is not a size (bytes, KiB, MiB, GiB)"},
    {"limits:\n  message: 9999999999GiB\n",
     "f.yaml:2:12: limits.message: 9999999999GiB is not between 4KiB and 2147483647"},
    {"store:\n  push_idle: 60\n",
     "f.yaml:2:14: store.push_idle: '60' is not a time (us, ms, s, min, h)"},
    {"store:\n  push_idle: [1s]\n",
     "f.yaml:2:14: store.push_idle: wants a time (us, ms, s, min, h)"},
    {"store:\n  push_idle:\n", "f.yaml:2:13: store.push_idle: wants a time (us, ms, s, min, h)"},
    {"log: {level: loud}\n",
     "f.yaml:1:14: log.level: 'loud' is not one of error, warn, info, debug"},
    {"listen: {insecure: yes}\n", "f.yaml:1:20: listen.insecure: 'yes' is not true or false"},
    {"listen: {http: 8000}\n", "f.yaml:1:16: listen.http: '8000' is not HOST:PORT or off"},
    {"listen: {http: \"::1:80\"}\n", "f.yaml:1:16: listen.http: '::1:80' is not HOST:PORT or off"},
    {"listen: [1]\n", "f.yaml:1:9: listen: wants a mapping of options"},
    {"- a\n", "f.yaml:1:1: wants a mapping of options"},
    {"a: &x 1\nb: *x\n", "f.yaml:1:1: unknown key 'a'; --help lists all"},
    {"log: &x {level: info}\n", "f.yaml:1:6: anchors, aliases and tags are not allowed"},
    {"log: {level: !!str info}\n", "f.yaml:1:14: anchors, aliases and tags are not allowed"},
    {"log: {level: info}\n---\nlog: {}\n", "f.yaml:2:1: more than one document"},
    {"log: {level: info\n", "f.yaml:2:1: did not find expected ',' or '}'"},
    {"log.level: info\n", "f.yaml:1:1: unknown key 'log.level'"},
    {"models: {a/b: {}}\n", "f.yaml:1:10: 'a/b' is no model name (letters, digits, '.', '_', '-', "
                            "at most 128)"},
    {"models: {a: {}, a: {}}\n", "f.yaml:1:17: key 'models.a' stands twice"},
    {"models:\n  a:\n    batching: {max_sise: 3}\n",
     "f.yaml:3:16: unknown key 'models.a.batching.max_sise'; did you mean "
     "'models.a.batching.max_size'?"},
    {"models:\n  a:\n    image: {mean: [1, x]}\n",
     "f.yaml:3:19: models.a: image.mean: 'x' is not a list of numbers"},
    {"models:\n  a:\n    labels: [a, [b]]\n", "f.yaml:3:17: models.a.labels: a list inside a list"},
};

START_TEST(refusal_names_the_place)
{
    struct ms_config *c = new_config();

    ck_assert_str_eq(read_text(c, refusals[_i].text), refusals[_i].message);
    ms_config_free(c);
}
END_TEST

START_TEST(reads_models)
{
    struct ms_config *c = new_config();

    ck_assert_str_eq(read_text(c, "models:\n"
                                  "  res.net-50:\n"
                                  "    batching: {enabled: off, max_size: 8, max_delay: 2ms}\n"
                                  "    labels: [cat, \"dog, big\", '3']\n"
                                  "    image:\n"
                                  "      mean: [0.485, 0.456, 4.06e-1]\n"
                                  "      channels: bgr\n"
                                  "  other:\n"),
                     "");
    ck_assert_int_eq(c->n_models, 2);
    const struct ms_config_model *m = ms_config_model(c, "res.net-50");
    ck_assert(m != NULL && ms_config_model(c, "res") == NULL);
    ck_assert(m->has_batching_enabled && m->batching_enabled == MS_OFF);
    ck_assert(m->has_batching_max_delay && m->batching_max_delay == 2000000);
    ck_assert(!m->has_batching_timeout && !m->has_required);
    ck_assert_int_eq(m->labels.n, 3);
    ck_assert_str_eq(m->labels.item[1], "dog, big");
    ck_assert_int_eq(m->image_mean.n, 3);
    ck_assert(fabs(m->image_mean.item[2] - 0.406) < 1e-12);
    ck_assert_int_eq(m->image_channels, 1);
    ms_config_free(c);
}
END_TEST

START_TEST(empty_files_are_fine)
{
    struct ms_config *c = new_config();

    ck_assert_str_eq(read_text(c, ""), "");
    ck_assert_str_eq(read_text(c, "# nothing\n"), "");
    ck_assert_str_eq(read_text(c, "---\n"), "");
    ck_assert_str_eq(read_text(c, "listen:\n  tls:\n  # cert: x\nmodels:\n"), "");
    ms_config_free(c);
}
END_TEST

START_TEST(set_assigns)
{
    struct ms_config *c = new_config();
    struct ms_err err;

    ck_assert_int_eq(ms_config_set(c, "listen.http=off", &err), MS_OK);
    ck_assert_int_eq(ms_config_set(c, "limits.message=1MiB", &err), MS_OK);
    ck_assert_int_eq(ms_config_set(c, "limits.message=2MiB", &err), MS_OK);
    ck_assert_int_eq(ms_config_set(c, "models.res.net.batching.max_size=7", &err), MS_OK);
    ck_assert_int_eq(ms_config_set(c, "models.res.net.labels=a,b,c", &err), MS_OK);
    ck_assert_int_eq(ms_config_set(c, "models.res.net.image.mean=", &err), MS_OK);
    ck_assert_str_eq(c->listen_http, "off");
    ck_assert_int_eq(c->limits_message, 2 << 20);
    ck_assert_int_eq(c->n_models, 1);
    ck_assert_str_eq(c->models[0].name, "res.net");
    ck_assert_int_eq(c->models[0].labels.n, 3);
    ck_assert_int_eq(c->models[0].image_mean.n, 0);

    ck_assert_int_eq(ms_config_set(c, "listen.htp=off", &err), MS_INVALID_ARGUMENT);
    ck_assert_str_eq(err.text, "--set listen.htp=off: unknown key 'listen.htp'; did you mean "
                               "'listen.http'?");
    ck_assert_int_eq(ms_config_set(c, "limits.message", &err), MS_INVALID_ARGUMENT);
    ck_assert_str_eq(err.text, "--set limits.message: not KEY=VALUE");
    ck_assert_int_eq(ms_config_set(c, "models.a=1", &err), MS_INVALID_ARGUMENT);
    ck_assert_int_eq(ms_config_set(c, "models.a/b.required=true", &err), MS_INVALID_ARGUMENT);
    ms_config_free(c);
}
END_TEST

START_TEST(check_refuses_open_doors)
{
    static const char *const bad[] = {"listen.http=0.0.0.0:80", "listen.grpc=[::]:80",
                                      "listen.metrics=example.org:1", "listen.tls.cert=/x",
                                      "auth.tokens=true"};
    struct ms_err err;

    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct ms_config *c = new_config();
        ck_assert_int_eq(ms_config_set(c, bad[i], &err), MS_OK);
        ck_assert_int_eq(ms_config_check(c, &err), MS_INVALID_ARGUMENT);
        ck_assert_int_eq(ms_config_set(c, "listen.insecure=true", &err), MS_OK);
        ck_assert_int_eq(ms_config_check(c, &err), i < 3 ? MS_OK : MS_INVALID_ARGUMENT);
        ms_config_free(c);
    }
}
END_TEST

START_TEST(addresses)
{
    char host[64];
    int port;

    ck_assert(ms_addr_split("127.0.0.1:0", host, sizeof host, &port) && port == 0);
    ck_assert(ms_addr_split("[::1]:8000", host, sizeof host, &port) && port == 8000);
    ck_assert_str_eq(host, "::1");
    ck_assert(ms_host_loopback(host) && ms_host_loopback("127.9.9.9"));
    ck_assert(!ms_host_loopback("128.0.0.1") && !ms_host_loopback("::") &&
              !ms_host_loopback("127.0.0.1.example.org"));
    ck_assert(!ms_addr_split("x", host, sizeof host, &port));
    ck_assert(!ms_addr_split("x:", host, sizeof host, &port));
    ck_assert(!ms_addr_split(":1", host, sizeof host, &port));
    ck_assert(!ms_addr_split("x:65536", host, sizeof host, &port));
    ck_assert(!ms_addr_split("[x:1", host, sizeof host, &port));
    ck_assert(!ms_addr_split("[]:1", host, sizeof host, &port));
}
END_TEST

START_TEST(files_of_strangers_are_refused)
{
    char path[] = "/tmp/ms_config_XXXXXX";
    int fd = mkstemp(path);
    struct ms_config *c = new_config();
    struct ms_err err;

    ck_assert(fd >= 0 && write(fd, "log: {}\n", 8) == 8);
    ck_assert_int_eq(ms_config_read_file(c, path, &err), MS_OK);
    ck_assert_int_eq(fchmod(fd, 0666), 0);
    ck_assert_int_eq(ms_config_read_file(c, path, &err), MS_INVALID_ARGUMENT);
    ck_assert_int_eq(fchmod(fd, 0600), 0);
    ck_assert_int_eq(ftruncate(fd, MS_CONFIG_MAX_FILE + 1), 0);
    ck_assert_int_eq(ms_config_read_file(c, path, &err), MS_INVALID_ARGUMENT);
    if (geteuid() == 0) {
        ck_assert_int_eq(ftruncate(fd, 0), 0);
        ck_assert_int_eq(fchown(fd, 12345, 12345), 0);
        ck_assert_int_eq(ms_config_read_file(c, path, &err), MS_INVALID_ARGUMENT);
    }
    close(fd);
    unlink(path);
    ck_assert_int_eq(ms_config_read_file(c, path, &err), MS_INVALID_ARGUMENT);
    ck_assert_int_eq(ms_config_read_file(c, "/", &err), MS_INVALID_ARGUMENT);
    ms_config_free(c);
}
END_TEST

/* Every allocation fails once: an error, no crash, no leak (the sanitizer run sees leaks). */
START_TEST(memory_may_run_out)
{
    static const char text[] = "listen: {http: \"off\"}\nmodels: {a: {labels: [x, y]}, b: {}}\n";

    for (uint64_t n = 1; n < 300; n++) {
        struct ms_config *c = NULL;
        struct ms_err err;

        ms_mem_fail_after(n, false);
        if (ms_config_new(&c, &err) == MS_OK) {
            ms_code code = ms_config_read(c, "f", text, sizeof text - 1, &err);
            ck_assert(code == MS_OK || code == MS_RESOURCE_EXHAUSTED);
        }
        ms_mem_fail_after(0, false);
        ms_config_free(c);
    }
}
END_TEST

/* Cut and flipped bytes of a good file: any answer, but an answer. */
START_TEST(damaged_files_are_answered)
{
    char *text = slurp("config/mindserved.yaml"), *copy = strdup(text);
    size_t len = strlen(text);
    struct ms_err err;

    for (size_t i = 0; i < len; i += 7) {
        struct ms_config *c = new_config();
        ck_assert(ms_config_read(c, "f", text, i, &err) <= MS_UNAUTHENTICATED);
        ms_config_free(c);
        c = new_config();
        copy[i] = (char)(copy[i] ^ (1 << (i % 8)));
        ck_assert(ms_config_read(c, "f", copy, len, &err) <= MS_UNAUTHENTICATED);
        copy[i] = text[i];
        ms_config_free(c);
    }
    free(text);
    free(copy);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("config");
    TCase *t = tcase_create("config");

    tcase_set_timeout(t, 120);
    tcase_add_test(t, defaults_are_as_written);
    tcase_add_test(t, default_file_equals_defaults);
    tcase_add_test(t, committed_documents_match_the_table);
    tcase_add_test(t, example_of_a_model_is_valid);
    tcase_add_loop_test(t, refusal_names_the_place, 0, (int)(sizeof refusals / sizeof *refusals));
    tcase_add_test(t, reads_models);
    tcase_add_test(t, empty_files_are_fine);
    tcase_add_test(t, set_assigns);
    tcase_add_test(t, check_refuses_open_doors);
    tcase_add_test(t, addresses);
    tcase_add_test(t, files_of_strangers_are_refused);
    tcase_add_test(t, memory_may_run_out);
    tcase_add_test(t, damaged_files_are_answered);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
