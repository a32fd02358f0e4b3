/* SPDX-License-Identifier: Apache-2.0 */
/* mutate_models.c - mutated models through reader, checks, passes, kernel choice and one run.
 *
 *     mutate_models [--seconds N] [--count N] [--seed N] [--from N] [--verbose] [FILE...]
 *
 * Anything but success or a clean refusal (a known code, one line of text, bounded time) is a
 * failure. Case K of seed S is the same on every host, so `--seed S --from K --count 1` repeats it;
 * a crash prints those numbers. Without files, the models in examples/, tests/data and Debian's
 * ONNX test data serve. Leaks are the sanitizer's to find. Time: $MS_FUZZ_SECONDS or 10 s. */
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/map.h"
#include "base/vfs.h"
#include "runtime/model.h"
#include "tests/fuzz/mutate.h"

enum { MAX_SEEDS = 4096, MAX_SEED_BYTES = 256 << 10, MAX_ELEMENTS = 1 << 20, SLOW_S = 10 };

struct seed {
    char *path;
    struct ms_mapping file;
};

static struct {
    struct seed seeds[MAX_SEEDS];
    int n_seeds;
    uint64_t seed, from, count;
    int64_t seconds;
    bool verbose;
    uint64_t by_code[MS_UNAUTHENTICATED + 1], ran, failures;
    int64_t slowest; /* ns */
    uint64_t slowest_at;
    struct ms_map texts; /* refusals with numbers and names left out -> count */
    /* for the handlers */
    uint64_t at;
    const char *path;
} all = {.seed = 1, .count = UINT64_MAX};

/* ---- when it goes wrong ---- */

static void say_where(void)
{
    char text[600];
    const int n = snprintf(
        text, sizeof text, "\nmutate_models: case --seed %llu --from %llu --count 1, from %s\n",
        (unsigned long long)all.seed, (unsigned long long)all.at, all.path ? all.path : "?");

    if (write(2, text, (size_t)n) < 0)
        _exit(3);
}

static void on_signal(int sig)
{
    say_where();
    signal(sig, SIG_DFL);
    raise(sig);
}

void __sanitizer_set_death_callback(void (*)(void)) __attribute__((weak));

/* The undefined-behaviour sanitizer has a runtime of its own, which asks this. */
const char *__ubsan_default_options(void);
const char *__ubsan_default_options(void)
{
    return "abort_on_error=1:print_stacktrace=1";
}

static void install_handlers(void)
{
    signal(SIGALRM, on_signal); /* a hang */
    signal(SIGABRT, on_signal);
    if (__sanitizer_set_death_callback) {
        __sanitizer_set_death_callback(say_where);
        return;
    }
    signal(SIGSEGV, on_signal);
    signal(SIGBUS, on_signal);
    signal(SIGFPE, on_signal);
    signal(SIGILL, on_signal);
}

static void failure(const char *what, const struct ms_err *err)
{
    all.failures++;
    printf("FAILURE: %s: %s (--seed %llu --from %llu --count 1, from %s)\n", what,
           err ? err->text : "", (unsigned long long)all.seed, (unsigned long long)all.at,
           all.path);
}

/* ---- one case ---- */

static void count_text(const char *text)
{
    char key[160];
    size_t n = 0;
    bool quoted = false;

    for (; *text && n < sizeof key - 1; text++) {
        if (*text == '\'') {
            quoted = !quoted;
            continue;
        }
        if (quoted || (*text >= '0' && *text <= '9') || *text == '-')
            continue;
        key[n++] = *text;
    }
    uintptr_t before = (uintptr_t)ms_map_get(&all.texts, key, n);
    char *kept = before ? NULL : strndup(key, n);
    if (before || kept)
        before = ms_map_put(&all.texts, before ? key : kept, n, (void *)(before + 1)) ? before : 0;
}

static bool is_refusal(const struct ms_err *err)
{
    switch (err->code) {
    case MS_INVALID_ARGUMENT:
    case MS_UNIMPLEMENTED:
    case MS_RESOURCE_EXHAUSTED:
    case MS_FAILED_PRECONDITION:
    case MS_DEADLINE_EXCEEDED:
    case MS_OUT_OF_RANGE:
    case MS_NOT_FOUND:
        return strlen(err->text) > 3 && !strchr(err->text, '\n');
    default:
        return false;
    }
}

static void note(const char *step, ms_code code, const struct ms_err *err)
{
    all.by_code[code <= MS_UNAUTHENTICATED ? code : MS_UNKNOWN]++;
    if (code == MS_OK)
        return;
    if (code != err->code || !is_refusal(err))
        failure(step, err);
    else if (all.verbose)
        count_text(err->text);
}

/* An input for a port: variable dims get 1 to 3, now and then 0; small numbers, so that indices are
 * often in range. */
static struct ms_tensor *input_for(const struct ms_port *p, struct rnd *r)
{
    struct ms_shape s = p->shape;
    struct ms_tensor *t;
    size_t count;

    if (s.rank < 0)
        s = ms_shape_make(2, 3);
    for (int i = 0; i < s.rank; i++)
        if (ms_is_sym(s.dim[i]))
            s.dim[i] = rnd_below(r, 12) ? (int64_t)rnd_below(r, 3) + 1 : 0;
    if (!ms_shape_count(&s, &count) || count > MAX_ELEMENTS)
        return NULL;
    t = ms_tensor_new(p->dtype, &s);
    for (size_t i = 0; t && i < count; i++) {
        uint8_t *at = (uint8_t *)t->data + i * ms_dtype_size(p->dtype);

        if (p->dtype == MS_F32)
            *(float *)(void *)at = (float)rnd_below(r, 200) / 50.0f - 2.0f;
        else if (p->dtype == MS_F64)
            *(double *)(void *)at = (double)rnd_below(r, 200) / 50.0 - 2.0;
        else if (p->dtype == MS_STRING)
            *(struct ms_bytes *)(void *)at = ms_bytes("text", rnd_below(r, 5));
        else
            memset(at, 0, ms_dtype_size(p->dtype)),
                *at = (uint8_t)rnd_below(r, p->dtype == MS_BOOL ? 2 : 5);
    }
    return t;
}

static void run_model(struct ms_model *m, struct rnd *r)
{
    int n_in, n_out, made = 0;
    const struct ms_port *in = ms_model_inputs(m, &n_in);
    struct ms_tensor **x, **y;
    struct ms_err err = {0};

    ms_model_outputs(m, &n_out);
    x = calloc((size_t)n_in + 1, sizeof *x);
    y = calloc((size_t)n_out + 1, sizeof *y);
    while (x && y && made < n_in && (x[made] = input_for(&in[made], r)))
        made++;
    if (x && y && made == n_in) {
        const ms_code code = ms_model_run(m, x, y, 1, ms_now() + MS_SEC, NULL, NULL, &err);

        all.ran++;
        note("run", code, &err);
        for (int i = 0; code == MS_OK && i < n_out; i++)
            ms_tensor_unref(y[i]);
    }
    for (int i = 0; x && i < made; i++)
        ms_tensor_unref(x[i]);
    free(x);
    free(y);
}

static void one_case(struct ms_engine *e, const uint8_t *data, size_t len, struct rnd *r)
{
    const struct ms_source src = {.main = ms_bytes(data, len)};
    const int64_t start = ms_now();
    struct ms_model_opts o;
    struct ms_model *m = NULL;
    struct ms_err err = {0};

    alarm(SLOW_S * 6);
    ms_model_opts_init(&o);
    o.load_deadline = start + 5 * MS_SEC;
    o.self_test_ns = MS_SEC;
    const ms_code code = ms_model_load(e, &src, NULL, &o, &m, &err);
    note("load", code, &err);
    if (code == MS_OK) {
        run_model(m, r);
        ms_model_unref(m);
    }
    alarm(0);
    const int64_t took = ms_now() - start;
    if (took > SLOW_S * MS_SEC)
        failure("took longer than allowed", NULL);
    if (took > all.slowest) {
        all.slowest = took;
        all.slowest_at = all.at;
    }
}

/* ---- seeds ---- */

static void add_seed(const char *path, size_t max)
{
    struct seed *s = &all.seeds[all.n_seeds];
    struct ms_err err;

    if (all.n_seeds == MAX_SEEDS || ms_map_file(AT_FDCWD, path, false, &s->file, &err) != MS_OK)
        return;
    s->path = strdup(path);
    if (s->path && s->file.len > 0 && s->file.len <= max)
        all.n_seeds++;
    else
        ms_unmap(&s->file), free(s->path);
}

static bool ends_with(const char *s, const char *end)
{
    return strlen(s) > strlen(end) && strcmp(s + strlen(s) - strlen(end), end) == 0;
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

static void add_folder(const char *dir, int depth)
{
    struct dirent **list;
    const int n = depth < 4 ? scandir(dir, &list, NULL, by_name) : -1;

    for (int i = 0; i < n; i++) {
        char path[1024];

        snprintf(path, sizeof path, "%s/%s", dir, list[i]->d_name);
        if (ends_with(path, ".onnx") || ends_with(path, ".mindir"))
            add_seed(path, MAX_SEED_BYTES);
        else if (list[i]->d_name[0] != '.')
            add_folder(path, depth + 1);
        free(list[i]);
    }
    if (n >= 0)
        free(list);
}

static void find_seeds(void)
{
    const char *srcdir = getenv("srcdir"), *models = getenv("MS_MODELS");
    char path[1024];

    snprintf(path, sizeof path, "%s/examples", srcdir ? srcdir : ".");
    add_folder(path, 0);
    snprintf(path, sizeof path, "%s/tests/data", srcdir ? srcdir : ".");
    add_folder(path, 0);
    if (!models)
        snprintf(path, sizeof path, "%s/../shared/models", srcdir ? srcdir : ".");
    add_folder(models ? models : path, 0);
    add_folder("/usr/share/libonnx-testdata/data", 0);
}

/* ---- all of it ---- */

static int parse_args(int argc, char **argv)
{
    const char *env = getenv("MS_FUZZ_SECONDS");

    all.seconds = env ? atoi(env) : 10;
    for (int i = 1; i < argc; i++) {
        const bool more = i + 1 < argc;

        if (strcmp(argv[i], "--verbose") == 0) {
            all.verbose = true;
        } else if (strcmp(argv[i], "--seconds") == 0 && more) {
            all.seconds = atoll(argv[++i]);
        } else if (strcmp(argv[i], "--count") == 0 && more) {
            all.count = strtoull(argv[++i], NULL, 10);
            all.seconds = INT64_MAX / MS_SEC;
        } else if (strcmp(argv[i], "--seed") == 0 && more) {
            all.seed = strtoull(argv[++i], NULL, 10);
        } else if (strcmp(argv[i], "--from") == 0 && more) {
            all.from = strtoull(argv[++i], NULL, 10);
        } else if (argv[i][0] == '-') {
            fprintf(stderr, "mutate_models: unknown option %s\n", argv[i]);
            return 2;
        } else {
            add_seed(argv[i], SIZE_MAX);
        }
    }
    return 0;
}

static void report(uint64_t cases, int64_t ns)
{
    size_t pos = 0;

    printf("mutate_models: %llu cases from %d files in %.1f s, %llu ran, %llu failures\n",
           (unsigned long long)cases, all.n_seeds, (double)ns / 1e9, (unsigned long long)all.ran,
           (unsigned long long)all.failures);
    printf("  slowest case %llu: %.0f ms; peak %zu MiB\n", (unsigned long long)all.slowest_at,
           (double)all.slowest / 1e6, ms_rss_peak_bytes() >> 20);
    for (int i = 0; i <= MS_UNAUTHENTICATED; i++)
        if (all.by_code[i])
            printf("  %-20s %llu\n", ms_code_name((ms_code)i), (unsigned long long)all.by_code[i]);
    for (const struct ms_map_slot *s; all.verbose && (s = ms_map_next(&all.texts, &pos));) {
        printf("  %8zu  %.*s\n", (size_t)(uintptr_t)s->value, (int)s->len, s->key);
        free((void *)(uintptr_t)s->key);
    }
    ms_map_done(&all.texts);
}

int main(int argc, char **argv)
{
    struct ms_engine_opts opts;
    struct ms_engine *engine;
    struct ms_err err;
    uint64_t done = 0;

    if (parse_args(argc, argv) != 0)
        return 2;
    if (all.n_seeds == 0)
        find_seeds();
    if (all.n_seeds == 0) {
        printf("no model to mutate (examples/, tests/data, package libonnx-testdata)\n");
        return 77;
    }
    install_handlers();
    ms_engine_opts_init(&opts);
    opts.threads = 1;
    opts.memory_budget = (size_t)1 << 30;
    opts.model_budget = (size_t)256 << 20;
    opts.run_budget = (size_t)64 << 20;
    if (ms_engine_new(&opts, &engine, &err) != MS_OK) {
        fprintf(stderr, "mutate_models: %s\n", err.text);
        return 1;
    }
    const int64_t start = ms_now();
    for (all.at = all.from; done < all.count && ms_now() - start < all.seconds * MS_SEC;
         all.at++, done++) {
        struct rnd r = {.s = (all.seed * UINT64_C(0x9e3779b97f4a7c15)) ^
                             (all.at + 1) * UINT64_C(0xbf58476d1ce4e5b9)};

        for (int i = 0; i < 4; i++)
            rnd_next(&r);
        const struct seed *s = &all.seeds[rnd_below(&r, (size_t)all.n_seeds)];
        size_t len = s->file.len;
        all.path = s->path;
        uint8_t *data = mutate(s->file.data, &len, &r);
        uint8_t *exact = data ? realloc(data, len ? len : 1) : NULL; /* ASan sees a byte too far */
        if (exact)
            one_case(engine, exact, len, &r);
        free(exact);
    }
    ms_engine_free(engine);
    all.path = "the whole run"; /* for what the sanitizers say at exit */
    report(done, ms_now() - start);
    for (int i = 0; i < all.n_seeds; i++) {
        ms_unmap(&all.seeds[i].file);
        free(all.seeds[i].path);
    }
    return all.failures == 0 ? 0 : 1;
}
